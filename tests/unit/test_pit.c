/*
 * The 8254 against its data sheet: counters computed from a clock that the test moves.
 *
 * sources: devices/pit.c devices/pit_channel.c devices/bus.c tests/unit/host_effects.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "host_effects.h"
#include "pit.h"

static struct pit pit;

HOST_PORTS(pit_device, pit)

/* The first ns of a clock of the 8254. */
static uint64_t at_clock(uint64_t clock)
{
    return (clock * 1000000000 + PIT_HZ - 1) / PIT_HZ;
}

static void set_clock(uint64_t clock)
{
    host.now = at_clock(clock);
}

static void program(unsigned channel, uint8_t control, uint16_t count)
{
    out(0x43, (uint8_t)(channel << 6 | control));
    if (control & 0x10)
        out((uint16_t)(0x40 + channel), (uint8_t)count);
    if (control & 0x20)
        out((uint16_t)(0x40 + channel), (uint8_t)(count >> 8));
}

static uint16_t latched(unsigned channel)
{
    out(0x43, (uint8_t)(channel << 6));
    uint8_t low = in((uint16_t)(0x40 + channel));
    return (uint16_t)(low | in((uint16_t)(0x40 + channel)) << 8);
}

static uint8_t status(unsigned channel)
{
    out(0x43, (uint8_t)(0xe0 | 2 << channel));
    return in((uint16_t)(0x40 + channel));
}

static int set_up(void **state)
{
    (void)state;
    host_reset();
    set_clock(1000);
    host_device_reset(&pit_device, &pit);
    return 0;
}

static void mode_0_interrupts_once(void **state)
{
    (void)state;
    program(0, 0x30, 100);
    assert_int_equal(host.irq[0], 0);
    assert_int_equal(status(0) & 0x80, 0);
    set_clock(1001 + 40);
    assert_int_equal(latched(0), 60);
    set_clock(1001 + 99);
    assert_int_equal(status(0) & 0x80, 0);
    set_clock(1001 + 100);
    assert_int_equal(status(0) & 0x80, 0x80);
    assert_int_equal(latched(0), 0);
    host_run(&pit_device, &pit, 1000);
    assert_int_equal(host.irq_rises[0], 1);
    set_clock(1001 + 103);
    assert_int_equal(latched(0), 0xfffd); /* goes on through 0 */
    host_run(&pit_device, &pit, 1000000000);
    assert_int_equal(host.irq_rises[0], 1);
    /* The first byte of a new count lowers the output and stops the counting. */
    out(0x40, 10);
    assert_int_equal(host.irq[0], 0);
    assert_int_equal(pit_device.deadline(&pit), DEADLINE_NONE);
    out(0x40, 0);
    host_run(&pit_device, &pit, 1000000);
    assert_int_equal(host.irq_rises[0], 2);
}

static void mode_2_is_periodic(void **state)
{
    (void)state;
    program(0, 0x34, 1193);
    assert_int_equal(pit_device.deadline(&pit), at_clock(1001 + 1193));
    unsigned before = host.irq_rises[0];
    set_clock(1001);
    host_run(&pit_device, &pit, at_clock(1001 + 1193 * 10) - host.now);
    assert_int_equal(host.irq_rises[0] - before, 10);
    set_clock(1001 + 1193 * 10 + 5);
    assert_int_equal(latched(0), 1188);
    set_clock(1001 + 1193 * 11 - 1);
    assert_int_equal(latched(0), 1);
    assert_int_equal(status(0) & 0x80, 0); /* low in the last clock */
    set_clock(1001 + 1193 * 11);
    assert_int_equal(status(0), 0x80 | 0x34);
    /* A new count waits for the end of the period. */
    set_clock(1001 + 1193 * 11 + 100);
    out(0x40, 0x00);
    out(0x40, 0x01);
    assert_int_equal(status(0) & 0x40, 0x40);
    assert_int_equal(latched(0), 1093);
    set_clock(1001 + 1193 * 12 + 6);
    assert_int_equal(latched(0), 250);
    assert_int_equal(status(0) & 0x40, 0);
}

static void mode_3_halves(void **state)
{
    (void)state;
    program(0, 0x36, 10);
    set_clock(1001 + 1);
    assert_int_equal(latched(0), 8);
    set_clock(1001 + 4);
    assert_int_equal(status(0) & 0x80, 0x80);
    set_clock(1001 + 5);
    assert_int_equal(status(0) & 0x80, 0);
    assert_int_equal(latched(0), 10);
    set_clock(1001 + 10);
    assert_int_equal(status(0) & 0x80, 0x80);
    /* An odd count: the high half is one clock longer, the element holds even numbers. */
    program(1, 0x76, 5);
    uint64_t start = 1001 + 11;
    static const uint16_t value[] = {4, 2, 0, 4, 2, 4, 2, 0, 4, 2};
    static const uint8_t high[] = {1, 1, 1, 0, 0, 1, 1, 1, 0, 0};
    for (unsigned i = 0; i < 10; i++) {
        set_clock(start + i);
        assert_int_equal(latched(1), value[i]);
        assert_int_equal(status(1) >> 7, high[i]);
    }
}

/* Mode 3 takes a new count at the next half period. */
static void mode_3_reload(void **state)
{
    (void)state;
    program(1, 0x76, 10);
    set_clock(1001 + 2);
    out(0x41, 20);
    out(0x41, 0);
    set_clock(1001 + 5);
    assert_int_equal(status(1) >> 7, 0);
    assert_int_equal(latched(1), 20);
    set_clock(1001 + 14);
    assert_int_equal(status(1) >> 7, 0);
    set_clock(1001 + 15);
    assert_int_equal(status(1) >> 7, 1);
}

static void mode_4_strobes(void **state)
{
    (void)state;
    program(0, 0x38, 50);
    unsigned before = host.irq_rises[0]; /* the output is high from the control word on */
    assert_int_equal(status(0) & 0x80, 0x80);
    set_clock(1001 + 50);
    assert_int_equal(status(0) & 0x80, 0);
    host_run(&pit_device, &pit, 10000);
    assert_int_equal(host.irq_rises[0], before + 1);
    assert_int_equal(status(0) & 0x80, 0x80);
    assert_int_equal(pit_device.deadline(&pit), DEADLINE_NONE);
}

static void gate_of_channel_2(void **state)
{
    (void)state;
    out(0x61, 0);
    program(2, 0xb0 & 0x3f, 100); /* mode 0 with the gate low: does not count */
    set_clock(1200);
    assert_int_equal(latched(2), 100);
    out(0x61, 1);
    set_clock(1230);
    assert_int_equal(latched(2), 70);
    out(0x61, 0);
    set_clock(1300);
    assert_int_equal(latched(2), 70);
    assert_int_equal(in(0x61) & 0x21, 0);
    out(0x61, 1);
    set_clock(1370);
    assert_int_equal(in(0x61) & 0x21, 0x21);
}

static void hardware_triggered_modes(void **state)
{
    (void)state;
    out(0x61, 0);
    program(2, 0x32, 20); /* mode 1 */
    set_clock(1100);
    assert_int_equal(in(0x61) & 0x20, 0x20);
    out(0x61, 1);
    set_clock(1101 + 19);
    assert_int_equal(in(0x61) & 0x20, 0);
    set_clock(1101 + 20);
    assert_int_equal(in(0x61) & 0x20, 0x20);
    out(0x42, 40);
    out(0x42, 0); /* counts from the next trigger on */
    set_clock(1200);
    assert_int_equal(in(0x61) & 0x20, 0x20);
    out(0x61, 0);
    out(0x61, 1);
    set_clock(1201 + 39);
    assert_int_equal(in(0x61) & 0x20, 0);
    set_clock(1201 + 40);
    assert_int_equal(in(0x61) & 0x20, 0x20);

    out(0x61, 0);
    program(2, 0x3a, 20); /* mode 5 */
    set_clock(1300);
    out(0x61, 1);
    set_clock(1301 + 20);
    assert_int_equal(in(0x61) & 0x20, 0);
    set_clock(1301 + 21);
    assert_int_equal(in(0x61) & 0x20, 0x20);
}

static void gate_restarts_periodic_modes(void **state)
{
    (void)state;
    out(0x61, 1);
    program(2, 0x34, 100);
    set_clock(1001 + 30);
    out(0x61, 0);
    assert_int_equal(in(0x61) & 0x20, 0x20);
    set_clock(1200);
    out(0x61, 1);
    set_clock(1201 + 10);
    assert_int_equal(latched(2), 90);
}

static void access_modes_and_latches(void **state)
{
    (void)state;
    program(2, 0x10, 0x80); /* low byte only; the gate is low */
    assert_int_equal(in(0x42), 0x80);
    assert_int_equal(in(0x42), 0x80);
    program(2, 0x20, 0x1200); /* high byte only */
    assert_int_equal(in(0x42), 0x12);
    program(2, 0x30, 0x3456);
    assert_int_equal(in(0x42), 0x56);
    assert_int_equal(in(0x42), 0x34);
    /* A latch holds until it is read; a second one does not replace it. */
    out(0x61, 1);
    set_clock(1000 + 6);
    out(0x43, 0x80);
    set_clock(1000 + 50);
    out(0x43, 0x80);
    assert_int_equal(in(0x42), 0x50);
    assert_int_equal(in(0x42), 0x34);
    /* Read-back latches status before count. */
    out(0x43, 0xc8);
    assert_int_equal(in(0x42), 0x30);
    assert_int_equal(in(0x42), 0x56 - 50);
    assert_int_equal(in(0x42), 0x34);
}

static void decimal(void **state)
{
    (void)state;
    out(0x61, 1);
    program(2, 0x31, 0x1000);
    set_clock(1001 + 1);
    assert_int_equal(latched(2), 0x0999);
    program(2, 0x35, 0); /* 10000 */
    uint64_t start = 1001 + 2;
    set_clock(start + 1);
    assert_int_equal(latched(2), 0x9999);
    set_clock(start + 10000);
    assert_int_equal(latched(2), 0);
}

static void missed_ticks_are_caught_up(void **state)
{
    (void)state;
    program(0, 0x34, 1193);
    unsigned before = host.irq_rises[0];
    set_clock(1001 + 1193 * 7); /* nobody has called for seven periods */
    pit_device.tick(&pit, host.now);
    assert_int_equal(host.irq_rises[0], before + 1);
    assert_int_equal(host_field(&pit_device, &pit, "owed"), 6);
    host_run(&pit_device, &pit, at_clock(1193 * 3));
    assert_int_equal(host.irq_rises[0], before + 10);
    assert_int_equal(host_field(&pit_device, &pit, "owed"), 0);
    /* A tick that finds the last one not taken waits. */
    host.irq_waiting = true;
    host_run(&pit_device, &pit, at_clock(1193 * 5));
    assert_int_equal(host.irq_rises[0], before + 10);
    host.irq_waiting = false;
    host_run(&pit_device, &pit, at_clock(1193 * 3));
    assert_int_equal(host.irq_rises[0], before + 18);
}

/* A guest that asks for a tick each microsecond does not get an upcall each microsecond. */
static void fast_periods_are_bounded(void **state)
{
    (void)state;
    program(0, 0x34, 1);
    unsigned ticks = 0;
    for (uint64_t end = host.now + 10000000; pit_device.deadline(&pit) < end; ticks++) {
        if (pit_device.deadline(&pit) > host.now)
            host.now = pit_device.deadline(&pit);
        pit_device.tick(&pit, host.now);
    }
    assert_in_range(ticks, 10, 200);
    assert_int_equal(pit.owed, 1000);
}

static void refresh_toggles(void **state)
{
    (void)state;
    unsigned changes = 0;
    uint8_t last = in(0x61) & 0x10;
    for (unsigned i = 0; i < 1000; i++) {
        host.now += 1000;
        uint8_t bit = in(0x61) & 0x10;
        changes += bit != last;
        last = bit;
    }
    assert_in_range(changes, 65, 67); /* 15.085 us */
    out(0x61, 0xff);
    assert_int_equal(in(0x61) & 0xcf, 0x0f);
}

static void check_refuses_bad_state(void **state)
{
    (void)state;
    assert_null(pit_device.check(&pit));
    pit.channel[1].count = 0;
    assert_non_null(pit_device.check(&pit));
    pit.channel[1].count = 2;
    pit.channel[2].mode = 6;
    assert_non_null(pit_device.check(&pit));
    pit.channel[2].mode = 0;
    pit.channel[0].mode = 2;
    pit.channel[0].count = 1;
    pit.channel[0].loaded = 1;
    assert_non_null(pit_device.check(&pit));
}

/* Who waits for channel 2 in mode 0 by reading port 0x61 rests until its output rises; one who looks now and
 * then, or after the rise, does not. */
static void polling_rests(void **state)
{
    (void)state;
    out(0x61, 1);
    out(0x43, 0xb0);
    out(0x42, 0);
    out(0x42, 0x10); /* 4096 clocks: 3.43 ms */
    for (unsigned i = 0; i < 8; i++)
        in(0x61);
    assert_int_equal(host.rest, 0);
    in(0x61);
    assert_in_range(host.rest, host.now + 3400000, host.now + 3440000);
    host.rest = 0;
    in(0x42);
    in(0x61);
    assert_int_equal(host.rest, 0);
    host.now += 4000000;
    for (unsigned i = 0; i < 20; i++)
        in(0x61);
    assert_int_equal(host.rest, 0);
}

/* A counter keeps the count of its mode before until it gets a new one: 1 in a mode that does not take it. */
static void check_accepts_what_a_guest_can_reach(void **state)
{
    (void)state;
    for (unsigned mode = 2; mode <= 3; mode++) {
        out(0x43, 0x10); /* channel 0, low byte, mode 0 */
        out(0x40, 1);
        assert_null(pit_device.check(&pit));
        out(0x43, (uint8_t)(0x10 | mode << 1));
        assert_null(pit_device.check(&pit));
        in(0x40);
        host_run(&pit_device, &pit, 1000000);
        assert_null(pit_device.check(&pit));
        out(0x40, 1);
        assert_null(pit_device.check(&pit));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(mode_0_interrupts_once, set_up),
        cmocka_unit_test_setup(polling_rests, set_up),
        cmocka_unit_test_setup(mode_2_is_periodic, set_up),
        cmocka_unit_test_setup(mode_3_halves, set_up),
        cmocka_unit_test_setup(mode_3_reload, set_up),
        cmocka_unit_test_setup(mode_4_strobes, set_up),
        cmocka_unit_test_setup(gate_of_channel_2, set_up),
        cmocka_unit_test_setup(hardware_triggered_modes, set_up),
        cmocka_unit_test_setup(gate_restarts_periodic_modes, set_up),
        cmocka_unit_test_setup(access_modes_and_latches, set_up),
        cmocka_unit_test_setup(decimal, set_up),
        cmocka_unit_test_setup(missed_ticks_are_caught_up, set_up),
        cmocka_unit_test_setup(fast_periods_are_bounded, set_up),
        cmocka_unit_test_setup(refresh_toggles, set_up),
        cmocka_unit_test_setup(check_refuses_bad_state, set_up),
        cmocka_unit_test_setup(check_accepts_what_a_guest_can_reach, set_up),
    };
    return cmocka_run_group_tests_name("pit", tests, NULL, NULL);
}
