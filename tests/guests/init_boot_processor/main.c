/*
 * The boot processor at its reset vector, where no start-up IPI takes it: first an INIT IPI sends it there,
 * at the second start a jump from real mode to F000:FFF0. Firmware that has handed the machine over resets
 * it. Manual: Intel SDM Vol. 3A, 9.1.4 and 9.4.1. Real hardware: as checked here. The native run ends at the
 * first reset.
 *
 * guest: end=reset
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "power.h"
#include "real.h"

static const uint8_t jump_to_reset_vector[] = {0xea, 0xf0, 0xff, 0x00, 0xf0};

void guest_main(void)
{
    uint32_t boot = boot_number();

    if (boot > 2) {
        check_value("boot", boot, 3);
        check_value("CR0", read_cr0() & 0xffff0000, 0);
        check_value("local APIC: TPR after reset", lapic_read(LAPIC_TPR), 0);
        return;
    }
    check("first or second boot", boot == 1 || boot == 2);
    lapic_write(LAPIC_TPR, 0x30);
    guest_print_end();
    if (boot == 2)
        real_call(jump_to_reset_vector, jump_to_reset_vector + sizeof(jump_to_reset_vector));
    lapic_send((uint8_t)(lapic_read(LAPIC_ID) >> 24), DELIVERY_INIT | ICR_ASSERT);
    for (;;)
        __asm__ volatile("cli; hlt");
}
