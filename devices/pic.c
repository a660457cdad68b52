/*
 * Two 8259A interrupt controllers in cascade, as the PIIX3 has them.
 *
 * Document: Intel 8259A data sheet (231468-003); 82371SB (PIIX3) for ELCR1 and ELCR2.
 * State: struct pic. The slave's output is the master's input 2, seen as a level.
 *
 * Missing: MCS-80 vectors and buffered mode: no PC can use them.
 * Ignored bits: ICW1 LTIM and ADI (the PIIX3 takes the trigger mode from ELCR); ICW3 of the slave is kept,
 * not compared; ELCR bits of IRQ 0, 1, 2, 8 and 13 are always 0.
 */
#include "pic.h"
#include "effects.h"
#include "string.h"

enum { REGION_MASTER, REGION_SLAVE, REGION_ELCR };

enum { ICW1_IC4 = 1 << 0, ICW1_SNGL = 1 << 1, ICW1_SELECT = 1 << 4 };
enum { ICW4_AEOI = 1 << 1, ICW4_SFNM = 1 << 4 };
enum { OCW_SELECT_OCW3 = 1 << 3 };

/* OCW2, bits 7-5: R, SL, EOI. */
enum { OCW2_SHIFT = 5, OCW2_LEVEL_MASK = 7 };
enum ocw2 {
    OCW2_CLEAR_ROTATE_AEOI = 0,
    OCW2_EOI = 1,
    OCW2_NOP = 2,
    OCW2_SPECIFIC_EOI = 3,
    OCW2_SET_ROTATE_AEOI = 4,
    OCW2_ROTATE_EOI = 5,
    OCW2_SET_PRIORITY = 6,
    OCW2_ROTATE_SPECIFIC_EOI = 7,
};
enum { OCW3_RIS = 1 << 0, OCW3_RR = 1 << 1, OCW3_POLL = 1 << 2, OCW3_SMM = 1 << 5, OCW3_ESMM = 1 << 6 };

enum { POLL_INTERRUPT = 1 << 7, SPURIOUS_INPUT = 7, NO_INPUT = 8 };

/* IRQ 0, 1, 2 and 8, 13 are edge-triggered in every PC. */
static const uint8_t elcr_writable[2] = {0xf8, 0xde};

static uint8_t chip_requests(const struct pic_chip *chip)
{
    return (uint8_t)((chip->latched & ~chip->elcr) | (chip->line & chip->elcr));
}

/* The input of highest priority in a set, or NO_INPUT. */
static unsigned chip_highest(const struct pic_chip *chip, unsigned set)
{
    if (!set)
        return NO_INPUT;
    for (unsigned i = 1; i <= 8; i++) {
        unsigned input = (chip->lowest + i) % 8;
        if (set & 1u << input)
            return input;
    }
    return NO_INPUT;
}

static unsigned chip_rank(const struct pic_chip *chip, unsigned input)
{
    return input == NO_INPUT ? 8 : (input - chip->lowest - 1) % 8;
}

/* The input for which the chip raises its output, or NO_INPUT. */
static unsigned chip_pending(const struct pic_chip *chip, bool master)
{
    unsigned input = chip_highest(chip, chip_requests(chip) & (unsigned)~chip->imr);
    if (input == NO_INPUT)
        return NO_INPUT;
    unsigned blocking = chip->isr;
    if (chip->special_mask)
        blocking &= (unsigned)~chip->imr;
    unsigned serving = chip_highest(chip, blocking);
    /* The slave may interrupt itself; to others it counts as any input in service. */
    if (chip->fully_nested_special && master && input == PIC_CASCADE && serving == PIC_CASCADE)
        return input;
    return chip_rank(chip, input) < chip_rank(chip, serving) ? input : NO_INPUT;
}

static void chip_set_input(struct pic_chip *chip, unsigned input, bool level)
{
    uint8_t bit = (uint8_t)(1u << input);
    if (!level) {
        /* A request must stay up until it is acknowledged, or it is lost. */
        chip->line &= (uint8_t)~bit;
        chip->latched &= (uint8_t)~bit;
    } else if (!(chip->line & bit)) {
        chip->line |= bit;
        chip->latched |= bit;
    }
}

/* Carries the slave's output to the master and the master's to the processor. */
static void pic_update(struct pic *pic)
{
    struct pic_chip *master = &pic->chip[PIC_MASTER];
    bool slave = chip_pending(&pic->chip[PIC_SLAVE], false) != NO_INPUT;
    uint8_t cascade = 1u << PIC_CASCADE;
    /* The input follows the slave's output: an edge for each of its requests. */
    master->line = (uint8_t)(slave ? master->line | cascade : master->line & ~cascade);
    master->latched = (uint8_t)(slave ? master->latched | cascade : master->latched & ~cascade);
    bool intr = chip_pending(master, true) != NO_INPUT;
    if (intr != pic->intr) {
        pic->intr = intr;
        effect_intr(intr);
    }
}

static void chip_end_of_interrupt(struct pic_chip *chip, unsigned input, bool rotate)
{
    if (input == NO_INPUT)
        return;
    chip->isr &= (uint8_t) ~(1u << input);
    if (rotate)
        chip->lowest = (uint8_t)input;
}

/* What INTA does inside one chip. Returns its input, the spurious one when the request has gone. */
static unsigned chip_acknowledge(struct pic_chip *chip, bool master)
{
    unsigned input = chip_pending(chip, master);
    if (input == NO_INPUT)
        return SPURIOUS_INPUT;
    uint8_t bit = (uint8_t)(1u << input);
    chip->latched &= (uint8_t)~bit;
    chip->isr |= bit;
    if (chip->auto_eoi)
        chip_end_of_interrupt(chip, input, chip->rotate_auto_eoi);
    return input;
}

void pic_set_line(struct pic *pic, unsigned line, bool level)
{
    if (line >= PIC_LINES || line == PIC_CASCADE)
        return;
    chip_set_input(&pic->chip[line / 8], line % 8, level);
    pic_update(pic);
}

uint8_t pic_acknowledge(struct pic *pic)
{
    struct pic_chip *master = &pic->chip[PIC_MASTER], *slave = &pic->chip[PIC_SLAVE];
    bool real = chip_pending(master, true) != NO_INPUT;
    unsigned input = chip_acknowledge(master, true);
    uint8_t vector = (uint8_t)(master->vector | input);
    if (real && input == PIC_CASCADE)
        vector = (uint8_t)(slave->vector | chip_acknowledge(slave, false));
    pic_update(pic);
    return vector;
}

bool pic_waiting(const struct pic *pic, unsigned line)
{
    const struct pic_chip *chip = &pic->chip[line / 8 % 2];
    return chip->latched & ~chip->imr & 1u << line % 8;
}

static void chip_write_icw1(struct pic_chip *chip, uint8_t value)
{
    chip->step = PIC_STEP_ICW2;
    chip->icw4_follows = value & ICW1_IC4;
    chip->single = (value & ICW1_SNGL) != 0;
    chip->latched = 0; /* an input must rise again to make a request */
    chip->imr = 0;
    chip->isr = 0;
    chip->lowest = 7;
    chip->special_mask = 0;
    chip->read_isr = 0;
    chip->poll = 0;
    chip->auto_eoi = 0;
    chip->rotate_auto_eoi = 0;
    chip->fully_nested_special = 0;
}

static void chip_write_ocw2(struct pic_chip *chip, uint8_t value)
{
    unsigned level = value & OCW2_LEVEL_MASK;
    unsigned serving = chip->special_mask ? chip->isr & (unsigned)~chip->imr : chip->isr;
    switch ((enum ocw2)(value >> OCW2_SHIFT)) {
    case OCW2_CLEAR_ROTATE_AEOI:
        chip->rotate_auto_eoi = 0;
        break;
    case OCW2_SET_ROTATE_AEOI:
        chip->rotate_auto_eoi = 1;
        break;
    case OCW2_EOI:
    case OCW2_ROTATE_EOI:
        chip_end_of_interrupt(chip, chip_highest(chip, serving), value >> OCW2_SHIFT == OCW2_ROTATE_EOI);
        break;
    case OCW2_SPECIFIC_EOI:
    case OCW2_ROTATE_SPECIFIC_EOI:
        chip_end_of_interrupt(chip, level, value >> OCW2_SHIFT == OCW2_ROTATE_SPECIFIC_EOI);
        break;
    case OCW2_SET_PRIORITY:
        chip->lowest = (uint8_t)level;
        break;
    case OCW2_NOP:
        break;
    }
}

static void chip_write_ocw3(struct pic_chip *chip, uint8_t value)
{
    if (value & OCW3_POLL)
        chip->poll = 1;
    if (value & OCW3_RR)
        chip->read_isr = value & OCW3_RIS;
    if (value & OCW3_ESMM)
        chip->special_mask = (value & OCW3_SMM) != 0;
}

static void chip_write_even(struct pic_chip *chip, uint8_t value)
{
    if (value & ICW1_SELECT)
        chip_write_icw1(chip, value);
    else if (value & OCW_SELECT_OCW3)
        chip_write_ocw3(chip, value);
    else
        chip_write_ocw2(chip, value);
}

static void chip_write_odd(struct pic_chip *chip, uint8_t value)
{
    uint8_t last = chip->icw4_follows ? PIC_STEP_ICW4 : PIC_STEP_READY;
    switch ((enum pic_step)chip->step) {
    case PIC_STEP_READY:
        chip->imr = value;
        break;
    case PIC_STEP_ICW2:
        chip->vector = value & 0xf8;
        chip->step = chip->single ? last : PIC_STEP_ICW3;
        break;
    case PIC_STEP_ICW3:
        chip->icw3 = value;
        chip->step = last;
        break;
    case PIC_STEP_ICW4:
        chip->auto_eoi = (value & ICW4_AEOI) != 0;
        chip->fully_nested_special = (value & ICW4_SFNM) != 0;
        chip->step = PIC_STEP_READY;
        break;
    }
}

/* A read after OCW3 with P is an acknowledge of this chip alone. */
static uint8_t chip_read(struct pic_chip *chip, bool master, bool odd)
{
    if (chip->poll) {
        chip->poll = 0;
        bool pending = chip_pending(chip, master) != NO_INPUT;
        return pending ? (uint8_t)(POLL_INTERRUPT | chip_acknowledge(chip, master)) : 0;
    }
    if (odd)
        return chip->imr;
    return chip->read_isr ? chip->isr : chip_requests(chip);
}

static void pic_write_elcr(struct pic *pic, unsigned index, uint8_t value)
{
    struct pic_chip *chip = &pic->chip[index];
    chip->elcr = value & elcr_writable[index];
}

static void pic_io(void *state, struct io *io)
{
    struct pic *pic = state;
    bool changes = io->write || pic->chip[io->region == REGION_SLAVE].poll;
    if (io->region == REGION_ELCR) {
        if (io->write)
            pic_write_elcr(pic, io->offset & 1, (uint8_t)io->value);
        else
            io->value = pic->chip[io->offset & 1].elcr;
    } else {
        struct pic_chip *chip = &pic->chip[io->region == REGION_SLAVE];
        if (!io->write)
            io->value = chip_read(chip, io->region == REGION_MASTER, io->offset & 1);
        else if (io->offset & 1)
            chip_write_odd(chip, (uint8_t)io->value);
        else
            chip_write_even(chip, (uint8_t)io->value);
    }
    if (changes)
        pic_update(pic);
}

static void pic_reset(void *state, const struct device_slot *slot)
{
    struct pic *pic = state;
    (void)slot;
    for (unsigned i = 0; i < 2; i++) {
        pic->chip[i].lowest = 7;
        pic->chip[i].imr = 0xff; /* no interrupt before a guest has set the pair up */
    }
    effect_intr(false);
}

static const char *pic_check(const void *state)
{
    const struct pic *pic = state;
    for (unsigned i = 0; i < 2; i++) {
        const struct pic_chip *chip = &pic->chip[i];
        if (chip->lowest > 7)
            return "priority";
        if (chip->step > PIC_STEP_ICW4)
            return "initialisation step";
        if (chip->elcr & ~elcr_writable[i])
            return "trigger mode";
    }
    return NULL;
}

static void pic_inspect(const void *state, struct inspector *inspector)
{
    static const char *const names[2][5] = {
        {"master irr", "master imr", "master isr", "master vector", "elcr1"},
        {"slave irr", "slave imr", "slave isr", "slave vector", "elcr2"}};
    const struct pic *pic = state;
    for (unsigned i = 0; i < 2; i++) {
        const struct pic_chip *chip = &pic->chip[i];
        inspector->field(inspector, names[i][0], chip_requests(chip));
        inspector->field(inspector, names[i][1], chip->imr);
        inspector->field(inspector, names[i][2], chip->isr);
        inspector->field(inspector, names[i][3], chip->vector);
        inspector->field(inspector, names[i][4], chip->elcr);
    }
    inspector->field(inspector, "intr", pic->intr);
}

const struct device pic_device = {
    .name = "8259 pair",
    .state_size = sizeof(struct pic),
    .region_count = 3,
    .region = {[REGION_MASTER] = {.base = 0x20, .length = 2, .space = IO_PORT, .widths = WIDTH_1},
               [REGION_SLAVE] = {.base = 0xa0, .length = 2, .space = IO_PORT, .widths = WIDTH_1},
               [REGION_ELCR] = {.base = 0x4d0, .length = 2, .space = IO_PORT, .widths = WIDTH_1}},
    .reset = pic_reset,
    .io = pic_io,
    .check = pic_check,
    .inspect = pic_inspect,
    .missed_ticks = TICKS_NONE,
    .deadline = device_no_deadline,
    .tick = device_no_tick,
};
