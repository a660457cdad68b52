/*
 * The floppy controller's commands: their lengths, and those that move no data.
 *
 * Document: 82077AA data sheet, section 5. Missing: the scan commands and those of later controllers, which
 * are invalid here; the time of steps: each seek takes FDC_DELAY_NS. Ignored bits: the first parameter of
 * CONFIGURE, and the bits of a command's second byte that it does not use; fdc.c names those of the
 * registers, SPECIFY, CONFIGURE and PERPENDICULAR MODE.
 */
#include "fdc_internal.h"

enum fdc_other_code {
    CODE_SPECIFY = 0x03,
    CODE_SENSE_DRIVE = 0x04,
    CODE_RECALIBRATE = 0x07,
    CODE_SENSE_INTERRUPT = 0x08,
    CODE_DUMPREG = 0x0e,
    CODE_SEEK = 0x0f,
    CODE_VERSION = 0x10,
    CODE_PERPENDICULAR = 0x12,
    CODE_CONFIGURE = 0x13,
    CODE_LOCK = 0x14,
    CODE_RELATIVE_SEEK = 0x8f,
};
enum { VERSION_82077 = 0x90, LOCK_BIT = 0x80, LOCK_SHIFT = 4, RELATIVE_IN = 0x40, OVERWRITE = 0x80 };
enum { ST3_PROTECTED = 0x40, ST3_ONES = 0x28, ST3_TRACK_0 = 0x10, HEAD_BIT = 4 };
enum { RECALIBRATE_STEPS = 79, CYLINDERS_BEYOND = 3 /* what heads can reach behind the last one */ };
enum { CYLINDERS_OF_EMPTY_DRIVE = 80, PERPENDICULAR_DRIVES = 0x3c, PERPENDICULAR_WAY = 3 };

static void take_specify(struct fdc *fdc)
{
    fdc->specify[0] = fdc->command[1];
    fdc->specify[1] = fdc->command[2];
}

static bool is_connected(unsigned unit)
{
    return unit < FDC_DRIVES && effect_guest_config()->floppy[unit].present;
}

static void take_sense_drive(struct fdc *fdc)
{
    unsigned unit = fdc_unit_of(fdc);
    bool protect = is_connected(unit) && effect_guest_config()->floppy[unit].write_protected;
    bool track_0 = is_connected(unit) && fdc->unit[unit].cylinder == 0;
    uint8_t status = (uint8_t)(ST3_ONES | (protect ? ST3_PROTECTED : 0) | (track_0 ? ST3_TRACK_0 : 0) |
                               (fdc->command[1] & (HEAD_BIT | UNIT_MASK)));
    fdc_give_result(fdc, &status, 1, false);
}

static void take_sense_interrupt(struct fdc *fdc)
{
    uint8_t result[2] = {ST0_INVALID, 0};
    if (!fdc->pending) {
        fdc_give_result(fdc, result, 1, false);
        return;
    }
    unsigned unit = (unsigned)__builtin_ctz(fdc->pending);
    result[0] = fdc->unit[unit].status;
    result[1] = fdc->unit[unit].present;
    fdc->pending &= (uint8_t) ~(1u << unit);
    /* The line falls; another drive's end of seek is an interrupt of its own. */
    fdc->interrupt = 0;
    fdc_update_interrupt(fdc);
    fdc_give_result(fdc, result, sizeof result, fdc->pending && !fdc->polled);
    if (!fdc->pending)
        fdc->polled = 0;
}

static void begin_seek(struct fdc *fdc)
{
    unsigned unit = fdc_unit_of(fdc);
    struct fdc_unit *drive = &fdc->unit[unit];
    drive->recalibrate = fdc->command[0] == CODE_RECALIBRATE;
    drive->steps = 0;
    drive->step_out = 0;
    drive->target = 0;
    drive->status = (uint8_t)(ST0_SEEK_END | unit);
    if (!drive->recalibrate) {
        drive->target = fdc->command[2];
        drive->status |= fdc->command[1] & HEAD_BIT;
    }
    if ((fdc->command[0] & ~RELATIVE_IN) == CODE_RELATIVE_SEEK) {
        drive->steps = fdc->command[2];
        drive->step_out = !(fdc->command[0] & RELATIVE_IN);
        drive->target =
            (uint8_t)(drive->step_out ? drive->present - drive->steps : drive->present + drive->steps);
    }
    fdc->seeking |= (uint8_t)(1u << unit);
    fdc->pending &= (uint8_t) ~(1u << unit);
    fdc->settle_at = effect_now() + FDC_DELAY_NS;
}

/* Step pulses reach the heads, which stop at either end; with a diskette in the drive they end "changed". */
static void step(struct fdc *fdc, unsigned unit, int steps)
{
    struct fdc_unit *drive = &fdc->unit[unit];
    uint8_t *image;
    uint64_t size;
    if (steps == 0 || !is_connected(unit))
        return;
    const struct floppy_format *format = fdc_diskette(unit, &image, &size);
    int last = (format ? format->cylinders : CYLINDERS_OF_EMPTY_DRIVE) - 1 + CYLINDERS_BEYOND;
    int to = drive->cylinder + steps;
    drive->cylinder = (uint8_t)(to < 0 ? 0 : to > last ? last : to);
    if (format)
        drive->changed = 0;
}

void fdc_seek_now(struct fdc *fdc, unsigned unit, uint8_t target)
{
    step(fdc, unit, target - fdc->unit[unit].present);
    fdc->unit[unit].present = target;
}

static void end_seek(struct fdc *fdc, unsigned unit)
{
    struct fdc_unit *drive = &fdc->unit[unit];
    if (drive->recalibrate) {
        int steps = drive->cylinder < RECALIBRATE_STEPS ? drive->cylinder : RECALIBRATE_STEPS;
        step(fdc, unit, -steps);
        if (!is_connected(unit) || drive->cylinder != 0)
            drive->status |= ST0_ABNORMAL | ST0_EQUIPMENT;
        drive->present = 0;
    } else if (drive->steps) {
        step(fdc, unit, drive->step_out ? -drive->steps : drive->steps);
        drive->present = drive->target;
    } else {
        fdc_seek_now(fdc, unit, drive->target);
    }
}

void fdc_settle(struct fdc *fdc)
{
    for (unsigned unit = 0; unit < FDC_UNITS; unit++)
        if (fdc->seeking >> unit & 1)
            end_seek(fdc, unit);
    fdc->polled &= fdc->seeking == 0;
    fdc->pending |= fdc->seeking;
    fdc->seeking = 0;
    fdc->interrupt |= fdc->pending != 0;
}

static void take_dumpreg(struct fdc *fdc)
{
    const uint8_t result[10] = {
        fdc->unit[0].present, fdc->unit[1].present,
        fdc->unit[2].present, fdc->unit[3].present,
        fdc->specify[0],      fdc->specify[1],
        fdc->last_sector,     (uint8_t)(fdc->lock << 7 | fdc->perpendicular),
        fdc->configure,       fdc->precompensation,
    };
    fdc_give_result(fdc, result, sizeof result, false);
}

static void take_version(struct fdc *fdc)
{
    fdc_give_result(fdc, &(const uint8_t){VERSION_82077}, 1, false);
}

/* Drives are chosen only with the OW bit. */
static void take_perpendicular(struct fdc *fdc)
{
    uint8_t value = fdc->command[1];
    uint8_t drives = (value & OVERWRITE ? value : fdc->perpendicular) & PERPENDICULAR_DRIVES;
    fdc->perpendicular = drives | (value & PERPENDICULAR_WAY);
}

static void take_configure(struct fdc *fdc)
{
    fdc->configure = fdc->command[2] & 0x7f;
    fdc->precompensation = fdc->command[3];
}

static void take_lock(struct fdc *fdc)
{
    fdc->lock = (fdc->command[0] & LOCK_BIT) != 0;
    fdc_give_result(fdc, &(const uint8_t){(uint8_t)(fdc->lock << LOCK_SHIFT)}, 1, false);
}

static void take_invalid(struct fdc *fdc)
{
    fdc_give_result(fdc, &(const uint8_t){ST0_INVALID}, 1, false);
}

/* Waits for the diskette. */
static void take_data_command(struct fdc *fdc)
{
    fdc->phase = FDC_WAITING;
    fdc->execute_at = effect_now() + FDC_DELAY_NS;
}

/* A command is the first whose bits are right where its mask says that they are not options. */
static const struct {
    uint8_t mask, code, length;
    void (*take)(struct fdc *fdc);
} commands[] = {
    {0x1f, CODE_READ, 9, take_data_command},
    {0x3f, CODE_WRITE, 9, take_data_command},
    {0xff, CODE_SENSE_INTERRUPT, 1, take_sense_interrupt},
    {0xff, CODE_SEEK, 3, begin_seek},
    {0xff, CODE_RECALIBRATE, 2, begin_seek},
    {0xbf, CODE_READ_ID, 2, take_data_command},
    {0xff, CODE_SPECIFY, 3, take_specify},
    {0xff, CODE_SENSE_DRIVE, 2, take_sense_drive},
    {0xbf, CODE_FORMAT, 6, take_data_command},
    {0x9f, CODE_READ_TRACK, 9, take_data_command},
    {0x1f, CODE_READ_DELETED, 9, take_data_command},
    {0x3f, CODE_WRITE_DELETED, 9, take_data_command},
    {0x1f, CODE_VERIFY, 9, take_data_command},
    {0xbf, CODE_RELATIVE_SEEK, 3, begin_seek},
    {0xff, CODE_DUMPREG, 1, take_dumpreg},
    {0xff, CODE_VERSION, 1, take_version},
    {0xff, CODE_PERPENDICULAR, 2, take_perpendicular},
    {0xff, CODE_CONFIGURE, 4, take_configure},
    {0x7f, CODE_LOCK, 1, take_lock},
    {0x00, 0, 1, take_invalid},
};

void fdc_take_command(struct fdc *fdc, uint8_t value)
{
    unsigned i = 0;
    fdc->command[fdc->command_count++ % sizeof fdc->command] = value;
    while ((fdc->command[0] & commands[i].mask) != commands[i].code)
        i++;
    if (fdc->command_count < commands[i].length)
        return;
    fdc->command_count = 0;
    commands[i].take(fdc);
}
