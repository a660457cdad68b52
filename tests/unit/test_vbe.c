/*
 * Bochs' VBE registers against vbe_display_api.txt, by port and in memory.
 *
 * sources: devices/vga.c devices/vga_memory.c devices/vga_retrace.c devices/vbe.c devices/pci.c devices/bus.c
 * sources: tests/unit/host_effects.c
 */
#include "vga_fixture.h"

enum { REGION_MMIO = 6 };

static uint32_t mmio(uint32_t offset, unsigned size, bool write, uint32_t value)
{
    struct io io = {.region = REGION_MMIO,
                    .offset = offset,
                    .size = (uint8_t)size,
                    .space = IO_MEMORY,
                    .write = write,
                    .value = write ? value : UINT32_MAX};
    vga_device.io(&vga, &io);
    return io.value;
}

static void set_vbe(uint16_t x, uint16_t y, uint16_t bits)
{
    vbe(VBE_ENABLE, 0);
    vbe(VBE_XRES, x), vbe(VBE_YRES, y), vbe(VBE_BPP, bits);
    vbe(VBE_ENABLE, VBE_ENABLED | VBE_LINEAR);
}

static void identity(void **state)
{
    (void)state;
    assert_int_equal(vbe_value(VBE_ID), 0xb0c5);
    vbe(VBE_ID, 0xb0c2);
    assert_int_equal(vbe_value(VBE_ID), 0xb0c2);
    vbe(VBE_ID, 0x1234);
    assert_int_equal(vbe_value(VBE_ID), 0xb0c2);
    assert_int_equal(vbe_value(VBE_VIDEO_MEMORY_64K), 256);
    assert_int_equal(vbe_value(11), 0);
    vbe(VBE_ENABLE, VBE_GET_CAPABILITIES);
    assert_in_range(vbe_value(VBE_XRES), 1920, UINT16_MAX);
    assert_in_range(vbe_value(VBE_YRES), 1200, UINT16_MAX);
    assert_int_equal(vbe_value(VBE_BPP), 32);
    vbe(VBE_ENABLE, 0);
    assert_int_equal(vbe_value(VBE_XRES), 0);
}

static void modes(void **state)
{
    (void)state;
    set_vbe(1920, 1200, 32);
    assert_int_equal(vbe_value(VBE_VIRTUAL_WIDTH), 1920);
    assert_int_equal(vbe_value(VBE_VIRTUAL_HEIGHT), (16 << 20) / (1920 * 4));
    assert_int_equal(vbe_line_bytes(&vga), 7680);
    set_vbe(800, 600, 15);
    assert_int_equal(vbe_line_bytes(&vga), 1600);
    set_vbe(800, 600, 4);
    assert_int_equal(vbe_line_bytes(&vga), 400);
    /* What makes no picture becomes one that does. */
    set_vbe(0, 0, 5);
    assert_int_equal(vbe_value(VBE_XRES), 8);
    assert_int_equal(vbe_value(VBE_YRES), 1);
    assert_int_equal(vbe_value(VBE_BPP), 8);
    set_vbe(65535, 65535, 32);
    assert_int_equal(vbe_value(VBE_XRES), 2560);
    assert_int_equal(vbe_value(VBE_YRES), 1600);
}

/* Panning and double buffering: the virtual screen is larger, the offsets stay inside of it. */
static void virtual_screen(void **state)
{
    (void)state;
    set_vbe(640, 480, 32);
    vbe(VBE_VIRTUAL_WIDTH, 1024);
    assert_int_equal(vbe_line_bytes(&vga), 4096);
    assert_int_equal(vbe_value(VBE_VIRTUAL_HEIGHT), 4096);
    vbe(VBE_X_OFFSET, 100), vbe(VBE_Y_OFFSET, 480);
    assert_int_equal(vbe_value(VBE_X_OFFSET), 100);
    assert_int_equal(vbe_value(VBE_Y_OFFSET), 480);
    vbe(VBE_X_OFFSET, 1000), vbe(VBE_Y_OFFSET, 65535);
    assert_int_equal(vbe_value(VBE_X_OFFSET), 384);
    assert_int_equal(vbe_value(VBE_Y_OFFSET), 4096 - 480);
    vbe(VBE_VIRTUAL_WIDTH, 65535);
    assert_int_equal(vbe_value(VBE_VIRTUAL_WIDTH), (16 << 20) / 4 / 480 / 8 * 8);
    vbe(VBE_VIRTUAL_WIDTH, 1);
    assert_int_equal(vbe_value(VBE_VIRTUAL_WIDTH), 640);
    assert_int_equal(vbe_value(VBE_X_OFFSET), 0);
}

/* The memory is cleared when a mode is switched on, as far as it is shown, unless NOCLEARMEM says not. */
static void clearing(void **state)
{
    (void)state;
    memset(host.spare, 0x55, VGA_FRAME_BUFFER);
    vbe(VBE_XRES, 640), vbe(VBE_YRES, 480), vbe(VBE_BPP, 8);
    vbe(VBE_ENABLE, VBE_ENABLED | VBE_NO_CLEAR);
    assert_int_equal(host.spare[0], 0x55);
    vbe(VBE_ENABLE, 0), vbe(VBE_ENABLE, VBE_ENABLED);
    assert_int_equal(host.spare[0], 0);
    assert_int_equal(host.spare[640 * 480 - 1], 0);
    assert_int_equal(host.spare[640 * 480], 0x55);
}

/* A text that is on the screen goes into its planes before they become the mode's memory. */
static void text_before_mode(void **state)
{
    (void)state;
    set_mode(&mode_03);
    poke(0xb8000, 'A'), poke(0xb8001, 7);
    vbe(VBE_XRES, 640), vbe(VBE_YRES, 480), vbe(VBE_BPP, 8);
    vbe(VBE_ENABLE, VBE_ENABLED | VBE_NO_CLEAR);
    assert_int_equal(host.spare[0], 'A');
    assert_int_equal(host.spare[1], 7);
    vbe(VBE_ENABLE, 0);
    assert_int_equal(peek(0xb8000), 'A');
}

static void banks(void **state)
{
    (void)state;
    set_vbe(1024, 768, 8);
    vbe(VBE_BANK, 3);
    poke(0xa0010, 0x5a);
    assert_int_equal(host.spare[0x30010], 0x5a);
    assert_ptr_equal(last_map()->from, host.spare + 0x30000);
    assert_int_equal(last_map()->length, 0x10000);
    vbe(VBE_BANK, 255);
    assert_int_equal(last_map()->rights, MEMORY_NONE);
    poke(0xaffff, 0x5b);
    assert_int_equal(host.spare[VGA_FRAME_BUFFER - 1], 0x5b);
    vbe(VBE_BANK, 256);
    assert_int_equal(vbe_value(VBE_BANK), 0);
    /* Four bits: planes, through the graphics controller. */
    set_mode(&mode_12);
    set_vbe(1280, 1024, 4);
    vbe(VBE_BANK, 1);
    sequencer(2, 0x8);
    poke(0xa0004, 0x81);
    assert_int_equal(host.spare[(0x10004 * 4) + 3], 0x81);
    assert_int_equal(host.spare[0x10004 * 4], 0);
}

static void registers_in_memory(void **state)
{
    (void)state;
    assert_int_equal(mmio(0x500, 2, false, 0), 0xb0c5);
    assert_int_equal(mmio(0x514, 2, false, 0), 256);
    mmio(0x502, 2, true, 800), mmio(0x504, 2, true, 600), mmio(0x506, 2, true, 32);
    mmio(0x508, 2, true, VBE_ENABLED);
    assert_int_equal(vbe_value(VBE_XRES), 800);
    assert_int_equal(mmio(0x503, 1, false, 0), 800 >> 8);
    mmio(0x502, 1, true, 1);
    assert_int_equal(vbe_value(VBE_XRES), 800);
    assert_int_equal(host.needs[NEED_IGNORED], 1);
    /* 0x3c0 to 0x3df from 0x400 on: Linux' driver turns the display on so. */
    mmio(0x400, 1, true, 0x20);
    assert_int_equal(vga.attribute_index, 0x20);
    mmio(0x404, 2, true, 0x0f02);
    assert_int_equal(vga.sequencer[2], 0x0f);
    assert_int_equal(mmio(0x404, 2, false, 0), 0x0f02);
    assert_int_equal(mmio(0x600, 2, false, 0), 8);
    assert_int_equal(mmio(0x604, 2, false, 0), 0x1e1e);
    assert_int_equal(mmio(0x000, 2, false, 0), 0xffff);
    assert_int_equal(mmio(0xffe, 2, false, 0), 0xffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(identity),
        TEST(modes),
        TEST(virtual_screen),
        TEST(clearing),
        TEST(banks),
        TEST(text_before_mode),
        TEST(registers_in_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
