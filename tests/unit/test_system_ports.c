/*
 * The small ports of the main board: system control port A, reset control, POST code, delay.
 *
 * sources: devices/system_ports.c devices/bus.c tests/unit/host_effects.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "host_effects.h"
#include "system_ports.h"

enum { PORT92 = 0x92, RESET_CONTROL = 0xcf9, POST = 0x80, DELAY = 0xed };

static struct system_ports ports;

HOST_PORTS(system_ports_device, ports)

static int set_up(void **state)
{
    (void)state;
    host_reset();
    host_device_reset(&system_ports_device, &ports);
    return 0;
}

static void port_92(void **state)
{
    (void)state;
    assert_int_equal(in(PORT92), 2); /* line 20 is on */
    assert_false(host.a20_masked);
    out(PORT92, 0xfc);
    assert_int_equal(in(PORT92), 0);
    assert_true(host.a20_masked);
    assert_int_equal(host.processor_resets, 0);
    out(PORT92, 3);
    assert_int_equal(host.processor_resets, 1);
    assert_int_equal(host.ends, 0);
    assert_int_equal(in(PORT92), 2);
    assert_false(host.a20_masked);
}

static void reset_by_the_edge_of_bit_2(void **state)
{
    (void)state;
    out(RESET_CONTROL, 2); /* which kind, not yet when */
    assert_int_equal(host.ends, 0);
    out(RESET_CONTROL, 6);
    assert_int_equal(host.end, GUEST_END_RESET);
    assert_int_equal(host.ends, 1);
    assert_int_equal(in(RESET_CONTROL), 6);
    out(RESET_CONTROL, 6); /* no edge */
    assert_int_equal(host.ends, 1);
    out(RESET_CONTROL, 0xf9);
    assert_int_equal(in(RESET_CONTROL), 0);
    assert_int_equal(host.processor_resets, 0);
    out(RESET_CONTROL, 4); /* without bit 1 the processors alone */
    assert_int_equal(host.processor_resets, 1);
    assert_int_equal(host.ends, 1);
}

static void ports_that_only_remember(void **state)
{
    (void)state;
    out(POST, 0xa5);
    assert_int_equal(in(POST), 0xa5);
    assert_int_equal(host_field(&system_ports_device, &ports, "post code"), 0xa5);
    out(DELAY, 0x12);
    assert_int_equal(in(DELAY), 0xff);
    assert_int_equal(host.ends, 0);
}

static void check_refuses_bad_state(void **state)
{
    (void)state;
    assert_null(system_ports_device.check(&ports));
    ports.port92 = 1;
    assert_non_null(system_ports_device.check(&ports));
    ports.port92 = 0;
    ports.reset_control = 8;
    assert_non_null(system_ports_device.check(&ports));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(port_92, set_up),
        cmocka_unit_test_setup(reset_by_the_edge_of_bit_2, set_up),
        cmocka_unit_test_setup(ports_that_only_remember, set_up),
        cmocka_unit_test_setup(check_refuses_bad_state, set_up),
    };
    return cmocka_run_group_tests_name("system ports", tests, NULL, NULL);
}
