/*
 * The VGA's memory as the processor sees it: the windows between 0xA0000 and 0xC0000, and the frame buffer.
 *
 * Document: FreeVGA, "Accessing the VGA Display Memory" and the pages of the graphics registers; IBM VGA/XGA
 * Technical Reference, 2-44 to 2-52 (write modes, read modes).
 *
 * Where a byte that the guest writes is the byte that is stored, the guest sees memory: the frame buffer, the
 * window in the linear modes (chain-4 and VBE), and the characters and attributes of a text mode, which lie
 * in the text window as long as it is so. Such memory is shown at the first access: a mode is set in many
 * steps, and most of what lies in between nobody looks at. All else is trapped, byte by byte.
 *
 * A plane's byte for chain-4 addresses A lies at A / 4, for odd/even addresses at A / 2: the gaps that a VGA
 * leaves there are closed, and the display's doubleword and word modes count accordingly. Only software that
 * looks at one mode's memory in another, which some do not agree on, could tell.
 *
 * Missing: 64 KiB of memory in place of 256, the second page of odd/even modes, a window that is switched
 * off.
 * Different: a read of memory that is shown leaves the latches as they are.
 * Ignored bits: miscellaneous output: RAM enable, page select; memory mode: extended memory; miscellaneous
 * graphics: chain odd/even; PCI's memory enable, as far as the window goes.
 */
#include "vga.h"
#include "effects.h"

static uint8_t *video_memory(void)
{
    return effect_spare(SPARE_VIDEO);
}

enum { WINDOW_BASE = 0xa0000, BANK_SHIFT = 16 };
enum { EVEN_PLANES = 0x5, ODD_PLANES = 0xa, ALL_PLANES = 0xf, TEXT_PLANES = 0x3 };

/* The function of the data rotate register. */
enum { ROTATE_COUNT = 7, FUNCTION_SHIFT = 3 };
enum vga_function { FUNCTION_REPLACE, FUNCTION_AND, FUNCTION_OR, FUNCTION_XOR };

/* The memory map select field (miscellaneous graphics register): offset from WINDOW_BASE, and length. */
static const struct {
    uint32_t offset, length;
} memory_map[] = {{0, 0x20000}, {0, 0x10000}, {0x10000, 0x8000}, {0x18000, 0x8000}};

enum { MEMORY_MAP_64K = 1 };

static unsigned vga_memory_map(const struct vga *vga)
{
    if (vbe_is_on(vga))
        return MEMORY_MAP_64K;
    return vga->graphics[GFX_MISCELLANEOUS] >> GFX_MEMORY_MAP_SHIFT & 3;
}

static bool vbe_is_linear(const struct vga *vga)
{
    return vbe_is_on(vga) && vga->vbe[VBE_BPP] > 4;
}

/* What is written is what is stored, for all planes of this mask. */
static bool is_plain(const struct vga *vga, uint8_t planes)
{
    const uint8_t *graphics = vga->graphics;
    return vga->sequencer[SEQ_MAP_MASK] == planes &&
           !(graphics[GFX_MODE] & (GFX_WRITE_MODE | GFX_READ_MODE_1)) && !graphics[GFX_ENABLE_SET_RESET] &&
           !graphics[GFX_DATA_ROTATE] && graphics[GFX_BIT_MASK] == 0xff;
}

static bool is_text(const struct vga *vga)
{
    const uint8_t *graphics = vga->graphics;
    return !vbe_is_on(vga) && !(graphics[GFX_MISCELLANEOUS] & GFX_GRAPHICS) &&
           !(vga->sequencer[SEQ_MEMORY_MODE] & (SEQ_NO_ODD_EVEN | SEQ_CHAIN_4)) &&
           graphics[GFX_MODE] & GFX_HOST_ODD_EVEN && !(graphics[GFX_READ_MAP] & 2) &&
           is_plain(vga, TEXT_PLANES);
}

/* What the guest may see in place of the window; length 0 where accesses are to be trapped. */
static struct vga_view window_view(const struct vga *vga)
{
    unsigned map = vga_memory_map(vga);
    struct vga_view view = {.base = WINDOW_BASE + memory_map[map].offset, .length = memory_map[map].length};
    if (vbe_is_linear(vga))
        view.offset = (uint32_t)vga->vbe[VBE_BANK] << BANK_SHIFT;
    else if (is_text(vga) && view.length == VGA_TEXT_SIZE)
        view.offset = VGA_TEXT_WINDOW;
    else if (vbe_is_on(vga) || !(vga->sequencer[SEQ_MEMORY_MODE] & SEQ_CHAIN_4) || !is_plain(vga, ALL_PLANES))
        view.length = 0;
    return view;
}

static struct vga_view frame_buffer_view(const struct vga *vga)
{
    struct vga_view view = {.base = pci_get32(&vga->pci, PCI_BAR0) & ~(VGA_FRAME_BUFFER - 1u)};
    bool on = pci_get16(&vga->pci, PCI_COMMAND) & PCI_COMMAND_MEMORY && view.base;
    view.length = on ? VGA_FRAME_BUFFER : 0;
    return view;
}

static bool is_view(const struct vga_view *view, const struct vga_view *other)
{
    return view->base == other->base && view->offset == other->offset && view->length == other->length;
}

/* Characters and attributes go from the planes into the text window, and back. */
static void text_gather(struct vga *vga)
{
    const uint8_t *plane = video_memory();
    uint8_t *text = video_memory() + VGA_TEXT_WINDOW;
    for (uint32_t i = 0; i < VGA_TEXT_SIZE; i += 2, plane += 4) {
        text[i] = plane[0];
        text[i + 1] = plane[1];
    }
    vga->text_window = 1;
}

static void text_scatter(struct vga *vga)
{
    uint8_t *plane = video_memory();
    const uint8_t *text = video_memory() + VGA_TEXT_WINDOW;
    for (uint32_t i = 0; i < VGA_TEXT_SIZE; i += 2, plane += 4) {
        plane[0] = text[i];
        plane[1] = text[i + 1];
    }
    vga->text_window = 0;
}

static void view_hide(struct vga_view *view, const struct vga_view *wanted)
{
    if (!view->length || is_view(view, wanted))
        return;
    effect_map(view->base, NULL, view->length, MEMORY_NONE);
    *view = (struct vga_view){0};
}

/* Where memory cannot be shown, each access goes on being trapped. */
static void view_show(struct vga_view *view, const struct vga_view *wanted)
{
    if (is_view(view, wanted))
        return;
    if (effect_map(wanted->base, video_memory() + wanted->offset, wanted->length, MEMORY_ALL))
        *view = *wanted;
}

void vga_memory_update(struct vga *vga)
{
    struct vga_view window = window_view(vga), frame_buffer = frame_buffer_view(vga);
    view_hide(&vga->window, &window);
    view_hide(&vga->frame_buffer, &frame_buffer);
    if (vga->text_window && (window.length == 0 || window.offset != VGA_TEXT_WINDOW))
        text_scatter(vga);
}

/* The byte of memory behind an offset in the window, which is shown from now on; NULL: there is no such. */
static uint8_t *window_memory(struct vga *vga, uint32_t offset)
{
    struct vga_view view = window_view(vga);
    uint32_t inside = WINDOW_BASE + offset - view.base;
    if (inside >= view.length)
        return NULL;
    if (view.offset == VGA_TEXT_WINDOW && !vga->text_window)
        text_gather(vga);
    view_show(&vga->window, &view);
    return video_memory() + view.offset + inside;
}

/* A byte of four planes: its doubleword, and which of them an access reaches. */
struct plane_place {
    uint8_t *bytes;
    uint8_t planes;
};

static struct plane_place window_planes(const struct vga *vga, uint32_t address, bool odd_even)
{
    uint32_t word = address;
    uint8_t planes = ALL_PLANES;
    if (vbe_is_on(vga)) {
        word += (uint32_t)vga->vbe[VBE_BANK] << BANK_SHIFT;
    } else if (vga->sequencer[SEQ_MEMORY_MODE] & SEQ_CHAIN_4) {
        word = address / 4;
        planes = (uint8_t)(1 << address % 4);
    } else if (odd_even) {
        word = address / 2;
        planes = address % 2 ? ODD_PLANES : EVEN_PLANES;
    }
    word %= vbe_is_on(vga) ? VGA_FRAME_BUFFER / 4 : VGA_PLANE_SIZE;
    return (struct plane_place){video_memory() + word * 4, planes};
}

static uint32_t load_planes(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void store_planes(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
    bytes[2] = (uint8_t)(value >> 16);
    bytes[3] = (uint8_t)(value >> 24);
}

/* A byte in each plane; and for each plane whose bit is set all ones. */
static uint32_t in_all_planes(uint8_t byte)
{
    return byte * 0x01010101u;
}

static uint32_t plane_bits(unsigned bits)
{
    return ((bits & ALL_PLANES) * 0x00204081u & 0x01010101u) * 0xff;
}

/* Read mode 1: the pixels whose colour is the one compared with, in the planes that are cared for. */
static uint8_t compare_colors(const struct vga *vga)
{
    uint32_t differs = (vga->latch ^ plane_bits(vga->graphics[GFX_COLOR_COMPARE])) &
                       plane_bits(vga->graphics[GFX_COLOR_DONT_CARE]);
    differs |= differs >> 16;
    return (uint8_t) ~(differs | differs >> 8);
}

uint8_t vga_window_read(struct vga *vga, uint32_t offset)
{
    const uint8_t *memory = window_memory(vga, offset);
    if (memory)
        return *memory;
    unsigned map = vga_memory_map(vga);
    uint32_t address = offset - memory_map[map].offset;
    if (address >= memory_map[map].length)
        return 0xff;
    bool odd_even = vga->graphics[GFX_MODE] & GFX_HOST_ODD_EVEN;
    struct plane_place place = window_planes(vga, address, odd_even);
    vga->latch = load_planes(place.bytes);
    if (vga->graphics[GFX_MODE] & GFX_READ_MODE_1)
        return compare_colors(vga);
    unsigned plane = vga->graphics[GFX_READ_MAP];
    if (place.planes == ODD_PLANES || place.planes == EVEN_PLANES)
        plane = (plane & 2) | address % 2;
    else if (place.planes != ALL_PLANES)
        plane = address % 4;
    return place.bytes[plane % 4];
}

static uint32_t combine(enum vga_function function, uint32_t data, uint32_t latch)
{
    switch (function) {
    case FUNCTION_AND:
        return data & latch;
    case FUNCTION_OR:
        return data | latch;
    case FUNCTION_XOR:
        return data ^ latch;
    case FUNCTION_REPLACE:
        break;
    }
    return data;
}

/* What the four planes get for a byte of the processor: the way through the graphics controller. */
static uint32_t write_data(const struct vga *vga, uint8_t value)
{
    const uint8_t *graphics = vga->graphics;
    unsigned rotate = graphics[GFX_DATA_ROTATE] & ROTATE_COUNT;
    uint8_t rotated = (uint8_t)(value >> rotate | value << (8 - rotate));
    uint8_t bit_mask = graphics[GFX_BIT_MASK];
    uint32_t set_reset = plane_bits(graphics[GFX_SET_RESET]), data;
    switch (graphics[GFX_MODE] & GFX_WRITE_MODE) {
    case 0: {
        uint32_t enabled = plane_bits(graphics[GFX_ENABLE_SET_RESET]);
        data = (in_all_planes(rotated) & ~enabled) | (set_reset & enabled);
        break;
    }
    case 1:
        return vga->latch;
    case 2:
        data = plane_bits(value);
        break;
    default:
        data = set_reset;
        bit_mask &= rotated;
        break;
    }
    uint32_t mask = in_all_planes(bit_mask);
    data = combine(graphics[GFX_DATA_ROTATE] >> FUNCTION_SHIFT & 3, data, vga->latch);
    return (data & mask) | (vga->latch & ~mask);
}

void vga_window_write(struct vga *vga, uint32_t offset, uint8_t value)
{
    uint8_t *memory = window_memory(vga, offset);
    if (memory) {
        *memory = value;
        return;
    }
    unsigned map = vga_memory_map(vga);
    uint32_t address = offset - memory_map[map].offset;
    if (address >= memory_map[map].length)
        return;
    bool odd_even = !(vga->sequencer[SEQ_MEMORY_MODE] & SEQ_NO_ODD_EVEN);
    struct plane_place place = window_planes(vga, address, odd_even);
    uint32_t written = plane_bits(place.planes & vga->sequencer[SEQ_MAP_MASK]);
    store_planes(place.bytes, (load_planes(place.bytes) & ~written) | (write_data(vga, value) & written));
}

void vga_frame_buffer_io(struct vga *vga, struct io *io)
{
    struct vga_view view = frame_buffer_view(vga);
    if (io->offset > (uint32_t)VGA_FRAME_BUFFER - io->size)
        return;
    uint8_t *memory = video_memory() + io->offset;
    if (!io->write)
        io->value = 0;
    for (unsigned i = 0; i < io->size; i++)
        if (io->write)
            memory[i] = (uint8_t)(io->value >> 8 * i);
        else
            io->value |= (uint32_t)memory[i] << 8 * i;
    if (view.length)
        view_show(&vga->frame_buffer, &view);
}

/* A view of another place would be taken away there, and what is shown here would stay. */
const char *vga_memory_check(const struct vga *vga)
{
    struct vga_view window = window_view(vga), frame_buffer = frame_buffer_view(vga);
    if (vga->text_window > 1 || (vga->text_window && (!window.length || window.offset != VGA_TEXT_WINDOW)))
        return "text window";
    if ((vga->window.length && !is_view(&vga->window, &window)) ||
        (vga->frame_buffer.length && !is_view(&vga->frame_buffer, &frame_buffer)))
        return "what the guest sees of the video memory";
    return NULL;
}
