/* The real-time clock with CMOS RAM: state block. See cmos_clock.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "device.h"

enum { RTC_CMOS_SIZE = 128 };

struct rtc {
    uint64_t base_seconds; /* date shown at base_time, in seconds since 1970 */
    uint64_t base_time; /* guest time in ns; unsigned difference, may lie in the future of an early guest */
    uint64_t settled;   /* guest time up to which the flags are right */
    uint64_t retry;     /* guest time at which an owed periodic interrupt is tried again */
    uint32_t owed;      /* periodic interrupts that the guest has not had yet */
    uint8_t index;      /* port 0x70 */
    uint8_t irq;        /* level of IRQ 8 */
    uint8_t reserved[2];
    uint8_t cmos[RTC_CMOS_SIZE]; /* time registers count only while the clock stands */
};

extern const struct device rtc_device;

/* After a reset that is not a power-on: the CMOS bytes that the battery keeps. The date follows the host's in
 * either case. */
void rtc_keep_battery(struct rtc *rtc, const struct rtc *before);
