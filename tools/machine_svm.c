/*
 * The monitor on QEMU's SVM. The image is a virtio disk: GRUB's BIOS calls read it several times faster than
 * an emulated CD or IDE disk, and the monitor looks at no disk.
 */
#include "machine.h"

/* The monitor itself, its page tables, GRUB, and what the firmware keeps. */
enum { MEMORY_BESIDE_GUESTS_MIB = 128, MEMORY_STEP_MIB = 64, MIB_SHIFT = 20 };

/* Enough for the guests' RAM, for their files as boot modules, and for the overlays of their disks. */
static unsigned memory_for(const struct guest *guests, uint32_t count)
{
    uint64_t mib = MEMORY_BESIDE_GUESTS_MIB;

    for (uint32_t i = 0; i < count; i++) {
        mib += guests[i].config.memory_mib;
        for (uint32_t j = 0; j < guests[i].file_count; j++)
            mib += (guests[i].file[j].size >> MIB_SHIFT) + 1;
        for (uint32_t j = 0; j < guests[i].config.disk_count; j++)
            mib += guests[i].config.disk[j].overlay_mib;
    }
    return (unsigned)((mib + MEMORY_STEP_MIB - 1) / MEMORY_STEP_MIB * MEMORY_STEP_MIB);
}

static unsigned cpus_for(const struct guest *guests, uint32_t count)
{
    unsigned cpus = 1;

    for (uint32_t i = 0; i < count; i++)
        if (guests[i].config.cpu_count > cpus)
            cpus = guests[i].config.cpu_count;
    return cpus;
}

static void describe(struct machine_command *command, const char *cpu, const char *image,
                     const struct guest *guests, uint32_t count, const struct machine_options *options,
                     const struct machine_sockets *sockets)
{
    unsigned memory = options->memory_mib != 0 ? options->memory_mib : memory_for(guests, count);
    unsigned cpus = options->cpus != 0 ? options->cpus : cpus_for(guests, count);

    qemu_add_common(command, cpu, cpus, memory, options->uefi);
    qemu_add_serial(command, "console", sockets->console);
    qemu_add_serial(command, "log", sockets->log);
    qemu_add_control(command, sockets->control);
    qemu_add_drive(command, "if=virtio,readonly=on", image);
}

static void describe_svm(struct machine_command *command, const char *image, const struct guest *guests,
                         uint32_t count, const struct machine_options *options,
                         const struct machine_sockets *sockets)
{
    describe(command, QEMU_CPU, image, guests, count, options, sockets);
}

static void describe_svm_no_npt(struct machine_command *command, const char *image,
                                const struct guest *guests, uint32_t count,
                                const struct machine_options *options, const struct machine_sockets *sockets)
{
    describe(command, QEMU_CPU ",-npt", image, guests, count, options, sockets);
}

const struct machine machine_svm = {
    .name = "svm",
    .monitor = true,
    .package = "qemu-system-x86",
    .describe = describe_svm,
};

const struct machine machine_svm_no_npt = {
    .name = "svm:no-npt",
    .monitor = true,
    .package = "qemu-system-x86",
    .describe = describe_svm_no_npt,
};
