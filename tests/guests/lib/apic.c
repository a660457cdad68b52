/* Local APIC and IOAPIC helpers; starting the other processors (Intel SDM Vol. 3A, 9.4.4). */
#include "guest.h"
#include "memory.h"
#include "apic.h"
#include "power.h"
#include "processor.h"
#include "descriptors.h"

enum { SVR_ENABLE = 1 << 8, SPURIOUS = 0xff, TRAMPOLINE = 0x9000, AP_STACK = 8192, AP_MAX = 8 };

volatile uint32_t smp_online;
volatile uint8_t smp_apic_id[8];
volatile uint32_t smp_next = 1;
uint8_t smp_stacks[AP_MAX][AP_STACK] __attribute__((aligned(16)));
static void (*smp_function)(uint32_t index);
extern uint8_t smp_trampoline[], smp_gdtr[], smp_trampoline_end[];
_Noreturn void smp_enter(uint32_t index);

void lapic_enable(void)
{
    lapic_write(LAPIC_SVR, SVR_ENABLE | SPURIOUS);
    for (uint32_t lvt = LAPIC_LVT_TIMER; lvt <= LAPIC_LVT_ERROR; lvt += 0x10)
        lapic_write(lvt, LVT_MASKED);
    lapic_write(LAPIC_TPR, 0);
}

void lapic_send(uint8_t destination, uint32_t command)
{
    lapic_write(LAPIC_ICR_HIGH, (uint32_t)destination << 24);
    lapic_write(LAPIC_ICR, command);
    while (lapic_read(LAPIC_ICR) & ICR_PENDING)
        pause();
}

bool lapic_bit(uint32_t offset, uint8_t vector)
{
    return lapic_read(offset + vector / 32 * 0x10) >> vector % 32 & 1;
}

void ioapic_route(uint8_t pin, uint32_t low, uint8_t destination)
{
    ioapic_write(IOAPIC_REDIRECTION + 2u * pin, LVT_MASKED);
    ioapic_write(IOAPIC_REDIRECTION + 2u * pin + 1, (uint32_t)destination << 24);
    ioapic_write(IOAPIC_REDIRECTION + 2u * pin, low);
}

void smp_enter(uint32_t index)
{
    lidt(&idtr);
    lapic_enable();
    smp_apic_id[index] = (uint8_t)(lapic_read(LAPIC_ID) >> 24);
    __atomic_fetch_add(&smp_online, 1, __ATOMIC_SEQ_CST);
    if (smp_function)
        smp_function(index);
    for (;;)
        halt();
}

uint32_t smp_start(void (*function)(uint32_t index))
{
    smp_function = function;
    memcpy(smp_gdtr, &gdtr, sizeof(gdtr));
    memcpy((void *)TRAMPOLINE, smp_trampoline, (size_t)(smp_trampoline_end - smp_trampoline));
    lapic_enable();
    smp_apic_id[0] = (uint8_t)(lapic_read(LAPIC_ID) >> 24);
    lapic_send(0, ICR_OTHERS | ICR_ASSERT | DELIVERY_INIT);
    delay_us(10000);
    for (uint32_t i = 0; i < 2; i++) {
        lapic_send(0, ICR_OTHERS | ICR_ASSERT | DELIVERY_SIPI | TRAMPOLINE >> 12);
        delay_us(200);
    }
    uint32_t expected = option_number("cpus", 2) - 1;
    for (uint32_t i = 0; i < 1000 && smp_online < expected; i++)
        delay_us(1000);
    return smp_online;
}
