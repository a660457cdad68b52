; Into random code, and out of it again whatever it has done to the processor's state: in ring 0 and 3 and in vm86
; with a frame that C has made (attack_frame), in real mode with the registers of real_registers. Every exception,
; interrupt and NMI ends at attack_exit, which takes nothing over but what it reads through CS.

SELECTOR_CODE32 equ 0x08
SELECTOR_DATA32 equ 0x10
SELECTOR_CODE16 equ 0x18
SELECTOR_DATA16 equ 0x20
SELECTOR_TSS    equ 0x30
CR0_START       equ 0x31                ; PE, ET, NE
CR0_ATTACK      equ 0x80010031          ; and PG, WP: ring 0 may write only what it is given
CR4_PSE         equ 0x10
DR7_START       equ 0x400
REAL_BASE       equ 0x8000              ; where the 16-bit part is copied to, as by lib/real.c
REAL_CS         equ 0x5000              ; the segment of the random bytes (attack.h)

extern gdtr, idtr, attack_gdtr, attack_idtr, attack_frame, attack_data, page_directory
global ignore_nmi, attack_code_end, attack_run, attack_exit, attack_exit_nmi, attack_ended_by_nmi
global real_attack_run, real_attack_image, real_attack_end, real_attack_exit, real_attack_exit_nmi, real_registers

section .text
bits 32
; void attack_run(void): IRET to the frame, with paging, until something ends it.
attack_run:
    push ebp
    push ebx
    push esi
    push edi
    mov [saved_stack], esp
    lgdt [attack_gdtr]
    lidt [attack_idtr]
    mov eax, SELECTOR_TSS
    ltr ax
    mov eax, CR4_PSE
    mov cr4, eax
    mov eax, page_directory
    mov cr3, eax
    mov ecx, [attack_data]
    mov eax, CR0_ATTACK
    mov cr0, eax
    mov ds, cx
    mov es, cx
    mov esp, [ss:attack_frame]
    popad
    iretd

; Interrupt gates and the task of the double fault lead here, the exits from real mode too.
attack_exit_nmi:
    mov ebx, 1
    jmp attack_leave
attack_exit:
    xor ebx, ebx
attack_leave:
    mov eax, CR0_START
    mov cr0, eax
    lgdt [cs:gdtr]
    jmp SELECTOR_CODE32:.flat
.flat:
    mov eax, SELECTOR_DATA32
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    mov esp, [saved_stack]
    lidt [idtr]                         ; not before: an NMI would take the random code's stack to its handler
    push dword 2
    popfd                               ; IRET with NT would switch tasks
    xor eax, eax
    mov cr4, eax
    mov cr3, eax
    lldt ax
    mov eax, DR7_START
    mov dr7, eax
    pushfd
    push cs
    push dword .unblocked
    iretd                               ; NMIs are blocked until an IRET
.unblocked:
    mov [attack_ended_by_nmi], ebx
    pop edi
    pop esi
    pop ebx
    pop ebp
    ret
attack_code_end:

; An NMI that comes late. It may come while the stack segment is one of 16 bits, on the way to real mode, where the
; library's stubs would take the wrong frame.
ignore_nmi:
    iretd

; void real_attack_run(void): the same in real mode.
real_attack_run:
    push ebp
    push ebx
    push esi
    push edi
    mov [saved_stack], esp
    jmp SELECTOR_CODE16:REAL_BASE

%define at(label) (label - real_attack_image + REAL_BASE)
bits 16
real_attack_image:
    mov eax, SELECTOR_DATA16
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov fs, ax
    mov gs, ax
    o32 lidt [cs:at(.ivt)]
    mov eax, cr0
    and eax, ~1
    mov cr0, eax
    jmp 0:at(.real)
.real:
    mov ax, REAL_CS
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov fs, ax
    mov gs, ax
    mov ebx, [cs:at(real_registers)]
    mov ecx, [cs:at(real_registers) + 4]
    mov edx, [cs:at(real_registers) + 8]
    mov esi, [cs:at(real_registers) + 12]
    mov edi, [cs:at(real_registers) + 16]
    mov ebp, [cs:at(real_registers) + 20]
    mov esp, [cs:at(real_registers) + 24]
    mov eax, [cs:at(real_registers) + 28]
    jmp REAL_CS:0
.ivt:
    dw 0x3ff
    dd 0
real_attack_exit_nmi:
    mov ebp, attack_exit_nmi
    jmp real_leave
real_attack_exit:
    mov ebp, attack_exit
real_leave:
    cli
    o32 lgdt [cs:at(real_gdtr)]
    mov eax, CR0_START
    mov cr0, eax
    jmp dword SELECTOR_CODE32:real_protected
align 4
real_gdtr:                              ; copied from gdtr
    dw 0
    dd 0
align 4
real_registers:
    times 8 dd 0
real_attack_end:
global real_gdtr

bits 32
real_protected:
    jmp ebp

section .data
saved_stack: dd 0
attack_ended_by_nmi: dd 0
