/* Set-up and tear-down of the tests on the PCI devices: power-on before each, the state blocks' rules after
 * it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "pci_world.h"

static int set_up(void **state)
{
    (void)state;
    world_reset();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    const char *device = "";
    const char *broken = bus_check(&world.pc.bus, &device);
    if (broken)
        fail_msg("%s: %s", device, broken);
    world_free();
    world.ram = world.disk = NULL;
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
