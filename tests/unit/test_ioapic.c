/*
 * The I/O APIC against the 82093AA data sheet, and the board's interrupt lines.
 *
 * sources: devices/ioapic.c devices/board.c devices/pic.c devices/bus.c tests/unit/host_effects.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "board.h"
#include "host_effects.h"

enum { LEVEL = 1 << 15, MASKED = 1 << 16, LOGICAL = 1 << 11, REMOTE_IRR = 1 << 14 };

static struct ioapic ioapic;

static void put(uint8_t index, uint32_t value)
{
    host_out(&ioapic_device, &ioapic, 0xfec00000, 4, index);
    host_out(&ioapic_device, &ioapic, 0xfec00010, 4, value);
}

static uint32_t get(uint8_t index)
{
    host_out(&ioapic_device, &ioapic, 0xfec00000, 4, index);
    return host_in(&ioapic_device, &ioapic, 0xfec00010, 4);
}

static void redirect(unsigned pin, uint32_t destination, uint32_t low)
{
    put((uint8_t)(0x11 + 2 * pin), destination << 24);
    put((uint8_t)(0x10 + 2 * pin), low);
}

static void end(unsigned vector)
{
    uint64_t vectors[4] = {0};
    vectors[vector / 64] = 1ull << vector % 64;
    ioapic_end_of_interrupt(&ioapic, vectors);
}

static int set_up(void **state)
{
    (void)state;
    host_reset();
    host_device_reset(&ioapic_device, &ioapic);
    return 0;
}

static void registers(void **state)
{
    (void)state;
    assert_int_equal(get(1), 0x00170011);
    put(0, 0x0f000000);
    assert_int_equal(get(0), 0x0f000000);
    assert_int_equal(get(2), 0x0f000000);
    assert_int_equal(get(0x10), MASKED);
    put(0x10, UINT32_MAX);
    assert_int_equal(get(0x10), 0x0001afff); /* delivery status and remote IRR are read-only */
    put(0x3f, UINT32_MAX);
    assert_int_equal(get(0x3f), 0xff000000);
    assert_int_equal(get(0x40), UINT32_MAX); /* no such register */
    put(0x40, 0);
    assert_int_equal(host.needs[NEED_IGNORED], 1);
    assert_int_equal(host_in(&ioapic_device, &ioapic, 0xfec00000, 4), 0x40);
    assert_int_equal(host_in(&ioapic_device, &ioapic, 0xfec00020, 4), UINT32_MAX);
    assert_int_equal(host.needs[NEED_IGNORED], 2);
}

static void edges(void **state)
{
    (void)state;
    ioapic_set_line(&ioapic, 4, true); /* masked: lost */
    redirect(4, 3, 0x41);
    assert_int_equal(host.msi_count, 0);
    ioapic_set_line(&ioapic, 4, true); /* no edge */
    assert_int_equal(host.msi_count, 0);
    ioapic_set_line(&ioapic, 4, false);
    ioapic_set_line(&ioapic, 4, true);
    assert_int_equal(host.msi_count, 1);
    assert_int_equal(host.msi[0].address, 0xfee03000);
    assert_int_equal(host.msi[0].data, 0x41);
    ioapic_set_line(&ioapic, 4, false);
    ioapic_set_line(&ioapic, 4, true); /* an edge does not wait for the EOI */
    assert_int_equal(host.msi_count, 2);
    redirect(5, 0xff, 0x100 | LOGICAL | 0x51); /* lowest priority, logical */
    ioapic_set_line(&ioapic, 5, true);
    assert_int_equal(host.msi[2].address, 0xfeeff00c);
    assert_int_equal(host.msi[2].data, 0x151);
    redirect(6, 0, 0x700); /* ExtINT: the 8259's, not a message */
    ioapic_set_line(&ioapic, 6, true);
    assert_int_equal(host.msi_count, 3);
}

static void levels(void **state)
{
    (void)state;
    redirect(10, 0, LEVEL | 0x60);
    ioapic_set_line(&ioapic, 10, true);
    assert_int_equal(host.msi_count, 1);
    assert_int_equal(host.msi[0].data, 0xc060);
    assert_int_equal(get(0x10 + 20), LEVEL | REMOTE_IRR | 0x60);
    ioapic_set_line(&ioapic, 10, false);
    ioapic_set_line(&ioapic, 10, true);
    assert_int_equal(host.msi_count, 1); /* in service */
    end(0x61);
    assert_int_equal(host.msi_count, 1);
    end(0x60); /* still asserted */
    assert_int_equal(host.msi_count, 2);
    ioapic_set_line(&ioapic, 10, false);
    end(0x60);
    assert_int_equal(host.msi_count, 2);
    assert_int_equal(get(0x10 + 20), LEVEL | 0x60);
}

static void level_waits_behind_the_mask(void **state)
{
    (void)state;
    redirect(11, 0, LEVEL | MASKED | 0x62);
    ioapic_set_line(&ioapic, 11, true);
    assert_int_equal(host.msi_count, 0);
    redirect(11, 0, LEVEL | 0x62);
    assert_int_equal(host.msi_count, 1);
    /* A stuck remote IRR is cleared by going to edge and back, as Linux does. */
    put(0x10 + 22, MASKED | 0x62);
    assert_int_equal(get(0x10 + 22), MASKED | 0x62);
    put(0x10 + 22, LEVEL | 0x62);
    assert_int_equal(host.msi_count, 2);
}

static void board_joins_sources(void **state)
{
    (void)state;
    struct board board = {0};
    struct pic pic;
    host_device_reset(&pic_device, &pic);
    static const uint8_t setup[][2] = {{0x20, 0x11}, {0x21, 0x20}, {0x21, 4}, {0x21, 1}, {0x21, 0}};
    for (unsigned i = 0; i < 5; i++)
        host_out(&pic_device, &pic, setup[i][0], 1, setup[i][1]);
    redirect(2, 0, 0x30);
    redirect(0, 0, 0x31);
    board_set_irq(&board, &pic, &ioapic, 0, IRQ_ISA, true); /* the timer is at pin 2 */
    assert_int_equal(host.msi_count, 1);
    assert_int_equal(host.msi[0].data, 0x30);
    assert_int_equal(pic_acknowledge(&pic), 0x20);
    redirect(7, 0, LEVEL | 0x40);
    board_set_irq(&board, &pic, &ioapic, 7, IRQ_PIRQ_A, true);
    board_set_irq(&board, &pic, &ioapic, 7, IRQ_PIRQ_C, true);
    board_set_irq(&board, &pic, &ioapic, 7, IRQ_PIRQ_A, false);
    assert_int_equal(ioapic.line, 1 << 2 | 1 << 7);
    board_set_irq(&board, &pic, &ioapic, 7, IRQ_PIRQ_C, false);
    assert_int_equal(ioapic.line, 1 << 2);
    board_set_irq(&board, &pic, &ioapic, 2, IRQ_ISA, true); /* the cascade is nobody's */
    board_set_irq(&board, &pic, &ioapic, 16, IRQ_ISA, true);
    assert_int_equal(ioapic.line, 1 << 2);
}

static void check_refuses_bad_state(void **state)
{
    (void)state;
    assert_null(ioapic_device.check(&ioapic));
    ioapic.redirection[3] |= REMOTE_IRR;
    assert_non_null(ioapic_device.check(&ioapic));
    ioapic.redirection[3] = 1ull << 20;
    assert_non_null(ioapic_device.check(&ioapic));
    ioapic.redirection[3] = 0;
    ioapic.line = 1 << 24;
    assert_non_null(ioapic_device.check(&ioapic));
    ioapic.line = 0;
    ioapic_set_line(&ioapic, 24, true);
    assert_int_equal(ioapic.line, 0);
    assert_int_equal(host_field(&ioapic_device, &ioapic, "pin 23"), MASKED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(registers, set_up),
        cmocka_unit_test_setup(edges, set_up),
        cmocka_unit_test_setup(levels, set_up),
        cmocka_unit_test_setup(level_waits_behind_the_mask, set_up),
        cmocka_unit_test_setup(board_joins_sources, set_up),
        cmocka_unit_test_setup(check_refuses_bad_state, set_up),
    };
    return cmocka_run_group_tests_name("ioapic", tests, NULL, NULL);
}
