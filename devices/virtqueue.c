/*
 * Split virtqueues: the rings through which a driver hands chains of buffers to a device.
 *
 * Document: Virtual I/O Device (VIRTIO) 1.2, 2.7. The rings are guest RAM, which other processors of the
 * guest write to at any time: each descriptor is copied once and judged in the copy; every index is reduced
 * or checked against the queue size at each use; a chain is never longer than the queue. What a correct
 * driver cannot do sets queue->broken. Missing: packed queues, use in order (not offered);
 * VIRTQ_USED_F_NO_NOTIFY is never set. Ignored bits: flags that 2.7 does not name; of a descriptor with
 * INDIRECT also WRITE.
 */
#include "virtqueue.h"
#include <stdatomic.h>
#include "effects.h"
#include "string.h"

/* 2.7.5: a descriptor, as it lies in RAM. */
struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};
enum descriptor_flags { DESCRIPTOR_NEXT = 1, DESCRIPTOR_WRITE = 2, DESCRIPTOR_INDIRECT = 4 };
_Static_assert(sizeof(struct descriptor) == 16, "VIRTIO 1.2, 2.7.5");

/* 2.7.6 and 2.7.8: flags, idx, ring[], and the event index behind it. */
enum { RING_FLAGS = 0, RING_INDEX = 2, RING_ENTRIES = 4, AVAILABLE_ENTRY = 2, USED_ENTRY = 8 };
enum { AVAILABLE_NO_INTERRUPT = 1 };

/* Where descriptors of a chain come from: the queue's table, or an indirect one. */
struct descriptor_table {
    uint64_t address;
    uint32_t count;
};

/* Copies from guest RAM once: the barrier keeps the compiler from reading the original again. */
static bool ram_get(uint64_t address, void *to, uint32_t length)
{
    const void *from = effect_ram(address, length);
    if (!from)
        return false;
    memcpy(to, from, length);
    atomic_signal_fence(memory_order_seq_cst);
    return true;
}

static bool ram_put(uint64_t address, const void *from, uint32_t length)
{
    void *to = effect_ram(address, length);
    if (!to)
        return false;
    memcpy(to, from, length);
    atomic_signal_fence(memory_order_seq_cst);
    return true;
}

/* Indices of the rings, which the other side reads and writes at the same time: in one piece, and not before
 * what was written ahead of them (2.7.13). The rings are aligned: virtio_queue_enable(). */
static uint16_t ring_get16(struct virtqueue *queue, uint64_t address)
{
    const uint16_t *from = effect_ram(address, sizeof *from);
    if (!from) {
        queue->broken = true;
        return 0;
    }
    return __atomic_load_n(from, __ATOMIC_ACQUIRE);
}

static void ring_put16(struct virtqueue *queue, uint64_t address, uint16_t value)
{
    uint16_t *to = effect_ram(address, sizeof *to);
    if (to)
        __atomic_store_n(to, value, __ATOMIC_RELEASE);
    else
        queue->broken = true;
}

/* Adds one buffer to the chain; false if it breaks the order: readable ones come first (2.7.4.2). */
static bool chain_add(struct virtqueue_chain *chain, const struct descriptor *descriptor)
{
    unsigned count = chain->readable + chain->writable;
    bool writable = descriptor->flags & DESCRIPTOR_WRITE;
    if (count == VIRTQUEUE_SEGMENTS_MAX || (!writable && chain->writable))
        return false;
    chain->segment[count] = (struct virtqueue_segment){descriptor->address, descriptor->length};
    if (writable) {
        chain->writable++;
        chain->writable_bytes += descriptor->length;
    } else {
        chain->readable++;
        chain->readable_bytes += descriptor->length;
    }
    return true;
}

/* An indirect descriptor names a table that holds the rest of the chain (2.7.5.3). */
static bool chain_enter_indirect(const struct virtqueue *queue, const struct descriptor *descriptor,
                                 struct descriptor_table *table)
{
    uint32_t length = descriptor->length;
    if (!queue->indirect || descriptor->flags & DESCRIPTOR_NEXT || length == 0 ||
        length % sizeof(struct descriptor))
        return false;
    *table = (struct descriptor_table){descriptor->address, length / (uint32_t)sizeof(struct descriptor)};
    return true;
}

/* Follows a chain from its head; at most queue->size descriptors and one indirection. */
static bool chain_collect(const struct virtqueue *queue, struct virtqueue_chain *chain)
{
    struct descriptor_table table = {queue->descriptors, queue->size};
    uint32_t index = chain->head;
    bool indirect = false;
    for (unsigned steps = 0; steps <= queue->size; steps++) {
        struct descriptor descriptor;
        if (index >= table.count || table.address > UINT64_MAX - (uint64_t)table.count * sizeof descriptor ||
            !ram_get(table.address + (uint64_t)index * sizeof descriptor, &descriptor, sizeof descriptor))
            return false;
        if (descriptor.flags & DESCRIPTOR_INDIRECT) {
            if (indirect || !chain_enter_indirect(queue, &descriptor, &table))
                return false;
            indirect = true;
            index = 0;
            continue;
        }
        if (!chain_add(chain, &descriptor))
            return false;
        if (!(descriptor.flags & DESCRIPTOR_NEXT))
            return true;
        index = descriptor.next;
    }
    return false;
}

bool virtqueue_take(struct virtqueue *queue, struct virtqueue_chain *chain)
{
    if (!queue->enabled || queue->broken)
        return false;
    uint16_t index = ring_get16(queue, queue->available + RING_INDEX);
    uint16_t waiting = (uint16_t)(index - queue->available_next);
    if (waiting == 0)
        return false;
    if (waiting > queue->size) {
        queue->broken = true;
        return false;
    }
    uint16_t slot = queue->available_next & (queue->size - 1);
    chain->head = ring_get16(queue, queue->available + RING_ENTRIES + (uint64_t)AVAILABLE_ENTRY * slot);
    chain->readable = chain->writable = 0;
    chain->readable_bytes = chain->writable_bytes = 0;
    if (queue->broken || !chain_collect(queue, chain)) {
        queue->broken = true;
        return false;
    }
    queue->available_next++;
    return true;
}

void virtqueue_give(struct virtqueue *queue, uint16_t head, uint32_t written)
{
    struct {
        uint32_t id, length;
    } element = {head, written};
    uint64_t slot = queue->used_next & (queue->size - 1);
    if (!ram_put(queue->used + RING_ENTRIES + USED_ENTRY * slot, &element, sizeof element))
        queue->broken = true;
    ring_put16(queue, queue->used + RING_INDEX, ++queue->used_next);
}

bool virtqueue_rest(struct virtqueue *queue)
{
    if (!queue->enabled || queue->broken)
        return false;
    if (queue->event_index) {
        ring_put16(queue, queue->used + RING_ENTRIES + (uint64_t)USED_ENTRY * queue->size,
                   queue->available_next);
        /* The driver adds and then looks at avail_event; here the order is reversed. One of the two must see
         * the other's store (2.7.10). */
        atomic_thread_fence(memory_order_seq_cst);
    }
    return ring_get16(queue, queue->available + RING_INDEX) != queue->available_next && !queue->broken;
}

bool virtqueue_interrupts(struct virtqueue *queue)
{
    uint16_t fresh = (uint16_t)(queue->used_next - queue->used_told);
    if (fresh == 0)
        return false;
    /* The driver enables interrupts and then looks at the used index again (2.7.7). */
    atomic_thread_fence(memory_order_seq_cst);
    if (!queue->event_index) {
        queue->used_told = queue->used_next;
        return !(ring_get16(queue, queue->available + RING_FLAGS) & AVAILABLE_NO_INTERRUPT);
    }
    uint16_t event =
        ring_get16(queue, queue->available + RING_ENTRIES + (uint64_t)AVAILABLE_ENTRY * queue->size);
    bool passed = (uint16_t)(queue->used_next - event - 1) < fresh;
    queue->used_told = queue->used_next;
    return passed;
}

/* Copies between a buffer and a run of segments; `to` or `from` is NULL. */
static bool segments_copy(const struct virtqueue_segment *segment, unsigned count, uint64_t offset,
                          uint8_t *to, const uint8_t *from, uint64_t length)
{
    for (unsigned i = 0; i < count && length; i++) {
        if (offset >= segment[i].length) {
            offset -= segment[i].length;
            continue;
        }
        uint64_t piece = segment[i].length - offset;
        if (piece > length)
            piece = length;
        uint8_t *ram =
            segment[i].address > UINT64_MAX - offset ? NULL : effect_ram(segment[i].address + offset, piece);
        if (!ram)
            return false;
        if (to) {
            memcpy(to, ram, piece);
            to += piece;
        } else {
            memcpy(ram, from, piece);
            from += piece;
        }
        length -= piece;
        offset = 0;
    }
    return length == 0;
}

bool virtqueue_read(const struct virtqueue_chain *chain, uint64_t offset, void *to, uint64_t length)
{
    bool complete = segments_copy(chain->segment, chain->readable, offset, to, NULL, length);
    atomic_signal_fence(memory_order_seq_cst);
    return complete;
}

bool virtqueue_write(const struct virtqueue_chain *chain, uint64_t offset, const void *from, uint64_t length)
{
    return segments_copy(chain->segment + chain->readable, chain->writable, offset, NULL, from, length);
}
