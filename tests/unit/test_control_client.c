/*
 * nr's end of the control line: answers put together, what is lost asked for again, errors said. The
 * monitor's answers lie on the line before they are asked for, but where the test is about one that does not
 * come.
 *
 * sources: tools/control_client.c tools/messages.c tools/signals.c lib/control_frame.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "control_client.h"
#include "nr.h"
#include "runs.h"

enum { FIRST_ID = 42 };

static struct control_client client;
static struct control_answer answer;
static int monitor, line;
static bool direct_line;

int runs_connect(const char *name, int *status, bool *direct)
{
    (void)name;
    *status = line >= 0 ? NR_DONE : NR_USAGE;
    *direct = direct_line;
    return line;
}

static int set_up(void **state)
{
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    monitor = pair[0];
    line = pair[1];
    direct_line = false;
    memset(&answer, 0, sizeof(answer));
    assert_int_equal(control_open(&client, NULL), NR_DONE);
    client.next_id = FIRST_ID - 1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    control_close(&client);
    if (monitor >= 0)
        close(monitor);
    return 0;
}

static void say(enum control_kind kind, uint32_t id, uint32_t sequence, const void *payload, size_t length)
{
    uint8_t bytes[CONTROL_FRAME_MAX];
    size_t size = control_encode(bytes, &(struct control_frame){.kind = (uint8_t)kind,
                                                                .id = id,
                                                                .sequence = sequence,
                                                                .length = (uint32_t)length,
                                                                .payload = payload});

    assert_int_equal(write(monitor, bytes, size), size);
}

static void say_done(uint32_t id, uint32_t sequence, uint32_t error, const char *sentence)
{
    uint8_t payload[CONTROL_PAYLOAD_MAX];
    const struct control_result result = {.error = error, .value = 5};

    memcpy(payload, &result, sizeof(result));
    memcpy(payload + sizeof(result), sentence, strlen(sentence));
    say(CONTROL_DONE, id, sequence, payload, sizeof(result) + strlen(sentence));
}

static int ask(void)
{
    struct control_request request;

    assert_int_equal(control_request(&request, CONTROL_INFO, "guest"), NR_DONE);
    return control_ask(&client, &request, "data", 4, &answer);
}

/* How many requests the monitor has got, and the id of the last one. */
static unsigned requests(uint32_t *id)
{
    struct control_decoder decoder = {0};
    struct control_frame frame;
    uint8_t bytes[CONTROL_FRAME_MAX];
    unsigned count = 0;
    ssize_t read_count;

    while ((read_count = recv(monitor, bytes, sizeof(bytes) / 2, MSG_DONTWAIT)) > 0) {
        control_put(&decoder, bytes, (size_t)read_count);
        while (control_next(&decoder, &frame)) {
            struct control_request request;
            assert_int_equal(frame.kind, CONTROL_REQUEST);
            memcpy(&request, frame.payload, sizeof(request));
            assert_string_equal(request.guest, "guest");
            assert_memory_equal(frame.payload + sizeof(request), "data", 4);
            *id = frame.id;
            count++;
        }
    }
    return count;
}

static void pieces_are_put_together(void **state)
{
    uint32_t id = 0;

    (void)state;
    say(CONTROL_PIECE, FIRST_ID + 7, 0, "another's", 9);
    say(CONTROL_PIECE, FIRST_ID, 0, "one ", 4);
    assert_int_equal(write(monitor, "garbage N\xba", 10), 10);
    say(CONTROL_PIECE, FIRST_ID, 1, "two", 3);
    say(CONTROL_REQUEST, FIRST_ID, 2, "no answer", 9);
    say_done(FIRST_ID, 2, CONTROL_OK, "");
    assert_int_equal(ask(), NR_DONE);
    assert_int_equal(answer.size, 7);
    assert_string_equal((const char *)answer.bytes, "one two");
    assert_int_equal(answer.result.value, 5);
    free(answer.bytes);
    assert_int_equal(requests(&id), 1);
    assert_int_equal(id, FIRST_ID);
}

static void errors_have_a_status(void **state)
{
    static const struct {
        uint32_t error;
        int status;
    } errors[] = {{CONTROL_EVERSION, NR_UNEXPECTED}, {CONTROL_ECOMMAND, NR_UNEXPECTED},
                  {CONTROL_EFORM, NR_USAGE},         {CONTROL_EGUEST, NR_USAGE},
                  {CONTROL_EENDED, NR_UNEXPECTED},   {CONTROL_EBUSY, NR_UNEXPECTED},
                  {CONTROL_EREFUSED, NR_UNEXPECTED}, {9999, NR_UNEXPECTED}};

    (void)state;
    for (uint32_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        say_done(FIRST_ID + i, i, errors[i].error, i % 2 ? "" : "a sentence"); /* pieces may be missing */
        assert_int_equal(ask(), errors[i].status);
        assert_null(answer.bytes);
    }
    say(CONTROL_DONE, FIRST_ID + 8, 0, "cut", 3);
    assert_int_equal(ask(), NR_USAGE);
}

/* A monitor that answers request after request, by itself. */
static pid_t begin_monitor(void (*answer_one)(unsigned number, uint32_t id), unsigned count)
{
    uint32_t id = 0;
    pid_t child = fork();

    if (child != 0)
        return child;
    for (unsigned i = 0; i < count; usleep(1000))
        if (requests(&id) > 0)
            answer_one(i++, id);
    _exit(0);
}

static void end_monitor(pid_t child)
{
    int result;

    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
}

static void answer_with_gaps(unsigned number, uint32_t id)
{
    if (id != FIRST_ID + number)
        _exit(1);
    say(CONTROL_PIECE, id, 0, "whole", 5);
    if (number == 0)
        say(CONTROL_PIECE, id, 2, "c", 1);
    else
        say_done(id, number == 2 ? 1 : 2, CONTROL_OK, "");
}

static void answer_with_a_gap(unsigned number, uint32_t id)
{
    (void)number;
    say_done(id, 1, CONTROL_OK, "");
}

/* A gap in the pieces, or before the end: all of it is asked for again, some times. */
static void gaps(void **state)
{
    (void)state;
    pid_t child = begin_monitor(answer_with_gaps, 3);
    assert_int_equal(ask(), NR_DONE);
    assert_string_equal((const char *)answer.bytes, "whole");
    free(answer.bytes);
    end_monitor(child);
    child = begin_monitor(answer_with_a_gap, 5);
    assert_int_equal(ask(), NR_UNEXPECTED);
    assert_null(answer.bytes);
    end_monitor(child);
}

static void a_cut_line(void **state)
{
    (void)state;
    say(CONTROL_PIECE, FIRST_ID, 0, "half", 4);
    shutdown(monitor, SHUT_RDWR);
    assert_int_equal(ask(), NR_UNEXPECTED);
    assert_null(answer.bytes);
}

/* A request that the line has swallowed is sent again, the same. */
static void a_request_that_is_lost(void **state)
{
    uint32_t id = 0;

    (void)state;
    pid_t child = fork();
    if (child == 0) {
        for (unsigned count = 0; count < 2; usleep(20000))
            count += requests(&id);
        say_done(id, 0, CONTROL_OK, "");
        _exit(id == FIRST_ID ? 0 : 1);
    }
    assert_int_equal(ask(), NR_DONE);
    free(answer.bytes);
    end_monitor(child);
}

static void names_and_ids(void **state)
{
    struct control_request request;
    char name[GUEST_NAME_SIZE + 1] = {0};

    (void)state;
    memset(name, 'n', GUEST_NAME_SIZE);
    assert_int_equal(control_request(&request, CONTROL_INFO, name), NR_USAGE);
    name[GUEST_NAME_SIZE - 1] = '\0';
    assert_int_equal(control_request(&request, CONTROL_INFO, name), NR_DONE);
    assert_string_equal(request.guest, name);
    client.next_id = UINT32_MAX; /* as random as it may begin */
    for (unsigned i = 0; i < 10; i++) {
        uint32_t id = control_new_id(&client);
        assert_true(id > 0 && id >> CONTROL_ID_HUB_SHIFT == 0);
    }
}

/* On a line without a hub the command before may have left something. */
static void a_direct_line(void **state)
{
    struct control_decoder decoder = {0};
    struct control_frame frame;
    uint8_t bytes[CONTROL_FRAME_MAX];

    (void)state;
    direct_line = true;
    assert_int_equal(control_open(&client, NULL), NR_DONE);
    ssize_t count = recv(monitor, bytes, sizeof(bytes), MSG_DONTWAIT);
    assert_true(count > 0);
    control_put(&decoder, bytes, (size_t)count);
    assert_true(control_next(&decoder, &frame));
    assert_int_equal(frame.kind, CONTROL_HANGUP);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pieces_are_put_together), TEST(errors_have_a_status), TEST(gaps),          TEST(a_cut_line),
        TEST(a_request_that_is_lost),  TEST(names_and_ids),        TEST(a_direct_line),
    };

    signals_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
