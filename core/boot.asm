; From GRUB (Multiboot 2 or 1, 32-bit protected mode, paging off) to long mode in the high half.
; Multiboot2 1.6, section 3.2; Multiboot 0.6.96, section 3.2.
;
; The tables built here are for the boot only: the first 4 GiB, three times (identity, at DIRECT_BASE, and the first of it
; at IMAGE_BASE). memory_init() replaces them; application processors pass through them on their way.

bits 32

IMAGE_BASE equ 0xffffffff80000000
PAGE_PRESENT_WRITE equ 3
PAGE_LARGE equ 0x83
MSR_EFER equ 0xc0000080
EFER_LME_NXE equ 0x900

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
    dw 0, 0
    dd 8
multiboot2_end:

section .boot exec write nobits align=4096
global boot_pml4
boot_pml4: resb 4096
boot_pdpt: resb 4096
boot_pdpt_image: resb 4096
boot_pd: resb 4 * 4096
boot_stack: resb 4096
boot_stack_top:

section .boot.text exec progbits
global boot_entry
boot_entry:
    cli
    cld
    mov esp, boot_stack_top
    mov ebp, eax                     ; magic
    mov esi, ebx                     ; information structure

    mov eax, 0x80000000              ; long mode and NX are needed to say anything at all
    cpuid
    cmp eax, 0x80000001
    jb .no_long_mode
    mov eax, 0x80000001
    cpuid
    and edx, 1 << 29 | 1 << 20
    cmp edx, 1 << 29 | 1 << 20
    jne .no_long_mode

    mov edi, boot_pml4               ; clear all tables
    mov ecx, 7 * 1024
    xor eax, eax
    rep stosd

    mov edi, boot_pd                 ; 4 GiB in 2 MiB pages
    mov eax, PAGE_LARGE
.fill:
    mov [edi], eax
    mov dword [edi + 4], 0
    add edi, 8
    add eax, 0x200000
    jnc .fill

    mov edi, boot_pdpt
    mov eax, boot_pd + PAGE_PRESENT_WRITE
    mov ecx, 4
.directories:
    mov [edi], eax
    add eax, 4096
    add edi, 8
    loop .directories
    mov dword [boot_pdpt_image + 510 * 8], boot_pd + PAGE_PRESENT_WRITE
    mov dword [boot_pml4], boot_pdpt + PAGE_PRESENT_WRITE
    mov dword [boot_pml4 + 256 * 8], boot_pdpt + PAGE_PRESENT_WRITE
    mov dword [boot_pml4 + 511 * 8], boot_pdpt_image + PAGE_PRESENT_WRITE
    call enter_long_mode
    jmp 0x08:.long_mode
bits 64
.long_mode:
    mov edi, ebp
    mov esi, esi
    mov rax, boot_high
    jmp rax
bits 32
.no_long_mode:                       ; a sentence on the VGA text screen and the first serial port
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

; Paging on with boot_pml4, flat segments. Clobbers eax, ecx, edx.
enter_long_mode:
    mov eax, 0x20                    ; CR4.PAE
    mov cr4, eax
    mov eax, boot_pml4
    mov cr3, eax
    mov ecx, MSR_EFER
    rdmsr
    or eax, EFER_LME_NXE
    wrmsr
    mov eax, 0x80010033              ; PG, WP, NE, ET, MP, PE
    mov cr0, eax
    lgdt [boot_gdtr]
    ret

align 8
boot_gdt:
    dq 0, 0x00af9a000000ffff, 0x00cf92000000ffff
boot_gdtr:
    dw $ - boot_gdt - 1
    dd boot_gdt

; Application processors start here in real mode, copied to a page below 1 MiB (SDM Vol. 3A, 9.4.4). The page's number is
; in CS; ap_stack_top holds the stack that the boot processor prepared.
section .rodata
bits 16
global ap_trampoline, ap_trampoline_end
ap_trampoline:
    cli
    cld
    mov ax, cs
    mov ds, ax
    lgdt [ap_gdtr - ap_trampoline]
    mov eax, 0x11
    mov cr0, eax
    jmp dword 0x08:ap_protected
align 8
ap_gdt:
    dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
ap_gdtr:
    dw ap_gdtr - ap_gdt - 1
    dd 0                             ; linear address of the copy's ap_gdt: filled in by smp_start()
ap_trampoline_end:
global ap_gdt_offset, ap_gdtr_offset
ap_gdt_offset equ ap_gdt - ap_trampoline
ap_gdtr_offset equ ap_gdtr - ap_trampoline + 2

section .boot.text
bits 32
ap_protected:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, boot_stack_top          ; free again: processors start one after the other
    call enter_long_mode
    jmp 0x08:.long_mode
bits 64
.long_mode:
    mov rax, ap_high
    jmp rax

section .text
bits 64
extern ap_main, ap_stack_top
boot_high:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    xor eax, eax
    mov fs, ax
    mov gs, ax
    mov rax, IMAGE_BASE
    lea rsp, [rax + boot_stack_top]
    xor ebp, ebp
    call boot_main
.stop:
    hlt
    jmp .stop

; An application processor in the high half: take the final page tables with the stack in them.
extern monitor_cr3
ap_high:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    xor eax, eax
    mov fs, ax
    mov gs, ax
    mov rax, [rel monitor_cr3]
    mov cr3, rax
    mov rsp, [rel ap_stack_top]
    xor ebp, ebp
    call ap_main

; void stack_switch(uint64_t top, void (*function)(void)): goes on in function on another stack; does not return.
global stack_switch
stack_switch:
    mov rsp, rdi
    xor ebp, ebp
    call rsi
