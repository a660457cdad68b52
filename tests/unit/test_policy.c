/*
 * What a guest is shown of its processor: CPUID, MSRs, the KVM clock; and conversions of guest time.
 *
 * sources: devices/cpuid.c devices/processor.c devices/msr.c devices/kvm_clock.c devices/guest_time.c
 * sources: devices/msr_table.c devices/msr_machine_check.c
 * sources: devices/bus.c tests/unit/host_effects.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "cpuid.h"
#include "guest_time.h"
#include "host_effects.h"
#include "kvm_clock.h"
#include "msr.h"
#include "processor.h"

static struct cpuid_entry table[CPUID_ENTRIES_MAX];
static uint32_t table_count;
static struct msr_state msrs;
static const struct process_info ghz = {.tsc_mult = 1ull << 32, .tsc_shift = 32, .tsc_khz = 1000000};
static const struct process_info odd = {.tsc_mult = 6607141932, .tsc_shift = 34, .tsc_khz = 2600111};

/* A processor with every bit set. */
static void everything(uint32_t leaf, uint32_t subleaf, struct cpuid_entry *e)
{
    (void)subleaf;
    e->eax = e->ebx = e->ecx = e->edx = UINT32_MAX;
    if (leaf == 0)
        e->eax = 0x20;
    if (leaf == 0x80000000)
        e->eax = 0x80000021;
}

/* An old one: few leaves, no features. */
static void nothing(uint32_t leaf, uint32_t subleaf, struct cpuid_entry *e)
{
    (void)subleaf;
    e->eax = e->ebx = e->ecx = e->edx = 0;
    if (leaf == 0)
        e->eax = 1;
    if (leaf == 0x80000000)
        e->eax = 0x80000004;
}

static const struct cpuid_entry *leaf_of(uint32_t leaf)
{
    for (uint32_t i = 0; i < table_count; i++)
        if (table[i].leaf == leaf)
            return &table[i];
    return NULL;
}

static int set_up(void **state)
{
    (void)state;
    host_reset();
    host.epoch = 1700000000;
    host.config.cpu_count = 2;
    msr_reset(&msrs, MSR_VENDOR_AMD, odd.tsc_khz);
    return 0;
}

static void what_is_not_virtualised_is_hidden(void **state)
{
    (void)state;
    table_count = cpuid_build(table, &host.config, everything);
    assert_in_range(table_count, 10, CPUID_ENTRIES_MAX - 1);
    for (uint32_t i = 1; i < table_count; i++)
        assert_true(table[i - 1].leaf < table[i].leaf ||
                    (table[i - 1].leaf == table[i].leaf && table[i - 1].subleaf < table[i].subleaf));
    assert_int_equal(leaf_of(0)->eax, 0xd);
    const struct cpuid_entry *e = leaf_of(1);
    static const uint8_t hidden_ecx[] = {3 /* MONITOR */, 5 /* VMX */,     15 /* PDCM */,
                                         17 /* PCID */,   21 /* x2APIC */, 24 /* TSC deadline */};
    for (unsigned i = 0; i < sizeof hidden_ecx; i++)
        assert_int_equal(e->ecx >> hidden_ecx[i] & 1, 0);
    assert_int_equal(e->ecx >> 31, 1);
    assert_int_equal(e->edx >> 9 & 1, 1);  /* APIC */
    assert_int_equal(e->edx >> 28 & 1, 1); /* HTT with two processors */
    assert_int_equal(e->ebx >> 16 & 0xff, 2);
    assert_int_equal(leaf_of(7)->ebx & (1u << 10 | 1u << 1 | 1u << 16), 0); /* INVPCID, TSC_ADJUST, AVX-512 */
    assert_int_equal(leaf_of(7)->edx, 0);
    assert_int_equal(leaf_of(6)->eax, 1 << 2); /* ARAT: the timer is the monitor's */
    assert_int_equal(leaf_of(6)->ecx, 0);
    assert_int_equal(leaf_of(0x80000000)->eax, 0x80000008);
    e = leaf_of(0x80000001);
    assert_int_equal(e->ecx & (1u << 2 | 1u << 3 | 1u << 10 | 1u << 22), 0); /* SVM, ExtAPIC, IBS, topology */
    assert_int_equal(e->ecx & 2, 2);
    assert_int_equal(e->edx >> 29 & 1, 1);
    assert_int_equal(leaf_of(0x80000007)->edx, 1 << 8);
    assert_int_equal(leaf_of(0x80000008)->ecx, 1);
    assert_int_equal(leaf_of(0xa) != NULL, 0);
    assert_int_equal(leaf_of(0xd)->eax, 7); /* x87, SSE, AVX */
}

/* SDM Vol. 2A, CPUID leaf 0xb: one thread in a core, all cores in one package. */
static void topology(void **state)
{
    (void)state;
    host.config.cpu_count = 5;
    table_count = cpuid_build(table, &host.config, everything);
    const struct cpuid_entry *level = leaf_of(0xb);
    assert_int_equal(level[0].subleaf, 0);
    assert_int_equal(level[0].eax, 0);
    assert_int_equal(level[0].ebx, 1);
    assert_int_equal(level[0].ecx, 0x100);
    assert_int_equal(level[1].leaf, 0xb);
    assert_int_equal(level[1].subleaf, 1);
    assert_int_equal(level[1].eax, 3);
    assert_int_equal(level[1].ebx, 5);
    assert_int_equal(level[1].ecx, 0x201);
    assert_int_equal(level[1].edx, 0); /* the x2APIC ID is the monitor's to put in */
}

/* Packages of two cores, and of one, which is a processor without HTT. */
static void packages(void **state)
{
    (void)state;
    host.config.cpu_count = 4;
    host.config.packages = 2;
    table_count = cpuid_build(table, &host.config, everything);
    assert_int_equal(leaf_of(0xb)[1].eax, 1);
    assert_int_equal(leaf_of(0xb)[1].ebx, 2);
    assert_int_equal(leaf_of(1)->ebx >> 16 & 0xff, 2);
    assert_int_equal(leaf_of(1)->edx >> 28 & 1, 1);
    assert_int_equal(leaf_of(0x80000008)->ecx & 0xff, 1);
    host.config.packages = 4;
    table_count = cpuid_build(table, &host.config, everything);
    assert_int_equal(leaf_of(0xb)[1].eax, 0);
    assert_int_equal(leaf_of(0xb)[1].ebx, 1);
    assert_int_equal(leaf_of(1)->ebx >> 16 & 0xff, 0);
    assert_int_equal(leaf_of(1)->edx >> 28 & 1, 0);
    assert_int_equal(leaf_of(0x80000001)->ecx & 2, 0); /* CmpLegacy */
}

static void paravirtual_leaves(void **state)
{
    (void)state;
    table_count = cpuid_build(table, &host.config, everything);
    const struct cpuid_entry *e = leaf_of(0x40000000);
    char name[13] = {0};
    memcpy(name, &e->ebx, 4), memcpy(name + 4, &e->ecx, 4), memcpy(name + 8, &e->edx, 4);
    assert_string_equal(name, "KVMKVMKVM");
    assert_int_equal(e->eax, 0x40000001);
    assert_int_equal(leaf_of(0x40000001)->eax, 1 << 0 | 1 << 1 | 1 << 3 | 1 << 6 | 1 << 24);
    host.config.paravirt = PARAVIRT_NONE;
    table_count = cpuid_build(table, &host.config, everything);
    assert_null(leaf_of(0x40000000));
    assert_int_equal(leaf_of(1)->ecx >> 31, 1);
    host.config.paravirt = PARAVIRT_KVM;
    host.config.hypervisor_hidden = 1;
    table_count = cpuid_build(table, &host.config, everything);
    assert_null(leaf_of(0x40000000));
    assert_int_equal(leaf_of(1)->ecx >> 31, 0);
}

static void old_processor(void **state)
{
    (void)state;
    host.config.cpu_count = 1;
    table_count = cpuid_build(table, &host.config, nothing);
    assert_int_equal(leaf_of(0)->eax, 1);
    assert_int_equal(leaf_of(1)->edx, 0);
    assert_int_equal(leaf_of(1)->ebx >> 16, 0); /* a count only with HTT */
    assert_null(leaf_of(6));
    assert_null(leaf_of(7));
    assert_null(leaf_of(0xd));
    assert_int_equal(leaf_of(1)->ecx & 1u << 26, 0);
    assert_null(leaf_of(0x80000008));
}

/* As the monitor seeks it (core/exit_cpuid.c). */
static const struct cpuid_entry *seek(const struct cpuid_entry *slots, uint32_t leaf, uint32_t subleaf)
{
    uint32_t slot = cpuid_slot(leaf);
    while (slots[slot].leaf != CPUID_FREE &&
           (slots[slot].leaf != leaf || (slots[slot].subleaf != CPUID_ANY && slots[slot].subleaf != subleaf)))
        slot = (slot + 1) % CPUID_SLOTS;
    return &slots[slot];
}

static void every_leaf_has_a_slot(void **state)
{
    struct cpuid_entry slots[CPUID_SLOTS];
    (void)state;
    table_count = cpuid_build(table, &host.config, everything);
    cpuid_place(slots, table, table_count);
    for (uint32_t i = 0; i < table_count; i++)
        assert_memory_equal(seek(slots, table[i].leaf, table[i].subleaf), &table[i], sizeof table[i]);
    assert_int_equal(seek(slots, 1, 77)->leaf, 1); /* the subleaf has no meaning there */
    assert_int_equal(seek(slots, 0x80000008, 5)->leaf, 0x80000008);
    assert_int_equal(seek(slots, 4, 9)->leaf, CPUID_FREE);
    assert_int_equal(seek(slots, 0x12345678, 0)->leaf, CPUID_FREE);
    assert_int_equal(seek(slots, 0x12345678, 0)->eax, 0);
}

/* A register's bit can be set where CPUID offers it, and nowhere else. */
static void registers_follow_cpuid(void **state)
{
    struct processor_limits limits;
    (void)state;
    table_count = cpuid_build(table, &host.config, everything);
    processor_limits(&limits, table, table_count);
    assert_int_equal(limits.cr4 & 1 << 13, 0); /* VMXE */
    assert_int_equal(limits.cr4 & 1 << 17, 0); /* PCIDE */
    assert_int_equal(limits.cr4 & 0x7ff, 0x7ff);
    assert_int_equal(limits.cr4 & 1 << 20, 1 << 20); /* SMEP */
    assert_int_equal(limits.cr4 & 1 << 18, 1 << 18); /* OSXSAVE */
    assert_int_equal(limits.efer & 0xd01, 0xd01);
    assert_int_equal(limits.physical_width, 52);
    assert_int_equal(limits.xcr0, 7);
    table_count = cpuid_build(table, &host.config, nothing);
    processor_limits(&limits, table, table_count);
    assert_int_equal(limits.cr4, 0);
    assert_int_equal(limits.efer, 0);
    assert_int_equal(limits.xcr0, 0);
    assert_int_equal(limits.physical_width, 36);
}

static uint64_t read_msr(uint32_t index)
{
    uint64_t value;
    assert_true(msr_read(&msrs, 0, index, &value));
    return value;
}

static void msr_policy(void **state)
{
    (void)state;
    uint64_t value;
    assert_int_equal(read_msr(0xfe), 0x508);
    assert_false(msr_write(&msrs, &ghz, 0, 0xfe, 0));
    assert_int_equal(read_msr(0x2ff), 0xc06);
    assert_int_equal(read_msr(0x200), 0xc0000000);
    assert_int_equal(read_msr(0x201) & 0x800, 0x800);
    assert_true(msr_write(&msrs, &ghz, 0, 0x20f, 0x800));
    assert_int_equal(read_msr(0x20f), 0x800);
    assert_false(msr_write(&msrs, &ghz, 0, 0x202, 2));     /* no such type */
    assert_false(msr_write(&msrs, &ghz, 0, 0x202, 0x806)); /* reserved bits */
    assert_false(msr_write(&msrs, &ghz, 0, 0x203, 0x400));
    assert_false(msr_write(&msrs, &ghz, 0, 0x203, 1ull << 52));
    assert_false(msr_write(&msrs, &ghz, 0, 0x179, 0)); /* MCG_CAP is read-only */
    assert_false(msr_write(&msrs, &ghz, 0, 0x26f, 0x0606060603060606));
    assert_true(msr_write(&msrs, &ghz, 0, 0x26f, 0x0105060400010506));
    assert_int_equal(read_msr(0x26f), 0x0105060400010506);
    assert_false(msr_write(&msrs, &ghz, 0, 0x2ff, 0x1000));
    assert_false(msr_read(&msrs, 0, 0x210, &value));
    assert_int_equal(host.needs[NEED_RDMSR], 1);
    host.needs[NEED_WRMSR] = 0;
    assert_false(msr_write(&msrs, &ghz, 0, 0xc0010117, 0));
    assert_int_equal(host.needs[NEED_WRMSR], 1);
    assert_true(msr_write(&msrs, &ghz, 0, 0xc0010055, 0));
    assert_int_equal(host.needs[NEED_WRMSR], 1);
    assert_true(msr_write(&msrs, &ghz, 0, 0xc0010055, 1)); /* dropped and counted */
    assert_int_equal(host.needs[NEED_WRMSR], 2);
    assert_true(msr_write(&msrs, &ghz, 0, 0xc0010015, UINT64_MAX));
    assert_int_equal(read_msr(0xc0010015), 0x0107ffff);
    assert_null(msr_check(&msrs));
    msrs.mtrr_default = UINT64_MAX;
    assert_non_null(msr_check(&msrs));
}

/* What a processor of one vendor has, and of the other has not (SDM Vol. 4; AMD BKDG). */
static void msrs_of_the_vendor(void **state)
{
    static const uint32_t intel[] = {0x17, 0x2a, 0xcd, 0xce, 0x11e, 0x198, 0x199, 0x1a0};
    static const uint32_t amd[] = {0xc0010010, 0xc0010015, 0xc001001a, 0xc001001f,
                                   0xc0010064, 0xc001006b, 0xc0011029};
    uint64_t value;
    (void)state;
    assert_int_equal(msr_vendor(0x756e6547), MSR_VENDOR_INTEL);
    assert_int_equal(msr_vendor(0x68747541), MSR_VENDOR_AMD);
    for (unsigned i = 0; i < sizeof intel / sizeof intel[0]; i++)
        assert_false(msr_read(&msrs, 0, intel[i], &value) || msr_write(&msrs, &ghz, 0, intel[i], 0));
    for (unsigned i = 0; i < sizeof amd / sizeof amd[0]; i++)
        assert_true(msr_read(&msrs, 0, amd[i], &value));
    assert_int_equal(read_msr(0x8b), 0);
    assert_false(msr_write(&msrs, &ghz, 0, 0x8b, 0));
    assert_true(msr_write(&msrs, &ghz, 0, 0xc0010020, 0x1000)); /* a patch */
    assert_false(msr_read(&msrs, 0, 0xc0010020, &value));
    assert_false(msr_write(&msrs, &ghz, 0, 0x79, 0x1000));
    host.config.memory_mib = 64;
    assert_int_equal(read_msr(0xc001001a), 64 << 20);
    host.config.memory_mib = 8192;
    assert_int_equal(read_msr(0xc001001a), 0xc0000000);
    msr_reset(&msrs, MSR_VENDOR_INTEL, odd.tsc_khz);
    for (unsigned i = 0; i < sizeof intel / sizeof intel[0]; i++)
        assert_true(msr_read(&msrs, 0, intel[i], &value));
    for (unsigned i = 0; i < sizeof amd / sizeof amd[0]; i++)
        assert_false(msr_read(&msrs, 0, amd[i], &value) || msr_write(&msrs, &ghz, 0, amd[i], 0));
    assert_int_equal(read_msr(0xce), 26 << 8);
    assert_int_equal(read_msr(0x198), 26 << 8);
    assert_false(msr_write(&msrs, &ghz, 0, 0xce, 26 << 8));
    assert_true(msr_write(&msrs, &ghz, 0, 0x199, 12 << 8));
    assert_int_equal(read_msr(0x1a0), 0x1801);
    assert_true(msr_write(&msrs, &ghz, 0, 0x8b, 0)); /* before CPUID, as the manual wants it */
    assert_true(msr_write(&msrs, &ghz, 0, 0x79, 0x1000));
    assert_false(msr_read(&msrs, 0, 0x79, &value));
    assert_int_equal(read_msr(0), 0);
    msr_reset(&msrs, MSR_VENDOR_INTEL, UINT32_MAX);
    assert_int_equal(read_msr(0xce), 0xff << 8);
    assert_null(msr_check(&msrs));
    msrs.ratio++;
    assert_non_null(msr_check(&msrs));
    msrs.ratio = 0, msrs.vendor = 2;
    assert_non_null(msr_check(&msrs));
}

/* SDM Vol. 3B, 16.3; AMD APM Vol. 2, 9.3. */
static void machine_check(void **state)
{
    uint64_t value;
    (void)state;
    assert_int_equal(read_msr(0x179), 0x102); /* two banks, and MCG_CTL */
    assert_false(msr_write(&msrs, &ghz, 0, 0x179, 0x102));
    assert_int_equal(read_msr(0x17a), 0);
    assert_true(msr_write(&msrs, &ghz, 0, 0x17a, 0));
    assert_true(msr_write(&msrs, &ghz, 0, 0x17a, 4));
    assert_int_equal(read_msr(0x17a), 4);
    assert_false(msr_write(&msrs, &ghz, 0, 0x17a, 8)); /* reserved */
    assert_true(msr_write(&msrs, &ghz, 0, 0x17b, UINT64_MAX));
    assert_int_equal(read_msr(0x17b), UINT64_MAX);
    for (uint32_t bank = 0; bank < 2; bank++) {
        assert_int_equal(read_msr(0x400 + 4 * bank), 0);
        assert_true(msr_write(&msrs, &ghz, 0, 0x400 + 4 * bank, UINT64_MAX - bank));
    }
    for (uint32_t bank = 0; bank < 2; bank++) {
        assert_int_equal(read_msr(0x400 + 4 * bank), UINT64_MAX - bank);
        for (uint32_t i = 1; i < 4; i++) {
            assert_int_equal(read_msr(0x400 + 4 * bank + i), 0);
            assert_true(msr_write(&msrs, &ghz, 0, 0x400 + 4 * bank + i, 0));
            assert_false(msr_write(&msrs, &ghz, 0, 0x400 + 4 * bank + i, 1));
        }
    }
    assert_false(msr_read(&msrs, 0, 0x408, &value)); /* behind the last bank */
    assert_false(msr_write(&msrs, &ghz, 0, 0x408, 0));
    assert_true(msr_write(&msrs, &ghz, 0, 0xc0010015, 1 << 18)); /* McStatusWrEn */
    assert_true(msr_write(&msrs, &ghz, 0, 0x401, 1));
    assert_int_equal(read_msr(0x401), 0);
}

/* As Linux' pvclock reads it. */
static uint64_t pvclock_ns(const uint8_t *page, uint64_t tsc)
{
    uint64_t timestamp, system;
    uint32_t mult;
    memcpy(&timestamp, page + 8, 8), memcpy(&system, page + 16, 8), memcpy(&mult, page + 24, 4);
    int8_t shift = (int8_t)page[28];
    uint64_t delta = tsc - timestamp;
    delta = shift < 0 ? delta >> -shift : delta << shift;
    return system + (uint64_t)((unsigned __int128)delta * mult >> 32);
}

static void kvm_clock(void **state)
{
    (void)state;
    uint8_t ram[4096] = {0};
    host.ram = ram;
    host.ram_size = sizeof ram;
    host.now = 123456789;
    assert_true(msr_write(&msrs, &odd, 1, 0x4b564d01, 0x100 | 1));
    assert_int_equal(read_msr(0x4b564d01), 0);
    uint64_t value;
    assert_true(msr_read(&msrs, 1, 0x12, &value));
    assert_int_equal(value, 0x101);
    assert_int_equal(ram[0x100] & 1, 0);
    assert_int_equal(ram[0x100 + 29], 1); /* stable */
    assert_int_equal(pvclock_ns(ram + 0x100, host.now), host.now);
    /* After an hour of TSC ticks the guest is as far as its monitor, to a microsecond. */
    uint64_t hour = 3600ull * odd.tsc_khz * 1000;
    uint64_t ns = pvclock_ns(ram + 0x100, host.now + hour) - host.now;
    uint64_t ours = guest_time_ns(&odd, hour);
    assert_in_range(ns > ours ? ns - ours : ours - ns, 0, 1000);
    assert_true(msr_write(&msrs, &odd, 0, 0x11, 0x200));
    uint32_t seconds;
    memcpy(&seconds, ram + 0x204, 4);
    assert_int_equal(seconds, 1700000000);
    assert_true(msr_write(&msrs, &odd, 0, 0x11, 0)); /* nothing is wanted there */
    assert_int_equal(ram[0] | ram[4], 0);
    assert_true(msr_write(&msrs, &odd, 0, 0x4b564d01, 0));       /* off */
    assert_false(msr_write(&msrs, &odd, 0, 0x4b564d01, 0x1001)); /* not RAM */
    assert_false(msr_write(&msrs, &odd, 0, 0x4b564d01, 0x103));  /* not aligned */
    assert_false(msr_write(&msrs, &odd, 0, 0x4b564d00, 0xff8));
    host.config.paravirt = PARAVIRT_NONE;
    assert_false(msr_write(&msrs, &odd, 0, 0x4b564d01, 0x101));
    assert_false(msr_read(&msrs, 0, 0x12, &value));
    assert_false(msr_write(&msrs, &odd, 0, 0x4b564d00, 0x200));
    host.config.paravirt = PARAVIRT_KVM; /* which a hidden monitor does not offer */
    host.config.hypervisor_hidden = 1;
    assert_false(msr_write(&msrs, &odd, 0, 0x4b564d01, 0x101));
    assert_false(msr_read(&msrs, 0, 0x12, &value));
}

static void time_conversions(void **state)
{
    (void)state;
    assert_int_equal(guest_time_ns(&ghz, 12345), 12345);
    assert_int_equal(guest_time_ticks(&ghz, 12345), 12345);
    for (uint64_t ns = 0; ns < 1ull << 60; ns = ns * 3 + 12347) {
        uint64_t ticks = guest_time_ticks(&odd, ns);
        assert_true(guest_time_ns(&odd, ticks) >= ns); /* a deadline does not come early */
        assert_true(ticks == 0 || guest_time_ns(&odd, ticks - 1) < ns);
    }
    assert_int_equal(guest_time_ticks(&odd, UINT64_MAX), UINT64_MAX);
    struct guest_time_scale scale = guest_time_scale(&ghz);
    assert_int_equal(scale.mult, 1u << 31);
    assert_int_equal(scale.shift, 1);
    assert_int_equal(guest_time_scale(&(struct process_info){0}).mult, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_not_virtualised_is_hidden, set_up),
        cmocka_unit_test_setup(topology, set_up),
        cmocka_unit_test_setup(packages, set_up),
        cmocka_unit_test_setup(paravirtual_leaves, set_up),
        cmocka_unit_test_setup(old_processor, set_up),
        cmocka_unit_test_setup(every_leaf_has_a_slot, set_up),
        cmocka_unit_test_setup(registers_follow_cpuid, set_up),
        cmocka_unit_test_setup(msr_policy, set_up),
        cmocka_unit_test_setup(msrs_of_the_vendor, set_up),
        cmocka_unit_test_setup(machine_check, set_up),
        cmocka_unit_test_setup(kvm_clock, set_up),
        cmocka_unit_test_setup(time_conversions, set_up),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
