; 64-bit code of mmio_long. TPR of the local APIC holds 8 bits.
bits 64
section .text
global form_r12, form_r8, form_absolute, form_movnti, form_sse, form_movd, form_cross, form_zero_extend, form_alias
TPR equ 0xfee00080
ALIAS equ 0x80fee00080                 ; the same page through entry 1 of level 4

form_r8:
    mov r8d, TPR
    mov r9d, 0x33
    mov [r8], r9d
    mov r10, r8
    mov r15d, [r10]
    mov eax, r15d
    ret
form_r12:                               ; I/O APIC: not on the monitor's fast path; R12 is not RSP, nor R13 RBP
    mov r12d, 0xfec00000
    mov r13d, 0xfec00010
    mov dword [r12], 0x12               ; the select register reads back
    mov ecx, [r13 - 0x10]
    mov eax, [r12]
    shl eax, 8
    or eax, ecx
    ret
form_absolute:
    mov eax, 0x44
    mov ecx, TPR
    mov [rcx], eax
    xor eax, eax
    mov eax, [qword TPR]
    ret
form_zero_extend:
    mov rdx, -1
    mov ecx, TPR
    mov edx, [rcx]
    mov rax, rdx
    shr rax, 32
    ret
form_movnti:
    mov ecx, TPR
    mov eax, 0x55
    movnti [rcx], eax
    xor eax, eax
    mov eax, [rcx]
    ret
form_movd:
    mov ecx, TPR
    mov eax, 0x66
    movd xmm3, eax
    movd [rcx], xmm3
    movd xmm4, [rcx]
    movd eax, xmm4
    ret
form_sse:
    mov ecx, TPR
    mov eax, 0x77
    movd xmm3, eax
    movss [rcx], xmm3
    movss xmm9, [rcx]
    movd eax, xmm9
    ret
form_alias:
    mov rcx, ALIAS
    mov dword [rcx], 0x22
    mov ecx, TPR
    mov eax, [rcx]
    ret
align 4096
    times 4096 - 9 nop
form_cross:
    mov ecx, TPR
    mov dword [rcx], 0x11               ; its last two bytes are in the next page
    mov eax, [rcx]
    ret
