/*
 * 64-bit mode: registers, canonical addresses, #PF and #GP with 64-bit frames, SYSCALL/SYSRET, ring 3 and
 * back, SWAPGS, FS/GS bases, NX, 1 GiB pages, CR8. Manual: AMD APM Vol. 2, chapters 4, 5, 8 and APM Vol. 3;
 * Intel SDM Vol. 3A. Real hardware: as checked here.
 */
#include "guest.h"
#include "processor.h"
#include "long.h"
#include "paging.h"
#include "descriptors.h"

void long_registers(void), long_noncanonical(void), long_stack_fault(void), long_not_present(void),
    long_syscall(void), long_bases(void), long_swapgs(void), long_nx(void), long_gigabyte(void),
    long_cr8(void), long_user(void), long_div(void), long_rip(void), long_alignment(void);

enum { LEAF_EXTENDED = 0x80000001, EDX_GIB_PAGES = 1 << 26 };
static uint8_t tss64[104] __attribute__((aligned(16)));
static uint8_t stack64[4096] __attribute__((aligned(16)));
uint32_t long_results[16];

static void install_tss64(void)
{
    uint32_t top = (uint32_t)(stack64 + sizeof(stack64));

    *(uint32_t *)(tss64 + 4) = top; /* RSP0 */
    gdt_set(SELECTOR_TSS64, (uint32_t)tss64, sizeof(tss64) - 1, DESCRIPTOR_TSS32);
    gdt[SELECTOR_TSS64 / 8 + 1] = 0;
}

void guest_main(void)
{
    check_value("64-bit arithmetic", long_call(long_registers, 0), 0x9abcdef1);
    check_value("  upper half", long_results[0], 0x12345678);
    check_value("  32-bit operand clears it", long_results[1], 0);
    check_value("  EFER", (uint32_t)rdmsr(MSR_EFER) & (EFER_LME | EFER_LMA), 0);
    check_value("  EFER inside", long_results[2] & (EFER_LME | EFER_LMA), EFER_LME | EFER_LMA);
    check_value("RIP-relative load", long_call(long_rip, 0), 0x0defaced);
    long_call(long_noncanonical, 0);
    check_long_fault("non-canonical address", GP, 0);
    long_call(long_stack_fault, 0);
    observe_long_fault("non-canonical stack");
    long_call(long_div, 0);
    check_long_fault("128 by 64 bits overflow", DE, 0);
    long_pml4[1] = 0;
    long_call(long_not_present, 0);
    check_long_fault("write, level 4 not present", PF, PF_W);
    check_value64("  CR2", long_fault.cr2, 0x0000008000001234ull);
    check_value("SYSCALL and SYSRET", long_call(long_syscall, 0), 0x5ca11);
    check_value("  RFLAGS masked by SFMASK", long_results[0] & (FLAG_IF | FLAG_DF), 0);
    check_value("  CS in ring 3", long_results[1], SELECTOR_USER_CODE64);
    check_value("  SS in ring 3", long_results[3], SELECTOR_USER_DATA32);
    check_value("  R11 is RFLAGS", long_results[2] & FLAG_DF, FLAG_DF);
    check_value("FS and GS bases", long_call(long_bases, (uint32_t)long_results), 0x77);
    check_value("SWAPGS", long_call(long_swapgs, 0), 0x1000);
    install_tss64();
    long_call(long_user, SELECTOR_TSS64);
    check_long_fault("HLT in ring 3", GP, 0);
    check_value("  CS", (uint32_t)long_fault.cs, SELECTOR_USER_CODE64);
    long_efer = EFER_NXE;
    long_pd[1][0] |= PAGE_NX;
    long_call(long_nx, 1u << 30);
    check_long_fault("fetch from an NX page", PF, PF_FETCH | PF_P);
    long_pd[1][0] &= ~PAGE_NX;
    if (cpuid(LEAF_EXTENDED, 0).edx & EDX_GIB_PAGES) {
        long_pml4[1] = (uint32_t)long_pdpt | PAGE_P | PAGE_W;
        long_pdpt[4] = 0 | PAGE_P | PAGE_W | PAGE_LARGE;
        check_value("1 GiB page at 4 GiB + x", long_call(long_gigabyte, (uint32_t)&long_results[5]), 0x1616);
        check_value("  A and D", (uint32_t)long_pdpt[4] & (PAGE_A | PAGE_D), PAGE_A | PAGE_D);
    }
    check_value("CR8", long_call(long_cr8, 0), 0x5);
    check_value("  seen in TPR", long_results[0], 0x50);
    check_value("  TPR seen in CR8", long_results[1], 0x7);
    long_call(long_alignment, 0);
    check_long_fault("MOVAPS unaligned", GP, 0);
}
