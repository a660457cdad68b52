/*
 * What a firmware is told about its machine: sizes, the memory map, the order in which to boot, the code of
 * the screen's BIOS, the ACPI tables with a script that places them, and the SMBIOS structures.
 *
 * Document: QEMU, docs/specs/fw_cfg.rst and hw/acpi's table loader (bios-linker-loader): 128-byte commands
 * that allocate a file in memory, add a file's address to a pointer in another, and make a checksum; SeaBIOS,
 * docs/Runtime_config. State: none. Missing: NUMA.
 */
#include "firmware_files.h"
#include "acpi_tables.h"
#include "boot_order.h"
#include "effects.h"
#include "fw_cfg.h"
#include "layout.h"
#include "little_endian.h"
#include "smbios.h"
#include "string.h"

enum item { ITEM_CPUS = 0x05, ITEM_MAX_CPUS = 0x0f };

enum { E820_ENTRY = 20, E820_RAM = 1, E820_MAX = 2 };
enum { COM1 = 0x3f8, SMBIOS_ROOM = 4096 };
enum { BOOT_ORDER_MAX = 512, FAIL_WAIT_FOR_EVER = -1, SYSTEM_STATES = 6, STATE_THERE = 0x80 };

/* The table loader's commands. */
enum { SCRIPT_MAX = 40, COMMAND_SIZE = 128, COMMAND_NAME = 56 };
enum command { COMMAND_ALLOCATE = 1, COMMAND_ADD_POINTER = 2, COMMAND_ADD_CHECKSUM = 3 };
enum zone { ZONE_HIGH = 1, ZONE_F_SEGMENT = 2 };
static const char tables_file[] = "etc/acpi/tables", rsdp_file[] = "etc/acpi/rsdp";

/* Places in the tables (ACPI 6.4, 5.2.5.3, 5.2.6, 5.2.9) that hold addresses and checksums. */
enum {
    HEADER_LENGTH = 4,
    HEADER_CHECKSUM = 9,
    HEADER_SIZE = 36,
    RSDP_CHECKSUM = 8,
    RSDP_FIRST_SIZE = 20,
    RSDP_RSDT = 16,
    RSDP_XSDT = 24,
    RSDP_EXTENDED_CHECKSUM = 32,
    RSDP_SIZE = 36,
    FADT_FACS = 36,
    FADT_DSDT = 40,
    FADT_X_FACS = 132,
    FADT_X_DSDT = 140,
    TABLES_ALIGN = 64,
    RSDP_ALIGN = 16,
    TABLES_ROOM = 16384,
};

struct script {
    uint8_t *at, *end;
};

static uint8_t *script_command(struct script *script, enum command command, const char *file)
{
    uint8_t *at = script->at;
    if (script->end - at < COMMAND_SIZE)
        return NULL;
    script->at += COMMAND_SIZE;
    store32(at, command);
    memcpy(at + 4, file, strlen(file) + 1);
    return at + 4 + COMMAND_NAME;
}

static void script_allocate(struct script *script, const char *file, uint32_t align, enum zone zone)
{
    uint8_t *at = script_command(script, COMMAND_ALLOCATE, file);
    if (!at)
        return;
    store32(at, align);
    at[4] = (uint8_t)zone;
}

static void script_pointer(struct script *script, const char *file, uint32_t offset, uint8_t size)
{
    uint8_t *at = script_command(script, COMMAND_ADD_POINTER, file);
    if (!at)
        return;
    memcpy(at, tables_file, sizeof tables_file);
    store32(at + COMMAND_NAME, offset);
    at[COMMAND_NAME + 4] = size;
}

static void script_checksum(struct script *script, const char *file, uint32_t offset, uint32_t start,
                            uint32_t length)
{
    uint8_t *at = script_command(script, COMMAND_ADD_CHECKSUM, file);
    if (!at)
        return;
    store32(at, offset);
    store32(at + 4, start);
    store32(at + 8, length);
}

/* The pointers of a root table, of `size` bytes each, and its checksum. */
static void script_root(struct script *script, uint8_t *tables, uint32_t root, uint8_t size)
{
    uint32_t length = load32(tables + root + HEADER_LENGTH);
    for (uint32_t at = HEADER_SIZE; at + size <= length; at += size)
        script_pointer(script, tables_file, root + at, size);
    tables[root + HEADER_CHECKSUM] = 0;
    script_checksum(script, tables_file, root + HEADER_CHECKSUM, root, length);
}

/* Tables made for address 0: each address in them is an offset, to which the script adds where they are. */
static void add_tables(struct fw_cfg *cfg)
{
    const struct guest_config *config = effect_guest_config();
    const struct table_machine machine = {
        .cpu_count = config->cpu_count, .ioapic_id = 0, .screen = true, .hpet = config->hpet};
    struct table_area area = {.bytes = fw_cfg_add_file(cfg, tables_file, TABLES_ROOM), .size = TABLES_ROOM};
    if (!area.bytes || !acpi_tables_build(&area, &machine))
        return;
    fw_cfg_shorten(cfg, area.used);
    uint8_t *tables = area.bytes, *rsdp = fw_cfg_add_file(cfg, rsdp_file, RSDP_SIZE);
    uint8_t *bytes = fw_cfg_add_file(cfg, "etc/table-loader", SCRIPT_MAX * COMMAND_SIZE);
    if (!rsdp || !bytes)
        return;
    memcpy(rsdp, tables, RSDP_SIZE); /* the first of the tables, which has a place of its own */
    memset(tables, 0, RSDP_SIZE);
    rsdp[RSDP_CHECKSUM] = rsdp[RSDP_EXTENDED_CHECKSUM] = 0;
    struct script script = {.at = bytes, .end = bytes + SCRIPT_MAX * COMMAND_SIZE};
    uint32_t rsdt = load32(rsdp + RSDP_RSDT), xsdt = load32(rsdp + RSDP_XSDT);
    uint32_t fadt = load32(tables + rsdt + HEADER_SIZE);
    script_allocate(&script, tables_file, TABLES_ALIGN, ZONE_HIGH);
    script_allocate(&script, rsdp_file, RSDP_ALIGN, ZONE_F_SEGMENT);
    script_pointer(&script, tables_file, fadt + FADT_FACS, 4);
    script_pointer(&script, tables_file, fadt + FADT_DSDT, 4);
    script_pointer(&script, tables_file, fadt + FADT_X_FACS, 8);
    script_pointer(&script, tables_file, fadt + FADT_X_DSDT, 8);
    tables[fadt + HEADER_CHECKSUM] = 0;
    script_checksum(&script, tables_file, fadt + HEADER_CHECKSUM, fadt,
                    load32(tables + fadt + HEADER_LENGTH));
    script_root(&script, tables, rsdt, 4);
    script_root(&script, tables, xsdt, 8);
    script_pointer(&script, rsdp_file, RSDP_RSDT, 4);
    script_pointer(&script, rsdp_file, RSDP_XSDT, 8);
    script_checksum(&script, rsdp_file, RSDP_CHECKSUM, 0, RSDP_FIRST_SIZE);
    script_checksum(&script, rsdp_file, RSDP_EXTENDED_CHECKSUM, 0, RSDP_SIZE);
    fw_cfg_shorten(cfg, (uint32_t)(script.at - bytes));
}

/* The firmware puts them where it likes, with a structure about itself. */
static void add_smbios(struct fw_cfg *cfg)
{
    uint8_t *anchor = fw_cfg_add_file(cfg, "etc/smbios/smbios-anchor", SMBIOS_ANCHOR_SIZE);
    uint8_t *structures = fw_cfg_add_file(cfg, "etc/smbios/smbios-tables", SMBIOS_ROOM);
    if (anchor && structures)
        fw_cfg_shorten(cfg, smbios_build(structures, SMBIOS_ROOM, anchor, effect_guest_config(), cpuid_host));
}

static void e820_put(uint8_t *at, uint64_t base, uint64_t length)
{
    store64(at, base);
    store64(at + 8, length);
    store32(at + 16, E820_RAM);
}

static void add_memory_map(struct fw_cfg *cfg)
{
    uint64_t size = (uint64_t)effect_guest_config()->memory_mib << 20;
    uint64_t low = size < GUEST_LOW_RAM_MAX ? size : GUEST_LOW_RAM_MAX;
    uint8_t *map = fw_cfg_add_file(cfg, "etc/e820", size > low ? E820_MAX * E820_ENTRY : E820_ENTRY);
    if (!map)
        return;
    e820_put(map, 0, low);
    if (size > low)
        e820_put(map + E820_ENTRY, GUEST_HIGH_RAM, size - low);
}

static void add_boot_order(struct fw_cfg *cfg)
{
    char text[BOOT_ORDER_MAX];
    uint32_t length = boot_order_text(effect_guest_config(), text, sizeof text);
    uint8_t *file = length ? fw_cfg_add_file(cfg, "bootorder", length + 1) : NULL;
    if (file)
        memcpy(file, text, length);
}

/* Under the name by which the firmware looks for the code of one PCI function. */
static void add_video(struct fw_cfg *cfg)
{
    uint64_t size = 0;
    const uint8_t *code = effect_file(effect_guest_config()->video_firmware, &size);
    uint8_t *file =
        code && size <= UINT16_MAX * 2 ? fw_cfg_add_file(cfg, "pci1234,1111.rom", (uint32_t)size) : NULL;
    if (file)
        memcpy(file, code, size);
    else
        effect_log("the VGA BIOS is missing or too large: there will be no screen");
}

static void add_word(struct fw_cfg *cfg, enum item item, uint16_t value)
{
    uint8_t *at = fw_cfg_add(cfg, (uint16_t)item, 2);
    if (at)
        store16(at, value);
}

void firmware_files(struct fw_cfg *cfg)
{
    const struct guest_config *config = effect_guest_config();
    add_word(cfg, ITEM_CPUS, (uint16_t)config->cpu_count);
    add_word(cfg, ITEM_MAX_CPUS, (uint16_t)config->cpu_count);
    add_memory_map(cfg);
    add_boot_order(cfg);
    add_tables(cfg);
    add_smbios(cfg);
    add_video(cfg);
    uint8_t *states = fw_cfg_add_file(cfg, "etc/system-states", SYSTEM_STATES);
    if (states)
        states[5] = STATE_THERE; /* soft off; no S3, no S4 */
    uint8_t *serial = config->firmware_serial ? fw_cfg_add_file(cfg, "etc/sercon-port", 2) : NULL;
    if (serial)
        store16(serial, COM1);
    uint8_t *wait = fw_cfg_add_file(cfg, "etc/boot-fail-wait", 4);
    if (wait)
        store32(wait, (uint32_t)FAIL_WAIT_FOR_EVER); /* rather than to start anew each minute */
}
