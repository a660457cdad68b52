/*
 * A virtio block device on a copy-on-write disk image that lies in memory.
 *
 * Document: VIRTIO 1.2, 5.2. State: struct virtio_blk. A request is done at once, by copying between the
 * image and guest RAM; so there is nothing in flight when the machine is saved or the device model restarted,
 * and a flush has nothing to do. Missing: discard, write zeroes, more than one queue, the legacy SCSI
 * commands (not offered). Ignored bits: the I/O priority of a request.
 *
 * Bounds: SIZE_MAX and SEG_MAX are offered, and a request longer than both allow fails. One notification
 * moves at most BATCH_BYTES and one request; the rest follows on the device's own deadline.
 */
#include "virtio_blk.h"
#include "effects.h"
#include "string.h"

enum { ID_SIZE = 20 };

/* Feature bits (5.2.3). */
#define BLK_F_SIZE_MAX (1ull << 1)
#define BLK_F_SEG_MAX  (1ull << 2)
#define BLK_F_BLK_SIZE (1ull << 6)
#define BLK_F_FLUSH    (1ull << 9)

enum { SEGMENT_SIZE_MAX = 1 << 14, SEGMENTS_MAX = VIRTQUEUE_SEGMENTS_MAX - 2 };
enum { REQUEST_BYTES_MAX = SEGMENT_SIZE_MAX * SEGMENTS_MAX, BATCH_BYTES = 1 << 20 };

/* struct virtio_blk_req (5.2.6): header, data, and one byte of status. */
struct request_header {
    uint32_t type;
    uint32_t priority;
    uint64_t sector;
};
_Static_assert(sizeof(struct request_header) == 16, "VIRTIO 1.2, 5.2.6");
enum request_type { TYPE_IN = 0, TYPE_OUT = 1, TYPE_FLUSH = 4, TYPE_GET_ID = 8 };
enum request_status { STATUS_OK = 0, STATUS_IOERR = 1, STATUS_UNSUPP = 2 };

/* struct virtio_blk_config (5.2.4), as far as the features offered reach. */
struct blk_config {
    uint64_t capacity;
    uint32_t size_max;
    uint32_t seg_max;
    uint32_t geometry;
    uint32_t blk_size;
};
_Static_assert(sizeof(struct blk_config) == 24, "VIRTIO 1.2, 5.2.4");

static void blk_config(const void *state, uint8_t *bytes)
{
    const struct virtio_blk *blk = state;
    struct blk_config config = {
        .capacity = blk->image.size / DISK_SECTOR,
        .size_max = SEGMENT_SIZE_MAX,
        .seg_max = SEGMENTS_MAX,
        .blk_size = DISK_SECTOR,
    };
    memcpy(bytes, &config, sizeof config);
}

/* Whether a request has whole sectors and is not too long; *at: where in the image it begins. */
static bool blk_place(uint64_t sector, uint64_t length, uint64_t *at)
{
    *at = sector * DISK_SECTOR;
    return sector <= UINT64_MAX / DISK_SECTOR && length % DISK_SECTOR == 0 && length <= REQUEST_BYTES_MAX;
}

static enum request_status blk_read(struct virtio_blk *blk, const struct virtqueue_chain *chain,
                                    uint64_t sector, uint64_t length)
{
    uint64_t at;
    const uint8_t *bytes = blk_place(sector, length, &at) ? disk_image_read(&blk->image, at, length) : NULL;
    return bytes && virtqueue_write(chain, 0, bytes, length) ? STATUS_OK : STATUS_IOERR;
}

static enum request_status blk_write(struct virtio_blk *blk, const struct virtqueue_chain *chain,
                                     uint64_t sector, uint64_t length)
{
    uint64_t at;
    uint8_t *bytes = blk_place(sector, length, &at) ? disk_image_write(&blk->image, at, length) : NULL;
    if (!bytes)
        return STATUS_IOERR;
    return virtqueue_read(chain, sizeof(struct request_header), bytes, length) ? STATUS_OK : STATUS_IOERR;
}

static enum request_status blk_get_id(const struct virtio_blk *blk, const struct virtqueue_chain *chain,
                                      uint64_t length)
{
    char id[ID_SIZE] = "nullring-disk0";
    id[sizeof "nullring-disk0" - 2] = (char)('0' + blk->image.unit);
    return virtqueue_write(chain, 0, id, length < ID_SIZE ? length : ID_SIZE) ? STATUS_OK : STATUS_IOERR;
}

/* Does one request and writes its status. *moved: the bytes of data. False if there is no room for a status:
 * the driver could not learn of any error. */
static bool blk_do(struct virtio_blk *blk, const struct virtqueue_chain *chain, uint64_t *moved)
{
    struct request_header header;
    uint8_t status = STATUS_IOERR;
    if (chain->writable_bytes == 0 || !virtqueue_read(chain, 0, &header, sizeof header))
        return false;
    uint64_t in = chain->writable_bytes - sizeof status;
    uint64_t out = chain->readable_bytes - sizeof header;
    *moved = 0;
    switch (header.type) {
    case TYPE_IN:
        status = (uint8_t)blk_read(blk, chain, header.sector, in);
        *moved = in;
        break;
    case TYPE_OUT:
        status = (uint8_t)blk_write(blk, chain, header.sector, out);
        *moved = out;
        break;
    case TYPE_FLUSH:
        status = STATUS_OK;
        break;
    case TYPE_GET_ID:
        status = (uint8_t)blk_get_id(blk, chain, in);
        break;
    default:
        status = STATUS_UNSUPP;
    }
    if (status != STATUS_OK)
        *moved = 0;
    return virtqueue_write(chain, in, &status, sizeof status);
}

/* Bytes that the device has written into a chain, for the used ring. */
static uint32_t blk_written(const struct virtqueue_chain *chain)
{
    return chain->writable_bytes < UINT32_MAX ? (uint32_t)chain->writable_bytes : UINT32_MAX;
}

/* Does what is available, up to a queue's worth of requests and BATCH_BYTES. True when more may be there. */
static bool blk_batch(struct virtio_blk *blk, struct virtqueue *queue)
{
    struct virtqueue_chain chain;
    uint64_t bytes = 0;
    for (unsigned done = 0; done < queue->size; done++) {
        uint64_t moved;
        if (bytes >= BATCH_BYTES)
            return true;
        if (!virtqueue_take(queue, &chain) && !(virtqueue_rest(queue) && virtqueue_take(queue, &chain)))
            return false;
        if (!blk_do(blk, &chain, &moved)) {
            queue->broken = true;
            return false;
        }
        virtqueue_give(queue, chain.head, blk_written(&chain));
        bytes += moved;
    }
    return virtqueue_rest(queue);
}

static void blk_notified(void *state, unsigned index)
{
    struct virtio_blk *blk = state;
    struct virtqueue *queue = &blk->virtio.queue[index];
    blk->resume = blk_batch(blk, queue) ? effect_now() : DEADLINE_NONE;
    virtio_queue_done(&blk->virtio, queue);
}

static void blk_stop(void *state)
{
    struct virtio_blk *blk = state;
    blk->resume = DEADLINE_NONE;
}

static const struct virtio_kind blk_kind = {
    .identity = {VIRTIO_PCI_IDENTITY, .device = 0x1001, .subsystem = 2, .class_code = 0x010000},
    .features = BLK_F_SIZE_MAX | BLK_F_SEG_MAX | BLK_F_BLK_SIZE | BLK_F_FLUSH,
    .queue_count = 1,
    .config_size = sizeof(struct blk_config),
    .config = blk_config,
    .notified = blk_notified,
    .stop = blk_stop,
};

static void blk_reset(void *state, const struct device_slot *slot)
{
    struct virtio_blk *blk = state;
    disk_image_open(&blk->image, slot->unit, DISK_VIRTIO);
    virtio_pci_reset(&blk->virtio, &blk_kind, slot->devfn);
}

static void blk_io(void *state, struct io *io)
{
    struct virtio_blk *blk = state;
    if (blk->image.size)
        virtio_pci_io(&blk->virtio, &blk_kind, io);
}

static const char *blk_check(const void *state)
{
    const struct virtio_blk *blk = state;
    const char *broken = disk_image_check(&blk->image);
    return broken ? broken : virtio_check(&blk->virtio, &blk_kind);
}

static void blk_inspect(const void *state, struct inspector *inspector)
{
    const struct virtio_blk *blk = state;
    inspector->field(inspector, "sectors", blk->image.size / DISK_SECTOR);
    inspector->field(inspector, "overlay full", blk->image.full);
    virtio_inspect(&blk->virtio, inspector);
}

static uint64_t blk_deadline(const void *state)
{
    const struct virtio_blk *blk = state;
    return blk->resume;
}

static void blk_tick(void *state, uint64_t now)
{
    struct virtio_blk *blk = state;
    if (now < blk->resume)
        return;
    blk->resume = DEADLINE_NONE;
    virtio_notify(&blk->virtio, &blk_kind, 0);
}

const struct device virtio_blk_device = {
    .name = "virtio-blk",
    .state_size = sizeof(struct virtio_blk),
    VIRTIO_DEVICE_REGIONS,
    .reset = blk_reset,
    .io = blk_io,
    .check = blk_check,
    .inspect = blk_inspect,
    .missed_ticks = TICKS_MERGE,
    .deadline = blk_deadline,
    .tick = blk_tick,
};
