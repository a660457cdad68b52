/*
 * The monitor on QEMU's SVM. The image is a virtio disk: GRUB's BIOS calls read it several times faster than
 * an emulated CD or IDE disk, and the monitor looks at no disk.
 */
#include "machine.h"
#include "nr.h"

static int describe(struct machine_command *command, const struct machine_run *run, const char *cpu)
{
    qemu_add_common(command, cpu, machine_cpus(run, true), 1, machine_memory_mib(run, true),
                    run->options->uefi);
    qemu_add_serial(command, "console", run->channels.console);
    qemu_add_serial(command, "log", run->channels.log);
    qemu_add_serial(command, "line", run->channels.line);
    qemu_add_control(command, run->channels.control);
    qemu_add_drive(command, "if=virtio,readonly=on", run->image);
    qemu_add_extra(command, run->options);
    return NR_DONE;
}

static int describe_svm(struct machine_command *command, const struct machine_run *run)
{
    return describe(command, run, QEMU_CPU);
}

static int describe_svm_no_npt(struct machine_command *command, const struct machine_run *run)
{
    return describe(command, run, QEMU_CPU ",-npt");
}

const struct machine machine_svm = {
    .name = "svm",
    .monitor = true,
    .emulator = &emulator_qemu,
    .describe = describe_svm,
};

const struct machine machine_svm_no_npt = {
    .name = "svm:no-npt",
    .monitor = true,
    .emulator = &emulator_qemu,
    .describe = describe_svm_no_npt,
};
