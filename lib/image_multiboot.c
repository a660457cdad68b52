/*
 * The headers of a Multiboot 1 kernel. Follows the Multiboot Specification 0.6.96, sections 3.1 and 3.2;
 * ELF files are read by image_elf.c. Video modes (flag 2) are refused.
 */
#include "image_multiboot.h"
#include "image_reader.h"
#include "little_endian.h"
#include "string.h"

enum {
    HEADER_ALIGNMENT = 4,
    HEADER_SIZE = 12,
    HEADER_SIZE_ADDRESSES = 32,
    /* offsets in the multiboot header */
    HEADER_FLAGS = 4,
    HEADER_CHECKSUM = 8,
    HEADER_HEADER_ADDR = 12,
    HEADER_LOAD_ADDR = 16,
    HEADER_LOAD_END_ADDR = 20,
    HEADER_BSS_END_ADDR = 24,
    HEADER_ENTRY_ADDR = 28,
    /* flags */
    FLAG_PAGE_ALIGN = 1 << 0,
    FLAG_MEMORY_INFO = 1 << 1,
    FLAG_VIDEO = 1 << 2,
    FLAGS_REQUIRED = 0xffff, /* a loader must refuse those it does not know */
    FLAG_ADDRESSES = 1 << 16,
};
#define MULTIBOOT_MAGIC 0x1badb002u

/* File offset of the multiboot header, or UINT64_MAX. */
static uint64_t find_header(const struct image_reader *reader)
{
    uint64_t end = reader->head_size < MULTIBOOT_HEADER_AREA ? reader->head_size : MULTIBOOT_HEADER_AREA;

    for (uint64_t at = 0; at + HEADER_SIZE <= end; at += HEADER_ALIGNMENT) {
        const uint8_t *header = reader->head + at;
        if (load32(header) == MULTIBOOT_MAGIC &&
            load32(header) + load32(header + HEADER_FLAGS) + load32(header + HEADER_CHECKSUM) == 0)
            return at;
    }
    return UINT64_MAX;
}

bool multiboot_add_addresses(struct image_reader *reader, struct multiboot_image *image, uint64_t at,
                             const struct multiboot_addresses *a)
{
    if (a->load > a->header || a->header - a->load > at) {
        return image_refuse(
            reader,
            "the multiboot header at byte 0x%lx puts itself at 0x%x but the file's start at 0x%x; "
            "correct header_addr and load_addr",
            at, a->header, a->load);
    }
    struct image_segment segment = {.offset = at - (a->header - a->load), .start = a->load};
    segment.filled = a->load_end != 0 ? (uint64_t)a->load_end - a->load : reader->file_size - segment.offset;
    if (a->load_end != 0 && a->load_end < a->load) {
        return image_refuse(reader,
                            "load_end_addr 0x%x lies below load_addr 0x%x; correct the multiboot header",
                            a->load_end, a->load);
    }
    segment.size = segment.filled;
    if (a->bss_end != 0) {
        if (a->bss_end < a->load + segment.filled) {
            return image_refuse(
                reader,
                "bss_end_addr 0x%x lies below the end of the data 0x%lx; correct the multiboot header",
                a->bss_end, a->load + segment.filled);
        }
        segment.size = (uint64_t)a->bss_end - a->load;
    }
    if (a->entry < a->load || a->entry - a->load >= segment.size) {
        return image_refuse(
            reader,
            "entry_addr 0x%x lies outside of what is loaded, 0x%x to 0x%lx; correct the multiboot header",
            a->entry, a->load, a->load + segment.size);
    }
    image->entry = a->entry;
    return image_add_segment(reader, image->segment, &image->segment_count, segment);
}

/* Section 3.1.3: the header itself says what goes where. */
static bool read_addresses(struct image_reader *reader, struct multiboot_image *image, uint64_t at)
{
    const uint8_t *header = reader->head + at;

    if (at + HEADER_SIZE_ADDRESSES > reader->head_size) {
        return image_refuse(reader,
                            "truncated within the multiboot header at byte 0x%lx; copy the kernel again", at);
    }
    const struct multiboot_addresses addresses = {.header = load32(header + HEADER_HEADER_ADDR),
                                                  .load = load32(header + HEADER_LOAD_ADDR),
                                                  .load_end = load32(header + HEADER_LOAD_END_ADDR),
                                                  .bss_end = load32(header + HEADER_BSS_END_ADDR),
                                                  .entry = load32(header + HEADER_ENTRY_ADDR)};
    return multiboot_add_addresses(reader, image, at, &addresses);
}

static bool read_elf(struct image_reader *reader, struct multiboot_image *image)
{
    struct elf_image elf;

    if (!elf_is_elf(reader->head, reader->head_size)) {
        return image_refuse(
            reader, "a multiboot header without load addresses (flag 16), and not an ELF file; set flag 16 "
                    "or link it as elf32-i386");
    }
    if (elf_is_64(reader->head)) {
        return image_refuse(
            reader, "a 64-bit ELF file; Multiboot 1 loads 32-bit ones: objcopy -O elf32-i386 makes one");
    }
    if (!elf_image_read(reader, &elf))
        return false;
    image->entry = elf.entry;
    image->segment_count = elf.segment_count;
    memcpy(image->segment, elf.segment, sizeof image->segment);
    return true;
}

bool multiboot_image_read(struct multiboot_image *image, const char *file, const uint8_t *head,
                          uint64_t head_size, uint64_t file_size, char *sentence, size_t sentence_size)
{
    struct image_reader reader = {file, head, head_size, file_size, sentence, sentence_size};

    memset(image, 0, sizeof *image);
    if (file_size == 0)
        return image_refuse(&reader, "the file is empty; copy the kernel again");
    uint64_t at = find_header(&reader);
    if (at == UINT64_MAX) {
        return image_refuse(
            &reader, "no multiboot header (0x1badb002) in its first 8192 bytes; give a Multiboot 1 kernel, "
                     "or loader = \"linux\" for a bzImage");
    }
    image->flags = load32(head + at + HEADER_FLAGS);
    uint32_t unknown = image->flags & FLAGS_REQUIRED & ~(uint32_t)(FLAG_PAGE_ALIGN | FLAG_MEMORY_INFO);
    if (unknown != 0) {
        return image_refuse(
            &reader,
            "the multiboot header at byte 0x%lx requires flags 0x%x%s, which are not in this version; "
            "build it without",
            at, unknown, (unknown & FLAG_VIDEO) != 0 ? " (a video mode)" : "");
    }
    if ((image->flags & FLAG_ADDRESSES) != 0) {
        if (!read_addresses(&reader, image, at))
            return false;
    } else if (!read_elf(&reader, image)) {
        return false;
    }
    return true;
}
