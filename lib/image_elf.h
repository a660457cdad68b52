/*
 * Reads the headers of an ELF kernel of 32 or 64 bits: what goes where, where it starts, and its PVH entry
 * (ELF specification 1.2; the notes of Xen's public/elfnote.h). Used by the loaders in ring 3 and by `nr
 * check`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "image_reader.h"

enum { IMAGE_SEGMENTS_MAX = 16 };

struct image_segment {
    uint64_t offset; /* in the file */
    uint64_t filled; /* bytes from the file */
    uint64_t start;  /* guest-physical */
    uint64_t size;   /* in memory, >= filled; the rest is zeros */
};

struct elf_image {
    bool has_pvh;
    uint32_t pvh_entry; /* guest-physical, in a segment */
    uint32_t entry;     /* guest-physical; the file names it as a virtual address */
    uint32_t segment_count;
    struct image_segment segment[IMAGE_SEGMENTS_MAX];
};

/* Holds a segment against the file and the first 4 GiB and adds it. False: the sentence is written. */
bool image_add_segment(struct image_reader *reader, struct image_segment *segments, uint32_t *count,
                       struct image_segment segment);

bool elf_is_elf(const uint8_t *head, uint64_t head_size);
/* Whether it is one of 64 bits; only of what is ELF. */
bool elf_is_64(const uint8_t *head);
/* Segments and entries of a file that is there as a whole. All segments lie within the file and below 4 GiB
 * afterwards. False: the sentence names the file, the place, the cause and the cure. */
bool elf_image_read(struct image_reader *reader, struct elf_image *image);

/* The same for the "elf" loader, which starts a kernel at its PVH entry and refuses one without. */
bool pvh_image_read(struct elf_image *image, const char *file, const uint8_t *data, uint64_t size,
                    char *sentence, size_t sentence_size);
