/*
 * Keyboard controller, keyboard and mouse: self tests, command byte, loops through both output buffers with
 * their interrupts, the keyboard's answers with and without translation, the mouse's with its wheel. Manual:
 * IBM PS/2 hardware interface technical reference. Real hardware: as checked here.
 */
#include "guest.h"
#include "i8042.h"
#include "pic.h"
#include "power.h"
#include "processor.h"

enum { KEYBOARD_LINE = 1, AUX_LINE = 12 };

static void drain(void)
{
    while (i8042_next() != I8042_NOTHING)
        ;
}

static void set_command_byte(uint8_t value)
{
    i8042_command(0x60);
    i8042_data(value);
}

static uint32_t ask(uint8_t value)
{
    i8042_data(value);
    return i8042_next();
}

static uint32_t ask_mouse(uint8_t value)
{
    i8042_command(0xd4);
    i8042_data(value);
    return i8042_next() & 0xfff;
}

static void wait_interrupt(uint8_t line)
{
    for (uint32_t i = 0; i < 1000 && !interrupt_count[PIC_VECTOR + line]; i++) {
        interrupts_on();
        delay_us(20);
        interrupts_off();
    }
}

static void test_controller(void)
{
    i8042_command(0xad);
    i8042_command(0xa7);
    drain();
    i8042_command(0xaa);
    check_value("self test", i8042_next(), 0x55);
    i8042_command(0xab);
    check_value("keyboard port test", i8042_next(), 0);
    i8042_command(0xa9);
    check_value("mouse port test", i8042_next(), 0);
    set_command_byte(0x30);
    i8042_command(0x20);
    check_value("command byte", i8042_next(), 0x30);
    i8042_command(0xa8);
    i8042_command(0xae);
    i8042_command(0x20);
    check_value("  ports enabled", i8042_next(), 0x00);
    i8042_command(0xd0);
    check_value("output port: out of reset", i8042_next() & 1, 1);
}

static void test_loops(void)
{
    set_command_byte(0x43);
    i8042_command(0xd2);
    i8042_data(0x1c);
    wait_interrupt(KEYBOARD_LINE);
    check_value("keyboard loop: interrupts", interrupt_count[PIC_VECTOR + KEYBOARD_LINE], 1);
    check_value("  byte", i8042_next(), 0x1c);
    i8042_command(0xd3);
    i8042_data(0x5a);
    wait_interrupt(AUX_LINE);
    check_value("mouse loop: interrupts", interrupt_count[PIC_VECTOR + AUX_LINE], 1);
    check_value("  byte", i8042_next(), 0x105a);
    check_value("nothing more", i8042_next(), I8042_NOTHING);
}

static void test_keyboard(void)
{
    set_command_byte(0x00);
    check_value("reset", ask(0xff), 0xfa);
    check_value("  self test", i8042_next(), 0xaa);
    check_value("identify", ask(0xf2), 0xfa);
    check_value("  first byte", i8042_next(), 0xab);
    check_value("  second byte", i8042_next(), 0x83);
    check_value("echo", ask(0xee), 0xee);
    check_value("scan code set?", ask(0xf0), 0xfa);
    check_value("  argument", ask(0x00), 0xfa);
    check_value("  answer", i8042_next(), 2);
    check_value("LEDs", ask(0xed), 0xfa);
    check_value("  argument", ask(0x02), 0xfa);
    check_value("typematic", ask(0xf3), 0xfa);
    check_value("  argument", ask(0x20), 0xfa);
    check_value("disable", ask(0xf5), 0xfa);
    check_value("enable", ask(0xf4), 0xfa);
    set_command_byte(0x40);
    check_value("identify, translated", ask(0xf2), 0xfa);
    check_value("  first byte", i8042_next(), 0xab);
    check_value("  second byte", i8042_next(), 0x41);
}

static void set_rate(uint8_t rate)
{
    ask_mouse(0xf3);
    ask_mouse(rate);
}

static void test_mouse(void)
{
    set_command_byte(0x00);
    check_value("mouse reset", ask_mouse(0xff), 0xfa);
    check_value("  self test", i8042_next(), 0x10aa);
    check_value("  ID", i8042_next(), 0x1000);
    check_value("mouse identify", ask_mouse(0xf2), 0xfa);
    check_value("  ID", i8042_next(), 0x1000);
    set_rate(200);
    set_rate(100);
    set_rate(80);
    check_value("asked for a wheel", ask_mouse(0xf2), 0xfa);
    check_value("  ID", i8042_next(), 0x1003);
    check_value("status", ask_mouse(0xe9), 0xfa);
    check_value("  first byte", i8042_next(), 0x1000);
    check_value("  resolution", i8042_next(), 0x1002);
    check_value("  rate", i8042_next(), 0x1050);
    check_value("scaling 2:1", ask_mouse(0xe7), 0xfa);
    check_value("resolution", ask_mouse(0xe8), 0xfa);
    check_value("  argument", ask_mouse(0x03), 0xfa);
    check_value("enable", ask_mouse(0xf4), 0xfa);
    check_value("status", ask_mouse(0xe9), 0xfa);
    check_value("  first byte", i8042_next(), 0x1030);
    check_value("  resolution", i8042_next(), 0x1003);
    check_value("  rate", i8042_next(), 0x1050);
    check_value("read data", ask_mouse(0xeb), 0xfa);
    check_value("  first byte", i8042_next() & 0x1008, 0x1008);
    check_value("  right", i8042_next(), 0x1000);
    check_value("  up", i8042_next(), 0x1000);
    check_value("  wheel", i8042_next(), 0x1000);
    check_value("wrap", ask_mouse(0xee), 0xfa);
    check_value("  comes back", ask_mouse(0x12), 0x12);
    check_value("  reset of it", ask_mouse(0xec), 0xfa);
    check_value("disable", ask_mouse(0xf5), 0xfa);
}

void guest_main(void)
{
    pic_initialise();
    interrupt_set(PIC_VECTOR + KEYBOARD_LINE, interrupt_eoi_pic);
    interrupt_set(PIC_VECTOR + AUX_LINE, interrupt_eoi_pic);
    test_controller();
    pic_set_mask((uint16_t) ~(1 << KEYBOARD_LINE | 1 << 2 | 1 << AUX_LINE));
    test_loops();
    pic_set_mask(0xffff);
    test_keyboard();
    test_mouse();
}
