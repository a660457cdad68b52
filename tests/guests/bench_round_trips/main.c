/*
 * Not a test but a measurement for tests/bench/bench.py: ticks of the time stamp counter for each round trip
 * into the monitor, the loop around it included. Under QEMU's -icount shift=0 a tick is one executed
 * instruction. Option only=N runs one measurement alone, rounds=N as often; serial=N prints so many
 * characters first.
 *
 * guest: cpus=2 manual
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "pic.h"
#include "power.h"

enum { ROUNDS = 1000, WARM_UP = 20, VECTOR = 0x40, PORT_UART_SCRATCH = 0x3ff };

static volatile uint32_t answers;
static volatile bool answering;

static void round_loop(void)
{
    __asm__ volatile("");
}

static void round_cpuid(void)
{
    cpuid(0, 0);
}

/* LAHF is not emulated: the device model cannot go on to the next read by itself, so that each one is a round
 * trip. */
static void round_port(void)
{
    inb(PORT_UART_SCRATCH);
    __asm__ volatile("lahf" : : : "rax");
}

static void round_lapic(void)
{
    lapic_read(LAPIC_SVR);
}

static void eoi(struct interrupt_frame *frame)
{
    (void)frame;
    lapic_write(LAPIC_EOI, 0);
}

/* The processor that is not the first sends the interrupt back. */
static void answer(struct interrupt_frame *frame)
{
    (void)frame;
    lapic_write(LAPIC_EOI, 0);
    if (answering && lapic_read(LAPIC_ID) >> 24 != 0)
        lapic_write(LAPIC_ICR, ICR_ASSERT | VECTOR);
    else
        answers++;
}

static void round_self_ipi(void)
{
    lapic_write(LAPIC_ICR, ICR_SELF | ICR_ASSERT | VECTOR);
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

static void round_ipi(void)
{
    uint32_t before = answers;

    lapic_write(LAPIC_ICR_HIGH, 1 << 24);
    lapic_write(LAPIC_ICR, ICR_ASSERT | VECTOR);
    while (answers == before)
        __asm__ volatile("sti; hlt; cli" : : : "memory");
}

static void measure(const char *name, void (*function)(void), uint32_t rounds)
{
    for (uint32_t i = 0; i < WARM_UP; i++)
        function();
    uint64_t start = rdtsc();
    for (uint32_t i = 0; i < rounds; i++)
        function();
    print("BENCH %s %u\n", name, (uint32_t)(rdtsc() - start) / rounds);
}

void guest_main(void)
{
    static const struct {
        const char *name;
        void (*function)(void);
    } measurements[] = {
        {"loop", round_loop},   {"cpuid", round_cpuid},       {"port", round_port},
        {"lapic", round_lapic}, {"self-ipi", round_self_ipi}, {"ipi", round_ipi},
    };
    uint32_t only = option_number("only", ARRAY_LENGTH(measurements));
    uint32_t rounds = option_number("rounds", ROUNDS);

    for (uint32_t i = option_number("serial", 0); i > 0; i--)
        print("%c", i % 64 != 0 ? '.' : '\n');
    lapic_enable();
    pic_initialise();
    interrupt_set(VECTOR, eoi);
    for (uint32_t i = 0; i < ARRAY_LENGTH(measurements); i++) {
        if (only != ARRAY_LENGTH(measurements) && only != i)
            continue;
        if (measurements[i].function == round_ipi) {
            interrupt_set(VECTOR, answer);
            if (smp_start(NULL) != 1)
                continue;
            answering = true;
        }
        measure(measurements[i].name, measurements[i].function, rounds);
    }
    check("measured", true);
}
