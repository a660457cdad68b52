/*
 * A PS/2 keyboard: commands, and keys in scan code sets 1 and 2.
 *
 * Document: IBM PS/2 hardware interface technical reference, keyboard (101- and 102-key), 1990.
 * State: struct ps2_keyboard. A key is named by its code of set 1 (channel.h); its bytes lie in the queue in
 * the set that is in force when it is pressed.
 *
 * Missing: scan code set 3 (it can be set and asked for; keys then have their codes of set 2), typematic
 * repetition: whoever presses keys repeats them.
 * Ignored bits: the typematic rate; the commands of set 3 that make keys typematic or not.
 */
#include "ps2_keyboard.h"
#include "channel.h"
#include "string.h"

enum keyboard_command {
    COMMAND_LEDS = 0xed,
    COMMAND_ECHO = 0xee,
    COMMAND_SCAN_SET = 0xf0,
    COMMAND_IDENTIFY = 0xf2,
    COMMAND_RATE = 0xf3,
    COMMAND_ENABLE = 0xf4,
    COMMAND_DISABLE = 0xf5,
    COMMAND_DEFAULTS = 0xf6,
    COMMAND_KEY_TYPE = 0xfb, /* to 0xfd: of the keys that follow, up to the next command */
    COMMAND_RESEND = 0xfe,
    COMMAND_RESET = 0xff,
};
enum { ACK = 0xfa, NAK = 0xfe, TEST_PASSED = 0xaa, ID_1 = 0xab, ID_2 = 0x83 };
enum { DEFAULT_SCAN_SET = 2, DEFAULT_RATE = 0x2b, LED_BITS = 7, RATE_BITS = 0x7f };
enum { EXTENDED = 0xe0, EXTENDED_1 = 0xe1, BREAK_SET_1 = 0x80, BREAK_SET_2 = 0xf0, OVERRUN_SET_1 = 0xff };
enum { KEY_BYTES_MAX = 8, CODE_F7 = 0x41, CODE_F7_SET_2 = 0x83, CODE_SYSRQ = 0x54, CODE_SYSRQ_SET_2 = 0x84 };

/* Codes of set 2 to those of set 1: the controller's own table. Those above 0x84 are not changed. */
static const uint8_t to_set_1[0x85] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59, /* 00 */
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b, /* 10 */
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d, /* 20 */
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f, /* 30 */
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61, /* 40 */
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76, /* 50 */
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f, /* 60 */
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54, /* 70 */
    0x80, 0x81, 0x82, 0x41, 0x54,
};

uint8_t ps2_translate(uint8_t code)
{
    return code < sizeof to_set_1 ? to_set_1[code] : code;
}

static uint8_t to_set_2(uint8_t code)
{
    if (code == CODE_F7)
        return CODE_F7_SET_2;
    if (code == CODE_SYSRQ)
        return CODE_SYSRQ_SET_2;
    for (unsigned i = 1; i < sizeof to_set_1; i++)
        if (to_set_1[i] == code)
            return (uint8_t)i;
    return 0;
}

static void keyboard_reply(struct ps2_keyboard *keyboard, uint8_t byte)
{
    if (keyboard->reply_count < PS2_REPLIES)
        keyboard->reply[keyboard->reply_count++] = byte;
}

static void keyboard_queue(struct ps2_keyboard *keyboard, uint8_t byte)
{
    unsigned at = (keyboard->queue_next + keyboard->queue_count++) % PS2_KEYBOARD_QUEUE;
    keyboard->queue[at] = byte;
}

static void keyboard_defaults(struct ps2_keyboard *keyboard)
{
    keyboard->scan_set = DEFAULT_SCAN_SET;
    keyboard->leds = 0;
    keyboard->rate = DEFAULT_RATE;
    keyboard->pending = 0;
    keyboard->queue_count = 0;
}

void ps2_keyboard_reset(struct ps2_keyboard *keyboard)
{
    memset(keyboard, 0, sizeof *keyboard);
    keyboard_defaults(keyboard);
    keyboard->scanning = 1;
}

static void take_argument(struct ps2_keyboard *keyboard, uint8_t value)
{
    uint8_t command = keyboard->pending;
    keyboard->pending = command >= COMMAND_KEY_TYPE ? command : 0;
    if (command == COMMAND_SCAN_SET && value > 3) {
        keyboard_reply(keyboard, NAK);
        return;
    }
    keyboard_reply(keyboard, ACK);
    if (command == COMMAND_LEDS)
        keyboard->leds = value & LED_BITS;
    else if (command == COMMAND_RATE)
        keyboard->rate = value & RATE_BITS;
    else if (command == COMMAND_SCAN_SET && value == 0)
        keyboard_reply(keyboard, keyboard->scan_set);
    else if (command == COMMAND_SCAN_SET)
        keyboard->scan_set = value;
}

static void take_command(struct ps2_keyboard *keyboard, uint8_t value)
{
    keyboard->pending = 0;
    keyboard->reply_count = 0;
    if (value == COMMAND_ECHO || value == COMMAND_RESEND) {
        keyboard_reply(keyboard, value == COMMAND_ECHO ? COMMAND_ECHO : keyboard->last);
        return;
    }
    if (value < COMMAND_LEDS || (value > COMMAND_ECHO && value < COMMAND_SCAN_SET) ||
        (value > COMMAND_SCAN_SET && value < COMMAND_IDENTIFY)) {
        keyboard_reply(keyboard, NAK);
        return;
    }
    keyboard_reply(keyboard, ACK);
    switch (value) {
    case COMMAND_IDENTIFY:
        keyboard_reply(keyboard, ID_1);
        keyboard_reply(keyboard, ID_2);
        break;
    case COMMAND_ENABLE:
        keyboard->scanning = 1;
        keyboard->queue_count = 0;
        break;
    case COMMAND_DISABLE:
    case COMMAND_DEFAULTS:
    case COMMAND_RESET:
        keyboard->scanning = value != COMMAND_DISABLE;
        keyboard_defaults(keyboard);
        if (value == COMMAND_RESET)
            keyboard_reply(keyboard, TEST_PASSED);
        break;
    default:
        if (value < COMMAND_ENABLE || value >= COMMAND_KEY_TYPE)
            keyboard->pending = value;
        break;
    }
}

void ps2_keyboard_write(struct ps2_keyboard *keyboard, uint8_t value)
{
    if (keyboard->pending && value < COMMAND_LEDS)
        take_argument(keyboard, value);
    else
        take_command(keyboard, value);
}

int ps2_keyboard_read(struct ps2_keyboard *keyboard)
{
    if (keyboard->reply_count) {
        keyboard->last = keyboard->reply[0];
        memmove(keyboard->reply, keyboard->reply + 1, sizeof keyboard->reply - 1);
        keyboard->reply_count--;
    } else if (keyboard->queue_count && !keyboard->pending) {
        keyboard->last = keyboard->queue[keyboard->queue_next];
        keyboard->queue_next = (keyboard->queue_next + 1) % PS2_KEYBOARD_QUEUE;
        keyboard->queue_count--;
    } else {
        return -1;
    }
    return keyboard->last;
}

bool ps2_keyboard_has_room(const struct ps2_keyboard *keyboard)
{
    return keyboard->queue_count + KEY_BYTES_MAX < PS2_KEYBOARD_QUEUE;
}

static void queue_code(struct ps2_keyboard *keyboard, uint8_t code, bool down)
{
    if (keyboard->scan_set == 1) {
        keyboard_queue(keyboard, (uint8_t)(code | (down ? 0 : BREAK_SET_1)));
        return;
    }
    if (!down)
        keyboard_queue(keyboard, BREAK_SET_2);
    keyboard_queue(keyboard, to_set_2(code));
}

/* Pause is sent whole when it goes down: Ctrl, Num Lock, and both again going up. */
static void queue_pause(struct ps2_keyboard *keyboard)
{
    enum { CODE_CTRL = 0x1d, CODE_NUM_LOCK = 0x45 };
    for (unsigned down = 2; down-- > 0;) {
        keyboard_queue(keyboard, EXTENDED_1);
        queue_code(keyboard, CODE_CTRL, down);
        queue_code(keyboard, CODE_NUM_LOCK, down);
    }
}

void ps2_keyboard_press(struct ps2_keyboard *keyboard, uint8_t key, bool down)
{
    enum { CODE_SHIFT = 0x2a, CODE_PRINT = 0x37 };
    uint8_t code = key & (INPUT_KEY_EXTENDED - 1);
    if (!keyboard->scanning || (keyboard->scan_set != 1 && to_set_2(code) == 0))
        return;
    if (!ps2_keyboard_has_room(keyboard)) {
        if (keyboard->queue_count < PS2_KEYBOARD_QUEUE)
            keyboard_queue(keyboard, keyboard->scan_set == 1 ? OVERRUN_SET_1 : 0);
        return;
    }
    if (key == INPUT_KEY_PAUSE) {
        if (down)
            queue_pause(keyboard);
        return;
    }
    if (key == INPUT_KEY_PRINT && down) {
        keyboard_queue(keyboard, EXTENDED);
        queue_code(keyboard, CODE_SHIFT, true);
    }
    if (key & INPUT_KEY_EXTENDED)
        keyboard_queue(keyboard, EXTENDED);
    queue_code(keyboard, code, down);
    if (key == INPUT_KEY_PRINT && !down) {
        keyboard_queue(keyboard, EXTENDED);
        queue_code(keyboard, CODE_SHIFT, false);
    }
}

const char *ps2_keyboard_check(const struct ps2_keyboard *keyboard)
{
    if (keyboard->queue_next >= PS2_KEYBOARD_QUEUE || keyboard->queue_count > PS2_KEYBOARD_QUEUE ||
        keyboard->reply_count > PS2_REPLIES)
        return "keyboard queue";
    return keyboard->scan_set < 1 || keyboard->scan_set > 3 ? "scan code set" : NULL;
}
