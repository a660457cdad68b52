/*
 * What the ACPI driver of an NT-family system needs before it starts any device: the tables found as its
 * loader does and summed; ACPI mode entered and left through SMI_CMD; the PM1 event block's status and enable
 * registers; SCI as the MADT describes it, level-triggered through the I/O APIC (the APIC HAL) and through
 * the 8259 (the PIC HAL), raised by the PM timer's carry, repeated while the driver leaves the event, gone
 * when it clears the status. Manual: ACPI 6.4, 4.8.3, 5.2 and 5.2.12.5; 82371AB, 7.2. Real hardware: as
 * checked here, with other addresses.
 *
 * guest: timeout=90
 */
#include "apic.h"
#include "guest.h"
#include "memory.h"
#include "pic.h"
#include "power.h"
#include "processor.h"

enum { SEARCH_START = 0xe0000, SEARCH_END = 0x100000, EBDA_POINTER = 0x40e, EBDA_SEARCHED = 1024 };
enum { RSDP_SIZE = 20, RSDP_RSDT = 16, HEADER_SIZE = 36, TABLE_LENGTH = 4 };
/* Offsets in the FADT (5.2.9) and in the MADT (5.2.12). */
enum {
    FADT_FACS = 36,
    FADT_DSDT = 40,
    FADT_SCI_INT = 46,
    FADT_SMI_CMD = 48,
    FADT_ENABLE = 52,
    FADT_DISABLE = 53,
    FADT_PM1_EVENT = 56,
    FADT_PM1_CONTROL = 64,
    FADT_PM_TIMER = 76,
    FADT_GPE0 = 80,
    FADT_PM1_EVENT_LENGTH = 88,
    FADT_GPE0_LENGTH = 92,
    MADT_ENTRIES = 44,
    MADT_OVERRIDE = 2,
    OVERRIDE_LEVEL_HIGH = 0xd
};
enum { PM1_ENABLE = 2, PM1_CONTROL = 4, SCI_EN = 1 };
enum { TIMER_EVENT = 1, FIXED_EVENTS = 0x521 /* timer, global, power button, RTC */ };
enum { VECTOR = 0x69, REPEATS = 3, CARRY_MS = 3000 /* bit 23 changes each 2.34 s */ };

static const uint8_t *fadt, *madt;
static uint16_t event_port, sci;
static uint32_t repeats_left, seen_status;
static bool clears;

static uint32_t field32(const uint8_t *table, uint32_t offset)
{
    uint32_t value;
    memcpy(&value, table + offset, sizeof(value));
    return value;
}

static uint32_t sum(const uint8_t *bytes, uint32_t length)
{
    uint8_t total = 0;
    for (uint32_t i = 0; i < length; i++)
        total = (uint8_t)(total + bytes[i]);
    return total;
}

static const uint8_t *find_root_in(uint32_t start, uint32_t end)
{
    for (const uint8_t *at = (const uint8_t *)start; at < (const uint8_t *)end; at += 16)
        if (memcmp(at, "RSD PTR ", 8) == 0 && sum(at, RSDP_SIZE) == 0)
            return at;
    return NULL;
}

static const uint8_t *find_root(void)
{
    uint32_t pointer = EBDA_POINTER;
    __asm__("" : "+r"(pointer)); /* near zero is no null pointer */
    uint32_t ebda = (uint32_t) * (const volatile uint16_t *)pointer << 4;
    const uint8_t *root = ebda ? find_root_in(ebda, ebda + EBDA_SEARCHED) : NULL;
    return root ? root : find_root_in(SEARCH_START, SEARCH_END);
}

static void test_tables(void)
{
    const uint8_t *root = find_root();
    check("RSDP, with its sum", root);
    if (!root)
        guest_abort("no RSDP");
    const uint8_t *rsdt = (const uint8_t *)field32(root, RSDP_RSDT);
    uint32_t length = field32(rsdt, TABLE_LENGTH);
    check_value("RSDT: sum", sum(rsdt, length), 0);
    for (uint32_t at = HEADER_SIZE; at < length; at += 4) {
        const uint8_t *table = (const uint8_t *)field32(rsdt, at);
        fadt = memcmp(table, "FACP", 4) ? fadt : table;
        madt = memcmp(table, "APIC", 4) ? madt : table;
    }
    if (!fadt || !madt)
        guest_abort("no FADT or no MADT");
    const uint8_t *dsdt = (const uint8_t *)field32(fadt, FADT_DSDT);
    const uint8_t *facs = (const uint8_t *)field32(fadt, FADT_FACS);
    check_value("FADT: sum", sum(fadt, field32(fadt, TABLE_LENGTH)), 0);
    check_value("MADT: sum", sum(madt, field32(madt, TABLE_LENGTH)), 0);
    check("DSDT", memcmp(dsdt, "DSDT", 4) == 0);
    check_value("  sum", sum(dsdt, field32(dsdt, TABLE_LENGTH)), 0);
    check("FACS on a boundary of 64 bytes", memcmp(facs, "FACS", 4) == 0 && (uint32_t)facs % 64 == 0);
    event_port = (uint16_t)field32(fadt, FADT_PM1_EVENT);
    sci = (uint16_t)field32(fadt, FADT_SCI_INT);
    check_value("SCI_INT", sci, 9);
    check("PM1a event block is the chip's", event_port == power_base());
    check("PM1a control block", field32(fadt, FADT_PM1_CONTROL) == event_port + (uint32_t)PM1_CONTROL);
    check("PM timer", field32(fadt, FADT_PM_TIMER) == event_port + 8u);
    check_value("lengths of event and control", field32(fadt, FADT_PM1_EVENT_LENGTH) & 0xffff, 0x0204);
}

/* The source override of an ISA interrupt: where it comes and how, as the HAL programs the I/O APIC. */
static uint32_t override_of(uint8_t irq)
{
    uint32_t length = field32(madt, TABLE_LENGTH);
    for (uint32_t at = MADT_ENTRIES; at + 2 <= length && madt[at + 1]; at += madt[at + 1])
        if (madt[at] == MADT_OVERRIDE && madt[at + 3] == irq)
            return (uint32_t)madt[at + 8] << 8 | madt[at + 4];
    return UINT32_MAX;
}

static void test_overrides(void)
{
    check_value("MADT: 8259s are there", field32(madt, 40) & 1, 1);
    check_value("  timer's pin and flags", override_of(0), 2);
    check_value("  SCI's pin and flags: level, active high", override_of((uint8_t)sci),
                OVERRIDE_LEVEL_HIGH << 8 | 9);
}

static void wait_mode(uint16_t enabled)
{
    for (uint32_t i = 0; i < 1000 && (inw(event_port + PM1_CONTROL) & SCI_EN) != enabled; i++)
        delay_us(100);
}

static void test_mode(void)
{
    uint16_t command = (uint16_t)field32(fadt, FADT_SMI_CMD);
    outb(command, fadt[FADT_DISABLE]);
    wait_mode(0);
    check_value("ACPI_DISABLE to SMI_CMD: SCI_EN", inw(event_port + PM1_CONTROL) & SCI_EN, 0);
    outb(command, fadt[FADT_ENABLE]);
    wait_mode(SCI_EN);
    check_value("ACPI_ENABLE: SCI_EN", inw(event_port + PM1_CONTROL) & SCI_EN, SCI_EN);
}

static void set_enable(uint16_t events)
{
    outw(event_port + PM1_ENABLE, events);
}

/* All events cleared and disabled, fixed and general, as the driver does before it connects to SCI. */
static void test_registers(void)
{
    uint16_t gpe0 = (uint16_t)field32(fadt, FADT_GPE0);
    uint8_t half = fadt[FADT_GPE0_LENGTH] / 2, left = 0;
    set_enable(FIXED_EVENTS);
    check_value("PM1 enable reads back", inw(event_port + PM1_ENABLE), FIXED_EVENTS);
    set_enable(0);
    outw(event_port, 0xffff);
    check_value("PM1 status, all cleared", inw(event_port) & FIXED_EVENTS, 0);
    for (uint8_t i = 0; i < half; i++) {
        outb((uint16_t)(gpe0 + half + i), 0);
        outb((uint16_t)(gpe0 + i), 0xff);
        left |= inb((uint16_t)(gpe0 + i));
    }
    check_value("general events cleared", left, 0);
}

/* The driver's interrupt service: looks, and either disables the event for later or clears it. */
static void serve(void)
{
    seen_status = inw(event_port) & inw(event_port + PM1_ENABLE);
    if (repeats_left && --repeats_left)
        return;
    if (clears)
        outw(event_port, (uint16_t)seen_status);
    else
        set_enable(0);
}

static void serve_apic(struct interrupt_frame *frame)
{
    serve();
    interrupt_eoi_lapic(frame);
}

static void serve_pic(struct interrupt_frame *frame)
{
    serve();
    interrupt_eoi_pic(frame);
}

static uint32_t wait_interrupts(uint8_t vector, uint32_t count, uint32_t ms)
{
    interrupts_on();
    for (uint32_t i = 0; i < ms && interrupt_count[vector] < count; i++)
        delay_us(1000);
    delay_us(5000); /* and what comes beyond it */
    interrupts_off();
    return interrupt_count[vector];
}

static void test_sci_apic(void)
{
    interrupt_set(VECTOR, serve_apic);
    ioapic_route((uint8_t)sci, VECTOR | TRIGGER_LEVEL, 0);
    check_value("no event: SCI", wait_interrupts(VECTOR, 1, 2), 0);
    set_enable(TIMER_EVENT);
    check_value("carry of the PM timer: SCI", wait_interrupts(VECTOR, 1, CARRY_MS), 1);
    check_value("  event", seen_status, TIMER_EVENT);
    check_value("  disabled in the service: status stays", inw(event_port) & TIMER_EVENT, TIMER_EVENT);
    repeats_left = REPEATS;
    set_enable(TIMER_EVENT);
    check_value("enabled again: until it is served", wait_interrupts(VECTOR, 1 + REPEATS, 100), 1 + REPEATS);
    check_value("  remote IRR afterwards", ioapic_read(IOAPIC_REDIRECTION + 2u * sci) & REMOTE_IRR, 0);
    ioapic_route((uint8_t)sci, LVT_MASKED, 0);
}

static void test_sci_pic(void)
{
    uint8_t vector = (uint8_t)(PIC_VECTOR + sci);
    interrupt_set(vector, serve_pic);
    lapic_write(LAPIC_LVT_LINT0, DELIVERY_EXTINT);
    outb(PIC_ELCR + 1, (uint8_t)(inb(PIC_ELCR + 1) | 1u << (sci - 8)));
    pic_set_mask((uint16_t) ~(1u << sci | 1u << 2));
    clears = true;
    set_enable(TIMER_EVENT);
    check_value("through the 8259: SCI", wait_interrupts(vector, 1, 100), 1);
    check_value("  status cleared in the service", inw(event_port) & TIMER_EVENT, 0);
    check_value("  line", pic_irr() & 1u << sci, 0);
    set_enable(0);
    pic_set_mask(0xffff);
}

/* The loader of the interpreter finds the sleep type there: NameOp, the name, PackageOp. */
static void test_soft_off(void)
{
    const uint8_t *dsdt = (const uint8_t *)field32(fadt, FADT_DSDT);
    uint32_t length = field32(dsdt, TABLE_LENGTH), found = UINT32_MAX;
    for (uint32_t at = HEADER_SIZE; at + 9 < length && found == UINT32_MAX; at++)
        if (memcmp(dsdt + at, "_S5_\x12", 5) == 0)
            found = dsdt[at + 7] == 0x0a ? dsdt[at + 8] : dsdt[at + 7];
    check_value("\\_S5: sleep type", found, 0);
}

void guest_main(void)
{
    pic_initialise();
    lapic_enable();
    test_tables();
    test_overrides();
    test_mode();
    test_registers();
    test_sci_apic();
    test_sci_pic();
    test_soft_off();
}
