/* nr screen, nr screenshot: what is on a guest's screen, as text and as a picture. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "channel.h"
#include "control_arguments.h"
#include "control_client.h"
#include "nr.h"
#include "picture.h"
#include "png.h"
#include "screen_text.h"

enum { SIDE_MAX = 8192 /* pixels: more than any screen has */ };

struct screenshot_arguments {
    const char *path;
};

/* The answer to CONTROL_SCREEN: the picture's measures, and what comes behind them. */
static int ask_screen(const char *monitor, const char *guest, enum channel_screen_part part,
                      struct control_answer *answer, struct control_screen *screen)
{
    struct control_request request;
    struct control_client client;
    int status = control_open(&client, monitor);

    *screen = (struct control_screen){0};
    if (status == NR_DONE)
        status = control_request(&request, CONTROL_SCREEN, guest);
    if (status == NR_DONE) {
        request.number = part;
        status = control_ask(&client, &request, NULL, 0, answer);
    }
    control_close(&client);
    if (status != NR_DONE)
        return status;
    if (answer->size < sizeof(*screen)) {
        free(answer->bytes);
        answer->bytes = NULL;
        return nr_fail(NR_UNEXPECTED, "the monitor's answer is cut");
    }
    memcpy(screen, answer->bytes, sizeof(*screen));
    return NR_DONE;
}

static int screen_run(int argc, char **argv)
{
    struct control_arguments arguments = {
        .guest = true, .doc = "Shows the text on a guest's screen, without colours, in UTF-8."};
    struct control_answer answer;
    struct control_screen screen;

    control_parse(&arguments, argc, argv);
    int status = ask_screen(arguments.monitor, arguments.word[0], CHANNEL_SCREEN_TEXT, &answer, &screen);
    if (status != NR_DONE)
        return status;
    size_t cells = (answer.size - sizeof(screen)) / SCREEN_CELL;
    for (uint32_t row = 0; row < screen.rows && (size_t)(row + 1) * screen.columns <= cells; row++) {
        char *line = screen_text_line(
            answer.bytes + sizeof(screen) + (size_t)row * screen.columns * SCREEN_CELL, screen.columns);
        puts(line);
        free(line);
    }
    free(answer.bytes);
    return NR_DONE;
}

static int write_picture(const char *path, const struct control_answer *answer,
                         const struct control_screen *screen)
{
    size_t pixels = (size_t)screen->width * screen->height;

    if (screen->width > SIDE_MAX || screen->height > SIDE_MAX)
        return nr_fail(NR_UNEXPECTED, "the monitor tells of a screen of %u by %u", screen->width,
                       screen->height);
    uint8_t *rgb = malloc(pixels * PICTURE_PIXEL + 1);
    if (rgb == NULL)
        return nr_fail(NR_UNEXPECTED, "out of memory");
    int status = NR_DONE;
    if (picture_decode(answer->bytes + sizeof(*screen), answer->size - sizeof(*screen), rgb, pixels) !=
        pixels)
        status = nr_fail(NR_UNEXPECTED, "the monitor's answer is no picture");
    if (status == NR_DONE)
        status = png_write(path, rgb, screen->width, screen->height);
    free(rgb);
    return status;
}

static error_t parse_screenshot(int key, char *value, struct argp_state *state)
{
    struct screenshot_arguments *screenshot = state->input;

    if (key != 'o')
        return ARGP_ERR_UNKNOWN;
    screenshot->path = value;
    return 0;
}

static int screenshot_run(int argc, char **argv)
{
    static const struct argp_option options[] = {{"output", 'o', "FILE", 0, "The picture, as PNG", 0}, {0}};
    static const struct argp more = {options, parse_screenshot, NULL, NULL, NULL, NULL, NULL};
    struct screenshot_arguments screenshot = {0};
    struct control_arguments arguments = {
        .guest = true, .doc = "Makes a picture of a guest's screen.", .more = &more, .input = &screenshot};
    struct control_answer answer;
    struct control_screen screen;

    control_parse(&arguments, argc, argv);
    if (screenshot.path == NULL)
        return nr_fail(NR_USAGE, "nr screenshot: -o FILE is missing: where the picture goes");
    int status = ask_screen(arguments.monitor, arguments.word[0], CHANNEL_SCREEN_PIXELS, &answer, &screen);
    if (status != NR_DONE)
        return status;
    status = write_picture(screenshot.path, &answer, &screen);
    free(answer.bytes);
    return status;
}

const struct command command_screen = {"screen", "the text on a guest's screen", screen_run};
const struct command command_screenshot = {"screenshot", "a picture of a guest's screen", screenshot_run};
