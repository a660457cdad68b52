/*
 * The DMA controllers against their data sheet: registers through the flip-flop, masks, modes, the terminal
 * count, page registers, the second controller's words.
 *
 * sources: devices/dma8237.c devices/bus.c tests/unit/host_effects.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "dma8237.h"
#include "host_effects.h"

enum { RAM_SIZE = 0x30000 };
enum { TO_MEMORY = 0x44, FROM_MEMORY = 0x48, VERIFY = 0x40, AUTOINITIALISE = 0x10, DECREMENT = 0x20 };

static struct dma8237 dma;
static uint8_t ram[RAM_SIZE], bytes[1024];

HOST_PORTS(dma8237_device, dma)

static int set_up(void **state)
{
    (void)state;
    host_reset();
    memset(ram, 0xcc, sizeof ram);
    host.ram = ram;
    host.ram_size = sizeof ram;
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i + i / 256);
    host_device_reset(&dma8237_device, &dma);
    return 0;
}

static void write_word(uint16_t port, uint16_t value)
{
    out(0x0c, 0);
    out(port, (uint8_t)value);
    out(port, (uint8_t)(value >> 8));
}

static uint16_t read_word(uint16_t port)
{
    out(0x0c, 0);
    uint8_t low = in(port);
    return (uint16_t)(low | in(port) << 8);
}

/* Channel 2 as a driver of the floppy controller programs it. */
static void program(uint8_t mode, uint32_t address, uint32_t length)
{
    out(0x0a, 4 | 2);
    out(0x0b, mode | 2);
    out(0x81, (uint8_t)(address >> 16));
    write_word(0x04, (uint16_t)address);
    write_word(0x05, (uint16_t)(length - 1));
    out(0x0a, 2);
}

static uint32_t transfer(unsigned channel, bool to_memory, uint32_t length, bool *terminal)
{
    return dma8237_transfer(&dma, channel, to_memory, bytes, length, terminal);
}

static void registers_in_two_halves(void **state)
{
    (void)state;
    write_word(0x00, 0x1234);
    write_word(0x07, 0xabcd);
    assert_int_equal(read_word(0x00), 0x1234);
    assert_int_equal(read_word(0x07), 0xabcd);
    out(0x0c, 0);
    assert_int_equal(in(0x00), 0x34);
    assert_int_equal(in(0x07), 0xab); /* one flip-flop for all registers */
    in(0x00);
    out(0x0d, 0); /* master clear resets it */
    assert_int_equal(in(0x00), 0x34);
    assert_int_equal(in(0x0d), 0);
    assert_int_equal(in(0x08), 0);
}

static void masks(void **state)
{
    (void)state;
    assert_int_equal(in(0x0f), 0x0f);
    assert_int_equal(in(0xde), 0x0e); /* channel 4 is open: it joins the controllers */
    out(0x0a, 2);
    assert_int_equal(in(0x0f), 0x0b);
    out(0x0a, 6);
    assert_int_equal(in(0x0f), 0x0f);
    out(0x0e, 0);
    assert_int_equal(in(0x0f), 0x00);
    out(0x0f, 0x5);
    assert_int_equal(in(0x0f), 0x05);
    out(0x0d, 0);
    assert_int_equal(in(0x0f), 0x0f);
    assert_int_equal(in(0xde), 0x0e);
}

static void page_registers(void **state)
{
    (void)state;
    for (uint16_t port = 0x81; port < 0x90; port++)
        out(port, (uint8_t)(port + 1));
    for (uint16_t port = 0x81; port < 0x90; port++)
        assert_int_equal(in(port), port + 1);
}

static void to_memory_up_to_terminal_count(void **state)
{
    (void)state;
    bool terminal;
    program(TO_MEMORY, 0x12345, 512);
    assert_int_equal(transfer(2, true, 300, &terminal), 300);
    assert_false(terminal);
    assert_int_equal(read_word(0x04), 0x2345 + 300);
    assert_int_equal(read_word(0x05), 511 - 300);
    assert_int_equal(in(0x08), 0);
    assert_memory_equal(ram + 0x12345, bytes, 300);
    assert_int_equal(ram[0x12345 + 300], 0xcc);
    assert_int_equal(transfer(2, true, 300, &terminal), 212);
    assert_true(terminal);
    assert_memory_equal(ram + 0x12345 + 300, bytes, 212);
    assert_int_equal(ram[0x12345 + 512], 0xcc);
    assert_int_equal(read_word(0x05), 0xffff);
    assert_int_equal(in(0x0f) & 4, 4); /* masked by itself */
    assert_int_equal(in(0x08), 0x04);
    assert_int_equal(in(0x08), 0); /* reading has cleared it */
    assert_int_equal(transfer(2, true, 1, &terminal), 0);
    assert_false(terminal);
}

static void from_memory(void **state)
{
    (void)state;
    bool terminal;
    memcpy(ram + 0x20000, "what is written", 15);
    program(FROM_MEMORY, 0x20000, 15);
    assert_int_equal(transfer(2, false, 512, &terminal), 15);
    assert_true(terminal);
    assert_memory_equal(bytes, "what is written", 15);
    program(FROM_MEMORY, 0x30000, 32); /* no RAM there */
    assert_int_equal(transfer(2, false, 32, &terminal), 32);
    assert_int_equal(bytes[0], 0xff);
}

static void autoinitialise_begins_again(void **state)
{
    (void)state;
    bool terminal;
    program(TO_MEMORY | AUTOINITIALISE, 0x100, 16);
    assert_int_equal(transfer(2, true, 100, &terminal), 16);
    assert_true(terminal);
    assert_int_equal(read_word(0x04), 0x100);
    assert_int_equal(read_word(0x05), 15);
    assert_int_equal(in(0x0f) & 4, 0);
    assert_int_equal(transfer(2, true, 100, &terminal), 16);
}

static void verify_and_the_wrong_direction_count_only(void **state)
{
    (void)state;
    bool terminal;
    program(VERIFY, 0x100, 16);
    assert_int_equal(transfer(2, true, 16, &terminal), 16);
    assert_true(terminal);
    assert_int_equal(ram[0x100], 0xcc);
    program(FROM_MEMORY, 0x100, 16);
    assert_int_equal(transfer(2, true, 16, &terminal), 16);
    assert_int_equal(ram[0x100], 0xcc);
}

static void addresses_count_within_64k(void **state)
{
    (void)state;
    bool terminal;
    program(TO_MEMORY, 0x1fff8, 16);
    assert_int_equal(transfer(2, true, 16, &terminal), 16);
    assert_memory_equal(ram + 0x1fff8, bytes, 8);
    assert_memory_equal(ram + 0x10000, bytes + 8, 8);
    assert_int_equal(ram[0x20000], 0xcc);
    program(TO_MEMORY | DECREMENT, 0x10002, 5);
    assert_int_equal(transfer(2, true, 5, &terminal), 5);
    assert_true(terminal);
    assert_int_equal(ram[0x10002], bytes[0]);
    assert_int_equal(ram[0x10000], bytes[2]);
    assert_int_equal(ram[0x1fffe], bytes[4]);
}

static void words_of_the_second_controller(void **state)
{
    (void)state;
    bool terminal;
    out(0xd4, 4 | 1);
    out(0xd6, TO_MEMORY | 1);
    out(0x8b, 0x03); /* bit 0 is not wired */
    out(0xd8, 0);
    out(0xc4, 0x80);
    out(0xc4, 0x00);
    out(0xc6, 7);
    out(0xc6, 0);
    out(0xd4, 1);
    assert_int_equal(transfer(5, true, 64, &terminal), 16);
    assert_true(terminal);
    assert_memory_equal(ram + 0x20100, bytes, 16);
    assert_int_equal(in(0xd0), 0x02);
}

static void closed_channels(void **state)
{
    (void)state;
    bool terminal;
    program(TO_MEMORY, 0, 16);
    out(0x08, 4); /* controller off */
    assert_int_equal(transfer(2, true, 16, &terminal), 0);
    out(0x08, 0);
    out(0xd4, 4); /* channel 4 masked: nothing of the first gets through */
    assert_int_equal(transfer(2, true, 16, &terminal), 0);
    out(0xd4, 0);
    out(0x0b, 0xc2); /* a cascaded channel moves nothing itself */
    assert_int_equal(transfer(2, true, 16, &terminal), 0);
    out(0x0b, TO_MEMORY | 2);
    assert_int_equal(transfer(2, true, 16, &terminal), 16);
}

static void check_refuses_bad_state(void **state)
{
    (void)state;
    assert_null(dma8237_device.check(&dma));
    dma.controller[1].mask = 0x10;
    assert_non_null(dma8237_device.check(&dma));
    dma.controller[1].mask = 0;
    dma.controller[0].high_byte = 2;
    assert_non_null(dma8237_device.check(&dma));
    dma.controller[0].high_byte = 0;
    program(TO_MEMORY, 0x12345, 512);
    assert_int_equal(host_field(&dma8237_device, &dma, "address 2"), 0x12345);
    assert_int_equal(host_field(&dma8237_device, &dma, "count 2"), 511);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(registers_in_two_halves, set_up),
        cmocka_unit_test_setup(masks, set_up),
        cmocka_unit_test_setup(page_registers, set_up),
        cmocka_unit_test_setup(to_memory_up_to_terminal_count, set_up),
        cmocka_unit_test_setup(from_memory, set_up),
        cmocka_unit_test_setup(autoinitialise_begins_again, set_up),
        cmocka_unit_test_setup(verify_and_the_wrong_direction_count_only, set_up),
        cmocka_unit_test_setup(addresses_count_within_64k, set_up),
        cmocka_unit_test_setup(words_of_the_second_controller, set_up),
        cmocka_unit_test_setup(closed_channels, set_up),
        cmocka_unit_test_setup(check_refuses_bad_state, set_up),
    };
    return cmocka_run_group_tests_name("dma8237", tests, NULL, NULL);
}
