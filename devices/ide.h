/* IDE on the PIIX3: state block. See ide.c for the channels, bmide.c for the bus master. */
#pragma once

#include "ata.h"
#include "ide_places.h"
#include "pci.h"

enum { IDE_CHANNELS = IDE_DRIVES / IDE_CHANNEL_DRIVES };

/* Bus master registers of a channel (82371SB, 2.3.11 to 2.3.13), and its place in the guest's table. */
struct bmide {
    uint8_t command, status;
    uint8_t last; /* the entry is the table's last one */
    uint8_t reserved;
    uint32_t table;
    uint32_t next;    /* address of the next entry */
    uint32_t address; /* within the current entry: where the next byte goes, and how many are left */
    uint32_t left;
};

struct ide_channel {
    struct ata_drive drive[IDE_CHANNEL_DRIVES];
    struct bmide bmide;
    uint8_t control;  /* device control register */
    uint8_t selected; /* number of the drive */
    uint8_t line;     /* level of the interrupt */
    uint8_t reserved;
};

struct ide {
    struct pci_function pci;
    struct ide_channel channel[IDE_CHANNELS];
    uint64_t resume; /* guest time in ns at which the rest of a long transfer is done, or DEADLINE_NONE */
};

extern const struct device ide_device;

/* What a PC's CMOS says of its disks' addresses: two bits for each place (enum disk_translation), as BIOSes
 * for virtual machines read it. */
enum { CMOS_DISK_TRANSLATION = 0x39 };
uint8_t ide_bios_translation(const struct ide *ide);

/* The hand at the CD drive of that number. Opens its tray; false: the guest has locked it, or there is none.
 * Looks what effect_cd() has now, and closes the tray over it. */
bool ide_cd_open(struct ide *ide, unsigned unit, bool force);
void ide_cd_load(struct ide *ide, unsigned unit);

/* bmide.c */
enum { BMIDE_SIZE = 16, BMIDE_ACTIVE = 1, BMIDE_INTERRUPT = 4 };
/* An access to the registers of both channels. */
void bmide_io(struct ide *ide, struct io *io);
/* Moves data of the selected drive's DMA command, if it has one and the bus master is on; at most a bounded
 * number of bytes. True when there are more. */
bool bmide_run(struct ide_channel *channel);
const char *bmide_check(const struct bmide *bmide);

static inline struct ata_drive *ide_selected(struct ide_channel *channel)
{
    return &channel->drive[channel->selected % IDE_CHANNEL_DRIVES];
}
