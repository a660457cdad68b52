/* One of a PC's four serial ports, a 16550 (National Semiconductor PC16550D data sheet). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum uart_base { UART_COM1 = 0x3f8, UART_COM2 = 0x2f8, UART_COM3 = 0x3e8 };

struct uart {
    uint16_t port; /* 0: there is none */
    uint8_t interrupts;
    unsigned room; /* bytes that the transmit FIFO still takes */
};

/* 115,200 bit/s, 8N1, FIFOs, interrupt on received bytes. False: there is no port. */
bool uart_start(struct uart *uart, enum uart_base base);
/* The next received byte, or -1. */
int uart_get(const struct uart *uart);
/* Sends what it takes now of the bytes that wait in a queue (indices as in lib/ring.h), and asks
 * for an interrupt when it can take more. Returns their number. */
uint32_t uart_send(struct uart *uart, const uint8_t *queue, uint32_t size, uint32_t head, uint32_t *tail);
/* The last byte has left the machine. */
bool uart_is_idle(const struct uart *uart);
