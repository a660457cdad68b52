/*
 * The initial RAM disk, before anything is booted: is it another kind of file, or cut off? Linux,
 * Documentation/driver-api/early-userspace/buffer-format.rst: archives in cpio's "newc" format, compressed or
 * not, one behind the other. The first of them is looked at. A disk image, which Linux takes as well, is not
 * known by its first bytes: what is not known passes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "check_files.h"
#include "image_linux.h"
#include "nr.h"

/* A header of "newc": the magic, then thirteen numbers of eight hexadecimal digits. */
enum {
    CPIO_MAGIC = 6,
    CPIO_DIGITS = 8,
    CPIO_FILE_SIZE = 54,
    CPIO_NAME_SIZE = 94,
    CPIO_HEADER = 110,
    CPIO_ALIGN = 4,
};
static const char cpio_last[] = "TRAILER!!!";

static bool begins_with(const uint8_t *data, uint64_t size, const void *magic, size_t length)
{
    return size >= length && memcmp(data, magic, length) == 0;
}

static bool is_cpio(const uint8_t *data, uint64_t size)
{
    return begins_with(data, size, "070701", CPIO_MAGIC) || begins_with(data, size, "070702", CPIO_MAGIC);
}

static uint64_t cpio_number(const uint8_t *header, unsigned offset)
{
    char digits[CPIO_DIGITS + 1] = {0};

    memcpy(digits, header + offset, CPIO_DIGITS);
    return strtoul(digits, NULL, 16);
}

static uint64_t cpio_round(uint64_t bytes)
{
    return (bytes + CPIO_ALIGN - 1) & ~(uint64_t)(CPIO_ALIGN - 1);
}

/* The byte at which an archive stops to be one; 0 when it is complete. */
static uint64_t cpio_break(const uint8_t *data, uint64_t size)
{
    for (uint64_t at = 0;;) {
        if (size - at < CPIO_HEADER || !is_cpio(data + at, size - at))
            return at > 0 ? at : 1;
        uint64_t name = cpio_number(data + at, CPIO_NAME_SIZE);
        uint64_t file = at + cpio_round(CPIO_HEADER + name);
        uint64_t next = file + cpio_round(cpio_number(data + at, CPIO_FILE_SIZE));
        if (file > size)
            return at;
        if (name == sizeof(cpio_last) && memcmp(data + at + CPIO_HEADER, cpio_last, name) == 0)
            return 0;
        if (next > size)
            return file;
        at = next;
    }
}

static bool gzip_is_good(const struct guest_file *initrd)
{
    char *arguments[] = {"gzip", "-tf", initrd->path, NULL};
    FILE *output = tmpfile();
    int status = output != NULL ? tool_capture("gzip", arguments, output) : NR_DONE;

    if (output != NULL)
        fclose(output);
    return status != NR_USAGE;
}

void guest_check_initrd(const struct guest_file *initrd, const uint8_t *data, struct source *source)
{
    static const uint8_t elf[] = {0x7f, 'E', 'L', 'F'}, blob[] = {0xd0, 0x0d, 0xfe, 0xed},
                         gzip[] = {0x1f, 0x8b};
    uint64_t size = initrd->size, end;
    const char *wrong = NULL;

    if (size > LINUX_MAGIC && begins_with(data + LINUX_MAGIC, size - LINUX_MAGIC, "HdrS", 4))
        wrong = "a Linux kernel (bzImage); check that kernel and initrd are not swapped";
    else if (begins_with(data, size, elf, sizeof(elf)))
        wrong = "a program (ELF), not an archive; give the initrd";
    else if (begins_with(data, size, blob, sizeof(blob)))
        wrong = "a device tree blob; give the initrd";
    if (wrong != NULL)
        source_complain(source, "/chosen", "initrd", "\"%s\" is %s", initrd->name, wrong);
    else if (begins_with(data, size, gzip, sizeof(gzip)) && !gzip_is_good(initrd))
        source_complain(source, "/chosen", "initrd",
                        "\"%s\" is truncated or damaged: gzip -t refuses it; copy the initrd again",
                        initrd->name);
    else if (is_cpio(data, size) && (end = cpio_break(data, size)) != 0)
        source_complain(source, "/chosen", "initrd",
                        "\"%s\" is truncated or damaged: its archive breaks off at byte %lu of %lu; copy the "
                        "initrd again",
                        initrd->name, end, size);
}
