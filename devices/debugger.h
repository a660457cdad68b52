/* The guest's processors under a debugger: see debugger.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "channel.h"
#include "guest_config.h"
#include "upcall.h"

enum { DEBUGGER_BREAKPOINTS = 64, DEBUGGER_WATCHED = 4, DEBUGGER_LAPIC = 64 };

/* INT3 in the guest's memory, its ROM included. */
struct debugger_breakpoint {
    uint64_t linear;
    uint64_t gpa; /* where it lies, when armed */
    uint8_t used, armed;
    uint8_t original; /* what the guest has there */
    uint8_t reserved;
    uint32_t spare; /* where in its spare memory, if it lies there; 0 */
};

/* In a debug register. */
struct debugger_watch {
    uint64_t linear;
    uint8_t used, kind, length, reserved[5];
};

struct debugger_vcpu {
    struct vcpu_state state;        /* when it was last looked at; of a held one, what it goes on with */
    uint32_t lapic[DEBUGGER_LAPIC]; /* the registers of its local APIC */
    uint32_t stepping;              /* RFLAGS.TF is the debugger's */
    uint32_t guest_tf;              /* what RFLAGS.TF is to be for the guest, meanwhile */
    uint32_t counts; /* the step is the debugger's, not only a pass over a breakpoint, nor that of one which
                        has gone */
    uint32_t stray;  /* a step was broken off: its trap may still come */
    uint32_t reserved;
    uint32_t stopped;    /* what it has stopped for last, and said so, is the breakpoint at RIP */
    uint64_t behind;     /* TSC ticks by which the guest's clock went back, and this one's TSC not yet */
    uint64_t dr[4], dr7; /* the guest's, while the debugger's are loaded */
    uint64_t loaded_dr7; /* the debugger's: another one is there if the guest, or INIT, has written it */
};

struct debugger {
    uint32_t attached;
    uint32_t wanted;     /* a bit for each vCPU that is to be held */
    uint32_t held;       /* ... is */
    uint32_t steps;      /* ... is to do one instruction when it goes on */
    uint32_t inspected;  /* number of the question for which they are being looked at */
    uint32_t looked;     /* ... has been looked at since this was cleared */
    uint32_t swapped;    /* ... has the debugger's debug registers */
    uint32_t passing;    /* ... does the instruction under a breakpoint: none is in place meanwhile */
    uint32_t no_watches; /* the machine's debug registers stop no guest */
    uint64_t stood_at;   /* guest time in TSC ticks: its clock stands there; 0: it runs */
    struct debug_state last;
    struct debugger_breakpoint breakpoint[DEBUGGER_BREAKPOINTS];
    struct debugger_watch watch[DEBUGGER_WATCHED];
    struct debugger_vcpu vcpu[GUEST_CPUS_MAX];
};

struct pc;

/* Power-on or reset of the machine. */
void debugger_reset(struct debugger *debugger);
/* NULL, or the broken rule of a state block. */
const char *debugger_check(const struct debugger *debugger);
/* UPCALL_DEBUG. */
void debugger_upcall(struct upcall *upcall, struct pc *pc);
/* The instruction of an UPCALL_EMULATE, or the trap that comes with it, is the debugger's: it is answered. */
bool debugger_takes(struct upcall *upcall, struct pc *pc);
/* At the end of an upcall: what devices have written over breakpoints is theirs again; state: of the vCPU,
 * with its control registers, or NULL. */
void debugger_rearm(struct debugger *debugger, const struct vcpu_state *state);
/* Answers a question that waits in the channel, if it can be answered now; true: the service is to be
 * notified. */
bool debugger_answer(struct pc *pc, struct channel_debug *question);
/* Text about the guest, for a human. */
uint32_t debugger_inspect(struct pc *pc, uint64_t line, char *to, uint32_t size);
