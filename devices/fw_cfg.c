/*
 * The firmware configuration device: how a virtual PC hands its description to its firmware, as items that
 * are selected by a number and read byte by byte, or by DMA.
 *
 * Document: QEMU, docs/specs/fw_cfg.rst. State: struct fw_cfg; the items' bytes lie in spare memory that the
 * guest does not see, and are made at each reset by firmware_files.c. Missing: writing to items. Ignored
 * bits: none; a DMA request for more than FW_CFG_DMA_MAX bytes, or to what is not RAM, ends with the error
 * bit.
 */
#include "fw_cfg.h"
#include "effects.h"
#include "firmware_files.h"
#include "layout.h"
#include "little_endian.h"
#include "string.h"

enum { REGION_SELECT, REGION_DMA };
enum { OFFSET_SELECT = 0, OFFSET_DATA = 1, OFFSET_DMA_LOW = 4 };

enum { SELECT_SIGNATURE = 0x00, SELECT_ID = 0x01, SELECT_DIRECTORY = 0x19, SELECT_FILE_FIRST = 0x20 };
#define SIGNATURE 0x554d4551u /* "QEMU" */
enum { ID_TRADITIONAL = 1, ID_DMA = 2 };

/* The directory: the number of files, and 64 bytes each, both big-endian. */
enum { DIRECTORY_ENTRY = 64, DIRECTORY_NAME = 8, DIRECTORY_SIZE = 4 + FW_CFG_ITEMS_MAX * DIRECTORY_ENTRY };

enum dma_control { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };
enum { DMA_DESCRIPTOR = 16, FW_CFG_DMA_MAX = 1 << 20, PAGE = 4096 };

static uint32_t swap32(uint32_t value)
{
    return __builtin_bswap32(value);
}

uint8_t *fw_cfg_add(struct fw_cfg *cfg, uint16_t selector, uint32_t size)
{
    uint8_t *area = effect_spare(SPARE_FIRMWARE);
    uint32_t start = (cfg->used + 15) & ~15u;
    if (!area || cfg->item_count == FW_CFG_ITEMS_MAX || start > SPARE_FIRMWARE_SIZE ||
        size > SPARE_FIRMWARE_SIZE - start)
        return NULL;
    cfg->item[cfg->item_count++] = (struct fw_cfg_item){.offset = start, .size = size, .selector = selector};
    cfg->used = start + size;
    return memset(area + start, 0, size);
}

/* The directory is the first item, so that its place is known. */
uint8_t *fw_cfg_add_file(struct fw_cfg *cfg, const char *name, uint32_t size)
{
    uint8_t *directory = effect_spare(SPARE_FIRMWARE);
    if (!directory)
        return NULL;
    uint32_t files = swap32(load32(directory));
    uint16_t selector = (uint16_t)(SELECT_FILE_FIRST + files);
    uint8_t *entry = directory + 4 + files * DIRECTORY_ENTRY;
    uint8_t *bytes = fw_cfg_add(cfg, selector, size);
    if (!bytes)
        return NULL;
    store32(directory, swap32(files + 1));
    store32(entry, swap32(size));
    entry[4] = (uint8_t)(selector >> 8);
    entry[5] = (uint8_t)selector;
    memcpy(entry + DIRECTORY_NAME, name, strnlen(name, FW_CFG_NAME - 1));
    return bytes;
}

void fw_cfg_shorten(struct fw_cfg *cfg, uint32_t size)
{
    uint8_t *directory = effect_spare(SPARE_FIRMWARE);
    struct fw_cfg_item *item = &cfg->item[cfg->item_count - 1];
    item->size = size;
    cfg->used = item->offset + size;
    store32(directory + 4 + (item->selector - SELECT_FILE_FIRST) * DIRECTORY_ENTRY, swap32(size));
}

/* What is left of the selected item; NULL and *left 0 at its end. */
static const uint8_t *fw_cfg_rest(const struct fw_cfg *cfg, uint32_t *left)
{
    const uint8_t *area = effect_spare(SPARE_FIRMWARE);
    *left = 0;
    for (unsigned i = 0; i < cfg->item_count && area; i++) {
        const struct fw_cfg_item *item = &cfg->item[i];
        if (item->selector != cfg->selector || cfg->position >= item->size)
            continue;
        *left = item->size - cfg->position;
        return area + item->offset + cfg->position;
    }
    return NULL;
}

static void fw_cfg_select(struct fw_cfg *cfg, uint16_t selector)
{
    cfg->selector = selector;
    cfg->position = 0;
}

/* Copies to the guest page by page: what it gave need not lie in one piece of RAM. Behind the item's end are
 * zeros. */
static bool dma_read(struct fw_cfg *cfg, uint64_t to, uint32_t length)
{
    uint32_t left;
    const uint8_t *from = fw_cfg_rest(cfg, &left);
    for (uint32_t done = 0, part; done < length; done += part) {
        uint64_t room = PAGE - (to + done) % PAGE;
        part = length - done < room ? length - done : (uint32_t)room;
        uint8_t *ram = effect_ram(to + done, part);
        if (!ram)
            return false;
        uint32_t filled = left > done ? left - done : 0;
        filled = filled < part ? filled : part;
        if (filled)
            memcpy(ram, from + done, filled);
        memset(ram + filled, 0, part - filled);
    }
    return true;
}

static uint32_t dma_perform(struct fw_cfg *cfg, uint32_t control, uint64_t address, uint32_t length)
{
    uint32_t left;
    if (control & DMA_SELECT)
        fw_cfg_select(cfg, (uint16_t)(control >> 16));
    if (length > FW_CFG_DMA_MAX || (control & DMA_WRITE) ||
        (control & DMA_READ && !dma_read(cfg, address, length)))
        return DMA_ERROR;
    fw_cfg_rest(cfg, &left);
    if (control & (DMA_READ | DMA_SKIP))
        cfg->position += length < left ? length : left;
    return 0;
}

/* The guest has written the lower half of the descriptor's address. */
static void dma_start(struct fw_cfg *cfg)
{
    uint8_t copy[DMA_DESCRIPTOR], *descriptor = effect_ram(cfg->dma, DMA_DESCRIPTOR);
    cfg->dma = 0;
    if (!descriptor) {
        effect_need(NEED_IGNORED, FW_CFG_PORT + OFFSET_DMA_LOW);
        return;
    }
    memcpy(copy, descriptor, sizeof copy);
    uint64_t address = (uint64_t)swap32(load32(copy + 8)) << 32 | swap32(load32(copy + 12));
    uint32_t result = dma_perform(cfg, swap32(load32(copy)), address, swap32(load32(copy + 4)));
    store32(descriptor, swap32(result));
}

static void dma_io(struct fw_cfg *cfg, struct io *io)
{
    static const char signature[8] = "QEMU CFG";
    if (!io->write) {
        io->value = load32((const uint8_t *)signature + io->offset);
    } else if (io->offset < OFFSET_DMA_LOW) {
        cfg->dma = (uint64_t)swap32(io->value) << 32;
    } else {
        cfg->dma |= swap32(io->value);
        dma_start(cfg);
    }
}

static void fw_cfg_io(void *state, struct io *io)
{
    struct fw_cfg *cfg = state;
    uint32_t left;
    if (!effect_spare(SPARE_FIRMWARE)) /* a PC without firmware: nobody answers */
        return;
    if (io->region == REGION_DMA) {
        dma_io(cfg, io);
    } else if (io->write) {
        if (io->offset == OFFSET_SELECT)
            fw_cfg_select(cfg, (uint16_t)io->value);
    } else if (io->offset == OFFSET_DATA) {
        const uint8_t *byte = fw_cfg_rest(cfg, &left);
        io->value = byte ? *byte : 0;
        cfg->position += byte != NULL;
    }
}

static void fw_cfg_reset(void *state, const struct device_slot *slot)
{
    struct fw_cfg *cfg = state;
    uint8_t *item;
    (void)slot;
    if (!fw_cfg_add(cfg, SELECT_DIRECTORY, DIRECTORY_SIZE))
        return;
    item = fw_cfg_add(cfg, SELECT_SIGNATURE, 4);
    store32(item, SIGNATURE);
    item = fw_cfg_add(cfg, SELECT_ID, 4);
    store32(item, ID_TRADITIONAL | ID_DMA);
    firmware_files(cfg);
}

static const char *fw_cfg_check(const void *state)
{
    const struct fw_cfg *cfg = state;
    if (cfg->item_count > FW_CFG_ITEMS_MAX)
        return "number of items";
    for (unsigned i = 0; i < cfg->item_count; i++)
        if (cfg->item[i].offset > SPARE_FIRMWARE_SIZE ||
            cfg->item[i].size > SPARE_FIRMWARE_SIZE - cfg->item[i].offset)
            return "an item outside of the area";
    return NULL;
}

static void fw_cfg_inspect(const void *state, struct inspector *inspector)
{
    const struct fw_cfg *cfg = state;
    inspector->field(inspector, "selector", cfg->selector);
    inspector->field(inspector, "position", cfg->position);
    inspector->field(inspector, "items", cfg->item_count);
    inspector->field(inspector, "bytes", cfg->used);
}

const struct device fw_cfg_device = {
    .name = "fw_cfg",
    .state_size = sizeof(struct fw_cfg),
    .region_count = 2,
    .region =
        {[REGION_SELECT] = {.base = FW_CFG_PORT, .length = 2, .space = IO_PORT, .widths = WIDTH_1 | WIDTH_2},
         [REGION_DMA] = {.base = FW_CFG_PORT + 4, .length = 8, .space = IO_PORT, .widths = WIDTH_4}},
    .reset = fw_cfg_reset,
    .io = fw_cfg_io,
    .check = fw_cfg_check,
    .inspect = fw_cfg_inspect,
    .missed_ticks = TICKS_NONE,
    .deadline = device_no_deadline,
    .tick = device_no_tick,
};
