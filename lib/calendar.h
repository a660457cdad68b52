/* The Gregorian calendar, in seconds since 1970-01-01 00:00 UTC. */
#pragma once

#include <stdint.h>

struct calendar {
    uint32_t year;                 /* 1970-9999 */
    uint32_t month, day;           /* from 1 */
    uint32_t hour, minute, second; /* from 0 */
    uint32_t weekday;              /* 0 is Sunday */
};

struct calendar calendar_of(uint64_t seconds);
/* Members out of range are carried into the next higher one, as far as they can be; before 1970 counts as
 * 1970. */
uint64_t calendar_seconds(const struct calendar *calendar);
