/*
 * The floppy controller's commands that move data: sectors between diskette and host, by DMA or byte by byte.
 *
 * Document: 82077AA data sheet, sections 5 and 6. Missing: single density and sectors of other than 512
 * bytes, which are not found; deleted data marks; CRC errors. Different: READ TRACK ends at an ID that does
 * not fit, where the chip goes on. Ignored bits: GPL and DTL; SK but for READ DELETED DATA; N of FORMAT
 * TRACK, for the IDs have it.
 *
 * Bounds: a command visits each sector number of a cylinder's two sides at most once.
 */
#include "errors.h"
#include "fdc_internal.h"
#include "string.h"

enum {
    ARGUMENT_CYLINDER = 2,
    ARGUMENT_HEAD,
    ARGUMENT_SECTOR,
    ARGUMENT_SIZE,
    ARGUMENT_LAST,
    ARGUMENT_COUNT = 8
};
enum { FORMAT_SIZE = 2, FORMAT_SECTORS, FORMAT_DATA = 5, FORMAT_ID = 4 };
enum { ID_CYLINDER, ID_HEAD, ID_SECTOR, ID_SIZE };
enum { SIZE_512 = 2, HEAD_BIT = 4, SPECIFY_NON_DMA = 1, IMPLIED_SEEK = 0x40, VERIFY_COUNT = 0x80 };
enum { FDC_CHANNEL = 2, VERIFY_ALL = 256 };

static unsigned code_of(const struct fdc *fdc)
{
    return fdc->command[0] & COMMAND_CODE;
}

static bool is_write(const struct fdc *fdc)
{
    return code_of(fdc) == CODE_WRITE || code_of(fdc) == CODE_WRITE_DELETED;
}

bool fdc_to_host(const struct fdc *fdc)
{
    return !is_write(fdc) && code_of(fdc) != CODE_FORMAT;
}

/* The length of what is moved at a time: a sector, or one ID of FORMAT TRACK. */
static unsigned piece_of(const struct fdc *fdc)
{
    return code_of(fdc) == CODE_FORMAT ? FORMAT_ID : FDC_SECTOR;
}

/* Ends the command: the seven bytes that all commands for data have as their result. */
static void end(struct fdc *fdc, uint8_t st0, uint8_t st1, uint8_t st2)
{
    uint8_t size = fdc->command[code_of(fdc) == CODE_FORMAT ? FORMAT_SIZE : ARGUMENT_SIZE];
    const uint8_t result[] = {
        (uint8_t)(st0 | fdc->seek_end | fdc->side << HEAD_SHIFT | fdc_unit_of(fdc)),
        st1,
        (uint8_t)(st2 | fdc->control_mark),
        fdc->cylinder,
        fdc->head,
        fdc->sector,
        code_of(fdc) == CODE_READ_ID ? SIZE_512 : size,
    };
    fdc_give_result(fdc, result, sizeof result, true);
}

/* What is recorded under the heads, if the controller is set to its rate and encoding. */
static const struct floppy_format *readable_format(const struct fdc *fdc)
{
    uint8_t *image;
    uint64_t size;
    const struct floppy_format *format = fdc_diskette(fdc_unit_of(fdc), &image, &size);
    bool fits = format && format->rates >> fdc->rate & 1 && fdc->command[0] & COMMAND_MFM &&
                fdc->unit[fdc_unit_of(fdc)].cylinder < format->cylinders && fdc->side < format->heads;
    return fits ? format : NULL;
}

/* Looks for the ID of the sector that comes next; false: the command has ended. */
static bool find_id(struct fdc *fdc)
{
    const struct floppy_format *format = readable_format(fdc);
    if (!format) {
        end(fdc, ST0_ABNORMAL, ST1_MISSING_MARK, 0);
        return false;
    }
    if (fdc->cylinder != fdc->unit[fdc_unit_of(fdc)].cylinder) {
        end(fdc, ST0_ABNORMAL, ST1_NO_DATA, ST2_WRONG_CYLINDER);
        return false;
    }
    if (fdc->head != fdc->side || fdc->command[ARGUMENT_SIZE] != SIZE_512 || fdc->sector < 1 ||
        fdc->sector > format->sectors) {
        end(fdc, ST0_ABNORMAL, ST1_NO_DATA, 0);
        return false;
    }
    return true;
}

/* The bytes of a sector; NULL where the image has ended. */
static uint8_t *sector_bytes(const struct fdc *fdc, unsigned sector)
{
    uint8_t *image;
    uint64_t size;
    const struct floppy_format *format = fdc_diskette(fdc_unit_of(fdc), &image, &size);
    if (!format)
        return NULL;
    uint64_t track = fdc->unit[fdc_unit_of(fdc)].cylinder * (uint64_t)format->heads + fdc->side;
    uint64_t at = (track * format->sectors + sector - 1) * FDC_SECTOR;
    return at + FDC_SECTOR <= size ? image + at : NULL;
}

static void load_sector(struct fdc *fdc)
{
    const uint8_t *bytes = sector_bytes(fdc, fdc->sector);
    if (bytes)
        memcpy(fdc->buffer, bytes, FDC_SECTOR);
    else
        memset(fdc->buffer, 0, FDC_SECTOR);
}

/* False: it could not be kept. */
static bool store_sector(struct fdc *fdc, unsigned sector, const uint8_t *from)
{
    uint8_t *bytes = sector_bytes(fdc, sector);
    if (!bytes)
        return false;
    if (effect_disk_prepare(bytes, FDC_SECTOR) != NR_OK) {
        if (!fdc->full)
            effect_log("floppy: its overlay is full, writes fail");
        fdc->full = 1;
        return false;
    }
    memcpy(bytes, from, FDC_SECTOR);
    return true;
}

/* Moves on to the next sector of the command, as table 5-6 has it for the result, too; false: there is none.
 */
static bool next_sector(struct fdc *fdc)
{
    if (fdc->sector != fdc->command[ARGUMENT_LAST]) {
        fdc->sector++;
        return true;
    }
    fdc->sector = 1;
    if (!(fdc->command[0] & COMMAND_MT) || code_of(fdc) == CODE_READ_TRACK) {
        fdc->cylinder++;
        return false;
    }
    fdc->head ^= 1;
    if (fdc->side == 0) {
        fdc->side = 1;
        return true;
    }
    fdc->side = 0;
    fdc->cylinder++;
    return false;
}

/* One sector, or ID, has gone through the buffer. False: the command has ended. */
static bool piece_done(struct fdc *fdc, bool terminal)
{
    bool more;
    if (code_of(fdc) == CODE_FORMAT)
        more = ++fdc->done < fdc->command[FORMAT_SECTORS];
    else
        more = next_sector(fdc);
    /* Behind the last sector without a terminal count the chip finds its way barred, though all is well. */
    if (terminal || fdc->control_mark || (!more && code_of(fdc) == CODE_FORMAT))
        end(fdc, 0, 0, 0);
    else if (!more)
        end(fdc, ST0_ABNORMAL, ST1_END_OF_CYLINDER, 0);
    else
        return true;
    return false;
}

/* Takes what the host has put into the buffer. False: the command has ended. */
static bool take_piece(struct fdc *fdc)
{
    uint8_t filler[FDC_SECTOR];
    bool kept;
    if (is_write(fdc)) {
        kept = store_sector(fdc, fdc->sector, fdc->buffer);
    } else {
        const struct floppy_format *format = readable_format(fdc);
        const uint8_t *id = fdc->buffer;
        uint8_t cylinder = fdc->unit[fdc_unit_of(fdc)].cylinder;
        memset(filler, fdc->command[FORMAT_DATA], sizeof filler);
        kept = format && id[ID_CYLINDER] == cylinder && id[ID_HEAD] == fdc->side && id[ID_SECTOR] >= 1 &&
               id[ID_SECTOR] <= format->sectors && id[ID_SIZE] == SIZE_512 &&
               store_sector(fdc, id[ID_SECTOR], filler);
    }
    if (!kept)
        end(fdc, ST0_ABNORMAL | ST0_EQUIPMENT, 0, 0);
    return kept;
}

/* Finds the next piece; for the host it lies in the buffer then. False: the command has ended. */
static bool begin_piece(struct fdc *fdc)
{
    if (code_of(fdc) == CODE_FORMAT)
        return true;
    if (!find_id(fdc))
        return false;
    if (fdc_to_host(fdc))
        load_sector(fdc);
    return true;
}

/* Moves one piece by DMA. False: the command has ended. */
static bool move_piece(struct fdc *fdc)
{
    uint32_t length = piece_of(fdc), moved = 0;
    bool terminal = false;
    if (fdc->dor & DOR_DMA_GATE)
        moved = effect_dma(FDC_CHANNEL, fdc_to_host(fdc), fdc->buffer, length, &terminal);
    if (moved < length && !terminal) {
        end(fdc, ST0_ABNORMAL, ST1_OVERRUN, 0);
        return false;
    }
    /* What a host does not give of a sector is written as zeros. */
    if (!fdc_to_host(fdc) && moved < length)
        memset(fdc->buffer + moved, 0, length - moved);
    return (fdc_to_host(fdc) || take_piece(fdc)) && piece_done(fdc, terminal);
}

static void execute_data(struct fdc *fdc)
{
    if (fdc->specify[1] & SPECIFY_NON_DMA) {
        if (!begin_piece(fdc))
            return;
        fdc->phase = FDC_DATA;
        fdc->position = 0;
        fdc->interrupt = 1;
        return;
    }
    while (begin_piece(fdc) && move_piece(fdc))
        ;
}

/* Sectors are read and nothing is moved; with EC the last argument is how many. */
static void execute_verify(struct fdc *fdc)
{
    unsigned count = fdc->command[1] & VERIFY_COUNT ? fdc->command[ARGUMENT_COUNT] : 0;
    if (fdc->command[1] & VERIFY_COUNT && count == 0)
        count = VERIFY_ALL;
    for (unsigned done = 1; find_id(fdc); done++) {
        bool more = next_sector(fdc);
        if (done == count || (!more && count == 0)) {
            end(fdc, 0, 0, 0);
            return;
        }
        if (!more) {
            end(fdc, ST0_ABNORMAL, ST1_END_OF_CYLINDER, 0);
            return;
        }
    }
}

/* The first ID that comes by. */
static void execute_read_id(struct fdc *fdc)
{
    struct fdc_unit *unit = &fdc->unit[fdc_unit_of(fdc)];
    const struct floppy_format *format = readable_format(fdc);
    if (!format) {
        end(fdc, ST0_ABNORMAL, ST1_MISSING_MARK, 0);
        return;
    }
    fdc->cylinder = unit->cylinder;
    fdc->head = fdc->side;
    fdc->sector = (uint8_t)(unit->next_id % format->sectors + 1);
    unit->next_id = fdc->sector;
    end(fdc, 0, 0, 0);
}

static bool is_protected(unsigned unit)
{
    return unit < FDC_DRIVES && effect_guest_config()->floppy[unit].write_protected;
}

/* A sector without the mark that READ DELETED DATA looks for: skipped all of them are not found; not skipped,
 * the first is the last. */
static void execute_read_deleted(struct fdc *fdc)
{
    fdc->control_mark = ST2_CONTROL_MARK;
    if (!(fdc->command[0] & COMMAND_SKIP)) {
        execute_data(fdc);
        return;
    }
    while (find_id(fdc)) {
        if (!next_sector(fdc)) {
            end(fdc, ST0_ABNORMAL, ST1_END_OF_CYLINDER, 0);
            return;
        }
    }
}

static void begin_arguments(struct fdc *fdc)
{
    unsigned code = code_of(fdc);
    fdc->side = (fdc->command[1] & HEAD_BIT) != 0;
    fdc->seek_end = fdc->control_mark = 0;
    fdc->done = 0;
    if (code == CODE_READ_ID)
        return;
    if (code == CODE_FORMAT) {
        fdc->last_sector = fdc->command[FORMAT_SECTORS];
        return;
    }
    fdc->last_sector = fdc->command[ARGUMENT_LAST];
    fdc->cylinder = fdc->command[ARGUMENT_CYLINDER];
    fdc->head = fdc->command[ARGUMENT_HEAD];
    fdc->sector = code == CODE_READ_TRACK ? 1 : fdc->command[ARGUMENT_SECTOR];
    if (fdc->configure & IMPLIED_SEEK) {
        fdc_seek_now(fdc, fdc_unit_of(fdc), fdc->cylinder);
        fdc->seek_end = ST0_SEEK_END;
    }
}

void fdc_execute(struct fdc *fdc)
{
    begin_arguments(fdc);
    if ((is_write(fdc) || code_of(fdc) == CODE_FORMAT) && is_protected(fdc_unit_of(fdc))) {
        end(fdc, ST0_ABNORMAL, ST1_NOT_WRITABLE, 0);
        return;
    }
    switch (code_of(fdc)) {
    case CODE_READ_ID:
        execute_read_id(fdc);
        break;
    case CODE_VERIFY:
        execute_verify(fdc);
        break;
    case CODE_READ_DELETED:
        execute_read_deleted(fdc);
        break;
    case CODE_FORMAT:
        if (readable_format(fdc) && fdc->command[FORMAT_SECTORS])
            execute_data(fdc);
        else
            end(fdc, ST0_ABNORMAL | ST0_EQUIPMENT, 0, 0);
        break;
    default:
        execute_data(fdc);
    }
}

/* In non-DMA mode INT falls with each byte, and rises for the next. */
static void byte_done(struct fdc *fdc)
{
    fdc->interrupt = 0;
    fdc_update_interrupt(fdc);
    if (++fdc->position >= piece_of(fdc)) {
        fdc->position = 0;
        if ((!fdc_to_host(fdc) && !take_piece(fdc)) || !piece_done(fdc, false) || !begin_piece(fdc))
            return;
    }
    fdc->interrupt = 1;
}

uint8_t fdc_read_byte(struct fdc *fdc)
{
    uint8_t value = fdc->buffer[fdc->position];
    byte_done(fdc);
    return value;
}

void fdc_write_byte(struct fdc *fdc, uint8_t value)
{
    fdc->buffer[fdc->position] = value;
    byte_done(fdc);
}
