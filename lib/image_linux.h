/*
 * Reads the setup header of a Linux bzImage (Documentation/arch/x86/boot.rst, protocol 2.06 and later). Used
 * by the loader in ring 3 and by `nr check` on the host.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Offsets in the file, which are also offsets in the zero page. */
enum linux_header {
    LINUX_SETUP_SECTS = 0x1f1,
    LINUX_SYSSIZE = 0x1f4, /* protected-mode part, in 16-byte units */
    LINUX_BOOT_FLAG = 0x1fe,
    LINUX_JUMP = 0x200, /* a short JMP: its offset byte tells where the setup header ends */
    LINUX_MAGIC = 0x202,
    LINUX_VERSION = 0x206,
    LINUX_TYPE_OF_LOADER = 0x210,
    LINUX_LOADFLAGS = 0x211,
    LINUX_CODE32_START = 0x214,
    LINUX_RAMDISK_IMAGE = 0x218,
    LINUX_RAMDISK_SIZE = 0x21c,
    LINUX_CMD_LINE_PTR = 0x228,
    LINUX_INITRD_ADDR_MAX = 0x22c,
    LINUX_RELOCATABLE = 0x234,
    LINUX_XLOADFLAGS = 0x236,
    LINUX_CMDLINE_SIZE = 0x238,
    LINUX_PREF_ADDRESS = 0x258,
    LINUX_INIT_SIZE = 0x260,
    LINUX_HEADER_MAX = 0x290, /* the zero page's e820 table is not far behind */
};

enum {
    LINUX_LOADED_HIGH = 1 << 0,   /* loadflags */
    LINUX_XLF_KERNEL_64 = 1 << 0, /* xloadflags: has a 64-bit entry at +0x200 */
    LINUX_ENTRY64 = 0x200,
    LINUX_LOAD_ADDRESS = 0x100000, /* where a bzImage before protocol 2.10 wants to be */
};

struct linux_image {
    uint16_t version;
    bool kernel_64;
    uint32_t header_end;   /* file offset behind the setup header */
    uint32_t cmdline_max;  /* characters, without the NUL */
    uint64_t payload;      /* file offset of the protected-mode part */
    uint64_t payload_size; /* bytes */
    uint64_t load_address; /* guest-physical address where it is put */
    uint64_t run_address;  /* where it will run */
    uint64_t run_size;     /* bytes it needs there until it has set up its memory */
    uint64_t initrd_max;   /* highest address that a byte of the initrd may have */
};

/* Checks the first head_size bytes of a kernel of file_size bytes; head_size must be file_size or at least
 * LINUX_HEADER_MAX. False: sentence names the file, the place, the cause and the cure. */
bool linux_image_read(struct linux_image *image, const char *file, const uint8_t *head, uint64_t head_size,
                      uint64_t file_size, char *sentence, size_t sentence_size);
