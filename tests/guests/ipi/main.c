/*
 * IPIs between processors: fixed physical, logical flat and cluster, lowest priority, all, all but self,
 * self; a halted processor wakes; many in a row all arrive when acknowledged. Manual: Intel SDM Vol.
 * 3A, 11.6. Real hardware: as checked here.
 *
 * guest: cpus=4
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "power.h"

enum { VECTOR = 0x51, ROUNDS = 500, CPUS = 4 };
static volatile uint32_t received[CPUS];

static void handler(struct interrupt_frame *frame)
{
    (void)frame;
    __atomic_fetch_add(&received[lapic_read(LAPIC_ID) >> 24 & 3], 1, __ATOMIC_SEQ_CST);
    lapic_write(LAPIC_EOI, 0);
}

static void set_logical(uint32_t index)
{
    (void)index;
    lapic_write(LAPIC_DFR, 0xffffffff);
    lapic_write(LAPIC_LDR, 1u << (24 + (lapic_read(LAPIC_ID) >> 24)));
}

/* Who has received how many, processor 0 in the lowest digit; after `most` tenths of a millisecond, or when
 * it is as expected. */
static uint32_t received_within(uint32_t most, uint32_t expected)
{
    uint32_t digits = 0;

    for (uint32_t i = 0; i < most; i++) {
        __asm__ volatile("sti; nop; cli");
        delay_us(100);
        digits = 0;
        for (uint32_t cpu = 0; cpu < CPUS; cpu++)
            digits |= received[cpu] << 4 * cpu;
        if (digits == expected)
            break;
    }
    return digits;
}

/* Sends, and prints who received it. A busy host may keep a processor waiting for long; who should not
 * receive it has 5 ms more. */
static void send(const char *name, uint8_t destination, uint32_t command, uint32_t expected)
{
    for (uint32_t i = 0; i < CPUS; i++)
        received[i] = 0;
    lapic_send(destination, command | ICR_ASSERT | VECTOR);
    received_within(20000, expected);
    check_value(name, received_within(50, ~0u), expected);
}

void guest_main(void)
{
    interrupt_set(VECTOR, handler);
    check_value("processors started", smp_start(set_logical), CPUS - 1);
    set_logical(0);
    send("fixed to 2", 2, 0, 0x0100);
    send("fixed to 3", 3, 0, 0x1000);
    send("fixed to 0 (itself)", 0, 0, 0x0001);
    send("fixed to nobody", 9, 0, 0);
    send("physical broadcast", 0xff, 0, 0x1111);
    send("logical 0b1010", 0xa, DESTINATION_LOGICAL, 0x1010);
    send("logical 0xff", 0xff, DESTINATION_LOGICAL, 0x1111);
    send("shorthand self", 0, ICR_SELF, 0x0001);
    send("shorthand all", 0, ICR_ALL, 0x1111);
    send("shorthand others", 0, ICR_OTHERS, 0x1110);

    for (uint32_t i = 0; i < CPUS; i++)
        received[i] = 0;
    lapic_send(0xf, DESTINATION_LOGICAL | DELIVERY_LOWEST | ICR_ASSERT | VECTOR);
    for (uint32_t i = 0; i < 20000 && !(received[0] + received[1] + received[2] + received[3]); i++) {
        __asm__ volatile("sti; nop; cli");
        delay_us(100);
    }
    received_within(50, ~0u);
    check_value("lowest priority: one of them", received[0] + received[1] + received[2] + received[3], 1);

    received[1] = 0;
    uint32_t lost = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        lapic_send(1, ICR_ASSERT | VECTOR);
        uint32_t start = pm_timer();
        while (received[1] != i + 1 && ((pm_timer() - start) & PM_TIMER_MASK) < PM_TIMER_HZ)
            pause();
        lost += received[1] != i + 1;
    }
    check_value("one after another", received[1], ROUNDS);
    check_value("  lost", lost, 0);
}
