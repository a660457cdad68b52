; The world switch (SDM Vol. 3C, chapters 27 and 28).
;
; Interrupts of the host are off before and after; one that is pending ends the guest at once. The host's RSP is where
; this function left it: it is written only when a call came from another depth.

bits 64
default rel
section .text

VMCS_HOST_RSP equ 0x6c14

%define CALLEE_SAVED rbp, rbx, r12, r13, r14, r15
; Numbered as enum gpr. RSP is the VMCS's, RDI holds the place.
%define GUEST_REGISTERS rax,0, rcx,1, rdx,2, rbx,3, rbp,5, rsi,6, r8,8, r9,9, r10,10, r11,11, r12,12, r13,13, r14,14, r15,15
%define RDI_AT 7 * 8

%macro push_all 1-*
  %rep %0
    push %1
    %rotate 1
  %endrep
%endmacro

%macro pop_all 1-*                   ; of the same list
  %rep %0
    %rotate -1
    pop %1
  %endrep
%endmacro

%macro clear_all 1-*
  %rep %0
    xor %1, %1
    %rotate 1
  %endrep
%endmacro

%macro load_all 2-*
  %rep %0 / 2
    mov %1, [rdi + %2 * 8]
    %rotate 2
  %endrep
%endmacro

%macro store_all 2-*
  %rep %0 / 2
    mov [rdi + %2 * 8], %1
    %rotate 2
  %endrep
%endmacro

; uint64_t vmx_enter(struct vcpu_gpr *gpr, bool launched, uint64_t *host_rsp): 0 after an exit, 1 if there was no entry
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
    load_all GUEST_REGISTERS
    mov rdi, [rdi + RDI_AT]
    jz .launch
    vmresume
    jmp .refused
.launch:
    vmlaunch
.refused:
    pop rdi
    mov eax, 1
    jmp leave_guest

vmx_exit:
    push rdi
    mov rdi, [rsp + 8]
    store_all GUEST_REGISTERS
    pop qword [rdi + RDI_AT]
    pop rdi
    xor eax, eax
leave_guest:                         ; nothing of the guest's stays for speculation to use
    clear_all ecx, edx, esi, edi, r8d, r9d, r10d, r11d
    pop_all CALLEE_SAVED
    ret
