/*
 * What the IDE driver of an NT-family system does: the controller by its class code, each channel by
 * registers that keep what is written, reset and signatures; IDENTIFY, the best Ultra DMA mode set and seen
 * as set; transfers along a table as its memory manager makes it (a page's end, whole pages in any order, 64
 * KiB with count 0), each ended by INTRQ through the I/O APIC with the bus master's interrupt bit, in the
 * order in which the driver looks; a table that is too long; a CD drive with an interrupt for each phase of a
 * packet, and by DMA. Manual: ATA/ATAPI-6; SFF-8038i; 82371AB, 6. Real hardware: as checked here.
 *
 * guest: ide=8
 */
#include "apic.h"
#include "guest.h"
#include "ide.h"
#include "memory.h"
#include "pci.h"
#include "pic.h"
#include "power.h"

enum { PAGE = 4096, BIG = 65536, SECTOR = 512, PATTERN = 0x5ec70125, DISC_PATTERN = 0xcd5ec701 };
enum { CLASS_IDE = 0x0101, CAN_MASTER = 0x80, PCI_COMMAND = 4, COMMAND_IO_MASTER = 5, PCI_BAR4 = 0x20 };
enum {
    BM_STATUS = 2,
    BM_TABLE = 4,
    BM_START = 1,
    BM_TO_MEMORY = 8,
    BM_ACTIVE = 1,
    BM_ERROR = 2,
    BM_INTERRUPT = 4
};
enum { READ_DMA_EXT = 0x25, WRITE_DMA_EXT = 0x35, FLUSH_CACHE = 0xe7, SET_FEATURES = 0xef, IDENTIFY = 0xec };
enum { TRANSFER_MODE = 3, ULTRA_DMA = 0x40, READY = 0x50, DRQ = 8, PACKET = 0xa0 };
enum { VECTOR = 0x91, LAST_ENTRY = 1u << 31 };

static const struct ide_place disk = {IDE_PRIMARY, 0}, cd = {IDE_SECONDARY, 0};
static uint8_t pool[4 * PAGE] __attribute__((aligned(4096)));
static uint32_t *const big = (uint32_t *)0x400000; /* 64 KiB that cross no boundary of theirs */
static uint32_t table[8][2] __attribute__((aligned(64)));
static uint16_t master;
static volatile uint32_t isr_master, isr_status;

static uint16_t port_of(uint8_t vector)
{
    return vector == VECTOR ? IDE_PRIMARY : IDE_SECONDARY;
}

/* The bus master first: a line that others share may not be this channel's. Reading the status ends INTRQ. */
static void serve(struct interrupt_frame *frame)
{
    uint16_t base = port_of((uint8_t)frame->vector);
    uint16_t bm = (uint16_t)(master + (base == IDE_PRIMARY ? 0 : 8));
    isr_master = inb(bm + BM_STATUS) & (BM_ACTIVE | BM_ERROR | BM_INTERRUPT);
    isr_status = inb(base + IDE_STATUS);
    outb(bm, inb(bm) & (uint8_t)~BM_START);
    outb(bm + BM_STATUS, (inb(bm + BM_STATUS) & 0x60) | BM_INTERRUPT | BM_ERROR);
    interrupt_eoi_lapic(frame);
}

static uint32_t wait_interrupts(const struct ide_place *place, uint32_t count)
{
    uint8_t vector = place->base == IDE_PRIMARY ? VECTOR : VECTOR + 1;
    interrupts_on();
    for (uint32_t i = 0; i < 5000 && interrupt_count[vector] < count; i++)
        delay_us(100);
    delay_us(200); /* and what comes beyond it */
    interrupts_off();
    uint32_t seen = interrupt_count[vector];
    interrupt_count[vector] = 0;
    return seen;
}

static bool find_controller(void)
{
    for (uint32_t function = 0; function < 256; function++) {
        uint32_t class = pci_read((uint8_t)function, 8);
        if (pci_read((uint8_t)function, 0) == UINT32_MAX || class >> 16 != CLASS_IDE)
            continue;
        check_value("IDE controller: programming interface", class >> 8 & 0xff, CAN_MASTER);
        pci_write((uint8_t)function, PCI_COMMAND,
                  (pci_read((uint8_t)function, PCI_COMMAND) & 0xffff) | COMMAND_IO_MASTER);
        master = pci_read((uint8_t)function, PCI_BAR4) & 0xfff0;
        return master;
    }
    return false;
}

/* The driver takes a channel for there if it keeps a pattern. */
static void test_channel(const struct ide_place *place, const char *name, uint32_t signature)
{
    ide_select(place);
    outb(place->base + IDE_MID, 0xaa);
    outb(place->base + IDE_HIGH, 0x55);
    check_value(name, inb(place->base + IDE_MID) << 8 | inb(place->base + IDE_HIGH), 0xaa55);
    ide_reset(place->base);
    ide_select(place);
    check_value("  signature after reset", inb(place->base + IDE_MID) | inb(place->base + IDE_HIGH) << 8,
                signature);
    outb(place->base + IDE_CONTROL, 0);
}

static void identify(uint16_t id[256])
{
    check_value("IDENTIFY DEVICE", ide_read(&disk, IDENTIFY, 0, 1, id), 0);
    wait_interrupts(&disk, 1);
}

static void test_modes(void)
{
    uint16_t id[256];
    uint8_t best = 0;
    identify(id);
    check_value("  words 64-70 and 88 hold", id[53] & 6, 6);
    check("  multiword DMA 2", id[63] & 4);
    check("  Ultra DMA 2", id[88] & 4);
    while (id[88] & 2u << best && best < 6)
        best++;
    ide_select(&disk);
    outb(IDE_PRIMARY + IDE_ERROR, TRANSFER_MODE);
    check_value("Ultra DMA set", ide_simple(&disk, SET_FEATURES, 0, ULTRA_DMA | best), 0);
    check_value("  interrupts", wait_interrupts(&disk, 1), 1);
    identify(id);
    check_value("  chosen", id[88] >> 8, 1u << best);
}

static void entry(uint32_t i, void *to, uint32_t bytes, bool last)
{
    table[i][0] = (uint32_t)to;
    table[i][1] = (bytes & 0xffff) | (last ? LAST_ENTRY : 0);
}

static void start(const struct ide_place *place, bool read)
{
    uint16_t bm = (uint16_t)(master + (place->base == IDE_PRIMARY ? 0 : 8));
    outb(bm, 0);
    outl(bm + BM_TABLE, (uint32_t)table);
    outb(bm, read ? BM_TO_MEMORY : 0);
    outb(bm + BM_STATUS, (inb(bm + BM_STATUS) & 0x60) | BM_INTERRUPT | BM_ERROR);
}

static void go(const struct ide_place *place)
{
    uint16_t bm = (uint16_t)(master + (place->base == IDE_PRIMARY ? 0 : 8));
    outb(bm, inb(bm) | BM_START);
}

static void transfer(const char *name, uint8_t code, uint32_t lba, uint32_t count, uint32_t expected)
{
    start(&disk, code == READ_DMA_EXT);
    ide_command(&disk, code, lba, count);
    go(&disk);
    check_value(name, wait_interrupts(&disk, 1), 1);
    check_value("  bus master in the service", isr_master, expected);
    check_value("  status", isr_status, READY);
}

static uint32_t word(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static void test_transfers(void)
{
    entry(0, pool + 2 * PAGE - SECTOR, SECTOR, false);
    entry(1, pool + 3 * PAGE, PAGE, false);
    entry(2, pool, PAGE - 2 * SECTOR, true);
    transfer("read of a page's end and two pages: interrupts", READ_DMA_EXT, 100, 15, BM_INTERRUPT);
    check_value("  first sector", word(pool + 2 * PAGE - SECTOR), 100);
    check_value("  ninth", word(pool + 3 * PAGE + 7 * SECTOR), 108);
    check_value("  last", word(pool + 5 * SECTOR), 114);
    check_value("  its pattern", word(pool + 5 * SECTOR + 4), PATTERN);
    entry(0, big, BIG, true);
    transfer("read of 64 KiB, count 0: interrupts", READ_DMA_EXT, 1000, BIG / SECTOR, BM_INTERRUPT);
    check_value("  last sector", big[(BIG - SECTOR) / 4], 1000 + BIG / SECTOR - 1);
    transfer("table longer than the command: interrupts", READ_DMA_EXT, 200, 8, BM_INTERRUPT | BM_ACTIVE);
    check_value("  last sector", big[7 * SECTOR / 4], 207);
    check_value("  the next one as before", big[8 * SECTOR / 4], 1008);
    for (uint32_t i = 0; i < PAGE / 4; i++)
        big[i] = i * 0x01000193;
    entry(0, big, PAGE / 2, false);
    entry(1, (uint8_t *)big + PAGE / 2, PAGE / 2, true);
    transfer("write: interrupts", WRITE_DMA_EXT, 3000, 8, BM_INTERRUPT);
    check_value("FLUSH CACHE", ide_simple(&disk, FLUSH_CACHE, 0, 0), 0);
    check_value("  interrupts", wait_interrupts(&disk, 1), 1);
    entry(0, pool, PAGE, true);
    transfer("read of what was written: interrupts", READ_DMA_EXT, 3000, 8, BM_INTERRUPT);
    check_value("  the same", (uint32_t)memcmp(pool, big, PAGE), 0);
}

/* INQUIRY: the interrupt reason (C/D, I/O) that goes with each INTRQ (ATA/ATAPI-6, 9.8). */
static void test_packet(void)
{
    static const uint16_t inquiry[6] = {0x0012, 0, 36};
    ide_select(&cd);
    outb(IDE_SECONDARY + IDE_ERROR, 0);
    outb(IDE_SECONDARY + IDE_MID, 0xfe);
    outb(IDE_SECONDARY + IDE_HIGH, 0xff);
    outb(IDE_SECONDARY + IDE_STATUS, PACKET);
    check_value("PACKET: DRQ", ide_wait(&cd) & DRQ, DRQ);
    wait_interrupts(&cd, 0); /* some drives have one for the packet, too */
    check_value("  reason: command", inb(IDE_SECONDARY + IDE_COUNT) & 3, 1);
    for (uint32_t i = 0; i < ARRAY_LENGTH(inquiry); i++)
        outw(IDE_SECONDARY, inquiry[i]);
    check_value("INQUIRY: interrupts with data", wait_interrupts(&cd, 1), 1);
    check_value("  status", isr_status & 0x89, DRQ);
    check_value("  reason: to the host", inb(IDE_SECONDARY + IDE_COUNT) & 3, 2);
    check_value("  bytes", inb(IDE_SECONDARY + IDE_MID) | inb(IDE_SECONDARY + IDE_HIGH) << 8, 36);
    ide_words_in(IDE_SECONDARY, pool, 18);
    check_value("  a CD drive, removable", pool[0] | pool[1] << 8, 0x8005);
    check_value("  interrupts at the end", wait_interrupts(&cd, 1), 1);
    check_value("  status", isr_status & 0x89, 0);
    check_value("  reason: done", inb(IDE_SECONDARY + IDE_COUNT) & 3, 3);
}

static void test_packet_dma(void)
{
    static const uint8_t read[12] = {0x28, 0, 0, 0, 2, 1, 0, 0, 4}, sense[12] = {3, 0, 0, 0, 18};
    uint8_t answer[18];
    ide_packet(&cd, sense, answer, sizeof(answer)); /* a reset is told of once */
    entry(0, pool + PAGE, PAGE, false);
    entry(1, pool + 3 * PAGE, PAGE, true);
    start(&cd, true);
    ide_select(&cd);
    outb(IDE_SECONDARY + IDE_ERROR, 1);
    outb(IDE_SECONDARY + IDE_STATUS, PACKET);
    ide_wait(&cd);
    wait_interrupts(&cd, 0);
    for (uint32_t i = 0; i < 12; i += 2)
        outw(IDE_SECONDARY, (uint16_t)(read[i] | read[i + 1] << 8));
    go(&cd);
    check_value("READ (10) by DMA: interrupts", wait_interrupts(&cd, 1), 1);
    check_value("  bus master in the service", isr_master, BM_INTERRUPT);
    check_value("  last sector", word(pool + 3 * PAGE + 2048), 0x204);
    check_value("  its pattern", word(pool + 3 * PAGE + 2048 + 4), DISC_PATTERN);
}

void guest_main(void)
{
    pic_initialise();
    lapic_enable();
    check("controller found by its class", find_controller());
    interrupt_set(VECTOR, serve);
    interrupt_set(VECTOR + 1, serve);
    test_channel(&disk, "primary channel keeps a pattern", 0);
    test_channel(&cd, "secondary channel keeps a pattern", 0xeb14);
    ioapic_route(14, VECTOR, 0);
    ioapic_route(15, VECTOR + 1, 0);
    test_modes();
    test_transfers();
    test_packet();
    test_packet_dma();
    ioapic_route(14, LVT_MASKED, 0);
    ioapic_route(15, LVT_MASKED, 0);
}
