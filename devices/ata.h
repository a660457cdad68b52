/*
 * One ATA disk or ATAPI CD drive, as its interface sees it: registers, commands, and data on their way. IDE
 * (ide.c) and AHCI (ahci.c) own such drives and bring the data to the guest.
 *
 * Document: ATA/ATAPI-6 (T13/1410D revision 3b). ata.c has the commands, ata_identify.c what the drive says
 * of itself, ata_transfer.c the data, atapi.c and atapi_info.c the packet commands.
 */
#pragma once

#include "device.h"
#include "disk_image.h"

/* Status register (7.15). */
enum ata_status {
    ATA_ERR = 1 << 0,
    ATA_DRQ = 1 << 3,
    ATA_DSC = 1 << 4, /* seek complete; obsolete, and set by every drive */
    ATA_DF = 1 << 5,
    ATA_DRDY = 1 << 6,
    ATA_BSY = 1 << 7,
};

/* Error register (7.9). After a diagnostic it holds a code. */
enum ata_error { ATA_ABRT = 1 << 2, ATA_IDNF = 1 << 4, ATAPI_SENSE_SHIFT = 4, ATA_DIAGNOSTIC_PASSED = 1 };

/* Device register (7.7). */
enum ata_device { ATA_DEVICE_HEAD = 0x0f, ATA_DEVICE_DEV = 1 << 4, ATA_DEVICE_LBA = 1 << 6 };

/* Commands that interfaces know, too (table 1 of annex E). */
enum { ATA_DEVICE_RESET = 0x08, ATA_EXECUTE_DEVICE_DIAGNOSTIC = 0x90, ATA_PACKET = 0xa0 };

enum ata_kind { ATA_NONE, ATA_DISK, ATA_CD };

/* Which way data go, seen from the host. */
enum ata_phase { ATA_IDLE, ATA_IN, ATA_OUT };

/* Where data come from or go to: the drive's buffer alone, sectors of the image, sectors of a disc with all
 * that surrounds them there; a command packet. */
enum ata_source { ATA_BUFFER, ATA_IMAGE, ATA_RAW, ATA_COMMAND_PACKET };

enum { ATA_PACKET_SIZE = 12, ATA_RAW_SECTOR = 2352, ATA_BUFFER_SIZE = ATA_RAW_SECTOR };

/* The command block. 48-bit commands use what was written before, too, in the high bytes. */
struct ata_registers {
    uint16_t features, count, lba_low, lba_mid, lba_high;
    uint8_t device, error, status;
    uint8_t reserved[3];
};

struct ata_transfer {
    uint64_t at;       /* where in the image the bytes lie that come behind the buffer */
    uint64_t left;     /* bytes that are still to be moved */
    uint32_t block;    /* of them, in this block of data */
    uint32_t limit;    /* bytes in one block, at most */
    uint16_t filled;   /* bytes in the buffer */
    uint16_t position; /* in the buffer, of the next byte */
    uint8_t phase;     /* enum ata_phase */
    uint8_t source;    /* enum ata_source */
    uint8_t dma;       /* the interface moves the data, all in one block */
    uint8_t ext;       /* a 48-bit command: where an address goes to */
    uint8_t cut;       /* it reaches over the end of the disk, and fails there */
    uint8_t reserved[6];
};

/* What a CD drive knows beside its registers. */
struct atapi {
    uint8_t sense_key, sense_code, sense_qualifier; /* of the last command */
    uint8_t attention; /* unit attention that the next command learns: its additional sense code; 0: none */
    uint8_t event;     /* media event for GET EVENT STATUS NOTIFICATION */
    uint8_t tray_open;
    uint8_t locked; /* PREVENT ALLOW MEDIUM REMOVAL */
    uint8_t reserved;
};

struct ata_drive {
    struct disk_image image;
    struct ata_registers registers;
    struct ata_transfer transfer;
    struct atapi atapi;
    uint32_t cylinders, heads, sectors; /* of CHS addresses: INITIALIZE DEVICE PARAMETERS */
    uint8_t kind;                       /* enum ata_kind */
    uint8_t number;                     /* 1: the second one on its cable */
    uint8_t interrupt;                  /* INTRQ: the interface clears it when the host has read the status */
    uint8_t multiple;                   /* sectors in a block of READ and WRITE MULTIPLE; 0: not set */
    uint8_t mode;                       /* transfer mode of SET FEATURES */
    uint8_t write_cache;
    uint8_t serial; /* on SATA, of which a drive tells */
    uint8_t reserved;
    uint8_t buffer[ATA_BUFFER_SIZE];
};

/* Power-on with what image.* says is there; kind ATA_NONE for a place without a drive. */
void ata_power_on(struct ata_drive *drive, enum ata_kind kind, unsigned number);
/* SRST and COMRESET, when they end, and the end of EXECUTE DEVICE DIAGNOSTIC: signature and status. */
void ata_reset(struct ata_drive *drive);
/* Writes the command register of a drive that is there. It runs to its end, or to its data phase. */
void ata_command(struct ata_drive *drive, uint8_t command);

/* Moves up to `length` bytes of the current block between the drive and the host's `bytes`; returns how many.
 * The end of a block begins the next one, or ends the command. */
uint32_t ata_move(struct ata_drive *drive, uint8_t *bytes, uint32_t length);

/* NULL, or the broken rule. */
const char *ata_check(const struct ata_drive *drive);
void ata_inspect(const struct ata_drive *drive, struct inspector *inspector);

/* Among ata*.c. */

/* The command is done, without or with an error; the host is told. */
void ata_done(struct ata_drive *drive);
void ata_fail(struct ata_drive *drive, uint8_t error);
/* A data phase of `length` bytes, in blocks of at most `limit`. */
void ata_begin(struct ata_drive *drive, enum ata_phase phase, enum ata_source source, uint64_t length,
               uint32_t limit);
/* The address that the registers name, and the reverse. */
bool ata_get_lba(const struct ata_drive *drive, bool ext, uint64_t *lba);
void ata_put_lba(struct ata_drive *drive, bool ext, uint64_t lba);
void ata_identify(struct ata_drive *drive);
void ata_signature(struct ata_drive *drive);

/* The packet in the buffer. */
void atapi_packet(struct ata_drive *drive);
/* A block of data of a packet command begins, or its data have ended. */
void atapi_block(struct ata_drive *drive);
void atapi_end(struct ata_drive *drive);
/* Fails the packet command: sense key, additional sense code and qualifier (SPC-3, 4.5). */
void atapi_fail(struct ata_drive *drive, uint8_t key, uint8_t code, uint8_t qualifier);
/* What atapi_info.c answers: fills the buffer from the packet; returns the length, 0 for a field in the
 * packet that is not allowed. */
uint32_t atapi_information(struct ata_drive *drive, const uint8_t packet[ATA_PACKET_SIZE]);
/* The button at the front: opens the tray. A locked one stays shut, but for force, which is the hole beside
 * the button; the guest is told then (MMC-4, 6.6.2.5). False: it is shut. */
bool atapi_open(struct ata_drive *drive, bool force);
/* Closes the tray over a disc that was put in. */
void atapi_close(struct ata_drive *drive);
/* A raw sector: header, user data, and the rest (MMC-4, 6.19). */
void atapi_raw_sector(struct ata_drive *drive, uint64_t at);
