/*
 * The files that a description names, looked at before anything is booted: the kernel by the same code as the
 * guest's loader uses, and whether all of them fit into the guest's RAM.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "check_files.h"
#include "image_floppy.h"
#include "image_linux.h"
#include "image_elf.h"
#include "image_multiboot.h"
#include "nr.h"

enum { SENTENCE_SIZE = 320, MIB = 1 << 20, DISK_SECTOR = 512, DISC_SECTOR = 2048, FIRMWARE_UNIT = 64 << 10 };

static uint64_t to_mib(uint64_t bytes)
{
    return (bytes + MIB - 1) / MIB;
}

static const void *map_file(const struct guest_file *file)
{
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    void *data = fd >= 0 ? mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;

    if (fd >= 0)
        close(fd);
    return data != MAP_FAILED ? data : NULL;
}

static void check_linux(const struct guest *guest, struct source *source, const struct guest_file *kernel,
                        const void *data)
{
    const struct guest_file *initrd = guest_file_of_kind(guest, FILE_INITRD);
    uint64_t memory = (uint64_t)guest->config.memory_mib * MIB;
    struct linux_image image;
    char sentence[SENTENCE_SIZE];

    if (!linux_image_read(&image, kernel->name, data, kernel->size, kernel->size, sentence,
                          sizeof(sentence))) {
        source_complain(source, "/chosen", "kernel", "%s", sentence);
        return;
    }
    uint64_t end = image.run_address + image.run_size;
    uint64_t initrd_size = initrd != NULL ? initrd->size : 0;
    if (strlen(guest->config.bootargs) > image.cmdline_max)
        source_complain(source, "/chosen", "bootargs",
                        "%zu characters, kernel \"%s\" takes at most %u; shorten them",
                        strlen(guest->config.bootargs), kernel->name, image.cmdline_max);
    if (end > memory)
        source_complain(source, "/memory", "size-mib",
                        "%u MiB, kernel \"%s\" needs %lu to start; raise size-mib", guest->config.memory_mib,
                        kernel->name, to_mib(end));
    else if (end + initrd_size > memory)
        source_complain(
            source, "/memory", "size-mib",
            "%u MiB, kernel \"%s\" and initrd \"%s\" need %lu to start; raise size-mib or give a smaller "
            "initrd",
            guest->config.memory_mib, kernel->name, initrd->name, to_mib(end + initrd_size));
    else if (initrd != NULL && end + initrd_size > image.initrd_max + 1)
        source_complain(source, "/chosen", "initrd",
                        "\"%s\" has %lu MiB, kernel \"%s\" takes at most %lu; give a smaller initrd",
                        initrd->name, to_mib(initrd_size), kernel->name,
                        end < image.initrd_max ? (image.initrd_max - end) / MIB : 0);
}

static void check_initrd(const struct guest *guest, struct source *source)
{
    const struct guest_file *initrd = guest_file_of_kind(guest, FILE_INITRD);
    const void *data = initrd != NULL ? map_file(initrd) : NULL;

    if (data != NULL) {
        guest_check_initrd(initrd, data, source);
        munmap((void *)data, initrd->size);
    } else if (initrd != NULL) {
        source_complain(source, "/chosen", "initrd", "\"%s\" cannot be read; check the file", initrd->name);
    }
}

/* Kernels that are loaded segment by segment: whether they have room, with all that lies beside them. */
static void check_segments(const struct guest *guest, struct source *source, const struct guest_file *kernel,
                           const struct image_segment *segments, uint32_t count)
{
    uint64_t memory = (uint64_t)guest->config.memory_mib * MIB, end = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t segment_end = segments[i].start + segments[i].size;
        end = segment_end > end ? segment_end : end;
    }
    for (uint32_t i = 0; i < guest->file_count; i++)
        if (guest->file[i].kind == FILE_MODULE || guest->file[i].kind == FILE_INITRD)
            end += guest->file[i].size;
    if (end > memory)
        source_complain(source, "/memory", "size-mib",
                        "%u MiB, kernel \"%s\" and its modules need %lu; raise size-mib",
                        guest->config.memory_mib, kernel->name, to_mib(end));
}

static void check_multiboot(const struct guest *guest, struct source *source, const struct guest_file *kernel,
                            const void *data)
{
    struct multiboot_image image;
    char sentence[SENTENCE_SIZE];

    bool good =
        guest->config.loader == LOADER_MULTIBOOT2
            ? multiboot2_image_read(&image, kernel->name, data, kernel->size, sentence, sizeof(sentence))
            : multiboot_image_read(&image, kernel->name, data, kernel->size, kernel->size, sentence,
                                   sizeof(sentence));
    if (good)
        check_segments(guest, source, kernel, image.segment, image.segment_count);
    else
        source_complain(source, "/chosen", "kernel", "%s", sentence);
}

static void check_pvh(const struct guest *guest, struct source *source, const struct guest_file *kernel,
                      const void *data)
{
    struct elf_image image;
    char sentence[SENTENCE_SIZE];

    if (pvh_image_read(&image, kernel->name, data, kernel->size, sentence, sizeof(sentence)))
        check_segments(guest, source, kernel, image.segment, image.segment_count);
    else
        source_complain(source, "/chosen", "kernel", "%s", sentence);
}

static void check_sectors(const struct guest *guest, struct source *source, enum guest_file_kind kind,
                          unsigned sector)
{
    for (uint32_t i = 0; i < guest->file_count; i++) {
        const struct guest_file *file = &guest->file[i];
        if (file->kind == kind && file->size % sector != 0)
            source_complain(
                source, file->node, file->property,
                "\"%s\" has %lu bytes, which is no number of %u-byte sectors; lengthen it with truncate -s",
                file->name, file->size, sector);
    }
}

static void check_floppies(const struct guest *guest, struct source *source)
{
    for (uint32_t i = 0; i < guest->file_count; i++) {
        const struct guest_file *file = &guest->file[i];
        if (file->kind == FILE_FLOPPY && floppy_format_of(file->size) == NULL)
            source_complain(
                source, file->node, file->property,
                "\"%s\" has %lu bytes; a diskette has 160, 180, 320, 360, 720, 1200, 1440 or 2880 "
                "KiB, of which sectors may be missing at the end; is it another kind of image?",
                file->name, file->size);
    }
}

static void check_kernel(const struct guest *guest, struct source *source)
{
    const struct guest_file *kernel = guest_file_of_kind(guest, FILE_KERNEL);
    const void *data = kernel != NULL ? map_file(kernel) : NULL;

    if (data == NULL) {
        source_complain(source, "/chosen", "kernel", "\"%s\" cannot be read; check the file",
                        guest->config.kernel);
        return;
    }
    if (guest->config.loader == LOADER_LINUX)
        check_linux(guest, source, kernel, data);
    else if (guest->config.loader == LOADER_ELF)
        check_pvh(guest, source, kernel, data);
    else
        check_multiboot(guest, source, kernel, data);
    munmap((void *)data, kernel->size);
    check_initrd(guest, source);
}

/* What the loader in the guest says, too. */
static void check_firmware(const struct guest *guest, struct source *source)
{
    const struct guest_file *firmware = guest_file_of_kind(guest, FILE_FIRMWARE);

    if (firmware->size % FIRMWARE_UNIT != 0 || firmware->size > MIB)
        source_complain(
            source, "/chosen", "firmware",
            "\"%s\" has %lu bytes, a PC's BIOS a multiple of 64 KiB up to 1 MiB; take bios-256k.bin of the "
            "package seabios",
            firmware->name, firmware->size);
}

void guest_check_files(const struct guest *guest, struct source *source)
{
    if (guest->config.loader == LOADER_BIOS)
        check_firmware(guest, source);
    else
        check_kernel(guest, source);
    check_sectors(guest, source, FILE_DISK, DISK_SECTOR);
    check_sectors(guest, source, FILE_CD, DISC_SECTOR);
    check_floppies(guest, source);
}
