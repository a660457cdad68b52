/*
 * The boot loader's information, Multiboot2 1.6 section 3.6 and Multiboot 0.6.96 section 3.3.
 *
 * Read once, through the boot page tables (the first 4 GiB at DIRECT_BASE), before memory_init().
 */
#include "multiboot.h"
#include "frames.h"
#include "layout_ring0.h"
#include "string.h"

enum { MAGIC_1 = 0x2badb002, MAGIC_2 = 0x36d76289, MEMORY_AVAILABLE = 1 };

enum multiboot2_tag_type {
    TAG_END = 0,
    TAG_COMMAND_LINE = 1,
    TAG_MODULE = 3,
    TAG_MEMORY_MAP = 6,
    TAG_RSDP_1 = 14,
    TAG_RSDP_2 = 15,
};

struct multiboot2_tag {
    uint32_t type, size;
};

struct multiboot2_module {
    struct multiboot2_tag tag;
    uint32_t start, end;
    char string[];
};

struct multiboot2_memory_map {
    struct multiboot2_tag tag;
    uint32_t entry_size, entry_version;
    uint8_t entries[];
};

struct multiboot2_region {
    uint64_t base, length;
    uint32_t type, reserved;
};

struct multiboot1_info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
    uint32_t syms[4], mmap_length, mmap_addr;
};

enum multiboot1_flag { MB1_CMDLINE = 1 << 2, MB1_MODULES = 1 << 3, MB1_MEMORY_MAP = 1 << 6 };

struct multiboot1_module {
    uint32_t start, end, string, reserved;
};

struct multiboot1_region {
    uint32_t size; /* of the rest */
    uint64_t base, length;
    uint32_t type;
} __attribute__((packed));

struct boot_info boot_info;

static const void *physical(uint64_t address)
{
    return (const void *)(DIRECT_BASE + address);
}

static void copy_word(char *to, uint32_t size, const char *from, char end)
{
    uint32_t n = 0;
    while (n + 1 < size && from[n] && from[n] != end) {
        to[n] = from[n];
        n++;
    }
    to[n] = 0;
}

static void add_region(uint64_t base, uint64_t length, uint32_t type)
{
    if (type != MEMORY_AVAILABLE || boot_info.region_count == BOOT_REGIONS_MAX)
        return;
    uint64_t start = (base + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    uint64_t end = (base + length) & ~(PAGE_SIZE - 1);
    if (start < end)
        boot_info.region[boot_info.region_count++] = (struct boot_region){start, end};
}

static void add_module(uint64_t start, uint64_t end, const char *string)
{
    if (boot_info.module_count == BOOT_MODULES_MAX) {
        boot_info.modules_lost++;
        return;
    }
    struct boot_module *module = &boot_info.module[boot_info.module_count++];
    module->start = start;
    module->end = end;
    copy_word(module->name, sizeof(module->name), string, ' ');
}

static void read_2_tag(const struct multiboot2_tag *tag)
{
    if (tag->type == TAG_COMMAND_LINE) {
        copy_word(boot_info.options, sizeof(boot_info.options), (const char *)(tag + 1), 0);
    } else if (tag->type == TAG_MODULE) {
        const struct multiboot2_module *module = (const struct multiboot2_module *)tag;
        add_module(module->start, module->end, module->string);
    } else if (tag->type == TAG_MEMORY_MAP) {
        const struct multiboot2_memory_map *map = (const struct multiboot2_memory_map *)tag;
        for (uint32_t at = sizeof(*map); at + map->entry_size <= tag->size; at += map->entry_size) {
            const struct multiboot2_region *region = (const void *)((const uint8_t *)tag + at);
            add_region(region->base, region->length, region->type);
        }
    } else if (tag->type == TAG_RSDP_1 || tag->type == TAG_RSDP_2) {
        boot_info.rsdp = (uint64_t)(tag + 1) - DIRECT_BASE;
    }
}

static void read_2(uint32_t address)
{
    const uint32_t *total = physical(address);
    for (uint32_t at = 8; at + sizeof(struct multiboot2_tag) <= *total;) {
        const struct multiboot2_tag *tag = physical(address + at);
        if (tag->type == TAG_END || tag->size < sizeof(*tag))
            break;
        read_2_tag(tag);
        at += (tag->size + 7) & ~7u;
    }
}

static void read_1(uint32_t address)
{
    const struct multiboot1_info *info = physical(address);
    if (info->flags & MB1_CMDLINE) {
        const char *line = physical(info->cmdline);
        while (*line && *line != ' ') /* the first word is the file's name */
            line++;
        copy_word(boot_info.options, sizeof(boot_info.options), *line ? line + 1 : line, 0);
    }
    for (uint32_t at = 0; info->flags & MB1_MEMORY_MAP && at < info->mmap_length;) {
        const struct multiboot1_region *region = physical(info->mmap_addr + at);
        add_region(region->base, region->length, region->type);
        at += region->size + sizeof(region->size);
    }
    for (uint32_t i = 0; info->flags & MB1_MODULES && i < info->mods_count; i++) {
        const struct multiboot1_module *module = physical(info->mods_addr + i * sizeof(*module));
        const char *string = physical(module->string);
        const char *word = string;
        /* QEMU puts the file's name first: "file name". GRUB gives the string alone. */
        while (*word && *word != ' ')
            word++;
        add_module(module->start, module->end, *word ? word + 1 : string);
    }
}

const char *multiboot_read(uint32_t magic, uint32_t address)
{
    if (magic == MAGIC_2) {
        boot_info.loader = "Multiboot 2";
        read_2(address);
    } else if (magic == MAGIC_1) {
        boot_info.loader = "Multiboot 1";
        read_1(address);
    } else {
        return "the boot loader is not Multiboot (1 or 2): start nullring with GRUB's multiboot2 command";
    }
    return boot_info.region_count ? NULL
                                  : "the boot loader gave no memory map: use GRUB's multiboot2 command";
}
