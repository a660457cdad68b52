/*
 * XSAVE and FXSAVE (SDM Vol. 1, chapter 13; AMD APM Vol. 2, 11.5). The area is in standard format, so that it
 * means the same on every processor. XCR0 is the guest's while its state is loaded; all components are moved
 * whatever it says, so that nothing stays behind for the next guest. While a guest's registers are loaded
 * other guests' device models run, too: CR0.TS keeps all of ring 3 from them.
 */
#include "fpu.h"
#include "cpu.h"
#include "vm.h"
#include "string.h"
#include "x86.h"

enum { ECX_XSAVE = 1 << 26, COMPONENT_FIRST = 2, COMPONENT_COUNT = 63 };

/* Components of XCR0 known here: x87, SSE, AVX, MPX (2), AVX-512 (3), PKRU. */
#define XCR0_KNOWN 0x2ffull

/* Places in the area (SDM Vol. 1, 13.4.1 and 13.4.2). */
enum { XSAVE_MXCSR = 24, XSAVE_MXCSR_MASK = 28, XSAVE_HEADER = 512, XSAVE_HEADER_WORDS = 8 };
enum { MXCSR_MASK_DEFAULT = 0xffbf };

static uint64_t components; /* 0: no XSAVE */

void fpu_init(void)
{
    if (!(cpuid(LEAF_FEATURES, 0).ecx & ECX_XSAVE))
        return;
    struct cpuid_result offered = cpuid(LEAF_XSAVE, 0);
    components = (offered.eax | (uint64_t)offered.edx << 32) & XCR0_KNOWN;
    for (uint32_t i = COMPONENT_FIRST; i < COMPONENT_COUNT; i++) {
        struct cpuid_result place = components >> i & 1 ? cpuid(LEAF_XSAVE, i) : (struct cpuid_result){0};
        if (place.eax + place.ebx > VCPU_XSAVE_SIZE)
            components &= ~(1ull << i);
    }
}

static void xsetbv(uint64_t value)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static uint64_t xgetbv(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low | (uint64_t)high << 32;
}

void fpu_load(struct vcpu *vcpu)
{
    static const uint32_t zero = 0;
    struct vcpu_fpu *fpu = &vcpu->state.fpu;
    __asm__ volatile("clts");
    /* AMD's processors before Zen restore the last x87 instruction's addresses only with an exception pending
     * (AMD APM Vol. 2, 11.4.4): here they become ours, not another guest's. */
    __asm__ volatile("fnclex; emms; fildl %0" : : "m"(zero));
    if (components) {
        xsetbv(components);
        __asm__ volatile("xrstor64 %0"
                         :
                         : "m"(*fpu), "a"((uint32_t)components), "d"((uint32_t)(components >> 32)));
        xsetbv(vcpu->state.control.xcr0);
    } else {
        __asm__ volatile("fxrstor64 %0" : : "m"(*fpu));
    }
    write_cr0(read_cr0() | CR0_TS);
}

void fpu_store(struct vcpu *vcpu)
{
    struct vcpu_fpu *fpu = &vcpu->state.fpu;
    __asm__ volatile("clts");
    if (components) {
        fpu_get_xcr0(vcpu);
        xsetbv(components);
        __asm__ volatile("xsave64 %0"
                         : "+m"(*fpu)
                         : "a"((uint32_t)components), "d"((uint32_t)(components >> 32)));
        xsetbv(vcpu->state.control.xcr0);
    } else {
        __asm__ volatile("fxsave64 %0" : "=m"(*fpu));
    }
    write_cr0(read_cr0() | CR0_TS);
}

void fpu_get_xcr0(struct vcpu *vcpu)
{
    vcpu->state.control.xcr0 = components ? xgetbv() : XCR0_X87;
}

bool fpu_has(uint64_t xcr0)
{
    return !(xcr0 & ~(components ? components : XCR0_X87));
}

/* XRSTOR and FXRSTOR fault on reserved bits (SDM Vol. 1, 13.8.1 and 10.5.1.2): never let them see any. */
bool fpu_take(struct vcpu *vcpu, const struct vcpu_fpu *from)
{
    uint8_t *area = vcpu->state.fpu.xsave;
    uint32_t mxcsr, mask;
    uint64_t header[XSAVE_HEADER_WORDS];
    memcpy(&mxcsr, from->xsave + XSAVE_MXCSR, sizeof(mxcsr));
    memcpy(&mask, area + XSAVE_MXCSR_MASK, sizeof(mask)); /* the processor's, from the last fpu_store() */
    memcpy(header, from->xsave + XSAVE_HEADER, sizeof(header));
    uint64_t reserved = header[0] & ~(components ? components : XCR0_X87 | XCR0_SSE);
    for (unsigned i = 1; i < XSAVE_HEADER_WORDS; i++)
        reserved |= header[i];
    if (reserved || mxcsr & ~(mask ? mask : MXCSR_MASK_DEFAULT))
        return false;
    memcpy(area, from->xsave, sizeof(vcpu->state.fpu.xsave));
    memcpy(area + XSAVE_MXCSR_MASK, &mask, sizeof(mask));
    return true;
}

void fpu_set_xcr0(const struct vcpu *vcpu)
{
    if (components)
        xsetbv(vcpu->state.control.xcr0);
}
