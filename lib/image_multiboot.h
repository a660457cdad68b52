/*
 * Reads the headers of a Multiboot kernel: an ELF file, or any format whose multiboot header carries load
 * addresses. Version 1 follows the Multiboot Specification 0.6.96, section 3, version 2 the Multiboot2
 * Specification 2.0, section 3.1. Used by the loaders in ring 3 and by `nr check`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "image_elf.h"

enum { MULTIBOOT_HEADER_AREA = 8192, MULTIBOOT2_HEADER_AREA = 32768 };

struct multiboot_image {
    uint32_t flags; /* of version 1 */
    uint32_t entry; /* guest-physical */
    uint32_t segment_count;
    struct image_segment segment[IMAGE_SEGMENTS_MAX];
};

/* Checks the first head_size bytes of a kernel of file_size bytes; head_size must be file_size or at least
 * MULTIBOOT_HEADER_AREA. All segments lie within the file and below 4 GiB afterwards. False: sentence names
 * the file, the place, the cause and the cure. */
bool multiboot_image_read(struct multiboot_image *image, const char *file, const uint8_t *head,
                          uint64_t head_size, uint64_t file_size, char *sentence, size_t sentence_size);
/* The same of a Multiboot2 kernel, whose file is there as a whole; flags stays 0. */
bool multiboot2_image_read(struct multiboot_image *image, const char *file, const uint8_t *data,
                           uint64_t size, char *sentence, size_t sentence_size);

/* The addresses that a header may carry: of itself, of what is loaded from the file (end 0: all of the rest),
 * of the zeros behind (0: none), of the entry. */
struct multiboot_addresses {
    uint32_t header, load, load_end, bss_end, entry;
};
/* For both versions: holds them against the file and makes a segment of them; at is the header's byte. */
bool multiboot_add_addresses(struct image_reader *reader, struct multiboot_image *image, uint64_t at,
                             const struct multiboot_addresses *addresses);
