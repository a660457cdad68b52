/*
 * The bus: which device answers to a port or to a guest-physical address, and the splitting and merging of
 * access widths, once for all devices.
 *
 * struct bus is the first member of struct pc, so that the state blocks of all devices are at offsets from it
 * and the map itself holds no pointer. The table of devices is const: bus_slots, in pc.c, or in a test.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "device.h"

enum {
    BUS_REGIONS_MAX = 64,
    BUS_PORT_TABLE = 0x1000, /* ports below are found by index */
    BUS_SLOTS_MAX = 40,
    BUS_NOBODY = 0xff,
};

/* One mapped region. length 0: not in use. */
struct bus_region {
    uint64_t base;
    uint32_t length;
    uint8_t space;
    uint8_t widths;
    uint8_t slot;
    uint8_t index; /* in device.region */
};

struct bus {
    uint32_t region_count;
    uint32_t recent;                  /* region of the last access outside the port table */
    uint64_t deadline[BUS_SLOTS_MAX]; /* of each device with a timer */
    uint64_t next_deadline;           /* the nearest of them */
    struct bus_region region[BUS_REGIONS_MAX];
    uint8_t port[BUS_PORT_TABLE]; /* index of the region, or BUS_NOBODY */
};

extern const struct device_slot bus_slots[];
extern const unsigned bus_slot_count;

/* Zeroes and resets all devices and maps their fixed regions. */
void bus_reset(struct bus *bus);
/* Holds the map and every state block against their rules. NULL, or the broken rule; *device is its owner. */
const char *bus_check(const struct bus *bus, const char **device);

/* An access of 1, 2, 4 or 8 bytes (ports: up to 4) at any alignment. A read that nobody claims returns all
 * ones in its bytes. Unclaimed accesses are counted as needs. */
uint64_t bus_read(struct bus *bus, enum io_space space, uint64_t address, unsigned size);
void bus_write(struct bus *bus, enum io_space space, uint64_t address, unsigned size, uint64_t value);

/* The first of `count` accesses of a string instruction to one port, from or to `bytes`, as far as the device
 * takes them at once; returns how many there were, maybe 0. The others are made one by one. */
uint32_t bus_block(struct bus *bus, uint16_t port, unsigned size, uint8_t *bytes, uint32_t count, bool write);

/* An access to the configuration space of a PCI function: io.offset, size, write, value. */
void bus_config_io(struct bus *bus, uint16_t devfn, struct io *io);
/* What effect_region() does. */
void bus_map(struct bus *bus, const void *state, unsigned region, uint64_t base, uint32_t length);

/* Calls the tick function of each device whose deadline has passed. */
void bus_tick(struct bus *bus, uint64_t now);
/* Asks a device for its deadline again, after its state was changed from outside an access. */
void bus_refresh(struct bus *bus, const void *state);

static inline void *bus_state(struct bus *bus, const struct device_slot *slot)
{
    return (uint8_t *)bus + slot->state_offset;
}
