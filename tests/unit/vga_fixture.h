/* A VGA alone, with video memory of its own, for its tests: accesses by port, by window, and by register.
 * Included by one file of a program. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "host_effects.h"
#include "vga.h"

static struct vga vga;

static inline void out(uint16_t port, uint8_t value)
{
    host_out(&vga_device, &vga, port, 1, value);
}

static inline uint8_t in(uint16_t port)
{
    return (uint8_t)host_in(&vga_device, &vga, port, 1);
}

static inline void sequencer(uint8_t index, uint8_t value)
{
    out(0x3c4, index), out(0x3c5, value);
}

static inline void graphics(uint8_t index, uint8_t value)
{
    out(0x3ce, index), out(0x3cf, value);
}

static inline void crtc(uint8_t index, uint8_t value)
{
    out(0x3d4, index), out(0x3d5, value);
}

static inline void attribute(uint8_t index, uint8_t value)
{
    in(0x3da);
    out(0x3c0, index), out(0x3c0, value);
}

/* Its data port overlaps its index port, as two regions. */
static inline uint16_t vbe_port(uint16_t port, bool write, uint16_t value)
{
    struct io io = {.space = IO_PORT, .size = 2, .write = write, .value = value};
    while (vga_device.region[io.region].base != port)
        io.region++;
    vga_device.io(&vga, &io);
    return (uint16_t)io.value;
}

static inline void vbe(uint16_t index, uint16_t value)
{
    vbe_port(0x1ce, true, index);
    vbe_port(0x1cf, true, value);
}

static inline uint16_t vbe_value(uint16_t index)
{
    vbe_port(0x1ce, true, index);
    return vbe_port(0x1cf, false, 0);
}

/* A byte in the window, as an access that is trapped. */
static inline void poke(uint32_t address, uint8_t value)
{
    host_out(&vga_device, &vga, address, 1, value);
}

static inline uint8_t peek(uint32_t address)
{
    return (uint8_t)host_in(&vga_device, &vga, address, 1);
}

static inline void config(unsigned reg, unsigned size, uint32_t value)
{
    struct io io = {.space = IO_CONFIG, .offset = reg, .size = (uint8_t)size, .write = true, .value = value};
    vga_device.io(&vga, &io);
}

static inline uint32_t config_value(unsigned reg, unsigned size)
{
    struct io io = {.space = IO_CONFIG, .offset = reg, .size = (uint8_t)size, .value = UINT32_MAX};
    vga_device.io(&vga, &io);
    return io.value;
}

static inline const struct host_map *last_map(void)
{
    return &host.map[(host.map_count - 1) % HOST_MAPS];
}

/* The register values of a mode: miscellaneous, sequencer 1 to 4, CRTC, attribute 0x10 to 0x14, graphics. */
struct vga_mode {
    uint8_t miscellaneous, sequencer[4], crtc[25], attribute[5], graphics[9];
};

/* IBM's modes (VGA/XGA Technical Reference, 2-89 ff.). */
static const struct vga_mode mode_03 = {0x67,
                                        {0x00, 0x03, 0x00, 0x02},
                                        {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00,
                                         0x4f, 0x0d, 0x0e, 0,    0,    0,    0,    0x9c, 0x8e,
                                         0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff},
                                        {0x0c, 0x00, 0x0f, 0x08, 0x00},
                                        {0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff}};
static const struct vga_mode mode_04 = {0x63,
                                        {0x09, 0x03, 0x00, 0x02},
                                        {0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0x00,
                                         0xc1, 0,    0,    0,    0,    0,    0,    0x9c, 0x8e,
                                         0x8f, 0x14, 0x00, 0x96, 0xb9, 0xa2, 0xff},
                                        {0x01, 0x00, 0x03, 0x00, 0x00},
                                        {0x00, 0x00, 0x00, 0x00, 0x00, 0x30, 0x0f, 0x00, 0xff}};
static const struct vga_mode mode_12 = {0xe3,
                                        {0x01, 0x0f, 0x00, 0x06},
                                        {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00,
                                         0x40, 0,    0,    0,    0,    0,    0,    0xea, 0x8c,
                                         0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff},
                                        {0x01, 0x00, 0x0f, 0x00, 0x00},
                                        {0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x0f, 0xff}};
static const struct vga_mode mode_13 = {0x63,
                                        {0x01, 0x0f, 0x00, 0x0e},
                                        {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00,
                                         0x41, 0,    0,    0,    0,    0,    0,    0x9c, 0x8e,
                                         0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff},
                                        {0x41, 0x00, 0x0f, 0x00, 0x00},
                                        {0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x05, 0x0f, 0xff}};

/* Sets a mode as a BIOS does, with the palette of the first sixteen colours. */
static inline void set_mode(const struct vga_mode *mode)
{
    out(0x3c2, mode->miscellaneous);
    for (uint8_t i = 0; i < 4; i++)
        sequencer(i + 1, mode->sequencer[i]);
    crtc(0x11, 0);
    for (uint8_t i = 0; i < 25; i++)
        crtc(i, mode->crtc[i]);
    for (uint8_t i = 0; i < 9; i++)
        graphics(i, mode->graphics[i]);
    for (uint8_t i = 0; i < 16; i++)
        attribute(i, i);
    for (uint8_t i = 0; i < 5; i++)
        attribute(0x10 + i, mode->attribute[i]);
    in(0x3da);
    out(0x3c0, 0x20);
}

static inline int set_up(void **state)
{
    (void)state;
    host_reset();
    host.spare = calloc(1, HOST_SPARE);
    host_device_reset(&vga_device, &vga);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    const char *broken = vga_device.check(&vga);
    if (broken)
        fail_msg("%s", broken);
    free(host.spare);
    host.spare = NULL;
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
