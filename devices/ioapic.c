/*
 * The I/O APIC with 24 pins.
 *
 * Document: Intel 82093AA data sheet (290566-001); SDM Vol. 3A, 11.11, for the interrupt's message.
 * State: struct ioapic. Pins are global system interrupts; board.c joins ISA IRQ 0 to pin 2.
 *
 * Missing: the EOI register of later versions (this one is 0x11: the local APICs broadcast their EOIs); the
 * arbitration ID is that of the ID register.
 * Different: an edge at a masked pin is lost, as the data sheet says and not all emulators do.
 * Ignored bits: the polarity of a pin (lines come as levels that mean "asserted"); delivery status (a message
 * is accepted at once).
 */
#include "ioapic.h"
#include "effects.h"

enum { OFFSET_SELECT = 0x00, OFFSET_WINDOW = 0x10 };
enum ioapic_register { REG_ID, REG_VERSION, REG_ARBITRATION, REG_REDIRECTION = 0x10 };
enum { VERSION = 0x11 | (IOAPIC_PINS - 1) << 16, ID_SHIFT = 24, ID_MASK = 0xf };

/* Redirection table entry. */
#define RED_VECTOR           0xffull
#define RED_DELIVERY_SHIFT   8
#define RED_LOGICAL          (1ull << 11)
#define RED_DELIVERY_STATUS  (1ull << 12)
#define RED_REMOTE_IRR       (1ull << 14)
#define RED_LEVEL            (1ull << 15)
#define RED_MASKED           (1ull << 16)
#define RED_DESTINATION_BITS 56
#define RED_WRITABLE         (0xff0000000001ffffull & ~(RED_DELIVERY_STATUS | RED_REMOTE_IRR))

enum { DELIVERY_EXTINT = 7 };

/* The message of an interrupt (SDM Vol. 3A, 11.11.1 and 11.11.2). */
enum { MSI_ADDRESS = 0xfee00000, MSI_DESTINATION_SHIFT = 12, MSI_REDIRECTION_HINT = 8, MSI_LOGICAL = 4 };
enum { MSI_ASSERT = 1 << 14, MSI_LEVEL = 1 << 15, MSI_DELIVERY_SHIFT = 8 };
enum { DELIVERY_LOWEST_PRIORITY = 1 };

static void pin_send(uint64_t entry)
{
    unsigned delivery = entry >> RED_DELIVERY_SHIFT & 7;
    /* ExtINT asks for the 8259 pair: its INTR reaches LINT0 directly. */
    if (delivery == DELIVERY_EXTINT)
        return;
    uint64_t address = MSI_ADDRESS | (entry >> RED_DESTINATION_BITS) << MSI_DESTINATION_SHIFT |
                       (entry & RED_LOGICAL ? MSI_LOGICAL : 0u) |
                       (delivery == DELIVERY_LOWEST_PRIORITY ? MSI_REDIRECTION_HINT : 0u);
    uint32_t data = (uint32_t)(entry & RED_VECTOR) | delivery << MSI_DELIVERY_SHIFT |
                    (entry & RED_LEVEL ? MSI_LEVEL | MSI_ASSERT : 0u);
    effect_msi(address, data);
}

/* Sends a level-triggered pin's interrupt if it is asserted and none of it is in service. */
static void pin_service_level(struct ioapic *ioapic, unsigned pin)
{
    uint64_t entry = ioapic->redirection[pin];
    if (!(ioapic->line & 1u << pin) || !(entry & RED_LEVEL) || entry & (RED_MASKED | RED_REMOTE_IRR))
        return;
    ioapic->redirection[pin] = entry | RED_REMOTE_IRR;
    pin_send(entry);
}

void ioapic_set_line(struct ioapic *ioapic, unsigned pin, bool level)
{
    if (pin >= IOAPIC_PINS)
        return;
    uint32_t bit = 1u << pin;
    bool rises = level && !(ioapic->line & bit);
    ioapic->line = level ? ioapic->line | bit : ioapic->line & ~bit;
    uint64_t entry = ioapic->redirection[pin];
    if (entry & RED_LEVEL)
        pin_service_level(ioapic, pin);
    else if (rises && !(entry & RED_MASKED))
        pin_send(entry);
}

void ioapic_end_of_interrupt(struct ioapic *ioapic, const uint64_t vectors[4])
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t entry = ioapic->redirection[pin];
        unsigned vector = entry & RED_VECTOR;
        if (!(entry & RED_REMOTE_IRR) || !(vectors[vector / 64] >> vector % 64 & 1))
            continue;
        ioapic->redirection[pin] = entry & ~RED_REMOTE_IRR;
        pin_service_level(ioapic, pin);
    }
}

static uint32_t ioapic_read(const struct ioapic *ioapic)
{
    unsigned index = ioapic->select;
    if (index == REG_ID || index == REG_ARBITRATION)
        return (uint32_t)ioapic->id << ID_SHIFT;
    if (index == REG_VERSION)
        return VERSION;
    if (index >= REG_REDIRECTION && index < REG_REDIRECTION + 2 * IOAPIC_PINS) {
        unsigned word = index - REG_REDIRECTION;
        return (uint32_t)(ioapic->redirection[word / 2] >> word % 2 * 32);
    }
    return UINT32_MAX;
}

static void ioapic_write_redirection(struct ioapic *ioapic, unsigned word, uint32_t value)
{
    unsigned pin = word / 2, shift = word % 2 * 32;
    uint64_t old = ioapic->redirection[pin];
    uint64_t mask = RED_WRITABLE & 0xffffffffull << shift;
    uint64_t entry = (old & ~mask) | ((uint64_t)value << shift & mask);
    /* Remote IRR has no meaning for an edge; a guest clears a stuck one by changing the mode and back. */
    if (!(entry & RED_LEVEL))
        entry &= ~RED_REMOTE_IRR;
    ioapic->redirection[pin] = entry;
    pin_service_level(ioapic, pin);
}

static void ioapic_write(struct ioapic *ioapic, uint32_t value)
{
    unsigned index = ioapic->select;
    if (index == REG_ID)
        ioapic->id = value >> ID_SHIFT & ID_MASK;
    else if (index >= REG_REDIRECTION && index < REG_REDIRECTION + 2 * IOAPIC_PINS)
        ioapic_write_redirection(ioapic, index - REG_REDIRECTION, value);
    else
        effect_need(NEED_IGNORED, 0xfec00000u + OFFSET_WINDOW);
}

static void ioapic_io(void *state, struct io *io)
{
    struct ioapic *ioapic = state;
    if (io->offset == OFFSET_SELECT && io->write)
        ioapic->select = (uint8_t)io->value;
    else if (io->offset == OFFSET_SELECT)
        io->value = ioapic->select;
    else if (io->offset == OFFSET_WINDOW && io->write)
        ioapic_write(ioapic, io->value);
    else if (io->offset == OFFSET_WINDOW)
        io->value = ioapic_read(ioapic);
    else
        effect_need(NEED_IGNORED, 0xfec00000u + io->offset);
}

static void ioapic_reset(void *state, const struct device_slot *slot)
{
    struct ioapic *ioapic = state;
    (void)slot;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        ioapic->redirection[pin] = RED_MASKED;
}

static const char *ioapic_check(const void *state)
{
    const struct ioapic *ioapic = state;
    if (ioapic->line >> IOAPIC_PINS)
        return "pins";
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t entry = ioapic->redirection[pin];
        if (entry & ~(RED_WRITABLE | RED_REMOTE_IRR))
            return "reserved bits";
        if (entry & RED_REMOTE_IRR && !(entry & RED_LEVEL))
            return "remote IRR of an edge";
    }
    return NULL;
}

static void ioapic_inspect(const void *state, struct inspector *inspector)
{
    static const char *const names[IOAPIC_PINS] = {
        "pin 0",  "pin 1",  "pin 2",  "pin 3",  "pin 4",  "pin 5",  "pin 6",  "pin 7",
        "pin 8",  "pin 9",  "pin 10", "pin 11", "pin 12", "pin 13", "pin 14", "pin 15",
        "pin 16", "pin 17", "pin 18", "pin 19", "pin 20", "pin 21", "pin 22", "pin 23",
    };
    const struct ioapic *ioapic = state;
    inspector->field(inspector, "id", ioapic->id);
    inspector->field(inspector, "lines", ioapic->line);
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        inspector->field(inspector, names[pin], ioapic->redirection[pin]);
}

const struct device ioapic_device = {
    .name = "I/O APIC",
    .state_size = sizeof(struct ioapic),
    .region_count = 1,
    .region = {{.base = 0xfec00000, .length = 0x1000, .space = IO_MEMORY, .widths = WIDTH_4}},
    .reset = ioapic_reset,
    .io = ioapic_io,
    .check = ioapic_check,
    .inspect = ioapic_inspect,
    .missed_ticks = TICKS_NONE,
    .deadline = device_no_deadline,
    .tick = device_no_tick,
};
