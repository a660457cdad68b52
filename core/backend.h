/*
 * What the vendor backends have alike: how an event is injected and an exit described, and what the processor
 * has in its registers in place of the guest's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "vm.h"
#include "x86.h"

/* An event to be injected, or one that an exit interrupted (AMD APM Vol. 2, 15.20; SDM Vol. 3C, tables 25-15
 * to 25-19). AMD has the error code in the upper half. */
#define EVENT_VECTOR      0xffu
#define EVENT_TYPE_SHIFT  8
#define EVENT_TYPE_MASK   7u
#define EVENT_ERROR_VALID (1u << 11)
#define EVENT_VALID       (1u << 31)

static inline uint32_t event_encode(const struct vcpu_event *event)
{
    return EVENT_VALID | (event->type - 1u) << EVENT_TYPE_SHIFT | event->vector;
}

static inline enum event_type event_type_of(uint32_t info)
{
    return info & EVENT_VALID ? (info >> EVENT_TYPE_SHIFT & EVENT_TYPE_MASK) + 1 : EVENT_NONE;
}

enum { SKIPPED = 0xff }; /* exit_decision.detail: the core goes on behind the instruction */

/* What follows from an exit that the processor names with a code: the backends have a table of them. */
struct exit_decision {
    uint8_t when; /* SVM: when the exit is asked for. VT-x has controls for it. */
    uint8_t reason;
    uint8_t detail; /* the vector, where the instruction is refused with an exception; or SKIPPED */
    void (*describe)(struct vcpu *vcpu); /* what else is to say, in vcpu->exit; or NULL */
};

static inline void exit_raise(struct vcpu *vcpu, uint32_t vector, uint32_t error_code)
{
    vcpu->exit.reason = VCPU_EXIT_EXCEPTION;
    vcpu->exit.exception = (struct vcpu_exit_exception){
        .vector = (uint8_t)vector,
        .has_error_code = EXCEPTIONS_WITH_CODE >> vector & 1,
        .error_code = error_code,
    };
}

static inline void exit_refuse(struct vcpu *vcpu)
{
    exit_raise(vcpu, (uint8_t)vcpu->exit.detail, 0);
}

static inline void exit_memory(struct vcpu *vcpu, uint64_t gpa, bool fetch, bool write, uint32_t more)
{
    vcpu->exit.reason = VCPU_EXIT_MEMORY;
    vcpu->exit.memory = (struct vcpu_exit_memory){.gpa = gpa,
                                                  .access = more | (fetch   ? ACCESS_FETCH
                                                                    : write ? ACCESS_WRITE
                                                                            : ACCESS_READ)};
}

static inline void exit_pio(struct vcpu *vcpu, uint32_t port, uint32_t size, bool in, bool string, bool rep)
{
    vcpu->exit.pio = (struct vcpu_exit_pio){.port = (uint16_t)port,
                                            .size = (uint8_t)size,
                                            .in = in,
                                            .string = string,
                                            .rep = rep,
                                            .value = (uint32_t)vcpu->state.gpr.reg[RAX]};
}

#define CR0_OWNED      (CR0_MP | CR0_TS)          /* what the guest changes of CR0 without an exit */
#define CR0_TRANSLATES (CR0_PE | CR0_WP | CR0_PG) /* whose change makes the processor forget translations */

struct processor_registers {
    uint64_t cr0, cr4, efer;
};

/* What the processor gets of the guest's registers; `shadow`: on the vTLB, with which paging is always on. */
static inline struct processor_registers processor_registers(const struct vcpu_state *state, bool shadow)
{
    struct processor_registers r = {
        .cr0 = (state->control.cr0 & ~(CR0_CD | CR0_NW)) | CR0_ET, /* would make the host's caches slow */
        .cr4 = state->control.cr4 | CR4_MCE, /* else a machine check would be a shutdown of the processor */
        .efer = state->msrs.efer,
    };
    if (shadow) {
        r.cr0 |= CR0_PG | CR0_WP;
        r.cr4 = (r.cr4 | CR4_PAE) & (state->control.cr0 & CR0_PG ? ~0ull : ~(CR4_SMEP | CR4_SMAP));
        r.efer = (r.efer | EFER_NXE) & (r.efer & EFER_LMA ? ~0ull : ~EFER_LME); /* or it would be long mode */
    }
    return r;
}
