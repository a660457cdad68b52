/*
 * The first guest on the bare emulator: kernel, initrd and command line from the same kind of image, the
 * memory and processors of its description, its disks as virtio disks whose changes are thrown away. The
 * image itself is an IDE disk, on the controller that this PC has anyway, so that the guest's virtio disks
 * are the only ones. There is no second serial port, because a guest of the monitor has none.
 */
#include "machine.h"
#include "nr.h"

static void describe_native(struct machine_command *command, const char *image, const struct guest *guests,
                            uint32_t count, const struct machine_options *options,
                            const struct machine_sockets *sockets)
{
    const struct guest *guest = &guests[0];
    unsigned memory = options->memory_mib != 0 ? options->memory_mib : guest->config.memory_mib;
    unsigned cpus = options->cpus != 0 ? options->cpus : guest->config.cpu_count;

    if (count > 1)
        nr_say("--machine native: only the first guest runs");
    qemu_add_common(command, QEMU_CPU_NATIVE, cpus, memory, options->uefi);
    qemu_add_serial(command, "console", sockets->console);
    qemu_add_control(command, sockets->control);
    qemu_add_drive(command, "if=ide,snapshot=on", image);
    for (uint32_t i = 0; i < guest->file_count; i++)
        if (guest->file[i].kind == FILE_DISK)
            qemu_add_drive(command, "if=virtio,snapshot=on", guest->file[i].path);
}

const struct machine machine_native = {
    .name = "native",
    .package = "qemu-system-x86",
    .describe = describe_native,
};
