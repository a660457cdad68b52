/*
 * ACPI power-off: SLP_EN with the sleep type of S5 in PM1a_CNT ends the machine with status 0; other sleep
 * types do not. Manual: ACPI Specification 6.4, 4.8.3.2; 82371AB, 7.2.3. Real hardware: as checked here.
 */
#include "guest.h"
#include "processor.h"
#include "power.h"

enum { PM1_CONTROL = 4, SCI_EN = 1 };

void guest_main(void)
{
    uint16_t base = power_base();

    check("power management block found", base != 0);
    uint32_t first = pm_timer();
    delay_us(1000);
    check("PM timer runs", pm_timer() != first);
    outw(base + PM1_CONTROL, (uint16_t)(inw(base + PM1_CONTROL) | SCI_EN));
    check_value("SCI_EN reads back", inw(base + PM1_CONTROL) & SCI_EN, SCI_EN);
    guest_print_end();
    power_off();
}
