; 64-, 32- and 16-bit code of mode_compat.
section .text
extern compat_results
global compat_call, compat_fault, compat_base, compat_code16, compat_cstar

CODE32 equ 0x08
CODE16 equ 0x18
CODE64 equ 0x28
MSR_EFER equ 0xc0000080

bits 64
compat_call:
    jmp dword far [abs .pointer]
.pointer: dd .code32, CODE32
bits 32
.code32:
    mov eax, 7
    db 0x40                             ; INC EAX, or a REX prefix in 64-bit mode
    mov [compat_results], eax
    mov ecx, MSR_EFER
    rdmsr
    mov [compat_results + 4], eax
    mov eax, 0x44
    jmp CODE64:.code64
bits 64
.code64:
    ret

compat_fault:
    jmp dword far [abs .pointer]
.pointer: dd .code32, CODE32
bits 32
.code32:
    ud2

bits 64
compat_base:
    mov esi, edi
    jmp dword far [abs .pointer]
.pointer: dd .code32, CODE32
bits 32
.code32:
    mov fs, si
    mov eax, [fs:8]
    jmp CODE64:.code64
bits 64
.code64:
    ret

; 16-bit code at linear address 0xa000 (the segment's base is 0).
compat_code16:
    mov esi, .copy
    mov edi, 0xa000
    mov ecx, .end - .copy
    rep movsb
    jmp dword far [abs .pointer]
.pointer: dd 0xa000, CODE16
bits 16
.copy:
    mov ax, 0x1616
    movzx eax, ax
    jmp dword CODE64:.code64
.end:
bits 64
.code64:
    ret

compat_cstar:
    mov ecx, MSR_EFER
    rdmsr
    or eax, 1
    wrmsr
    mov ecx, 0xc0000081
    xor eax, eax
    mov edx, CODE64
    wrmsr
    mov ecx, 0xc0000083
    mov eax, .entry
    xor edx, edx
    wrmsr
    mov r12, rsp
    jmp dword far [abs .pointer]
.pointer: dd .code32, CODE32
bits 32
.code32:
    syscall
    ud2
bits 64
.entry:
    mov rsp, r12
    mov eax, 0xc57a2
    ret
