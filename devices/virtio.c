/*
 * What all virtio devices share: device status, feature negotiation, the state of queues, interrupts.
 *
 * Document: VIRTIO 1.2, 2.1 to 2.3, 3.1, 4.1.5. State: struct virtio, at the head of each device's block.
 * Devices are transitional: a driver that does not accept VIRTIO_F_VERSION_1 uses the legacy interface.
 * Missing: packed queues, queue reset, notification data, the admin queue: not offered. Ignored bits: all of
 * the driver's status bits but DRIVER_OK and FEATURES_OK: they are kept as written. FEATURES_OK is refused
 * with features that were not offered.
 */
#include "virtio.h"
#include "effects.h"
#include "string.h"

enum { DESCRIPTOR_ALIGN = 16, AVAILABLE_ALIGN = 2, USED_ALIGN = 4 };

uint64_t virtio_features(const struct virtio_kind *kind)
{
    return kind->features | VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC |
           VIRTIO_F_ANY_LAYOUT;
}

void virtio_reset(struct virtio *virtio, const struct virtio_kind *kind)
{
    virtio->driver_features = 0;
    virtio->device_feature_select = virtio->driver_feature_select = 0;
    virtio->queue_select = 0;
    virtio->config_vector = VIRTIO_NO_VECTOR;
    virtio->status = 0;
    virtio->isr = 0;
    pci_set_interrupt(&virtio->pci, false);
    virtio->msix.pending = 0;
    memset(virtio->queue, 0, sizeof virtio->queue);
    for (unsigned i = 0; i < kind->queue_count; i++) {
        virtio->queue[i].size = VIRTQUEUE_SIZE_MAX;
        virtio->queue[i].vector = VIRTIO_NO_VECTOR;
    }
    kind->stop(virtio);
}

void virtio_write_status(struct virtio *virtio, const struct virtio_kind *kind, uint8_t status)
{
    if (status == 0) {
        virtio_reset(virtio, kind);
        return;
    }
    if (virtio->driver_features & ~virtio_features(kind))
        status &= (uint8_t)~VIRTIO_FEATURES_OK;
    virtio->status = status | (virtio->status & VIRTIO_NEEDS_RESET);
}

void virtio_queue_enable(struct virtio *virtio, struct virtqueue *queue)
{
    if (queue->size == 0)
        return;
    /* A driver that ignores the alignment rules (2.7) gets its ring where the hardware can reach it. */
    queue->descriptors &= ~(uint64_t)(DESCRIPTOR_ALIGN - 1);
    queue->available &= ~(uint64_t)(AVAILABLE_ALIGN - 1);
    queue->used &= ~(uint64_t)(USED_ALIGN - 1);
    queue->event_index = !!(virtio->driver_features & VIRTIO_F_EVENT_IDX);
    queue->indirect = !!(virtio->driver_features & VIRTIO_F_INDIRECT_DESC);
    queue->enabled = true;
}

void virtio_notify(struct virtio *virtio, const struct virtio_kind *kind, unsigned queue)
{
    /* Before DRIVER_OK a device must not touch the queues (3.1.1). Legacy drivers use them earlier (3.1.2):
     * Linux up to 3.17 looks for partitions first. */
    bool ready = virtio->status & VIRTIO_DRIVER_OK || !(virtio->driver_features & VIRTIO_F_VERSION_1);
    if (ready && !(virtio->status & VIRTIO_NEEDS_RESET) && queue < kind->queue_count)
        kind->notified(virtio, queue);
}

uint8_t virtio_read_isr(struct virtio *virtio)
{
    uint8_t isr = virtio->isr;
    virtio->isr = 0;
    pci_set_interrupt(&virtio->pci, false);
    return isr;
}

/* 4.1.5.1.3.1: with MSI-X enabled a message, otherwise the ISR and the pin. */
static void virtio_interrupt(struct virtio *virtio, unsigned vector, enum virtio_isr isr)
{
    if (msix_enabled(&virtio->msix, &virtio->pci)) {
        msix_raise(&virtio->msix, &virtio->pci, vector);
        return;
    }
    virtio->isr |= (uint8_t)isr;
    pci_set_interrupt(&virtio->pci, true);
}

void virtio_queue_done(struct virtio *virtio, struct virtqueue *queue)
{
    if (virtqueue_interrupts(queue))
        virtio_interrupt(virtio, queue->vector, VIRTIO_ISR_QUEUE);
    if (queue->broken && !(virtio->status & VIRTIO_NEEDS_RESET)) {
        virtio->status |= VIRTIO_NEEDS_RESET;
        virtio_interrupt(virtio, virtio->config_vector, VIRTIO_ISR_CONFIG);
    }
}

struct virtqueue *virtio_selected_queue(struct virtio *virtio, const struct virtio_kind *kind)
{
    return virtio->queue_select < kind->queue_count ? &virtio->queue[virtio->queue_select] : NULL;
}

/* A vector that the table does not have is refused: it reads back as none (4.1.5.1.2.1). */
uint16_t virtio_usable_vector(const struct virtio *virtio, uint32_t value)
{
    return value < virtio->msix.count ? (uint16_t)value : VIRTIO_NO_VECTOR;
}

void virtio_config_io(const struct virtio *virtio, const struct virtio_kind *kind, uint32_t offset,
                      struct io *io)
{
    uint8_t bytes[VIRTIO_CONFIG_MAX] = {0};
    if (io->write) {
        effect_need(NEED_IGNORED, offset);
        return;
    }
    kind->config(virtio, bytes);
    io->value = 0;
    for (unsigned i = 0; i < io->size && offset + i < kind->config_size; i++)
        io->value |= (uint32_t)bytes[offset + i] << 8 * i;
}

static bool virtio_vector_known(const struct virtio *virtio, uint16_t vector)
{
    return vector < virtio->msix.count || vector == VIRTIO_NO_VECTOR;
}

const char *virtio_check(const struct virtio *virtio, const struct virtio_kind *kind)
{
    if (!virtio_vector_known(virtio, virtio->config_vector))
        return "configuration vector";
    for (unsigned i = 0; i < kind->queue_count; i++) {
        const struct virtqueue *queue = &virtio->queue[i];
        if (queue->size > VIRTQUEUE_SIZE_MAX || queue->size & (queue->size - 1))
            return "queue size";
        if (queue->enabled > 1 || (queue->enabled && queue->size == 0))
            return "enabled queue without a size";
        if (queue->broken > 1 || queue->event_index > 1 || queue->indirect > 1)
            return "queue flags";
        if (!virtio_vector_known(virtio, queue->vector))
            return "queue vector";
    }
    const char *broken = msix_check(&virtio->msix, kind->queue_count + 1, VIRTIO_AT_MSIX);
    return broken ? broken : pci_check(&virtio->pci, &kind->identity);
}

void virtio_inspect(const struct virtio *virtio, struct inspector *inspector)
{
    pci_inspect(&virtio->pci, inspector);
    inspector->field(inspector, "status", virtio->status);
    inspector->field(inspector, "features", virtio->driver_features);
    inspector->field(inspector, "isr", virtio->isr);
    inspector->field(inspector, "msix", msix_enabled(&virtio->msix, &virtio->pci));
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
        const struct virtqueue *queue = &virtio->queue[i];
        if (!queue->enabled)
            continue;
        inspector->field(inspector, "queue", i);
        inspector->field(inspector, "queue size", queue->size);
        inspector->field(inspector, "queue available", queue->available_next);
        inspector->field(inspector, "queue used", queue->used_next);
        inspector->field(inspector, "queue broken", queue->broken);
    }
}
