/*
 * The VGA's registers against FreeVGA, its retraces against the times of its modes, and its PCI function.
 *
 * sources: devices/vga.c devices/vga_memory.c devices/vga_retrace.c devices/vbe.c devices/pci.c devices/bus.c
 * sources: tests/unit/host_effects.c
 */
#include "vga_fixture.h"

static void indexed_registers(void **state)
{
    (void)state;
    /* Bits that are not there read 0. */
    static const struct {
        uint16_t port;
        uint8_t index, reads;
    } all_ones[] = {{0x3c4, 0, 0x03}, {0x3c4, 1, 0x3d}, {0x3c4, 2, 0x0f},    {0x3c4, 3, 0x3f},
                    {0x3c4, 4, 0x0e}, {0x3c4, 5, 0x00}, {0x3ce, 0, 0x0f},    {0x3ce, 3, 0x1f},
                    {0x3ce, 4, 0x03}, {0x3ce, 5, 0x7b}, {0x3ce, 6, 0x0f},    {0x3ce, 8, 0xff},
                    {0x3ce, 9, 0x00}, {0x3d4, 0, 0xff}, {0x3d4, 0x18, 0xff}, {0x3d4, 0x19, 0},
                    {0x3d4, 0xff, 0}};
    for (size_t i = 0; i < sizeof all_ones / sizeof all_ones[0]; i++) {
        out(all_ones[i].port, all_ones[i].index);
        out(all_ones[i].port + 1, 0xff);
        assert_int_equal(in(all_ones[i].port), all_ones[i].index);
        assert_int_equal(in(all_ones[i].port + 1), all_ones[i].reads);
    }
}

/* Bit 7 of the vertical retrace end register protects registers 0 to 7, but for bit 8 of the line compare. */
static void crtc_protection(void **state)
{
    (void)state;
    crtc(0x00, 0x5f), crtc(0x07, 0x0f);
    crtc(0x11, 0x8e);
    crtc(0x00, 0x11), crtc(0x06, 0x22), crtc(0x07, 0xf0), crtc(0x09, 0x4f);
    out(0x3d4, 0x00);
    assert_int_equal(in(0x3d5), 0x5f);
    out(0x3d4, 0x06);
    assert_int_equal(in(0x3d5), 0);
    out(0x3d4, 0x07);
    assert_int_equal(in(0x3d5), 0x1f);
    out(0x3d4, 0x09);
    assert_int_equal(in(0x3d5), 0x4f);
    crtc(0x11, 0x0e);
    crtc(0x00, 0x11);
    out(0x3d4, 0x00);
    assert_int_equal(in(0x3d5), 0x11);
}

/* Index and data in turn; input status 1 starts with the index; the palette is the display's while bit 5 is
 * set. */
static void attribute_flip_flop(void **state)
{
    (void)state;
    attribute(0x00, 0xff), attribute(0x10, 0xff), attribute(0x11, 0xff), attribute(0x14, 0xff);
    static const uint8_t reads[][2] = {{0x00, 0x3f}, {0x10, 0xef}, {0x11, 0xff}, {0x14, 0x0f}, {0x15, 0}};
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
        in(0x3da);
        out(0x3c0, reads[i][0]);
        assert_int_equal(in(0x3c1), reads[i][1]);
    }
    in(0x3da);
    out(0x3c0, 0x20); /* index, display on */
    assert_int_equal(host_field(&vga_device, &vga, "display on"), 0x20);
    out(0x3c0, 0x15); /* data: refused */
    assert_int_equal(in(0x3c1), 0x3f);
    out(0x3c0, 0x31); /* index again */
    assert_int_equal(in(0x3c1), 0xff);
    out(0x3c0, 0x02); /* data, of no palette register */
    assert_int_equal(in(0x3c1), 0x02);
}

static void dac(void **state)
{
    (void)state;
    assert_int_equal(in(0x3c6), 0xff);
    out(0x3c8, 0xff);
    assert_int_equal(in(0x3c7), 0);
    static const uint8_t colors[] = {0x3f, 0x15, 0xc1, 0x01, 0x02, 0x03};
    for (size_t i = 0; i < sizeof colors; i++)
        out(0x3c9, colors[i]);
    assert_int_equal(in(0x3c8), 1); /* behind 0xff comes 0 */
    out(0x3c7, 0xff);
    assert_int_equal(in(0x3c7), 3);
    static const uint8_t expected[] = {0x3f, 0x15, 0x01, 0x01, 0x02, 0x03};
    for (size_t i = 0; i < sizeof expected; i++)
        assert_int_equal(in(0x3c9), expected[i]);
    /* Two colours of three change nothing. */
    out(0x3c8, 0), out(0x3c9, 0x30), out(0x3c9, 0x30);
    out(0x3c7, 0);
    assert_int_equal(in(0x3c9), 0x01);
    /* With VBE's wide DAC all eight bits count. */
    vbe(VBE_ENABLE, VBE_8BIT_DAC);
    out(0x3c8, 0), out(0x3c9, 0xf1), out(0x3c9, 0xf2), out(0x3c9, 0xf3);
    out(0x3c7, 0);
    assert_int_equal(in(0x3c9), 0xf1);
}

/* Bit 0 of the miscellaneous register moves the CRT controller between 0x3b0 and 0x3d0. */
static void mono_and_color(void **state)
{
    (void)state;
    out(0x3c2, 0xff);
    assert_int_equal(in(0x3cc), 0xef);
    crtc(0x0f, 0x5a);
    assert_int_equal(in(0x3b5), 0xff);
    out(0x3b5, 0x11);
    assert_int_equal(in(0x3d5), 0x5a);
    out(0x3c2, 0x66);
    assert_int_equal(in(0x3d5), 0xff);
    assert_int_equal(in(0x3b4), 0x0f);
    assert_int_equal(in(0x3b5), 0x5a);
    out(0x3b5, 0xa5);
    assert_int_equal(in(0x3b5), 0xa5);
    assert_int_equal(in(0x3d4), 0xff);
    assert_int_equal(in(0x3bb), 0xff); /* nothing is there */
    out(0x3ba, 0x03);
    assert_int_equal(in(0x3ca), 0x03);
}

enum { DISABLED = 1, RETRACE = 8, LINE_NS = 31777, FRAME_NS = 449 * LINE_NS };

/* Mode 3: 412 lines before the retrace, two lines long, 449 in all; 70 times a second. */
static void retrace_times(void **state)
{
    (void)state;
    set_mode(&mode_03);
    uint64_t starts = 0, ends = 0;
    bool before = in(0x3da) & RETRACE;
    for (uint64_t now = 0; now < 10 * FRAME_NS; now += 1000) {
        host.now = now;
        bool is = in(0x3da) & RETRACE;
        if (is && !before) {
            starts++;
            uint64_t line = now % FRAME_NS / LINE_NS;
            assert_true(line == 412);
        }
        ends += !is && before;
        before = is;
    }
    assert_int_equal(starts, 10);
    assert_int_equal(ends, 10);
    /* In the picture a line is dark for a fifth of its time, and below it always. */
    unsigned dark = 0;
    for (unsigned i = 0; i < 100; i++) {
        host.now = (uint64_t)100 * FRAME_NS + 10 * LINE_NS + i * LINE_NS / 100;
        dark += in(0x3da) & DISABLED;
    }
    assert_in_range(dark, 18, 22);
    host.now = (uint64_t)100 * FRAME_NS + 405 * LINE_NS + 10;
    in(0x3da);
    assert_int_equal(in(0x3da), DISABLED);
}

/* Who looks seldom still sees both values soon: in 5 looks, whatever the time between them. */
static void slow_polls(void **state)
{
    (void)state;
    static const uint64_t steps[] = {3000,         LINE_NS,          LINE_NS + 1,  2 * LINE_NS,
                                     50000,        10 * LINE_NS + 3, FRAME_NS / 2, FRAME_NS,
                                     FRAME_NS + 7, 3 * FRAME_NS + 11};
    set_mode(&mode_03);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        for (uint8_t bit = DISABLED; bit <= RETRACE; bit += RETRACE - DISABLED) {
            uint64_t limit = host.now + 5 * steps[i] + 3 * FRAME_NS;
            for (unsigned value = 0; value < 2; value++) {
                while ((bool)(in(0x3da) & bit) != value) {
                    host.now += steps[i];
                    assert_true(host.now < limit);
                }
            }
        }
    }
}

/* Registers without sense (as after reset) move all the same. */
static void retrace_without_mode(void **state)
{
    (void)state;
    unsigned seen = 0;
    for (unsigned i = 0; i < 20000; i++, host.now += 1000)
        seen |= in(0x3da) & RETRACE ? 1 : 2;
    assert_int_equal(seen, 3);
}

static void pci_function(void **state)
{
    (void)state;
    assert_int_equal(config_value(PCI_VENDOR_ID, 4), 0x11111234);
    assert_int_equal(config_value(PCI_REVISION_ID, 4), 0x03000002);
    config(PCI_BAR0, 4, 0xffffffff), config(PCI_BAR0 + 8, 4, 0xffffffff);
    assert_int_equal(config_value(PCI_BAR0, 4), 0xff000008);
    assert_int_equal(config_value(PCI_BAR0 + 4, 4), 0);
    assert_int_equal(config_value(PCI_BAR0 + 8, 4), 0xfffff000);
}

static void no_video_memory(void **state)
{
    (void)state;
    uint8_t *spare = host.spare;
    host.spare = NULL;
    assert_int_equal(config_value(PCI_VENDOR_ID, 4), 0xffffffff);
    assert_int_equal(in(0x3cc), 0xff);
    out(0x3c2, 0);
    assert_int_equal(peek(0xb8000), 0xff);
    assert_int_equal(host.needs[NEED_PORT_READ], 1);
    assert_int_equal(host.needs[NEED_PORT_WRITE], 1);
    assert_int_equal(host.needs[NEED_MEMORY_READ], 1);
    assert_int_equal(host.need_address, 0xb8000);
    host.spare = spare;
}

static void broken_blocks(void **state)
{
    (void)state;
    const struct vga good = vga;
    vga.sequencer_index = 8;
    assert_string_equal(vga_device.check(&vga), "index of a register");
    vga = good;
    vga.dac_color = 3;
    assert_string_equal(vga_device.check(&vga), "flip-flop");
    vga = good;
    vga.text_window = 1;
    assert_string_equal(vga_device.check(&vga), "text window");
    vga = good;
    vga.window = (struct vga_view){.base = 0xa0000, .length = 0x10000};
    assert_non_null(vga_device.check(&vga));
    vga = good;
    vga.vbe[VBE_BANK] = 256;
    assert_string_equal(vga_device.check(&vga), "VBE bank");
    vga = good;
    vga.vbe[VBE_ENABLE] = VBE_ENABLED;
    assert_string_equal(vga_device.check(&vga), "VBE mode");
    vga = good;
    vga.pci.config[0] ^= 1;
    assert_non_null(vga_device.check(&vga));
    vga = good;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(indexed_registers),    TEST(crtc_protection), TEST(attribute_flip_flop), TEST(dac),
        TEST(mono_and_color),       TEST(retrace_times),   TEST(slow_polls),          TEST(pci_function),
        TEST(retrace_without_mode), TEST(no_video_memory), TEST(broken_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
