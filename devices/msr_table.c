/*
 * Registers that always read the same, by the vendor that the guest's CPUID shows. They are those that
 * systems read without asking CPUID whether they are there, since every processor of that vendor has them.
 *
 * Documents: SDM Vol. 4, tables 2-1 (architectural), 2-2 and 2-15; AMD BKDG for family 10h (31116) and for
 * family 17h (PPR 54945), MSRs. Missing: updates of the microcode, last branch records, single steps from
 * branch to branch, P-states, and what else these registers switch on a processor. Different: no microcode
 * update is loaded, which a processor says with revision 0. Ignored bits: all that can be written; a value
 * other than the register's own is counted.
 */
#include <stddef.h>
#include "msr_table.h"

enum { INTEL = 1 << MSR_VENDOR_INTEL, AMD = 1 << MSR_VENDOR_AMD, BOTH = INTEL | AMD };

enum {
    MTRRCAP_FIXED = 1 << 8,
    MTRRCAP_WC = 1 << 10,
    MISC_ENABLE_FAST_STRINGS = 1 << 0,
    MISC_ENABLE_NO_BTS = 1 << 11, /* CPUID shows no debug store, either */
    MISC_ENABLE_NO_PEBS = 1 << 12,
    L2_THERE = 1 << 0,
    L2_ENABLED = 1 << 8,
    FSB_100_MHZ = 5, /* MSR_RATIO_KHZ */
    DE_CFG_LFENCE_SERIALIZE = 1 << 1,
};

static const struct msr_constant constants[] = {
    {0x000, BOTH, MSR_DROPS, 0},       /* P5_MC_ADDR; AMD: bank 0 by its old name */
    {0x001, BOTH, MSR_DROPS, 0},       /* P5_MC_TYPE */
    {0x017, INTEL, MSR_READ_ONLY, 0},  /* IA32_PLATFORM_ID */
    {0x02a, INTEL, MSR_DROPS, 0},      /* EBL_CR_POWERON */
    {0x079, INTEL, MSR_WRITE_ONLY, 0}, /* IA32_BIOS_UPDT_TRIG */
    {0x08b, INTEL, MSR_DROPS, 0},      /* IA32_BIOS_SIGN_ID */
    {0x08b, AMD, MSR_READ_ONLY, 0},    /* PATCH_LEVEL */
    {0x0cd, INTEL, MSR_READ_ONLY, FSB_100_MHZ},
    {0x0fe, BOTH, MSR_READ_ONLY, MTRR_PAIRS | MTRRCAP_FIXED | MTRRCAP_WC},
    {0x11e, INTEL, MSR_DROPS, L2_THERE | L2_ENABLED}, /* BBL_CR_CTL3 */
    {0x1a0, INTEL, MSR_DROPS, MISC_ENABLE_FAST_STRINGS | MISC_ENABLE_NO_BTS | MISC_ENABLE_NO_PEBS},
    {0x1d9, BOTH, MSR_DROPS, 0},          /* DEBUGCTL */
    {0x1db, BOTH, MSR_READ_ONLY, 0},      /* LASTBRANCHFROMIP */
    {0x1dc, BOTH, MSR_READ_ONLY, 0},      /* LASTBRANCHTOIP */
    {0x1dd, BOTH, MSR_READ_ONLY, 0},      /* LASTINTFROMIP */
    {0x1de, BOTH, MSR_READ_ONLY, 0},      /* LASTINTTOIP */
    {0xc0010010, AMD, MSR_DROPS, 0},      /* SYSCFG */
    {0xc001001f, AMD, MSR_DROPS, 0},      /* NB_CFG */
    {0xc0010020, AMD, MSR_WRITE_ONLY, 0}, /* PATCH_LOADER */
    {0xc0010055, AMD, MSR_DROPS, 0},      /* INT_PENDING */
    {0xc0010058, AMD, MSR_DROPS, 0},      /* MMIO_CFG_BASE */
    {0xc0010061, AMD, MSR_READ_ONLY, 0},  /* P-states: the limit, the control, the status, and none defined */
    {0xc0010062, AMD, MSR_DROPS, 0},
    {0xc0010063, AMD, MSR_READ_ONLY, 0},
    {0xc0010064, AMD, MSR_DROPS, 0},
    {0xc0010065, AMD, MSR_DROPS, 0},
    {0xc0010066, AMD, MSR_DROPS, 0},
    {0xc0010067, AMD, MSR_DROPS, 0},
    {0xc0010068, AMD, MSR_DROPS, 0},
    {0xc0010069, AMD, MSR_DROPS, 0},
    {0xc001006a, AMD, MSR_DROPS, 0},
    {0xc001006b, AMD, MSR_DROPS, 0},
    {0xc0011020, AMD, MSR_DROPS, 0}, /* LS_CFG */
    {0xc0011022, AMD, MSR_DROPS, 0}, /* DC_CFG */
    {0xc0011023, AMD, MSR_DROPS, 0}, /* BU_CFG */
    {0xc0011029, AMD, MSR_DROPS, DE_CFG_LFENCE_SERIALIZE},
    {0xc001102a, AMD, MSR_DROPS, 0}, /* BU_CFG2 */
};

const struct msr_constant *msr_constant_find(uint32_t vendor, uint32_t index)
{
    for (unsigned i = 0; i < sizeof constants / sizeof constants[0]; i++)
        if (constants[i].index == index && constants[i].vendors >> vendor & 1)
            return &constants[i];
    return NULL;
}
