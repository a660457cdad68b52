/*
 * Reads the headers of a Multiboot 1 kernel (Multiboot Specification 0.6.96, section 3): an ELF32 file, or
 * any format whose multiboot header carries load addresses. Used by the loader in ring 3 and by `nr check`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "image_elf.h"

enum { MULTIBOOT_HEADER_AREA = 8192 };

struct multiboot_image {
    uint32_t flags;
    uint32_t entry; /* guest-physical */
    uint32_t segment_count;
    struct image_segment segment[IMAGE_SEGMENTS_MAX];
};

/* Checks the first head_size bytes of a kernel of file_size bytes; head_size must be file_size or at least
 * MULTIBOOT_HEADER_AREA. All segments lie within the file and below 4 GiB afterwards. False: sentence names
 * the file, the place, the cause and the cure. */
bool multiboot_image_read(struct multiboot_image *image, const char *file, const uint8_t *head,
                          uint64_t head_size, uint64_t file_size, char *sentence, size_t sentence_size);
