/*
 * The VGA: sequencer, CRT controller, graphics controller, attribute controller, DAC, and the function on the
 * PCI bus that they are behind.
 *
 * Document: FreeVGA (J. D. Neal), "VGA Chipset Reference"; IBM VGA/XGA Technical Reference (1992), section 2;
 * for the PCI function and its registers QEMU's specification of the standard VGA. State: struct vga. What is
 * done elsewhere: memory (vga_memory.c), linear modes (vbe.c), the time of retraces (vga_retrace.c). Missing:
 * the vertical interrupt (its bits read 0), the light pen, the monitor's sense bits (input status 0 reads 0),
 * the option ROM, which firmware gets from its host. Ignored bits: sequencer reset, feature control,
 * horizontal blanking, skews, and the asynchronous clears; port 0x3c3 (the VGA is always on).
 */
#include "vga.h"
#include "effects.h"
#include "string.h"

enum {
    REGION_MONO,
    REGION_PORTS,
    REGION_VBE_INDEX,
    REGION_VBE_DATA,
    REGION_WINDOW,
    REGION_FRAME_BUFFER,
    REGION_MMIO
};

enum {
    PORT_MONO = 0x3b4,
    PORT_ATTRIBUTE = 0x3c0,
    PORT_ATTRIBUTE_READ = 0x3c1,
    PORT_MISCELLANEOUS = 0x3c2, /* written; read, input status 0 */
    PORT_SUBSYSTEM = 0x3c3,
    PORT_SEQUENCER = 0x3c4,
    PORT_SEQUENCER_DATA = 0x3c5,
    PORT_DAC_MASK = 0x3c6,
    PORT_DAC_READ_INDEX = 0x3c7, /* written; read, the DAC's state */
    PORT_DAC_WRITE_INDEX = 0x3c8,
    PORT_DAC_DATA = 0x3c9,
    PORT_FEATURE_READ = 0x3ca,
    PORT_MISCELLANEOUS_READ = 0x3cc,
    PORT_GRAPHICS = 0x3ce,
    PORT_GRAPHICS_DATA = 0x3cf,
    /* At 0x3b0 for a monochrome display. */
    PORT_CRTC = 0x3d4,
    PORT_CRTC_DATA = 0x3d5,
    PORT_STATUS_1 = 0x3da, /* written, feature control */
    PORT_LAST = 0x3df,
    MONO_DISTANCE = 0x20,
};

enum { MISC_COLOR = 1 << 0, DAC_STATE_READING = 3, DAC_BITS_6 = 0x3f, MMIO_SIZE = 0x1000 };

static const struct pci_identity vga_identity = {
    .vendor = 0x1234,
    .device = 0x1111,
    .subsystem_vendor = 0x1af4,
    .subsystem = 0x1100,
    .class_code = 0x030000,
    .revision = 0x02, /* with registers in memory */
    .command_mask = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
    .bar = {[0] = {.size = VGA_FRAME_BUFFER, .kind = PCI_BAR_PREFETCHABLE, .region = REGION_FRAME_BUFFER},
            [2] = {.size = MMIO_SIZE, .kind = PCI_BAR_MEMORY, .region = REGION_MMIO}},
};

/* Bits that the registers have; the others read 0. */
static const uint8_t sequencer_bits[SEQ_REGISTERS] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
static const uint8_t graphics_bits[GFX_REGISTERS] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};

static uint8_t attribute_bits(unsigned index)
{
    static const uint8_t bits[ATTR_REGISTERS - ATTR_MODE] = {0xef, 0xff, 0x3f, 0x0f, 0x0f};
    if (index >= ATTR_REGISTERS)
        return 0;
    return index < ATTR_MODE ? 0x3f : bits[index - ATTR_MODE];
}

/* Bits that a write may not change: registers 0 to 7 are protected but for the line compare's bit. */
static uint8_t crtc_protected(const struct vga *vga, unsigned index)
{
    enum { OVERFLOW_LINE_COMPARE = 1 << 4 };
    if (!(vga->crtc[CRTC_V_RETRACE_END] & CRTC_PROTECT) || index > CRTC_OVERFLOW)
        return 0;
    return index == CRTC_OVERFLOW ? (uint8_t)~OVERFLOW_LINE_COMPARE : 0xff;
}

static void crtc_write(struct vga *vga, uint8_t value)
{
    if (vga->crtc_index >= CRTC_REGISTERS)
        return;
    uint8_t keep = crtc_protected(vga, vga->crtc_index);
    uint8_t *reg = &vga->crtc[vga->crtc_index];
    *reg = (uint8_t)((*reg & keep) | (value & ~keep));
}

/* The attribute controller's one port: index and data in turn. While the display has the palette (bit 5 of
 * the index) the palette cannot be written. */
static void attribute_write(struct vga *vga, uint8_t value)
{
    unsigned index = vga->attribute_index & ATTR_INDEX;
    if (!vga->attribute_data)
        vga->attribute_index = value & (ATTR_INDEX | ATTR_DISPLAY);
    else if (index >= ATTR_MODE || !(vga->attribute_index & ATTR_DISPLAY))
        vga->attribute[index] = value & attribute_bits(index);
    vga->attribute_data = !vga->attribute_data;
}

static uint8_t dac_read(struct vga *vga)
{
    uint8_t value = vga->dac[vga->dac_index][vga->dac_color];
    vga->dac_color = (uint8_t)((vga->dac_color + 1) % VGA_DAC_COLORS);
    if (vga->dac_color == 0)
        vga->dac_index++;
    return value;
}

/* An entry changes as a whole, with its third colour. */
static void dac_write(struct vga *vga, uint8_t value)
{
    vga->dac_pending[vga->dac_color++] = vga->vbe[VBE_ENABLE] & VBE_8BIT_DAC ? value : value & DAC_BITS_6;
    if (vga->dac_color < VGA_DAC_COLORS)
        return;
    memcpy(vga->dac[vga->dac_index++], vga->dac_pending, VGA_DAC_COLORS);
    vga->dac_color = 0;
}

static void dac_set_index(struct vga *vga, uint8_t value, bool writing)
{
    vga->dac_index = value;
    vga->dac_color = 0;
    vga->dac_writing = writing;
}

/* The ports of the CRT controller are at 0x3b0 or at 0x3d0; the others do not answer. */
static bool vga_answers(const struct vga *vga, uint16_t port)
{
    bool mono = port < PORT_ATTRIBUTE;
    return port <= PORT_GRAPHICS_DATA && !mono ? true : mono != (bool)(vga->miscellaneous & MISC_COLOR);
}

uint8_t vga_port_read(struct vga *vga, uint16_t port)
{
    if (!vga_answers(vga, port))
        return 0xff;
    switch (port < PORT_ATTRIBUTE ? port + MONO_DISTANCE : port) {
    case PORT_ATTRIBUTE:
        return vga->attribute_data ? 0 : vga->attribute_index;
    case PORT_ATTRIBUTE_READ:
        return vga->attribute[vga->attribute_index & ATTR_INDEX];
    case PORT_MISCELLANEOUS:
        return 0;
    case PORT_SUBSYSTEM:
        return vga->subsystem_enable;
    case PORT_SEQUENCER:
        return vga->sequencer_index;
    case PORT_SEQUENCER_DATA:
        return vga->sequencer[vga->sequencer_index % sizeof vga->sequencer];
    case PORT_DAC_MASK:
        return vga->dac_mask;
    case PORT_DAC_READ_INDEX:
        return vga->dac_writing ? 0 : DAC_STATE_READING;
    case PORT_DAC_WRITE_INDEX:
        return vga->dac_index;
    case PORT_DAC_DATA:
        return dac_read(vga);
    case PORT_FEATURE_READ:
        return vga->feature_control;
    case PORT_MISCELLANEOUS_READ:
        return vga->miscellaneous;
    case PORT_GRAPHICS:
        return vga->graphics_index;
    case PORT_GRAPHICS_DATA:
        return vga->graphics[vga->graphics_index % sizeof vga->graphics];
    case PORT_CRTC:
        return vga->crtc_index;
    case PORT_CRTC_DATA:
        return vga->crtc_index < CRTC_REGISTERS ? vga->crtc[vga->crtc_index] : 0;
    case PORT_STATUS_1:
        vga->attribute_data = 0;
        return vga_retrace_status(vga, effect_now());
    }
    return 0xff;
}

static void vga_write_data(struct vga *vga, uint16_t port, uint8_t value)
{
    switch (port) {
    case PORT_SEQUENCER_DATA:
        if (vga->sequencer_index < SEQ_REGISTERS)
            vga->sequencer[vga->sequencer_index] = value & sequencer_bits[vga->sequencer_index];
        break;
    case PORT_GRAPHICS_DATA:
        if (vga->graphics_index < GFX_REGISTERS)
            vga->graphics[vga->graphics_index] = value & graphics_bits[vga->graphics_index];
        break;
    case PORT_CRTC_DATA:
        crtc_write(vga, value);
        return;
    case PORT_DAC_DATA:
        dac_write(vga, value);
        return;
    }
    vga_memory_update(vga);
}

void vga_port_write(struct vga *vga, uint16_t port, uint8_t value)
{
    if (!vga_answers(vga, port))
        return;
    if (port < PORT_ATTRIBUTE)
        port += MONO_DISTANCE;
    switch (port) {
    case PORT_ATTRIBUTE:
    case PORT_ATTRIBUTE_READ:
        attribute_write(vga, value);
        break;
    case PORT_MISCELLANEOUS:
        vga->miscellaneous = value & 0xef; /* bit 4 is reserved */
        break;
    case PORT_SUBSYSTEM:
        vga->subsystem_enable = value & 1;
        break;
    case PORT_SEQUENCER:
        vga->sequencer_index = value & 7;
        break;
    case PORT_DAC_MASK:
        vga->dac_mask = value;
        break;
    case PORT_DAC_READ_INDEX:
        dac_set_index(vga, value, false);
        break;
    case PORT_DAC_WRITE_INDEX:
        dac_set_index(vga, value, true);
        break;
    case PORT_GRAPHICS:
        vga->graphics_index = value & 15;
        break;
    case PORT_CRTC:
        vga->crtc_index = value;
        break;
    case PORT_STATUS_1:
        vga->feature_control = value & 0x03;
        break;
    default:
        vga_write_data(vga, port, value);
    }
}

static void vga_ports_io(struct vga *vga, struct io *io, uint16_t first)
{
    uint16_t port = (uint16_t)(first + io->offset);
    if (io->write)
        vga_port_write(vga, port, (uint8_t)io->value);
    else
        io->value = vga_port_read(vga, port);
}

static void vga_config_io(struct vga *vga, struct io *io)
{
    pci_config_io(&vga->pci, &vga_identity, vga, io);
    if (io->write)
        vga_memory_update(vga);
}

/* A guest without video memory has no VGA. */
static bool vga_is_there(const struct io *io)
{
    static const enum need_kind needs[][2] = {
        [IO_PORT] = {NEED_PORT_READ, NEED_PORT_WRITE}, [IO_MEMORY] = {NEED_MEMORY_READ, NEED_MEMORY_WRITE}};
    if (effect_spare(SPARE_VIDEO))
        return true;
    if (io->space != IO_CONFIG)
        effect_need(needs[io->space][io->write], vga_device.region[io->region].base + io->offset);
    return false;
}

static void vga_io(void *state, struct io *io)
{
    struct vga *vga = state;
    if (!vga_is_there(io))
        return;
    if (io->space == IO_CONFIG) {
        vga_config_io(vga, io);
        return;
    }
    switch (io->region) {
    case REGION_MONO:
        vga_ports_io(vga, io, PORT_MONO);
        break;
    case REGION_PORTS:
        vga_ports_io(vga, io, PORT_ATTRIBUTE);
        break;
    case REGION_VBE_INDEX:
        if (io->write)
            vga->vbe_index = (uint16_t)io->value;
        else
            io->value = vga->vbe_index;
        break;
    case REGION_VBE_DATA:
        if (io->write)
            vbe_write(vga, vga->vbe_index, (uint16_t)io->value);
        else
            io->value = vbe_read(vga, vga->vbe_index);
        break;
    case REGION_WINDOW:
        if (io->write)
            vga_window_write(vga, io->offset, (uint8_t)io->value);
        else
            io->value = vga_window_read(vga, io->offset);
        break;
    case REGION_FRAME_BUFFER:
        vga_frame_buffer_io(vga, io);
        break;
    case REGION_MMIO:
        vbe_mmio(vga, io);
        break;
    }
}

static void vga_reset(void *state, const struct device_slot *slot)
{
    struct vga *vga = state;
    pci_reset(&vga->pci, &vga_identity, slot->devfn);
    vga->miscellaneous = MISC_COLOR;
    vga->subsystem_enable = 1;
    vga->dac_mask = 0xff;
    vbe_reset(vga);
}

static const char *vga_check(const void *state)
{
    const struct vga *vga = state;
    if (vga->sequencer_index > 7 || vga->graphics_index > 15)
        return "index of a register";
    if (vga->attribute_data > 1 || vga->dac_color >= VGA_DAC_COLORS)
        return "flip-flop";
    const char *broken = vbe_check(vga);
    if (!broken)
        broken = vga_memory_check(vga);
    return broken ? broken : pci_check(&vga->pci, &vga_identity);
}

static void vga_inspect(const void *state, struct inspector *inspector)
{
    static const char *const vbe_names[VBE_REGISTERS] = {
        "VBE id",   "VBE x",         "VBE y",          "VBE bits",     "VBE enable",
        "VBE bank", "virtual width", "virtual height", "VBE x offset", "VBE y offset"};
    const struct vga *vga = state;
    pci_inspect(&vga->pci, inspector);
    inspector->field(inspector, "miscellaneous", vga->miscellaneous);
    inspector->field(inspector, "clocking mode", vga->sequencer[SEQ_CLOCKING_MODE]);
    inspector->field(inspector, "map mask", vga->sequencer[SEQ_MAP_MASK]);
    inspector->field(inspector, "memory mode", vga->sequencer[SEQ_MEMORY_MODE]);
    inspector->field(inspector, "graphics mode", vga->graphics[GFX_MODE]);
    inspector->field(inspector, "graphics miscellaneous", vga->graphics[GFX_MISCELLANEOUS]);
    inspector->field(inspector, "attribute mode", vga->attribute[ATTR_MODE]);
    inspector->field(inspector, "display on", vga->attribute_index & ATTR_DISPLAY);
    for (unsigned i = 0; i < VBE_REGISTERS; i++)
        inspector->field(inspector, vbe_names[i], vga->vbe[i]);
    inspector->field(inspector, "window", vga->window.base);
    inspector->field(inspector, "window shows", vga->window.offset);
    inspector->field(inspector, "frame buffer", vga->frame_buffer.base);
}

const struct device vga_device = {
    .name = "VGA",
    .state_size = sizeof(struct vga),
    .region_count = 7,
    .region = {[REGION_MONO] = {.base = PORT_MONO, .length = 8, .space = IO_PORT, .widths = WIDTH_1},
               [REGION_PORTS] = {.base = PORT_ATTRIBUTE, .length = 0x20, .space = IO_PORT, .widths = WIDTH_1},
               [REGION_VBE_INDEX] = {.base = 0x1ce, .length = 2, .space = IO_PORT, .widths = WIDTH_2},
               [REGION_VBE_DATA] = {.base = 0x1cf, .length = 2, .space = IO_PORT, .widths = WIDTH_2},
               [REGION_WINDOW] = {.base = 0xa0000, .length = 0x20000, .space = IO_MEMORY, .widths = WIDTH_1},
               [REGION_FRAME_BUFFER] = {.length = VGA_FRAME_BUFFER, .space = IO_MEMORY, .widths = WIDTH_ANY},
               [REGION_MMIO] = {.length = MMIO_SIZE, .space = IO_MEMORY, .widths = WIDTH_1 | WIDTH_2}},
    .reset = vga_reset,
    .io = vga_io,
    .check = vga_check,
    .inspect = vga_inspect,
    .missed_ticks = TICKS_NONE,
    .deadline = device_no_deadline,
    .tick = device_no_tick,
};
