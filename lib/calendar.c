/*
 * Dates of the real-time clock. Years are counted from March, so that the leap day is the last of its year,
 * in eras of 400 years, which all have 146097 days.
 */
#include "calendar.h"

enum {
    SECONDS_PER_DAY = 86400,
    DAYS_PER_ERA = 146097,
    DAYS_TO_1970 = 719468, /* from 0000-03-01 */
    YEAR_MAX = 9999,
};

/* Days before a month of the year that starts in March (month 0). */
static uint32_t days_before(uint32_t month)
{
    return (153 * month + 2) / 5;
}

struct calendar calendar_of(uint64_t seconds)
{
    uint64_t days = seconds / SECONDS_PER_DAY, second = seconds % SECONDS_PER_DAY;
    uint64_t day = days + DAYS_TO_1970, era = day / DAYS_PER_ERA;
    uint32_t of_era = (uint32_t)(day % DAYS_PER_ERA);
    uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint32_t month = (5 * of_year + 2) / 153;
    return (struct calendar){
        .year = (uint32_t)(era * 400 + year + (month >= 10)),
        .month = month < 10 ? month + 3 : month - 9,
        .day = of_year - days_before(month) + 1,
        .hour = (uint32_t)(second / 3600),
        .minute = (uint32_t)(second / 60 % 60),
        .second = (uint32_t)(second % 60),
        .weekday = (uint32_t)((days + 4) % 7),
    };
}

uint64_t calendar_seconds(const struct calendar *c)
{
    uint32_t year = c->year < 1970 ? 1970 : c->year > YEAR_MAX ? YEAR_MAX : c->year;
    uint32_t month = (c->month + 11) % 12, day = c->day ? c->day - 1 : 0;
    uint32_t from_march = (month + 10) % 12;
    uint64_t counted = year - (month < 2); /* January and February belong to the year before */
    uint64_t of_era =
        counted % 400 * 365 + counted % 400 / 4 - counted % 400 / 100 + days_before(from_march) + day;
    uint64_t days = counted / 400 * DAYS_PER_ERA + of_era;
    days = days > DAYS_TO_1970 ? days - DAYS_TO_1970 : 0;
    return days * SECONDS_PER_DAY + c->hour * 3600ull + c->minute * 60ull + c->second;
}
