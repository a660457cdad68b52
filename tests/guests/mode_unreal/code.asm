; 16-bit code of mode_unreal: FS has a 4 GiB limit.
bits 16
section .text
global code_high, code_high_end, code_device, code_device_end
code_high:
    a32 mov eax, [fs:esi]
    a32 mov dword [fs:esi], 0x600dcafe
    xor bx, bx
    mov fs, bx
    a32 mov ebx, [fs:esi]
    ret
code_high_end:
code_device:
    mov esi, 0xfec00000
    a32 mov dword [fs:esi], 1
    a32 mov eax, [fs:esi + 0x10]
    a32 mov ebx, [fs:esi + 0x10]
    mov edi, 0xfee00030
    a32 mov ecx, [fs:edi]
    ret
code_device_end:
