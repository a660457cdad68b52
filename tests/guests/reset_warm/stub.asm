; Where the BIOS goes after a reset with a shutdown code: back into 32-bit mode, and to the kernel's entry as its loader
; has left it.
WARM            equ 0x6000              ; main.c copies it there
INFO            equ 0x600               ; boot_sector.asm
MULTIBOOT_LOADED equ 0x2badb002
SELECTOR_CODE   equ 8
SELECTOR_DATA   equ 16

extern guest_entry
global warm_code, warm_code_end
section .text
bits 16
%define at(label) (label - warm_code + WARM)
warm_code:
    cli
    o32 lgdt [cs:at(.gdtr)]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword SELECTOR_CODE:.protected
align 4
.gdt:
    dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
.gdtr:
    dw 23
    dd at(.gdt)
bits 32
.protected:                             ; where the kernel lies
    mov eax, SELECTOR_DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov eax, MULTIBOOT_LOADED
    mov ebx, INFO
    jmp guest_entry
warm_code_end:
