/*
 * Starts a guest at its reset vector, with a BIOS in its ROM (Intel SDM Vol. 3A, 10.1.4): the boot processor
 * comes as a reset leaves it. The image ends where the address space below 4 GiB does; its last 128 KiB are
 * seen below 1 MiB, too, until the firmware has moved itself into RAM (devices/pam.c).
 */
#include "internal.h"
#include "layout.h"
#include "string.h"

enum { ROM_UNIT = 64 << 10, EMPTY_ROM = 0xff };

bool bios_plan(struct loader *loader, const struct loader_input *input)
{
    const char *path = input->config->firmware;
    int module = loader_find_module(loader, input, "firmware", path);

    if (module < 0)
        return false;
    uint64_t size = input->module[module].size;
    if (size == 0 || size > SPARE_ROM_SIZE || size % ROM_UNIT != 0)
        return loader_refuse(
            loader,
            "firmware \"%s\": %lu bytes, a PC's BIOS has a multiple of 64 KiB, at most %llu; take "
            "bios-256k.bin of Debian's package seabios",
            path, size, SPARE_ROM_SIZE >> 10);
    if (input->rom == NULL)
        return loader_refuse(loader,
                             "firmware \"%s\": this guest has no memory for it; build the image again", path);
    loader->bios.module = (uint32_t)module;
    return true;
}

uint32_t bios_finish(const struct loader *loader, const struct loader_input *input)
{
    const struct process_module *file = &input->module[loader->bios.module];

    memset(input->rom, EMPTY_ROM, SPARE_ROM_SIZE - file->size);
    memcpy(input->rom + SPARE_ROM_SIZE - file->size, (const uint8_t *)(uintptr_t)file->address, file->size);
    return 0; /* no group of the state: it is that after a reset */
}
