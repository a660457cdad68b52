/*
 * The machine's serial ports. Follows the PC16550D data sheet, section 8. The monitor opens the eight ports
 * of each to this process in the I/O permission bitmap and turns their interrupts into EVENT_INPUT.
 */
#include "uart.h"
#include "ports.h"

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

static uint8_t uart_read(const struct uart *uart, enum uart_register index)
{
    return port_read((uint16_t)(uart->port + index));
}

static void uart_write(const struct uart *uart, enum uart_register index, uint8_t value)
{
    port_write((uint16_t)(uart->port + index), value);
}

bool uart_start(struct uart *uart, enum uart_base base)
{
    uart->port = (uint16_t)base;
    if (uart_read(uart, UART_LSR) == LSR_NO_PORT) {
        uart->port = 0;
        return false;
    }
    uart_write(uart, UART_LCR, LCR_DLAB | LCR_8N1);
    uart_write(uart, UART_DATA, DIVISOR_115200);
    uart_write(uart, UART_IER, 0); /* the divisor's high byte */
    uart_write(uart, UART_LCR, LCR_8N1);
    uart_write(uart, UART_FCR, FCR_ENABLE | FCR_CLEAR_RECEIVE);
    uart_write(uart, UART_MCR, MCR_DTR_RTS | MCR_OUT2);
    uart->interrupts = IER_RECEIVED;
    uart_write(uart, UART_IER, uart->interrupts);
    return true;
}

static bool uart_put(struct uart *uart, uint8_t byte)
{
    if (uart->port == 0)
        return true; /* nobody listens */
    if (uart->room == 0) {
        if ((uart_read(uart, UART_LSR) & LSR_HOLDING_EMPTY) == 0)
            return false;
        uart->room = FIFO_SIZE;
    }
    uart_write(uart, UART_DATA, byte);
    uart->room--;
    return true;
}

int uart_get(const struct uart *uart)
{
    if (uart->port == 0 || (uart_read(uart, UART_LSR) & LSR_DATA) == 0)
        return -1;
    return uart_read(uart, UART_DATA);
}

/* Interrupt when the transmitter is empty: wanted while bytes wait. */
static void want_empty(struct uart *uart, bool wanted)
{
    uint8_t now = IER_RECEIVED | (wanted ? IER_EMPTY : 0);

    if (uart->port != 0 && now != uart->interrupts) {
        uart->interrupts = now;
        uart_write(uart, UART_IER, now);
    }
}

uint32_t uart_send(struct uart *uart, const uint8_t *queue, uint32_t size, uint32_t head, uint32_t *tail)
{
    uint32_t sent = 0;

    while (*tail != head && uart_put(uart, queue[*tail % size])) {
        (*tail)++;
        sent++;
    }
    want_empty(uart, *tail != head);
    return sent;
}

bool uart_is_idle(const struct uart *uart)
{
    return uart->port == 0 || (uart_read(uart, UART_LSR) & LSR_EMPTY) != 0;
}
