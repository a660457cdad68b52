; A boot sector that says on the serial port each byte of keyboard (k) and mouse (m), in hexadecimal, from the moment on at which
; it is told to there. The mouse has its wheel; the controller translates, as the BIOS has set it up.
bits 16
org 0x7c00

DATA    equ 0x60
STATUS  equ 0x64
COM1    equ 0x3f8

        cli
        xor     ax, ax
        mov     ds, ax
        mov     ss, ax
        mov     sp, 0x7c00
        cld
        mov     al, 0xa8                ; the mouse's port is on
        out     STATUS, al
        mov     si, enable
.next:  mov     al, 0xd4                ; a byte for the mouse
        out     STATUS, al
        lodsb
        out     DATA, al
        call    wait_byte               ; its acknowledgement
        cmp     si, enable.end
        jne     .next
        mov     si, ready
        mov     cx, ready.end - ready
.say:   lodsb
        call    put
        loop    .say
        mov     dx, COM1 + 5
.wait:  in      al, dx
        test    al, 1
        jz      .wait
again:  call    wait_byte
        push    ax
        mov     al, 'k'
        test    ah, 0x20
        jz      .who
        mov     al, 'm'
.who:   call    put
        pop     ax
        push    ax
        shr     al, 4
        call    digit
        pop     ax
        call    digit
        mov     al, 10
        call    put
        jmp     again

; al: a byte of the controller, ah: the status that went before.
wait_byte:
        in      al, STATUS
        test    al, 1
        jz      wait_byte
        mov     ah, al
        in      al, DATA
        ret

digit:  and     al, 15
        add     al, '0'
        cmp     al, '9'
        jbe     put
        add     al, 'a' - '9' - 1
put:    push    ax
        mov     dx, COM1 + 5
.full:  in      al, dx
        test    al, 0x20
        jz      .full
        pop     ax
        mov     dx, COM1
        out     dx, al
        ret

enable: db      0xf3, 200, 0xf3, 100, 0xf3, 80, 0xf4
.end:
ready:  db      "ready", 10
.end:
        times   510 - ($ - $$) db 0
        dw      0xaa55
