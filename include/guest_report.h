/*
 * What the monitor tells the service about a guest: its state, its end, its exits. Names of exits live in
 * ring 3.
 */
#pragma once

#include <stdint.h>
#include "vcpu_exit.h"

enum guest_status { GUEST_ABSENT, GUEST_STARTING, GUEST_RUNNING, GUEST_POWERED_OFF, GUEST_KILLED };

enum { RECORDER_ENTRIES = 256, GUEST_SENTENCE_SIZE = 256 };

/* The flight recorder: one entry an exit, always on. */
struct recorder_entry {
    uint64_t tsc;
    uint64_t rip;
    uint64_t detail;        /* of the exit: port, guest-physical address, MSR, vector, by reason */
    uint16_t reason;        /* enum vcpu_exit_reason */
    uint16_t outcome;       /* enum recorder_outcome */
    uint32_t qualification; /* the vendor's code */
};

enum recorder_outcome { OUTCOME_PENDING, OUTCOME_RING0, OUTCOME_UPCALL, OUTCOME_INJECTED, OUTCOME_KILLED };

struct guest_report {
    uint32_t status; /* enum guest_status */
    uint32_t cpu_count;
    uint32_t restarts;      /* of its device model */
    uint32_t recorder_next; /* index of the oldest entry of vcpu */
    uint32_t vcpu;          /* in: whose recorder */
    uint32_t reserved;
    uint64_t exits[VCPU_EXIT_REASON_COUNT]; /* sum over the vCPUs */
    uint64_t upcalls;
    uint64_t refused_msrs, refused_hypercalls;
    uint64_t overlay_pages_used, overlay_pages;
    char sentence[GUEST_SENTENCE_SIZE]; /* why it ended */
    struct recorder_entry recorder[RECORDER_ENTRIES];
};
