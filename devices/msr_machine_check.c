/*
 * The machine check's registers: two banks in which no error ever is (a system reads and writes each several
 * times, so that more would only cost exits). Systems enable each bank, and take one whose enable register
 * does not keep what they write for one that is not there.
 *
 * Documents: SDM Vol. 3B, 16.3 (machine-check MSRs); AMD APM Vol. 2, 9.3. Missing: errors, CMCI, thresholds.
 * Ignored bits: MCG_STATUS, MCG_CTL and the banks' CTL only read as written; what HWCR's McStatusWrEn lets
 * into the other registers of a bank is dropped. There is one set for all vCPUs.
 */
#include "msr_table.h"

enum { MCG_CAP = 0x179, MCG_STATUS = 0x17a, MCG_CTL = 0x17b, BANK0 = 0x400, BANK_REGISTERS = 4 };
enum { MCG_CAP_CTL_P = 1 << 8, MCG_STATUS_BITS = 7, HWCR_MC_STATUS_WRITE = 1 << 18 };
enum { BANK_CTL, BANK_STATUS, BANK_ADDR, BANK_MISC };

bool msr_is_machine_check(uint32_t index)
{
    return (index >= MCG_CAP && index <= MCG_CTL) || index - BANK0 < MSR_BANKS * BANK_REGISTERS;
}

bool msr_machine_check_read(const struct msr_state *msrs, uint32_t index, uint64_t *value)
{
    bool enables = index >= BANK0 && (index - BANK0) % BANK_REGISTERS == BANK_CTL;

    *value = index == MCG_CAP      ? MSR_BANKS | MCG_CAP_CTL_P
             : index == MCG_STATUS ? msrs->mcg_status
             : index == MCG_CTL    ? msrs->mcg_ctl
             : enables             ? msrs->bank_ctl[(index - BANK0) / BANK_REGISTERS % MSR_BANKS]
                                   : 0;
    return true;
}

/* What holds an error can be cleared, and set only where AMD's processors are told to take it. */
bool msr_machine_check_write(struct msr_state *msrs, uint32_t index, uint64_t value)
{
    if (index == MCG_CAP)
        return false;
    if (index == MCG_STATUS && !(value & ~(uint64_t)MCG_STATUS_BITS)) {
        msrs->mcg_status = value;
        return true;
    }
    if (index < BANK0) {
        msrs->mcg_ctl = index == MCG_CTL ? value : msrs->mcg_ctl;
        return index == MCG_CTL;
    }
    if ((index - BANK0) % BANK_REGISTERS == BANK_CTL) {
        msrs->bank_ctl[(index - BANK0) / BANK_REGISTERS % MSR_BANKS] = value;
        return true;
    }
    return value == 0 || (msrs->vendor == MSR_VENDOR_AMD && msrs->hwcr & HWCR_MC_STATUS_WRITE);
}
