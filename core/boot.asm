; From GRUB (Multiboot 2 or 1, 32-bit protected mode, paging off) to long mode in the high half.
; Multiboot2 1.6, section 3.2; Multiboot 0.6.96, section 3.2.
;
; The tables here are for the boot only: the first 4 GiB, three times (identity, at DIRECT_BASE, and the first of it at
; IMAGE_BASE). memory_init() replaces them; application processors pass through them on their way.

bits 32

IMAGE_BASE equ 0xffffffff80000000
PAGE_PRESENT_WRITE equ 3
PAGE_LARGE equ 0x83
CR4_PAE equ 0x20
CR0_LONG_MODE equ 0x8001003b         ; PG, WP, NE, ET, TS (core/fpu.c), MP, PE
MSR_EFER equ 0xc0000080
EFER_LME_NXE equ 0x900
LONG_MODE_NX equ 1 << 29 | 1 << 20   ; CPUID 0x80000001, EDX

extern image_start, load_end, image_end, boot_main

section .multiboot
align 8
multiboot1:
    dd 0x1badb002
    dd 0x00010003                    ; page-aligned modules, memory information, address fields
    dd -(0x1badb002 + 0x00010003)
    dd multiboot1, image_start, load_end, image_end, boot_entry
align 8
multiboot2:
    dd 0xe85250d6, 0, multiboot2_end - multiboot2
    dd -(0xe85250d6 + 0 + (multiboot2_end - multiboot2))
    dw 6, 0                          ; modules on page boundaries
    dd 8
    dw 5, 1                          ; a frame buffer of any size will do, but is not needed
    dd 20, 0, 0, 0, 0
    dw 0, 0
    dd 8
multiboot2_end:

section .boot exec write progbits align=4096
boot_pml4:
    dq boot_pdpt + PAGE_PRESENT_WRITE
    times 255 dq 0
    dq boot_pdpt + PAGE_PRESENT_WRITE
    times 254 dq 0
    dq boot_pdpt_image + PAGE_PRESENT_WRITE
boot_pdpt:
%assign i 0
%rep 4
    dq boot_pd + i * 4096 + PAGE_PRESENT_WRITE
  %assign i i + 1
%endrep
    times 508 dq 0
boot_pdpt_image:
    times 510 dq 0
    dq boot_pd + PAGE_PRESENT_WRITE, 0
boot_pd:
%assign i 0
%rep 4 * 512
    dq i * 0x200000 + PAGE_LARGE
  %assign i i + 1
%endrep
boot_stack:
    times 4096 db 0
boot_stack_top:
boot_gdt:                            ; 64-bit code, data, 32-bit code for application processors
    dq 0, 0x00af9a000000ffff, 0x00cf92000000ffff, 0x00cf9a000000ffff
boot_gdtr:
    dw boot_gdtr - boot_gdt - 1
    dd boot_gdt

section .boot.text exec progbits
global boot_entry
boot_entry:
    cli
    cld
    mov ebp, eax                     ; magic
    mov esi, ebx                     ; information structure
    mov eax, 0x80000000              ; long mode and NX are needed to say anything at all
    cpuid
    cmp eax, 0x80000001
    jb no_long_mode
    mov eax, 0x80000001
    cpuid
    and edx, LONG_MODE_NX
    cmp edx, LONG_MODE_NX
    jne no_long_mode

enter_long_mode:                     ; EBP: 0 on an application processor
    mov eax, CR4_PAE
    mov cr4, eax
    mov eax, boot_pml4
    mov cr3, eax
    mov ecx, MSR_EFER
    rdmsr
    or eax, EFER_LME_NXE
    wrmsr
    mov eax, CR0_LONG_MODE
    mov cr0, eax
    lgdt [boot_gdtr]
    jmp 0x08:.long_mode
bits 64
.long_mode:
    mov rax, boot_high
    jmp rax

bits 32
no_long_mode:                        ; a sentence on the VGA text screen and the first serial port
    mov esi, no_long_mode_text
    mov edi, 0xb8000
.next:
    lodsb
    test al, al
    jz .stop
    mov ah, 0x4f
    stosw
    mov dx, 0x3f8
    out dx, al
    jmp .next
.stop:
    hlt
    jmp .stop
no_long_mode_text: db "nullring: this processor has no 64-bit mode with NX; it cannot run here.", 13, 10, 0

ap_protected:
    mov ax, 0x10
    mov ds, ax
    xor ebp, ebp
    jmp enter_long_mode

; Application processors start here in real mode, copied to TRAMPOLINE (SDM Vol. 3A, 9.4.4).
section .rodata
bits 16
global ap_trampoline, ap_trampoline_end
ap_trampoline:
    cli
    cld
    mov ax, cs
    mov ds, ax
    o32 lgdt [.gdtr - ap_trampoline]
    mov eax, 0x11                    ; ET, PE
    mov cr0, eax
    jmp dword 0x18:ap_protected
.gdtr:
    dw boot_gdtr - boot_gdt - 1
    dd boot_gdt
ap_trampoline_end:

; In the high half, still with the loader's data segments: tables_load() loads them. An application processor takes the
; final page tables, and the stack that the boot processor has prepared in them.
section .text
bits 64
extern monitor_main, ap_main, ap_stack_top, monitor_cr3
boot_high:
    mov edi, ebp
    mov esi, esi
    test ebp, ebp
    jz .application_processor
    lea rsp, [IMAGE_BASE + boot_stack_top]
    xor ebp, ebp
    call boot_main
    mov rsp, rax
    call monitor_main
.application_processor:
    mov rax, [rel monitor_cr3]
    mov cr3, rax
    mov rsp, [rel ap_stack_top]
    call ap_main
