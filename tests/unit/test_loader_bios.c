/*
 * The BIOS loader: the image at the end of the ROM, and the refusals.
 *
 * sources: loaders/[a-z]*.c lib/format.c lib/modules.c lib/image_*.c
 */
#include "loader_machine.h"

enum { SIZE = 256 << 10 };

static struct machine m;
static uint8_t *image;

static int set_up(void **state)
{
    (void)state;
    machine_init(&m, 16, LOADER_BIOS);
    image = malloc(SIZE);
    for (unsigned i = 0; i < SIZE; i++)
        image[i] = (uint8_t)(i ^ i >> 8);
    m.input.rom = malloc(SPARE_ROM_SIZE);
    strcpy(m.config.firmware, "bios.bin");
    machine_add(&m, "bios.bin", image, SIZE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(image);
    free(m.input.rom);
    machine_free(&m);
    return 0;
}

static void the_image_ends_with_the_rom(void **state)
{
    (void)state;
    assert_int_equal(machine_load(&m), NR_OK);
    assert_int_equal(m.groups, 0); /* the processor is as a reset leaves it */
    assert_memory_equal(m.input.rom + SPARE_ROM_SIZE - SIZE, image, SIZE);
    for (unsigned i = 0; i < SPARE_ROM_SIZE - SIZE; i++)
        assert_int_equal(m.input.rom[i], 0xff);
}

static void what_is_no_bios_is_refused(void **state)
{
    (void)state;
    m.module[0].size = SIZE - 1;
    machine_expect_refusal(
        &m, "firmware \"bios.bin\": 262143 bytes, a PC's BIOS has a multiple of 64 KiB, at most 1024");
    m.module[0].size = SPARE_ROM_SIZE + (64 << 10);
    machine_expect_refusal(&m, "package seabios");
    m.module[0].size = 0;
    machine_expect_refusal(&m, "0 bytes");
    m.module[0].size = SIZE;
    strcpy(m.config.firmware, "other.bin");
    machine_expect_refusal(&m, "no boot module \"g:other.bin\"");
}

static void a_guest_without_spare_memory_has_no_rom(void **state)
{
    (void)state;
    uint8_t *rom = m.input.rom;
    m.input.rom = NULL;
    machine_expect_refusal(&m, "no memory for it");
    m.input.rom = rom;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_image_ends_with_the_rom),
        TEST(what_is_no_bios_is_refused),
        TEST(a_guest_without_spare_memory_has_no_rom),
    };
    return cmocka_run_group_tests_name("loader bios", tests, NULL, NULL);
}
