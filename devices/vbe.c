/*
 * Bochs' VBE extension: linear modes of 4 to 32 bits for each pixel, and the VGA's registers in memory.
 *
 * Document: Bochs, "vbe_display_api.txt" (interface version 0xB0C5); QEMU, "Standard VGA" (registers in
 * memory). State: in struct vga. While a mode is on it decides about the picture, and about the window at
 * 0xA0000, whatever the VGA's registers say; values that make no picture become the nearest that do, as on
 * QEMU. Missing: 3-bit DACs, the separate banks for reads and writes of later versions, EDID (its bytes read
 * as ones). Ignored bits: VBE_LINEAR (the frame buffer is always there).
 */
#include "vga.h"
#include "effects.h"
#include "string.h"

enum { ID_FIRST = 0xb0c0, ID_LAST = 0xb0c5, BANK_BYTES = 1 << 16, BANKS = VGA_FRAME_BUFFER / BANK_BYTES };

/* Offsets in the registers' memory region. */
enum {
    MMIO_VGA = 0x400, /* ports 0x3c0 to 0x3df */
    MMIO_VGA_SIZE = 0x20,
    MMIO_VBE = 0x500,
    MMIO_VBE_SIZE = 2 * (VBE_VIDEO_MEMORY_64K + 1),
    MMIO_EXTENSION = 0x600,
    MMIO_EXTENSION_SIZE = 8,
    PORT_VGA = 0x3c0,
};

static unsigned bits_per_pixel(const struct vga *vga)
{
    unsigned bits = vga->vbe[VBE_BPP];
    return bits == 15 ? 16 : bits;
}

uint32_t vbe_line_bytes(const struct vga *vga)
{
    return vga->vbe[VBE_VIRTUAL_WIDTH] * bits_per_pixel(vga) / 8;
}

static bool bits_are_known(unsigned bits)
{
    return bits == 4 || bits == 8 || bits == 15 || bits == 16 || bits == 24 || bits == 32;
}

static uint16_t clamp(uint32_t value, uint32_t lowest, uint32_t highest)
{
    return (uint16_t)(value < lowest ? lowest : value > highest ? highest : value);
}

/* Makes the registers describe a picture inside of the frame buffer. */
static void vbe_fit(struct vga *vga)
{
    enum { UNIT = 8 }; /* pixels */
    uint16_t *vbe = vga->vbe;
    if (!bits_are_known(vbe[VBE_BPP]))
        vbe[VBE_BPP] = 8;
    vbe[VBE_XRES] = clamp(vbe[VBE_XRES] & ~(UNIT - 1u), UNIT, VBE_XRES_MAX);
    vbe[VBE_YRES] = clamp(vbe[VBE_YRES], 1, VBE_YRES_MAX);
    uint32_t widest = VGA_FRAME_BUFFER / bits_per_pixel(vga) * 8 / vbe[VBE_YRES];
    vbe[VBE_VIRTUAL_WIDTH] =
        clamp(vbe[VBE_VIRTUAL_WIDTH], vbe[VBE_XRES], widest < UINT16_MAX ? widest : UINT16_MAX) &
        (uint16_t) ~(UNIT - 1u);
    vbe[VBE_VIRTUAL_HEIGHT] = clamp(VGA_FRAME_BUFFER / vbe_line_bytes(vga), 1, UINT16_MAX);
    vbe[VBE_X_OFFSET] = clamp(vbe[VBE_X_OFFSET], 0, vbe[VBE_VIRTUAL_WIDTH] - vbe[VBE_XRES]);
    if (vbe[VBE_BPP] == 4)
        vbe[VBE_X_OFFSET] &= (uint16_t) ~(UNIT - 1u);
    vbe[VBE_Y_OFFSET] = clamp(vbe[VBE_Y_OFFSET], 0, vbe[VBE_VIRTUAL_HEIGHT] - vbe[VBE_YRES]);
}

uint16_t vbe_read(const struct vga *vga, uint16_t index)
{
    if (index == VBE_VIDEO_MEMORY_64K)
        return BANKS;
    if (vga->vbe[VBE_ENABLE] & VBE_GET_CAPABILITIES && index >= VBE_XRES && index <= VBE_BPP) {
        static const uint16_t largest[] = {VBE_XRES_MAX, VBE_YRES_MAX, VBE_BPP_MAX};
        return largest[index - VBE_XRES];
    }
    return index < VBE_REGISTERS ? vga->vbe[index] : 0;
}

/* Switched on, a mode has no offsets, and its memory is cleared unless that is not wanted. */
static void vbe_enable(struct vga *vga, uint16_t value)
{
    enum { KNOWN = VBE_ENABLED | VBE_GET_CAPABILITIES | VBE_8BIT_DAC | VBE_LINEAR | VBE_NO_CLEAR };
    bool was_on = vbe_is_on(vga);
    vga->vbe[VBE_ENABLE] = value & KNOWN;
    if (was_on || !vbe_is_on(vga))
        return;
    vga->vbe[VBE_VIRTUAL_WIDTH] = vga->vbe[VBE_X_OFFSET] = vga->vbe[VBE_Y_OFFSET] = vga->vbe[VBE_BANK] = 0;
    vbe_fit(vga);
    vga_memory_update(vga); /* the text goes into its planes before they are cleared */
    if (!(value & VBE_NO_CLEAR))
        memset(effect_spare(SPARE_VIDEO), 0, (size_t)vga->vbe[VBE_YRES] * vbe_line_bytes(vga));
}

void vbe_write(struct vga *vga, uint16_t index, uint16_t value)
{
    if (index >= VBE_REGISTERS || index == VBE_VIRTUAL_HEIGHT)
        return;
    if (index == VBE_ID) {
        if (value >= ID_FIRST && value <= ID_LAST)
            vga->vbe[VBE_ID] = value;
        return;
    }
    if (index == VBE_ENABLE)
        vbe_enable(vga, value);
    else if (index == VBE_BANK)
        vga->vbe[VBE_BANK] = value % BANKS;
    else
        vga->vbe[index] = value;
    if (vbe_is_on(vga))
        vbe_fit(vga);
    vga_memory_update(vga);
}

static uint32_t mmio_read(struct vga *vga, uint32_t offset, unsigned size)
{
    static const uint8_t extension[MMIO_EXTENSION_SIZE] = {
        MMIO_EXTENSION_SIZE, 0, 0, 0, 0x1e, 0x1e, 0x1e, 0x1e}; /* size; pixels are little-endian */
    uint32_t value = 0;
    if (offset - MMIO_VBE < MMIO_VBE_SIZE)
        return (uint32_t)vbe_read(vga, (uint16_t)((offset - MMIO_VBE) / 2)) >> 8 * (offset % 2);
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = 0xff;
        if (offset + i - MMIO_VGA < MMIO_VGA_SIZE)
            byte = vga_port_read(vga, (uint16_t)(offset + i - MMIO_VGA + PORT_VGA));
        else if (offset + i - MMIO_EXTENSION < MMIO_EXTENSION_SIZE)
            byte = extension[offset + i - MMIO_EXTENSION];
        value |= (uint32_t)byte << 8 * i;
    }
    return value;
}

void vbe_mmio(struct vga *vga, struct io *io)
{
    if (!io->write) {
        io->value = mmio_read(vga, io->offset, io->size);
    } else if (io->offset - MMIO_VBE < MMIO_VBE_SIZE && io->size == 2) {
        vbe_write(vga, (uint16_t)((io->offset - MMIO_VBE) / 2), (uint16_t)io->value);
    } else if (io->offset - MMIO_VGA < MMIO_VGA_SIZE) {
        for (unsigned i = 0; i < io->size; i++)
            vga_port_write(vga, (uint16_t)(io->offset + i - MMIO_VGA + PORT_VGA),
                           (uint8_t)(io->value >> 8 * i));
    } else {
        effect_need(NEED_IGNORED, io->offset);
    }
}

void vbe_reset(struct vga *vga)
{
    vga->vbe[VBE_ID] = ID_LAST;
}

const char *vbe_check(const struct vga *vga)
{
    struct vga fitted = *vga;
    if (vga->vbe[VBE_BANK] >= BANKS)
        return "VBE bank";
    if (!vbe_is_on(vga))
        return NULL;
    vbe_fit(&fitted);
    return memcmp(fitted.vbe, vga->vbe, sizeof vga->vbe) ? "VBE mode" : NULL;
}
