; Entry from traps, interrupts and SYSCALL; the way into ring 3 and back. AMD APM Vol. 2, 8.9 and 6.1.
;
; GS points to struct cpu in ring 0 and to nothing in ring 3: each crossing swaps. Vectors with a stack of their own (IST)
; can arrive before the swap, so they find struct cpu at the top of that stack instead.

bits 64
default rel

CPU_RING0_STACK equ 8
CPU_USER_STACK equ 16
CPU_SCRATCH equ 24
CPU_TSS_RSP0 equ 32                  ; pointer to TSS.RSP0
CPU_NMI equ 40
STACK_SLOT equ 0x8000
SELECTOR_USER_DATA equ 0x1b
RFLAGS_USER equ 0x202                ; IF
RFLAGS_AC equ 1 << 18

extern trap_handle, trap_fatal, syscall_dispatch

section .text

%macro push_all 0
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
%endmacro

%macro pop_all 0
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rbp
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
%endmacro

; One stub a vector, 16 bytes apart. Exceptions 8, 10-14, 17, 21, 29, 30 push an error code themselves.
align 16
global trap_stubs
trap_stubs:
%assign vector 0
%rep 256
    align 16
  %if vector = 1
    jmp trap_debug
  %elif vector = 2
    jmp trap_nmi
  %elif vector = 8 || (vector >= 10 && vector <= 14) || vector = 17 || vector = 21 || vector = 29 || vector = 30
    push strict dword vector
    jmp trap_common
  %else
    push strict byte 0
    push strict dword vector
    jmp trap_common
  %endif
  %assign vector vector + 1
%endrep

align 16
trap_common:
    xchg [rsp], rax                  ; vector 8 and 18 have a stack of their own
    cmp al, 8
    je .fatal
    cmp al, 18
    je .fatal
    xchg [rsp], rax
    test byte [rsp + 24], 3
    jz .push
    swapgs
    pushfq                           ; gates leave AC alone, and with it SMAP's override
    and dword [rsp], ~RFLAGS_AC
    popfq
.push:
    push_all
    cld
    mov rdi, rsp
    call trap_handle
    test byte [rsp + 18 * 8], 3
    jz .pop
    swapgs
.pop:
    pop_all
    add rsp, 16
    iretq
.fatal:
    xchg [rsp], rax
    push_all
    cld
    mov rdi, rsp
    mov rsi, rsp
    or rsi, STACK_SLOT - 1
    mov rsi, [rsi - 15]
    call trap_fatal

; #DB in ring 0 can only be a MOV SS or TF of ring 3 that reached past SYSCALL: it is nothing. In ring 3 it is a fault.
trap_debug:
    test byte [rsp + 8], 3
    jnz .user
    iretq
.user:
    swapgs
    mov [gs:CPU_SCRATCH], rax
    mov rax, rsp
    mov rsp, [gs:CPU_RING0_STACK]
    push qword [rax + 32]
    push qword [rax + 24]
    push qword [rax + 16]
    push qword [rax + 8]
    push qword [rax]
    push strict byte 0
    push strict byte 1
    mov rax, [gs:CPU_SCRATCH]
    jmp trap_common.push

; NMI: takes no fault and only sets a flag.
trap_nmi:
    push rax
    mov rax, rsp
    or rax, STACK_SLOT - 1
    mov rax, [rax - 15]
    mov dword [rax + CPU_NMI], 1
    pop rax
    iretq

%macro save_callee 0
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov [gs:CPU_RING0_STACK], rsp
    mov rax, [gs:CPU_TSS_RSP0]
    mov [rax], rsp
%endmacro

; enum user_exit user_start(uint64_t entry, uint64_t stack, uint64_t argument)
global user_start
user_start:
    save_callee
    mov rcx, rdi
    mov rsp, rsi
    mov rdi, rdx
    mov r11d, RFLAGS_USER
    xor eax, eax
    xor ebx, ebx
    xor edx, edx
    xor esi, esi
    xor ebp, ebp
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    xor r12d, r12d
    xor r13d, r13d
    xor r14d, r14d
    xor r15d, r15d
    swapgs
    o64 sysret

; enum user_exit user_resume(const struct trap_frame *frame)
global user_resume
user_resume:
    save_callee
    mov rsp, rdi
    swapgs
    pop_all
    add rsp, 16
    iretq

; SYSCALL: RAX number, RDI RSI RDX arguments, RCX return address, R11 flags. Number 0 ends the upcall.
global syscall_entry
syscall_entry:
    swapgs
    mov [gs:CPU_USER_STACK], rsp
    mov rsp, [gs:CPU_RING0_STACK]
    test eax, eax
    jz user_leave.pop
    push qword [gs:CPU_USER_STACK]
    push rcx
    push r11
    mov rcx, rdx
    mov rdx, rsi
    mov rsi, rdi
    mov edi, eax
    call syscall_dispatch
    xor edx, edx
    xor esi, esi
    xor edi, edi
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    pop r11
    pop rcx
    pop rsp
    swapgs
    o64 sysret

; void user_leave(enum user_exit reason)
global user_leave
user_leave:
    mov rsp, [gs:CPU_RING0_STACK]
    mov eax, edi
.pop:                                ; EAX is 0, USER_DONE, when SYSCALL comes here
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
