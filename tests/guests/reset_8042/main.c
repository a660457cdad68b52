/*
 * Reset through the keyboard controller: command 0xfe pulses the processor's reset line. Manual: IBM PC/AT
 * Technical Reference, 8042. Real hardware: as checked here. The native run ends at the reset.
 *
 * guest: end=reset
 */
#include "guest.h"
#include "processor.h"
#include "power.h"

static void reset(void)
{
    while (inb(0x64) & 2)
        pause();
    outb(0x64, 0xfe);
}

void guest_main(void)
{
    check_reset(reset);
}
