/* The wires of the main board between devices: interrupt lines. See board.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "effects.h"
#include "ioapic.h"
#include "pic.h"

struct board {
    uint8_t sources[PIC_LINES]; /* who asserts each ISA line: a bit per enum irq_source */
    uint8_t timers_replaced;    /* the HPET has the lines of the 8254 and of the real-time clock */
    uint8_t a20_masked;         /* address line 20: effect_a20() */
    uint8_t reserved[6];
};

/* What effect_irq() does: joins the sources of a line and carries it to both interrupt controllers. */
void board_set_irq(struct board *board, struct pic *pic, struct ioapic *ioapic, unsigned irq,
                   enum irq_source source, bool level);
/* What effect_irq_replace() does. */
void board_replace_timers(struct board *board, struct pic *pic, struct ioapic *ioapic, bool replaced);
