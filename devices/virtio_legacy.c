/*
 * The legacy interface of a virtio device: registers in an I/O BAR, as drivers from before VIRTIO 1.0 use
 * them.
 *
 * Document: VIRTIO 1.2, 4.1.4.10 and the parts headed "Legacy Interface" of chapter 2. State: struct virtio.
 * The notify register also serves the modern interface (virtio_pci.c). Missing: accesses to the middle of a
 * register, or to two at once: it answers at its first port alone, for itself. Ignored bits: features that
 * were not offered are dropped; virtio.c names those of the device status.
 */
#include "virtio.h"
#include "effects.h"

/* Legacy registers (4.1.4.10). With MSI-X enabled two vectors stand before the device's configuration. */
enum legacy_register {
    LEGACY_DEVICE_FEATURES = 0x00,
    LEGACY_DRIVER_FEATURES = 0x04,
    LEGACY_QUEUE_ADDRESS = 0x08,
    LEGACY_QUEUE_SIZE = 0x0c,
    LEGACY_QUEUE_SELECT = 0x0e,
    LEGACY_QUEUE_NOTIFY = VIRTIO_LEGACY_NOTIFY,
    LEGACY_STATUS = 0x12,
    LEGACY_ISR = 0x13,
    LEGACY_CONFIG_VECTOR = 0x14,
    LEGACY_QUEUE_VECTOR = 0x16,
    LEGACY_SIZE = 0x14,
    LEGACY_SIZE_MSIX = 0x18,
};
enum { LEGACY_PAGE = 4096 };

/* The legacy layout of a queue: three parts one after the other, the used ring on a page of its own (2.7.2).
 */
static void legacy_set_queue(struct virtio *virtio, struct virtqueue *queue, uint32_t page)
{
    uint16_t vector = queue->vector;
    *queue = (struct virtqueue){.size = VIRTQUEUE_SIZE_MAX, .vector = vector};
    if (page == 0)
        return;
    queue->descriptors = (uint64_t)page * LEGACY_PAGE;
    queue->available = queue->descriptors + 16ull * queue->size;
    uint64_t end = queue->available + 6 + 2ull * queue->size;
    queue->used = (end + LEGACY_PAGE - 1) & ~(uint64_t)(LEGACY_PAGE - 1);
    virtio_queue_enable(virtio, queue);
}

static void legacy_read(struct virtio *virtio, const struct virtio_kind *kind, struct io *io)
{
    struct virtqueue *queue = virtio_selected_queue(virtio, kind);
    switch (io->offset) {
    case LEGACY_DEVICE_FEATURES:
        io->value = (uint32_t)virtio_features(kind);
        break;
    case LEGACY_DRIVER_FEATURES:
        io->value = (uint32_t)virtio->driver_features;
        break;
    case LEGACY_QUEUE_ADDRESS:
        io->value = queue && queue->enabled ? (uint32_t)(queue->descriptors / LEGACY_PAGE) : 0;
        break;
    case LEGACY_QUEUE_SIZE:
        io->value = queue ? queue->size : 0;
        break;
    case LEGACY_QUEUE_SELECT:
        io->value = virtio->queue_select;
        break;
    case LEGACY_STATUS:
        io->value = virtio->status;
        break;
    case LEGACY_ISR:
        io->value = virtio_read_isr(virtio);
        break;
    case LEGACY_CONFIG_VECTOR:
        io->value = virtio->config_vector;
        break;
    case LEGACY_QUEUE_VECTOR:
        io->value = queue ? queue->vector : VIRTIO_NO_VECTOR;
        break;
    default:
        io->value = 0;
    }
}

static void legacy_write(struct virtio *virtio, const struct virtio_kind *kind, const struct io *io)
{
    struct virtqueue *queue = virtio_selected_queue(virtio, kind);
    uint32_t value = io->value;
    switch (io->offset) {
    case LEGACY_DRIVER_FEATURES:
        virtio->driver_features = value & virtio_features(kind);
        break;
    case LEGACY_QUEUE_ADDRESS:
        if (queue)
            legacy_set_queue(virtio, queue, value);
        break;
    case LEGACY_QUEUE_SELECT:
        virtio->queue_select = (uint16_t)value;
        break;
    case LEGACY_QUEUE_NOTIFY:
        virtio_notify(virtio, kind, (uint16_t)value);
        break;
    case LEGACY_STATUS:
        virtio_write_status(virtio, kind, (uint8_t)value);
        break;
    case LEGACY_CONFIG_VECTOR:
        virtio->config_vector = virtio_usable_vector(virtio, value);
        break;
    case LEGACY_QUEUE_VECTOR:
        if (queue)
            queue->vector = virtio_usable_vector(virtio, value);
        break;
    default:
        effect_need(NEED_IGNORED, io->offset);
    }
}

void virtio_legacy_io(struct virtio *virtio, const struct virtio_kind *kind, struct io *io)
{
    uint32_t registers = msix_enabled(&virtio->msix, &virtio->pci) ? LEGACY_SIZE_MSIX : LEGACY_SIZE;
    if (io->offset >= registers)
        virtio_config_io(virtio, kind, io->offset - registers, io);
    else if (io->write)
        legacy_write(virtio, kind, io);
    else
        legacy_read(virtio, kind, io);
}
