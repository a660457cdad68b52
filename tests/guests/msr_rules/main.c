/*
 * Model-specific registers that every operating system touches: values, read-back, reserved bits; ring 3 gets
 * #GP. (cr_reserved has the MSR writes that QEMU's TCG takes although hardware refuses them.) Manual: AMD APM
 * Vol. 2, appendix A; Intel SDM Vol. 4. Real hardware: as checked here.
 */
#include "guest.h"
#include "processor.h"
#include "descriptors.h"

static uint8_t user_stack[4096];

static void read_back(const char *name, uint32_t index, uint64_t value)
{
    uint64_t old = rdmsr(index);

    wrmsr(index, value);
    check_value64(name, rdmsr(index), value);
    wrmsr(index, old);
}

static void user_wrmsr(void)
{
    __asm__ volatile("wrmsr" : : "c"(MSR_EFER), "a"(0), "d"(0));
}

void guest_main(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);

    check_value64("APIC_BASE address", base & ~0xfffull, 0xfee00000);
    check_value("  enabled, bootstrap processor", (uint32_t)base & 0x900, 0x900);
    read_back("SYSENTER_CS", MSR_SYSENTER_CS, 0x1234);
    read_back("SYSENTER_ESP", MSR_SYSENTER_ESP, 0x12345678);
    read_back("SYSENTER_EIP", MSR_SYSENTER_EIP, 0x87654321);
    read_back("STAR", MSR_STAR, 0x001b000800001234ull);
    read_back("LSTAR", MSR_LSTAR, 0xffff800000001000ull);
    read_back("CSTAR", MSR_CSTAR, 0xffff800000002000ull);
    read_back("SFMASK", MSR_SFMASK, 0x47700);
    read_back("KERNEL_GS_BASE", MSR_KERNEL_GS_BASE, 0xffff888000000000ull);
    read_back("FS base", MSR_FS_BASE, 0x00007f0000000000ull);
    read_back("GS base", MSR_GS_BASE, 0x00007e0000000000ull);
    read_back("TSC_AUX", MSR_TSC_AUX, 0x77);
    read_back("PAT", MSR_PAT, 0x0007040600070406ull);
    read_back("EFER.SCE and NXE", MSR_EFER, EFER_SCE | EFER_NXE);
    TRY("wrmsr", : : "c"(MSR_LSTAR), "a"(0), "d"(0x8000));
    observe_fault("LSTAR not canonical");
    user_call(user_wrmsr, (uint32_t)(user_stack + sizeof(user_stack)));
    check_fault("WRMSR in ring 3", GP, 0);
    wrmsr(MSR_FS_BASE, (uint32_t)user_stack);
    user_stack[3] = 0x99;
    uint8_t byte;
    __asm__ volatile("movb %%fs:3, %0" : "=q"(byte));
    check_value("FS base MSR moves the segment in 32-bit mode too", byte, 0x99);
    __asm__ volatile("mov %w0, %%fs" : : "r"(SELECTOR_DATA32));
    check_value64("  and is set by a selector load", rdmsr(MSR_FS_BASE), 0);
}
