/* One of the machine's first two serial ports, a 16550 (National Semiconductor PC16550D data sheet). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum uart_base { UART_COM1 = 0x3f8, UART_COM2 = 0x2f8 };

/* 115,200 bit/s, 8N1, FIFOs, interrupt on received bytes. False: there is no port. */
bool uart_start(enum uart_base base);
/* Sends a byte if the transmitter takes one now. */
bool uart_put(uint8_t byte);
/* The next received byte, or -1. */
int uart_get(void);
/* Interrupt when the transmitter is empty: wanted while bytes wait. */
void uart_want_empty(bool wanted);
/* The last byte has left the machine. */
bool uart_is_idle(void);
