/*
 * The ACPI tables that say which processors and interrupt controllers there are, and where the registers of
 * the PIIX4 lie. The devices themselves are in acpi/dsdt.asl.
 *
 * Document: ACPI 6.4, 5.2. The FADT is that of ACPI 3.0 (revision 4): all that a PC needs, and old systems
 * know it; the HPET table is that of the IA-PC HPET Specification 1.0a. Missing: SRAT and the like (there is
 * nothing that they could describe), sleeping states but S5.
 */
#include "acpi_tables.h"
#include <stddef.h>
#include "dsdt.h"
#include "hpet.h"
#include "layout.h"
#include "piix4_pm.h"
#include "string.h"

/* 5.2.6: every table but RSDP and FACS begins so. */
struct acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t revision;
    uint8_t checksum;
    char oem_id[6];
    char oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
};
_Static_assert(sizeof(struct acpi_header) == 36, "ACPI 6.4, 5.2.6");

/* 5.2.5.3 */
struct acpi_rsdp {
    char signature[8];
    uint8_t checksum; /* of the first 20 bytes */
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t extended_checksum;
    uint8_t reserved[3];
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_rsdp) == 36, "ACPI 6.4, 5.2.5.3");
enum { RSDP_V1_LENGTH = 20, RSDP_ALIGN = 16 };

/* 5.2.3.2 */
struct acpi_gas {
    uint8_t space, bit_width, bit_offset, access_size;
    uint64_t address;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_gas) == 12, "ACPI 6.4, 5.2.3.2");
enum { SPACE_MEMORY = 0, SPACE_IO = 1, ACCESS_BYTE = 1, ACCESS_WORD = 2, ACCESS_DWORD = 3 };

/* 5.2.9, as far as revision 4 goes. */
struct acpi_fadt {
    struct acpi_header header;
    uint32_t facs, dsdt;
    uint8_t reserved0, preferred_profile;
    uint16_t sci_int;
    uint32_t smi_cmd;
    uint8_t acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
    uint32_t pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr, gpe0, gpe1;
    uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_len, gpe1_len, gpe1_base, cst_cnt;
    uint16_t p_lvl2_lat, p_lvl3_lat, flush_size, flush_stride;
    uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
    uint16_t iapc_boot_arch;
    uint8_t reserved1;
    uint32_t flags;
    struct acpi_gas reset_reg;
    uint8_t reset_value;
    uint16_t arm_boot_arch;
    uint8_t minor_version;
    uint64_t x_facs, x_dsdt;
    struct acpi_gas x_pm1a_evt, x_pm1b_evt, x_pm1a_cnt, x_pm1b_cnt, x_pm2_cnt, x_pm_tmr, x_gpe0, x_gpe1;
} __attribute__((packed, aligned(4)));
_Static_assert(offsetof(struct acpi_fadt, flags) == 112, "ACPI 6.4, 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, x_facs) == 132, "ACPI 6.4, 5.2.9");
_Static_assert(sizeof(struct acpi_fadt) == 244, "ACPI 6.4, 5.2.9, revision 4");

enum fadt_flags {
    FADT_WBINVD = 1 << 0,
    FADT_PROC_C1 = 1 << 2,
    FADT_SLP_BUTTON = 1 << 5, /* not a fixed feature */
    FADT_FIX_RTC = 1 << 6,    /* no RTC wake status among the fixed registers */
    FADT_RESET_REG_SUP = 1 << 10,
};
enum iapc_boot_arch { BOOT_LEGACY_DEVICES = 1 << 0, BOOT_8042 = 1 << 1, BOOT_NO_VGA = 1 << 2 };

enum {
    FADT_REVISION = 4,
    PM1_EVENT_LENGTH = 4,
    PM1_CONTROL_LENGTH = 2,
    PM_TIMER_LENGTH = 4,
    GPE0_LENGTH = 4,
    LATENCY_NO_C2 = 101,  /* microseconds; above 100: not supported */
    LATENCY_NO_C3 = 1001, /* above 1000 */
    RTC_CENTURY = 0x32,
    RESET_PORT = 0xcf9,
    RESET_VALUE = 0x06, /* hard reset: system_ports.c */
};

/* 5.2.10 */
struct acpi_facs {
    char signature[4];
    uint32_t length, hardware_signature, waking_vector, global_lock, flags;
    uint64_t x_waking_vector;
    uint8_t version;
    uint8_t reserved[31];
};
_Static_assert(sizeof(struct acpi_facs) == 64, "ACPI 6.4, 5.2.10");

/* 5.2.12 */
struct acpi_madt {
    struct acpi_header header;
    uint32_t local_apic, flags;
};
_Static_assert(sizeof(struct acpi_madt) == 44, "ACPI 6.4, 5.2.12");
enum { MADT_PCAT_COMPAT = 1 };
enum madt_type { MADT_LOCAL_APIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LOCAL_NMI = 4 };

struct madt_local_apic {
    uint8_t type, length, processor, apic_id;
    uint32_t flags;
};
_Static_assert(sizeof(struct madt_local_apic) == 8, "ACPI 6.4, 5.2.12.2");
enum { LOCAL_APIC_ENABLED = 1 };

struct madt_ioapic {
    uint8_t type, length, id, reserved;
    uint32_t address, gsi_base;
};
_Static_assert(sizeof(struct madt_ioapic) == 12, "ACPI 6.4, 5.2.12.3");

struct madt_override {
    uint8_t type, length, bus, source;
    uint32_t gsi;
    uint16_t flags;
} __attribute__((packed));
_Static_assert(sizeof(struct madt_override) == 10, "ACPI 6.4, 5.2.12.5");

struct madt_local_nmi {
    uint8_t type, length, processor;
    uint16_t flags;
    uint8_t lint;
} __attribute__((packed));
_Static_assert(sizeof(struct madt_local_nmi) == 6, "ACPI 6.4, 5.2.12.7");
enum { ALL_PROCESSORS = 0xff };

/* MPS INTI flags (5.2.12.5, table 5.26). */
enum inti_flags { INTI_CONFORMS = 0, INTI_ACTIVE_HIGH = 1 << 0, INTI_LEVEL = 3 << 2 };

/* ISA interrupts that differ from "same number, edge": the timer, and those that PCI and SCI use. */
static const struct {
    uint8_t irq, gsi;
    uint16_t flags;
} overrides[] = {
    {0, TABLE_TIMER_PIN, INTI_CONFORMS},
    {5, 5, INTI_ACTIVE_HIGH | INTI_LEVEL},
    {PIIX4_SCI, PIIX4_SCI, INTI_ACTIVE_HIGH | INTI_LEVEL},
    {10, 10, INTI_ACTIVE_HIGH | INTI_LEVEL},
    {11, 11, INTI_ACTIVE_HIGH | INTI_LEVEL},
};
enum { OVERRIDES = sizeof overrides / sizeof overrides[0] };

/* IA-PC HPET Specification 1.0a, 3.2.4. */
struct acpi_hpet {
    struct acpi_header header;
    uint32_t block_id; /* the capabilities register */
    struct acpi_gas base;
    uint8_t number;
    uint16_t minimum_tick; /* of a periodic timer, without a lost interrupt */
    uint8_t page_protection;
} __attribute__((packed, aligned(4)));
_Static_assert(sizeof(struct acpi_hpet) == 56, "IA-PC HPET Specification 1.0a, 3.2.4");
enum { HPET_MINIMUM_TICK = 10000 }; /* 100 us of its clock */

static void acpi_begin(struct acpi_header *header, const char *signature, uint8_t revision)
{
    memcpy(header->signature, signature, sizeof header->signature);
    header->revision = revision;
    memcpy(header->oem_id, "NULLRG", sizeof header->oem_id);
    memcpy(header->oem_table_id, "NULLRING", sizeof header->oem_table_id);
    header->oem_revision = 1;
    memcpy(header->creator_id, "NULL", sizeof header->creator_id);
    header->creator_revision = 1;
}

static void acpi_finish(struct acpi_header *header, uint32_t length)
{
    header->length = length;
    header->checksum = 0;
    header->checksum = table_checksum(header, length);
}

static struct acpi_gas io_register(uint16_t port, uint8_t length, uint8_t access)
{
    return (struct acpi_gas){
        .space = SPACE_IO, .bit_width = (uint8_t)(length * 8), .access_size = access, .address = port};
}

static struct acpi_header *fadt_build(struct table_area *area, const struct table_machine *machine,
                                      uint32_t facs, uint32_t dsdt)
{
    struct acpi_fadt *fadt = table_take(area, sizeof *fadt, 8);
    if (!fadt)
        return NULL;
    acpi_begin(&fadt->header, "FACP", FADT_REVISION);
    fadt->facs = facs;
    fadt->dsdt = dsdt;
    fadt->sci_int = PIIX4_SCI;
    fadt->smi_cmd = PIIX4_SMI_COMMAND;
    fadt->acpi_enable = PIIX4_ACPI_ENABLE;
    fadt->acpi_disable = PIIX4_ACPI_DISABLE;
    fadt->pm1a_evt = PIIX4_PM_BASE + PIIX4_PM_EVENT;
    fadt->pm1a_cnt = PIIX4_PM_BASE + PIIX4_PM_CONTROL;
    fadt->pm_tmr = PIIX4_PM_BASE + PIIX4_PM_TIMER;
    fadt->gpe0 = PIIX4_PM_BASE + PIIX4_GENERAL_EVENT;
    fadt->pm1_evt_len = PM1_EVENT_LENGTH;
    fadt->pm1_cnt_len = PM1_CONTROL_LENGTH;
    fadt->pm_tmr_len = PM_TIMER_LENGTH;
    fadt->gpe0_len = GPE0_LENGTH;
    fadt->p_lvl2_lat = LATENCY_NO_C2;
    fadt->p_lvl3_lat = LATENCY_NO_C3;
    fadt->century = RTC_CENTURY;
    fadt->iapc_boot_arch = BOOT_LEGACY_DEVICES | BOOT_8042 | (machine->screen ? 0 : BOOT_NO_VGA);
    fadt->flags = FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC | FADT_RESET_REG_SUP;
    fadt->reset_reg = io_register(RESET_PORT, 1, ACCESS_BYTE);
    fadt->reset_value = RESET_VALUE;
    fadt->x_facs = facs;
    fadt->x_dsdt = dsdt;
    fadt->x_pm1a_evt = io_register((uint16_t)fadt->pm1a_evt, PM1_EVENT_LENGTH, ACCESS_WORD);
    fadt->x_pm1a_cnt = io_register((uint16_t)fadt->pm1a_cnt, PM1_CONTROL_LENGTH, ACCESS_WORD);
    fadt->x_pm_tmr = io_register((uint16_t)fadt->pm_tmr, PM_TIMER_LENGTH, ACCESS_DWORD);
    fadt->x_gpe0 = io_register((uint16_t)fadt->gpe0, GPE0_LENGTH, ACCESS_WORD);
    acpi_finish(&fadt->header, sizeof *fadt);
    return &fadt->header;
}

static void madt_fill(struct acpi_madt *madt, const struct table_machine *machine)
{
    struct madt_local_apic *local = (struct madt_local_apic *)(madt + 1);
    for (uint32_t i = 0; i < machine->cpu_count; i++) {
        *local++ = (struct madt_local_apic){.type = MADT_LOCAL_APIC,
                                            .length = sizeof *local,
                                            .processor = (uint8_t)i,
                                            .apic_id = (uint8_t)i,
                                            .flags = LOCAL_APIC_ENABLED};
    }
    struct madt_ioapic *ioapic = (struct madt_ioapic *)local;
    *ioapic = (struct madt_ioapic){.type = MADT_IOAPIC,
                                   .length = sizeof *ioapic,
                                   .id = machine->ioapic_id,
                                   .address = (uint32_t)GUEST_IOAPIC_BASE};
    struct madt_override *override = (struct madt_override *)(ioapic + 1);
    for (unsigned i = 0; i < OVERRIDES; i++) {
        *override++ = (struct madt_override){.type = MADT_OVERRIDE,
                                             .length = sizeof *override,
                                             .source = overrides[i].irq,
                                             .gsi = overrides[i].gsi,
                                             .flags = overrides[i].flags};
    }
    *(struct madt_local_nmi *) override = (struct madt_local_nmi){.type = MADT_LOCAL_NMI,
                                                                  .length = sizeof(struct madt_local_nmi),
                                                                  .processor = ALL_PROCESSORS,
                                                                  .lint = 1};
}

static struct acpi_header *madt_build(struct table_area *area, const struct table_machine *machine)
{
    uint32_t length = sizeof(struct acpi_madt) + machine->cpu_count * sizeof(struct madt_local_apic) +
                      sizeof(struct madt_ioapic) + OVERRIDES * sizeof(struct madt_override) +
                      sizeof(struct madt_local_nmi);
    struct acpi_madt *madt = table_take(area, length, 8);
    if (!madt)
        return NULL;
    acpi_begin(&madt->header, "APIC", 3);
    madt->local_apic = (uint32_t)GUEST_LAPIC_BASE;
    madt->flags = MADT_PCAT_COMPAT;
    madt_fill(madt, machine);
    acpi_finish(&madt->header, length);
    return &madt->header;
}

static struct acpi_header *hpet_build(struct table_area *area)
{
    struct acpi_hpet *hpet = table_take(area, sizeof *hpet, 8);
    if (!hpet)
        return NULL;
    acpi_begin(&hpet->header, "HPET", 1);
    hpet->block_id = HPET_CAPABILITIES;
    hpet->base = (struct acpi_gas){.space = SPACE_MEMORY, .bit_width = 64, .address = HPET_BASE};
    hpet->minimum_tick = HPET_MINIMUM_TICK;
    acpi_finish(&hpet->header, sizeof *hpet);
    return &hpet->header;
}

enum { TABLES_MAX = 3 };

/* RSDT and XSDT name the same tables, with addresses of 32 and 64 bits. */
static bool root_build(struct table_area *area, struct acpi_rsdp *rsdp,
                       struct acpi_header *const tables[TABLES_MAX], unsigned count)
{
    uint32_t rsdt_length = sizeof(struct acpi_header) + count * (uint32_t)sizeof(uint32_t);
    uint32_t xsdt_length = sizeof(struct acpi_header) + count * (uint32_t)sizeof(uint64_t);
    struct acpi_header *rsdt = table_take(area, rsdt_length, 8), *xsdt = table_take(area, xsdt_length, 8);
    if (!rsdt || !xsdt)
        return false;
    acpi_begin(rsdt, "RSDT", 1);
    acpi_begin(xsdt, "XSDT", 1);
    for (unsigned i = 0; i < count; i++) {
        uint64_t address = table_address(area, tables[i]);
        memcpy((uint8_t *)(rsdt + 1) + i * sizeof(uint32_t), &address, sizeof(uint32_t));
        memcpy((uint8_t *)(xsdt + 1) + i * sizeof(uint64_t), &address, sizeof(uint64_t));
    }
    acpi_finish(rsdt, rsdt_length);
    acpi_finish(xsdt, xsdt_length);
    memcpy(rsdp->signature, "RSD PTR ", sizeof rsdp->signature);
    memcpy(rsdp->oem_id, "NULLRG", sizeof rsdp->oem_id);
    rsdp->revision = 2;
    rsdp->rsdt = table_address(area, rsdt);
    rsdp->length = sizeof *rsdp;
    rsdp->xsdt = table_address(area, xsdt);
    rsdp->checksum = table_checksum(rsdp, RSDP_V1_LENGTH);
    rsdp->extended_checksum = table_checksum(rsdp, sizeof *rsdp);
    return true;
}

bool acpi_tables_build(struct table_area *area, const struct table_machine *machine)
{
    struct acpi_rsdp *rsdp = table_take(area, sizeof *rsdp, RSDP_ALIGN);
    struct acpi_facs *facs = table_take(area, sizeof *facs, sizeof *facs);
    uint8_t *dsdt = table_take(area, sizeof dsdt_aml, 8);
    if (!rsdp || !facs || !dsdt)
        return false;
    memcpy(facs->signature, "FACS", sizeof facs->signature);
    facs->length = sizeof *facs;
    facs->version = 1;
    memcpy(dsdt, dsdt_aml, sizeof dsdt_aml);
    struct acpi_header *fadt =
        fadt_build(area, machine, table_address(area, facs), table_address(area, dsdt));
    struct acpi_header *madt = madt_build(area, machine);
    struct acpi_header *hpet = machine->hpet ? hpet_build(area) : NULL;
    if (!fadt || !madt || (machine->hpet && !hpet))
        return false;
    return root_build(area, rsdp, (struct acpi_header *const[TABLES_MAX]){fadt, madt, hpet}, hpet ? 3 : 2);
}
