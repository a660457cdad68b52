/*
 * The service's end of the control line: what it answers to which request, wrong ones included, what it does
 * twice and what not, and what becomes of answers that a device model has to give (include/control.h).
 *
 * sources: lib/control_frame.c lib/format.c lib/modules.c
 */
#include "service_world.h" /* before cmocka's macros */

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { ANSWER_MAX = 1 << 17, SOME_ID = 77 };

static struct control_decoder reader;
static uint8_t sent[CONTROL_FRAME_MAX];

/* All that came back of a request. */
static struct {
    unsigned pieces, ends;
    struct control_result result;
    char sentence[CONTROL_SENTENCE_MAX + 1];
    uint8_t bytes[ANSWER_MAX];
    size_t size;
} answer;

static int set_up(void **state)
{
    (void)state;
    world_reset();
    memset(&reader, 0, sizeof reader);
    memset(&answer, 0, sizeof answer);
    return 0;
}

/* Takes what the service has said of request id; other frames are counted as none. */
static void take_answers(uint32_t id)
{
    struct control_frame frame;
    for (size_t done = 0; done < world.line_count;) {
        done += control_put(&reader, world.line + done, world.line_count - done);
        while (control_next(&reader, &frame)) {
            if (frame.id != id)
                continue;
            assert_int_equal(frame.sequence, answer.pieces);
            if (frame.kind == CONTROL_PIECE) {
                assert_true(answer.size + frame.length <= ANSWER_MAX);
                memcpy(answer.bytes + answer.size, frame.payload, frame.length);
                answer.size += frame.length;
                answer.pieces++;
            } else {
                assert_int_equal(frame.kind, CONTROL_DONE);
                answer.ends++;
                assert_true(frame.length >= sizeof answer.result);
                memcpy(&answer.result, frame.payload, sizeof answer.result);
                memcpy(answer.sentence, frame.payload + sizeof answer.result,
                       frame.length - sizeof answer.result);
                answer.sentence[frame.length - sizeof answer.result] = '\0';
            }
        }
    }
    world.line_count = 0;
    assert_int_equal(reader.skipped, 0);
}

static void run(uint32_t id)
{
    while (control_run())
        ;
    take_answers(id);
}

static void send_frame(const struct control_frame *frame)
{
    memset(&answer, 0, sizeof answer);
    world.sent_count = control_encode(sent, frame);
    world.sent = sent;
    run(frame->id);
}

static void send_request(uint32_t id, const struct control_request *request, const void *data, size_t length)
{
    uint8_t payload[CONTROL_PAYLOAD_MAX];
    memcpy(payload, request, sizeof *request);
    if (length)
        memcpy(payload + sizeof *request, data, length);
    send_frame(&(struct control_frame){.kind = CONTROL_REQUEST,
                                       .id = id,
                                       .length = (uint32_t)(sizeof *request + length),
                                       .payload = payload});
}

static void ask_guest(uint32_t id, enum control_command command, const char *guest, const void *data,
                      size_t length)
{
    struct control_request request = {.command = command};
    memcpy(request.guest, guest, strlen(guest));
    send_request(id, &request, data, length);
}

static void expect(enum control_error error, const char *sentence)
{
    assert_int_equal(answer.ends, 1);
    assert_int_equal(answer.result.error, error);
    assert_string_equal(answer.sentence, sentence);
}

static void hello_and_list(void **state)
{
    (void)state;
    struct control_hello hello;
    struct control_guest guest;
    ask_guest(1, CONTROL_HELLO, "", NULL, 0);
    expect(CONTROL_OK, "");
    assert_int_equal(answer.size, sizeof hello);
    memcpy(&hello, answer.bytes, sizeof hello);
    assert_int_equal(hello.version, CONTROL_VERSION);
    assert_int_equal(hello.guest_count, WORLD_GUESTS);
    ask_guest(2, CONTROL_LIST, "", NULL, 0);
    expect(CONTROL_OK, "");
    assert_int_equal(answer.size, WORLD_GUESTS * sizeof guest);
    memcpy(&guest, answer.bytes + sizeof guest, sizeof guest);
    assert_string_equal(guest.name, "right");
    assert_int_equal(guest.exits, 1001);
    service.guest_count = 0;
    ask_guest(3, CONTROL_LIST, "", NULL, 0);
    expect(CONTROL_OK, "");
    assert_int_equal(answer.size, 0);
}

/* Reports come line by line, whatever their length, and of guests that have ended, too. */
static void reports(void **state)
{
    (void)state;
    static const char *const names[] = {"info", "why", "needs"};
    for (unsigned i = 0; i < 3; i++) {
        char line[256];
        size_t at = 0;
        ask_guest(1 + i, CONTROL_INFO + i, "gone", NULL, 0);
        expect(CONTROL_OK, "");
        assert_true(answer.pieces > 1);
        for (uint32_t index = 0, more = 1; more; index++) {
            more = world_report(names[i], 2, index, line, sizeof line);
            if (line[0] == '\0')
                continue;
            assert_memory_equal(answer.bytes + at, line, strlen(line));
            at += strlen(line);
            assert_int_equal(answer.bytes[at++], '\n');
        }
        assert_int_equal(at, answer.size);
    }
}

static void wrong_requests(void **state)
{
    (void)state;
    struct control_request request = {.command = CONTROL_INFO};
    memset(request.guest, 'x', sizeof request.guest);
    send_request(1, &request, NULL, 0);
    expect(CONTROL_EFORM, "the guest's name does not end");
    send_frame(&(struct control_frame){
        .kind = CONTROL_REQUEST, .id = 2, .length = 5, .payload = (uint8_t *)"short"});
    expect(CONTROL_EFORM, "the request is too short");
    ask_guest(3, CONTROL_COMMAND_COUNT, "left", NULL, 0);
    expect(CONTROL_ECOMMAND, "this monitor does not have the command");
    ask_guest(4, CONTROL_INFO, "nobody", NULL, 0);
    expect(CONTROL_EGUEST, "no guest is called \"nobody\"");
    ask_guest(5, CONTROL_INFO, "", NULL, 0);
    expect(CONTROL_EGUEST, "no guest is called \"\"");
    send_frame(&(struct control_frame){.kind = CONTROL_REQUEST, .version = 9, .id = 6});
    expect(CONTROL_EVERSION, "this monitor speaks version 1 of the control protocol, not 9");
    for (unsigned command = CONTROL_CONSOLE; command < CONTROL_COMMAND_COUNT; command++) {
        if (command == CONTROL_DETACH)
            continue;
        ask_guest(10 + command, command, "gone", NULL, 0);
        expect(CONTROL_EENDED, "guest gone has ended: powered off");
    }
    /* Frames that are no requests are nobody's. */
    send_frame(&(struct control_frame){.kind = CONTROL_DONE, .id = 7});
    assert_int_equal(answer.ends, 0);
    /* What a command does not take. */
    uint8_t data[CONTROL_DATA_MAX] = {0};
    static const struct {
        enum control_command command;
        size_t length;
    } wrong[] = {{CONTROL_EVENTS, 0},  {CONTROL_EVENTS, 8},   {CONTROL_EVENTS, 9}, {CONTROL_DEBUG, 0},
                 {CONTROL_DEBUG, 900}, {CONTROL_DISK, 0},     {CONTROL_DISK, 107}, {CONTROL_DISK, 109},
                 {CONTROL_EJECT, 0},   {CONTROL_INSERT, 900}, {CONTROL_EJECT, 12}};
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ask_guest(100 + i, wrong[i].command, "left", data, wrong[i].length);
        assert_int_equal(answer.ends, 1);
        assert_int_equal(answer.result.error, CONTROL_EFORM);
    }
    struct control_drive drive = {.drive = "cd0"};
    memset(drive.image, 'x', sizeof drive.image); /* no end */
    ask_guest(200, CONTROL_INSERT, "left", &drive, sizeof drive);
    assert_int_equal(answer.result.error, CONTROL_EFORM);
    request = (struct control_request){
        .command = CONTROL_DISK, .number = CONTROL_WITHOUT_IMAGE + 1, .guest = "left"};
    memset(drive.image, 0, sizeof drive.image);
    send_request(201, &request, &drive, sizeof drive);
    assert_int_equal(answer.result.error, CONTROL_EFORM);
    request = (struct control_request){
        .command = CONTROL_SCREEN, .number = CHANNEL_SCREEN_TEXT + 1, .guest = "left"};
    send_request(202, &request, NULL, 0);
    assert_int_equal(answer.result.error, CONTROL_EFORM);
    assert_int_equal(world.notified, 0);
    for (unsigned i = 0; i < CALLS_MAX; i++)
        assert_false(calls[i].used);
}

/* An order that comes again, because its answer was lost, is carried out once. */
static void orders_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        ask_guest(SOME_ID, CONTROL_RESET, "left", NULL, 0);
        expect(CONTROL_OK, "");
        ask_guest(SOME_ID + 1, CONTROL_POWER, "left", NULL, 0);
        expect(CONTROL_OK, "");
        ask_guest(SOME_ID + 2, CONTROL_INPUT, "left", "ab", 2);
        expect(CONTROL_OK, "");
        assert_int_equal(answer.result.value, 2);
        ask_guest(SOME_ID + 3, CONTROL_BREAK, "left", NULL, 0);
    }
    assert_int_equal(world.resets, 1);
    assert_int_equal(world.presses, 1);
    assert_int_equal(world.breaks, 1);
    assert_int_equal(world.typed_count, 2);
    assert_memory_equal(world.typed, "ab", 2);
    ask_guest(SOME_ID + 4, CONTROL_RESET, "left", NULL, 0);
    assert_int_equal(world.resets, 2);
    ask_guest(SOME_ID + 5, CONTROL_DESTROY, "left", NULL, 0);
    expect(CONTROL_OK, "");
    assert_int_equal(world.destroys, 1);
    /* The console takes what it has room for, and says so. */
    world.typed_room = 5;
    ask_guest(SOME_ID + 6, CONTROL_INPUT, "left", "cdefg", 5);
    assert_int_equal(answer.result.value, 3);
}

static void what_the_monitor_refuses(void **state)
{
    (void)state;
    service.guest[2].ended = false;
    ask_guest(1, CONTROL_RESET, "gone", NULL, 0);
    expect(CONTROL_EREFUSED, "");
    ask_guest(2, CONTROL_DESTROY, "gone", NULL, 0);
    expect(CONTROL_EREFUSED, "");
}

static void say(uint32_t guest, const char *text)
{
    struct channel *channel = &world_channel[guest];
    for (; *text; text++)
        ring_put(channel->output, CHANNEL_OUTPUT, &channel->output_head, &channel->output_tail,
                 (uint8_t)*text);
}

/* From what the console has passed on before, until somebody has enough of it or the guest ends. */
static void consoles(void **state)
{
    (void)state;
    struct control_request request = {.command = CONTROL_CONSOLE, .number = 4, .guest = "left"};
    say(0, "before");
    world_channel[0].output_tail = world_channel[0].output_head;
    send_request(1, &request, NULL, 0);
    assert_int_equal(answer.ends, 0);
    assert_memory_equal(answer.bytes, "fore", 4);
    assert_true(control_holds(0, world_channel[0].output_head));
    assert_false(control_holds(1, 0));
    say(0, " after");
    assert_true(control_holds(0, world_channel[0].output_tail));
    run(1);
    assert_int_equal(answer.size, 10);
    assert_memory_equal(answer.bytes, "fore after", 10);
    /* Another user's DETACH is not this one's. */
    request = (struct control_request){.command = CONTROL_DETACH, .number = 1};
    send_request(2 | 5 << CONTROL_ID_HUB_SHIFT, &request, NULL, 0);
    assert_int_equal(answer.result.value, 0);
    ask_guest(7 | 5 << CONTROL_ID_HUB_SHIFT, CONTROL_CONSOLE, "left", NULL, 0);
    request.number = 7 | 5 << CONTROL_ID_HUB_SHIFT;
    send_request(8, &request, NULL, 0);
    assert_int_equal(answer.result.value, 0);
    request.number = 7;
    send_request(8 | 5 << CONTROL_ID_HUB_SHIFT, &request, NULL, 0);
    assert_int_equal(answer.result.value, 1);
    request.number = 1;
    send_request(2, &request, NULL, 0);
    assert_int_equal(answer.result.value, 1);
    memset(&answer, 0, sizeof answer);
    assert_false(calls[CALLS_MAX - 1].used);
    request = (struct control_request){.command = CONTROL_CONSOLE, .guest = "right"};
    send_request(3, &request, NULL, 0);
    assert_int_equal(answer.ends, 0);
    say(1, "end");
    service.guest[1].ended = true;
    run(3);
    expect(CONTROL_OK, "");
    assert_memory_equal(answer.bytes, "end", 3);
}

/* Sixteen at a time; a hub tells of a user who is gone. */
static void too_many_requests(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= CALLS_MAX; i++) {
        ask_guest(i | (i % 2) << CONTROL_ID_HUB_SHIFT, CONTROL_CONSOLE, "left", NULL, 0);
        assert_int_equal(answer.ends, 0);
    }
    ask_guest(100, CONTROL_HELLO, "", NULL, 0);
    expect(CONTROL_EBUSY, "too many requests at a time");
    ask_guest(3 | 1 << CONTROL_ID_HUB_SHIFT, CONTROL_CONSOLE, "left", NULL, 0); /* one of them, again */
    assert_int_equal(answer.ends, 0);
    send_frame(&(struct control_frame){.kind = CONTROL_HANGUP, .id = 1 << CONTROL_ID_HUB_SHIFT});
    ask_guest(101, CONTROL_HELLO, "", NULL, 0);
    expect(CONTROL_OK, "");
    unsigned used = 0;
    for (unsigned i = 0; i < CALLS_MAX; i++)
        used += calls[i].used;
    assert_int_equal(used, CALLS_MAX / 2);
}

/* Whatever the port takes at a time, all of it comes in order; requests wait meanwhile. */
static void a_slow_line(void **state)
{
    (void)state;
    static uint8_t fast[ANSWER_MAX], requests[40 * CONTROL_FRAME_MAX];
    ask_guest(1, CONTROL_WHY, "left", NULL, 0);
    size_t size = answer.size, count = 0;
    memcpy(fast, answer.bytes, size);
    struct control_request request = {.command = CONTROL_WHY, .guest = "left"};
    for (uint32_t i = 0; i < 40; i++)
        count += control_encode(requests + count, &(struct control_frame){.kind = CONTROL_REQUEST,
                                                                          .id = 2 + i,
                                                                          .length = sizeof request,
                                                                          .payload = (uint8_t *)&request});
    memset(&answer, 0, sizeof answer);
    world.sent = requests;
    world.sent_count = count;
    for (unsigned i = 0; i < 100000 && (world.sent_count > 0 || !control_is_drained()); i++) {
        world.room = 1 + i * 7 % 20;
        world.woken = false;
        control_run();
        take_answers(2);
        assert_true(control_is_drained() || world.woken);
    }
    assert_int_equal(world.sent_count, 0);
    expect(CONTROL_OK, "");
    assert_int_equal(answer.size, size);
    assert_memory_equal(answer.bytes, fast, size);
}

static void garbage_between_requests(void **state)
{
    (void)state;
    static uint8_t bytes[4000];
    struct control_request request = {.command = CONTROL_HELLO};
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    control_encode(bytes + 3000, &(struct control_frame){.kind = CONTROL_REQUEST,
                                                         .id = 9,
                                                         .length = sizeof request,
                                                         .payload = (uint8_t *)&request});
    world.sent = bytes;
    world.sent_count = sizeof bytes;
    run(9);
    expect(CONTROL_OK, "");
}

/* The device model's part of a question about the screen: 30 by 10 characters, 100 at a time. */
static bool answer_screen(struct channel_screen *screen)
{
    if (screen->asked == screen->answered)
        return false;
    screen->width = 240, screen->height = 160, screen->columns = 30, screen->rows = 10;
    screen->size = 200;
    for (uint32_t i = 0; i < 100; i++)
        screen->data[2 * i] = (uint8_t)(screen->position + i), screen->data[2 * i + 1] = 7;
    screen->next = screen->position + 100;
    screen->answered = screen->asked;
    return true;
}

static void screens(void **state)
{
    (void)state;
    struct control_request request = {
        .command = CONTROL_SCREEN, .number = CHANNEL_SCREEN_TEXT, .guest = "left"};
    struct channel_screen *screen = &world_channel[0].screen;
    struct control_screen picture;
    send_request(1, &request, NULL, 0);
    assert_int_equal(world.notified, 1);
    /* Another one asks meanwhile; both get all of it. */
    uint32_t first = screen->asked;
    send_request(2, &request, NULL, 0);
    assert_true(screen->asked != first);
    while (answer_screen(screen))
        run(2);
    expect(CONTROL_OK, "");
    assert_int_equal(answer.size, sizeof picture + 600);
    memcpy(&picture, answer.bytes, sizeof picture);
    assert_int_equal(picture.columns, 30);
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(answer.bytes[sizeof picture + 2 * i], (uint8_t)i);
    for (unsigned i = 0; i < CALLS_MAX; i++)
        assert_false(calls[i].used);
    /* Answers that make no sense. */
    send_request(3, &request, NULL, 0);
    answer_screen(screen);
    screen->next = 0;
    run(3);
    expect(CONTROL_EREFUSED, "the guest's device model gives no sensible answer");
    send_request(4, &request, NULL, 0);
    screen->width = 0;
    screen->answered = screen->asked;
    run(4);
    expect(CONTROL_EREFUSED, "the guest has no screen");
    send_request(5, &request, NULL, 0);
    answer_screen(screen);
    screen->size = UINT32_MAX;
    run(5);
    service.guest[0].ended = true;
    run(5);
    assert_int_equal(answer.result.error, CONTROL_EREFUSED);
    assert_string_equal(answer.sentence, "the guest has ended");
}

static void debugger_questions(void **state)
{
    (void)state;
    struct debug_request question = {.op = DEBUG_READ, .address = 0x1234, .length = 16};
    struct channel_debug *channel = &world_channel[1].debug;
    struct debug_answer answered;
    ask_guest(1, CONTROL_DEBUG, "right", &question, offsetof(struct debug_request, data));
    assert_int_equal(world.notified, 2);
    assert_int_equal(channel->request.address, 0x1234);
    assert_int_equal(answer.ends, 0);
    channel->answer = (struct debug_answer){.size = 16};
    memset(channel->answer.data, 5, 16);
    channel->answered = channel->asked;
    run(1);
    expect(CONTROL_OK, "");
    assert_int_equal(answer.size, offsetof(struct debug_answer, data) + 16);
    ask_guest(2, CONTROL_DEBUG, "right", &question, offsetof(struct debug_request, data));
    channel->answer.size = UINT32_MAX;
    channel->answered = channel->asked;
    run(2);
    expect(CONTROL_OK, "");
    assert_int_equal(answer.size, sizeof answered);
    memcpy(&answered, answer.bytes, sizeof answered);
    assert_int_equal(answered.size, DEBUG_DATA);
    /* Who waits for a stop. */
    struct control_request request = {.command = CONTROL_STOPPED, .number = 0, .guest = "right"};
    send_request(3, &request, NULL, 0);
    assert_int_equal(answer.ends, 0);
    channel->stops = 4;
    run(3);
    expect(CONTROL_OK, "");
    assert_int_equal(answer.result.value, 4);
    request.number = 4;
    send_request(4, &request, NULL, 0);
    service.guest[1].ended = true;
    run(4);
    expect(CONTROL_EENDED, "the guest has ended");
}

static void keys(void **state)
{
    (void)state;
    struct input_event events[CHANNEL_EVENTS / 2 + 1];
    struct channel *channel = &world_channel[0];
    for (unsigned i = 0; i < sizeof events / sizeof events[0]; i++)
        events[i] = (struct input_event){.kind = INPUT_KEY_DOWN, .key = (uint8_t)(1 + i % 80)};
    enum { FEW = 100 };
    ask_guest(1, CONTROL_EVENTS, "left", events, FEW * sizeof events[0]);
    expect(CONTROL_OK, "");
    assert_int_equal(answer.result.value, FEW);
    assert_int_equal(channel->event_head, FEW);
    assert_memory_equal(channel->event, events, FEW * sizeof events[0]);
    ask_guest(2, CONTROL_EVENTS, "left", events, FEW * sizeof events[0]);
    assert_int_equal(answer.result.value, FEW);
    ask_guest(3, CONTROL_EVENTS, "left", events, FEW * sizeof events[0]); /* all or none */
    expect(CONTROL_OK, "");
    assert_int_equal(answer.result.value, 0);
    assert_int_equal(channel->event_head, 2 * FEW);
}

/* ---- drives: the device model holds world_disk ---- */

static uint8_t world_disk[WORLD_MODULE];

static bool answer_media(uint32_t guest)
{
    struct channel_media *channel = &world_channel[guest].media;
    uint64_t at = channel->request.offset, page = 4096;
    if (channel->asked == channel->answered)
        return false;
    channel->answer = (struct media_answer){.all = WORLD_MODULE, .image = "disk.img"};
    while (channel->request.flags & MEDIA_SKIP_ZEROS && at < WORLD_MODULE && world_disk[at] == 0)
        at++;
    channel->answer.at = at;
    channel->answer.size = (uint32_t)(WORLD_MODULE - at < page ? WORLD_MODULE - at : page);
    memcpy(channel->answer.data, world_disk + at, channel->answer.size);
    channel->answered = channel->asked;
    return true;
}

static struct control_request disk_request(uint32_t background, uint64_t offset)
{
    return (struct control_request){
        .command = CONTROL_DISK, .number = background, .offset = offset, .guest = "left"};
}

static const struct control_drive disk0 = {.drive = "disk0"};

/* Puts the answer together over the background; returns the bytes that came. */
static size_t put_together(uint8_t *copy, bool over_module, uint64_t *at)
{
    struct control_disk part;
    size_t came = 0;
    for (size_t i = 0; i < answer.size; i += sizeof part + part.length) {
        assert_true(answer.size - i >= sizeof part);
        memcpy(&part, answer.bytes + i, sizeof part);
        assert_int_equal(part.all, WORLD_MODULE);
        assert_true(part.at >= *at && part.at + part.length <= WORLD_MODULE);
        assert_true(answer.size - i - sizeof part >= part.length);
        if (over_module) {
            memcpy(copy + *at, world_module + *at, part.at - *at);
            assert_int_equal(part.crc, control_crc(world_module + *at, part.at - *at));
        } else {
            memset(copy + *at, 0, part.at - *at);
        }
        memcpy(copy + part.at, answer.bytes + i + sizeof part, part.length);
        *at = part.at + part.length;
        came += part.length;
    }
    return came;
}

static void disks(void **state)
{
    (void)state;
    static uint8_t copy[WORLD_MODULE];
    for (unsigned i = 0; i < WORLD_MODULE; i++)
        world_module[i] = world_disk[i] = (uint8_t)(i * 11 + i / 256);
    memset(world_disk + 2000, 0, 3000);
    memset(world_disk + 9000, 0, 1000);
    for (uint32_t background = CONTROL_WITHOUT_ZEROS; background <= CONTROL_WITHOUT_IMAGE; background++) {
        for (uint64_t from = 0; from < WORLD_MODULE; from += 1111) {
            uint64_t at = from;
            struct control_request request = disk_request(background, from);
            memset(copy, 0xee, sizeof copy);
            memcpy(copy, world_disk, from);
            send_request(1, &request, &disk0, sizeof disk0);
            while (answer_media(0))
                run(1);
            expect(CONTROL_OK, "");
            size_t came = put_together(copy, background == CONTROL_WITHOUT_IMAGE, &at);
            assert_int_equal(at, WORLD_MODULE);
            assert_memory_equal(copy, world_disk, WORLD_MODULE);
            assert_true(from > 0 || came < (background == CONTROL_WITHOUT_IMAGE ? 7000 : 9000));
        }
    }
    /* Pages that are as they were do not come at all. */
    uint64_t at = 0;
    struct control_request request = disk_request(CONTROL_WITHOUT_IMAGE, 0);
    memcpy(world_disk, world_module, WORLD_MODULE);
    send_request(2, &request, &disk0, sizeof disk0);
    while (answer_media(0))
        run(2);
    expect(CONTROL_OK, "");
    assert_int_equal(put_together(copy, true, &at), 0);
    assert_int_equal(at, WORLD_MODULE);
    assert_memory_equal(copy, world_disk, WORLD_MODULE);
    /* Two at a time about one guest, who take the answers from each other. */
    request = disk_request(CONTROL_WITHOUT_ZEROS, 0);
    at = 0;
    send_request(4, &request, &disk0, sizeof disk0);
    send_request(3, &request, &disk0, sizeof disk0);
    while (answer_media(0))
        run(3);
    expect(CONTROL_OK, "");
    put_together(copy, false, &at);
    assert_int_equal(at, WORLD_MODULE);
    assert_memory_equal(copy, world_disk, WORLD_MODULE);
    for (unsigned i = 0; i < CALLS_MAX; i++)
        assert_false(calls[i].used);
}

/* A request ends after so many parts, and the next one goes on behind them. */
static void a_disk_in_several_requests(void **state)
{
    (void)state;
    struct channel_media *channel = &world_channel[0].media;
    struct control_request request = disk_request(CONTROL_WITHOUT_ZEROS, 0);
    struct control_disk part;
    send_request(1, &request, &disk0, sizeof disk0);
    while (answer.ends == 0) {
        assert_true(channel->asked != channel->answered);
        channel->answer =
            (struct media_answer){.all = 1ull << 40, .at = channel->request.offset, .size = MEDIA_DATA};
        memset(channel->answer.data, 1, MEDIA_DATA);
        channel->answered = channel->asked;
        run(1);
    }
    expect(CONTROL_OK, "");
    assert_int_equal(answer.pieces, PARTS_MAX);
    memcpy(&part, answer.bytes + answer.size / PARTS_MAX * (PARTS_MAX - 1), sizeof part);
    /* Nothing but zeros: a part without bytes tells how far it has come. */
    request.offset = 1ull << 30;
    send_request(2, &request, &disk0, sizeof disk0);
    while (answer.ends == 0) {
        channel->answer = (struct media_answer){
            .all = 1ull << 40, .at = channel->request.offset + (1 << 18), .size = MEDIA_DATA};
        channel->answered = channel->asked;
        run(2);
    }
    assert_int_equal(answer.size, PARTS_MAX * sizeof part);
    memcpy(&part, answer.bytes + answer.size - sizeof part, sizeof part);
    assert_int_equal(part.length, 0);
    assert_true(part.at >= request.offset + ((uint64_t)PARTS_MAX << 18));
}

static void a_device_model_that_lies(void **state)
{
    (void)state;
    static const struct media_answer lies[] = {
        {.size = MEDIA_DATA + 1, .all = 1 << 20, .at = 100},
        {.size = 10, .all = 5},
        {.size = 10, .all = 1 << 20, .at = UINT64_MAX - 5},
        {.size = UINT32_MAX, .all = UINT64_MAX},
        {.size = 10, .all = 1 << 20, .at = 20},
        {.size = 0, .all = 0},
        {.size = 10, .all = 105, .at = 100},
        {.size = 10, .all = 1 << 20, .at = 101 + (1 << 18)},
        {.size = MEDIA_DATA, .all = 1 << 20, .at = UINT64_MAX - MEDIA_DATA + 201},
    };
    struct channel_media *channel = &world_channel[0].media;
    for (uint32_t background = 0; background < 2; background++) {
        for (unsigned i = 0; i < sizeof lies / sizeof lies[0]; i++) {
            struct control_request request = disk_request(background, 100);
            send_request(1 + i, &request, &disk0, sizeof disk0);
            channel->answer = lies[i];
            channel->answered = channel->asked;
            run(1 + i);
            expect(CONTROL_EREFUSED, "the guest's device model gives no sensible answer");
        }
    }
    /* Its image is none of the guest's, or of another length; its name has no end. */
    for (unsigned i = 0; i < 3; i++) {
        struct control_request request = disk_request(CONTROL_WITHOUT_IMAGE, 0);
        send_request(50 + i, &request, &disk0, sizeof disk0);
        channel->answer = (struct media_answer){.all = WORLD_MODULE - (i == 0), .image = "disk.img"};
        if (i == 1)
            strcpy(channel->answer.image, "other.img");
        if (i == 2)
            memset(channel->answer.image, 'x', sizeof channel->answer.image);
        channel->answered = channel->asked;
        run(50 + i);
        expect(CONTROL_EREFUSED, "the guest's device model gives no sensible answer");
    }
}

static void hands_at_drives(void **state)
{
    (void)state;
    const struct control_drive data = {.drive = "cd0", .image = "two.iso"};
    struct channel_media *channel = &world_channel[0].media;
    struct control_request request = {.command = CONTROL_INSERT, .number = 1, .guest = "left"};
    for (unsigned i = 0; i < 3; i++) { /* one that comes again, before its answer and after */
        send_request(SOME_ID, &request, &data, sizeof data);
        if (i == 0)
            continue;
        assert_int_equal(channel->asked, 1);
        channel->answered = channel->asked;
        run(SOME_ID);
        expect(CONTROL_OK, "");
    }
    assert_int_equal(channel->asked, 1);
    assert_int_equal(channel->request.op, MEDIA_INSERT);
    assert_int_equal(channel->request.flags, MEDIA_FORCE);
    assert_string_equal(channel->request.image, "two.iso");
    request = (struct control_request){.command = CONTROL_EJECT, .guest = "left"};
    for (unsigned i = 0; i < 2; i++) {
        send_request(SOME_ID + 3, &request, &data, sizeof data);
        channel->answered = channel->asked;
        run(SOME_ID + 3);
        expect(CONTROL_OK, "");
    }
    assert_int_equal(channel->asked, 2);
    send_request(SOME_ID + 1, &request, &data, sizeof data);
    assert_int_equal(channel->request.op, MEDIA_EJECT);
    assert_int_equal(channel->request.flags, 0);
    channel->answer.refused = MEDIA_REFUSED;
    channel->answer.size = UINT32_MAX;
    memset(channel->answer.data, '.', MEDIA_DATA);
    memcpy(channel->answer.data, "no\x1b[2J", 6);
    channel->answered = channel->asked;
    run(SOME_ID + 1);
    assert_int_equal(answer.result.error, CONTROL_EREFUSED);
    assert_memory_equal(answer.sentence, "no?[2J..", 8);
    assert_int_equal(strlen(answer.sentence), CONTROL_SENTENCE_MAX - 1);
    send_request(SOME_ID + 4, &request, &data, sizeof data);
    channel->answer.refused = MEDIA_WRONG;
    channel->answer.size = 3;
    memcpy(channel->answer.data, "why", 3);
    channel->answered = channel->asked;
    run(SOME_ID + 4);
    expect(CONTROL_EFORM, "why");
    /* Another question waits until the answer is seen: asked again, it would be done twice. */
    const struct control_request list = {.command = CONTROL_DRIVES, .guest = "left"};
    uint32_t asked = channel->asked + 1;
    send_request(SOME_ID + 5, &request, &data, sizeof data);
    send_request(SOME_ID + 6, &list, NULL, 0);
    assert_int_equal(channel->asked, asked);
    assert_int_equal(channel->request.op, MEDIA_EJECT);
    channel->answer = (struct media_answer){0};
    channel->answered = channel->asked;
    run(SOME_ID + 5);
    expect(CONTROL_OK, "");
    run(SOME_ID + 6);
    assert_int_equal(channel->asked, asked + 1);
    assert_int_equal(channel->request.op, MEDIA_LIST);
    channel->answered = channel->asked;
    run(SOME_ID + 6);
    /* The guest ends before it has answered. */
    channel->answered = channel->asked;
    send_request(SOME_ID + 2, &request, &data, sizeof data);
    assert_int_equal(answer.ends, 0);
    service.guest[0].ended = true;
    run(SOME_ID + 2);
    expect(CONTROL_EENDED, "the guest has ended");
}

static void lists_of_drives(void **state)
{
    (void)state;
    struct channel_media *channel = &world_channel[0].media;
    ask_guest(1, CONTROL_DRIVES, "left", NULL, 0);
    assert_int_equal(channel->request.op, MEDIA_LIST);
    channel->answer.size = MEDIA_DATA;
    memset(channel->answer.data, 'x', MEDIA_DATA);
    channel->answer.data[MEDIA_DATA - 1] = '\n';
    channel->answered = channel->asked;
    run(1);
    expect(CONTROL_OK, "");
    assert_int_equal(answer.pieces, MEDIA_DATA / CONTROL_PAYLOAD_MAX);
    assert_memory_equal(answer.bytes, channel->answer.data, MEDIA_DATA);
    ask_guest(2, CONTROL_DRIVES, "left", NULL, 0);
    channel->answer.size = 0;
    channel->answered = channel->asked;
    run(2);
    expect(CONTROL_OK, "");
    assert_int_equal(answer.size, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hello_and_list),
        TEST(reports),
        TEST(wrong_requests),
        TEST(orders_once),
        TEST(what_the_monitor_refuses),
        TEST(consoles),
        TEST(too_many_requests),
        TEST(a_slow_line),
        TEST(garbage_between_requests),
        TEST(screens),
        TEST(debugger_questions),
        TEST(keys),
        TEST(disks),
        TEST(a_disk_in_several_requests),
        TEST(a_device_model_that_lies),
        TEST(hands_at_drives),
        TEST(lists_of_drives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
