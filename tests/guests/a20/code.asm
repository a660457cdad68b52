; Real mode: what stands at LOW and, through segment 0xFFFF, behind 1 MiB, after each change of address line 20. Runs at
; 0xa000 (lib/real.c); the pairs go to RESULTS.
LOW             equ 0x6000
RESULTS         equ 0x5000
HIGH            equ LOW + 16            ; in segment 0xFFFF
CODE            equ 0x100               ; behind LOW: a piece of code, and what a string instruction moves
MOVED           equ 0x200
PORT_92         equ 0x92
KBC             equ 0x64
KBC_INPUT_FULL  equ 2
KBC_A20_OFF     equ 0xdd
KBC_A20_ON      equ 0xdf
REAL_CODE       equ 0xa000

global a20_code, a20_code_end
section .text
bits 16
a20_code:
    mov ax, 0xffff
    mov es, ax
    mov di, RESULTS
    cld
    call port_on
    mov word [LOW], 0x1111
    mov word [es:HIGH], 0x2222
    call record                         ; 0: on
    call port_off
    call record                         ; 1: off
    mov word [es:HIGH], 0x3333
    call record                         ; 2: written there
    call port_on
    call record                         ; 3: on
    mov al, KBC_A20_OFF
    call controller
    call record                         ; 4: off by the keyboard controller
    mov byte [LOW + CODE], 0xb8         ; mov ax, 0x4444; retf
    mov word [LOW + CODE + 1], 0x4444
    mov byte [LOW + CODE + 3], 0xcb
    call 0xffff:HIGH + CODE
    mov [LOW], ax
    call record                         ; 5: by code that runs there
    mov word [LOW + MOVED], 0
    push di
    mov si, LOW
    mov di, HIGH + MOVED
    mov cx, 2
    rep movsb
    pop di
    mov ax, [LOW + MOVED]
    inc ax
    mov [LOW], ax
    call record                         ; 6: by a string that was moved there
    mov al, KBC_A20_ON
    call controller
    call record                         ; 7: on
    mov ax, 0x2400
    int 0x15
    call record                         ; 8: off by the BIOS
    mov ax, 0x2402
    int 0x15
    mov [LOW], ax
    call record                         ; 9: which says so
    mov ax, 0x2401
    int 0x15
    call record                         ; 10: on
    ret

port_off:
    in al, PORT_92
    and al, 0xfc
    out PORT_92, al
    ret
port_on:
    in al, PORT_92
    and al, 0xfe
    or al, 2
    out PORT_92, al
    ret

controller:
    mov ah, al
.wait:
    in al, KBC
    test al, KBC_INPUT_FULL
    jnz .wait
    mov al, ah
    out KBC, al
.taken:
    in al, KBC
    test al, KBC_INPUT_FULL
    jnz .taken
    ret

record:
    push ax
    mov ax, [LOW]
    mov [di], ax
    mov ax, [es:HIGH]
    mov [di + 2], ax
    add di, 4
    pop ax
    ret
a20_code_end:
