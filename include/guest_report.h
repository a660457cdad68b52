/*
 * What the monitor tells the service about a guest: its state, its end, its exits. The service reads the
 * monitor's own records, which go on changing (layout.h says where). Names of exits live in ring 3.
 */
#pragma once

#include <stdint.h>
#include "guest_config.h"
#include "layout.h"
#include "vcpu_exit.h"

enum guest_status { GUEST_ABSENT, GUEST_STARTING, GUEST_RUNNING, GUEST_POWERED_OFF, GUEST_KILLED };

enum { RECORDER_ENTRIES = 256, GUEST_SENTENCE_SIZE = 256 };

/* The flight recorder: one entry an exit, always on. */
struct recorder_entry {
    uint64_t tsc;
    uint64_t rip;
    uint64_t detail;        /* of the exit: port, guest-physical address, MSR, vector, by reason */
    uint16_t reason;        /* enum vcpu_exit_reason */
    uint16_t outcome;       /* enum exit_outcome */
    uint32_t qualification; /* the vendor's code */
};

enum exit_outcome {
    EXIT_PENDING,
    EXIT_RESUME,   /* the guest goes on */
    EXIT_UPCALL,   /* the device model is needed */
    EXIT_HALT,     /* HLT */
    EXIT_EXTERNAL, /* a host interrupt is pending */
    EXIT_KILL,     /* the guest was killed */
};

struct vcpu_record {
    uint64_t exits[VCPU_EXIT_REASON_COUNT];
    uint64_t upcalls;
    uint32_t recorder_next; /* the oldest entry, counted on for ever */
    struct recorder_entry recorder[RECORDER_ENTRIES];
};

struct guest_report {
    _Atomic uint32_t status; /* enum guest_status */
    uint32_t cpu_count;
    uint32_t restarts; /* of its device model */
    uint32_t overlay_pages_used, overlay_pages;
    char sentence[GUEST_SENTENCE_SIZE]; /* why it ended */
};

_Static_assert(sizeof(struct vcpu_record) <= USER_GUEST_RECORD_SIZE, "so far apart");
_Static_assert(sizeof(struct guest_report) <= USER_GUEST_RECORDS - USER_GUEST_REPORT, "one page");
_Static_assert(USER_GUEST_RECORDS + GUEST_CPUS_MAX * USER_GUEST_RECORD_SIZE <= USER_GUEST_SIZE,
               "one behind another");
