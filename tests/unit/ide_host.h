/*
 * The host's side of IDE for the tests: one controller on a bus, a disk as its primary master, a CD drive as
 * its secondary master, and the protocols of ATA/ATAPI-6, 9.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "host_effects.h"
#include "ide.h"

enum { SECTORS = 4096, DISK_BYTES = SECTORS * 512, DISC_SECTORS = 64, DISC_BYTES = DISC_SECTORS * 2048 };
enum { RAM_BYTES = 1 << 20, BM = 0xc000, TABLE = 0x1000, DATA = 0x10000 };
enum { PRIMARY = 0x1f0, SECONDARY = 0x170, CONTROL = 0x206 /* behind the command block */ };
enum { R_ERROR = 1, R_COUNT, R_LOW, R_MID, R_HIGH, R_DEVICE, R_STATUS };
enum { READY = 0x50, DATA_READY = 0x58, FAILED = 0x51, LBA = 0x40, SLAVE = 0x10 };
enum { ABRT = 4, IDNF = 0x10 };

static struct ide_pc {
    struct bus bus;
    struct ide ide;
} pc;

const struct device_slot bus_slots[] = {
    {.device = &ide_device, .state_offset = offsetof(struct ide_pc, ide), .devfn = PCI_DEVFN(1, 1)}};
const unsigned bus_slot_count = 1;

static inline uint8_t in8(uint16_t port)
{
    return (uint8_t)bus_read(&pc.bus, IO_PORT, port, 1);
}

static inline void out8(uint16_t port, uint8_t value)
{
    bus_write(&pc.bus, IO_PORT, port, 1, value);
}

static inline void config_write(unsigned reg, unsigned size, uint32_t value)
{
    struct io io = {.offset = reg, .size = (uint8_t)size, .value = value, .write = true};
    bus_config_io(&pc.bus, PCI_DEVFN(1, 1), &io);
}

static inline uint8_t byte_of_sector(uint32_t sector, unsigned i)
{
    return (uint8_t)(sector * 7 + i + (i >> 8));
}

static inline int ide_up(void **state)
{
    (void)state;
    host_reset();
    host.bus = &pc.bus;
    host.ram = calloc(1, RAM_BYTES);
    host.ram_size = RAM_BYTES;
    host.disk[0] = malloc(DISK_BYTES);
    host.disk_size[0] = DISK_BYTES;
    host.cd[0] = malloc(DISC_BYTES);
    host.cd_size[0] = DISC_BYTES;
    for (unsigned i = 0; i < DISK_BYTES; i++)
        host.disk[0][i] = byte_of_sector(i / 512, i % 512);
    for (unsigned i = 0; i < DISC_BYTES; i++)
        host.cd[0][i] = byte_of_sector(i / 2048, i % 2048);
    host.config.disk_count = host.config.cd_count = 1;
    host.config.disk[0].kind = DISK_IDE;
    bus_reset(&pc.bus);
    config_write(0x40, 4, 0x80008000);
    config_write(0x20, 4, BM);
    config_write(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
    return 0;
}

static inline int ide_down(void **state)
{
    (void)state;
    const char *broken = ide_device.check(&pc.ide);
    if (broken)
        fail_msg("%s", broken);
    free(host.ram);
    free(host.disk[0]);
    free(host.cd[0]);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ide_up, ide_down)

/* A command to the selected place with 28 bits of address. */
static inline void command(uint16_t base, uint8_t code, uint32_t lba, uint8_t count)
{
    out8(base + R_DEVICE, (uint8_t)(LBA | (lba >> 24 & 15)));
    out8(base + R_COUNT, count);
    out8(base + R_LOW, (uint8_t)lba);
    out8(base + R_MID, (uint8_t)(lba >> 8));
    out8(base + R_HIGH, (uint8_t)(lba >> 16));
    out8(base + R_STATUS, code);
}

/* The same with 48 bits. */
static inline void command_ext(uint16_t base, uint8_t code, uint64_t lba, uint16_t count)
{
    out8(base + R_DEVICE, LBA);
    out8(base + R_COUNT, (uint8_t)(count >> 8));
    out8(base + R_COUNT, (uint8_t)count);
    for (unsigned i = 0; i < 3; i++) {
        out8((uint16_t)(base + R_LOW + i), (uint8_t)(lba >> (24 + 8 * i)));
        out8((uint16_t)(base + R_LOW + i), (uint8_t)(lba >> 8 * i));
    }
    out8(base + R_STATUS, code);
}

static inline void read_words(uint16_t base, void *to, unsigned words)
{
    uint16_t *word = to;
    for (unsigned i = 0; i < words; i++)
        word[i] = (uint16_t)bus_read(&pc.bus, IO_PORT, base, 2);
}

static inline void write_words(uint16_t base, const void *from, unsigned words)
{
    const uint16_t *word = from;
    for (unsigned i = 0; i < words; i++)
        bus_write(&pc.bus, IO_PORT, base, 2, word[i]);
}

/* One entry of the table of physical region descriptors. */
static inline void region(unsigned index, uint32_t address, uint32_t bytes, bool last)
{
    uint32_t entry[2] = {address, (bytes & 0xffff) | (last ? 1u << 31 : 0)};
    memcpy(host.ram + TABLE + 8 * index, entry, sizeof entry);
}

/* Starts the bus master of a channel: direction 8 reads from the drive. */
static inline void master_start(unsigned channel, uint8_t direction)
{
    uint16_t base = (uint16_t)(BM + 8 * channel);
    out8(base, 0);
    bus_write(&pc.bus, IO_PORT, base + 4u, 4, TABLE);
    out8(base + 2, 6);
    out8(base, direction | 1);
}

/* A packet to the CD drive; the answer's first bytes by PIO. Returns the error register, 0 without an error.
 */
static inline uint8_t packet(const uint8_t bytes[12], void *answer, unsigned size)
{
    uint8_t *to = answer;
    unsigned done = 0;
    out8(SECONDARY + R_DEVICE, 0);
    out8(SECONDARY + R_ERROR, 0);
    out8(SECONDARY + R_MID, 0xfe);
    out8(SECONDARY + R_HIGH, 0xff);
    out8(SECONDARY + R_STATUS, 0xa0);
    assert_int_equal(in8(SECONDARY + R_STATUS), DATA_READY);
    assert_int_equal(in8(SECONDARY + R_COUNT) & 3, 1);
    write_words(SECONDARY, bytes, 6);
    while (in8(SECONDARY + R_STATUS) & 8) {
        unsigned block = in8(SECONDARY + R_MID) | in8(SECONDARY + R_HIGH) << 8;
        assert_int_equal(in8(SECONDARY + R_COUNT) & 3, 2);
        for (unsigned i = 0; i < block; i += 2) {
            uint16_t word = (uint16_t)bus_read(&pc.bus, IO_PORT, SECONDARY, 2);
            if (done < size)
                to[done] = (uint8_t)word;
            if (done + 1 < size)
                to[done + 1] = (uint8_t)(word >> 8);
            done += 2;
        }
    }
    assert_int_equal(in8(SECONDARY + R_COUNT) & 3, 3);
    return in8(SECONDARY + R_STATUS) & 1 ? in8(SECONDARY + R_ERROR) : 0;
}
