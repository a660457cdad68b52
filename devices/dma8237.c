/*
 * The pair of DMA controllers 8237 of the AT: channels 0-3 move bytes, 5-7 words, 4 joins the first to the
 * second; and the page registers that give the upper address lines.
 *
 * Documents: Intel 8237A data sheet; IBM AT technical reference, DMA page registers; 82371SB (PIIX3), which
 * has all of it.
 * State: struct dma8237. A device moves what it has at once (effect_dma()), so nothing is in flight between
 * two upcalls.
 *
 * Missing: transfers that software requests or from memory to memory (the AT's boards cannot do them), the
 * refresh of channel 0, address lines above 24 (PIIX3 has none).
 * Ignored bits: command: all but "controller disable"; priority, timing and the sense of DREQ and DACK show
 * nowhere. Mode: demand, single and block transfers are the same here.
 */
#include "dma8237.h"
#include "effects.h"
#include "string.h"

enum { REGION_BYTES, REGION_PAGES, REGION_WORDS };
enum { PAGE_FIRST = 1 }; /* port 0x80 is the POST code's: system_ports.c */

/* Registers above the eight of addresses and counts: written, and read where the name says so. */
enum dma_register {
    REG_COMMAND = 8, /* read: status */
    REG_REQUEST,
    REG_MASK_ONE,
    REG_MODE,
    REG_CLEAR_FLIP_FLOP,
    REG_MASTER_CLEAR, /* read: temporary register */
    REG_CLEAR_MASK,
    REG_MASK_ALL, /* read: the mask, as PIIX3 has it */
};
enum { COMMAND_DISABLE = 4, CHANNEL_BITS = 3, SET_BIT = 4, ALL_CHANNELS = 0xf, NIBBLE = 4 };
enum {
    MODE_TRANSFER = 0x0c,
    MODE_VERIFY = 0x00,
    MODE_TO_MEMORY = 0x04,
    MODE_FROM_MEMORY = 0x08,
    MODE_AUTOINITIALISE = 0x10,
    MODE_DECREMENT = 0x20,
    MODE_CASCADE = 0xc0
};
enum { CASCADE_CHANNEL = 0 /* of the second controller: channel 4 */ };

/* Page register of each channel; channel 4's is that of refresh. */
static const uint8_t page_of_channel[DMA_CONTROLLERS * DMA_CHANNELS] = {0x7, 0x3, 0x1, 0x2,
                                                                        0xf, 0xb, 0x9, 0xa};

static uint8_t controller_status(struct dma8237_controller *controller)
{
    uint8_t status = (uint8_t)(controller->terminal | controller->request << NIBBLE);
    controller->terminal = 0;
    return status;
}

static void controller_clear(struct dma8237_controller *controller)
{
    controller->command = 0;
    controller->terminal = 0;
    controller->request = 0;
    controller->high_byte = 0;
    controller->mask = ALL_CHANNELS;
}

/* Bits 0 and 1 of a value name a channel, bit 2 says whether its bit is set. */
static void set_channel_bit(uint8_t *bits, uint8_t value)
{
    uint8_t bit = (uint8_t)(1u << (value & CHANNEL_BITS));
    *bits = (uint8_t)(value & SET_BIT ? *bits | bit : *bits & ~bit);
}

static void controller_write_control(struct dma8237_controller *controller, unsigned index, uint8_t value)
{
    switch (index) {
    case REG_COMMAND:
        controller->command = value;
        break;
    case REG_REQUEST:
        set_channel_bit(&controller->request, value);
        break;
    case REG_MASK_ONE:
        set_channel_bit(&controller->mask, value);
        break;
    case REG_MODE:
        controller->channel[value & CHANNEL_BITS].mode = (uint8_t)(value & ~CHANNEL_BITS);
        break;
    case REG_CLEAR_FLIP_FLOP:
        controller->high_byte = 0;
        break;
    case REG_MASTER_CLEAR:
        controller_clear(controller);
        break;
    case REG_CLEAR_MASK:
        controller->mask = 0;
        break;
    case REG_MASK_ALL:
        controller->mask = value & ALL_CHANNELS;
        break;
    default:
        break;
    }
}

static uint8_t controller_read_control(struct dma8237_controller *controller, unsigned index)
{
    if (index == REG_COMMAND)
        return controller_status(controller);
    return index == REG_MASK_ALL ? controller->mask : 0;
}

static void put_byte(uint16_t *word, bool high, uint8_t value)
{
    *word = (uint16_t)(high ? (*word & 0x00ff) | value << 8 : (*word & 0xff00) | value);
}

/* Even registers are addresses, odd ones counts. */
static void controller_io(struct dma8237_controller *controller, unsigned index, struct io *io)
{
    if (index >= REG_COMMAND) {
        if (io->write)
            controller_write_control(controller, index, (uint8_t)io->value);
        else
            io->value = controller_read_control(controller, index);
        return;
    }
    struct dma8237_channel *channel = &controller->channel[index / 2];
    uint16_t *now = index & 1 ? &channel->count : &channel->address;
    uint16_t *base = index & 1 ? &channel->base_count : &channel->base_address;
    bool high = controller->high_byte;
    controller->high_byte = !high;
    if (io->write) {
        put_byte(now, high, (uint8_t)io->value);
        put_byte(base, high, (uint8_t)io->value);
    } else {
        io->value = (uint8_t)(*now >> (high ? 8 : 0));
    }
}

static void dma8237_io(void *state, struct io *io)
{
    struct dma8237 *dma = state;
    uint8_t *page = &dma->page[(io->offset + PAGE_FIRST) % DMA_PAGES];
    if (io->region == REGION_BYTES)
        controller_io(&dma->controller[0], io->offset & 0xf, io);
    else if (io->region == REGION_WORDS)
        controller_io(&dma->controller[1], io->offset >> 1 & 0xf, io);
    else if (io->write)
        *page = (uint8_t)io->value;
    else
        io->value = *page;
}

/* The bytes that one stretch of consecutive addresses holds: up to the end of the count, of the request, and
 * of the 64 Ki units within which the address counts. */
static uint32_t stretch_length(const struct dma8237_channel *channel, unsigned shift, uint32_t length)
{
    uint32_t units = channel->count + 1u;
    uint32_t room = channel->mode & MODE_DECREMENT ? 1 : 0x10000u - channel->address;
    if (units > room)
        units = room;
    return units < length >> shift ? units : length >> shift;
}

/* Memory that is not RAM takes nothing and gives all ones. A channel that was set to verify, or to the other
 * direction, counts and moves nothing. */
static void move(uint64_t gpa, const struct dma8237_channel *channel, bool to_memory, uint8_t *bytes,
                 uint32_t length)
{
    uint8_t kind = channel->mode & MODE_TRANSFER;
    void *ram = effect_ram(gpa, length);
    if (to_memory && kind == MODE_TO_MEMORY && ram)
        memcpy(ram, bytes, length);
    else if (!to_memory && kind == MODE_FROM_MEMORY && ram)
        memcpy(bytes, ram, length);
    else if (!to_memory)
        memset(bytes, 0xff, length);
}

static void reach_terminal_count(struct dma8237_controller *controller, unsigned index)
{
    struct dma8237_channel *channel = &controller->channel[index];
    controller->terminal |= (uint8_t)(1u << index);
    controller->request &= (uint8_t) ~(1u << index);
    if (channel->mode & MODE_AUTOINITIALISE) {
        channel->address = channel->base_address;
        channel->count = channel->base_count;
    } else {
        controller->mask |= (uint8_t)(1u << index);
    }
}

static bool channel_open(const struct dma8237_controller *controller, unsigned index)
{
    return !(controller->command & COMMAND_DISABLE) && !(controller->mask >> index & 1);
}

uint32_t dma8237_transfer(struct dma8237 *dma, unsigned channel, bool to_memory, uint8_t *bytes,
                          uint32_t length, bool *terminal)
{
    unsigned which = channel / DMA_CHANNELS % DMA_CONTROLLERS, index = channel % DMA_CHANNELS, shift = which;
    struct dma8237_controller *controller = &dma->controller[which];
    struct dma8237_channel *regs = &controller->channel[index];
    uint32_t moved = 0;
    *terminal = false;
    /* Requests of the first controller pass through channel 4. */
    if (!channel_open(controller, index) ||
        (which == 0 && !channel_open(&dma->controller[1], CASCADE_CHANNEL)) ||
        (regs->mode & MODE_CASCADE) == MODE_CASCADE)
        return 0;
    while (!*terminal && (length - moved) >> shift) {
        uint32_t part = stretch_length(regs, shift, length - moved);
        /* A page register gives lines 16 to 23, or 17 to 23: bit 0 is then nowhere. */
        uint64_t page = dma->page[page_of_channel[channel % sizeof page_of_channel]] & ~shift;
        move(page << 16 | (uint64_t)regs->address << shift, regs, to_memory, bytes + moved, part << shift);
        moved += part << shift;
        regs->address = (uint16_t)(regs->mode & MODE_DECREMENT ? regs->address - part : regs->address + part);
        *terminal = part == regs->count + 1u;
        regs->count = (uint16_t)(regs->count - part);
        if (*terminal)
            reach_terminal_count(controller, index);
    }
    return moved;
}

/* As firmware leaves it: channel 4 carries the first controller's requests. */
static void dma8237_reset(void *state, const struct device_slot *slot)
{
    struct dma8237 *dma = state;
    (void)slot;
    for (unsigned i = 0; i < DMA_CONTROLLERS; i++)
        controller_clear(&dma->controller[i]);
    dma->controller[1].channel[CASCADE_CHANNEL].mode = MODE_CASCADE;
    dma->controller[1].mask &= (uint8_t) ~(1u << CASCADE_CHANNEL);
}

static const char *dma8237_check(const void *state)
{
    const struct dma8237 *dma = state;
    for (unsigned i = 0; i < DMA_CONTROLLERS; i++) {
        const struct dma8237_controller *controller = &dma->controller[i];
        if ((controller->terminal | controller->request | controller->mask) & ~ALL_CHANNELS)
            return "channel bits";
        if (controller->high_byte > 1)
            return "flip-flop";
    }
    return NULL;
}

static void dma8237_inspect(const void *state, struct inspector *inspector)
{
    static const char *const addresses[] = {"address 0", "address 1", "address 2", "address 3",
                                            "address 4", "address 5", "address 6", "address 7"};
    static const char *const counts[] = {"count 0", "count 1", "count 2", "count 3",
                                         "count 4", "count 5", "count 6", "count 7"};
    const struct dma8237 *dma = state;
    for (unsigned i = 0; i < sizeof page_of_channel; i++) {
        const struct dma8237_channel *channel = &dma->controller[i / DMA_CHANNELS].channel[i % DMA_CHANNELS];
        inspector->field(inspector, addresses[i],
                         (uint64_t)dma->page[page_of_channel[i]] << 16 | channel->address);
        inspector->field(inspector, counts[i], channel->count);
    }
    inspector->field(inspector, "mask", dma->controller[0].mask | dma->controller[1].mask << NIBBLE);
}

const struct device dma8237_device = {
    .name = "8237",
    .state_size = sizeof(struct dma8237),
    .region_count = 3,
    .region = {[REGION_BYTES] = {.base = 0x00, .length = 16, .space = IO_PORT, .widths = WIDTH_1},
               [REGION_PAGES] = {.base = 0x81, .length = 15, .space = IO_PORT, .widths = WIDTH_1},
               [REGION_WORDS] = {.base = 0xc0, .length = 32, .space = IO_PORT, .widths = WIDTH_1}},
    .reset = dma8237_reset,
    .io = dma8237_io,
    .check = dma8237_check,
    .inspect = dma8237_inspect,
    .missed_ticks = TICKS_NONE,
    .deadline = device_no_deadline,
    .tick = device_no_tick,
};
