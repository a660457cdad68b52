/*
 * The VGA's memory: every write mode and read mode against FreeVGA, by examples and against a model that
 * works bit by bit; the chained modes; and where the guest sees memory in place of trapped accesses.
 *
 * sources: devices/vga.c devices/vga_memory.c devices/vga_retrace.c devices/vbe.c devices/pci.c devices/bus.c
 * sources: tests/unit/host_effects.c
 */
#include "vga_fixture.h"

enum { RANDOM_WRITES = 200000, MODEL_BYTES = 64 };

static uint8_t plane_byte(unsigned plane, uint32_t address)
{
    return host.spare[address * 4 + plane];
}

static void expect_planes(uint32_t address, uint8_t p0, uint8_t p1, uint8_t p2, uint8_t p3)
{
    assert_int_equal(plane_byte(0, address), p0);
    assert_int_equal(plane_byte(1, address), p1);
    assert_int_equal(plane_byte(2, address), p2);
    assert_int_equal(plane_byte(3, address), p3);
}

static void write_mode_0(void **state)
{
    (void)state;
    set_mode(&mode_12);
    poke(0xa0000, 0x5a);
    expect_planes(0, 0x5a, 0x5a, 0x5a, 0x5a);
    sequencer(2, 0x5);
    poke(0xa0000, 0xff);
    expect_planes(0, 0xff, 0x5a, 0xff, 0x5a);
    /* Set/reset: plane 0 all ones, plane 1 zeros, the others what the processor writes. */
    sequencer(2, 0xf);
    graphics(0, 0x1), graphics(1, 0x3);
    poke(0xa0000, 0x3c);
    expect_planes(0, 0xff, 0x00, 0x3c, 0x3c);
    /* Bits outside of the mask come from the latches. */
    graphics(1, 0), graphics(8, 0x0f);
    peek(0xa0000);
    poke(0xa0001, 0xaa);
    expect_planes(1, 0xfa, 0x0a, 0x3a, 0x3a);
    /* Rotation to the right, then the function with the latches. */
    graphics(8, 0xff), graphics(3, 3);
    poke(0xa0002, 0x81);
    expect_planes(2, 0x30, 0x30, 0x30, 0x30);
    graphics(3, 0x08);
    poke(0xa0002, 0xf0);
    expect_planes(2, 0xf0, 0x00, 0x30, 0x30);
    graphics(3, 0x10);
    poke(0xa0002, 0x01);
    expect_planes(2, 0xff, 0x01, 0x3d, 0x3d);
    graphics(3, 0x18);
    poke(0xa0002, 0xff);
    expect_planes(2, 0x00, 0xff, 0xc3, 0xc3);
}

static void write_modes_1_to_3(void **state)
{
    (void)state;
    set_mode(&mode_12);
    for (uint8_t plane = 0; plane < 4; plane++)
        sequencer(2, 1 << plane), poke(0xa0010, (uint8_t)(0x11 << plane));
    sequencer(2, 0xf);
    /* 1: the latches, whatever is written. */
    graphics(5, 1);
    peek(0xa0010);
    poke(0xa0020, 0xff);
    expect_planes(0x20, 0x11, 0x22, 0x44, 0x88);
    /* 2: bit n for all of plane n, through the bit mask. */
    graphics(5, 2), graphics(8, 0xf0);
    peek(0xa0010);
    poke(0xa0021, 0x0a);
    expect_planes(0x21, 0x01, 0xf2, 0x04, 0xf8);
    /* 3: set/reset through the bit mask and what is written, rotated; enable set/reset has no say. */
    graphics(5, 3), graphics(0, 0x6), graphics(1, 0), graphics(3, 4), graphics(8, 0x3c);
    peek(0xa0010);
    poke(0xa0022, 0xff);
    expect_planes(0x22, 0x01, 0x3e, 0x7c, 0x80);
    poke(0xa0023, 0x0f);
    expect_planes(0x23, 0x01, 0x32, 0x74, 0x88);
}

static void read_modes(void **state)
{
    (void)state;
    set_mode(&mode_12);
    for (uint8_t plane = 0; plane < 4; plane++)
        sequencer(2, 1 << plane), poke(0xa0000, (uint8_t)(0x35 + plane * 0x27));
    for (uint8_t plane = 0; plane < 4; plane++) {
        graphics(4, plane);
        assert_int_equal(peek(0xa0000), 0x35 + plane * 0x27);
    }
    /* 1: a one where the four bits are the colour that is compared with. 0x35 0x5c 0x83 0xaa: from bit 7 on
     * the pixels are 12, 2, 9, 3, 10, 3, 12, 5 ... */
    graphics(5, 0x08), graphics(7, 0xf);
    static const uint8_t pixels[8] = {0xc, 0x2, 0x9, 0x3, 0xa, 0x3, 0xc, 0x5};
    for (uint8_t color = 0; color < 16; color++) {
        uint8_t expected = 0;
        for (unsigned i = 0; i < 8; i++)
            expected |= (uint8_t)((pixels[i] == color) << (7 - i));
        graphics(2, color);
        assert_int_equal(peek(0xa0000), expected);
    }
    /* Planes that are not cared for match. */
    graphics(7, 0x8), graphics(2, 0x8);
    assert_int_equal(peek(0xa0000), 0xaa);
    graphics(7, 0);
    assert_int_equal(peek(0xa0000), 0xff);
}

/* One bit of one plane, as the documents' drawings have it. */
static unsigned model_bit(const uint8_t g[9], unsigned plane, unsigned bit, uint8_t value, unsigned latch)
{
    unsigned rotate = g[3] & 7, source = value >> (bit + rotate) % 8 & 1, mask = g[8] >> bit & 1;
    unsigned set_reset = g[0] >> plane & 1, data = source;
    if ((g[5] & 3) == 1)
        return latch;
    if ((g[5] & 3) == 0 && g[1] >> plane & 1)
        data = set_reset;
    if ((g[5] & 3) == 2)
        data = value >> plane & 1;
    if ((g[5] & 3) == 3)
        data = set_reset, mask &= source;
    unsigned function = g[3] >> 3;
    if (function == 1)
        data &= latch;
    if (function == 2)
        data |= latch;
    if (function == 3)
        data ^= latch;
    return mask ? data : latch;
}

static void random_writes(void **state)
{
    (void)state;
    static uint8_t memory[MODEL_BYTES][4];
    uint8_t latch[4] = {0}, g[9] = {0};
    uint32_t seed = 1;
    set_mode(&mode_12);
    memset(memory, 0, sizeof memory);
    for (unsigned i = 0; i < RANDOM_WRITES; i++) {
        seed = seed * 1664525 + 1013904223;
        uint8_t value = (uint8_t)(seed >> 24);
        uint32_t at = seed >> 8 & (MODEL_BYTES - 1);
        switch (seed >> 16 & 3) {
        case 0: {
            static const uint8_t registers[] = {0, 1, 3, 5, 8};
            static const uint8_t masks[] = {0x0f, 0x0f, 0x1f, 0x03, 0xff};
            unsigned which = (seed >> 18 & 63) % 5;
            g[registers[which]] = value & masks[which];
            graphics(registers[which], value & masks[which]);
            break;
        }
        case 1:
            sequencer(2, value);
            break;
        case 2:
            graphics(4, value);
            assert_int_equal(peek(0xa0000 + at), memory[at][value & 3]);
            memcpy(latch, memory[at], 4);
            break;
        case 3:
            poke(0xa0000 + at, value);
            for (unsigned plane = 0; plane < 4; plane++) {
                unsigned byte = 0;
                for (unsigned bit = 0; bit < 8; bit++)
                    byte |= model_bit(g, plane, bit, value, latch[plane] >> bit & 1) << bit;
                if (vga.sequencer[SEQ_MAP_MASK] >> plane & 1)
                    memory[at][plane] = (uint8_t)byte;
                assert_int_equal(plane_byte(plane, at), memory[at][plane]);
            }
            break;
        }
    }
}

static void memory_maps(void **state)
{
    (void)state;
    static const struct {
        uint8_t select;
        uint32_t address, outside;
    } maps[] = {{0, 0xa0000, 0}, {1, 0xa0000, 0xb0000}, {2, 0xb0000, 0xb8000}, {3, 0xb8000, 0xb7fff}};
    set_mode(&mode_12);
    for (uint8_t i = 0; i < 4; i++) {
        graphics(6, (uint8_t)(maps[i].select << 2 | 1));
        poke(maps[i].address + 5, (uint8_t)(0x40 + i));
        expect_planes(5, 0x40 + i, 0x40 + i, 0x40 + i, 0x40 + i);
        assert_int_equal(peek(maps[i].address + 5), 0x40 + i);
        if (!maps[i].outside)
            continue;
        poke(maps[i].outside, 0xee);
        assert_int_equal(peek(maps[i].outside), 0xff);
    }
    for (uint32_t i = 0; i < 0x10000; i++)
        if (host.spare[i * 4] == 0xee)
            fail();
    /* 128 KiB are twice 64. */
    graphics(6, 1);
    poke(0xb0007, 0x77);
    assert_int_equal(peek(0xa0007), 0x77);
}

/* Odd/even, trapped because plane 3 is written too: even addresses to planes 0 and 2, odd ones to 1 and 3. */
static void odd_even(void **state)
{
    (void)state;
    set_mode(&mode_03);
    sequencer(2, 0xf);
    poke(0xb8006, 0x41), poke(0xb8007, 0x1f);
    expect_planes(3, 0x41, 0x1f, 0x41, 0x1f);
    assert_int_equal(peek(0xb8006), 0x41);
    assert_int_equal(peek(0xb8007), 0x1f);
    sequencer(2, 0x1);
    poke(0xb8007, 0);
    expect_planes(3, 0x41, 0x1f, 0x41, 0x1f);
    assert_int_equal(host.map_count, 0);
}

static void text_is_memory(void **state)
{
    (void)state;
    uint8_t *text = host.spare + VGA_TEXT_WINDOW;
    set_mode(&mode_03);
    assert_int_equal(host.map_count, 0);
    poke(0xb8000, 'A');
    assert_int_equal(host.map_count, 1);
    assert_int_equal(last_map()->gpa, 0xb8000);
    assert_int_equal(last_map()->length, 0x8000);
    assert_ptr_equal(last_map()->from, text);
    assert_int_equal(last_map()->rights, MEMORY_ALL);
    assert_int_equal(text[0], 'A');
    text[1] = 0x1e; /* the guest's processor, without an exit */
    text[0x7fff] = 0x2f;
    assert_int_equal(peek(0xb8001), 0x1e);
    assert_int_equal(host.map_count, 1);
    /* A font is loaded into plane 2: the text goes into its planes, and comes back. */
    sequencer(2, 4), sequencer(4, 7), graphics(4, 2), graphics(5, 0), graphics(6, 4);
    assert_int_equal(host.map_count, 2);
    assert_int_equal(last_map()->rights, MEMORY_NONE);
    assert_int_equal(last_map()->gpa, 0xb8000);
    expect_planes(0, 'A', 0x1e, 0, 0);
    assert_int_equal(plane_byte(1, 0x3fff), 0x2f);
    poke(0xa0000, 0x99);
    expect_planes(0, 'A', 0x1e, 0x99, 0);
    sequencer(2, 1);
    poke(0xa0001, 'B');
    sequencer(2, 3), sequencer(4, 2), graphics(4, 0), graphics(5, 0x10), graphics(6, 0x0e);
    assert_int_equal(peek(0xb8002), 'B');
    assert_int_equal(peek(0xb8000), 'A');
    assert_int_equal(host.map_count, 3);
    /* A monochrome text mode is at 0xb0000. */
    graphics(6, 0x0a);
    assert_int_equal(last_map()->rights, MEMORY_NONE);
    assert_int_equal(peek(0xb0002), 'B');
    assert_int_equal(last_map()->gpa, 0xb0000);
    assert_int_equal(peek(0xb8002), 0xff);
}

static void mode_13_is_memory(void **state)
{
    (void)state;
    set_mode(&mode_13);
    poke(0xa0005, 0x77);
    assert_int_equal(last_map()->gpa, 0xa0000);
    assert_int_equal(last_map()->length, 0x10000);
    assert_ptr_equal(last_map()->from, host.spare);
    expect_planes(1, 0, 0x77, 0, 0);
    /* Through one plane only it is trapped: chain 4 chooses the plane by the address. */
    sequencer(2, 0x2);
    assert_int_equal(last_map()->rights, MEMORY_NONE);
    for (uint32_t i = 0; i < 4; i++)
        poke(0xa0008 + i, 0x11);
    expect_planes(2, 0, 0x11, 0, 0);
    sequencer(2, 0xf);
    graphics(3, 0x18);
    peek(0xa0009);
    poke(0xa0009, 0xff);
    assert_int_equal(peek(0xa0009), 0xee);
    /* Mode X: without chain 4, one byte of each plane behind one address. */
    graphics(3, 0), sequencer(4, 6);
    poke(0xa0003, 0x55);
    expect_planes(3, 0x55, 0x55, 0x55, 0x55);
    graphics(4, 1);
    assert_int_equal(peek(0xa0002), 0xee);
}

static void frame_buffer(void **state)
{
    (void)state;
    config(PCI_BAR0, 4, 0xffffffff); /* sizing */
    config(PCI_BAR0, 4, 0xe1000000);
    struct io io = {
        .region = 5, .offset = 0x123456, .size = 4, .space = IO_MEMORY, .write = true, .value = 0x11223344};
    config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    assert_int_equal(host.map_count, 0);
    vga_device.io(&vga, &io);
    assert_int_equal(host.spare[0x123456], 0x44);
    assert_int_equal(host.spare[0x123459], 0x11);
    assert_int_equal(host.map_count, 1);
    assert_int_equal(last_map()->gpa, 0xe1000000);
    assert_int_equal(last_map()->length, VGA_FRAME_BUFFER);
    assert_ptr_equal(last_map()->from, host.spare);
    io.write = false, io.size = 2, io.value = UINT32_MAX;
    vga_device.io(&vga, &io);
    assert_int_equal(io.value, 0x3344);
    assert_int_equal(host.map_count, 1);
    /* The last bytes, and what reaches beyond them. */
    io.offset = VGA_FRAME_BUFFER - 1, io.size = 1, io.write = true;
    vga_device.io(&vga, &io);
    assert_int_equal(host.spare[VGA_FRAME_BUFFER - 1], 0x44);
    io.size = 2;
    vga_device.io(&vga, &io);
    assert_int_equal(host.spare[VGA_FRAME_BUFFER], 0);
    config(PCI_COMMAND, 2, 0);
    assert_int_equal(host.map_count, 2);
    assert_int_equal(last_map()->rights, MEMORY_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(write_mode_0),   TEST(write_modes_1_to_3), TEST(read_modes),
        TEST(random_writes),  TEST(memory_maps),        TEST(odd_even),
        TEST(text_is_memory), TEST(frame_buffer),       TEST(mode_13_is_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
