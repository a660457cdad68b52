/*
 * What --expect sees: lines of a console, prompts that no line end follows, and the rows of guests' screens,
 * for which the run asks its monitor. The monitor's end of the line is played here.
 *
 * sources: tools/expect.c tools/screen_watch.c tools/control_client.c tools/screen_text.c
 * sources: tools/runs.c tools/messages.c lib/control_frame.c lib/cp437.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "channel.h"
#include "expect.h"
#include "screen_text.h"
#include "screen_watch.h"

enum { COLUMNS = 8, ROWS = 3, NOW = 1000, LATER = 1 << 20, GUESTS = 3 };

static struct expect expect;
static struct screen_watch watch;
static struct guest guests[GUESTS];
static int monitor; /* its end of the line */
static struct control_decoder decoder;

static void forget(void)
{
    for (size_t i = 0; i < expect.count; i++)
        regfree(&expect.pattern[i]);
    expect.count = 0;
}

static void expect_these(const char *first, const char *second)
{
    forget();
    memset(&expect, 0, sizeof expect);
    assert_int_equal(expect_add(&expect, first), 0);
    if (second)
        assert_int_equal(expect_add(&expect, second), 0);
}

static void feed(const char *text)
{
    expect_feed(&expect, text, strlen(text));
}

static void lines_of_a_console(void **state)
{
    (void)state;
    expect_these("^two$", "o");
    feed("one\r\nt\x1b[1mwo\r\n");
    assert_int_equal(expect.matched, 1);
    feed("fo");
    assert_int_equal(expect.matched, 1);
    expect_settle(&expect);
    assert_true(expect_done(&expect));
}

/* Each match lies behind the one before, in one row and in the rows of one look. */
static void rows_of_a_screen(void **state)
{
    (void)state;
    expect_these("b$", "a");
    expect_row(&expect, "a b");
    assert_int_equal(expect.matched, 1);
    expect_row(&expect, "c a");
    assert_true(expect_done(&expect));
    expect_these("^a", "^a");
    expect_row(&expect, "aa");
    assert_int_equal(expect.matched, 1);
}

static void open_watch(unsigned first_bios, unsigned second_bios)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    memset(guests, 0, sizeof guests);
    memset(&decoder, 0, sizeof decoder);
    for (unsigned i = 0; i < GUESTS; i++) {
        guests[i].config.name[0] = (char)('0' + i);
        guests[i].config.loader = i == first_bios || i == second_bios ? LOADER_BIOS : LOADER_LINUX;
    }
    monitor = pair[1];
    screen_watch_open(&watch, pair[0], guests, GUESTS);
}

static void close_watch(void)
{
    screen_watch_close(&watch);
    close(monitor);
}

/* The question that the monitor has got: whose screen, and under what id. */
static uint32_t asked_about(char guest)
{
    uint8_t bytes[CONTROL_FRAME_MAX];
    struct control_frame frame;
    struct control_request request;
    ssize_t count = read(monitor, bytes, sizeof bytes);
    assert_true(count > 0);
    control_put(&decoder, bytes, (size_t)count);
    assert_true(control_next(&decoder, &frame));
    assert_int_equal(frame.kind, CONTROL_REQUEST);
    assert_int_equal(frame.length, sizeof request);
    memcpy(&request, frame.payload, sizeof request);
    assert_int_equal(request.command, CONTROL_SCREEN);
    assert_int_equal(request.number, CHANNEL_SCREEN_TEXT);
    assert_int_equal(request.guest[0], guest);
    return frame.id;
}

static void answer(uint32_t id, enum control_kind kind, uint32_t sequence, const void *bytes, uint32_t length)
{
    uint8_t out[CONTROL_FRAME_MAX];
    const struct control_frame frame = {
        .kind = (uint8_t)kind, .id = id, .sequence = sequence, .length = length, .payload = bytes};
    size_t size = control_encode(out, &frame);
    assert_int_equal(write(monitor, out, size), size);
}

static void answer_end(uint32_t id, enum control_error error, uint32_t pieces)
{
    const struct control_result result = {.error = error};
    answer(id, CONTROL_DONE, pieces, &result, sizeof result);
}

/* A screen in two pieces, cut within its second row. */
static void show(uint32_t id, const char *text)
{
    struct {
        struct control_screen head;
        uint8_t cells[ROWS * COLUMNS][SCREEN_CELL];
    } screen = {.head = {.width = 64, .height = 48, .columns = COLUMNS, .rows = ROWS}};
    const uint32_t first = sizeof screen.head + COLUMNS * SCREEN_CELL + 4;
    for (unsigned i = 0; i < ROWS * COLUMNS; i++)
        screen.cells[i][0] = (uint8_t)text[i];
    answer(id, CONTROL_PIECE, 0, &screen, first);
    answer(id, CONTROL_PIECE, 1, (const uint8_t *)&screen + first, sizeof screen - first);
    answer_end(id, CONTROL_OK, 2);
}

static void look(void)
{
    screen_watch_read(&watch, NOW, &expect);
}

static void only_guests_with_a_screen_are_asked_about(void **state)
{
    (void)state;
    open_watch(GUESTS, GUESTS);
    assert_int_equal(watch.client.fd, -1);
    close_watch();
    open_watch(0, 2);
    expect_these("x", NULL);
    static const char order[] = "202";
    uint32_t before = 0;
    for (unsigned i = 0; order[i]; i++) {
        screen_watch_ask(&watch, NOW);
        uint32_t id = asked_about(order[i]);
        assert_int_not_equal(id, before);
        before = id;
        show(id, "                        ");
        look();
    }
    close_watch();
}

static void a_screen_is_held_to_what_is_expected(void **state)
{
    (void)state;
    open_watch(1, 1);
    expect_these("^login:$", "^root$");
    screen_watch_ask(&watch, NOW);
    uint32_t id = asked_about('1');
    show(id, "root    login:  root    ");
    look();
    assert_true(expect_done(&expect));
    expect_these("^login:$", "^login:$");
    for (unsigned looks = 1; looks <= 2; looks++) { /* what still stands there is seen again */
        screen_watch_ask(&watch, NOW);
        show(asked_about('1'), "        login:          ");
        look();
        assert_int_equal(expect.matched, looks);
        assert_true(watch.due_ms > NOW && watch.due_ms < NOW + 1000);
    }
    close_watch();
}

/* A graphics screen, a lost piece, no answer at all, an answer to an earlier question: nothing matches, and
 * another look follows. */
static void looks_that_bring_nothing(void **state)
{
    (void)state;
    open_watch(1, 1);
    expect_these("login", NULL);
    screen_watch_ask(&watch, NOW);
    uint32_t late = asked_about('1');
    assert_true(watch.due_ms > NOW);
    screen_watch_ask(&watch, NOW + LATER);
    uint32_t id = asked_about('1');
    show(late, "login                   ");
    look();
    assert_int_equal(expect.matched, 0);
    answer_end(id, CONTROL_EREFUSED, 0);
    look();
    screen_watch_ask(&watch, NOW);
    id = asked_about('1');
    answer(id, CONTROL_PIECE, 1, "login", 5);
    look();
    assert_true(watch.due_ms < NOW + 1000);
    screen_watch_ask(&watch, NOW);
    answer_end(asked_about('1'), CONTROL_OK, 0); /* and no bytes */
    look();
    assert_int_equal(expect.matched, 0);
    screen_watch_ask(&watch, NOW);
    show(asked_about('1'), "        login           ");
    look();
    assert_true(expect_done(&expect));
    close_watch();
}

/* More rows than bytes. */
static void a_screen_that_claims_too_much(void **state)
{
    (void)state;
    const struct control_screen screen = {.columns = UINT32_MAX, .rows = UINT32_MAX};
    open_watch(1, 1);
    expect_these("a", NULL);
    screen_watch_ask(&watch, NOW);
    uint32_t id = asked_about('1');
    answer(id, CONTROL_PIECE, 0, &screen, sizeof screen);
    answer_end(id, CONTROL_OK, 1);
    look();
    assert_int_equal(expect.matched, 0);
    close_watch();
}

static void the_monitor_goes(void **state)
{
    (void)state;
    open_watch(1, 1);
    screen_watch_ask(&watch, NOW);
    close(monitor);
    look();
    assert_int_equal(watch.client.fd, -1);
    screen_watch_close(&watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_a_console),
        cmocka_unit_test(rows_of_a_screen),
        cmocka_unit_test(only_guests_with_a_screen_are_asked_about),
        cmocka_unit_test(a_screen_is_held_to_what_is_expected),
        cmocka_unit_test(looks_that_bring_nothing),
        cmocka_unit_test(a_screen_that_claims_too_much),
        cmocka_unit_test(the_monitor_goes),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    forget();
    return failures;
}
