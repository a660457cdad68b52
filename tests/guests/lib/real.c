/* Running 16-bit code in real mode from a test. */
#include <stddef.h>
#include "guest.h"
#include "memory.h"
#include "real.h"

enum { REAL_BASE = 0x8000 };

extern const uint8_t real_image[], real_image_end[];
void real_enter(void);

void real_call(const uint8_t *code, const uint8_t *end)
{
    memcpy((void *)REAL_BASE, real_image, (size_t)(real_image_end - real_image));
    memcpy((void *)REAL_CODE, code, (size_t)(end - code));
    real_block->target = REAL_CODE;
    if (!real_block->fs)
        real_block->fs = SELECTOR_DATA16;
    real_block->gdtr = gdtr;
    real_block->ivt = (struct table_register){0x3ff, 0};
    real_enter();
}

void real_set_vector(uint8_t vector, uint16_t segment, uint16_t offset)
{
    uint32_t table = 0, value = (uint32_t)segment << 16 | offset;

    /* GCC takes an access through a constant near zero for a null pointer. */
    __asm__ volatile("" : "+r"(table));
    ((volatile uint32_t *)table)[vector] = value;
}
