; First instructions of the started processor: reports its state at 0x5000 and halts.
bits 16
section .text
global report_code, report_code_end
REPORT equ 0x5000
report_code:
    pushf                               ; SS:SP is 0:0 after INIT; wraps to the top of the first 64 KiB
    pop bx
    xor ax, ax
    mov ds, ax
    movzx ebx, bx
    mov [REPORT + 12], ebx
    mov eax, cs
    and eax, 0xffff
    mov [REPORT + 4], eax
    mov eax, cr0
    mov [REPORT + 8], eax
    mov [REPORT + 16], edx
    mov eax, cr4
    mov [REPORT + 24], eax
    mov eax, 1
    cpuid
    and ebx, 0xff000000
    mov [REPORT + 20], ebx
    lock inc dword [REPORT]
.stop:
    hlt
    jmp .stop
report_code_end:
