/* 8259A and 8254 helpers. */
#include "processor.h"
#include "pic.h"
#include "power.h"

enum { ICW1 = 0x11, ICW4_8086 = 1, OCW2_EOI = 0x20, OCW3_IRR = 0x0a, OCW3_ISR = 0x0b };

void pic_initialise(void)
{
    outb(PIC_MASTER, ICW1);
    outb(PIC_MASTER + 1, PIC_VECTOR);
    outb(PIC_MASTER + 1, 1 << 2);
    outb(PIC_MASTER + 1, ICW4_8086);
    outb(PIC_SLAVE, ICW1);
    outb(PIC_SLAVE + 1, PIC_VECTOR + 8);
    outb(PIC_SLAVE + 1, 2);
    outb(PIC_SLAVE + 1, ICW4_8086);
    pic_set_mask(0xffff);
}

void pic_set_mask(uint16_t mask)
{
    outb(PIC_MASTER + 1, (uint8_t)mask);
    outb(PIC_SLAVE + 1, (uint8_t)(mask >> 8));
}

uint16_t pic_mask(void)
{
    return (uint16_t)(inb(PIC_MASTER + 1) | inb(PIC_SLAVE + 1) << 8);
}

static uint16_t read_both(uint8_t command)
{
    outb(PIC_MASTER, command);
    outb(PIC_SLAVE, command);
    return (uint16_t)(inb(PIC_MASTER) | inb(PIC_SLAVE) << 8);
}

uint16_t pic_irr(void)
{
    return read_both(OCW3_IRR);
}

uint16_t pic_isr(void)
{
    return read_both(OCW3_ISR);
}

void pic_eoi(uint8_t line)
{
    if (line >= 8)
        outb(PIC_SLAVE, OCW2_EOI);
    outb(PIC_MASTER, OCW2_EOI);
}

void pit_start(uint8_t mode, uint16_t count)
{
    outb(PIT_CONTROL, (uint8_t)(0x30 | mode << 1));
    outb(PIT_CHANNEL0, (uint8_t)count);
    outb(PIT_CHANNEL0, (uint8_t)(count >> 8));
}

uint16_t pit_count(void)
{
    outb(PIT_CONTROL, 0);
    uint8_t low = inb(PIT_CHANNEL0);
    return (uint16_t)(low | inb(PIT_CHANNEL0) << 8);
}

void pit_fire(void)
{
    pit_start(0, 10);
    delay_us(20000);
}
