/*
 * The debug console 0xe9 and the debug exit port 0xf4, as Bochs and QEMU have them.
 *
 * sources: devices/debug_ports.c devices/bus.c tests/unit/host_effects.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "debug_ports.h"
#include "host_effects.h"

enum { CONSOLE = 0xe9, EXIT = 0xf4 };

static struct debug_ports ports;

static int set_up(void **state)
{
    (void)state;
    host_reset();
    host_device_reset(&debug_ports_device, &ports);
    return 0;
}

static void console(void **state)
{
    (void)state;
    assert_int_equal(host_in(&debug_ports_device, &ports, CONSOLE, 1), 0xe9);
    host.output_room = 2;
    for (const char *c = "hi!"; *c; c++)
        host_out(&debug_ports_device, &ports, CONSOLE, 1, (uint8_t)*c);
    assert_int_equal(host.output_length, 2);
    assert_memory_equal(host.output, "hi", 2);
    assert_int_equal(host_field(&debug_ports_device, &ports, "lost"), 1);
}

static void exit_port(void **state)
{
    (void)state;
    assert_int_equal(host_in(&debug_ports_device, &ports, EXIT, 4), UINT32_MAX);
    host_out(&debug_ports_device, &ports, EXIT + 1, 1, 7); /* only its first byte is one */
    assert_int_equal(host.ends, 0);
    host_out(&debug_ports_device, &ports, EXIT, 4, 0x12345);
    assert_int_equal(host.end, GUEST_END_POWER_OFF);
    assert_int_equal(host.exit_value, 0x12345);
    assert_int_equal(host_field(&debug_ports_device, &ports, "exit value"), 0x12345);
    assert_null(debug_ports_device.check(&ports));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(console, set_up),
        cmocka_unit_test_setup(exit_port, set_up),
    };
    return cmocka_run_group_tests_name("debug ports", tests, NULL, NULL);
}
