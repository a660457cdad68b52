/*
 * The tables that the firmware leaves behind, as a system finds them in memory (ACPI 6.4, 5.2; MP 1.4, 4),
 * and the state of the PCI functions that they describe.
 *
 * sources: devices/firmware.c devices/reset_rom.c devices/acpi_tables.c devices/mptable.c
 * sources: devices/table_area.c
 * sources: devices/bus.c devices/p[ci]i*.c devices/i440fx.c devices/pam.c devices/ioapic.c devices/msix.c
 * sources: devices/virt*.c lib/format.c
 * sources: devices/disk_image.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "firmware.h"
#include "little_endian.h"
#include "pci_world.h"

enum { BIOS = 0xe0000, BIOS_END = 0x100000, HEADER = 36 };

static void prepare(uint32_t cpus)
{
    const struct table_machine machine = {.ioapic_id = TABLE_IOAPIC_ID,
                                          .hpet = true,
                                          .cpu_count = cpus,
                                          .cpu_signature = 0x00800f12,
                                          .cpu_features = 0x178bfbff};
    world_reset();
    assert_true(firmware_prepare(&world.pc.bus, &machine));
}

static int tear_down(void **state)
{
    (void)state;
    const char *device = "";
    const char *broken = bus_check(&world.pc.bus, &device);
    if (broken)
        fail_msg("%s: %s", device, broken);
    world_free();
    world.ram = world.disk = NULL;
    return 0;
}

static uint8_t sum(const uint8_t *bytes, uint32_t length)
{
    uint8_t total = 0;
    while (length--)
        total = (uint8_t)(total + *bytes++);
    return total;
}

/* The one place on a 16-byte boundary with this signature. */
static const uint8_t *search(const char *signature)
{
    const uint8_t *found = NULL;
    for (unsigned at = BIOS; at < BIOS_END; at += 16) {
        if (memcmp(world.ram + at, signature, strlen(signature)) == 0) {
            assert_null(found);
            found = world.ram + at;
        }
    }
    assert_non_null(found);
    return found;
}

/* A table named by the root tables, checked as a whole. */
static const uint8_t *acpi_table(const char *signature)
{
    const uint8_t *rsdp = search("RSD PTR ");
    assert_int_equal(sum(rsdp, 20), 0);
    assert_int_equal(rsdp[15], 2);
    assert_int_equal(load32(rsdp + 20), 36);
    assert_int_equal(sum(rsdp, 36), 0);
    const uint8_t *rsdt = world.ram + load32(rsdp + 16), *xsdt = world.ram + load64(rsdp + 24);
    assert_memory_equal(rsdt, "RSDT", 4);
    assert_memory_equal(xsdt, "XSDT", 4);
    assert_int_equal(sum(rsdt, load32(rsdt + 4)), 0);
    assert_int_equal(sum(xsdt, load32(xsdt + 4)), 0);
    unsigned count = (load32(rsdt + 4) - HEADER) / 4;
    assert_int_equal(count, (load32(xsdt + 4) - HEADER) / 8);
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *table = world.ram + load32(rsdt + HEADER + 4 * i);
        assert_ptr_equal(table, world.ram + load64(xsdt + HEADER + 8 * i));
        assert_in_range(table - world.ram, BIOS, BIOS_END - HEADER);
        if (memcmp(table, signature, 4) == 0) {
            assert_int_equal(sum(table, load32(table + 4)), 0);
            return table;
        }
    }
    fail_msg("no %s", signature);
    return NULL;
}

static void test_fadt(void **state)
{
    (void)state;
    prepare(1);
    const uint8_t *fadt = acpi_table("FACP");
    assert_int_equal(load32(fadt + 4), 244);
    assert_int_equal(load16(fadt + 46), 9); /* SCI */
    uint32_t event = load32(fadt + 56), control = load32(fadt + 64), timer = load32(fadt + 76);
    /* The registers answer where the table says. */
    assert_int_equal(world_in((uint16_t)event, 2), 0);
    world.now = 1000000000;
    assert_int_equal(world_in((uint16_t)timer, 4), 3579545);
    assert_false(load32(fadt + 112) & 1 << 8); /* the timer has 24 bits */
    assert_int_equal(load64(fadt + 148 + 4), event);
    assert_int_equal(load64(fadt + 172 + 4), control);
    assert_int_equal(load64(fadt + 208 + 4), timer);
    assert_int_equal(load64(fadt + 220 + 4), load32(fadt + 80));
    /* SMI_CMD turns ACPI on and off. */
    world_out(load16(fadt + 48), 1, fadt[52]);
    assert_int_equal(world_in((uint16_t)control, 2) & 1, 1);
    world_out(load16(fadt + 48), 1, fadt[53]);
    assert_int_equal(world_in((uint16_t)control, 2) & 1, 0);
    const uint8_t *facs = world.ram + load32(fadt + 36);
    assert_memory_equal(facs, "FACS", 4);
    assert_int_equal((facs - world.ram) % 64, 0);
    assert_int_equal(load64(fadt + 132), load32(fadt + 36));
}

static void test_dsdt(void **state)
{
    (void)state;
    prepare(2);
    const uint8_t *fadt = acpi_table("FACP"), *dsdt = world.ram + load32(fadt + 40);
    assert_memory_equal(dsdt, "DSDT", 4);
    assert_int_equal(sum(dsdt, load32(dsdt + 4)), 0);
    assert_int_equal(load64(fadt + 140), load32(fadt + 40));
    /* \_S5: soft off is written as SLP_TYP 0 with SLP_EN. Name (08) '_S5_', package (12) of 4 zeros (00). */
    static const uint8_t s5[] = {0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0, 0, 0, 0};
    bool found = false;
    for (uint32_t i = HEADER; i + sizeof s5 <= load32(dsdt + 4); i++)
        found |= memcmp(dsdt + i, s5, sizeof s5) == 0;
    assert_true(found);
    world_out((uint16_t)load32(fadt + 64), 2, 1 << 13);
    assert_int_equal(world.ended, GUEST_END_POWER_OFF);
}

/* IA-PC HPET Specification 1.0a, 3.2.4. */
static void test_hpet(void **state)
{
    (void)state;
    prepare(1);
    const uint8_t *hpet = acpi_table("HPET");
    assert_int_equal(load32(hpet + 4), 56);
    assert_true(load32(hpet + 36) == 0x8086a201);
    assert_int_equal(hpet[40], 0); /* memory */
    assert_true(load64(hpet + 44) == 0xfed00000);
    assert_int_equal(hpet[52], 0);
}

/* What the I/O APIC's ID register says. */
static unsigned ioapic_id(void)
{
    bus_write(&world.pc.bus, IO_MEMORY, GUEST_IOAPIC_BASE, 4, 0);
    return bus_read(&world.pc.bus, IO_MEMORY, GUEST_IOAPIC_BASE + 0x10, 4) >> 24;
}

static void check_madt(uint32_t cpus)
{
    prepare(cpus);
    const uint8_t *madt = acpi_table("APIC"), *end = madt + load32(madt + 4);
    unsigned processors = 0, ioapics = 0, nmis = 0, level = 0;
    assert_true(load32(madt + 36) == 0xfee00000);
    const uint8_t *at = madt + 44;
    for (; at < end; at += at[1]) {
        assert_true(at[1] >= 6);
        if (at[0] == 0) {
            assert_int_equal(at[3], processors++);
            assert_int_equal(load32(at + 4), 1);
        } else if (at[0] == 1) {
            ioapics++;
            assert_true(at[2] >= GUEST_CPUS_MAX);
            assert_int_equal(at[2], ioapic_id());
            assert_true(load32(at + 4) == 0xfec00000);
            assert_int_equal(load32(at + 8), 0);
        } else if (at[0] == 2) {
            assert_int_equal(load32(at + 4), at[3] == 0 ? 2 : at[3]);
            assert_int_equal(load16(at + 8), at[3] == 0 ? 0 : 0x0d);
            level |= at[3] ? 1u << at[3] : 0;
        } else {
            assert_int_equal(at[0], 4);
            assert_int_equal(at[2], 0xff);
            assert_int_equal(at[5], 1);
            nmis++;
        }
    }
    assert_ptr_equal(at, end);
    assert_int_equal(processors, cpus);
    assert_int_equal(ioapics, 1);
    assert_int_equal(nmis, 1);
    assert_int_equal(level, 1 << 5 | 1 << 9 | 1 << 10 | 1 << 11);
}

static void test_madt(void **state)
{
    (void)state;
    check_madt(1);
    check_madt(2);
    check_madt(GUEST_CPUS_MAX);
}

static void test_mptable(void **state)
{
    (void)state;
    static const uint8_t size[] = {20, 8, 8, 8, 8};
    prepare(3);
    const uint8_t *pointer = search("_MP_");
    assert_int_equal(sum(pointer, 16), 0);
    const uint8_t *table = world.ram + load32(pointer + 4), *at = table + 44;
    assert_memory_equal(table, "PCMP", 4);
    assert_int_equal(sum(table, load16(table + 4)), 0);
    unsigned count[5] = {0}, pins = 0, extint = 0;
    for (unsigned i = 0; i < load16(table + 34); i++) {
        unsigned type = at[0];
        assert_in_range(type, 0, 4);
        count[type]++;
        if (type == 2)
            assert_int_equal(at[1], ioapic_id());
        if (type == 3) {
            bool pci = at[4] == 0;
            assert_false(pci && load16(at + 2) != 0x0d);
            assert_false(!pci && pins & 1u << at[7]); /* edges share no pin */
            pins |= 1u << at[7];
            if (pci && at[5] == 4 << 2) /* the disk's INTA: as its interrupt line register says */
                assert_int_equal(at[7], world_config_read(PCI_DEVFN(4, 0), PCI_INTERRUPT_LINE, 1));
        }
        if (type == 4 && at[1] == 3) {
            extint++;
            assert_int_equal(at[7], 0);
        }
        at += size[type];
    }
    assert_int_equal(at - table, load16(table + 4));
    assert_int_equal(count[0], 3);
    assert_int_equal(count[1], 2);
    assert_int_equal(count[2], 1);
    assert_int_equal(count[4], 2);
    assert_int_equal(extint, 1);
    assert_int_equal(pins, 0xfffe); /* the timer is at 2, nothing at 0 */
}

static void test_pci_set_up(void **state)
{
    (void)state;
    prepare(1);
    unsigned disk = PCI_DEVFN(4, 0);
    uint32_t io = world_config_read(disk, PCI_BAR0, 4) & ~3u,
             memory = world_config_read(disk, PCI_BAR0 + 4, 4);
    assert_in_range(io, 0xc000, 0xff80);
    assert_in_range(memory, 0xc0000000, 0xfebfc000);
    assert_int_equal(world_in((uint16_t)(io + 0x0c), 2), VIRTQUEUE_SIZE_MAX);
    assert_int_equal(bus_read(&world.pc.bus, IO_MEMORY, memory + 0x18, 2), VIRTQUEUE_SIZE_MAX);
    /* The pin arrives at the interrupt that the line register promises. */
    unsigned line = world_config_read(disk, PCI_INTERRUPT_LINE, 1);
    pci_set_interrupt(&world.pc.disk[0].virtio.pci, true);
    assert_true(world.irq_sources[line]);
    assert_int_equal(load16(world.ram + 0x40e), 0x9fc0);
    assert_int_equal(load16(world.ram + 0x413), 639);
}

static void test_no_room(void **state)
{
    (void)state;
    const struct table_machine machine = {.cpu_count = GUEST_CPUS_MAX};
    uint8_t bytes[64];
    struct table_area area = {.bytes = bytes, .base = 0xf0000, .size = sizeof bytes};
    world_reset();
    assert_null(table_take(&area, 65, 1));
    assert_ptr_equal(table_take(&area, 1, 16), bytes);
    assert_ptr_equal(table_take(&area, 1, 16), bytes + 16);
    assert_null(table_take(&area, 49, 1));
    assert_null(table_take(&area, UINT32_MAX, 1));
    assert_true(firmware_prepare(&world.pc.bus, &machine));
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_fadt),    TEST(test_dsdt),       TEST(test_madt),    TEST(test_hpet),
        TEST(test_mptable), TEST(test_pci_set_up), TEST(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
