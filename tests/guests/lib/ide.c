/* See ide.h. */
#include "ide.h"
#include "guest.h"
#include "pci.h"
#include "power.h"

enum { BSY = 0x80, DRQ = 0x08, FAILED = 0x21, LBA = 0xe0, WAIT_STEPS = 200000 };
enum { IDE_FUNCTION = 1 << 3 | 1, TABLE_ENTRIES = 64, PACKET_LIMIT = 0xfffe };

static uint16_t master;
static uint8_t selected[2] = {0xff, 0xff}; /* drive of each channel */
static uint32_t table[TABLE_ENTRIES][2] __attribute__((aligned(4096)));

void ide_select(const struct ide_place *place)
{
    uint8_t *now = &selected[place->base == IDE_SECONDARY];

    outb(place->base + IDE_DEVICE, (uint8_t)(LBA | place->drive << 4));
    for (uint32_t i = 0; i < 4 && *now != place->drive; i++) /* 400 ns */
        inb(place->base + IDE_CONTROL);
    *now = place->drive;
}

uint8_t ide_wait(const struct ide_place *place)
{
    uint8_t status = inb(place->base + IDE_STATUS);

    for (uint32_t i = 0; i < WAIT_STEPS && status & BSY; i++) {
        delay_us(10);
        status = inb(place->base + IDE_STATUS);
    }
    return status;
}

static bool is_ext(uint8_t code)
{
    return code == 0x24 || code == 0x25 || code == 0x29 || code == 0x34 || code == 0x35 || code == 0x39;
}

void ide_command(const struct ide_place *place, uint8_t code, uint32_t lba, uint32_t count)
{
    uint16_t base = place->base;

    ide_select(place);
    if (is_ext(code)) {
        outb(base + IDE_COUNT, (uint8_t)(count >> 8));
        outb(base + IDE_LOW, (uint8_t)(lba >> 24));
        outb(base + IDE_MID, 0);
        outb(base + IDE_HIGH, 0);
    } else {
        outb(base + IDE_DEVICE, (uint8_t)(LBA | place->drive << 4 | (lba >> 24 & 15)));
    }
    outb(base + IDE_COUNT, (uint8_t)count);
    outb(base + IDE_LOW, (uint8_t)lba);
    outb(base + IDE_MID, (uint8_t)(lba >> 8));
    outb(base + IDE_HIGH, (uint8_t)(lba >> 16));
    outb(base + IDE_STATUS, code);
    inb(base + IDE_CONTROL);
}

uint32_t ide_result(const struct ide_place *place, uint8_t status)
{
    if (status & BSY)
        return IDE_TIMEOUT;
    return status & FAILED ? inb(place->base + IDE_ERROR) : 0;
}

uint32_t ide_simple(const struct ide_place *place, uint8_t code, uint32_t lba, uint32_t count)
{
    ide_command(place, code, lba, count);
    return ide_result(place, ide_wait(place));
}

void ide_words_in(uint16_t base, void *to, uint32_t words)
{
    __asm__ volatile("cld; rep insw" : "+D"(to), "+c"(words) : "d"(base) : "memory");
}

void ide_words_out(uint16_t base, const void *from, uint32_t words)
{
    __asm__ volatile("cld; rep outsw" : "+S"(from), "+c"(words) : "d"(base) : "memory");
}

/* Data from the drive as long as it has some: a sector at a time, within blocks of any size. */
static uint32_t data_in(const struct ide_place *place, uint32_t count, uint8_t *to)
{
    for (uint32_t i = 0; i < count; i++, to += 512) {
        uint8_t status = ide_wait(place);
        if (!(status & DRQ))
            return status & FAILED ? ide_result(place, status) : IDE_TIMEOUT;
        ide_words_in(place->base, to, 256);
    }
    return ide_result(place, ide_wait(place));
}

uint32_t ide_read(const struct ide_place *place, uint8_t code, uint32_t lba, uint32_t count, void *to)
{
    ide_command(place, code, lba, count);
    return data_in(place, count, to);
}

void ide_command_chs(const struct ide_place *place, uint8_t code, uint32_t lba, uint32_t heads,
                     uint32_t sectors, uint32_t count)
{
    uint32_t track = lba / sectors, cylinder = track / heads;

    ide_select(place);
    outb(place->base + IDE_DEVICE, (uint8_t)(0xa0 | place->drive << 4 | track % heads));
    outb(place->base + IDE_COUNT, (uint8_t)count);
    outb(place->base + IDE_LOW, (uint8_t)(lba % sectors + 1));
    outb(place->base + IDE_MID, (uint8_t)cylinder);
    outb(place->base + IDE_HIGH, (uint8_t)(cylinder >> 8));
    outb(place->base + IDE_STATUS, code);
    inb(place->base + IDE_CONTROL);
}

uint32_t ide_read_chs(const struct ide_place *place, uint32_t lba, uint32_t heads, uint32_t sectors, void *to)
{
    ide_command_chs(place, 0x20, lba, heads, sectors, 1);
    return data_in(place, 1, to);
}

uint32_t ide_write(const struct ide_place *place, uint8_t code, uint32_t lba, uint32_t count,
                   const void *from)
{
    const uint8_t *bytes = from;

    ide_command(place, code, lba, count);
    for (uint32_t i = 0; i < count; i++, bytes += 512) {
        uint8_t status = ide_wait(place);
        if (!(status & DRQ))
            return status & FAILED ? ide_result(place, status) : IDE_TIMEOUT;
        ide_words_out(place->base, bytes, 256);
    }
    return ide_result(place, ide_wait(place));
}

bool ide_master_find(void)
{
    uint32_t bar = pci_read(IDE_FUNCTION, 0x20);

    master = bar & 1 ? (uint16_t)(bar & 0xfff0) : 0;
    pci_write(IDE_FUNCTION, 4, (pci_read(IDE_FUNCTION, 4) & 0xffff) | 5);
    return master != 0 && pci_read(IDE_FUNCTION, 8) >> 8 == 0x010180;
}

static uint16_t channel_master(const struct ide_place *place)
{
    return place->base == IDE_PRIMARY ? master : (uint16_t)(master + 8);
}

static void master_run(const struct ide_place *place, bool read)
{
    uint16_t port = channel_master(place);

    outl(port + 4, (uint32_t)table);
    outb(port + 2, 6);
    outb(port, read ? 9 : 1);
}

void ide_master_start(const struct ide_place *place, void *bytes, uint32_t size, uint32_t entry, bool read)
{
    uint32_t at = (uint32_t)bytes, end = at + size, i = 0;

    for (; at < end && i < TABLE_ENTRIES; at += entry, i++) {
        table[i][0] = at;
        table[i][1] = at + entry >= end ? (end - at) | 1u << 31 : entry;
    }
    master_run(place, read);
}

void ide_master_start_pieces(const struct ide_place *place, const struct dma_pieces *pieces, bool read)
{
    for (uint32_t i = 0; i < pieces->count; i++) {
        table[i][0] = (uint32_t)pieces->piece[i].at;
        table[i][1] = (pieces->piece[i].bytes & 0xffff) | (i == pieces->count - 1 ? 1u << 31 : 0);
    }
    master_run(place, read);
}

uint8_t ide_master_status(const struct ide_place *place)
{
    return inb(channel_master(place) + 2);
}

/* Until the drive is done, and the bus master has moved the last byte. */
uint32_t ide_master_end(const struct ide_place *place)
{
    uint16_t port = channel_master(place);
    uint8_t status = ide_wait(place);

    for (uint32_t i = 0; i < WAIT_STEPS && status & DRQ; i++) {
        delay_us(10);
        status = inb(place->base + IDE_STATUS);
    }
    for (uint32_t i = 0; i < 1000 && !(status & FAILED) && inb(port + 2) & 1; i++)
        delay_us(10);
    outb(port, 0);
    return status & DRQ ? IDE_TIMEOUT : ide_result(place, status);
}

uint32_t ide_dma(const struct ide_place *place, uint8_t code, uint32_t lba, uint32_t count, void *bytes,
                 uint32_t entry, bool read)
{
    ide_command(place, code, lba, count);
    ide_master_start(place, bytes, count * 512, entry, read);
    return ide_master_end(place);
}

bool ide_packet_send(const struct ide_place *place, const uint8_t packet[12], bool dma, uint16_t limit)
{
    ide_select(place);
    outb(place->base + IDE_ERROR, dma);
    outb(place->base + IDE_MID, (uint8_t)limit);
    outb(place->base + IDE_HIGH, (uint8_t)(limit >> 8));
    outb(place->base + IDE_STATUS, 0xa0);
    inb(place->base + IDE_CONTROL);
    if (!(ide_wait(place) & DRQ))
        return false;
    ide_words_out(place->base, packet, 6);
    return true;
}

uint32_t ide_packet_in(const struct ide_place *place, void *to, uint32_t size)
{
    uint8_t *bytes = to, status;

    while ((status = ide_wait(place)) & DRQ) {
        uint32_t block = inb(place->base + IDE_MID) | (uint32_t)inb(place->base + IDE_HIGH) << 8;
        if (block > size)
            return IDE_TIMEOUT;
        ide_words_in(place->base, bytes, block / 2);
        bytes += block;
        size -= block;
    }
    return ide_result(place, status);
}

uint32_t ide_packet(const struct ide_place *place, const uint8_t packet[12], void *to, uint32_t size)
{
    return ide_packet_send(place, packet, false, PACKET_LIMIT) ? ide_packet_in(place, to, size) : IDE_TIMEOUT;
}

uint32_t ide_packet_dma(const struct ide_place *place, const uint8_t packet[12], void *to, uint32_t size)
{
    if (!ide_packet_send(place, packet, true, PACKET_LIMIT))
        return IDE_TIMEOUT;
    ide_master_start(place, to, size, 2048, true);
    return ide_master_end(place);
}

void ide_reset(uint16_t base)
{
    const struct ide_place place = {base, 0};

    selected[base == IDE_SECONDARY] = 0xff;
    outb(base + IDE_CONTROL, 6);
    delay_us(10);
    outb(base + IDE_CONTROL, 2);
    delay_us(2000);
    ide_wait(&place);
}

void ide_interrupts(bool on)
{
    outb(IDE_PRIMARY + IDE_CONTROL, on ? 0 : 2);
    outb(IDE_SECONDARY + IDE_CONTROL, on ? 0 : 2);
}
