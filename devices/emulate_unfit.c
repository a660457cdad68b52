/*
 * Processors with VT-x but without "unrestricted guest" run no real mode, and virtual-8086 mode imitates only
 * a part of it (lib/real_mode.h). What is missing is done here: big real mode, the steps from real to
 * protected mode, an interrupt table that has been moved. The emulator goes on until the processor can, with
 * the traps and faults that a processor delivers by itself.
 *
 * Missing: breakpoints (DR0 to DR3).
 */
#include "emulate_unfit.h"
#include "emulate_transfer.h"
#include "format.h"
#include "real_mode.h"
#include "string.h"
#include "x86.h"

struct batch {
    struct upcall *upcall;
    struct emulator e;
    struct emulation m;
    uint32_t modified;
    bool refused;
    bool ended; /* the reply is complete */
};

/* What a fault in the delivery of an event becomes (SDM Vol. 3A, table 6-5). False: a shutdown. */
static bool combine(const struct vcpu_event *first, struct vcpu_event *second)
{
    if (first->type != EVENT_EXCEPTION || !(exceptions_doubled_by(first->vector) >> second->vector & 1))
        return true;
    if (first->vector == EXCEPTION_DF)
        return false;
    *second = (struct vcpu_event){.type = EVENT_EXCEPTION, .vector = EXCEPTION_DF, .has_error_code = 1};
    return true;
}

static void end(struct batch *b, enum upcall_status status)
{
    b->upcall->status = status;
    b->ended = true;
}

static bool is_soft(const struct vcpu_event *event)
{
    return event->type == EVENT_SOFT_INTERRUPT || event->type == EVENT_SOFT_EXCEPTION;
}

/* Delivers an event and the faults that its delivery raises: at most three levels, each of another class, and
 * a few benign ones on the way, which do not come one upon the other without end either. A delivery begins
 * again if another processor has changed a page table in between, as does a task switch. */
static void deliver(struct batch *b, const struct vcpu_event *first)
{
    enum { LEVELS_MAX = 5 };
    struct vcpu_state *state = b->e.state;
    struct vcpu_event event = *first;

    for (unsigned level = 0; level < LEVELS_MAX; level++) {
        bool wide = state->msrs.efer & EFER_LMA; /* only the processor delivers there */
        /* It has just left it to us; in long mode only an event that it had itself begun to deliver. */
        uint32_t left = UNFIT_ONCE | (wide ? UNFIT_EVENT : 0);
        bool ours = level == 0 && (b->upcall->exit.detail & left) == left;
        if (event.type == EVENT_EXCEPTION && (state->control.cr0 & CR0_PE) &&
            (wide || real_mode_fits(state)) && !ours) {
            b->upcall->inject = event; /* the processor can */
            end(b, UPCALL_INJECT);
            return;
        }
        state->interrupts.shadow = SHADOW_NONE;
        enum outcome outcome;
        do {
            emulate_begin(&b->m, &b->e);
            outcome = emulate_deliver(&b->m, &event, state->gpr.rip + (is_soft(&event) ? event.length : 0));
        } while (outcome == OUTCOME_RETRY);
        b->modified |= b->e.modified;
        if (outcome == OUTCOME_BRANCH)
            return;
        if (outcome != OUTCOME_FAULT) {
            format_text(b->upcall->text, sizeof(b->upcall->text), "vector %u at %04x:%lx cannot be delivered",
                        event.vector, state->segment[SEG_CS].selector, state->gpr.rip);
            end(b, UPCALL_KILL);
            return;
        }
        struct vcpu_event fault = b->e.inject;
        if (!combine(&event, &fault))
            break;
        event = fault;
    }
    end(b, UPCALL_SHUTDOWN);
}

/* The switch that the processor has left to us, and the fault that it may end in. */
static void switch_task(struct batch *b, const struct vcpu_exit *exit, const struct vcpu_event *event)
{
    enum task_source source = (enum task_source)(exit->detail >> TASK_SOURCE_SHIFT & 3);
    uint16_t selector = exit->detail & TASK_SELECTOR_MASK;
    bool gate = source == TASK_GATE;
    struct vcpu_state *state = b->e.state;
    uint64_t next_rip = gate ? state->gpr.rip + (is_soft(event) ? event->length : 0) : exit->next_rip;
    struct transfer t;
    enum outcome outcome;

    state->interrupts.shadow = SHADOW_NONE;
    do {
        emulate_begin(&b->m, &b->e);
        transfer_begin(&b->m, &t);
        t.external = gate && !is_soft(event) ? ERROR_EXTERNAL : 0;
        outcome = emulate_task_switch(&b->m, &t, source, selector, gate ? event : NULL, next_rip);
        outcome = transfer_end(&b->m, &t, outcome);
    } while (outcome == OUTCOME_RETRY);
    b->modified |= b->e.modified;
    if (source == TASK_IRET && outcome == OUTCOME_BRANCH)
        state->interrupts.nmi_blocked = 0;
    if (outcome == OUTCOME_BRANCH)
        return;
    struct vcpu_event fault = b->e.inject;
    if (outcome == OUTCOME_FAULT && (!gate || combine(event, &fault)))
        deliver(b, &fault);
    else
        end(b, UPCALL_SHUTDOWN);
}

static void single_step_trap(struct batch *b)
{
    const struct vcpu_event trap = {.type = EVENT_EXCEPTION, .vector = EXCEPTION_DB};

    b->e.state->control.dr6 |= DR6_BS;
    b->modified |= VCPU_CONTROL;
    deliver(b, &trap);
}

/* One instruction, with what comes of it. A trap waits while MOV SS or POP SS holds it off. */
static void step(struct batch *b)
{
    static const struct vcpu_event undefined = {.type = EVENT_EXCEPTION, .vector = EXCEPTION_UD};
    struct vcpu_interrupts *interrupts = &b->e.state->interrupts;
    bool trap = b->e.state->gpr.rflags & FLAG_TF;

    interrupts->shadow = SHADOW_NONE;
    b->e.halted = false;
    enum emulate_result result = emulate(&b->e);
    b->modified |= b->e.modified;
    switch (result) {
    case EMULATE_INJECT:
        deliver(b, &b->e.inject);
        return;
    case EMULATE_REFUSE:
        memcpy(b->upcall->text, b->e.text, sizeof(b->upcall->text));
        b->refused = true;
        deliver(b, &undefined);
        return;
    default:
        if (trap && interrupts->shadow != SHADOW_MOV_SS)
            single_step_trap(b);
        else if (b->e.halted)
            end(b, UPCALL_HALTED);
    }
}

static bool is_open(const struct vcpu_state *state)
{
    return (state->gpr.rflags & FLAG_IF) && state->interrupts.shadow == SHADOW_NONE;
}

bool emulate_unfit(struct upcall *upcall, const struct emulator_machine *machine, void *context,
                   const struct processor_limits *limits, bool (*may_go_on)(void *context))
{
    struct batch b = {.upcall = upcall, .modified = VCPU_INTERRUPTS};
    struct vcpu_state *state = &upcall->state;
    bool waiting = upcall->exit.reason == VCPU_EXIT_UNFIT && (upcall->exit.detail & UNFIT_WAITING);
    unsigned done = 0;

    b.e.machine = machine;
    b.e.context = context;
    b.e.limits = limits;
    b.e.vcpu = upcall->vcpu;
    b.e.state = state;
    b.e.groups = upcall->groups;
    b.e.gpa = EMULATE_UNKNOWN;
    upcall->status = UPCALL_OK;
    bool task_switch = upcall->exit.reason == VCPU_EXIT_TASK_SWITCH;
    if (task_switch || (upcall->exit.detail & UNFIT_EVENT)) {
        struct vcpu_event event = state->interrupts.event;
        state->interrupts.event = (struct vcpu_event){.type = EVENT_NONE};
        if (task_switch)
            switch_task(&b, &upcall->exit, &event);
        else
            deliver(&b, &event);
        done++;
    }
    unsigned most = upcall->exit.detail & UNFIT_ONCE ? 1 : EMULATE_UNFIT_MAX;
    while (!b.ended && done < most) {
        if (done && (real_mode_fits(state) || (waiting && is_open(state)) || !may_go_on(context)))
            break;
        step(&b);
        done++;
    }
    upcall->modified = b.modified;
    return b.refused;
}
