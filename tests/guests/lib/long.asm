; From 32-bit protected mode to 64-bit mode and back, with exceptions caught there
; (AMD APM Vol. 2, 14.6; Intel SDM Vol. 3A, 10.8.5).

SELECTOR_CODE32 equ 0x08
SELECTOR_DATA32 equ 0x10
SELECTOR_CODE64 equ 0x28
CR0_PG          equ 1 << 31
CR4_PAE         equ 1 << 5
MSR_EFER        equ 0xc0000080
EFER_LME        equ 1 << 8
NO_FAULT        equ 0xffffffff

extern idtr, long_idtr, long_root, long_cr4
global long_resume, long_fault, long_stubs, long_efer

section .text
bits 32
; uint32_t long_enter(void (*code64)(void), uint32_t argument): calls 64-bit code with EDI = RDI = argument; EAX of it
; is the result. long_root is the page table, long_cr4 and long_efer are added to CR4 and EFER.
global long_enter
long_enter:
    push ebp
    push ebx
    push esi
    push edi
    pushfd
    cli
    mov [saved_stack], esp
    mov ebx, [esp + 24]
    mov edi, [esp + 28]
    mov eax, CR4_PAE
    or eax, [long_cr4]
    mov cr4, eax
    mov eax, [long_root]
    mov cr3, eax
    mov ecx, MSR_EFER
    rdmsr
    or eax, EFER_LME
    or eax, [long_efer]
    wrmsr
    mov eax, cr0
    or eax, CR0_PG
    mov cr0, eax
    lidt [long_idtr]
    jmp SELECTOR_CODE64:.long
bits 64
.long:
    mov ebx, ebx
    mov edi, edi
    mov esp, esp
    mov dword [abs long_fault], NO_FAULT
    call rbx
long_leave:                             ; EAX: the result
    mov esp, [abs saved_stack]
    mov ebx, eax
    jmp dword far [abs .out]
.out: dd .compatible, SELECTOR_CODE32
bits 32
.compatible:
    mov ax, SELECTOR_DATA32
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov fs, ax
    mov gs, ax
    mov eax, cr0
    and eax, ~CR0_PG
    mov cr0, eax
    mov ecx, MSR_EFER
    rdmsr
    and eax, ~EFER_LME
    wrmsr
    xor eax, eax
    mov cr4, eax
    lidt [idtr]
    mov eax, ebx
    popfd
    pop edi
    pop esi
    pop ebx
    pop ebp
    ret

bits 64
%define has_error_code(n) (n == 8 || (n >= 10 && n <= 14) || n == 17 || n == 21 || n == 29 || n == 30)
align 16
long_stubs:
%assign vector 0
%rep 256
align 16
%if !has_error_code(vector)
    push 0
%endif
    push vector
    jmp long_common
%assign vector vector + 1
%endrep

; Records the fault, then goes on at long_resume, or ends the 64-bit call when that is 0.
long_common:
    push rax
    mov rax, [rsp + 8]
    mov [abs long_fault], eax
    mov rax, [rsp + 16]
    mov [abs long_fault + 4], eax
    mov rax, cr2
    mov [abs long_fault + 8], rax
    mov rax, [rsp + 24]
    mov [abs long_fault + 16], rax
    mov rax, [rsp + 32]
    mov [abs long_fault + 24], rax
    mov rax, [rsp + 48]
    mov [abs long_fault + 32], rax
    mov eax, [abs long_resume]
    test eax, eax
    jz long_leave
    mov [rsp + 24], rax
    and qword [rsp + 40], ~(1 << 8)     ; TF
    mov dword [abs long_resume], 0
    pop rax
    add rsp, 16
    iretq

section .data
align 8
long_fault: dq NO_FAULT, 0, 0, 0, 0     ; struct long_fault
long_resume: dd 0
saved_stack: dd 0
long_efer: dd 0
