; The world switch (AMD APM Vol. 2, 15.5 and 15.17).
;
; Interrupts of the host are off by RFLAGS.IF before and after. CLGI holds everything, NMI included, while IF
; is set for VMRUN: with V_INTR_MASKING the host's IF decides whether an interrupt ends the guest. After the
; exit GIF is still clear; IF goes off before STGI, so a pending interrupt waits until the core lets it in.
;
; VMLOAD of the host precedes any C: until then TR, LDTR, FS, GS and the SYSCALL registers are the guest's.

bits 64
default rel
section .text

; struct vcpu_gpr, numbered as enum gpr
RCX_AT equ 1 * 8
RDX_AT equ 2 * 8
RBX_AT equ 3 * 8
RBP_AT equ 5 * 8
RSI_AT equ 6 * 8
RDI_AT equ 7 * 8
R8_AT  equ 8 * 8
R9_AT  equ 9 * 8
R10_AT equ 10 * 8
R11_AT equ 11 * 8
R12_AT equ 12 * 8
R13_AT equ 13 * 8
R14_AT equ 14 * 8
R15_AT equ 15 * 8

; Bochs 2.7 carries a single-step trap of the guest's over the exit. It comes at the first instruction here, and its stack
; is looked for in the guest's TSS; the #PF of that look-up has spent the trap.
[section .fixup progbits alloc noexec nowrite align=8]
    dq svm_enter.left, svm_enter.left
__?SECT?__

; void svm_enter(struct vcpu_gpr *gpr, uint64_t guest_physical, uint64_t host_physical)
global svm_enter
svm_enter:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    push rdx
    push rdi
    mov rax, rsi
    clgi
    sti
    vmload
    mov rcx, [rdi + RCX_AT]
    mov rdx, [rdi + RDX_AT]
    mov rbx, [rdi + RBX_AT]
    mov rbp, [rdi + RBP_AT]
    mov rsi, [rdi + RSI_AT]
    mov r8, [rdi + R8_AT]
    mov r9, [rdi + R9_AT]
    mov r10, [rdi + R10_AT]
    mov r11, [rdi + R11_AT]
    mov r12, [rdi + R12_AT]
    mov r13, [rdi + R13_AT]
    mov r14, [rdi + R14_AT]
    mov r15, [rdi + R15_AT]
    mov rdi, [rdi + RDI_AT]
    vmrun
.left:
    vmsave                      ; RAX and RSP are the host's again
    push rdi
    mov rdi, [rsp + 8]
    mov [rdi + RCX_AT], rcx
    mov [rdi + RDX_AT], rdx
    mov [rdi + RBX_AT], rbx
    mov [rdi + RBP_AT], rbp
    mov [rdi + RSI_AT], rsi
    pop qword [rdi + RDI_AT]
    mov [rdi + R8_AT], r8
    mov [rdi + R9_AT], r9
    mov [rdi + R10_AT], r10
    mov [rdi + R11_AT], r11
    mov [rdi + R12_AT], r12
    mov [rdi + R13_AT], r13
    mov [rdi + R14_AT], r14
    mov [rdi + R15_AT], r15
    pop rdi
    pop rax
    vmload
    cli
    stgi
    xor ecx, ecx                ; nothing of the guest's stays for speculation to use
    xor edx, edx
    xor esi, esi
    xor edi, edi
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    xor r11d, r11d
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret
