/*
 * From CPUID to the bits that control registers accept.
 *
 * Documents: SDM Vol. 3A, 2.5 (CR4) and 2.6 (XCR0); AMD APM Vol. 2, 3.1.7 (EFER).
 */
#include "processor.h"
#include <stddef.h>
#include "cpuid_leaves.h"

enum { EFER_SCE = 0, EFER_LME = 8, EFER_LMA = 10, EFER_NXE = 11, EFER_FFXSR = 14 };
enum { WIDTH_WITHOUT_LEAF = 36, WIDTH_MAX = 52, WIDTH_MASK = 0xff };

enum source { EDX_1, ECX_1, EBX_7, ECX_7, EDX_EXTENDED, SOURCES };

struct offer {
    uint8_t bit, source, feature;
};

static const struct offer cr4_offers[] = {
    {0, EDX_1, 1},   /* VME */
    {1, EDX_1, 1},   /* PVI */
    {2, EDX_1, 4},   /* TSD */
    {3, EDX_1, 2},   /* DE */
    {4, EDX_1, 3},   /* PSE */
    {5, EDX_1, 6},   /* PAE */
    {6, EDX_1, 7},   /* MCE */
    {7, EDX_1, 13},  /* PGE */
    {8, EDX_1, 0},   /* PCE: every processor since the Pentium MMX has RDPMC */
    {9, EDX_1, 24},  /* OSFXSR */
    {10, EDX_1, 25}, /* OSXMMEXCPT */
    {11, ECX_7, 2},  /* UMIP */
    {16, EBX_7, 0},  /* FSGSBASE */
    {17, ECX_1, 17}, /* PCIDE */
    {18, ECX_1, 26}, /* OSXSAVE */
    {20, EBX_7, 7},  /* SMEP */
    {21, EBX_7, 20}, /* SMAP */
    {22, ECX_7, 3},  /* PKE */
};

static const struct offer efer_offers[] = {
    {EFER_SCE, EDX_EXTENDED, 11}, {EFER_LME, EDX_EXTENDED, 29},
    {EFER_LMA, EDX_EXTENDED, 29}, /* written as it is read */
    {EFER_NXE, EDX_EXTENDED, 20}, {EFER_FFXSR, EDX_EXTENDED, 25},
};

static struct cpuid_entry leaf_of(const struct cpuid_entry *table, uint32_t count, uint32_t leaf)
{
    for (uint32_t i = 0; i < count; i++)
        if (table[i].leaf == leaf && (table[i].subleaf == 0 || table[i].subleaf == CPUID_ANY))
            return table[i];
    return (struct cpuid_entry){0};
}

static uint64_t offered(const struct offer *offers, size_t count, const uint32_t *sources)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < count; i++)
        bits |= (uint64_t)(sources[offers[i].source] >> offers[i].feature & 1) << offers[i].bit;
    return bits;
}

void processor_limits(struct processor_limits *limits, const struct cpuid_entry *table, uint32_t count)
{
    struct cpuid_entry features = leaf_of(table, count, LEAF_FEATURES);
    struct cpuid_entry structured = leaf_of(table, count, LEAF_STRUCTURED);
    struct cpuid_entry xsave = leaf_of(table, count, LEAF_XSAVE);
    const uint32_t sources[SOURCES] = {features.edx, features.ecx, structured.ebx, structured.ecx,
                                       leaf_of(table, count, LEAF_EXTENDED).edx};
    uint32_t width = leaf_of(table, count, LEAF_SIZES).eax & WIDTH_MASK;
    *limits = (struct processor_limits){
        .cr4 = offered(cr4_offers, sizeof cr4_offers / sizeof cr4_offers[0], sources),
        .efer = offered(efer_offers, sizeof efer_offers / sizeof efer_offers[0], sources),
        .xcr0 = xsave.eax | (uint64_t)xsave.edx << 32,
        .physical_width = width > WIDTH_MAX ? WIDTH_MAX
                          : width           ? width
                                            : WIDTH_WITHOUT_LEAF,
    };
}
