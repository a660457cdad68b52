/*
 * nr console: a guest's console on the terminal, or on stdin and stdout. First comes what the guest has said
 * lately, if it is still there. Input waits while the guest does not take it.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "control_arguments.h"
#include "control_client.h"
#include "nr.h"
#include "terminal.h"

enum { HISTORY = 2048, TYPED_SIZE = 512, RESEND_MS = 1000, RETRY_MS = 50 };

struct console {
    struct control_client client;
    struct terminal terminal;
    const char *guest;
    uint32_t id, pieces; /* of the output */
    uint32_t input_id;   /* of input on its way; 0: none */
    size_t sent;         /* bytes of it */
    char typed[2 * TYPED_SIZE];
    size_t typed_count;
    bool keys; /* stdin is open */
    bool leave, ended;
    int status;
};

static void end(struct console *console, int status)
{
    console->ended = true;
    console->status = status;
}

static void write_all(struct console *console, const uint8_t *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            end(console, nr_fail(NR_UNEXPECTED, "stdout takes no more: %s", strerror(errno)));
            return;
        }
        bytes += written;
        count -= (size_t)written;
    }
}

static void send_input(struct console *console)
{
    struct control_request request;

    if (console->input_id == 0) {
        console->input_id = control_new_id(&console->client);
        console->sent = console->typed_count < TYPED_SIZE ? console->typed_count : TYPED_SIZE;
    }
    control_request(&request, CONTROL_INPUT, console->guest);
    if (control_send(&console->client, console->input_id, &request, console->typed, console->sent) != NR_DONE)
        end(console, NR_UNEXPECTED);
}

static void take_done(struct console *console, const struct control_frame *frame)
{
    struct control_answer answer;

    control_take_result(frame, &answer);
    if (answer.result.error != CONTROL_OK) {
        end(console, control_say_error(&answer));
    } else if (frame->id == console->id) {
        end(console, NR_DONE);
    } else if (frame->id == console->input_id) {
        size_t taken = answer.result.value < console->sent ? answer.result.value : console->sent;
        console->typed_count -= taken;
        memmove(console->typed, console->typed + taken, console->typed_count);
        console->input_id = 0;
        if (taken == 0)
            poll(NULL, 0, RETRY_MS); /* the guest reads when it likes */
    }
}

static void take_frames(struct console *console)
{
    struct control_frame frame;

    if (!control_read(&console->client)) {
        end(console, NR_UNEXPECTED);
        return;
    }
    while (!console->ended && control_receive(&console->client, &frame)) {
        if (frame.kind == CONTROL_DONE) {
            take_done(console, &frame);
        } else if (frame.kind == CONTROL_PIECE && frame.id == console->id) {
            if (frame.sequence != console->pieces)
                nr_say("the line has lost a part of the console");
            console->pieces = frame.sequence + 1;
            write_all(console, frame.payload, frame.length);
        }
    }
}

static void read_keys(struct console *console)
{
    char chunk[TYPED_SIZE / 2];
    ssize_t count = read(STDIN_FILENO, chunk, sizeof(chunk));

    if (count < 0 && errno == EINTR)
        return;
    if (count <= 0) {
        console->keys = false;
        return;
    }
    console->typed_count += terminal_filter(&console->terminal, chunk, (size_t)count,
                                            console->typed + console->typed_count, &console->leave);
}

static void attach(struct console *console)
{
    struct control_request request;

    control_request(&request, CONTROL_CONSOLE, console->guest);
    request.number = HISTORY;
    if (control_send(&console->client, console->id, &request, NULL, 0) != NR_DONE)
        end(console, NR_UNEXPECTED);
}

static void step(struct console *console)
{
    bool room = console->typed_count < TYPED_SIZE;
    struct pollfd polled[] = {
        {console->client.fd, POLLIN, 0},
        {console->keys && room ? STDIN_FILENO : -1, POLLIN, 0},
    };
    int ready = poll(polled, 2, console->input_id != 0 ? RESEND_MS : -1);

    if (ready == 0)
        send_input(console);
    if (ready > 0 && polled[0].revents != 0)
        take_frames(console);
    if (ready > 0 && polled[1].revents != 0)
        read_keys(console);
    if (!console->ended && console->input_id == 0 && console->typed_count > 0)
        send_input(console);
    if (console->leave && !console->ended)
        end(console, NR_DONE);
}

static int console_run(int argc, char **argv)
{
    static struct console console = {.keys = true};
    struct control_arguments arguments = {
        .guest = true,
        .doc = "Puts a guest's console on the terminal; Ctrl-a x leaves, Ctrl-a Ctrl-a sends one Ctrl-a. "
               "Without a terminal it goes on when stdin ends, until the guest does."};

    control_parse(&arguments, argc, argv);
    console.guest = arguments.word[0];
    int status = control_open(&console.client, arguments.monitor);
    /* A first question that ends, so that a monitor that does not answer is found. */
    if (status == NR_DONE)
        status = control_tell(&console.client, CONTROL_INPUT, console.guest);
    if (status != NR_DONE) {
        control_close(&console.client);
        return status;
    }
    console.id = control_new_id(&console.client);
    terminal_make_raw(&console.terminal);
    attach(&console);
    while (!console.ended)
        step(&console);
    terminal_restore(&console.terminal);
    control_close(&console.client);
    return console.status;
}

const struct command command_console = {"console", "a guest's console on the terminal", console_run};
