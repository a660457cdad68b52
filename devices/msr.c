/*
 * MSR policy: what the registers answer that ring 0 does not keep itself. All others are #GP.
 *
 * Documents: SDM Vol. 4; SDM Vol. 3A, 12.11 (MTRRs) and chapter 16 (machine check); AMD BKDG for family 17h
 * for the C001_xxxx registers; kvm_clock.c for KVM's.
 *
 * Different: MTRRs are kept and do nothing, for RAM is write-back and devices have no memory that is cached.
 * There is one set for all vCPUs; the manual wants theirs to be equal.
 */
#include "msr.h"
#include "effects.h"
#include "kvm_clock.h"
#include "layout.h"
#include "string.h"

enum msr_index {
    MSR_IA32_BIOS_SIGN_ID = 0x8b,
    MSR_IA32_MTRRCAP = 0xfe,
    MSR_IA32_MCG_CAP = 0x179,
    MSR_IA32_MCG_STATUS = 0x17a,
    MSR_IA32_MISC_ENABLE = 0x1a0,
    MSR_IA32_MTRR_PHYSBASE0 = 0x200,
    MSR_IA32_MTRR_DEF_TYPE = 0x2ff,
};

#define MSR_AMD_SYSCFG      0xc0010010u
#define MSR_AMD_HWCR        0xc0010015u
#define MSR_AMD_NB_CFG      0xc001001fu
#define MSR_AMD_INT_PENDING 0xc0010055u
#define MSR_AMD_MMIO_CONF   0xc0010058u
#define MSR_AMD_LS_CFG      0xc0011020u
#define MSR_AMD_DC_CFG      0xc0011022u
#define MSR_AMD_DE_CFG      0xc0011029u

enum { MTRRCAP_FIXED = 1 << 8, MTRRCAP_WC = 1 << 10, MISC_ENABLE_FAST_STRINGS = 1 };
enum { MTRR_UNCACHED = 0, MTRR_WRITE_BACK = 6, MTRR_TYPE_MASK = 0xff, MTRR_VALID = 1 << 11 };
enum { DEF_TYPE_FIXED = 1 << 10, DEF_TYPE_ENABLE = 1 << 11, DEF_TYPE_BITS = 0xcff };
enum { HWCR_TSC_FREQ_SEL = 1 << 24, DE_CFG_LFENCE_SERIALIZE = 1 << 1 };
#define MTRR_PHYSBASE_RESERVED 0xfff0000000000f00ull
#define MTRR_PHYSMASK_RESERVED 0xfff00000000007ffull
#define HWCR_WRITABLE          0x0007ffffull /* without the lock and frequency bits */

static const uint32_t mtrr_fixed_index[MTRR_FIXED] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                                                      0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

/* Registers that always read the same. Writes are dropped. */
static const struct {
    uint32_t index;
    uint64_t value;
} msr_constant[] = {
    {MSR_IA32_BIOS_SIGN_ID, 0},
    {MSR_IA32_MTRRCAP, MTRR_PAIRS | MTRRCAP_FIXED | MTRRCAP_WC},
    {MSR_IA32_MCG_CAP, 0}, /* no banks */
    {MSR_IA32_MCG_STATUS, 0},
    {MSR_IA32_MISC_ENABLE, MISC_ENABLE_FAST_STRINGS},
    {MSR_AMD_SYSCFG, 0},
    {MSR_AMD_NB_CFG, 0},
    {MSR_AMD_INT_PENDING, 0},
    {MSR_AMD_MMIO_CONF, 0},
    {MSR_AMD_LS_CFG, 0},
    {MSR_AMD_DC_CFG, 0},
    {MSR_AMD_DE_CFG, DE_CFG_LFENCE_SERIALIZE},
};

void msr_reset(struct msr_state *msrs)
{
    memset(msrs, 0, sizeof *msrs);
    for (unsigned i = 0; i < MTRR_FIXED; i++)
        msrs->mtrr_fixed[i] = 0x0101010101010101ull * MTRR_WRITE_BACK;
    msrs->mtrr_default = DEF_TYPE_ENABLE | DEF_TYPE_FIXED | MTRR_WRITE_BACK;
    /* 1 GiB at 3 GiB, the PCI hole; the mask is that of 40 address bits. */
    msrs->mtrr_variable[0] = GUEST_LOW_RAM_MAX | MTRR_UNCACHED;
    msrs->mtrr_variable[1] = 0xffc0000000ull | MTRR_VALID;
    msrs->hwcr = HWCR_TSC_FREQ_SEL;
}

const char *msr_check(const struct msr_state *msrs)
{
    return msrs->mtrr_default & ~(uint64_t)DEF_TYPE_BITS ? "MTRR default type" : NULL;
}

static bool mtrr_type_valid(uint64_t type)
{
    return type <= MTRR_WRITE_BACK && type != 2 && type != 3;
}

/* A fixed-range register holds eight types. */
static bool mtrr_types_valid(uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        if (!mtrr_type_valid(value >> 8 * i & MTRR_TYPE_MASK))
            return false;
    return true;
}

static uint64_t *msr_mtrr(struct msr_state *msrs, uint32_t index)
{
    if (index - MSR_IA32_MTRR_PHYSBASE0 < 2 * MTRR_PAIRS)
        return &msrs->mtrr_variable[index - MSR_IA32_MTRR_PHYSBASE0];
    for (unsigned i = 0; i < MTRR_FIXED; i++)
        if (mtrr_fixed_index[i] == index)
            return &msrs->mtrr_fixed[i];
    return index == MSR_IA32_MTRR_DEF_TYPE ? &msrs->mtrr_default : NULL;
}

static bool msr_write_mtrr(struct msr_state *msrs, uint32_t index, uint64_t value)
{
    uint64_t *mtrr = msr_mtrr(msrs, index);
    bool valid;
    /* PHYSBASEn and PHYSMASKn alternate (12.11.2.3). */
    if (mtrr == &msrs->mtrr_default)
        valid = !(value & ~(uint64_t)DEF_TYPE_BITS) && mtrr_type_valid(value & MTRR_TYPE_MASK);
    else if (mtrr >= msrs->mtrr_fixed && mtrr < msrs->mtrr_fixed + MTRR_FIXED)
        valid = mtrr_types_valid(value);
    else if (index & 1)
        valid = !(value & MTRR_PHYSMASK_RESERVED);
    else
        valid = !(value & MTRR_PHYSBASE_RESERVED) && mtrr_type_valid(value & MTRR_TYPE_MASK);
    if (valid)
        *mtrr = value;
    return valid;
}

bool msr_read(const struct msr_state *msrs, unsigned vcpu, uint32_t index, uint64_t *value)
{
    for (unsigned i = 0; i < sizeof msr_constant / sizeof msr_constant[0]; i++) {
        if (msr_constant[i].index == index) {
            *value = msr_constant[i].value;
            return true;
        }
    }
    const uint64_t *mtrr = msr_mtrr((struct msr_state *)msrs, index);
    if (mtrr) {
        *value = *mtrr;
        return true;
    }
    switch (index) {
    case MSR_AMD_HWCR:
        *value = msrs->hwcr;
        return true;
    case MSR_KVM_WALL_CLOCK:
    case MSR_KVM_WALL_CLOCK_NEW:
        *value = msrs->wall_clock;
        return guest_config_has_kvm(effect_guest_config());
    case MSR_KVM_SYSTEM_TIME:
    case MSR_KVM_SYSTEM_TIME_NEW:
        *value = msrs->system_time[vcpu % GUEST_CPUS_MAX];
        return guest_config_has_kvm(effect_guest_config());
    default:
        effect_need(NEED_RDMSR, index);
        return false;
    }
}

static bool msr_write_system_time(struct msr_state *msrs, const struct process_info *info, unsigned vcpu,
                                  uint64_t value)
{
    if (!guest_config_has_kvm(effect_guest_config()))
        return false;
    uint64_t gpa = value & ~(uint64_t)KVM_SYSTEM_TIME_ENABLE;
    if (value & KVM_SYSTEM_TIME_ENABLE && !kvm_clock_write_time(info, gpa))
        return false;
    msrs->system_time[vcpu % GUEST_CPUS_MAX] = value;
    return true;
}

bool msr_write(struct msr_state *msrs, const struct process_info *info, unsigned vcpu, uint32_t index,
               uint64_t value)
{
    for (unsigned i = 0; i < sizeof msr_constant / sizeof msr_constant[0]; i++) {
        if (msr_constant[i].index != index)
            continue;
        if (value != msr_constant[i].value)
            effect_need(NEED_WRMSR, index);
        return index != MSR_IA32_MTRRCAP && index != MSR_IA32_MCG_CAP; /* read-only by the manual */
    }
    if (msr_mtrr(msrs, index))
        return msr_write_mtrr(msrs, index, value);
    switch (index) {
    case MSR_AMD_HWCR:
        msrs->hwcr = (msrs->hwcr & ~HWCR_WRITABLE) | (value & HWCR_WRITABLE);
        return true;
    case MSR_KVM_WALL_CLOCK:
    case MSR_KVM_WALL_CLOCK_NEW:
        msrs->wall_clock = value;
        return guest_config_has_kvm(effect_guest_config()) && kvm_clock_write_wall(value);
    case MSR_KVM_SYSTEM_TIME:
    case MSR_KVM_SYSTEM_TIME_NEW:
        return msr_write_system_time(msrs, info, vcpu, value);
    default:
        effect_need(NEED_WRMSR, index);
        return false;
    }
}
