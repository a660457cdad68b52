/* What every machine on QEMU has: processor, memory, firmware, two serial ports, no screen, no network. */
#include <stdlib.h>
#include <string.h>
#include "machine.h"
#include "nr.h"

#define OVMF "/usr/share/ovmf/OVMF.fd"

void qemu_add_common(struct machine_command *command, const char *cpu, unsigned cpus, unsigned memory_mib,
                     bool uefi)
{
    char *count = nr_format("%u", cpus);
    char *memory = nr_format("%u", memory_mib);

    machine_add(command, "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-accel",
                "tcg", "-machine", "pc", "-cpu", cpu, "-smp", count, "-m", memory, "-no-reboot", NULL);
    machine_add(command, "-device", "isa-debug-exit,iobase=0xf4,iosize=4", NULL);
    if (uefi)
        machine_add(command, "-bios", OVMF, NULL);
    free(count);
    free(memory);
}

static void add_socket(struct machine_command *command, const char *id, int fd)
{
    char *socket = nr_format("socket,id=%s,fd=%d", id, fd);

    machine_add(command, "-chardev", socket, NULL);
    free(socket);
}

void qemu_add_serial(struct machine_command *command, const char *id, int fd)
{
    char *port = nr_format("chardev:%s", id);

    add_socket(command, id, fd);
    machine_add(command, "-serial", port, NULL);
    free(port);
}

void qemu_add_control(struct machine_command *command, int fd)
{
    add_socket(command, "control", fd);
    machine_add(command, "-mon", "chardev=control,mode=control", NULL);
}

/* QEMU takes a comma in a value doubled. */
void qemu_add_drive(struct machine_command *command, const char *kind, const char *path)
{
    char *escaped = nr_format("%*s", (int)(2 * strlen(path)), "");
    char *out = escaped;

    for (; *path != '\0'; path++) {
        if (*path == ',')
            *out++ = ',';
        *out++ = *path;
    }
    *out = '\0';
    char *drive = nr_format("%s,format=raw,file=%s", kind, escaped);
    machine_add(command, "-drive", drive, NULL);
    free(drive);
    free(escaped);
}
