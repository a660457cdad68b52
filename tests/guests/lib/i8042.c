/* See i8042.h. */
#include "i8042.h"
#include "guest.h"
#include "power.h"
#include "processor.h"

static void wait_input(void)
{
    for (uint32_t i = 0; i < 10000 && inb(I8042_STATUS) & I8042_INPUT_FULL; i++)
        delay_us(10);
}

void i8042_command(uint8_t value)
{
    wait_input();
    outb(I8042_STATUS, value);
}

void i8042_data(uint8_t value)
{
    wait_input();
    outb(I8042_DATA, value);
}

uint32_t i8042_next(void)
{
    for (uint32_t i = 0; i < 2000; i++) {
        uint8_t status = inb(I8042_STATUS);
        if (status & I8042_FULL)
            return (status & I8042_FROM_AUX ? (uint32_t)I8042_AUX : 0) | inb(I8042_DATA);
        delay_us(20);
    }
    return I8042_NOTHING;
}
