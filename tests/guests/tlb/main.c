/*
 * What a translation must not outlive: INVLPG, a load of CR3 (of the same value, too), CR4.PGE and CR0.WP;
 * and which pages an INVLPG takes with it. Rights that depend on CR4.SMEP and SMAP, which mean nothing before
 * paging is on. Manual: AMD APM Vol. 2, 5.5 and 5.6; Intel SDM Vol. 3A, 4.6 and 4.10.4. Real hardware: as
 * checked here.
 */
#include "guest.h"
#include "processor.h"
#include "paging.h"
#include "descriptors.h"

enum { CR4_PSE_BIT = 1 << 4, CR4_PGE_BIT = 1 << 7, CR4_SMEP_BIT = 1 << 20, CR4_SMAP_BIT = 1 << 21 };
enum { LEAF_STRUCTURED = 7, EBX_SMEP = 1 << 7, EBX_SMAP = 1 << 20 };
enum { WINDOW = 0x3f0000, LARGE = 0x10000000, LARGE_SHIFT = 22, HALF = 0x200000 };
enum { ROUNDS = 200 };

static volatile uint32_t page[2][1024] __attribute__((aligned(4096)));

static uint32_t read_at(uint32_t linear)
{
    return *(volatile uint32_t *)linear;
}

static void reload_cr3(void)
{
    write_cr3(read_cr3());
}

static void small(unsigned which, uint32_t bits)
{
    page_table[WINDOW >> 12] = (uint32_t)page[which] | PAGE_P | bits;
}

static void test_small(void)
{
    uint32_t seen = 0;

    page[0][0] = 1;
    page[1][0] = 2;
    for (unsigned i = 0; i < ROUNDS; i++) {
        small(i % 2, PAGE_W);
        if (i % 4 < 2)
            invlpg(WINDOW);
        else
            reload_cr3();
        seen += read_at(WINDOW) == i % 2 + 1;
    }
    check_value("INVLPG and CR3, in turn: the page that is mapped now", seen, ROUNDS);

    small(0, PAGE_W | PAGE_GLOBAL);
    write_cr4(read_cr4() | CR4_PGE_BIT);
    read_at(WINDOW);
    small(1, PAGE_W | PAGE_GLOBAL);
    invlpg(WINDOW);
    check_value("INVLPG of a global page", read_at(WINDOW), 2);
    small(0, PAGE_W);
    write_cr4(read_cr4() & ~(uint32_t)CR4_PGE_BIT);
    check_value("CR4.PGE off", read_at(WINDOW), 1);
    small(1, PAGE_W | PAGE_GLOBAL);
    reload_cr3();
    check_value("CR3 and a global bit without PGE", read_at(WINDOW), 2);
}

/* The same physical page at two places, one of them in the other half of its 4 MiB. */
static void test_large(void)
{
    const uint32_t first = (uint32_t)page & ~((1u << LARGE_SHIFT) - 1), other = first + (1u << LARGE_SHIFT);
    const uint32_t offset = (uint32_t)page - first;

    page[0][0] = 1;
    *(volatile uint32_t *)(other + offset) = 3;
    *(volatile uint32_t *)(other + (offset ^ HALF)) = 4;
    const uint32_t here = read_at(first + (offset ^ HALF));
    page_directory[LARGE >> LARGE_SHIFT] = first | PAGE_P | PAGE_W | PAGE_LARGE;
    invlpg(LARGE);
    check_value("a page of 4 MiB", read_at(LARGE + offset), 1);
    check_value("  its other half", read_at(LARGE + (offset ^ HALF)), here);
    page_directory[LARGE >> LARGE_SHIFT] = other | PAGE_P | PAGE_W | PAGE_LARGE;
    invlpg(LARGE + 0x1234);
    check_value("INVLPG of another address in it", read_at(LARGE + offset), 3);
    check_value("  its other half", read_at(LARGE + (offset ^ HALF)), 4);
    page_directory[LARGE >> LARGE_SHIFT] = (uint32_t)page_table | PAGE_P | PAGE_W;
    invlpg(LARGE);
    small(1, 0);
    page[1][0] = 2;
    check_value("a table in its place", read_at(LARGE + WINDOW), 2);
    page_directory[LARGE >> LARGE_SHIFT] = other | PAGE_P | PAGE_W | PAGE_LARGE;
    invlpg(LARGE + WINDOW);
    check_value("and back", read_at(LARGE + offset), 3);
}

static void write_window(void)
{
    TRY("movl $5, (%0)", : : "r"(WINDOW));
}

static void test_rights(void)
{
    small(0, 0);
    invlpg(WINDOW);
    write_cr0(read_cr0() & ~(uint32_t)CR0_WP);
    write_window();
    check_no_fault("WP=0: write to a read-only page");
    check_value("  its dirty bit", page_table[WINDOW >> 12] & (PAGE_A | PAGE_D), PAGE_A | PAGE_D);
    write_cr0(read_cr0() | CR0_WP);
    write_window();
    check_page_fault("WP=1, at once", PF_W | PF_P, WINDOW);
    small(0, PAGE_W);
    invlpg(WINDOW);
    read_at(WINDOW);
    check_value("read: not dirty", page_table[WINDOW >> 12] & (PAGE_A | PAGE_D), PAGE_A);
    write_window();
    check_value("written: dirty", page_table[WINDOW >> 12] & (PAGE_A | PAGE_D), PAGE_A | PAGE_D);
    small(0, PAGE_W);
    reload_cr3();
    write_window();
    check_value("cleared, CR3, written: dirty", page_table[WINDOW >> 12] & (PAGE_A | PAGE_D),
                PAGE_A | PAGE_D);
}

/* WP=0 lets a supervisor write to a user's page; SMEP still keeps it from executing what is there. */
static void test_protections(void)
{
    const uint32_t features = cpuid(LEAF_STRUCTURED, 0).ebx;

    if (!(features & EBX_SMEP))
        return;
    for (uint32_t i = 0; i < 1024; i++) { /* this program is the supervisor's */
        page_table[i] &= ~(uint32_t)PAGE_U;
        page_directory[i] &= i ? ~(uint32_t)PAGE_U : ~0u;
    }
    small(0, PAGE_U);
    page_directory[0] |= PAGE_U;
    reload_cr3();
    page[0][0] = 0xc3c3c3c3; /* ret */
    write_cr0(read_cr0() & ~(uint32_t)CR0_WP);
    write_cr4(read_cr4() | CR4_SMEP_BIT);
    TRY("movl $0xc3c3c3c3, (%0)", : : "r"(WINDOW));
    check_no_fault("SMEP, WP=0: write to a user's page");
    fault_clear();
    try_call((void (*)(void *))WINDOW, NULL);
    check_page_fault("  call to it", PF_FETCH | PF_P, WINDOW);
    write_cr4(read_cr4() & ~(uint32_t)CR4_SMEP_BIT);
    fault_clear();
    try_call((void (*)(void *))WINDOW, NULL);
    check_no_fault("  call to it without SMEP");
    write_cr0(read_cr0() | CR0_WP);
    if (features & EBX_SMAP) {
        write_cr4(read_cr4() | CR4_SMAP_BIT);
        TRY("movl (%0), %%eax", : : "r"(WINDOW) : "eax");
        check_page_fault("SMAP: read of a user's page", PF_P, WINDOW);
        TRY("stac; movl (%0), %%eax; clac", : : "r"(WINDOW) : "eax");
        check_no_fault("  with AC");
        TRY("movl (%0), %%eax", : : "r"(WINDOW) : "eax");
        check_page_fault("  without it again", PF_P, WINDOW);
        write_cr4(read_cr4() & ~(uint32_t)CR4_SMAP_BIT);
    }
    paging_off();
    write_cr4(read_cr4() | CR4_SMEP_BIT | (features & EBX_SMAP ? CR4_SMAP_BIT : 0));
    page[1][0] = 0xc3c3c3c3;
    fault_clear();
    try_call((void (*)(void *))(uint32_t)page[1], NULL);
    check_no_fault("SMEP and SMAP without paging");
    write_cr4(read_cr4() & ~(uint32_t)(CR4_SMEP_BIT | CR4_SMAP_BIT));
}

void guest_main(void)
{
    paging_initialise();
    paging_on((uint32_t)page_directory, CR4_PSE_BIT);
    test_small();
    test_large();
    test_rights();
    test_protections();
}
