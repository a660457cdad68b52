/* The pair of 8259A interrupt controllers: state block, lines, acknowledge. See pic.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "device.h"

enum { PIC_LINES = 16, PIC_CASCADE = 2, PIC_MASTER = 0, PIC_SLAVE = 1 };

/* What the next write to the odd port is. */
enum pic_step { PIC_STEP_READY, PIC_STEP_ICW2, PIC_STEP_ICW3, PIC_STEP_ICW4 };

struct pic_chip {
    uint8_t line;    /* level of each input */
    uint8_t latched; /* edge-triggered requests */
    uint8_t elcr;    /* 1: level-triggered (PIIX3, ELCR1 and ELCR2) */
    uint8_t imr, isr;
    uint8_t vector; /* bits 7-3 */
    uint8_t icw3;
    uint8_t lowest; /* input with the lowest priority, 0-7 */
    uint8_t step;   /* enum pic_step */
    uint8_t icw4_follows, single;
    uint8_t auto_eoi, rotate_auto_eoi, fully_nested_special;
    uint8_t special_mask, read_isr, poll;
    uint8_t reserved[7];
};

struct pic {
    struct pic_chip chip[2];
    uint8_t intr; /* level of the output to the processor */
    uint8_t reserved[7];
};

extern const struct device pic_device;

/* Level of line 0-15. */
void pic_set_line(struct pic *pic, unsigned line, bool level);
/* The two INTA cycles: the vector. A request that has gone gives the lowest line's vector (spurious). */
uint8_t pic_acknowledge(struct pic *pic);
/* Whether an edge on the unmasked line still waits to be acknowledged. */
bool pic_waiting(const struct pic *pic, unsigned line);
