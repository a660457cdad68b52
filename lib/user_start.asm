; Entry point of a ring-3 program: the monitor enters here at each upcall, with an empty stack and the address of the
; upcall page in RDI (upcall.h). The stack is aligned to 16 bytes.

SYS_UPCALL_DONE equ 0           ; syscalls.h
CANARY          equ 0x28        ; in the page at FS: where the x86-64 psABI has it

bits 64
default rel
extern upcall_handle

section .text
global _start
_start:
    ; The program's own code takes the canary from a global. No frame that holds one is alive here.
    mov rax, [fs:CANARY]
    mov [rel __stack_chk_guard], rax
    xor ebp, ebp
    cld
    call upcall_handle
    mov eax, SYS_UPCALL_DONE
    syscall
    ud2                         ; does not return

; A frame was overwritten: end in a fault; the monitor says whose it was.
global __stack_chk_fail
__stack_chk_fail:
    ud2

section .bss
global __stack_chk_guard
align 8
__stack_chk_guard: resq 1

section .note.GNU-stack noalloc noexec nowrite progbits
