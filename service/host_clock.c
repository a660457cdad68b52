/*
 * The host's date (MC146818 data sheet): waits out an update in progress, binary or BCD, 12 or 24 hours. The
 * monitor opens the two ports to this process.
 */
#include "calendar.h"
#include "ports.h"
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
/* The century's register is where each board has it; two digits mean 1980 to 2079. */
enum { CENTURY = 2000, FIRST_YEAR = 80 };

static uint8_t cmos_read(uint8_t index)
{
    port_write(RTC_INDEX, index);
    return port_read(RTC_DATA);
}

static uint32_t number(uint8_t value, bool binary)
{
    return binary ? value : (value >> 4) * 10u + (value & 15);
}

uint64_t host_epoch_read(void)
{
    for (unsigned i = 0; i < 100000 && cmos_read(STATUS_A) & RTC_UPDATING; i++) {
    }
    uint8_t status = cmos_read(STATUS_B);
    bool binary = status & RTC_BINARY;
    uint8_t raw_hours = cmos_read(HOURS);
    uint32_t hours = number(raw_hours & 0x7f, binary);
    if (!(status & RTC_24_HOURS))
        hours = hours % 12 + (raw_hours & RTC_PM ? 12 : 0);
    uint32_t year = number(cmos_read(YEAR), binary);
    const struct calendar date = {
        .year = CENTURY + year - (year >= FIRST_YEAR ? 100 : 0),
        .month = number(cmos_read(MONTH), binary),
        .day = number(cmos_read(DAY), binary),
        .hour = hours,
        .minute = number(cmos_read(MINUTES), binary),
        .second = number(cmos_read(SECONDS), binary),
    };
    return calendar_seconds(&date);
}
