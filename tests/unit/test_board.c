/*
 * The wires of the main board: a line has several drivers and reaches both interrupt controllers; IRQ 0 is at
 * pin 2 of the I/O APIC.
 *
 * sources: devices/board.c devices/pic.c devices/ioapic.c devices/bus.c tests/unit/host_effects.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "board.h"
#include "host_effects.h"

static struct board board;
static struct pic pic;
static struct ioapic ioapic;

static int set_up(void **state)
{
    (void)state;
    host_reset();
    memset(&board, 0, sizeof board);
    host_device_reset(&pic_device, &pic);
    host_device_reset(&ioapic_device, &ioapic);
    return 0;
}

static void drive(unsigned irq, enum irq_source source, bool level)
{
    board_set_irq(&board, &pic, &ioapic, irq, source, level);
}

static void a_line_is_the_or_of_its_sources(void **state)
{
    (void)state;
    drive(11, IRQ_PIRQ_A, true);
    assert_int_equal(pic.chip[1].line, 1 << 3);
    assert_int_equal(ioapic.line, 1 << 11);
    drive(11, IRQ_PIRQ_C, true);
    drive(11, IRQ_PIRQ_A, false);
    assert_int_equal(ioapic.line, 1 << 11);
    drive(11, IRQ_PIRQ_A, false); /* once is enough */
    drive(11, IRQ_PIRQ_C, false);
    assert_int_equal(pic.chip[1].line, 0);
    assert_int_equal(ioapic.line, 0);
}

static void the_timer_is_at_pin_2(void **state)
{
    (void)state;
    drive(0, IRQ_ISA, true);
    assert_int_equal(pic.chip[0].line, 1);
    assert_int_equal(ioapic.line, 1 << 2);
}

static void the_hpet_takes_the_place_of_two_timers(void **state)
{
    (void)state;
    drive(0, IRQ_ISA, true);
    drive(9, IRQ_ISA, true);
    board_replace_timers(&board, &pic, &ioapic, true);
    assert_int_equal(ioapic.line, 1 << 9);
    drive(0, IRQ_ISA, false);
    drive(0, IRQ_ISA, true);
    drive(8, IRQ_ISA, true);
    assert_int_equal(ioapic.line, 1 << 9);
    drive(8, IRQ_HPET, true);
    assert_int_equal(ioapic.line, 1 << 9 | 1 << 8);
    drive(8, IRQ_HPET, false);
    board_replace_timers(&board, &pic, &ioapic, false);
    assert_int_equal(ioapic.line, 1 << 9 | 1 << 8 | 1 << 2);
}

static void lines_that_are_not_there(void **state)
{
    (void)state;
    drive(2, IRQ_ISA, true); /* the cascade */
    drive(16, IRQ_ISA, true);
    drive(1000, IRQ_ISA, true);
    assert_int_equal(ioapic.line, 0);
    assert_int_equal(pic.chip[0].line | pic.chip[1].line, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_line_is_the_or_of_its_sources, set_up),
        cmocka_unit_test_setup(the_timer_is_at_pin_2, set_up),
        cmocka_unit_test_setup(the_hpet_takes_the_place_of_two_timers, set_up),
        cmocka_unit_test_setup(lines_that_are_not_there, set_up),
    };
    return cmocka_run_group_tests_name("board", tests, NULL, NULL);
}
