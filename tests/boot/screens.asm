; A boot disk that shows pictures: what nr screenshot makes of them is held against the screen of a bare machine
; (test_screen.py), and their exits are counted (tests/bench/bench.py).
;
; It does what SCRIPT says, a letter at a time, and powers nothing off at the end: it halts. Modes are set by the
; BIOS, mode X as its inventor does (M. Abrash, "Graphics Programming Black Book", chapter 47).
;
;   t  text of 80 columns       g  mode 13h        v  VBE, 1024x768x32      T  the text screen anew, REP MOVSW
;   l  text of 40 columns       p  mode 12h        h  VBE, 800x600x16       F  a fill of 1024x768x32, REP STOSD
;   w  says so on the serial    x  mode X          i  VBE, 640x480x8        B  a fill of mode 12h, REP STOSB
;      port and waits there                                                 D  2048 bytes of mode 12h, MOV each
;   k  1920x1200x32, by the display's own registers
;   q  ends the guest with the value 3
%ifndef SCRIPT
%define SCRIPT 'q'
%endif

bits 16
org 0x7c00

SECTORS equ 8
SECTOR equ 512
COM1 equ 0x3f8
LSR_READY equ 1
LSR_EMPTY equ 0x20
DEBUG_EXIT equ 0xf4
SEQUENCER equ 0x3c4
MISCELLANEOUS equ 0x3c2
GRAPHICS equ 0x3ce
CRTC equ 0x3d4
LINE equ 0x6000         ; a buffer for a line
MODE_INFO equ 0x7000
FRAME_BUFFER equ MODE_INFO + 40 ; PhysBasePtr (VBE 3.0, 4.4)
LINEAR equ 0x4000       ; mode bit: with the linear frame buffer
CR0_PE equ 1
VBE_INDEX equ 0x1ce     ; and VBE_DATA behind it
ROWS_13H equ 200
PAGE_X equ 0x2000       ; where mode X's picture begins in its planes

start:
    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, start
    sti
    cld
    mov ax, 0x0200 + SECTORS - 1
    mov bx, start + SECTOR
    mov cx, 2
    xor dh, dh
    int 0x13
    jc halt
    jmp main
halt:
    hlt
    jmp halt

    times 510 - ($ - $$) db 0
    dw 0xaa55

main:
    mov si, script
.next:
    xor ax, ax
    mov ds, ax
    mov es, ax
    cld
    lodsb
    mov bx, commands
.find:
    cmp byte [bx], 0
    je halt
    cmp [bx], al
    je .found
    add bx, 3
    jmp .find
.found:
    push si
    call [bx + 1]
    pop si
    jmp .next

%macro command 2
    db %1
    dw %2
%endmacro
commands:
    command 't', text_80
    command 'l', text_40
    command 'g', mode_13h
    command 'p', mode_12h
    command 'x', mode_x
    command 'v', vbe_32
    command 'h', vbe_16
    command 'i', vbe_8
    command 'k', vbe_largest
    command 'T', redraw_text
    command 'F', fill_linear
    command 'B', fill_planes
    command 'D', dots_in_planes
    command 'w', wait_for_byte
    command 'q', quit
    db 0

say:                    ; al
    mov ah, al
    mov dx, COM1 + 5
.wait:
    in al, dx
    test al, LSR_EMPTY
    jz .wait
    mov dx, COM1
    mov al, ah
    out dx, al
    ret

wait_for_byte:
    mov si, drawn
.say:
    lodsb
    test al, al
    jz .wait
    call say
    jmp .say
.wait:
    hlt                 ; the timer's interrupt
    mov dx, COM1 + 5
    in al, dx
    test al, LSR_READY
    jz .wait
    mov dx, COM1
    in al, dx
    ret
drawn: db "drawn", 13, 10, 0

quit:
    mov al, 3
    out DEBUG_EXIT, al
    jmp halt

; All characters in all colours, bright backgrounds too, with a cursor. QEMU draws 0xb0 to 0xb2 nine dots wide
; as if they were line graphics, which begin at 0xc0 on a VGA.
text_80:
    mov ax, 0x0003
    jmp text
text_40:                ; of 8 dots: QEMU has none of 18
    mov ax, 0x0001
    call text
    mov dx, SEQUENCER
    mov ax, 0x0901
    out dx, ax
    ret
text:
    int 0x10
    mov ax, 0x1003      ; bit 7 of an attribute is a colour
    xor bx, bx
    int 0x10
    mov ax, 0xb800
    mov es, ax
    xor di, di
.cell:
    mov ax, di
    shr ax, 1
    mov ah, al
    mov bx, di
    mov cl, 3
    shr bx, cl
    xor ah, bl
    cmp al, 0xb0
    jb .put
    cmp al, 0xb2
    ja .put
    mov al, ' '
.put:
    stosw
    cmp di, 4000
    jb .cell
    mov ah, 2
    xor bh, bh
    mov dx, 0x0a21
    int 0x10
    ret

; Colours 0x40 to 0x7f become shades that no BIOS gives them.
set_palette:
    mov dx, 0x3c8
    mov al, 0x40
    out dx, al
    inc dx
    xor cl, cl
.entry:
    mov al, cl
    out dx, al
    shl al, 1
    out dx, al
    xor al, 0x2a
    out dx, al
    inc cl
    cmp cl, 0x40
    jb .entry
    ret

mode_13h:
    mov ax, 0x0013
    int 0x10
    call set_palette
    mov ax, 0xa000
    mov es, ax
    xor di, di
    xor dx, dx          ; y
.line:
    xor cx, cx
.byte:
    mov al, cl
    add al, ch
    xor al, dl
    stosb
    inc cx
    cmp cx, 320
    jb .byte
    inc dx
    cmp dx, ROWS_13H
    jb .line
    ret

; Each register of a table: index low, value high; to the port in dx.
set_registers:
    lodsw
    cmp ax, 0xffff
    je .end
    out dx, ax
    jmp set_registers
.end:
    ret

mode_x:
    mov ax, 0x0013
    int 0x10
    call set_palette
    mov dx, SEQUENCER
    mov si, x_sequencer
    call set_registers
    mov dx, MISCELLANEOUS
    mov al, 0xe3        ; 480 lines
    out dx, al
    mov dx, SEQUENCER
    mov ax, 0x0300
    out dx, ax
    mov dx, CRTC
    mov al, 0x11
    out dx, al
    inc dx
    in al, dx
    and al, 0x7f        ; registers 0 to 7 may be written
    out dx, al
    dec dx
    mov si, x_crtc
    call set_registers
    xor bx, bx          ; plane
.plane:
    mov cl, bl
    mov ax, 0x0102
    shl ah, cl
    mov dx, SEQUENCER
    out dx, ax
    mov ax, 0xa000
    mov es, ax
    mov di, PAGE_X
    xor dx, dx          ; y
.line:
    push es
    push di
    xor ax, ax
    mov es, ax
    mov di, LINE
    mov cx, 80
    mov al, bl
    add al, dl
.byte:
    stosb
    add al, 4
    xor al, dh
    loop .byte
    pop di
    pop es
    mov si, LINE
    mov cx, 80
    rep movsb
    inc dx
    cmp dx, 240
    jb .line
    inc bx
    cmp bx, 4
    jb .plane
    ret
x_sequencer: dw 0x0604, 0x0100, 0xffff
x_crtc: dw 0x0d06, 0x3e07, 0x4109, 0xea10, 0xac11, 0xdf12, 0x0014, 0xe715, 0x0616, 0xe317
    dw (PAGE_X & 0xff00) | 0x0c, (PAGE_X & 0xff) << 8 | 0x0d, 0xffff

; Stripes in each plane; then each write mode, the functions, set/reset and the bit mask once.
mode_12h:
    mov ax, 0x0012
    int 0x10
    mov ax, 0xa000
    mov es, ax
    xor bx, bx          ; plane
.plane:
    mov cl, bl
    mov ax, 0x0102
    shl ah, cl
    mov dx, SEQUENCER
    out dx, ax
    xor di, di
    xor dx, dx          ; y
.line:
    mov ax, dx
    mov cl, bl
    shr ax, cl
    mul al
    xor al, bl
    mov cx, 80
    rep stosb
    inc dx
    cmp dx, 480
    jb .line
    inc bx
    cmp bx, 4
    jb .plane
    mov dx, SEQUENCER
    mov ax, 0x0f02
    out dx, ax
    mov dx, GRAPHICS
    mov ax, 0x0105      ; write mode 1: lines 0 to 39 to 200 on, by the latches
    out dx, ax
    push ds
    push es
    pop ds
    xor si, si
    mov di, 200 * 80
    mov cx, 40 * 80
    rep movsb
    pop ds
    mov ax, 0x0205      ; write mode 2: a colour for the dots of the bit mask
    out dx, ax
    mov ax, 0x3c08
    out dx, ax
    mov di, 250 * 80
    xor cx, cx
.colors:
    mov al, [es:di]
    mov al, cl
    stosb
    inc cx
    cmp cx, 10 * 80
    jb .colors
    mov ax, 0xff08
    out dx, ax
    mov ax, 0x0305      ; write mode 3: set/reset where the byte has its bits
    out dx, ax
    mov ax, 0x0b00
    out dx, ax
    mov di, 300 * 80
    mov cx, 10 * 80
.masks:
    mov al, [es:di]
    mov al, cl
    stosb
    loop .masks
    mov ax, 0x0005      ; write mode 0: XOR with set/reset in two planes, rotated by 3
    out dx, ax
    mov ax, 0x0601
    out dx, ax
    mov ax, 0x1b03
    out dx, ax
    mov di, 350 * 80
    mov cx, 10 * 80
.exclusive:
    mov al, [es:di]
    mov al, cl
    stosb
    loop .exclusive
    mov ax, 0x0001
    out dx, ax
    mov ax, 0x0003
    out dx, ax
    ret

vbe_largest:
    mov cx, 0x144       ; whose frame buffer it is
    mov ax, 0x4f01
    mov di, MODE_INFO
    int 0x10
    mov si, largest
    mov dx, VBE_INDEX
.register:
    lodsw
    out dx, ax
    inc dx
    lodsw
    out dx, ax
    dec dx
    cmp si, largest_end
    jb .register
    mov edi, draw_largest
    jmp protected
largest:                ; index and value: disabled, width, height, depth, enabled and linear
    dw 4, 0, 1, 1920, 2, 1200, 3, 32, 4, 0x41
largest_end:

vbe_32:
    mov bx, 0x144
    mov edi, draw_32
    jmp vbe
vbe_16:
    mov bx, 0x114
    mov edi, draw_16
    jmp vbe
vbe_8:
    mov bx, 0x101
    mov edi, draw_8
vbe:
    push edi
    mov cx, bx
    mov ax, 0x4f01      ; information about the mode
    mov di, MODE_INFO
    int 0x10
    mov ax, 0x4f02
    or bx, LINEAR
    int 0x10
    call set_palette
    pop edi
protected:              ; calls edi with flat segments, where the frame buffer can be reached
    cli
    lgdt [gdt_pointer]
    mov eax, cr0
    or al, CR0_PE
    mov cr0, eax
    jmp CODE_32:.flat
bits 32
.flat:
    mov ax, DATA_32
    mov ds, eax
    mov es, eax
    mov edx, edi
    mov edi, [FRAME_BUFFER]
    call edx
    jmp CODE_16:.back
bits 16
.back:
    mov ax, DATA_16
    mov ds, ax
    mov es, ax
    mov eax, cr0
    and al, ~CR0_PE
    mov cr0, eax
    jmp 0:.real
.real:
    xor ax, ax
    mov ds, ax
    mov es, ax
    sti
    ret

redraw_text:
    mov ax, 0xb800
    mov es, ax
    mov si, start
    xor di, di
    mov cx, 80 * 25
    rep movsw
    ret

fill_linear:
    mov edi, fill_32
    jmp protected

fill_planes:
    mov ax, 0xa000
    mov es, ax
    xor di, di
    mov al, 0x5a
    mov cx, 640 * 480 / 8
    rep stosb
    ret

dots_in_planes:
    mov ax, 0xa000
    mov es, ax
    xor di, di
    mov cx, 2048
.byte:
    mov al, [es:di]
    mov [es:di], cl
    inc di
    loop .byte
    ret

bits 32
draw_32:
    xor ebx, ebx        ; y
.line:
    xor ecx, ecx        ; x
.pixel:
    mov eax, ecx
    imul eax, ebx
    shl eax, 8
    mov al, cl
    xor al, bl
    and eax, 0xffffff
    stosd
    inc ecx
    cmp ecx, 1024
    jb .pixel
    inc ebx
    cmp ebx, 768
    jb .line
    ret
draw_largest:           ; in pieces of 64 pixels: a picture of so many takes long to leave the machine
    xor ebx, ebx        ; piece
.piece:
    imul eax, ebx, 0x9e3779b1
    and eax, 0xffffff
    mov ecx, 64
    rep stosd
    inc ebx
    cmp ebx, 1920 * 1200 / 64
    jb .piece
    ret
draw_16:
    mov ecx, 800 * 600
    xor eax, eax
.pixel:
    stosw
    add eax, 0x1235
    loop .pixel
    ret
draw_8:
    mov ecx, 640 * 480
.pixel:
    mov eax, ecx
    shr eax, 7
    xor al, cl
    stosb
    loop .pixel
    ret
fill_32:
    mov ecx, 1024 * 768
    mov eax, 0x336699
    rep stosd
    ret

align 8
gdt:
    dq 0
    dq 0x00cf9a000000ffff
    dq 0x00cf92000000ffff
    dq 0x00009a000000ffff
    dq 0x000092000000ffff
gdt_end:
CODE_32 equ 8
DATA_32 equ 16
CODE_16 equ 24
DATA_16 equ 32
gdt_pointer:
    dw gdt_end - gdt - 1
    dd gdt

script: db SCRIPT, 0

    times SECTORS * SECTOR - ($ - $$) db 0
