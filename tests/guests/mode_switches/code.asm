; The additions of mode_switches, one for each mode.
section .text
global code_add, code_add_end, long_add, compat_add
CODE32 equ 0x08
CODE64 equ 0x28
bits 16
code_add:
    inc eax
    ret
code_add_end:
bits 64
long_add:
    lea eax, [rdi + 1000]
    ret
compat_add:
    jmp dword far [abs .pointer]
.pointer: dd .code32, CODE32
bits 32
.code32:
    lea eax, [edi + 10000]
    jmp CODE64:.code64
bits 64
.code64:
    ret
