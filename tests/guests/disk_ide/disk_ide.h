/* Between the script (main.c) and what goes wrong (errors.c). */
#pragma once

#include "disk_script.h"
#include "ide.h"

enum { SECTORS = 4 * 2048, HEADS = 16, TRACK_SECTORS = 63 };
enum { CHS_SECTORS = SECTORS / (HEADS * TRACK_SECTORS) * HEADS * TRACK_SECTORS };
enum { CD_SECTORS = 1024, CD_SECTOR = 2048, RAW_SECTOR = 2352, WRONG_HEADER = 0xbad2 };
enum { IDE_DRQ = 0x08, IDE_FAILED = 0x21 };

extern const struct ide_place disk, cd;

void disk_errors(void);
void cd_errors(void);
/* READ (10), READ (12) or READ CD of sectors. */
void cd_read_packet(uint8_t packet[12], uint8_t code, uint32_t sector, uint32_t count);
