/*
 * FPU and SSE state: it survives interrupts, exits of all kinds and other work of the monitor; each processor
 * has its own; FXSAVE and FXRSTOR, MXCSR, control word. Two processors compute with different values while a
 * timer interrupts both. Manual: AMD APM Vol. 2, 11. Real hardware: as checked here.
 *
 * guest: cpus=2
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "power.h"

enum { ROUNDS = 400, VECTOR = 0x48 };
static volatile uint32_t wrong[2], done[2];
static uint8_t image[512] __attribute__((aligned(16)));

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
    interrupts_on();
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t value = seed + i;
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
        if (out[0] != 2 * value || out[3] != 2 * value || integer != value)
            wrong[index]++;
    }
    interrupts_off();
    lapic_write(LAPIC_INITIAL, 0);
    done[index] = 1;
}

void guest_main(void)
{
    uint32_t mxcsr = 0x1fa0, read = 0;
    uint16_t control = 0x27f, control_read = 0;

    interrupt_set(VECTOR, tick);
    check_value("processors started", smp_start(compute), 1);
    compute(0);
    for (uint32_t i = 0; i < 3000 && !done[1]; i++)
        delay_us(1000);
    check_value("wrong on processor 0", wrong[0], 0);
    check_value("wrong on processor 1", wrong[1], 0);
    check_value("both done", done[0] + done[1], 2);
    check("timer interrupted them", interrupt_count[VECTOR] > 0);
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
