/*
 * A guest whose device model fails on command: how=N (enum misbehaviour in devices/misbehave.h) goes to port
 * 0xf5 of the test build. When a restart of the device model has helped, all devices must be as they were.
 * tests/boot/test_misbehave.py starts it. Manual: none. Real hardware: has no such device.
 *
 * guest: manual
 */
#include "guest.h"
#include "processor.h"
#include "pic.h"
#include "power.h"

enum { PORT_MISBEHAVE = 0xf5, CMOS_BYTE = 0x60, KEPT = 0x5a, MASK = 0xfbf7 };
/* The device model goes on behind an access to a device, but not over CPUID: the one access that fails is an
 * upcall of its own, and what was printed before is out. */
static void end_upcall(void)
{
    (void)cpuid(0, 0);
}

enum { WRITES = 2 }; /* the restart came between: the instruction is executed again */

void guest_main(void)
{
    uint32_t how = option_number("how", 0);

    pic_initialise();
    pic_set_mask(MASK);
    cmos_write(CMOS_BYTE, KEPT);
    print("asking for %u\n", how);
    uint32_t before = pm_timer();
    end_upcall();
    outb(PORT_MISBEHAVE, (uint8_t)how);
    end_upcall();
    check("PM timer goes on", pm_timer() != before);
    check_value("writes that came to the device", inb(PORT_MISBEHAVE), WRITES);
    check_value("8259 masks", pic_mask(), MASK);
    check_value("CMOS byte", cmos_read(CMOS_BYTE), KEPT);
}
