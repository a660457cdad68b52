/* A driver of IDE drives, polling, for test kernels: PIO, bus master DMA, packets (ATA/ATAPI-6, 9). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "dma.h"
#include "processor.h"

enum { IDE_PRIMARY = 0x1f0, IDE_SECONDARY = 0x170, IDE_CONTROL = 0x206 /* behind the command block */ };
enum { IDE_DATA, IDE_ERROR, IDE_COUNT, IDE_LOW, IDE_MID, IDE_HIGH, IDE_DEVICE, IDE_STATUS };
enum { IDE_TIMEOUT = 0xbad };

struct ide_place {
    uint16_t base;
    uint8_t drive;
};

void ide_select(const struct ide_place *place);
/* The command's registers, with LBA; codes with 48-bit addresses get all of them. */
void ide_command(const struct ide_place *place, uint8_t code, uint32_t lba, uint32_t count);
/* The same with an address of cylinder, head and sector. */
void ide_command_chs(const struct ide_place *place, uint8_t code, uint32_t lba, uint32_t heads,
                     uint32_t sectors, uint32_t count);
/* Waits until the drive is not busy; its status. */
uint8_t ide_wait(const struct ide_place *place);
/* Whole commands: 0, the error register, or IDE_TIMEOUT. */
uint32_t ide_simple(const struct ide_place *place, uint8_t code, uint32_t lba, uint32_t count);
uint32_t ide_read(const struct ide_place *place, uint8_t code, uint32_t lba, uint32_t count, void *to);
uint32_t ide_read_chs(const struct ide_place *place, uint32_t lba, uint32_t heads, uint32_t sectors,
                      void *to);
uint32_t ide_write(const struct ide_place *place, uint8_t code, uint32_t lba, uint32_t count,
                   const void *from);
/* What the error register says, if the status tells of an error; or IDE_TIMEOUT. */
uint32_t ide_result(const struct ide_place *place, uint8_t status);
/* Data by REP INSW and REP OUTSW. */
void ide_words_in(uint16_t base, void *to, uint32_t words);
void ide_words_out(uint16_t base, const void *from, uint32_t words);

/* The bus master's ports; false if there is none. */
bool ide_master_find(void);
/* A command of DMA along a table whose entries have `entry` bytes. */
uint32_t ide_dma(const struct ide_place *place, uint8_t code, uint32_t lba, uint32_t count, void *bytes,
                 uint32_t entry, bool read);

/* The same in two halves, around the command: the table and the start, and the end. */
void ide_master_start(const struct ide_place *place, void *bytes, uint32_t size, uint32_t entry, bool read);
void ide_master_start_pieces(const struct ide_place *place, const struct dma_pieces *pieces, bool read);
uint32_t ide_master_end(const struct ide_place *place);
/* Status register of the bus master. */
uint8_t ide_master_status(const struct ide_place *place);

/* PACKET up to the packet; `limit`: bytes in a block of data. False: the drive does not want it. */
bool ide_packet_send(const struct ide_place *place, const uint8_t packet[12], bool dma, uint16_t limit);
/* The data that the drive has for the host, up to `size` bytes; the command's result. */
uint32_t ide_packet_in(const struct ide_place *place, void *to, uint32_t size);
/* A packet and up to `size` bytes of its answer. */
uint32_t ide_packet(const struct ide_place *place, const uint8_t packet[12], void *to, uint32_t size);
uint32_t ide_packet_dma(const struct ide_place *place, const uint8_t packet[12], void *to, uint32_t size);

/* SRST, and until the drives are ready again. */
void ide_reset(uint16_t base);
/* nIEN of both channels. */
void ide_interrupts(bool on);
