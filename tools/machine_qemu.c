/*
 * What every machine on QEMU has: processor, memory, firmware, serial ports, no screen, no network, and
 * QMP (QEMU's machine protocol) as the control channel. Port 0xf4 is isa-debug-exit: a value v written there
 * ends the emulator with status 2 v + 1.
 */
#include <stdlib.h>
#include <string.h>
#include "machine.h"
#include "nr.h"

#define OVMF "/usr/share/ovmf/OVMF.fd"

void qemu_add_common(struct machine_command *command, const char *cpu, unsigned cpus, unsigned packages,
                     unsigned memory_mib, bool uefi)
{
    char *count = packages > 1 ? nr_format("%u,sockets=%u", cpus, packages) : nr_format("%u", cpus);
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

void qemu_add_extra(struct machine_command *command, const struct machine_options *options)
{
    if (options->emulator != NULL)
        machine_add_words(command, options->emulator);
}

/* A message of QMP: a JSON object in one line. Only two matter, and their words stand nowhere else. */
static enum machine_event event_of(const char *line)
{
    if (strstr(line, "\"QMP\"") != NULL)
        return MACHINE_STARTED;
    if (strstr(line, "\"event\": \"SHUTDOWN\"") != NULL && strstr(line, "\"guest-reset\"") != NULL)
        return MACHINE_RESET;
    return MACHINE_SILENT;
}

static unsigned exit_value_of(int status)
{
    return (status & 1) != 0 ? (unsigned)status >> 1 : 0;
}

const struct emulator_kind emulator_qemu = {
    .package = "qemu-system-x86",
    .hello = "{\"execute\": \"qmp_capabilities\"}\n",
    .uefi = OVMF,
    .event = event_of,
    .exit_value = exit_value_of,
};
