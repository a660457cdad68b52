/*
 * The boot loader's information, Multiboot2 1.6 section 3.6 and Multiboot 0.6.96 section 3.3.
 *
 * Read once, through the boot page tables (the first 4 GiB at DIRECT_BASE), before memory_init().
 */
#include "multiboot.h"
#include "frames.h"
#include "string.h"

enum { MAGIC_1 = 0x2badb002, MAGIC_2 = 0x36d76289, MEMORY_AVAILABLE = 1 };

enum multiboot2_tag_type {
    TAG_END = 0,
    TAG_COMMAND_LINE = 1,
    TAG_MODULE = 3,
    TAG_MEMORY_MAP = 6,
    TAG_FRAMEBUFFER = 8,
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

struct region { /* in both versions */
    uint64_t base, length;
    uint32_t type;
} __attribute__((packed));

struct multiboot1_info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
    uint32_t syms[4], mmap_length, mmap_addr;
};

enum multiboot1_flag { MB1_CMDLINE = 1 << 2, MB1_MODULES = 1 << 3, MB1_MEMORY_MAP = 1 << 6 };

struct multiboot1_module {
    uint32_t start, end, string, reserved;
};

struct boot_info boot_info;

static void copy_word(char *to, uint32_t size, const char *from, char end)
{
    uint32_t n = 0;
    while (n + 1 < size && from[n] && from[n] != end) {
        to[n] = from[n];
        n++;
    }
    to[n] = 0;
}

void boot_region_cut(uint64_t start, uint64_t end)
{
    for (uint32_t i = 0; i < boot_info.region_count; i++) {
        struct boot_region *region = &boot_info.region[i];
        if (region->start >= end || region->end <= start)
            continue;
        /* A part on either side: the upper one is lost when there is no room for it. */
        if (region->start < start && region->end > end && boot_info.region_count < BOOT_REGIONS_MAX)
            boot_info.region[boot_info.region_count++] = (struct boot_region){end, region->end};
        if (region->start < start)
            region->end = start;
        else
            region->start = region->end < end ? region->end : end;
    }
}

static void region_add(const struct region *region)
{
    uint64_t start = (region->base + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    uint64_t end = (region->base + region->length) & ~(PAGE_SIZE - 1);
    if (start >= end || boot_info.region_count == BOOT_REGIONS_MAX)
        return;
    boot_region_cut(start, end); /* no page twice, whatever the firmware says */
    boot_info.region[boot_info.region_count++] = (struct boot_region){start, end};
}

/* Entries of a fixed size, or (0) each with its size before it. Where they overlap, RAM is what all call so.
 */
static void map_read(const uint8_t *map, uint32_t length, uint32_t entry_size)
{
    uint32_t before = entry_size ? 0 : sizeof(uint32_t);
    for (unsigned others = 0; others < 2; others++) {
        for (uint32_t at = 0; at + before + sizeof(struct region) <= length;) {
            const struct region *region = (const struct region *)(map + at + before);
            if (region->type == MEMORY_AVAILABLE && !others)
                region_add(region);
            else if (region->type != MEMORY_AVAILABLE && others)
                boot_region_cut(region->base & ~(PAGE_SIZE - 1),
                                (region->base + region->length + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1));
            at += entry_size ? entry_size : *(const uint32_t *)(map + at) + before;
        }
    }
}

static void module_add(uint64_t start, uint64_t end, const char *string)
{
    if (boot_info.module_count == BOOT_MODULES_MAX || start % PAGE_SIZE || end < start) {
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
        module_add(module->start, module->end, module->string);
    } else if (tag->type == TAG_MEMORY_MAP) {
        const struct multiboot2_memory_map *map = (const struct multiboot2_memory_map *)tag;
        if (tag->size >= sizeof(*map) && map->entry_size >= sizeof(struct region))
            map_read(map->entries, tag->size - sizeof(*map), map->entry_size);
    } else if (tag->type == TAG_FRAMEBUFFER) {
        uint32_t size = tag->size - sizeof(*tag), room = sizeof(boot_info.display);
        memcpy(&boot_info.display, tag + 1, size < room ? size : room);
    } else if (tag->type == TAG_RSDP_1 || tag->type == TAG_RSDP_2) {
        boot_info.rsdp = virt_to_phys(tag + 1);
    }
}

static void read_2(uint32_t address)
{
    const uint32_t *total = phys_to_virt(address);
    boot_info.multiboot = 2;
    for (uint32_t at = 8; at + sizeof(struct multiboot2_tag) <= *total;) {
        const struct multiboot2_tag *tag = phys_to_virt(address + at);
        if (tag->type == TAG_END || tag->size < sizeof(*tag))
            break;
        read_2_tag(tag);
        at += (tag->size + 7) & ~7u;
    }
}

/* What follows the first word of a string, perhaps nothing. */
static const char *second_word(const char *string)
{
    while (*string && *string != ' ')
        string++;
    return *string ? string + 1 : string;
}

static void read_1(uint32_t address)
{
    const struct multiboot1_info *info = phys_to_virt(address);
    boot_info.multiboot = 1;
    if (info->flags & MB1_CMDLINE) /* the first word is the file's name */
        copy_word(boot_info.options, sizeof(boot_info.options), second_word(phys_to_virt(info->cmdline)), 0);
    if (info->flags & MB1_MEMORY_MAP)
        map_read(phys_to_virt(info->mmap_addr), info->mmap_length, 0);
    for (uint32_t i = 0; info->flags & MB1_MODULES && i < info->mods_count; i++) {
        const struct multiboot1_module *module = phys_to_virt(info->mods_addr + i * sizeof(*module));
        /* QEMU puts the file's name first: "file name". GRUB gives the string alone. */
        const char *string = phys_to_virt(module->string), *name = second_word(string);
        module_add(module->start, module->end, *name ? name : string);
    }
}

const char *multiboot_read(uint32_t magic, uint32_t address)
{
    if (magic == MAGIC_2)
        read_2(address);
    else if (magic == MAGIC_1)
        read_1(address);
    else
        return "the boot loader is not Multiboot (1 or 2): start nullring with GRUB's multiboot2 command";
    return boot_info.region_count ? NULL
                                  : "the boot loader gave no memory map: use GRUB's multiboot2 command";
}
