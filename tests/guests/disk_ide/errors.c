/*
 * What goes wrong on IDE: addresses past the end and where they are reported, commands and packets that do
 * not exist or have bad arguments, resets in mid-transfer with the registers that they leave
 * (ATA/ATAPI-6, 8.34, 9.1, 9.2, 9.12), and that sectors which were not transferred are as they were.
 */
#include "disk_ide.h"
#include "guest.h"
#include "memory.h"
#include "power.h"

enum {
    AT = 5000,
    COUNT = 4,
    MASTER_BITS = 7 /* interrupt, error, active */,
    STATUS_KNOWN = 0xef /* DSC is obsolete */,
    UNTOUCHED = 0xa5,
    DATA_BYTES = COUNT * CD_SECTOR
};
static uint8_t *const data = (uint8_t *)0xb00000;

/* IDNF or ABRT, as the drive likes (8.27.6). */
static bool not_there(uint32_t error)
{
    return error & 0x14;
}

static uint32_t reported(void)
{
    return inb(IDE_PRIMARY + IDE_LOW) | (uint32_t)inb(IDE_PRIMARY + IDE_MID) << 8 |
           (uint32_t)inb(IDE_PRIMARY + IDE_HIGH) << 16 | (inb(IDE_PRIMARY + IDE_DEVICE) & 15u) << 24;
}

/* With HOB the registers show what was written before, or the upper half of an address. */
static uint64_t reported_48(void)
{
    uint32_t low = reported() & 0xffffff;

    outb(IDE_PRIMARY + IDE_CONTROL, 0x82);
    uint32_t high = reported() & 0xffffff;
    outb(IDE_PRIMARY + IDE_CONTROL, 2);
    return (uint64_t)high << 24 | low;
}

static uint32_t read_48(uint64_t lba)
{
    ide_select(&disk);
    for (uint32_t half = 2; half--;) {
        uint32_t part = (uint32_t)(lba >> 24 * half);
        outb(IDE_PRIMARY + IDE_COUNT, (uint8_t)!half);
        outb(IDE_PRIMARY + IDE_LOW, (uint8_t)part);
        outb(IDE_PRIMARY + IDE_MID, (uint8_t)(part >> 8));
        outb(IDE_PRIMARY + IDE_HIGH, (uint8_t)(part >> 16));
    }
    outb(IDE_PRIMARY + IDE_STATUS, 0x24);
    return ide_result(&disk, ide_wait(&disk));
}

static void past_the_end(void)
{
    check("READ SECTORS over the end fails", not_there(ide_read(&disk, 0x20, SECTORS - 1, 2, data)));
    check_value("  reported", reported(), SECTORS);
    check("  the sector before was read", disk_script_same(SECTORS - 1, 1, data));
    check("READ SECTORS EXT far past the end fails", not_there(read_48(0x123456789abc)));
    check_value64("  reported", reported_48(), 0x123456789abc);
    check("READ MULTIPLE over the end fails",
          !ide_simple(&disk, 0xc6, 0, 8) && not_there(ide_read(&disk, 0xc4, SECTORS - 3, 8, data)));
    observe("  reported", reported());
    check("READ DMA over the end fails", not_there(ide_dma(&disk, 0xc8, SECTORS - 1, 4, data, 512, true)));
    observe("  reported", reported());
    observe("READ VERIFY over the end fails", not_there(ide_simple(&disk, 0x40, SECTORS - 2, 4)));
    disk_script_next(SECTORS - 1, 1, data);
    check("WRITE SECTORS over the end fails", not_there(ide_write(&disk, 0x30, SECTORS - 1, 3, data)));
    disk_script_written(SECTORS - 1, 1);
    check_value("  reported", reported(), SECTORS);
    check_value("  read back", ide_read(&disk, 0x20, SECTORS - 1, 1, data), 0);
    check("  the sector before was written", disk_script_same(SECTORS - 1, 1, data));
    check("WRITE DMA past the end fails", not_there(ide_dma(&disk, 0xca, SECTORS, 4, data, 512, false)));
    check_value("  reported", reported(), SECTORS);
    ide_command_chs(&disk, 0x20, SECTORS, HEADS, TRACK_SECTORS, 1);
    check("a cylinder past the end fails", not_there(ide_result(&disk, ide_wait(&disk))));
}

static uint32_t set_features(uint8_t feature, uint8_t value)
{
    ide_select(&disk);
    outb(IDE_PRIMARY + IDE_ERROR, feature);
    return ide_simple(&disk, 0xef, 0, value);
}

static void bad_commands(void)
{
    static const struct ide_place slave = {IDE_PRIMARY, 1};
    static const uint8_t codes[] = {0x00, 0x01, 0x08, 0x50, 0x80, 0x9a, 0xa0, 0xa1, 0xb0, 0xf7, 0xff};
    uint32_t aborted = 0;

    for (uint32_t i = 0; i < ARRAY_LENGTH(codes); i++)
        aborted +=
            ide_simple(&disk, codes[i], 0, 1) == 4 && (inb(IDE_PRIMARY + IDE_STATUS) & STATUS_KNOWN) == 0x41;
    check_value("commands that there are not: aborted", aborted, ARRAY_LENGTH(codes));
    check_value("SET MULTIPLE MODE of 3 sectors", ide_simple(&disk, 0xc6, 0, 3), 4);
    check_value("SET MULTIPLE MODE of 128 sectors", ide_simple(&disk, 0xc6, 0, 128), 4);
    check_value("SET FEATURES: a transfer mode that there is not", set_features(3, 0x7f), 4);
    ide_simple(&slave, 0x20, 0, 1);
    check_value("a command to no drive: status", inb(IDE_PRIMARY + IDE_STATUS), 0);
    check_value("and then a read", ide_read(&disk, 0x20, AT, COUNT, data), 0);
    check("  right", disk_script_same(AT, COUNT, data));
}

/* What a reset leaves in the registers (9.12). */
static void signature(const struct ide_place *place, uint8_t status, uint32_t type)
{
    check_value("  status", inb(place->base + IDE_STATUS), status);
    observe("  error register", inb(place->base + IDE_ERROR));
    check_value("  signature", inb(place->base + IDE_COUNT) | (uint32_t)inb(place->base + IDE_LOW) << 8,
                0x101);
    check_value("  its type", inb(place->base + IDE_MID) | (uint32_t)inb(place->base + IDE_HIGH) << 8, type);
}

static void reset_in_pio_write(void)
{
    disk_script_next(AT, COUNT, data);
    ide_command(&disk, 0x30, AT, COUNT);
    for (uint32_t i = 0; i < 2; i++) {
        ide_wait(&disk);
        ide_words_out(IDE_PRIMARY, data + i * DISK_SECTOR, 256);
    }
    ide_wait(&disk);
    ide_words_out(IDE_PRIMARY, data + 2 * DISK_SECTOR, 100);
    ide_reset(IDE_PRIMARY);
    print("SRST in the third of four sectors that are written\n");
    signature(&disk, 0x50, 0);
    disk_script_written(AT, 2);
    check_value("  read back", ide_read(&disk, 0x20, AT, COUNT, data), 0);
    check("  two are written, two as they were", disk_script_same(AT, COUNT, data));
}

static bool untouched(void)
{
    bool all = true;

    for (uint32_t i = 0; i < DATA_BYTES; i++)
        all &= data[i] == UNTOUCHED;
    return all;
}

/* The drive has its command, and the bus master is not yet on. */
static void reset_in_dma_read(void)
{
    struct dma_pieces pieces = dma_one(data, COUNT * DISK_SECTOR);

    memset(data, UNTOUCHED, DATA_BYTES);
    ide_command(&disk, 0xc8, AT, COUNT);
    ide_reset(IDE_PRIMARY);
    print("SRST before the bus master starts a read\n");
    signature(&disk, 0x50, 0);
    ide_master_start_pieces(&disk, &pieces, true);
    delay_us(2000);
    observe("  no data come when it does", untouched());
    ide_master_end(&disk);
    check_value("  the next read", ide_dma(&disk, 0xc8, AT, COUNT, data, 512, true), 0);
    check("  right", disk_script_same(AT, COUNT, data));
}

/* The table ends within the second of four sectors. */
static void reset_in_dma_write(void)
{
    struct dma_pieces pieces = dma_one(data, DISK_SECTOR * 3 / 2);

    disk_script_next(AT, COUNT, data);
    ide_command(&disk, 0xca, AT, COUNT);
    ide_master_start_pieces(&disk, &pieces, false);
    delay_us(2000);
    print("a write whose table is too short\n");
    check_value("  bus master: at its end, no interrupt", ide_master_status(&disk) & MASTER_BITS, 0);
    observe("  the drive asks for more", inb(IDE_PRIMARY + IDE_CONTROL));
    ide_reset(IDE_PRIMARY);
    ide_master_end(&disk);
    print("SRST then\n");
    signature(&disk, 0x50, 0);
    check_value("  read back", ide_read(&disk, 0x20, AT, COUNT, data), 0);
    check("  the first sector is whole, old or new", disk_script_settle(AT, 1, data));
    check("  the others are as they were", disk_script_same(AT + 1, COUNT - 1, data + DISK_SECTOR));
    disk_script_renew(AT, 1, data);
    check_value("  written again", ide_write(&disk, 0x30, AT, 1, data), 0);
}

void disk_errors(void)
{
    past_the_end();
    bad_commands();
    reset_in_pio_write();
    reset_in_dma_read();
    reset_in_dma_write();
}

static void check_sense(const char *name, uint32_t error, uint32_t code)
{
    check_value(name, error >> 4, 5);
    ide_packet(&cd, (const uint8_t[12]){3, 0, 0, 0, 18}, data, 18);
    check_value("  sense key", data[2], 5);
    check_value("  its code", data[12], code);
}

static void check_cd_reads(void)
{
    uint8_t packet[12];

    cd_read_packet(packet, 0x28, 100, 2);
    check_value("  the next read", ide_packet(&cd, packet, data, 2 * CD_SECTOR), 0);
    check("  right", disk_script_same(100, 2, data));
}

static void bad_packets(void)
{
    uint8_t packet[12];

    cd_read_packet(packet, 0x28, CD_SECTORS - 1, 2);
    check_sense("READ (10) over the end", ide_packet(&cd, packet, data, 2 * CD_SECTOR), 0x21);
    cd_read_packet(packet, 0xa8, 0xffffffff, 1);
    check_sense("READ (12) of the last address of all", ide_packet(&cd, packet, data, 2 * CD_SECTOR), 0x21);
    cd_read_packet(packet, 0x28, CD_SECTORS, 1);
    check_sense("READ (10) past the end by DMA", ide_packet_dma(&cd, packet, data, CD_SECTOR), 0x21);
    memset(packet, 0, sizeof(packet));
    packet[0] = 0x2a;
    check_sense("WRITE (10)", ide_packet(&cd, packet, data, CD_SECTOR), 0x20);
    cd_read_packet(packet, 0x28, 100, 1);
    ide_packet_send(&cd, packet, false, 0);
    check_value("a byte count limit of 0", ide_result(&cd, ide_wait(&cd)) & 4, 4);
    check_value("READ SECTORS from a packet device", ide_simple(&cd, 0x20, 0, 1), 4);
    check_value("  its type", inb(IDE_SECONDARY + IDE_MID) | (uint32_t)inb(IDE_SECONDARY + IDE_HIGH) << 8,
                0xeb14);
    check_cd_reads();
}

static void cd_resets(void)
{
    uint8_t packet[12];

    cd_read_packet(packet, 0x28, 100, COUNT);
    ide_packet_send(&cd, packet, false, CD_SECTOR);
    ide_wait(&cd);
    ide_words_in(IDE_SECONDARY, data, 300);
    outb(IDE_SECONDARY + IDE_STATUS, 8);
    ide_wait(&cd);
    print("DEVICE RESET within the data of a packet\n");
    signature(&cd, 0, 0xeb14);
    check_cd_reads();
    ide_packet_send(&cd, packet, false, CD_SECTOR);
    ide_wait(&cd);
    ide_words_in(IDE_SECONDARY, data, 300);
    ide_reset(IDE_SECONDARY);
    print("SRST there\n");
    signature(&cd, 0, 0xeb14);
    check_cd_reads();
    memset(data, UNTOUCHED, DATA_BYTES);
    ide_packet_send(&cd, packet, true, 0);
    ide_reset(IDE_SECONDARY);
    print("SRST before the bus master starts a packet's read\n");
    signature(&cd, 0, 0xeb14);
    struct dma_pieces pieces = dma_one(data, DATA_BYTES);
    ide_master_start_pieces(&cd, &pieces, true);
    delay_us(2000);
    observe("  no data come when it does", untouched());
    ide_master_end(&cd);
    check_cd_reads();
}

void cd_errors(void)
{
    bad_packets();
    cd_resets();
}
