/*
 * Start-up of the other processors by INIT and SIPI: CS and IP from the vector, register values after INIT,
 * each starts once, a second SIPI is ignored, INIT stops a running processor and SIPI starts it anew. Manual:
 * Intel SDM Vol. 3A, 9.4 and 10.1, table 10-1. Real hardware: as checked here.
 *
 * guest: cpus=2
 */
#include "guest.h"
#include "memory.h"
#include "processor.h"
#include "apic.h"
#include "power.h"

enum { VECTOR_PAGE = 0x4000, REPORT = 0x5000, IOPL = 0x3000 };
extern const uint8_t report_code[], report_code_end[];

static volatile uint32_t *report(uint32_t i)
{
    return (volatile uint32_t *)REPORT + i;
}

static void start(void)
{
    lapic_send(0, ICR_OTHERS | ICR_ASSERT | DELIVERY_SIPI | VECTOR_PAGE >> 12);
    for (uint32_t i = 0; i < 1000 && !*report(0); i++)
        delay_us(100);
}

void guest_main(void)
{
    memcpy((void *)VECTOR_PAGE, report_code, (size_t)(report_code_end - report_code));
    lapic_enable();
    lapic_send(0, ICR_OTHERS | ICR_ASSERT | DELIVERY_INIT);
    delay_us(10000);
    check_value("waits for SIPI after INIT", *report(0), 0);
    start();
    check_value("started", *report(0), 1);
    check_value("CS from the vector", *report(1), VECTOR_PAGE >> 4);
    check_value("CR0 after INIT without CD, NW", *report(2) & ~0x60000000u, 0x10);
    check_value("EFLAGS", *report(3) & ~IOPL, 2);
    observe("  its IOPL", *report(3) & IOPL);
    check_value("EDX is the signature", *report(4), cpuid(1, 0).eax);
    check_value("APIC ID", *report(5) >> 24, 1);
    check_value("CR4", *report(6), 0);
    lapic_send(0, ICR_OTHERS | ICR_ASSERT | DELIVERY_SIPI | VECTOR_PAGE >> 12);
    delay_us(10000);
    check_value("second SIPI ignored", *report(0), 1);
    lapic_send(0, ICR_OTHERS | ICR_ASSERT | DELIVERY_INIT);
    delay_us(10000);
    *report(0) = 0;
    start();
    check_value("INIT and SIPI start it anew", *report(0), 1);
    check_value("processors by the library's start",
                (lapic_send(0, ICR_OTHERS | ICR_ASSERT | DELIVERY_INIT), delay_us(10000), smp_start(NULL)),
                1);
    check_value("  APIC ID", smp_apic_id[1], 1);
}
