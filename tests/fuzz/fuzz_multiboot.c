/*
 * The Multiboot loader on arbitrary kernels. The input is the kernel's file; its last byte chooses modules,
 * and what of a header is set right, which the fuzzer would not find by itself; the byte before it what of
 * that is spoilt again.
 *
 * sources: loaders/[a-z]*.c
 * sources: lib/format.c lib/modules.c lib/image_*.c
 * coverage: loaders/multiboot.c lib/image_multiboot.c loaders/loader.c loaders/memory_map.c
 * seconds: 30
 */
#include <stddef.h>
#include <stdint.h>
#include "little_endian.h"
#include "loader_input.h"

enum {
    ELF_HEADER = 256,
    CHOICE_MODULES = 15,
    CHOICE_START = 16,
    CHOICE_ELF = 32,
    CHOICE_SMALL = 64,
    PHDR = 52
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_header(uint8_t *header)
{
    header[5] = 0; /* no flags that a loader must refuse */
    header[4] &= 3;
    store32(header, 0x1badb002);
    store32(header + 8, -(0x1badb002u + load32(header + 4)));
}

static void make_likely(uint8_t *kernel, size_t size, uint8_t choice)
{
    static const uint8_t elf[8] = {0x7f, 'E', 'L', 'F', 1, 1, 1};

    if ((choice & CHOICE_ELF) != 0 && size >= ELF_HEADER + 64) {
        memcpy(kernel, elf, sizeof elf);
        store16(kernel + 18, 3);
        store32(kernel + 28, PHDR);
        store16(kernel + 42, 32);
        store16(kernel + 44, kernel[44] & 7);
        kernel[ELF_HEADER + 6] &= 0xfe;
        make_header(kernel + ELF_HEADER);
        if ((choice & CHOICE_SMALL) != 0) { /* a first segment that can be loaded, with the entry in it */
            store32(kernel + PHDR, 1);
            store32(kernel + PHDR + 4, kernel[PHDR + 4]);
            store32(kernel + PHDR + 16, kernel[PHDR + 16]);
            store32(kernel + PHDR + 20, 256u + load16(kernel + PHDR + 20));
            kernel[PHDR + 15] = 0;
            memcpy(kernel + 24, kernel + PHDR + 8, 4);
        }
    } else if ((choice & CHOICE_START) != 0 && size >= 32) {
        make_header(kernel);
        if ((choice & CHOICE_SMALL) != 0) { /* addresses within the guest, all of the file loaded at them */
            kernel[15] = kernel[19] = kernel[31] = 0;
            memset(kernel + 20, 0, 8);
            memcpy(kernel + 12, kernel + 16, 4);
        }
    }
}

/* Undoes one of the things that make_likely() has made right. */
static void spoil(uint8_t *kernel, size_t size, uint8_t choice)
{
    static const uint16_t places[] = {0,
                                      4,
                                      5,
                                      18,
                                      25,
                                      28,
                                      31,
                                      42,
                                      44,
                                      PHDR + 6,
                                      PHDR + 7,
                                      PHDR + 12,
                                      PHDR + 15,
                                      PHDR + 17,
                                      PHDR + 19,
                                      PHDR + 23,
                                      12,
                                      16,
                                      20,
                                      24,
                                      28,
                                      ELF_HEADER + 4,
                                      ELF_HEADER + 5};
    uint16_t place = places[choice % (sizeof places / sizeof places[0])];

    if ((choice & 0x80) != 0 && place < size && size >= ELF_HEADER + 64) {
        kernel[place] ^= choice;
        if (place >= ELF_HEADER) /* the flags: with a right checksum */
            store32(kernel + ELF_HEADER + 8, -(0x1badb002u + load32(kernel + ELF_HEADER + 4)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct guest_config config = {
        .name = "g", .memory_mib = FUZZ_MEMORY_MIB, .loader = LOADER_MULTIBOOT, .kernel = "k"};
    uint8_t choice = size > 0 ? data[--size] : 0;
    uint8_t fault = size > 0 ? data[--size] : 0;

    uint8_t *kernel = malloc(size + 1);
    memcpy(kernel, data, size);
    make_likely(kernel, size, choice);
    spoil(kernel, size, fault);
    fuzz_load_kernel(&config, kernel, size, choice & CHOICE_MODULES);
    free(kernel);
    return 0;
}
