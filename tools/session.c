/*
 * The event loop of `nr boot`. Its sources: the guest's console, the monitor's log, the emulator's control
 * channel, the user (keys and signals), other commands of nr (hub.h), guests' screens if something is
 * expected, and stdout, while it has not taken all that the console has brought: until then the console is
 * not read. Nor are the other two while stderr takes no lines. Before the monitor has said its first word the
 * console carries the firmware's and GRUB's text; it is held back, and shown only if the monitor never
 * speaks.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "emulator.h"
#include "hub.h"
#include "image.h"
#include "nr.h"
#include "output.h"
#include "screen_watch.h"
#include "session.h"
#include "terminal.h"

enum {
    CHUNK = OUTPUT_SIZE,
    LINE_SIZE = 1024,
    HELD_SIZE = 65536,
    SETTLE_MS = 100, /* a console that is quiet for so long may be at a prompt */
    PANIC_MS = 2000, /* time for the rest of a panic's lines */
    SHOWN_MAX = 20   /* lines of the emulator that one run shows */
};

struct line {
    char text[LINE_SIZE];
    size_t length;
};

struct session {
    const struct session_options *options;
    const struct guest *guests;
    uint32_t guest_count;
    struct terminal terminal;
    struct output output;
    struct emulator emulator;
    struct hub hub;
    struct screen_watch watch;
    int signals;
    bool keys; /* stdin is still open */
    bool monitor_spoke, panicked;
    bool started, reset, off, unloaded; /* the emulator's own words */
    unsigned shown;
    bool failed; /* the monitor said that it could not start, or that a guest ended badly */
    bool ended;  /* status is final */
    bool output_failed;
    bool hurried; /* the user does not want to wait any longer */
    int status;
    int64_t start_ms, deadline_ms, quiet_ms;
    double load_seconds; /* its processor time at the monitor's first word */
    double boot_seconds; /* and when a guest started */
    struct line log_line, control_line;
    char typed[2 * CHUNK]; /* for the guest, not yet taken by the emulator */
    size_t typed_count;
    char held[HELD_SIZE];
    size_t held_count;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void end(struct session *session, int status)
{
    if (session->ended)
        return;
    session->ended = true;
    session->status = status;
}

static void console_output(struct session *session, const char *bytes, size_t count)
{
    if (session->options->machine->monitor && !session->monitor_spoke) {
        size_t room = HELD_SIZE - session->held_count;
        memcpy(session->held + session->held_count, bytes, count < room ? count : room);
        session->held_count += count < room ? count : room;
        return;
    }
    output_put(&session->output, bytes, count);
    if (session->options->log != NULL)
        fwrite(bytes, 1, count, session->options->log);
    consoles_put(session->options->consoles, bytes, count);
    expect_feed(session->options->expect, bytes, count);
    session->quiet_ms = now_ms() + SETTLE_MS;
}

/* The first word of the monitor's: whoever asks it for something is heard from now on. */
static void monitor_speaks(struct session *session)
{
    session->monitor_spoke = true;
    session->load_seconds = emulator_processor_seconds(&session->emulator);
    if (session->options->expect->count > 0)
        screen_watch_open(&session->watch, hub_join(&session->hub), session->guests, session->guest_count);
}

/* A complete line of the monitor's log. */
static void log_output(struct session *session, const char *line)
{
    static const char panic[] = "nullring: panic";
    static const char cannot_start[] = "nullring: cannot start: ";
    unsigned value;

    if (!session->monitor_spoke)
        monitor_speaks(session);
    nr_print("", line);
    if (session->options->log != NULL)
        fprintf(session->options->log, "%s\n", line);
    if (session->boot_seconds == 0 && strstr(line, ": starts") != NULL)
        session->boot_seconds = emulator_processor_seconds(&session->emulator);
    if (strncmp(line, panic, sizeof(panic) - 1) == 0 && !session->panicked) {
        session->panicked = true;
        session->deadline_ms = now_ms() + PANIC_MS;
    }
    if (strncmp(line, cannot_start, sizeof(cannot_start) - 1) == 0 ||
        (sscanf(line, "nullring: all guests have ended, status %u", &value) == 1 && value != 0) ||
        (sscanf(line, "nullring: guest %*[^:]: exit value %u", &value) == 1 && value != 0))
        session->failed = true;
}

/* A line of the emulator's own. An emulator that resets its machine instead of ending is ended here. */
static void control_output(struct session *session, const char *line)
{
    const struct emulator_kind *kind = session->options->machine->emulator;
    enum machine_event event = kind->event(line);

    if (event == MACHINE_STARTED) {
        session->started = true;
        /* Some bytes, the first on this channel: there is room for them. */
        if (kind->hello != NULL && write(session->emulator.control, kind->hello, strlen(kind->hello)) < 0)
            nr_say("the emulator does not listen: %s", strerror(errno));
    }
    session->reset = session->reset || event == MACHINE_RESET;
    session->off = session->off || event == MACHINE_OFF;
    session->unloaded = session->unloaded || event == MACHINE_UNLOADED;
    if (event == MACHINE_RESET && kind->tells_end)
        emulator_kill(&session->emulator);
    if ((event == MACHINE_TROUBLE || event == MACHINE_STOPPED) && session->shown++ < SHOWN_MAX)
        nr_say("the emulator says: %s", line);
}

static void split_lines(struct session *session, struct line *line, const char *bytes, size_t count,
                        void (*take)(struct session *, const char *))
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != '\n' && bytes[i] != '\r')
            line->text[line->length++] = bytes[i];
        if (bytes[i] == '\n' || line->length == LINE_SIZE - 1) {
            line->text[line->length] = '\0';
            line->length = 0;
            take(session, line->text);
        }
    }
}

/* One read from a socket; at its end the socket is closed and *fd becomes -1. */
static void read_socket(struct session *session, int *fd)
{
    char chunk[CHUNK];
    /* Lines for stderr are no more at a time than it takes when it takes any. */
    bool console = fd == &session->emulator.console;
    ssize_t count = read(*fd, chunk, console ? sizeof(chunk) : sizeof(chunk) / 2);

    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        close(*fd);
        *fd = -1;
    } else if (console) {
        console_output(session, chunk, (size_t)count);
    } else if (fd == &session->emulator.log) {
        split_lines(session, &session->log_line, chunk, (size_t)count, log_output);
    } else {
        split_lines(session, &session->control_line, chunk, (size_t)count, control_output);
    }
}

static void read_keys(struct session *session)
{
    char chunk[CHUNK];
    bool leave = false;
    ssize_t count = read(STDIN_FILENO, chunk, (sizeof(session->typed) - session->typed_count) / 2);

    if (count <= 0) {
        session->keys = false;
        return;
    }
    session->typed_count += terminal_filter(&session->terminal, chunk, (size_t)count,
                                            session->typed + session->typed_count, &leave);
    session->hurried = leave;
    if (leave)
        end(session, session->options->expect->count > 0 ? NR_UNEXPECTED : NR_DONE);
}

static void send_keys(struct session *session)
{
    ssize_t count = write(session->emulator.console, session->typed, session->typed_count);

    if (count < 0 && errno != EAGAIN && errno != EINTR)
        session->typed_count = 0; /* nobody is there any more */
    if (count <= 0)
        return;
    session->typed_count -= (size_t)count;
    memmove(session->typed, session->typed + count, session->typed_count);
}

static void interrupt(struct session *session)
{
    session->hurried = true;
    nr_say("interrupted");
    end(session, NR_UNEXPECTED);
}

/* Milliseconds to the end of the time; -1: there is none. */
static int time_left(int64_t end_ms)
{
    int64_t left = end_ms - now_ms();

    if (end_ms == 0)
        return -1;
    return left > INT_MAX ? INT_MAX : left > 0 ? (int)left : 0;
}

/* Some of the console was not shown: no run is good then. */
static void fall_short(struct session *session, int status)
{
    if (!session->ended || session->status == NR_DONE)
        session->status = status;
    session->ended = true;
}

static void give_up_output(struct session *session)
{
    session->output.count = 0;
    if (!session->hurried && (!session->ended || session->status == NR_DONE))
        nr_say("%g s are over; stdout has not taken all of the console", session->options->timeout);
    fall_short(session, session->hurried ? NR_UNEXPECTED : NR_TIMEOUT);
    session->hurried = true;
}

/* A reader that has gone away, a full disk. */
static void check_output(struct session *session)
{
    if (session->output.error == 0 || session->output_failed)
        return;
    session->output_failed = true;
    nr_say("stdout takes no more of the console: %s", strerror(session->output.error));
    fall_short(session, NR_UNEXPECTED);
}

/* The emulator is gone, so nothing is left but to wait for stdout, as long as there is time and no signal. */
static void show_rest(struct session *session)
{
    struct signalfd_siginfo info;

    output_flush(&session->output);
    while (output_waits(&session->output)) {
        struct pollfd polled[] = {{session->output.fd, POLLOUT, 0}, {session->signals, POLLIN, 0}};
        int ready = poll(polled, 2, session->hurried ? 0 : time_left(session->deadline_ms));
        if (ready == 0)
            give_up_output(session);
        if (ready > 0 && polled[1].revents != 0 &&
            read(session->signals, &info, sizeof(info)) == sizeof(info) && info.ssi_signo != SIGCHLD)
            interrupt(session);
        output_flush(&session->output);
    }
    check_output(session);
}

/* The emulator has ended: what is left in the sockets, then the verdict. */
static void emulator_ended(struct session *session, int wait_status)
{
    int *sockets[] = {&session->emulator.control, &session->emulator.log, &session->emulator.console};
    const struct emulator_kind *kind = session->options->machine->emulator;
    bool monitor = session->options->machine->monitor;

    terminal_restore(&session->terminal);
    for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
        while (*sockets[i] >= 0) {
            show_rest(session);
            read_socket(session, sockets[i]);
        }
    }
    if (session->log_line.length > 0) /* a machine can lose its power amid a line */
        split_lines(session, &session->log_line, "\n", 1, log_output);
    expect_settle(session->options->expect);
    if (session->ended)
        return;

    unsigned value = WIFEXITED(wait_status) ? kind->exit_value(WEXITSTATUS(wait_status)) : 0;
    if (expect_done(session->options->expect))
        end(session, NR_DONE);
    else if (session->panicked)
        end(session, NR_PANIC);
    else if (!session->started)
        end(session, nr_fail(NR_UNEXPECTED, "the emulator did not start; its message is above"));
    else if (session->reset && monitor)
        end(session, nr_fail(NR_PANIC, "the monitor's machine was reset, without a word of the monitor"));
    else if (WIFSIGNALED(wait_status) && !session->reset)
        end(session, nr_fail(NR_UNEXPECTED, "the emulator died of signal %d", WTERMSIG(wait_status)));
    else if (session->unloaded || value == IMAGE_FAILED_EXIT)
        end(session,
            nr_fail(NR_UNEXPECTED, "GRUB could not load the monitor or the guest; is the memory enough?"));
    else if (monitor && !session->monitor_spoke)
        end(session, nr_fail(NR_UNEXPECTED, "the machine ended before the monitor said a word"));
    else if (session->options->expect->count > 0 || session->failed)
        end(session, NR_UNEXPECTED);
    else if (value != 0)
        end(session, nr_fail(NR_UNEXPECTED, "the run ended with the value %u at port 0xf4", value));
    else if (kind->tells_end && !session->off && !session->reset)
        end(session, nr_fail(NR_UNEXPECTED, "the emulator stopped before the machine was powered off"));
    else
        end(session, NR_DONE);
}

static void read_signals(struct session *session)
{
    struct signalfd_siginfo info;
    int wait_status;

    if (read(session->signals, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo != SIGCHLD)
        interrupt(session);
    else if (emulator_has_ended(&session->emulator, &wait_status))
        emulator_ended(session, wait_status);
}

/* Milliseconds until something must be done though nothing happens; -1: never. */
static int poll_timeout(const struct session *session)
{
    int64_t next = session->deadline_ms;

    if (session->options->expect->pending && (next == 0 || session->quiet_ms < next))
        next = session->quiet_ms;
    if (session->watch.client.fd >= 0 && (next == 0 || session->watch.due_ms < next))
        next = session->watch.due_ms;
    return time_left(next);
}

static void check_time(struct session *session)
{
    int64_t now = now_ms();

    if (session->options->expect->pending && now >= session->quiet_ms)
        expect_settle(session->options->expect);
    if (expect_done(session->options->expect))
        end(session, NR_DONE);
    if (session->watch.client.fd >= 0 && now >= session->watch.due_ms)
        screen_watch_ask(&session->watch, now);
    if (session->deadline_ms == 0 || now < session->deadline_ms)
        return;
    if (session->panicked)
        end(session, NR_PANIC);
    else
        end(session, nr_fail(NR_TIMEOUT, "%g s are over", session->options->timeout));
}

static void step(struct session *session)
{
    bool full = output_waits(&session->output), listens = nr_can_print(0);
    short console = (short)((full ? 0 : POLLIN) | (session->typed_count > 0 ? POLLOUT : 0));
    struct pollfd polled[] = {
        {console != 0 ? session->emulator.console : -1, console, 0},
        {listens ? session->emulator.log : -1, POLLIN, 0},
        {listens ? session->emulator.control : -1, POLLIN, 0},
        {session->signals, POLLIN, 0},
        {session->keys && session->typed_count < sizeof(session->typed) / 2 ? STDIN_FILENO : -1, POLLIN, 0},
        {session->emulator.listener, POLLIN, 0},
        {session->output_failed ? -1 : session->output.fd, full ? POLLOUT : 0, 0}, /* or the reader's end */
        {listens ? -1 : STDERR_FILENO, POLLOUT, 0},
        {session->hub.events, POLLIN, 0},
        {session->watch.client.fd, POLLIN, 0},
    };

    if (poll(polled, sizeof(polled) / sizeof(polled[0]), poll_timeout(session)) > 0) {
        if (polled[5].revents)
            emulator_accept(&session->emulator);
        if (polled[8].revents)
            hub_run(&session->hub);
        if (session->hub.line.fd < 0)
            screen_watch_close(&session->watch);
        if (polled[9].revents && session->watch.client.fd >= 0)
            screen_watch_read(&session->watch, now_ms(), session->options->expect);
        if (polled[6].revents)
            output_flush(&session->output);
        if (!full && (polled[6].revents & POLLERR))
            session->output.error = EPIPE;
        if (!full && (polled[0].revents & (POLLIN | POLLHUP)))
            read_socket(session, &session->emulator.console);
        if ((polled[0].revents & (POLLOUT | POLLHUP)) && session->emulator.console >= 0)
            send_keys(session);
        if (polled[1].revents)
            read_socket(session, &session->emulator.log);
        if (polled[2].revents)
            read_socket(session, &session->emulator.control);
        if (polled[4].revents)
            read_keys(session);
        if (polled[3].revents)
            read_signals(session);
    }
    check_output(session);
    check_time(session);
}

static void say_end(const struct session *session, const struct machine_run *run)
{
    const struct expect *expect = session->options->expect;
    const struct machine *machine = session->options->machine;
    char *title = machine_title(run, machine), before[64] = "";

    if (machine->monitor && !session->monitor_spoke && session->held_count > 0) {
        nr_say("the monitor did not say a word; before it the console said:");
        for (size_t at = 0; at < session->held_count && nr_can_print(SETTLE_MS); at += LINE_SIZE)
            fwrite(session->held + at, 1,
                   session->held_count - at < LINE_SIZE ? session->held_count - at : LINE_SIZE, stderr);
        nr_print("", "");
    }
    if (session->status != NR_DONE && expect->matched < expect->count)
        nr_say("not seen: %s", expect->source[expect->matched]);
    if (machine->monitor)
        snprintf(before, sizeof before, " (%.2f before the monitor, %.2f before the guest)",
                 session->load_seconds, session->boot_seconds);
    nr_say("%s: %.1f s, %.2f s of processor time%s, status %d", title,
           (double)(now_ms() - session->start_ms) / 1000, emulator_processor_seconds(&session->emulator),
           before, session->status);
    free(title);
}

/* The control line goes to the hub, which closes it. */
static void start_hub(struct session *session)
{
    struct emulator *emulator = &session->emulator;

    hub_open(&session->hub, session->options->name, emulator->line, emulator->line_listener);
    emulator->line = emulator->line_listener = -1;
}

int session_run(const struct session_options *options, struct machine_run *run)
{
    static struct session session;
    const struct emulator_kind *kind = options->machine->emulator;
    struct machine_command command = {0};

    session = (struct session){.options = options,
                               .guests = run->guest,
                               .guest_count = run->guest_count,
                               .hub.events = -1,
                               .watch.client.fd = -1,
                               .keys = true,
                               .start_ms = now_ms()};
    session.signals = signalfd(-1, signals_held(), SFD_CLOEXEC);

    if (session.signals < 0 || emulator_connect(&session.emulator, kind, &run->channels) != 0)
        return nr_fail(NR_UNEXPECTED, "no channels to the emulator: %s", strerror(errno));
    session.emulator.directory = kind->dials ? run->scratch : NULL;
    int status = options->machine->describe(&command, run);
    if (options->timeout > 0)
        session.deadline_ms = session.start_ms + (int64_t)(options->timeout * 1000);
    if (status == NR_DONE)
        status = emulator_start(&session.emulator, kind, &command, &run->channels);
    machine_free(&command);
    if (status != NR_DONE)
        return status;
    output_open(&session.output);
    nr_set_hurry(true);
    terminal_make_raw(&session.terminal);
    if (options->machine->monitor)
        start_hub(&session);
    while (!session.ended)
        step(&session);
    screen_watch_close(&session.watch);
    if (options->machine->monitor)
        hub_close(&session.hub);
    emulator_end(&session.emulator);
    terminal_restore(&session.terminal);
    show_rest(&session);
    output_close(&session.output);
    close(session.signals);
    say_end(&session, run);
    nr_set_hurry(false);
    return session.status;
}
