/* The high precision event timers: state block. See hpet.c. */
#pragma once

#include <stdint.h>
#include "device.h"

enum { HPET_TIMERS = 3 };
#define HPET_BASE         0xfed00000u
#define HPET_CAPABILITIES 0x8086a201u /* the low half of the register, which the ACPI table repeats */

struct hpet_timer {
    uint64_t comparator;
    uint64_t period; /* in periodic mode, what the comparator goes on by */
    uint64_t next;   /* guest time in ns of its next match, or DEADLINE_NONE */
    uint32_t config; /* the low half of its register; the high one is const */
    uint8_t line;    /* level of its interrupt line */
    uint8_t setting; /* the high half that comes next belongs to a value set by SETVAL */
    uint8_t reserved[2];
};

struct hpet {
    uint64_t counter; /* while the counter stands; what it was at guest time `since` while it runs */
    uint64_t since;   /* ns */
    uint32_t config;
    uint32_t status; /* a bit for each level-triggered timer that asks for service */
    struct hpet_timer timer[HPET_TIMERS];
};

extern const struct device hpet_device;
