/*
 * The registers of a virtio device over PCI: capabilities and the structures that they point to.
 *
 * Document: VIRTIO 1.2, 4.1.3 to 4.1.5. The legacy interface is in virtio_legacy.c. Of the two notification
 * capabilities the first, which drivers prefer, lies in I/O space: a port write costs the monitor much less
 * than a memory write, whose instruction must be decoded. It is the legacy interface's notify register, so a
 * queue is named by the value alone (notify_off_multiplier 0). State: struct virtio.
 *
 * Missing: the registers behind queue_device (notification data and queue reset are not offered), shared
 * memory.
 * Ignored bits: the lowest of a queue's addresses, which its alignment wants to be 0; values that a register
 * does not take: a size that is too large or no power of two, an enable other than 1, features behind bit 63
 * or after FEATURES_OK. A write that is wider or narrower than its register is dropped and counted.
 */
#include "virtio.h"
#include "effects.h"
#include "string.h"

/* The memory BAR, in pages but for the last. */
enum {
    MEMORY_COMMON = 0x0000,
    MEMORY_ISR = 0x1000,
    MEMORY_NOTIFY = 0x1800,
    MEMORY_DEVICE = 0x2000,
    MEMORY_MSIX_TABLE = 0x3000,
    MEMORY_MSIX_PBA = 0x3800,
};

/* Common configuration structure (4.1.4.3). */
enum common_register {
    COMMON_DEVICE_FEATURE_SELECT = 0x00,
    COMMON_DEVICE_FEATURE = 0x04,
    COMMON_DRIVER_FEATURE_SELECT = 0x08,
    COMMON_DRIVER_FEATURE = 0x0c,
    COMMON_CONFIG_VECTOR = 0x10,
    COMMON_NUM_QUEUES = 0x12,
    COMMON_STATUS = 0x14,
    COMMON_CONFIG_GENERATION = 0x15,
    COMMON_QUEUE_SELECT = 0x16,
    COMMON_QUEUE_SIZE = 0x18,
    COMMON_QUEUE_VECTOR = 0x1a,
    COMMON_QUEUE_ENABLE = 0x1c,
    COMMON_QUEUE_NOTIFY_OFF = 0x1e,
    COMMON_QUEUE_DESC = 0x20,
    COMMON_QUEUE_DRIVER = 0x28,
    COMMON_QUEUE_DEVICE = 0x30,
    COMMON_SIZE = 0x38,
};

/* struct virtio_pci_cap (4.1.4). */
enum {
    CAP_VENDOR = 0x09,
    CAP_LENGTH = 2,
    CAP_TYPE = 3,
    CAP_BAR = 4,
    CAP_OFFSET = 8,
    CAP_SIZE = 12,
    CAP_EXTRA = 16
};
enum { TYPE_COMMON = 1, TYPE_NOTIFY = 2, TYPE_ISR = 3, TYPE_DEVICE = 4, TYPE_PCI = 5 };
enum { BAR_IO = 0, BAR_MEMORY = 1 };

/* Places of the capabilities in configuration space. */
enum {
    AT_MSIX = VIRTIO_AT_MSIX,
    AT_COMMON = 0x50,
    AT_NOTIFY_IO = 0x60,
    AT_NOTIFY_MEMORY = 0x74,
    AT_ISR = 0x88,
    AT_DEVICE = 0x98,
    AT_PCI = VIRTIO_AT_PCI,
};

static void capability_add(struct pci_function *pci, uint8_t at, uint8_t type, uint8_t bar, uint32_t offset,
                           uint32_t size)
{
    bool extra = type == TYPE_NOTIFY || type == TYPE_PCI;
    pci_add_capability(pci, CAP_VENDOR, at);
    pci->config[at + CAP_LENGTH] = CAP_EXTRA + (extra ? 4 : 0);
    pci->config[at + CAP_TYPE] = type;
    pci->config[at + CAP_BAR] = bar;
    pci_put32(pci, at + CAP_OFFSET, offset);
    pci_put32(pci, at + CAP_SIZE, size);
}

void virtio_pci_reset(struct virtio *virtio, const struct virtio_kind *kind, uint16_t devfn)
{
    struct pci_function *pci = &virtio->pci;
    pci_reset(pci, &kind->identity, devfn);
    /* Each goes to the front of the list: the last one here is found first. */
    capability_add(pci, AT_PCI, TYPE_PCI, 0, 0, 0);
    capability_add(pci, AT_DEVICE, TYPE_DEVICE, BAR_MEMORY, MEMORY_DEVICE, kind->config_size);
    capability_add(pci, AT_ISR, TYPE_ISR, BAR_MEMORY, MEMORY_ISR, 1);
    capability_add(pci, AT_NOTIFY_MEMORY, TYPE_NOTIFY, BAR_MEMORY, MEMORY_NOTIFY, 2);
    capability_add(pci, AT_NOTIFY_IO, TYPE_NOTIFY, BAR_IO, VIRTIO_LEGACY_NOTIFY, 2);
    capability_add(pci, AT_COMMON, TYPE_COMMON, BAR_MEMORY, MEMORY_COMMON, COMMON_SIZE);
    msix_reset(&virtio->msix, pci, AT_MSIX, kind->queue_count + 1, BAR_MEMORY, MEMORY_MSIX_TABLE,
               MEMORY_MSIX_PBA);
    virtio_reset(virtio, kind);
}

static uint32_t feature_word(uint64_t features, uint32_t select)
{
    return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

/* The 32 bits at a multiple of 4. */
static uint32_t common_read_word(struct virtio *virtio, const struct virtio_kind *kind, uint32_t offset)
{
    const struct virtqueue none = {.vector = VIRTIO_NO_VECTOR};
    const struct virtqueue *selected = virtio_selected_queue(virtio, kind);
    const struct virtqueue *queue = selected ? selected : &none;
    switch (offset) {
    case COMMON_DEVICE_FEATURE_SELECT:
        return virtio->device_feature_select;
    case COMMON_DEVICE_FEATURE:
        return feature_word(virtio_features(kind) & ~VIRTIO_F_ANY_LAYOUT, virtio->device_feature_select);
    case COMMON_DRIVER_FEATURE_SELECT:
        return virtio->driver_feature_select;
    case COMMON_DRIVER_FEATURE:
        return feature_word(virtio->driver_features, virtio->driver_feature_select);
    case COMMON_CONFIG_VECTOR:
        return virtio->config_vector | kind->queue_count << 16;
    case COMMON_STATUS: /* the configuration never changes: its generation stays 0 */
        return virtio->status | (uint32_t)virtio->queue_select << 16;
    case COMMON_QUEUE_SIZE:
        return queue->size | (uint32_t)queue->vector << 16;
    case COMMON_QUEUE_ENABLE:
        return queue->enabled;
    case COMMON_QUEUE_DESC:
    case COMMON_QUEUE_DESC + 4:
        return (uint32_t)(queue->descriptors >> 8 * (offset - COMMON_QUEUE_DESC));
    case COMMON_QUEUE_DRIVER:
    case COMMON_QUEUE_DRIVER + 4:
        return (uint32_t)(queue->available >> 8 * (offset - COMMON_QUEUE_DRIVER));
    case COMMON_QUEUE_DEVICE:
    case COMMON_QUEUE_DEVICE + 4:
        return (uint32_t)(queue->used >> 8 * (offset - COMMON_QUEUE_DEVICE));
    }
    return 0;
}

static uint64_t replace_half(uint64_t old, unsigned half, uint32_t value)
{
    return half ? (old & UINT32_MAX) | (uint64_t)value << 32 : (old & ~(uint64_t)UINT32_MAX) | value;
}

/* Registers of the selected queue; its place and size are fixed once it is enabled. */
static void common_write_queue(struct virtio *virtio, const struct virtio_kind *kind, uint32_t offset,
                               uint32_t value)
{
    struct virtqueue *queue = virtio_selected_queue(virtio, kind);
    if (!queue)
        return;
    if (offset == COMMON_QUEUE_VECTOR) {
        queue->vector = virtio_usable_vector(virtio, value);
        return;
    }
    if (queue->enabled)
        return;
    unsigned half = offset >> 2 & 1;
    if (offset == COMMON_QUEUE_SIZE && value <= VIRTQUEUE_SIZE_MAX && !(value & (value - 1)))
        queue->size = (uint16_t)value;
    else if (offset == COMMON_QUEUE_ENABLE && value == 1)
        virtio_queue_enable(virtio, queue);
    else if (offset >= COMMON_QUEUE_DEVICE)
        queue->used = replace_half(queue->used, half, value);
    else if (offset >= COMMON_QUEUE_DRIVER)
        queue->available = replace_half(queue->available, half, value);
    else if (offset >= COMMON_QUEUE_DESC)
        queue->descriptors = replace_half(queue->descriptors, half, value);
}

static uint8_t common_width(uint32_t offset)
{
    if (offset == COMMON_STATUS || offset == COMMON_CONFIG_GENERATION)
        return 1;
    return offset >= COMMON_CONFIG_VECTOR && offset < COMMON_QUEUE_DESC ? 2 : 4;
}

/* Drivers write each field with its own width (4.1.3.1). */
static void common_write(struct virtio *virtio, const struct virtio_kind *kind, const struct io *io)
{
    uint32_t offset = io->offset, value = io->value;
    if (io->size != common_width(offset) || offset >= COMMON_SIZE) {
        effect_need(NEED_IGNORED, offset);
        return;
    }
    switch (offset) {
    case COMMON_DEVICE_FEATURE_SELECT:
        virtio->device_feature_select = value;
        break;
    case COMMON_DRIVER_FEATURE_SELECT:
        virtio->driver_feature_select = value;
        break;
    case COMMON_DRIVER_FEATURE:
        if (virtio->driver_feature_select < 2 && !(virtio->status & VIRTIO_FEATURES_OK))
            virtio->driver_features =
                replace_half(virtio->driver_features, virtio->driver_feature_select, value);
        break;
    case COMMON_CONFIG_VECTOR:
        virtio->config_vector = virtio_usable_vector(virtio, value);
        break;
    case COMMON_STATUS:
        virtio_write_status(virtio, kind, (uint8_t)value);
        break;
    case COMMON_QUEUE_SELECT:
        virtio->queue_select = (uint16_t)value;
        break;
    default:
        common_write_queue(virtio, kind, offset, value);
    }
}

static void memory_io(struct virtio *virtio, const struct virtio_kind *kind, struct io *io)
{
    uint32_t offset = io->offset;
    if (offset < MEMORY_ISR) {
        if (io->write)
            common_write(virtio, kind, io);
        else
            io->value = common_read_word(virtio, kind, offset & ~3u) >> 8 * (offset & 3);
    } else if (offset < MEMORY_NOTIFY) {
        if (!io->write)
            io->value = offset == MEMORY_ISR ? virtio_read_isr(virtio) : 0;
    } else if (offset < MEMORY_DEVICE) {
        if (io->write && offset == MEMORY_NOTIFY)
            virtio_notify(virtio, kind, (uint16_t)io->value);
    } else if (offset < MEMORY_MSIX_TABLE) {
        virtio_config_io(virtio, kind, offset - MEMORY_DEVICE, io);
    } else if (offset < MEMORY_MSIX_PBA) {
        msix_table_io(&virtio->msix, &virtio->pci, offset - MEMORY_MSIX_TABLE, io);
    } else {
        msix_pba_io(&virtio->msix, offset - MEMORY_MSIX_PBA, io);
    }
}

static void bar_io(struct virtio *virtio, const struct virtio_kind *kind, struct io *io)
{
    if (io->region == VIRTIO_REGION_IO)
        virtio_legacy_io(virtio, kind, io);
    else
        memory_io(virtio, kind, io);
}

/* The window at pci_cfg_data: an access to a BAR for software that cannot reach it (4.1.4.9). */
static void window_io(struct virtio *virtio, const struct virtio_kind *kind, struct io *io)
{
    const struct pci_function *pci = &virtio->pci;
    uint8_t bar = pci->config[AT_PCI + CAP_BAR];
    uint32_t offset = pci_get32(pci, AT_PCI + CAP_OFFSET), length = pci_get32(pci, AT_PCI + CAP_SIZE);
    if (bar > BAR_MEMORY || (length != 1 && length != 2 && length != 4) || offset % length)
        return;
    const struct pci_bar *target = &kind->identity.bar[bar];
    if (io->size != length || offset >= target->size)
        return;
    struct io inner = {.offset = offset,
                       .value = io->value,
                       .space = target->kind == PCI_BAR_IO ? IO_PORT : IO_MEMORY,
                       .size = (uint8_t)length,
                       .region = target->region,
                       .write = io->write};
    bar_io(virtio, kind, &inner);
    io->value = inner.value;
}

void virtio_pci_io(struct virtio *virtio, const struct virtio_kind *kind, struct io *io)
{
    if (io->space != IO_CONFIG) {
        bar_io(virtio, kind, io);
    } else if (io->offset == AT_PCI + CAP_EXTRA) {
        window_io(virtio, kind, io);
    } else {
        pci_config_io(&virtio->pci, &kind->identity, virtio, io);
        if (!io->write)
            return;
        msix_config_written(&virtio->msix, &virtio->pci);
        /* With MSI-X on a function must not use its pin (PCI 3.0, 6.8.3.3). */
        pci_set_interrupt(&virtio->pci, virtio->isr && !msix_enabled(&virtio->msix, &virtio->pci));
    }
}
