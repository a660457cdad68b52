/*
 * The floppy controller 82077AA with two drives: registers, phases, interrupt. The commands are in
 * fdc_commands.c, what moves data in fdc_transfer.c.
 *
 * Documents: Intel 82077AA data sheet, PC-AT mode; NEC uPD765 for what it leaves open.
 * State: struct fdc. Diskettes are copy-on-write images in memory; a drive is of the type that the
 * size of the description's image asks for. A command is carried out FDC_DELAY_NS after its last byte, all of
 * it at once in DMA mode.
 *
 * Missing: the scan commands (invalid here), deleted data marks (WRITE DELETED DATA writes plain ones),
 * sectors of other than 512 bytes, the commands that later controllers added, tape drives.
 * Different: without a diskette the chip waits for an index pulse until it is reset; here a command then ends
 * with a missing address mark. A diskette keeps the format of its image: FORMAT TRACK with other IDs ends
 * with equipment check. Sectors that an image is too short for read as zeros.
 * Ignored bits: DOR: motors; DSR: precompensation and power down; SPECIFY: all times; CONFIGURE: FIFO and
 * threshold (an interrupt comes for each byte in non-DMA mode), polling; PERPENDICULAR MODE: all.
 */
#include "fdc_internal.h"
#include "string.h"

enum { REGION_MAIN, REGION_DIR };
enum { PORT_DOR, PORT_TDR, PORT_MSR, PORT_DATA }; /* from 0x3f2; MSR is DSR when written */
enum { MSR_RQM = 0x80, MSR_DIO = 0x40, MSR_NON_DMA = 0x20, MSR_BUSY = 0x10 };
enum { DSR_RESET = 0x80, RATE_MASK = 3, DIR_CHANGED = 0x80, TDR_SELECT = 3 };
enum { CONFIGURE_DEFAULT = 0x20 /* no implied seek, FIFO off, polling on */, CONFIGURE_LOCKED = 0x2f };
enum { ALL_UNITS = 0xf, PERPENDICULAR_WAY = 3 /* GAP and WGATE */ };
enum { FDC_IRQ = 6 };

const struct floppy_format *fdc_diskette(unsigned unit, uint8_t **image, uint64_t *size)
{
    *image = effect_floppy(unit, size);
    return *image ? floppy_format_of(*size) : NULL;
}

void fdc_update_interrupt(struct fdc *fdc)
{
    bool level = fdc->interrupt && fdc->dor & DOR_DMA_GATE && fdc->dor & DOR_RUN;
    if (level != fdc->irq) {
        fdc->irq = level;
        effect_irq(FDC_IRQ, IRQ_ISA, level);
    }
}

void fdc_give_result(struct fdc *fdc, const uint8_t *bytes, unsigned count, bool interrupt)
{
    memcpy(fdc->result, bytes, count);
    fdc->result_count = (uint8_t)count;
    fdc->result_next = 0;
    fdc->phase = FDC_RESULT;
    fdc->interrupt |= interrupt;
}

/* A reset by DOR or DSR: LOCK keeps the FIFO's settings, and what SPECIFY has set stays. */
static void fdc_clear(struct fdc *fdc)
{
    fdc->phase = FDC_COMMAND;
    fdc->command_count = 0;
    fdc->result_count = fdc->result_next = 0;
    fdc->execute_at = fdc->settle_at = DEADLINE_NONE;
    fdc->seeking = fdc->pending = fdc->polled = fdc->interrupt = 0;
    fdc->configure = fdc->lock ? fdc->configure & CONFIGURE_LOCKED : CONFIGURE_DEFAULT;
    if (!fdc->lock)
        fdc->precompensation = 0;
    fdc->perpendicular &= (uint8_t)~PERPENDICULAR_WAY;
    for (unsigned i = 0; i < FDC_UNITS; i++)
        fdc->unit[i].present = 0;
}

/* The controller polls its drives once, and each of them has "changed" its ready line. */
static void fdc_start(struct fdc *fdc)
{
    for (unsigned i = 0; i < FDC_UNITS; i++)
        fdc->unit[i].status = (uint8_t)(ST0_POLLING | i);
    fdc->pending = ALL_UNITS;
    fdc->polled = 1;
    fdc->settle_at = effect_now() + FDC_DELAY_NS;
}

static void fdc_write_dor(struct fdc *fdc, uint8_t value)
{
    uint8_t before = fdc->dor;
    fdc->dor = value;
    if (!(value & DOR_RUN))
        fdc_clear(fdc);
    else if (!(before & DOR_RUN))
        fdc_start(fdc);
}

static void fdc_write_dsr(struct fdc *fdc, uint8_t value)
{
    fdc->rate = value & RATE_MASK;
    if (value & DSR_RESET) {
        fdc_clear(fdc);
        fdc_start(fdc);
    }
}

static uint8_t fdc_main_status(const struct fdc *fdc)
{
    if (!(fdc->dor & DOR_RUN))
        return 0;
    switch (fdc->phase) {
    case FDC_COMMAND:
        return (uint8_t)(MSR_RQM | (fdc->command_count ? MSR_BUSY : 0) | fdc->seeking);
    case FDC_DATA:
        return (uint8_t)(MSR_RQM | MSR_NON_DMA | MSR_BUSY | (fdc_to_host(fdc) ? MSR_DIO : 0) | fdc->seeking);
    case FDC_RESULT:
        return (uint8_t)(MSR_RQM | MSR_DIO | MSR_BUSY | fdc->seeking);
    default:
        return (uint8_t)(MSR_BUSY | fdc->seeking);
    }
}

static uint8_t fdc_read_result(struct fdc *fdc)
{
    uint8_t value = fdc->result[fdc->result_next++];
    if (fdc->result_next == 1)
        fdc->interrupt = 0;
    if (fdc->result_next >= fdc->result_count)
        fdc->phase = FDC_COMMAND;
    return value;
}

/* Against the direction or out of turn a byte is lost, or none is there. */
static void fdc_data_io(struct fdc *fdc, struct io *io)
{
    if (!(fdc->dor & DOR_RUN))
        return;
    if (fdc->phase == FDC_RESULT && !io->write)
        io->value = fdc_read_result(fdc);
    else if (fdc->phase == FDC_COMMAND && io->write)
        fdc_take_command(fdc, (uint8_t)io->value);
    else if (fdc->phase == FDC_DATA && fdc_to_host(fdc) && !io->write)
        io->value = fdc_read_byte(fdc);
    else if (fdc->phase == FDC_DATA && !fdc_to_host(fdc) && io->write)
        fdc_write_byte(fdc, (uint8_t)io->value);
    else
        effect_need(NEED_IGNORED, 0x3f5);
}

/* Bits 0-6 of port 0x3f7 are a hard disk controller's. A drive for 360 KB has no line for bit 7. */
static uint8_t fdc_digital_input(const struct fdc *fdc)
{
    unsigned unit = fdc->dor & DOR_SELECT;
    return (uint8_t)(~DIR_CHANGED | (fdc->unit[unit].changed ? DIR_CHANGED : 0));
}

static void fdc_main_io(struct fdc *fdc, struct io *io)
{
    switch (io->offset) {
    case PORT_DOR:
        if (io->write)
            fdc_write_dor(fdc, (uint8_t)io->value);
        else
            io->value = fdc->dor;
        break;
    case PORT_TDR:
        if (io->write)
            fdc->tape = io->value & TDR_SELECT;
        else
            io->value = fdc->tape | ~(uint32_t)TDR_SELECT;
        break;
    case PORT_MSR:
        if (io->write)
            fdc_write_dsr(fdc, (uint8_t)io->value);
        else
            io->value = fdc_main_status(fdc);
        break;
    case PORT_DATA:
        fdc_data_io(fdc, io);
        break;
    default:
        break;
    }
}

static void fdc_io(void *state, struct io *io)
{
    struct fdc *fdc = state;
    if (io->region == REGION_MAIN)
        fdc_main_io(fdc, io);
    else if (io->write)
        fdc->rate = io->value & RATE_MASK;
    else
        io->value = fdc_digital_input(fdc);
    fdc_update_interrupt(fdc);
}

void fdc_change(struct fdc *fdc, unsigned unit)
{
    const struct floppy_format *first = floppy_format_of(effect_floppy_described(unit));
    if (unit < FDC_DRIVES && effect_guest_config()->floppy[unit].present)
        fdc->unit[unit].changed = !(first && first->drive == FLOPPY_DRIVE_360K);
}

static void fdc_reset(void *state, const struct device_slot *slot)
{
    struct fdc *fdc = state;
    (void)slot;
    fdc_clear(fdc);
    fdc->rate = FLOPPY_RATE_250K;
    for (unsigned i = 0; i < FDC_DRIVES; i++)
        fdc_change(fdc, i);
}

static const char *fdc_check(const void *state)
{
    const struct fdc *fdc = state;
    if (fdc->phase > FDC_RESULT)
        return "phase";
    if (fdc->command_count >= sizeof fdc->command)
        return "command";
    if (fdc->result_count > sizeof fdc->result ||
        (fdc->phase == FDC_RESULT && fdc->result_next >= fdc->result_count))
        return "result";
    if (fdc->phase == FDC_DATA && fdc->position >= FDC_SECTOR)
        return "position";
    if ((fdc->seeking | fdc->pending) & ~ALL_UNITS)
        return "units";
    return fdc->side > 1 ? "side" : NULL;
}

static void fdc_inspect(const void *state, struct inspector *inspector)
{
    const struct fdc *fdc = state;
    inspector->field(inspector, "phase", fdc->phase);
    inspector->field(inspector, "command", fdc->command[0]);
    inspector->field(inspector, "dor", fdc->dor);
    inspector->field(inspector, "status", fdc_main_status(fdc));
    inspector->field(inspector, "cylinder 0", fdc->unit[0].cylinder);
    inspector->field(inspector, "cylinder 1", fdc->unit[1].cylinder);
    inspector->field(inspector, "overlay full", fdc->full);
}

static uint64_t fdc_deadline(const void *state)
{
    const struct fdc *fdc = state;
    return fdc->execute_at < fdc->settle_at ? fdc->execute_at : fdc->settle_at;
}

static void fdc_tick(void *state, uint64_t now)
{
    struct fdc *fdc = state;
    if (now >= fdc->settle_at) {
        fdc->settle_at = DEADLINE_NONE;
        fdc_settle(fdc);
    }
    if (now >= fdc->execute_at) {
        fdc->execute_at = DEADLINE_NONE;
        fdc_execute(fdc);
    }
    fdc_update_interrupt(fdc);
}

const struct device fdc_device = {
    .name = "82077AA",
    .state_size = sizeof(struct fdc),
    .region_count = 2,
    .region = {[REGION_MAIN] = {.base = 0x3f2, .length = 4, .space = IO_PORT, .widths = WIDTH_1},
               [REGION_DIR] = {.base = 0x3f7, .length = 1, .space = IO_PORT, .widths = WIDTH_1}},
    .reset = fdc_reset,
    .io = fdc_io,
    .check = fdc_check,
    .inspect = fdc_inspect,
    .missed_ticks = TICKS_MERGE,
    .deadline = fdc_deadline,
    .tick = fdc_tick,
};
