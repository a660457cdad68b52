/* The virtio block driver of the test kernels. */
#include "guest.h"
#include "memory.h"
#include "pci.h"
#include "power.h"
#include "virtio.h"

enum {
    ID_LEGACY_BLOCK = 0x10011af4,
    ID_MODERN_BLOCK = 0x10421af4,
    PCI_COMMAND = 4,
    COMMAND_ENABLE = 7,
    PCI_CAPABILITIES = 0x34,
    CAPABILITY_VENDOR = 9,
    PCI_BAR0 = 0x10,
    CFG_COMMON = 1,
    CFG_NOTIFY = 2,
    CFG_ISR = 3,
    CFG_DEVICE = 4,
    STATUS_ACKNOWLEDGE = 1,
    STATUS_DRIVER = 2,
    STATUS_DRIVER_OK = 4,
    STATUS_FEATURES_OK = 8,
    FEATURE_VERSION_1 = 1,
    DESC_NEXT = 1,
    DESC_WRITE = 2,
    DESC_INDIRECT = 4,
    BAR_PLACE = 0xfe800000
};

struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};
static struct descriptor descriptors[VIRTIO_QUEUE_SIZE] __attribute__((aligned(4096)));
static struct descriptor indirect_tables[VIRTIO_INDIRECT_SLOTS][VIRTIO_QUEUE_SIZE];
static volatile struct {
    uint16_t flags, index, ring[VIRTIO_QUEUE_SIZE], event;
} available __attribute__((aligned(4096)));
static volatile struct {
    uint16_t flags, index;
    struct {
        uint32_t id, length;
    } ring[VIRTIO_QUEUE_SIZE];
} used __attribute__((aligned(4096)));
static struct {
    uint32_t type, reserved;
    uint64_t sector;
} header[VIRTIO_QUEUE_SIZE];
static volatile uint8_t status[VIRTIO_QUEUE_SIZE];

/* Address of a memory BAR, placed when nobody has. */
static uint32_t bar_address(uint8_t function, uint8_t bar)
{
    uint8_t offset = (uint8_t)(PCI_BAR0 + 4 * bar);
    uint32_t value = pci_read(function, offset);

    if (!(value & ~0xfu)) {
        pci_write(function, offset, BAR_PLACE);
        value = pci_read(function, offset);
    }
    return value & ~0xfu;
}

static void take_capability(struct virtio_blk *blk, uint8_t at)
{
    uint32_t head = pci_read(blk->function, at);
    uint8_t bar = (uint8_t)pci_read(blk->function, (uint8_t)(at + 4));
    uint32_t place = pci_read(blk->function, (uint8_t)(at + 8));

    if ((head & 0xff) != CAPABILITY_VENDOR)
        return;
    uint8_t kind = (uint8_t)(head >> 24);
    if (kind < CFG_COMMON || kind > CFG_DEVICE)
        return;
    uint32_t address = bar_address(blk->function, bar) + place;
    if (kind == CFG_COMMON)
        blk->common = (volatile struct virtio_common *)address;
    if (kind == CFG_NOTIFY)
        blk->notify = (volatile uint16_t *)address;
    if (kind == CFG_ISR)
        blk->isr = (volatile uint8_t *)address;
    if (kind == CFG_DEVICE)
        blk->config = (volatile uint32_t *)address;
}

bool virtio_find(struct virtio_blk *blk)
{
    *blk = (struct virtio_blk){0};
    for (uint32_t function = 0; function < 256; function++) {
        uint32_t id = pci_read((uint8_t)function, 0);
        if (id != ID_LEGACY_BLOCK && id != ID_MODERN_BLOCK)
            continue;
        blk->function = (uint8_t)function;
        uint8_t at = (uint8_t)(pci_read(blk->function, PCI_CAPABILITIES) & 0xfc);
        for (uint32_t i = 0; at && i < 16; i++) {
            take_capability(blk, at);
            at = (uint8_t)(pci_read(blk->function, at) >> 8 & 0xfc);
        }
        pci_write(blk->function, PCI_COMMAND, COMMAND_ENABLE);
        return blk->common && blk->notify && blk->isr && blk->config;
    }
    return false;
}

bool virtio_start(struct virtio_blk *blk)
{
    return virtio_start_with(blk, 0);
}

bool virtio_start_with(struct virtio_blk *blk, uint32_t features)
{
    volatile struct virtio_common *common = blk->common;

    memset((void *)&available, 0, sizeof(available));
    memset((void *)&used, 0, sizeof(used));
    blk->next = blk->seen = 0;
    common->device_status = 0;
    for (uint32_t i = 0; i < 1000 && common->device_status; i++)
        pause();
    common->device_status = STATUS_ACKNOWLEDGE;
    common->device_status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
    common->driver_feature_select = 0;
    common->driver_feature = features;
    common->driver_feature_select = 1;
    common->driver_feature = FEATURE_VERSION_1;
    common->device_status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
    if (!(common->device_status & STATUS_FEATURES_OK))
        return false;
    common->queue_select = 0;
    if (common->queue_size < VIRTIO_QUEUE_SIZE)
        return false;
    common->queue_size = VIRTIO_QUEUE_SIZE;
    common->queue_desc_low = (uint32_t)descriptors;
    common->queue_desc_high = 0;
    common->queue_driver_low = (uint32_t)&available;
    common->queue_driver_high = 0;
    common->queue_device_low = (uint32_t)&used;
    common->queue_device_high = 0;
    common->queue_enable = 1;
    common->device_status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK;
    return true;
}

static void make_available(struct virtio_blk *blk, uint16_t head)
{
    available.ring[blk->next % VIRTIO_QUEUE_SIZE] = head;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    available.index = ++blk->next;
}

void virtio_queue(struct virtio_blk *blk, uint32_t slot, uint32_t type, uint64_t sector, void *data,
                  uint32_t bytes)
{
    uint16_t first = (uint16_t)(slot * 3), second = (uint16_t)(first + 1), third = (uint16_t)(first + 2);

    header[slot].type = type;
    header[slot].sector = sector;
    status[slot] = 0xff;
    descriptors[first] = (struct descriptor){(uint32_t)&header[slot], 16, DESC_NEXT, bytes ? second : third};
    descriptors[second] = (struct descriptor){
        (uint32_t)data, bytes, (uint16_t)(DESC_NEXT | (type == VIRTIO_BLK_READ ? DESC_WRITE : 0)), third};
    descriptors[third] = (struct descriptor){(uint32_t)&status[slot], 1, DESC_WRITE, 0};
    make_available(blk, first);
}

/* Adds a part of the request to a table; the one before it points to it. */
static void chain(struct descriptor *table, uint32_t *count, const volatile void *at, uint32_t bytes,
                  uint16_t flags)
{
    if (*count == VIRTIO_QUEUE_SIZE)
        guest_abort("a request has too many pieces");
    if (*count) {
        table[*count - 1].flags |= DESC_NEXT;
        table[*count - 1].next = (uint16_t)*count;
    }
    table[(*count)++] = (struct descriptor){(uint32_t)at, bytes, flags, 0};
}

void virtio_queue_pieces(struct virtio_blk *blk, uint32_t slot, uint32_t type, uint64_t sector,
                         const struct dma_pieces *pieces, uint32_t split, bool indirect)
{
    struct descriptor *table = indirect ? indirect_tables[slot] : descriptors;
    uint8_t *first = (uint8_t *)&header[slot];
    uint32_t count = 0;

    header[slot].type = type;
    header[slot].sector = sector;
    status[slot] = 0xff;
    if (split)
        chain(table, &count, first, split, 0);
    chain(table, &count, first + split, (uint32_t)sizeof(header[slot]) - split, 0);
    for (uint32_t i = 0; i < pieces->count; i++)
        chain(table, &count, pieces->piece[i].at, pieces->piece[i].bytes,
              type == VIRTIO_BLK_READ ? DESC_WRITE : 0);
    chain(table, &count, &status[slot], 1, DESC_WRITE);
    if (indirect)
        descriptors[slot] =
            (struct descriptor){(uint32_t)table, count * (uint32_t)sizeof(*table), DESC_INDIRECT, 0};
    make_available(blk, (uint16_t)slot);
}

void virtio_queue_chain(struct virtio_blk *blk, const struct dma_pieces *readable,
                        const struct dma_pieces *writable)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < readable->count; i++)
        chain(descriptors, &count, readable->piece[i].at, readable->piece[i].bytes, 0);
    for (uint32_t i = 0; i < writable->count; i++)
        chain(descriptors, &count, writable->piece[i].at, writable->piece[i].bytes, DESC_WRITE);
    make_available(blk, 0);
}

void virtio_notify(struct virtio_blk *blk)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    *blk->notify = 0;
}

uint32_t virtio_completed(struct virtio_blk *blk)
{
    uint16_t index = used.index, count = (uint16_t)(index - blk->seen);

    blk->seen = index;
    return count;
}

uint32_t virtio_written(const struct virtio_blk *blk)
{
    return used.ring[(uint16_t)(blk->seen - 1) % VIRTIO_QUEUE_SIZE].length;
}

uint8_t virtio_status(uint32_t slot)
{
    return status[slot];
}

uint8_t virtio_transfer(struct virtio_blk *blk, uint32_t type, uint64_t sector, void *data, uint32_t bytes)
{
    virtio_queue(blk, 0, type, sector, data, bytes);
    virtio_notify(blk);
    for (uint32_t i = 0; i < 50000; i++) {
        if (virtio_completed(blk))
            return status[0];
        delay_us(100);
    }
    return 0xff;
}
