/*
 * The machine's own keyboard and mouse (service/host_input.c) with a controller, devices and guests of the
 * test's own: what the driver says to them, what of their bytes a guest is given, and a guest that does not
 * read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "service_ports.h"
#include "../../service/host_input.c"

enum { OUTPUT_MAX = 64, EVENTS_MAX = 64, FROM_MOUSE = 0x100 };

struct service service;

static struct {
    bool present, keyboard, mouse, mouse_has_wheel;
    uint8_t mode, command, rates[3];
    uint16_t output[OUTPUT_MAX];
    unsigned output_count;
    bool mouse_argument, keyboard_enabled, mouse_enabled, mouse_wheel;
    uint64_t ms;
    uint32_t focus, woken_ms;
    struct input_event event[EVENTS_MAX];
    uint32_t to[EVENTS_MAX];
    unsigned event_count, room;
} world;

static void say(unsigned byte)
{
    assert_true(world.output_count < OUTPUT_MAX);
    world.output[world.output_count++] = (uint16_t)byte;
}

static uint8_t port_read(uint16_t port)
{
    if (!world.present)
        return 0xff;
    if (port == PORT_COMMAND)
        return (uint8_t)(world.output_count > 0
                             ? STATUS_OUTPUT | (world.output[0] & FROM_MOUSE ? STATUS_AUX : 0)
                             : 0);
    assert_int_equal(port, PORT_DATA);
    assert_true(world.output_count > 0);
    uint8_t byte = (uint8_t)world.output[0];
    memmove(world.output, world.output + 1, --world.output_count * sizeof world.output[0]);
    return byte;
}

/* IntelliMouse: rates of 200, 100 and 80 make it tell of its wheel. */
static void mouse_takes(uint8_t value)
{
    if (!world.mouse)
        return;
    say(FROM_MOUSE | ACK);
    if (world.mouse_argument) {
        world.mouse_argument = false;
        world.rates[0] = world.rates[1];
        world.rates[1] = world.rates[2];
        world.rates[2] = value;
        world.mouse_wheel |=
            world.mouse_has_wheel && world.rates[0] == 200 && world.rates[1] == 100 && world.rates[2] == 80;
    } else if (value == DEVICE_RATE) {
        world.mouse_argument = true;
    } else if (value == DEVICE_ID) {
        say(FROM_MOUSE | (world.mouse_wheel ? ID_WHEEL : 0));
    } else {
        world.mouse_enabled = value == DEVICE_ENABLE;
    }
}

static void port_write(uint16_t port, uint8_t value)
{
    uint8_t command = world.command;
    if (port == PORT_COMMAND) {
        world.command = value;
        world.mode = (uint8_t)(value == CONTROLLER_OFF       ? world.mode | 0x10
                               : value == CONTROLLER_ON      ? world.mode & ~0x10
                               : value == CONTROLLER_AUX_OFF ? world.mode | 0x20
                               : value == CONTROLLER_AUX_ON  ? world.mode & ~0x20
                                                             : world.mode);
        if (value == CONTROLLER_READ_MODE)
            say(world.mode);
        return;
    }
    world.command = 0;
    if (command == CONTROLLER_WRITE_MODE) {
        world.mode = value;
    } else if (command == CONTROLLER_TO_AUX) {
        mouse_takes(value);
    } else if (world.keyboard) {
        say(ACK);
        world.keyboard_enabled = value == DEVICE_ENABLE;
    }
}

/* Each look at the clock is a millisecond. */
uint64_t service_ms(void)
{
    return world.ms++;
}

void service_wake_after(uint32_t ms)
{
    world.woken_ms = ms;
}

uint32_t console_focus(void)
{
    return world.focus;
}

void console_focus_next(void)
{
    world.focus = (world.focus + 1) % service.guest_count;
}

bool input_give(uint32_t guest, const struct input_event *event)
{
    if (world.room == 0)
        return false;
    world.room--;
    world.to[world.event_count] = guest;
    world.event[world.event_count++] = *event;
    return true;
}

static void begin(bool keyboard, bool mouse, bool wheel)
{
    memset(&world, 0, sizeof world);
    memset(&input, 0, sizeof input);
    world.present = true;
    world.keyboard = keyboard;
    world.mouse = mouse;
    world.mouse_has_wheel = wheel;
    world.room = EVENTS_MAX;
    world.mode = 0x30;
    service.guest_count = 2;
    say(0x1c); /* a key that the boot loader has not read */
    host_input_start();
    assert_int_equal(world.output_count, 0);
}

static void run(const char *bytes, size_t count, unsigned from)
{
    world.event_count = 0;
    for (size_t i = 0; i < count; i++)
        say(from | (uint8_t)bytes[i]);
    assert_int_equal(host_input_run(), count > 0);
    assert_int_equal(world.output_count, 0);
}

#define TYPE(text) run(text, sizeof(text) - 1, 0)
#define MOVE(text) run(text, sizeof(text) - 1, FROM_MOUSE)

static void expect_keys(uint32_t guest, const char *keys, size_t count)
{
    assert_int_equal(world.event_count, count);
    for (size_t i = 0; i < count; i += 1) {
        const struct input_event *event = &world.event[i];
        uint8_t key = (uint8_t)keys[i];
        assert_int_equal(world.to[i], guest);
        assert_true(event->kind == INPUT_KEY_DOWN || event->kind == INPUT_KEY_UP);
        assert_int_equal(event->key, key);
    }
}

#define EXPECT_KEYS(guest, keys) expect_keys(guest, keys, sizeof(keys) - 1)

static void test_start(void **state)
{
    (void)state;
    begin(true, true, true);
    assert_true(world.keyboard_enabled && world.mouse_enabled && input.wheel);
    assert_int_equal(world.mode, MODE_INTERRUPT | MODE_AUX_INTERRUPT | MODE_TRANSLATE);
    begin(true, false, false);
    assert_int_equal(world.mode, MODE_INTERRUPT | MODE_TRANSLATE | 0x20);
    assert_true(input.present);
    begin(false, false, false);
    assert_false(input.present);
    assert_true(world.ms < 10 * ANSWER_MS);
    begin(false, true, false);
    assert_true(input.present && !input.wheel);
}

static void test_no_controller(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    memset(&input, 0, sizeof input);
    host_input_start();
    assert_false(host_input_run());
    assert_true(world.ms < 2);
}

static void test_keys(void **state)
{
    (void)state;
    begin(true, true, true);
    TYPE("\x1e");
    EXPECT_KEYS(0, "\x1e");
    assert_int_equal(world.event[0].kind, INPUT_KEY_DOWN);
    TYPE("\x1e\x9e"); /* it repeats */
    EXPECT_KEYS(0, "\x1e\x1e");
    assert_int_equal(world.event[1].kind, INPUT_KEY_UP);
    TYPE("\xe0\x2a\xe0\x48\xe0\xc8\xe0\xaa"); /* an arrow with Num Lock: the Shift is none */
    EXPECT_KEYS(0, "\xc8\xc8");
    TYPE("\xe1\x1d\x45\xe1\x9d\xc5");
    EXPECT_KEYS(0, "\xc5\xc5");
    TYPE("\x2a\x1e\x9e\xaa\x30\xb0"); /* Shift is up before the second letter comes */
    EXPECT_KEYS(0, "\x2a\x1e\x1e\x2a\x30\x30");
    TYPE("\xfa\xaa\xff\x00\x80"); /* no keys, or such as were not down */
    EXPECT_KEYS(0, "");
}

static void test_full_guest(void **state)
{
    (void)state;
    begin(true, true, true);
    TYPE("\x1e");
    world.room = 0;
    TYPE("\x30\xb0\x9e");
    EXPECT_KEYS(0, "");
    assert_int_equal(world.woken_ms, RETRY_MS);
    world.woken_ms = 0;
    world.room = 8;
    TYPE("");
    EXPECT_KEYS(0, "\x1e");
    assert_int_equal(world.event[0].kind, INPUT_KEY_UP);
    assert_int_equal(world.woken_ms, 0);
}

static void test_focus(void **state)
{
    (void)state;
    begin(true, true, true);
    MOVE("\x09\x00\x00\x00");
    TYPE("\x1d\x38\xe0\x51");
    assert_int_equal(world.focus, 1);
    assert_int_equal(world.event_count, 5); /* down twice; a button and both keys up */
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(world.to[i], 0);
    assert_int_equal(world.event[2].kind, INPUT_BUTTON_UP);
    assert_int_equal(world.event[3].kind, INPUT_KEY_UP);
    TYPE("\xe0\x51\xe0\x51\xe0\xd1\xb8\x9d\x1e"); /* PageDown repeats, and all comes up */
    assert_int_equal(world.focus, 1);
    EXPECT_KEYS(1, "\x1e");
}

static void test_focus_of_a_full_guest(void **state)
{
    (void)state;
    begin(true, true, true);
    TYPE("\x1e");
    world.room = 0;
    world.focus = 1;
    TYPE("");
    assert_int_equal(world.woken_ms, RETRY_MS);
    world.room = 8;
    TYPE("\x30");
    assert_int_equal(world.event_count, 2);
    assert_int_equal(world.to[0], 0);
    assert_int_equal(world.event[0].kind, INPUT_KEY_UP);
    assert_int_equal(world.to[1], 1);
}

/* Nobody takes anything out of its ring any more. */
static void test_focus_of_a_guest_that_ended(void **state)
{
    (void)state;
    begin(true, true, true);
    TYPE("\x1e");
    world.room = 0;
    world.focus = 1;
    service.guest[0].ended = true;
    TYPE("");
    service.guest[0].ended = false;
    world.room = 8;
    TYPE("\x30");
    EXPECT_KEYS(1, "\x30");
}

static void test_mouse(void **state)
{
    (void)state;
    begin(true, true, true);
    MOVE("\x00\x18\xfb\x03\xff"); /* the first is none that begins a packet */
    assert_int_equal(world.event_count, 1);
    assert_int_equal(world.event[0].kind, INPUT_MOUSE);
    assert_int_equal(world.event[0].right, -5);
    assert_int_equal(world.event[0].down, -3);
    assert_int_equal(world.event[0].wheel, -1);
    MOVE("\x2d\x00\x80\x00");
    assert_int_equal(world.event_count, 2);
    assert_int_equal(world.event[0].down, 128);
    assert_int_equal(world.event[1].kind, INPUT_BUTTON_DOWN);
    assert_int_equal(world.event[1].buttons, INPUT_BUTTON_LEFT | INPUT_BUTTON_MIDDLE);
    MOVE("\xcc\x7f\x7f\x00"); /* too far to be said */
    assert_int_equal(world.event_count, 1);
    assert_int_equal(world.event[0].kind, INPUT_BUTTON_UP);
    assert_int_equal(world.event[0].buttons, INPUT_BUTTON_LEFT);
    begin(true, true, false);
    MOVE("\x08\x01\x00\x08\x02\x00");
    assert_int_equal(world.event_count, 2);
    assert_int_equal(world.event[1].right, 2);
    assert_int_equal(world.event[1].wheel, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_no_controller),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_full_guest),
        cmocka_unit_test(test_focus),
        cmocka_unit_test(test_focus_of_a_full_guest),
        cmocka_unit_test(test_focus_of_a_guest_that_ended),
        cmocka_unit_test(test_mouse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
