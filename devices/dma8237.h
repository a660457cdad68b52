/* The pair of DMA controllers 8237 with their page registers: state block. See dma8237.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "device.h"

enum { DMA_CONTROLLERS = 2, DMA_CHANNELS = 4 /* of each */, DMA_PAGES = 16 };

struct dma8237_channel {
    uint16_t base_address, base_count; /* as written */
    uint16_t address, count;
    uint8_t mode;
    uint8_t reserved[3];
};

struct dma8237_controller {
    struct dma8237_channel channel[DMA_CHANNELS];
    uint8_t command;
    uint8_t terminal; /* status bits 0-3: channels that have reached their terminal count */
    uint8_t request;  /* channels that software has requested */
    uint8_t mask;
    uint8_t high_byte; /* the flip-flop: the next access is to the upper byte */
    uint8_t reserved[3];
};

struct dma8237 {
    struct dma8237_controller controller[DMA_CONTROLLERS];
    uint8_t page[DMA_PAGES]; /* ports 0x80-0x8f */
};

extern const struct device dma8237_device;

/* What effect_dma() does. */
uint32_t dma8237_transfer(struct dma8237 *dma, unsigned channel, bool to_memory, uint8_t *bytes,
                          uint32_t length, bool *terminal);
