/*
 * A fixed script of 10,000 random reads and writes of a diskette, 1 to 64 sectors each, over as many tracks
 * as that takes: by DMA side by side, by DMA of both sides at once, and now and then byte by byte. Every
 * sector is held against what was last written there, in each read and for the whole diskette at the end; the
 * sums cover every byte read. Byte by byte only reads: QEMU's controller never ends such a write. Then what
 * goes wrong: writes past the end and in another data rate, resets in mid-transfer. Manual: 82077AA data
 * sheet. Real hardware: as checked here, and slower.
 *
 * guest: floppy=1440 timeout=180
 */
#include "disk_script.h"
#include "fdc.h"
#include "guest.h"
#include "memory.h"
#include "pic.h"
#include "processor.h"

enum {
    TRACK_SECTORS = 18,
    TRACKS = 160,
    SECTORS = TRACK_SECTORS * TRACKS,
    MOST = 64,
    BYTES_MOST = 2,
    TRACK = 30
};
enum { BYTES = 1, SELDOM = 200 };
static uint8_t *const data = (uint8_t *)0xb00000;

/* As far as one command reaches: to the end of the track, or of the cylinder. */
static uint32_t reach(const struct disk_way *way, uint32_t sector)
{
    uint32_t all = way->code && !(sector / TRACK_SECTORS & 1) ? 2 * TRACK_SECTORS : TRACK_SECTORS;

    return all - sector % TRACK_SECTORS;
}

static uint32_t move(const struct disk_way *way, uint32_t sector, uint32_t count,
                     const struct dma_pieces *pieces)
{
    uint8_t *at = pieces->piece[0].at, result = 0;

    for (uint32_t now; count && !result; count -= now, sector += now, at += now * FDC_SECTOR) {
        uint32_t track = sector / TRACK_SECTORS, first = sector % TRACK_SECTORS + 1;
        now = reach(way, sector) < count ? reach(way, sector) : count;
        if (way->flags & BYTES)
            fdc_by_bytes(false, track, first, now, at);
        else
            result = fdc_by_dma(way->write, 0, track, first, now, way->code, TRACK_SECTORS, at);
    }
    return result;
}

#define WAY(its_name, its_code, its_most, ...)                                                               \
    {                                                                                                        \
        .name = its_name, .move = move, .code = its_code, .most = its_most, .pieces = 1, .align = 1,         \
        .piece_bytes = MOST * FDC_SECTOR, __VA_ARGS__                                                        \
    }

static const struct disk_way ways[] = {
    WAY("READ", 0, MOST),
    WAY("READ, both sides", FDC_BOTH_SIDES, MOST),
    WAY("READ, byte by byte", 0, BYTES_MOST, .flags = BYTES, .one_in = SELDOM),
    WAY("WRITE", 0, MOST, .write = true),
    WAY("WRITE, both sides", FDC_BOTH_SIDES, MOST, .write = true),
};

static const struct disk_medium medium = {.sectors = SECTORS,
                                          .sector_bytes = FDC_SECTOR,
                                          .pattern = 0x5ec70125,
                                          .ways = ways,
                                          .way_count = ARRAY_LENGTH(ways)};

static void begin(void)
{
    fdc_reset();
    for (uint32_t i = 0; i < 4; i++)
        fdc_sense();
    FDC_SEND(0x03, 0xdf, 0x02);
    FDC_SEND(0x13, 0x00, 0x57, 0x00); /* with implied seeks */
    outb(FDC_DIR, FDC_RATE_500K);
    fdc_recalibrate();
}

/* What cannot be written is not. */
static void errors(void)
{
    begin();
    fdc_seek(0, TRACK / 2);
    check_value("write of a sector past the end: ST0",
                fdc_by_dma(true, 0, TRACK, TRACK_SECTORS + 1, 1, 0, TRACK_SECTORS + 2, data), 0x40);
    check_value("write of a track past the end: ST0",
                fdc_by_dma(true, 0, TRACKS + 8, 1, 1, 0, TRACK_SECTORS, data), 0x40);
    outb(FDC_DIR, FDC_RATE_250K);
    check_value("write at another data rate: ST0", fdc_by_dma(true, 0, TRACK, 1, 1, 0, TRACK_SECTORS, data),
                0x40);
    outb(FDC_DIR, FDC_RATE_500K);
}

/* Two sectors of three, and a part of the third; then a command whose data never come. */
static void reset_in_write(void)
{
    begin();
    fdc_seek(0, TRACK / 2);
    disk_script_next(TRACK * TRACK_SECTORS, 3, data);
    FDC_SEND(0x03, 0xdf, 0x03);
    fdc_command(FDC_WRITE, 0, TRACK, 1, 3);
    for (uint32_t i = 0; i < 2 * FDC_SECTOR + 100; i++) {
        if (!(fdc_wait_status() & FDC_MSR_NON_DMA))
            guest_abort("the transfer has ended early");
        outb(FDC_DATA, data[i]);
    }
    fdc_reset();
    check_value("reset in the third sector of a write: status", inb(FDC_MSR), FDC_MSR_READY);
    for (uint32_t i = 0; i < 4; i++) {
        fdc_sense();
        check_value("  a drive's status", fdc_result[0], 0xc0 | i);
    }
    disk_script_written(TRACK * TRACK_SECTORS, 2);
    begin();
    fdc_seek(0, TRACK / 2);
    check_value("  read back: ST0", fdc_by_dma(false, 0, TRACK, 1, 3, 0, TRACK_SECTORS, data), 0);
    check("  two are written, one as it was", disk_script_same(TRACK * TRACK_SECTORS, 3, data));
    FDC_SEND(0x03, 0xdf, 0x03);
    fdc_command(FDC_WRITE, 0, TRACK, 1, 3);
    begin();
    fdc_seek(0, TRACK / 2);
    check_value("reset before the first byte: read back: ST0",
                fdc_by_dma(false, 0, TRACK, 1, 3, 0, TRACK_SECTORS, data), 0);
    check("  all as it was", disk_script_same(TRACK * TRACK_SECTORS, 3, data));
}

void guest_main(void)
{
    fdc_initialise();
    outb(FDC_DOR, 0);
    begin();
    disk_script_begin(&medium);
    disk_script_run(option_number("commands", DISK_SCRIPT_COMMANDS));
    disk_script_check("diskette after the script");
    errors();
    reset_in_write();
    begin();
    disk_script_check("diskette after errors and resets");
}
