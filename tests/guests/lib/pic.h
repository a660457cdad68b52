/* The 8259A pair (Intel 8259A data sheet) and the 8254 timer (Intel 8254 data sheet). */
#pragma once

#include <stdint.h>

enum {
    PIC_MASTER = 0x20,
    PIC_SLAVE = 0xa0,
    PIC_ELCR = 0x4d0,
    PIC_VECTOR = 0x20, /* of IRQ 0 after pic_initialise */
    PIT_CHANNEL0 = 0x40,
    PIT_CHANNEL2 = 0x42,
    PIT_CONTROL = 0x43,
    PIT_HZ = 1193182
};

/* Vectors 0x20-0x2f, all lines masked. */
void pic_initialise(void);
void pic_set_mask(uint16_t mask);
uint16_t pic_mask(void);
/* OCW3 reads of both, slave in the upper byte. */
uint16_t pic_irr(void);
uint16_t pic_isr(void);
/* Non-specific EOI, to both for lines of the slave. */
void pic_eoi(uint8_t line);
/* Channel 0: mode 0, 2 or 3 with a count (0 is 65536). */
void pit_start(uint8_t mode, uint16_t count);
uint16_t pit_count(void);
/* One edge on line 0: a short count in mode 0, and time enough for an emulator to see it. */
void pit_fire(void);
