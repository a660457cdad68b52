/*
 * The virtio block device, from the driver's side: both interfaces, requests, and every way to get a ring
 * wrong (VIRTIO 1.2: 2.7, 4.1, 5.2).
 *
 * sources: devices/bus.c devices/p[ci]i*.c devices/i440fx.c devices/msix.c devices/virt*.c lib/format.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "pci_world.h"

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

static struct descriptor *descriptor(unsigned i)
{
    return (struct descriptor *)(world.ram + DESCRIPTORS) + i;
}

static uint16_t *ram16(uint64_t gpa)
{
    return (uint16_t *)(world.ram + gpa);
}

static uint32_t common_read(unsigned offset, unsigned size)
{
    return (uint32_t)bus_read(&world.pc.bus, IO_MEMORY, MEMORY_BAR + offset, size);
}

static void common_write(unsigned offset, unsigned size, uint64_t value)
{
    bus_write(&world.pc.bus, IO_MEMORY, MEMORY_BAR + offset, size, value);
}

static void bars_on(void)
{
    world_config_write(DISK, PCI_BAR0, 4, IO_BAR);
    world_config_write(DISK, PCI_BAR0 + 4, 4, MEMORY_BAR);
    world_config_write(DISK, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    world_config_write(PCI_DEVFN(1, 0), 0x60, 4, 0x0b0b0a0a);
}

static void msix_on(void)
{
    for (unsigned i = 0; i < 2; i++) {
        common_write(0x3000 + 16 * i, 4, 0xfee01000);
        common_write(0x3008 + 16 * i, 4, 0x40 + i);
        common_write(0x300c + 16 * i, 4, 0);
    }
    world_config_write(DISK, 0x42, 2, 0x8000);
}

/* 3.1.1 with the modern interface. */
static void modern_up(uint64_t features)
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

static void offer(uint16_t head)
{
    *ram16(AVAILABLE + 4 + 2 * (available_index % SIZE)) = head;
    *ram16(AVAILABLE + 2) = ++available_index;
}

static void notify(void)
{
    world_out(IO_BAR + 0x10, 2, 0);
}

static uint16_t used_index(void)
{
    return *ram16(USED + 2);
}

static void put_header(uint32_t type, uint64_t sector)
{
    memcpy(world.ram + HEADER, &type, 4);
    memset(world.ram + HEADER + 4, 0, 4);
    memcpy(world.ram + HEADER + 8, &sector, 8);
    world.ram[STATUS] = UNTOUCHED;
}

/* A request of three descriptors at `from` of a table. */
static void put_chain(struct descriptor *table, unsigned from, uint32_t length, bool device_writes)
{
    table[from] = (struct descriptor){HEADER, 16, NEXT, (uint16_t)(from + 1)};
    table[from + 1] =
        (struct descriptor){DATA, length, NEXT | (device_writes ? WRITE : 0), (uint16_t)(from + 2)};
    table[from + 2] = (struct descriptor){STATUS, 1, WRITE, 0};
}

static uint8_t request(uint32_t type, uint64_t sector, uint32_t length)
{
    uint16_t used = used_index();
    put_header(type, sector);
    put_chain(descriptor(0), 0, length, type != OUT);
    offer(0);
    notify();
    assert_int_equal((uint16_t)(used + 1), used_index());
    return world.ram[STATUS];
}

static int set_up(void **state)
{
    (void)state;
    world_reset();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    const char *device = "";
    const char *broken = bus_check(&world.pc.bus, &device);
    if (broken)
        fail_msg("%s: %s", device, broken);
    world_free();
    world.ram = world.disk = NULL;
    return 0;
}

static void test_capabilities(void **state)
{
    (void)state;
    /* In the order in which drivers find them: of the two notifications first the one in the I/O BAR. */
    static const struct {
        uint8_t id, type, bar;
    } expected[] = {{0x11, 0, 0}, {0x09, 1, 1}, {0x09, 2, 0}, {0x09, 2, 1},
                    {0x09, 3, 1}, {0x09, 4, 1}, {0x09, 5, 0}};
    unsigned at = world_config_read(DISK, PCI_CAPABILITIES, 1);
    assert_true(world_config_read(DISK, PCI_STATUS, 2) & PCI_STATUS_CAPABILITIES);
    for (unsigned i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_int_equal(world_config_read(DISK, at, 1), expected[i].id);
        if (expected[i].id == 0x11) {
            assert_int_equal(world_config_read(DISK, at + 2, 2), 1); /* two vectors */
        } else {
            assert_int_equal(world_config_read(DISK, at + 3, 1), expected[i].type);
            assert_int_equal(world_config_read(DISK, at + 4, 1), expected[i].bar);
        }
        at = world_config_read(DISK, at + 1, 1);
    }
    assert_int_equal(at, 0);
}

static void test_negotiation(void **state)
{
    (void)state;
    bars_on();
    common_write(0x00, 4, 1);
    assert_int_equal(common_read(0x04, 4), 1); /* VERSION_1 */
    common_write(0x00, 4, 0);
    assert_int_equal(common_read(0x04, 4), 1 << 29 | 1 << 28 | 1 << 9 | 1 << 6 | 1 << 2 | 1 << 1);
    common_write(0x00, 4, 2);
    assert_int_equal(common_read(0x04, 4), 0);
    /* A feature that was not offered: FEATURES_OK does not stay. */
    common_write(0x08, 4, 0);
    common_write(0x0c, 4, 1 << 5);
    common_write(0x14, 1, 0x0b);
    assert_int_equal(common_read(0x14, 1), 0x03);
    assert_int_equal(common_read(0x12, 2), 1); /* queues */
    common_write(0x16, 2, 1);                  /* a queue that is not there */
    assert_int_equal(common_read(0x18, 2), 0);
    common_write(0x1c, 2, 1);
    assert_int_equal(common_read(0x1c, 2), 0);
    common_write(0x10, 2, 7); /* a vector that is not there */
    assert_int_equal(common_read(0x10, 2), 0xffff);
    uint64_t capacity = bus_read(&world.pc.bus, IO_MEMORY, MEMORY_BAR + 0x2000, 8);
    assert_int_equal(capacity, WORLD_DISK_SECTORS);
    assert_int_equal(common_read(0x2014, 4), 512);
}

static void test_read(void **state)
{
    (void)state;
    modern_up(0);
    assert_int_equal(request(IN, 8, 4096), OK);
    assert_memory_equal(world.ram + DATA, world.disk + 8 * 512, 4096);
    assert_int_equal(*(uint32_t *)(world.ram + USED + 8), 4097); /* bytes written */
    assert_int_equal(world.msi_count, 1);
    assert_int_equal(world.msi[0].data, 0x41);
    assert_true(world.msi[0].address == 0xfee01000);
    assert_int_equal(request(IN, WORLD_DISK_SECTORS - 1, 512), OK);
    assert_int_equal(request(IN, WORLD_DISK_SECTORS, 0), OK);
    assert_int_equal(world.msi_count, 3);
}

static void test_write(void **state)
{
    (void)state;
    modern_up(0);
    memset(world.ram + DATA, 0x5a, 1024);
    assert_int_equal(request(OUT, 3, 1024), OK);
    for (unsigned i = 0; i < 1024; i++)
        assert_int_equal(world.disk[3 * 512 + i], 0x5a);
    assert_int_equal(world.disk[3 * 512 - 1], (uint8_t)(2 * 7 + 3 * 512 - 1));
    assert_int_equal(world.disk[5 * 512], (uint8_t)(5 * 7 + 5 * 512));
    memset(world.ram + DATA, 0, 1024);
    assert_int_equal(request(IN, 3, 1024), OK);
    assert_int_equal(world.ram[DATA + 1023], 0x5a);
}

static void test_bounds(void **state)
{
    (void)state;
    modern_up(0);
    assert_int_equal(request(IN, WORLD_DISK_SECTORS, 512), IOERR);
    assert_int_equal(request(IN, WORLD_DISK_SECTORS - 1, 1024), IOERR);
    assert_int_equal(request(IN, UINT64_MAX, 512), IOERR);
    assert_int_equal(request(IN, UINT64_MAX / 512 + 1, 512), IOERR);
    assert_int_equal(request(OUT, WORLD_DISK_SECTORS, 512), IOERR);
    assert_int_equal(request(OUT, UINT64_MAX - 1, 1024), IOERR);
    assert_int_equal(request(IN, 0, 513), IOERR); /* not a whole sector */
    /* Data outside of RAM. */
    put_header(IN, 0);
    put_chain(descriptor(0), 0, 512, true);
    descriptor(1)->address = WORLD_RAM - 256;
    offer(0);
    notify();
    assert_int_equal(world.ram[STATUS], IOERR);
    descriptor(1)->address = UINT64_MAX - 100;
    offer(0);
    notify();
    assert_int_equal(world.ram[STATUS], IOERR);
    assert_int_equal(common_read(0x14, 1), STATUS_DRIVER_OK);
}

static void test_overlay_full(void **state)
{
    (void)state;
    modern_up(0);
    world.overlay_pages = 1;
    assert_int_equal(request(OUT, 0, 4096), OK);
    assert_int_equal(request(OUT, 8, 4096), IOERR);
    assert_int_equal(request(OUT, 16, 512), IOERR);
    assert_int_equal(request(OUT, 1, 512), OK);
    assert_int_equal(world.logs, 1);
}

static void test_other_requests(void **state)
{
    (void)state;
    modern_up(0);
    assert_int_equal(request(FLUSH, 0, 0), OK);
    assert_int_equal(request(GET_ID, 0, 20), OK);
    assert_string_equal((char *)world.ram + DATA, "nullring-disk0");
    memset(world.ram + DATA, 0xaa, 32);
    assert_int_equal(request(GET_ID, 0, 4), OK);
    assert_int_equal(world.ram[DATA + 4], 0xaa);
    assert_int_equal(request(11, 0, 512), UNSUPP);
}

/* Framing is the driver's choice (2.7.4): header and data in odd pieces, the status behind data in one piece.
 */
static void test_framing(void **state)
{
    (void)state;
    modern_up(0);
    put_header(IN, 2);
    *descriptor(5) = (struct descriptor){HEADER, 7, NEXT, 9};
    *descriptor(9) = (struct descriptor){HEADER + 7, 9, NEXT, 1};
    *descriptor(1) = (struct descriptor){DATA, 1, NEXT | WRITE, 2};
    *descriptor(2) = (struct descriptor){DATA + 100, 0, NEXT | WRITE, 3}; /* nothing */
    *descriptor(3) = (struct descriptor){DATA + 1, 512, WRITE, 0};        /* 511 and the status */
    world.ram[DATA + 512] = UNTOUCHED;
    offer(5);
    notify();
    assert_int_equal(used_index(), 1);
    assert_int_equal(*(uint32_t *)(world.ram + USED + 4), 5);
    assert_memory_equal(world.ram + DATA, world.disk + 1024, 512);
    assert_int_equal(world.ram[DATA + 512], OK);
}

static void test_indirect(void **state)
{
    (void)state;
    modern_up(F_INDIRECT);
    put_header(IN, 1);
    put_chain((struct descriptor *)(world.ram + TABLE), 0, 512, true);
    *descriptor(7) = (struct descriptor){TABLE, 48, INDIRECT, 0};
    offer(7);
    notify();
    assert_int_equal(world.ram[STATUS], OK);
    assert_memory_equal(world.ram + DATA, world.disk + 512, 512);
    assert_int_equal(common_read(0x14, 1), STATUS_DRIVER_OK);
}

/* What a driver must not do stops the queue and sets NEEDS_RESET, with an interrupt for the configuration. */
static void expect_broken(void)
{
    uint16_t used = used_index();
    unsigned messages = world.msi_count;
    notify();
    assert_int_equal(used_index(), used);
    assert_int_equal(common_read(0x14, 1), STATUS_DRIVER_OK | STATUS_NEEDS_RESET);
    assert_int_equal(world.msi_count, messages + 1);
    assert_int_equal(world.msi[messages].data, 0x40);
    notify();
    assert_int_equal(world.msi_count, messages + 1);
    /* Reset makes it work again. */
    memset(world.ram, 0, 0x4000);
    modern_up(F_INDIRECT);
    assert_int_equal(request(IN, 0, 512), OK);
    memset(world.ram, 0, 0x4000);
    modern_up(F_INDIRECT);
    put_header(IN, 0);
    put_chain(descriptor(0), 0, 512, true);
    put_chain((struct descriptor *)(world.ram + TABLE), 0, 512, true);
}

static void test_broken_rings(void **state)
{
    (void)state;
    struct descriptor *table;
    modern_up(F_INDIRECT);
    put_header(IN, 0);
    put_chain(descriptor(0), 0, 512, true);
    offer(SIZE); /* head outside of the table */
    expect_broken();
    descriptor(1)->next = SIZE; /* next outside of the table */
    offer(0);
    expect_broken();
    descriptor(1)->next = 0; /* a cycle */
    offer(0);
    expect_broken();
    descriptor(2)->next = 2; /* a cycle of one, writable */
    descriptor(2)->flags |= NEXT;
    offer(0);
    expect_broken();
    *descriptor(2) =
        (struct descriptor){STATUS, 1, 0, 0}; /* readable after writable: no place for a status */
    offer(0);
    expect_broken();
    *descriptor(0) = (struct descriptor){HEADER, 16, 0, 0}; /* nothing to write to */
    offer(0);
    expect_broken();
    *descriptor(0) = (struct descriptor){HEADER, 15, NEXT, 1}; /* half a header */
    offer(0);
    expect_broken();
    descriptor(2)->address = WORLD_RAM; /* the status outside of RAM */
    offer(0);
    expect_broken();
    *ram16(AVAILABLE + 2) = SIZE + 1; /* more chains than the ring holds */
    expect_broken();
    table = (struct descriptor *)(world.ram + TABLE);
    *descriptor(0) = (struct descriptor){TABLE, 40, INDIRECT, 0}; /* half a descriptor */
    offer(0);
    expect_broken();
    *descriptor(0) = (struct descriptor){TABLE, 0, INDIRECT, 0};
    offer(0);
    expect_broken();
    *descriptor(0) = (struct descriptor){TABLE, 48, INDIRECT | NEXT, 1};
    offer(0);
    expect_broken();
    *descriptor(0) = (struct descriptor){TABLE, 32, INDIRECT, 0}; /* the chain leaves its table */
    offer(0);
    expect_broken();
    table[1] = (struct descriptor){TABLE, 48, INDIRECT, 0}; /* indirect in indirect */
    *descriptor(0) = (struct descriptor){TABLE, 48, INDIRECT, 0};
    offer(0);
    expect_broken();
    *descriptor(0) = (struct descriptor){WORLD_RAM - 16, 48, INDIRECT, 0};
    offer(0);
    expect_broken();
    *descriptor(0) = (struct descriptor){UINT64_MAX - 15, 0xfffffff0, INDIRECT, 0};
    offer(0);
    expect_broken();
    table[1].next = 1; /* a cycle in the indirect table */
    *descriptor(0) = (struct descriptor){TABLE, 48, INDIRECT, 0};
    offer(0);
    expect_broken();
}

static void test_indirect_not_negotiated(void **state)
{
    (void)state;
    modern_up(0);
    *descriptor(0) = (struct descriptor){TABLE, 48, INDIRECT, 0};
    offer(0);
    expect_broken();
}

/* A ring outside of RAM. */
static void test_rings_nowhere(void **state)
{
    (void)state;
    static const unsigned part[] = {0x20, 0x28, 0x30};
    for (unsigned i = 0; i < 3; i++) {
        modern_up(0);
        put_header(IN, 0);
        put_chain(descriptor(0), 0, 512, true);
        offer(0);
        common_write(part[i], 8, WORLD_RAM); /* too late: the queue is enabled */
        notify();
        assert_int_equal(world.ram[STATUS], OK);
        common_write(0x14, 1, 0);
        bars_on();
        common_write(0x20, 8, i == 0 ? UINT64_MAX : DESCRIPTORS);
        common_write(0x28, 8, i == 1 ? WORLD_RAM - 2 : AVAILABLE);
        common_write(0x30, 8, i == 2 ? WORLD_RAM : USED);
        common_write(0x1c, 2, 1);
        common_write(0x14, 1, STATUS_DRIVER_OK);
        notify();
        assert_int_equal(common_read(0x14, 1), STATUS_DRIVER_OK | STATUS_NEEDS_RESET);
        memset(world.ram, 0, 0x4000);
    }
}

/* The device is told only when it rests, and tells only when the driver waits (2.7.7, 2.7.10). */
static void test_event_index(void **state)
{
    (void)state;
    modern_up(F_EVENT_IDX);
    uint16_t *used_event = ram16(AVAILABLE + 4 + 2 * SIZE), *avail_event = ram16(USED + 4 + 8 * SIZE);
    *used_event = 0;
    assert_int_equal(request(IN, 0, 512), OK);
    assert_int_equal(world.msi_count, 1);
    assert_int_equal(*avail_event, 1);
    assert_int_equal(request(IN, 0, 512), OK); /* used_event is behind: nobody waits */
    assert_int_equal(world.msi_count, 1);
    *used_event = 5;
    for (unsigned i = 0; i < 4; i++) { /* four in one notification: indices 2 to 5 */
        put_chain(descriptor(4 * i), 0, 512, true);
        for (unsigned j = 0; j < 3; j++)
            descriptor(4 * i + j)->next = (uint16_t)(4 * i + j + 1);
        offer((uint16_t)(4 * i));
    }
    notify();
    assert_int_equal(used_index(), 6);
    assert_int_equal(world.msi_count, 2);
    assert_int_equal(*avail_event, 6);
}

static void test_indices_wrap(void **state)
{
    (void)state;
    modern_up(F_EVENT_IDX);
    uint16_t *used_event = ram16(AVAILABLE + 4 + 2 * SIZE);
    for (unsigned i = 0; i < 0x10000 + 2 * SIZE; i++) {
        *used_event = used_index();
        assert_int_equal(request(IN, i % WORLD_DISK_SECTORS, 512), OK);
    }
    assert_int_equal(world.msi_count, 0x10000 + 2 * SIZE);
}

static void test_no_interrupt_flag(void **state)
{
    (void)state;
    modern_up(0);
    *ram16(AVAILABLE) = 1;
    assert_int_equal(request(IN, 0, 512), OK);
    assert_int_equal(world.msi_count, 0);
    *ram16(AVAILABLE) = 0;
    assert_int_equal(request(IN, 0, 512), OK);
    assert_int_equal(world.msi_count, 1);
}

static void test_msix_masks(void **state)
{
    (void)state;
    modern_up(0);
    common_write(0x301c, 4, 1);
    assert_int_equal(request(IN, 0, 512), OK);
    assert_int_equal(world.msi_count, 0);
    assert_int_equal(common_read(0x3800, 4), 2);
    common_write(0x301c, 4, 0);
    assert_int_equal(world.msi_count, 1);
    assert_int_equal(common_read(0x3800, 4), 0);
    world_config_write(DISK, 0x42, 2, 0xc000);
    assert_int_equal(request(IN, 0, 512), OK);
    assert_int_equal(world.msi_count, 1);
    world_config_write(DISK, 0x42, 2, 0x8000);
    assert_int_equal(world.msi_count, 2);
}

/* The pin, without MSI-X: up until the ISR is read. */
static void test_pin(void **state)
{
    (void)state;
    modern_up(0);
    world_config_write(DISK, 0x42, 2, 0);
    assert_int_equal(request(IN, 0, 512), OK);
    assert_int_equal(world.msi_count, 0);
    assert_int_equal(world.irq_sources[11], 1u << IRQ_PIRQ_D);
    world_config_write(DISK, 0x42, 2, 0x8000); /* a function with MSI-X has no pin */
    assert_int_equal(world.irq_sources[11], 0);
    world_config_write(DISK, 0x42, 2, 0);
    assert_int_equal(world.irq_sources[11], 1u << IRQ_PIRQ_D);
    assert_int_equal(common_read(0x1000, 1), 1);
    assert_int_equal(world.irq_sources[11], 0);
    assert_int_equal(common_read(0x1000, 1), 0);
}

/* Nothing is taken before DRIVER_OK, nor from a queue that does not exist. */
static void test_notify_early(void **state)
{
    (void)state;
    modern_up(0);
    common_write(0x14, 1, 0x0b);
    put_header(IN, 0);
    put_chain(descriptor(0), 0, 512, true);
    offer(0);
    notify();
    assert_int_equal(used_index(), 0);
    common_write(0x14, 1, STATUS_DRIVER_OK);
    world_out(IO_BAR + 0x10, 2, 1);
    assert_int_equal(used_index(), 0);
    common_write(0x1800, 2, 0); /* the other notify capability */
    assert_int_equal(used_index(), 1);
}

static void test_legacy(void **state)
{
    (void)state;
    enum { RING = 0x10, LEGACY_AVAILABLE = 0x10800, LEGACY_USED = 0x11000 };
    bars_on();
    assert_true(world_in(IO_BAR, 4) & 1u << 28);
    world_out(IO_BAR + 0x12, 1, 3);
    world_out(IO_BAR + 0x04, 4, 0xffffffff); /* accepted as far as offered */
    assert_int_equal(world_in(IO_BAR + 0x04, 4), world_in(IO_BAR, 4));
    world_out(IO_BAR + 0x04, 4, 1 << 28);
    world_out(IO_BAR + 0x0e, 2, 0);
    assert_int_equal(world_in(IO_BAR + 0x0c, 2), SIZE);
    assert_int_equal(world_in(IO_BAR + 0x08, 4), 0);
    world_out(IO_BAR + 0x08, 4, RING);
    assert_int_equal(world_in(IO_BAR + 0x08, 4), RING);
    world_out(IO_BAR + 0x12, 1, 7);
    /* Device configuration, without and with MSI-X. */
    assert_int_equal(world_in(IO_BAR + 0x14, 4), WORLD_DISK_SECTORS);
    assert_int_equal(world_in(IO_BAR + 0x14 + 20, 4), 512);
    put_header(IN, 4);
    put_chain((struct descriptor *)(world.ram + RING * 4096), 0, 512, true);
    *ram16(LEGACY_AVAILABLE + 4) = 0;
    *ram16(LEGACY_AVAILABLE + 2) = 1;
    notify();
    assert_int_equal(*ram16(LEGACY_USED + 2), 1);
    assert_int_equal(world.ram[STATUS], OK);
    assert_memory_equal(world.ram + DATA, world.disk + 4 * 512, 512);
    assert_int_equal(world.irq_sources[11], 1u << IRQ_PIRQ_D);
    assert_int_equal(world_in(IO_BAR + 0x13, 1), 1);
    assert_int_equal(world.irq_sources[11], 0);
    msix_on();
    assert_int_equal(world_in(IO_BAR + 0x18, 4), WORLD_DISK_SECTORS);
    world_out(IO_BAR + 0x16, 2, 1);
    assert_int_equal(world_in(IO_BAR + 0x16, 2), 1);
    *ram16(LEGACY_AVAILABLE + 6) = 0;
    *ram16(LEGACY_AVAILABLE + 2) = 2;
    notify();
    assert_int_equal(world.msi_count, 1);
    world_out(IO_BAR + 0x08, 4, 0); /* the queue is taken away */
    *ram16(LEGACY_AVAILABLE + 2) = 3;
    notify();
    assert_int_equal(*ram16(LEGACY_USED + 2), 2);
    world_out(IO_BAR + 0x12, 1, 0);
    assert_int_equal(world_in(IO_BAR + 0x12, 1), 0);
    assert_int_equal(world_in(IO_BAR + 0x16, 2), 0xffff);
}

/* Legacy drivers use the device before they set DRIVER_OK (3.1.2). */
static void test_legacy_before_driver_ok(void **state)
{
    (void)state;
    enum { RING = 0x10, LEGACY_AVAILABLE = 0x10800, LEGACY_USED = 0x11000, STATUS_DRIVER = 3 };
    bars_on();
    world_out(IO_BAR + 0x12, 1, STATUS_DRIVER);
    world_out(IO_BAR + 0x08, 4, RING);
    put_header(IN, 4);
    put_chain((struct descriptor *)(world.ram + RING * 4096), 0, 512, true);
    *ram16(LEGACY_AVAILABLE + 2) = 1;
    notify();
    assert_int_equal(*ram16(LEGACY_USED + 2), 1);
    assert_int_equal(world.ram[STATUS], OK);
}

/* One notification moves a bounded number of bytes; the rest comes with the device's deadline. */
static void test_long_batch(void **state)
{
    (void)state;
    modern_up(0);
    put_header(IN, 0);
    put_chain(descriptor(0), 0, WORLD_DISK, true);
    for (unsigned i = 0; i < SIZE; i++)
        offer(0);
    notify();
    uint16_t first = used_index();
    assert_in_range(first, 1, SIZE - 1);
    assert_int_equal(world.pc.bus.next_deadline, world.now);
    for (unsigned i = 0; i < 32 && world.pc.bus.next_deadline != DEADLINE_NONE; i++)
        bus_tick(&world.pc.bus, world.now);
    assert_int_equal(used_index(), SIZE);
    assert_true(world.pc.bus.next_deadline == DEADLINE_NONE);
}

/* The window in configuration space reaches the BARs (4.1.4.9). */
static void test_window(void **state)
{
    (void)state;
    world_config_write(DISK, 0xa8 + 4, 1, 1);
    world_config_write(DISK, 0xa8 + 8, 4, 0x2000);
    world_config_write(DISK, 0xa8 + 12, 4, 4);
    assert_int_equal(world_config_read(DISK, 0xa8 + 16, 4), WORLD_DISK_SECTORS);
    world_config_write(DISK, 0xa8 + 8, 4, 0x14);
    world_config_write(DISK, 0xa8 + 12, 4, 1);
    world_config_write(DISK, 0xa8 + 16, 1, 3);
    assert_int_equal(world.pc.disk[0].virtio.status, 3);
    world_config_write(DISK, 0xa8 + 8, 4, 0x4000); /* outside of the BAR */
    assert_int_equal(world_config_read(DISK, 0xa8 + 16, 1), 0xff);
    world_config_write(DISK, 0xa8 + 4, 1, 6); /* no such BAR */
    world_config_write(DISK, 0xa8 + 8, 4, 0);
    assert_int_equal(world_config_read(DISK, 0xa8 + 16, 1), 0xff);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_capabilities),
        TEST(test_negotiation),
        TEST(test_read),
        TEST(test_write),
        TEST(test_bounds),
        TEST(test_overlay_full),
        TEST(test_other_requests),
        TEST(test_framing),
        TEST(test_indirect),
        TEST(test_broken_rings),
        TEST(test_indirect_not_negotiated),
        TEST(test_rings_nowhere),
        TEST(test_event_index),
        TEST(test_indices_wrap),
        TEST(test_no_interrupt_flag),
        TEST(test_msix_masks),
        TEST(test_pin),
        TEST(test_notify_early),
        TEST(test_legacy),
        TEST(test_legacy_before_driver_ok),
        TEST(test_long_batch),
        TEST(test_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
