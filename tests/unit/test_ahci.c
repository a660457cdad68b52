/*
 * AHCI from the host's side: registers, resets, command lists, regions, FIS, interrupts, errors (AHCI 1.3.1).
 *
 * sources: devices/ahci*.c devices/ata*.c devices/disk_image.c lib/ide_places.c
 * sources: devices/bus.c devices/pci.c lib/format.c tests/unit/host_effects.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "ahci.h"
#include "host_effects.h"

enum { SECTORS = 8192, DISK_BYTES = SECTORS * 512, RAM_BYTES = 1 << 20, FUNCTION = PCI_DEVFN(8, 0) };
enum { LIST = 0x1000, RECEIVED = 0x2000, TABLE = 0x3000, DATA = 0x10000 };
enum { MEMORY = 0xfe000000, GHC = 4, IS = 8 };
enum { P_CLB = 0, P_FB = 8, P_IS = 0x10, P_IE = 0x14, P_CMD = 0x18, P_TFD = 0x20, P_SIG = 0x24 };
enum { P_SSTS = 0x28, P_SCTL = 0x2c, P_SERR = 0x30, P_CI = 0x38 };
enum { DHRS = 1, PSS = 2, PCS = 0x40, OFS = 1 << 24, HBFS = 1 << 29, TFES = 1 << 30, IDNF = 0x10 };

static struct ahci_pc {
    struct bus bus;
    struct ahci ahci;
} pc;

const struct device_slot bus_slots[] = {
    {.device = &ahci_device, .state_offset = offsetof(struct ahci_pc, ahci), .devfn = FUNCTION}};
const unsigned bus_slot_count = 1;

static uint32_t get(uint32_t offset)
{
    return (uint32_t)bus_read(&pc.bus, IO_MEMORY, MEMORY + offset, 4);
}

static void set(uint32_t offset, uint32_t value)
{
    bus_write(&pc.bus, IO_MEMORY, MEMORY + offset, 4, value);
}

/* Of port 1, which has the disk. */
static uint32_t port_get(uint32_t offset)
{
    return get(0x180 + offset);
}

static void port_set(uint32_t offset, uint32_t value)
{
    set(0x180 + offset, value);
}

static void config_write(unsigned reg, unsigned size, uint32_t value)
{
    struct io io = {.offset = reg, .size = (uint8_t)size, .value = value, .write = true};
    bus_config_io(&pc.bus, FUNCTION, &io);
}

static uint8_t byte_of_sector(uint32_t sector, unsigned i)
{
    return (uint8_t)(sector * 7 + i + (i >> 8));
}

static void assert_sector(const uint8_t *bytes, uint32_t sector)
{
    for (unsigned i = 0; i < 512; i++)
        assert_int_equal(bytes[i], byte_of_sector(sector, i));
}

static int up(void **state)
{
    (void)state;
    host_reset();
    host.bus = &pc.bus;
    host.ram = calloc(1, RAM_BYTES);
    host.ram_size = RAM_BYTES;
    host.disk[1] = malloc(DISK_BYTES);
    host.disk_size[1] = DISK_BYTES;
    for (unsigned i = 0; i < DISK_BYTES; i++)
        host.disk[1][i] = byte_of_sector(i / 512, i % 512);
    host.config.disk_count = 2;
    host.config.disk[1].kind = DISK_AHCI;
    bus_reset(&pc.bus);
    config_write(0x24, 4, MEMORY);
    config_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    set(GHC, 2);
    port_set(P_SERR, UINT32_MAX);
    port_set(P_CLB, LIST);
    port_set(P_FB, RECEIVED);
    port_set(P_IS, UINT32_MAX);
    port_set(P_IE, DHRS | PSS | OFS | HBFS | TFES);
    port_set(P_CMD, 0x11);
    return 0;
}

static int down(void **state)
{
    (void)state;
    const char *broken = ahci_device.check(&pc.ahci);
    if (broken)
        fail_msg("%s", broken);
    free(host.ram);
    free(host.disk[1]);
    return 0;
}

/* A command in slot 3, with regions of `size` bytes that lie 64 KiB apart. */
static void put_command(uint8_t code, uint64_t lba, unsigned sectors, unsigned regions, uint32_t size)
{
    uint32_t *header = (uint32_t *)(host.ram + LIST + 3 * 32);
    uint8_t *fis = host.ram + TABLE;
    memset(header, 0, 32);
    header[0] = 5 | regions << 16;
    header[2] = TABLE;
    memset(fis, 0, 20);
    fis[0] = 0x27, fis[1] = 0x80, fis[2] = code, fis[7] = 0x40;
    for (unsigned i = 0; i < 3; i++) {
        fis[4 + i] = (uint8_t)(lba >> 8 * i);
        fis[8 + i] = (uint8_t)(lba >> (24 + 8 * i));
    }
    fis[12] = (uint8_t)sectors, fis[13] = (uint8_t)(sectors >> 8);
    for (unsigned i = 0; i < regions; i++) {
        uint32_t entry[4] = {DATA + i % 8 * 0x10000, 0, 0, size - 1};
        memcpy(host.ram + TABLE + 0x80 + 16 * i, entry, sizeof entry);
    }
}

static void issue(void)
{
    port_set(P_CI, 1 << 3);
}

static uint32_t moved(void)
{
    uint32_t value;
    memcpy(&value, host.ram + LIST + 3 * 32 + 4, 4);
    return value;
}

static void test_registers(void **state)
{
    (void)state;
    assert_int_equal(get(0) & 0x1fff, 31 << 8 | 3);
    assert_int_equal(get(GHC), 0x80000002);
    assert_int_equal(get(0x0c), 15);
    assert_int_equal(port_get(P_SIG), 0x101);
    assert_int_equal(port_get(P_SSTS), 0x113);
    assert_int_equal(port_get(P_TFD), 0x150);
    assert_int_equal(port_get(P_CMD) & 0xc011, 0xc011);
    assert_int_equal(get(0x100 + P_SSTS), 0);
    assert_int_equal(get(0x100 + P_TFD), 0x7f);
    /* Nothing is issued to a port without a drive, or that is stopped. */
    set(0x100 + P_CMD, 1);
    set(0x100 + P_CI, 1);
    assert_int_equal(get(0x100 + P_CI), 1);
    port_set(P_CMD, 0);
    assert_int_equal(port_get(P_CMD) & 0xc011, 0);
    issue();
    assert_int_equal(port_get(P_CI), 0);
}

static void test_read(void **state)
{
    (void)state;
    put_command(0x25, 4000, 8, 2, 0x800);
    issue();
    assert_int_equal(port_get(P_CI), 0);
    assert_int_equal(port_get(P_IS), DHRS);
    assert_int_equal(get(IS), 2);
    assert_int_equal(host.pci_pins[FUNCTION], 1);
    assert_int_equal(moved(), 4096);
    assert_sector(host.ram + DATA, 4000);
    assert_sector(host.ram + DATA + 0x10000 + 512, 4005);
    assert_int_equal(host.ram[RECEIVED + 0x40], 0x34);
    assert_int_equal(host.ram[RECEIVED + 0x42], 0x50);
    port_set(P_IS, DHRS);
    assert_int_equal(get(IS), 2);
    set(IS, 2);
    assert_int_equal(host.pci_pins[FUNCTION], 0);
}

static void test_write(void **state)
{
    (void)state;
    memset(host.ram + DATA, 0xc3, 1024);
    put_command(0x35, 70, 2, 1, 1024);
    issue();
    assert_int_equal(port_get(P_TFD), 0x50);
    assert_memory_equal(host.disk[1] + 70 * 512, host.ram + DATA, 1024);
    assert_sector(host.disk[1] + 72 * 512, 72);
}

/* Data by PIO end with a PIO Setup FIS (5.6.1), whose last word is in E_Status. */
static void test_identify(void **state)
{
    (void)state;
    put_command(0xec, 0, 0, 1, 512);
    issue();
    assert_int_equal(port_get(P_IS), PSS);
    assert_int_equal(host.ram[RECEIVED + 0x20], 0x5f);
    assert_int_equal(host.ram[RECEIVED + 0x20 + 15], 0x50);
    const uint16_t *id = (const uint16_t *)(host.ram + DATA);
    assert_int_equal(id[60], SECTORS);
    assert_int_equal(id[93], 0); /* a serial drive */
    assert_int_equal(id[76], 2);
    put_command(0x20, 9, 3, 1, 1536);
    port_set(P_IS, PSS);
    issue();
    assert_int_equal(port_get(P_IS), PSS);
    assert_sector(host.ram + DATA + 1024, 11);
}

/* The port stops at an error, with the command still issued, until ST is cleared (6.2.2.1). */
static void test_errors(void **state)
{
    (void)state;
    put_command(0x25, SECTORS, 1, 1, 512);
    issue();
    assert_int_equal(port_get(P_IS), TFES | DHRS);
    assert_int_equal(port_get(P_TFD), IDNF << 8 | 0x51);
    assert_int_equal(port_get(P_CI), 8);
    assert_int_equal(port_get(P_CMD) >> 8 & 31, 3); /* which one it was (6.2.2.1) */
    put_command(0x25, 5, 1, 1, 512);
    issue();
    assert_int_equal(port_get(P_CI), 8);
    port_set(P_CMD, 0x10);
    assert_int_equal(port_get(P_CI), 0);
    assert_int_equal(port_get(P_CMD) >> 8 & 31, 0);
    port_set(P_IS, UINT32_MAX);
    port_set(P_CMD, 0x11);
    issue();
    assert_int_equal(port_get(P_IS), DHRS);
    assert_sector(host.ram + DATA, 5);
    put_command(0x60, 5, 1, 1, 512); /* no queues */
    issue();
    assert_int_equal(port_get(P_TFD), 0x451);
}

static void assert_stops(uint32_t interrupt)
{
    port_set(P_CMD, 0x10);
    port_set(P_IS, UINT32_MAX);
    port_set(P_CMD, 0x11);
    issue();
    assert_int_equal(port_get(P_IS), interrupt);
}

static void test_bad_tables(void **state)
{
    (void)state;
    put_command(0x25, 5, 2, 1, 512);
    assert_stops(OFS);
    put_command(0x25, 5, 2, 0, 512);
    assert_stops(OFS);
    put_command(0x25, 5, 2, 1, 1024);
    *(uint32_t *)(host.ram + TABLE + 0x80) = RAM_BYTES - 512;
    assert_stops(HBFS);
    put_command(0x25, 5, 2, 1, 1024);
    *(uint32_t *)(host.ram + LIST + 3 * 32 + 12) = 1;
    assert_stops(HBFS);
    put_command(0x25, 5, 2, 1, 1024);
    host.ram[TABLE] = 0x34;
    assert_stops(HBFS);
    port_set(P_CLB, 0xfffffc00);
    assert_stops(HBFS);
}

static void test_long(void **state)
{
    (void)state;
    put_command(0x25, 0, SECTORS, 128, 0x8000);
    issue();
    assert_int_equal(port_get(P_CI), 8);
    assert_int_equal(port_get(P_IS), 0);
    assert_null(ahci_device.check(&pc.ahci));
    for (unsigned i = 0; i < 8 && pc.bus.next_deadline != DEADLINE_NONE; i++)
        bus_tick(&pc.bus, host.now);
    assert_int_equal(port_get(P_IS), DHRS);
    assert_int_equal(moved(), DISK_BYTES);
    /* COMRESET in the middle. */
    port_set(P_IS, DHRS);
    issue();
    port_set(P_SCTL, 1);
    assert_int_equal(port_get(P_SSTS), 0);
    port_set(P_SCTL, 0);
    assert_int_equal(port_get(P_SSTS), 0x113);
    assert_int_equal(port_get(P_TFD), 0x150);
    assert_int_equal(port_get(P_IS) & PCS, PCS);
    port_set(P_SERR, 1 << 26);
    assert_int_equal(port_get(P_IS) & PCS, 0);
}

static void test_soft_reset(void **state)
{
    (void)state;
    put_command(0, 0, 0, 0, 2);
    host.ram[TABLE + 1] = 0;
    host.ram[TABLE + 15] = 4;
    issue();
    assert_int_equal(port_get(P_TFD) & 0x80, 0x80);
    assert_int_equal(port_get(P_CI), 0);
    host.ram[TABLE + 15] = 0;
    issue();
    assert_int_equal(port_get(P_TFD), 0x150);
    assert_int_equal(port_get(P_IS), DHRS);
    assert_int_equal(host.ram[RECEIVED + 0x4c], 1);
    set(GHC, 1);
    assert_int_equal(get(GHC), 0x80000000);
    assert_int_equal(port_get(P_CMD), 6);
}

/* One message for each command; what is still pending when IS is cleared is told again. */
static void test_msi(void **state)
{
    (void)state;
    config_write(0x84, 4, 0xfee01000);
    config_write(0x8c, 2, 0x41);
    config_write(0x82, 2, 1);
    put_command(0x25, 5, 1, 1, 512);
    issue();
    assert_int_equal(host.msi_count, 1);
    assert_int_equal(host.msi[0].data, 0x41);
    assert_true(host.msi[0].address == 0xfee01000);
    assert_int_equal(host.pci_pins[FUNCTION], 0);
    set(IS, 2);
    assert_int_equal(host.msi_count, 2);
    port_set(P_IS, DHRS);
    set(IS, 2);
    assert_int_equal(host.msi_count, 2);
    issue();
    assert_int_equal(host.msi_count, 3);
}

static void test_check(void **state)
{
    (void)state;
    struct ahci good = pc.ahci;
    pc.ahci.port[1].slot = 33;
    assert_non_null(ahci_device.check(&pc.ahci));
    pc.ahci = good;
    pc.ahci.port[1].slot = 3; /* without data to move */
    assert_non_null(ahci_device.check(&pc.ahci));
    pc.ahci = good;
    pc.ahci.port[0].drive.kind = ATA_DISK;
    assert_non_null(ahci_device.check(&pc.ahci));
    pc.ahci = good;
    pc.ahci.port[1].entries = 0x10000;
    assert_non_null(ahci_device.check(&pc.ahci));
    pc.ahci = good;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_registers),  TEST(test_read), TEST(test_write),      TEST(test_identify), TEST(test_errors),
        TEST(test_bad_tables), TEST(test_long), TEST(test_soft_reset), TEST(test_msi),      TEST(test_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
