/* The host's date. */
#pragma once

#include <stdint.h>

/* Seconds since 1970-01-01 UTC from the MC146818 RTC, read once at boot; guests' RTCs start from it. */
uint64_t rtc_read_epoch(void);
extern uint64_t boot_epoch;
