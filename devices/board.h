/* The wires of the main board between devices: interrupt lines. See board.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "effects.h"
#include "ioapic.h"
#include "pic.h"

struct board {
    uint8_t sources[PIC_LINES]; /* who asserts each ISA line: a bit per enum irq_source */
};

/* What effect_irq() does: joins the sources of a line and carries it to both interrupt controllers. */
void board_set_irq(struct board *board, struct pic *pic, struct ioapic *ioapic, unsigned irq,
                   enum irq_source source, bool level);
