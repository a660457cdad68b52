/* Time from the PM timer, power-off and reset, CMOS bytes. */
#include "processor.h"
#include "power.h"
#include "pci.h"
#include "guest.h"
#include "descriptors.h"

enum {
    PORT_DEBUG_EXIT = 0xf4,
    UART_LSR = 0x3fd,
    LSR_TEMT = 0x40,
    PIIX4_PM_ID = 0x71138086,
    PIIX4_PMBASE = 0x40,
    PM1_CONTROL = 4,
    PM_TIMER = 8,
    SLEEP_ENABLE = 1 << 13, /* SLP_TYP of S5 is 0 in the DSDT of this chipset */
    CMOS_INDEX = 0x70,
    CMOS_DATA = 0x71
};

uint16_t power_base(void)
{
    static uint16_t base;

    for (uint32_t function = 0; !base && function < 256; function++)
        if (pci_read((uint8_t)function, 0) == PIIX4_PM_ID)
            base = pci_read((uint8_t)function, PIIX4_PMBASE) & 0xffc0;
    return base;
}

uint32_t pm_timer(void)
{
    return inl(power_base() + PM_TIMER) & PM_TIMER_MASK;
}

void delay_us(uint32_t microseconds)
{
    uint32_t ticks = (uint32_t)divide64((uint64_t)microseconds * PM_TIMER_HZ, 1000000) + 1;
    uint32_t start = pm_timer();

    while (((pm_timer() - start) & PM_TIMER_MASK) < ticks)
        pause();
}

/* An emulator ends at once: let its serial port send the last bytes first. */
void drain_serial(void)
{
    while (!(inb(UART_LSR) & LSR_TEMT))
        pause();
    delay_us(2000);
}

void power_debug_exit(uint8_t value)
{
    drain_serial();
    outb(PORT_DEBUG_EXIT, value);
}

void power_off(void)
{
    drain_serial();
    outw(power_base() + PM1_CONTROL, SLEEP_ENABLE);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void reset_by_triple_fault(void)
{
    struct table_register none = {0, 0};

    lidt(&none);
    __asm__ volatile("int3");
}

uint32_t boot_number(void)
{
    enum { CMOS_RUN = 0x50, CMOS_COUNT = 0x51 };
    uint8_t run = (uint8_t)(option_number("nonce", 0) | 1);

    if (cmos_read(CMOS_RUN) != run) {
        cmos_write(CMOS_RUN, run);
        cmos_write(CMOS_COUNT, 0);
    }
    cmos_write(CMOS_COUNT, (uint8_t)(cmos_read(CMOS_COUNT) + 1));
    return cmos_read(CMOS_COUNT);
}

uint8_t cmos_read(uint8_t index)
{
    outb(CMOS_INDEX, index);
    return inb(CMOS_DATA);
}

void cmos_write(uint8_t index, uint8_t value)
{
    outb(CMOS_INDEX, index);
    outb(CMOS_DATA, value);
}
