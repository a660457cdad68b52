/*
 * The floppy controller: reset and its four statuses, version, seeks, READ ID, reads by DMA and byte by
 * byte, both sides at once, FORMAT TRACK, a write-protected second drive, errors
 * past the end, a reset in mid-transfer. Manual: 82077AA data sheet. Real hardware: as checked here; QEMU's
 * controller seeks by itself and has its own result bytes (differences.py).
 *
 * guest: floppy=1440,720p
 */
#include "fdc.h"
#include "guest.h"
#include "memory.h"
#include "pic.h"
#include "power.h"
#include "processor.h"

enum { SECTOR = FDC_SECTOR, SECTORS = 18, TRACKS = 160, PATTERN = 0x5ec70125 };

/* The 8237 reaches 16 MiB, and does not carry over 64 KiB. */
static uint8_t *const buffer = (uint8_t *)0x800000;

/* One command by DMA; returns the upper bits of ST0. */
static uint8_t by_dma(bool write, uint8_t unit, uint32_t track, uint32_t sector, uint32_t count, uint8_t both,
                      uint32_t last)
{
    return fdc_by_dma(write, unit, track, sector, count, both, last, buffer);
}

static void test_controller(void)
{
    outb(FDC_DOR, 0);
    fdc_reset();
    check_value("interrupts after a reset", interrupt_count[PIC_VECTOR + FDC_LINE], 1);
    for (uint32_t i = 0; i < 4; i++) {
        fdc_sense();
        check_value("  status", fdc_result[0], 0xc0 | i);
    }
    fdc_sense();
    check_value("no more: invalid", fdc_result[0], 0x80);
    check_value("  one byte", fdc_results, 1);
    FDC_SEND(0x10);
    fdc_collect();
    check_value("version", fdc_result[0], 0x90);
    FDC_SEND(0x94);
    fdc_collect();
    check_value("lock", fdc_result[0], 0x10);
    FDC_SEND(0x14);
    fdc_collect();
    check_value("unlock", fdc_result[0], 0);
    FDC_SEND(0x1f);
    fdc_collect();
    check_value("invalid command", fdc_result[0], 0x80);
    check_value("DOR", inb(FDC_DOR), FDC_DOR_RUN | 0x30);
    FDC_SEND(0x03, 0xdf, 0x02);
    FDC_SEND(0x13, 0x00, 0x17, 0x00);
    outb(FDC_DIR, FDC_RATE_500K);
    check_value("disk changed", inb(FDC_DIR) & 0x80, 0x80);
    fdc_seek(0, 40);
    check_value("seek: ST0", fdc_result[0], 0x20);
    check_value("  cylinder", fdc_result[1], 40);
    check_value("  and no longer changed", inb(FDC_DIR) & 0x80, 0);
    FDC_SEND(0x04, 0x00);
    fdc_collect();
    check_value("drive status: track 0", fdc_result[0] & 0x10, 0);
    fdc_recalibrate();
    check_value("recalibrate: ST0", fdc_result[0], 0x20);
    check_value("  cylinder", fdc_result[1], 0);
    FDC_SEND(0x04, 0x00);
    fdc_collect();
    check_value("drive status: track 0", fdc_result[0] & 0x10, 0x10);
    uint32_t before = interrupt_count[PIC_VECTOR + FDC_LINE];
    FDC_SEND(0x4a, 0x00);
    fdc_wait_interrupt(before);
    fdc_collect();
    check_value("READ ID", fdc_result[0] & 0xc0, 0);
    check("  a sector of the track", fdc_result[5] >= 1 && fdc_result[5] <= SECTORS && fdc_result[6] == 2);
}

static void test_one_of_each(void)
{
    check_value("read of sector 1", by_dma(false, 0, 0, 1, 1, 0, SECTORS), 0);
    check_value("  its number", *(uint32_t *)buffer, 0);
    check_value("  its pattern", *(uint32_t *)(buffer + 4), PATTERN);
    check_value("  next sector", fdc_result[5], 2);
    check_value("  cylinder, head", (uint32_t)(fdc_result[3] << 8 | fdc_result[4]), 0);
    check_value("  count register", (outb(0x0c, 0), (uint32_t)(inb(0x05) | inb(0x05) << 8)), 0xffff);
    check_value("  terminal count", inb(0x08) & 4, 4);
    fdc_seek(0, 20);
    check_value("both sides", by_dma(false, 0, 40, 1, 2 * SECTORS, FDC_BOTH_SIDES, SECTORS), 0);
    uint32_t right = 0;
    for (uint32_t i = 0; i < 2 * SECTORS; i++)
        right += *(uint32_t *)(buffer + i * SECTOR) == 40 * SECTORS + i;
    check_value("  right sectors", right, 2 * SECTORS);
    fdc_by_bytes(false, 40, 5, 2, buffer);
    check_value("byte by byte: number", *(uint32_t *)(buffer + SECTOR), 40 * SECTORS + 5);
    observe("  ends without a terminal count: ST0", fdc_result[0] & 0xc0);
    observe("  end of cylinder: ST1", fdc_result[1]);
}

static void test_format(void)
{
    uint32_t before = interrupt_count[PIC_VECTOR + FDC_LINE];

    fdc_seek(0, 70);
    for (uint32_t i = 0; i < SECTORS; i++) {
        uint8_t id[4] = {70, 1, (uint8_t)(i + 1), 2};
        memcpy(buffer + 4 * i, id, sizeof(id));
    }
    fdc_set_dma(0x48, buffer, SECTORS * 4);
    before = interrupt_count[PIC_VECTOR + FDC_LINE];
    FDC_SEND(0x4d, 0x04, 2, SECTORS, 0x54, 0xf6);
    fdc_wait_interrupt(before);
    fdc_collect();
    check_value("format: ST0", fdc_result[0] & 0xc0, 0);
    check_value("read of the track", by_dma(false, 0, 141, 1, SECTORS, 0, SECTORS), 0);
    uint32_t fillers = 0;
    for (uint32_t i = 0; i < SECTORS * SECTOR; i++)
        fillers += buffer[i] == 0xf6;
    observe("  fillers", fillers);
}

static void test_errors(void)
{
    fdc_seek(0, 3);
    check_value("sector past the end: ST0", by_dma(false, 0, 6, SECTORS + 1, 1, 0, SECTORS + 2), 0x40);
    observe("  no data: ST1", fdc_result[1]);
    fdc_seek(0, 79);
    check_value("last sector", by_dma(false, 0, TRACKS - 1, SECTORS, 1, 0, SECTORS), 0);
    check_value("track past the end: ST0", by_dma(false, 0, TRACKS + 8, 1, 1, 0, SECTORS), 0x40);
    outb(FDC_DIR, FDC_RATE_250K);
    check_value("wrong data rate: ST0", by_dma(false, 0, 158, 1, 1, 0, SECTORS), 0x40);
    check_value("  ST1: missing mark", fdc_result[1] & 1, 1);
    outb(FDC_DIR, FDC_RATE_500K);
    /* A reset while a sector is read byte by byte. */
    FDC_SEND(0x03, 0xdf, 0x03);
    fdc_command(FDC_READ, 0, 158, 1, SECTORS);
    for (uint32_t i = 0; i < 100; i++) {
        fdc_wait_status();
        (void)inb(FDC_DATA);
    }
    fdc_reset();
    check_value("reset in mid-transfer: status", inb(FDC_MSR), FDC_MSR_READY);
    for (uint32_t i = 0; i < 4; i++)
        fdc_sense();
    FDC_SEND(0x03, 0xdf, 0x02);
    outb(FDC_DIR, FDC_RATE_500K);
    fdc_recalibrate(); /* the reset has forgotten where the heads are */
    check_value("and a read works again", by_dma(false, 0, 0, 1, 1, 0, SECTORS), 0);
}

static void test_second_drive(void)
{
    outb(FDC_DOR, FDC_DOR_RUN | 0x31);
    outb(FDC_DIR, FDC_RATE_250K);
    fdc_seek(1, 5);
    check_value("second drive: seek", fdc_result[0], 0x21);
    check_value("  read", by_dma(false, 1, 10, 3, 2, 0, 9), 0);
    check_value("  number", *(uint32_t *)(buffer + SECTOR), 10 * 9 + 3);
    FDC_SEND(0x04, 0x01);
    fdc_collect();
    check_value("  write protected", fdc_result[0] & 0x40, 0x40);
    check_value("  write: ST0", by_dma(true, 1, 10, 3, 1, 0, 9), 0x40);
    check_value("  ST1: not writable", fdc_result[1] & 2, 2);
}

void guest_main(void)
{
    fdc_initialise();
    check_value("CMOS: types of drives", cmos_read(0x10), 0x44);
    check_value("  equipment", cmos_read(0x14) & 0xc1, 0x41);
    test_controller();
    test_one_of_each();
    test_format();
    test_errors();
    test_second_drive();
}
