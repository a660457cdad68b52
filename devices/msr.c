/*
 * MSR policy: what the registers answer that ring 0 does not keep itself. All others are #GP. Which there are
 * goes by the vendor that CPUID shows.
 *
 * Documents: SDM Vol. 4; SDM Vol. 3A, 12.11 (MTRRs); AMD BKDG for family 10h for the C001_xxxx registers;
 * msr_table.c and msr_machine_check.c for theirs; kvm_clock.c for KVM's.
 *
 * Missing: performance counters, thermal and power registers, control of speculation, and whatever else
 * belongs to a feature that CPUID does not show.
 * Different: MTRRs are kept and do nothing, for RAM is write-back and devices have no memory that is cached.
 * There is one set for all vCPUs; the manual wants theirs to be equal.
 * Ignored bits: all of the MTRRs; of HWCR all but McStatusWrEn (msr_machine_check.c). Writes to IA32_PERF_CTL
 * and TOP_MEM are dropped, and counted if they would change anything.
 */
#include "msr.h"
#include "effects.h"
#include "kvm_clock.h"
#include "layout.h"
#include "msr_table.h"
#include "string.h"

enum msr_index {
    MSR_PLATFORM_INFO = 0xce,
    MSR_IA32_PERF_STATUS = 0x198,
    MSR_IA32_PERF_CTL = 0x199,
    MSR_IA32_MTRR_PHYSBASE0 = 0x200,
    MSR_IA32_MTRR_DEF_TYPE = 0x2ff,
};

#define MSR_AMD_HWCR    0xc0010015u
#define MSR_AMD_TOP_MEM 0xc001001au

enum { EBX_AUTHENTIC_AMD = 0x68747541, EBX_HYGON_GENUINE = 0x6f677948, RATIO_SHIFT = 8, RATIO_MAX = 0xff };
enum { MTRR_UNCACHED = 0, MTRR_WRITE_BACK = 6, MTRR_TYPE_MASK = 0xff, MTRR_VALID = 1 << 11 };
enum { DEF_TYPE_FIXED = 1 << 10, DEF_TYPE_ENABLE = 1 << 11, DEF_TYPE_BITS = 0xcff };
enum { HWCR_TSC_FREQ_SEL = 1 << 24 };
#define MTRR_PHYSBASE_RESERVED 0xfff0000000000f00ull
#define MTRR_PHYSMASK_RESERVED 0xfff00000000007ffull
#define HWCR_WRITABLE          0x0007ffffull /* without the lock and frequency bits */

static const uint32_t mtrr_fixed_index[MTRR_FIXED] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                                                      0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

enum msr_vendor msr_vendor(uint32_t ebx)
{
    return ebx == EBX_AUTHENTIC_AMD || ebx == EBX_HYGON_GENUINE ? MSR_VENDOR_AMD : MSR_VENDOR_INTEL;
}

void msr_reset(struct msr_state *msrs, enum msr_vendor vendor, uint32_t tsc_khz)
{
    memset(msrs, 0, sizeof *msrs);
    for (unsigned i = 0; i < MTRR_FIXED; i++)
        msrs->mtrr_fixed[i] = 0x0101010101010101ull * MTRR_WRITE_BACK;
    msrs->mtrr_default = DEF_TYPE_ENABLE | DEF_TYPE_FIXED | MTRR_WRITE_BACK;
    /* 1 GiB at 3 GiB, the PCI hole; the mask is that of 40 address bits. */
    msrs->mtrr_variable[0] = GUEST_LOW_RAM_MAX | MTRR_UNCACHED;
    msrs->mtrr_variable[1] = 0xffc0000000ull | MTRR_VALID;
    msrs->hwcr = HWCR_TSC_FREQ_SEL;
    msrs->vendor = vendor;
    msrs->ratio = tsc_khz / MSR_RATIO_KHZ < RATIO_MAX ? tsc_khz / MSR_RATIO_KHZ : RATIO_MAX;
}

const char *msr_check(const struct msr_state *msrs)
{
    if (msrs->vendor > MSR_VENDOR_AMD || msrs->ratio > RATIO_MAX)
        return "vendor or frequency";
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

/* Registers that one vendor has, with what the machine is in them; all are read-only, or dropped. */
static bool msr_read_vendor(const struct msr_state *msrs, uint32_t index, uint64_t *value)
{
    uint64_t memory = (uint64_t)effect_guest_config()->memory_mib << 20;

    if (msrs->vendor == MSR_VENDOR_AMD) {
        *value = index == MSR_AMD_HWCR ? msrs->hwcr : memory < GUEST_LOW_RAM_MAX ? memory : GUEST_LOW_RAM_MAX;
        return index == MSR_AMD_HWCR || index == MSR_AMD_TOP_MEM;
    }
    *value = (uint64_t)msrs->ratio << RATIO_SHIFT;
    return index == MSR_PLATFORM_INFO || index == MSR_IA32_PERF_STATUS || index == MSR_IA32_PERF_CTL;
}

static bool msr_read_kvm(const struct msr_state *msrs, unsigned vcpu, uint32_t index, uint64_t *value)
{
    switch (index) {
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

bool msr_read(const struct msr_state *msrs, unsigned vcpu, uint32_t index, uint64_t *value)
{
    const struct msr_constant *constant = msr_constant_find(msrs->vendor, index);
    const uint64_t *mtrr = msr_mtrr((struct msr_state *)msrs, index);

    if (constant) {
        *value = constant->value;
        return constant->access != MSR_WRITE_ONLY;
    }
    if (mtrr) {
        *value = *mtrr;
        return true;
    }
    if (msr_is_machine_check(index))
        return msr_machine_check_read(msrs, index, value);
    return msr_read_vendor(msrs, index, value) || msr_read_kvm(msrs, vcpu, index, value);
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

static bool msr_write_kvm(struct msr_state *msrs, const struct process_info *info, unsigned vcpu,
                          uint32_t index, uint64_t value)
{
    switch (index) {
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

/* Where a write changes nothing, and which are none at all. */
static bool msr_write_dropped(uint32_t index, enum msr_access access, uint64_t value, uint64_t before)
{
    if (value != before)
        effect_need(NEED_WRMSR, index);
    return access != MSR_READ_ONLY;
}

bool msr_write(struct msr_state *msrs, const struct process_info *info, unsigned vcpu, uint32_t index,
               uint64_t value)
{
    const struct msr_constant *constant = msr_constant_find(msrs->vendor, index);
    uint64_t before;

    if (constant)
        return msr_write_dropped(index, constant->access, value, constant->value);
    if (msr_mtrr(msrs, index))
        return msr_write_mtrr(msrs, index, value);
    if (msr_is_machine_check(index))
        return msr_machine_check_write(msrs, index, value);
    if (msrs->vendor == MSR_VENDOR_AMD && index == MSR_AMD_HWCR) {
        msrs->hwcr = (msrs->hwcr & ~HWCR_WRITABLE) | (value & HWCR_WRITABLE);
        return true;
    }
    if (msr_read_vendor(msrs, index, &before))
        return msr_write_dropped(
            index, index == MSR_PLATFORM_INFO || index == MSR_IA32_PERF_STATUS ? MSR_READ_ONLY : MSR_DROPS,
            value, before);
    return msr_write_kvm(msrs, info, vcpu, index, value);
}
