/*
 * A driver for a virtio 1.x block device on PCI with one queue, polled or with interrupts (Virtual I/O Device
 * Specification 1.2, 4.1 and 5.2). The structures are found through the vendor capabilities; BARs that no
 * firmware has placed are placed here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "dma.h"

enum {
    VIRTIO_QUEUE_SIZE = 64,
    VIRTIO_SECTOR = 512,
    VIRTIO_BLK_READ = 0,
    VIRTIO_BLK_WRITE = 1,
    VIRTIO_BLK_FLUSH = 4,
    VIRTIO_INDIRECT_SLOTS = 8
};
enum { VIRTIO_F_INDIRECT_DESC = 1 << 28 };

/* Common configuration structure, 4.1.4.3. */
struct virtio_common {
    uint32_t device_feature_select, device_feature, driver_feature_select, driver_feature;
    uint16_t config_msix_vector, num_queues;
    uint8_t device_status, config_generation;
    uint16_t queue_select, queue_size, queue_msix_vector, queue_enable, queue_notify_off;
    uint32_t queue_desc_low, queue_desc_high, queue_driver_low, queue_driver_high, queue_device_low,
        queue_device_high;
};
_Static_assert(sizeof(struct virtio_common) == 56, "4.1.4.3");

struct virtio_blk {
    uint8_t function; /* PCI device << 3 | function */
    volatile struct virtio_common *common;
    volatile uint8_t *isr;
    volatile uint16_t *notify;
    volatile uint32_t *config;
    uint16_t next;
    uint16_t seen; /* used entries taken */
};

/* Finds the first block device and maps its structures; false when there is none. */
bool virtio_find(struct virtio_blk *blk);
/* Reset, feature negotiation (VERSION_1), queue 0, DRIVER_OK; false when the device refuses. */
bool virtio_start(struct virtio_blk *blk);
/* The same with features of the lower half of the bits beside VERSION_1. */
bool virtio_start_with(struct virtio_blk *blk, uint32_t features);
/* Puts a request of up to 64 KiB into slot (0 to VIRTIO_QUEUE_SIZE / 3 - 1) of the queue without notifying.
 */
void virtio_queue(struct virtio_blk *blk, uint32_t slot, uint32_t type, uint64_t sector, void *data,
                  uint32_t bytes);
/* The same with data in pieces, the header in two parts if `split` of its bytes stand in the first (0: in
 * one), and as a chain of the queue's own descriptors, then in slot 0 alone, or of an indirect table in one
 * of VIRTIO_INDIRECT_SLOTS slots. */
void virtio_queue_pieces(struct virtio_blk *blk, uint32_t slot, uint32_t type, uint64_t sector,
                         const struct dma_pieces *pieces, uint32_t split, bool indirect);
/* A chain of slot 0 as it comes: what the device reads, and what it writes. */
void virtio_queue_chain(struct virtio_blk *blk, const struct dma_pieces *readable,
                        const struct dma_pieces *writable);
void virtio_notify(struct virtio_blk *blk);
/* Number of requests that have been completed since the last call. */
uint32_t virtio_completed(struct virtio_blk *blk);
/* Status byte of the request in a slot: 0 good, 1 I/O error, 2 unsupported. */
uint8_t virtio_status(uint32_t slot);
/* What the used ring says of the last one that was completed: bytes written by the device. */
uint32_t virtio_written(const struct virtio_blk *blk);
/* One request, polled; its status, or 0xff when it did not end in about 5 seconds. */
uint8_t virtio_transfer(struct virtio_blk *blk, uint32_t type, uint64_t sector, void *data, uint32_t bytes);
