; 16-bit code of mode_real, assembled for address REAL_CODE.
REAL_CODE equ 0xa000
bits 16
section .text
%macro code 1
global %1, %1_end
%1:
%define base %1
%endmacro
%define here(label) (label - base + REAL_CODE)

code code_address
    mov ax, 0x1234
    mov ds, ax
    mov eax, [0]
    mov bx, 0xffff
    mov es, bx
    mov ebx, [es:0x10]
    mov ecx, cs
    mov edx, cr0
    ret
code_address_end:

code code_interrupt
    mov word [0x60 * 4], here(.handler)
    mov word [0x60 * 4 + 2], 0
    xor edx, edx
    mov dx, sp
    stc
    int 0x60
    pushf
    pop cx
    sub dx, si
    ret
.handler:
    mov si, sp
    mov eax, 0x1234
    pushf
    pop bx
    clc
    iret
code_interrupt_end:

code code_fault
    xor eax, eax
    xor ebx, ebx
    xor edx, edx
    xor esi, esi
    xor edi, edi
    mov word [0 * 4], here(.divide)
    mov word [0 * 4 + 2], 0
    mov word [6 * 4], here(.invalid)
    mov word [6 * 4 + 2], 0
    mov word [3 * 4], here(.break)
    mov word [3 * 4 + 2], 0
    mov word [4 * 4], here(.overflow)
    mov word [4 * 4 + 2], 0
    mov word [5 * 4], here(.bound)
    mov word [5 * 4 + 2], 0
    xor cx, cx
    push dx
    div cl                              ; 2 bytes
    pop dx
.ud:
    xor ecx, ecx
    ud2
    int3
    mov al, 0x7f
    add al, 1
    into
    mov ax, 200
    bound ax, [cs:here(.limits)]
    mov eax, 1
    ret
.limits: dw 0, 100
.divide:
    push bp
    mov bp, sp
    add word [bp + 2], 2
    pop bp
    iret
.invalid:
    inc ebx
    push bp
    mov bp, sp
    cmp word [bp + 2], here(.ud) + 3
    jne .other
    inc ecx
.other:
    add word [bp + 2], 2
    pop bp
    iret
.break:
    inc edx
    iret
.overflow:
    inc esi
    iret
.bound:
    inc edi
    push bp
    mov bp, sp
    add word [bp + 2], 5                ; BOUND with a CS prefix and a 16-bit address
    pop bp
    iret
code_fault_end:

code code_string
    mov ax, 0x3000
    mov ds, ax
    mov ax, 0x2000
    mov es, ax
    xor esi, esi
    xor edi, edi
    mov ecx, 16
    cld
    rep movsb
    xor eax, eax
    mov cx, 5
.again:
    inc eax
    loop .again
    ret
code_string_end:

code code_flags
    mov ax, 0x7fff
    add ax, 1
    pushf
    xor eax, eax
    pop ax
    mov ebx, -3
    imul ebx, ebx, 4
    push eax
    push ebx
    xor eax, eax
    cpuid
    pop ebx
    mov al, 0xa5
    out 0xa1, al
    xor edx, edx
    in al, 0xa1
    mov dl, al
    pop eax
    ret
code_flags_end:
