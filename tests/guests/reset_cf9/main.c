/*
 * Reset through port 0xcf9: bit 1 chooses a full reset, bit 2 going from 0 to 1 starts it. Manual: 82371SB
 * (PIIX3), 2.5.5. Real hardware: as checked here. The native run ends at the reset.
 *
 * guest: end=reset
 */
#include "guest.h"
#include "processor.h"
#include "power.h"

static void reset(void)
{
    outb(0xcf9, 0x02);
    outb(0xcf9, 0x06);
}

void guest_main(void)
{
    check_reset(reset);
}
