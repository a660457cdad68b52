/*
 * The keyboard controller 8042 with a keyboard at its first port and nothing at the second.
 *
 * Document: IBM PS/2 hardware interface technical reference, keyboard and auxiliary device controller (1990).
 * State: struct i8042. Answers are there at once: nobody has to poll for them.
 *
 * Missing: keys (nobody types on this keyboard), the second port's device, translation of scan codes, parity
 * and time-out errors, masking of A20 (port 0x92 says the same).
 * Ignored bits: of the output port all but reset; the keyboard's typematic rate; keyboard lock and inhibit.
 */
#include "i8042.h"
#include "effects.h"

enum { REGION_DATA, REGION_COMMAND };
enum { STATUS_OUTPUT_FULL = 1, STATUS_SYSTEM = 4, STATUS_COMMAND = 8, STATUS_UNLOCKED = 0x10 };

enum controller_command {
    COMMAND_READ_RAM = 0x20,  /* to 0x3f */
    COMMAND_WRITE_RAM = 0x60, /* to 0x7f */
    COMMAND_DISABLE_AUX = 0xa7,
    COMMAND_ENABLE_AUX = 0xa8,
    COMMAND_TEST_AUX = 0xa9,
    COMMAND_SELF_TEST = 0xaa,
    COMMAND_TEST_KEYBOARD = 0xab,
    COMMAND_DISABLE_KEYBOARD = 0xad,
    COMMAND_ENABLE_KEYBOARD = 0xae,
    COMMAND_READ_INPUT_PORT = 0xc0,
    COMMAND_READ_OUTPUT_PORT = 0xd0,
    COMMAND_WRITE_OUTPUT_PORT = 0xd1,
    COMMAND_WRITE_KEYBOARD_OUTPUT = 0xd2,
    COMMAND_WRITE_AUX_OUTPUT = 0xd3,
    COMMAND_WRITE_AUX = 0xd4,
    COMMAND_PULSE = 0xf0, /* to 0xff: output port bits 0-3 that are 0 here go low */
};
enum { SELF_TEST_PASSED = 0x55, TEST_PASSED = 0, TEST_CLOCK_STUCK_LOW = 1, INPUT_PORT_VALUE = 0x80 };
enum {
    BYTE_INTERRUPT = 1,
    BYTE_SYSTEM = 4,
    BYTE_DISABLE_KEYBOARD = 0x10,
    BYTE_DISABLE_AUX = 0x20,
    BYTE_RESET = 0x71
};
enum { OUTPUT_RUN = 1, OUTPUT_A20 = 2, OUTPUT_RESET_VALUE = 0xcf };

enum keyboard_command {
    KEYBOARD_LEDS = 0xed,
    KEYBOARD_ECHO = 0xee,
    KEYBOARD_SCAN_SET = 0xf0,
    KEYBOARD_IDENTIFY = 0xf2,
    KEYBOARD_RATE = 0xf3,
    KEYBOARD_ENABLE = 0xf4,
    KEYBOARD_DISABLE = 0xf5,
    KEYBOARD_DEFAULTS = 0xf6,
    KEYBOARD_RESEND = 0xfe,
    KEYBOARD_RESET = 0xff,
};
enum {
    KEYBOARD_ACK = 0xfa,
    KEYBOARD_NAK = 0xfe,
    KEYBOARD_TEST_PASSED = 0xaa,
    KEYBOARD_ID_1 = 0xab,
    KEYBOARD_ID_2 = 0x83
};
enum { DEFAULT_SCAN_SET = 2, KEYBOARD_IRQ = 1 };

static bool keyboard_disabled(const struct i8042 *i8042)
{
    return i8042->ram[0] & BYTE_DISABLE_KEYBOARD;
}

static void i8042_update(struct i8042 *i8042)
{
    bool level = i8042->queue_count && i8042->ram[0] & BYTE_INTERRUPT;
    if (level != i8042->irq) {
        i8042->irq = level;
        effect_irq(KEYBOARD_IRQ, IRQ_ISA, level);
    }
}

/* A byte for port 0x60; lost when nobody has read the last sixteen, as in a keyboard's own buffer. */
static void i8042_answer(struct i8042 *i8042, uint8_t byte)
{
    if (i8042->queue_count == I8042_QUEUE)
        return;
    i8042->queue[(i8042->queue_next + i8042->queue_count++) % I8042_QUEUE] = byte;
}

/* The controller's own answer takes the place of what the keyboard has sent and nobody has read. */
static void i8042_answer_alone(struct i8042 *i8042, uint8_t byte)
{
    i8042->queue_count = 0;
    i8042_answer(i8042, byte);
}

static void i8042_write_output_port(struct i8042 *i8042, uint8_t value)
{
    i8042->output_port = value;
    if (!(value & OUTPUT_RUN))
        effect_guest_end(GUEST_END_RESET);
}

static void keyboard_defaults(struct i8042 *i8042)
{
    i8042->scan_set = DEFAULT_SCAN_SET;
    i8042->leds = 0;
    i8042->keyboard_pending = 0;
}

/* The byte that follows a command of two bytes. */
static void keyboard_take_argument(struct i8042 *i8042, uint8_t value)
{
    uint8_t command = i8042->keyboard_pending;
    i8042->keyboard_pending = 0;
    i8042_answer(i8042, KEYBOARD_ACK);
    if (command == KEYBOARD_LEDS)
        i8042->leds = value & 7;
    else if (command == KEYBOARD_SCAN_SET && value == 0)
        i8042_answer(i8042, i8042->scan_set);
    else if (command == KEYBOARD_SCAN_SET && value <= 3)
        i8042->scan_set = value;
}

static void keyboard_take_command(struct i8042 *i8042, uint8_t value)
{
    if (value == KEYBOARD_ECHO) {
        i8042_answer(i8042, KEYBOARD_ECHO);
        return;
    }
    if (value < KEYBOARD_LEDS || value == KEYBOARD_RESEND ||
        (value > KEYBOARD_ECHO && value < KEYBOARD_SCAN_SET)) {
        i8042_answer(i8042, KEYBOARD_NAK);
        return;
    }
    i8042_answer(i8042, KEYBOARD_ACK);
    switch (value) {
    case KEYBOARD_LEDS:
    case KEYBOARD_SCAN_SET:
    case KEYBOARD_RATE:
        i8042->keyboard_pending = value;
        break;
    case KEYBOARD_IDENTIFY:
        i8042_answer(i8042, KEYBOARD_ID_1);
        i8042_answer(i8042, KEYBOARD_ID_2);
        break;
    case KEYBOARD_ENABLE:
        i8042->scanning = 1;
        break;
    case KEYBOARD_DISABLE:
        i8042->scanning = 0;
        keyboard_defaults(i8042);
        break;
    case KEYBOARD_DEFAULTS:
        keyboard_defaults(i8042);
        break;
    case KEYBOARD_RESET:
        i8042->scanning = 1;
        keyboard_defaults(i8042);
        i8042_answer(i8042, KEYBOARD_TEST_PASSED);
        break;
    default: /* key types of scan set 3: accepted, there are no keys */
        break;
    }
}

/* Port 0x60: the second byte of a controller command, or a byte for the keyboard, which ends its inhibition.
 */
static void i8042_write_data(struct i8042 *i8042, uint8_t value)
{
    uint8_t command = i8042->pending;
    i8042->pending = 0;
    i8042->last_was_command = 0;
    if (command >= COMMAND_WRITE_RAM && command < COMMAND_WRITE_RAM + I8042_RAM) {
        i8042->ram[command - COMMAND_WRITE_RAM] = value;
    } else if (command == COMMAND_WRITE_OUTPUT_PORT) {
        i8042_write_output_port(i8042, value);
    } else if (command == COMMAND_WRITE_KEYBOARD_OUTPUT || command == COMMAND_WRITE_AUX_OUTPUT) {
        /* Without a second port the controller has no second kind of output. */
        i8042_answer(i8042, value);
    } else if (command == 0) {
        i8042->ram[0] &= (uint8_t)~BYTE_DISABLE_KEYBOARD;
        if (i8042->keyboard_pending && value < KEYBOARD_LEDS)
            keyboard_take_argument(i8042, value);
        else
            keyboard_take_command(i8042, value);
    }
}

static void i8042_command(struct i8042 *i8042, uint8_t value)
{
    i8042->pending = 0;
    i8042->last_was_command = 1;
    if (value >= COMMAND_READ_RAM && value < COMMAND_READ_RAM + I8042_RAM) {
        i8042_answer_alone(i8042, i8042->ram[value - COMMAND_READ_RAM]);
        return;
    }
    if ((value >= COMMAND_WRITE_RAM && value < COMMAND_WRITE_RAM + I8042_RAM) ||
        (value >= COMMAND_WRITE_OUTPUT_PORT && value <= COMMAND_WRITE_AUX)) {
        i8042->pending = value;
        return;
    }
    if (value >= COMMAND_PULSE) {
        if (!(value & OUTPUT_RUN))
            effect_guest_end(GUEST_END_RESET);
        return;
    }
    switch (value) {
    case COMMAND_DISABLE_AUX:
        i8042->ram[0] |= BYTE_DISABLE_AUX;
        break;
    case COMMAND_ENABLE_AUX:
        i8042->ram[0] &= (uint8_t)~BYTE_DISABLE_AUX;
        break;
    case COMMAND_TEST_AUX:
        i8042_answer_alone(i8042, TEST_CLOCK_STUCK_LOW);
        break;
    case COMMAND_SELF_TEST:
        i8042->ram[0] |= BYTE_SYSTEM;
        i8042_answer_alone(i8042, SELF_TEST_PASSED);
        break;
    case COMMAND_TEST_KEYBOARD:
        i8042_answer_alone(i8042, TEST_PASSED);
        break;
    case COMMAND_DISABLE_KEYBOARD:
        i8042->ram[0] |= BYTE_DISABLE_KEYBOARD;
        break;
    case COMMAND_ENABLE_KEYBOARD:
        i8042->ram[0] &= (uint8_t)~BYTE_DISABLE_KEYBOARD;
        break;
    case COMMAND_READ_INPUT_PORT:
        i8042_answer_alone(i8042, INPUT_PORT_VALUE);
        break;
    case COMMAND_READ_OUTPUT_PORT:
        i8042_answer_alone(i8042, i8042->output_port);
        break;
    default:
        effect_need(NEED_IGNORED, 0x64);
    }
}

static uint8_t i8042_read_data(struct i8042 *i8042)
{
    uint8_t byte = i8042->queue[i8042->queue_next]; /* the last one again when there is none */
    if (i8042->queue_count) {
        i8042->queue_count--;
        if (i8042->queue_count)
            i8042->queue_next = (i8042->queue_next + 1) % I8042_QUEUE;
        /* Each byte makes an interrupt of its own. */
        if (i8042->irq) {
            i8042->irq = 0;
            effect_irq(KEYBOARD_IRQ, IRQ_ISA, false);
        }
    }
    return byte;
}

static uint8_t i8042_status(const struct i8042 *i8042)
{
    return (uint8_t)(STATUS_UNLOCKED | (i8042->queue_count ? STATUS_OUTPUT_FULL : 0) |
                     (i8042->ram[0] & BYTE_SYSTEM ? STATUS_SYSTEM : 0) |
                     (i8042->last_was_command ? STATUS_COMMAND : 0));
}

static void i8042_io(void *state, struct io *io)
{
    struct i8042 *i8042 = state;
    if (io->region == REGION_DATA && io->write)
        i8042_write_data(i8042, (uint8_t)io->value);
    else if (io->region == REGION_DATA)
        io->value = i8042_read_data(i8042);
    else if (io->write)
        i8042_command(i8042, (uint8_t)io->value);
    else
        io->value = i8042_status(i8042);
    i8042_update(i8042);
}

static void i8042_reset(void *state, const struct device_slot *slot)
{
    struct i8042 *i8042 = state;
    (void)slot;
    i8042->ram[0] = BYTE_RESET | BYTE_SYSTEM; /* as firmware leaves it after its self-test */
    i8042->output_port = OUTPUT_RESET_VALUE | OUTPUT_A20;
    i8042->scanning = 1;
    keyboard_defaults(i8042);
}

static const char *i8042_check(const void *state)
{
    const struct i8042 *i8042 = state;
    if (i8042->queue_next >= I8042_QUEUE || i8042->queue_count > I8042_QUEUE)
        return "queue";
    return i8042->scan_set < 1 || i8042->scan_set > 3 ? "scan code set" : NULL;
}

static void i8042_inspect(const void *state, struct inspector *inspector)
{
    const struct i8042 *i8042 = state;
    inspector->field(inspector, "status", i8042_status(i8042));
    inspector->field(inspector, "command byte", i8042->ram[0]);
    inspector->field(inspector, "output port", i8042->output_port);
    inspector->field(inspector, "queued", i8042->queue_count);
    inspector->field(inspector, "keyboard off", keyboard_disabled(i8042));
    inspector->field(inspector, "leds", i8042->leds);
}

const struct device i8042_device = {
    .name = "8042",
    .state_size = sizeof(struct i8042),
    .region_count = 2,
    .region = {[REGION_DATA] = {.base = 0x60, .length = 1, .space = IO_PORT, .widths = WIDTH_1},
               [REGION_COMMAND] = {.base = 0x64, .length = 1, .space = IO_PORT, .widths = WIDTH_1}},
    .reset = i8042_reset,
    .io = i8042_io,
    .check = i8042_check,
    .inspect = i8042_inspect,
    .missed_ticks = TICKS_NONE,
    .deadline = device_no_deadline,
    .tick = device_no_tick,
};
