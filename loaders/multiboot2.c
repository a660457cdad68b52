/*
 * What a Multiboot2 kernel finds when it starts: the processor's state and the information, a list of tags
 * (Multiboot2 Specification 2.0, sections 3.3 to 3.6). Where all of it lies is planned as for version 1
 * (multiboot.c).
 *
 * Missing: boot device (there is none), VBE and frame buffer, ELF sections, APM, network, EFI.
 */
#include "internal.h"
#include "layout.h"
#include "little_endian.h"
#include "string.h"

#define LOADED_MAGIC 0x36d76289u

enum tag_type {
    TAG_END = 0,
    TAG_COMMAND_LINE = 1,
    TAG_LOADER_NAME = 2,
    TAG_MODULE = 3,
    TAG_MEMORY = 4,
    TAG_MEMORY_MAP = 6,
    TAG_OLD_RSDP = 14,
    TAG_NEW_RSDP = 15,
    TAG_LOAD_BASE = 21,
};

enum {
    ALIGNMENT = 8,
    INFO_HEADER = 8, /* total size, reserved */
    TAG_HEADER = 8,  /* type, size without the padding */
    MODULE_HEADER = 8,
    MEMORY_BYTES = 8,
    MAP_HEADER = 8,
    MAP_ENTRY = 24,
    RSDP_V1_LENGTH = 20, /* ACPI 1.0b, 5.2.4.1 */
    RSDP_LENGTH = 36,    /* ACPI 6.5, 5.2.5.3 */
    TAGS = 9,            /* but for the modules */
    ARGUMENTS = sizeof(((struct guest_module *)0)->arguments),
    /* with each tag padded as far as can be */
    TAGS_MAX = INFO_HEADER + TAGS * (TAG_HEADER + ALIGNMENT) + GUEST_BOOTARGS_SIZE + sizeof "nullring" +
               GUEST_MODULES_MAX * (TAG_HEADER + MODULE_HEADER + ARGUMENTS + ALIGNMENT) + MEMORY_BYTES +
               MAP_HEADER + MEMORY_MAP_MAX * MAP_ENTRY + RSDP_V1_LENGTH + RSDP_LENGTH + 4,
};
_Static_assert(BOOT_GDT_SIZE % ALIGNMENT == 0 && BOOT_GDT_SIZE + TAGS_MAX <= MULTIBOOT2_BLOCK_SIZE,
               "the block has room for all");

struct writer {
    uint8_t *info;
    uint32_t at;
};

/* Begins a tag with so many bytes behind its header; returns them. */
static uint8_t *write_tag(struct writer *w, enum tag_type type, uint32_t bytes)
{
    uint8_t *tag = w->info + w->at;

    store32(tag, type);
    store32(tag + 4, TAG_HEADER + bytes);
    w->at += (TAG_HEADER + bytes + ALIGNMENT - 1) & ~(uint32_t)(ALIGNMENT - 1);
    return tag + TAG_HEADER;
}

static void write_text(struct writer *w, enum tag_type type, const char *text)
{
    uint32_t size = (uint32_t)strlen(text) + 1;

    memcpy(write_tag(w, type, size), text, size);
}

static void write_modules(struct writer *w, const struct loader *loader, const struct guest_config *config)
{
    for (uint32_t i = 0; i < config->module_count; i++) {
        uint32_t size = (uint32_t)strlen(config->module[i].arguments) + 1;
        uint8_t *to = write_tag(w, TAG_MODULE, MODULE_HEADER + size);
        store32(to, loader->multiboot.start[i]);
        store32(to + 4, loader->multiboot.end[i]);
        memcpy(to + MODULE_HEADER, config->module[i].arguments, size);
    }
}

static void write_memory(struct writer *w, const struct loader_input *input)
{
    struct memory_range map[MEMORY_MAP_MAX];
    unsigned count = loader_memory_map(input, map);
    uint8_t *to = write_tag(w, TAG_MEMORY, MEMORY_BYTES);

    store32(to, (uint32_t)(LOW_MEMORY_END >> 10));
    store32(to + 4, (uint32_t)((input->low_size - FIRMWARE_END) >> 10));
    to = write_tag(w, TAG_MEMORY_MAP, MAP_HEADER + count * MAP_ENTRY);
    store32(to, MAP_ENTRY);
    store32(to + 4, 0); /* version of an entry */
    for (unsigned i = 0; i < count; i++) {
        uint8_t *entry = to + MAP_HEADER + i * MAP_ENTRY;
        store64(entry, map[i].base);
        store64(entry + 8, map[i].length);
        store32(entry + 16, map[i].type);
        store32(entry + 20, 0);
    }
}

/* Copies of the one that the firmware's tables begin with. */
static void write_rsdp(struct writer *w, const struct loader_input *input)
{
    if (input->rsdp == 0)
        return;
    const uint8_t *rsdp = input->ram + input->rsdp;
    memcpy(write_tag(w, TAG_OLD_RSDP, RSDP_V1_LENGTH), rsdp, RSDP_V1_LENGTH);
    memcpy(write_tag(w, TAG_NEW_RSDP, RSDP_LENGTH), rsdp, RSDP_LENGTH);
}

uint32_t multiboot2_finish(const struct loader *loader, const struct loader_input *input,
                           struct vcpu_state *state)
{
    uint8_t *block = input->ram + loader->multiboot.info;
    struct writer w = {.info = block + BOOT_GDT_SIZE, .at = INFO_HEADER};

    write_text(&w, TAG_COMMAND_LINE, input->config->bootargs);
    write_text(&w, TAG_LOADER_NAME, "nullring");
    write_modules(&w, loader, input->config);
    write_memory(&w, input);
    write_rsdp(&w, input);
    store32(write_tag(&w, TAG_LOAD_BASE, 4), loader->multiboot.base);
    write_tag(&w, TAG_END, 0);
    store32(w.info, w.at);
    loader_write_gdt(block, false);

    uint32_t groups = loader_state_flat(state, loader->multiboot.info);
    state->gpr.rip = loader->multiboot.entry;
    state->gpr.reg[RAX] = LOADED_MAGIC;
    state->gpr.reg[RBX] = loader->multiboot.info + BOOT_GDT_SIZE;
    return groups;
}
