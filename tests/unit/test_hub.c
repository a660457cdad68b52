/*
 * The hub of a run: several commands on one control line. Its ends are sockets of the test's own, and it
 * never waits, so that one thread plays all of them.
 *
 * sources: tools/hub.c tools/runs.c tools/messages.c lib/control_frame.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "hub.h"
#include "nr.h"

static char directory[] = "/tmp/test_hub.XXXXXX";
static struct hub hub;
static int monitor; /* the other end of the line */

struct end {
    int fd;
    struct control_decoder decoder;
};

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path, path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static int set_up(void **state)
{
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    hub_open(&hub, "run", pair[0], -1);
    assert_true(hub.events >= 0);
    monitor = pair[1];
    fcntl(monitor, F_SETFL, O_NONBLOCK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hub_close(&hub);
    close(monitor);
    return 0;
}

static struct end join(void)
{
    struct end end = {.fd = connect_to(hub.path)};

    hub_run(&hub);
    return end;
}

static void send_frame(int fd, enum control_kind kind, uint32_t id, const void *payload, uint32_t length)
{
    uint8_t bytes[CONTROL_FRAME_MAX];
    size_t size = control_encode(
        bytes,
        &(struct control_frame){.kind = (uint8_t)kind, .id = id, .length = length, .payload = payload});

    assert_int_equal(write(fd, bytes, size), size);
    hub_run(&hub);
}

/* The next frame that has come; false: none. */
static bool receive(struct end *end, struct control_frame *frame)
{
    uint8_t bytes[CONTROL_FRAME_MAX];

    hub_run(&hub);
    while (!control_next(&end->decoder, frame)) {
        ssize_t count = read(end->fd, bytes, CONTROL_FRAME_MAX - (end->decoder.count - end->decoder.taken));
        if (count <= 0)
            return false;
        control_put(&end->decoder, bytes, (size_t)count);
    }
    assert_int_equal(end->decoder.skipped, 0);
    return true;
}

static bool is_cut(struct end *end)
{
    uint8_t byte;

    hub_run(&hub);
    return read(end->fd, &byte, 1) == 0;
}

/* Two commands with the same id get each its own answer. */
static void answers_find_their_way(void **state)
{
    struct end one = join(), two = join(), line = {.fd = monitor};
    struct control_frame frame;
    uint32_t ids[2];

    (void)state;
    send_frame(one.fd, CONTROL_REQUEST, 7, "one", 3);
    send_frame(two.fd, CONTROL_REQUEST, 7 | 9u << CONTROL_ID_HUB_SHIFT, "two", 3);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(receive(&line, &frame));
        assert_int_equal(frame.kind, CONTROL_REQUEST);
        assert_memory_equal(frame.payload, i == 0 ? "one" : "two", 3);
        ids[i] = frame.id;
    }
    assert_false(receive(&line, &frame));
    assert_int_equal(ids[0] & 0xffffff, 7);
    assert_int_equal(ids[1] & 0xffffff, 7);
    assert_true(ids[0] >> CONTROL_ID_HUB_SHIFT != 0 && ids[0] != ids[1]);
    send_frame(monitor, CONTROL_DONE, ids[1], "second", 6);
    send_frame(monitor, CONTROL_PIECE, ids[0], "first", 5);
    assert_true(receive(&one, &frame));
    assert_int_equal(frame.id, 7);
    assert_int_equal(frame.kind, CONTROL_PIECE);
    assert_memory_equal(frame.payload, "first", 5);
    assert_true(receive(&two, &frame));
    assert_int_equal(frame.id, 7);
    assert_memory_equal(frame.payload, "second", 6);
    assert_false(receive(&one, &frame));
    send_frame(monitor, CONTROL_DONE, 7, "nobody's", 8);
    send_frame(monitor, CONTROL_DONE, 7 | 200u << CONTROL_ID_HUB_SHIFT, "nobody's", 8);
    assert_false(receive(&one, &frame));
    assert_false(receive(&two, &frame));
    close(one.fd);
    close(two.fd);
}

/* What is no request stays outside; so the service hears of a user's end from the hub alone. */
static void only_requests_pass(void **state)
{
    struct end one = join(), line = {.fd = monitor};
    struct control_frame frame;
    uint8_t garbage[3000];

    (void)state;
    for (size_t i = 0; i < sizeof(garbage); i++)
        garbage[i] = (uint8_t)(i * 13);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(write(one.fd, garbage, sizeof(garbage)), sizeof(garbage));
        hub_run(&hub);
    }
    send_frame(one.fd, CONTROL_HANGUP, 1, NULL, 0);
    send_frame(one.fd, CONTROL_DONE, 1, "x", 1);
    send_frame(one.fd, CONTROL_REQUEST, 2, NULL, 0);
    assert_true(receive(&line, &frame));
    assert_int_equal(frame.id & 0xffffff, 2);
    uint32_t id = frame.id;
    close(one.fd);
    assert_true(receive(&line, &frame));
    assert_int_equal(frame.kind, CONTROL_HANGUP);
    assert_int_equal(frame.id >> CONTROL_ID_HUB_SHIFT, id >> CONTROL_ID_HUB_SHIFT);
    send_frame(monitor, CONTROL_DONE, id, "too late", 8);
    assert_false(receive(&line, &frame));
}

/* Whoever does not read its answers is disconnected, and another one does not wait. */
static void one_that_does_not_read(void **state)
{
    static uint8_t payload[CONTROL_PAYLOAD_MAX];
    struct end stuck = join(), good = join(), line = {.fd = monitor};
    struct control_frame frame;
    unsigned came = 0;

    (void)state;
    send_frame(stuck.fd, CONTROL_REQUEST, 1, NULL, 0);
    send_frame(good.fd, CONTROL_REQUEST, 2, NULL, 0);
    assert_true(receive(&line, &frame));
    uint32_t stuck_id = frame.id;
    assert_true(receive(&line, &frame));
    uint32_t good_id = frame.id;
    for (unsigned i = 0; i < 2000; i++) {
        send_frame(monitor, CONTROL_PIECE, stuck_id, payload, sizeof(payload));
        send_frame(monitor, CONTROL_PIECE, good_id, payload, 10);
        came += receive(&good, &frame);
    }
    assert_int_equal(came, 2000);
    bool hung_up = false;
    while (receive(&line, &frame))
        hung_up |= frame.kind == CONTROL_HANGUP &&
                   frame.id >> CONTROL_ID_HUB_SHIFT == stuck_id >> CONTROL_ID_HUB_SHIFT;
    assert_true(hung_up);
    close(stuck.fd);
    close(good.fd);
}

/* A monitor that takes nothing: requests wait, and none is lost when it goes on. */
static void a_line_that_stands_still(void **state)
{
    static uint8_t payload[CONTROL_PAYLOAD_MAX];
    struct end one = join(), line = {.fd = monitor};
    struct control_frame frame;
    uint32_t sent = 0, came = 0;
    uint8_t bytes[CONTROL_FRAME_MAX];

    (void)state;
    for (;; sent++) {
        size_t size = control_encode(
            bytes, &(struct control_frame){
                       .kind = CONTROL_REQUEST, .id = sent, .length = sizeof(payload), .payload = payload});
        ssize_t written = write(one.fd, bytes, size);
        hub_run(&hub);
        if (written != (ssize_t)size)
            break; /* all queues are full; a frame that was cut here is none */
    }
    assert_true(sent > HUB_QUEUE / CONTROL_FRAME_MAX);
    while (receive(&line, &frame))
        assert_int_equal(frame.id & 0xffffff, came++);
    assert_int_equal(came, sent);
    close(one.fd);
}

static void more_than_it_serves(void **state)
{
    struct end ends[HUB_CLIENTS + 1];

    (void)state;
    for (unsigned i = 0; i <= HUB_CLIENTS; i++)
        ends[i] = join();
    assert_true(is_cut(&ends[HUB_CLIENTS]));
    assert_false(is_cut(&ends[HUB_CLIENTS - 1]));
    close(ends[0].fd);
    hub_run(&hub);
    struct end late = join();
    assert_false(is_cut(&late));
    close(late.fd);
    for (unsigned i = 1; i <= HUB_CLIENTS; i++)
        close(ends[i].fd);
}

/* When the machine is gone, so is everybody's connection. */
static void the_machine_ends(void **state)
{
    struct end one = join();

    (void)state;
    close(monitor);
    hub_run(&hub);
    send_frame(one.fd, CONTROL_REQUEST, 1, NULL, 0);
    assert_true(is_cut(&one));
    close(one.fd);
    monitor = -1;
}

/* An emulator that connects for itself: then that is the line. */
static void a_line_that_is_dialled(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct control_frame frame;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    (void)state;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/dialled", directory);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    hub_close(&hub);
    hub_open(&hub, "run", -1, listener);
    struct end line = {.fd = connect_to(address.sun_path)};
    hub_run(&hub);
    assert_int_equal(hub.dialled, -1);
    struct end one = join();
    send_frame(one.fd, CONTROL_REQUEST, 3, "dialled", 7);
    assert_true(receive(&line, &frame));
    assert_memory_equal(frame.payload, "dialled", 7);
    close(one.fd);
    close(line.fd);
    unlink(address.sun_path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_find_their_way),   TEST(only_requests_pass),  TEST(one_that_does_not_read),
        TEST(a_line_that_stands_still), TEST(more_than_it_serves), TEST(the_machine_ends),
        TEST(a_line_that_is_dialled),
    };

    if (mkdtemp(directory) == NULL || setenv("XDG_RUNTIME_DIR", directory, 1) != 0)
        return EXIT_FAILURE;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char *runs = nr_format("%s/nullring", directory);
    rmdir(runs);
    free(runs);
    rmdir(directory);
    return failed;
}
