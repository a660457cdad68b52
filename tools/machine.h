/*
 * Machines that `nr boot` can start. A machine turns what is to be booted into the command line of an
 * emulator, which gets connected sockets: for the first serial port (the guest's console), the second (the
 * monitor's log) and QEMU's machine protocol (QMP), which says how the run ended. Port 0xf4 is QEMU's
 * isa-debug-exit: a value v written there ends the emulator with status 2 v + 1.
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
    const char *emulator; /* more words for the emulator's command line, or NULL */
};

struct machine_command {
    char *arguments[MACHINE_ARGUMENTS_MAX];
    size_t count;
};

/* The emulator's ends of the sockets. */
struct machine_sockets {
    int console, log, control;
};

struct machine {
    const char *name;    /* of --machine */
    bool monitor;        /* the image starts the monitor; otherwise the first guest itself */
    const char *refusal; /* why it cannot be used in this version, or NULL */
    const char *package; /* of the emulator */
    void (*describe)(struct machine_command *command, const char *image, const struct guest *guests,
                     uint32_t count, const struct machine_options *options,
                     const struct machine_sockets *sockets);
};

/* By its name; NULL after an error that lists those there are. NULL as name: the default. */
const struct machine *machine_find(const char *name);

/* Adds words to a command; they are copied. */
void machine_add(struct machine_command *command, const char *first, ...) __attribute__((sentinel));
/* Adds the words of a text, split at blanks. */
void machine_add_words(struct machine_command *command, const char *text);
void machine_free(struct machine_command *command);

/* The parts that all machines on QEMU share (machine_qemu.c). */
void qemu_add_common(struct machine_command *command, const char *cpu, unsigned cpus, unsigned memory_mib,
                     bool uefi);
/* Connects a socket to the next serial port. */
void qemu_add_serial(struct machine_command *command, const char *id, int fd);
void qemu_add_control(struct machine_command *command, int fd);
/* kind: what goes before the file's name in -drive, as "if=virtio,snapshot=on". */
void qemu_add_drive(struct machine_command *command, const char *kind, const char *path);

extern const struct machine machine_svm, machine_svm_no_npt, machine_native;

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
