/*
 * The "elf" loader on arbitrary kernels. The input is the kernel's file; its last byte chooses modules and
 * what of the headers is set right, which the fuzzer would not find by itself; the byte before it which of
 * those bytes is spoilt again.
 *
 * sources: loaders/[a-z]*.c
 * sources: lib/format.c lib/modules.c lib/image_*.c
 * coverage: loaders/pvh.c lib/image_elf.c
 */
#include <stddef.h>
#include <stdint.h>
#include "little_endian.h"
#include "loader_input.h"

enum {
    HEADERS = 320,
    NOTE = 256,
    CHOICE_MODULES = 15,
    CHOICE_LIKELY = 16,
    CHOICE_64 = 32,
    CHOICE_INITRD = 64,
    CHOICE_SMALL = 128,
    PHDR_32 = 52,
    PHDR_64 = 64,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Two program headers, the second with the note; the segment's place and size are the input's, or small. */
static void make_likely(uint8_t *kernel, uint8_t choice)
{
    static const uint8_t elf[8] = {0x7f, 'E', 'L', 'F', 1, 1, 1};
    static const uint8_t note[20] = {4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0, 'X', 'e', 'n'};
    unsigned wide = (choice & CHOICE_64) != 0, phdr = wide ? PHDR_64 : PHDR_32, size = wide ? 56 : 32;

    memcpy(kernel, elf, sizeof elf);
    kernel[4] = wide ? 2 : 1;
    store16(kernel + 18, wide ? 62 : 3);
    memset(kernel + (wide ? 32 : 28), 0, wide ? 8 : 4);
    kernel[wide ? 32 : 28] = (uint8_t)phdr;
    store16(kernel + (wide ? 54 : 42), (uint16_t)size);
    store16(kernel + (wide ? 56 : 44), 2);
    store32(kernel + phdr, 1);
    memset(kernel + phdr + size, 0, size);
    store32(kernel + phdr + size, 4);
    store32(kernel + phdr + size + (wide ? 8 : 4), NOTE);
    store32(kernel + phdr + size + (wide ? 32 : 16), sizeof note);
    memcpy(kernel + NOTE, note, 16);
    if (choice & CHOICE_SMALL) {
        const uint64_t words[5] = {0, 0x100000, 0x100000, HEADERS, 0x100000};
        for (unsigned i = 0; i < 5; i++)
            if (wide)
                store64(kernel + phdr + 8 + 8 * i, words[i]);
            else
                store32(kernel + phdr + 4 + 4 * i, (uint32_t)words[i]);
        store32(kernel + NOTE + 16, 0x100010);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct guest_config config = {
        .name = "g", .memory_mib = FUZZ_MEMORY_MIB, .loader = LOADER_ELF, .kernel = "k"};
    uint8_t choice = size > 0 ? data[--size] : 0;
    uint8_t fault = size > 0 ? data[--size] : 0;

    uint8_t *kernel = malloc(size + 1);
    memcpy(kernel, data, size);
    if (choice & CHOICE_LIKELY && size >= HEADERS)
        make_likely(kernel, choice);
    if (fault & 0x80 && size >= HEADERS)
        kernel[(fault & 0x7f) < 112 ? (fault & 0x7f) + 16 : NOTE + (fault & 15)] ^= data[0];
    strcpy(config.initrd, choice & CHOICE_INITRD ? "m" : "");
    fuzz_load_kernel(&config, kernel, size, choice & CHOICE_MODULES);
    free(kernel);
    return 0;
}
