/*
 * The PCI devices on a real bus, with effects that record, for unit tests and fuzzers: a host bridge, a south
 * bridge, and two disks, of which the second is not there; and the I/O APIC. Included by one file of a
 * program.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bus.h"
#include "effects.h"
#include "errors.h"
#include "i440fx.h"
#include "ioapic.h"
#include "piix3.h"
#include "piix4_pm.h"
#include "virtio_blk.h"

/* Bytes; a program may choose its own number. */
#ifndef WORLD_RAM
#define WORLD_RAM 0x100000u
#endif
enum { WORLD_DISK_SECTORS = 256, WORLD_DISK = WORLD_DISK_SECTORS * 512, WORLD_MSIS = 64 };

struct world_pc {
    struct bus bus;
    struct i440fx i440fx;
    struct piix3 piix3;
    struct piix4_pm pm;
    struct virtio_blk disk[2];
    struct ioapic ioapic;
};

static struct world {
    struct world_pc pc;
    uint8_t *ram, *disk;
    uint64_t now;
    unsigned irq_sources[16]; /* a bit for each enum irq_source */
    unsigned msi_count;
    struct {
        uint64_t address;
        uint32_t data;
    } msi[WORLD_MSIS];
    unsigned needs, logs;
    int ended;             /* enum guest_end */
    uint32_t presses;      /* of the power button */
    int64_t overlay_pages; /* that are left */
    uint8_t prepared[WORLD_DISK / 4096];
    struct guest_config config;
} world;

#define WORLD_SLOT(device_, member, devfn_, unit_)                                                           \
    {                                                                                                        \
        .device = &device_, .state_offset = offsetof(struct world_pc, member), .devfn = devfn_,              \
        .unit = unit_                                                                                        \
    }
const struct device_slot bus_slots[] = {
    WORLD_SLOT(i440fx_device, i440fx, PCI_DEVFN(0, 0), 0),
    WORLD_SLOT(piix3_device, piix3, PCI_DEVFN(1, 0), 0),
    WORLD_SLOT(piix4_pm_device, pm, PCI_DEVFN(1, 3), 0),
    WORLD_SLOT(virtio_blk_device, disk[0], PCI_DEVFN(4, 0), 0),
    WORLD_SLOT(virtio_blk_device, disk[1], PCI_DEVFN(5, 0), 1),
    WORLD_SLOT(ioapic_device, ioapic, DEVFN_NONE, 0),
};
const unsigned bus_slot_count = sizeof bus_slots / sizeof bus_slots[0];

void effect_irq(unsigned irq, enum irq_source source, bool level)
{
    unsigned bit = 1u << source;
    world.irq_sources[irq & 15] =
        level ? world.irq_sources[irq & 15] | bit : world.irq_sources[irq & 15] & ~bit;
}

void effect_pci_interrupt(uint16_t devfn, unsigned pin, bool level)
{
    piix3_set_interrupt(&world.pc.piix3, devfn, pin, level);
}

void effect_msi(uint64_t address, uint32_t data)
{
    if (world.msi_count < WORLD_MSIS) {
        world.msi[world.msi_count].address = address;
        world.msi[world.msi_count].data = data;
    }
    world.msi_count++;
}

uint64_t effect_now(void)
{
    return world.now;
}

void *effect_ram(uint64_t gpa, uint64_t length)
{
    return gpa > WORLD_RAM || length > WORLD_RAM - gpa ? NULL : world.ram + gpa;
}

uint8_t *effect_spare(uint64_t offset)
{
    (void)offset;
    return NULL;
}

bool effect_map(uint64_t gpa, const uint8_t *from, uint64_t length, unsigned rights)
{
    (void)gpa;
    (void)from;
    (void)length;
    (void)rights;
    return false;
}

uint32_t effect_power_presses(void)
{
    return world.presses;
}

void effect_guest_end(enum guest_end end)
{
    world.ended = end;
}

void effect_need(enum need_kind kind, uint64_t address)
{
    (void)kind;
    (void)address;
    world.needs++;
}

void effect_log(const char *sentence)
{
    (void)sentence;
    world.logs++;
}

void effect_region(const void *state, unsigned region, uint64_t base, uint32_t length)
{
    bus_map(&world.pc.bus, state, region, base, length);
}

void effect_config_io(uint16_t devfn, struct io *io)
{
    bus_config_io(&world.pc.bus, devfn, io);
}

uint8_t *effect_disk(unsigned unit, uint64_t *size)
{
    *size = WORLD_DISK;
    return unit == 0 ? world.disk : NULL;
}

/* Aborts on a range outside of the disk: no guest may bring the device to that. */
int effect_disk_prepare(uint8_t *bytes, uint64_t length)
{
    uint64_t offset = (uint64_t)(bytes - world.disk);
    if (offset > WORLD_DISK || length > WORLD_DISK - offset)
        abort();
    for (uint64_t page = offset / 4096; page * 4096 < offset + length; page++) {
        if (world.prepared[page])
            continue;
        if (world.overlay_pages == 0)
            return NR_ENOSPC;
        world.overlay_pages--;
        world.prepared[page] = 1;
    }
    return NR_OK;
}

static void world_free(void)
{
    free(world.ram);
    free(world.disk);
}

/* Each sector differs from the next, and each byte from the one beside it. */
static void world_fill_disk(void)
{
    static uint8_t image[WORLD_DISK];
    static bool filled;
    for (unsigned i = 0; i < WORLD_DISK && !filled; i++)
        image[i] = (uint8_t)(i / 512 * 7 + i);
    filled = true;
    memcpy(world.disk, image, WORLD_DISK);
}

/* Power-on. RAM and disk are allocated to their size, so that ASan sees the first byte beyond. */
static void world_reset(void)
{
    world_free();
    memset(&world, 0, sizeof world);
    world.ram = calloc(1, WORLD_RAM);
    world.disk = malloc(WORLD_DISK);
    world_fill_disk();
    world.overlay_pages = WORLD_DISK / 4096;
    bus_reset(&world.pc.bus);
}

static inline uint64_t world_in(uint16_t port, unsigned size)
{
    return bus_read(&world.pc.bus, IO_PORT, port, size);
}

static inline void world_out(uint16_t port, unsigned size, uint32_t value)
{
    bus_write(&world.pc.bus, IO_PORT, port, size, value);
}

static inline uint32_t world_config_read(unsigned devfn, unsigned reg, unsigned size)
{
    world_out(0xcf8, 4, 1u << 31 | devfn << 8 | (reg & ~3u));
    return (uint32_t)world_in((uint16_t)(0xcfc + (reg & 3)), size);
}

static inline void world_config_write(unsigned devfn, unsigned reg, unsigned size, uint32_t value)
{
    world_out(0xcf8, 4, 1u << 31 | devfn << 8 | (reg & ~3u));
    world_out((uint16_t)(0xcfc + (reg & 3)), size, value);
}
