; From 32-bit protected mode to real mode and back (Intel SDM Vol. 3A, 10.9).

SELECTOR_CODE32 equ 0x08
SELECTOR_DATA32 equ 0x10
SELECTOR_CODE16 equ 0x18
SELECTOR_DATA16 equ 0x20
REAL_BASE       equ 0x8000              ; where the 16-bit part is copied to
CR0_PE          equ 1

; struct real_block at a fixed place (real.h).
BLOCK           equ 0x7e00
BLOCK_TARGET    equ BLOCK + 24
BLOCK_FS        equ BLOCK + 28
BLOCK_STACK     equ BLOCK + 32
BLOCK_GDTR      equ BLOCK + 36
BLOCK_IVT       equ BLOCK + 44
REAL_STACK      equ 0x7c00

extern idtr
global real_enter, real_image, real_image_end

section .text
bits 32
; void real_enter(void): see real_call.
real_enter:
    push ebp
    push ebx
    push esi
    push edi
    pushfd
    cli
    mov [BLOCK_STACK], esp
    jmp SELECTOR_CODE16:REAL_BASE

real_back:
    mov eax, SELECTOR_DATA32
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    mov esp, [BLOCK_STACK]
    lidt [idtr]
    popfd
    pop edi
    pop esi
    pop ebx
    pop ebp
    ret

%define at(label) (label - real_image + REAL_BASE)
bits 16
real_image:
    mov eax, SELECTOR_DATA16
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov gs, ax
    mov ax, [BLOCK_FS]
    mov fs, ax
    mov eax, cr0
    and eax, ~CR0_PE
    mov cr0, eax
    jmp 0:at(.real)
.real:
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov gs, ax
    mov fs, ax                          ; the base changes, the limit stays (unreal mode)
    mov esp, REAL_STACK
    o32 lidt [BLOCK_IVT]
    mov eax, [BLOCK]
    mov ebx, [BLOCK + 4]
    mov ecx, [BLOCK + 8]
    mov edx, [BLOCK + 12]
    mov esi, [BLOCK + 16]
    mov edi, [BLOCK + 20]
    call [BLOCK_TARGET]
    cli
    mov [cs:BLOCK], eax
    mov [cs:BLOCK + 4], ebx
    mov [cs:BLOCK + 8], ecx
    mov [cs:BLOCK + 12], edx
    mov [cs:BLOCK + 16], esi
    mov [cs:BLOCK + 20], edi
    o32 lgdt [cs:BLOCK_GDTR]
    mov eax, cr0
    or eax, CR0_PE
    mov cr0, eax
    jmp dword SELECTOR_CODE32:real_back
real_image_end:
