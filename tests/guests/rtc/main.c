/*
 * RTC and CMOS: registers A to D, seconds go on, update in progress, BCD and binary, 12 and 24 hours, SET
 * stops the clock, periodic and update-ended interrupts with register C, plain CMOS bytes. Manual: MC146818A
 * data sheet. Real hardware: as checked here.
 */
#include "guest.h"
#include "processor.h"
#include "pic.h"
#include "power.h"

enum {
    SECONDS = 0,
    MINUTES = 2,
    HOURS = 4,
    REG_A = 0xa,
    REG_B = 0xb,
    REG_C = 0xc,
    REG_D = 0xd,
    B_24 = 2,
    B_BINARY = 4,
    B_UPDATE = 0x10,
    B_PERIODIC = 0x40,
    B_SET = 0x80,
    C_UPDATE = 0x10,
    C_PERIODIC = 0x40,
    C_IRQ = 0x80,
    LINE = 8
};

static uint32_t periodic, update;

static void handler(struct interrupt_frame *frame)
{
    uint8_t c = cmos_read(REG_C);

    periodic += (c & C_PERIODIC) != 0;
    update += (c & C_UPDATE) != 0;
    interrupt_eoi_pic(frame);
}
/* Waits with interrupts on; returns the milliseconds that went by, which can be more on a busy host. */
static uint32_t wait(uint32_t milliseconds)
{
    uint32_t ticks = 0, last = pm_timer();

    interrupts_on();
    for (uint32_t i = 0; i < milliseconds; i++) {
        delay_us(1000);
        uint32_t now = pm_timer();
        ticks += (now - last) & PM_TIMER_MASK;
        last = now;
    }
    interrupts_off();
    return ticks / (PM_TIMER_HZ / 1000);
}
static bool is_bcd(uint8_t value, uint8_t limit)
{
    return (value & 0xf) < 10 && value <= limit;
}

void guest_main(void)
{
    pic_initialise();
    interrupt_set(PIC_VECTOR + LINE, handler);
    cmos_write(REG_A, 0x26);
    cmos_write(REG_B, B_24);
    check_value("register A without UIP", cmos_read(REG_A) & 0x7f, 0x26);
    check_value("register B", cmos_read(REG_B), B_24);
    check_value("register D: valid", cmos_read(REG_D) & 0x80, 0x80);
    check("seconds are BCD below 60", is_bcd(cmos_read(SECONDS), 0x59));
    check("minutes are BCD below 60", is_bcd(cmos_read(MINUTES), 0x59));
    check("hours are BCD below 24", is_bcd(cmos_read(HOURS), 0x23));
    check("month from 1 to 12", is_bcd(cmos_read(8), 0x12) && cmos_read(8));

    uint8_t first = cmos_read(SECONDS);
    uint32_t waited = 0;
    while (cmos_read(SECONDS) == first && waited++ < 3000)
        delay_us(1000);
    check("seconds go on", waited < 3000);
    cmos_write(REG_B, B_24 | B_SET);
    cmos_write(SECONDS, 0x58);
    cmos_write(MINUTES, 0x59);
    cmos_write(HOURS, 0x11);
    check_value("SET: time reads back",
                (uint32_t)cmos_read(HOURS) << 16 | (uint32_t)cmos_read(MINUTES) << 8 | cmos_read(SECONDS),
                0x115958);
    delay_us(1200000);
    check_value("SET: the clock stands", cmos_read(SECONDS), 0x58);
    cmos_write(REG_B, B_24);
    delay_us(3500000);
    check_value("it goes over to the next hour", cmos_read(HOURS), 0x12);

    pic_set_mask((uint16_t) ~(1 << LINE | 1 << 2));
    cmos_write(REG_B, B_24 | B_PERIODIC);
    (void)cmos_read(REG_C);
    uint32_t elapsed = wait(100);
    check("periodic at 1024 Hz", periodic >= elapsed / 50 && periodic <= elapsed + elapsed / 8 + 2);
    cmos_write(REG_B, B_24 | B_UPDATE);
    (void)cmos_read(REG_C);
    update = 0;
    elapsed = wait(2200);
    check("update-ended about once a second", update + 1 >= elapsed / 1000 && update <= elapsed / 1000 + 1);
    cmos_write(REG_B, B_24);
    (void)cmos_read(REG_C);
    check_value("register C cleared by reading", cmos_read(REG_C) & C_IRQ, 0);
    cmos_write(0x55, 0x9a);
    check_value("CMOS byte", cmos_read(0x55), 0x9a);
    outb(0x70, 0x80 | 0x55);
    check_value("  index with the NMI bit", inb(0x71), 0x9a);
    outb(0x70, 0);
}
