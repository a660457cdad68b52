/*
 * The keyboard controller 8042 with a keyboard at its first port and a mouse at the second.
 *
 * Document: IBM PS/2 hardware interface technical reference, keyboard and auxiliary device controller (1990).
 * State: struct i8042, with the keyboard's and the mouse's. Answers are there at once: nobody has to poll for
 * them. Of the two ports the keyboard comes first.
 *
 * Missing: parity and time-out errors.
 * Ignored bits: of the output port all but reset and A20; keyboard lock and inhibit.
 */
#include "i8042.h"
#include "effects.h"

enum { REGION_DATA, REGION_COMMAND };
enum {
    STATUS_OUTPUT_FULL = 1,
    STATUS_SYSTEM = 4,
    STATUS_COMMAND = 8,
    STATUS_UNLOCKED = 0x10,
    STATUS_FROM_AUX = 0x20
};

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
    COMMAND_A20_OFF = 0xdd,
    COMMAND_A20_ON = 0xdf,
    COMMAND_PULSE = 0xf0, /* to 0xff: output port bits 0-3 that are 0 here go low */
};
enum { SELF_TEST_PASSED = 0x55, TEST_PASSED = 0, INPUT_PORT_VALUE = 0x80 };
enum {
    BYTE_INTERRUPT = 1,
    BYTE_AUX_INTERRUPT = 2,
    BYTE_SYSTEM = 4,
    BYTE_DISABLE_KEYBOARD = 0x10,
    BYTE_DISABLE_AUX = 0x20,
    BYTE_TRANSLATE = 0x40,
    BYTE_RESET = 0x71
};
enum {
    OUTPUT_RUN = 1,
    OUTPUT_A20 = 2,
    OUTPUT_FULL = 0x10,
    OUTPUT_AUX_FULL = 0x20,
    OUTPUT_RESET_VALUE = 0xcf
};
enum { KEYBOARD_IRQ = 1, AUX_IRQ = 12 };
enum { BREAK_SET_2 = 0xf0, BREAK_SET_1 = 0x80 };

static void set_irq(uint8_t *line, unsigned irq, bool level)
{
    if (level != *line) {
        *line = level;
        effect_irq(irq, IRQ_ISA, level);
    }
}

static void set_output(struct i8042 *i8042, uint8_t byte, bool from_aux)
{
    i8042->output = byte;
    i8042->full = 1;
    i8042->from_aux = from_aux;
}

/* The next byte of the keyboard as the controller hands it on; -1: none. */
static int keyboard_byte(struct i8042 *i8042)
{
    int byte = ps2_keyboard_read(&i8042->keyboard);
    if (byte == BREAK_SET_2 && i8042->ram[0] & BYTE_TRANSLATE) {
        i8042->breaking = 1;
        byte = ps2_keyboard_read(&i8042->keyboard);
    }
    if (byte < 0 || !(i8042->ram[0] & BYTE_TRANSLATE))
        return byte;
    uint8_t code = ps2_translate((uint8_t)byte);
    if (i8042->breaking)
        code |= BREAK_SET_1;
    i8042->breaking = 0;
    return code;
}

/* Keys wait for room, buttons until the guest has been told of the last change. A mouse port that is off
 * does not hold up the keyboard. */
static bool must_wait(const struct i8042 *i8042, uint32_t kind)
{
    if (kind == INPUT_KEY_DOWN || kind == INPUT_KEY_UP)
        return !ps2_keyboard_has_room(&i8042->keyboard);
    return (kind == INPUT_BUTTON_DOWN || kind == INPUT_BUTTON_UP) && !(i8042->ram[0] & BYTE_DISABLE_AUX) &&
           ps2_mouse_has_buttons_to_tell(&i8042->mouse);
}

static bool take_event(struct i8042 *i8042)
{
    if (!i8042->event_waits && !effect_input(&i8042->event))
        return false;
    const struct input_event *event = &i8042->event;
    i8042->event_waits = must_wait(i8042, event->kind);
    if (i8042->event_waits)
        return false;
    switch (event->kind) {
    case INPUT_KEY_DOWN:
    case INPUT_KEY_UP:
        ps2_keyboard_press(&i8042->keyboard, event->key, event->kind == INPUT_KEY_DOWN);
        break;
    case INPUT_MOUSE:
        ps2_mouse_move(&i8042->mouse, event->right, event->down, event->wheel);
        break;
    case INPUT_BUTTON_DOWN:
    case INPUT_BUTTON_UP:
        ps2_mouse_press(&i8042->mouse, event->buttons, event->kind == INPUT_BUTTON_DOWN);
        break;
    default: /* the service knows what is none, and lets none through */
        break;
    }
    return true;
}

/* Fills the output buffer, if it is empty, and brings the interrupt lines up to date. */
static void i8042_update(struct i8042 *i8042)
{
    for (unsigned i = 0; i < CHANNEL_EVENTS && take_event(i8042); i++)
        ;
    int byte = -1;
    if (!i8042->full && !(i8042->ram[0] & BYTE_DISABLE_KEYBOARD) && (byte = keyboard_byte(i8042)) >= 0)
        set_output(i8042, (uint8_t)byte, false);
    if (!i8042->full && !(i8042->ram[0] & BYTE_DISABLE_AUX) && (byte = ps2_mouse_read(&i8042->mouse)) >= 0)
        set_output(i8042, (uint8_t)byte, true);
    set_irq(&i8042->irq, KEYBOARD_IRQ, i8042->full && !i8042->from_aux && i8042->ram[0] & BYTE_INTERRUPT);
    set_irq(&i8042->aux_irq, AUX_IRQ, i8042->full && i8042->from_aux && i8042->ram[0] & BYTE_AUX_INTERRUPT);
}

void i8042_receive(struct i8042 *i8042)
{
    i8042_update(i8042);
}

static void i8042_write_output_port(struct i8042 *i8042, uint8_t value)
{
    i8042->output_port = value;
    effect_a20(value & OUTPUT_A20);
    if (!(value & OUTPUT_RUN))
        effect_processor_reset();
}

static uint8_t i8042_output_port(const struct i8042 *i8042)
{
    return (uint8_t)((i8042->output_port & ~(OUTPUT_FULL | OUTPUT_AUX_FULL)) |
                     (i8042->full && !i8042->from_aux ? OUTPUT_FULL : 0) |
                     (i8042->full && i8042->from_aux ? OUTPUT_AUX_FULL : 0));
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
        set_output(i8042, value, command == COMMAND_WRITE_AUX_OUTPUT);
    } else if (command == COMMAND_WRITE_AUX) {
        i8042->ram[0] &= (uint8_t)~BYTE_DISABLE_AUX;
        ps2_mouse_write(&i8042->mouse, value);
    } else if (command == 0) {
        i8042->ram[0] &= (uint8_t)~BYTE_DISABLE_KEYBOARD;
        ps2_keyboard_write(&i8042->keyboard, value);
    }
}

/* Commands that change a bit, or have an answer; the answer takes the place of what nobody has read. */
static void i8042_command(struct i8042 *i8042, uint8_t value)
{
    i8042->pending = 0;
    i8042->last_was_command = 1;
    if (value >= COMMAND_READ_RAM && value < COMMAND_READ_RAM + I8042_RAM) {
        set_output(i8042, i8042->ram[value - COMMAND_READ_RAM], false);
        return;
    }
    if ((value >= COMMAND_WRITE_RAM && value < COMMAND_WRITE_RAM + I8042_RAM) ||
        (value >= COMMAND_WRITE_OUTPUT_PORT && value <= COMMAND_WRITE_AUX)) {
        i8042->pending = value;
        return;
    }
    if (value >= COMMAND_PULSE) {
        if (!(value & OUTPUT_RUN))
            effect_processor_reset();
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
    case COMMAND_TEST_KEYBOARD:
        set_output(i8042, TEST_PASSED, false);
        break;
    case COMMAND_SELF_TEST:
        i8042->ram[0] |= BYTE_SYSTEM;
        set_output(i8042, SELF_TEST_PASSED, false);
        break;
    case COMMAND_DISABLE_KEYBOARD:
        i8042->ram[0] |= BYTE_DISABLE_KEYBOARD;
        break;
    case COMMAND_ENABLE_KEYBOARD:
        i8042->ram[0] &= (uint8_t)~BYTE_DISABLE_KEYBOARD;
        break;
    case COMMAND_READ_INPUT_PORT:
        set_output(i8042, INPUT_PORT_VALUE, false);
        break;
    case COMMAND_READ_OUTPUT_PORT:
        set_output(i8042, i8042_output_port(i8042), false);
        break;
    case COMMAND_A20_OFF:
        i8042->output_port &= (uint8_t)~OUTPUT_A20;
        effect_a20(false);
        break;
    case COMMAND_A20_ON:
        i8042->output_port |= OUTPUT_A20;
        effect_a20(true);
        break;
    default:
        effect_need(NEED_IGNORED, 0x64);
    }
}

/* The last byte again when there is none. Each byte makes an interrupt of its own. */
static uint8_t i8042_read_data(struct i8042 *i8042)
{
    i8042->full = 0;
    set_irq(&i8042->irq, KEYBOARD_IRQ, false);
    set_irq(&i8042->aux_irq, AUX_IRQ, false);
    return i8042->output;
}

static uint8_t i8042_status(const struct i8042 *i8042)
{
    return (uint8_t)(STATUS_UNLOCKED | (i8042->full ? STATUS_OUTPUT_FULL : 0) |
                     (i8042->full && i8042->from_aux ? STATUS_FROM_AUX : 0) |
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
    ps2_keyboard_reset(&i8042->keyboard);
    ps2_mouse_reset(&i8042->mouse);
}

static const char *i8042_check(const void *state)
{
    const struct i8042 *i8042 = state;
    const char *broken = ps2_keyboard_check(&i8042->keyboard);
    return broken ? broken : ps2_mouse_check(&i8042->mouse);
}

static void i8042_inspect(const void *state, struct inspector *inspector)
{
    const struct i8042 *i8042 = state;
    inspector->field(inspector, "status", i8042_status(i8042));
    inspector->field(inspector, "command byte", i8042->ram[0]);
    inspector->field(inspector, "output port", i8042_output_port(i8042));
    inspector->field(inspector, "keys queued", i8042->keyboard.queue_count);
    inspector->field(inspector, "leds", i8042->keyboard.leds);
    inspector->field(inspector, "mouse on", i8042->mouse.enabled);
    inspector->field(inspector, "mouse id", i8042->mouse.id);
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
