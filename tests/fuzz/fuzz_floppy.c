/*
 * The floppy controller and the DMA controllers under commands of any kind, on diskettes of all sizes, with
 * resets and time in between. The check of both must accept what comes out.
 *
 * sources: devices/fdc.c devices/fdc_commands.c devices/fdc_transfer.c devices/dma8237.c devices/bus.c
 * sources: lib/image_floppy.c tests/unit/host_effects.c
 * coverage: devices/fdc.c devices/fdc_commands.c devices/fdc_transfer.c devices/dma8237.c
 * coverage: lib/image_floppy.c
 */
#include <stdlib.h>
#include <string.h>
#include "dma8237.h"
#include "fdc.h"
#include "host_effects.h"

enum { RAM_SIZE = 1 << 17, IMAGE_SIZE = 2880 << 10, STEPS_MAX = 1000, ARGUMENTS = 8 };

struct step {
    uint8_t what, code, argument[ARGUMENTS];
};

static struct fdc fdc;
static struct dma8237 dma;
static uint8_t ram[RAM_SIZE], *image;

static uint32_t transfer(unsigned channel, bool to_memory, uint8_t *bytes, uint32_t length, bool *terminal)
{
    return dma8237_transfer(&dma, channel, to_memory, bytes, length, terminal);
}

/* A command, and then whatever the controller wants to have read or written. */
static void do_command(const struct step *step)
{
    static const uint8_t codes[] = {0xe6, 0x46, 0xc5, 0x45, 0x4d, 0x4a, 0x0f, 0x07, 0x08, 0x03, 0x04, 0x10,
                                    0x0e, 0x13, 0x14, 0x94, 0x12, 0x8f, 0xcf, 0xd6, 0x42, 0x6c, 0x49, 0x4c};
    uint8_t code = step->code & 0x80 ? step->code : codes[step->code % sizeof codes];
    host_out(&fdc_device, &fdc, 0x3f5, 1, code);
    for (unsigned i = 0; i < ARGUMENTS && fdc.phase == FDC_COMMAND && fdc.command_count; i++)
        host_out(&fdc_device, &fdc, 0x3f5, 1, step->argument[i]);
    if (step->what & 0x80)
        host_run(&fdc_device, &fdc, 100000);
    for (unsigned i = 0; i < (step->what & 0x40 ? 2000u : 5u); i++)
        if (host_in(&fdc_device, &fdc, 0x3f4, 1) & 0x40)
            host_in(&fdc_device, &fdc, 0x3f5, 1);
        else if (fdc.phase == FDC_DATA)
            host_out(&fdc_device, &fdc, 0x3f5, 1, step->argument[i % ARGUMENTS]);
}

static void do_step(const struct step *step)
{
    static const uint16_t sizes[] = {160, 180, 320, 360, 720, 1200, 1440, 2880};
    static const uint8_t dma_ports[] = {0x04, 0x05, 0x0a, 0x0b, 0x0c, 0x0e,
                                        0x0f, 0x08, 0x81, 0xd4, 0xd0, 0x09};
    switch (step->what % 8) {
    case 0:
        host_out(&fdc_device, &fdc, 0x3f2 + step->code % 4, 1, step->argument[0]);
        break;
    case 1:
        host_in(&fdc_device, &fdc, 0x3f2 + step->code % 4, 1);
        host_in(&fdc_device, &fdc, 0x3f7, 1);
        break;
    case 2:
        host_out(&fdc_device, &fdc, 0x3f7, 1, step->code);
        break;
    case 3:
        host_out(&dma8237_device, &dma, dma_ports[step->code % sizeof dma_ports], 1, step->argument[0]);
        host_in(&dma8237_device, &dma, step->argument[1] % 16, 1);
        break;
    case 4:
        host.floppy[step->code % 2] = step->argument[0] & 7 ? image : NULL;
        host.floppy_size[step->code % 2] = (uint64_t)sizes[step->argument[1] % 8] << 10;
        host.config.floppy[step->code % 2].write_protected = step->argument[2] % 4 == 0;
        host.disk_pages_left = step->argument[3] % 8 ? UINT64_MAX : 0;
        break;
    default:
        do_command(step);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct step step;
    if (!image)
        image = malloc(IMAGE_SIZE);
    if (!image)
        abort();
    host_reset();
    host.ram = ram;
    host.ram_size = sizeof ram;
    host.dma = transfer;
    host.floppy[0] = image;
    host.floppy_size[0] = 1440 << 10;
    host.config.floppy[0].present = host.config.floppy[1].present = 1;
    host_device_reset(&dma8237_device, &dma);
    host_device_reset(&fdc_device, &fdc);
    host_out(&fdc_device, &fdc, 0x3f2, 1, 0x1c);
    host_out(&fdc_device, &fdc, 0x3f7, 1, 0);
    host_out(&dma8237_device, &dma, 0x0b, 1, size & 1 ? 0x56 : 0x5a);
    host_out(&dma8237_device, &dma, 0x0e, 1, 0);
    for (unsigned i = 0; i < STEPS_MAX && size >= sizeof step; i++) {
        memcpy(&step, data, sizeof step);
        data += sizeof step;
        size -= sizeof step;
        do_step(&step);
        if (fdc_device.check(&fdc) || dma8237_device.check(&dma))
            abort();
    }
    host_field(&fdc_device, &fdc, "dor");
    host_field(&dma8237_device, &dma, "mask");
    return 0;
}
