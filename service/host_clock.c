/*
 * The host's date (MC146818 data sheet): waits out an update in progress, binary or BCD, 12 or 24 hours. The
 * monitor opens the two ports to this process.
 */
#include "service.h"

enum {
    RTC_INDEX = 0x70,
    RTC_DATA = 0x71,
    RTC_UPDATING = 0x80,
    RTC_BINARY = 4,
    RTC_24_HOURS = 2,
    RTC_PM = 0x80
};
enum { SECONDS, MINUTES = 2, HOURS = 4, DAY = 7, MONTH = 8, YEAR = 9, STATUS_A = 10, STATUS_B = 11 };

static uint8_t cmos_read(uint8_t index)
{
    uint8_t value;
    __asm__ volatile("outb %0, %1" : : "a"(index), "Nd"((uint16_t)RTC_INDEX));
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"((uint16_t)RTC_DATA));
    return value;
}

static uint64_t number(uint8_t value, bool binary)
{
    return binary ? value : (uint64_t)(value >> 4) * 10 + (value & 15);
}

uint64_t host_epoch_read(void)
{
    for (unsigned i = 0; i < 100000 && cmos_read(STATUS_A) & RTC_UPDATING; i++) {
    }
    uint8_t status = cmos_read(STATUS_B);
    bool binary = status & RTC_BINARY;
    uint8_t raw_hours = cmos_read(HOURS);
    uint64_t hours = number(raw_hours & 0x7f, binary);
    if (!(status & RTC_24_HOURS))
        hours = hours % 12 + (raw_hours & RTC_PM ? 12 : 0);
    uint64_t day = number(cmos_read(DAY), binary), month = number(cmos_read(MONTH), binary);
    uint64_t year = 2000 + number(cmos_read(YEAR), binary);
    /* Days from the civil calendar, with the year beginning in March. */
    year -= month <= 2;
    uint64_t day_of_year = (153 * (month + (month > 2 ? -3ull : 9)) + 2) / 5 + day - 1;
    uint64_t days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
    return days * 86400 + hours * 3600 + number(cmos_read(MINUTES), binary) * 60 +
           number(cmos_read(SECONDS), binary);
}
