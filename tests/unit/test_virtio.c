/*
 * A virtio device over PCI, from the driver's side: capabilities, registers, both interfaces, interrupts
 * (VIRTIO 1.2, 2.1 to 2.3, 4.1).
 *
 * sources: devices/bus.c devices/p[ci]i*.c devices/i440fx.c devices/pam.c devices/ioapic.c devices/msix.c
 * sources: devices/virt*.c lib/format.c
 */
#include "virtio_driver.h"

static void test_capabilities(void **state)
{
    (void)state;
    /* In the order in which drivers find them: of the two notifications first the one in the I/O BAR. */
    static const struct {
        uint8_t id, type, bar;
    } expected[] = {{0x11, 0, 0}, {0x09, 1, 1}, {0x09, 2, 0}, {0x09, 2, 1},
                    {0x09, 3, 1}, {0x09, 4, 1}, {0x09, 5, 0}};
    unsigned at = world_config_read(DISK, PCI_CAPABILITIES, 1);
    assert_true(world_config_read(DISK, PCI_STATUS, 2) & PCI_STATUS_CAPABILITIES);
    for (unsigned i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_int_equal(world_config_read(DISK, at, 1), expected[i].id);
        if (expected[i].id == 0x11) {
            assert_int_equal(world_config_read(DISK, at + 2, 2), 1); /* two vectors */
        } else {
            assert_int_equal(world_config_read(DISK, at + 3, 1), expected[i].type);
            assert_int_equal(world_config_read(DISK, at + 4, 1), expected[i].bar);
        }
        at = world_config_read(DISK, at + 1, 1);
    }
    assert_int_equal(at, 0);
}

static void test_negotiation(void **state)
{
    (void)state;
    bars_on();
    common_write(0x00, 4, 1);
    assert_int_equal(common_read(0x04, 4), 1); /* VERSION_1 */
    common_write(0x00, 4, 0);
    assert_int_equal(common_read(0x04, 4), 1 << 29 | 1 << 28 | 1 << 9 | 1 << 6 | 1 << 2 | 1 << 1);
    common_write(0x00, 4, 2);
    assert_int_equal(common_read(0x04, 4), 0);
    /* A feature that was not offered: FEATURES_OK does not stay. */
    common_write(0x08, 4, 0);
    common_write(0x0c, 4, 1 << 5);
    common_write(0x14, 1, 0x0b);
    assert_int_equal(common_read(0x14, 1), 0x03);
    assert_int_equal(common_read(0x12, 2), 1); /* queues */
    common_write(0x16, 2, 1);                  /* a queue that is not there */
    assert_int_equal(common_read(0x18, 2), 0);
    common_write(0x1c, 2, 1);
    assert_int_equal(common_read(0x1c, 2), 0);
    common_write(0x10, 2, 7); /* a vector that is not there */
    assert_int_equal(common_read(0x10, 2), 0xffff);
    uint64_t capacity = bus_read(&world.pc.bus, IO_MEMORY, MEMORY_BAR + 0x2000, 8);
    assert_int_equal(capacity, WORLD_DISK_SECTORS);
    assert_int_equal(common_read(0x2014, 4), 512);
}

static void test_msix_masks(void **state)
{
    (void)state;
    modern_up(0);
    common_write(0x301c, 4, 1);
    assert_int_equal(request(IN, 0, 512), OK);
    assert_int_equal(world.msi_count, 0);
    assert_int_equal(common_read(0x3800, 4), 2);
    common_write(0x301c, 4, 0);
    assert_int_equal(world.msi_count, 1);
    assert_int_equal(common_read(0x3800, 4), 0);
    world_config_write(DISK, 0x42, 2, 0xc000);
    assert_int_equal(request(IN, 0, 512), OK);
    assert_int_equal(world.msi_count, 1);
    world_config_write(DISK, 0x42, 2, 0x8000);
    assert_int_equal(world.msi_count, 2);
}

/* The pin, without MSI-X: up until the ISR is read. */
static void test_pin(void **state)
{
    (void)state;
    modern_up(0);
    world_config_write(DISK, 0x42, 2, 0);
    assert_int_equal(request(IN, 0, 512), OK);
    assert_int_equal(world.msi_count, 0);
    assert_int_equal(world.irq_sources[11], 1u << IRQ_PIRQ_D);
    world_config_write(DISK, 0x42, 2, 0x8000); /* a function with MSI-X has no pin */
    assert_int_equal(world.irq_sources[11], 0);
    world_config_write(DISK, 0x42, 2, 0);
    assert_int_equal(world.irq_sources[11], 1u << IRQ_PIRQ_D);
    assert_int_equal(common_read(0x1000, 1), 1);
    assert_int_equal(world.irq_sources[11], 0);
    assert_int_equal(common_read(0x1000, 1), 0);
}

/* Nothing is taken before DRIVER_OK, nor from a queue that does not exist. */
static void test_notify_early(void **state)
{
    (void)state;
    modern_up(0);
    common_write(0x14, 1, 0x0b);
    put_header(IN, 0);
    put_chain(descriptor(0), 0, 512, true);
    offer(0);
    notify();
    assert_int_equal(used_index(), 0);
    common_write(0x14, 1, STATUS_DRIVER_OK);
    world_out(IO_BAR + 0x10, 2, 1);
    assert_int_equal(used_index(), 0);
    common_write(0x1800, 2, 0); /* the other notify capability */
    assert_int_equal(used_index(), 1);
}

static void test_legacy(void **state)
{
    (void)state;
    enum { RING = 0x10, LEGACY_AVAILABLE = 0x10800, LEGACY_USED = 0x11000 };
    bars_on();
    assert_true(world_in(IO_BAR, 4) & 1u << 28);
    world_out(IO_BAR + 0x12, 1, 3);
    world_out(IO_BAR + 0x04, 4, 0xffffffff); /* accepted as far as offered */
    assert_int_equal(world_in(IO_BAR + 0x04, 4), world_in(IO_BAR, 4));
    world_out(IO_BAR + 0x04, 4, 1 << 28);
    world_out(IO_BAR + 0x0e, 2, 0);
    assert_int_equal(world_in(IO_BAR + 0x0c, 2), SIZE);
    assert_int_equal(world_in(IO_BAR + 0x08, 4), 0);
    world_out(IO_BAR + 0x08, 4, RING);
    assert_int_equal(world_in(IO_BAR + 0x08, 4), RING);
    world_out(IO_BAR + 0x12, 1, 7);
    /* Device configuration, without and with MSI-X. */
    assert_int_equal(world_in(IO_BAR + 0x14, 4), WORLD_DISK_SECTORS);
    assert_int_equal(world_in(IO_BAR + 0x14 + 20, 4), 512);
    put_header(IN, 4);
    put_chain((struct descriptor *)(world.ram + RING * 4096), 0, 512, true);
    *ram16(LEGACY_AVAILABLE + 4) = 0;
    *ram16(LEGACY_AVAILABLE + 2) = 1;
    notify();
    assert_int_equal(*ram16(LEGACY_USED + 2), 1);
    assert_int_equal(world.ram[STATUS], OK);
    assert_memory_equal(world.ram + DATA, world.disk + 4 * 512, 512);
    assert_int_equal(world.irq_sources[11], 1u << IRQ_PIRQ_D);
    assert_int_equal(world_in(IO_BAR + 0x13, 1), 1);
    assert_int_equal(world.irq_sources[11], 0);
    msix_on();
    assert_int_equal(world_in(IO_BAR + 0x18, 4), WORLD_DISK_SECTORS);
    world_out(IO_BAR + 0x16, 2, 1);
    assert_int_equal(world_in(IO_BAR + 0x16, 2), 1);
    *ram16(LEGACY_AVAILABLE + 6) = 0;
    *ram16(LEGACY_AVAILABLE + 2) = 2;
    notify();
    assert_int_equal(world.msi_count, 1);
    world_out(IO_BAR + 0x08, 4, 0); /* the queue is taken away */
    *ram16(LEGACY_AVAILABLE + 2) = 3;
    notify();
    assert_int_equal(*ram16(LEGACY_USED + 2), 2);
    world_out(IO_BAR + 0x12, 1, 0);
    assert_int_equal(world_in(IO_BAR + 0x12, 1), 0);
    assert_int_equal(world_in(IO_BAR + 0x16, 2), 0xffff);
}

/* Legacy drivers use the device before they set DRIVER_OK (3.1.2). */
static void test_legacy_before_driver_ok(void **state)
{
    (void)state;
    enum { RING = 0x10, LEGACY_AVAILABLE = 0x10800, LEGACY_USED = 0x11000, STATUS_DRIVER = 3 };
    bars_on();
    world_out(IO_BAR + 0x12, 1, STATUS_DRIVER);
    world_out(IO_BAR + 0x08, 4, RING);
    put_header(IN, 4);
    put_chain((struct descriptor *)(world.ram + RING * 4096), 0, 512, true);
    *ram16(LEGACY_AVAILABLE + 2) = 1;
    notify();
    assert_int_equal(*ram16(LEGACY_USED + 2), 1);
    assert_int_equal(world.ram[STATUS], OK);
}

/* The window in configuration space reaches the BARs (4.1.4.9). */
static void test_window(void **state)
{
    (void)state;
    world_config_write(DISK, 0xa8 + 4, 1, 1);
    world_config_write(DISK, 0xa8 + 8, 4, 0x2000);
    world_config_write(DISK, 0xa8 + 12, 4, 4);
    assert_int_equal(world_config_read(DISK, 0xa8 + 16, 4), WORLD_DISK_SECTORS);
    world_config_write(DISK, 0xa8 + 8, 4, 0x14);
    world_config_write(DISK, 0xa8 + 12, 4, 1);
    world_config_write(DISK, 0xa8 + 16, 1, 3);
    assert_int_equal(world.pc.disk[0].virtio.status, 3);
    world_config_write(DISK, 0xa8 + 8, 4, 0x4000); /* outside of the BAR */
    assert_int_equal(world_config_read(DISK, 0xa8 + 16, 1), 0xff);
    world_config_write(DISK, 0xa8 + 4, 1, 6); /* no such BAR */
    world_config_write(DISK, 0xa8 + 8, 4, 0);
    assert_int_equal(world_config_read(DISK, 0xa8 + 16, 1), 0xff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_capabilities),
        TEST(test_negotiation),
        TEST(test_msix_masks),
        TEST(test_pin),
        TEST(test_notify_early),
        TEST(test_legacy),
        TEST(test_legacy_before_driver_ok),
        TEST(test_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
