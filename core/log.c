/*
 * The monitor's log (16550 data sheet: LSR bit 5 is "transmitter holding register empty").
 */
#include "log.h"
#include "cpu.h"
#include "format.h"
#include "spinlock.h"
#include "string.h"

enum uart_register { UART_DATA = 0, UART_IER = 1, UART_FCR = 2, UART_LCR = 3, UART_MCR = 4, UART_LSR = 5 };
enum {
    UART_LSR_THRE = 0x20,
    UART_LCR_8N1 = 3,
    UART_LCR_DLAB = 0x80,
    UART_DIVISOR_115200 = 1,
    UART_PATIENCE = 100000
};

static uint16_t log_port;
static struct spinlock log_lock;
static bool panicking;

bool option_find(const char *options, const char *name, const char **value)
{
    size_t length = strlen(name);
    for (const char *at = options; *at;) {
        if (!strncmp(at, name, length) && (!at[length] || at[length] == ' ' || at[length] == '=')) {
            *value = at + length + (at[length] == '=');
            return true;
        }
        while (*at && *at != ' ')
            at++;
        while (*at == ' ')
            at++;
    }
    return false;
}

void log_init(const char *options)
{
    const char *value;
    log_port = 0x3f8;
    if (option_find(options, "log", &value)) {
        if (!strncmp(value, "com2", 4)) {
            log_port = 0x2f8;
        } else if (!strncmp(value, "none", 4)) {
            log_port = 0;
            return;
        }
    }
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

static void put_byte(uint8_t byte)
{
    for (unsigned i = 0; i < UART_PATIENCE && !(in8(log_port + UART_LSR) & UART_LSR_THRE); i++)
        __builtin_ia32_pause();
    out8(log_port, byte);
}

void log_write(const char *text, size_t length)
{
    if (!log_port)
        return;
    if (!panicking)
        spin_lock(&log_lock);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            put_byte('\r');
        put_byte((uint8_t)text[i]);
    }
    if (!panicking)
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

void log_panicking(void)
{
    panicking = true;
}
