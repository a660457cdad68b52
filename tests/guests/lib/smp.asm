; The first instructions of another processor after its start-up IPI: real mode at TRAMPOLINE, then 32-bit C.

SELECTOR_CODE32 equ 0x08
SELECTOR_DATA32 equ 0x10
AP_STACK        equ 8192
CR0_START       equ 0x31                ; PE, ET, NE

extern smp_next, smp_stacks, smp_enter
global smp_trampoline, smp_gdtr, smp_trampoline_end

section .text
bits 16
smp_trampoline:
    cli
    o32 lgdt [cs:smp_gdtr - smp_trampoline]
    mov eax, CR0_START
    mov cr0, eax
    jmp dword SELECTOR_CODE32:smp_protected
align 4
smp_gdtr:                               ; copied from gdtr by smp_start
    dw 0
    dd 0
smp_trampoline_end:

bits 32
smp_protected:
    mov eax, SELECTOR_DATA32
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    mov ebx, 1
    lock xadd [smp_next], ebx           ; this processor's index
    mov eax, ebx
    inc eax
    imul eax, AP_STACK
    lea esp, [smp_stacks + eax]
    push ebx
    call smp_enter
