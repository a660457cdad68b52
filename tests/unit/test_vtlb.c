/*
 * The vTLB (core/vtlb.c): a processor that runs on its tables and has a TLB of its own, beside guest tables
 * in a small memory. What the guest's accesses come to, what is forgotten when, and that the processor's TLB
 * is flushed with it. Rights and error codes of the guest's own tables are test_walk.c's.
 *
 * sources: core/vtlb.c lib/walk.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "errors.h"
#include "exit.h"
#include "frames.h"
#include "guest_memory.h"
#include "paging.h"
#include "stage2.h"
#include "vcpu_ops.h"
#include "vtlb.h"
#include "walk.h"
#include "x86.h"

#define MIB    0x100000ull
#define GIB    0x40000000ull
#define HOST   0x4000000000ull /* where the guest's RAM lies */
#define G      (1ull << 8)
#define P      PTE_PRESENT
#define W      PTE_WRITE
#define U      PTE_USER
#define A      PTE_ACCESSED
#define D      PTE_DIRTY
#define PS     PTE_LARGE
#define ALL    (P | W | U)
#define MARKED (P | W | U | A | D)

enum { RAM = 0x40000, LARGE_FROM = 2 << 20, NONE = VCPU_EXIT_NONE, FAULT = VCPU_EXIT_EXCEPTION };
enum { READ = 0, WRITE = WALK_WRITE, FETCH = WALK_FETCH, USER = WALK_USER };

struct vcpu_features vcpu_features;
static uint8_t ram[RAM];
static struct vm vm;
static struct vcpu vcpu_object, *const vcpu = &vcpu_object;
static unsigned flushes, pages, pages_left;
static uint64_t cr2;
static bool entry_changes;
static uint64_t stage2_end, read_only_at, no_code_at;
static struct walk_registers now; /* the guest's */

static void flush(struct vcpu *v)
{
    assert_ptr_equal(v, vcpu);
    flushes++;
}

static void set_cr2(struct vcpu *v, uint64_t linear)
{
    (void)v;
    cr2 = linear;
}

static void get(struct vcpu *v, uint32_t groups)
{
    assert_int_equal(groups, VCPU_SEGMENTS);
    (void)v;
}

static const struct vcpu_ops ops = {.flush = flush, .set_cr2 = set_cr2, .get = get};
const struct vcpu_ops *vcpu_ops = &ops;

void *page_alloc(unsigned order)
{
    if (pages_left == 0)
        return NULL;
    pages_left--;
    pages++;
    void *page = aligned_alloc(PAGE_SIZE, PAGE_SIZE << order);
    return memset(page, 0, PAGE_SIZE << order);
}

void page_free(void *page, unsigned order)
{
    (void)order;
    pages -= page != NULL;
    free(page);
}

uint64_t virt_to_phys(const void *address)
{
    return (uint64_t)address;
}

void *phys_to_virt(uint64_t address)
{
    return (void *)address;
}

int guest_read(void *to, uint64_t gpa, size_t length)
{
    if (gpa + length > RAM)
        return NR_EFAULT;
    memcpy(to, ram + gpa, length);
    return NR_OK;
}

int guest_exchange(uint64_t gpa, size_t size, uint64_t old, uint64_t new)
{
    if (gpa + size > RAM)
        return NR_EFAULT;
    if (entry_changes)
        memset(ram + gpa, 0, size);
    if (memcmp(ram + gpa, &old, size) != 0)
        return 1;
    memcpy(ram + gpa, &new, size);
    return 0;
}

/* RAM up to stage2_end, in pieces of 4 KiB below LARGE_FROM. */
int stage2_get(const struct stage2 *stage2, uint64_t gpa, uint64_t *physical, unsigned *level)
{
    assert_ptr_equal(stage2, &vm.stage2);
    if (gpa >= stage2_end)
        return NR_EFAULT;
    *physical = HOST + gpa;
    *level = gpa < LARGE_FROM ? LEVEL_4K : gpa < GIB ? LEVEL_2M : LEVEL_1G;
    return (gpa & ~0xfffull) == read_only_at ? STAGE2_READ | STAGE2_EXECUTE
           : (gpa & ~0xfffull) == no_code_at ? STAGE2_READ | STAGE2_WRITE
                                             : STAGE2_ALL;
}

const struct cpuid_entry *exit_cpuid_lookup(const struct vm *of, uint32_t leaf, uint32_t subleaf)
{
    static const struct cpuid_entry entry = {.eax = 0x3028};
    (void)of, (void)subleaf;
    assert_int_equal(leaf, 0x80000008);
    return &entry;
}

static void put32(uint64_t gpa, uint32_t value)
{
    memcpy(ram + gpa, &value, sizeof value);
}

static void put64(uint64_t gpa, uint64_t value)
{
    memcpy(ram + gpa, &value, sizeof value);
}

static uint64_t get64(uint64_t gpa)
{
    uint64_t value;
    memcpy(&value, ram + gpa, sizeof value);
    return value;
}

/* The entry for an address in the tables that the processor has; 0: none. */
static uint64_t entry_of(uint64_t linear, unsigned *level)
{
    const uint64_t *table = (const uint64_t *)vtlb_root(vcpu);
    *level = LEVEL_ROOT;
    if (!(now.efer & EFER_LMA)) {
        uint64_t pointer = table[linear >> 30 & 3];
        assert_int_equal(pointer & 0xfff & ~(uint64_t)A, P); /* all that may be set in it */
        table = (const uint64_t *)(pointer & PTE_ADDRESS);
        *level = LEVEL_2M;
    }
    for (;; --*level) {
        uint64_t entry = table[paging_index(linear, *level)];
        if (!(entry & P) || *level == LEVEL_4K || (entry & PS))
            return entry & P ? entry : 0;
        assert_int_equal(entry & (W | U | PTE_NX), W | U);
        table = (const uint64_t *)(entry & PTE_ADDRESS);
    }
}

static bool is_there(uint64_t linear)
{
    unsigned level;
    return entry_of(linear, &level) != 0;
}

/* Does the processor, with CR0.WP and EFER.NXE set, do this access by itself? Then it goes to the right
 * place. */
static bool processor_allows(uint64_t linear, uint32_t access, uint64_t physical)
{
    unsigned level;
    uint64_t entry = entry_of(linear, &level);
    if (!entry || ((access & USER) && !(entry & U)) || ((access & WRITE) && !(entry & W)) ||
        ((access & FETCH) && (entry & PTE_NX)))
        return false;
    if (!(access & USER) && (entry & U) && (now.cr4 & (access & FETCH ? CR4_SMEP : CR4_SMAP)))
        return false;
    uint64_t mask = paging_size(level) - 1;
    assert_true((entry & PTE_ADDRESS & ~mask) + (linear & mask) == physical);
    assert_true((entry & (A | D)) == (A | D)); /* else the processor would write them */
    return true;
}

/* A fault of the processor's; what the exit becomes. */
static unsigned fault(uint64_t linear, uint32_t access)
{
    vcpu->exit = (struct vcpu_exit){.reason = VCPU_EXIT_EXCEPTION};
    vcpu->exit.exception = (struct vcpu_exit_exception){
        .vector = EXCEPTION_PF, .has_error_code = 1, .error_code = access | 1, .address = linear};
    cr2 = 0;
    vtlb_fault(vcpu);
    return vcpu->exit.reason;
}

/* An access that the guest's tables lead to gpa: it faults once, and no more. */
static void reaches(uint64_t linear, uint32_t access, uint64_t gpa)
{
    assert_false(processor_allows(linear, access, HOST + gpa));
    assert_int_equal(fault(linear, access), NONE);
    assert_int_equal(cr2, 0);
    assert_true(processor_allows(linear, access, HOST + gpa));
}

static void is_fault(uint64_t linear, uint32_t access, uint32_t error_code)
{
    assert_int_equal(fault(linear, access), FAULT);
    assert_int_equal(vcpu->exit.exception.vector, EXCEPTION_PF);
    assert_int_equal(vcpu->exit.exception.error_code, error_code);
    assert_true(cr2 == linear);
}

static void is_memory(uint64_t linear, uint32_t access, uint64_t gpa, uint32_t how)
{
    assert_int_equal(fault(linear, access), VCPU_EXIT_MEMORY);
    assert_true(vcpu->exit.memory.gpa == gpa);
    assert_int_equal(vcpu->exit.memory.access, how);
    assert_int_equal(cr2, 0);
}

static void load_registers(void)
{
    vcpu->state.control.cr0 = now.cr0;
    vcpu->state.control.cr3 = now.cr3;
    vcpu->state.control.cr4 = now.cr4;
    vcpu->state.msrs.efer = now.efer;
    vtlb_set_registers(vcpu);
    assert_true(vcpu->state.control.cr3 == now.cr3);
}

/* Directory at 0x1000, table at 0x2000 for 4 MiB on. */
static void paging_32bit(void)
{
    put32(0x1000 + 4 * 1, 0x2000 | ALL);
    now = (struct walk_registers){.cr0 = CR0_PE | CR0_PG | CR0_WP, .cr3 = 0x1000, .cr4 = CR4_PSE | CR4_PGE};
    load_registers();
}

/* Directories at 0x3000 for the first 1 GiB and 0x4000 for the last; its entry 2 is a table at 0x5000. */
static void paging_pae(void)
{
    put64(0x2000, 0x3000 | P);
    put64(0x2018, 0x4000 | P);
    put64(0x3000 + 8 * 2, 0x5000 | ALL);
    now = (struct walk_registers){
        .cr0 = CR0_PE | CR0_PG | CR0_WP, .cr3 = 0x2000, .cr4 = CR4_PAE | CR4_PGE, .efer = EFER_NXE};
    load_registers();
}

/* One directory at 0x8000, for 1 GiB from 0 and in each of the other 511; entry 2 of it is a table at 0x9000.
 */
static void paging_long(void)
{
    put64(0x6000, 0x7000 | ALL);
    put64(0x6000 + 8 * 511, 0x7000 | ALL);
    for (unsigned i = 0; i < TABLE_ENTRIES; i++)
        put64(0x7000 + 8 * i, 0x8000 | ALL);
    put64(0x8000 + 8 * 2, 0x9000 | ALL);
    now = (struct walk_registers){.cr0 = CR0_PE | CR0_PG | CR0_WP,
                                  .cr3 = 0x6000,
                                  .cr4 = CR4_PAE | CR4_PGE,
                                  .efer = EFER_NXE | EFER_LME | EFER_LMA};
    load_registers();
}

static int set_up(void **state)
{
    (void)state;
    memset(ram, 0, sizeof ram);
    memset(&vcpu_object, 0, sizeof vcpu_object);
    vcpu->vm = &vm;
    vcpu_features = (struct vcpu_features){0};
    vm.config.paging = PAGING_NESTED;
    pages_left = 1000;
    stage2_end = 3 * GIB;
    read_only_at = no_code_at = FRAME_NONE;
    entry_changes = false;
    now = (struct walk_registers){0};
    return vtlb_create(vcpu);
}

static int tear_down(void **state)
{
    (void)state;
    vtlb_destroy(vcpu);
    return pages != 0;
}

static void test_needed(void **state)
{
    (void)state;
    uint64_t on = CR0_PE | CR0_PG;
    assert_true(vtlb_needed(vcpu, 0));
    assert_true(vtlb_needed(vcpu, on)); /* no nested paging */
    vcpu_features = (struct vcpu_features){.nested_paging = true};
    assert_true(vtlb_needed(vcpu, 0));
    assert_true(vtlb_needed(vcpu, CR0_PE));
    assert_false(vtlb_needed(vcpu, on | CR0_WP));
    vcpu_features.unpaged = true;
    assert_false(vtlb_needed(vcpu, 0));
    vm.config.paging = PAGING_SHADOW;
    assert_true(vtlb_needed(vcpu, 0));
    assert_true(vtlb_needed(vcpu, on));
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    vtlb_destroy(vcpu);
    for (pages_left = 0; pages_left < 2; pages_left++) {
        unsigned left = pages_left;
        assert_int_equal(vtlb_create(vcpu), NR_ENOMEM);
        assert_null(vcpu->vtlb);
        assert_int_equal(pages, 0);
        pages_left = left;
    }
    flushes = 0;
    vtlb_flush(vcpu); /* of any vCPU */
    assert_int_equal(flushes, 1);
}

static void test_paging_off(void **state)
{
    (void)state;
    unsigned level;
    now = (struct walk_registers){.cr0 = 0};
    load_registers();
    reaches(0x1234, WRITE, 0x1234);
    assert_false(is_there(0x2000));
    reaches(5 * MIB + 8, FETCH, 5 * MIB + 8);
    assert_true(entry_of(5 * MIB, &level) & W); /* nothing is to be marked */
    assert_int_equal(level, LEVEL_2M);
    assert_true(processor_allows(6 * MIB - 1, USER | WRITE, HOST + 6 * MIB - 1));
    is_memory(0xfee00020, WRITE, 0xfee00020, ACCESS_WRITE);
}

static void test_flags(void **state)
{
    (void)state;
    paging_32bit();
    put32(0x2000, 0x10000 | ALL);
    put32(0x2004, 0x11000 | MARKED);
    reaches(4 * MIB, USER, 0x10000);
    assert_int_equal(get64(0x1004) & (A | D), A);
    assert_int_equal(get64(0x2000) & (A | D), A);
    assert_false(processor_allows(4 * MIB, WRITE, HOST + 0x10000));
    reaches(4 * MIB, WRITE, 0x10000); /* only now the page is dirty */
    assert_int_equal(get64(0x2000) & (A | D), A | D);
    reaches(4 * MIB + 0x1000, READ, 0x11000);
    assert_true(processor_allows(4 * MIB + 0x1004, USER | WRITE, HOST + 0x11004));
}

/* Another vCPU takes the page away between our reading of the entry and the marking of it. */
static void test_entry_changes(void **state)
{
    (void)state;
    paging_32bit();
    put32(0x2000, 0x10000 | P);
    put32(0x1004, 0x2000 | ALL | A);
    entry_changes = true;
    assert_int_equal(fault(4 * MIB, READ), NONE);
    assert_int_equal(get64(0x2000), 0); /* no flag in what is there now */
    assert_false(is_there(4 * MIB));
    entry_changes = false;
    is_fault(4 * MIB, READ, 0);
}

static void test_guest_faults(void **state)
{
    (void)state;
    paging_pae();
    put64(0x5000, 0x10000 | P | PTE_NX);
    is_fault(8 * MIB, READ, 0); /* entry 4 of the directory */
    is_fault(8 * MIB + 4, WRITE | USER, WRITE | USER);
    reaches(4 * MIB, READ, 0x10000);
    is_fault(4 * MIB, USER, USER | 1);
    is_fault(4 * MIB, WRITE, WRITE | 1);
    is_fault(4 * MIB, FETCH, FETCH | 1);
    put64(0x5008, 0x11000 | P | 1ull << 40); /* reserved: CPUID says 40 bits */
    is_fault(4 * MIB + 0x1000, READ, WALK_RESERVED | 1);
    now.efer = 0; /* bit 63 is reserved, and fetches are not told */
    load_registers();
    is_fault(4 * MIB, FETCH, WALK_RESERVED | 1);
}

static void test_write_protection_off(void **state)
{
    (void)state;
    paging_32bit();
    now.cr0 &= ~CR0_WP;
    load_registers();
    put32(0x2000, 0x10000 | P | U);
    put32(0x2004, 0x11000 | P);
    reaches(4 * MIB, USER, 0x10000);
    reaches(4 * MIB, WRITE, 0x10000);
    assert_false(processor_allows(4 * MIB, USER, 0)); /* or it could write as well */
    assert_true(processor_allows(4 * MIB, FETCH, HOST + 0x10000));
    is_fault(4 * MIB, USER | WRITE, USER | WRITE | 1);
    reaches(4 * MIB, USER, 0x10000);
    assert_false(processor_allows(4 * MIB, WRITE, 0));
    reaches(4 * MIB + 0x1000, WRITE, 0x11000);
    now.cr0 |= CR0_WP;
    load_registers();
    is_fault(4 * MIB + 0x1000, WRITE, WRITE | 1);
}

/* A page that was the user's may not be executed, now that it looks like the supervisor's. */
static void test_write_protection_and_smep(void **state)
{
    (void)state;
    paging_32bit();
    now.cr0 &= ~CR0_WP;
    now.cr4 |= CR4_SMEP;
    load_registers();
    put32(0x2000, 0x10000 | P | U);
    put32(0x2004, 0x11000 | P);
    reaches(4 * MIB, WRITE, 0x10000);
    assert_false(processor_allows(4 * MIB, FETCH, 0));
    is_fault(4 * MIB, FETCH, FETCH | 1);
    reaches(4 * MIB + 0x1000, WRITE, 0x11000);
    assert_true(processor_allows(4 * MIB + 0x1000, FETCH, HOST + 0x11000));
}

static void test_smap(void **state)
{
    (void)state;
    paging_32bit();
    now.cr4 |= CR4_SMAP;
    load_registers();
    put32(0x2000, 0x10000 | MARKED);
    put32(0x2004, 0x11000 | P | U);
    is_fault(4 * MIB, READ, 1);
    vcpu->state.gpr.rflags = RFLAGS_AC;
    assert_int_equal(fault(4 * MIB, READ), NONE);
    assert_true(processor_allows(4 * MIB, USER, HOST + 0x10000));
    vcpu->state.segment[SEG_SS].attributes = SEG_DPL_MASK; /* the processor's own access */
    is_fault(4 * MIB, READ, 1);
    vcpu->state.segment[SEG_SS].attributes = 0;
    now.cr0 &= ~CR0_WP;
    load_registers();
    assert_int_equal(fault(4 * MIB + 0x1000, WRITE), VCPU_EXIT_INSTRUCTION); /* allowed, this once */
    assert_false(is_there(4 * MIB + 0x1000));
}

static void test_no_ram(void **state)
{
    (void)state;
    paging_long();
    put64(0x9000, 0xc0000000 | MARKED);
    put64(0x9008, 0x20000 | MARKED);
    put64(0x9010, 0x21000 | MARKED);
    read_only_at = 0x20000;
    no_code_at = 0x21000;
    is_memory(4 * MIB + 0x123, READ | USER, 0xc0000123, ACCESS_READ);
    is_memory(4 * MIB + 0x123, WRITE, 0xc0000123, ACCESS_WRITE);
    is_memory(4 * MIB, FETCH, 0xc0000000, ACCESS_FETCH);
    assert_false(is_there(4 * MIB));
    reaches(4 * MIB + 0x1000, FETCH, 0x20000);
    assert_false(processor_allows(4 * MIB + 0x1000, WRITE, 0));
    is_memory(4 * MIB + 0x1008, WRITE, 0x20008, ACCESS_WRITE | ACCESS_PRESENT);
    reaches(4 * MIB + 0x2000, WRITE, 0x21000);
    assert_false(processor_allows(4 * MIB + 0x2000, FETCH, 0));
    is_memory(4 * MIB + 0x2001, FETCH, 0x21001, ACCESS_FETCH | ACCESS_PRESENT);
}

static void test_large_pages(void **state)
{
    (void)state;
    unsigned level;
    paging_pae();
    put64(0x3000 + 8 * 8, 0x800000 | MARKED | PS);   /* both large */
    put64(0x3000 + 8 * 9, 0 | MARKED | PS);          /* small ones in the second level */
    put64(0x5000, 0x900000 | MARKED);                /* a small one of the guest's */
    put64(0x4000 + 8 * 511, 3 * GIB / 2 | ALL | PS); /* not dirty, and in a leaf of 1 GiB */
    reaches(16 * MIB + 0x12345, READ, 0x812345);
    assert_true(entry_of(16 * MIB, &level) & W);
    assert_int_equal(level, LEVEL_2M);
    reaches(18 * MIB + 0x12345, READ, 0x12345);
    entry_of(18 * MIB + 0x12345, &level);
    assert_int_equal(level, LEVEL_4K);
    assert_false(is_there(18 * MIB));
    reaches(4 * MIB, READ, 0x900000);
    assert_false(is_there(4 * MIB + 0x1000));
    reaches(4 * GIB - 1, USER, 3 * GIB / 2 + 2 * MIB - 1);
    assert_false(entry_of(4 * GIB - MIB, &level) & W);
    reaches(4 * GIB - 2 * MIB, WRITE, 3 * GIB / 2);
    assert_true(entry_of(4 * GIB - MIB, &level) & W);
    /* From large to small and back, where the guest does not invalidate: never both at once. */
    flushes = 0;
    put64(0x3000 + 8 * 8, 0x5000 | ALL);
    put64(0x5000, 0x900000 | P | U | A);
    vtlb_load_cr3(vcpu, now.cr3);
    flushes = 0;
    reaches(16 * MIB, READ, 0x900000);
    put64(0x3000 + 8 * 8, 0x800000 | MARKED | PS);
    assert_int_equal(flushes, 0);
    reaches(16 * MIB + 0x1000, READ, 0x801000);
    assert_int_equal(flushes, 1);
    put64(0x3000 + 8 * 8, 0x5000 | ALL);
    put64(0x5000, 0x900000 | P);
    assert_int_equal(fault(16 * MIB, READ), NONE);
    assert_int_equal(flushes, 2);
    assert_true(processor_allows(16 * MIB, READ, HOST + 0x900000));
}

static void test_cr3(void **state)
{
    (void)state;
    paging_32bit();
    put32(0x2000, 0x10000 | MARKED);
    put32(0x1000 + 4 * 2, 0x3000 | ALL);
    put32(0x3000, 0x11000 | MARKED | G);
    put32(0x1000 + 4 * 3, 12 * MIB | MARKED | PS);
    put32(0x1000 + 4 * 4, 16 * MIB | MARKED | PS | G);
    for (unsigned round = 0; round < 3; round++) {
        reaches(4 * MIB, READ, 0x10000);
        assert_int_equal(fault(8 * MIB, READ), NONE);
        reaches(12 * MIB, READ, 12 * MIB);
        assert_int_equal(fault(16 * MIB, READ), NONE);
        flushes = 0;
        if (round < 2) {
            assert_true(vtlb_may_load_cr3(vcpu, 0x1000)); /* the same value */
        } else {
            now.cr3 = 0xf000;
            load_registers();
        }
        assert_int_equal(flushes, 1);
        assert_false(is_there(4 * MIB));
        assert_true(is_there(8 * MIB));
        assert_false(is_there(12 * MIB));
        assert_true(is_there(16 * MIB));
    }
    now.cr4 &= ~CR4_PGE; /* then the bit means nothing */
    now.cr3 = 0x1000;
    load_registers();
    reaches(8 * MIB, READ, 0x11000);
    vtlb_load_cr3(vcpu, 0x1000);
    assert_false(is_there(8 * MIB));
}

/* Values that the device model has to look at. */
static void test_cr3_values(void **state)
{
    (void)state;
    paging_pae();
    assert_true(vtlb_may_load_cr3(vcpu, 0x2000));
    put64(0x2008, 0x3000 | P | W); /* reserved in a PDPTE */
    assert_false(vtlb_may_load_cr3(vcpu, 0x2000));
    put64(0x2008, 0x3000 | P | A); /* emulators set it */
    assert_true(vtlb_may_load_cr3(vcpu, 0x2000));
    put64(0x2008, 0x3000 | W);
    assert_true(vtlb_may_load_cr3(vcpu, 0x2000));
    paging_long();
    assert_false(vtlb_may_load_cr3(vcpu, 1ull << 36 | 0x6000));
    assert_false(vtlb_may_load_cr3(vcpu, 1ull << 63 | 0x6000));
    assert_true(vcpu->state.control.cr3 == 0x6000);
    assert_true(vtlb_may_load_cr3(vcpu, 0x6018));
    assert_true(vcpu->state.control.cr3 == 0x6018);
}

static void test_invlpg(void **state)
{
    (void)state;
    paging_32bit();
    put32(0x2000, 0x10000 | MARKED | G);
    put32(0x2004, 0x11000 | MARKED);
    put32(0x1000 + 4 * 3, 12 * MIB | MARKED | PS | G);
    put32(0x1000 + 4 * 0, 0 | MARKED | PS); /* of whose halves one is in small pieces */
    reaches(4 * MIB, READ, 0x10000);
    reaches(4 * MIB + 0x1000, READ, 0x11000);
    reaches(12 * MIB, READ, 12 * MIB);
    reaches(14 * MIB, READ, 14 * MIB);
    reaches(0x5000, READ, 0x5000);
    reaches(0x6000, READ, 0x6000);
    reaches(3 * MIB, READ, 3 * MIB);
    flushes = 0;
    vtlb_flush_page(vcpu, 4 * MIB + 0x123);
    assert_int_equal(flushes, 1);
    assert_false(is_there(4 * MIB));
    assert_true(is_there(4 * MIB + 0x1000));
    vtlb_flush_page(vcpu, 15 * MIB); /* the whole page of the guest's */
    assert_false(is_there(14 * MIB));
    assert_false(is_there(12 * MIB));
    assert_true(is_there(0x5000));
    vtlb_flush_page(vcpu, 0x7000); /* of which nothing is there */
    assert_false(is_there(0x5000));
    assert_false(is_there(0x6000));
    assert_false(is_there(3 * MIB));
    reaches(0x5000, READ, 0x5000);
    vtlb_flush_page(vcpu, 2 * MIB);
    assert_false(is_there(0x5000));
    assert_true(is_there(4 * MIB + 0x1000));
}

static void test_invlpg_long(void **state)
{
    (void)state;
    uint64_t high = 0xffffff8000000000ull;
    paging_long();
    put64(0x7000 + 8, 1 * GIB | MARKED | PS); /* 1 GiB */
    put64(0x7000 + 16, 0 | MARKED | PS);
    put64(0x9000, 0x10000 | MARKED);
    put64(0x9000 + 8 * 511, 0x11000 | MARKED);
    reaches(high + 4 * MIB, READ, 0x10000);
    reaches(high + 6 * MIB - 0x1000, READ, 0x11000);
    reaches(GIB + 5, READ, GIB + 5);
    reaches(2 * GIB - 5, READ, 2 * GIB - 5);
    reaches(2 * GIB + 0x7000, READ, 0x7000);
    reaches(4 * MIB, READ, 0x10000);
    flushes = 0;
    vtlb_flush_page(vcpu, GIB + 512 * MIB);
    assert_int_equal(flushes, 1);
    assert_false(is_there(GIB));
    assert_false(is_there(2 * GIB - 1));
    assert_true(is_there(2 * GIB + 0x7000));
    vtlb_flush_page(vcpu, 3 * GIB - 1);
    assert_false(is_there(2 * GIB + 0x7000));
    vtlb_flush_page(vcpu, high + 6 * MIB - 1);
    assert_false(is_there(high + 6 * MIB - 1));
    assert_true(is_there(high + 4 * MIB));
    assert_true(is_there(4 * MIB));
    reaches(GIB + 5, WRITE, GIB + 5);
    vtlb_load_cr3(vcpu, now.cr3); /* through entries of tables that INVLPG has cut off */
    assert_false(is_there(GIB));
}

static void test_registers(void **state)
{
    (void)state;
    static const struct {
        uint64_t cr0, cr4, efer;
        bool forgets;
    } changes[] = {
        {.cr0 = CR0_WP, .forgets = true},
        {.cr0 = CR0_PG, .forgets = true},
        {.cr0 = CR0_PE, .forgets = true},
        {.cr4 = CR4_PGE, .forgets = true},
        {.cr4 = CR4_PSE, .forgets = true},
        {.cr4 = CR4_PAE, .forgets = true},
        {.cr4 = CR4_SMEP, .forgets = true},
        {.cr4 = CR4_SMAP, .forgets = true},
        {.efer = EFER_NXE, .forgets = true},
        {.efer = EFER_LMA | EFER_LME, .forgets = true},
        {.cr0 = CR0_TS | CR0_NE},
        {.cr4 = CR4_OSFXSR | CR4_TSD},
        {.efer = EFER_SCE | EFER_LME},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        paging_32bit();
        put32(0x2000, 0x10000 | MARKED | G);
        assert_int_equal(fault(4 * MIB, READ), NONE);
        struct walk_registers before = now;
        flushes = 0;
        now.cr0 ^= changes[i].cr0;
        now.cr4 ^= changes[i].cr4;
        now.efer ^= changes[i].efer;
        load_registers();
        assert_int_equal(flushes, changes[i].forgets);
        assert_int_equal(is_there(4 * MIB), !changes[i].forgets);
        now = before;
        load_registers(); /* and back: nothing of it is left */
        assert_int_equal(is_there(4 * MIB), !changes[i].forgets);
        vtlb_flush(vcpu);
        assert_false(is_there(4 * MIB));
    }
}

/* More tables than the pool has, and more large pages than are kept in mind: each access still succeeds. */
static void test_pool_runs_out(void **state)
{
    (void)state;
    paging_long();
    put64(0x9000, 0x10000 | MARKED);
    flushes = 0;
    for (uint64_t i = 0; i < 1000; i++) /* each takes a directory and a table */
        reaches((i % 400) * GIB + 4 * MIB, READ, 0x10000);
    assert_in_range(flushes, 2000 / 256, 2000 / 200);
    paging_pae();
    for (unsigned i = 0; i < TABLE_ENTRIES; i++)
        put64(0x4000 + 8 * i, 16 * MIB | MARKED | PS);
    flushes = 0;
    for (uint64_t i = 0; i < 500; i++)
        reaches(3 * GIB + i * 2 * MIB, READ, 16 * MIB);
    assert_in_range(flushes, 1, 2);
    vtlb_load_cr3(vcpu, now.cr3);
    for (uint64_t i = 0; i < 500; i++)
        assert_false(is_there(3 * GIB + i * 2 * MIB));
}

/* Tables come back with each load of CR3, and each comes back once. */
static void test_tables_come_back(void **state)
{
    (void)state;
    paging_32bit();
    for (unsigned i = 0; i < 16; i++)
        put32(0x1000 + 4 * (64 + i), 0x2000 | ALL);
    put32(0x2000, 0x10000 | MARKED);
    put32(0x1008, 0x3000 | ALL);
    put32(0x3000, 0x11000 | MARKED | G);
    reaches(8 * MIB, READ, 0x11000);
    for (unsigned round = 0; round < 100; round++) {
        flushes = 0;
        for (unsigned i = 0; i < 16; i++) {
            reaches((64 + i) * 4 * MIB, READ, 0x10000);
            vtlb_flush_page(vcpu, (64 + i) * 4 * MIB);
            reaches((64 + i) * 4 * MIB, READ, 0x10000);
        }
        vtlb_load_cr3(vcpu, 0x1000);
        assert_int_equal(flushes, 17);
        assert_true(processor_allows(8 * MIB, READ, HOST + 0x11000));
    }
}

static void test_fixed(void **state)
{
    (void)state;
    unsigned level;
    vtlb_fixed_map(vcpu, 5 * MIB, 0x7654321000, PAGE_SIZE);
    load_registers();
    reaches(7 * MIB, READ, 7 * MIB);
    assert_int_equal(fault(5 * MIB + 0x67, READ), NONE);
    assert_true((entry_of(5 * MIB, &level) & (PTE_ADDRESS | U | PTE_NX)) == (0x7654321000 | PTE_NX));
    reaches(5 * MIB + 0x1000, READ, 5 * MIB + 0x1000);
    entry_of(5 * MIB + 0x1000, &level);
    assert_int_equal(level, LEVEL_4K);
    assert_int_equal(fault(5 * MIB, USER), VCPU_EXIT_INSTRUCTION); /* the guest's RAM, which is elsewhere */
    assert_true((entry_of(5 * MIB, &level) & (PTE_ADDRESS | U)) == 0x7654321000);
    now.cr0 = CR0_PE;
    load_registers();
    reaches(5 * MIB, USER, 5 * MIB);
    entry_of(5 * MIB, &level);
    assert_int_equal(level, LEVEL_2M);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_needed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_runs_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_paging_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_flags, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_entry_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_guest_faults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_write_protection_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_write_protection_and_smep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_smap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_ram, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_pages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cr3, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cr3_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_invlpg, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_invlpg_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_registers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pool_runs_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tables_come_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fixed, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("vtlb", tests, NULL, NULL);
}
