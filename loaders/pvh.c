/*
 * Loads an ELF kernel by its PVH entry (Xen's docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h):
 * protected mode with flat segments, paging off, and EBX at a structure that names command line, modules,
 * memory map and ACPI tables. Linux with CONFIG_PVH, FreeBSD and others start so.
 *
 * The structure and all that it names, but for the modules, is one block, in low memory where the kernel
 * leaves room and behind it otherwise. The initrd is the first module; it lies as high as it may.
 */
#include "image_elf.h"
#include "internal.h"
#include "layout.h"
#include "little_endian.h"
#include "string.h"

#define START_MAGIC 0x336ec578u
#define KERNEL_AREA 0x100000ull

enum {
    /* struct hvm_start_info, version 1 */
    START_VERSION = 4,
    START_MODULE_COUNT = 12,
    START_MODULES = 16,
    START_CMDLINE = 24,
    START_RSDP = 32,
    START_MEMORY_MAP = 40,
    START_MEMORY_COUNT = 48,
    START_SIZE = 56,
    VERSION_WITH_MEMORY_MAP = 1,
    /* struct hvm_modlist_entry */
    MODULE_ADDRESS = 0,
    MODULE_SIZE = 8,
    MODULE_CMDLINE = 16,
    MODULE_ENTRY_SIZE = 32,
    /* struct hvm_memmap_table_entry */
    MEMORY_ADDRESS = 0,
    MEMORY_SIZE = 8,
    MEMORY_TYPE = 16,
    MEMORY_ENTRY_SIZE = 24,
};

/* The block that the loader writes: offsets from the start structure. */
enum {
    BLOCK_GDT = START_SIZE,
    BLOCK_MODULES = BLOCK_GDT + BOOT_GDT_SIZE,
    BLOCK_MEMORY_MAP = BLOCK_MODULES + PVH_MODULES_MAX * MODULE_ENTRY_SIZE,
    BLOCK_CMDLINE = BLOCK_MEMORY_MAP + MEMORY_MAP_MAX * MEMORY_ENTRY_SIZE,
    BLOCK_STRINGS = BLOCK_CMDLINE + GUEST_BOOTARGS_SIZE,
    STRING_SIZE = sizeof(((struct guest_module *)0)->arguments),
    BLOCK_SIZE = BLOCK_STRINGS + GUEST_MODULES_MAX * STRING_SIZE,
};
_Static_assert(BLOCK_SIZE <= 4096, "one page in the guest");
_Static_assert(BLOCK_GDT % 8 == 0 && BLOCK_MEMORY_MAP % 8 == 0, "64-bit members");

static bool plan_kernel(struct loader *loader, const struct loader_input *input)
{
    const char *path = input->config->kernel;
    struct elf_image image;
    int module = loader_find_module(loader, input, "kernel", path);

    if (module < 0)
        return false;
    const struct process_module *file = &input->module[module];
    if (!pvh_image_read(&image, path, (const uint8_t *)(uintptr_t)file->address, file->size, loader->sentence,
                        sizeof loader->sentence))
        return false;
    loader->pvh.entry = image.pvh_entry;
    return loader_add_segments(loader, input, image.segment, image.segment_count, (uint32_t)module);
}

static bool plan_start_info(struct loader *loader, const struct loader_input *input)
{
    uint64_t start = loader_place_top(loader, input, BLOCK_SIZE, LOW_MEMORY_START, LOW_MEMORY_END);

    if (start == 0)
        start =
            loader_place_bottom(loader, input, BLOCK_SIZE, loader_end(loader, KERNEL_AREA), input->low_size);
    if (start == 0) {
        return loader_refuse(
            loader, "kernel \"%s\": leaves no page for the start information; raise memory/size-mib (now %u)",
            input->config->kernel, input->config->memory_mib);
    }
    loader->pvh.info = (uint32_t)start;
    return loader_add(loader, input, "start information",
                      (struct loader_piece){
                          .start = start, .end = start + BLOCK_SIZE, .module = LOADER_NO_MODULE, .clear = 1});
}

/* From the top: a kernel claims memory behind its end before it looks at its modules. */
static bool plan_module(struct loader *loader, const struct loader_input *input, const char *what,
                        const char *path)
{
    int module = loader_find_module(loader, input, what, path);

    if (module < 0)
        return false;
    uint64_t size = input->module[module].size, end = loader->pvh.kernel_end;
    uint64_t start =
        size <= input->low_size ? loader_place_top(loader, input, size, end, input->low_size) : 0;
    if (size == 0)
        return loader_refuse(loader, "%s \"%s\": the file is empty; copy it again, or remove it", what, path);
    if (start == 0) {
        return loader_refuse(loader,
                             "%s \"%s\": %lu KiB do not fit above the kernel's end at %lu KiB; raise "
                             "memory/size-mib (now %u)",
                             what, path, (size + 1023) >> 10, end >> 10, input->config->memory_mib);
    }
    loader->pvh.module[loader->pvh.module_count++] = (struct loader_pvh_module){start, size};
    return loader_add(loader, input, what,
                      (struct loader_piece){
                          .start = start, .end = start + size, .filled = size, .module = (uint32_t)module});
}

bool pvh_plan(struct loader *loader, const struct loader_input *input)
{
    const struct guest_config *config = input->config;

    if (!plan_kernel(loader, input))
        return false;
    loader->pvh.kernel_end = loader_end(loader, KERNEL_AREA);
    if (!plan_start_info(loader, input))
        return false;
    if (config->initrd[0] != '\0' && !plan_module(loader, input, "initrd", config->initrd))
        return false;
    for (uint32_t i = 0; i < config->module_count; i++)
        if (!plan_module(loader, input, "module", config->module[i].path))
            return false;
    return true;
}

/* The description's modules have their arguments; the initrd has none. */
static void write_modules(uint8_t *block, const struct loader *loader, const struct guest_config *config)
{
    const struct loader_pvh *boot = &loader->pvh;
    uint32_t initrds = boot->module_count - config->module_count;

    for (uint32_t i = 0; i < boot->module_count; i++) {
        uint8_t *entry = block + BLOCK_MODULES + i * MODULE_ENTRY_SIZE;
        store64(entry + MODULE_ADDRESS, boot->module[i].start);
        store64(entry + MODULE_SIZE, boot->module[i].size);
        if (i < initrds)
            continue;
        uint32_t string = BLOCK_STRINGS + (i - initrds) * STRING_SIZE;
        store64(entry + MODULE_CMDLINE, boot->info + string);
        memcpy(block + string, config->module[i - initrds].arguments, STRING_SIZE);
    }
    store32(block + START_MODULE_COUNT, boot->module_count);
    store64(block + START_MODULES, boot->module_count > 0 ? boot->info + BLOCK_MODULES : 0);
}

static void write_memory_map(uint8_t *block, const struct loader_input *input, uint32_t info)
{
    struct memory_range map[MEMORY_MAP_MAX];
    unsigned count = loader_memory_map(input, map);

    for (unsigned i = 0; i < count; i++) {
        uint8_t *entry = block + BLOCK_MEMORY_MAP + i * MEMORY_ENTRY_SIZE;
        store64(entry + MEMORY_ADDRESS, map[i].base);
        store64(entry + MEMORY_SIZE, map[i].length);
        store32(entry + MEMORY_TYPE, map[i].type);
    }
    store64(block + START_MEMORY_MAP, info + BLOCK_MEMORY_MAP);
    store32(block + START_MEMORY_COUNT, count);
}

uint32_t pvh_finish(const struct loader *loader, const struct loader_input *input, struct vcpu_state *state)
{
    const struct guest_config *config = input->config;
    uint32_t info = loader->pvh.info;
    uint8_t *block = input->ram + info;

    store32(block, START_MAGIC);
    store32(block + START_VERSION, VERSION_WITH_MEMORY_MAP);
    store64(block + START_CMDLINE, info + BLOCK_CMDLINE);
    store64(block + START_RSDP, input->rsdp);
    memcpy(block + BLOCK_CMDLINE, config->bootargs, strlen(config->bootargs) + 1);
    write_modules(block, loader, config);
    write_memory_map(block, input, info);
    loader_write_gdt(block + BLOCK_GDT, false);

    uint32_t groups = loader_state_flat(state, (uint64_t)info + BLOCK_GDT);
    state->gpr.rip = loader->pvh.entry;
    state->gpr.reg[RBX] = info;
    return groups;
}
