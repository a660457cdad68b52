/*
 * 16550A: scratch, divisor latch, LCR, MCR and MSR in loopback, FIFO detection, data through loopback,
 * interrupt identification and priorities, overrun, THRE interrupt through the 8259. Manual: PC16550D data
 * sheet. Real hardware: as checked here. Nothing is printed while the port is in another mode.
 */
#include "guest.h"
#include "processor.h"
#include "pic.h"
#include "power.h"

enum {
    COM1 = 0x3f8,
    IER = COM1 + 1,
    IIR = COM1 + 2,
    FCR = IIR,
    LCR = COM1 + 3,
    MCR = COM1 + 4,
    LSR = COM1 + 5,
    MSR = COM1 + 6,
    SCR = COM1 + 7,
    LOOP = 0x10,
    DLAB = 0x80,
    DATA_READY = 1,
    LINE = 4,
    VALUES = 32
};

static struct {
    const char *name;
    uint32_t observed, expected;
} result[VALUES];
static uint32_t results;

static void note(const char *name, uint32_t observed, uint32_t expected)
{
    result[results].name = name;
    result[results].observed = observed;
    result[results++].expected = expected;
}

static bool wait_data(void)
{
    for (uint32_t i = 0; i < 1000 && !(inb(LSR) & DATA_READY); i++)
        delay_us(100);
    return inb(LSR) & DATA_READY;
}

static void test_registers(void)
{
    outb(SCR, 0x5a);
    note("scratch register", inb(SCR), 0x5a);
    outb(LCR, 0x1b);
    note("LCR", inb(LCR), 0x1b);
    outb(LCR, DLAB | 3);
    outb(COM1, 0x34);
    outb(IER, 0x12);
    note("divisor latch", (uint32_t)(inb(COM1) | inb(IER) << 8), 0x1234);
    outb(COM1, 1);
    outb(IER, 0);
    outb(LCR, 3);
    note("IER is 4 bits", (outb(IER, 0xf0), inb(IER)), 0);
    outb(FCR, 1);
    note("FIFO enabled in IIR", inb(IIR) & 0xc0, 0xc0);
    outb(FCR, 0);
    note("FIFO off", inb(IIR) & 0xc0, 0);
    note("no interrupt pending", inb(IIR) & 1, 1);
    note("transmitter empty", inb(LSR) & 0x60, 0x60);
}

static void test_loopback(void)
{
    outb(MCR, LOOP);
    note("loopback: MSR with no outputs", inb(MSR) & 0xf0, 0);
    outb(MCR, LOOP | 1);
    note("  DTR to DSR", inb(MSR) & 0xf0, 0x20);
    outb(MCR, LOOP | 2);
    note("  RTS to CTS", inb(MSR) & 0xf0, 0x10);
    outb(MCR, LOOP | 4);
    note("  OUT1 to RI", inb(MSR) & 0xf0, 0x40);
    outb(MCR, LOOP | 8);
    note("  OUT2 to DCD", inb(MSR) & 0xf0, 0x80);
    outb(COM1, 0xa7);
    note("  data comes back", wait_data(), 1);
    outb(IER, 1);
    note("  IIR: received data", inb(IIR) & 0xf, 4);
    note("  byte", inb(COM1), 0xa7);
    note("  LSR: no more data", inb(LSR) & DATA_READY, 0);
    note("  IIR: none", inb(IIR) & 1, 1);
    outb(IER, 0);
    outb(FCR, 7);
    for (uint8_t i = 0; i < 8; i++) {
        outb(COM1, (uint8_t)(i + 1));
        delay_us(2000);
    }
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 8 && wait_data(); i++)
        sum = sum * 2 + inb(COM1);
    note("  eight bytes through the FIFO", sum, 502);
    outb(FCR, 0);
}

static void test_interrupt(void)
{
    outb(MCR, 0xb);
    pic_set_mask((uint16_t) ~(1 << LINE));
    outb(IER, 2);
    interrupts_on();
    for (uint32_t i = 0; i < 100 && !interrupt_count[PIC_VECTOR + LINE]; i++)
        delay_us(100);
    interrupts_off();
    note("THRE interrupt", interrupt_count[PIC_VECTOR + LINE], 1);
    outb(IER, 0);
    outb(IER, 2);
    note("IIR: transmitter empty", inb(IIR) & 0xf, 2);
    note("  cleared by reading it", inb(IIR) & 1, 1);
    outb(IER, 0);
    pic_set_mask(0xffff);
}

void guest_main(void)
{
    pic_initialise();
    interrupt_set(PIC_VECTOR + LINE, interrupt_eoi_pic);
    test_registers();
    test_loopback();
    test_interrupt();
    serial_initialise();
    for (uint32_t i = 0; i < results; i++)
        check_value(result[i].name, result[i].observed, result[i].expected);
}
