/*
 * CPUID: the guest sees the processor's vendor, family and features, every bit of them; the hypervisor's own
 * leaves are the only difference that is allowed. What this monitor cannot give is not in the processor model
 * of the native run either (tools/machine.h). Leaf limits, subleaves, dependencies between
 * bits. Manual: AMD APM Vol. 3, appendix E. Real hardware: as checked here.
 */
#include "guest.h"
#include "processor.h"

static void text_of(char *text, const uint32_t *words, uint32_t count)
{
    for (uint32_t i = 0; i < count * 4; i++)
        text[i] = (char)(words[i / 4] >> i % 4 * 8);
    text[count * 4] = 0;
}

enum { VENDOR_INTEL_ECX = 0x6c65746e }; /* "ntel" */

void guest_main(void)
{
    struct cpuid r = cpuid(0, 0);
    char text[52];
    uint32_t words[12];

    text_of(text, (uint32_t[]){r.ebx, r.edx, r.ecx}, 3);
    print("vendor: %s\n", text);
    bool intel = r.ecx == VENDOR_INTEL_ECX;
    print("maximum leaf: %x\n", r.eax);
    r = cpuid(1, 0);
    print("signature: %x\n", r.eax);
    print("features edx: %x\n", r.edx);
    print("features ecx: %x\n", r.ecx);
    check("initial APIC ID is 0", r.ebx >> 24 == 0);
    check("CLFLUSH line of 8 quadwords", (r.ebx >> 8 & 0xff) == 8);
    check("FPU, TSC, MSR, PAE, CX8, APIC, PGE, CMOV, PSE36, FXSR, SSE, SSE2",
          (r.edx & 0x07022371) == 0x07022371);
    check("OSXSAVE clear while CR4.OSXSAVE is", !(r.ecx & 1 << 27));
    check("AVX only with XSAVE", !(r.ecx & 1 << 28) || r.ecx & 1 << 26);
    r = cpuid(7, 0);
    print("structured features: %x %x %x\n", r.ebx, r.ecx, r.edx);
    for (uint32_t i = 0; i < 3; i++) {
        r = cpuid(0xd, i);
        print("XSAVE %u: %x %x %x %x\n", i, r.eax, r.ebx, r.ecx, r.edx);
    }
    r = cpuid(0x80000007, 0);
    print("power: %x\n", r.edx);
    r = cpuid(0x80000008, 0);
    print("extended features: %x\n", r.ebx);
    r = cpuid(1, 0);
    struct cpuid again = cpuid(1, 5);
    check("subleaf ignored in leaf 1", again.eax == r.eax && again.edx == r.edx);
    r = cpuid(0x80000000, 0);
    check("extended leaves to 80000008", r.eax >= 0x80000008);
    r = cpuid(0x80000001, 0);
    print("extended edx: %x\n", r.edx);
    print("extended ecx: %x\n", r.ecx);
    /* Intel's processors show SYSCALL in 64-bit mode only (SDM Vol. 2A, CPUID). */
    check("SYSCALL, NX, LM",
          (r.edx & (intel ? 0x20100000 : 0x20100800)) == (intel ? 0x20100000u : 0x20100800u));
    for (uint32_t i = 0; i < 3; i++) {
        r = cpuid(0x80000002 + i, 0);
        words[4 * i] = r.eax;
        words[4 * i + 1] = r.ebx;
        words[4 * i + 2] = r.ecx;
        words[4 * i + 3] = r.edx;
    }
    text_of(text, words, 12);
    print("brand: %s\n", text);
    r = cpuid(0x80000008, 0);
    print("address sizes: %x\n", r.eax & 0xffff);
    check("processors in the package", (r.ecx & 0xff) + 1 == option_number("cpus", 1));
    r = cpuid(0x12345678, 0);
    print("leaf out of range answered: %s\n", r.eax | r.ebx | r.ecx | r.edx ? "something" : "zeros");
    uint32_t eflags = read_eflags(), flipped;
    __asm__ volatile("push %1; popf; pushf; pop %0" : "=r"(flipped) : "r"(eflags ^ FLAG_ID));
    check("EFLAGS.ID can be flipped", (eflags ^ flipped) & FLAG_ID);
}
