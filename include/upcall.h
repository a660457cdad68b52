/*
 * The upcall page: one message between the monitor and a ring-3 process, and its reply.
 *
 * The monitor fills the page, enters the process at its entry point with an empty stack, and the process
 * answers with sys_upcall_done(). Each upcall runs to completion. The reply is copied once and validated
 * once.
 */
#pragma once

#include "vcpu_exit.h"
#include "vcpu_state.h"

enum upcall_kind {
    UPCALL_NONE,
    UPCALL_START,   /* device model: initialise the state blocks, bring the guest to its first instruction
                       (AGAIN allowed).   service: look at the boot modules and create guests */
    UPCALL_RESET,   /* the same for a machine that was running: UPCALL_START without the first-time set-up */
    UPCALL_RESTART, /* device model: a new process on old state blocks; check them */
    UPCALL_PIO,     /* exit.pio; IN replies in exit.pio.value; the monitor moves RAX and RIP */
    UPCALL_EMULATE, /* emulate the instruction at RIP: MMIO, string I/O, control registers, MSRs; groups
                       carries GPR, SEGMENTS, CONTROL and MSRS; exit says why (VCPU_EXIT_MEMORY,
                       VCPU_EXIT_PIO, ...) */
    UPCALL_INTA,    /* interrupt acknowledge of the 8259 pair: reply vector in value */
    UPCALL_EVENTS,  /* no vCPU involved: events says what happened */
};

/* Bits of upcall.events: hints to look, never facts. */
enum upcall_event {
    EVENT_TIMER = 1 << 0,   /* the deadline of sys_timer_set has passed */
    EVENT_CHANNEL = 1 << 1, /* something may be in a channel ring */
    EVENT_EOI = 1 << 2,     /* level-triggered EOI: vectors in upcall.eoi */
    EVENT_GUEST = 1 << 3,   /* service: a guest ended, or was restarted */
    EVENT_INPUT = 1 << 4,   /* service: the host's serial port has interrupted */
};

enum upcall_status {
    UPCALL_OK,
    UPCALL_AGAIN,  /* START, RESET: not done; the process keeps its own cursor and is called again */
    UPCALL_INJECT, /* inject upcall.inject into the vCPU instead of moving on */
    UPCALL_KILL,   /* the guest cannot go on: sentence in upcall.text */
};

enum { UPCALL_TEXT_SIZE = 256, VCPU_REST_US_MAX = 1000 };

struct upcall {
    /* to the process */
    uint32_t kind;   /* enum upcall_kind */
    uint32_t vcpu;   /* which vCPU, where one is involved */
    uint32_t events; /* enum upcall_event */
    uint32_t groups; /* enum vcpu_group: what state carries */
    uint64_t eoi[4]; /* EVENT_EOI: a bit per vector */
    struct vcpu_exit exit;
    /* the reply */
    uint32_t status;   /* enum upcall_status */
    uint32_t modified; /* groups of state that the process changed */
    uint32_t value;    /* UPCALL_INTA: the vector */
    uint32_t reserved;
    /* UPCALL_PIO: guest time in TSC ticks. The guest polls, and nothing that it can see changes before: the
     * vCPU rests until then, at most VCPU_REST_US_MAX, or until an interrupt can be delivered. 0: it goes on
     * at once. */
    uint64_t rest_until;
    struct vcpu_event inject;
    char text[UPCALL_TEXT_SIZE]; /* UPCALL_KILL: a sentence, NUL-terminated */
    /* both ways */
    struct vcpu_state state;
};

_Static_assert(sizeof(struct upcall) <= 4096, "one page");
