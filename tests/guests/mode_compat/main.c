/*
 * Compatibility mode: 32-bit and 16-bit code segments under long mode; segments work as outside it,
 * interrupts go through the 64-bit IDT with 8-byte pushes and SS:RSP always, far jumps change between the
 * modes, SYSCALL from 32-bit code uses CSTAR (AMD). Manual: AMD APM Vol. 2, 1.3.2, 4.5.3; Real hardware: as
 * checked here (SYSCALL there: AMD only).
 */
#include "guest.h"
#include "processor.h"
#include "long.h"
#include "descriptors.h"

void compat_call(void), compat_fault(void), compat_base(void), compat_code16(void), compat_cstar(void);
enum { VENDOR_AMD = 0x68747541 /* EBX of leaf 0: "Auth" */ };
uint32_t compat_results[8];

void guest_main(void)
{
    static uint32_t based[4] = {1, 2, 0x600d, 4};

    gdt_set(SELECTOR_FREE, (uint32_t)based, 0xfffff, DESCRIPTOR_DATA32);
    check_value("call to 32-bit code and back", long_call(compat_call, 0), 0x44);
    check_value("  INC EAX is one byte there", compat_results[0], 8);
    check_value("  EFER.LMA stays", compat_results[1] & EFER_LMA, EFER_LMA);
    long_call(compat_fault, 0);
    check_long_fault("UD2 in 32-bit code", UD, 0);
    check_value("  CS pushed", (uint32_t)long_fault.cs, SELECTOR_CODE32);
    check_value("segment base counts", long_call(compat_base, SELECTOR_FREE), 0x600d);
    check_value("16-bit code under long mode", long_call(compat_code16, 0), 0x1616);
    if (cpuid(0, 0).ebx == VENDOR_AMD)
        check_value("SYSCALL from 32-bit code goes to CSTAR", long_call(compat_cstar, 0), 0xc57a2);
    else
        print("SYSCALL from 32-bit code: not on this processor\n");
}
