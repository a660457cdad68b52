/*
 * The Multiboot2 loader on arbitrary kernels. The input is the kernel's file; its last byte chooses modules,
 * and what is set right, which the fuzzer would not find by itself: the header's magic and checksum, tags
 * that follow each other, load addresses in the guest, an ELF file around it.
 *
 * sources: loaders/[a-z]*.c
 * sources: lib/format.c lib/modules.c lib/image_*.c
 * coverage: loaders/multiboot2.c lib/image_multiboot2.c
 */
#include <stddef.h>
#include <stdint.h>
#include "little_endian.h"
#include "loader_input.h"

enum { CHOICE_MODULES = 7, CHOICE_HEADER = 8, CHOICE_TAGS = 16, CHOICE_ADDRESSES = 32, CHOICE_ELF = 64 };
enum { HEADER = 128, PHDR = 64, LEAST = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_elf(uint8_t *kernel)
{
    static const uint8_t elf[8] = {0x7f, 'E', 'L', 'F', 1, 1, 1};

    memcpy(kernel, elf, sizeof elf);
    store16(kernel + 18, 3);
    store32(kernel + 28, PHDR);
    store16(kernel + 42, 32);
    store16(kernel + 44, kernel[44] & 1);
    kernel[PHDR + 15] = 0;
    memcpy(kernel + 24, kernel + PHDR + 8, 4);
}

/* Lengths and types that lead from tag to tag; an end before the header's. */
static void make_tags(uint8_t *header, uint32_t length)
{
    uint32_t at = 16;

    while (at + 16 < length) {
        uint32_t bytes = 8 + (header[at + 4] & 0x1f);
        store16(header + at, header[at] % 12 + 1);
        if (bytes > length - 8 - at)
            break;
        store32(header + at + 4, bytes);
        at += (bytes + 7) & ~7u;
    }
    store64(header + at, (uint64_t)8 << 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct guest_config config = {
        .name = "g", .memory_mib = FUZZ_MEMORY_MIB, .loader = LOADER_MULTIBOOT2, .kernel = "k"};
    uint8_t choice = size > 0 ? data[--size] : 0;
    uint8_t *kernel = malloc(size + 1), *header = kernel + HEADER;

    memcpy(kernel, data, size);
    if ((choice & CHOICE_HEADER) != 0 && size >= LEAST) {
        uint32_t length = 24 + (header[8] & 0x3f) / 8 * 8;
        if ((choice & CHOICE_ELF) != 0)
            make_elf(kernel);
        if ((choice & CHOICE_TAGS) != 0)
            make_tags(header, length);
        if ((choice & CHOICE_ADDRESSES) != 0) {
            store64(header + 16, (uint64_t)24 << 32 | 2);
            store32(header + 24, 0x100000 + HEADER);
            store32(header + 28, 0x100000);
            header[35] = header[39] = 0;
            store64(header + 40, (uint64_t)12 << 32 | 3);
            header[51] = 0;
            length += 40;
            store64(header + length - 8, (uint64_t)8 << 32);
        }
        store32(header, 0xe85250d6);
        store32(header + 4, header[7] > 250 ? 4 : 0);
        store32(header + 8, length);
        store32(header + 12, -(0xe85250d6u + load32(header + 4) + length));
    }
    fuzz_load_kernel(&config, kernel, size, choice & CHOICE_MODULES);
    free(kernel);
    return 0;
}
