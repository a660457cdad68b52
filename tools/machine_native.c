/*
 * The first guest on the bare emulator: kernel, initrd and command line, but for GRUB's BOOT_IMAGE= in front,
 * from the same kind of image, the memory and processors of its description, and its drives, whose changes
 * are thrown away. The image itself is an IDE disk, on the controller that this PC has anyway, so that the
 * guest's virtio disks are the only ones; or, for a guest with drives on IDE or AHCI, the only one on SCSI.
 * There is no second serial port, because a guest of the monitor has none.
 *
 * A guest that its firmware starts needs no image: it has the description's firmware, screen and boot order.
 * Missing: firmware-log, since QEMU's debug port cannot share the console's serial port.
 */
#include <stdlib.h>
#include <string.h>
#include "ide_places.h"
#include "machine.h"
#include "nr.h"

static const char *path_of(const struct guest *guest, enum guest_file_kind kind, const char *name)
{
    for (uint32_t i = 0; i < guest->file_count; i++)
        if (guest->file[i].kind == kind && strcmp(guest->file[i].name, name) == 0)
            return guest->file[i].path;
    return NULL;
}

enum { NO_BOOT_INDEX = -1, BOOT_INDEX_CLASS = 10, VGA_SLOT = 2, VIRTIO_SLOT = 4 };

/*
 * The place of a drive in the boot order, or NO_BOOT_INDEX: the firmware then leaves it out. Without an order
 * CDs come first, then disks, then diskettes, as in devices/boot_order.c.
 */
static int boot_index(const struct guest_config *config, const char *kind, uint32_t unit)
{
    static const char *const classes[] = {"cd", "disk", "floppy"};
    char *name = nr_format("%s%u", kind, unit);
    int index = NO_BOOT_INDEX;

    for (uint32_t i = 0; i < config->boot_count && index == NO_BOOT_INDEX; i++)
        if (strcmp(config->boot[i], name) == 0)
            index = (int)i;
    for (int i = 0; i < 3 && config->boot_count == 0; i++)
        if (strcmp(classes[i], kind) == 0)
            index = i * BOOT_INDEX_CLASS + (int)unit;
    free(name);
    return config->loader == LOADER_BIOS ? index : NO_BOOT_INDEX;
}

/* The words of a drive's device with its place in the boot order; the caller frees them. */
static char *with_boot_index(char *words, int index)
{
    if (index == NO_BOOT_INDEX)
        return words;
    char *longer = nr_format("%s,bootindex=%d", words, index);
    free(words);
    return longer;
}

/* One device of QEMU's and what it holds. `words` begin with its name and end with its address. */
static void add_device(struct machine_command *command, const char *words, const char *id, const char *path)
{
    char *drive = nr_format("if=none,id=%s,snapshot=on", id);
    char *device = path != NULL ? nr_format("%s,drive=%s", words, id) : nr_format("%s", words);

    if (path != NULL)
        qemu_add_drive(command, drive, path);
    machine_add(command, "-device", device, NULL);
    free(drive);
    free(device);
}

static bool add_ide(struct machine_command *command, const struct guest *guest)
{
    struct ide_place place[IDE_DRIVES];
    bool any = false;

    ide_places(&guest->config, place);
    for (uint32_t i = 0; i < IDE_DRIVES; i++) {
        if (!place[i].used)
            continue;
        const char *path = place[i].is_cd
                               ? path_of(guest, FILE_CD, guest->config.cd[place[i].unit].image)
                               : path_of(guest, FILE_DISK, guest->config.disk[place[i].unit].image);
        char *words = nr_format("ide-%s,bus=ide.%u,unit=%u", place[i].is_cd ? "cd" : "hd",
                                i / IDE_CHANNEL_DRIVES, i % IDE_CHANNEL_DRIVES);
        words =
            with_boot_index(words, boot_index(&guest->config, place[i].is_cd ? "cd" : "disk", place[i].unit));
        char *id = nr_format("ide%u", i);
        add_device(command, words, id, path);
        free(words);
        free(id);
        any = true;
    }
    return any;
}

/* Each disk at the port of its number, as in the emulated controller. */
static bool add_ahci(struct machine_command *command, const struct guest *guest)
{
    bool controller = false;

    for (uint32_t i = 0; i < guest->config.disk_count; i++) {
        if (guest->config.disk[i].kind != DISK_AHCI)
            continue;
        if (!controller)
            machine_add(command, "-device", "ich9-ahci,id=ahci,addr=8", NULL);
        controller = true;
        char *words =
            with_boot_index(nr_format("ide-hd,bus=ahci.%u", i), boot_index(&guest->config, "disk", i));
        char *id = nr_format("ahci-disk%u", i);
        add_device(command, words, id, path_of(guest, FILE_DISK, guest->config.disk[i].image));
        free(words);
        free(id);
    }
    return controller;
}

/* Each in the slot of its number, as the emulated ones. */
static void add_virtio(struct machine_command *command, const struct guest *guest)
{
    for (uint32_t i = 0; i < guest->config.disk_count; i++) {
        if (guest->config.disk[i].kind != DISK_VIRTIO)
            continue;
        char *words = with_boot_index(nr_format("virtio-blk-pci,addr=%x", VIRTIO_SLOT + i),
                                      boot_index(&guest->config, "disk", i));
        char *id = nr_format("virtio-disk%u", i);
        add_device(command, words, id, path_of(guest, FILE_DISK, guest->config.disk[i].image));
        free(words);
        free(id);
    }
}

/* QEMU has no drives of the type that 360 KB and less ask for: it takes one for 1.2 MB. */
static void add_floppies(struct machine_command *command, const struct guest *guest)
{
    for (uint32_t i = 0; i < GUEST_FLOPPIES_MAX; i++) {
        const struct guest_floppy *floppy = &guest->config.floppy[i];
        if (!floppy->present)
            continue;
        char *device =
            with_boot_index(nr_format("floppy,unit=%u", i), boot_index(&guest->config, "floppy", i));
        char *id = nr_format("floppy%u", i);
        char *drive =
            nr_format("if=none,id=%s,%s", id, floppy->write_protected ? "readonly=on" : "snapshot=on");
        if (floppy->image[0] != '\0') {
            char *words = nr_format("%s,drive=%s", device, id);
            qemu_add_drive(command, drive, path_of(guest, FILE_FLOPPY, floppy->image));
            machine_add(command, "-device", words, NULL);
            free(words);
        } else {
            machine_add(command, "-device", device, NULL);
        }
        free(drive);
        free(id);
        free(device);
    }
}

/* The image from which GRUB starts the guest. */
static void add_image(struct machine_command *command, const char *image, bool ide_is_taken)
{
    if (!ide_is_taken) {
        qemu_add_drive(command, "if=ide,snapshot=on", image);
        return;
    }
    machine_add(command, "-device", "lsi53c895a,addr=1f", NULL);
    add_device(command, "scsi-hd,bootindex=0", "image", image);
}

static void add_firmware(struct machine_command *command, const struct guest *guest)
{
    char *screen = nr_format("VGA,addr=%x,romfile=%s", VGA_SLOT,
                             path_of(guest, FILE_FIRMWARE, guest->config.video_firmware));

    machine_add(command, "-bios", path_of(guest, FILE_FIRMWARE, guest->config.firmware), "-device", screen,
                NULL);
    if (guest->config.firmware_serial)
        machine_add(command, "-machine", "graphics=off", NULL);
    free(screen);
}

static int describe_native(struct machine_command *command, const struct machine_run *run)
{
    const struct guest *guest = &run->guest[0];

    if (run->guest_count > 1)
        nr_say("--machine native: only the first guest runs");
    if (run->image == NULL && run->options->uefi)
        return nr_fail(NR_USAGE, "--firmware uefi: the first guest starts from a firmware of its own");
    qemu_add_common(command, QEMU_CPU_NATIVE, machine_cpus(run, false),
                    run->options->cpus == 0 ? guest->config.packages : 1, machine_memory_mib(run, false),
                    run->options->uefi);
    if (guest->config.hpet == HPET_OFF)
        machine_add(command, "-machine", "hpet=off", NULL);
    qemu_add_serial(command, "console", run->channels.console);
    qemu_add_control(command, run->channels.control);
    bool on_ide = add_ide(command, guest), on_ahci = add_ahci(command, guest);
    if (run->image != NULL)
        add_image(command, run->image, on_ide || on_ahci);
    else
        add_firmware(command, guest);
    add_virtio(command, guest);
    add_floppies(command, guest);
    qemu_add_extra(command, run->options);
    return NR_DONE;
}

const struct machine machine_native = {
    .name = "native",
    .emulator = &emulator_qemu,
    .describe = describe_native,
};
