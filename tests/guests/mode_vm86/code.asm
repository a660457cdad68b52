; 16-bit code for virtual-8086 mode; runs at 0x1000:0. Each piece ends with UD2.
bits 16
section .text
global v86_code, v86_code_end, v86_cli, v86_pushf, v86_int, v86_in, v86_hlt, v86_ud, v86_iret, v86_address, v86_lmsw
global v86_int3, v86_page, v86_in_word, v86_outs, v86_ins
v86_code:
v86_cli:
    cli
    ud2
v86_pushf:
    pushf
    ud2
v86_int:
    int 0x45
    ud2
v86_int3:
    int3
    ud2
v86_in:
    in al, 0x21
    ud2
v86_in_word:
    in ax, 0x21
    ud2
v86_outs:
    mov dx, 0x21                        ; 3 bytes
    mov si, 0xfe00                      ; 3
    outsb
    ud2
v86_ins:
    mov dx, 0x21                        ; 3
    mov di, 0xfd00                      ; 3
    mov cx, 4                           ; 3
    cld                                 ; 1
    rep insb
    ud2
v86_hlt:
    hlt
    ud2
v86_iret:
    iret
    ud2
v86_lmsw:
    lmsw ax
    ud2
v86_address:
    mov ax, 0x2345                      ; 3 bytes
    mov ds, ax                          ; 2
    mov eax, [bx]                       ; 3; BX is even and small
v86_ud:
    ud2
v86_page:
    mov ax, 0x2345
    mov ds, ax
    mov eax, [bx]
    ud2
v86_code_end:
