/*
 * ACPI 6.4: RSDP (5.2.5), RSDT and XSDT (5.2.7, 5.2.8), MADT (5.2.12), FADT (5.2.9), and the \_S5 package
 * (7.4.2) found by its name in the DSDT, as the monitor has no AML interpreter. Read before memory_init(),
 * through the boot page tables.
 */
#include "acpi.h"
#include "frames.h"
#include "layout_ring0.h"
#include "string.h"

struct table_header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem[6], oem_table[8];
    uint32_t oem_revision, creator, creator_revision;
} __attribute__((packed));

struct madt_entry { /* the start of those that are looked at */
    uint8_t type, length, at2, at3;
    uint32_t at4, at8;
};

enum madt_entry_type {
    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_OVERRIDE = 2,
    MADT_X2APIC = 9,
    MADT_ENABLED = 1
};

enum { MADT_ENTRIES = 44 };
enum rsdp_offset { RSDP_REVISION = 15, RSDP_RSDT = 16, RSDP_XSDT = 24 };
enum fadt_offset { FADT_DSDT = 40, FADT_PM1A_CONTROL = 64, FADT_PM1B_CONTROL = 68, FADT_PM_TIMER = 76 };
enum { SLP_EN = 1 << 13, SLP_TYP_SHIFT = 10, BIOS_AREA = 0xe0000, BIOS_AREA_END = 0x100000 };

struct acpi_info acpi;

/* A field of a table; nothing there is aligned. */
static uint64_t field(const void *table, uint32_t offset, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, (const char *)table + offset, size);
    return value;
}

static bool sum_is_zero(const void *data, uint32_t length)
{
    uint8_t sum = 0;
    for (uint32_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + ((const uint8_t *)data)[i]);
    return sum == 0;
}

/* A whole table within the boot tables' reach, with a right checksum; or NULL. */
static const struct table_header *table_at(uint64_t address)
{
    if (!address || address > BOOT_MAP_END - sizeof(struct table_header))
        return NULL;
    const struct table_header *table = phys_to_virt(address);
    if (table->length < sizeof(*table) || table->length > BOOT_MAP_END - address)
        return NULL;
    return sum_is_zero(table, table->length) ? table : NULL;
}

static void cpu_add(uint32_t apic_id, uint32_t flags)
{
    if (flags & MADT_ENABLED && acpi.cpu_count < CPU_MAX)
        acpi.apic_id[acpi.cpu_count++] = apic_id;
}

static void madt_entry_read(const struct madt_entry *entry)
{
    if (entry->type == MADT_LAPIC)
        cpu_add(entry->at3, entry->at4);
    else if (entry->type == MADT_X2APIC)
        cpu_add(entry->at4, entry->at8);
    else if (entry->type == MADT_IOAPIC && acpi.ioapic_count < ACPI_IOAPICS_MAX)
        acpi.ioapic[acpi.ioapic_count++] = (struct acpi_ioapic){entry->at4, entry->at8};
    else if (entry->type == MADT_OVERRIDE && entry->at3 == ACPI_SERIAL_IRQ)
        acpi.serial_gsi = entry->at4;
}

static void madt_read(const struct table_header *madt)
{
    const uint8_t *bytes = (const uint8_t *)madt;
    for (uint32_t at = MADT_ENTRIES; at + 2 <= madt->length;) {
        struct madt_entry entry = {0};
        uint32_t length = bytes[at + 1];
        if (length < 2 || length > madt->length - at)
            break;
        memcpy(&entry, bytes + at, length < sizeof(entry) ? length : sizeof(entry));
        madt_entry_read(&entry);
        at += length;
    }
}

/*
 * \_S5: Name (08) "_S5_" Package (12) length count, then two small integers (7.4.2; AML: 20.2). Bochs' DSDT
 * ends with it, in the shortest form there is.
 */
static void s5_find(const struct table_header *dsdt)
{
    enum { S5_SHORTEST = 9, S5_LONGEST = 16 };
    const uint8_t *start = (const uint8_t *)(dsdt + 1);
    const uint8_t *end = (const uint8_t *)dsdt + dsdt->length;
    for (; end - start >= S5_SHORTEST; start++) {
        uint8_t package[S5_LONGEST] = {0};
        if (memcmp(start, "_S5_\x12", 5))
            continue;
        memcpy(package, start, end - start < S5_LONGEST ? (size_t)(end - start) : S5_LONGEST);
        const uint8_t *aml = package + 5;
        aml += (aml[0] >> 6) + 2; /* package length, element count */
        uint16_t value[2];
        for (unsigned i = 0; i < 2; i++) {
            aml += aml[0] == 0x0a; /* byte prefix */
            value[i] = (uint16_t)((*aml++ & 7) << SLP_TYP_SHIFT | SLP_EN);
        }
        acpi.sleep_a = value[0];
        acpi.sleep_b = value[1];
        return;
    }
}

static void fadt_read(const struct table_header *fadt)
{
    if (fadt->length < FADT_PM_TIMER + 4)
        return;
    acpi.pm1a_control = (uint16_t)field(fadt, FADT_PM1A_CONTROL, 2);
    acpi.pm1b_control = (uint16_t)field(fadt, FADT_PM1B_CONTROL, 2);
    acpi.pm_timer = (uint16_t)field(fadt, FADT_PM_TIMER, 2);
    const struct table_header *dsdt = table_at(field(fadt, FADT_DSDT, 4));
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
        if (!memcmp(phys_to_virt(at), "RSD PTR ", 8) && sum_is_zero(phys_to_virt(at), 20))
            return at;
    return 0;
}

const char *acpi_read(uint64_t rsdp_address)
{
    acpi.serial_gsi = ACPI_SERIAL_IRQ;
    rsdp_address = rsdp_address ? rsdp_address : rsdp_search();
    if (!rsdp_address)
        return "no ACPI tables: running on one processor, without power-off";
    const void *rsdp = phys_to_virt(rsdp_address);
    uint64_t xsdt = field(rsdp, RSDP_REVISION, 1) < 2 ? 0 : field(rsdp, RSDP_XSDT, 8);
    const struct table_header *root = table_at(xsdt ? xsdt : field(rsdp, RSDP_RSDT, 4));
    if (!root)
        return "the ACPI root table is damaged: running on one processor, without power-off";
    uint32_t size = xsdt ? 8 : 4;
    for (uint32_t at = sizeof(*root); at + size <= root->length; at += size)
        table_read(field(root, at, size));
    return acpi.cpu_count ? NULL : "ACPI lists no processor: running on one";
}

void acpi_power_off(void)
{
    if (acpi.sleep_a && acpi.pm1a_control)
        out16(acpi.pm1a_control, acpi.sleep_a);
    if (acpi.sleep_b && acpi.pm1b_control)
        out16(acpi.pm1b_control, acpi.sleep_b);
}
