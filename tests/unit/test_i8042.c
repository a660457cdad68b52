/*
 * The keyboard controller, keyboard and mouse against IBM's reference, as a kernel's probe uses them.
 *
 * sources: devices/i8042.c devices/bus.c tests/unit/host_effects.c
 * sources: devices/ps2_keyboard.c devices/ps2_mouse.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "host_effects.h"
#include "i8042.h"

enum { OUTPUT_FULL = 1 };

static struct i8042 i8042;

static void command(uint8_t value)
{
    host_out(&i8042_device, &i8042, 0x64, 1, value);
}

static void write_data(uint8_t value)
{
    host_out(&i8042_device, &i8042, 0x60, 1, value);
}

static uint8_t status(void)
{
    return (uint8_t)host_in(&i8042_device, &i8042, 0x64, 1);
}

static uint8_t read_data(void)
{
    return (uint8_t)host_in(&i8042_device, &i8042, 0x60, 1);
}

/* Asserts the next answer bytes. */
static void expect(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(status() & OUTPUT_FULL, OUTPUT_FULL);
        assert_int_equal(read_data(), bytes[i]);
    }
    assert_int_equal(status() & OUTPUT_FULL, 0);
}
#define EXPECT(...) expect((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static int set_up(void **state)
{
    (void)state;
    host_reset();
    host_device_reset(&i8042_device, &i8042);
    return 0;
}

static void controller_commands(void **state)
{
    (void)state;
    assert_int_equal(status(), 0x14);
    command(0xaa);
    assert_int_equal(status() & 8, 8);
    EXPECT(0x55);
    command(0xab);
    EXPECT(0x00);
    command(0x20);
    EXPECT(0x75);
    command(0x60);
    write_data(0x47);
    assert_int_equal(status() & 8, 0);
    command(0x20);
    EXPECT(0x47);
    command(0xad);
    command(0xa7);
    command(0x20);
    EXPECT(0x77);
    command(0xae);
    command(0xa8);
    command(0x20);
    EXPECT(0x47);
    command(0x7f);
    write_data(0x12);
    command(0x3f);
    EXPECT(0x12);
    command(0xc0);
    EXPECT(0x80);
    command(0xd0);
    EXPECT(0xcf);
    command(0xb5);
    assert_int_equal(host.needs[NEED_IGNORED], 1);
}

/* As Linux' test for a second port looks for it. */
static void second_port(void **state)
{
    (void)state;
    command(0xd3);
    write_data(0x5a);
    assert_int_equal(status() & 0x21, 0x21);
    EXPECT(0x5a);
    command(0xa9);
    EXPECT(0x00);
    command(0xd2);
    write_data(0x1c);
    assert_int_equal(status() & 0x21, 0x01);
    EXPECT(0x1c); /* not translated */
    command(0xd0);
    EXPECT(0xcf);
    command(0xdd);
    assert_true(host.a20_masked);
    command(0xd0);
    EXPECT(0xcd);
    command(0xdf);
    assert_false(host.a20_masked);
    command(0xd3);
    write_data(0);
    command(0xd0);
    assert_int_equal(read_data(), 0xef); /* what it says of the buffer before the answer lies there */
}

static void set_command_byte(uint8_t value)
{
    command(0x60);
    write_data(value);
}

static void key(uint8_t code, bool down)
{
    host.event[host.event_count++] =
        (struct input_event){.kind = down ? INPUT_KEY_DOWN : INPUT_KEY_UP, .key = code};
    i8042_receive(&i8042);
}

static void press(uint8_t code)
{
    key(code, true);
    key(code, false);
}

static void keys_translated(void **state)
{
    (void)state;
    set_command_byte(0x45);
    key(0x1e, true);
    assert_int_equal(host.irq[1], 1);
    EXPECT(0x1e);
    key(0x1e, false);
    EXPECT(0x9e);
    press(0x48 | INPUT_KEY_EXTENDED);
    EXPECT(0xe0, 0x48, 0xe0, 0xc8);
    press(INPUT_KEY_PRINT);
    EXPECT(0xe0, 0x2a, 0xe0, 0x37, 0xe0, 0xb7, 0xe0, 0xaa);
    press(INPUT_KEY_PAUSE);
    EXPECT(0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
    press(0x41); /* F7, whose code of set 2 is above the others */
    EXPECT(0x41, 0xc1);
    write_data(0xf2);
    EXPECT(0xfa, 0xab, 0x41);
    /* Every key comes through as it is. */
    for (uint8_t code = 1; code <= 0x58; code++) {
        if (code == 0x54 || code == 0x55)
            continue;
        press(code);
        EXPECT(code, (uint8_t)(code | 0x80));
    }
}

static void keys_in_their_sets(void **state)
{
    (void)state;
    set_command_byte(0x05);
    press(0x1e);
    EXPECT(0x1c, 0xf0, 0x1c);
    press(0x48 | INPUT_KEY_EXTENDED);
    EXPECT(0xe0, 0x75, 0xe0, 0xf0, 0x75);
    press(INPUT_KEY_PAUSE);
    EXPECT(0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77);
    press(0x41);
    EXPECT(0x83, 0xf0, 0x83);
    write_data(0xf0);
    write_data(0x01);
    EXPECT(0xfa, 0xfa);
    press(0x1e);
    EXPECT(0x1e, 0x9e);
    press(0x1d | INPUT_KEY_EXTENDED);
    EXPECT(0xe0, 0x1d, 0xe0, 0x9d);
    write_data(0xf5); /* no scanning */
    EXPECT(0xfa);
    press(0x1e);
    assert_int_equal(status() & OUTPUT_FULL, 0);
}

static void keys_wait_and_replies_overtake(void **state)
{
    (void)state;
    set_command_byte(0x45);
    command(0xad);
    for (unsigned i = 0; i < 20; i++)
        press(0x1e);
    assert_int_equal(status() & OUTPUT_FULL, 0);
    assert_int_equal(i8042.event_waits, 1); /* more than the keyboard holds */
    write_data(0xee);                       /* lets the keyboard send, its reply first */
    assert_int_equal(read_data(), 0xee);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(read_data(), 0x1e);
        assert_int_equal(read_data(), 0x9e);
    }
    assert_int_equal(status() & OUTPUT_FULL, 0);
    press(0x10);
    assert_int_equal(read_data(), 0x10);
    write_data(0xfe); /* once more */
    assert_int_equal(read_data(), 0x90);
    assert_int_equal(read_data(), 0x10 & 0x7f);
}

static void mouse(uint8_t value)
{
    command(0xd4);
    write_data(value);
}

static void queue_button(uint8_t buttons, bool down)
{
    host.event[host.event_count++] =
        (struct input_event){.kind = down ? INPUT_BUTTON_DOWN : INPUT_BUTTON_UP, .buttons = buttons};
}

/* The mouse moves, then buttons go up, and others down. */
static void move(int16_t right, int16_t down, int8_t wheel, uint8_t up, uint8_t pressed)
{
    host.event[host.event_count++] =
        (struct input_event){.kind = INPUT_MOUSE, .right = right, .down = down, .wheel = wheel};
    if (up)
        queue_button(up, false);
    if (pressed)
        queue_button(pressed, true);
    i8042_receive(&i8042);
}

static void mouse_commands(void **state)
{
    (void)state;
    set_command_byte(0x47);
    mouse(0xff);
    assert_int_equal(status() & 0x21, 0x21);
    assert_int_equal(host.irq[12], 1);
    EXPECT(0xfa, 0xaa, 0x00);
    assert_int_equal(host.irq_rises[12], 3);
    mouse(0xf2);
    EXPECT(0xfa, 0x00);
    mouse(0xe9);
    EXPECT(0xfa, 0x00, 0x02, 0x64);
    mouse(0xe8);
    EXPECT(0xfa);
    mouse(0x03);
    EXPECT(0xfa);
    mouse(0xe7);
    EXPECT(0xfa);
    mouse(0xf4);
    EXPECT(0xfa);
    mouse(0xe9);
    EXPECT(0xfa, 0x30, 0x03, 0x64);
    mouse(0xee);
    EXPECT(0xfa);
    mouse(0x12);
    EXPECT(0x12);
    mouse(0xec);
    EXPECT(0xfa);
    mouse(0xf6);
    EXPECT(0xfa);
    mouse(0xe9);
    EXPECT(0xfa, 0x00, 0x02, 0x64);
    mouse(0x55);
    EXPECT(0xfe);
}

static void set_rate(uint8_t rate)
{
    mouse(0xf3);
    EXPECT(0xfa);
    mouse(rate);
    EXPECT(0xfa);
}

static void mouse_packets(void **state)
{
    (void)state;
    set_command_byte(0x47);
    move(5, 5, 0, 0, 0); /* not enabled: forgotten */
    mouse(0xf4);
    EXPECT(0xfa);
    move(3, 4, 1, 0, INPUT_BUTTON_LEFT);
    EXPECT(0x29, 0x03, 0xfc);
    move(-300, -2, 0, INPUT_BUTTON_LEFT | INPUT_BUTTON_RIGHT, 0);
    EXPECT(0x18, 0x00, 0x02, 0x18, 0xd4, 0x00);
    set_rate(200);
    set_rate(100);
    set_rate(80);
    mouse(0xf2);
    EXPECT(0xfa, 0x03);
    move(0, 0, -1, 0, INPUT_BUTTON_MIDDLE);
    EXPECT(0x0c, 0, 0, 0xff);
    set_rate(200);
    set_rate(200);
    set_rate(80);
    mouse(0xf2);
    EXPECT(0xfa, 0x04);
    move(1, 0, 1, INPUT_BUTTON_MIDDLE, INPUT_BUTTON_FOURTH);
    EXPECT(0x08, 1, 0, 0x01, 0x08, 0, 0, 0x10);
    mouse(0xe7);
    EXPECT(0xfa);
    move(3, 0, 0, INPUT_BUTTON_FOURTH, 0);
    EXPECT(0x08, 6 - 3, 0, 0);
    move(20, 0, 0, 0, 0);
    EXPECT(0x08, 40, 0, 0);
    mouse(0xf0); /* remote: only when asked */
    EXPECT(0xfa);
    move(7, 0, 0, 0, 0);
    assert_int_equal(status() & OUTPUT_FULL, 0);
    mouse(0xeb);
    EXPECT(0xfa, 0x08, 7, 0, 0);
    mouse(0xff);
    EXPECT(0xfa, 0xaa, 0x00);
    mouse(0xf2);
    EXPECT(0xfa, 0x00);
}

/* All at once, and the guest is told of each. Keys wait behind them, unless the mouse's port is off. */
static void clicks(void **state)
{
    (void)state;
    set_command_byte(0x47);
    mouse(0xf4);
    EXPECT(0xfa);
    for (unsigned i = 0; i < 4; i++)
        queue_button(INPUT_BUTTON_RIGHT, i % 2 == 0);
    press(0x1e);
    EXPECT(0x0a, 0, 0, 0x08, 0, 0, 0x0a, 0x1e, 0x9e, 0, 0, 0x08, 0, 0);
    command(0xa7);
    for (unsigned i = 0; i < 4; i++)
        queue_button(INPUT_BUTTON_RIGHT, i % 2 == 0);
    press(0x1e);
    EXPECT(0x1e, 0x9e);
}

static void keyboard_goes_before_mouse(void **state)
{
    (void)state;
    set_command_byte(0x47);
    mouse(0xf4);
    EXPECT(0xfa);
    command(0xad);
    command(0xa7);
    move(1, 1, 0, 0, 0);
    press(0x1e);
    assert_int_equal(status() & OUTPUT_FULL, 0);
    command(0xa8);
    command(0xae);
    assert_int_equal(status() & 0x21, 0x21); /* was let through first */
    assert_int_equal(read_data(), 0x28);
    assert_int_equal(status() & 0x21, 0x01);
    assert_int_equal(read_data(), 0x1e);
    assert_int_equal(read_data(), 0x9e);
    EXPECT(1, 0xff);
}

static void keyboard_answers(void **state)
{
    (void)state;
    set_command_byte(0x05);
    write_data(0xff);
    EXPECT(0xfa, 0xaa);
    write_data(0xf2);
    EXPECT(0xfa, 0xab, 0x83);
    write_data(0xed);
    EXPECT(0xfa);
    write_data(0x07);
    EXPECT(0xfa);
    assert_int_equal(host_field(&i8042_device, &i8042, "leds"), 7);
    write_data(0xf0);
    EXPECT(0xfa);
    write_data(0x00);
    EXPECT(0xfa, 0x02);
    write_data(0xf0);
    write_data(0x03);
    EXPECT(0xfa, 0xfa);
    write_data(0xf0);
    write_data(0x00);
    EXPECT(0xfa, 0xfa, 0x03);
    write_data(0xf6);
    EXPECT(0xfa);
    assert_int_equal(i8042.keyboard.scan_set, 2);
    write_data(0xf3);
    write_data(0x00);
    EXPECT(0xfa, 0xfa);
    write_data(0xf5);
    EXPECT(0xfa);
    assert_int_equal(i8042.keyboard.scanning, 0);
    write_data(0xf4);
    EXPECT(0xfa);
    assert_int_equal(i8042.keyboard.scanning, 1);
    write_data(0xee);
    EXPECT(0xee);
    write_data(0x12);
    EXPECT(0xfe);
    write_data(0xef);
    EXPECT(0xfe);
    write_data(0xed);
    write_data(0xf2); /* a command in place of the argument */
    EXPECT(0xfa, 0xfa, 0xab, 0x83);
}

static void one_interrupt_for_each_byte(void **state)
{
    (void)state;
    set_command_byte(0x05);
    write_data(0xf2);
    assert_int_equal(host.irq_rises[1], 1);
    read_data();
    assert_int_equal(host.irq_rises[1], 2);
    read_data();
    read_data();
    assert_int_equal(host.irq_rises[1], 3);
    assert_int_equal(host.irq[1], 0);
    assert_int_equal(read_data(), 0x83); /* the last one again */
    command(0x60);
    write_data(0x44); /* interrupts off */
    write_data(0xee);
    assert_int_equal(host.irq_rises[1], 3);
}

static void resets(void **state)
{
    (void)state;
    command(0xff);
    assert_int_equal(host.processor_resets, 0);
    command(0xfe);
    assert_int_equal(host.processor_resets, 1);
    command(0xd1);
    write_data(0xdf);
    assert_int_equal(host.processor_resets, 1);
    command(0xd1);
    write_data(0xde);
    assert_int_equal(host.processor_resets, 2);
}

static void check_refuses_bad_state(void **state)
{
    (void)state;
    assert_null(i8042_device.check(&i8042));
    i8042.keyboard.queue_next = PS2_KEYBOARD_QUEUE;
    assert_non_null(i8042_device.check(&i8042));
    i8042.keyboard.queue_next = 0;
    i8042.keyboard.reply_count = 5;
    assert_non_null(i8042_device.check(&i8042));
    i8042.keyboard.reply_count = 0;
    i8042.keyboard.scan_set = 0;
    assert_non_null(i8042_device.check(&i8042));
    i8042.keyboard.scan_set = 2;
    i8042.mouse.queue_count = 17;
    assert_non_null(i8042_device.check(&i8042));
    i8042.mouse.queue_count = 0;
    i8042.mouse.dx = 1 << 21;
    assert_non_null(i8042_device.check(&i8042));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(controller_commands, set_up),
        cmocka_unit_test_setup(second_port, set_up),
        cmocka_unit_test_setup(keys_translated, set_up),
        cmocka_unit_test_setup(keys_in_their_sets, set_up),
        cmocka_unit_test_setup(keys_wait_and_replies_overtake, set_up),
        cmocka_unit_test_setup(mouse_commands, set_up),
        cmocka_unit_test_setup(mouse_packets, set_up),
        cmocka_unit_test_setup(clicks, set_up),
        cmocka_unit_test_setup(keyboard_goes_before_mouse, set_up),
        cmocka_unit_test_setup(keyboard_answers, set_up),
        cmocka_unit_test_setup(one_interrupt_for_each_byte, set_up),
        cmocka_unit_test_setup(resets, set_up),
        cmocka_unit_test_setup(check_refuses_bad_state, set_up),
    };
    return cmocka_run_group_tests_name("i8042", tests, NULL, NULL);
}
