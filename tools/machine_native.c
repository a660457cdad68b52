/*
 * The first guest on the bare emulator: kernel, initrd and command line, but for GRUB's BOOT_IMAGE= in front,
 * from the same kind of image, the memory and processors of its description, its disks as virtio disks whose
 * changes are thrown away. The image itself is an IDE disk, on the controller that this PC has anyway, so
 * that the guest's virtio disks are the only ones. There is no second serial port, because a guest of the
 * monitor has none.
 */
#include "machine.h"
#include "nr.h"

static int describe_native(struct machine_command *command, const struct machine_run *run)
{
    const struct guest *guest = &run->guest[0];

    if (run->guest_count > 1)
        nr_say("--machine native: only the first guest runs");
    qemu_add_common(command, QEMU_CPU_NATIVE, machine_cpus(run, false), machine_memory_mib(run, false),
                    run->options->uefi);
    qemu_add_serial(command, "console", run->channels.console);
    qemu_add_control(command, run->channels.control);
    qemu_add_drive(command, "if=ide,snapshot=on", run->image);
    for (uint32_t i = 0; i < guest->file_count; i++)
        if (guest->file[i].kind == FILE_DISK)
            qemu_add_drive(command, "if=virtio,snapshot=on", guest->file[i].path);
    qemu_add_extra(command, run->options);
    return NR_DONE;
}

const struct machine machine_native = {
    .name = "native",
    .emulator = &emulator_qemu,
    .describe = describe_native,
};
