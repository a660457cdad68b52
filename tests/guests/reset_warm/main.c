/*
 * Resets of the processor alone, and the shutdown codes of CMOS byte 15: by port 0x92 with code 0x0A, by the
 * keyboard controller with code 0x05 and by port 0xcf9 without bit 1 with code 0x0A the BIOS goes where the
 * word at 0x467 says, with memory, CMOS and devices as they were; with code 0 it starts the machine anew.
 * Manual: IBM PC AT Technical Reference (BIOS, SHUT); 82371SB, 2.5.5. Real hardware: as checked here. The
 * native run ends at the first reset.
 *
 * guest: firmware=bios end=reset
 */
#include "guest.h"
#include "memory.h"
#include "power.h"
#include "processor.h"

enum { SHUTDOWN_CODE = 0x0f, WARM = 0x6000, WARM_VECTOR = 0x467, UART_SCRATCH = 0x3ff };
enum { CODE_COLD = 0, CODE_EOI_JUMP = 5, CODE_JUMP = 0x0a, LAST_BOOT = 5, SCRATCH = 0x40 };

extern const uint8_t warm_code[], warm_code_end[];
static uint32_t kept; /* in memory: of the boot before */

static void by_port_92(void)
{
    outb(0x92, 3);
}

static void by_keyboard(void)
{
    outb(0x64, 0xfe);
}

static void by_cf9(void)
{
    outb(0xcf9, 0);
    outb(0xcf9, 4);
}

static const struct {
    void (*reset)(void);
    uint8_t code;
} steps[LAST_BOOT] = {
    {0}, {by_port_92, CODE_JUMP}, {by_keyboard, CODE_EOI_JUMP}, {by_cf9, CODE_JUMP}, {by_port_92, CODE_COLD}};

static void prepare(uint32_t boot)
{
    uint32_t vector = WARM_VECTOR;

    __asm__("" : "+r"(vector)); /* near zero is no null pointer */
    memcpy((void *)WARM, warm_code, (size_t)(warm_code_end - warm_code));
    *(volatile uint32_t *)vector = WARM;
    cmos_write(SHUTDOWN_CODE, steps[boot].code);
    outb(UART_SCRATCH, (uint8_t)(SCRATCH + boot));
    kept = boot;
}

void guest_main(void)
{
    uint32_t boot = boot_number();

    check("boot", boot >= 1 && boot <= LAST_BOOT);
    if (boot > 1)
        check_value("shutdown code used up", cmos_read(SHUTDOWN_CODE), 0);
    if (boot > 1 && boot < LAST_BOOT) {
        check_value("memory is kept", kept, boot - 1);
        check_value("devices are left alone", inb(UART_SCRATCH), SCRATCH + boot - 1);
    }
    if (boot == LAST_BOOT) {
        check_value("code 0: from the start", kept, 0);
        return;
    }
    prepare(boot);
    guest_print_end();
    drain_serial();
    steps[boot].reset();
    for (;;)
        __asm__ volatile("cli; hlt");
}
