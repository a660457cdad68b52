/*
 * The machine's own keyboard and mouse, which are the focused guest's, as the display is. The monitor opens
 * ports 0x60 and 0x64 to this process in the I/O permission bitmap and turns interrupts 1 and 12 into
 * EVENT_INPUT. Ctrl-Alt-PageDown gives the focus to the next guest.
 *
 * Documents: IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller";
 * Microsoft, "Scan Code Specification" (set 1, to which the controller translates) and "IntelliMouse" for the
 * wheel. Missing: the LEDs that a guest sets, a keyboard or mouse plugged in later, all that is on USB where
 * the firmware does not make it look like PS/2.
 */
#include "ports.h"
#include "service.h"
#include "string.h"

enum { PORT_DATA = 0x60, PORT_COMMAND = 0x64, NO_CONTROLLER = 0xff };
enum { STATUS_OUTPUT = 1 << 0, STATUS_INPUT = 1 << 1, STATUS_AUX = 1 << 5 };
enum {
    CONTROLLER_READ_MODE = 0x20,
    CONTROLLER_WRITE_MODE = 0x60,
    CONTROLLER_AUX_OFF = 0xa7,
    CONTROLLER_AUX_ON = 0xa8,
    CONTROLLER_OFF = 0xad,
    CONTROLLER_ON = 0xae,
    CONTROLLER_TO_AUX = 0xd4
};
enum { MODE_INTERRUPT = 1 << 0, MODE_AUX_INTERRUPT = 1 << 1, MODE_OFF = 3 << 4, MODE_TRANSLATE = 1 << 6 };
enum { DEVICE_ID = 0xf2, DEVICE_RATE = 0xf3, DEVICE_ENABLE = 0xf4, DEVICE_DEFAULTS = 0xf6, ACK = 0xfa };
enum { ID_WHEEL = 3, ANSWER_MS = 30, BYTES_MAX = 32, RETRY_MS = 20 };
enum { CODE_EXTENDED = 0xe0, CODE_PAUSE = 0xe1, CODE_UP = 0x80, PAUSE_BYTES = 5 };
enum {
    KEY_CTRL = 0x1d,
    KEY_SHIFT = 0x2a,
    KEY_SHIFT_RIGHT = 0x36,
    KEY_ALT = 0x38,
    KEY_PAGE_DOWN = 0x51,
    KEYS = 256
};
enum {
    MOTION_BUTTONS = 7,
    MOTION_ALWAYS = 1 << 3,
    MOTION_LEFT = 1 << 4,
    MOTION_DOWN = 1 << 5,
    MOTION_OVERFLOW = 3 << 6
};

static struct {
    bool present, wheel;
    uint8_t prefix, skip; /* 0xe0 or 0; bytes of the Pause key that are still to come */
    uint8_t packet[4], packet_count, buttons;
    uint32_t guest;                  /* to whom keys and buttons were given */
    uint8_t held[KEYS], given[KEYS]; /* keys that are down here, and at that guest */
    uint8_t buttons_given;
} input;

/* Until the status has the bit or, with `value` 0, has it no more. */
static bool wait_for(uint8_t bit, uint8_t value)
{
    uint64_t end = service_ms() + ANSWER_MS;
    while ((port_read(PORT_COMMAND) & bit) != value)
        if (service_ms() > end)
            return false;
    return true;
}

static void command(uint8_t value)
{
    if (wait_for(STATUS_INPUT, 0))
        port_write(PORT_COMMAND, value);
}

static void data(uint8_t value)
{
    if (wait_for(STATUS_INPUT, 0))
        port_write(PORT_DATA, value);
}

static int answer(void)
{
    return wait_for(STATUS_OUTPUT, STATUS_OUTPUT) ? port_read(PORT_DATA) : -1;
}

static bool mouse_command(uint8_t value)
{
    command(CONTROLLER_TO_AUX);
    data(value);
    return answer() == ACK;
}

/* Three rates in a row ask for the wheel. */
static bool mouse_start(void)
{
    static const uint8_t rates[] = {200, 100, 80};

    if (!mouse_command(DEVICE_DEFAULTS))
        return false;
    for (unsigned i = 0; i < sizeof rates; i++)
        if (!mouse_command(DEVICE_RATE) || !mouse_command(rates[i]))
            return false;
    input.wheel = mouse_command(DEVICE_ID) && answer() == ID_WHEEL;
    return mouse_command(DEVICE_ENABLE);
}

void host_input_start(void)
{
    if (port_read(PORT_COMMAND) == NO_CONTROLLER)
        return;
    command(CONTROLLER_OFF);
    command(CONTROLLER_AUX_OFF);
    for (unsigned i = 0; i < BYTES_MAX && port_read(PORT_COMMAND) & STATUS_OUTPUT; i++)
        port_read(PORT_DATA);
    command(CONTROLLER_READ_MODE);
    int mode = answer();
    if (mode < 0)
        return;
    data(DEVICE_DEFAULTS);
    input.present = answer() == ACK;
    data(DEVICE_ENABLE);
    answer();
    bool mouse = mouse_start();
    command(CONTROLLER_WRITE_MODE);
    data((uint8_t)((mode & ~(MODE_OFF | MODE_AUX_INTERRUPT)) | MODE_INTERRUPT | MODE_TRANSLATE |
                   (mouse ? MODE_AUX_INTERRUPT : 0)));
    command(CONTROLLER_ON);
    command(mouse ? CONTROLLER_AUX_ON : CONTROLLER_AUX_OFF);
    input.present |= mouse;
}

static bool give_key(uint8_t key, bool down)
{
    const struct input_event event = {.kind = down ? INPUT_KEY_DOWN : INPUT_KEY_UP, .key = key};
    if (!input_give(input.guest, &event))
        return false;
    input.given[key] = down;
    return true;
}

static bool give_buttons(uint8_t buttons, bool down)
{
    const struct input_event event = {.kind = down ? INPUT_BUTTON_DOWN : INPUT_BUTTON_UP, .buttons = buttons};
    if (!buttons || !input_give(input.guest, &event))
        return !buttons;
    input.buttons_given = (uint8_t)(down ? input.buttons_given | buttons : input.buttons_given & ~buttons);
    return true;
}

/* What is up here, or belongs to a guest that has the focus no more, comes up there too: at once, or when
 * there is room for it. */
static bool release(bool all)
{
    bool done = give_buttons(input.buttons_given & (all ? MOTION_BUTTONS : (uint8_t)~input.buttons), false);
    for (unsigned key = 0; key < KEYS; key++)
        if (input.given[key] && (all || !input.held[key]))
            done &= give_key((uint8_t)key, false);
    return done;
}

static bool is_held(uint8_t key)
{
    return input.held[key] || input.held[key | INPUT_KEY_EXTENDED];
}

static void take_key(uint8_t key, bool down)
{
    bool repeated = input.held[key];

    input.held[key] = down;
    if (!down)
        return;
    if ((key & ~INPUT_KEY_EXTENDED) != KEY_PAGE_DOWN || !is_held(KEY_CTRL) || !is_held(KEY_ALT))
        give_key(key, true); /* lost if the guest does not read */
    else if (!repeated)
        console_focus_next();
}

/* Scan code set 1. An extended key may come with a Shift of its own, which is not one. */
static void take_code(uint8_t code)
{
    uint8_t key = code & ~CODE_UP, extended = input.prefix ? INPUT_KEY_EXTENDED : 0;

    if (input.skip > 0) {
        if (--input.skip == 0)
            give_key(INPUT_KEY_PAUSE, true); /* it has no code for going up */
    } else if (code == CODE_PAUSE) {
        input.skip = PAUSE_BYTES;
    } else if (code == CODE_EXTENDED) {
        input.prefix = code;
        return;
    } else if (key != 0 && !(extended && (key == KEY_SHIFT || key == KEY_SHIFT_RIGHT))) {
        take_key(key | extended, !(code & CODE_UP));
    }
    input.prefix = 0;
}

static void take_motion(uint8_t byte)
{
    if (input.packet_count == 0 && !(byte & MOTION_ALWAYS))
        return; /* not a packet's first byte */
    input.packet[input.packet_count++] = byte;
    if (input.packet_count < (input.wheel ? 4 : 3))
        return;
    input.packet_count = 0;
    const uint8_t *packet = input.packet;
    struct input_event event = {.kind = INPUT_MOUSE,
                                .right = (int16_t)(packet[1] - (packet[0] & MOTION_LEFT ? 256 : 0)),
                                .down = (int16_t)((packet[0] & MOTION_DOWN ? 256 : 0) - packet[2]),
                                .wheel = input.wheel ? (int8_t)packet[3] : 0};
    if (packet[0] & MOTION_OVERFLOW)
        event.right = event.down = 0;
    input.buttons = packet[0] & MOTION_BUTTONS;
    if (event.right || event.down || event.wheel)
        input_give(input.guest, &event);
    give_buttons(input.buttons & ~input.buttons_given, true);
}

bool host_input_run(void)
{
    bool taken = false;

    if (!input.present || service.guest_count == 0)
        return false;
    for (unsigned i = 0; i < BYTES_MAX; i++) {
        if (input.guest != console_focus() && (release(true) || service.guest[input.guest].ended)) {
            memset(input.given, 0, sizeof input.given);
            input.buttons_given = 0;
            input.guest = console_focus();
        }
        uint8_t status = port_read(PORT_COMMAND);
        if (!(status & STATUS_OUTPUT))
            break;
        uint8_t byte = port_read(PORT_DATA);
        if (status & STATUS_AUX)
            take_motion(byte);
        else
            take_code(byte);
        release(false); /* before what the next byte brings */
        taken = true;
    }
    if (!release(input.guest != console_focus()))
        service_wake_after(RETRY_MS);
    return taken;
}
