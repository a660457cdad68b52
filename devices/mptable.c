/*
 * The MP table, for systems that know nothing of ACPI or are told to ignore it.
 *
 * Document: MultiProcessor Specification 1.4, chapters 4 and 5. The buses are PCI 0 and ISA 1; virtual wire
 * mode is that of the local APIC (LINT0 takes ExtINT from the 8259 pair). Missing: default configurations,
 * the extended entries and the OEM table, for which a PC of this kind has no use.
 */
#include "mptable.h"
#include <stddef.h>
#include "layout.h"
#include "string.h"

/* 4.1 */
struct mp_floating_pointer {
    char signature[4];
    uint32_t table;
    uint8_t length; /* in units of 16 bytes */
    uint8_t revision;
    uint8_t checksum;
    uint8_t feature[5];
};
_Static_assert(sizeof(struct mp_floating_pointer) == 16, "MP 1.4, 4.1");
enum { MP_REVISION = 4, MP_ALIGN = 16 };

/* 4.2 */
struct mp_header {
    char signature[4];
    uint16_t length;
    uint8_t revision;
    uint8_t checksum;
    char oem_id[8];
    char product_id[12];
    uint32_t oem_table;
    uint16_t oem_table_size;
    uint16_t entry_count;
    uint32_t local_apic;
    uint16_t extended_length;
    uint8_t extended_checksum;
    uint8_t reserved;
};
_Static_assert(sizeof(struct mp_header) == 44, "MP 1.4, 4.2");

enum mp_entry_type { MP_PROCESSOR, MP_BUS, MP_IOAPIC, MP_IO_INTERRUPT, MP_LOCAL_INTERRUPT };

/* 4.3.1 */
struct mp_processor {
    uint8_t type, apic_id, apic_version, flags;
    uint32_t signature, features;
    uint32_t reserved[2];
};
_Static_assert(sizeof(struct mp_processor) == 20, "MP 1.4, 4.3.1");
enum { PROCESSOR_ENABLED = 1 << 0, PROCESSOR_BOOT = 1 << 1, LOCAL_APIC_VERSION = 0x14 };

/* 4.3.2 */
struct mp_bus {
    uint8_t type, id;
    char name[6];
};
_Static_assert(sizeof(struct mp_bus) == 8, "MP 1.4, 4.3.2");
enum { BUS_PCI = 0, BUS_ISA = 1 };

/* 4.3.3 */
struct mp_ioapic {
    uint8_t type, id, version, flags;
    uint32_t address;
};
_Static_assert(sizeof(struct mp_ioapic) == 8, "MP 1.4, 4.3.3");
enum { IOAPIC_ENABLED = 1, IOAPIC_VERSION = 0x11 };

/* 4.3.4 and 4.3.5 have the same layout. */
struct mp_interrupt {
    uint8_t type, kind;
    uint16_t flags;
    uint8_t source_bus, source_irq, destination, destination_pin;
};
_Static_assert(sizeof(struct mp_interrupt) == 8, "MP 1.4, 4.3.4");
enum mp_interrupt_kind { KIND_INT, KIND_NMI, KIND_SMI, KIND_EXTINT };
enum { FLAGS_CONFORM = 0, FLAGS_ACTIVE_HIGH = 1 << 0, FLAGS_LEVEL = 3 << 2, ALL_LOCAL_APICS = 0xff };
enum { PCI_SLOT_SHIFT = 2 };

/* Appends an entry; NULL when the area is full. */
static void *mp_add(struct table_area *area, struct mp_header *header, enum mp_entry_type type, uint32_t size)
{
    uint8_t *entry = table_take(area, size, 4);
    if (!entry)
        return NULL;
    *entry = (uint8_t)type;
    header->entry_count++;
    return entry;
}

static bool mp_add_processors(struct table_area *area, struct mp_header *header,
                              const struct table_machine *machine)
{
    for (uint32_t i = 0; i < machine->cpu_count; i++) {
        struct mp_processor *processor = mp_add(area, header, MP_PROCESSOR, sizeof *processor);
        if (!processor)
            return false;
        processor->apic_id = (uint8_t)i;
        processor->apic_version = LOCAL_APIC_VERSION;
        processor->flags = (uint8_t)(PROCESSOR_ENABLED | (i == 0 ? PROCESSOR_BOOT : 0));
        processor->signature = machine->cpu_signature;
        processor->features = machine->cpu_features;
    }
    return true;
}

static bool mp_add_buses(struct table_area *area, struct mp_header *header)
{
    struct mp_bus *pci = mp_add(area, header, MP_BUS, sizeof *pci);
    struct mp_bus *isa = mp_add(area, header, MP_BUS, sizeof *isa);
    struct mp_ioapic *ioapic = mp_add(area, header, MP_IOAPIC, sizeof *ioapic);
    if (!pci || !isa || !ioapic)
        return false;
    pci->id = BUS_PCI;
    memcpy(pci->name, "PCI   ", sizeof pci->name);
    isa->id = BUS_ISA;
    memcpy(isa->name, "ISA   ", sizeof isa->name);
    ioapic->id = TABLE_IOAPIC_ID;
    ioapic->version = IOAPIC_VERSION;
    ioapic->flags = IOAPIC_ENABLED;
    ioapic->address = (uint32_t)GUEST_IOAPIC_BASE;
    return true;
}

static bool mp_add_interrupt(struct table_area *area, struct mp_header *header, struct mp_interrupt interrupt)
{
    struct mp_interrupt *entry = mp_add(area, header, (enum mp_entry_type)interrupt.type, sizeof *entry);
    if (entry)
        *entry = interrupt;
    return entry;
}

static bool is_pci_gsi(unsigned gsi, const struct mp_pci_route *route, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (route[i].gsi == gsi)
            return true;
    return false;
}

/* Interrupts of PCI first, then those of ISA whose pins are left. Lines mean "asserted" when high. */
static bool mp_add_interrupts(struct table_area *area, struct mp_header *header,
                              const struct mp_pci_route *route, uint32_t count)
{
    struct mp_interrupt interrupt = {.type = MP_IO_INTERRUPT, .destination = TABLE_IOAPIC_ID};
    bool fits = true;
    for (uint32_t i = 0; i < count; i++) {
        interrupt.source_bus = BUS_PCI;
        interrupt.source_irq = (uint8_t)(route[i].slot << PCI_SLOT_SHIFT | route[i].pin);
        interrupt.destination_pin = route[i].gsi;
        interrupt.flags = FLAGS_ACTIVE_HIGH | FLAGS_LEVEL;
        fits &= mp_add_interrupt(area, header, interrupt);
    }
    for (unsigned irq = 0; irq < TABLE_ISA_IRQS; irq++) {
        if (irq == TABLE_TIMER_PIN || is_pci_gsi(irq, route, count))
            continue; /* the cascade; taken by PCI */
        interrupt.source_bus = BUS_ISA;
        interrupt.source_irq = (uint8_t)irq;
        interrupt.destination_pin = (uint8_t)(irq == 0 ? TABLE_TIMER_PIN : irq);
        interrupt.flags = FLAGS_CONFORM;
        fits &= mp_add_interrupt(area, header, interrupt);
    }
    struct mp_interrupt local = {.type = MP_LOCAL_INTERRUPT,
                                 .kind = KIND_EXTINT,
                                 .source_bus = BUS_ISA,
                                 .destination = ALL_LOCAL_APICS};
    fits &= mp_add_interrupt(area, header, local);
    local.kind = KIND_NMI;
    local.destination_pin = 1;
    return mp_add_interrupt(area, header, local) && fits;
}

bool mptable_build(struct table_area *area, const struct table_machine *machine,
                   const struct mp_pci_route *route, uint32_t route_count)
{
    struct mp_floating_pointer *pointer = table_take(area, sizeof *pointer, MP_ALIGN);
    struct mp_header *header = table_take(area, sizeof *header, MP_ALIGN);
    if (!pointer || !header)
        return false;
    if (!mp_add_processors(area, header, machine) || !mp_add_buses(area, header) ||
        !mp_add_interrupts(area, header, route, route_count))
        return false;
    memcpy(header->signature, "PCMP", sizeof header->signature);
    memcpy(header->oem_id, "NULLRING", sizeof header->oem_id);
    memcpy(header->product_id, "PC          ", sizeof header->product_id);
    header->revision = MP_REVISION;
    header->local_apic = (uint32_t)GUEST_LAPIC_BASE;
    header->length = (uint16_t)(area->bytes + area->used - (uint8_t *)header);
    header->checksum = table_checksum(header, header->length);
    memcpy(pointer->signature, "_MP_", sizeof pointer->signature);
    pointer->table = table_address(area, header);
    pointer->length = 1;
    pointer->revision = MP_REVISION;
    pointer->checksum = table_checksum(pointer, sizeof *pointer);
    return true;
}
