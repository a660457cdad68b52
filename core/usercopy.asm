; Accesses that may fault, with their fix-ups (core/fixup.h). Each instruction that touches foreign memory, or an MSR
; that may not exist, carries the macro may_fault: an entry of the section .fixup.

bits 64
default rel

NR_EFAULT     equ -3                    ; include/errors.h
USER_END      equ 0x0000018000000000    ; include/layout.h

section .data
global smap_enabled
smap_enabled: db 0

section .text

%macro may_fault 1                      ; the next instruction may; %1: where to continue then
%%here:
    [section .fixup progbits alloc noexec nowrite align=8]
    dq %%here, %1
    __?SECT?__
%endmacro

; Opens or closes the lower half, %1: stac or clac. Without SMAP the instructions do not exist.
%macro user_access 1
    cmp byte [smap_enabled], 0
    je %%done
    %1
%%done:
%endmacro

; Leaves with NR_EFAULT unless %1 .. %1 + %2 lies below USER_END. Uses RAX and RCX.
%macro check_range 2
    mov rax, USER_END
    mov rcx, %1
    add rcx, %2
    jc user_refuse
    cmp rcx, rax
    ja user_refuse
%endmacro

; int user_copy_in(void *to, uint64_t from, size_t size)
global user_copy_in
user_copy_in:
    check_range rsi, rdx
    jmp user_copy

; int user_copy_out(uint64_t to, const void *from, size_t size)
global user_copy_out
user_copy_out:
    check_range rdi, rdx

user_copy:                              ; by eights, then four, then the rest: one access for each usual size
    user_access stac
    mov rcx, rdx
    shr rcx, 3
    may_fault user_fault
    rep movsq
    test dl, 4
    jz .rest
    may_fault user_fault
    movsd
.rest:
    mov ecx, edx
    and ecx, 3
    may_fault user_fault
    rep movsb
    user_access clac
    xor eax, eax
    ret

; int user_compare(uint64_t address, const uint32_t *with, size_t count)
global user_compare
user_compare:
    lea r8, [rdx * 4]
    check_range rdi, r8
    user_access stac
    mov ecx, edx
    may_fault user_fault
    repe cmpsd
    setne al
    user_access clac
    movzx eax, al
    ret

; int user_exchange(uint64_t address, size_t size, uint64_t old, uint64_t new)
global user_exchange
user_exchange:
    mov r8, rcx
    check_range rdi, rsi
    user_access stac
    mov rax, rdx
    cmp rsi, 8
    jne .narrow
    may_fault user_fault
    lock cmpxchg [rdi], r8
    jmp .done
.narrow:
    may_fault user_fault
    lock cmpxchg [rdi], r8d
.done:
    setne al
    user_access clac
    movzx eax, al
    ret

user_fault:
    user_access clac
user_refuse:
    mov eax, NR_EFAULT
    ret

; bool rdmsr_safe(uint32_t index, uint64_t *value)
global rdmsr_safe
rdmsr_safe:
    mov ecx, edi
    may_fault msr_fault
    rdmsr
    shl rdx, 32
    or rax, rdx
    mov [rsi], rax
    mov eax, 1
    ret

msr_fault:
    xor eax, eax
    ret
