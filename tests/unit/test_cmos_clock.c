/*
 * The real-time clock against the MC146818 data sheet, and the calendar under it.
 *
 * sources: devices/cmos_clock.c lib/calendar.c devices/boot_order.c lib/format.c devices/bus.c
 * sources: lib/ide_places.c lib/image_floppy.c
 * sources: tests/unit/host_effects.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "calendar.h"
#include "host_effects.h"
#include "cmos_clock.h"

enum { A = 10, B = 11, C = 12, D = 13 };
#define SECOND 1000000000ull
#define EPOCH  1700000000ull /* 2023-11-14 22:13:20 UTC, a Tuesday */

static struct rtc rtc;

static void put(uint8_t index, uint8_t value)
{
    host_out(&rtc_device, &rtc, 0x70, 1, index);
    host_out(&rtc_device, &rtc, 0x71, 1, value);
}

static uint8_t get(uint8_t index)
{
    host_out(&rtc_device, &rtc, 0x70, 1, index);
    return (uint8_t)host_in(&rtc_device, &rtc, 0x71, 1);
}

static int set_up(void **state)
{
    (void)state;
    host_reset();
    host.epoch = EPOCH;
    host.config.memory_mib = 256;
    host.config.cpu_count = 2;
    host_device_reset(&rtc_device, &rtc);
    return 0;
}

static bool leap(uint32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Day by day through 450 years, counted as on paper. */
static void calendar_counts_days(void **state)
{
    (void)state;
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint32_t year = 1970, month = 1, day = 1, weekday = 4;
    for (uint64_t s = 12345; year < 2420; s += 86400) {
        struct calendar c = calendar_of(s);
        assert_int_equal(c.year, year);
        assert_int_equal(c.month, month);
        assert_int_equal(c.day, day);
        assert_int_equal(c.weekday, weekday);
        assert_int_equal(c.hour, 3);
        assert_int_equal(c.minute, 25);
        assert_int_equal(c.second, 45);
        assert_int_equal(calendar_seconds(&c), s);
        weekday = (weekday + 1) % 7;
        if (++day > lengths[month - 1] + (uint32_t)(month == 2 && leap(year))) {
            day = 1;
            month++;
        }
        if (month > 12) {
            month = 1;
            year++;
        }
    }
    struct calendar wild = {.year = 5, .month = 99, .day = 165, .hour = 165, .minute = 165, .second = 165};
    calendar_seconds(&wild);
    wild = (struct calendar){.year = UINT32_MAX, .month = 0, .day = 0};
    calendar_seconds(&wild);
}

static void shows_the_date(void **state)
{
    (void)state;
    host.now = 5 * SECOND;
    assert_int_equal(get(0), 0x25);
    assert_int_equal(get(2), 0x13);
    assert_int_equal(get(4), 0x22);
    assert_int_equal(get(6), 3);
    assert_int_equal(get(7), 0x14);
    assert_int_equal(get(8), 0x11);
    assert_int_equal(get(9), 0x23);
    assert_int_equal(get(0x32), 0x20);
    put(B, 0x04); /* binary, 12 hours */
    assert_int_equal(get(0), 25);
    assert_int_equal(get(4), 0x80 | 10);
    put(B, 0x00); /* decimal, 12 hours */
    assert_int_equal(get(4), 0x80 | 0x10);
    assert_int_equal(get(D), 0x80);
}

static void setting_the_date(void **state)
{
    (void)state;
    put(B, 0x82);
    static const uint8_t date[][2] = {{0, 0x58}, {2, 0x59}, {4, 0x23},   {7, 0x28},
                                      {8, 0x02}, {9, 0x24}, {0x32, 0x20}};
    for (unsigned i = 0; i < 7; i++)
        put(date[i][0], date[i][1]);
    host.now += 10 * SECOND; /* it stands */
    assert_int_equal(get(0), 0x58);
    put(B, 0x02);
    host.now += 2 * SECOND;
    assert_int_equal(get(4), 0x00);
    assert_int_equal(get(7), 0x29); /* 2024 is a leap year */
    assert_int_equal(get(6), 5);    /* a Thursday */
    /* While it runs, too; the fraction of the second stays. */
    host.now += SECOND / 2;
    put(0, 0x30);
    host.now += SECOND / 2;
    assert_int_equal(get(0), 0x31);
    /* 12-hour forms: 12 AM is 0, 12 PM is noon. */
    put(B, 0x80);
    put(4, 0x12);
    put(B, 0x00);
    put(B, 0x02);
    assert_int_equal(get(4), 0x00);
    put(B, 0x80);
    put(4, 0x92);
    put(B, 0x00);
    assert_int_equal(get(4), 0x92);
    put(B, 0x02);
    assert_int_equal(get(4), 0x12);
}

static void divider_reset_stops_it(void **state)
{
    (void)state;
    put(A, 0x66);
    host.now += 10 * SECOND;
    put(A, 0x26);
    uint8_t second = get(0);
    assert_int_equal(second, 0x20);
    host.now += SECOND / 2 - 1;
    assert_int_equal(get(0), 0x20);
    host.now += 1; /* the first update comes after half a second */
    assert_int_equal(get(0), 0x21);
}

static void update_in_progress(void **state)
{
    (void)state;
    host.now = SECOND - 2229000;
    assert_int_equal(get(A), 0x26);
    host.now = SECOND - 2227000;
    assert_int_equal(get(A), 0xa6);
    host.now = SECOND;
    assert_int_equal(get(A), 0x26);
    put(B, 0x82);
    host.now = 2 * SECOND - 1000;
    assert_int_equal(get(A), 0x26);
}

static void update_interrupt(void **state)
{
    (void)state;
    host.now = SECOND / 4;
    put(B, 0x12);
    assert_int_equal(rtc_device.deadline(&rtc), SECOND);
    host_run(&rtc_device, &rtc, SECOND);
    assert_int_equal(host.irq[8], 1);
    assert_int_equal(rtc_device.deadline(&rtc), DEADLINE_NONE); /* not again before it is read */
    assert_int_equal(get(C), 0xd0);                             /* a period has passed, too */
    assert_int_equal(host.irq[8], 0);
    assert_int_equal(get(C), 0);
    host_run(&rtc_device, &rtc, SECOND);
    assert_int_equal(host.irq_rises[8], 2);
    put(B, 0x92); /* SET clears UIE */
    assert_int_equal(get(B), 0x82);
}

static void flags_without_interrupts(void **state)
{
    (void)state;
    host.now = 2 * SECOND;
    assert_int_equal(get(C), 0x50); /* update and period have passed */
    assert_int_equal(host.irq_rises[8], 0);
    assert_int_equal(rtc_device.deadline(&rtc), DEADLINE_NONE);
}

static void periodic_interrupt(void **state)
{
    (void)state;
    put(A, 0x2f); /* 2 Hz */
    put(B, 0x42);
    get(C);
    for (unsigned i = 1; i <= 4; i++) {
        assert_int_equal(rtc_device.deadline(&rtc), i * SECOND / 2);
        host.now = i * SECOND / 2;
        rtc_device.tick(&rtc, host.now);
        assert_int_equal(host.irq[8], 1);
        assert_int_equal(get(C) & 0xc0, 0xc0);
    }
    put(A, 0x26); /* 1024 Hz: count a second's */
    unsigned interrupts = 0;
    for (uint64_t end = host.now + SECOND; rtc_device.deadline(&rtc) <= end;) {
        if (rtc_device.deadline(&rtc) > host.now)
            host.now = rtc_device.deadline(&rtc);
        rtc_device.tick(&rtc, host.now);
        interrupts += get(C) >> 7;
    }
    assert_in_range(interrupts, 1023, 1025);
    put(A, 0x20); /* rate 0: none */
    assert_int_equal(rtc_device.deadline(&rtc), DEADLINE_NONE);
    put(A, 0x21); /* rate 1 is 256 Hz */
    assert_in_range(rtc_device.deadline(&rtc) - host.now, 1, SECOND / 256 + 1);
}

static void missed_periods_are_caught_up(void **state)
{
    (void)state;
    put(A, 0x2a); /* 64 Hz */
    put(B, 0x42);
    get(C);
    host.now = SECOND; /* 64 periods, and nobody has called */
    rtc_device.tick(&rtc, host.now);
    assert_int_equal(rtc.owed, 63);
    unsigned interrupts = 1;
    get(C);
    for (uint64_t end = 2 * SECOND; rtc_device.deadline(&rtc) <= end;) {
        if (rtc_device.deadline(&rtc) > host.now)
            host.now = rtc_device.deadline(&rtc);
        rtc_device.tick(&rtc, host.now);
        interrupts += get(C) >> 7;
    }
    assert_int_equal(interrupts, 128);
    assert_int_equal(rtc.owed, 0);
}

static void alarm_interrupt(void **state)
{
    (void)state;
    put(1, 0x30);
    put(3, 0x13);
    put(5, 0x22);
    put(B, 0x22);
    get(C);
    assert_int_equal(rtc_device.deadline(&rtc), 10 * SECOND);
    host_run(&rtc_device, &rtc, 10 * SECOND);
    assert_int_equal(host.irq[8], 1);
    assert_int_equal(get(C) & 0xa0, 0xa0);
    assert_int_equal(rtc_device.deadline(&rtc), 10 * SECOND + 86400 * SECOND); /* tomorrow */
    put(5, 0xff);                                                              /* each hour */
    assert_int_equal(rtc_device.deadline(&rtc), 10 * SECOND + 3600 * SECOND);
    put(3, 0xc0); /* each minute */
    assert_int_equal(rtc_device.deadline(&rtc), 70 * SECOND);
    put(1, 0xc0); /* each second */
    assert_int_equal(rtc_device.deadline(&rtc), 11 * SECOND);
    put(1, 0x75); /* never */
    assert_int_equal(rtc_device.deadline(&rtc), DEADLINE_NONE);
}

static void cmos_describes_the_machine(void **state)
{
    (void)state;
    assert_int_equal(get(0x15) | get(0x16) << 8, 640);
    assert_int_equal(get(0x17) | get(0x18) << 8, 0xffff);
    assert_int_equal(get(0x34) | get(0x35) << 8, (256 - 16) * 16);
    assert_int_equal(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, 0);
    assert_int_equal(get(0x5f), 1);
    unsigned sum = 0;
    for (uint8_t i = 0x10; i <= 0x2d; i++)
        sum += get(i);
    assert_int_equal(get(0x2e) << 8 | get(0x2f), sum & 0xffff);
    host.config.memory_mib = 4096;
    host_device_reset(&rtc_device, &rtc);
    assert_int_equal(get(0x34) | get(0x35) << 8, (3072 - 16) * 16);
    assert_int_equal(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, 1024 * 16);
    put(0x40, 0x77);
    assert_int_equal(get(0xc0), 0x77); /* bit 7 of the index is the NMI mask */
    assert_int_equal(host_in(&rtc_device, &rtc, 0x70, 1), 0xff);
    put(D, 0);
    assert_int_equal(host.needs[NEED_IGNORED], 1);
}

static void check_refuses_bad_state(void **state)
{
    (void)state;
    assert_null(rtc_device.check(&rtc));
    rtc.index = 128;
    assert_non_null(rtc_device.check(&rtc));
    rtc.index = 0;
    rtc.owed = 1001;
    assert_non_null(rtc_device.check(&rtc));
    rtc.owed = 0;
    rtc.cmos[A] |= 0x80;
    assert_non_null(rtc_device.check(&rtc));
    assert_int_equal(host_field(&rtc_device, &rtc, "seconds"), EPOCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calendar_counts_days),
        cmocka_unit_test_setup(shows_the_date, set_up),
        cmocka_unit_test_setup(setting_the_date, set_up),
        cmocka_unit_test_setup(divider_reset_stops_it, set_up),
        cmocka_unit_test_setup(update_in_progress, set_up),
        cmocka_unit_test_setup(update_interrupt, set_up),
        cmocka_unit_test_setup(flags_without_interrupts, set_up),
        cmocka_unit_test_setup(periodic_interrupt, set_up),
        cmocka_unit_test_setup(missed_periods_are_caught_up, set_up),
        cmocka_unit_test_setup(alarm_interrupt, set_up),
        cmocka_unit_test_setup(cmos_describes_the_machine, set_up),
        cmocka_unit_test_setup(check_refuses_bad_state, set_up),
    };
    return cmocka_run_group_tests_name("cmos_clock", tests, NULL, NULL);
}
