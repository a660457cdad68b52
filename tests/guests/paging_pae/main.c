/*
 * PAE paging: 64-bit entries, 2 MiB pages, NX, reserved bits, physical addresses above 32 bits are refused or
 * empty, PDPTE loading by MOV to CR3. Manual: AMD APM Vol. 2, 5.2.3-5.2.4, 5.6.1; Intel SDM Vol. 3A, 4.4.
 * Real hardware: as checked here.
 */
#include "guest.h"
#include "processor.h"
#include "paging.h"

static volatile uint32_t page_a[1024] __attribute__((aligned(4096)));
static uint64_t other_directory[512] __attribute__((aligned(4096)));
enum { WINDOW = 0x1f0000, LARGE = 0x40000000 };

static void map(uint64_t entry)
{
    *(volatile uint64_t *)&pae_table[WINDOW >> 12] = entry;
    invlpg(WINDOW);
}

static uint32_t read(uint32_t address)
{
    uint32_t value = 0;
    TRY("movl (%1), %0", : "+r"(value) : "r"(address));
    return value;
}

static void test_nx(void)
{
    *(volatile uint8_t *)page_a = 0xc3;
    map((uint32_t)page_a | PAGE_P | PAGE_W | PAGE_NX);
    read(WINDOW);
    observe_fault("bit 63 with NXE=0 is reserved");
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    map((uint32_t)page_a | PAGE_P | PAGE_W | PAGE_NX);
    read(WINDOW);
    check_no_fault("read of an NX page");
    try_fetch(WINDOW);
    check_page_fault("fetch from an NX page", PF_FETCH | PF_P, WINDOW);
    map((uint32_t)page_a | PAGE_P | PAGE_W);
    try_fetch(WINDOW);
    check_no_fault("fetch without NX");
    map(0);
    try_fetch(WINDOW);
    check_page_fault("fetch, not present", PF_FETCH, WINDOW);
    pae_directory[1][0] = 0 | PAGE_P | PAGE_W | PAGE_LARGE | PAGE_NX;
    write_cr3(read_cr3());
    try_fetch(LARGE + (uint32_t)page_a);
    check_page_fault("fetch from a 2 MiB page with NX", PF_FETCH | PF_P, LARGE + (uint32_t)page_a);
    pae_directory[1][0] &= ~PAGE_NX;
    write_cr3(read_cr3());
    try_fetch(LARGE + (uint32_t)page_a);
    check_no_fault("the same after clearing NX");
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(uint64_t)EFER_NXE);
}

void guest_main(void)
{
    pae_initialise();
    paging_on((uint32_t)pae_pointers, CR4_PAE);
    check_value("PG and PAE", (read_cr0() & CR0_PG) | (read_cr4() & CR4_PAE), CR0_PG | CR4_PAE);

    page_a[0] = 0x11112222;
    map((uint32_t)page_a | PAGE_P | PAGE_W);
    check_value("4 KiB page", read(WINDOW), 0x11112222);
    check_value("  A, D", (uint32_t)pae_table[WINDOW >> 12] & (PAGE_A | PAGE_D), PAGE_A);
    *(volatile uint32_t *)(WINDOW + 4) = 5;
    check_value("  D after a write", (uint32_t)pae_table[WINDOW >> 12] & PAGE_D, PAGE_D);
    pae_directory[1][0] = 0 | PAGE_P | PAGE_W | PAGE_LARGE;
    write_cr3(read_cr3());
    check_value("2 MiB page", read(LARGE + (uint32_t)page_a), 0x11112222);
    check_value("  A", (uint32_t)pae_directory[1][0] & PAGE_A, PAGE_A);
    pae_directory[1][0] = 1 << 13 | PAGE_P | PAGE_LARGE;
    write_cr3(read_cr3());
    read(LARGE);
    observe_fault("reserved bit 13 of a 2 MiB entry");
    map(1ull << 52 | (uint32_t)page_a | PAGE_P);
    read(WINDOW);
    observe_fault("reserved bit 52");
    map((uint32_t)page_a | PAGE_P);

    other_directory[0] = 0 | PAGE_P | PAGE_W | PAGE_LARGE;
    pae_pointers[1] = (uint32_t)other_directory | PAGE_P;
    write_cr3(read_cr3());
    check_value("new directory after MOV to CR3", read(LARGE + (uint32_t)page_a), 0x11112222);
    pae_pointers[1] = 0;
    write_cr3(read_cr3());
    read(LARGE);
    check_page_fault("directory not present", 0, LARGE);
    pae_pointers[1] = (uint32_t)pae_directory[1] | PAGE_P;
    write_cr3(read_cr3());
    test_nx();
    paging_off();
    check_value("PG off again", read_cr0() & CR0_PG, 0);
}
