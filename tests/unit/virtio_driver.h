/* The driver's side of the virtio disk, for the tests: bringing it up, rings in RAM, requests. */
#pragma once

#include "pci_fixture.h"

enum { DISK = PCI_DEVFN(4, 0), IO_BAR = 0xc000, MEMORY_BAR = 0xfe000000 };
enum {
    SIZE = 128,
    DESCRIPTORS = 0x1000,
    AVAILABLE = 0x1800,
    USED = 0x2000,
    HEADER = 0x4000,
    STATUS = 0x4100
};
enum { DATA = 0x5000, TABLE = 0x4200 };
enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };
enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8 };
enum { OK = 0, IOERR = 1, UNSUPP = 2, UNTOUCHED = 0xee };
enum { STATUS_DRIVER_OK = 0x0f, STATUS_NEEDS_RESET = 0x40 };
#define F_EVENT_IDX (1ull << 29)
#define F_INDIRECT  (1ull << 28)
#define F_VERSION_1 (1ull << 32)

struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};

static uint16_t available_index;

static inline struct descriptor *descriptor(unsigned i)
{
    return (struct descriptor *)(world.ram + DESCRIPTORS) + i;
}

static inline uint16_t *ram16(uint64_t gpa)
{
    return (uint16_t *)(world.ram + gpa);
}

static inline uint32_t common_read(unsigned offset, unsigned size)
{
    return (uint32_t)bus_read(&world.pc.bus, IO_MEMORY, MEMORY_BAR + offset, size);
}

static inline void common_write(unsigned offset, unsigned size, uint64_t value)
{
    bus_write(&world.pc.bus, IO_MEMORY, MEMORY_BAR + offset, size, value);
}

static inline void bars_on(void)
{
    world_config_write(DISK, PCI_BAR0, 4, IO_BAR);
    world_config_write(DISK, PCI_BAR0 + 4, 4, MEMORY_BAR);
    world_config_write(DISK, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    world_config_write(PCI_DEVFN(1, 0), 0x60, 4, 0x0b0b0a0a);
}

static inline void msix_on(void)
{
    for (unsigned i = 0; i < 2; i++) {
        common_write(0x3000 + 16 * i, 4, 0xfee01000);
        common_write(0x3008 + 16 * i, 4, 0x40 + i);
        common_write(0x300c + 16 * i, 4, 0);
    }
    world_config_write(DISK, 0x42, 2, 0x8000);
}

/* 3.1.1 with the modern interface. */
static inline void modern_up(uint64_t features)
{
    bars_on();
    msix_on();
    common_write(0x14, 1, 0);
    common_write(0x14, 1, 1);
    common_write(0x14, 1, 3);
    for (unsigned half = 0; half < 2; half++) {
        common_write(0x08, 4, half);
        common_write(0x0c, 4, (features | F_VERSION_1) >> 32 * half);
    }
    common_write(0x14, 1, 0x0b);
    assert_int_equal(common_read(0x14, 1), 0x0b);
    common_write(0x10, 2, 0);
    common_write(0x16, 2, 0);
    common_write(0x1a, 2, 1);
    common_write(0x18, 2, SIZE);
    common_write(0x20, 8, DESCRIPTORS);
    common_write(0x28, 8, AVAILABLE);
    common_write(0x30, 8, USED);
    common_write(0x1c, 2, 1);
    common_write(0x14, 1, STATUS_DRIVER_OK);
    available_index = 0;
}

static inline void offer(uint16_t head)
{
    *ram16(AVAILABLE + 4 + 2 * (available_index % SIZE)) = head;
    *ram16(AVAILABLE + 2) = ++available_index;
}

static inline void notify(void)
{
    world_out(IO_BAR + 0x10, 2, 0);
}

static inline uint16_t used_index(void)
{
    return *ram16(USED + 2);
}

static inline void put_header(uint32_t type, uint64_t sector)
{
    memcpy(world.ram + HEADER, &type, 4);
    memset(world.ram + HEADER + 4, 0, 4);
    memcpy(world.ram + HEADER + 8, &sector, 8);
    world.ram[STATUS] = UNTOUCHED;
}

/* A request of three descriptors at `from` of a table. */
static inline void put_chain(struct descriptor *table, unsigned from, uint32_t length, bool device_writes)
{
    table[from] = (struct descriptor){HEADER, 16, NEXT, (uint16_t)(from + 1)};
    table[from + 1] =
        (struct descriptor){DATA, length, NEXT | (device_writes ? WRITE : 0), (uint16_t)(from + 2)};
    table[from + 2] = (struct descriptor){STATUS, 1, WRITE, 0};
}

static inline uint8_t request(uint32_t type, uint64_t sector, uint32_t length)
{
    uint16_t used = used_index();
    put_header(type, sector);
    put_chain(descriptor(0), 0, length, type != OUT);
    offer(0);
    notify();
    assert_int_equal((uint16_t)(used + 1), used_index());
    return world.ram[STATUS];
}
