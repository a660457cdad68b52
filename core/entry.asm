; Entry from traps, interrupts and SYSCALL; the way into ring 3 and back. AMD APM Vol. 2, 8.9 and 6.1.
;
; GS points to struct cpu in ring 0 and to nothing in ring 3: each crossing swaps. #DF and #MC can arrive before the swap:
; they end in a panic, which finds struct cpu by the stack.

%include "registers.inc"

bits 64
default rel

CPU_USER_STACK equ 8
CPU_RING0_STACK equ 24               ; TSS.RSP0: what user_start() left, for traps and SYSCALL alike
RFLAGS_USER equ 0x202                ; IF
RFLAGS_AC equ 1 << 18

%define TRAP_REGISTERS rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15

extern trap_handle, trap_fatal, syscall_dispatch

section .text

; One stub a vector, 16 bytes each. Exceptions 8, 10-14, 17, 21, 29, 30 push an error code themselves. An NMI takes no
; fault and means nothing here.
align 16
global trap_stubs
trap_stubs:
%assign vector 0
%rep 256
  %if vector = 1
    jmp trap_debug
  %elif vector = 2
    iretq
  %else
    %if !(vector = 8 || (vector >= 10 && vector <= 14) || vector = 17 || vector = 21 || vector = 29 || vector = 30)
    push strict byte 0
    %endif
    push strict dword vector
    %if vector = 8 || vector = 18
    jmp trap_own_stack
    %else
    jmp trap_common
    %endif
  %endif
  %assign vector vector + 1
    times vector * 16 - ($ - trap_stubs) int3
%endrep

; #DB in ring 0 can only be a MOV SS or TF of ring 3 that reached past SYSCALL: it is nothing. In ring 3 it is a fault.
trap_debug:
    test byte [rsp + 8], 3
    jz trap_return
    push strict byte 0
    push strict byte 1
trap_common:
    test byte [rsp + 24], 3
    jz .push
    swapgs
.push:
    push_all TRAP_REGISTERS
    pushfq                           ; gates leave AC alone, and with it SMAP's override
    and dword [rsp], ~RFLAGS_AC
    popfq
    cld
    mov rdi, rsp
    call trap_handle
    test byte [rsp + 18 * 8], 3
    jz .pop
    swapgs
.pop:
    pop_all TRAP_REGISTERS
    add rsp, 16
trap_return:
    iretq

trap_own_stack:
    push_all TRAP_REGISTERS
    cld
    mov rdi, rsp
    call trap_fatal

; enum user_exit user_start(uint64_t entry, uint64_t stack, uint64_t argument)
global user_start
user_start:
    push_all CALLEE_SAVED
    mov [gs:CPU_RING0_STACK], rsp
    mov rcx, rdi
    mov rsp, rsi
    mov rdi, rdx
    mov r11d, RFLAGS_USER
    clear_all eax, ebx, edx, esi, ebp, r8d, r9d, r10d, r12d, r13d, r14d, r15d
    swapgs
    o64 sysret

; enum user_exit user_resume(const struct trap_frame *frame)
global user_resume
user_resume:
    push_all CALLEE_SAVED
    mov [gs:CPU_RING0_STACK], rsp
    mov rsp, rdi
    swapgs
    pop_all TRAP_REGISTERS
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
    clear_all edx, esi, edi, r8d, r9d, r10d
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
    pop_all CALLEE_SAVED
    ret
