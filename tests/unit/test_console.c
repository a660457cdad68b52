/*
 * The service's consoles and prompt: which byte goes where. The serial port, the log and the system calls are
 * recorders here; console.c and prompt.c are included, so that they call these. The other end, where nr takes
 * the consoles apart again, is linked too.
 *
 * sources: lib/format.c tools/consoles.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "consoles.h"
#include "nr.h"
#include "syscall.h"

#define sys_notify      recorded_notify
#define sys_guest_end   recorded_end
#define sys_machine_end recorded_machine_end
static int64_t recorded_notify(uint32_t guest);
static int64_t recorded_end(enum guest_end end, uint32_t guest);
static int64_t recorded_machine_end(uint32_t status);
#include "../../service/console.c"
#include "../../service/prompt.c"

enum { SENT_SIZE = 65536 };

struct service service;
static struct channel channels[3];
static char sent[SENT_SIZE];
static size_t sent_length, port_room;
static char typed[256];
static size_t typed_next;
static uint32_t notified, ended, wake_ms;
static uint64_t clock_ms;
static int ended_guest, ended_how;

static int64_t recorded_notify(uint32_t guest)
{
    notified |= 1u << guest;
    return 0;
}

static int64_t recorded_end(enum guest_end end, uint32_t guest)
{
    ended_guest = (int)guest;
    ended_how = (int)end;
    return 0;
}

static int64_t recorded_machine_end(uint32_t status)
{
    ended = status + 1;
    return 0;
}

bool uart_start(struct uart *uart, enum uart_base base)
{
    (void)uart;
    return base == UART_COM1;
}

uint32_t uart_send(struct uart *uart, const uint8_t *bytes, uint32_t size, uint32_t head, uint32_t *tail)
{
    uint32_t before = *tail;
    (void)uart;
    for (; *tail != head && port_room > 0; port_room--)
        sent[sent_length++] = (char)bytes[(*tail)++ % size];
    return *tail - before;
}

int uart_get(const struct uart *uart)
{
    (void)uart;
    return typed[typed_next] != '\0' ? typed[typed_next++] : -1;
}

bool uart_is_idle(const struct uart *uart)
{
    (void)uart;
    return true;
}

void service_log(const char *format, ...)
{
    (void)format;
}

bool service_option(const char *word)
{
    (void)word;
    return false;
}

uint64_t service_ms(void)
{
    return clock_ms;
}

void service_wake_after(uint32_t ms)
{
    wake_ms = ms < wake_ms ? ms : wake_ms;
}

static bool followed;
static uint32_t followed_to;

bool control_holds(uint32_t guest, uint32_t tail)
{
    return followed && guest == 0 && (int32_t)(followed_to - tail) <= 0;
}

void guests_press_power(uint32_t guest)
{
    service.guest[guest].channel->presses++;
    recorded_notify(guest);
}

int guests_find(const char *name)
{
    for (uint32_t i = 0; i < service.guest_count; i++)
        if (strcmp(service.guest[i].name, name) == 0)
            return (int)i;
    return NO_GUEST;
}

const char *report_status(uint32_t guest)
{
    return guest == 0 ? "running" : "paused";
}

bool report_why_line(uint32_t guest, uint32_t index, char *text, size_t size)
{
    snprintf(text, size, "why %u line %u", guest, index);
    return index < 100;
}

bool report_needs_line(uint32_t guest, uint32_t index, char *text, size_t size)
{
    (void)guest, (void)index, (void)text, (void)size;
    return false;
}

bool report_info_line(uint32_t guest, uint32_t index, char *text, size_t size)
{
    snprintf(text, size, "%s", guest == 0 && index == 0 ? "some" : "");
    return index < 2;
}

int nr_fail(int status, const char *format, ...)
{
    (void)format;
    return status;
}

char *nr_format(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    assert_true(vasprintf(&text, format, arguments) >= 0);
    va_end(arguments);
    return text;
}

static void start(uint32_t guests)
{
    memset(&service, 0, sizeof service);
    memset(channels, 0, sizeof channels);
    memset(line, 0, sizeof line);
    queue_head = queue_tail = UINT32_MAX - 10;
    focus = turn = 0;
    owner = NO_GUEST;
    key_pending = open = false;
    answer = NULL;
    command_length = 0;
    service.guest_count = service.described = guests;
    for (uint32_t i = 0; i < guests; i++) {
        snprintf(service.guest[i].name, GUEST_NAME_SIZE, "guest%u", i);
        service.guest[i].channel = &channels[i];
    }
    memset(sent, 0, sizeof sent);
    sent_length = typed_next = 0;
    typed[0] = '\0';
    notified = ended = 0;
    ended_guest = ended_how = -1;
    port_room = SENT_SIZE - 1;
}

static void say(uint32_t guest, const char *text)
{
    struct channel *channel = &channels[guest];
    for (; *text != '\0'; text++) {
        assert_true(ring_put(channel->output, CHANNEL_OUTPUT, &channel->output_head, &channel->output_tail,
                             (uint8_t)*text));
    }
}

static void run(bool later)
{
    wake_ms = UINT32_MAX;
    clock_ms += later ? PARTIAL_LINE_MS : 0;
    console_run();
}

static void type(const char *text)
{
    snprintf(typed, sizeof typed, "%s", text);
    typed_next = 0;
    run(false);
}

static const char *input_of(uint32_t guest)
{
    static char text[CHANNEL_INPUT + 1];
    struct channel *channel = &channels[guest];
    size_t length = 0;
    int byte;
    while ((byte = ring_get(channel->input, CHANNEL_INPUT, &channel->input_head, &channel->input_tail)) >= 0)
        text[length++] = (char)byte;
    text[length] = '\0';
    return text;
}

static void test_one_guest_is_verbatim(void **state)
{
    (void)state;
    start(1);
    say(0, "a\r\nb\x01\xff\x1b[0m");
    run(false);
    assert_string_equal(sent, "a\r\nb\x01\xff\x1b[0m");
    assert_true(console_is_drained());
}

static void test_several_guests_speak_in_lines(void **state)
{
    (void)state;
    start(2);
    say(1, "hello ");
    say(0, "login: ");
    run(false);
    assert_string_equal(sent, "[guest0] login: ");
    say(1, "world\r\nagain\r\n");
    run(true);
    assert_string_equal(sent, "[guest0] login: \n\r[guest1] hello world\r\n[guest1] again\r\n");
    say(0, "root\r\n");
    run(false);
    assert_non_null(strstr(sent, "again\r\n[guest0] root\r\n"));
}

static void test_a_line_that_is_being_said_is_not_cut(void **state)
{
    (void)state;
    start(2);
    say(0, "one ");
    say(1, "mine\r\n");
    run(false);
    assert_string_equal(sent, "[guest0] one ");
    assert_int_equal(wake_ms, PARTIAL_LINE_MS);
    assert_false(console_is_drained());
    say(0, "line\r\n");
    run(false);
    assert_string_equal(sent, "[guest0] one line\r\n[guest1] mine\r\n");
    assert_true(console_is_drained());
}

static void test_an_unfinished_line_is_shown_after_a_while(void **state)
{
    (void)state;
    start(2);
    say(1, "login: ");
    run(false);
    assert_string_equal(sent, "");
    assert_int_equal(wake_ms, PARTIAL_LINE_MS);
    assert_false(console_is_drained());
    clock_ms += PARTIAL_LINE_MS - 1;
    run(false);
    assert_string_equal(sent, "");
    clock_ms++;
    run(false);
    assert_string_equal(sent, "[guest1] login: ");
    assert_true(console_is_drained());
}

static void test_a_slow_port_loses_nothing(void **state)
{
    char text[CHANNEL_OUTPUT + 1];

    (void)state;
    start(1);
    for (unsigned i = 0; i < CHANNEL_OUTPUT; i++)
        text[i] = (char)('!' + i % 90);
    text[CHANNEL_OUTPUT] = '\0';
    say(0, text);
    port_room = 0;
    run(false);
    assert_int_equal(wake_ms, RETRY_MS);
    assert_false(console_is_drained());
    for (unsigned i = 0; i < 5000 && !console_is_drained(); i++) {
        port_room = 7;
        run(i % 2);
    }
    assert_string_equal(sent, text);
}

static void test_work_of_one_upcall_is_bounded(void **state)
{
    char text[CHANNEL_OUTPUT + 1];

    (void)state;
    start(1);
    memset(text, 'x', CHANNEL_OUTPUT);
    text[CHANNEL_OUTPUT] = '\0';
    say(0, text);
    console_run();
    assert_true(sent_length < 3 * MOVE_MAX);
    assert_int_equal(wake_ms, 0);
}

/* A guest that always has more to say, on a port that is never empty. */
static void flood(uint32_t guest, const char *text)
{
    struct channel *channel = &channels[guest];
    size_t length = strlen(text);
    for (size_t i = 0; ring_put(channel->output, CHANNEL_OUTPUT, &channel->output_head, &channel->output_tail,
                                (uint8_t)text[i % length]);
         i++) {
    }
}

/* Runs while guest `loud` floods; the others' words must come through. */
static void run_flooded(uint32_t loud, const char *text, const char *wanted)
{
    for (unsigned i = 0; i < 100 && strstr(sent, wanted) == NULL; i++) {
        flood(loud, text);
        port_room = 100;
        clock_ms += 10;
        run(false);
    }
    assert_non_null(strstr(sent, wanted));
}

static void test_a_flood_of_lines_silences_nobody(void **state)
{
    (void)state;
    for (uint32_t loud = 0; loud < 3; loud++) {
        start(3);
        flood(loud, "spam\r\n");
        run(false);
        say((loud + 1) % 3, "one\r\n");
        say((loud + 2) % 3, "two\r\n");
        run_flooded(loud, "spam\r\n", "] one\r\n");
        run_flooded(loud, "spam\r\n", "] two\r\n");
    }
}

static void test_a_flood_without_lines_silences_nobody(void **state)
{
    (void)state;
    for (uint32_t loud = 0; loud < 3; loud++) {
        start(3);
        flood(loud, "spam");
        run(false);
        say((loud + 1) % 3, "one\r\n");
        say((loud + 2) % 3, "two\r\n");
        run_flooded(loud, "spam", "] one\r\n");
        run_flooded(loud, "spam", "] two\r\n");
    }
}

static void test_a_flood_hides_no_prompt(void **state)
{
    (void)state;
    start(2);
    flood(0, "spam\r\n");
    run(false);
    say(1, "login: ");
    run_flooded(0, "spam\r\n", "[guest1] login: ");
    start(2);
    flood(0, "spam");
    run(false);
    say(1, "login: ");
    run_flooded(0, "spam", "[guest1] login: ");
}

/* What a guest said before it got the focus comes before what it says then, and none of it is lost. */
static void test_a_change_of_focus_loses_nothing(void **state)
{
    (void)state;
    start(2);
    say(1, "log");
    run(false);
    type("\x01n");
    say(1, "in: ");
    run(true);
    assert_non_null(strstr(sent, "[guest1] login: "));
    assert_true(console_is_drained());
}

enum { SPOKEN_MAX = 4000 };

/* What nr would have written for guest i to its file, from what the port has sent. */
static void assert_file_has(const char *directory, uint32_t guest, const char *text)
{
    char path[64], got[SPOKEN_MAX + 1];

    snprintf(path, sizeof path, "%s/guest%u", directory, guest);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    got[fread(got, 1, SPOKEN_MAX, file)] = '\0';
    fclose(file);
    assert_int_equal(unlink(path), 0);
    assert_string_equal(got, text);
}

static void take_apart(const char *directory, uint32_t guests)
{
    static struct guest described[3];
    struct consoles consoles;

    for (uint32_t i = 0; i < guests; i++)
        snprintf(described[i].config.name, GUEST_NAME_SIZE, "guest%u", i);
    assert_int_equal(consoles_open(&consoles, directory, described, guests), NR_DONE);
    for (size_t at = 0; at < sent_length; at += 5) /* a socket brings them in pieces */
        consoles_put(&consoles, sent + at, sent_length - at < 5 ? sent_length - at : 5);
    assert_int_equal(consoles_close(&consoles), NR_DONE);
}

/* Whatever three guests say, and whenever, each one's file has it byte for byte: lines cut by another's,
 * bytes that look like a prefix or a cut, and the monitor's words between. */
static void test_consoles_are_taken_apart_again(void **state)
{
    static const char *const words[] = {"\n", "\r\n", "\n\r", "\r",      "[guest1] ",
                                        "[",  "word", " ",    "[guest2]"};
    static char spoken[3][SPOKEN_MAX + 1];
    char directory[] = "/tmp/nr-consoles-XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(directory));
    for (unsigned seed = 1; seed <= 200; seed++) {
        srand(seed);
        start(3);
        memset(spoken, 0, sizeof spoken);
        for (unsigned i = 0; i < 200; i++) {
            uint32_t guest = (uint32_t)rand() % 3;
            const char *word = words[(size_t)rand() % (sizeof words / sizeof words[0])];
            say(guest, word);
            strcat(spoken[guest], word);
            if (rand() % 4 == 0)
                run(rand() % 2);
            if (rand() % 40 == 0)
                type("\x01n");
        }
        for (unsigned i = 0; i < 1000 && !console_is_drained(); i++)
            run(true);
        take_apart(directory, 3);
        for (uint32_t i = 0; i < 3; i++)
            assert_file_has(directory, i, spoken[i]);
    }
    rmdir(directory);
}

static void test_a_guest_alone_has_all_of_the_console(void **state)
{
    char directory[] = "/tmp/nr-consoles-XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(directory));
    start(1);
    say(0, "[guest1] a\n\rb\n");
    run(false);
    take_apart(directory, 1);
    assert_file_has(directory, 0, "[guest1] a\n\rb\n");
    rmdir(directory);
}

static void test_hostile_indices_garble_only(void **state)
{
    (void)state;
    start(2);
    channels[1].output_head = 0xdeadbeef;
    channels[1].output_tail = 0x12345678;
    channels[1].input_head = 77777;
    say(0, "still here\r\n");
    for (unsigned i = 0; i < 100; i++) {
        run(true);
        sent_length = 0;
        port_room = SENT_SIZE - 1;
    }
    type("\x01n");
    type("x");
    say(0, "and still\r\n");
    sent_length = 0;
    memset(sent, 0, sizeof sent);
    run(false);
    run(true);
    run(true);
    assert_non_null(strstr(sent, "and still"));
}

static void test_input_goes_to_the_focused_guest(void **state)
{
    (void)state;
    start(3);
    type("ab");
    assert_string_equal(input_of(0), "ab");
    assert_int_equal(notified, 1);
    type("\x01n"
         "cd");
    assert_string_equal(input_of(0), "");
    assert_string_equal(input_of(1), "cd");
    assert_non_null(strstr(sent, "input goes to guest1"));
    type("\x01n\x01n"
         "e");
    assert_string_equal(input_of(0), "e");
}

static void test_monitor_key(void **state)
{
    (void)state;
    start(1);
    type("\x01\x01z");
    assert_string_equal(input_of(0), "\x01z");
    type("\x01"
         "b");
    assert_int_equal(channels[0].breaks, 1);
    assert_string_equal(input_of(0), "");
    type("\x01h");
    assert_non_null(strstr(sent, "Ctrl-a m  the monitor's prompt"));
    type("\x01?");
    assert_string_equal(input_of(0), "");
    type("\x01x");
    assert_int_equal(ended, 1);
}

static void test_input_that_nobody_reads_is_lost(void **state)
{
    char text[CHANNEL_INPUT + 1];

    (void)state;
    start(1);
    for (unsigned i = 0; i < CHANNEL_INPUT / 128 + 2; i++) {
        memset(text, 'k', 128);
        text[128] = '\0';
        type(text);
    }
    assert_int_equal(strlen(input_of(0)), CHANNEL_INPUT);
}

static void test_prompt(void **state)
{
    (void)state;
    start(2);
    type("\x01m");
    assert_non_null(strstr(sent, "nullring> "));
    say(0, "held back\r\n");
    type("list\r");
    assert_non_null(strstr(sent, "* guest0                   running\r\n"));
    assert_non_null(strstr(sent, "  guest1                   paused\r\n"));
    assert_null(strstr(sent, "held back"));
    type("info guest0\r");
    assert_non_null(strstr(sent, "some\r\nnullring> "));
    type("power guest1\r");
    assert_int_equal(channels[1].presses, 1);
    assert_int_equal(channels[0].presses, 0);
    assert_int_equal(notified, 1u << 1);
    type("reset guest1\r");
    assert_int_equal(ended_guest, 1);
    assert_int_equal(ended_how, GUEST_END_RESET);
    type("destroy guest0x\x7f\r");
    assert_int_equal(ended_guest, 0);
    assert_int_equal(ended_how, GUEST_END_DESTROY);
    type("reset nobody\r");
    assert_non_null(strstr(sent, "no guest is called \"nobody\""));
    type("frobnicate\r");
    assert_non_null(strstr(sent, "no command \"frobnicate\""));
    type("help\r");
    assert_non_null(strstr(sent, "why NAME"));
    assert_string_equal(input_of(0), "");
    type("\r");
    run(false);
    assert_non_null(strstr(sent, "[guest0] held back\r\n"));
    type("x");
    assert_string_equal(input_of(0), "x");
}

/* A long answer comes in pieces, and what is typed meanwhile is not taken for a command. */
static void test_long_answer(void **state)
{
    (void)state;
    start(1);
    type("\x01m");
    type("why\r");
    assert_null(strstr(sent, "line 99"));
    type("list\r");
    for (unsigned i = 0; i < 30; i++)
        run(true);
    assert_non_null(strstr(sent, "why 0 line 99\r\nnullring> "));
    assert_null(strstr(sent, "guest0 "));
}

static void test_overlong_command(void **state)
{
    char text[200];

    (void)state;
    start(1);
    type("\x01m");
    memset(text, 'q', 150);
    memcpy(text + 150, "\r", 2);
    type(text);
    assert_non_null(strstr(sent, "no command \"qqqq"));
}

static void test_no_guest(void **state)
{
    (void)state;
    start(0);
    type("abc\x01n\x01"
         "b");
    assert_int_equal(notified, 0);
    assert_true(console_is_drained());
}

/* A byte goes out when the follower has read it too. */
static void test_a_followed_console_waits_for_the_follower(void **state)
{
    (void)state;
    start(1);
    followed = true;
    followed_to = channels[0].output_tail + 2;
    say(0, "abcd");
    run(false);
    assert_string_equal(sent, "ab");
    followed_to += 1;
    run(false);
    assert_string_equal(sent, "abc");
    followed = false;
    run(false);
    assert_string_equal(sent, "abcd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_guest_is_verbatim),
        cmocka_unit_test(test_several_guests_speak_in_lines),
        cmocka_unit_test(test_a_line_that_is_being_said_is_not_cut),
        cmocka_unit_test(test_an_unfinished_line_is_shown_after_a_while),
        cmocka_unit_test(test_a_slow_port_loses_nothing),
        cmocka_unit_test(test_work_of_one_upcall_is_bounded),
        cmocka_unit_test(test_a_flood_of_lines_silences_nobody),
        cmocka_unit_test(test_a_flood_without_lines_silences_nobody),
        cmocka_unit_test(test_a_flood_hides_no_prompt),
        cmocka_unit_test(test_a_change_of_focus_loses_nothing),
        cmocka_unit_test(test_consoles_are_taken_apart_again),
        cmocka_unit_test(test_a_guest_alone_has_all_of_the_console),
        cmocka_unit_test(test_hostile_indices_garble_only),
        cmocka_unit_test(test_input_goes_to_the_focused_guest),
        cmocka_unit_test(test_monitor_key),
        cmocka_unit_test(test_input_that_nobody_reads_is_lost),
        cmocka_unit_test(test_prompt),
        cmocka_unit_test(test_long_answer),
        cmocka_unit_test(test_overlong_command),
        cmocka_unit_test(test_no_guest),
        cmocka_unit_test(test_a_followed_console_waits_for_the_follower),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
