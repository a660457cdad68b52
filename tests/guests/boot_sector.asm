; The first sector of a disk that starts a test kernel from a BIOS (run.py, firmware=bios): it loads what follows it, the
; kernel's command line in a sector and its image, by INT 13h into low memory and from there by INT 15h behind 1 MiB,
; and enters the kernel as a Multiboot loader does, with the command line alone. BIOS Boot Specification 1.01, Phoenix
; EDD 3.0, Multiboot 0.6.96.

SECTOR          equ 512
CHUNK           equ 64                  ; sectors, of which each copy moves so many
BUFFER          equ 0x10000
INFO            equ 0x600               ; Multiboot information
INFO_COMMAND    equ 4                   ; its flag, and where the pointer lies
INFO_LINE       equ 16
MULTIBOOT_LOADED equ 0x2badb002
CR0_PE          equ 1
SELECTOR_CODE   equ 8
SELECTOR_DATA   equ 16
PARAMETERS      equ 490                 ; of this sector: run.py writes them

bits 16
org 0x7c00
    jmp 0:start
start:
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    cld
    mov [drive], dl
    mov eax, [image_start]
    sub eax, SECTOR                     ; the command line lies before the image
    mov [line], eax
    mov [place], eax
.load:
    mov dl, [drive]
    mov ah, 0x42
    mov si, packet
    int 0x13
    jc stop
    mov eax, [place]
    mov [target + 2], ax
    shr eax, 16
    mov [target + 4], al
    mov [target + 7], ah
    mov ah, 0x87
    mov cx, CHUNK * SECTOR / 2
    mov si, copy
    int 0x15
    jc stop
    add dword [packet + 8], CHUNK
    add dword [place], CHUNK * SECTOR
    dec word [chunks]
    jnz .load
    cli
    lgdt [gdtr]
    mov eax, cr0
    or al, CR0_PE
    mov cr0, eax
    jmp SELECTOR_CODE:protected
stop:
    hlt
    jmp stop

bits 32
protected:
    mov eax, SELECTOR_DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov edi, [image_end]                ; from here on it is zero
    mov ecx, [memory_end]
    sub ecx, edi
    xor eax, eax
    rep stosb
    mov dword [INFO], INFO_COMMAND
    mov eax, [line]
    mov [INFO + INFO_LINE], eax
    mov eax, MULTIBOOT_LOADED
    mov ebx, INFO
    jmp [entry]

align 4
packet:                                 ; INT 13h AH=42h
    db 16, 0
    dw CHUNK, 0, BUFFER / 16
    dq 1
copy:                                   ; INT 15h AH=87h: descriptors
    times 16 db 0
    dw 0xffff, BUFFER & 0xffff
    db BUFFER / 65536, 0x93
    dw 0
target:
    dw 0xffff, 0
    db 0, 0x93
    dw 0
    times 16 db 0
gdt:
    dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:
    dw $ - gdt - 1
    dd gdt
line: dd 0
place: dd 0
drive: db 0

    times PARAMETERS - ($ - $$) db 0
entry: dd 0
image_start: dd 0
image_end: dd 0
memory_end: dd 0
chunks: dw 0
    times 510 - ($ - $$) db 0
    dw 0xaa55
