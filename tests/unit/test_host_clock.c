/*
 * The host's date (service/host_clock.c), from a CMOS of the test's own.
 *
 * sources: lib/calendar.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "service_ports.h"
#include "../../service/host_clock.c"

static uint8_t cmos[128], selected;
static unsigned updating;

static uint8_t port_read(uint16_t port)
{
    assert_int_equal(port, RTC_DATA);
    if (selected == STATUS_A && updating > 0 && --updating > 0)
        return RTC_UPDATING;
    assert_int_equal(updating, 0);
    return cmos[selected];
}

static void port_write(uint16_t port, uint8_t value)
{
    assert_int_equal(port, RTC_INDEX);
    selected = value;
}

static void set(uint8_t year, uint8_t month, uint8_t day, uint8_t hours, uint8_t minutes, uint8_t seconds,
                uint8_t status)
{
    memset(cmos, 0, sizeof cmos);
    cmos[YEAR] = year;
    cmos[MONTH] = month;
    cmos[DAY] = day;
    cmos[HOURS] = hours;
    cmos[MINUTES] = minutes;
    cmos[SECONDS] = seconds;
    cmos[STATUS_B] = status;
    updating = 3;
}

static void test_forms(void **state)
{
    (void)state;
    set(0x26, 0x11, 0x28, 0x14, 0x05, 0x59, RTC_24_HOURS);
    assert_int_equal(host_epoch_read(), 1795874759);
    set(26, 11, 28, 14, 5, 59, RTC_24_HOURS | RTC_BINARY);
    assert_int_equal(host_epoch_read(), 1795874759);
    set(0x26, 0x11, 0x28, 0x02 | RTC_PM, 0x05, 0x59, 0);
    assert_int_equal(host_epoch_read(), 1795874759);
    set(0x26, 0x11, 0x28, 0x12, 0x05, 0x59, 0); /* five past midnight */
    assert_int_equal(host_epoch_read(), 1795874759 - 14 * 3600);
}

static void test_centuries(void **state)
{
    (void)state;
    set(0x99, 0x12, 0x31, 0x23, 0, 0, RTC_24_HOURS);
    assert_int_equal(host_epoch_read(), 946681200);
    set(0x79, 0x12, 0x31, 0x23, 0, 0, RTC_24_HOURS);
    assert_int_equal(host_epoch_read(), 3471289200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms), cmocka_unit_test(test_centuries)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
