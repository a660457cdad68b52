/*
 * The keyboard controller and keyboard against IBM's reference, as a kernel's probe uses them.
 *
 * sources: devices/i8042.c devices/bus.c tests/unit/host_effects.c
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

/* Linux' test for a second port: what comes back of the loop does not say that it is from there; the line is
 * stuck. */
static void no_second_port(void **state)
{
    (void)state;
    command(0xd3);
    write_data(0x5a);
    assert_int_equal(status() & 0x20, 0);
    EXPECT(0x5a);
    command(0xa9);
    EXPECT(0x01);
    command(0xd4);
    write_data(0xff);
    assert_int_equal(status() & OUTPUT_FULL, 0);
    command(0xd2);
    write_data(0x33);
    EXPECT(0x33);
}

static void keyboard_answers(void **state)
{
    (void)state;
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
    assert_int_equal(i8042.scan_set, 2);
    write_data(0xf3);
    write_data(0x00);
    EXPECT(0xfa, 0xfa);
    write_data(0xf5);
    EXPECT(0xfa);
    assert_int_equal(i8042.scanning, 0);
    write_data(0xf4);
    EXPECT(0xfa);
    assert_int_equal(i8042.scanning, 1);
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

static void full_queue_drops(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++)
        write_data(0xee);
    assert_null(i8042_device.check(&i8042));
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(read_data(), 0xee);
    assert_int_equal(status() & OUTPUT_FULL, 0);
}

static void resets(void **state)
{
    (void)state;
    command(0xff);
    assert_int_equal(host.ends, 0);
    command(0xfe);
    assert_int_equal(host.end, GUEST_END_RESET);
    assert_int_equal(host.ends, 1);
    command(0xd1);
    write_data(0xdf);
    assert_int_equal(host.ends, 1);
    command(0xd1);
    write_data(0xde);
    assert_int_equal(host.ends, 2);
}

static void check_refuses_bad_state(void **state)
{
    (void)state;
    assert_null(i8042_device.check(&i8042));
    i8042.queue_next = 16;
    assert_non_null(i8042_device.check(&i8042));
    i8042.queue_next = 0;
    i8042.queue_count = 17;
    assert_non_null(i8042_device.check(&i8042));
    i8042.queue_count = 0;
    i8042.scan_set = 0;
    assert_non_null(i8042_device.check(&i8042));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(controller_commands, set_up),
        cmocka_unit_test_setup(no_second_port, set_up),
        cmocka_unit_test_setup(keyboard_answers, set_up),
        cmocka_unit_test_setup(one_interrupt_for_each_byte, set_up),
        cmocka_unit_test_setup(full_queue_drops, set_up),
        cmocka_unit_test_setup(resets, set_up),
        cmocka_unit_test_setup(check_refuses_bad_state, set_up),
    };
    return cmocka_run_group_tests_name("i8042", tests, NULL, NULL);
}
