/*
 * The Linux loader on arbitrary kernels. The input is the kernel's file; its last two bytes choose the
 * initrd's size and the command line's length. A quarter of the bits that make a file a kernel at all is set
 * here, or the fuzzer would spend its time on finding them.
 *
 * sources: loaders/[a-z]*.c
 * sources: lib/format.c lib/modules.c lib/image_*.c
 * coverage: loaders/linux.c lib/image_linux.c loaders/loader.c loaders/entry.c loaders/memory_map.c
 * seconds: 30
 */
#include <stddef.h>
#include <stdint.h>
#include "image_linux.h"
#include "loader_input.h"

enum { INITRD_UNIT = 128 << 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every other input gets the magic numbers, and a size that fits the file. */
static void make_likely(uint8_t *kernel, size_t size, uint8_t choice)
{
    if (size < LINUX_HEADER_MAX || (choice & 1) == 0)
        return;
    memcpy(kernel + LINUX_BOOT_FLAG, "\x55\xaa", 2);
    memcpy(kernel + LINUX_MAGIC, "HdrS", 4);
    if ((choice & 2) != 0) {
        kernel[LINUX_SETUP_SECTS] = 1;
        kernel[LINUX_LOADFLAGS] |= LINUX_LOADED_HIGH;
        kernel[LINUX_VERSION + 1] = 2;
        kernel[LINUX_SYSSIZE] = size > 1024 ? (uint8_t)((size - 1024) / 16) : 1;
        memset(kernel + LINUX_SYSSIZE + 1, 0, 3);
    }
    if ((choice & 4) != 0) { /* small enough addresses to fit into the guest */
        memset(kernel + LINUX_PREF_ADDRESS + 3, 0, 5);
        kernel[LINUX_INIT_SIZE + 3] = 0;
        kernel[LINUX_JUMP + 1] = 0x6a;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t *initrd;
    static struct guest_config config = {
        .name = "g", .memory_mib = FUZZ_MEMORY_MIB, .loader = LOADER_LINUX, .kernel = "k"};
    struct process_module module[2] = {{.name = "g:k"}, {.name = "g:i"}};
    uint8_t choice[2] = {0, 0};

    if (initrd == NULL)
        initrd = calloc(256, INITRD_UNIT);
    if (size >= 2) {
        size -= 2;
        memcpy(choice, data + size, 2);
    }
    uint8_t *kernel = malloc(size + 1);
    memcpy(kernel, data, size);
    make_likely(kernel, size, choice[1]);
    memset(config.bootargs, 'x', (size_t)choice[1] * 4);
    config.bootargs[choice[1] * 4] = '\0';
    config.initrd[0] = choice[0] > 0 ? 'i' : '\0';
    module[0].address = (uintptr_t)kernel;
    module[0].size = size;
    module[1].address = (uintptr_t)initrd;
    module[1].size = (uint64_t)(choice[0] - 1) * INITRD_UNIT;
    fuzz_load(&config, module, 2);
    free(kernel);
    return 0;
}
