/*
 * The machine's first serial port. Follows the PC16550D data sheet, section 8. The monitor opens its eight
 * ports to this process in the I/O permission bitmap and turns its interrupt into EVENT_INPUT.
 */
#include "uart.h"

enum uart_port {
    UART_DATA = 0x3f8,
    UART_IER = 0x3f9,
    UART_FCR = 0x3fa,
    UART_LCR = 0x3fb,
    UART_MCR = 0x3fc,
    UART_LSR = 0x3fd
};
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

static bool present;
static uint8_t interrupts;
static unsigned room; /* bytes that the transmit FIFO still takes */

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

bool uart_start(void)
{
    if (in8(UART_LSR) == LSR_NO_PORT) {
        return false;
    }
    out8(UART_LCR, LCR_DLAB | LCR_8N1);
    out8(UART_DATA, DIVISOR_115200);
    out8(UART_IER, 0); /* the divisor's high byte */
    out8(UART_LCR, LCR_8N1);
    out8(UART_FCR, FCR_ENABLE | FCR_CLEAR_RECEIVE);
    out8(UART_MCR, MCR_DTR_RTS | MCR_OUT2);
    interrupts = IER_RECEIVED;
    out8(UART_IER, interrupts);
    present = true;
    return true;
}

bool uart_put(uint8_t byte)
{
    if (!present) {
        return true; /* nobody listens */
    }
    if (room == 0) {
        if ((in8(UART_LSR) & LSR_HOLDING_EMPTY) == 0) {
            return false;
        }
        room = FIFO_SIZE;
    }
    out8(UART_DATA, byte);
    room--;
    return true;
}

int uart_get(void)
{
    if (!present || (in8(UART_LSR) & LSR_DATA) == 0) {
        return -1;
    }
    return in8(UART_DATA);
}

void uart_want_empty(bool wanted)
{
    uint8_t now = IER_RECEIVED | (wanted ? IER_EMPTY : 0);

    if (present && now != interrupts) {
        interrupts = now;
        out8(UART_IER, now);
    }
}

bool uart_is_idle(void)
{
    return !present || (in8(UART_LSR) & LSR_EMPTY) != 0;
}
