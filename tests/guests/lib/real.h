/* Running 16-bit code in real mode from a test. */
#pragma once

#include <stdint.h>
#include "descriptors.h"

/* Shared with lib/real.asm, below 64 KiB so that both modes reach it. */
struct real_block {
    uint32_t eax, ebx, ecx, edx, esi, edi;
    uint32_t target;
    uint32_t fs; /* selector loaded into FS before PE is cleared: its limit stays */
    uint32_t stack;
    struct table_register gdtr;
    uint16_t reserved;
    struct table_register ivt;
};
_Static_assert(offsetof(struct real_block, ivt) == 44, "lib/real.asm");

enum { REAL_BLOCK = 0x7e00, REAL_CODE = 0xa000 };
#define real_block ((struct real_block *)REAL_BLOCK)

/* Copies 16-bit code, assembled for REAL_CODE, there, and calls it in real mode with CS = DS = ES = SS = FS =
 * GS = 0, interrupts off, registers from real_block, until its near RET. Registers go back to real_block. */
void real_call(const uint8_t *code, const uint8_t *end);
/* Sets an entry of the interrupt table at address 0. */
void real_set_vector(uint8_t vector, uint16_t segment, uint16_t offset);
