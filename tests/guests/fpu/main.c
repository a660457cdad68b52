/*
 * FPU, SSE and AVX state, and XCR0: it survives interrupts, exits of all kinds and other work of the monitor;
 * each processor has its own; FXSAVE and FXRSTOR, MXCSR, control word. Two processors compute with different
 * values while a timer interrupts both. Manual: AMD APM Vol. 2, 11. Real hardware: as checked here.
 *
 * guest: cpus=2 processors=1
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "power.h"

enum { ROUNDS = 400, VECTOR = 0x48 };
static volatile uint32_t wrong[2], done[2];
static uint8_t image[512] __attribute__((aligned(16)));

enum { TO_SSE = 3, TO_AVX = 7, LEAF_XSAVE = 0xd, ECX_XSAVE = 1 << 26, ECX_OSXSAVE = 1 << 27 };
static bool has_avx;
static volatile uint32_t xcr0_read[2], xsave_size[2];

static void xsetbv(uint32_t value)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"(value), "d"(0));
}

static uint32_t xgetbv(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static void tick(struct interrupt_frame *frame)
{
    (void)frame;
    lapic_write(LAPIC_EOI, 0);
}

/* Fills four XMM registers and the x87 stack, does things that exit, and looks again. */
static void compute(uint32_t index)
{
    uint32_t seed = index * 0x11111111u + 0x01020304, out[4], integer;

    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
    write_cr0((read_cr0() | CR0_MP) & ~(uint32_t)(CR0_EM | CR0_TS));
    lapic_write(LAPIC_DIVIDE, 0xb);
    lapic_write(LAPIC_LVT_TIMER, VECTOR | LVT_PERIODIC);
    lapic_write(LAPIC_INITIAL, 200000);
    __asm__ volatile("fninit");
    if (has_avx) {
        write_cr4(read_cr4() | CR4_OSXSAVE);
        xsetbv(index ? TO_SSE : TO_AVX);
    }
    interrupts_on();
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t value = seed + i, upper = value;
        if (has_avx && !index)
            __asm__ volatile("vbroadcastss %0, %%ymm6" : : "m"(value));
        __asm__ volatile("movd %0, %%xmm0; pshufd $0, %%xmm0, %%xmm1; movdqa %%xmm1, %%xmm7; paddd %%xmm1, "
                         "%%xmm7; fildl %1"
                         :
                         : "r"(value), "m"(value));
        (void)inb(0x21);
        (void)cpuid(0, 0);
        (void)lapic_read(LAPIC_VERSION);
        for (volatile uint32_t spin = 0; spin < 2000; spin++)
            ;
        __asm__ volatile("movdqu %%xmm7, %0; fistpl %1" : "=m"(out), "=m"(integer));
        if (has_avx && !index)
            __asm__ volatile("vextractf128 $1, %%ymm6, %%xmm6; movd %%xmm6, %0" : "=r"(upper));
        if (out[0] != 2 * value || out[3] != 2 * value || integer != value || upper != value)
            wrong[index]++;
    }
    interrupts_off();
    lapic_write(LAPIC_INITIAL, 0);
    xcr0_read[index] = has_avx ? xgetbv() : 0;
    xsave_size[index] = has_avx ? cpuid(LEAF_XSAVE, 0).ebx : 0;
    done[index] = 1;
}

void guest_main(void)
{
    uint32_t mxcsr = 0x1fa0, read = 0;
    uint16_t control = 0x27f, control_read = 0;

    has_avx = cpuid(1, 0).ecx & ECX_XSAVE && cpuid(LEAF_XSAVE, 0).eax & 4;
    interrupt_set(VECTOR, tick);
    check_value("processors started", smp_start(compute), 1);
    compute(0);
    for (uint32_t i = 0; i < 3000 && !done[1]; i++)
        delay_us(1000);
    check_value("wrong on processor 0", wrong[0], 0);
    check_value("wrong on processor 1", wrong[1], 0);
    check_value("both done", done[0] + done[1], 2);
    check("timer interrupted them", interrupt_count[VECTOR] > 0);
    print("XCR0 of each: %x %x, size of its state: %u %u\n", xcr0_read[0], xcr0_read[1], xsave_size[0],
          xsave_size[1]);
    if (has_avx) {
        check("OSXSAVE follows CR4", cpuid(1, 0).ecx & ECX_OSXSAVE);
        TRY("xsetbv", : : "c"(0), "a"(TO_AVX & ~1u), "d"(0));
        check_fault("XCR0 without x87", GP, 0);
        TRY("xsetbv", : : "c"(0), "a"(5), "d"(0));
        check_fault("XCR0 with AVX, without SSE", GP, 0);
        check_value("  XCR0 unchanged", xgetbv(), TO_AVX);
        write_cr4(read_cr4() & ~(uint32_t)CR4_OSXSAVE);
        TRY("xsetbv", : : "c"(0), "a"(TO_AVX), "d"(0));
        check_fault("XSETBV without OSXSAVE", UD, 0);
    }
    __asm__ volatile("ldmxcsr %2; fldcw %3; stmxcsr %0; fnstcw %1"
                     : "=m"(read), "=m"(control_read)
                     : "m"(mxcsr), "m"(control));
    check_value("MXCSR", read, 0x1fa0);
    check_value("control word", control_read, 0x27f);
    __asm__ volatile("movd %1, %%xmm5; fxsave %0; pxor %%xmm5, %%xmm5; fxrstor %0"
                     : "+m"(image)
                     : "r"(0x5eed)
                     : "memory");
    __asm__ volatile("movd %%xmm5, %0" : "=r"(read));
    check_value("FXSAVE and FXRSTOR", read, 0x5eed);
    mxcsr = 0x10000;
    TRY("ldmxcsr %0", : : "m"(mxcsr));
    observe_fault("MXCSR reserved bit");
    __asm__ volatile("movl $0x1f80, %0; ldmxcsr %0" : "+m"(mxcsr));
}
