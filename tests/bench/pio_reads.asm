; A boot disk that reads SECTORS sectors of itself by programmed I/O, one command each 256 or less, and ends its guest:
; ATA/ATAPI-6, 8.34 (READ SECTORS) and 9.5. Without interrupts: the status is polled.
bits 16
org 0x7c00

%ifndef SECTORS
%define SECTORS 16
%endif

DATA equ 0x1f0
COUNT equ 0x1f2
DEVICE equ 0x1f6
COMMAND equ 0x1f7
CONTROL equ 0x3f6
NIEN equ 2
LBA equ 0xe0
READ_SECTORS equ 0x20
BUSY equ 0x80
DATA_REQUEST equ 8
BUFFER equ 0x8000
DEBUG_EXIT equ 0xf4

    cli
    cld
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov dx, CONTROL
    mov al, NIEN
    out dx, al
    mov bp, SECTORS
command:
    mov dx, DEVICE
    mov al, LBA
    out dx, al
    mov bx, bp
    cmp bx, 256
    jbe .few
    mov bx, 256
.few:
    sub bp, bx
    mov dx, COUNT
    mov al, bl
    out dx, al
    xor al, al
    inc dx          ; LBA
    out dx, al
    inc dx
    out dx, al
    inc dx
    out dx, al
    mov dx, COMMAND
    mov al, READ_SECTORS
    out dx, al
sector:
    mov dx, COMMAND
.wait:
    in al, dx
    and al, BUSY | DATA_REQUEST
    cmp al, DATA_REQUEST
    jne .wait
    mov dx, DATA
    mov di, BUFFER
    mov cx, 256
    rep insw
    dec bx
    jnz sector
    test bp, bp
    jnz command
    mov dx, DEBUG_EXIT
    mov al, 3
    out dx, al
    hlt

    times 510 - ($ - $$) db 0
    dw 0xaa55
