; The world switch (SDM Vol. 3C, chapters 27 and 28).
;
; Interrupts of the host are off before and after; one that is pending ends the guest at once. The host's RSP is where
; this function left it: it is written only when a call came from another depth.

%include "registers.inc"

bits 64
default rel
section .text

VMCS_HOST_RSP equ 0x6c14
VMCS_EXIT_REASON equ 0x4402
VMX_REFUSED equ 0xc0000000 ; vmx.h

; uint32_t vmx_enter(struct vcpu_gpr *gpr, bool launched, uint64_t *host_rsp): the exit reason, or VMX_REFUSED
global vmx_enter, vmx_exit
vmx_enter:
    push_all CALLEE_SAVED
    push rdi
    cmp rsp, [rdx]
    je .same_stack
    mov [rdx], rsp
    mov eax, VMCS_HOST_RSP
    vmwrite rax, rsp
.same_stack:
    test sil, sil
    mov rax, [rdi + RAX_AT]
    load_all GUEST_REGISTERS
    mov rdi, [rdi + RDI_AT]
    jz .launch
    vmresume
    jmp .refused
.launch:
    vmlaunch
.refused:
    pop rdi
    mov eax, VMX_REFUSED
    leave_guest

vmx_exit:
    push rdi
    mov rdi, [rsp + 8]
    mov [rdi + RAX_AT], rax
    store_all GUEST_REGISTERS
    pop qword [rdi + RDI_AT]
    pop rdi
    mov eax, VMCS_EXIT_REASON
    vmread rax, rax
    leave_guest
