/* The firmware configuration device: state block, and what is put into it. See fw_cfg.c. */
#pragma once

#include <stdbool.h>
#include "device.h"

enum { FW_CFG_PORT = 0x510, FW_CFG_ITEMS_MAX = 20, FW_CFG_NAME = 56 };

struct fw_cfg_item {
    uint32_t offset, size; /* in the area of spare memory */
    uint16_t selector;
    uint16_t reserved;
};

struct fw_cfg {
    uint64_t dma; /* address of the descriptor, as far as it is written */
    uint32_t position;
    uint32_t used; /* bytes of the area */
    uint16_t selector;
    uint16_t item_count;
    uint32_t reserved;
    struct fw_cfg_item item[FW_CFG_ITEMS_MAX];
};

/* Adds an item with room for `size` bytes, zeroed; NULL: no room, or no area. With a name it is a file. */
uint8_t *fw_cfg_add(struct fw_cfg *cfg, uint16_t selector, uint32_t size);
uint8_t *fw_cfg_add_file(struct fw_cfg *cfg, const char *name, uint32_t size);
/* The last one that was added is no longer than this. */
void fw_cfg_shorten(struct fw_cfg *cfg, uint32_t size);

extern const struct device fw_cfg_device;
