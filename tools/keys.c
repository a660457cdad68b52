/*
 * The US layout, and the names of keys. Codes are those of scan code set 1 (channel.h).
 *
 * Document: IBM PS/2 hardware interface technical reference, keyboard (101-key).
 */
#include "keys.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { CODE_SHIFT = 0x2a, CODE_ENTER = 0x1c, CODE_TAB = 0x0f, CODE_SPACE = 0x39 };
enum { EXTENDED = INPUT_KEY_EXTENDED };

/* Keys in rows, and what each makes without and with Shift. */
static const struct {
    uint8_t first;
    const char *plain, *shifted;
} rows[] = {
    {0x02, "1234567890-=", "!@#$%^&*()_+"},
    {0x10, "qwertyuiop[]", "QWERTYUIOP{}"},
    {0x1e, "asdfghjkl;'`", "ASDFGHJKL:\"~"},
    {0x2b, "\\zxcvbnm,./", "|ZXCVBNM<>?"},
    {CODE_SPACE, " ", ""},
    {CODE_ENTER, "\n", ""},
    {CODE_TAB, "\t", ""},
};

static const struct {
    const char *name;
    uint8_t key;
} names[] = {
    {"esc", 0x01},
    {"escape", 0x01},
    {"minus", 0x0c},
    {"equal", 0x0d},
    {"backspace", 0x0e},
    {"bs", 0x0e},
    {"tab", CODE_TAB},
    {"enter", CODE_ENTER},
    {"return", CODE_ENTER},
    {"ret", CODE_ENTER},
    {"ctrl", 0x1d},
    {"control", 0x1d},
    {"shift", CODE_SHIFT},
    {"alt", 0x38},
    {"rctrl", 0x1d | EXTENDED},
    {"rshift", 0x36},
    {"ralt", 0x38 | EXTENDED},
    {"altgr", 0x38 | EXTENDED},
    {"space", CODE_SPACE},
    {"spc", CODE_SPACE},
    {"comma", 0x33},
    {"dot", 0x34},
    {"slash", 0x35},
    {"capslock", 0x3a},
    {"caps", 0x3a},
    {"numlock", 0x45},
    {"scrolllock", 0x46},
    {"f1", 0x3b},
    {"f2", 0x3c},
    {"f3", 0x3d},
    {"f4", 0x3e},
    {"f5", 0x3f},
    {"f6", 0x40},
    {"f7", 0x41},
    {"f8", 0x42},
    {"f9", 0x43},
    {"f10", 0x44},
    {"f11", 0x57},
    {"f12", 0x58},
    {"up", 0x48 | EXTENDED},
    {"down", 0x50 | EXTENDED},
    {"left", 0x4b | EXTENDED},
    {"right", 0x4d | EXTENDED},
    {"home", 0x47 | EXTENDED},
    {"end", 0x4f | EXTENDED},
    {"pageup", 0x49 | EXTENDED},
    {"pgup", 0x49 | EXTENDED},
    {"pagedown", 0x51 | EXTENDED},
    {"pgdn", 0x51 | EXTENDED},
    {"insert", 0x52 | EXTENDED},
    {"ins", 0x52 | EXTENDED},
    {"delete", 0x53 | EXTENDED},
    {"del", 0x53 | EXTENDED},
    {"print", INPUT_KEY_PRINT},
    {"sysrq", INPUT_KEY_PRINT},
    {"pause", INPUT_KEY_PAUSE},
    {"break", 0x46 | EXTENDED}, /* what Pause is with Ctrl */
    {"win", 0x5b | EXTENDED},
    {"super", 0x5b | EXTENDED},
    {"meta", 0x5b | EXTENDED},
    {"rwin", 0x5c | EXTENDED},
    {"menu", 0x5d | EXTENDED},
    {"102nd", 0x56},
    {"kp0", 0x52},
    {"kp1", 0x4f},
    {"kp2", 0x50},
    {"kp3", 0x51},
    {"kp4", 0x4b},
    {"kp5", 0x4c},
    {"kp6", 0x4d},
    {"kp7", 0x47},
    {"kp8", 0x48},
    {"kp9", 0x49},
    {"kp.", 0x53},
    {"kp+", 0x4e},
    {"kp-", 0x4a},
    {"kp*", 0x37},
    {"kp/", 0x35 | EXTENDED},
    {"kpenter", 0x1c | EXTENDED},
};

static bool add_key(struct key_stroke *stroke, uint8_t key)
{
    if (memchr(stroke->key, key, stroke->count) != NULL)
        return true;
    if (stroke->count == STROKE_KEYS_MAX)
        return false;
    stroke->key[stroke->count++] = key;
    return true;
}

static bool add_character(struct key_stroke *stroke, char character)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && character != '\0'; i++) {
        const char *plain = strchr(rows[i].plain, character);
        const char *shifted = strchr(rows[i].shifted, character);
        if (plain != NULL)
            return add_key(stroke, (uint8_t)(rows[i].first + (plain - rows[i].plain)));
        if (shifted != NULL)
            return add_key(stroke, CODE_SHIFT) &&
                   add_key(stroke, (uint8_t)(rows[i].first + (shifted - rows[i].shifted)));
    }
    return false;
}

bool keys_of_character(char character, struct key_stroke *stroke)
{
    stroke->count = 0;
    return add_character(stroke, character);
}

static bool add_name(struct key_stroke *stroke, const char *name, size_t length, bool joined)
{
    if (length == 1) /* "ctrl-C" has no Shift in it, "C" has */
        return add_character(stroke, joined ? (char)tolower((unsigned char)name[0]) : name[0]);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i].name) == length && strncasecmp(names[i].name, name, length) == 0)
            return add_key(stroke, names[i].key);
    return false;
}

/* A name is tried whole before it is taken apart: "kp-" and "-" are keys. */
bool keys_of_name(const char *name, struct key_stroke *stroke)
{
    stroke->count = 0;
    while (!add_name(stroke, name, strlen(name), stroke->count > 0)) {
        size_t part = *name == '\0' ? 0 : 1 + strcspn(name + 1, "-+");
        if (part == 0 || name[part] == '\0' || !add_name(stroke, name, part, true))
            return false;
        name += part + 1;
    }
    return true;
}

size_t keys_events(const struct key_stroke *stroke, bool down, struct input_event *events)
{
    for (size_t i = 0; i < stroke->count; i++)
        events[i] = (struct input_event){
            .kind = down ? INPUT_KEY_DOWN : INPUT_KEY_UP,
            .key = stroke->key[down ? i : stroke->count - 1 - i],
        };
    return stroke->count;
}
