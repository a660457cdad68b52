/*
 * The machine's first serial port. Follows the PC16550D data sheet, section 8. The monitor opens its eight
 * ports to this process in the I/O permission bitmap and turns its interrupt into EVENT_INPUT.
 */
#include "uart.h"

enum uart_register { UART_DATA, UART_IER, UART_FCR, UART_LCR, UART_MCR, UART_LSR };
enum {
    IER_RECEIVED = 1 << 0,
    IER_EMPTY = 1 << 1,
    FCR_ENABLE = 1 << 0,
    FCR_CLEAR_RECEIVE = 1 << 1,
    LCR_8N1 = 3,
    LCR_DLAB = 1 << 7,
    MCR_DTR_RTS = 3,
    MCR_OUT2 = 1 << 3, /* on a PC, the gate of the interrupt */
    LSR_DATA = 1 << 0,
    LSR_HOLDING_EMPTY = 1 << 5,
    LSR_EMPTY = 1 << 6,
    LSR_NO_PORT = 0xff,
    DIVISOR_115200 = 1,
    FIFO_SIZE = 16,
};

static uint16_t port; /* 0: there is none */
static uint8_t interrupts;
static unsigned room; /* bytes that the transmit FIFO still takes */

static uint8_t uart_read(enum uart_register index)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"((uint16_t)(port + index)));
    return value;
}

static void uart_write(enum uart_register index, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"((uint16_t)(port + index)));
}

bool uart_start(enum uart_base base)
{
    port = (uint16_t)base;
    if (uart_read(UART_LSR) == LSR_NO_PORT) {
        port = 0;
        return false;
    }
    uart_write(UART_LCR, LCR_DLAB | LCR_8N1);
    uart_write(UART_DATA, DIVISOR_115200);
    uart_write(UART_IER, 0); /* the divisor's high byte */
    uart_write(UART_LCR, LCR_8N1);
    uart_write(UART_FCR, FCR_ENABLE | FCR_CLEAR_RECEIVE);
    uart_write(UART_MCR, MCR_DTR_RTS | MCR_OUT2);
    interrupts = IER_RECEIVED;
    uart_write(UART_IER, interrupts);
    return true;
}

bool uart_put(uint8_t byte)
{
    if (port == 0)
        return true; /* nobody listens */
    if (room == 0) {
        if ((uart_read(UART_LSR) & LSR_HOLDING_EMPTY) == 0)
            return false;
        room = FIFO_SIZE;
    }
    uart_write(UART_DATA, byte);
    room--;
    return true;
}

int uart_get(void)
{
    if (port == 0 || (uart_read(UART_LSR) & LSR_DATA) == 0)
        return -1;
    return uart_read(UART_DATA);
}

void uart_want_empty(bool wanted)
{
    uint8_t now = IER_RECEIVED | (wanted ? IER_EMPTY : 0);

    if (port != 0 && now != interrupts) {
        interrupts = now;
        uart_write(UART_IER, now);
    }
}

bool uart_is_idle(void)
{
    return port == 0 || (uart_read(UART_LSR) & LSR_EMPTY) != 0;
}
