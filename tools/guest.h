/*
 * A guest description as nr uses it: compiled, read, and with the files it names found on the host. A module
 * of the boot image is called "NAME:path", with the path as it stands in the description; the description
 * itself "NAME.dtb".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "guest_config.h"

enum guest_file_kind {
    FILE_FIRMWARE,
    FILE_KERNEL,
    FILE_INITRD,
    FILE_MODULE,
    FILE_DISK,
    FILE_CD,
    FILE_FLOPPY
};

struct guest_file {
    enum guest_file_kind kind;
    char *node; /* that names it, and in which property */
    const char *property;
    const char *name;      /* as in the description */
    const char *arguments; /* of a multiboot module, or "" */
    char *path;            /* on the host */
    uint64_t size;         /* bytes */
};

struct guest {
    struct guest_config config;
    char *dtb; /* path of the compiled description, in the scratch directory */
    uint32_t file_count;
    struct guest_file file[GUEST_FILES_MAX];
};

/* How descriptions are opened. */
struct guest_opening {
    const char *append; /* words to add to the bootargs, or NULL */
    bool unchecked;     /* mistakes are said, but no reason to stop: the monitor is to find them */
    const char *scratch;
};

/*
 * Reads the description at path (.dts, or .dtb by its name) and looks for its files. Returns an nr_status
 * after having said what is wrong.
 */
int guest_open(struct guest *guest, const char *path, const struct guest_opening *opening);

/* The same for each of count paths, which must have different names. All mistakes are said. */
int guests_open(struct guest *guests, uint32_t count, char *const paths[],
                const struct guest_opening *opening);

/* The first file of that kind, or NULL. */
const struct guest_file *guest_file_of_kind(const struct guest *guest, enum guest_file_kind kind);
