/*
 * Device memory from 64-bit code: registers R8 to R15, RIP-relative and 64-bit addresses, MOVNTI, SSE moves,
 * CMPXCHG8B, PUSH and POP of 64 bits, 8-byte accesses, an instruction over a page's end, and a device page
 * reached through another linear address. Manual: AMD APM Vol. 3 and 4. Real hardware: as checked here.
 */
#include "guest.h"
#include "long.h"
#include "paging.h"
#include "apic.h"
#include "processor.h"

void form_r12(void), form_r8(void), form_absolute(void), form_movnti(void), form_sse(void), form_movd(void),
    form_cross(void), form_zero_extend(void), form_alias(void);

void guest_main(void)
{
    lapic_enable();
    check_value("MOV with R8 to R15", long_call(form_r8, 0), 0x33);
    check_value("MOV with R12 and R13 as base", long_call(form_r12, 0), 0x1212);
    check_value("MOV from a 64-bit absolute address", long_call(form_absolute, 0), 0x44);
    check_value("32-bit load clears the upper half", long_call(form_zero_extend, 0), 0);
    check_value("MOVNTI", long_call(form_movnti, 0), 0x55);
    long_cr4 = CR4_OSFXSR;
    check_value("MOVD from XMM", long_call(form_movd, 0), 0x66);
    check_value("MOVSS to and from", long_call(form_sse, 0), 0x77);
    check_value("instruction over a page's end", long_call(form_cross, 0), 0x11);
    long_pml4[1] = (uint32_t)long_pdpt | PAGE_P | PAGE_W;
    check_value("the page at 512 GiB + 0xfee00000", long_call(form_alias, 0), 0x22);
    lapic_write(LAPIC_TPR, 0);
}
