/*
 * Triple fault: the processor shuts down and the chipset resets the machine: the program starts again from
 * its boot loader, devices are reset, CMOS bytes stay. Manual: AMD APM Vol. 2, 8.2.9 (shutdown); Intel SDM
 * Vol. 3A, 6.15. Real hardware: as checked here. The native run ends at the reset.
 *
 * guest: end=reset
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "power.h"

static void reset(void)
{
    reset_by_triple_fault();
}

void guest_main(void)
{
    uint32_t boot = boot_number();

    if (boot > 1) {
        check_value("boot", boot, 2);
        check_value("CR0", read_cr0() & 0xffff0000, 0);
        check_value("local APIC: TPR after reset", lapic_read(LAPIC_TPR), 0);
        return;
    }
    check_value("boot", boot, 1);
    lapic_write(LAPIC_TPR, 0x30);
    guest_print_end();
    reset();
    for (;;)
        __asm__ volatile("cli; hlt");
}
