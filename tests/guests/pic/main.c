/*
 * The 8259A pair: initialisation, masks, IRR and ISR, fixed priority, nesting, specific and rotating EOI, the
 * slave's cascade, poll mode, special mask, spurious interrupts 7 and 15, edge and level by ELCR. Sources are
 * the PIT (line 0) and the serial port (line 4, held until served). Manual: Intel 8259A data sheet;
 * 82371SB, 5.5 (ELCR). Real hardware: as checked here.
 *
 * guest: clock=virtual
 */
#include "guest.h"
#include "processor.h"
#include "pic.h"
#include "power.h"

enum {
    COM1_IER = 0x3f9,
    COM1_IIR = 0x3fa,
    COM1_MCR = 0x3fc,
    IER_THRE = 2,
    MCR_OUT2 = 0xb,
    LINE_TIMER = 0,
    LINE_SERIAL = 4,
    LINE_RTC = 8
};
/* OCW2 and OCW3 of the data sheet; the former with a line. */
enum {
    EOI = 0x20,
    SPECIFIC_EOI = 0x60,
    ROTATE_EOI = 0xa0,
    SET_PRIORITY = 0xc0,
    ROTATE_SPECIFIC_EOI = 0xe0,
    SPECIAL_MASK_OFF = 0x48,
    SPECIAL_MASK_ON = 0x68
};

static uint32_t order[8], orders;

static void note(struct interrupt_frame *frame)
{
    if (orders < ARRAY_LENGTH(order))
        order[orders] = frame->vector - PIC_VECTOR;
    orders++;
    if (frame->vector == PIC_VECTOR + LINE_SERIAL)
        (void)inb(COM1_IIR);
    pic_eoi((uint8_t)(frame->vector - PIC_VECTOR));
}

static void window(void)
{
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

static void raise_serial(void)
{
    outb(COM1_MCR, MCR_OUT2);
    outb(COM1_IER, IER_THRE);
}
static void drop_serial(void)
{
    outb(COM1_IER, 0);
    (void)inb(COM1_IIR);
}

static void test_registers(void)
{
    check_value("mask after set", (pic_set_mask(0xa55a), pic_mask()), 0xa55a);
    pic_initialise();
    pic_set_mask(0xffff);
    outb(PIC_MASTER, 0x11);
    outb(PIC_MASTER + 1, 0x20);
    outb(PIC_MASTER + 1, 4);
    outb(PIC_MASTER + 1, 1);
    check_value("ICW sequence clears the mask", inb(PIC_MASTER + 1), 0);
    pic_initialise();
    check_value("ISR idle", pic_isr(), 0);
}

static void test_delivery(void)
{
    pit_fire();
    check_value("IRR with the line masked", pic_irr() & 1, 1);
    window();
    check_value("masked: nothing delivered", orders, 0);
    pic_set_mask(0xfffe);
    window();
    check_value("unmasked: delivered", orders, 1);
    check_value("  ISR after EOI", pic_isr(), 0);
    orders = 0;
    pic_set_mask(0xffee);
    raise_serial();
    pit_fire();
    __asm__ volatile("sti; nop; nop; nop; nop; cli" : : : "memory");
    check_value("two pending: both delivered", orders, 2);
    check_value("  by priority", order[0] << 4 | order[1], LINE_TIMER << 4 | LINE_SERIAL);
    drop_serial();
    pic_set_mask(0xffff);
}

/* Without EOI only lines of a higher priority get through. */
static void keep_in_service(struct interrupt_frame *frame)
{
    order[orders++ & 7] = frame->vector - PIC_VECTOR;
}

static void test_in_service(void)
{
    orders = 0;
    interrupt_set(PIC_VECTOR + LINE_SERIAL, keep_in_service);
    interrupt_set(PIC_VECTOR + LINE_TIMER, keep_in_service);
    pic_set_mask(0xffee);
    pit_fire();
    window();
    check_value("ISR without EOI", pic_isr(), 1);
    raise_serial();
    window();
    check_value("lower priority waits", orders, 1);
    outb(PIC_MASTER, 0x60 | LINE_TIMER);
    check_value("specific EOI", pic_isr(), 0);
    window();
    check_value("  then the other comes", orders << 4 | order[1], 2 << 4 | LINE_SERIAL);
    pit_fire();
    window();
    check_value("higher priority interrupts it", pic_isr(), 1 | 1 << LINE_SERIAL);
    outb(PIC_MASTER, 0x20);
    check_value("non-specific EOI ends the highest", pic_isr(), 1 << LINE_SERIAL);
    outb(PIC_MASTER, 0x20);
    drop_serial();
    outb(PIC_MASTER, SET_PRIORITY | LINE_TIMER);
    orders = 0;
    pit_fire();
    raise_serial();
    window();
    outb(PIC_MASTER, 0x20);
    window();
    outb(PIC_MASTER, 0x20);
    outb(PIC_MASTER, SET_PRIORITY | 7);
    drop_serial(); /* printing would make edges */
    check_value("set priority: line 0 lowest, line 4 first", order[0], LINE_SERIAL);
    check_value("  then line 0", order[1], LINE_TIMER);
    pic_set_mask(0xffff);
}

/* The order is printed at the end: printing would make edges. */
static void test_rotation(void)
{
    orders = 0;
    pic_set_mask(0xffee);
    pit_fire();
    window();
    outb(PIC_MASTER, ROTATE_EOI); /* line 0 is lowest now */
    pit_fire();
    raise_serial();
    window();
    outb(PIC_MASTER, ROTATE_SPECIFIC_EOI | LINE_SERIAL); /* now line 4 is */
    window();
    outb(PIC_MASTER, EOI);
    drop_serial();
    raise_serial();
    pit_fire();
    window();
    outb(PIC_MASTER, EOI);
    window();
    outb(PIC_MASTER, EOI);
    outb(PIC_MASTER, SET_PRIORITY | 7);
    drop_serial();
    check_value("rotating EOI: line 0 lowest, line 4 first", order[1], LINE_SERIAL);
    check_value("  then line 0", order[2], LINE_TIMER);
    check_value("rotating specific EOI: line 4 lowest, line 0 first", order[3], LINE_TIMER);
    check_value("  then line 4", order[4], LINE_SERIAL);
    check_value("  all delivered", orders, 5);
    pic_set_mask(0xffff);
}

/* In special mask mode a line in service that is masked holds up no other. */
static void test_special_mask(void)
{
    orders = 0;
    pic_set_mask(0xffee);
    pit_fire();
    window();
    raise_serial();
    pic_set_mask(0xffef);
    window();
    uint32_t before = orders;
    outb(PIC_MASTER, SPECIAL_MASK_ON);
    pic_set_mask(0xffef); /* QEMU looks at the mode when the mask is written */
    window();
    uint32_t in_service = pic_isr();
    outb(PIC_MASTER, SPECIFIC_EOI | LINE_SERIAL);
    uint32_t left = pic_isr();
    outb(PIC_MASTER, SPECIAL_MASK_OFF);
    outb(PIC_MASTER, EOI);
    drop_serial();
    check_value("masked in service: lower priority waits", before, 1);
    check_value("special mask: it does not", orders << 4 | order[1], 2 << 4 | LINE_SERIAL);
    check_value("  ISR", in_service, 1 << LINE_TIMER | 1 << LINE_SERIAL);
    check_value("  ISR after an EOI of line 4", left, 1 << LINE_TIMER);
    check_value("  after an EOI without special mask", pic_isr(), 0);
    pic_set_mask(0xffff);
}

static void test_poll(void)
{
    pic_set_mask(0xfffe);
    pit_fire();
    outb(PIC_MASTER, 0x0c);
    check_value("poll answers line 0", inb(PIC_MASTER), 0x80);
    check_value("  and sets ISR", pic_isr(), 1);
    outb(PIC_MASTER, 0x20);
    pic_set_mask(0xffff);
}

/* The serial line goes away between INTR and INTA: spurious 7, without an ISR bit. */
static void test_spurious(void)
{
    uint32_t before = interrupt_count[PIC_VECTOR + 7];

    outb(PIC_ELCR, 1 << LINE_SERIAL);
    check_value("ELCR reads back", inb(PIC_ELCR), 1 << LINE_SERIAL);
    interrupt_set(PIC_VECTOR + LINE_SERIAL, note);
    orders = 0;
    pic_set_mask(0xffef);
    raise_serial();
    check_value("level: IRR follows the line", pic_irr() & 1 << LINE_SERIAL, 1 << LINE_SERIAL);
    drop_serial();
    check_value("  down again", pic_irr() & 1 << LINE_SERIAL, 0);
    window();
    check_value("  nothing delivered", orders, 0);
    check_value("  no spurious interrupt without INTR", interrupt_count[PIC_VECTOR + 7], before);
    outb(PIC_ELCR, 0);
    check_value("ELCR: lines 0, 1, 2 stay edge", (outb(PIC_ELCR, 0xff), inb(PIC_ELCR)), 0xf8);
    outb(PIC_ELCR, 0);
    pic_set_mask(0xffff);
}

static void test_slave(void)
{
    orders = 0;
    pic_set_mask(0xfeff & ~4u);
    cmos_write(0x0a, 0x26);
    cmos_write(0x0b, cmos_read(0x0b) | 0x40);
    (void)cmos_read(0x0c);
    for (uint32_t i = 0; i < 100 && !orders; i++) {
        delay_us(100);
        window();
    }
    check_value("RTC through the slave", orders ? order[0] : 99, LINE_RTC);
    check_value("  ISR of both cleared", pic_isr(), 0);
    cmos_write(0x0b, cmos_read(0x0b) & ~0x40);
    (void)cmos_read(0x0c);
    pic_set_mask(0xffff);
}

void guest_main(void)
{
    pic_initialise();
    for (uint8_t line = 0; line < 16; line++)
        interrupt_set(PIC_VECTOR + line, note);
    test_registers();
    test_delivery();
    test_in_service();
    test_rotation();
    test_special_mask();
    test_poll();
    test_spurious();
    test_slave();
}
