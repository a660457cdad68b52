/* What the files of the floppy controller share. Names are those of the 82077AA data sheet. */
#pragma once

#include <stdbool.h>
#include "effects.h"
#include "fdc.h"
#include "image_floppy.h"

enum { DOR_SELECT = 3, DOR_RUN = 4, DOR_DMA_GATE = 8 };
enum {
    ST0_INVALID = 0x80,
    ST0_POLLING = 0xc0,
    ST0_ABNORMAL = 0x40,
    ST0_SEEK_END = 0x20,
    ST0_EQUIPMENT = 0x10
};
enum {
    ST1_END_OF_CYLINDER = 0x80,
    ST1_OVERRUN = 0x10,
    ST1_NO_DATA = 0x04,
    ST1_NOT_WRITABLE = 0x02,
    ST1_MISSING_MARK = 0x01
};
enum { ST2_CONTROL_MARK = 0x40, ST2_WRONG_CYLINDER = 0x10 };
enum { COMMAND_MT = 0x80, COMMAND_MFM = 0x40, COMMAND_SKIP = 0x20, COMMAND_CODE = 0x1f };
enum { HEAD_SHIFT = 2, UNIT_MASK = 3 };

/* Commands that move data or read the diskette. */
enum fdc_code {
    CODE_READ_TRACK = 0x02,
    CODE_WRITE = 0x05,
    CODE_READ = 0x06,
    CODE_WRITE_DELETED = 0x09,
    CODE_READ_ID = 0x0a,
    CODE_READ_DELETED = 0x0c,
    CODE_FORMAT = 0x0d,
    CODE_VERIFY = 0x16,
};

/* Guest time from the last byte of a command to its effects: a diskette turns and heads step, though faster
 * than any drive's. Software that looks for an interrupt only after that has time to do so. */
enum { FDC_DELAY_NS = 50000 };

static inline unsigned fdc_unit_of(const struct fdc *fdc)
{
    return fdc->command[1] & UNIT_MASK;
}

/* The diskette in a unit, its format and its image; NULL: none. */
const struct floppy_format *fdc_diskette(unsigned unit, uint8_t **image, uint64_t *size);

/* Carries INT to its line: DOR's gate lies between. */
void fdc_update_interrupt(struct fdc *fdc);
/* Ends a command with a result of count bytes. */
void fdc_give_result(struct fdc *fdc, const uint8_t *bytes, unsigned count, bool interrupt);
/* A byte of a command; carries it out when it is complete. */
void fdc_take_command(struct fdc *fdc, uint8_t value);
/* Lets the seeks end that are under way. */
void fdc_settle(struct fdc *fdc);

/* Moves the heads as far as the target is from the present cylinder number. */
void fdc_seek_now(struct fdc *fdc, unsigned unit, uint8_t target);

/* Carries out a data command that has waited. */
void fdc_execute(struct fdc *fdc);
/* A byte in non-DMA mode. */
uint8_t fdc_read_byte(struct fdc *fdc);
void fdc_write_byte(struct fdc *fdc, uint8_t value);
/* Whether data of the command goes to the host. */
bool fdc_to_host(const struct fdc *fdc);
