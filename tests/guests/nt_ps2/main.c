/*
 * What the PS/2 port driver of an NT-family system does at its start: both ports off, the controller's byte
 * read and written without interrupts, keyboard reset, typematic rate, LEDs, translation of set 2 to set 1
 * and back; the mouse found by its reset, the wheel by the knock 200, 100, 80, five buttons by 200, 200, 80,
 * then sample rate, resolution and stream mode; then both interrupts, each answer of keyboard and mouse
 * coming by its own one, through the I/O APIC, as later writes of the LEDs do. Manual: IBM PS/2 hardware
 * interface technical reference; Microsoft, "Plug and play PS/2 mice" for the knock. Real hardware: as
 * checked here.
 */
#include "apic.h"
#include "guest.h"
#include "i8042.h"
#include "pic.h"
#include "power.h"
#include "processor.h"

enum { KEYBOARD_OFF = 0xad, KEYBOARD_ON = 0xae, AUX_OFF = 0xa7, AUX_ON = 0xa8, SELF_TEST = 0xaa };
enum { READ_BYTE = 0x20, WRITE_BYTE = 0x60, TO_AUX = 0xd4, AUX_ECHO = 0xd3 };
enum { BYTE_INTERRUPTS = 3, BYTE_OFF = 0x30, BYTE_TRANSLATE = 0x40 };
enum {
    ACK = 0xfa,
    RESET = 0xff,
    PASSED = 0xaa,
    IDENTIFY = 0xf2,
    SET_LEDS = 0xed,
    SET_RATE = 0xf3,
    ENABLE = 0xf4
};
enum { SCAN_SET = 0xf0, SET_RESOLUTION = 0xe8, STATUS_REQUEST = 0xe9 };
enum { KEYBOARD_VECTOR = 0xb1, MOUSE_VECTOR = 0xb2, KEYBOARD_LINE = 1, MOUSE_LINE = 12, ANSWERS = 8 };

static volatile uint32_t answers;
static volatile uint16_t answer[ANSWERS];

static void drain(void)
{
    while (i8042_next() != I8042_NOTHING)
        ;
}

static uint8_t read_byte(void)
{
    i8042_command(READ_BYTE);
    return (uint8_t)i8042_next();
}

static void write_byte(uint8_t value)
{
    i8042_command(WRITE_BYTE);
    i8042_data(value);
}

static uint32_t ask(uint8_t value)
{
    i8042_data(value);
    return i8042_next();
}

static uint32_t ask_mouse(uint8_t value)
{
    i8042_command(TO_AUX);
    i8042_data(value);
    return i8042_next();
}

/* Both bytes of a command with an argument are acknowledged. */
static bool set(uint32_t (*to)(uint8_t value), uint8_t what, uint8_t value)
{
    uint32_t ack = to == ask ? (uint32_t)ACK : ACK | I8042_AUX;
    return to(what) == ack && to(value) == ack;
}

static void test_controller(void)
{
    i8042_command(KEYBOARD_OFF);
    i8042_command(AUX_OFF);
    drain();
    i8042_command(SELF_TEST);
    check_value("controller: self test", i8042_next(), 0x55);
    uint8_t byte = read_byte();
    write_byte((uint8_t)((byte & ~BYTE_INTERRUPTS) | BYTE_OFF));
    check_value("  byte without interrupts, both ports off", read_byte() & (BYTE_OFF | BYTE_INTERRUPTS),
                BYTE_OFF);
}

static void test_keyboard(void)
{
    write_byte(0x20); /* keyboard on, no translation */
    check_value("keyboard: reset", ask(RESET), ACK);
    check_value("  self test", i8042_next(), PASSED);
    check_value("  identify", ask(IDENTIFY), ACK);
    check_value("  type", i8042_next() | i8042_next() << 8, 0x83ab);
    check("  typematic rate", set(ask, SET_RATE, 0x20));
    check("  LEDs", set(ask, SET_LEDS, 2));
    check("  set 1", set(ask, SCAN_SET, 1));
    check("  set?", set(ask, SCAN_SET, 0));
    check_value("  answer", i8042_next(), 1);
    check("  set 2", set(ask, SCAN_SET, 2));
    write_byte(0x20 | BYTE_TRANSLATE);
    check("  set?, translated", set(ask, SCAN_SET, 0));
    check_value("  answer", i8042_next(), 0x41);
    check_value("  enable", ask(ENABLE), ACK);
    check_value("  an unknown command", ask(0xf1), 0xfe);
}

static uint32_t knock(uint8_t first, uint8_t second, uint8_t third)
{
    bool told = set(ask_mouse, SET_RATE, first) && set(ask_mouse, SET_RATE, second) &&
                set(ask_mouse, SET_RATE, third);
    return told && ask_mouse(IDENTIFY) == (ACK | I8042_AUX) ? i8042_next() : (uint32_t)I8042_NOTHING;
}

static void test_mouse(void)
{
    i8042_command(AUX_ON);
    check_value("mouse: reset", ask_mouse(RESET), ACK | I8042_AUX);
    check_value("  self test", i8042_next(), PASSED | I8042_AUX);
    check_value("  type", i8042_next(), I8042_AUX);
    check_value("  wheel", knock(200, 100, 80), 3 | I8042_AUX);
    check_value("  five buttons", knock(200, 200, 80), 4 | I8042_AUX);
    check("  sample rate", set(ask_mouse, SET_RATE, 100));
    check("  resolution", set(ask_mouse, SET_RESOLUTION, 3));
    check_value("  status", ask_mouse(STATUS_REQUEST), ACK | I8042_AUX);
    check_value("  off, 1:1", i8042_next(), I8042_AUX);
    check_value("  resolution", i8042_next(), 3 | I8042_AUX);
    check_value("  sample rate", i8042_next(), 100 | I8042_AUX);
    check_value("  stream mode", ask_mouse(ENABLE), ACK | I8042_AUX);
}

/* An interrupt without a byte, or with the other port's, is left alone. */
static void serve(struct interrupt_frame *frame)
{
    uint8_t status = inb(I8042_STATUS);
    bool aux = frame->vector == MOUSE_VECTOR;
    if (status & I8042_FULL && !(status & I8042_FROM_AUX) == !aux && answers < ANSWERS) {
        answer[answers] = (uint16_t)((aux ? (uint32_t)I8042_AUX : 0) | inb(I8042_DATA));
        answers++;
    }
    interrupt_eoi_lapic(frame);
}

static uint32_t wait_answers(uint32_t count)
{
    interrupts_on();
    for (uint32_t i = 0; i < 1000 && answers < count; i++)
        delay_us(100);
    delay_us(2000); /* and what comes beyond it */
    interrupts_off();
    uint32_t seen = answers;
    answers = 0;
    return seen;
}

static void test_interrupts(void)
{
    interrupt_set(KEYBOARD_VECTOR, serve);
    interrupt_set(MOUSE_VECTOR, serve);
    ioapic_route(KEYBOARD_LINE, KEYBOARD_VECTOR, 0);
    ioapic_route(MOUSE_LINE, MOUSE_VECTOR, 0);
    write_byte((uint8_t)((read_byte() & ~BYTE_OFF) | BYTE_INTERRUPTS | BYTE_TRANSLATE));
    wait_answers(0);
    i8042_data(SET_LEDS);
    check_value("LEDs by interrupt: answers", wait_answers(1), 1);
    check_value("  acknowledged", answer[0], ACK);
    i8042_data(4);
    check_value("  of the argument", wait_answers(1), 1);
    check_value("  acknowledged", answer[0], ACK);
    i8042_command(TO_AUX);
    i8042_data(STATUS_REQUEST);
    check_value("mouse's status by interrupt: answers", wait_answers(4), 4);
    check_value("  acknowledged", answer[0], ACK | I8042_AUX);
    check_value("  on, 1:1", answer[1], 0x20 | I8042_AUX);
    check_value("  sample rate", answer[3], 100 | I8042_AUX);
    i8042_command(AUX_ECHO);
    i8042_data(0x08);
    check_value("a byte put into the mouse's buffer: answers", wait_answers(1), 1);
    check_value("  it", answer[0], 0x08 | I8042_AUX);
    check_value("interrupts of the keyboard", interrupt_count[KEYBOARD_VECTOR], 2);
    check_value("  of the mouse", interrupt_count[MOUSE_VECTOR], 5);
    i8042_command(KEYBOARD_OFF);
    i8042_command(AUX_OFF);
    ioapic_route(KEYBOARD_LINE, LVT_MASKED, 0);
    ioapic_route(MOUSE_LINE, LVT_MASKED, 0);
}

void guest_main(void)
{
    pic_initialise();
    lapic_enable();
    test_controller();
    test_keyboard();
    test_mouse();
    test_interrupts();
}
