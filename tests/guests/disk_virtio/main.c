/*
 * A fixed script of 10,000 random reads and writes, 1 to 256 sectors each, of a virtio block device: chains
 * of descriptors of any length and place, headers in two parts, indirect tables, and several requests at
 * once. Every sector is held against what was last written there, in each read and for the whole disk at the
 * end; the sums cover every byte read. Then what goes wrong: requests past the end, of broken sectors, of
 * unknown types, and a reset of the device while requests are in flight. Manual: Virtual I/O Device
 * Specification 1.2, 2.7, 4.1 and 5.2. Real hardware: none; QEMU's device.
 *
 * guest: disk=4 timeout=180
 */
#include "disk_script.h"
#include "guest.h"
#include "memory.h"
#include "power.h"
#include "virtio.h"

enum { SECTORS = 4 * 2048, INDIRECT = 1, SPLIT = 2, PIECE = 0x4000 /* SIZE_MAX of the monitor's */ };
enum {
    WRONG_COUNT = 0xbad3,
    TIMEOUT = 0xbad,
    AT = 5000,
    LONG = 256,
    HEADER = 16,
    JOINED_MOST = 16,
    IO_ERROR = 1,
    UNSUPPORTED = 2
};
static uint8_t *const data = (uint8_t *)0xb00000;
static struct virtio_blk blk;

/* Until so many requests are done. */
static bool completed(uint32_t requests)
{
    uint32_t done = 0;

    for (uint32_t i = 0; i < 500000 && done < requests; i++) {
        done += virtio_completed(&blk);
        if (done < requests)
            delay_us(10);
    }
    return done == requests;
}

/* The same; 0, or the status of one that is not good. */
static uint32_t wait_for(uint32_t requests)
{
    if (!completed(requests))
        return TIMEOUT;
    for (uint32_t i = 0; i < requests; i++)
        if (virtio_status(i))
            return virtio_status(i);
    return 0;
}

static uint32_t request(uint32_t type, uint64_t sector, const struct dma_pieces *pieces, uint32_t split,
                        bool indirect)
{
    virtio_queue_pieces(&blk, 0, type, sector, pieces, split, indirect);
    virtio_notify(&blk);
    return wait_for(1);
}

static uint32_t one(const struct disk_way *way, uint32_t sector, uint32_t count,
                    const struct dma_pieces *pieces)
{
    uint32_t split = way->flags & SPLIT ? 1 + disk_script_random(HEADER - 1) : 0;
    uint32_t result = request(way->code, sector, pieces, split, way->flags & INDIRECT);

    if (!result && virtio_written(&blk) != (way->write ? 0 : count * DISK_SECTOR) + 1)
        return WRONG_COUNT;
    return result;
}

/* Header and some data, or some data and status, in one descriptor: where one ends says nothing (2.7.4.1). */
static uint32_t joined(const struct disk_way *way, uint32_t sector, uint32_t count,
                       const struct dma_pieces *pieces)
{
    static struct {
        uint32_t type, reserved;
        uint64_t sector;
        uint8_t bytes[JOINED_MOST * DISK_SECTOR + 1];
    } both;
    uint32_t size = count * DISK_SECTOR, cut = 1 + disk_script_random(size - 1);
    struct dma_pieces readable = {0}, writable = {0}, *data_side = way->write ? &readable : &writable;

    dma_add(&readable, (uint8_t *)&both, HEADER + (way->write ? cut : 0));
    if (!way->write)
        dma_add(&writable, both.bytes, cut);
    dma_add(data_side, both.bytes + cut, size - cut + (way->write ? 0 : 1));
    if (way->write)
        dma_add(&writable, both.bytes + size, 1);
    both.type = way->code;
    both.sector = sector;
    both.bytes[size] = 0xff;
    if (way->write)
        memcpy(both.bytes, pieces->piece[0].at, size);
    virtio_queue_chain(&blk, &readable, &writable);
    virtio_notify(&blk);
    if (!completed(1))
        return TIMEOUT;
    if (!way->write)
        memcpy(pieces->piece[0].at, both.bytes, size);
    return *(volatile uint8_t *)&both.bytes[size];
}

static uint32_t several(const struct disk_way *way, uint32_t sector, uint32_t count,
                        const struct dma_pieces *pieces)
{
    uint32_t parts = count < VIRTIO_INDIRECT_SLOTS ? count : VIRTIO_INDIRECT_SLOTS;
    struct dma_pieces part;

    for (uint32_t i = 0, done = 0; i < parts; i++) {
        uint32_t size = (count - done) / (parts - i);
        dma_slice(pieces, done * DISK_SECTOR, size * DISK_SECTOR, &part);
        virtio_queue_pieces(&blk, i, way->code, sector + done, &part, 0, true);
        done += size;
    }
    virtio_notify(&blk);
    return wait_for(parts);
}

#define JOINED(its_name, its_write)                                                                          \
    {                                                                                                        \
        .name = its_name, .move = joined, .code = (its_write) ? VIRTIO_BLK_WRITE : VIRTIO_BLK_READ,          \
        .write = its_write, .most = JOINED_MOST, .pieces = 1, .align = 1, .piece_bytes = PIECE               \
    }
#define WAY(its_name, its_move, its_flags, its_write)                                                        \
    {                                                                                                        \
        .name = its_name, .move = its_move, .code = (its_write) ? VIRTIO_BLK_WRITE : VIRTIO_BLK_READ,        \
        .flags = its_flags, .write = its_write, .most = 256, .pieces = 40, .align = 1, .piece_bytes = PIECE  \
    }

static const struct disk_way ways[] = {
    WAY("read", one, 0, false),
    WAY("read, header in two parts", one, SPLIT, false),
    WAY("read, indirect", one, INDIRECT, false),
    WAY("read, indirect, header in two parts", one, INDIRECT | SPLIT, false),
    WAY("read, several", several, INDIRECT, false),
    JOINED("read, data and status in one", false),
    WAY("write", one, 0, true),
    WAY("write, header in two parts", one, SPLIT, true),
    WAY("write, indirect", one, INDIRECT, true),
    WAY("write, indirect, header in two parts", one, INDIRECT | SPLIT, true),
    WAY("write, several", several, INDIRECT, true),
    JOINED("write, header and data in one", true),
};

static const struct disk_medium medium = {.sectors = SECTORS,
                                          .sector_bytes = DISK_SECTOR,
                                          .pattern = 0x5ec70125,
                                          .ways = ways,
                                          .way_count = ARRAY_LENGTH(ways)};

static uint32_t simple(uint32_t type, uint64_t sector, uint32_t bytes)
{
    struct dma_pieces pieces = {0};

    for (uint32_t at = 0, size; at < bytes; at += size) {
        size = bytes - at < PIECE ? bytes - at : PIECE;
        dma_add(&pieces, data + at, size);
    }
    return request(type, sector, &pieces, 0, true);
}

/* None of a request that fails is done. */
static void errors(void)
{
    check_value("read past the end", simple(VIRTIO_BLK_READ, SECTORS, DISK_SECTOR), IO_ERROR);
    check_value("read of the last sector of all", simple(VIRTIO_BLK_READ, UINT64_MAX, DISK_SECTOR), IO_ERROR);
    check_value("read where the place in bytes has 65 bits", simple(VIRTIO_BLK_READ, 1ull << 55, DISK_SECTOR),
                IO_ERROR);
    disk_script_next(SECTORS - 1, 1, data);
    check_value("write over the end", simple(VIRTIO_BLK_WRITE, SECTORS - 1, 3 * DISK_SECTOR), IO_ERROR);
    disk_script_next(AT, 2, data);
    check_value("write of a sector and a half", simple(VIRTIO_BLK_WRITE, AT, DISK_SECTOR * 3 / 2), IO_ERROR);
    check_value("read of 100 bytes", simple(VIRTIO_BLK_READ, AT, 100), IO_ERROR);
    check_value("an unknown type", simple(0x77, AT, DISK_SECTOR), UNSUPPORTED);
    check_value("and then a read", simple(VIRTIO_BLK_READ, AT, 2 * DISK_SECTOR), 0);
    check("  right", disk_script_same(AT, 2, data));
    check_value("  of the last sector", simple(VIRTIO_BLK_READ, SECTORS - 1, DISK_SECTOR), 0);
    check("  right", disk_script_same(SECTORS - 1, 1, data));
}

/* After a reset the device touches neither ring nor data (2.1.2, 4.1.4.3.1). */
static void reset_in_requests(void)
{
    enum { ALL = VIRTIO_INDIRECT_SLOTS * LONG };
    bool whole = true;

    disk_script_next(AT, ALL, data);
    for (uint32_t i = 0; i < VIRTIO_INDIRECT_SLOTS; i++) {
        struct dma_pieces part = {0};
        for (uint32_t at = 0; at < LONG * DISK_SECTOR; at += PIECE)
            dma_add(&part, data + i * LONG * DISK_SECTOR + at, PIECE);
        virtio_queue_pieces(&blk, i, VIRTIO_BLK_WRITE, AT + i * LONG, &part, 0, true);
    }
    virtio_notify(&blk);
    blk.common->device_status = 0;
    for (uint32_t i = 0; i < 100000 && blk.common->device_status; i++)
        delay_us(10);
    check_value("reset while eight writes are in flight: status", blk.common->device_status, 0);
    virtio_completed(&blk);
    delay_us(5000);
    check_value("  requests that end later", virtio_completed(&blk), 0);
    check("  started", virtio_start_with(&blk, VIRTIO_F_INDIRECT_DESC));
    for (uint32_t i = 0; i < VIRTIO_INDIRECT_SLOTS; i++) {
        whole &= simple(VIRTIO_BLK_READ, AT + i * LONG, LONG * DISK_SECTOR) == 0;
        whole &= disk_script_settle(AT + i * LONG, LONG, data);
    }
    check("  all sectors are whole, old or new", whole);
    for (uint32_t i = 0; i < VIRTIO_INDIRECT_SLOTS; i++) {
        disk_script_renew(AT + i * LONG, LONG, data);
        whole &= simple(VIRTIO_BLK_WRITE, AT + i * LONG, LONG * DISK_SECTOR) == 0;
    }
    check("  written again", whole);
}

void guest_main(void)
{
    check("found", virtio_find(&blk));
    check("started", virtio_start_with(&blk, VIRTIO_F_INDIRECT_DESC));
    disk_script_begin(&medium);
    disk_script_run(option_number("commands", DISK_SCRIPT_COMMANDS));
    disk_script_check("disk after the script");
    errors();
    reset_in_requests();
    disk_script_check("disk after errors and a reset");
}
