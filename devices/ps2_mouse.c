/*
 * A PS/2 mouse with a wheel.
 *
 * Documents: IBM PS/2 hardware interface technical reference, mouse (1990); Microsoft's IntelliMouse for the
 * wheel (ID 3) and the five buttons (ID 4), which rates of 200, 100, 80 and 200, 200, 80 ask for.
 * State: struct ps2_mouse. Movements add up until the controller has taken the last packet.
 *
 * Missing: the pace of the sample rate: a packet comes as soon as there is anything to tell.
 * Ignored bits: the resolution; counts are the host's.
 */
#include "ps2_mouse.h"
#include <stddef.h>
#include "channel.h"
#include "string.h"

enum mouse_command {
    COMMAND_SCALE_1 = 0xe6,
    COMMAND_SCALE_2 = 0xe7,
    COMMAND_RESOLUTION = 0xe8,
    COMMAND_STATUS = 0xe9,
    COMMAND_STREAM = 0xea,
    COMMAND_READ = 0xeb,
    COMMAND_RESET_WRAP = 0xec,
    COMMAND_WRAP = 0xee,
    COMMAND_REMOTE = 0xf0,
    COMMAND_IDENTIFY = 0xf2,
    COMMAND_RATE = 0xf3,
    COMMAND_ENABLE = 0xf4,
    COMMAND_DISABLE = 0xf5,
    COMMAND_DEFAULTS = 0xf6,
    COMMAND_RESEND = 0xfe,
    COMMAND_RESET = 0xff,
};
enum { ACK = 0xfa, NAK = 0xfe, TEST_PASSED = 0xaa };
enum { ID_WHEEL = 3, ID_FIVE_BUTTONS = 4, DEFAULT_RATE = 100, DEFAULT_RESOLUTION = 2 };
enum { STATUS_REMOTE = 0x40, STATUS_ENABLED = 0x20, STATUS_SCALE_2 = 0x10 };
enum { PACKET_ONE = 0x08, PACKET_X_SIGN = 0x10, PACKET_Y_SIGN = 0x20, PACKET_BUTTONS = 7, PACKET_MORE = 3 };
enum {
    MOTION_MIN = -256,
    MOTION_MAX = 255,
    WHEEL_MIN = -8,
    WHEEL_MAX = 7,
    WHEEL_BITS = 15,
    SUM_MAX = 1 << 20
};

static void mouse_queue(struct ps2_mouse *mouse, uint8_t byte)
{
    if (mouse->queue_count < PS2_MOUSE_QUEUE)
        mouse->queue[(mouse->queue_next + mouse->queue_count++) % PS2_MOUSE_QUEUE] = byte;
}

static int at_most(int value, int least, int most)
{
    return value < least ? least : value > most ? most : value;
}

/* 2:1 scaling makes small steps smaller and large ones larger. */
static int scaled(const struct ps2_mouse *mouse, int value)
{
    static const uint8_t small[] = {0, 1, 1, 3, 6, 9};
    int amount = value < 0 ? -value : value;
    if (!mouse->scale_2 || mouse->remote)
        return value;
    amount = (unsigned)amount < sizeof small ? small[amount] : 2 * amount;
    return at_most(value < 0 ? -amount : amount, MOTION_MIN, MOTION_MAX);
}

/* One packet of what has been moved; what does not fit stays for the next. */
static void mouse_send_packet(struct ps2_mouse *mouse)
{
    int dx = at_most(mouse->dx, MOTION_MIN, MOTION_MAX), dy = at_most(mouse->dy, MOTION_MIN, MOTION_MAX);
    int dz = at_most(mouse->dz, WHEEL_MIN, WHEEL_MAX);
    mouse->dx -= dx;
    mouse->dy -= dy;
    mouse->dz -= dz;
    mouse->buttons_told = mouse->buttons;
    dx = scaled(mouse, dx);
    dy = scaled(mouse, dy);
    mouse_queue(mouse, (uint8_t)(PACKET_ONE | (mouse->buttons & PACKET_BUTTONS) |
                                 (dx < 0 ? PACKET_X_SIGN : 0) | (dy < 0 ? PACKET_Y_SIGN : 0)));
    mouse_queue(mouse, (uint8_t)dx);
    mouse_queue(mouse, (uint8_t)dy);
    if (mouse->id == ID_WHEEL)
        mouse_queue(mouse, (uint8_t)dz);
    else if (mouse->id == ID_FIVE_BUTTONS)
        mouse_queue(mouse, (uint8_t)((dz & WHEEL_BITS) | (mouse->buttons >> 3 & PACKET_MORE) << 4));
    if (mouse->id < ID_WHEEL)
        mouse->dz = 0; /* there is no wheel */
}

static void mouse_forget(struct ps2_mouse *mouse)
{
    mouse->dx = mouse->dy = mouse->dz = 0;
    mouse->buttons_told = mouse->buttons;
    mouse->queue_count = 0;
}

static void mouse_defaults(struct ps2_mouse *mouse)
{
    mouse->rate = DEFAULT_RATE;
    mouse->resolution = DEFAULT_RESOLUTION;
    mouse->scale_2 = mouse->remote = mouse->wrap = mouse->enabled = mouse->pending = 0;
    mouse_forget(mouse);
}

void ps2_mouse_reset(struct ps2_mouse *mouse)
{
    memset(mouse, 0, sizeof *mouse);
    mouse_defaults(mouse);
}

static void set_rate(struct ps2_mouse *mouse, uint8_t rate)
{
    if (mouse->rates[0] == 200 && mouse->rates[1] == 100 && rate == 80)
        mouse->id = ID_WHEEL;
    else if (mouse->rates[0] == 200 && mouse->rates[1] == 200 && rate == 80)
        mouse->id = ID_FIVE_BUTTONS;
    mouse->rates[0] = mouse->rates[1];
    mouse->rates[1] = rate;
    mouse->rate = rate;
}

static void take_argument(struct ps2_mouse *mouse, uint8_t value)
{
    if (mouse->pending == COMMAND_RATE)
        set_rate(mouse, value);
    else
        mouse->resolution = value;
    mouse->pending = 0;
    mouse_queue(mouse, ACK);
}

static void send_status(struct ps2_mouse *mouse)
{
    uint8_t left_middle_right = (uint8_t)((mouse->buttons & INPUT_BUTTON_LEFT ? 4 : 0) |
                                          (mouse->buttons & INPUT_BUTTON_MIDDLE ? 2 : 0) |
                                          (mouse->buttons & INPUT_BUTTON_RIGHT ? 1 : 0));
    mouse_queue(mouse,
                (uint8_t)(left_middle_right | (mouse->remote ? STATUS_REMOTE : 0) |
                          (mouse->enabled ? STATUS_ENABLED : 0) | (mouse->scale_2 ? STATUS_SCALE_2 : 0)));
    mouse_queue(mouse, mouse->resolution);
    mouse_queue(mouse, mouse->rate);
}

static void take_command(struct ps2_mouse *mouse, uint8_t value)
{
    mouse->queue_count = 0; /* a command ends what was being sent */
    if (value == COMMAND_RESEND) {
        mouse_queue(mouse, mouse->last);
        return;
    }
    mouse_queue(mouse, ACK);
    switch (value) {
    case COMMAND_SCALE_1:
    case COMMAND_SCALE_2:
        mouse->scale_2 = value == COMMAND_SCALE_2;
        break;
    case COMMAND_RESOLUTION:
    case COMMAND_RATE:
        mouse->pending = value;
        break;
    case COMMAND_STATUS:
        send_status(mouse);
        break;
    case COMMAND_STREAM:
    case COMMAND_REMOTE:
        mouse->remote = value == COMMAND_REMOTE;
        break;
    case COMMAND_READ:
        mouse_send_packet(mouse);
        break;
    case COMMAND_RESET_WRAP:
    case COMMAND_WRAP:
        mouse->wrap = value == COMMAND_WRAP;
        break;
    case COMMAND_IDENTIFY:
        mouse_queue(mouse, mouse->id);
        break;
    case COMMAND_ENABLE:
    case COMMAND_DISABLE:
        mouse->enabled = value == COMMAND_ENABLE;
        break;
    case COMMAND_DEFAULTS:
        mouse_defaults(mouse);
        mouse_queue(mouse, ACK);
        break;
    case COMMAND_RESET:
        ps2_mouse_reset(mouse);
        mouse_queue(mouse, ACK);
        mouse_queue(mouse, TEST_PASSED);
        mouse_queue(mouse, mouse->id);
        break;
    default:
        mouse->queue_count = 0;
        mouse_queue(mouse, NAK);
    }
}

void ps2_mouse_write(struct ps2_mouse *mouse, uint8_t value)
{
    if (mouse->wrap && value != COMMAND_RESET && value != COMMAND_RESET_WRAP)
        mouse_queue(mouse, value);
    else if (mouse->pending && value != COMMAND_RESET)
        take_argument(mouse, value);
    else
        take_command(mouse, value);
}

/* It sends packets of its own accord. */
static bool is_streaming(const struct ps2_mouse *mouse)
{
    return mouse->enabled && !mouse->remote && !mouse->wrap;
}

bool ps2_mouse_has_buttons_to_tell(const struct ps2_mouse *mouse)
{
    return is_streaming(mouse) && mouse->buttons != mouse->buttons_told;
}

static bool has_news(const struct ps2_mouse *mouse)
{
    return mouse->dx || mouse->dy || mouse->dz || mouse->buttons != mouse->buttons_told;
}

int ps2_mouse_read(struct ps2_mouse *mouse)
{
    if (!mouse->queue_count && is_streaming(mouse) && !mouse->pending && has_news(mouse))
        mouse_send_packet(mouse);
    if (!mouse->queue_count)
        return -1;
    mouse->last = mouse->queue[mouse->queue_next];
    mouse->queue_next = (mouse->queue_next + 1) % PS2_MOUSE_QUEUE;
    mouse->queue_count--;
    return mouse->last;
}

void ps2_mouse_press(struct ps2_mouse *mouse, uint8_t buttons, bool down)
{
    mouse->buttons = (uint8_t)(down ? mouse->buttons | buttons : mouse->buttons & ~buttons);
}

void ps2_mouse_move(struct ps2_mouse *mouse, int right, int down, int wheel)
{
    mouse->dx = at_most(mouse->dx + right, -SUM_MAX, SUM_MAX);
    mouse->dy = at_most(mouse->dy - down, -SUM_MAX, SUM_MAX);
    mouse->dz = at_most(mouse->dz + wheel, -SUM_MAX, SUM_MAX);
    /* Until it is asked to send nothing counts but the buttons. */
    if (!mouse->enabled && !mouse->remote)
        mouse->dx = mouse->dy = mouse->dz = 0;
}

const char *ps2_mouse_check(const struct ps2_mouse *mouse)
{
    if (mouse->queue_next >= PS2_MOUSE_QUEUE || mouse->queue_count > PS2_MOUSE_QUEUE)
        return "mouse queue";
    bool sane = mouse->dx >= -SUM_MAX && mouse->dx <= SUM_MAX && mouse->dy >= -SUM_MAX &&
                mouse->dy <= SUM_MAX && mouse->dz >= -SUM_MAX && mouse->dz <= SUM_MAX;
    return sane ? NULL : "mouse motion";
}
