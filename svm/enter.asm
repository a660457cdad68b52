; The world switch (AMD APM Vol. 2, 15.5 and 15.17).
;
; Interrupts of the host are off by RFLAGS.IF before and after. CLGI holds everything, NMI included, while IF
; is set for VMRUN: with V_INTR_MASKING the host's IF decides whether an interrupt ends the guest. After the
; exit GIF is still clear; IF goes off before STGI, so a pending interrupt waits until the core lets it in.
;
; VMLOAD of the host precedes any C: until then TR, LDTR, FS, GS and the SYSCALL registers are the guest's.

%include "registers.inc"

bits 64
default rel
section .text

; Bochs 2.7 carries a single-step trap of the guest's over the exit. It comes at the first instruction here, and its stack
; is looked for in the guest's TSS; the #PF of that look-up has spent the trap.
[section .fixup progbits alloc noexec nowrite align=8]
    dq svm_enter.left, svm_enter.left
__?SECT?__

; void svm_enter(struct vcpu_gpr *gpr, uint64_t guest_physical, uint64_t host_physical)
global svm_enter
svm_enter:
    push_all CALLEE_SAVED
    push rdx
    push rdi
    mov rax, rsi
    clgi
    sti
    vmload
    load_all GUEST_REGISTERS
    mov rdi, [rdi + RDI_AT]
    vmrun
.left:
    vmsave                      ; RAX and RSP are the host's again
    push rdi
    mov rdi, [rsp + 8]
    store_all GUEST_REGISTERS
    pop qword [rdi + RDI_AT]
    pop rdi
    pop rax
    vmload
    cli
    stgi
    leave_guest
