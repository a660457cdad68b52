/*
 * The serial port COM1: a 16550A whose line is the guest's console.
 *
 * Document: National Semiconductor PC16550D data sheet (June 1995).
 * State: struct uart. A byte leaves at once; if the console is full, it waits in the transmit FIFO and THRE
 * stays clear until a millisecond later.
 *
 * Missing: baud rate (the line is as fast as the guest), parity and framing errors, sending a break, DMA.
 * Different: the character time-out interrupt comes at once. OUT2 gates the interrupt as on every PC.
 * Ignored bits: LCR but for DLAB; FCR bit 3.
 */
#include "uart.h"
#include "effects.h"

enum uart_register { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCRATCH };

enum { IER_RECEIVE = 1, IER_THR_EMPTY = 2, IER_LINE = 4, IER_MODEM = 8, IER_WRITABLE = 0xf };
enum {
    IIR_NONE = 0x01,
    IIR_LINE = 0x06,
    IIR_RECEIVE = 0x04,
    IIR_TIMEOUT = 0x0c,
    IIR_THR_EMPTY = 0x02,
    IIR_MODEM = 0x00,
    IIR_FIFOS = 0xc0
};
enum {
    FCR_ENABLE = 1,
    FCR_CLEAR_RECEIVE = 2,
    FCR_CLEAR_TRANSMIT = 4,
    FCR_TRIGGER_SHIFT = 6,
    FCR_KEPT = 0xc9
};
enum { LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 16, MCR_WRITABLE = 0x1f };
enum {
    LSR_DATA = 1,
    LSR_OVERRUN = 2,
    LSR_BREAK = 0x10,
    LSR_THR_EMPTY = 0x20,
    LSR_TRANSMITTER_EMPTY = 0x40,
    LSR_FIFO_ERROR = 0x80, /* a byte in the receive FIFO has a mark */
};
enum { MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40, MSR_DCD = 0x80, MSR_LINES = 0xf0 };
enum { MSR_DELTA_CTS = 1, MSR_DELTA_DSR = 2, MSR_TRAILING_RI = 4, MSR_DELTA_DCD = 8 };

enum { UART_IRQ = 4, RETRY_NS = 1000000, DIVISOR_9600 = 12 };

static const uint8_t receive_trigger[4] = {1, 4, 8, 14};

static unsigned fifo_depth(const struct uart *uart)
{
    return uart->fcr & FCR_ENABLE ? UART_FIFO : 1;
}

/* The interrupt of highest priority (data sheet, table 4). */
static uint8_t uart_interrupt(const struct uart *uart)
{
    if (uart->ier & IER_LINE && uart->line_errors)
        return IIR_LINE;
    if (uart->ier & IER_RECEIVE && uart->receive_count) {
        bool fifo = uart->fcr & FCR_ENABLE;
        unsigned trigger = fifo ? receive_trigger[uart->fcr >> FCR_TRIGGER_SHIFT] : 1;
        return uart->receive_count >= trigger ? IIR_RECEIVE : IIR_TIMEOUT;
    }
    if (uart->ier & IER_THR_EMPTY && uart->thr_empty_interrupt)
        return IIR_THR_EMPTY;
    if (uart->ier & IER_MODEM && uart->modem_changes)
        return IIR_MODEM;
    return IIR_NONE;
}

static void uart_update(struct uart *uart)
{
    bool gate = (uart->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;
    bool level = gate && uart_interrupt(uart) != IIR_NONE;
    if (level != uart->irq) {
        uart->irq = level;
        effect_irq(UART_IRQ, IRQ_ISA, level);
    }
}

static void uart_push_received(struct uart *uart, uint8_t byte)
{
    if (uart->receive_count >= fifo_depth(uart)) {
        uart->line_errors |= LSR_OVERRUN;
        return;
    }
    uart->receive[(uart->receive_next + uart->receive_count) % UART_FIFO] = byte;
    uart->receive_count++;
}

/* A break of the line arrives as a zero byte with a mark (data sheet, 8.6.3): once the bytes before it have
 * been read, so that the mark is at no other byte. */
static void uart_take_break(struct uart *uart)
{
    uint32_t breaks = effect_console_breaks();
    if (breaks != uart->breaks && uart->receive_count == 0) {
        uart->breaks = breaks;
        uart_push_received(uart, 0);
        uart->line_errors |= LSR_BREAK;
    }
}

static void uart_fill(struct uart *uart)
{
    if (!(uart->mcr & MCR_LOOP))
        uart_take_break(uart);
    while (!(uart->mcr & MCR_LOOP) && uart->receive_count < fifo_depth(uart)) {
        int byte = effect_console_get();
        if (byte < 0)
            return;
        uart_push_received(uart, (uint8_t)byte);
    }
}

void uart_receive(struct uart *uart)
{
    uart_fill(uart);
    uart_update(uart);
}

static uint8_t uart_read_data(struct uart *uart)
{
    if (!uart->receive_count) {
        uart_fill(uart);
        if (!uart->receive_count)
            return 0;
    }
    uint8_t byte = uart->receive[uart->receive_next];
    uart->receive_next = (uart->receive_next + 1) % UART_FIFO;
    if (--uart->receive_count == 0)
        uart_fill(uart);
    return byte;
}

/* Hands waiting bytes to the console. When the last has gone, the holding register is empty. */
static void uart_drain(struct uart *uart)
{
    while (uart->transmit_count && effect_console_put(uart->transmit[uart->transmit_next])) {
        uart->transmit_next = (uart->transmit_next + 1) % UART_FIFO;
        uart->transmit_count--;
    }
    if (uart->transmit_count) {
        uart->retry = effect_now() + RETRY_NS;
    } else {
        uart->retry = DEADLINE_NONE;
        uart->thr_empty_interrupt = 1;
    }
}

static void uart_write_data(struct uart *uart, uint8_t byte)
{
    if (uart->mcr & MCR_LOOP) {
        uart_push_received(uart, byte);
        uart->thr_empty_interrupt = 1;
    } else if (uart->transmit_count == 0 && effect_console_put(byte)) {
        uart->thr_empty_interrupt = 1;
    } else {
        uart->thr_empty_interrupt = 0;
        if (uart->transmit_count < UART_FIFO)
            uart->transmit[(uart->transmit_next + uart->transmit_count++) % UART_FIFO] = byte;
        else
            effect_need(NEED_IGNORED, 0x3f8);
        if (uart->retry == DEADLINE_NONE)
            uart->retry = effect_now() + RETRY_NS;
    }
}

static void uart_write_ier(struct uart *uart, uint8_t value)
{
    bool enabled = value & ~uart->ier & IER_THR_EMPTY;
    uart->ier = value & IER_WRITABLE;
    if (enabled && uart->transmit_count == 0)
        uart->thr_empty_interrupt = 1;
}

static void uart_write_fcr(struct uart *uart, uint8_t value)
{
    bool toggled = (value ^ uart->fcr) & FCR_ENABLE;
    if (value & FCR_CLEAR_RECEIVE || toggled)
        uart->receive_count = 0;
    if (value & FCR_CLEAR_TRANSMIT || toggled) {
        uart->transmit_count = 0;
        uart->retry = DEADLINE_NONE;
        uart->thr_empty_interrupt = 1;
    }
    uart->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
    uart_fill(uart);
}

static uint8_t uart_modem_lines(const struct uart *uart)
{
    if (!(uart->mcr & MCR_LOOP))
        return uart->modem_lines;
    return (uint8_t)((uart->mcr & MCR_RTS ? MSR_CTS : 0) | (uart->mcr & MCR_DTR ? MSR_DSR : 0) |
                     (uart->mcr & MCR_OUT1 ? MSR_RI : 0) | (uart->mcr & MCR_OUT2 ? MSR_DCD : 0));
}

static void uart_write_mcr(struct uart *uart, uint8_t value)
{
    uint8_t before = uart_modem_lines(uart);
    uart->mcr = value & MCR_WRITABLE;
    uint8_t changed = before ^ uart_modem_lines(uart);
    uart->modem_changes |=
        (uint8_t)((changed & MSR_CTS ? MSR_DELTA_CTS : 0) | (changed & MSR_DSR ? MSR_DELTA_DSR : 0) |
                  (changed & before & MSR_RI ? MSR_TRAILING_RI : 0) |
                  (changed & MSR_DCD ? MSR_DELTA_DCD : 0));
    uart_fill(uart);
}

static uint8_t uart_read_lsr(struct uart *uart)
{
    uint8_t lsr = uart->line_errors;
    if (lsr & LSR_BREAK && uart->fcr & FCR_ENABLE)
        lsr |= LSR_FIFO_ERROR;
    uart->line_errors = 0;
    if (uart->receive_count)
        lsr |= LSR_DATA;
    if (uart->transmit_count == 0)
        lsr |= LSR_THR_EMPTY | LSR_TRANSMITTER_EMPTY;
    return lsr;
}

/* Reading IIR takes back the interrupt of the empty holding register. */
static uint8_t uart_read_iir(struct uart *uart)
{
    uint8_t iir = uart_interrupt(uart);
    if (iir == IIR_THR_EMPTY)
        uart->thr_empty_interrupt = 0;
    return (uint8_t)(iir | (uart->fcr & FCR_ENABLE ? IIR_FIFOS : 0));
}

static uint8_t uart_read_msr(struct uart *uart)
{
    uint8_t msr = uart_modem_lines(uart) | uart->modem_changes;
    uart->modem_changes = 0;
    return msr;
}

static uint8_t uart_read(struct uart *uart, enum uart_register reg)
{
    bool latch = uart->lcr & LCR_DLAB;
    switch (reg) {
    case REG_DATA:
        return latch ? uart->divisor[0] : uart_read_data(uart);
    case REG_IER:
        return latch ? uart->divisor[1] : uart->ier;
    case REG_IIR_FCR:
        return uart_read_iir(uart);
    case REG_LCR:
        return uart->lcr;
    case REG_MCR:
        return uart->mcr;
    case REG_LSR:
        return uart_read_lsr(uart);
    case REG_MSR:
        return uart_read_msr(uart);
    case REG_SCRATCH:
        return uart->scratch;
    }
    return 0xff;
}

static void uart_write(struct uart *uart, enum uart_register reg, uint8_t value)
{
    bool latch = uart->lcr & LCR_DLAB;
    switch (reg) {
    case REG_DATA:
        if (latch)
            uart->divisor[0] = value;
        else
            uart_write_data(uart, value);
        break;
    case REG_IER:
        if (latch)
            uart->divisor[1] = value;
        else
            uart_write_ier(uart, value);
        break;
    case REG_IIR_FCR:
        uart_write_fcr(uart, value);
        break;
    case REG_LCR:
        uart->lcr = value;
        break;
    case REG_MCR:
        uart_write_mcr(uart, value);
        break;
    case REG_SCRATCH:
        uart->scratch = value;
        break;
    case REG_LSR: /* for factory tests only */
    case REG_MSR:
        effect_need(NEED_IGNORED, 0x3f8u + reg);
        break;
    }
}

static void uart_io(void *state, struct io *io)
{
    struct uart *uart = state;
    if (io->write)
        uart_write(uart, io->offset & 7, (uint8_t)io->value);
    else
        io->value = uart_read(uart, io->offset & 7);
    uart_update(uart);
}

static void uart_reset(void *state, const struct device_slot *slot)
{
    struct uart *uart = state;
    (void)slot;
    uart->retry = DEADLINE_NONE;
    uart->breaks = effect_console_breaks();
    uart->divisor[0] = DIVISOR_9600;
    uart->modem_lines = MSR_CTS | MSR_DSR | MSR_DCD; /* somebody is at the other end */
}

static const char *uart_check(const void *state)
{
    const struct uart *uart = state;
    if (uart->receive_next >= UART_FIFO || uart->receive_count > UART_FIFO)
        return "receive FIFO";
    if (uart->transmit_next >= UART_FIFO || uart->transmit_count > UART_FIFO)
        return "transmit FIFO";
    if ((uart->transmit_count == 0) != (uart->retry == DEADLINE_NONE))
        return "waiting bytes without a time";
    return uart->modem_lines & ~MSR_LINES ? "modem lines" : NULL;
}

static void uart_inspect(const void *state, struct inspector *inspector)
{
    const struct uart *uart = state;
    inspector->field(inspector, "ier", uart->ier);
    inspector->field(inspector, "iir", uart_interrupt(uart));
    inspector->field(inspector, "lcr", uart->lcr);
    inspector->field(inspector, "mcr", uart->mcr);
    inspector->field(inspector, "fcr", uart->fcr);
    inspector->field(inspector, "divisor", uart->divisor[0] | (uint64_t)uart->divisor[1] << 8);
    inspector->field(inspector, "received", uart->receive_count);
    inspector->field(inspector, "to send", uart->transmit_count);
}

static uint64_t uart_deadline(const void *state)
{
    const struct uart *uart = state;
    return uart->retry;
}

static void uart_tick(void *state, uint64_t now)
{
    struct uart *uart = state;
    (void)now;
    uart_drain(uart);
    uart_update(uart);
}

const struct device uart_device = {
    .name = "16550A",
    .state_size = sizeof(struct uart),
    .region_count = 1,
    .region = {{.base = 0x3f8, .length = 8, .space = IO_PORT, .widths = WIDTH_1}},
    .reset = uart_reset,
    .io = uart_io,
    .check = uart_check,
    .inspect = uart_inspect,
    .missed_ticks = TICKS_MERGE,
    .deadline = uart_deadline,
    .tick = uart_tick,
};
