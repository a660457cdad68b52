/*
 * Triple fault: the processor shuts down and the chipset resets the machine: the program starts again from
 * its boot loader, devices are reset, CMOS bytes stay. Manual: AMD APM Vol. 2, 8.2.9 (shutdown); Intel SDM
 * Vol. 3A, 6.15. Real hardware: as checked here. The native run ends at the reset.
 *
 * guest: end=reset
 */
#include "guest.h"
#include "power.h"

void guest_main(void)
{
    check_reset(reset_by_triple_fault);
}
