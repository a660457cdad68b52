/*
 * The VGA with Bochs' VBE extension: state block, registers by name, and what its files share. See vga.c
 * (registers), vga_memory.c (the windows at 0xA0000 to 0xBFFFF), vbe.c (the linear modes), vga_screen.h (the
 * picture).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "device.h"
#include "layout.h"
#include "pci.h"

/*
 * Video memory: what the guest sees in its frame buffer, and beyond it the text window, which holds the
 * characters and attributes of a text mode in the order in which the processor sees them. A doubleword of the
 * first 256 KiB is the four planes' byte at one address, plane 0 lowest.
 */
enum {
    VGA_FRAME_BUFFER = 16 << 20,
    VGA_TEXT_PLACE = 0x18000, /* 0xB8000 of the upper memory, whose RAM there nobody can see otherwise */
    VGA_TEXT_WINDOW = SPARE_UPPER - SPARE_VIDEO + VGA_TEXT_PLACE,
    VGA_TEXT_SIZE = 0x8000,
    VGA_PLANE_SIZE = 0x10000,
};
_Static_assert(VGA_FRAME_BUFFER == SPARE_VIDEO_SIZE, "the frame buffer is all of the video memory");

/* Indexed registers by their names in FreeVGA. */
enum vga_sequencer {
    SEQ_RESET,
    SEQ_CLOCKING_MODE,
    SEQ_MAP_MASK,
    SEQ_CHARACTER_MAP,
    SEQ_MEMORY_MODE,
    SEQ_REGISTERS
};
enum { SEQ_DOTS_8 = 1 << 0, SEQ_HALF_CLOCK = 1 << 3, SEQ_SCREEN_OFF = 1 << 5 };        /* clocking mode */
enum { SEQ_EXTENDED_MEMORY = 1 << 1, SEQ_NO_ODD_EVEN = 1 << 2, SEQ_CHAIN_4 = 1 << 3 }; /* memory mode */

enum vga_crtc {
    CRTC_H_TOTAL = 0x00,
    CRTC_H_DISPLAY_END = 0x01,
    CRTC_V_TOTAL = 0x06,
    CRTC_OVERFLOW = 0x07,
    CRTC_PRESET_ROW_SCAN = 0x08,
    CRTC_MAXIMUM_SCAN_LINE = 0x09,
    CRTC_CURSOR_START = 0x0a,
    CRTC_CURSOR_END = 0x0b,
    CRTC_START_HIGH = 0x0c,
    CRTC_START_LOW = 0x0d,
    CRTC_CURSOR_HIGH = 0x0e,
    CRTC_CURSOR_LOW = 0x0f,
    CRTC_V_RETRACE_START = 0x10,
    CRTC_V_RETRACE_END = 0x11,
    CRTC_V_DISPLAY_END = 0x12,
    CRTC_OFFSET = 0x13,
    CRTC_UNDERLINE = 0x14,
    CRTC_MODE_CONTROL = 0x17,
    CRTC_LINE_COMPARE = 0x18,
    CRTC_REGISTERS
};
enum {
    CRTC_SCAN_LINES = 0x1f, /* maximum scan line */
    CRTC_LINE_COMPARE_9 = 1 << 6,
    CRTC_SCAN_DOUBLING = 1 << 7,
    CRTC_CURSOR_OFF = 1 << 5, /* cursor start */
    CRTC_PROTECT = 1 << 7,    /* vertical retrace end */
    CRTC_NOT_ROW_13 = 1 << 0, /* mode control: row scan bit 0 does not replace address bit 13 */
    CRTC_NOT_ROW_14 = 1 << 1, /* row scan bit 1, address bit 14 */
    CRTC_BYTE_MODE = 1 << 6,  /* mode control */
};

enum vga_graphics {
    GFX_SET_RESET,
    GFX_ENABLE_SET_RESET,
    GFX_COLOR_COMPARE,
    GFX_DATA_ROTATE,
    GFX_READ_MAP,
    GFX_MODE,
    GFX_MISCELLANEOUS,
    GFX_COLOR_DONT_CARE,
    GFX_BIT_MASK,
    GFX_REGISTERS
};
enum {
    GFX_WRITE_MODE = 3, /* mode */
    GFX_READ_MODE_1 = 1 << 3,
    GFX_HOST_ODD_EVEN = 1 << 4,
    GFX_SHIFT_INTERLEAVE = 1 << 5,
    GFX_SHIFT_256 = 1 << 6,
    GFX_GRAPHICS = 1 << 0, /* miscellaneous */
    GFX_MEMORY_MAP_SHIFT = 2,
};

enum vga_attribute {
    ATTR_MODE = 0x10,
    ATTR_OVERSCAN = 0x11,
    ATTR_PLANE_ENABLE = 0x12,
    ATTR_PANNING = 0x13,
    ATTR_COLOR_SELECT = 0x14,
    ATTR_REGISTERS
};
enum {
    ATTR_LINE_GRAPHICS = 1 << 2, /* mode */
    ATTR_BLINK = 1 << 3,
    ATTR_PANNING_TOP = 1 << 5, /* no panning below the line compare */
    ATTR_COLOR_256 = 1 << 6,
    ATTR_COLOR_54_SELECT = 1 << 7,
    ATTR_INDEX = 0x1f, /* index register */
    ATTR_DISPLAY = 1 << 5,
};

/* Bochs' VBE registers ("dispi"). */
enum vbe_register {
    VBE_ID,
    VBE_XRES,
    VBE_YRES,
    VBE_BPP,
    VBE_ENABLE,
    VBE_BANK,
    VBE_VIRTUAL_WIDTH,
    VBE_VIRTUAL_HEIGHT,
    VBE_X_OFFSET,
    VBE_Y_OFFSET,
    VBE_REGISTERS,
    VBE_VIDEO_MEMORY_64K = VBE_REGISTERS, /* read-only */
};
enum {
    VBE_ENABLED = 1 << 0, /* enable */
    VBE_GET_CAPABILITIES = 1 << 1,
    VBE_8BIT_DAC = 1 << 5,
    VBE_LINEAR = 1 << 6,
    VBE_NO_CLEAR = 1 << 7,
    VBE_XRES_MAX = 2560,
    VBE_YRES_MAX = 1600,
    VBE_BPP_MAX = 32,
};

enum { VGA_DAC_ENTRIES = 256, VGA_DAC_COLORS = 3 };

/* What of the video memory a guest-physical range shows; length 0: nothing. */
struct vga_view {
    uint32_t base, offset, length;
};

struct vga {
    struct pci_function pci;
    uint8_t miscellaneous, feature_control, subsystem_enable;
    uint8_t sequencer_index, crtc_index, graphics_index, attribute_index;
    uint8_t attribute_data; /* the flip-flop: the next byte to 0x3c0 is data */
    uint8_t sequencer[8], crtc[32], graphics[16], attribute[32];
    uint32_t latch; /* plane 0 lowest */
    uint8_t dac_mask, dac_index, dac_color;
    uint8_t dac_writing; /* which of its two index registers was written last */
    uint8_t dac_pending[4];
    uint8_t dac[VGA_DAC_ENTRIES][VGA_DAC_COLORS]; /* six bits, or eight with VBE_8BIT_DAC */
    uint16_t vbe[VBE_REGISTERS];
    uint16_t vbe_index;
    uint8_t text_window;  /* planes 0 and 1 are in the text window */
    uint8_t status_shown; /* bits of input status 1 when it was last read, */
    uint8_t reserved[4];
    uint64_t status_time; /* and the guest time of that */
    struct vga_view window, frame_buffer;
};

extern const struct device vga_device;

/* A byte to or from one of the VGA's ports, 0x3b4 to 0x3df. A read of a port that does not answer is 0xff. */
uint8_t vga_port_read(struct vga *vga, uint16_t port);
void vga_port_write(struct vga *vga, uint16_t port, uint8_t value);

/* vga_retrace.c: bits 0 and 3 of input status 1 at this guest time. */
uint8_t vga_retrace_status(struct vga *vga, uint64_t now);

/* vga_memory.c: a byte in the window that begins at 0xA0000. */
uint8_t vga_window_read(struct vga *vga, uint32_t offset);
void vga_window_write(struct vga *vga, uint32_t offset, uint8_t value);
/* An access to the frame buffer that found no memory there. */
void vga_frame_buffer_io(struct vga *vga, struct io *io);
/* A register has changed: takes away what the guest should see no more. */
void vga_memory_update(struct vga *vga);
const char *vga_memory_check(const struct vga *vga);

/* vbe.c */
uint16_t vbe_read(const struct vga *vga, uint16_t index);
void vbe_write(struct vga *vga, uint16_t index, uint16_t value);
void vbe_reset(struct vga *vga);
const char *vbe_check(const struct vga *vga);
/* The registers' memory region, base address register 2. */
void vbe_mmio(struct vga *vga, struct io *io);
/* Bytes from one line of the linear modes to the next. */
uint32_t vbe_line_bytes(const struct vga *vga);

static inline bool vbe_is_on(const struct vga *vga)
{
    return vga->vbe[VBE_ENABLE] & VBE_ENABLED;
}
