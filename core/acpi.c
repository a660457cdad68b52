/*
 * ACPI 6.4: RSDP (5.2.5), RSDT and XSDT (5.2.7, 5.2.8), MADT (5.2.12), FADT (5.2.9), and the \_S5 package
 * (7.4.2) found by its name in the DSDT, as the monitor has no AML interpreter. Read before memory_init(),
 * through the boot page tables.
 */
#include "acpi.h"
#include "cpu.h"
#include "layout_ring0.h"
#include "string.h"

struct table_header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem[6], oem_table[8];
    uint32_t oem_revision, creator, creator_revision;
} __attribute__((packed));

struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
} __attribute__((packed));

struct madt {
    struct table_header header;
    uint32_t local_apic, flags;
    uint8_t entries[];
} __attribute__((packed));

enum madt_entry { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_X2APIC = 9, MADT_ENABLED = 1 };

enum fadt_offset { FADT_DSDT = 40, FADT_PM1A_CONTROL = 64, FADT_PM1B_CONTROL = 68, FADT_PM_TIMER = 76 };

#define BOOT_TABLES_END (1ull << 32)
enum { SLP_EN = 1 << 13, SLP_TYP_SHIFT = 10, BIOS_AREA = 0xe0000, BIOS_AREA_END = 0x100000 };

struct acpi_info acpi;

static const void *physical(uint64_t address)
{
    return (const void *)(DIRECT_BASE + address);
}

static uint32_t read32(const void *table, uint32_t offset)
{
    uint32_t value;
    memcpy(&value, (const char *)table + offset, sizeof(value));
    return value;
}

static bool sum_is_zero(const void *data, uint32_t length)
{
    uint8_t sum = 0;
    for (uint32_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + ((const uint8_t *)data)[i]);
    return sum == 0;
}

/* A table below 4 GiB with a right checksum, or NULL. */
static const struct table_header *table_at(uint64_t address)
{
    if (!address || address + sizeof(struct table_header) > BOOT_TABLES_END)
        return NULL;
    const struct table_header *table = physical(address);
    if (address + table->length > BOOT_TABLES_END || table->length < sizeof(*table))
        return NULL;
    return sum_is_zero(table, table->length) ? table : NULL;
}

static void cpu_add(uint32_t apic_id, uint32_t flags)
{
    if (!(flags & MADT_ENABLED))
        return;
    if (acpi.cpu_count < CPU_MAX)
        acpi.apic_id[acpi.cpu_count++] = apic_id;
    else
        acpi.cpus_lost++;
}

static void madt_entry_read(const uint8_t *entry)
{
    switch (entry[0]) {
    case MADT_LAPIC:
        cpu_add(entry[3], read32(entry, 4));
        break;
    case MADT_X2APIC:
        cpu_add(read32(entry, 4), read32(entry, 8));
        break;
    case MADT_IOAPIC:
        if (acpi.ioapic_count < ACPI_IOAPICS_MAX)
            acpi.ioapic[acpi.ioapic_count++] = (struct acpi_ioapic){read32(entry, 4), read32(entry, 8)};
        break;
    case MADT_OVERRIDE:
        if (entry[3] < ACPI_ISA_IRQS)
            acpi.isa_gsi[entry[3]] = read32(entry, 4);
        break;
    default:
        break;
    }
}

static void madt_read(const struct table_header *table)
{
    const struct madt *madt = (const struct madt *)table;
    const uint8_t *end = (const uint8_t *)table + table->length;
    for (const uint8_t *entry = madt->entries;
         entry + 2 <= end && entry[1] >= 2 && entry + entry[1] <= end;) {
        madt_entry_read(entry);
        entry += entry[1];
    }
}

/* \_S5: Name (08) "_S5_" Package (12) length count, then two small integers (7.4.2; AML: 20.2). */
static void s5_find(const struct table_header *dsdt)
{
    const uint8_t *aml = (const uint8_t *)(dsdt + 1);
    const uint8_t *end = (const uint8_t *)dsdt + dsdt->length;
    for (; aml + 16 < end; aml++) {
        if (memcmp(aml, "_S5_\x12", 5))
            continue;
        aml += 5;
        aml += (aml[0] >> 6) + 2; /* package length, element count */
        uint8_t value[2];
        for (unsigned i = 0; i < 2; i++) {
            aml += aml[0] == 0x0a; /* byte prefix */
            value[i] = *aml++;
        }
        acpi.s5_a = value[0] & 7;
        acpi.s5_b = value[1] & 7;
        acpi.s5_known = true;
        return;
    }
}

static void fadt_read(const struct table_header *fadt)
{
    if (fadt->length < FADT_PM_TIMER + 4)
        return;
    acpi.pm1a_control = (uint16_t)read32(fadt, FADT_PM1A_CONTROL);
    acpi.pm1b_control = (uint16_t)read32(fadt, FADT_PM1B_CONTROL);
    acpi.pm_timer = (uint16_t)read32(fadt, FADT_PM_TIMER);
    const struct table_header *dsdt = table_at(read32(fadt, FADT_DSDT));
    if (dsdt)
        s5_find(dsdt);
}

static void table_read(uint64_t address)
{
    const struct table_header *table = table_at(address);
    if (table && !memcmp(table->signature, "APIC", 4))
        madt_read(table);
    else if (table && !memcmp(table->signature, "FACP", 4))
        fadt_read(table);
}

static uint64_t rsdp_search(void)
{
    for (uint64_t at = BIOS_AREA; at < BIOS_AREA_END; at += 16)
        if (!memcmp(physical(at), "RSD PTR ", 8) && sum_is_zero(physical(at), 20))
            return at;
    return 0;
}

const char *acpi_read(uint64_t rsdp_address)
{
    for (uint32_t irq = 0; irq < ACPI_ISA_IRQS; irq++)
        acpi.isa_gsi[irq] = irq;
    rsdp_address = rsdp_address ? rsdp_address : rsdp_search();
    if (!rsdp_address)
        return "no ACPI tables: running on one processor, without power-off";
    const struct rsdp *rsdp = physical(rsdp_address);
    bool wide = rsdp->revision >= 2 && rsdp->xsdt;
    const struct table_header *root = table_at(wide ? rsdp->xsdt : rsdp->rsdt);
    if (!root)
        return "the ACPI root table is damaged: running on one processor, without power-off";
    uint32_t size = wide ? 8 : 4;
    for (uint32_t at = sizeof(*root); at + size <= root->length; at += size) {
        uint64_t address = 0;
        memcpy(&address, (const char *)root + at, size);
        table_read(address);
    }
    return acpi.cpu_count ? NULL : "ACPI lists no processor: running on one";
}

void acpi_power_off(void)
{
    if (acpi.s5_known && acpi.pm1a_control) {
        out16(acpi.pm1a_control, (uint16_t)(acpi.s5_a << SLP_TYP_SHIFT | SLP_EN));
        if (acpi.pm1b_control)
            out16(acpi.pm1b_control, (uint16_t)(acpi.s5_b << SLP_TYP_SHIFT | SLP_EN));
    }
}
