/*
 * IDE: a disk as the primary master and a CD drive as the secondary master, found at the PC's ports;
 * IDENTIFY, PIO by single and multiple sectors, 28- and 48-bit and CHS addresses, bus master DMA by tables of
 * several entries, IRQ 14 and 15; errors past the end, bad commands, SRST in the middle of a transfer;
 * packets to the CD drive by PIO and DMA. disk_ide has many random ones, and more that goes wrong. Manuals:
 * ATA/ATAPI-6, Intel's bus master programming interface 1.0, MMC-4. Real hardware: as checked here.
 *
 * guest: ide=8
 */
#include "guest.h"
#include "ide.h"
#include "memory.h"
#include "pic.h"
#include "power.h"

enum { SECTORS = 8 * 2048, PATTERN = 0x5ec70125, DISC_PATTERN = 0xcd5ec701, DISC_SECTORS = 1024 };
enum { PAGE = 4096 };
static uint32_t data[2][2 * PAGE / 4] __attribute__((aligned(4096)));
static const struct ide_place disk = {IDE_PRIMARY, 0}, slave = {IDE_PRIMARY, 1}, cd = {IDE_SECONDARY, 0};

static void test_identify(void)
{
    uint16_t id[256];

    check_value("disk: status", inb(IDE_PRIMARY + IDE_STATUS), 0x50);
    check_value("IDENTIFY DEVICE", ide_read(&disk, 0xec, 0, 1, id), 0);
    check_value("  sectors", id[60] | (uint32_t)id[61] << 16, SECTORS);
    check_value("  sectors, 48 bits", id[100] | (uint32_t)id[101] << 16, SECTORS);
    check_value("  cylinders", id[1], SECTORS / (16 * 63));
    check_value("  heads", id[3], 16);
    check_value("  sectors on a track", id[6], 63);
    check("  LBA and DMA", (id[49] & 0x300) == 0x300);
    check("  48-bit addresses", id[83] & 0x400);
    ide_select(&slave);
    check_value("no slave: status", inb(IDE_PRIMARY + IDE_STATUS), 0);
    ide_select(&cd);
    check_value("IDENTIFY DEVICE of a CD drive", ide_read(&cd, 0xec, 0, 1, id), 4);
    check_value("  signature", inb(IDE_SECONDARY + IDE_MID) | inb(IDE_SECONDARY + IDE_HIGH) << 8, 0xeb14);
    check_value("IDENTIFY PACKET DEVICE", ide_read(&cd, 0xa1, 0, 1, id), 0);
    check_value("  a removable CD drive", id[0] & 0xdf83, 0x8580);
}

static void test_pio(void)
{
    check_value("READ SECTORS", ide_read(&disk, 0x20, 5, 3, data[0]), 0);
    check_value("  number of the last", data[0][2 * 128], 7);
    check_value("  its pattern", data[0][2 * 128 + 1], PATTERN);
    check_value("READ SECTORS EXT", ide_read(&disk, 0x24, SECTORS - 1, 1, data[0]), 0);
    check_value("  its number", data[0][0], SECTORS - 1);
    check_value("SET MULTIPLE MODE", ide_simple(&disk, 0xc6, 0, 8), 0);
    check_value("READ MULTIPLE", ide_read(&disk, 0xc4, 1000, 16, data[0]), 0);
    check_value("  number of the last", data[0][15 * 128], 1015);
    for (uint32_t i = 0; i < PAGE / 4; i++)
        data[1][i] = i * 0x01010101;
    check_value("WRITE SECTORS", ide_write(&disk, 0x30, 2000, 8, data[1]), 0);
    check_value("  read back", ide_read(&disk, 0x20, 2000, 8, data[0]), 0);
    check_value("  the same", (uint32_t)memcmp(data[0], data[1], PAGE), 0);
    check_value("WRITE MULTIPLE EXT", ide_write(&disk, 0x39, 3000, 8, data[1]), 0);
    check_value("  read back, by CHS", ide_read_chs(&disk, 3000, 16, 63, data[0]), 0);
    check_value("  the same", (uint32_t)memcmp(data[0], data[1], 512), 0);
    ide_read(&disk, 0x20, 1999, 1, data[0]);
    check_value("  sector before untouched", data[0][0], 1999);
    check_value("FLUSH CACHE", ide_simple(&disk, 0xe7, 0, 0), 0);
    check_value("READ VERIFY", ide_simple(&disk, 0x40, 0, 8), 0);
}

static void test_dma(void)
{
    check("bus master", ide_master_find());
    check_value("READ DMA", ide_dma(&disk, 0xc8, 100, 8, data[0], 512, true), 0);
    check_value("  number of the last", data[0][7 * 128], 107);
    check_value("READ DMA EXT, two entries a sector", ide_dma(&disk, 0x25, 200, 8, data[0], 256, true), 0);
    check_value("  number of the last", data[0][7 * 128], 207);
    for (uint32_t i = 0; i < PAGE / 4; i++)
        data[1][i] = ~i;
    check_value("WRITE DMA", ide_dma(&disk, 0xca, 4000, 8, data[1], PAGE, false), 0);
    check_value("  read back by PIO", ide_read(&disk, 0x20, 4000, 8, data[0]), 0);
    check_value("  the same", (uint32_t)memcmp(data[0], data[1], PAGE), 0);
}

static void wait_interrupt(void)
{
    for (uint32_t i = 0; i < 1000 && !interrupt_count[PIC_VECTOR + 14]; i++) {
        __asm__ volatile("sti; nop; cli");
        delay_us(10);
    }
}

static void test_interrupts(void)
{
    pic_initialise();
    pic_set_mask((uint16_t) ~(1u << 14 | 1u << 2));
    interrupt_set(PIC_VECTOR + 14, interrupt_eoi_pic);
    ide_interrupts(true);
    ide_master_start(&disk, data[0], PAGE, 512, true);
    ide_command(&disk, 0xc8, 100, 8);
    wait_interrupt();
    check_value("interrupts of a DMA read", interrupt_count[PIC_VECTOR + 14], 1);
    check_value("  its result", ide_master_end(&disk), 0);
    interrupt_count[PIC_VECTOR + 14] = 0;
    ide_command(&disk, 0x20, 100, 1);
    wait_interrupt();
    check_value("interrupts of a sector", interrupt_count[PIC_VECTOR + 14], 1);
    ide_wait(&disk);
    ide_words_in(IDE_PRIMARY, data[0], 256);
    ide_interrupts(false);
    ide_simple(&disk, 0xe7, 0, 0);
    wait_interrupt();
    check_value("  with nIEN", interrupt_count[PIC_VECTOR + 14], 1);
    pic_set_mask(0xffff);
}

/* IDNF or ABRT, as the drive likes (ATA/ATAPI-6, 8.34). */
static bool not_there(uint32_t error)
{
    return error & 0x14;
}

static void test_errors(void)
{
    check("READ SECTORS past the end fails", not_there(ide_read(&disk, 0x20, SECTORS, 1, data[0])));
    check("READ SECTORS over the end fails", not_there(ide_read(&disk, 0x20, SECTORS - 1, 2, data[0])));
    check_value("  the sector before the end arrived", data[0][0], SECTORS - 1);
    check("READ DMA past the end fails", not_there(ide_dma(&disk, 0xc8, SECTORS, 8, data[0], 512, true)));
    check("WRITE SECTORS EXT past the end fails", not_there(ide_write(&disk, 0x34, SECTORS, 1, data[0])));
    check("far past the end fails", not_there(ide_read(&disk, 0x24, 0x0fffffff, 1, data[0])));
    check_value("an unknown command", ide_simple(&disk, 0x50, 0, 0), 4);
    check_value("PACKET to a disk", ide_simple(&disk, 0xa0, 0, 0), 4);
    check_value("SET FEATURES of nothing",
                (outb(IDE_PRIMARY + IDE_ERROR, 0x99), ide_simple(&disk, 0xef, 0, 0)), 4);
    check_value("and then a read", ide_read(&disk, 0x20, 77, 1, data[0]), 0);
    check_value("  its number", data[0][0], 77);
    ide_command(&disk, 0x20, 50, 4);
    ide_wait(&disk);
    ide_words_in(IDE_PRIMARY, data[0], 100);
    ide_reset(IDE_PRIMARY);
    check_value("SRST in the middle of a read: status", inb(IDE_PRIMARY + IDE_STATUS), 0x50);
    check_value("  error register", inb(IDE_PRIMARY + IDE_ERROR), 1);
    check_value("  signature", inb(IDE_PRIMARY + IDE_LOW) | inb(IDE_PRIMARY + IDE_COUNT) << 8, 0x101);
    check_value("  and then a read", ide_read(&disk, 0x20, 78, 1, data[0]), 0);
    check_value("  its number", data[0][0], 78);
}

static void test_cd(void)
{
    static const uint8_t ready[12], capacity[12] = {0x25}, sense[12] = {3, 0, 0, 0, 18}, unknown[12] = {0xd9};
    static const uint8_t toc[12] = {0x43, 0, 0, 0, 0, 0, 0, 0, 20};
    uint8_t read[12] = {0x28, 0, 0, 0, 1, 0, 0, 0, 3}, past[12] = {0x28, 0, 0, 0, 4, 0, 0, 0, 1};
    uint8_t raw[12] = {0xbe, 0, 0, 0, 0, 7, 0, 0, 1, 0xf8};
    uint8_t *bytes = (uint8_t *)data[0];

    ide_packet(&cd, sense, data[0], 18); /* whatever happened before */
    check_value("TEST UNIT READY", ide_packet(&cd, ready, data[0], 0), 0);
    check_value("READ CAPACITY", ide_packet(&cd, capacity, data[0], 8), 0);
    check_value("  last sector", (uint32_t)bytes[2] << 8 | bytes[3], DISC_SECTORS - 1);
    check_value("READ TOC", ide_packet(&cd, toc, data[0], 20), 0);
    check_value("  lead-out", (uint32_t)bytes[18] << 8 | bytes[19], DISC_SECTORS);
    check_value("READ (10)", ide_packet(&cd, read, data[0], 3 * 2048), 0);
    check_value("  number of the last", data[0][2 * 512], 0x102);
    check_value("  its pattern", data[0][2 * 512 + 1], DISC_PATTERN);
    memset(data[0], 0, sizeof(data[0]));
    check_value("READ (10) by DMA", ide_packet_dma(&cd, read, data[0], 3 * 2048), 0);
    check_value("  number of the last", data[0][2 * 512], 0x102);
    check_value("READ CD, a whole sector", ide_packet(&cd, raw, data[0], 2352), 0);
    check_value("  its address", (uint32_t)bytes[12] << 16 | bytes[13] << 8 | bytes[14], 0x000207);
    check_value("  its number", data[0][4], 7);
    check_value("READ (10) past the end", ide_packet(&cd, past, data[0], 2048) >> 4, 5);
    check_value("  REQUEST SENSE", ide_packet(&cd, sense, data[0], 18), 0);
    check_value("  its code", bytes[12], 0x21);
    check_value("an unknown packet", ide_packet(&cd, unknown, data[0], 0) >> 4, 5);
    ide_packet(&cd, sense, data[0], 18);
    check_value("  its code", bytes[12], 0x20);
}

void guest_main(void)
{
    ide_reset(IDE_PRIMARY);
    ide_reset(IDE_SECONDARY);
    ide_interrupts(false);
    ide_select(&disk);
    test_identify();
    test_pio();
    test_dma();
    test_interrupts();
    test_errors();
    test_cd();
}
