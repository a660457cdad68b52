/*
 * Reserved bits of CR0 and CR4 and the order of PE, PG, PAE and LME give #GP(0) and change nothing. Not run
 * natively: QEMU's TCG leaves the guest's state by a #VMEXIT that nobody asked for when CR4 gets a bit that
 * CPUID does not offer, and takes PG without PE. Manual: AMD APM Vol. 2, 3.1.1, 3.1.3, 14.6.1. Real hardware:
 * as checked here.
 *
 * guest: machines=svm
 */
#include "guest.h"
#include "processor.h"
#include "paging.h"

static void try_cr0(uint32_t value)
{
    TRY("mov %0, %%cr0", : : "r"(value));
}
static void try_cr4(uint32_t value)
{
    TRY("mov %0, %%cr4", : : "r"(value));
}

void guest_main(void)
{
    static const uint32_t reserved[] = {1u << 15, 1u << 19, 1u << 24, 1u << 31};
    uint32_t old = read_cr0();

    try_cr0((old | CR0_PG) & ~(uint32_t)CR0_PE);
    check_fault("PG without PE", GP, 0);
    try_cr0(old | CR0_NW);
    check_fault("NW without CD", GP, 0);
    check_value("  CR0 unchanged", read_cr0(), old);
    for (uint32_t i = 0; i < ARRAY_LENGTH(reserved); i++) {
        try_cr4(reserved[i]);
        check_fault("CR4 reserved bit", GP, 0);
        check_value("  unchanged", read_cr4(), 0);
    }
    try_cr4(1 << 13);
    check_fault("VMXE on a processor with SVM", GP, 0);
    wrmsr(MSR_EFER, EFER_LME);
    paging_initialise();
    write_cr3((uint32_t)page_directory);
    try_cr0(read_cr0() | CR0_PG);
    check_fault("PG with LME but without PAE", GP, 0);
    check_value("  PG stays off", read_cr0() & CR0_PG, 0);
    check_value("  LMA off", (uint32_t)rdmsr(MSR_EFER) & EFER_LMA, 0);
    wrmsr(MSR_EFER, 0);
    write_cr4(CR4_PSE);
    write_cr0(read_cr0() | CR0_PG);
    TRY("wrmsr", : : "c"(MSR_EFER), "a"((uint32_t)EFER_LME), "d"(0));
    check_fault("LME changed with PG on", GP, 0);
    check_value64("  EFER", rdmsr(MSR_EFER), 0);
    paging_off();
    TRY("wrmsr", : : "c"(MSR_EFER), "a"(1 << 2), "d"(0));
    check_fault("EFER reserved bit", GP, 0);
    TRY("wrmsr", : : "c"(MSR_PAT), "a"(2), "d"(0));
    check_fault("PAT type 2", GP, 0);
    TRY("rdmsr", : : "c"(0x1234) : "eax", "edx");
    check_fault("RDMSR of an unknown one", GP, 0);
    TRY("wrmsr", : : "c"(0x1234), "a"(0), "d"(0));
    check_fault("WRMSR of an unknown one", GP, 0);
}
