/*
 * A fixed script of 10,000 random reads and writes, 1 to 256 sectors each, of a disk on AHCI: by DMA and by
 * PIO, with addresses of 28 and 48 bits, by sectors and by blocks, along tables of odd regions, in any slot,
 * and as several commands in several slots that are issued at once. Every sector is held against what was
 * last written there, in each read and for the whole disk at the end; the sums cover every byte read. Then
 * what goes wrong (errors.c): past the end, commands that do not exist, COMRESET, SRST and a reset of the
 * controller while commands are at work. Native command queuing, which not every controller here has, is not
 * used. Manuals: Serial ATA AHCI 1.3.1, Serial ATA 2.6. Real hardware: as checked here; what QEMU does
 * otherwise is in differences.py.
 *
 * guest: ahci=4 timeout=180 native-args=still=1
 */
#include "disk_ahci.h"
#include "guest.h"
#include "memory.h"

enum { SEVERAL_MAX = 8, REGION = 0x20000, MULTIPLE_SECTORS = 8 };

/* In slots that follow each other from any one on. */
static uint32_t several(const struct disk_way *way, uint32_t sector, uint32_t count,
                        const struct dma_pieces *pieces)
{
    uint32_t parts = count < SEVERAL_MAX ? count : SEVERAL_MAX, first = disk_script_random(AHCI_SLOTS),
             slots = 0;
    struct dma_pieces part;

    for (uint32_t i = 0, done = 0; i < parts; i++) {
        uint32_t size = (count - done) / (parts - i), slot = (first + i) % AHCI_SLOTS;
        dma_slice(pieces, done * DISK_SECTOR, size * DISK_SECTOR, &part);
        ahci_prepare(slot, way->code, sector + done, size, way->write, &part);
        slots |= 1u << slot;
        done += size;
    }
    ahci_issue(slots);
    return ahci_end(slots);
}

static uint32_t one(const struct disk_way *way, uint32_t sector, uint32_t count,
                    const struct dma_pieces *pieces)
{
    uint32_t slot = disk_script_random(AHCI_SLOTS);

    ahci_prepare(slot, way->code, sector, count, way->write, pieces);
    ahci_issue(1u << slot);
    uint32_t result = ahci_end(1u << slot);
    if (!result && !(way->flags & PIO) && ahci_moved(slot) != count * DISK_SECTOR)
        return WRONG_COUNT;
    return result;
}

#define WAY(its_name, its_move, its_code, ...)                                                               \
    {                                                                                                        \
        .name = its_name, .move = its_move, .code = its_code, .most = 256, .pieces = 40, .align = 2,         \
        .piece_bytes = REGION, __VA_ARGS__                                                                   \
    }

static const struct disk_way ways[] = {
    WAY("READ DMA", one, 0xc8),
    WAY("READ DMA EXT", one, 0x25),
    WAY("READ SECTORS", one, 0x20, .flags = PIO),
    WAY("READ SECTORS EXT", one, 0x24, .flags = PIO),
    WAY("READ MULTIPLE", one, 0xc4, .flags = PIO),
    WAY("READ DMA EXT, several", several, 0x25),
    WAY("WRITE DMA", one, 0xca, .write = true),
    WAY("WRITE DMA EXT", one, 0x35, .write = true),
    WAY("WRITE SECTORS", one, 0x30, .flags = PIO, .write = true),
    WAY("WRITE SECTORS EXT", one, 0x34, .flags = PIO, .write = true),
    WAY("WRITE MULTIPLE", one, 0xc5, .flags = PIO, .write = true),
    WAY("WRITE DMA EXT, several", several, 0x35, .write = true),
};

static const struct disk_medium medium = {.sectors = SECTORS,
                                          .sector_bytes = DISK_SECTOR,
                                          .pattern = 0x5ec70125,
                                          .ways = ways,
                                          .way_count = ARRAY_LENGTH(ways)};

void guest_main(void)
{
    check("found", ahci_find());
    check("comes back from a COMRESET", ahci_comreset());
    check_value("signature", ahci_read(AHCI_PX_SIG), 0x101);
    check("started", ahci_start());
    check_value("SET MULTIPLE MODE", ahci_do(0xc6, 0, MULTIPLE_SECTORS, false, NULL), 0);
    disk_script_begin(&medium);
    disk_script_run(option_number("commands", DISK_SCRIPT_COMMANDS));
    disk_script_check("disk after the script");
    disk_errors();
    disk_script_check("disk after errors and resets");
}
