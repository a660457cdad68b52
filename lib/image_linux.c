/*
 * The setup header of a Linux bzImage. Follows Documentation/arch/x86/boot.rst of Linux; protocol versions
 * before 2.06 (Linux 2.6.22) have no cmdline_size and are refused.
 */
#include "image_linux.h"
#include "image_reader.h"
#include "little_endian.h"
#include "string.h"

enum {
    SECTOR = 512,
    SETUP_SECTS_DEFAULT = 4, /* what 0 stands for */
    BOOT_FLAG = 0xaa55,
    VERSION_MIN = 0x0206,
    VERSION_XLOADFLAGS = 0x020c,
    VERSION_PREF_ADDRESS = 0x020a,
    PARAGRAPH = 16,                        /* unit of syssize */
    HEADER_FIXED = LINUX_CMDLINE_SIZE + 4, /* end of the fields of protocol 2.06 */
};

#define KERNEL_SIZE_MAX (UINT64_C(1) << 30) /* no boot protocol address reaches beyond 4 GiB */

/* What makes the file no bzImage at all; NULL if it looks like one. */
static const char *find_wrong_kind(const uint8_t *head, uint64_t size)
{
    static const uint8_t elf[4] = {0x7f, 'E', 'L', 'F'};
    static const uint8_t gzip[2] = {0x1f, 0x8b};

    if (size >= sizeof elf && memcmp(head, elf, sizeof elf) == 0) {
        return "it is an ELF file (vmlinux?), not a bzImage; give arch/x86/boot/bzImage, or loader = "
               "\"multiboot\" for a multiboot kernel";
    }
    if (size >= sizeof gzip && memcmp(head, gzip, sizeof gzip) == 0)
        return "it is gzip data (an initrd?), not a bzImage; check that kernel and initrd are not swapped";
    if (size >= LINUX_MAGIC + 4 && memcmp(head + LINUX_MAGIC, "HdrS", 4) != 0) {
        return "no \"HdrS\" at byte 0x202, so it is not a Linux bzImage; give the file that Debian installs "
               "as "
               "/boot/vmlinuz-*";
    }
    return NULL;
}

/* Is it a bzImage, as a whole, of a size that a kernel can have? */
static bool check_file(struct image_reader *reader)
{
    const char *wrong = find_wrong_kind(reader->head, reader->head_size);

    if (reader->file_size == 0)
        return image_refuse(reader, "the file is empty; copy the kernel again");
    if (wrong != NULL)
        return image_refuse(reader, "%s", wrong);
    if (reader->file_size < LINUX_HEADER_MAX || reader->head_size < LINUX_HEADER_MAX) {
        return image_refuse(
            reader,
            "truncated: the setup header ends at byte 0x%x, the file at byte 0x%lx; copy the kernel "
            "again",
            LINUX_HEADER_MAX, reader->file_size);
    }
    if (reader->file_size > KERNEL_SIZE_MAX) {
        return image_refuse(
            reader,
            "%lu MiB is more than the %lu MiB a kernel may have; check that this is the kernel and "
            "not a disk",
            reader->file_size >> 20, (uint64_t)(KERNEL_SIZE_MAX >> 20));
    }
    return true;
}

/* Boot flag, version, load flags and the header's own end. */
static bool read_header(struct image_reader *reader, struct linux_image *image)
{
    const uint8_t *head = reader->head;

    if (load16(head + LINUX_BOOT_FLAG) != BOOT_FLAG) {
        return image_refuse(
            reader,
            "the boot flag at byte 0x1fe is 0x%x, not 0xaa55: the file is damaged; copy the kernel "
            "again",
            load16(head + LINUX_BOOT_FLAG));
    }
    image->version = load16(head + LINUX_VERSION);
    if (image->version < VERSION_MIN) {
        return image_refuse(
            reader,
            "boot protocol %u.%02u at byte 0x206, at least 2.06 is needed; give Linux 2.6.22 or later",
            image->version >> 8, image->version & 0xff);
    }
    if ((head[LINUX_LOADFLAGS] & LINUX_LOADED_HIGH) == 0) {
        return image_refuse(reader,
                            "a zImage (loadflags at byte 0x211 are 0x%x), which loads low; build a bzImage",
                            head[LINUX_LOADFLAGS]);
    }
    image->header_end = LINUX_MAGIC + head[LINUX_JUMP + 1];
    if (image->header_end < HEADER_FIXED || image->header_end > LINUX_HEADER_MAX) {
        return image_refuse(
            reader,
            "the setup header ends at byte 0x%x, allowed is 0x%x to 0x%x: the file is damaged; copy "
            "the kernel again",
            image->header_end, HEADER_FIXED, LINUX_HEADER_MAX);
    }
    image->kernel_64 =
        image->version >= VERSION_XLOADFLAGS && (load16(head + LINUX_XLOADFLAGS) & LINUX_XLF_KERNEL_64) != 0;
    image->cmdline_max = load32(head + LINUX_CMDLINE_SIZE);
    image->initrd_max = load32(head + LINUX_INITRD_ADDR_MAX);
    return true;
}

/* The protected-mode part. What lies behind it belongs to the file (a signature) and not to the kernel. */
static bool read_payload(struct image_reader *reader, struct linux_image *image)
{
    const uint8_t *head = reader->head;
    uint64_t setup_sects = head[LINUX_SETUP_SECTS] != 0 ? head[LINUX_SETUP_SECTS] : SETUP_SECTS_DEFAULT;

    image->payload = (setup_sects + 1) * SECTOR;
    image->payload_size = (uint64_t)load32(head + LINUX_SYSSIZE) * PARAGRAPH;
    if (image->payload_size == 0)
        return image_refuse(reader,
                            "its size at byte 0x1f4 is 0: the file is damaged; copy the kernel again");
    uint64_t need = image->payload + image->payload_size;
    /* syssize is rounded up to a paragraph. */
    if (reader->file_size + PARAGRAPH <= need) {
        return image_refuse(
            reader, "truncated: its header announces %lu bytes, the file has %lu; copy the kernel again",
            need, reader->file_size);
    }
    if (need > reader->file_size)
        image->payload_size = reader->file_size - image->payload;
    image->load_address = LINUX_LOAD_ADDRESS;
    image->run_address = LINUX_LOAD_ADDRESS;
    image->run_size = image->payload_size;
    return true;
}

/* Protocol 2.10 tells where the kernel will run and how much it needs there. One that cannot be relocated is
 * loaded at 1 MiB and moves itself. */
static bool read_preferred(struct image_reader *reader, struct linux_image *image)
{
    const uint8_t *head = reader->head;

    if (image->version < VERSION_PREF_ADDRESS || image->header_end < LINUX_INIT_SIZE + 4)
        return true;
    uint64_t preferred = load64(head + LINUX_PREF_ADDRESS);
    uint64_t size = load32(head + LINUX_INIT_SIZE);
    if (preferred == 0)
        return true;
    if (preferred < LINUX_LOAD_ADDRESS || preferred > UINT32_MAX) {
        return image_refuse(
            reader,
            "its preferred address at byte 0x258 is 0x%lx, allowed is 0x100000 to 0xffffffff: the "
            "file is damaged; copy the kernel again",
            preferred);
    }
    image->run_address = preferred;
    if (head[LINUX_RELOCATABLE] != 0)
        image->load_address = preferred;
    if (size > image->run_size)
        image->run_size = size;
    return true;
}

bool linux_image_read(struct linux_image *image, const char *file, const uint8_t *head, uint64_t head_size,
                      uint64_t file_size, char *sentence, size_t sentence_size)
{
    struct image_reader reader = {file, head, head_size, file_size, sentence, sentence_size};

    memset(image, 0, sizeof *image);
    return check_file(&reader) && read_header(&reader, image) && read_payload(&reader, image) &&
           read_preferred(&reader, image);
}
