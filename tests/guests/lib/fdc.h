/* A driver of the floppy controller, with interrupt 6 and channel 2 of the 8237, for test kernels (82077AA
 * data sheet). Tracks are numbered through: two for each cylinder. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    FDC_DOR = 0x3f2,
    FDC_MSR = 0x3f4,
    FDC_DATA = 0x3f5,
    FDC_DIR = 0x3f7, /* write: data rate */
    FDC_DOR_RUN = 0x0c,
    FDC_MSR_READY = 0x80,
    FDC_MSR_TO_HOST = 0x40,
    FDC_MSR_NON_DMA = 0x20,
    FDC_MSR_BUSY = 0x10,
    FDC_LINE = 6,
    FDC_RATE_500K = 0,
    FDC_RATE_250K = 2,
    FDC_READ = 0x46,
    FDC_WRITE = 0x45,
    FDC_BOTH_SIDES = 0x80,
    FDC_SECTOR = 512
};

/* The last command's result, and its length. */
extern uint8_t fdc_result[16];
extern uint32_t fdc_results;

/* The interrupt's handler, and the 8237s that carry the requests. */
void fdc_initialise(void);
/* Until the controller is ready for the host; its status. */
uint8_t fdc_wait_status(void);
void fdc_send(const uint8_t *bytes, uint32_t count);
#define FDC_SEND(...) fdc_send((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
/* Takes result bytes, as many as there are. */
void fdc_collect(void);
void fdc_sense(void);
/* Until another interrupt has come than those that had before. */
void fdc_wait_interrupt(uint32_t before);
void fdc_reset(void);
void fdc_seek(uint8_t unit, uint8_t cylinder);
void fdc_recalibrate(void);
/* Channel 2: memory below 16 MiB, and not over 64 KiB. */
void fdc_set_dma(uint8_t mode, const void *at, uint32_t length);
/* The nine bytes of a command for sectors. */
void fdc_command(uint8_t code, uint8_t unit, uint32_t track, uint32_t sector, uint32_t last);
/* One command by DMA; returns the upper bits of ST0. */
uint8_t fdc_by_dma(bool write, uint8_t unit, uint32_t track, uint32_t sector, uint32_t count, uint8_t both,
                   uint32_t last, void *bytes);
/* The same byte by byte, of the first drive. It ends with the last sector, without a terminal count. */
void fdc_by_bytes(bool write, uint32_t track, uint32_t sector, uint32_t count, uint8_t *bytes);
