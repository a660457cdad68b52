/*
 * The high precision event timers against the IA-PC HPET Specification 1.0a.
 *
 * sources: devices/hpet.c devices/bus.c tests/unit/host_effects.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "host_effects.h"
#include "hpet.h"

enum { CAPABILITIES = 0, CONFIG = 0x10, STATUS = 0x20, COUNTER = 0xf0 };
enum { ENABLE = 1, LEGACY = 2 };
enum { LEVEL = 2, INTERRUPT = 4, PERIODIC = 8, SETVAL = 0x40, MODE_32 = 0x100, ROUTE_20 = 20 << 9 };

static struct hpet hpet;

static uint32_t in(uint32_t reg)
{
    return host_in(&hpet_device, &hpet, HPET_BASE + reg, 4);
}

static void out(uint32_t reg, uint32_t value)
{
    host_out(&hpet_device, &hpet, HPET_BASE + reg, 4, value);
    assert_null(hpet_device.check(&hpet));
}

static uint32_t timer_config(unsigned timer)
{
    return 0x100 + 0x20 * timer;
}

static uint32_t comparator(unsigned timer)
{
    return timer_config(timer) + 8;
}

static void run(uint64_t ns)
{
    host_run(&hpet_device, &hpet, ns);
    assert_null(hpet_device.check(&hpet));
}

static int set_up(void **state)
{
    (void)state;
    host_reset();
    host.config.hpet = 1;
    host_device_reset(&hpet_device, &hpet);
    return 0;
}

/* 2.3.4 and the state after reset, 2.3.5 to 2.3.9. */
static void registers_after_reset(void **state)
{
    (void)state;
    uint32_t capabilities = in(CAPABILITIES), period = in(CAPABILITIES + 4);
    assert_true(capabilities & 1 << 13); /* 64 bits */
    assert_true(capabilities & 1 << 15); /* legacy replacement */
    assert_int_equal(capabilities >> 8 & 0x1f, HPET_TIMERS - 1);
    assert_in_range(capabilities & 0xff, 1, 0xff); /* a revision */
    assert_in_range(period, 1, 0x05f5e100);        /* femtoseconds; at least 10 MHz */
    assert_int_equal(in(CONFIG) | in(STATUS) | in(COUNTER) | in(COUNTER + 4), 0);
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        assert_int_equal(in(timer_config(i)), 0x30); /* periodic, 64 bits; no FSB interrupts */
        assert_int_not_equal(in(timer_config(i) + 4), 0);
        assert_int_equal(in(comparator(i)), UINT32_MAX);
    }
    out(timer_config(0), UINT32_MAX & ~SETVAL);
    assert_int_equal(in(timer_config(0)), 0x30 | LEVEL | INTERRUPT | PERIODIC | MODE_32 | 0x1f << 9);
    assert_int_equal(in(0x180), 0); /* no fourth timer */
    out(CAPABILITIES, 0);
    assert_true(in(CAPABILITIES) == capabilities);
}

static void nothing_without_it(void **state)
{
    (void)state;
    host.config.hpet = 0;
    assert_int_equal(in(CAPABILITIES), UINT32_MAX);
    out(CONFIG, ENABLE);
    assert_int_equal(hpet.config, 0);
}

static void the_counter(void **state)
{
    (void)state;
    run(1000);
    assert_int_equal(in(COUNTER), 0);
    out(COUNTER, 0xffffffff);
    out(COUNTER + 4, 5);
    out(CONFIG, ENABLE);
    run(100);
    assert_int_equal(in(COUNTER), 9);
    assert_int_equal(in(COUNTER + 4), 6);
    out(CONFIG, 0);
    run(100);
    assert_int_equal(in(COUNTER), 9);
}

static void one_shot(void **state)
{
    (void)state;
    out(CONFIG, ENABLE);
    out(timer_config(2), INTERRUPT | ROUTE_20);
    out(comparator(2), 1000);
    out(comparator(2) + 4, 0);
    run(9999);
    assert_int_equal(host.pin_rises[4], 0);
    run(1);
    assert_int_equal(host.pin_rises[4], 1);
    run(1000000000);
    assert_int_equal(host.pin_rises[4], 1);
    out(comparator(2), 500); /* passed long ago: not before the counter has gone round */
    run(60000000000);
    assert_int_equal(host.pin_rises[4], 1);
    assert_int_equal(in(STATUS), 0);
}

/* In 32 bits that is after 43 seconds, and again. */
static void one_shot_of_32_bits(void **state)
{
    (void)state;
    out(CONFIG, ENABLE);
    out(timer_config(1), INTERRUPT | ROUTE_20 | MODE_32);
    run(10000);
    out(comparator(1), 500);
    run(42949672960 - 10000 + 4999);
    assert_int_equal(host.pin_rises[4], 0);
    run(1);
    assert_int_equal(host.pin_rises[4], 1);
    run(42949672960);
    assert_int_equal(host.pin_rises[4], 2);
}

/* 2.3.6: a level is held until its status bit is cleared. */
static void level_triggered(void **state)
{
    (void)state;
    out(CONFIG, ENABLE);
    out(timer_config(0), INTERRUPT | LEVEL | ROUTE_20);
    out(comparator(0), 10), out(comparator(0) + 4, 0);
    run(100);
    assert_true(host.pin[4]);
    assert_int_equal(in(STATUS), 1);
    out(STATUS, 6); /* of others */
    assert_true(host.pin[4]);
    out(STATUS, 1);
    assert_false(host.pin[4]);
    assert_int_equal(in(STATUS), 0);
    /* Without the enable bit the status is set all the same. */
    out(timer_config(0), LEVEL | ROUTE_20);
    out(comparator(0), in(COUNTER) + 10);
    run(100);
    assert_int_equal(in(STATUS), 1);
    assert_false(host.pin[4]);
    /* Nobody waits for it. */
    out(timer_config(0), LEVEL | PERIODIC | ROUTE_20);
    out(comparator(0), in(COUNTER) + 10);
    assert_true(hpet_device.deadline(&hpet) == DEADLINE_NONE);
}

/* 2.3.9.2.2, as systems do it: SETVAL and the first match, then the period. */
static void periodic(void **state)
{
    (void)state;
    out(CONFIG, ENABLE);
    out(timer_config(0), INTERRUPT | PERIODIC | SETVAL | MODE_32 | ROUTE_20);
    out(comparator(0), 50000);
    assert_int_equal(in(timer_config(0)) & SETVAL, 0);
    out(comparator(0), 100000);
    run(500000);
    assert_int_equal(host.pin_rises[4], 1);
    assert_int_equal(in(comparator(0)), 150000);
    run(10000000);
    assert_int_equal(host.pin_rises[4], 11);
    /* What came too late is one. */
    host.now += 7300000;
    hpet_device.tick(&hpet, host.now);
    assert_int_equal(host.pin_rises[4], 12);
    assert_int_equal(in(comparator(0)), 1850000);
    /* A SETVAL in two halves. */
    out(timer_config(0), INTERRUPT | PERIODIC | SETVAL | ROUTE_20);
    out(comparator(0), 5), out(comparator(0) + 4, 1);
    assert_int_equal(in(comparator(0) + 4), 1);
    out(comparator(0), 1000), out(comparator(0) + 4, 0);
    assert_int_equal(in(comparator(0)), 5);
    assert_int_equal(in(comparator(0) + 4), 1);
}

/* A period of one tick of the counter would be an interrupt each 10 ns. */
static void no_flood(void **state)
{
    (void)state;
    out(CONFIG, ENABLE);
    out(timer_config(0), INTERRUPT | PERIODIC | SETVAL | ROUTE_20);
    out(comparator(0), 1), out(comparator(0) + 4, 0);
    run(1000000);
    assert_in_range(host.pin_rises[4], 9, 11);
    out(timer_config(0), INTERRUPT | PERIODIC | SETVAL | ROUTE_20);
    out(comparator(0), 0);
    run(1000000);
}

/* 2.3.5. */
static void legacy_replacement(void **state)
{
    (void)state;
    out(CONFIG, ENABLE | LEGACY);
    assert_true(host.timers_replaced);
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        out(timer_config(i), INTERRUPT | LEVEL | ROUTE_20);
        out(comparator(i), 1000), out(comparator(i) + 4, 0);
    }
    run(10000);
    assert_int_equal(host.irq[0], 1 << IRQ_HPET);
    assert_int_equal(host.irq[8], 1 << IRQ_HPET);
    assert_int_equal(host.pin[4], 1);
    assert_int_equal(in(STATUS), 7);
    out(STATUS, 1);
    assert_int_equal(host.irq[0], 0);
    out(CONFIG, ENABLE); /* the line moves to its own place */
    assert_false(host.timers_replaced);
    assert_int_equal(host.irq[8], 0);
    assert_true(host.pin[4]);
    out(CONFIG, 0);
    assert_false(host.pin[4]);
}

static void check_refuses_bad_state(void **state)
{
    (void)state;
    assert_null(hpet_device.check(&hpet));
    hpet.config = 4;
    assert_non_null(hpet_device.check(&hpet));
    hpet.config = 0;
    hpet.status = 8;
    assert_non_null(hpet_device.check(&hpet));
    hpet.status = 0;
    hpet.timer[1].config = 0;
    assert_non_null(hpet_device.check(&hpet));
    hpet.timer[1].config = 0x30;
    hpet.timer[2].next = 0;
    assert_non_null(hpet_device.check(&hpet));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(registers_after_reset, set_up),
        cmocka_unit_test_setup(nothing_without_it, set_up),
        cmocka_unit_test_setup(the_counter, set_up),
        cmocka_unit_test_setup(one_shot, set_up),
        cmocka_unit_test_setup(one_shot_of_32_bits, set_up),
        cmocka_unit_test_setup(level_triggered, set_up),
        cmocka_unit_test_setup(periodic, set_up),
        cmocka_unit_test_setup(no_flood, set_up),
        cmocka_unit_test_setup(legacy_replacement, set_up),
        cmocka_unit_test_setup(check_refuses_bad_state, set_up),
    };
    return cmocka_run_group_tests_name("HPET", tests, NULL, NULL);
}
