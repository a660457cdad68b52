/*
 * The setup header of a Linux bzImage. Follows Documentation/arch/x86/boot.rst of Linux; protocol versions
 * before 2.06 (Linux 2.6.22) have no cmdline_size and are refused.
 */
#include "format.h"
#include "image_linux.h"
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

/* Protocol 2.10 tells where the kernel will run and how much it needs there. One that cannot be relocated is
 * loaded at 1 MiB and moves itself. */
static bool read_preferred(struct linux_image *image, const char *file, const uint8_t *head, char *sentence,
                           size_t sentence_size)
{
    uint64_t preferred = load64(head + LINUX_PREF_ADDRESS);
    uint64_t size = load32(head + LINUX_INIT_SIZE);

    if (preferred == 0)
        return true;
    if (preferred < LINUX_LOAD_ADDRESS || preferred > UINT32_MAX) {
        format_text(sentence, sentence_size,
                    "kernel \"%s\": its preferred address at byte 0x258 is 0x%lx, allowed is 0x100000 to "
                    "0xffffffff: the file is damaged; copy the kernel again",
                    file, preferred);
        return false;
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
    const char *wrong = find_wrong_kind(head, head_size);
    uint64_t setup_sects, need;

    if (file_size == 0) {
        format_text(sentence, sentence_size, "kernel \"%s\": the file is empty; copy the kernel again", file);
        return false;
    }
    if (wrong != NULL) {
        format_text(sentence, sentence_size, "kernel \"%s\": %s", file, wrong);
        return false;
    }
    if (file_size < LINUX_HEADER_MAX || head_size < LINUX_HEADER_MAX) {
        format_text(
            sentence, sentence_size,
            "kernel \"%s\": truncated: the setup header ends at byte 0x%x, the file at byte 0x%lx; copy "
            "the kernel again",
            file, LINUX_HEADER_MAX, file_size);
        return false;
    }
    if (file_size > KERNEL_SIZE_MAX) {
        format_text(
            sentence, sentence_size,
            "kernel \"%s\": %lu MiB is more than the %lu MiB a kernel may have; check that this is the "
            "kernel and not a disk",
            file, file_size >> 20, (uint64_t)(KERNEL_SIZE_MAX >> 20));
        return false;
    }
    if (load16(head + LINUX_BOOT_FLAG) != BOOT_FLAG) {
        format_text(
            sentence, sentence_size,
            "kernel \"%s\": the boot flag at byte 0x1fe is 0x%x, not 0xaa55: the file is damaged; copy "
            "the kernel again",
            file, load16(head + LINUX_BOOT_FLAG));
        return false;
    }
    *image = (struct linux_image){.version = load16(head + LINUX_VERSION)};
    if (image->version < VERSION_MIN) {
        format_text(sentence, sentence_size,
                    "kernel \"%s\": boot protocol %u.%02u at byte 0x206, at least 2.06 is needed; give Linux "
                    "2.6.22 or later",
                    file, image->version >> 8, image->version & 0xff);
        return false;
    }
    if ((head[LINUX_LOADFLAGS] & LINUX_LOADED_HIGH) == 0) {
        format_text(sentence, sentence_size,
                    "kernel \"%s\": a zImage (loadflags at byte 0x211 are 0x%x), which loads low; build a "
                    "bzImage",
                    file, head[LINUX_LOADFLAGS]);
        return false;
    }

    image->header_end = LINUX_MAGIC + head[LINUX_JUMP + 1];
    if (image->header_end < HEADER_FIXED || image->header_end > LINUX_HEADER_MAX) {
        format_text(sentence, sentence_size,
                    "kernel \"%s\": the setup header ends at byte 0x%x, allowed is 0x%x to 0x%x: the file is "
                    "damaged; copy the kernel again",
                    file, image->header_end, HEADER_FIXED, LINUX_HEADER_MAX);
        return false;
    }
    setup_sects = head[LINUX_SETUP_SECTS] != 0 ? head[LINUX_SETUP_SECTS] : SETUP_SECTS_DEFAULT;
    image->payload = (setup_sects + 1) * SECTOR;
    image->payload_size = (uint64_t)load32(head + LINUX_SYSSIZE) * PARAGRAPH;
    need = image->payload + image->payload_size;
    if (image->payload_size == 0) {
        format_text(sentence, sentence_size,
                    "kernel \"%s\": its size at byte 0x1f4 is 0: the file is damaged; copy the kernel again",
                    file);
        return false;
    }
    /* syssize is rounded up to a paragraph. */
    if (file_size + PARAGRAPH <= need) {
        format_text(
            sentence, sentence_size,
            "kernel \"%s\": truncated: its header announces %lu bytes, the file has %lu; copy the kernel "
            "again",
            file, need, file_size);
        return false;
    }
    if (need > file_size)
        image->payload_size = file_size - image->payload;
    /* What lies behind syssize belongs to the file (a signature) and not to the kernel. */

    image->kernel_64 =
        image->version >= VERSION_XLOADFLAGS && (load16(head + LINUX_XLOADFLAGS) & LINUX_XLF_KERNEL_64) != 0;
    image->cmdline_max = load32(head + LINUX_CMDLINE_SIZE);
    image->initrd_max = load32(head + LINUX_INITRD_ADDR_MAX);
    image->load_address = LINUX_LOAD_ADDRESS;
    image->run_address = LINUX_LOAD_ADDRESS;
    image->run_size = image->payload_size;
    if (image->version >= VERSION_PREF_ADDRESS && image->header_end >= LINUX_INIT_SIZE + 4)
        return read_preferred(image, file, head, sentence, sentence_size);
    return true;
}
