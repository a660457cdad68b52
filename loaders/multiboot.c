/*
 * Loads a Multiboot kernel with its modules: the plan of both versions, and the information of version 1
 * (Multiboot Specification 0.6.96, sections 3.2 and 3.3).
 *
 * The information structure, the memory map, the module list and all strings are one block, in low memory
 * where the kernel leaves room and behind it otherwise. Modules follow the kernel, page-aligned.
 *
 * Missing: video modes, symbols, drives, APM; the boot device (there is none).
 */
#include "format.h"
#include "image_multiboot.h"
#include "internal.h"
#include "layout.h"
#include "little_endian.h"
#include "string.h"

#define BOOTLOADER_MAGIC 0x2badb002u
#define MODULE_AREA      0x100000ull

enum {
    /* information structure, 3.3 */
    INFO_FLAGS = 0,
    INFO_MEM_LOWER = 4,
    INFO_MEM_UPPER = 8,
    INFO_CMDLINE = 16,
    INFO_MODS_COUNT = 20,
    INFO_MODS_ADDR = 24,
    INFO_MMAP_LENGTH = 44,
    INFO_MMAP_ADDR = 48,
    INFO_LOADER_NAME = 64,
    INFO_SIZE = 120,
    HAS_MEMORY = 1 << 0,
    HAS_CMDLINE = 1 << 2,
    HAS_MODULES = 1 << 3,
    HAS_MEMORY_MAP = 1 << 6,
    HAS_LOADER_NAME = 1 << 9,
    /* a module, a range of memory */
    MODULE_ENTRY_SIZE = 16,
    MEMORY_ENTRY_SIZE = 24,
    LOADER_NAME_SIZE = 16,
};

/* The block that the loader writes: offsets from the information structure. */
enum {
    BLOCK_GDT = (INFO_SIZE + 7) & ~7,
    BLOCK_MMAP = BLOCK_GDT + BOOT_GDT_SIZE,
    BLOCK_MODULES = BLOCK_MMAP + MEMORY_MAP_MAX * MEMORY_ENTRY_SIZE,
    BLOCK_LOADER_NAME = BLOCK_MODULES + GUEST_MODULES_MAX * MODULE_ENTRY_SIZE,
    BLOCK_CMDLINE = BLOCK_LOADER_NAME + LOADER_NAME_SIZE,
    BLOCK_STRINGS = BLOCK_CMDLINE + GUEST_BOOTARGS_SIZE,
    BLOCK_SIZE = BLOCK_STRINGS + GUEST_MODULES_MAX * (int)sizeof(((struct guest_module *)0)->arguments),
};
_Static_assert(BLOCK_SIZE <= 4096, "one page in the guest");

static bool is_version_2(const struct loader_input *input)
{
    return input->config->loader == LOADER_MULTIBOOT2;
}

static bool plan_kernel(struct loader *loader, const struct loader_input *input)
{
    const char *path = input->config->kernel;
    struct multiboot_image image;
    int module = loader_find_module(loader, input, "kernel", path);

    if (module < 0)
        return false;
    const struct process_module *file = &input->module[module];
    const uint8_t *data = (const uint8_t *)(uintptr_t)file->address;
    bool good = is_version_2(input) ? multiboot2_image_read(&image, path, data, file->size, loader->sentence,
                                                            sizeof loader->sentence)
                                    : multiboot_image_read(&image, path, data, file->size, file->size,
                                                           loader->sentence, sizeof loader->sentence);
    if (!good)
        return false;
    loader->multiboot.entry = image.entry;
    loader->multiboot.base = UINT32_MAX;
    for (uint32_t i = 0; i < image.segment_count; i++)
        if (image.segment[i].start < loader->multiboot.base)
            loader->multiboot.base = (uint32_t)image.segment[i].start;
    return loader_add_segments(loader, input, image.segment, image.segment_count, (uint32_t)module);
}

static bool plan_info(struct loader *loader, const struct loader_input *input)
{
    uint64_t size = is_version_2(input) ? MULTIBOOT2_BLOCK_SIZE : BLOCK_SIZE;
    uint64_t start = loader_place_top(loader, input, size, LOW_MEMORY_START, LOW_MEMORY_END);

    if (start == 0)
        start = loader_place_bottom(loader, input, size, loader_end(loader, MODULE_AREA), input->low_size);
    if (start == 0) {
        return loader_refuse(loader,
                             "kernel \"%s\": leaves no page for the multiboot information; raise "
                             "memory/size-mib (now %u)",
                             input->config->kernel, input->config->memory_mib);
    }
    loader->multiboot.info = (uint32_t)start;
    return loader_add(
        loader, input, "multiboot information",
        (struct loader_piece){.start = start, .end = start + size, .module = LOADER_NO_MODULE, .clear = 1});
}

static bool plan_module(struct loader *loader, const struct loader_input *input, uint32_t number)
{
    const char *path = input->config->module[number].path;
    int module = loader_find_module(loader, input, "module", path);

    if (module < 0)
        return false;
    uint64_t size = input->module[module].size;
    if (size > UINT32_MAX) {
        return loader_refuse(loader,
                             "module \"%s\": %lu MiB are more than Multiboot can load; give a smaller file",
                             path, size >> 20);
    }
    uint64_t start =
        loader_place_bottom(loader, input, size, loader_end(loader, MODULE_AREA), input->low_size);
    if (start == 0) {
        return loader_refuse(loader,
                             "module \"%s\": %lu KiB do not fit above the kernel's end at %lu KiB; raise "
                             "memory/size-mib (now %u)",
                             path, (size + 1023) >> 10, loader_end(loader, MODULE_AREA) >> 10,
                             input->config->memory_mib);
    }
    loader->multiboot.start[number] = (uint32_t)start;
    loader->multiboot.end[number] = (uint32_t)(start + size);
    return loader_add(loader, input, "module",
                      (struct loader_piece){
                          .start = start, .end = start + size, .filled = size, .module = (uint32_t)module});
}

bool multiboot_plan(struct loader *loader, const struct loader_input *input)
{
    if (!plan_kernel(loader, input) || !plan_info(loader, input))
        return false;
    for (uint32_t i = 0; i < input->config->module_count; i++)
        if (!plan_module(loader, input, i))
            return false;
    return true;
}

static void write_memory_map(uint8_t *block, const struct loader_input *input, uint32_t info)
{
    struct memory_range map[MEMORY_MAP_MAX];
    unsigned count = loader_memory_map(input, map);

    for (unsigned i = 0; i < count; i++) {
        uint8_t *entry = block + BLOCK_MMAP + i * MEMORY_ENTRY_SIZE;
        store32(entry, MEMORY_ENTRY_SIZE - 4); /* the size field does not count itself */
        store64(entry + 4, map[i].base);
        store64(entry + 12, map[i].length);
        store32(entry + 20, map[i].type);
    }
    store32(block + INFO_MMAP_LENGTH, count * MEMORY_ENTRY_SIZE);
    store32(block + INFO_MMAP_ADDR, info + BLOCK_MMAP);
}

static void write_modules(uint8_t *block, const struct loader *loader, const struct guest_config *config)
{
    uint32_t info = loader->multiboot.info;

    for (uint32_t i = 0; i < config->module_count; i++) {
        uint8_t *entry = block + BLOCK_MODULES + i * MODULE_ENTRY_SIZE;
        uint32_t string = BLOCK_STRINGS + i * (uint32_t)sizeof config->module[i].arguments;
        store32(entry, loader->multiboot.start[i]);
        store32(entry + 4, loader->multiboot.end[i]);
        store32(entry + 8, info + string);
        memcpy(block + string, config->module[i].arguments, sizeof config->module[i].arguments);
    }
    store32(block + INFO_MODS_COUNT, config->module_count);
    store32(block + INFO_MODS_ADDR, info + BLOCK_MODULES);
}

uint32_t multiboot_finish(const struct loader *loader, const struct loader_input *input,
                          struct vcpu_state *state)
{
    const struct guest_config *config = input->config;
    uint32_t info = loader->multiboot.info;
    uint8_t *block = input->ram + info;

    store32(block + INFO_FLAGS, HAS_MEMORY | HAS_CMDLINE | HAS_MODULES | HAS_MEMORY_MAP | HAS_LOADER_NAME);
    store32(block + INFO_MEM_LOWER, (uint32_t)(LOW_MEMORY_END >> 10));
    store32(block + INFO_MEM_UPPER, (uint32_t)((input->low_size - FIRMWARE_END) >> 10));
    store32(block + INFO_CMDLINE, info + BLOCK_CMDLINE);
    memcpy(block + BLOCK_CMDLINE, config->bootargs, strlen(config->bootargs) + 1);
    store32(block + INFO_LOADER_NAME, info + BLOCK_LOADER_NAME);
    format_text((char *)block + BLOCK_LOADER_NAME, LOADER_NAME_SIZE, "nullring");
    write_memory_map(block, input, info);
    write_modules(block, loader, config);
    loader_write_gdt(block + BLOCK_GDT, false);

    uint32_t groups = loader_state_flat(state, (uint64_t)info + BLOCK_GDT);
    state->gpr.rip = loader->multiboot.entry;
    state->gpr.reg[RAX] = BOOTLOADER_MAGIC;
    state->gpr.reg[RBX] = info;
    return groups;
}
