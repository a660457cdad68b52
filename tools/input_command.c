/*
 * nr type, key, mouse: what a user does at a guest's keyboard and mouse. Keys of one stroke go to the guest
 * together; those that have no room until the guest reads wait.
 */
#include <argp.h>
#include <ctype.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "control_arguments.h"
#include "control_client.h"
#include "keys.h"
#include "mouse_words.h"
#include "nr.h"

/* A BIOS keeps 15 keys: a guest that is at work loses what comes faster than it reads. */
enum { DELAY_MS = 20, DELAY_MAX_MS = 60000, RETRY_MS = 50, PATIENCE_MS = 30000 };
enum { OPTION_DELAY = OPTION_CONTROL_OWN, OPTION_HOLD };

struct input {
    unsigned delay_ms, hold_ms;
    bool enter;
    struct control_client client;
    struct control_request request;
};

static const struct argp_option options_key[] = {
    {"delay", OPTION_DELAY, "MS", 0, "Milliseconds from one key to the next (default: 20)", 0},
    {"hold", OPTION_HOLD, "MS", 0, "How long each key stays down (default: 0)", 0},
    {0},
};
static const struct argp_option options_type[] = {
    {"delay", OPTION_DELAY, "MS", 0, "Milliseconds from one key to the next (default: 20)", 0},
    {"enter", 'e', NULL, 0, "Press Enter behind the text", 0},
    {0},
};
static const struct argp_option options_mouse[] = {
    {"delay", OPTION_DELAY, "MS", 0, "Milliseconds from one motion to the next (default: 20)", 0},
    {0},
};

static unsigned milliseconds(struct argp_state *state, const char *value)
{
    char *end;
    unsigned long number = strtoul(value, &end, 10);

    if (!isdigit((unsigned char)value[0]) || *end != '\0' || number > DELAY_MAX_MS)
        argp_error(state, "\"%s\" is no number of milliseconds from 0 to %d", value, DELAY_MAX_MS);
    return (unsigned)number;
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct input *input = state->input;

    switch (key) {
    case OPTION_DELAY:
        input->delay_ms = milliseconds(state, value);
        return 0;
    case OPTION_HOLD:
        input->hold_ms = milliseconds(state, value);
        return 0;
    case 'e':
        input->enter = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* All of the events, as soon as the guest has room for them. Returns an nr_status. */
static int send_events(struct input *input, const struct input_event *events, size_t count)
{
    for (unsigned waited = 0; waited <= PATIENCE_MS; waited += RETRY_MS) {
        struct control_answer answer;
        int status = control_ask(&input->client, &input->request, events, count * sizeof(*events), &answer);
        if (status != NR_DONE)
            return status;
        free(answer.bytes);
        if (answer.result.value == count)
            return NR_DONE;
        poll(NULL, 0, RETRY_MS);
    }
    return nr_fail(NR_TIMEOUT, "guest %s has not read its keyboard and mouse for %d s", input->request.guest,
                   PATIENCE_MS / 1000);
}

static int press(struct input *input, const struct key_stroke *stroke)
{
    struct input_event events[STROKE_EVENTS_MAX];
    size_t down = keys_events(stroke, true, events);
    size_t up = keys_events(stroke, false, events + down);

    if (input->hold_ms == 0)
        return send_events(input, events, down + up);
    int status = send_events(input, events, down);
    if (status == NR_DONE) {
        poll(NULL, 0, (int)input->hold_ms);
        status = send_events(input, events + down, up);
    }
    return status;
}

static int start(struct input *input, const struct control_arguments *arguments)
{
    int status = control_open(&input->client, arguments->monitor);

    if (status == NR_DONE)
        status = control_request(&input->request, CONTROL_EVENTS, arguments->word[0]);
    return status;
}

static void pause_before(const struct input *input, size_t index)
{
    if (index > 0 && input->delay_ms > 0)
        poll(NULL, 0, (int)input->delay_ms);
}

/* The character at `text`, in UTF-8, or its code if it cannot be shown. */
static int refuse_character(const char *text)
{
    unsigned char first = (unsigned char)text[0];
    int length = 1;

    while (((unsigned char)text[length] & 0xc0) == 0x80)
        length++;
    if (isprint(first) || (first & 0xc0) == 0xc0)
        return nr_fail(NR_USAGE, "\"%.*s\" is not on a US keyboard; nothing has been typed", length, text);
    return nr_fail(NR_USAGE, "a US keyboard has no key for character 0x%02x; nothing has been typed", first);
}

static int type_run(int argc, char **argv)
{
    static const struct argp more = {options_type, parse_option, NULL, NULL, NULL, NULL, NULL};
    static struct input input = {.delay_ms = DELAY_MS, .client.fd = -1};
    struct control_arguments arguments = {
        .guest = true,
        .least = 1,
        .most = 1,
        .words = "TEXT",
        .doc = "Types a text at a guest's keyboard, which has the US layout; a newline is the Enter key.",
        .more = &more,
        .input = &input};
    struct key_stroke stroke;

    control_parse(&arguments, argc, argv);
    char *text = nr_format("%s%s", arguments.word[1], input.enter ? "\n" : "");
    size_t length = strlen(text), at = 0;
    while (at < length && keys_of_character(text[at], &stroke))
        at++;
    int status = at < length ? refuse_character(text + at) : start(&input, &arguments);
    for (at = 0; status == NR_DONE && at < length; at++) {
        keys_of_character(text[at], &stroke);
        pause_before(&input, at);
        status = press(&input, &stroke);
    }
    free(text);
    control_close(&input.client);
    return status;
}

static int key_run(int argc, char **argv)
{
    static const struct argp more = {options_key, parse_option, NULL, NULL, NULL, NULL, NULL};
    static struct input input = {.delay_ms = DELAY_MS, .client.fd = -1};
    static struct key_stroke strokes[CONTROL_WORDS_MAX];
    struct control_arguments arguments = {
        .guest = true,
        .least = 1,
        .most = CONTROL_WORDS_MAX - 1,
        .words = "KEY...",
        .doc = "Presses keys of a guest's keyboard one after the other, several at a time where they are "
               "joined: a, F1, enter, shift-tab, ctrl-alt-delete.",
        .more = &more,
        .input = &input};
    int status = NR_DONE;

    control_parse(&arguments, argc, argv);
    for (unsigned i = 1; i < arguments.word_count && status == NR_DONE; i++)
        if (!keys_of_name(arguments.word[i], &strokes[i]))
            status = nr_fail(NR_USAGE,
                             "no key is called \"%s\"; there are a, F1, enter, esc, up, pgdn, kp5, and such, "
                             "joined as in ctrl-alt-delete; nothing has been pressed",
                             arguments.word[i]);
    if (status == NR_DONE)
        status = start(&input, &arguments);
    for (unsigned i = 1; i < arguments.word_count && status == NR_DONE; i++) {
        pause_before(&input, i - 1);
        status = press(&input, &strokes[i]);
    }
    control_close(&input.client);
    return status;
}

static int mouse_run(int argc, char **argv)
{
    static const struct argp more = {options_mouse, parse_option, NULL, NULL, NULL, NULL, NULL};
    static struct input input = {.delay_ms = DELAY_MS, .client.fd = -1};
    struct control_arguments arguments = {
        .guest = true,
        .least = 1,
        .most = CONTROL_WORDS_MAX - 1,
        .words = "move=RIGHT,DOWN|wheel=STEPS|click=BUTTON|down=BUTTON|up=BUTTON...",
        .doc =
            "Moves a guest's mouse, turns its wheel (towards the user, or away: -1) and presses its buttons "
            "(left, right, middle, fourth, fifth), one after the other.",
        .more = &more,
        .input = &input};
    struct input_event events[MOUSE_WORD_EVENTS_MAX];
    int status = NR_DONE;

    control_parse(&arguments, argc, argv);
    for (unsigned i = 1; i < arguments.word_count && status == NR_DONE; i++)
        if (mouse_word(arguments.word[i], events) == 0)
            status =
                nr_fail(NR_USAGE,
                        "\"%s\" is nothing that a mouse does: move=RIGHT,DOWN, wheel=STEPS, click=BUTTON, "
                        "down=BUTTON and up=BUTTON are; nothing has been done",
                        arguments.word[i]);
    if (status == NR_DONE)
        status = start(&input, &arguments);
    for (unsigned i = 1; i < arguments.word_count && status == NR_DONE; i++) {
        size_t count = mouse_word(arguments.word[i], events);
        pause_before(&input, i - 1);
        status = send_events(&input, events, count);
    }
    control_close(&input.client);
    return status;
}

const struct command command_type = {"type", "type a text at a guest's keyboard", type_run};
const struct command command_key = {"key", "press keys of a guest's keyboard", key_run};
const struct command command_mouse = {"mouse", "move a guest's mouse, press its buttons", mouse_run};
