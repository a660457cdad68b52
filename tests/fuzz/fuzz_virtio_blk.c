/*
 * The virtio block device against a hostile driver: a program of register accesses, writes to guest RAM and
 * notifications, in the input. The device must stay inside RAM and disk (ASan: both have their exact size),
 * keep its invariants, and come to an end with each notification.
 *
 * sources: devices/bus.c devices/p[ci]i*.c devices/i440fx.c devices/pam.c devices/ioapic.c devices/msix.c
 * sources: devices/virt*.c lib/format.c
 * sources: devices/disk_image.c
 * coverage: devices/virtio*.c devices/virtqueue.c devices/msix.c
 * seconds: 30
 */
#define WORLD_RAM 0x10000u
#include "fuzz_input.h"
#include "pci_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DISK = PCI_DEVFN(4, 0), IO_BAR = 0xc000, MEMORY_BAR = 0xfe000000, STEPS_MAX = 256 };
enum { DESCRIPTORS = 0x1000, AVAILABLE = 0x1800, USED = 0x2000, TABLE = 0x3000, QUEUE_SIZE = 16 };

struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};

static void memory_write(unsigned offset, unsigned size, uint64_t value)
{
    bus_write(&world.pc.bus, IO_MEMORY, MEMORY_BAR + offset, size, value);
}

/* A queue that works, so that not every input has to find out how to set one up. */
static void bring_up(struct input *input)
{
    unsigned features = (unsigned)take(input, 1);
    world_config_write(DISK, PCI_BAR0, 4, IO_BAR);
    world_config_write(DISK, PCI_BAR0 + 4, 4, MEMORY_BAR);
    world_config_write(DISK, PCI_COMMAND, 2, 7);
    if (features & 1)
        world_config_write(DISK, 0x42, 2, 0x8000);
    memory_write(0x08, 4, 0);
    memory_write(0x0c, 4, (uint64_t)(features >> 4) << 28);
    memory_write(0x08, 4, 1);
    memory_write(0x0c, 4, features >> 1 & 1);
    memory_write(0x1a, 2, 1);
    memory_write(0x18, 2, QUEUE_SIZE);
    memory_write(0x20, 8, DESCRIPTORS);
    memory_write(0x28, 8, AVAILABLE);
    memory_write(0x30, 8, USED);
    memory_write(0x1c, 2, 1);
    memory_write(0x14, 1, 0x0f);
}

static void put_descriptor(struct input *input, uint64_t table)
{
    unsigned shape = (unsigned)take(input, 1);
    uint64_t address = (shape & 0x80) ? take(input, 8) : take(input, 2) << 4;
    uint32_t length = (uint32_t)take(input, shape & 0x40 ? 4 : 1) * (shape & 0x20 ? 16 : 1);
    uint16_t flags = (uint16_t)(shape & 7), next = (uint16_t)take(input, 1);
    uint8_t *at = world.ram + table + 16 * (shape >> 3 & 3) + 64 * (next & 1);
    memcpy(at, &address, 8);
    memcpy(at + 8, &length, 4);
    memcpy(at + 12, &flags, 2);
    memcpy(at + 14, &next, 2);
}

static void notify(void)
{
    world_out(IO_BAR + VIRTIO_LEGACY_NOTIFY, 2, 0);
}

/* Makes `count` more chains available, or takes some back; the first of them begins at head. */
static void offer(uint16_t head, unsigned count)
{
    uint16_t *available = (uint16_t *)(world.ram + AVAILABLE);
    available[2 + available[1] % QUEUE_SIZE] = head;
    available[1] = (uint16_t)(available[1] + count);
}

/* A whole request that is right but for its numbers: header, data, status; half of them in an indirect table.
 */
static void do_request(struct input *input)
{
    unsigned shape = (unsigned)take(input, 1);
    uint64_t type = shape >> 1 & 15, sector = take(input, 1) * (shape & 0x20 ? 8 : 1);
    uint32_t length = (uint32_t)take(input, 1) * 512;
    struct descriptor chain[] = {
        {0x4000, 16, 1, 1}, {0x8000, length, type == 1 ? 1 : 3, 2}, {0x4100, 1, 2, 0}};
    memcpy(world.ram + (shape & 1 ? TABLE : DESCRIPTORS), chain, sizeof chain);
    if (shape & 1)
        memcpy(world.ram + DESCRIPTORS, &(struct descriptor){TABLE, sizeof chain, 4, 0}, 16);
    memcpy(world.ram + 0x4000, &type, 8);
    memcpy(world.ram + 0x4008, &sector, 8);
    offer(0, 1);
    notify();
}

/* The window in configuration space, opened on either BAR and used. */
static void use_window(struct input *input, unsigned width)
{
    uint32_t value = (uint32_t)take(input, width);
    world_config_write(DISK, 0xac, 1, (uint32_t)take(input, 1) & 3);
    world_config_write(DISK, 0xb0, 4, (uint32_t)take(input, 2) & ~(width - 1));
    world_config_write(DISK, 0xb4, 4, width);
    if (take(input, 1) & 1)
        world_config_write(DISK, 0xb8, width, value);
    else
        world_config_read(DISK, 0xb8, width);
}

static void step(struct input *input)
{
    unsigned what = (unsigned)take(input, 1);
    unsigned width = 1u << (what >> 4 & 3) % 3;
    switch (what & 15) {
    case 0:
    case 1:
        world_out((uint16_t)(IO_BAR + take(input, 1) % VIRTIO_IO_SIZE), width, (uint32_t)take(input, width));
        break;
    case 2:
        world_in((uint16_t)(IO_BAR + take(input, 1) % VIRTIO_IO_SIZE), width);
        break;
    case 3:
    case 4:
        memory_write((unsigned)take(input, 2) % VIRTIO_MEMORY_SIZE, width, take(input, width));
        break;
    case 5:
        memory_write((unsigned)take(input, 1) % (0x40 / width) * width, width, take(input, width));
        break;
    case 6:
        bus_read(&world.pc.bus, IO_MEMORY, MEMORY_BAR + take(input, 2) % VIRTIO_MEMORY_SIZE, width);
        break;
    case 7:
        world_config_write(DISK, (unsigned)take(input, 1) & ~3u, 4, (uint32_t)take(input, 4));
        break;
    case 8:
        world_config_read(DISK, (unsigned)take(input, 1) & ~(width - 1), width);
        break;
    case 9:
        put_descriptor(input, DESCRIPTORS);
        break;
    case 10:
        put_descriptor(input, TABLE);
        break;
    case 11:
        do_request(input);
        break;
    case 12:
        offer((uint16_t)take(input, 1) & 31, (unsigned)take(input, 1) & 3);
        notify();
        break;
    case 13:
        if (what & 0x80)
            use_window(input, width);
        else
            world.ram[AVAILABLE + take(input, 1)] = (uint8_t)take(input, 1);
        break;
    case 14:
        world.now += take(input, 4);
        bus_tick(&world.pc.bus, world.now);
        break;
    default:
        notify();
    }
}

static void nothing(struct inspector *inspector, const char *name, uint64_t value)
{
    (void)inspector;
    (void)name;
    (void)value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    const char *device;
    world_reset();
    world.overlay_pages = 4;
    bring_up(&input);
    for (unsigned i = 0; i < STEPS_MAX && input.size; i++)
        step(&input);
    struct inspector inspector = {nothing};
    virtio_blk_device.inspect(&world.pc.disk[0], &inspector);
    if (bus_check(&world.pc.bus, &device))
        abort();
    return 0;
}
