; The world switch (SDM Vol. 3C, chapters 27 and 28).
;
; Interrupts of the host are off before and after; one that is pending ends the guest at once. The host's RSP is where
; this function left it: it is written only when a call came from another depth.

bits 64
default rel
section .text

VMCS_HOST_RSP equ 0x6c14

; struct vcpu_gpr, numbered as enum gpr; RSP is the VMCS's
%define GPR(n) [rdi + n * 8]

%macro pop_callee_saved 0
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
%endmacro

; uint64_t vmx_enter(struct vcpu_gpr *gpr, bool launched, uint64_t *host_rsp): 0 after an exit, 1 if there was no entry
global vmx_enter, vmx_exit
vmx_enter:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    push rdi
    cmp rsp, [rdx]
    je .same_stack
    mov [rdx], rsp
    mov eax, VMCS_HOST_RSP
    vmwrite rax, rsp
.same_stack:
    test sil, sil
    mov rax, GPR(0)
    mov rcx, GPR(1)
    mov rdx, GPR(2)
    mov rbx, GPR(3)
    mov rbp, GPR(5)
    mov rsi, GPR(6)
    mov r8, GPR(8)
    mov r9, GPR(9)
    mov r10, GPR(10)
    mov r11, GPR(11)
    mov r12, GPR(12)
    mov r13, GPR(13)
    mov r14, GPR(14)
    mov r15, GPR(15)
    mov rdi, GPR(7)
    jz .launch
    vmresume
    jmp .refused
.launch:
    vmlaunch
.refused:
    pop rdi
    mov eax, 1
    pop_callee_saved
    ret

vmx_exit:
    push rdi
    mov rdi, [rsp + 8]
    mov GPR(0), rax
    mov GPR(1), rcx
    mov GPR(2), rdx
    mov GPR(3), rbx
    mov GPR(5), rbp
    mov GPR(6), rsi
    pop qword GPR(7)
    mov GPR(8), r8
    mov GPR(9), r9
    mov GPR(10), r10
    mov GPR(11), r11
    mov GPR(12), r12
    mov GPR(13), r13
    mov GPR(14), r14
    mov GPR(15), r15
    pop rdi
    xor eax, eax
    pop_callee_saved
    ret
