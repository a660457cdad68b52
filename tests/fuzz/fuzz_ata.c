/*
 * Disks and CD drives on IDE and AHCI against a hostile driver: accesses to registers, tables in guest RAM,
 * packets, resets. The devices must stay inside RAM and images (ASan: both have their exact size), keep their
 * invariants, and come to an end with each access.
 *
 * sources: devices/ide.c devices/bmide.c devices/ahci*.c devices/ata*.c devices/disk_image.c
 * sources: lib/ide_places.c devices/bus.c devices/pci.c lib/format.c tests/unit/host_effects.c
 * coverage: devices/ide.c devices/bmide.c devices/ahci*.c devices/ata*.c devices/disk_image.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ahci.h"
#include "fuzz_input.h"
#include "host_effects.h"
#include "ide.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RAM_BYTES = 0x8000, DISK_BYTES = 64 * 512, DISC_BYTES = 16 * 2048, STEPS_MAX = 200 };
enum { IDE = PCI_DEVFN(1, 1), AHCI = PCI_DEVFN(8, 0), BM = 0xc000, MEMORY = 0xfe000000 };
enum { LIST = 0x1000, RECEIVED = 0x1800, TABLE = 0x2000, DATA = 0x4000 };

static struct pc_of_disks {
    struct bus bus;
    struct ide ide;
    struct ahci ahci;
} pc;

const struct device_slot bus_slots[] = {
    {.device = &ide_device, .state_offset = offsetof(struct pc_of_disks, ide), .devfn = IDE},
    {.device = &ahci_device, .state_offset = offsetof(struct pc_of_disks, ahci), .devfn = AHCI}};
const unsigned bus_slot_count = 2;

static void config_write(uint16_t devfn, unsigned reg, unsigned size, uint32_t value)
{
    struct io io = {.offset = reg, .size = (uint8_t)size, .value = value, .write = true};
    bus_config_io(&pc.bus, devfn, &io);
}

static void out(uint16_t port, uint32_t value)
{
    bus_write(&pc.bus, IO_PORT, port, 1, value);
}

static void set(uint32_t offset, uint32_t value)
{
    bus_write(&pc.bus, IO_MEMORY, MEMORY + offset, 4, value);
}

static void start(struct input *input)
{
    uint8_t *allocated[] = {host.ram, host.disk[0], host.disk[1], host.cd[0]};
    for (unsigned i = 0; i < sizeof allocated / sizeof *allocated; i++)
        free(allocated[i]);
    host_reset();
    host.bus = &pc.bus;
    host.ram = calloc(1, RAM_BYTES);
    host.ram_size = RAM_BYTES;
    for (unsigned i = 0; i < 2; i++) {
        host.disk[i] = calloc(1, DISK_BYTES);
        host.disk_size[i] = DISK_BYTES;
    }
    if (take(input, 1) & 1) { /* a partition table */
        memcpy(host.disk[0] + 446, (uint8_t[16]){0, 0, 0, 0, 6, 7, 32, 0, 0, 0, 0, 0, 9}, 16);
        memcpy(host.disk[0] + 510, (uint8_t[2]){0x55, 0xaa}, 2);
    }
    host.cd[0] = calloc(1, DISC_BYTES);
    host.cd_size[0] = DISC_BYTES;
    host.config.disk_count = 2;
    host.config.cd_count = 2;
    host.config.disk[0].kind = DISK_IDE;
    host.config.disk[1].kind = DISK_AHCI;
    host.disk_pages_left = 200;
    bus_reset(&pc.bus);
    config_write(IDE, 0x40, 4, 0x80008000);
    config_write(IDE, 0x20, 4, BM);
    config_write(IDE, PCI_COMMAND, 2, 5);
    config_write(AHCI, 0x24, 4, MEMORY);
    config_write(AHCI, PCI_COMMAND, 2, 6);
    set(0x04, 2);
    set(0x180, LIST);
    set(0x188, RECEIVED);
    set(0x194, 0x7dc0007f);
    set(0x198, 0x11);
}

/* Both kinds of regions' tables. */
static void put_region(struct input *input)
{
    unsigned shape = take(input, 1);
    uint32_t address = shape & 0x80 ? take(input, 4) : DATA + (take(input, 1) << 4);
    uint32_t count = take(input, shape & 0x40 ? 3 : 2);
    uint32_t prd[2] = {address, (count & 0xffff) | (shape & 1 ? 1u << 31 : 0)};
    uint32_t entry[4] = {address, shape & 0x10 ? take(input, 1) : 0, 0, count};
    memcpy(host.ram + 8 * (shape >> 1 & 7), prd, sizeof prd);
    memcpy(host.ram + TABLE + 0x80 + 16 * (shape >> 1 & 7), entry, sizeof entry);
}

static void ide_command(struct input *input, uint16_t base)
{
    static const uint8_t codes[] = {0x20, 0x24, 0x25, 0x29, 0x30, 0x34, 0x35, 0x39, 0x40, 0x91, 0xc4, 0xc5,
                                    0xc6, 0xc8, 0xca, 0xec, 0xa1, 0xef, 0xf8, 0x27, 0x08, 0x90, 0xe5, 0xa0};
    unsigned shape = take(input, 1);
    out(base + 6, (shape & 0x80 ? 0x40u : 0) | (shape & 0x40 ? 0x10u : 0) | (take(input, 1) & 15));
    for (unsigned i = 1; i < 6; i++)
        out((uint16_t)(base + i), take(input, 1));
    out(base + 7, shape & 0x20 ? take(input, 1) : codes[shape % sizeof codes]);
}

static void ide_data(struct input *input, uint16_t base)
{
    uint8_t bytes[4096];
    unsigned shape = take(input, 1), count = take(input, 2);
    unsigned width = shape & 2 ? 4 : 2;
    bool write = shape & 1;
    memset(bytes, (int)shape, sizeof bytes);
    if (shape & 4) {
        bus_block(&pc.bus, base, width, bytes, count % (sizeof bytes / width), write);
        return;
    }
    for (unsigned i = 0; i < count % 300; i++)
        if (write)
            bus_write(&pc.bus, IO_PORT, base, width, count * i);
        else
            bus_read(&pc.bus, IO_PORT, base, width);
}

static void packet(struct input *input)
{
    static const uint8_t codes[] = {0x00, 0x03, 0x12, 0x1b, 0x1e, 0x25, 0x28, 0x2b, 0x43,
                                    0x46, 0x4a, 0x51, 0x5a, 0xa8, 0xbb, 0xbd, 0xbe};
    uint8_t bytes[12] = {0};
    unsigned shape = take(input, 1);
    out(0x176, 0);
    out(0x171, shape >> 7);
    out(0x174, shape & 0x40 ? take(input, 1) : 0xff);
    out(0x175, shape & 0x40 ? take(input, 1) : 0xff);
    out(0x177, 0xa0);
    bytes[0] = shape & 0x20 ? (uint8_t)take(input, 1) : codes[shape % sizeof codes];
    for (unsigned i = 1; i < 11; i++)
        bytes[i] = (uint8_t)take(input, 1);
    bus_block(&pc.bus, 0x170, 2, bytes, 6, true);
}

static void master(struct input *input)
{
    uint16_t base = BM + (uint16_t)(take(input, 1) & 8);
    unsigned shape = take(input, 1);
    bus_write(&pc.bus, IO_PORT, base + 4u, 4, shape & 0x80 ? take(input, 4) : 0);
    out(base + 2, shape);
    out(base, shape & 0x40 ? 0 : 9);
}

static void ahci_command(struct input *input)
{
    static const uint8_t codes[] = {0x25, 0x35, 0xec, 0x20, 0x30, 0xc8, 0xca, 0x90, 0xef};
    unsigned shape = take(input, 1);
    uint8_t *header = host.ram + LIST, *fis = host.ram + TABLE;
    uint32_t words[4] = {5 | (shape & 7u) << 16, 0, shape & 0x80 ? take(input, 4) : TABLE, 0};
    memcpy(header, words, sizeof words);
    memset(fis, 0, 20);
    fis[0] = 0x27;
    fis[1] = shape & 0x40 ? 0 : 0x80;
    fis[2] = shape & 0x20 ? (uint8_t)take(input, 1) : codes[shape % sizeof codes];
    fis[4] = (uint8_t)take(input, 1);
    fis[7] = 0x40;
    fis[12] = (uint8_t)take(input, 1);
    fis[15] = (uint8_t)take(input, 1);
    set(0x1b8, 1);
}

static void step(struct input *input)
{
    unsigned what = take(input, 1);
    uint16_t base = what & 0x80 ? 0x170 : 0x1f0;
    switch (what & 15) {
    case 0:
        out((uint16_t)(base + (what >> 4 & 7)), take(input, 1));
        break;
    case 1:
        bus_read(&pc.bus, IO_PORT, base + (what >> 4 & 7), 1u << (what >> 4 & 1));
        break;
    case 2:
        out(base + 0x206, take(input, 1));
        break;
    case 3:
        ide_command(input, base);
        break;
    case 4:
    case 5:
        ide_data(input, base);
        break;
    case 6:
        packet(input);
        break;
    case 7:
        put_region(input);
        break;
    case 8:
        master(input);
        break;
    case 9:
    case 10:
        ahci_command(input);
        break;
    case 11:
        set((what & 0x80 ? 0x180u : 0x100u) + (take(input, 1) & 0x7c), take(input, 4));
        break;
    case 12:
        bus_read(&pc.bus, IO_MEMORY, MEMORY + (take(input, 2) & 0x3fc), 4);
        break;
    case 13:
        set((what & 0x80 ? 0u : 0x198u) + (take(input, 1) & 0x1c), take(input, 1));
        break;
    case 14:
        config_write(what & 0x80 ? IDE : AHCI, take(input, 1) & ~3u, 4, take(input, 4));
        break;
    default:
        bus_read(&pc.bus, IO_PORT, BM + take(input, 1) % 16, 1);
        bus_tick(&pc.bus, host.now);
    }
}

static void nothing(struct inspector *inspector, const char *name, uint64_t value)
{
    (void)inspector, (void)name, (void)value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct inspector inspector = {nothing};
    const char *device;
    start(&input);
    for (unsigned i = 0; i < STEPS_MAX && input.size; i++) {
        step(&input);
        const char *broken = bus_check(&pc.bus, &device);
        if (broken) {
            fprintf(stderr, "%s: %s\n", device, broken);
            abort();
        }
    }
    ide_device.inspect(&pc.ide, &inspector);
    ahci_device.inspect(&pc.ahci, &inspector);
    return 0;
}
