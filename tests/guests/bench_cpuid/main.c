/*
 * Not a test but a list for tests/bench/bench.py: every CPUID leaf, one line "CPUID leaf subleaf eax ebx ecx
 * edx", so that a run natively and one under the monitor can be held against each other. The hypervisor's own
 * leaves are left out, and the hypervisor bit is cleared: every monitor is one, the emulator included.
 * Manual: AMD APM Vol. 3, appendix E.
 *
 * guest: manual
 */
#include "guest.h"
#include "processor.h"

enum {
    LEAF_FEATURES = 1,
    LEAF_CACHES = 4,
    LEAF_MONITOR = 5,
    LEAF_STRUCTURED = 7,
    LEAF_XSAVE = 0xd,
    SUBLEAVES = 4,
    FEATURE_MONITOR = 1 << 3,
};
static const uint32_t hypervisor_bit = 1u << 31, leaf_extended = 0x80000000;

static void print_leaf(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r = cpuid(leaf, subleaf);

    if (leaf == LEAF_MONITOR && !(cpuid(LEAF_FEATURES, 0).ecx & FEATURE_MONITOR))
        return; /* reserved then */
    if (leaf == LEAF_FEATURES)
        r.ecx &= ~hypervisor_bit;
    print("CPUID %x %x %x %x %x %x\n", leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
}

static void print_range(uint32_t first)
{
    uint32_t last = cpuid(first, 0).eax;

    for (uint32_t leaf = first; leaf <= last && leaf - first < 64; leaf++) {
        bool several = leaf == LEAF_CACHES || leaf == LEAF_STRUCTURED || leaf == LEAF_XSAVE;
        for (uint32_t subleaf = 0; subleaf < (several ? SUBLEAVES : 1); subleaf++)
            print_leaf(leaf, subleaf);
    }
}

void guest_main(void)
{
    print_range(0);
    print_range(leaf_extended);
    check("listed", true);
}
