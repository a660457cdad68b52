/*
 * The virtio block device, from the driver's side: requests, the disk's bounds, its overlay (VIRTIO 1.2,
 * 5.2).
 *
 * sources: devices/bus.c devices/p[ci]i*.c devices/i440fx.c devices/pam.c devices/ioapic.c devices/msix.c
 * sources: devices/virt*.c lib/format.c
 */
#include "virtio_driver.h"

static void test_read(void **state)
{
    (void)state;
    modern_up(0);
    assert_int_equal(request(IN, 8, 4096), OK);
    assert_memory_equal(world.ram + DATA, world.disk + 8 * 512, 4096);
    assert_int_equal(*(uint32_t *)(world.ram + USED + 8), 4097); /* bytes written */
    assert_int_equal(world.msi_count, 1);
    assert_int_equal(world.msi[0].data, 0x41);
    assert_true(world.msi[0].address == 0xfee01000);
    assert_int_equal(request(IN, WORLD_DISK_SECTORS - 1, 512), OK);
    assert_int_equal(request(IN, WORLD_DISK_SECTORS, 0), OK);
    assert_int_equal(world.msi_count, 3);
}

static void test_write(void **state)
{
    (void)state;
    modern_up(0);
    memset(world.ram + DATA, 0x5a, 1024);
    assert_int_equal(request(OUT, 3, 1024), OK);
    for (unsigned i = 0; i < 1024; i++)
        assert_int_equal(world.disk[3 * 512 + i], 0x5a);
    assert_int_equal(world.disk[3 * 512 - 1], (uint8_t)(2 * 7 + 3 * 512 - 1));
    assert_int_equal(world.disk[5 * 512], (uint8_t)(5 * 7 + 5 * 512));
    memset(world.ram + DATA, 0, 1024);
    assert_int_equal(request(IN, 3, 1024), OK);
    assert_int_equal(world.ram[DATA + 1023], 0x5a);
}

static void test_bounds(void **state)
{
    (void)state;
    modern_up(0);
    assert_int_equal(request(IN, WORLD_DISK_SECTORS, 512), IOERR);
    assert_int_equal(request(IN, WORLD_DISK_SECTORS - 1, 1024), IOERR);
    assert_int_equal(request(IN, UINT64_MAX, 512), IOERR);
    assert_int_equal(request(IN, UINT64_MAX / 512 + 1, 512), IOERR);
    assert_int_equal(request(OUT, WORLD_DISK_SECTORS, 512), IOERR);
    assert_int_equal(request(OUT, UINT64_MAX - 1, 1024), IOERR);
    assert_int_equal(request(IN, 0, 513), IOERR); /* not a whole sector */
    /* Data outside of RAM. */
    put_header(IN, 0);
    put_chain(descriptor(0), 0, 512, true);
    descriptor(1)->address = WORLD_RAM - 256;
    offer(0);
    notify();
    assert_int_equal(world.ram[STATUS], IOERR);
    descriptor(1)->address = UINT64_MAX - 100;
    offer(0);
    notify();
    assert_int_equal(world.ram[STATUS], IOERR);
    assert_int_equal(common_read(0x14, 1), STATUS_DRIVER_OK);
}

static void test_overlay_full(void **state)
{
    (void)state;
    modern_up(0);
    world.overlay_pages = 1;
    assert_int_equal(request(OUT, 0, 4096), OK);
    assert_int_equal(request(OUT, 8, 4096), IOERR);
    assert_int_equal(request(OUT, 16, 512), IOERR);
    assert_int_equal(request(OUT, 1, 512), OK);
    assert_int_equal(world.logs, 1);
}

static void test_other_requests(void **state)
{
    (void)state;
    modern_up(0);
    assert_int_equal(request(FLUSH, 0, 0), OK);
    assert_int_equal(request(GET_ID, 0, 20), OK);
    assert_string_equal((char *)world.ram + DATA, "nullring-disk0");
    memset(world.ram + DATA, 0xaa, 32);
    assert_int_equal(request(GET_ID, 0, 4), OK);
    assert_int_equal(world.ram[DATA + 4], 0xaa);
    assert_int_equal(request(11, 0, 512), UNSUPP);
}

/* One notification moves a bounded number of bytes; the rest comes with the device's deadline. */
static void test_long_batch(void **state)
{
    (void)state;
    modern_up(0);
    put_header(IN, 0);
    put_chain(descriptor(0), 0, WORLD_DISK, true);
    for (unsigned i = 0; i < SIZE; i++)
        offer(0);
    notify();
    uint16_t first = used_index();
    assert_in_range(first, 1, SIZE - 1);
    assert_int_equal(world.pc.bus.next_deadline, world.now);
    for (unsigned i = 0; i < 32 && world.pc.bus.next_deadline != DEADLINE_NONE; i++)
        bus_tick(&world.pc.bus, world.now);
    assert_int_equal(used_index(), SIZE);
    assert_true(world.pc.bus.next_deadline == DEADLINE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_read),         TEST(test_write),          TEST(test_bounds),
        TEST(test_overlay_full), TEST(test_other_requests), TEST(test_long_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
