/*
 * effects.h for tests and fuzzers: a clock that stands until the test moves it, and a recorder of what
 * devices do.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bus.h"
#include "device.h"
#include "effects.h"

enum {
    HOST_IRQS = 16,
    HOST_PINS = 8,
    HOST_MSIS = 64,
    HOST_CONSOLE = 4096,
    HOST_LOG = 256,
    HOST_EVENTS = 64,
    HOST_SPARE = GUEST_SPARE_MIB << 20,
    HOST_MAPS = 64,
};

struct host_msi {
    uint64_t address;
    uint32_t data;
};

/* Of effect_map(). */
struct host_map {
    uint64_t gpa, length;
    const uint8_t *from;
    unsigned rights;
};

struct host_effects {
    uint64_t now; /* ns */
    uint64_t epoch;
    uint8_t irq[HOST_IRQS];        /* sources that assert the line */
    unsigned irq_rises[HOST_IRQS]; /* of the joined line */
    bool timers_replaced;          /* what effect_irq_replace() was told */
    bool pin[HOST_PINS];           /* of the I/O APIC, from HOST_IRQS on */
    unsigned pin_rises[HOST_PINS];
    bool irq_waiting;      /* answer of effect_irq_waiting() */
    uint8_t pci_pins[256]; /* by function: a bit per pin that is asserted */
    bool intr;
    unsigned intr_changes;
    uint64_t rest;                  /* what effect_rest was last told */
    struct host_msi msi[HOST_MSIS]; /* the first of msi_count */
    unsigned msi_count;
    uint8_t *ram; /* guest-physical address 0 */
    uint64_t ram_size;
    /* Answers effect_dma(); NULL: every channel is masked. */
    uint32_t (*dma)(unsigned channel, bool to_memory, uint8_t *bytes, uint32_t length, bool *terminal);
    uint8_t *spare;                 /* HOST_SPARE bytes, or NULL */
    struct host_map map[HOST_MAPS]; /* the last of map_count */
    unsigned map_count;
    uint8_t output[HOST_CONSOLE];
    size_t output_length, output_room; /* room: bytes that the console still takes */
    const uint8_t *input;
    size_t input_length;
    uint32_t breaks, presses;
    struct input_event event[HOST_EVENTS]; /* what effect_input() gives: event_count of them */
    unsigned event_count;
    enum guest_end end; /* 0: not asked for */
    unsigned ends;
    unsigned processor_resets;
    bool a20_masked;
    uint32_t exit_value;
    unsigned needs[NEED_IGNORED + 1];
    uint64_t need_address; /* of the last one */
    struct bus *bus;       /* where effect_region() and effect_config_io() go; NULL: nowhere */
    struct guest_config config;
    uint8_t *disk[GUEST_DISKS_MAX];
    uint64_t disk_size[GUEST_DISKS_MAX];
    uint8_t *cd[GUEST_CDS_MAX];
    uint64_t cd_size[GUEST_CDS_MAX];
    uint8_t *floppy[GUEST_FLOPPIES_MAX];
    uint64_t floppy_size[GUEST_FLOPPIES_MAX];
    uint64_t disk_pages_left; /* of the overlay */
    uint64_t disk_prepared;   /* pages asked for */
    const uint8_t *file;      /* of any path; NULL: there is none */
    uint64_t file_size;
    char log[HOST_LOG]; /* the last line */
};

extern struct host_effects host;

/* Everything to zero; the console takes HOST_CONSOLE bytes, the overlay has room. */
void host_reset(void);

/* A device alone, without a bus: zeroes and resets its block, and accesses it by the ports or addresses of
 * its fixed regions. */
void host_device_reset(const struct device *device, void *state);
uint32_t host_in(const struct device *device, void *state, uint64_t address, unsigned size);
void host_out(const struct device *device, void *state, uint64_t address, unsigned size, uint32_t value);
/* Byte accesses to the ports of the device that a test is about. */
#define HOST_PORTS(device, block)                                                                            \
    static void out(uint16_t port, uint8_t value)                                                            \
    {                                                                                                        \
        host_out(&device, &block, port, 1, value);                                                           \
    }                                                                                                        \
    static uint8_t in(uint16_t port)                                                                         \
    {                                                                                                        \
        return (uint8_t)host_in(&device, &block, port, 1);                                                   \
    }
/* Moves the clock on and calls tick at each deadline on the way. */
void host_run(const struct device *device, void *state, uint64_t ns);
/* What inspect() reports under a name; UINT64_MAX if there is no such field. */
uint64_t host_field(const struct device *device, const void *state, const char *name);
