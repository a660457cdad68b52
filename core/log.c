/*
 * The monitor's log (16550 data sheet: LSR bit 5 is "transmitter holding register empty", bit 6 "transmitter
 * empty": the last bit has left the machine).
 */
#include "log.h"
#include "cpu.h"
#include "format.h"
#include "spinlock.h"
#include "string.h"

enum uart_register { UART_DATA = 0, UART_IER = 1, UART_FCR = 2, UART_LCR = 3, UART_MCR = 4, UART_LSR = 5 };
enum {
    UART_LSR_THRE = 0x20,
    UART_LSR_TEMT = 0x40,
    UART_LCR_8N1 = 3,
    UART_LCR_DLAB = 0x80,
    UART_DIVISOR_115200 = 1,
    UART_PATIENCE = 100000,
    UART_IN_VAIN_MAX = 100
};

static uint16_t log_port;
static struct spinlock log_lock;
bool log_panicking;

static uint16_t port_chosen(const char *options)
{
    for (const char *at = options; *at; at++) {
        if (at != options && at[-1] != ' ')
            continue;
        if (!strncmp(at, "log=com2", 8))
            return 0x2f8;
        if (!strncmp(at, "log=none", 8))
            return 0;
    }
    return 0x3f8;
}

void log_init(const char *options)
{
    log_port = port_chosen(options);
    if (!log_port)
        return;
    if (in8(log_port + UART_LSR) == 0xff) { /* no such port */
        log_port = 0;
        return;
    }
    out8(log_port + UART_IER, 0);
    out8(log_port + UART_LCR, UART_LCR_DLAB | UART_LCR_8N1);
    out8(log_port + UART_DATA, UART_DIVISOR_115200);
    out8(log_port + UART_IER, 0);
    out8(log_port + UART_LCR, UART_LCR_8N1);
    out8(log_port + UART_FCR, 7); /* FIFOs on and empty */
    out8(log_port + UART_MCR, 3); /* DTR, RTS */
}

static bool wait_for(uint8_t state)
{
    for (unsigned i = 0; i < UART_PATIENCE; i++) {
        if (in8(log_port + UART_LSR) & state)
            return true;
        __builtin_ia32_pause();
    }
    return false;
}

static void put_byte(uint8_t byte)
{
    static unsigned in_vain; /* in a row */
    if (!log_port)
        return;
    in_vain = wait_for(UART_LSR_THRE) ? 0 : in_vain + 1;
    out8(log_port, byte);
    if (in_vain == UART_IN_VAIN_MAX)
        log_port = 0; /* nothing transmits there: each line would take seconds */
}

void log_drain(void)
{
    if (log_port)
        wait_for(UART_LSR_TEMT);
}

void log_write(const char *text, size_t length)
{
    if (!log_port)
        return;
    if (!log_panicking)
        spin_lock(&log_lock);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            put_byte('\r');
        put_byte((uint8_t)text[i]);
    }
    if (!log_panicking)
        spin_unlock(&log_lock);
}

void log_print(const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_text_va(line, sizeof(line) - 1, format, arguments);
    va_end(arguments);
    line[length++] = '\n';
    log_write(line, length);
}
