; The first and the last instructions of every test kernel: Multiboot 1 entry (32-bit, paging off), the interrupt stubs
; of 32-bit mode, and recovery from an expected fault. Follows the Multiboot Specification 0.6.96, section 3, and for a
; loader that is asked for it the Multiboot2 Specification 2.0.

bits 32

MULTIBOOT_MAGIC equ 0x1badb002
MULTIBOOT2_MAGIC equ 0xe85250d6
MULTIBOOT_FLAGS equ 3                   ; page-aligned modules, memory map
CR0_START       equ 0x31                ; PE, ET, NE
SELECTOR_DATA   equ 0x10
FIRST_STACK     equ 16384

section .multiboot
align 4
    dd MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
align 8
multiboot2:
    dd MULTIBOOT2_MAGIC, 0, MULTIBOOT2_LENGTH, -(MULTIBOOT2_MAGIC + MULTIBOOT2_LENGTH)
    dw 1, 0                             ; information that it requires: memory, memory map, ACPI 1.0's RSDP
    dd 20, 4, 6, 14
    align 8
    dw 6, 0                             ; page-aligned modules
    dd 8
    dw 5, 1                             ; a frame buffer, if there is one
    dd 20, 640, 480, 32
    align 8
    dw 0, 0
    dd 8
MULTIBOOT2_LENGTH equ $ - multiboot2

section .text
extern guest_start, interrupt_dispatch
global guest_entry, try_call, try_unwind, interrupt_stubs, load_segments, real_idtr

guest_entry:
    cli
    cld
    mov esp, first_stack_top
    push ebx                            ; boot information
    push eax                            ; magic
    mov eax, CR0_START
    mov cr0, eax
    xor eax, eax
    mov cr4, eax
    push dword 0
    popfd
    call guest_start
.stop:
    cli
    hlt
    jmp .stop

; void load_segments(void): all segment registers flat after a new GDT.
load_segments:
    jmp 0x08:.code
.code:
    mov eax, SELECTOR_DATA
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    ret

; int try_call(void (*function)(void *), void *argument): 0, or 1 when a fault ended it. Works across rings and modes,
; unlike TRY(), since it restores the stack.
try_call:
    push ebp
    push ebx
    push esi
    push edi
    pushfd
    mov eax, [esp + 24]
    mov ecx, [esp + 28]
    push dword [try_stack]
    mov [try_stack], esp
    push ecx
    call eax
    xor eax, eax
try_return:
    mov esp, [try_stack]
    pop dword [try_stack]
    popfd
    pop edi
    pop esi
    pop ebx
    pop ebp
    ret

; Ends the innermost try_call with 1; the fault handler jumps here.
try_unwind:
    mov eax, 1
    jmp try_return

; 256 stubs of 16 bytes. Each leaves an error code (0 where the processor pushes none) and the vector.
%define has_error_code(n) (n == 8 || (n >= 10 && n <= 14) || n == 17 || n == 21 || n == 29 || n == 30)
align 16
interrupt_stubs:
%assign vector 0
%rep 256
align 16
%if !has_error_code(vector)
    push dword 0
%endif
    push dword vector
    jmp interrupt_common
%assign vector vector + 1
%endrep

; The frame that struct interrupt_frame describes.
interrupt_common:
    pushad
    push ds
    push es
    push fs
    push gs
    mov eax, SELECTOR_DATA
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    cld
    push esp
    call interrupt_dispatch
    add esp, 4
    pop gs
    pop fs
    pop es
    pop ds
    popad
    add esp, 8
    iretd

section .data
global try_stack
try_stack: dd 0

section .bss
alignb 16
    resb FIRST_STACK
first_stack_top:
