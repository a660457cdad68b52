/*
 * Triple fault: the machine is reset, like natively. The program starts again from its boot loader; a CMOS
 * byte counts. Manual: AMD APM Vol. 2, 8.2.9 (shutdown); Intel SDM Vol. 3A, 6.15. Real hardware: chipset
 * resets on shutdown.
 *
 * guest: end=reset
 */
#include "guest.h"
#include "power.h"

void guest_main(void)
{
    check("before the fault", true);
    guest_print_end();
    reset_by_triple_fault();
    print("still running\n");
    for (;;)
        __asm__ volatile("cli; hlt");
}
