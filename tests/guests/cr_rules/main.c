/*
 * Control registers: reserved bits and forbidden combinations give #GP(0) and change nothing; LME, PAE and PG
 * in their order; LMSW, SMSW, CLTS; CR2 is plain; CR8 exists through LOCK MOV CR0 (AMD). Manual: AMD APM Vol.
 * 2, 3.1 and 14.6; Intel SDM Vol. 3A, 2.5. Real hardware: as checked here; cr_reserved has what TCG gets
 * wrong.
 */
#include "guest.h"
#include "processor.h"
#include "paging.h"
#include "apic.h"

static void try_cr0(uint32_t value)
{
    TRY("mov %0, %%cr0", : : "r"(value));
}
static void try_cr4(uint32_t value)
{
    TRY("mov %0, %%cr4", : : "r"(value));
}

static void test_cr0(void)
{
    uint32_t old = read_cr0(), word;

    try_cr0(old | CR0_CD);
    check_no_fault("CD alone");
    check_value("  reads back", read_cr0() & CR0_CD, CR0_CD);
    write_cr0(old);
    check_value("  and can be cleared", read_cr0() & CR0_CD, 0);
    try_cr0(old | CR0_WP | CR0_AM | CR0_TS | CR0_EM | CR0_MP);
    check_value("WP, AM, TS, EM, MP", read_cr0() & ~old, CR0_WP | CR0_AM | CR0_TS | CR0_EM | CR0_MP);
    write_cr0(old & ~(uint32_t)CR0_ET);
    check_value("ET stays set", read_cr0() & CR0_ET, CR0_ET);
    write_cr0(old);
    __asm__ volatile("lmsw %w0" : : "r"(CR0_PE | CR0_TS | CR0_MP));
    check_value("LMSW sets TS and MP", read_cr0() & (CR0_TS | CR0_MP), CR0_TS | CR0_MP);
    __asm__ volatile("lmsw %w0" : : "r"(0));
    check_value("LMSW clears them, not PE", read_cr0() & (CR0_TS | CR0_MP | CR0_PE), CR0_PE);
    __asm__ volatile("smsw %0" : "=r"(word));
    check_value("SMSW", word & 0xffff, read_cr0() & 0xffff);
    uint16_t memory = 0;
    __asm__ volatile("smsw %0" : "=m"(memory));
    check_value("SMSW to memory", memory, read_cr0() & 0xffff);
    memory = CR0_PE | CR0_TS;
    __asm__ volatile("lmsw %0" : : "m"(memory));
    check_value("LMSW from memory", read_cr0() & CR0_TS, CR0_TS);
    __asm__ volatile("clts");
    check_value("CLTS", read_cr0() & CR0_TS, 0);
    write_cr0(old);
}

static void test_cr4(void)
{
    try_cr4(CR4_TSD | CR4_DE | CR4_PSE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT);
    check_no_fault("all that this processor has");
    check_value("  reads back", read_cr4(), 0x7dc);
    write_cr4(CR4_TSD);
    TRY("rdtsc", : : : "eax", "edx");
    check_no_fault("RDTSC with TSD in ring 0");
    write_cr4(0);
    TRY(".byte 0x0f, 0x22, 0xc8", : : : "memory");
    check_fault("CR1", UD, 0);
    TRY(".byte 0x0f, 0x22, 0xe8", : : : "memory");
    check_fault("CR5", UD, 0);
    write_cr2(0x89abcdef);
    check_value("CR2 holds what is written", read_cr2(), 0x89abcdef);
    write_cr3(0x1234018);
    check_value("CR3 without PG", read_cr3(), 0x1234018);
}

/* AMD's way to CR8 outside of 64-bit mode (APM Vol. 3, LOCK MOV CR0); elsewhere LOCK is not for a MOV. */
static void test_cr8(void)
{
    enum { LEAF_EXTENDED = 0x80000001, ECX_ALTERNATE_CR8 = 1 << 4 };
    uint32_t cr8;

    if (!(cpuid(LEAF_EXTENDED, 0).ecx & ECX_ALTERNATE_CR8)) {
        TRY(".byte 0xf0, 0x0f, 0x20, 0xc0", : : : "eax");
        check_fault("CR8 is not to be had", UD, 0);
        return;
    }
    __asm__ volatile(".byte 0xf0, 0x0f, 0x20, 0xc0" : "=a"(cr8));
    check_value("CR8 through LOCK MOV CR0", cr8, 0);
    __asm__ volatile(".byte 0xf0, 0x0f, 0x22, 0xc0" : : "a"(3));
    check_value("  shows in TPR", lapic_read(LAPIC_TPR), 0x30);
    TRY(".byte 0xf0, 0x0f, 0x22, 0xc0", : : "a"(0x10));
    observe_fault("CR8 reserved bit");
    __asm__ volatile(".byte 0xf0, 0x0f, 0x22, 0xc0" : : "a"(0));
}

static void test_long_order(void)
{
    paging_initialise();
    write_cr3((uint32_t)page_directory);
    wrmsr(MSR_EFER, 0);
    write_cr4(CR4_PSE);
    write_cr0(read_cr0() | CR0_PG);
    paging_off();
}

void guest_main(void)
{
    test_cr0();
    test_cr4();
    test_long_order();
    test_cr8();
}
