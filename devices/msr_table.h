/* Model-specific registers whose answer never changes, and those of the machine check: see msr_table.c and
 * msr_machine_check.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "msr.h"

enum msr_access {
    MSR_DROPS,      /* written without effect; a value other than the one that it has is counted */
    MSR_READ_ONLY,  /* WRMSR is #GP */
    MSR_WRITE_ONLY, /* RDMSR is #GP */
};

/* The register as the guest's vendor has it; NULL: none of these. */
struct msr_constant {
    uint32_t index;
    uint8_t vendors; /* 1 << enum msr_vendor */
    uint8_t access;  /* enum msr_access */
    uint64_t value;
};
const struct msr_constant *msr_constant_find(uint32_t vendor, uint32_t index);

/* Whether the register is the machine check's. Then the calls below say whether the access is allowed. */
bool msr_is_machine_check(uint32_t index);
bool msr_machine_check_read(const struct msr_state *msrs, uint32_t index, uint64_t *value);
bool msr_machine_check_write(struct msr_state *msrs, uint32_t index, uint64_t value);
