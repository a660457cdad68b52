/*
 * The headers of a Multiboot 1 kernel. Follows the Multiboot Specification 0.6.96, sections 3.1 and 3.2, and
 * the ELF specification 1.2 for 32-bit files. Video modes (flag 2) are refused.
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

enum {
    ELF_HEADER_SIZE = 52,
    ELF_CLASS = 4,
    ELF_CLASS_32 = 1,
    ELF_CLASS_64 = 2,
    ELF_DATA = 5,
    ELF_DATA_LITTLE = 1,
    ELF_MACHINE = 18,
    ELF_MACHINE_386 = 3,
    ELF_ENTRY = 24,
    ELF_PHOFF = 28,
    ELF_PHENTSIZE = 42,
    ELF_PHNUM = 44,
    ELF_PHDR_SIZE = 32,
    PHDR_TYPE = 0,
    PHDR_OFFSET = 4,
    PHDR_VADDR = 8,
    PHDR_PADDR = 12,
    PHDR_FILESZ = 16,
    PHDR_MEMSZ = 20,
    PHDR_TYPE_LOAD = 1,
};

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

static bool add_segment(struct image_reader *reader, struct multiboot_image *image,
                        struct multiboot_segment segment)
{
    uint32_t number = image->segment_count;

    if (number == MULTIBOOT_SEGMENTS_MAX)
        return image_refuse(reader, "more than %u loadable segments; link it with fewer",
                            MULTIBOOT_SEGMENTS_MAX);
    if (segment.offset + segment.filled > reader->file_size) {
        return image_refuse(
            reader, "truncated: segment %u ends at byte %lu, the file at byte %lu; copy the kernel again",
            number, segment.offset + segment.filled, reader->file_size);
    }
    if (segment.filled > segment.size) {
        return image_refuse(reader, "segment %u has %lu bytes in the file but %lu in memory; link it again",
                            number, segment.filled, segment.size);
    }
    if (segment.start + segment.size > UINT64_C(1) << 32) {
        return image_refuse(reader, "segment %u at 0x%lx reaches beyond 4 GiB; link it lower", number,
                            segment.start);
    }
    image->segment[image->segment_count++] = segment;
    return true;
}

/* Section 3.1.3: the header itself says what goes where. */
static bool read_addresses(struct image_reader *reader, struct multiboot_image *image, uint64_t at)
{
    const uint8_t *header = reader->head + at;

    if (at + HEADER_SIZE_ADDRESSES > reader->head_size) {
        return image_refuse(reader,
                            "truncated within the multiboot header at byte 0x%lx; copy the kernel again", at);
    }
    uint32_t header_addr = load32(header + HEADER_HEADER_ADDR);
    uint32_t load_addr = load32(header + HEADER_LOAD_ADDR);
    uint32_t load_end = load32(header + HEADER_LOAD_END_ADDR);
    uint32_t bss_end = load32(header + HEADER_BSS_END_ADDR);

    image->entry = load32(header + HEADER_ENTRY_ADDR);
    if (load_addr > header_addr || header_addr - load_addr > at) {
        return image_refuse(
            reader,
            "the multiboot header at byte 0x%lx puts itself at 0x%x but the file's start at 0x%x; "
            "correct header_addr and load_addr",
            at, header_addr, load_addr);
    }
    struct multiboot_segment segment = {.offset = at - (header_addr - load_addr), .start = load_addr};
    segment.filled = load_end != 0 ? (uint64_t)load_end - load_addr : reader->file_size - segment.offset;
    if (load_end != 0 && load_end < load_addr) {
        return image_refuse(reader,
                            "load_end_addr 0x%x lies below load_addr 0x%x; correct the multiboot header",
                            load_end, load_addr);
    }
    segment.size = segment.filled;
    if (bss_end != 0) {
        if (bss_end < load_addr + segment.filled) {
            return image_refuse(
                reader,
                "bss_end_addr 0x%x lies below the end of the data 0x%lx; correct the multiboot header",
                bss_end, load_addr + segment.filled);
        }
        segment.size = (uint64_t)bss_end - load_addr;
    }
    if (image->entry < load_addr || image->entry - load_addr >= segment.size) {
        return image_refuse(
            reader,
            "entry_addr 0x%x lies outside of what is loaded, 0x%x to 0x%lx; correct the multiboot header",
            image->entry, load_addr, load_addr + segment.size);
    }
    return add_segment(reader, image, segment);
}

/* The entry point is a virtual address; the processor starts without paging. */
static bool translate_entry(struct multiboot_image *image, uint32_t entry, uint32_t vaddr,
                            const struct multiboot_segment *segment)
{
    if (entry < vaddr || entry - vaddr >= segment->size)
        return false;
    image->entry = (uint32_t)(segment->start + (entry - vaddr));
    return true;
}

static bool read_elf_segments(struct image_reader *reader, struct multiboot_image *image)
{
    uint32_t entry = load32(reader->head + ELF_ENTRY);
    uint64_t phoff = load32(reader->head + ELF_PHOFF);
    unsigned count = load16(reader->head + ELF_PHNUM);
    bool entry_found = false;

    if (load16(reader->head + ELF_PHENTSIZE) != ELF_PHDR_SIZE) {
        return image_refuse(
            reader, "program headers of %u bytes at byte 42, an ELF32 file has %u; the file is damaged",
            load16(reader->head + ELF_PHENTSIZE), ELF_PHDR_SIZE);
    }
    if (phoff + (uint64_t)count * ELF_PHDR_SIZE > reader->head_size) {
        return image_refuse(
            reader, "the program headers at byte %lu lie outside the file; copy the kernel again", phoff);
    }
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *phdr = reader->head + phoff + i * ELF_PHDR_SIZE;
        struct multiboot_segment segment = {.offset = load32(phdr + PHDR_OFFSET),
                                            .filled = load32(phdr + PHDR_FILESZ),
                                            .start = load32(phdr + PHDR_PADDR),
                                            .size = load32(phdr + PHDR_MEMSZ)};
        if (load32(phdr + PHDR_TYPE) != PHDR_TYPE_LOAD || segment.size == 0)
            continue;
        if (!add_segment(reader, image, segment))
            return false;
        if (!entry_found)
            entry_found = translate_entry(image, entry, load32(phdr + PHDR_VADDR), &segment);
    }
    if (!entry_found)
        return image_refuse(reader, "the entry point 0x%x lies in no loadable segment; link it again", entry);
    return true;
}

static bool read_elf(struct image_reader *reader, struct multiboot_image *image)
{
    static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};
    const uint8_t *head = reader->head;

    if (reader->head_size < ELF_HEADER_SIZE || memcmp(head, magic, sizeof magic) != 0) {
        return image_refuse(
            reader, "a multiboot header without load addresses (flag 16), and not an ELF file; set flag 16 "
                    "or link it as elf32-i386");
    }
    if (head[ELF_CLASS] == ELF_CLASS_64) {
        return image_refuse(
            reader, "a 64-bit ELF file; Multiboot 1 loads 32-bit ones: objcopy -O elf32-i386 makes one");
    }
    if (head[ELF_CLASS] != ELF_CLASS_32 || head[ELF_DATA] != ELF_DATA_LITTLE ||
        load16(head + ELF_MACHINE) != ELF_MACHINE_386) {
        return image_refuse(reader, "an ELF file for machine %u, not for i386 (3); give an elf32-i386 kernel",
                            load16(head + ELF_MACHINE));
    }
    return read_elf_segments(reader, image);
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
