/*
 * CPUID policy: the table that ring 0 looks up for a guest. The processor shows itself as what it is, less
 * what is not virtualised. Everything is an allow-list: a feature that nobody has thought of is not there.
 *
 * Documents: SDM Vol. 2A, CPUID; AMD APM Vol. 3, appendix E; Linux, Documentation/virt/kvm/x86/cpuid.rst.
 *
 * Missing: components of XSAVE beyond AVX, supervisor state (XSAVES), x2APIC, TSC deadline, MONITOR, PCID,
 * performance counters, SVM and VMX, mitigations that need an MSR.
 *
 * Ring 0 puts in what changes while a guest runs: the APIC ID in leaves 1 and 0xb, and the bits that follow
 * CR4.
 */
#include "cpuid.h"
#include <stdbool.h>
#include <stddef.h>
#include "cpuid_leaves.h"

#define LEAF_BRAND     0x80000002u
#define LEAF_CACHES_L1 0x80000005u
#define LEAF_CACHES_L2 0x80000006u
enum { LEAF_DESCRIPTORS = 2, LEAF_CACHES = 4, LEAF_THERMAL = 6 };

#define BIT(n) (1u << (n))

enum {
    FEATURES_ECX = BIT(0)    /* SSE3 */
                   | BIT(1)  /* PCLMULQDQ */
                   | BIT(9)  /* SSSE3 */
                   | BIT(12) /* FMA */
                   | BIT(13) /* CMPXCHG16B */
                   | BIT(19) /* SSE4.1 */
                   | BIT(20) /* SSE4.2 */
                   | BIT(22) /* MOVBE */
                   | BIT(23) /* POPCNT */
                   | BIT(25) /* AES */
                   | BIT(26) /* XSAVE */
                   | BIT(27) /* OSXSAVE: the monitor's, it follows CR4 */
                   | BIT(28) /* AVX */
                   | BIT(29) /* F16C */
                   | BIT(30) /* RDRAND */,
    FEATURES_ECX_XSAVE = BIT(12) | BIT(26) | BIT(27) | BIT(28) | BIT(29),
    FEATURES_EDX = BIT(0)    /* FPU */
                   | BIT(1)  /* VME */
                   | BIT(2)  /* DE */
                   | BIT(3)  /* PSE */
                   | BIT(4)  /* TSC */
                   | BIT(5)  /* MSR */
                   | BIT(6)  /* PAE */
                   | BIT(7)  /* MCE */
                   | BIT(8)  /* CMPXCHG8B */
                   | BIT(9)  /* APIC */
                   | BIT(11) /* SEP */
                   | BIT(12) /* MTRR */
                   | BIT(13) /* PGE */
                   | BIT(14) /* MCA */
                   | BIT(15) /* CMOV */
                   | BIT(16) /* PAT */
                   | BIT(17) /* PSE-36 */
                   | BIT(19) /* CLFLUSH */
                   | BIT(23) /* MMX */
                   | BIT(24) /* FXSR */
                   | BIT(25) /* SSE */
                   | BIT(26) /* SSE2 */,
    FEATURE_HTT = BIT(28),
    STRUCTURED_EBX = BIT(0)    /* FSGSBASE */
                     | BIT(3)  /* BMI1 */
                     | BIT(5)  /* AVX2 */
                     | BIT(7)  /* SMEP */
                     | BIT(8)  /* BMI2 */
                     | BIT(9)  /* ERMS */
                     | BIT(18) /* RDSEED */
                     | BIT(19) /* ADX */
                     | BIT(20) /* SMAP */
                     | BIT(23) /* CLFLUSHOPT */
                     | BIT(24) /* CLWB */
                     | BIT(29) /* SHA */,
    STRUCTURED_EBX_XSAVE = BIT(5),
    XSAVE_COMPONENTS = BIT(0)   /* x87 */
                       | BIT(1) /* SSE */
                       | BIT(2) /* AVX */,
    XSAVE_FEATURES = BIT(0) /* XSAVEOPT */
                     | BIT(2) /* XGETBV with ECX = 1 */,
    EXTENDED_ECX = BIT(0)   /* LAHF in 64-bit mode */
                   | BIT(4) /* CR8 as LOCK MOV CR0 */
                   | BIT(5) /* LZCNT */
                   | BIT(6) /* SSE4A */
                   | BIT(7) /* misaligned SSE */
                   | BIT(8) /* PREFETCHW */,
    EXTENDED_CMP_LEGACY = BIT(1),
    /* On AMD the low half repeats leaf 1. */
    EXTENDED_EDX_REPEATED = 0x0183f3ff,
    EXTENDED_EDX = BIT(11)   /* SYSCALL */
                   | BIT(20) /* NX */
                   | BIT(22) /* MMX extensions */
                   | BIT(26) /* 1 GiB pages */
                   | BIT(27) /* RDTSCP */
                   | BIT(29) /* long mode */
                   | BIT(30) /* 3DNow! extensions */,
    POWER_INVARIANT_TSC = BIT(8),
    THERMAL_ARAT = BIT(2), /* the timer of the local APIC, which is the monitor's, never stops */
};
static const uint32_t feature_hypervisor = BIT(31), extended_3dnow = BIT(31);

/* KVM_CPUID_FEATURES. */
enum {
    KVM_CLOCKSOURCE = BIT(0),
    KVM_NOP_IO_DELAY = BIT(1),
    KVM_CLOCKSOURCE2 = BIT(3),
    KVM_PV_EOI = BIT(6),
    KVM_CLOCKSOURCE_STABLE = BIT(24),
};

enum { XSAVE_BIT = BIT(26), OSXSAVE_BIT = BIT(27), XSAVE_SIZE_LEGACY = 576 };
enum { LEVEL_TYPE_SHIFT = 8, LEVEL_SMT = 1, LEVEL_CORE = 2 }; /* leaf 0xb */
enum { EBX_APIC_ID_SHIFT = 24, EBX_COUNT_SHIFT = 16, SIZES_THREADS_MASK = 0xff, CACHES_CORES_SHIFT = 26 };

struct cpuid_builder {
    struct cpuid_entry *table;
    uint32_t count;
    cpuid_host_function *host;
    const struct guest_config *config;
};

void cpuid_host(uint32_t leaf, uint32_t subleaf, struct cpuid_entry *e)
{
    __asm__ volatile("cpuid"
                     : "=a"(e->eax), "=b"(e->ebx), "=c"(e->ecx), "=d"(e->edx)
                     : "a"(leaf), "c"(subleaf));
}

/* A new entry with the host's values, to be cut down by the caller. A full table overwrites its last entry,
 * which cannot happen with the leaves below. */
static struct cpuid_entry *cpuid_add(struct cpuid_builder *b, uint32_t leaf, uint32_t subleaf)
{
    if (b->count == CPUID_ENTRIES_MAX)
        b->count--;
    struct cpuid_entry *entry = &b->table[b->count++];
    b->host(leaf, subleaf == CPUID_ANY ? 0 : subleaf, entry);
    entry->leaf = leaf;
    entry->subleaf = subleaf;
    return entry;
}

static uint32_t host_maximum(struct cpuid_builder *b, uint32_t base)
{
    struct cpuid_entry e;
    b->host(base, 0, &e);
    return e.eax;
}

static bool host_has_xsave(struct cpuid_builder *b, uint32_t maximum)
{
    struct cpuid_entry features, xsave;
    b->host(LEAF_FEATURES, 0, &features);
    b->host(LEAF_XSAVE, 0, &xsave);
    return maximum >= LEAF_XSAVE && (features.ecx & XSAVE_BIT) &&
           (xsave.eax & XSAVE_COMPONENTS) == XSAVE_COMPONENTS;
}

/* The size in EBX follows XCR0: the monitor asks the processor, whose XCR0 is the guest's. */
static void cpuid_add_xsave(struct cpuid_builder *b)
{
    struct cpuid_entry *e = cpuid_add(b, LEAF_XSAVE, 0);
    uint32_t size = XSAVE_SIZE_LEGACY;
    e->eax = XSAVE_COMPONENTS;
    e->edx = 0;
    struct cpuid_entry *feature = cpuid_add(b, LEAF_XSAVE, 1);
    feature->eax &= XSAVE_FEATURES;
    feature->ecx = feature->edx = 0;
    const struct cpuid_entry *avx = cpuid_add(b, LEAF_XSAVE, 2);
    if (avx->eax + avx->ebx > size)
        size = avx->eax + avx->ebx;
    e->ebx = e->ecx = feature->ebx = size;
}

/* One level of the topology: so many processors below it, whose APIC IDs differ in the low bits. */
static void cpuid_add_level(struct cpuid_builder *b, uint32_t subleaf, uint32_t type, uint32_t processors)
{
    struct cpuid_entry *e = cpuid_add(b, LEAF_TOPOLOGY, subleaf);
    e->eax = processors > 1 ? 32 - (uint32_t)__builtin_clz(processors - 1) : 0;
    e->ebx = processors;
    e->ecx = type << LEVEL_TYPE_SHIFT | subleaf;
    e->edx = 0;
}

/* In a package: each is one core. */
static uint32_t package_cores(const struct guest_config *config)
{
    return config->packages > 1 ? config->cpu_count / config->packages : config->cpu_count;
}

static void cpuid_add_basic(struct cpuid_builder *b)
{
    uint32_t cpus = package_cores(b->config), maximum = host_maximum(b, LEAF_VENDOR);
    bool xsave = host_has_xsave(b, maximum);
    uint32_t highest = xsave ? LEAF_XSAVE : LEAF_TOPOLOGY;
    struct cpuid_entry *e = cpuid_add(b, LEAF_VENDOR, CPUID_ANY);
    e->eax = maximum < highest ? maximum : highest;

    e = cpuid_add(b, LEAF_FEATURES, CPUID_ANY);
    e->ebx = (e->ebx & 0xffff) | (cpus > 1 ? cpus << EBX_COUNT_SHIFT : 0);
    e->ecx = (e->ecx & FEATURES_ECX) | (b->config->hypervisor_hidden ? 0 : feature_hypervisor);
    e->ecx |= xsave ? OSXSAVE_BIT : 0;
    e->ecx &= xsave ? ~0u : ~(uint32_t)FEATURES_ECX_XSAVE;
    e->edx = (e->edx & FEATURES_EDX) | (cpus > 1 ? FEATURE_HTT : 0u);

    if (maximum >= LEAF_DESCRIPTORS)
        cpuid_add(b, LEAF_DESCRIPTORS, CPUID_ANY);
    for (uint32_t i = 0; maximum >= LEAF_CACHES && i < 4; i++) {
        e = cpuid_add(b, LEAF_CACHES, i);
        /* Cores in the package; nothing but the processor itself shares a cache. */
        if (e->eax & 0x1f)
            e->eax = (e->eax & 0x3fff) | (cpus - 1) << CACHES_CORES_SHIFT;
    }
    if (maximum >= LEAF_THERMAL) {
        e = cpuid_add(b, LEAF_THERMAL, CPUID_ANY);
        e->eax = THERMAL_ARAT;
        e->ebx = e->ecx = e->edx = 0;
    }
    if (maximum >= LEAF_STRUCTURED) {
        e = cpuid_add(b, LEAF_STRUCTURED, 0);
        e->eax = 0;
        e->ebx &= STRUCTURED_EBX & (xsave ? ~0u : ~(uint32_t)STRUCTURED_EBX_XSAVE);
        e->ecx = 0;
        e->edx = 0;
    }
    if (maximum >= LEAF_TOPOLOGY) {
        cpuid_add_level(b, 0, LEVEL_SMT, 1);
        cpuid_add_level(b, 1, LEVEL_CORE, cpus);
    }
    if (xsave)
        cpuid_add_xsave(b);
}

static void cpuid_add_extended(struct cpuid_builder *b)
{
    uint32_t cpus = package_cores(b->config), maximum = host_maximum(b, LEAF_MAX_EXTENDED);
    struct cpuid_entry *e = cpuid_add(b, LEAF_MAX_EXTENDED, CPUID_ANY);
    e->eax = maximum < LEAF_SIZES ? maximum : LEAF_SIZES;

    e = cpuid_add(b, LEAF_EXTENDED, CPUID_ANY);
    bool cmp_legacy = e->ecx & EXTENDED_CMP_LEGACY || cpus > 1;
    e->ecx = (e->ecx & EXTENDED_ECX) | (cmp_legacy && cpus > 1 ? EXTENDED_CMP_LEGACY : 0u);
    e->edx &= EXTENDED_EDX | EXTENDED_EDX_REPEATED | extended_3dnow;

    for (uint32_t i = 0; i < 3; i++)
        cpuid_add(b, LEAF_BRAND + i, CPUID_ANY);
    cpuid_add(b, LEAF_CACHES_L1, CPUID_ANY);
    cpuid_add(b, LEAF_CACHES_L2, CPUID_ANY);
    if (maximum >= LEAF_POWER) {
        e = cpuid_add(b, LEAF_POWER, CPUID_ANY);
        e->eax = e->ebx = e->ecx = 0;
        e->edx &= POWER_INVARIANT_TSC;
    }
    if (maximum >= LEAF_SIZES) {
        e = cpuid_add(b, LEAF_SIZES, CPUID_ANY);
        e->eax &= 0xffff;
        e->ebx = 0;
        e->ecx = (cpus - 1) & SIZES_THREADS_MASK;
        e->edx = 0;
    }
}

static void cpuid_add_kvm(struct cpuid_builder *b)
{
    struct cpuid_entry *e = cpuid_add(b, LEAF_HYPERVISOR, CPUID_ANY);
    e->eax = LEAF_HYPERVISOR + 1;
    e->ebx = 0x4b4d564b; /* "KVMKVMKVM\0\0\0" */
    e->ecx = 0x564b4d56;
    e->edx = 0x0000004d;
    e = cpuid_add(b, LEAF_HYPERVISOR + 1, CPUID_ANY);
    e->eax = KVM_CLOCKSOURCE | KVM_NOP_IO_DELAY | KVM_CLOCKSOURCE2 | KVM_PV_EOI | KVM_CLOCKSOURCE_STABLE;
    e->ebx = e->ecx = e->edx = 0;
}

uint32_t cpuid_build(struct cpuid_entry table[CPUID_ENTRIES_MAX], const struct guest_config *config,
                     cpuid_host_function *host)
{
    struct cpuid_builder b = {.table = table, .host = host, .config = config};
    cpuid_add_basic(&b);
    if (guest_config_has_kvm(config))
        cpuid_add_kvm(&b);
    cpuid_add_extended(&b);
    return b.count;
}

void cpuid_place(struct cpuid_entry slots[CPUID_SLOTS], const struct cpuid_entry *table, uint32_t count)
{
    for (uint32_t i = 0; i < CPUID_SLOTS; i++)
        slots[i] = (struct cpuid_entry){.leaf = CPUID_FREE};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = cpuid_slot(table[i].leaf);
        while (slots[slot].leaf != CPUID_FREE) /* ends: count is less than CPUID_SLOTS */
            slot = (slot + 1) % CPUID_SLOTS;
        slots[slot] = table[i];
    }
}
