; 64-bit forms on device memory. Results in mmio_results.
bits 64
section .text
extern window, mmio_results
global mmio_long

%macro result 1
    mov [abs mmio_results + 4 * %1], eax
%endmacro

mmio_long:
    push rbx
    push rdi
    push rsi
    mov edi, [abs window]
    mov rax, 0x1122334455667788
    mov [rdi], rax
    mov eax, [rdi + 4]
    result 0
    mov rbx, [rdi]
    mov rax, rbx
    shr rax, 32
    result 1
    movsxd rax, dword [rdi]             ; positive
    shr rax, 32
    result 2
    not qword [rdi]
    movsxd rax, dword [rdi]             ; negative
    shr rax, 32
    result 3
    add qword [rdi], 1
    mov eax, [rdi]
    result 4
    mov rax, 0xa5a5a5a5deadbeef
    mov ecx, 3
    rep stosq
    mov eax, [rdi - 4]
    result 5
    mov esi, [abs window]
    lodsq
    result 6
    xchg rcx, [rsi]
    mov eax, ecx
    result 7
    mov rsi, rsp
    sub rsp, 32
    and rsp, -16
    mov edi, [abs window]
    push qword [rdi]
    pop rax
    shr rax, 32
    result 8
    push 0x77
    pop qword [rdi]
    mov eax, [rdi]
    result 9
    mov rsp, rsi
    pop rsi
    pop rdi
    pop rbx
    ret
