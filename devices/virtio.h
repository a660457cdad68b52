/*
 * A virtio device over PCI: what all kinds of virtio devices share. See virtio.c (device status, features,
 * queues) and virtio_pci.c (registers).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "msix.h"
#include "pci.h"
#include "virtqueue.h"

enum { VIRTIO_QUEUES_MAX = MSIX_VECTORS_MAX - 1, VIRTIO_NO_VECTOR = 0xffff };

/* Device status field (VIRTIO 1.2, 2.1). */
enum virtio_status {
    VIRTIO_ACKNOWLEDGE = 1,
    VIRTIO_DRIVER = 2,
    VIRTIO_DRIVER_OK = 4,
    VIRTIO_FEATURES_OK = 8,
    VIRTIO_NEEDS_RESET = 64,
    VIRTIO_FAILED = 128,
};

/* Feature bits of every device (chapter 6). */
#define VIRTIO_F_ANY_LAYOUT    (1ull << 27) /* legacy interface only */
#define VIRTIO_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_F_EVENT_IDX     (1ull << 29)
#define VIRTIO_F_VERSION_1     (1ull << 32)

/* ISR status (4.1.4.5). */
enum virtio_isr { VIRTIO_ISR_QUEUE = 1, VIRTIO_ISR_CONFIG = 2 };

/* Part of a device's state block. */
struct virtio {
    struct pci_function pci;
    struct msix msix;
    uint64_t driver_features;
    uint32_t device_feature_select, driver_feature_select;
    uint16_t queue_select;
    uint16_t config_vector;
    uint8_t status;
    uint8_t isr;
    uint8_t reserved[2];
    struct virtqueue queue[VIRTIO_QUEUES_MAX];
};

/* What a kind of virtio device is; const. `state` is the block of the device, which begins with struct
 * virtio. */
struct virtio_kind {
    struct pci_identity identity;
    uint64_t features; /* offered, beyond those of every device */
    uint32_t queue_count;
    uint32_t config_size; /* of the device's own configuration */
    /* Copies the device's configuration; read-only here. */
    void (*config)(const void *state, uint8_t *bytes);
    /* There may be chains in a queue. */
    void (*notified)(void *state, unsigned queue);
    /* The driver has reset the device, or the machine was. */
    void (*stop)(void *state);
};

/* The regions that a virtio device registers, in this order. */
enum { VIRTIO_REGION_IO, VIRTIO_REGION_MEMORY, VIRTIO_REGIONS };
/* Places in configuration space and in the I/O BAR that several files know. */
enum { VIRTIO_AT_MSIX = 0x40, VIRTIO_AT_PCI = 0xa8, VIRTIO_LEGACY_NOTIFY = 0x10 };
enum { VIRTIO_IO_SIZE = 128, VIRTIO_MEMORY_SIZE = 0x4000, VIRTIO_CONFIG_MAX = 64 };

/* struct pci_identity of a virtio device but for its numbers. Writable: MSI-X control, and bar, offset and
 * length of the window of VIRTIO 1.2, 4.1.4.9. */
#define VIRTIO_PCI_IDENTITY                                                                                  \
    .vendor = 0x1af4, .subsystem_vendor = 0x1af4, .interrupt_pin = 1,                                        \
    .command_mask = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |          \
                    PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE,                                             \
    .bar = {{.size = VIRTIO_IO_SIZE, .kind = PCI_BAR_IO, .region = VIRTIO_REGION_IO},                        \
            {.size = VIRTIO_MEMORY_SIZE, .kind = PCI_BAR_MEMORY, .region = VIRTIO_REGION_MEMORY}},           \
    .writable = {{VIRTIO_AT_MSIX + 3, 0xc0}, {VIRTIO_AT_PCI + 4, 0xff},  {VIRTIO_AT_PCI + 8, 0xff},          \
                 {VIRTIO_AT_PCI + 9, 0xff},  {VIRTIO_AT_PCI + 10, 0xff}, {VIRTIO_AT_PCI + 11, 0xff},         \
                 {VIRTIO_AT_PCI + 12, 0xff}, {VIRTIO_AT_PCI + 13, 0xff}, {VIRTIO_AT_PCI + 14, 0xff},         \
                 {VIRTIO_AT_PCI + 15, 0xff}}

/* struct device of a virtio device: its regions. */
#define VIRTIO_DEVICE_REGIONS                                                                                \
    .region_count = VIRTIO_REGIONS,                                                                          \
    .region = {                                                                                              \
        [VIRTIO_REGION_IO] = {.length = VIRTIO_IO_SIZE, .space = IO_PORT, .widths = WIDTH_ANY},              \
        [VIRTIO_REGION_MEMORY] = {.length = VIRTIO_MEMORY_SIZE, .space = IO_MEMORY, .widths = WIDTH_ANY}}

/* Functions of struct device. */
void virtio_pci_reset(struct virtio *virtio, const struct virtio_kind *kind, uint16_t devfn);
void virtio_pci_io(struct virtio *virtio, const struct virtio_kind *kind, struct io *io);
const char *virtio_check(const struct virtio *virtio, const struct virtio_kind *kind);
void virtio_inspect(const struct virtio *virtio, struct inspector *inspector);

/* For the registers (virtio_pci.c). */
void virtio_reset(struct virtio *virtio, const struct virtio_kind *kind);
void virtio_write_status(struct virtio *virtio, const struct virtio_kind *kind, uint8_t status);
uint64_t virtio_features(const struct virtio_kind *kind);
void virtio_queue_enable(struct virtio *virtio, struct virtqueue *queue);
void virtio_notify(struct virtio *virtio, const struct virtio_kind *kind, unsigned queue);
uint8_t virtio_read_isr(struct virtio *virtio);
/* The queue that queue_select names, or NULL. */
struct virtqueue *virtio_selected_queue(struct virtio *virtio, const struct virtio_kind *kind);
/* A vector as written, or VIRTIO_NO_VECTOR if the table does not have it. */
uint16_t virtio_usable_vector(const struct virtio *virtio, uint32_t value);
/* An access to the device's own configuration. */
void virtio_config_io(const struct virtio *virtio, const struct virtio_kind *kind, uint32_t offset,
                      struct io *io);
void virtio_legacy_io(struct virtio *virtio, const struct virtio_kind *kind, struct io *io);

/* For a kind of device: it has worked on a queue. Interrupts the driver if it wants that; a broken queue sets
 * NEEDS_RESET. */
void virtio_queue_done(struct virtio *virtio, struct virtqueue *queue);
