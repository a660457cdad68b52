/*
 * The floppy controller: reset and its four statuses, version, seeks, READ ID, random reads and writes by DMA
 * and byte by byte with checksums, both sides at once, FORMAT TRACK, a write-protected second drive, errors
 * past the end, a reset in mid-transfer. Manual: 82077AA data sheet. Real hardware: as checked here; QEMU's
 * controller seeks by itself and has its own result bytes (differences.py).
 *
 * guest: floppy=1440,720p args=ops=1000
 */
#include "guest.h"
#include "memory.h"
#include "pic.h"
#include "power.h"
#include "processor.h"

enum {
    DOR = 0x3f2,
    MSR = 0x3f4,
    DATA = 0x3f5,
    DIR = 0x3f7,
    DOR_RUN = 0x0c,
    MSR_READY = 0x80,
    MSR_TO_HOST = 0x40,
    MSR_NON_DMA = 0x20,
    MSR_BUSY = 0x10,
    LINE = 6,
    RATE_500K = 0,
    RATE_250K = 2,
    READ = 0x46,
    WRITE = 0x45,
    BOTH_SIDES = 0x80,
    SECTOR = 512,
    SECTORS = 18,
    TRACKS = 160,
    ALL = SECTORS * TRACKS,
    PATTERN = 0x5ec70125,
    BUFFER = 2 * SECTORS * SECTOR
};

/* The 8237 reaches 16 MiB, and does not carry over 64 KiB. */
static uint8_t *const buffer = (uint8_t *)0x800000;
static uint8_t *const shadow = (uint8_t *)0x2000000; /* what the diskette should hold */
static uint8_t result[16];
static uint32_t results, seed;

static uint32_t random(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

static uint8_t wait_status(void)
{
    for (uint32_t i = 0; i < 100000; i++) {
        uint8_t status = inb(MSR);
        if (status & MSR_READY)
            return status;
        pause();
    }
    guest_abort("the controller is never ready");
}

static void send(const uint8_t *bytes, uint32_t count)
{
    while (count--) {
        if (wait_status() & MSR_TO_HOST)
            guest_abort("the controller has something to say");
        outb(DATA, *bytes++);
    }
}
#define SEND(...) send((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Result bytes, as many as there are. */
static void collect(void)
{
    for (results = 0; results < sizeof(result); results++) {
        if ((wait_status() & (MSR_TO_HOST | MSR_BUSY)) != (MSR_TO_HOST | MSR_BUSY))
            break;
        result[results] = inb(DATA);
    }
}

static void sense(void)
{
    SEND(0x08);
    collect();
}

/* Until the interrupt has come. */
static void wait_interrupt(uint32_t before)
{
    for (uint32_t i = 0; i < 50000 && interrupt_count[PIC_VECTOR + LINE] == before; i++) {
        interrupts_on();
        delay_us(20);
        interrupts_off();
    }
}

static void reset(void)
{
    uint32_t before = interrupt_count[PIC_VECTOR + LINE];
    outb(DOR, 0x08);
    delay_us(10);
    outb(DOR, DOR_RUN | 0x30);
    wait_interrupt(before);
}

static void seek(uint8_t unit, uint8_t cylinder)
{
    uint32_t before = interrupt_count[PIC_VECTOR + LINE];
    SEND(0x0f, unit, cylinder);
    wait_interrupt(before);
    sense();
}

static void recalibrate(void)
{
    uint32_t before = interrupt_count[PIC_VECTOR + LINE];
    SEND(0x07, 0x00);
    wait_interrupt(before);
    sense();
}

static void set_dma(uint8_t mode, uint32_t length)
{
    uint32_t address = (uint32_t)(uintptr_t)buffer;
    outb(0x0a, 6);
    outb(0x0c, 0);
    outb(0x0b, mode | 2);
    outb(0x81, (uint8_t)(address >> 16));
    outb(0x04, (uint8_t)address);
    outb(0x04, (uint8_t)(address >> 8));
    outb(0x05, (uint8_t)(length - 1));
    outb(0x05, (uint8_t)((length - 1) >> 8));
    outb(0x0a, 2);
}

static void command(uint8_t code, uint8_t unit, uint32_t track, uint32_t sector, uint32_t last)
{
    uint8_t head = track & 1;
    SEND(code, (uint8_t)(unit | head << 2), (uint8_t)(track / 2), head, (uint8_t)sector, 2, (uint8_t)last,
         0x1b, 0xff);
}

/* One command by DMA; returns the upper bits of ST0. */
static uint8_t by_dma(bool write, uint8_t unit, uint32_t track, uint32_t sector, uint32_t count, uint8_t both,
                      uint32_t last)
{
    uint32_t before = interrupt_count[PIC_VECTOR + LINE];
    set_dma(write ? 0x48 : 0x44, count * SECTOR);
    command((write ? WRITE : READ) | both, unit, track, sector, last);
    wait_interrupt(before);
    collect();
    return result[0] & 0xc0;
}

/* The same byte by byte. It ends with the last sector, without a terminal count. */
static void by_bytes(bool write, uint32_t track, uint32_t sector, uint32_t count)
{
    SEND(0x03, 0xdf, 0x03);
    command(write ? WRITE : READ, 0, track, sector, sector + count - 1);
    for (uint32_t i = 0; i < count * SECTOR; i++) {
        if (!(wait_status() & MSR_NON_DMA))
            guest_abort("the transfer has ended early");
        if (write)
            outb(DATA, buffer[i]);
        else
            buffer[i] = inb(DATA);
    }
    collect();
    SEND(0x03, 0xdf, 0x02);
}

static void test_controller(void)
{
    outb(DOR, 0);
    reset();
    check_value("interrupts after a reset", interrupt_count[PIC_VECTOR + LINE], 1);
    for (uint32_t i = 0; i < 4; i++) {
        sense();
        check_value("  status", result[0], 0xc0 | i);
    }
    sense();
    check_value("no more: invalid", result[0], 0x80);
    check_value("  one byte", results, 1);
    SEND(0x10);
    collect();
    check_value("version", result[0], 0x90);
    SEND(0x94);
    collect();
    check_value("lock", result[0], 0x10);
    SEND(0x14);
    collect();
    check_value("unlock", result[0], 0);
    SEND(0x1f);
    collect();
    check_value("invalid command", result[0], 0x80);
    check_value("DOR", inb(DOR), DOR_RUN | 0x30);
    SEND(0x03, 0xdf, 0x02);
    SEND(0x13, 0x00, 0x17, 0x00);
    outb(DIR, RATE_500K);
    check_value("disk changed", inb(DIR) & 0x80, 0x80);
    seek(0, 40);
    check_value("seek: ST0", result[0], 0x20);
    check_value("  cylinder", result[1], 40);
    check_value("  and no longer changed", inb(DIR) & 0x80, 0);
    SEND(0x04, 0x00);
    collect();
    check_value("drive status: track 0", result[0] & 0x10, 0);
    recalibrate();
    check_value("recalibrate: ST0", result[0], 0x20);
    check_value("  cylinder", result[1], 0);
    SEND(0x04, 0x00);
    collect();
    check_value("drive status: track 0", result[0] & 0x10, 0x10);
    uint32_t before = interrupt_count[PIC_VECTOR + LINE];
    SEND(0x4a, 0x00);
    wait_interrupt(before);
    collect();
    check_value("READ ID", result[0] & 0xc0, 0);
    check("  a sector of the track", result[5] >= 1 && result[5] <= SECTORS && result[6] == 2);
}

static void test_one_of_each(void)
{
    check_value("read of sector 1", by_dma(false, 0, 0, 1, 1, 0, SECTORS), 0);
    check_value("  its number", *(uint32_t *)buffer, 0);
    check_value("  its pattern", *(uint32_t *)(buffer + 4), PATTERN);
    check_value("  next sector", result[5], 2);
    check_value("  cylinder, head", (uint32_t)(result[3] << 8 | result[4]), 0);
    check_value("  count register", (outb(0x0c, 0), (uint32_t)(inb(0x05) | inb(0x05) << 8)), 0xffff);
    check_value("  terminal count", inb(0x08) & 4, 4);
    seek(0, 20);
    check_value("both sides", by_dma(false, 0, 40, 1, 2 * SECTORS, BOTH_SIDES, SECTORS), 0);
    uint32_t right = 0;
    for (uint32_t i = 0; i < 2 * SECTORS; i++)
        right += *(uint32_t *)(buffer + i * SECTOR) == 40 * SECTORS + i;
    check_value("  right sectors", right, 2 * SECTORS);
    by_bytes(false, 40, 5, 2);
    check_value("byte by byte: number", *(uint32_t *)(buffer + SECTOR), 40 * SECTORS + 5);
    observe("  ends without a terminal count: ST0", result[0] & 0xc0);
    observe("  end of cylinder: ST1", result[1]);
}

/* Writes a run of sectors that fits into a track, or compares one with what it should hold. */
static bool random_step(void)
{
    uint32_t track = random(TRACKS), sector = random(SECTORS), count = 1 + random(SECTORS - sector);
    bool write = random(2), bytes = !write && random(32) == 0;
    uint8_t *expected = shadow + (track * SECTORS + sector) * SECTOR;

    if (bytes && count > 2)
        count = 2;
    if (track / 2 != result[3])
        seek(0, (uint8_t)(track / 2));
    if (write) {
        for (uint32_t i = 0; i < count * SECTOR; i += 4)
            *(uint32_t *)(buffer + i) = seed + i * 0x9e3779b1;
        random(2);
        memcpy(expected, buffer, count * SECTOR);
    } else {
        memset(buffer, 0, count * SECTOR);
    }
    if (bytes)
        by_bytes(write, track, sector + 1, count);
    else if (by_dma(write, 0, track, sector + 1, count, 0, SECTORS))
        return false;
    result[3] = (uint8_t)(track / 2);
    return write || !memcmp(buffer, expected, count * SECTOR);
}

static void test_random(uint32_t steps)
{
    uint32_t right = 0, hash = 0x811c9dc5, same = 0;

    for (uint32_t i = 0; i < ALL; i++) {
        uint32_t *sector = (uint32_t *)(shadow + i * SECTOR);
        memset(sector, i & 0xff, SECTOR);
        sector[0] = i;
        sector[1] = PATTERN;
    }
    seek(0, 0);
    result[3] = 0;
    for (uint32_t i = 0; i < steps; i++)
        right += random_step();
    check_value("random reads and writes: right", right, steps);
    for (uint32_t track = 0; track < TRACKS; track += 2) {
        seek(0, (uint8_t)(track / 2));
        by_dma(false, 0, track, 1, 2 * SECTORS, BOTH_SIDES, SECTORS);
        same += !memcmp(buffer, shadow + track * SECTORS * SECTOR, BUFFER);
        for (uint32_t i = 0; i < BUFFER; i++)
            hash = (hash ^ buffer[i]) * 0x01000193;
    }
    check_value("cylinders that are as written", same, TRACKS / 2);
    observe("checksum of the diskette", hash);
}

static void test_format(void)
{
    uint32_t before = interrupt_count[PIC_VECTOR + LINE];

    seek(0, 70);
    for (uint32_t i = 0; i < SECTORS; i++) {
        uint8_t id[4] = {70, 1, (uint8_t)(i + 1), 2};
        memcpy(buffer + 4 * i, id, sizeof(id));
    }
    set_dma(0x48, SECTORS * 4);
    before = interrupt_count[PIC_VECTOR + LINE];
    SEND(0x4d, 0x04, 2, SECTORS, 0x54, 0xf6);
    wait_interrupt(before);
    collect();
    check_value("format: ST0", result[0] & 0xc0, 0);
    check_value("read of the track", by_dma(false, 0, 141, 1, SECTORS, 0, SECTORS), 0);
    uint32_t fillers = 0;
    for (uint32_t i = 0; i < SECTORS * SECTOR; i++)
        fillers += buffer[i] == 0xf6;
    observe("  fillers", fillers);
}

static void test_errors(void)
{
    seek(0, 3);
    check_value("sector past the end: ST0", by_dma(false, 0, 6, SECTORS + 1, 1, 0, SECTORS + 2), 0x40);
    observe("  no data: ST1", result[1]);
    seek(0, 79);
    check_value("last sector", by_dma(false, 0, TRACKS - 1, SECTORS, 1, 0, SECTORS), 0);
    check_value("track past the end: ST0", by_dma(false, 0, TRACKS + 8, 1, 1, 0, SECTORS), 0x40);
    outb(DIR, RATE_250K);
    check_value("wrong data rate: ST0", by_dma(false, 0, 158, 1, 1, 0, SECTORS), 0x40);
    check_value("  ST1: missing mark", result[1] & 1, 1);
    outb(DIR, RATE_500K);
    /* A reset while a sector is read byte by byte. */
    SEND(0x03, 0xdf, 0x03);
    command(READ, 0, 158, 1, SECTORS);
    for (uint32_t i = 0; i < 100; i++) {
        wait_status();
        (void)inb(DATA);
    }
    reset();
    check_value("reset in mid-transfer: status", inb(MSR), MSR_READY);
    for (uint32_t i = 0; i < 4; i++)
        sense();
    SEND(0x03, 0xdf, 0x02);
    outb(DIR, RATE_500K);
    recalibrate(); /* the reset has forgotten where the heads are */
    check_value("and a read works again", by_dma(false, 0, 0, 1, 1, 0, SECTORS), 0);
}

static void test_second_drive(void)
{
    outb(DOR, DOR_RUN | 0x31);
    outb(DIR, RATE_250K);
    seek(1, 5);
    check_value("second drive: seek", result[0], 0x21);
    check_value("  read", by_dma(false, 1, 10, 3, 2, 0, 9), 0);
    check_value("  number", *(uint32_t *)(buffer + SECTOR), 10 * 9 + 3);
    SEND(0x04, 0x01);
    collect();
    check_value("  write protected", result[0] & 0x40, 0x40);
    check_value("  write: ST0", by_dma(true, 1, 10, 3, 1, 0, 9), 0x40);
    check_value("  ST1: not writable", result[1] & 2, 2);
}

void guest_main(void)
{
    seed = option_number("seed", 1);
    pic_initialise();
    interrupt_set(PIC_VECTOR + LINE, interrupt_eoi_pic);
    pic_set_mask((uint16_t) ~(1 << LINE | 1 << 2));
    outb(0xd6, 0xc0); /* the second controller carries the first's requests */
    outb(0xd4, 0x00);
    check_value("CMOS: types of drives", cmos_read(0x10), 0x44);
    check_value("  equipment", cmos_read(0x14) & 0xc1, 0x41);
    test_controller();
    test_one_of_each();
    test_random(option_number("ops", 200));
    test_format();
    test_errors();
    test_second_drive();
}
