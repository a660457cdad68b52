/*
 * Data of ATA and ATAPI commands on their way between the drive's image or buffer and the host: blocks of
 * data with DRQ and an interrupt each (PIO), or all of it at once (DMA).
 *
 * Document: ATA/ATAPI-6, 9.5 to 9.8. What is moved a word at a time goes through the buffer, a sector of
 * which is filled or written at once; longer pieces go past it. Missing: overlapped packets, packets with
 * data to the drive (no command here has any), CRC errors of ultra DMA, BSY between two blocks: the next one
 * is there at once. Ignored bits: see ata.c.
 */
#include "ata.h"
#include "string.h"

static uint32_t sector_size(const struct ata_drive *drive)
{
    return drive->kind == ATA_CD ? DISC_SECTOR : DISK_SECTOR;
}

static void block_begin(struct ata_drive *drive)
{
    struct ata_transfer *transfer = &drive->transfer;
    uint64_t limit = transfer->dma ? UINT32_MAX : transfer->limit;
    transfer->block = (uint32_t)(transfer->left < limit ? transfer->left : limit);
    drive->registers.status = ATA_DRDY | ATA_DSC | ATA_DRQ;
    if (drive->kind == ATA_CD)
        atapi_block(drive);
}

void ata_begin(struct ata_drive *drive, enum ata_phase phase, enum ata_source source, uint64_t length,
               uint32_t limit)
{
    struct ata_transfer *transfer = &drive->transfer;
    transfer->phase = (uint8_t)phase;
    transfer->source = (uint8_t)source;
    transfer->left = length;
    transfer->limit = limit;
    transfer->position = 0;
    transfer->filled = source == ATA_BUFFER && phase == ATA_IN ? (uint16_t)length : 0;
    block_begin(drive);
    /* The first block of data to the drive is asked for without an interrupt (9.6), and so is a packet. */
    drive->interrupt = phase == ATA_IN && !transfer->dma;
}

/* The next sector into the buffer. */
static void buffer_fill(struct ata_drive *drive)
{
    struct ata_transfer *transfer = &drive->transfer;
    uint32_t sector = sector_size(drive);
    const uint8_t *bytes = disk_image_read(&drive->image, transfer->at, sector);
    if (transfer->source == ATA_RAW) {
        atapi_raw_sector(drive, transfer->at);
        transfer->filled = ATA_RAW_SECTOR;
    } else {
        if (bytes)
            memcpy(drive->buffer, bytes, sector);
        else
            memset(drive->buffer, 0, sector);
        transfer->filled = (uint16_t)sector;
    }
    transfer->at += sector;
    transfer->position = 0;
}

static uint32_t piece(uint32_t wanted, uint32_t there)
{
    return wanted < there ? wanted : there;
}

static void move_in(struct ata_drive *drive, uint8_t *bytes, uint32_t length)
{
    struct ata_transfer *transfer = &drive->transfer;
    uint32_t sector = sector_size(drive), n;
    for (uint32_t done = 0; done < length; done += n) {
        const uint8_t *image = NULL;
        bool empty = transfer->position == transfer->filled;
        n = (length - done) / sector * sector;
        if (empty && n && transfer->source == ATA_IMAGE)
            image = disk_image_read(&drive->image, transfer->at, n);
        if (image) {
            memcpy(bytes + done, image, n);
            transfer->at += n;
            continue;
        }
        if (empty)
            buffer_fill(drive);
        n = piece(length - done, (uint32_t)transfer->filled - transfer->position);
        memcpy(bytes + done, drive->buffer + transfer->position, n);
        transfer->position = (uint16_t)(transfer->position + n);
    }
}

/* Whole sectors to the disk. Without room in the overlay it is a fault of the device. */
static bool sectors_write(struct ata_drive *drive, const uint8_t *bytes, uint32_t length)
{
    struct ata_transfer *transfer = &drive->transfer;
    uint8_t *image = disk_image_write(&drive->image, transfer->at, length);
    if (!image)
        return false;
    memcpy(image, bytes, length);
    transfer->at += length;
    return true;
}

/* False: a sector could not be written. */
static bool move_out(struct ata_drive *drive, const uint8_t *bytes, uint32_t length)
{
    struct ata_transfer *transfer = &drive->transfer;
    uint32_t room = transfer->source == ATA_IMAGE ? DISK_SECTOR : ATA_BUFFER_SIZE, n;
    for (uint32_t done = 0; done < length; done += n) {
        n = (length - done) / DISK_SECTOR * DISK_SECTOR;
        if (n && transfer->position == 0 && transfer->source == ATA_IMAGE) {
            if (!sectors_write(drive, bytes + done, n))
                return false;
            continue;
        }
        n = piece(length - done, room - transfer->position);
        memcpy(drive->buffer + transfer->position, bytes + done, n);
        transfer->position = (uint16_t)(transfer->position + n);
        if (transfer->position < room)
            continue;
        transfer->position = 0;
        if (!sectors_write(drive, drive->buffer, room))
            return false;
    }
    return true;
}

static void transfer_end(struct ata_drive *drive)
{
    struct ata_transfer *transfer = &drive->transfer;
    bool told = transfer->phase == ATA_OUT || transfer->dma;
    transfer->phase = ATA_IDLE;
    if (transfer->source == ATA_COMMAND_PACKET) {
        atapi_packet(drive);
    } else if (drive->kind == ATA_CD) {
        atapi_end(drive);
    } else if (transfer->cut) {
        ata_put_lba(drive, transfer->ext, transfer->at / DISK_SECTOR);
        ata_fail(drive, ATA_IDNF);
    } else {
        ata_done(drive);
        drive->interrupt = told; /* the end of data from the drive is none of its own (9.5) */
    }
}

uint32_t ata_move(struct ata_drive *drive, uint8_t *bytes, uint32_t length)
{
    struct ata_transfer *transfer = &drive->transfer;
    length = piece(length, transfer->block);
    if (transfer->phase == ATA_IDLE || length == 0)
        return 0;
    if (transfer->phase == ATA_IN) {
        move_in(drive, bytes, length);
    } else if (!move_out(drive, bytes, length)) {
        ata_put_lba(drive, transfer->ext, transfer->at / DISK_SECTOR);
        transfer->phase = ATA_IDLE;
        ata_fail(drive, ATA_ABRT);
        drive->registers.status |= ATA_DF;
        return length;
    }
    transfer->block -= length;
    transfer->left -= length;
    if (transfer->block)
        return length;
    if (transfer->left == 0) {
        transfer_end(drive);
        return length;
    }
    block_begin(drive);
    drive->interrupt = true;
    return length;
}
