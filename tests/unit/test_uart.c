/*
 * The 16550A against its data sheet.
 *
 * sources: devices/uart.c devices/bus.c tests/unit/host_effects.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "host_effects.h"
#include "uart.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCRATCH };

static struct uart uart;

static void out(unsigned reg, uint8_t value)
{
    host_out(&uart_device, &uart, 0x3f8 + reg, 1, value);
}

static uint8_t in(unsigned reg)
{
    return (uint8_t)host_in(&uart_device, &uart, 0x3f8 + reg, 1);
}

static void type(const char *text)
{
    host.input = (const uint8_t *)text;
    host.input_length = strlen(text);
    uart_receive(&uart);
}

static int set_up(void **state)
{
    (void)state;
    host_reset();
    host_device_reset(&uart_device, &uart);
    return 0;
}

static void bytes_go_out(void **state)
{
    (void)state;
    assert_int_equal(in(LSR), 0x60);
    out(DATA, 'h');
    out(DATA, 'i');
    assert_int_equal(in(LSR), 0x60);
    assert_int_equal(host.output_length, 2);
    assert_memory_equal(host.output, "hi", 2);
}

static void break_follows_what_was_typed_before(void **state)
{
    (void)state;
    type("a");
    host.breaks++;
    type("b");
    assert_int_equal(in(LSR), 0x61);
    assert_int_equal(in(DATA), 'a');
    assert_int_equal(in(LSR), 0x71);
    assert_int_equal(in(LSR), 0x61);
    assert_int_equal(in(DATA), 0);
    assert_int_equal(in(DATA), 'b');
    assert_int_equal(in(LSR), 0x60);
}

static void break_interrupts(void **state)
{
    (void)state;
    out(IER, 4);
    host.breaks++;
    type("");
    assert_int_equal(in(IIR)&0xf, 6);
    assert_int_equal(in(LSR)&0x10, 0x10);
    assert_int_equal(in(IIR)&0xf, 1);
    out(IIR, 0x07); /* FIFOs on, and empty */
    host.breaks++;
    type("");
    assert_int_equal(in(LSR), 0xf1); /* a byte of the FIFO has a mark */
    assert_int_equal(in(LSR), 0x61);
}

static void divisor_latch(void **state)
{
    (void)state;
    out(LCR, 0x83);
    out(DATA, 1);
    out(IER, 2);
    assert_int_equal(in(DATA), 1);
    assert_int_equal(in(IER), 2);
    out(LCR, 3);
    assert_int_equal(in(IER), 0);
    assert_int_equal(host.output_length, 0);
    assert_int_equal(host_field(&uart_device, &uart, "divisor"), 0x201);
    out(SCRATCH, 0xa5);
    assert_int_equal(in(SCRATCH), 0xa5);
}

static void holding_register_interrupt(void **state)
{
    (void)state;
    out(MCR, 0x08);
    assert_int_equal(in(IIR), 0x01);
    out(IER, 0x02); /* enabling it while the register is empty makes one */
    assert_int_equal(host.irq[4], 1);
    assert_int_equal(in(IIR), 0x02);
    assert_int_equal(host.irq[4], 0); /* reading IIR takes it back */
    assert_int_equal(in(IIR), 0x01);
    out(DATA, 'x');
    assert_int_equal(host.irq[4], 1);
    assert_int_equal(in(IIR), 0x02);
    out(IER, 0);
    out(DATA, 'y');
    assert_int_equal(host.irq[4], 0);
    out(IER, 0xff);
    assert_int_equal(in(IER), 0x0f);
    out(MCR, 0x00); /* OUT2 off: no interrupt leaves the chip */
    assert_int_equal(host.irq[4], 0);
}

static void full_console_holds_the_transmitter(void **state)
{
    (void)state;
    out(MCR, 0x08);
    out(IIR, 0x01);
    host.output_room = 1;
    out(DATA, 'a');
    assert_int_equal(in(LSR)&0x60, 0x60);
    out(DATA, 'b');
    assert_int_equal(in(LSR)&0x60, 0);
    out(DATA, 'c');
    out(IER, 0x02);
    assert_int_equal(host.irq[4], 0);
    uint64_t deadline = uart_device.deadline(&uart);
    assert_int_equal(deadline, 1000000);
    host_run(&uart_device, &uart, 3000000);
    assert_int_equal(host.output_length, 1);
    assert_null(uart_device.check(&uart));
    host.output_room = 100;
    host_run(&uart_device, &uart, 1000000);
    assert_memory_equal(host.output, "abc", 3);
    assert_int_equal(host.irq[4], 1);
    assert_int_equal(in(LSR)&0x60, 0x60);
    assert_int_equal(uart_device.deadline(&uart), DEADLINE_NONE);
    /* Sixteen wait; what comes beyond is lost and counted. */
    host.output_room = 0;
    for (unsigned i = 0; i < 17; i++)
        out(DATA, 'z');
    assert_int_equal(host.needs[NEED_IGNORED], 1);
    out(IIR, 0x05); /* clear the transmit FIFO */
    assert_int_equal(uart_device.deadline(&uart), DEADLINE_NONE);
    assert_int_equal(in(LSR)&0x60, 0x60);
}

static void receiving(void **state)
{
    (void)state;
    out(MCR, 0x08);
    out(IER, 0x01);
    type("ab");
    assert_int_equal(host.irq[4], 1);
    assert_int_equal(in(IIR), 0x04);
    assert_int_equal(in(LSR), 0x61);
    assert_int_equal(host.input_length, 1); /* without FIFO one byte is taken */
    assert_int_equal(in(DATA), 'a');
    assert_int_equal(in(DATA), 'b');
    assert_int_equal(in(LSR), 0x60);
    assert_int_equal(host.irq[4], 0);
    assert_int_equal(in(DATA), 0);
}

static void receive_fifo(void **state)
{
    (void)state;
    out(MCR, 0x08);
    out(IER, 0x01);
    out(IIR, 0x81); /* trigger level 8 */
    assert_int_equal(in(IIR), 0xc1);
    type("1234567");
    assert_int_equal(in(IIR), 0xcc); /* time-out: below the trigger level */
    type("8");
    assert_int_equal(in(IIR), 0xc4);
    for (char c = '1'; c <= '8'; c++)
        assert_int_equal(in(DATA), c);
    assert_int_equal(in(IIR), 0xc1);
    type("0123456789abcdefXYZ");
    assert_int_equal(host.input_length, 3);
    out(IIR, 0x83); /* clear the receive FIFO: the next bytes come at once */
    assert_int_equal(in(DATA), 'X');
    out(IIR, 0x00); /* turning FIFOs off clears them */
    assert_int_equal(in(LSR)&1, 0);
}

static void loopback(void **state)
{
    (void)state;
    assert_int_equal(in(MSR), 0xb0);
    out(MCR, 0x10);
    assert_int_equal(in(MSR), 0x0b); /* lines are low now, and have changed */
    assert_int_equal(in(MSR), 0x00);
    out(MCR, 0x1f);
    assert_int_equal(in(MSR), 0xfb); /* RI shows no delta when it rises */
    out(MCR, 0x1a);
    assert_int_equal(in(MSR), 0x96); /* RTS and OUT2 stay; RI's trailing edge */
    out(DATA, 0x55);
    assert_int_equal(host.output_length, 0);
    assert_int_equal(in(LSR)&1, 1);
    out(DATA, 0x66); /* no FIFO: overrun */
    out(IER, 0x04);
    assert_int_equal(in(IIR), 0x06);
    assert_int_equal(in(LSR), 0x63);
    assert_int_equal(in(LSR), 0x61);
    assert_int_equal(in(IIR), 0x01);
    assert_int_equal(in(DATA), 0x55);
    out(IER, 0x08);
    out(MCR, 0x10);
    assert_int_equal(in(IIR), 0x00);  /* modem status */
    assert_int_equal(host.irq[4], 0); /* OUT2 is inactive in loopback */
}

static void check_refuses_bad_state(void **state)
{
    (void)state;
    assert_null(uart_device.check(&uart));
    uart.receive_next = 16;
    assert_non_null(uart_device.check(&uart));
    uart.receive_next = 0;
    uart.transmit_count = 1; /* without a time to retry */
    assert_non_null(uart_device.check(&uart));
    uart.transmit_count = 17;
    assert_non_null(uart_device.check(&uart));
    uart.transmit_count = 0;
    uart.modem_lines = 1;
    assert_non_null(uart_device.check(&uart));
    uart.modem_lines = 0;
    out(LSR, 0);
    out(MSR, 0);
    assert_int_equal(host.needs[NEED_IGNORED], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(bytes_go_out, set_up),
        cmocka_unit_test_setup(divisor_latch, set_up),
        cmocka_unit_test_setup(holding_register_interrupt, set_up),
        cmocka_unit_test_setup(full_console_holds_the_transmitter, set_up),
        cmocka_unit_test_setup(receiving, set_up),
        cmocka_unit_test_setup(receive_fifo, set_up),
        cmocka_unit_test_setup(loopback, set_up),
        cmocka_unit_test_setup(break_follows_what_was_typed_before, set_up),
        cmocka_unit_test_setup(break_interrupts, set_up),
        cmocka_unit_test_setup(check_refuses_bad_state, set_up),
    };
    return cmocka_run_group_tests_name("uart", tests, NULL, NULL);
}
