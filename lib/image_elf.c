/*
 * The headers of an ELF kernel, little-endian, for i386 or x86-64: program headers and notes. Sections are
 * not looked at. The PVH entry is the note that Xen calls XEN_ELFNOTE_PHYS32_ENTRY.
 */
#include "image_elf.h"
#include "little_endian.h"
#include "string.h"

enum {
    /* e_ident, and what both classes have in the same place */
    ELF_CLASS = 4,
    ELF_CLASS_32 = 1,
    ELF_CLASS_64 = 2,
    ELF_DATA = 5,
    ELF_DATA_LITTLE = 1,
    ELF_MACHINE = 18,
    ELF_MACHINE_386 = 3,
    ELF_MACHINE_X86_64 = 62,
    ELF_ENTRY = 24,
    /* types of program headers */
    PHDR_TYPE_LOAD = 1,
    PHDR_TYPE_NOTE = 4,
    /* a note: sizes of name and contents, type; both padded to four bytes */
    NOTE_HEADER = 12,
    NOTE_DESCSZ = 4,
    NOTE_TYPE = 8,
    NOTE_PHYS32_ENTRY = 18,
};

/* Where each class has the others. */
static const struct elf_layout {
    uint8_t header_size, phoff, phentsize, phnum, phdr_size, offset, vaddr, paddr, filesz, memsz, word;
} layout_32 = {52, 28, 42, 44, 32, 4, 8, 12, 16, 20, 4},
  layout_64 = {64, 32, 54, 56, 56, 8, 16, 24, 32, 40, 8};

static uint64_t load_word(const struct elf_layout *layout, const uint8_t *at)
{
    return layout->word == 8 ? load64(at) : load32(at);
}

bool image_add_segment(struct image_reader *reader, struct image_segment *segments, uint32_t *count,
                       struct image_segment segment)
{
    const uint64_t limit = UINT64_C(1) << 32;
    uint32_t number = *count;

    if (number == IMAGE_SEGMENTS_MAX)
        return image_refuse(reader, "more than %u loadable segments; link it with fewer", IMAGE_SEGMENTS_MAX);
    if (segment.offset > reader->file_size || segment.filled > reader->file_size - segment.offset) {
        return image_refuse(
            reader, "truncated: segment %u ends at byte %lu, the file at byte %lu; copy the kernel again",
            number, segment.offset + segment.filled, reader->file_size);
    }
    if (segment.filled > segment.size) {
        return image_refuse(reader, "segment %u has %lu bytes in the file but %lu in memory; link it again",
                            number, segment.filled, segment.size);
    }
    if (segment.start > limit || segment.size > limit - segment.start) {
        return image_refuse(reader, "segment %u at 0x%lx reaches beyond 4 GiB; link it lower", number,
                            segment.start);
    }
    segments[(*count)++] = segment;
    return true;
}

bool elf_is_elf(const uint8_t *head, uint64_t head_size)
{
    static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};

    return head_size >= layout_32.header_size && memcmp(head, magic, sizeof magic) == 0;
}

bool elf_is_64(const uint8_t *head)
{
    return head[ELF_CLASS] == ELF_CLASS_64;
}

/* Looks for the PVH entry in the notes of one program header. */
static void read_notes(const struct image_reader *reader, struct elf_image *image, uint64_t offset,
                       uint64_t size)
{
    static const char owner[] = "Xen";
    uint64_t at = offset, end = offset + size;

    if (offset > reader->head_size || size > reader->head_size - offset)
        return; /* of a part that is not loaded: nothing that we need */
    while (end - at >= NOTE_HEADER) {
        const uint8_t *note = reader->head + at;
        uint64_t name = ((uint64_t)load32(note) + 3) & ~UINT64_C(3);
        uint64_t contents = ((uint64_t)load32(note + NOTE_DESCSZ) + 3) & ~UINT64_C(3);
        if (name + contents > end - at - NOTE_HEADER)
            return;
        if (load32(note + NOTE_TYPE) == NOTE_PHYS32_ENTRY && load32(note) == sizeof owner && contents >= 4 &&
            memcmp(note + NOTE_HEADER, owner, sizeof owner) == 0) {
            image->has_pvh = true;
            image->pvh_entry = load32(note + NOTE_HEADER + name);
        }
        at += NOTE_HEADER + name + contents;
    }
}

static bool is_inside(const struct elf_image *image, uint64_t address)
{
    for (uint32_t i = 0; i < image->segment_count; i++)
        if (address >= image->segment[i].start && address - image->segment[i].start < image->segment[i].size)
            return true;
    return false;
}

static bool read_program_headers(struct image_reader *reader, struct elf_image *image,
                                 const struct elf_layout *layout)
{
    const uint8_t *head = reader->head;
    uint64_t entry = load_word(layout, head + ELF_ENTRY), phoff = load_word(layout, head + layout->phoff);
    uint64_t headers = load16(head + layout->phnum) * (uint64_t)layout->phdr_size;
    bool entry_found = false;

    if (phoff > reader->head_size || headers > reader->head_size - phoff) {
        return image_refuse(
            reader, "the program headers at byte %lu lie outside the file; copy the kernel again", phoff);
    }
    for (uint64_t at = phoff; at < phoff + headers; at += layout->phdr_size) {
        const uint8_t *phdr = head + at;
        struct image_segment segment = {.offset = load_word(layout, phdr + layout->offset),
                                        .filled = load_word(layout, phdr + layout->filesz),
                                        .start = load_word(layout, phdr + layout->paddr),
                                        .size = load_word(layout, phdr + layout->memsz)};
        uint64_t into = entry - load_word(layout, phdr + layout->vaddr);
        if (load32(phdr) == PHDR_TYPE_NOTE)
            read_notes(reader, image, segment.offset, segment.filled);
        if (load32(phdr) != PHDR_TYPE_LOAD || segment.size == 0)
            continue;
        if (!image_add_segment(reader, image->segment, &image->segment_count, segment))
            return false;
        /* The processor starts without paging. */
        if (!entry_found && into < segment.size) {
            entry_found = true;
            image->entry = (uint32_t)(segment.start + into);
        }
    }
    if (!entry_found && !image->has_pvh) {
        return image_refuse(reader, "the entry point 0x%lx lies in no loadable segment; link it again",
                            entry);
    }
    if (image->has_pvh && !is_inside(image, image->pvh_entry)) {
        return image_refuse(reader, "the PVH entry 0x%x lies in no loadable segment; link it again",
                            image->pvh_entry);
    }
    return true;
}

bool elf_image_read(struct image_reader *reader, struct elf_image *image)
{
    const uint8_t *head = reader->head;
    const struct elf_layout *layout = elf_is_64(head) ? &layout_64 : &layout_32;
    unsigned machine = load16(head + ELF_MACHINE);

    memset(image, 0, sizeof *image);
    if ((head[ELF_CLASS] != ELF_CLASS_32 && head[ELF_CLASS] != ELF_CLASS_64) ||
        head[ELF_DATA] != ELF_DATA_LITTLE ||
        machine != (layout == &layout_64 ? ELF_MACHINE_X86_64 : ELF_MACHINE_386)) {
        return image_refuse(reader, "an ELF file for machine %u, not for i386 (3)%s; give %s kernel", machine,
                            layout == &layout_64 ? " or x86-64 (62)" : "",
                            layout == &layout_64 ? "an elf64-x86-64" : "an elf32-i386");
    }
    if (reader->head_size < layout->header_size)
        return image_refuse(reader, "truncated within its ELF header; copy the kernel again");
    if (load16(head + layout->phentsize) != layout->phdr_size) {
        return image_refuse(reader,
                            "program headers of %u bytes at byte %u, an ELF file of this class has %u; the "
                            "file is damaged",
                            load16(head + layout->phentsize), layout->phentsize, layout->phdr_size);
    }
    return read_program_headers(reader, image, layout);
}

bool pvh_image_read(struct elf_image *image, const char *file, const uint8_t *data, uint64_t size,
                    char *sentence, size_t sentence_size)
{
    struct image_reader reader = {file, data, size, size, sentence, sentence_size};

    if (size == 0)
        return image_refuse(&reader, "the file is empty; copy the kernel again");
    if (!elf_is_elf(data, size)) {
        return image_refuse(&reader,
                            "not an ELF file; give the kernel as vmlinux, or loader = \"linux\" for a "
                            "bzImage");
    }
    if (!elf_image_read(&reader, image))
        return false;
    if (!image->has_pvh) {
        return image_refuse(&reader, "no PVH entry (ELF note \"Xen\", type 18); build it with one "
                                     "(CONFIG_PVH of Linux), or use loader = \"multiboot\"");
    }
    return true;
}
