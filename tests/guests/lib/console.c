/* COM1 and a small printf. The port is polled, so output does not depend on what a test does to interrupts.
 */
#include <stdarg.h>
#include "guest.h"
#include "processor.h"

enum {
    COM1 = 0x3f8,
    UART_DATA = 0,
    UART_IER = 1,
    UART_FCR = 2,
    UART_LCR = 3,
    UART_MCR = 4,
    UART_LSR = 5,
    LCR_8N1 = 3,
    LCR_DLAB = 0x80,
    MCR_DTR_RTS = 3,
    LSR_THRE = 0x20
};

/* 115200 baud, 8N1, FIFO off, no interrupts (16550D data sheet, section 8). */
void serial_initialise(void)
{
    outb(COM1 + UART_IER, 0);
    outb(COM1 + UART_LCR, LCR_DLAB);
    outb(COM1 + UART_DATA, 1);
    outb(COM1 + UART_IER, 0);
    outb(COM1 + UART_LCR, LCR_8N1);
    outb(COM1 + UART_FCR, 0);
    outb(COM1 + UART_MCR, MCR_DTR_RTS);
}

static void put_character(char c)
{
    while (!(inb(COM1 + UART_LSR) & LSR_THRE))
        pause();
    outb(COM1 + UART_DATA, (uint8_t)c);
}

static void put_number(uint64_t value, uint32_t base, uint32_t width, char pad)
{
    char digits[20];
    uint32_t count = 0;

    do {
        uint64_t quotient = divide64(value, base);
        digits[count++] = "0123456789abcdef"[(uint32_t)(value - quotient * base)];
        value = quotient;
    } while (value);
    for (; width > count; width--)
        put_character(pad);
    while (count)
        put_character(digits[--count]);
}

static void put_text(const char *text, uint32_t width)
{
    for (; *text; text++) {
        put_character(*text);
        width -= width > 0;
    }
    for (; width; width--)
        put_character(' ');
}

void print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    for (; *format; format++) {
        if (*format != '%') {
            put_character(*format);
            continue;
        }
        char pad = *++format == '0' ? '0' : ' ';
        uint32_t width = 0, longs = 0;
        for (; *format >= '0' && *format <= '9'; format++)
            width = width * 10 + (uint32_t)(*format - '0');
        for (; *format == 'l'; format++)
            longs++;
        if (*format == 's') {
            put_text(va_arg(arguments, const char *), width);
        } else if (*format == 'c') {
            put_character((char)va_arg(arguments, int));
        } else if (*format == 'd') {
            int value = va_arg(arguments, int);
            if (value < 0)
                put_character('-');
            put_number(value < 0 ? 0u - (uint32_t)value : (uint32_t)value, 10, width, pad);
        } else if (*format == 'u' || *format == 'x') {
            uint64_t value = longs == 2 ? va_arg(arguments, uint64_t) : va_arg(arguments, uint32_t);
            put_number(value, *format == 'u' ? 10 : 16, width, pad);
        } else {
            put_character(*format);
        }
    }
    va_end(arguments);
}
