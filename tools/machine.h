/*
 * Machines that `nr boot` can start. A machine turns what is to be booted into the command line of an
 * emulator, and understands what the emulator says of itself on its control channel (QEMU's machine protocol,
 * Bochs' log), from which nr learns how the run ended. Beside it there are three channels more, for the first
 * serial port (the guest's console), the second (the monitor's log) and the third (the control line, on which
 * the monitor takes commands: include/control.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "guest.h"

enum { MACHINE_ARGUMENTS_MAX = 96 };

/* What the user asked for; zero or NULL: the machine decides. */
struct machine_options {
    unsigned cpus;
    unsigned memory_mib;
    bool uefi;
    const char *model;    /* the machine's processor: a name from its list, in full */
    const char *emulator; /* more words for the emulator's command line, or lines for its configuration */
};

struct machine_command {
    char *arguments[MACHINE_ARGUMENTS_MAX];
    size_t count;
};

/* The emulator's ends of the channels. */
struct machine_channels {
    int console, log, control, line; /* -1: none */
    unsigned port, line_port; /* of TCP on the loopback, where console and line wait for the emulator; or 0 */
};

/* All that a run is made of. */
struct machine_run {
    const char *image;   /* NULL: without the monitor, a guest that its own firmware starts */
    const char *scratch; /* a directory for files of this run */
    const struct guest *guest;
    uint32_t guest_count;
    const struct machine_options *options;
    struct machine_channels channels;
};

/* What a line of the control channel can mean. */
enum machine_event {
    MACHINE_SILENT,   /* nothing */
    MACHINE_STARTED,  /* the emulator is there */
    MACHINE_RESET,    /* the machine was reset; the run is over */
    MACHINE_OFF,      /* the machine was powered off */
    MACHINE_UNLOADED, /* GRUB could not start what it should (see image.h) */
    MACHINE_STOPPED,  /* the emulator stops for another reason: the line says it */
    MACHINE_TROUBLE,  /* a line that the user should see */
};

/* What machines on the same emulator share. */
struct emulator_kind {
    const char *package;
    bool dials; /* it connects to nr for console and line, writes its log to a pipe, and runs in the scratch
                   directory; otherwise it is given sockets */
    const char *hello; /* sent on the control channel when it has started, or NULL */
    bool tells_end;    /* a run that ends otherwise than by MACHINE_OFF ended badly */
    const char *uefi;  /* its UEFI firmware, of the package ovmf; NULL: it has none */
    enum machine_event (*event)(const char *line);
    /* The value that was written to port 0xf4, from the emulator's status; 0: none. */
    unsigned (*exit_value)(int status);
};

struct machine {
    const char *name;          /* of --machine */
    bool monitor;              /* the image starts the monitor; otherwise the first guest itself */
    const char *refusal;       /* why it cannot be used in this version, or NULL */
    const char *const *models; /* of --machine NAME:MODEL; the first is the default; NULL: it takes none */
    const struct emulator_kind *emulator;
    /* Returns an nr_status, having said what is wrong. */
    int (*describe)(struct machine_command *command, const struct machine_run *run);
};

/*
 * By its name, with or without a model, which may be given by any part that only one model has; *model is
 * then its whole name, or NULL. NULL after an error that lists those there are. NULL as name: the default.
 */
const struct machine *machine_find(const char *name, const char **model);

/* The size of a machine: what the user asked for, or what the guests need; of one without the monitor, what
 * the first guest has. */
unsigned machine_memory_mib(const struct machine_run *run, bool monitor);
unsigned machine_cpus(const struct machine_run *run, bool monitor);

/* What runs where, in words, as "a, b on vmx:corei7_haswell_4770"; the caller frees it. */
char *machine_title(const struct machine_run *run, const struct machine *machine);

/* Adds words to a command; they are copied. */
void machine_add(struct machine_command *command, const char *first, ...) __attribute__((sentinel));
/* Adds the words of a text, split at blanks. */
void machine_add_words(struct machine_command *command, const char *text);
void machine_free(struct machine_command *command);

/* The parts that all machines on QEMU share (machine_qemu.c). */
void qemu_add_common(struct machine_command *command, const char *cpu, unsigned cpus, unsigned packages,
                     unsigned memory_mib, bool uefi);
/* Connects a socket to the next serial port. */
void qemu_add_serial(struct machine_command *command, const char *id, int fd);
void qemu_add_control(struct machine_command *command, int fd);
/* kind: what goes before the file's name in -drive, as "if=virtio,snapshot=on". */
void qemu_add_drive(struct machine_command *command, const char *kind, const char *path);

/* The user's own words; they come last. */
void qemu_add_extra(struct machine_command *command, const struct machine_options *options);

extern const struct emulator_kind emulator_qemu, emulator_bochs;
extern const struct machine machine_svm, machine_svm_no_npt, machine_native;
extern const struct machine machine_vmx, machine_bochs_svm, machine_native_bochs;

/*
 * QEMU's model of a first-generation EPYC without the features that its TCG lacks, which it would warn about
 * (svm with nested paging is all that TCG has of SVM), and without MONITOR, which the monitor gives to no
 * guest. Natively SVM is missing, too, and the extended leaves from its own on: so guests see the same
 * processor in both cases (test kernel cpuid_rules; `make bench` compares leaf by leaf).
 */
#define QEMU_CPU                                                                                             \
    "EPYC,-rdseed,-sha-ni,-fxsr-opt,-misalignsse,-3dnowprefetch,-osvw,-topoext,-nrip-save,-xsavec,"          \
    "-monitor"
#define QEMU_CPU_NATIVE QEMU_CPU ",-svm,xlevel=0x80000008"
