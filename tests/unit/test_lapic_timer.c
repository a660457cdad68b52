/*
 * The local APIC timer (core/lapic_timer.c) over a simulated TSC, against SDM Vol. 3A, 11.5.4; input clock 1
 * GHz.
 *
 * sources:
 */
#include "lapic_world.h"

enum { VECTOR = 0x40, DIVIDE_BY_1 = 0xb };

static struct vcpu *const vcpu = &world_vcpu[0];

static void start(uint32_t lvt, uint32_t divide, uint32_t count)
{
    lapic_write(vcpu, LAPIC_LVT_TIMER, lvt);
    lapic_write(vcpu, LAPIC_DIVIDE, divide);
    lapic_write(vcpu, LAPIC_INITIAL_COUNT, count);
}

/* Ticks that the timer raises until the TSC is `until`, with a look at each deadline. */
static unsigned ticks_until(uint64_t until)
{
    unsigned ticks = 0;
    for (;;) {
        uint64_t deadline = lapic_timer_deadline(vcpu);
        if (deadline == 0 || deadline > until) {
            world_tsc = until;
            return ticks;
        }
        world_tsc = deadline > world_tsc ? deadline : world_tsc;
        lapic_timer_expire(vcpu, world_tsc);
        ticks += world_take_interrupt(vcpu) == VECTOR;
        lapic_write(vcpu, LAPIC_EOI, 0);
    }
}

static void test_one_shot(void **state)
{
    (void)state;
    start(VECTOR, DIVIDE_BY_1, 5000);
    assert_int_equal(lapic_timer_deadline(vcpu), 6000);
    lapic_timer_expire(vcpu, 5999);
    assert_false(lapic_any_request(&vcpu->lapic));
    lapic_timer_expire(vcpu, 6000);
    assert_int_equal(world_take_interrupt(vcpu), VECTOR);
    assert_false(world_bank_bit(vcpu, LAPIC_TMR, VECTOR));
    assert_int_equal(lapic_timer_deadline(vcpu), 0);
    lapic_write(vcpu, LAPIC_EOI, 0);
    lapic_timer_expire(vcpu, 1000000);
    assert_false(lapic_any_request(&vcpu->lapic));
    world_tsc = 1000000;
    assert_int_equal(lapic_read(vcpu, LAPIC_CURRENT_COUNT), 0);
    assert_int_equal(lapic_read(vcpu, LAPIC_INITIAL_COUNT), 5000);
}

/* The host's timer learns of each deadline that a write makes. */
static void test_host_is_told(void **state)
{
    (void)state;
    lapic_write(vcpu, LAPIC_LVT_TIMER, LVT_MASKED | VECTOR);
    lapic_write(vcpu, LAPIC_DIVIDE, DIVIDE_BY_1);
    lapic_write(vcpu, LAPIC_INITIAL_COUNT, 5000);
    assert_int_equal(world_deadline, 0);
    lapic_write(vcpu, LAPIC_LVT_TIMER, VECTOR);
    assert_int_equal(world_deadline, world_tsc + 5000);
    lapic_write(vcpu, LAPIC_DIVIDE, 0);
    assert_int_equal(world_deadline, world_tsc + 2 * 5000);
    lapic_write(vcpu, LAPIC_INITIAL_COUNT, 700);
    assert_int_equal(world_deadline, world_tsc + 2 * 700);
}

static void test_divisors(void **state)
{
    (void)state;
    static const struct {
        uint32_t code, divisor;
    } rows[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        start(VECTOR, rows[i].code, 1000);
        assert_int_equal(lapic_timer_deadline(vcpu), world_tsc + 1000 * rows[i].divisor);
    }
}

static void test_other_tsc_rates(void **state)
{
    (void)state;
    static const uint64_t rates[] = {1, 999, 200000, 1234567, 2600000, 4999999, 33000000};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        tsc_khz = rates[i];
        start(VECTOR, 10, UINT32_MAX); /* the longest time there is: 550 s */
        uint64_t exact = (uint64_t)((unsigned __int128)UINT32_MAX * 128 * rates[i] / 1000000);
        assert_int_equal(lapic_timer_deadline(vcpu), world_tsc + exact);
        assert_int_equal(lapic_read(vcpu, LAPIC_CURRENT_COUNT), UINT32_MAX);
        world_tsc += exact / 2;
        uint32_t half = lapic_read(vcpu, LAPIC_CURRENT_COUNT);
        if (rates[i] > 100000)
            assert_in_range(half, UINT32_MAX / 2, UINT32_MAX / 2 + 2);
    }
}

static void test_current_count(void **state)
{
    (void)state;
    start(VECTOR, 3, 1000); /* by 16 */
    assert_int_equal(lapic_read(vcpu, LAPIC_CURRENT_COUNT), 1000);
    world_tsc += 16 * 250;
    assert_int_equal(lapic_read(vcpu, LAPIC_CURRENT_COUNT), 750);
    world_tsc += 1; /* a count that has begun still shows */
    assert_int_equal(lapic_read(vcpu, LAPIC_CURRENT_COUNT), 750);
    world_tsc += 16 * 750 - 2;
    assert_int_equal(lapic_read(vcpu, LAPIC_CURRENT_COUNT), 1);
    assert_false(lapic_any_request(&vcpu->lapic));
    world_tsc += 1; /* 0 and the interrupt are there together */
    assert_int_equal(lapic_read(vcpu, LAPIC_CURRENT_COUNT), 0);
    assert_true(lapic_any_request(&vcpu->lapic));
}

static void test_periodic_does_not_drift(void **state)
{
    (void)state;
    tsc_khz = 2600001; /* a period of 1 ms / 7 is no whole number of TSC ticks */
    start(LVT_PERIODIC | VECTOR, DIVIDE_BY_1, 1000000 / 7);
    uint64_t began = world_tsc;
    /* 7,000 periods of 142857 ns; at exactly the last deadline it has ticked 7,000 times. */
    uint64_t last = began + (uint64_t)((unsigned __int128)142857 * 7000 * tsc_khz / 1000000);
    assert_int_equal(ticks_until(last - 1), 6999);
    assert_int_equal(ticks_until(last), 1);
}

static void test_periodic_count_starts_over(void **state)
{
    (void)state;
    start(LVT_PERIODIC | VECTOR, DIVIDE_BY_1, 100000);
    world_tsc += 100000 + 30000;
    assert_int_equal(lapic_read(vcpu, LAPIC_CURRENT_COUNT), 70000);
    assert_int_equal(world_take_interrupt(vcpu), VECTOR); /* reading it does not swallow the tick */
}

static void test_missed_ticks_merge(void **state)
{
    (void)state;
    start(LVT_PERIODIC | VECTOR, DIVIDE_BY_1, 100000);
    uint64_t began = world_tsc;
    world_tsc = began + 1050 * 100000ull + 7;
    lapic_timer_expire(vcpu, world_tsc);
    assert_int_equal(world_take_interrupt(vcpu), VECTOR);
    lapic_write(vcpu, LAPIC_EOI, 0);
    assert_int_equal(world_take_interrupt(vcpu), LAPIC_NO_VECTOR);
    assert_int_equal(lapic_timer_deadline(vcpu), began + 1051 * 100000ull); /* in phase */
    lapic_timer_expire(vcpu, world_tsc);
    assert_false(lapic_any_request(&vcpu->lapic));
}

static void test_expiry_at_a_deadline_is_not_two(void **state)
{
    (void)state;
    start(LVT_PERIODIC | VECTOR, DIVIDE_BY_1, 100000);
    uint64_t began = world_tsc;
    lapic_timer_expire(vcpu, began + 200000); /* exactly the second */
    assert_int_equal(lapic_timer_deadline(vcpu), began + 300000);
}

static void test_tiny_periods_are_bounded(void **state)
{
    (void)state;
    tsc_khz = 2000000;
    for (uint32_t count = 1; count < 50000; count = count * 3 + 1) {
        start(LVT_PERIODIC | VECTOR, DIVIDE_BY_1, count);
        world_tsc += 200000;
        lapic_timer_expire(vcpu, world_tsc);
        assert_int_equal(lapic_timer_deadline(vcpu), world_tsc + 100000); /* 50 us */
        assert_true(lapic_read(vcpu, LAPIC_CURRENT_COUNT) <= count);
    }
}

static void test_stop_and_restart(void **state)
{
    (void)state;
    start(VECTOR, DIVIDE_BY_1, 5000);
    world_tsc += 2000;
    lapic_write(vcpu, LAPIC_INITIAL_COUNT, 9000); /* starts over */
    assert_int_equal(lapic_timer_deadline(vcpu), world_tsc + 9000);
    lapic_write(vcpu, LAPIC_INITIAL_COUNT, 0);
    assert_int_equal(lapic_timer_deadline(vcpu), 0);
    assert_int_equal(lapic_read(vcpu, LAPIC_CURRENT_COUNT), 0);
    world_tsc += 100000;
    lapic_timer_expire(vcpu, world_tsc);
    assert_false(lapic_any_request(&vcpu->lapic));
}

static void test_write_just_after_expiry_keeps_the_tick(void **state)
{
    (void)state;
    start(VECTOR, DIVIDE_BY_1, 5000);
    world_tsc += 5001;
    lapic_write(vcpu, LAPIC_INITIAL_COUNT, 5000);
    assert_int_equal(world_take_interrupt(vcpu), VECTOR);
    assert_int_equal(lapic_timer_deadline(vcpu), world_tsc + 5000);
}

static void test_divide_in_mid_count(void **state)
{
    (void)state;
    start(VECTOR, DIVIDE_BY_1, 8000);
    world_tsc += 2000;
    lapic_write(vcpu, LAPIC_DIVIDE, 1); /* by 4 */
    assert_int_equal(lapic_read(vcpu, LAPIC_CURRENT_COUNT), 6000);
    assert_int_equal(lapic_timer_deadline(vcpu), world_tsc + 24000);
    lapic_write(vcpu, LAPIC_INITIAL_COUNT, 0);
    lapic_write(vcpu, LAPIC_DIVIDE, 0); /* of a timer that stands still: starts nothing */
    assert_int_equal(lapic_timer_deadline(vcpu), 0);
}

static void test_masked(void **state)
{
    (void)state;
    start(LVT_MASKED | VECTOR, DIVIDE_BY_1, 5000);
    assert_int_equal(lapic_timer_deadline(vcpu), 0); /* nobody waits for it */
    world_tsc += 2000;
    assert_int_equal(lapic_read(vcpu, LAPIC_CURRENT_COUNT), 3000);
    lapic_write(vcpu, LAPIC_LVT_TIMER, VECTOR);
    assert_int_equal(lapic_timer_deadline(vcpu), 6000);
    lapic_write(vcpu, LAPIC_LVT_TIMER, LVT_MASKED | VECTOR);
    world_tsc = 7000;
    lapic_write(vcpu, LAPIC_LVT_TIMER, VECTOR); /* what came while masked is lost */
    assert_false(lapic_any_request(&vcpu->lapic));
    assert_int_equal(lapic_timer_deadline(vcpu), 0);

    start(LVT_MASKED | LVT_PERIODIC | VECTOR, DIVIDE_BY_1, 100000);
    uint64_t began = world_tsc;
    world_tsc += 1000 * 100000ull + 60000;
    assert_int_equal(lapic_read(vcpu, LAPIC_CURRENT_COUNT), 40000);
    lapic_write(vcpu, LAPIC_LVT_TIMER, LVT_PERIODIC | VECTOR);
    assert_false(lapic_any_request(&vcpu->lapic));
    assert_int_equal(lapic_timer_deadline(vcpu), began + 1001 * 100000ull);
}

static void test_mode_change_in_mid_count(void **state)
{
    (void)state;
    start(LVT_PERIODIC | VECTOR, DIVIDE_BY_1, 100000);
    uint64_t began = world_tsc;
    world_tsc += 130000; /* one tick is due */
    lapic_write(vcpu, LAPIC_LVT_TIMER, VECTOR);
    assert_int_equal(world_take_interrupt(vcpu), VECTOR);
    lapic_write(vcpu, LAPIC_EOI, 0);
    assert_int_equal(lapic_timer_deadline(vcpu), began + 200000);
    assert_int_equal(ticks_until(began + 10000000), 1);
    start(VECTOR, DIVIDE_BY_1, 100000);
    began = world_tsc;
    lapic_write(vcpu, LAPIC_LVT_TIMER, LVT_PERIODIC | VECTOR);
    assert_int_equal(ticks_until(began + 1000000), 10);
}

static void test_tick_held_by_software_disable(void **state)
{
    (void)state;
    start(LVT_PERIODIC | VECTOR, DIVIDE_BY_1, 100000);
    lapic_write(vcpu, LAPIC_SVR, 0xff);
    assert_int_equal(lapic_timer_deadline(vcpu), 0);
    world_tsc += 1000000;
    lapic_timer_expire(vcpu, world_tsc);
    assert_false(lapic_any_request(&vcpu->lapic));
}

static void test_illegal_vector(void **state)
{
    (void)state;
    start(5, DIVIDE_BY_1, 100);
    world_tsc += 100;
    lapic_timer_expire(vcpu, world_tsc);
    assert_false(lapic_any_request(&vcpu->lapic));
    assert_int_equal(vcpu->lapic.esr_pending, ESR_RECEIVE_ILLEGAL_VECTOR);
}

static void test_reset_stops(void **state)
{
    (void)state;
    start(VECTOR, DIVIDE_BY_1, 5000);
    lapic_reset(vcpu, true);
    assert_int_equal(vcpu->lapic.timer_deadline, 0);
    assert_int_equal(lapic_read(vcpu, LAPIC_CURRENT_COUNT), 0);
}

/* A processor that serves the page writes first and tells then: what was due follows the old registers. */
static void test_written_in_the_page(void **state)
{
    (void)state;
    start(VECTOR, DIVIDE_BY_1, 8000);
    world_tsc += 2000;
    lapic_set(&vcpu->lapic, LAPIC_DIVIDE, 1);
    lapic_write(vcpu, LAPIC_DIVIDE, 1); /* by 4 */
    assert_int_equal(lapic_timer_deadline(vcpu), world_tsc + 4 * 6000);
    world_tsc += 4 * 6000;
    lapic_set(&vcpu->lapic, LAPIC_LVT_TIMER, LVT_MASKED | (VECTOR + 1));
    lapic_write(vcpu, LAPIC_LVT_TIMER, LVT_MASKED | (VECTOR + 1));
    assert_int_equal(world_take_interrupt(vcpu), VECTOR);
    assert_int_equal(lapic_timer_deadline(vcpu), 0);
}

/* What a timer has left stays when the guest's clock has stood for a while, whatever the host's has done. */
static void test_clock_that_stood(void **state)
{
    (void)state;
    world_vm.clock_offset = 7000;
    start(VECTOR, DIVIDE_BY_1, 5000);
    assert_int_equal(lapic_timer_deadline(vcpu), world_tsc + 5000);
    world_tsc += 2000 + 1000000;
    world_vm.clock_offset -= 1000000;
    assert_int_equal(lapic_read(vcpu, LAPIC_CURRENT_COUNT), 3000);
    assert_int_equal(lapic_timer_deadline(vcpu), world_tsc + 3000);
    lapic_timer_expire(vcpu, world_tsc + 2999 + world_vm.clock_offset);
    assert_false(lapic_any_request(&vcpu->lapic));
    lapic_timer_expire(vcpu, world_tsc + 3000 + world_vm.clock_offset);
    assert_int_equal(world_take_interrupt(vcpu), VECTOR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_written_in_the_page, world_reset),
        cmocka_unit_test_setup(test_one_shot, world_reset),
        cmocka_unit_test_setup(test_host_is_told, world_reset),
        cmocka_unit_test_setup(test_divisors, world_reset),
        cmocka_unit_test_setup(test_other_tsc_rates, world_reset),
        cmocka_unit_test_setup(test_current_count, world_reset),
        cmocka_unit_test_setup(test_periodic_does_not_drift, world_reset),
        cmocka_unit_test_setup(test_periodic_count_starts_over, world_reset),
        cmocka_unit_test_setup(test_missed_ticks_merge, world_reset),
        cmocka_unit_test_setup(test_expiry_at_a_deadline_is_not_two, world_reset),
        cmocka_unit_test_setup(test_tiny_periods_are_bounded, world_reset),
        cmocka_unit_test_setup(test_stop_and_restart, world_reset),
        cmocka_unit_test_setup(test_write_just_after_expiry_keeps_the_tick, world_reset),
        cmocka_unit_test_setup(test_divide_in_mid_count, world_reset),
        cmocka_unit_test_setup(test_masked, world_reset),
        cmocka_unit_test_setup(test_mode_change_in_mid_count, world_reset),
        cmocka_unit_test_setup(test_tick_held_by_software_disable, world_reset),
        cmocka_unit_test_setup(test_illegal_vector, world_reset),
        cmocka_unit_test_setup(test_reset_stops, world_reset),
        cmocka_unit_test_setup(test_clock_that_stood, world_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
