/*
 * The host bridge's attribute map (82441FX data sheet, 3.2.10 and table 2): which segments each register is
 * for, and what the guest sees in each of the four states.
 *
 * sources: devices/pam.c devices/i440fx.c devices/pci.c devices/bus.c tests/unit/host_effects.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "host_effects.h"
#include "i440fx.h"
#include "layout.h"
#include "pam.h"

enum { PAM0 = 0x59, RX = MEMORY_READ | MEMORY_EXECUTE };
enum { ROM = 0, READ = 1, WRITE = 2, RAM = 3 };

static struct i440fx bridge;

static int set_up(void **state)
{
    (void)state;
    host_reset();
    host.spare = calloc(1, HOST_SPARE);
    host_device_reset(&i440fx_device, &bridge);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_null(i440fx_device.check(&bridge));
    free(host.spare);
    return 0;
}

/* One byte of the function's configuration space; returns how many segments that has changed. */
static unsigned set(unsigned reg, uint8_t value)
{
    struct io io = {.offset = PAM0 + reg, .value = value, .space = IO_CONFIG, .size = 1, .write = true};
    unsigned before = host.map_count;
    i440fx_device.io(&bridge, &io);
    return host.map_count - before;
}

static void assert_map(unsigned back, uint64_t gpa, uint64_t length, uint64_t from, unsigned rights)
{
    const struct host_map *map = &host.map[(host.map_count - back) % HOST_MAPS];
    assert_int_equal(map->gpa, gpa);
    assert_int_equal(map->length, length);
    assert_int_equal(map->rights, rights);
    if (rights)
        assert_int_equal(map->from - host.spare, from);
}

static uint64_t ram_of(uint64_t gpa)
{
    return SPARE_UPPER + gpa - GUEST_VGA_HOLE;
}

static uint64_t rom_of(uint64_t gpa)
{
    return SPARE_ROM + SPARE_ROM_SIZE - (GUEST_UPPER_END - gpa);
}

static void a_reset_shows_the_rom(void **state)
{
    (void)state;
    assert_int_equal(host.map_count, 13);
    assert_map(13, 0xc0000, 0x4000, 0, MEMORY_NONE);
    assert_map(6, 0xdc000, 0x4000, 0, MEMORY_NONE);
    assert_map(5, 0xe0000, 0x4000, rom_of(0xe0000), RX);
    assert_map(1, 0xf0000, 0x10000, rom_of(0xf0000), RX);
}

static void each_register_has_two_segments(void **state)
{
    (void)state;
    assert_int_equal(set(0, RAM << 4), 1);
    assert_map(1, 0xf0000, 0x10000, ram_of(0xf0000), MEMORY_ALL);
    assert_int_equal(set(0, 0xff), 0); /* the other bits are not there */
    for (unsigned i = 1; i < PAM_REGISTERS; i++) {
        uint64_t first = 0xc0000 + (i - 1) * 0x8000ull;
        assert_int_equal(set(i, RAM | READ << 4), 2);
        assert_map(2, first, 0x4000, ram_of(first), MEMORY_ALL);
        assert_map(1, first + 0x4000, 0x4000, ram_of(first + 0x4000), RX);
        assert_int_equal(set(i, RAM | READ << 4), 0);
    }
}

static void written_ram_is_not_seen_before_it_is_read(void **state)
{
    struct io io = {
        .offset = 0x30010, .value = 0x12345678, .space = IO_MEMORY, .size = 4, .region = 2, .write = true};
    (void)state;
    set(0, WRITE << 4);
    assert_map(1, 0xf0000, 0x10000, rom_of(0xf0000), RX);
    i440fx_device.io(&bridge, &io);
    const uint8_t *ram = host.spare + ram_of(0xf0010);
    assert_int_equal(ram[0] | ram[1] << 8 | ram[2] << 16 | ram[3] << 24, 0x12345678);
    assert_int_equal(host.needs[NEED_IGNORED], 0);
    set(0, READ << 4);
    assert_map(1, 0xf0000, 0x10000, ram_of(0xf0000), RX);
    io.value = 0;
    i440fx_device.io(&bridge, &io); /* protected: ignored, and counted */
    assert_int_equal(ram[0], 0x78);
    assert_int_equal(host.needs[NEED_IGNORED], 1);
    assert_int_equal(host.need_address, 0xf0000);
    io.write = false;
    io.value = UINT32_MAX;
    i440fx_device.io(&bridge, &io); /* what is not mapped reads all ones */
    assert_int_equal(io.value, UINT32_MAX);
}

static void a_guest_without_spare_memory_keeps_its_ram(void **state)
{
    uint8_t *spare = host.spare;
    (void)state;
    host.spare = NULL;
    assert_int_equal(set(1, 0x33), 0);
    assert_int_equal(bridge.pci.config[PAM0 + 1], 0x33);
    host.spare = spare;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reset_shows_the_rom),
        TEST(each_register_has_two_segments),
        TEST(written_ram_is_not_seen_before_it_is_read),
        TEST(a_guest_without_spare_memory_keeps_its_ram),
    };
    return cmocka_run_group_tests_name("pam", tests, NULL, NULL);
}
