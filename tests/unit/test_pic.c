/*
 * The 8259A pair against its data sheet.
 *
 * sources: devices/pic.c devices/bus.c tests/unit/host_effects.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "host_effects.h"
#include "pic.h"

static struct pic pic;

HOST_PORTS(pic_device, pic)

static void initialise(uint8_t icw4)
{
    out(0x20, 0x11), out(0x21, 0x30), out(0x21, 0x04), out(0x21, icw4);
    out(0xa0, 0x11), out(0xa1, 0x70), out(0xa1, 0x02), out(0xa1, icw4);
}

static int set_up(void **state)
{
    (void)state;
    host_reset();
    host_device_reset(&pic_device, &pic);
    initialise(0x01);
    return 0;
}

static void edge_is_latched_until_acknowledged(void **state)
{
    (void)state;
    pic_set_line(&pic, 4, true);
    assert_true(host.intr);
    assert_int_equal(in(0x20), 0x10);
    assert_true(pic_waiting(&pic, 4));
    assert_int_equal(pic_acknowledge(&pic), 0x34);
    assert_false(host.intr);
    out(0x20, 0x0b); /* read ISR */
    assert_int_equal(in(0x20), 0x10);
    out(0x20, 0x0a); /* read IRR: the line is still up, but has no new edge */
    assert_int_equal(in(0x20), 0);
    out(0x20, 0x20);
    assert_false(host.intr);
    pic_set_line(&pic, 4, false);
    pic_set_line(&pic, 4, true);
    assert_true(host.intr);
}

static void request_that_falls_is_spurious(void **state)
{
    (void)state;
    pic_set_line(&pic, 3, true);
    pic_set_line(&pic, 3, false);
    assert_false(host.intr);
    assert_int_equal(pic_acknowledge(&pic), 0x37);
    out(0x20, 0x0b);
    assert_int_equal(in(0x20), 0); /* ISR bit 7 is not set */
    /* At the slave: the request goes between the master's and the slave's part. */
    pic_set_line(&pic, 11, true);
    out(0xa1, 0xff);
    assert_int_equal(pic_acknowledge(&pic), 0x37); /* the slave has withdrawn its output */
}

static void level_asserts_again_after_eoi(void **state)
{
    (void)state;
    out(0x4d1, 0x0a);
    assert_int_equal(in(0x4d1), 0x0a);
    out(0x4d0, 0xff);
    assert_int_equal(in(0x4d0), 0xf8); /* IRQ 0-2 stay edges */
    out(0x4d1, 0xff);
    assert_int_equal(in(0x4d1), 0xde); /* and 8 and 13 */
    pic_set_line(&pic, 11, true);
    assert_int_equal(pic_acknowledge(&pic), 0x73);
    assert_false(host.intr);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    assert_true(host.intr);
    assert_int_equal(pic_acknowledge(&pic), 0x73);
    pic_set_line(&pic, 11, false);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    assert_false(host.intr);
}

static void priority_and_nesting(void **state)
{
    (void)state;
    pic_set_line(&pic, 5, true);
    assert_int_equal(pic_acknowledge(&pic), 0x35);
    pic_set_line(&pic, 6, true);
    assert_false(host.intr); /* lower */
    pic_set_line(&pic, 1, true);
    assert_true(host.intr); /* higher: nests */
    assert_int_equal(pic_acknowledge(&pic), 0x31);
    out(0x20, 0x20); /* ends the higher one */
    assert_false(host.intr);
    out(0x20, 0x20);
    assert_int_equal(pic_acknowledge(&pic), 0x36);
}

static void mask(void **state)
{
    (void)state;
    out(0x21, 0x02);
    pic_set_line(&pic, 1, true);
    assert_false(host.intr);
    assert_false(pic_waiting(&pic, 1));
    assert_int_equal(in(0x21), 0x02);
    out(0x21, 0);
    assert_true(host.intr);
}

static void slave_nests_only_in_special_fully_nested_mode(void **state)
{
    (void)state;
    pic_set_line(&pic, 12, true);
    assert_int_equal(pic_acknowledge(&pic), 0x74);
    pic_set_line(&pic, 9, true);
    assert_false(host.intr); /* the master's input 2 is in service */
    out(0xa0, 0x20);
    out(0x20, 0x20);
    assert_int_equal(pic_acknowledge(&pic), 0x71);

    set_up(NULL);
    initialise(0x11); /* SFNM */
    pic_set_line(&pic, 12, true);
    assert_int_equal(pic_acknowledge(&pic), 0x74);
    pic_set_line(&pic, 9, true);
    assert_true(host.intr);
    assert_int_equal(pic_acknowledge(&pic), 0x71);
    pic_set_line(&pic, 14, true);
    assert_false(host.intr); /* lower than what the slave serves */
    pic_set_line(&pic, 3, true);
    assert_false(host.intr); /* lower than the slave at the master */
    pic_set_line(&pic, 1, true);
    assert_int_equal(pic_acknowledge(&pic), 0x31);
}

static void special_mask_mode(void **state)
{
    (void)state;
    pic_set_line(&pic, 2 + 1, true);
    assert_int_equal(pic_acknowledge(&pic), 0x33);
    pic_set_line(&pic, 6, true);
    assert_false(host.intr);
    out(0x21, 0x08); /* mask the level in service */
    out(0x20, 0x68); /* ESMM, SMM */
    assert_true(host.intr);
    assert_int_equal(pic_acknowledge(&pic), 0x36);
    out(0x20, 0x20); /* a non-specific EOI leaves the masked one alone */
    out(0x20, 0x0b);
    assert_int_equal(in(0x20), 0x08);
    out(0x20, 0x63); /* a specific one does not */
    assert_int_equal(in(0x20), 0);
    out(0x20, 0x48); /* leave the mode */
    assert_int_equal(pic.chip[0].special_mask, 0);
}

static void rotation(void **state)
{
    (void)state;
    pic_set_line(&pic, 4, true);
    pic_set_line(&pic, 6, true);
    assert_int_equal(pic_acknowledge(&pic), 0x34);
    out(0x20, 0xa0); /* rotate on non-specific EOI: 4 becomes the lowest */
    pic_set_line(&pic, 4, false);
    pic_set_line(&pic, 4, true);
    assert_int_equal(pic_acknowledge(&pic), 0x36);
    out(0x20, 0xe6); /* rotate on specific EOI */
    assert_int_equal(pic_acknowledge(&pic), 0x34);
    out(0x20, 0x20);
    out(0x20, 0xc2); /* set priority: 2 is the lowest, 3 the highest */
    pic_set_line(&pic, 1, true);
    pic_set_line(&pic, 3, true);
    assert_int_equal(pic_acknowledge(&pic), 0x33);
}

static void automatic_eoi(void **state)
{
    (void)state;
    initialise(0x03);
    out(0x20, 0x80); /* rotate in AEOI mode */
    pic_set_line(&pic, 0, true);
    pic_set_line(&pic, 1, true);
    assert_int_equal(pic_acknowledge(&pic), 0x30);
    out(0x20, 0x0b);
    assert_int_equal(in(0x20), 0);
    assert_true(host.intr);
    pic_set_line(&pic, 0, false);
    pic_set_line(&pic, 0, true); /* 0 is the lowest now */
    assert_int_equal(pic_acknowledge(&pic), 0x31);
    out(0x20, 0x00); /* clear */
    assert_int_equal(pic.chip[0].rotate_auto_eoi, 0);
}

static void poll_command(void **state)
{
    (void)state;
    out(0x20, 0x0c);
    assert_int_equal(in(0x20), 0);
    pic_set_line(&pic, 7, true);
    out(0x20, 0x0c);
    assert_int_equal(in(0x20), 0x87);
    assert_false(host.intr);
    out(0x20, 0x0b);
    assert_int_equal(in(0x20), 0x80);
}

static void initialisation(void **state)
{
    (void)state;
    out(0x21, 0xfe);
    pic_set_line(&pic, 0, true);
    out(0x20, 0x11); /* clears mask, requests, in service */
    assert_false(host.intr);
    assert_int_equal(in(0x20), 0);
    out(0x21, 0x08);
    out(0x21, 0x04);
    out(0x21, 0x01);
    assert_int_equal(in(0x21), 0);
    pic_set_line(&pic, 0, false);
    pic_set_line(&pic, 0, true);
    assert_int_equal(pic_acknowledge(&pic), 0x08);
    out(0x20, 0x12); /* single, no ICW4 */
    out(0x21, 0x40);
    out(0x21, 0x55); /* an OCW1 already */
    assert_int_equal(in(0x21), 0x55);
}

static void check_refuses_bad_state(void **state)
{
    (void)state;
    assert_null(pic_device.check(&pic));
    pic.chip[1].lowest = 8;
    assert_non_null(pic_device.check(&pic));
    pic.chip[1].lowest = 0;
    pic.chip[0].elcr = 1;
    assert_non_null(pic_device.check(&pic));
    pic.chip[0].elcr = 0;
    pic.chip[0].step = 4;
    assert_non_null(pic_device.check(&pic));
    pic.chip[0].step = 0;
    pic_set_line(&pic, 16, true); /* no such line */
    pic_set_line(&pic, 2, true);  /* the cascade is not for devices */
    assert_false(host.intr);
    assert_int_equal(host_field(&pic_device, &pic, "master vector"), 0x30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(edge_is_latched_until_acknowledged, set_up),
        cmocka_unit_test_setup(request_that_falls_is_spurious, set_up),
        cmocka_unit_test_setup(level_asserts_again_after_eoi, set_up),
        cmocka_unit_test_setup(priority_and_nesting, set_up),
        cmocka_unit_test_setup(mask, set_up),
        cmocka_unit_test_setup(slave_nests_only_in_special_fully_nested_mode, set_up),
        cmocka_unit_test_setup(special_mask_mode, set_up),
        cmocka_unit_test_setup(rotation, set_up),
        cmocka_unit_test_setup(automatic_eoi, set_up),
        cmocka_unit_test_setup(poll_command, set_up),
        cmocka_unit_test_setup(initialisation, set_up),
        cmocka_unit_test_setup(check_refuses_bad_state, set_up),
    };
    return cmocka_run_group_tests_name("pic", tests, NULL, NULL);
}
