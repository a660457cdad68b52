/*
 * Machines on Bochs 2.7, as Debian has it: the monitor on VT-x and on SVM, and the first guest without the
 * monitor. Bochs is configured by a file, in the words of bochsrc(5), and runs in the directory of that file,
 * where the image lies, so that the image's name in it needs no quotes.
 *
 * - It exits with status 1 however a run ends. What happened stands in its log, the control channel.
 * - It has no port for a value at the end. The word "Shutdown" at port 0x8900 ends it; only GRUB writes that,
 * when it could not load what it should.
 * - Time is counted in instructions, whatever the host does: one second has BOCHS_IPS of them, and a
 * processor that is halted lets it leap. The clock starts at a fixed date, so that runs repeat.
 * - The first serial port and the third dial nr on the loopback, the only way that carries bytes unchanged in
 * both directions.
 * - Debian's Bochs has no display that needs nothing at all. rfb waits for no viewer and takes the next TCP
 * port from 5900 that is free.
 * - Its debugger is built in, and is told at once to go on, and again where a triple fault enters it.
 * - On SVM it panics where a guest has a triple fault, and where it leaves one in virtual-8086 mode; both go
 * on as they should if it may. The price: a triple fault of the monitor itself is found by the time limit
 * alone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "image.h"
#include "machine.h"
#include "nr.h"

#define BOCHS_BIOS     "/usr/share/bochs/BIOS-bochs-latest"
#define BOCHS_VGA_BIOS "/usr/share/bochs/VGABIOS-lgpl-latest"

/* Its clock starts in the middle of 2020, so that the date is the same in all time zones. */
enum {
    BOCHS_IPS = 50000000,
    BOCHS_EPOCH = 1592222400,
    BOCHS_CHANNELS = 4,
    BOCHS_DRIVES = 2 * BOCHS_CHANNELS
};
enum { BOCHS_BREAKS = 1000 };

static const char *const intel_models[] = {
    "corei7_haswell_4770",   /* the default: all of VT-x that the monitor uses */
    "core2_penryn_t9600",    /* no EPT */
    "corei5_lynnfield_750",  /* EPT, no unrestricted guest */
    "corei5_arrandale_m520", /* with it */
    "corei7_sandy_bridge_2600k",
    "corei7_ivy_bridge_3770k",
    "broadwell_ult",
    "corei7_skylake_x",
    "corei3_cnl",
    "corei7_icelake_u",
    "tigerlake",
    "p4_prescott_celeron_336", /* 64 bits, but no VT-x */
    NULL,
};

static const char *const amd_models[] = {
    "ryzen",               /* the default */
    "turion64_tyler",      /* no nested paging */
    "phenom_8650_toliman", /* nested paging, no next RIP */
    "zambezi",
    "trinity_apu",
    "athlon64_clawhammer", /* 64 bits, but no SVM */
    "athlon64_venice",
    NULL,
};

static const char *const native_models[] = {
    "corei7_haswell_4770",
    "core2_penryn_t9600",
    "corei5_lynnfield_750",
    "corei5_arrandale_m520",
    "corei7_sandy_bridge_2600k",
    "corei7_ivy_bridge_3770k",
    "broadwell_ult",
    "corei7_skylake_x",
    "corei3_cnl",
    "corei7_icelake_u",
    "tigerlake",
    "p4_prescott_celeron_336",
    "ryzen",
    "turion64_tyler",
    "phenom_8650_toliman",
    "zambezi",
    "trinity_apu",
    "athlon64_clawhammer",
    "athlon64_venice",
    NULL,
};

static void print_drive(FILE *out, unsigned drive, const char *words)
{
    if (drive % 2 == 0)
        fprintf(out, "ata%u: enabled=1\n", drive / 2);
    fprintf(out, "ata%u-%s: %s\n", drive / 2, drive % 2 == 0 ? "master" : "slave", words);
}

/* The disks of a guest without the monitor: Bochs has no virtio, so they are ATA disks; changes are thrown
 * away. */
static int print_disks(FILE *out, const struct machine_run *run)
{
    const struct guest *guest = &run->guest[0];
    unsigned drive = 1;

    for (uint32_t i = 0; i < guest->file_count; i++) {
        if (guest->file[i].kind != FILE_DISK)
            continue;
        if (drive == BOCHS_DRIVES)
            return nr_fail(NR_USAGE, "Bochs takes no more than %d disks", BOCHS_DRIVES - 1);
        char *path = realpath(guest->file[i].path, NULL);
        char *name = nr_format("disk%u.img", drive);
        char *link = nr_format("%s/%s", run->scratch, name);
        char *words = nr_format("type=disk, mode=volatile, path=%s", name);
        int status = path == NULL || symlink(path, link) != 0
                         ? nr_fail(NR_UNEXPECTED, "%s: %s", guest->file[i].path, strerror(errno))
                         : NR_DONE;
        if (status == NR_DONE)
            print_drive(out, drive++, words);
        free(words);
        free(link);
        free(name);
        free(path);
        if (status != NR_DONE)
            return status;
    }
    return NR_DONE;
}

/* The monitor's on SVM. */
static bool may_panic(const struct machine_run *run, bool monitor)
{
    unsigned i = 0;

    while (amd_models[i] != NULL && strcmp(amd_models[i], run->options->model) != 0)
        i++;
    return monitor && amd_models[i] != NULL;
}

static void print_machine(FILE *out, const struct machine_run *run, bool monitor)
{
    unsigned memory = machine_memory_mib(run, monitor);

    fprintf(out, "memory: guest=%u, host=%u\n", memory, memory);
    /* Without the monitor, a register that Bochs does not know is one that the guest's kernel does not miss.
     */
    fprintf(out, "cpu: model=%s, count=%u, ips=%d, reset_on_triple_fault=0, ignore_bad_msrs=%d\n",
            run->options->model, machine_cpus(run, monitor), BOCHS_IPS, !monitor);
    fprintf(out, "romimage: file=%s\nvgaromimage: file=%s\n", BOCHS_BIOS, BOCHS_VGA_BIOS);
    fputs("pci: enabled=1, chipset=i440fx\nboot: cdrom\n", out);
    char *words = nr_format("type=cdrom, path=%s, status=inserted", strrchr(run->image, '/') + 1);
    print_drive(out, 0, words);
    free(words);
    fprintf(out, "com1: enabled=1, mode=socket-client, dev=127.0.0.1:%u\n", run->channels.port);
    if (monitor) {
        fprintf(out, "com2: enabled=1, mode=file, dev=/dev/fd/%d\n", run->channels.log);
        fprintf(out, "com3: enabled=1, mode=socket-client, dev=127.0.0.1:%u\n", run->channels.line_port);
    }
    fprintf(out, "clock: sync=none, time0=%d\n", BOCHS_EPOCH);
    fputs("log: -\npanic: action=fatal", out);
    for (unsigned i = 0; may_panic(run, monitor) && i < machine_cpus(run, monitor); i++)
        fprintf(out, ", cpu%u=report", i);
    fputs("\nerror: action=report\ninfo: action=ignore, pc_system=report\n"
          "debug: action=ignore\n"
          "display_library: rfb, options=\"timeout=0\"\n"
          "sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy\n"
          "mouse: type=imps2, enabled=0\n" /* with a wheel, as QEMU's and the monitor's */
          "speaker: enabled=0\nplugin_ctrl: unmapped=1, speaker=0, sb16=0, es1370=0\n",
          out);
}

/* The user's lines, which a semicolon divides, come last and so prevail. */
static void print_extra(FILE *out, const struct machine_options *options)
{
    for (const char *c = options->emulator; c != NULL && *c != '\0'; c++)
        fputc(*c == ';' ? '\n' : *c, out);
    fputc('\n', out);
}

static int missing_firmware(void)
{
    if (access(BOCHS_BIOS, R_OK) != 0)
        return nr_fail(NR_MISSING_TOOL, "%s is not installed; install its package: apt-get install bochsbios",
                       BOCHS_BIOS);
    if (access(BOCHS_VGA_BIOS, R_OK) != 0)
        return nr_fail(NR_MISSING_TOOL, "%s is not installed; install its package: apt-get install vgabios",
                       BOCHS_VGA_BIOS);
    return NR_DONE;
}

static FILE *open_file(const char *path)
{
    FILE *file = fopen(path, "w");

    if (file == NULL)
        nr_say("%s: cannot be written: %s", path, strerror(errno));
    return file;
}

static int describe(struct machine_command *command, const struct machine_run *run, bool monitor)
{
    char *configuration = nr_format("%s/bochsrc", run->scratch);
    char *debugger = nr_format("%s/debugger", run->scratch);
    int status = missing_firmware();
    FILE *out = status == NR_DONE ? open_file(configuration) : NULL;
    FILE *commands = out != NULL ? open_file(debugger) : NULL;

    if (commands != NULL) {
        for (unsigned i = 0; i < BOCHS_BREAKS; i++)
            fputs("c\n", commands);
        print_machine(out, run, monitor);
        status = monitor ? NR_DONE : print_disks(out, run);
        print_extra(out, run->options);
        machine_add(command, "bochs-bin", "-q", "-f", configuration, "-rc", debugger, NULL);
    } else if (status == NR_DONE) {
        status = NR_UNEXPECTED;
    }
    if (commands != NULL && fclose(commands) != 0)
        status = nr_fail(NR_UNEXPECTED, "%s: cannot be written: %s", debugger, strerror(errno));
    if (out != NULL && fclose(out) != 0)
        status = nr_fail(NR_UNEXPECTED, "%s: cannot be written: %s", configuration, strerror(errno));
    free(debugger);
    free(configuration);
    return status;
}

static int describe_monitor(struct machine_command *command, const struct machine_run *run)
{
    return describe(command, run, true);
}

static int describe_native(struct machine_command *command, const struct machine_run *run)
{
    if (run->guest_count > 1)
        nr_say("--machine native:bochs: only the first guest runs");
    if (run->image == NULL)
        return nr_fail(NR_USAGE, "--machine native:bochs: a guest that its firmware starts has no image; use "
                                 "--machine native");
    return describe(command, run, false);
}

/*
 * A line of Bochs' log: 11 digits of time, a letter for the level, the device in brackets, the message. The
 * first reset is the one that powers the machine up. A triple fault ends the emulator instead of resetting
 * the machine.
 */
static enum machine_event event_of(const char *line)
{
    static bool powered;

    if (strstr(line, "bx_pc_system_c::Reset(") != NULL) {
        enum machine_event event = powered ? MACHINE_RESET : MACHINE_STARTED;
        powered = true;
        return event;
    }
    if (strstr(line, "VMENTER FAIL") != NULL)
        return MACHINE_TROUBLE;
    if (strstr(line, ">>PANIC<<") == NULL)
        return MACHINE_SILENT;
    if (strstr(line, "soft power off") != NULL)
        return MACHINE_OFF;
    if (strstr(line, "Shutdown port") != NULL)
        return MACHINE_UNLOADED;
    return strstr(line, "exception with no resolution") != NULL ? MACHINE_RESET : MACHINE_STOPPED;
}

/* On SVM processors may panic. */
static enum machine_event event_of_svm(const char *line)
{
    return strstr(line, "[CPU") != NULL && strstr(line, ">>PANIC<<") != NULL ? MACHINE_SILENT
                                                                             : event_of(line);
}

static unsigned no_exit_value(int status)
{
    (void)status;
    return 0;
}

const struct emulator_kind emulator_bochs = {
    .package = "bochs bochsbios vgabios",
    .dials = true,
    .tells_end = true,
    .event = event_of,
    .exit_value = no_exit_value,
};

static const struct emulator_kind emulator_bochs_svm = {
    .package = "bochs bochsbios vgabios",
    .dials = true,
    .tells_end = true,
    .event = event_of_svm,
    .exit_value = no_exit_value,
};

const struct machine machine_vmx = {
    .name = "vmx",
    .monitor = true,
    .models = intel_models,
    .emulator = &emulator_bochs,
    .describe = describe_monitor,
};

const struct machine machine_bochs_svm = {
    .name = "bochs-svm",
    .monitor = true,
    .models = amd_models,
    .emulator = &emulator_bochs_svm,
    .describe = describe_monitor,
};

const struct machine machine_native_bochs = {
    .name = "native:bochs",
    .models = native_models,
    .emulator = &emulator_bochs,
    .describe = describe_native,
};
