; 64-bit code of mode_long. Results in EAX and long_results.
bits 64
section .text
extern long_results, long_resume, long_fault
global long_registers, long_noncanonical, long_stack_fault, long_not_present, long_syscall, long_bases, long_swapgs
global long_nx, long_gigabyte, long_cr8, long_user, long_div, long_rip, long_alignment

MSR_EFER   equ 0xc0000080
MSR_STAR   equ 0xc0000081
MSR_LSTAR  equ 0xc0000082
MSR_SFMASK equ 0xc0000084
MSR_FS     equ 0xc0000100
MSR_GS     equ 0xc0000101
MSR_KGS    equ 0xc0000102
CODE64     equ 0x28
; SYSRET loads CS from STAR[63:48] + 16 and SS from it + 8: 0x38 + 16 is user code64, 0x38 + 8 user data.
STAR_HIGH  equ (0x38 | 3) << 16 | CODE64

long_registers:
    mov rax, 0x123456789abcdef0
    inc rax
    mov r15, rax
    mov rcx, -1
    mov ecx, 5
    shr rcx, 32
    mov [abs long_results + 4], ecx
    mov ecx, MSR_EFER
    rdmsr
    mov [abs long_results + 8], eax
    mov rax, r15
    mov rcx, rax
    shr rcx, 32
    mov [abs long_results], ecx
    ret

long_rip:
    mov eax, [rel .value]
    ret
.value: dd 0x0defaced

long_noncanonical:
    mov rax, 0x0000800000000000
    mov eax, [rax]
    ret

long_stack_fault:
    mov rbp, 0x0000800000000000
    mov eax, [rbp]
    ret

long_div:
    mov rdx, 2
    mov rax, 0
    mov rcx, 2
    div rcx
    ret

long_not_present:
    mov rax, 0x0000008000001234
    mov dword [rax], 1
    ret

long_syscall:
    mov ecx, MSR_EFER
    rdmsr
    or eax, 1
    wrmsr
    mov ecx, MSR_STAR
    xor eax, eax
    mov edx, STAR_HIGH
    wrmsr
    mov ecx, MSR_LSTAR
    mov eax, .entry
    xor edx, edx
    wrmsr
    mov ecx, MSR_SFMASK
    mov eax, 0x600                      ; IF, DF
    xor edx, edx
    wrmsr
    mov r12, rsp
    mov ecx, .user
    mov r11d, 0x402                     ; DF
    o64 sysret
.user:
    mov ax, cs
    movzx ebx, ax
    mov ax, ss
    movzx ebp, ax
    mov edi, 0x5ca11
    syscall
    ud2
.entry:
    pushfq
    pop rax
    mov [abs long_results], eax
    mov [abs long_results + 4], ebx
    mov [abs long_results + 8], r11d
    mov [abs long_results + 12], ebp
    cld
    mov rsp, r12
    mov eax, edi
    ret

long_bases:
    mov dword [rdi + 40], 0x33
    mov dword [rdi + 44], 0x44
    mov ecx, MSR_FS
    lea eax, [rdi + 8]
    xor edx, edx
    wrmsr
    mov ecx, MSR_GS
    lea eax, [rdi + 12]
    xor edx, edx
    wrmsr
    mov eax, [fs:32]
    add eax, [gs:32]
    ret

long_swapgs:
    mov ecx, MSR_GS
    mov eax, 0x1000
    xor edx, edx
    wrmsr
    mov ecx, MSR_KGS
    mov eax, 0x2000
    wrmsr
    swapgs
    mov ecx, MSR_KGS
    rdmsr
    swapgs
    ret

long_nx:
    call rdi
    ret

long_gigabyte:
    mov rax, 4 << 30
    add rax, rdi
    mov dword [rax], 0x1616
    mov eax, [rdi]
    ret

long_cr8:
    mov eax, 5
    mov cr8, rax
    mov edx, 0xfee00080
    mov ecx, [rdx]
    mov [abs long_results], ecx
    mov r9, cr8
    mov dword [rdx], 0x70
    mov rax, cr8
    mov [abs long_results + 4], eax
    xor eax, eax
    mov cr8, rax
    mov eax, r9d
    ret

long_user:
    ltr di
    push 0x40 | 3
    push rsp
    push 0x202
    push 0x48 | 3
    push .user
    and qword [rsp + 16], ~0x200
    iretq
.user:
    hlt
    ud2

long_alignment:
    mov rax, cr4
    or eax, 0x200
    mov cr4, rax
    mov eax, long_results
    or eax, 1
    movaps [rax], xmm0
    ret
