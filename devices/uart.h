/* The serial port COM1, a 16550A: state block. See uart.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "device.h"

enum { UART_FIFO = 16 };

struct uart {
    uint64_t retry;  /* guest time in ns at which a full console is tried again, or DEADLINE_NONE */
    uint32_t breaks; /* of the console that the guest has got */
    uint8_t ier, lcr, mcr, scratch;
    uint8_t fcr;           /* as written, without the bits that clear themselves */
    uint8_t line_errors;   /* LSR bits that a read clears */
    uint8_t modem_changes; /* MSR bits 0-3 */
    uint8_t modem_lines;   /* MSR bits 4-7 outside of loopback */
    uint8_t divisor[2];    /* low, high */
    uint8_t thr_empty_interrupt;
    uint8_t irq; /* level of the interrupt line */
    uint8_t receive_next, receive_count;
    uint8_t transmit_next, transmit_count; /* what the console would not take yet */
    uint8_t receive[UART_FIFO];
    uint8_t transmit[UART_FIFO];
};

extern const struct device uart_device;

/* Takes bytes from the console as far as there is room for them. */
void uart_receive(struct uart *uart);
