/*
 * Loads a Linux bzImage (Documentation/arch/x86/boot.rst, protocol 2.06 and later; Documentation/arch/x86/
 * zero-page.rst). A kernel that has a 64-bit entry is started there, every other one in protected mode.
 *
 * Guest-physical memory:  0x10000 zero page   0x11000 descriptor table   0x12000 page tables (64-bit entry)
 *                         0x20000 command line   kernel where it prefers to be   initrd as high as it may
 *
 * Missing: the real-mode entry, setup_data, screen information (the guest has no firmware video mode).
 */
#include "image_linux.h"
#include "internal.h"
#include "little_endian.h"
#include "string.h"

#define ZERO_PAGE    0x10000ull
#define BOOT_GDT     0x11000ull
#define PAGE_TABLES  0x12000ull
#define COMMAND_LINE 0x20000ull

enum {
    /* zero-page.rst */
    ZERO_PAGE_SIZE = 4096,
    ZERO_E820_ENTRIES = 0x1e8,
    ZERO_E820_TABLE = 0x2d0,
    E820_ENTRY_SIZE = 20,
    TYPE_OF_LOADER_UNDEFINED = 0xff,
};

/* Page tables of the 64-bit entry: the first 4 GiB, identity-mapped in 2 MiB pages. */
enum { PAGE_PRESENT = 1 << 0, PAGE_WRITE = 1 << 1, PAGE_LARGE = 1 << 7, TABLE_ENTRIES = 512, MAPPED_GIB = 4 };

static bool plan_kernel(struct loader *loader, const struct loader_input *input, struct linux_image *image)
{
    const struct guest_config *config = input->config;
    int module = loader_find_module(loader, input, "kernel", config->kernel);

    if (module < 0)
        return false;
    const struct process_module *file = &input->module[module];
    if (!linux_image_read(image, config->kernel, (const uint8_t *)(uintptr_t)file->address, file->size,
                          file->size, loader->sentence, sizeof loader->sentence))
        return false;
    if (strlen(config->bootargs) > image->cmdline_max) {
        return loader_refuse(loader,
                             "chosen/bootargs: %lu characters, kernel \"%s\" takes at most %u; shorten them",
                             strlen(config->bootargs), config->kernel, image->cmdline_max);
    }

    /* load_address <= run_address: the kernel only ever moves up. */
    uint64_t end = image->load_address + image->payload_size;
    uint64_t run_end = image->run_address + image->run_size;
    if (run_end > end)
        end = run_end;
    if (end > input->low_size) {
        return loader_refuse(
            loader,
            "kernel \"%s\": needs memory up to %lu MiB to start, the guest has %u MiB; raise "
            "memory/size-mib",
            config->kernel, (end + (1 << 20) - 1) >> 20, config->memory_mib);
    }
    loader->linux_boot = (struct loader_linux){.code_start = (uint32_t)image->load_address,
                                               .entry64 = image->kernel_64,
                                               .header_end = image->header_end,
                                               .kernel = (uint32_t)module};
    return loader_add(loader, input, "kernel",
                      (struct loader_piece){.start = image->load_address,
                                            .end = end,
                                            .offset = image->payload,
                                            .filled = image->payload_size,
                                            .module = (uint32_t)module});
}

static bool plan_initrd(struct loader *loader, const struct loader_input *input,
                        const struct linux_image *image)
{
    const char *path = input->config->initrd;
    int module = loader_find_module(loader, input, "initrd", path);

    if (module < 0)
        return false;
    uint64_t size = input->module[module].size;
    if (size == 0) {
        return loader_refuse(
            loader, "initrd \"%s\": the file is empty; copy it again, or remove chosen/initrd", path);
    }
    uint64_t limit = image->initrd_max + 1;
    uint64_t high = limit < input->low_size ? limit : input->low_size;
    uint64_t start = size <= high ? loader_place_top(loader, input, size, loader->piece[0].end, high) : 0;
    if (start == 0) {
        return loader_refuse(
            loader, "initrd \"%s\": %lu MiB do not fit between the kernel's end at %lu MiB and %lu MiB; %s",
            path, (size + (1 << 20) - 1) >> 20, (loader->piece[0].end + (1 << 20) - 1) >> 20, high >> 20,
            high < limit ? "raise memory/size-mib, or give a smaller initrd"
                         : "the kernel allows no higher place: give a smaller initrd");
    }
    loader->linux_boot.initrd_start = start;
    loader->linux_boot.initrd_size = size;
    return loader_add(loader, input, "initrd",
                      (struct loader_piece){
                          .start = start, .end = start + size, .filled = size, .module = (uint32_t)module});
}

bool linux_plan(struct loader *loader, const struct loader_input *input)
{
    struct linux_image image;

    return plan_kernel(loader, input, &image) &&
           (input->config->initrd[0] == '\0' || plan_initrd(loader, input, &image));
}

static void write_memory_map(uint8_t *zero_page, const struct loader_input *input)
{
    struct memory_range map[MEMORY_MAP_MAX];
    unsigned count = loader_memory_map(input, map);

    for (unsigned i = 0; i < count; i++) {
        uint8_t *entry = zero_page + ZERO_E820_TABLE + i * E820_ENTRY_SIZE;
        store64(entry, map[i].base);
        store64(entry + 8, map[i].length);
        store32(entry + 16, map[i].type);
    }
    zero_page[ZERO_E820_ENTRIES] = (uint8_t)count;
}

static void write_zero_page(const struct loader *loader, const struct loader_input *input)
{
    const struct loader_linux *boot = &loader->linux_boot;
    const uint8_t *file = (const uint8_t *)(uintptr_t)input->module[boot->kernel].address;
    uint8_t *zero_page = input->ram + ZERO_PAGE;

    memset(zero_page, 0, ZERO_PAGE_SIZE);
    memcpy(zero_page + LINUX_SETUP_SECTS, file + LINUX_SETUP_SECTS, boot->header_end - LINUX_SETUP_SECTS);
    zero_page[LINUX_TYPE_OF_LOADER] = TYPE_OF_LOADER_UNDEFINED;
    store32(zero_page + LINUX_CODE32_START, boot->code_start);
    store32(zero_page + LINUX_RAMDISK_IMAGE, (uint32_t)boot->initrd_start);
    store32(zero_page + LINUX_RAMDISK_SIZE, (uint32_t)boot->initrd_size);
    store32(zero_page + LINUX_CMD_LINE_PTR, (uint32_t)COMMAND_LINE);
    write_memory_map(zero_page, input);
}

static void write_page_tables(uint8_t *ram)
{
    const uint64_t rights = PAGE_PRESENT | PAGE_WRITE;
    uint64_t pdpt = PAGE_TABLES + PAGE;
    uint64_t directories = pdpt + PAGE;

    memset(ram + PAGE_TABLES, 0, 2 * PAGE);
    store64(ram + PAGE_TABLES, pdpt | rights);
    for (uint64_t i = 0; i < MAPPED_GIB; i++)
        store64(ram + pdpt + i * 8, (directories + i * PAGE) | rights);
    for (uint64_t i = 0; i < MAPPED_GIB * TABLE_ENTRIES; i++)
        store64(ram + directories + i * 8, i << 21 | rights | PAGE_LARGE);
}

uint32_t linux_finish(const struct loader *loader, const struct loader_input *input, struct vcpu_state *state)
{
    const struct loader_linux *boot = &loader->linux_boot;
    uint32_t groups;

    write_zero_page(loader, input);
    memcpy(input->ram + COMMAND_LINE, input->config->bootargs, strlen(input->config->bootargs) + 1);
    loader_write_gdt(input->ram + BOOT_GDT, boot->entry64);
    if (boot->entry64) {
        write_page_tables(input->ram);
        groups = loader_state_long(state, BOOT_GDT, PAGE_TABLES);
        state->gpr.rip = boot->code_start + LINUX_ENTRY64;
    } else {
        groups = loader_state_flat(state, BOOT_GDT);
        state->gpr.rip = boot->code_start;
    }
    state->gpr.reg[RSI] = ZERO_PAGE;
    return groups;
}
