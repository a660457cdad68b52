; Into virtual-8086 mode with the registers of a BIOS call; the way back is an exception (main.c).
bits 32
section .text
global v86_enter
extern v86_call

; void v86_enter(void *): struct v86_call is v86_call. Does not return.
v86_enter:
    mov eax, [v86_call + 32]            ; GS, FS, DS and ES are one
    push eax
    push eax
    push eax
    push eax
    push dword [v86_call + 28]          ; SS
    push dword [v86_call + 36]          ; SP
    push dword 0x20002                  ; EFLAGS: VM, IOPL 0
    push dword [v86_call + 24]          ; CS
    push dword 0                        ; IP
    mov eax, [v86_call]
    mov ebx, [v86_call + 4]
    mov ecx, [v86_call + 8]
    mov edx, [v86_call + 12]
    mov esi, [v86_call + 16]
    mov edi, [v86_call + 20]
    iretd
