/*
 * The second processor watches the first: without progress it sends an NMI, which ends most loops, and in the
 * end resets the machine, after which main.c goes on with the next operation. It counts its own ticks, not
 * time: on a busy host both processors stand still together.
 */
#include "guest.h"
#include "hostile.h"
#include "memory.h"
#include "processor.h"
#include "descriptors.h"
#include "apic.h"

enum { TICK = 5000000 /* LAPIC timer at 1 GHz: 5 ms */, DIVIDE_BY_1 = 0xb, VECTOR = 0xf0 };
enum { TICKS_NMI = 10, TICKS_RESET = 30, PORT_92 = 0x92, PORT_92_RESET = 1 };
enum { STARTS_MAX = 6 };

volatile uint32_t watchdog_progress;
static volatile uint32_t ticks;
static uint32_t starts, last_ticks;
static uint64_t watch_idt[256];
extern volatile uint32_t smp_next;

static void watch(uint32_t index)
{
    /* All vectors as one without an error code: what the attacks send here are interrupts. */
    struct table_register table = {sizeof(watch_idt) - 1, (uint32_t)watch_idt};
    uint32_t seen = watchdog_progress, still = 0;

    (void)index;
    lidt(&table);
    lapic_write(LAPIC_DIVIDE, DIVIDE_BY_1);
    lapic_write(LAPIC_LVT_TIMER, VECTOR | LVT_PERIODIC);
    lapic_write(LAPIC_INITIAL, TICK);
    for (;;) {
        halt();
        lapic_write(LAPIC_EOI, 0);
        ticks++;
        still = watchdog_progress == seen ? still + 1 : 0;
        seen = watchdog_progress;
        if (still >= TICKS_NMI && still % TICKS_NMI == 0)
            lapic_send(0, DELIVERY_NMI | ICR_ASSERT);
        if (still >= TICKS_RESET)
            outb(PORT_92, PORT_92_RESET);
    }
}

void watchdog_start(void)
{
    for (uint32_t vector = 0; vector < 256; vector++)
        watch_idt[vector] = vector == NMI_VECTOR ? idt[NMI_VECTOR] : idt[VECTOR];
    smp_next = 1;
    smp_online = 0;
    starts++;
    smp_start(watch);
}

void watchdog_keep(void)
{
    if (ticks == last_ticks && starts < STARTS_MAX)
        watchdog_start();
    last_ticks = ticks;
}
