/*
 * What all kinds of reset have in common: the program starts again from its boot loader, processor and
 * devices are reset, CMOS bytes stay.
 */
#include "apic.h"
#include "guest.h"
#include "power.h"
#include "processor.h"

void check_reset(void (*reset)(void))
{
    enum { TPR_BEFORE = 0x30, CR0_HIGH = 0xffff0000 };
    uint32_t boot = boot_number();

    if (boot > 1) {
        check_value("boot", boot, 2);
        check_value("CR0", read_cr0() & CR0_HIGH, 0);
        check_value("local APIC: TPR after reset", lapic_read(LAPIC_TPR), 0);
        return;
    }
    check_value("boot", boot, 1);
    lapic_write(LAPIC_TPR, TPR_BEFORE);
    guest_print_end();
    drain_serial();
    reset();
    for (;;)
        __asm__ volatile("cli; hlt");
}
