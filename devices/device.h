/*
 * struct device: what each device of the emulated PC registers (docs/design.md, sections 1 and 7).
 *
 * A device is a plain struct and functions over it. Its state block holds no pointer, lies inside struct pc
 * in pages that outlive the process, and is its own save record. All effects leave through effects.h. There
 * are no optional members: a device that cannot be checked, reset or inspected does not register.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum io_space {
    IO_PORT,
    IO_MEMORY,
    IO_CONFIG, /* PCI configuration space of the device's own function; offset is the register */
};

/* Access widths that a region takes, in bytes, or'ed: the bus splits and merges all others. */
enum { WIDTH_1 = 1, WIDTH_2 = 2, WIDTH_4 = 4, WIDTH_ANY = 7 };

/*
 * One access as a device sees it: naturally aligned, inside one region, of a width that the region takes.
 * A read arrives with value all ones; bits above the width are ignored.
 */
struct io {
    uint32_t offset; /* from the base of the region */
    uint32_t value;
    uint8_t space;  /* enum io_space */
    uint8_t size;   /* 1, 2, 4 */
    uint8_t region; /* index in device.region */
    bool write;
};

/* A range of ports or of guest-physical addresses. base 0: movable, not mapped until effect_region(); length
 * is then the longest. */
struct device_region {
    uint64_t base;
    uint32_t length; /* bytes */
    uint8_t space;   /* IO_PORT, IO_MEMORY */
    uint8_t widths;
};

enum { DEVICE_REGIONS_MAX = 8 };

/* What a timer does with ticks for which it was called too late. */
enum missed_ticks {
    TICKS_NONE,     /* the device has no timer */
    TICKS_CATCH_UP, /* each one is delivered: a guest counts them */
    TICKS_MERGE,    /* one stands for all */
};

#define DEADLINE_NONE UINT64_MAX

/* A device's place in the machine; const, one for each instance. */
struct device_slot {
    const struct device *device;
    uint32_t state_offset; /* of the state block in struct pc */
    uint16_t devfn;        /* PCI device << 3 | function, or DEVFN_NONE */
    uint16_t unit;         /* number among the instances of this device */
};

enum { DEVFN_NONE = 0xffff };

struct inspector;

struct device {
    const char *name;
    uint32_t state_size;
    uint32_t region_count;
    struct device_region region[DEVICE_REGIONS_MAX];
    /* State after power-on or reset; the block comes zeroed. May ask effects for the guest's description. */
    void (*reset)(void *state, const struct device_slot *slot);
    /* One access. A read that the device does not answer leaves value as it is. */
    void (*io)(void *state, struct io *io);
    /* Holds a block that comes from outside (restart, restore) against the device's invariants, so that no
     * value of it can lead an access astray. NULL, or the name of the broken rule. */
    const char *(*check)(const void *state);
    /* Shows the registers by name. */
    void (*inspect)(const void *state, struct inspector *inspector);
    enum missed_ticks missed_ticks;
    /* Guest time in ns at which tick wants to be called, or DEADLINE_NONE; asked after each io and tick. */
    uint64_t (*deadline)(const void *state);
    void (*tick)(void *state, uint64_t now);
};

/* deadline and tick of a device with TICKS_NONE. */
uint64_t device_no_deadline(const void *state);
void device_no_tick(void *state, uint64_t now);

/* Where inspect() reports: whoever inspects supplies the function. */
struct inspector {
    void (*field)(struct inspector *inspector, const char *name, uint64_t value);
};
