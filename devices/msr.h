/* Model-specific registers that the device model answers for: see msr.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "guest_config.h"
#include "process_info.h"

enum { MTRR_PAIRS = 8, MTRR_FIXED = 11, MSR_BANKS = 2 };

/* Whose registers the guest has: that of CPUID's vendor, and Intel's for those that follow it. */
enum msr_vendor { MSR_VENDOR_INTEL, MSR_VENDOR_AMD };

/* The multiplier in frequency registers counts in these. */
enum { MSR_RATIO_KHZ = 100000 };

/* One set for all vCPUs of a guest, but for the clocks. */
struct msr_state {
    uint64_t mtrr_variable[2 * MTRR_PAIRS]; /* base, mask */
    uint64_t mtrr_fixed[MTRR_FIXED];
    uint64_t mtrr_default;
    uint64_t hwcr;
    uint64_t mcg_status, mcg_ctl, bank_ctl[MSR_BANKS];
    uint64_t wall_clock;                  /* as the guest wrote them */
    uint64_t system_time[GUEST_CPUS_MAX]; /* with the enable bit */
    uint32_t vendor;                      /* enum msr_vendor */
    uint32_t ratio;                       /* of the TSC, to MSR_RATIO_KHZ */
};

/* From EBX of CPUID leaf 0. */
enum msr_vendor msr_vendor(uint32_t ebx);
/* Values as firmware leaves them: all RAM write-back, the PCI hole uncached. */
void msr_reset(struct msr_state *msrs, enum msr_vendor vendor, uint32_t tsc_khz);
const char *msr_check(const struct msr_state *msrs);

/* RDMSR and WRMSR of a vCPU; false: #GP(0). */
bool msr_read(const struct msr_state *msrs, unsigned vcpu, uint32_t index, uint64_t *value);
bool msr_write(struct msr_state *msrs, const struct process_info *info, unsigned vcpu, uint32_t index,
               uint64_t value);
