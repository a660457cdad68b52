/*
 * Split virtqueues, the device's side. See virtqueue.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { VIRTQUEUE_SIZE_MAX = 128, VIRTQUEUE_SEGMENTS_MAX = VIRTQUEUE_SIZE_MAX };

/* State of one queue; part of a device's state block. */
struct virtqueue {
    uint64_t descriptors, available, used; /* guest-physical addresses of the three parts */
    uint16_t size;                         /* a power of two, at most VIRTQUEUE_SIZE_MAX */
    uint16_t vector;                       /* MSI-X vector, or VIRTIO_NO_VECTOR */
    uint16_t available_next;               /* free-running index of the next chain to take */
    uint16_t used_next;                    /* of the next used element */
    uint16_t used_told;                    /* used_next when the driver was last interrupted */
    uint8_t enabled;
    uint8_t broken;      /* the driver broke a rule of the ring: nothing is taken until reset */
    uint8_t event_index; /* VIRTIO_F_EVENT_IDX negotiated */
    uint8_t indirect;    /* VIRTIO_F_INDIRECT_DESC negotiated */
    uint8_t reserved[2];
};

struct virtqueue_segment {
    uint64_t address; /* guest-physical, unchecked */
    uint32_t length;
};

/* A chain of descriptors in a private copy: first those that the device reads, then those that it writes. */
struct virtqueue_chain {
    uint16_t head;
    uint16_t readable, writable; /* number of segments */
    uint64_t readable_bytes, writable_bytes;
    struct virtqueue_segment segment[VIRTQUEUE_SEGMENTS_MAX];
};

/* Takes the next available chain; false when there is none, or the ring is broken (queue->broken). */
bool virtqueue_take(struct virtqueue *queue, struct virtqueue_chain *chain);
/* Gives a chain back, with the number of bytes written into it. */
void virtqueue_give(struct virtqueue *queue, uint16_t head, uint32_t written);
/* Asks to be notified of the next chain. True when one has come in the meantime: take it. */
bool virtqueue_rest(struct virtqueue *queue);
/* Whether the driver wants an interrupt for what was given back since the last call. */
bool virtqueue_interrupts(struct virtqueue *queue);

/* Copies between a buffer and the bytes [offset, offset + length) of the readable (writable) segments. False
 * when they are fewer, or lie outside RAM; part of them may have been copied. */
bool virtqueue_read(const struct virtqueue_chain *chain, uint64_t offset, void *to, uint64_t length);
bool virtqueue_write(const struct virtqueue_chain *chain, uint64_t offset, const void *from, uint64_t length);
