/*
 * A fixed script of 10,000 random reads and writes of an IDE disk, 1 to 256 sectors each, and one of 10,000
 * reads of a CD, 1 to 64 sectors: PIO by sectors and by blocks of changing length, words and dwords; bus
 * master DMA along tables of odd pieces; addresses of 28 and 48 bits, and of cylinder, head and sector;
 * packets with changing byte count limits, raw sectors. Every sector is held against what was last written
 * there, in each read and for the whole disk at the end; the sums cover every byte read. Between the script
 * and the end what goes wrong (errors.c): past the end, bad commands, resets in mid-transfer. Manuals:
 * ATA/ATAPI-6, Intel's bus master programming interface 1.0, MMC-4. Real hardware: as checked here; what QEMU
 * does otherwise is in differences.py.
 *
 * guest: ide=4 timeout=180
 */
#include "disk_ide.h"
#include "guest.h"
#include "memory.h"

enum { CD_MOST = 64, RAW_MOST = 16 };
enum { WIDE = 1, MULTIPLE = 2, CHS = 4, RAW = 8, DMA = 16 };
enum { PIECE = 0x10000 };

const struct ide_place disk = {IDE_PRIMARY, 0}, cd = {IDE_SECONDARY, 0};
static uint32_t multiple, not_decimal;

static void dwords_in(void *to, uint32_t dwords)
{
    __asm__ volatile("cld; rep insl" : "+D"(to), "+c"(dwords) : "d"(IDE_PRIMARY) : "memory");
}

static void dwords_out(const void *from, uint32_t dwords)
{
    __asm__ volatile("cld; rep outsl" : "+S"(from), "+c"(dwords) : "d"(IDE_PRIMARY) : "memory");
}

static void move_block(const struct disk_way *way, uint8_t *bytes, uint32_t size)
{
    if (way->write && way->flags & WIDE)
        dwords_out(bytes, size / 4);
    else if (way->write)
        ide_words_out(IDE_PRIMARY, bytes, size / 2);
    else if (way->flags & WIDE)
        dwords_in(bytes, size / 4);
    else
        ide_words_in(IDE_PRIMARY, bytes, size / 2);
}

static uint32_t by_pio(const struct disk_way *way, uint32_t sector, uint32_t count,
                       const struct dma_pieces *pieces)
{
    uint8_t *bytes = pieces->piece[0].at;
    uint32_t block = 1;

    if (way->flags & MULTIPLE && (!multiple || disk_script_random(16) == 0)) {
        multiple = 1u << disk_script_random(5);
        if (ide_simple(&disk, 0xc6, 0, multiple))
            return IDE_TIMEOUT;
    }
    if (way->flags & MULTIPLE)
        block = multiple;
    if (way->flags & CHS)
        ide_command_chs(&disk, way->code, sector, HEADS, TRACK_SECTORS, count);
    else
        ide_command(&disk, way->code, sector, count);
    for (uint32_t left = count, now; left; left -= now, bytes += now * DISK_SECTOR) {
        uint8_t status = ide_wait(&disk);
        if (!(status & IDE_DRQ))
            return status & IDE_FAILED ? ide_result(&disk, status) : IDE_TIMEOUT;
        now = left < block ? left : block;
        move_block(way, bytes, now * DISK_SECTOR);
    }
    return ide_result(&disk, ide_wait(&disk));
}

static uint32_t by_dma(const struct disk_way *way, uint32_t sector, uint32_t count,
                       const struct dma_pieces *pieces)
{
    ide_command(&disk, way->code, sector, count);
    ide_master_start_pieces(&disk, pieces, !way->write);
    return ide_master_end(&disk);
}

#define PIO(its_name, its_code, its_flags, ...)                                                              \
    {                                                                                                        \
        .name = its_name, .move = by_pio, .code = its_code, .flags = its_flags, .most = 256, .pieces = 1,    \
        .align = 2, .piece_bytes = DISK_DATA_MAX, __VA_ARGS__                                                \
    }
#define BY_DMA(its_name, its_code, ...)                                                                      \
    {                                                                                                        \
        .name = its_name, .move = by_dma, .code = its_code, .most = 256, .pieces = 40, .align = 2,           \
        .piece_bytes = PIECE, __VA_ARGS__                                                                    \
    }

static const struct disk_way disk_ways[] = {
    PIO("READ SECTORS", 0x20, 0),
    PIO("READ SECTORS, dwords", 0x20, WIDE),
    PIO("READ SECTORS, CHS", 0x20, CHS, .reach = CHS_SECTORS),
    PIO("READ SECTORS EXT", 0x24, 0),
    PIO("READ MULTIPLE", 0xc4, MULTIPLE),
    PIO("READ MULTIPLE EXT, dwords", 0x29, MULTIPLE | WIDE),
    BY_DMA("READ DMA", 0xc8),
    BY_DMA("READ DMA EXT", 0x25),
    PIO("WRITE SECTORS", 0x30, 0, .write = true),
    PIO("WRITE SECTORS, dwords", 0x30, WIDE, .write = true),
    PIO("WRITE SECTORS, CHS", 0x30, CHS, .write = true, .reach = CHS_SECTORS),
    PIO("WRITE SECTORS EXT", 0x34, 0, .write = true),
    PIO("WRITE MULTIPLE", 0xc5, MULTIPLE, .write = true),
    PIO("WRITE MULTIPLE EXT, dwords", 0x39, MULTIPLE | WIDE, .write = true),
    BY_DMA("WRITE DMA", 0xca, .write = true),
    BY_DMA("WRITE DMA EXT", 0x35, .write = true),
};

static const struct disk_medium disk_medium = {.sectors = SECTORS,
                                               .sector_bytes = DISK_SECTOR,
                                               .pattern = 0x5ec70125,
                                               .ways = disk_ways,
                                               .way_count = ARRAY_LENGTH(disk_ways)};

static void big_endian(uint8_t *to, uint32_t value, uint32_t bytes)
{
    while (bytes--) {
        to[bytes] = (uint8_t)value;
        value >>= 8;
    }
}

void cd_read_packet(uint8_t packet[12], uint8_t code, uint32_t sector, uint32_t count)
{
    memset(packet, 0, 12);
    packet[0] = code;
    big_endian(packet + 2, sector, 4);
    if (code == 0x28)
        big_endian(packet + 7, count, 2);
    else if (code == 0xa8)
        big_endian(packet + 6, count, 4);
    else
        big_endian(packet + 6, count, 3);
}

/* Sync pattern, address in decimal digits, mode 1 (ECMA-130, 14.2); then the user data. */
static bool take_raw(const uint8_t *raw, uint32_t sector, uint32_t count, uint8_t *to)
{
    bool right = true;

    for (uint32_t i = 0; i < count; i++, raw += RAW_SECTOR) {
        uint32_t frames = sector + i + 150, part[3] = {frames / 4500, frames / 75 % 60, frames % 75};
        bool decimal = true;
        for (uint32_t j = 0; j < 12; j++)
            right &= raw[j] == (j % 11 ? 0xff : 0);
        for (uint32_t j = 0; j < 3; j++)
            decimal &= raw[12 + j] == part[j] / 10 * 16 + part[j] % 10;
        not_decimal += !decimal;
        right &= raw[15] == 1;
        memcpy(to + i * CD_SECTOR, raw + 16, CD_SECTOR);
    }
    return right;
}

static uint32_t by_packet(const struct disk_way *way, uint32_t sector, uint32_t count,
                          const struct dma_pieces *pieces)
{
    static uint8_t *const raw = (uint8_t *)0xb80000;
    bool is_raw = way->flags & RAW, dma = way->flags & DMA;
    uint16_t limit = (uint16_t)(2 * (512 + disk_script_random(0x7fff - 512)));
    uint32_t size = count * (is_raw ? RAW_SECTOR : CD_SECTOR), result;
    struct dma_pieces whole = dma_one(raw, size);
    uint8_t packet[12];

    cd_read_packet(packet, way->code, sector, count);
    packet[9] |= way->code == 0xbe ? is_raw ? 0xf8 : 0x10 : 0;
    if (!ide_packet_send(&cd, packet, dma, dma ? 0 : limit))
        return IDE_TIMEOUT;
    if (dma) {
        ide_master_start_pieces(&cd, is_raw ? &whole : pieces, true);
        result = ide_master_end(&cd);
    } else {
        result = ide_packet_in(&cd, is_raw ? raw : pieces->piece[0].at, size);
    }
    if (is_raw && !take_raw(raw, sector, count, pieces->piece[0].at))
        return WRONG_HEADER;
    return result;
}

#define PACKET(its_name, its_code, its_flags, its_most)                                                      \
    {                                                                                                        \
        .name = its_name, .move = by_packet, .code = its_code, .flags = its_flags, .most = its_most,         \
        .pieces = (its_flags) == DMA ? 40 : 1, .align = 2,                                                   \
        .piece_bytes = (its_flags) == DMA ? PIECE : DISK_DATA_MAX                                            \
    }

static const struct disk_way cd_ways[] = {
    PACKET("READ (10)", 0x28, 0, CD_MOST),        PACKET("READ (12)", 0xa8, 0, CD_MOST),
    PACKET("READ CD", 0xbe, 0, CD_MOST),          PACKET("READ CD, raw", 0xbe, RAW, RAW_MOST),
    PACKET("READ (10), DMA", 0x28, DMA, CD_MOST), PACKET("READ (12), DMA", 0xa8, DMA, CD_MOST),
    PACKET("READ CD, DMA", 0xbe, DMA, CD_MOST),   PACKET("READ CD, raw, DMA", 0xbe, RAW | DMA, RAW_MOST),
};

static const struct disk_medium cd_medium = {.sectors = CD_SECTORS,
                                             .sector_bytes = CD_SECTOR,
                                             .pattern = 0xcd5ec701,
                                             .ways = cd_ways,
                                             .way_count = ARRAY_LENGTH(cd_ways)};

void guest_main(void)
{
    uint8_t sense[18];

    ide_reset(IDE_PRIMARY);
    ide_reset(IDE_SECONDARY);
    ide_interrupts(false);
    check("bus master", ide_master_find());
    disk_script_begin(&disk_medium);
    disk_script_run(option_number("commands", DISK_SCRIPT_COMMANDS));
    disk_script_check("disk after the script");
    disk_errors();
    disk_script_check("disk after errors and resets");
    ide_packet(&cd, (const uint8_t[12]){3, 0, 0, 0, 18}, sense, 18); /* whatever happened before */
    disk_script_begin(&cd_medium);
    disk_script_run(option_number("commands", DISK_SCRIPT_COMMANDS));
    observe("  raw sectors whose address has other than decimal digits", not_decimal);
    cd_errors();
    disk_script_check("disc after the script, errors and resets");
}
