/* See mouse_words.h. */
#include "mouse_words.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    uint8_t button;
} buttons[] = {
    {"left", INPUT_BUTTON_LEFT},     {"right", INPUT_BUTTON_RIGHT}, {"middle", INPUT_BUTTON_MIDDLE},
    {"fourth", INPUT_BUTTON_FOURTH}, {"fifth", INPUT_BUTTON_FIFTH},
};

/* A number within the limits, and `end` behind it. */
static bool take_number(const char **text, char end, long limit, int *number)
{
    char *behind;
    long value = strtol(*text, &behind, 10);

    if (behind == *text || *behind != end || value < -limit || value > limit)
        return false;
    *text = behind + 1;
    *number = (int)value;
    return true;
}

static bool take_word(const char **word, const char *start)
{
    if (strncmp(*word, start, strlen(start)) != 0)
        return false;
    *word += strlen(start);
    return true;
}

size_t mouse_word(const char *word, struct input_event *events)
{
    int right = 0, down = 0;

    if (take_word(&word, "move=")) {
        if (!take_number(&word, ',', INT16_MAX, &right) || !take_number(&word, '\0', INT16_MAX, &down))
            return 0;
        events[0] = (struct input_event){.kind = INPUT_MOUSE, .right = (int16_t)right, .down = (int16_t)down};
        return 1;
    }
    if (take_word(&word, "wheel=")) {
        if (!take_number(&word, '\0', INT8_MAX, &down))
            return 0;
        events[0] = (struct input_event){.kind = INPUT_MOUSE, .wheel = (int8_t)down};
        return 1;
    }
    bool click = take_word(&word, "click=");
    bool press = click || take_word(&word, "down=");
    size_t count = 0;
    if (!press && !take_word(&word, "up="))
        return 0;
    for (size_t i = 0; i < sizeof(buttons) / sizeof(buttons[0]); i++) {
        if (strcmp(word, buttons[i].name) != 0)
            continue;
        if (press)
            events[count++] = (struct input_event){.kind = INPUT_BUTTON_DOWN, .buttons = buttons[i].button};
        if (click || !press)
            events[count++] = (struct input_event){.kind = INPUT_BUTTON_UP, .buttons = buttons[i].button};
    }
    return count;
}
