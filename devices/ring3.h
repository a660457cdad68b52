/* The device model's own surroundings in ring 3: where the monitor maps what it shares. Only main.c and
 * effects_ring3.c know it; devices do not. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "channel.h"
#include "guest_config.h"
#include "layout.h"
#include "pc.h"
#include "process_info.h"

static inline struct pc *ring3_pc(void)
{
    return (struct pc *)USER_STATE;
}

static inline const struct process_info *ring3_info(void)
{
    return (const struct process_info *)USER_INFO;
}

static inline const struct guest_config *ring3_config(void)
{
    return (const struct guest_config *)USER_CONFIG;
}

static inline struct channel *ring3_channel(void)
{
    return (struct channel *)USER_CHANNEL;
}

/* Bytes of guest-physical address space from 0 (the VGA hole included), and of RAM from GUEST_HIGH_RAM. */
static inline uint64_t ring3_low_size(void)
{
    uint64_t size = (uint64_t)ring3_config()->memory_mib << 20;
    return size < GUEST_LOW_RAM_MAX ? size : GUEST_LOW_RAM_MAX;
}

static inline uint64_t ring3_high_size(void)
{
    return ((uint64_t)ring3_config()->memory_mib << 20) - ring3_low_size();
}

/* All of [gpa, gpa + length) as the guest sees it, where it has these rights (enum memory_rights) in all of
 * it; or NULL. */
void *ring3_memory(uint64_t gpa, uint64_t length, unsigned rights);

/* Before and after each upcall: forgets the time; tells the monitor the next deadline and the service of
 * output. */
void effects_begin(void);
void effects_end(void);
/* Within an upcall, before one more access to a device: a new time, and what is due until then happens. */
void effects_renew(void);
/* Whether something has happened in this upcall that the guest is to see before it goes on: an interrupt, its
 * end, a rest. */
bool effects_seen(void);
/* The host's time stamp counter. */
uint64_t effect_read_tsc(void);
