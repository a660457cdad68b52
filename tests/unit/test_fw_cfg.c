/*
 * The firmware configuration device (QEMU, docs/specs/fw_cfg.rst) from the firmware's side: items by bytes
 * and by DMA, and the files that tell it of its machine. The table loader's script is carried out here, as a
 * firmware does, and the ACPI tables that come of it are held against ACPI 6.4, 5.2.
 *
 * sources: devices/fw_cfg.c devices/firmware_files.c devices/boot_order.c devices/acpi_tables.c
 * sources: devices/table_area.c devices/bus.c tests/unit/host_effects.c lib/format.c lib/ide_places.c
 * sources: devices/smbios.c devices/cpuid.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "boot_order.h"
#include "fw_cfg.h"
#include "host_effects.h"
#include "layout.h"
#include "little_endian.h"

enum { SELECT = 0x510, DATA = 0x511, DMA_HIGH = 0x514, DMA_LOW = 0x518 };
enum { RAM = 1 << 16, DESCRIPTOR = 0x100, BUFFER = 0x2000, FILES_MAX = 20 };
enum { READ = 2, SKIP = 4, CHOOSE = 8, WRITE = 16, ERROR = 1 };

static struct fw_cfg cfg;
static uint8_t ram[RAM], rom[39936];

static uint32_t big(const uint8_t *at)
{
    return __builtin_bswap32(load32(at));
}

static void put_big(uint8_t *at, uint32_t value)
{
    store32(at, __builtin_bswap32(value));
}

static int set_up(void **state)
{
    (void)state;
    host_reset();
    memset(rom, 0x55, sizeof rom);
    memset(ram, 0xcc, sizeof ram);
    host.ram = ram;
    host.ram_size = sizeof ram;
    host.spare = malloc(HOST_SPARE);
    host.file = rom;
    host.file_size = sizeof rom;
    host.config.loader = LOADER_BIOS;
    host.config.cpu_count = 3;
    host.config.memory_mib = 5000;
    host_device_reset(&fw_cfg_device, &cfg);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_null(fw_cfg_device.check(&cfg));
    free(host.spare);
    return 0;
}

static void choose(uint16_t item)
{
    host_out(&fw_cfg_device, &cfg, SELECT, 2, item);
}

static void read_bytes(void *to, unsigned length)
{
    for (unsigned i = 0; i < length; i++)
        ((uint8_t *)to)[i] = (uint8_t)host_in(&fw_cfg_device, &cfg, DATA, 1);
}

/* The control word that the device leaves. */
static uint32_t dma(uint32_t control, uint32_t address, uint32_t length)
{
    put_big(ram + DESCRIPTOR, control);
    put_big(ram + DESCRIPTOR + 4, length);
    put_big(ram + DESCRIPTOR + 8, 0);
    put_big(ram + DESCRIPTOR + 12, address);
    host_out(&fw_cfg_device, &cfg, DMA_LOW, 4, __builtin_bswap32(DESCRIPTOR));
    return big(ram + DESCRIPTOR);
}

struct file {
    char name[FW_CFG_NAME];
    uint8_t *bytes; /* a copy */
    uint32_t size;
    uint32_t address; /* where the script has put it */
};

static struct file file[FILES_MAX];
static unsigned files;

static void read_files(void)
{
    uint8_t head[4], entry[64];
    choose(0x19);
    read_bytes(head, 4);
    files = big(head);
    assert_true(files > 0 && files <= FILES_MAX);
    for (unsigned i = 0; i < files; i++) {
        choose(0x19);
        read_bytes(head, 4);
        for (unsigned skip = 0; skip <= i; skip++)
            read_bytes(entry, sizeof entry);
        file[i].size = big(entry);
        file[i].address = 0;
        memcpy(file[i].name, entry + 8, sizeof file[i].name);
        file[i].bytes = malloc(file[i].size);
        choose((uint16_t)(entry[4] << 8 | entry[5]));
        read_bytes(file[i].bytes, file[i].size);
    }
}

static struct file *find(const char *name)
{
    for (unsigned i = 0; i < files; i++)
        if (strcmp(file[i].name, name) == 0)
            return &file[i];
    fail_msg("no file %s", name);
    return NULL;
}

static void free_files(void)
{
    for (unsigned i = 0; i < files; i++)
        free(file[i].bytes);
}

static void it_is_found_by_its_signature(void **state)
{
    uint8_t bytes[6];
    (void)state;
    choose(0);
    read_bytes(bytes, 6);
    assert_memory_equal(bytes, "QEMU\0\0", 6);
    choose(1);
    read_bytes(bytes, 5);
    assert_int_equal(load32(bytes), 3);
    assert_int_equal(host_in(&fw_cfg_device, &cfg, DMA_HIGH, 4), load32((const uint8_t *)"QEMU"));
    assert_int_equal(host_in(&fw_cfg_device, &cfg, DMA_LOW, 4), load32((const uint8_t *)" CFG"));
    choose(0x7777);
    read_bytes(bytes, 1);
    assert_int_equal(bytes[0], 0);
}

static void dma_reads_skips_and_says_errors(void **state)
{
    (void)state;
    assert_int_equal(dma(CHOOSE | READ, BUFFER, 8), 0);
    assert_memory_equal(ram + BUFFER, "QEMU\0\0\0\0", 8);
    assert_int_equal(ram[BUFFER + 8], 0xcc);
    assert_int_equal(dma(CHOOSE | SKIP, 0, 2), 0);
    assert_int_equal(dma(READ, 0x2fff, 2), 0); /* over the end of a page */
    assert_memory_equal(ram + 0x2fff, "MU", 2);
    assert_int_equal(dma(CHOOSE | READ, RAM - 4, 8), ERROR);
    assert_int_equal(dma(CHOOSE | READ, 0xfffffffe, 8), ERROR);
    assert_int_equal(dma(CHOOSE | READ, 0, UINT32_MAX), ERROR);
    assert_int_equal(dma(CHOOSE | WRITE, BUFFER, 4), ERROR);
    assert_int_equal(dma(SKIP, 0, 1u << 20), 0); /* to the end at most */
    assert_int_equal(dma(READ, BUFFER, 1), 0);
    assert_int_equal(ram[BUFFER], 0);
    host_out(&fw_cfg_device, &cfg, DMA_HIGH, 4, 0x01000000); /* no RAM there */
    host_out(&fw_cfg_device, &cfg, DMA_LOW, 4, 0);
    assert_int_equal(host.needs[NEED_IGNORED], 1);
}

static void it_tells_of_the_machine(void **state)
{
    uint8_t bytes[2];
    (void)state;
    choose(5);
    read_bytes(bytes, 2);
    assert_int_equal(load16(bytes), 3);
    read_files();
    const struct file *map = find("etc/e820");
    assert_int_equal(map->size, 40);
    assert_int_equal(load64(map->bytes), 0);
    assert_int_equal(load64(map->bytes + 8), GUEST_LOW_RAM_MAX);
    assert_int_equal(load64(map->bytes + 20), GUEST_HIGH_RAM);
    assert_int_equal(load64(map->bytes + 28), (5000ull << 20) - GUEST_LOW_RAM_MAX);
    assert_int_equal(find("pci1234,1111.rom")->size, sizeof rom);
    assert_memory_equal(find("pci1234,1111.rom")->bytes, rom, sizeof rom);
    assert_int_equal(load32(find("etc/boot-fail-wait")->bytes), UINT32_MAX);
    free_files();
}

static void without_spare_memory_nobody_answers(void **state)
{
    (void)state;
    uint8_t *spare = host.spare;
    host.spare = NULL;
    host_device_reset(&fw_cfg_device, &cfg);
    choose(0);
    assert_int_equal(host_in(&fw_cfg_device, &cfg, DATA, 1), 0xff);
    host.spare = spare;
}

static void what_does_not_fit_is_left_out(void **state)
{
    (void)state;
    host.file_size = 1 << 20;
    host_device_reset(&fw_cfg_device, &cfg);
    assert_string_equal(host.log, "the VGA BIOS is missing or too large: there will be no screen");
    host.file_size = sizeof rom;
    while (fw_cfg_add_file(&cfg, "another", 16))
        ;
    assert_int_equal(cfg.item_count, FW_CFG_ITEMS_MAX);
}

static uint8_t sum(const uint8_t *bytes, uint32_t length)
{
    uint8_t total = 0;
    while (length--)
        total = (uint8_t)(total + *bytes++);
    return total;
}

/* As a firmware does it: files are placed one after another from 64 KiB on. */
static void run_script(const struct file *script)
{
    uint32_t next = 0x10000;
    for (const uint8_t *at = script->bytes; at < script->bytes + script->size; at += 128) {
        struct file *to = find((const char *)at + 4);
        if (load32(at) == 1) {
            uint32_t align = load32(at + 60);
            next = (next + align - 1) & ~(align - 1);
            to->address = next;
            next += to->size;
        } else if (load32(at) == 2) {
            const struct file *of = find((const char *)at + 60);
            uint32_t offset = load32(at + 116);
            assert_true(of->address && offset + at[120] <= to->size);
            assert_true(load32(to->bytes + offset) < of->size);
            store32(to->bytes + offset, load32(to->bytes + offset) + of->address);
        } else {
            uint32_t offset = load32(at + 60), start = load32(at + 64), length = load32(at + 68);
            assert_int_equal(load32(at), 3);
            assert_true(start + length <= to->size && offset < to->size);
            to->bytes[offset] = (uint8_t)(to->bytes[offset] - sum(to->bytes + start, length));
        }
    }
}

static const uint8_t *table_at(const struct file *tables, uint64_t address, const char *signature)
{
    assert_true(address >= tables->address && address - tables->address < tables->size);
    const uint8_t *table = tables->bytes + (address - tables->address);
    assert_memory_equal(table, signature, 4);
    if (strcmp(signature, "FACS") != 0)
        assert_int_equal(sum(table, load32(table + 4)), 0);
    return table;
}

static void the_script_places_the_tables(void **state)
{
    (void)state;
    read_files();
    run_script(find("etc/table-loader"));
    const uint8_t *rsdp = find("etc/acpi/rsdp")->bytes;
    const struct file *tables = find("etc/acpi/tables");
    assert_memory_equal(rsdp, "RSD PTR ", 8);
    assert_int_equal(sum(rsdp, 20), 0);
    assert_int_equal(sum(rsdp, 36), 0);
    const uint8_t *rsdt = table_at(tables, load32(rsdp + 16), "RSDT");
    const uint8_t *xsdt = table_at(tables, load64(rsdp + 24), "XSDT");
    const uint8_t *fadt = table_at(tables, load32(rsdt + 36), "FACP");
    assert_int_equal(load64(xsdt + 36), load32(rsdt + 36));
    const uint8_t *madt = table_at(tables, load64(xsdt + 44), "APIC");
    table_at(tables, load32(fadt + 36), "FACS");
    table_at(tables, load32(fadt + 40), "DSDT");
    table_at(tables, load64(fadt + 132), "FACS");
    table_at(tables, load64(fadt + 140), "DSDT");
    assert_int_equal(fadt[109] & 4, 0);        /* IAPC_BOOT_ARCH: there is a VGA */
    assert_int_equal(madt[44 + 3 * 8], 1);     /* behind three processors the I/O APIC, */
    assert_int_equal(madt[44 + 3 * 8 + 2], 0); /* with the number that its register has after a reset */
    free_files();
}

static void set_order(unsigned count, const char *const names[])
{
    host.config.boot_count = count;
    for (unsigned i = 0; i < count; i++)
        strcpy(host.config.boot[i], names[i]);
}

static void the_boot_order_is_told_twice(void **state)
{
    (void)state;
    assert_int_equal(boot_order_classes(&host.config), 0x123); /* CD, disk, floppy */
    set_order(3, (const char *const[]){"disk1", "floppy0", "disk0"});
    assert_int_equal(boot_order_classes(&host.config), 0x12);
    host_device_reset(&fw_cfg_device, &cfg);
    read_files();
    assert_string_equal(
        (const char *)find("bootorder")->bytes,
        "/pci@i0cf8/scsi@5/disk@0,0\n/pci@i0cf8/isa@1/fdc@03f0/floppy@0\n/pci@i0cf8/scsi@4/disk@0,0\n");
    free_files();
    host.config.disk_count = 2;
    host.config.disk[0].kind = DISK_IDE;
    host.config.cd_count = 1;
    set_order(3, (const char *const[]){"cd0", "net0", "disk0"});
    assert_int_equal(boot_order_classes(&host.config), 0x243);
    host_device_reset(&fw_cfg_device, &cfg);
    read_files();
    assert_string_equal((const char *)find("bootorder")->bytes,
                        "/pci@i0cf8/ide@1,1/drive@1/disk@0\n/pci@i0cf8/ide@1,1/drive@0/disk@0\n");
    free_files();
    host.config.disk[1].kind = DISK_AHCI;
    set_order(2, (const char *const[]){"disk1", "disk0"});
    host_device_reset(&fw_cfg_device, &cfg);
    read_files();
    assert_string_equal((const char *)find("bootorder")->bytes,
                        "/pci@i0cf8/pci8086,2922@8/drive@1/disk@0\n/pci@i0cf8/ide@1,1/drive@0/disk@0\n");
    free_files();
}

static void a_damaged_block_is_found(void **state)
{
    (void)state;
    cfg.item[1].size = SPARE_FIRMWARE_SIZE;
    assert_string_equal(fw_cfg_device.check(&cfg), "an item outside of the area");
    cfg.item_count = FW_CFG_ITEMS_MAX + 1;
    assert_string_equal(fw_cfg_device.check(&cfg), "number of items");
    cfg.item_count = 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_found_by_its_signature),  TEST(dma_reads_skips_and_says_errors),
        TEST(it_tells_of_the_machine),       TEST(without_spare_memory_nobody_answers),
        TEST(what_does_not_fit_is_left_out), TEST(the_script_places_the_tables),
        TEST(the_boot_order_is_told_twice),  TEST(a_damaged_block_is_found),
    };
    return cmocka_run_group_tests_name("fw_cfg", tests, NULL, NULL);
}
