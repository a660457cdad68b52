/*
 * The header of a Multiboot2 kernel and its tags (Multiboot2 Specification 2.0, section 3.1). ELF files of 32
 * and of 64 bits are read by image_elf.c; either starts in 32-bit protected mode.
 *
 * Missing: a kernel that requires a frame buffer or information that the loader does not give is refused. The
 * tags for EFI machines say nothing here. A relocatable kernel stays where it is linked.
 */
#include "image_multiboot.h"
#include "image_reader.h"
#include "little_endian.h"
#include "string.h"

#define MULTIBOOT2_MAGIC 0xe85250d6u

enum {
    ALIGNMENT = 8, /* of the header and of its tags */
    ARCHITECTURE_I386 = 0,
    /* the header */
    HEADER_ARCHITECTURE = 4,
    HEADER_LENGTH = 8,
    HEADER_CHECKSUM = 12,
    HEADER_SIZE = 16,
    /* a tag */
    TAG_FLAGS = 2,
    TAG_LENGTH = 4,
    TAG_SIZE = 8,
    FLAG_OPTIONAL = 1,
    TAG_ADDRESS_SIZE = 24,
    TAG_ENTRY_SIZE = 12,
};

enum tag_type {
    TAG_END,
    TAG_INFORMATION_REQUEST,
    TAG_ADDRESS,
    TAG_ENTRY_ADDRESS,
    TAG_CONSOLE,
    TAG_FRAME_BUFFER,
    TAG_MODULE_ALIGNMENT,
    TAG_EFI_BOOT_SERVICES,
    TAG_EFI_I386_ENTRY,
    TAG_EFI_AMD64_ENTRY,
    TAG_RELOCATABLE,
};

struct header {
    uint64_t at, end; /* bytes of the file */
    bool has_addresses, has_entry;
    struct multiboot_addresses addresses;
};

static bool find_header(struct image_reader *reader, struct header *header)
{
    uint64_t end = reader->head_size < MULTIBOOT2_HEADER_AREA ? reader->head_size : MULTIBOOT2_HEADER_AREA;

    for (uint64_t at = 0; at + HEADER_SIZE <= end; at += ALIGNMENT) {
        const uint8_t *h = reader->head + at;
        if (load32(h) == MULTIBOOT2_MAGIC && load32(h) + load32(h + HEADER_ARCHITECTURE) +
                                                     load32(h + HEADER_LENGTH) +
                                                     load32(h + HEADER_CHECKSUM) ==
                                                 0) {
            header->at = at;
            header->end = at + load32(h + HEADER_LENGTH);
            return true;
        }
    }
    return image_refuse(reader,
                        "no Multiboot2 header (0xe85250d6) in its first 32768 bytes; give a Multiboot2 "
                        "kernel, or loader = \"multiboot\" for one of version 1");
}

/* What the loader gives in its information (loaders/multiboot2.c). */
static bool is_given(uint32_t type)
{
    enum {
        COMMAND_LINE = 1,
        LOADER_NAME,
        MODULES,
        MEMORY,
        MEMORY_MAP = 6,
        OLD_RSDP = 14,
        NEW_RSDP,
        LOAD_BASE = 21
    };
    const uint32_t given = 1u << COMMAND_LINE | 1u << LOADER_NAME | 1u << MODULES | 1u << MEMORY |
                           1u << MEMORY_MAP | 1u << OLD_RSDP | 1u << NEW_RSDP | 1u << LOAD_BASE;

    return type < 32 && (given >> type & 1);
}

static bool read_requests(struct image_reader *reader, uint64_t at, uint32_t length)
{
    for (uint32_t i = TAG_SIZE; i + 4 <= length; i += 4) {
        uint32_t type = load32(reader->head + at + i);
        if (!is_given(type))
            return image_refuse(
                reader,
                "the Multiboot2 header requires information of type %u (byte 0x%lx), which is "
                "not in this version; build it without, or make the request optional",
                type, at + i);
    }
    return true;
}

/* One tag whose length fits the header. */
static bool read_tag(struct image_reader *reader, struct header *header, uint64_t at, uint32_t length)
{
    const uint8_t *tag = reader->head + at;
    unsigned type = load16(tag);
    bool optional = load16(tag + TAG_FLAGS) & FLAG_OPTIONAL;

    if ((type == TAG_ADDRESS && length < TAG_ADDRESS_SIZE) ||
        (type == TAG_ENTRY_ADDRESS && length < TAG_ENTRY_SIZE)) {
        return image_refuse(reader,
                            "the Multiboot2 tag of type %u at byte 0x%lx has %u bytes, too few for it; "
                            "correct the header",
                            type, at, length);
    }
    switch (type) {
    case TAG_INFORMATION_REQUEST:
        return optional || read_requests(reader, at, length);
    case TAG_ADDRESS:
        header->has_addresses = true;
        header->addresses.header = load32(tag + 8);
        header->addresses.load = load32(tag + 12);
        header->addresses.load_end = load32(tag + 16);
        header->addresses.bss_end = load32(tag + 20);
        if (header->addresses.load == UINT32_MAX) /* the file from its start */
            header->addresses.load = header->addresses.header - (uint32_t)header->at;
        return true;
    case TAG_ENTRY_ADDRESS:
        header->has_entry = true;
        header->addresses.entry = load32(tag + 8);
        return true;
    case TAG_CONSOLE: /* there is a text screen */
    case TAG_MODULE_ALIGNMENT:
    case TAG_EFI_BOOT_SERVICES:
    case TAG_EFI_I386_ENTRY:
    case TAG_EFI_AMD64_ENTRY:
    case TAG_RELOCATABLE:
        return true;
    default:
        return optional ||
               image_refuse(reader,
                            "the Multiboot2 header requires tag %u (byte 0x%lx)%s, which is not in this "
                            "version; build it without, or make the tag optional",
                            type, at, type == TAG_FRAME_BUFFER ? ", a frame buffer" : "");
    }
}

static bool read_tags(struct image_reader *reader, struct header *header)
{
    const uint8_t *head = reader->head;

    if (load32(head + header->at + HEADER_ARCHITECTURE) != ARCHITECTURE_I386) {
        return image_refuse(reader,
                            "a Multiboot2 kernel for architecture %u, not for i386 (0); give one for it",
                            load32(head + header->at + HEADER_ARCHITECTURE));
    }
    if (header->end > reader->head_size)
        return image_refuse(reader,
                            "truncated within the Multiboot2 header at byte 0x%lx; copy the kernel again",
                            header->at);
    for (uint64_t at = header->at + HEADER_SIZE;;) {
        uint32_t length = at + TAG_SIZE <= header->end ? load32(head + at + TAG_LENGTH) : 0;
        if (length < TAG_SIZE || length > header->end - at) {
            return image_refuse(reader,
                                "the Multiboot2 header at byte 0x%lx ends within a tag (byte 0x%lx); correct "
                                "its lengths",
                                header->at, at);
        }
        if (load16(head + at) == TAG_END)
            return true;
        if (!read_tag(reader, header, at, length))
            return false;
        at += ((uint64_t)length + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
    }
}

static bool read_elf(struct image_reader *reader, struct multiboot_image *image, const struct header *header)
{
    struct elf_image elf;

    if (!elf_is_elf(reader->head, reader->head_size)) {
        return image_refuse(reader,
                            "a Multiboot2 header without load addresses (tag 2), and not an ELF file; "
                            "add the tag or link it as ELF");
    }
    if (!elf_image_read(reader, &elf))
        return false;
    image->entry = header->has_entry ? header->addresses.entry : elf.entry;
    image->segment_count = elf.segment_count;
    memcpy(image->segment, elf.segment, sizeof image->segment);
    for (uint32_t i = 0; i < elf.segment_count; i++)
        if (image->entry >= elf.segment[i].start && image->entry - elf.segment[i].start < elf.segment[i].size)
            return true;
    return image_refuse(reader,
                        "the entry address 0x%x lies in no loadable segment; correct the Multiboot2 header",
                        image->entry);
}

bool multiboot2_image_read(struct multiboot_image *image, const char *file, const uint8_t *data,
                           uint64_t size, char *sentence, size_t sentence_size)
{
    struct image_reader reader = {file, data, size, size, sentence, sentence_size};
    struct header header = {0};

    memset(image, 0, sizeof *image);
    if (size == 0)
        return image_refuse(&reader, "the file is empty; copy the kernel again");
    if (!find_header(&reader, &header) || !read_tags(&reader, &header))
        return false;
    if (!header.has_addresses)
        return read_elf(&reader, image, &header);
    if (!header.has_entry)
        return image_refuse(
            &reader,
            "the Multiboot2 header at byte 0x%lx has load addresses (tag 2) but no entry (tag 3); "
            "add it",
            header.at);
    return multiboot_add_addresses(&reader, image, header.at, &header.addresses);
}
