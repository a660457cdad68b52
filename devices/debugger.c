/*
 * The guest's processors under a debugger: holding them, letting them go on, single steps, and whose a trap
 * is (Intel SDM Vol. 3B, chapter 18; AMD APM Vol. 2, 13.1). The debugger itself is a program on the host; its
 * questions are in include/debug.h.
 *
 * A processor is looked at in an UPCALL_DEBUG, which SYS_VCPU_DEBUG brings about. Its registers are kept
 * while it is held, and go back when it goes on. A single step is RFLAGS.TF and #DB; what would show TF to
 * the guest or lose it (INT n, PUSHF, POPF, IRET, INT3) the emulator does. An interrupt that is taken at a
 * step runs to its end first.
 *
 * While all are held the guest's clock stands. It goes on where it stood: the offset of the devices' clocks
 * and of the local APICs' timers moves at once, that of each processor's TSC when it next has an upcall here.
 *
 * Missing: a guest that reads DR0 to DR7 while the debugger watches sees the debugger's, and one that writes
 * them takes hardware breakpoints and watchpoints away until it stops next, and keeps what it wrote; stops in
 * real mode on processors that have none are where the emulator ends a batch.
 */
#include <stddef.h>
#include "debugger_internal.h"
#include "effects.h"
#include "emulate.h"
#include "pc.h"
#include "ring3.h"
#include "string.h"
#include "syscall.h"
#include "x86.h"

enum {
    FLAG_TF = 1 << 8,
    FLAG_RF = 1 << 16,
    DR7_LENGTH_SHIFT = 18,
    DR7_TYPE_SHIFT = 16,
    LAPIC_STRIDE = 16,
};

uint32_t debugger_all(void)
{
    return (1u << ring3_config()->cpu_count) - 1;
}

/* Whether #DB and #BP are to come here: also as long as a trap may come that is not the guest's. */
static uint32_t intercepts(const struct debugger *debugger)
{
    uint32_t any = debugger->attached | debugger->steps;

    for (unsigned i = 0; i < GUEST_CPUS_MAX; i++)
        any |= debugger->vcpu[i].stepping | debugger->vcpu[i].stray;
    return any != 0;
}

/* Guest time in TSC ticks, if its clock did not stand. */
static uint64_t clock_now(void)
{
    return effect_read_tsc() + ring3_info()->clock_offset;
}

/* As if no time had gone by. */
static void clock_go(struct debugger *debugger)
{
    uint64_t stood = clock_now() - debugger->stood_at;

    if (!debugger->stood_at)
        return;
    debugger->stood_at = 0;
    for (uint32_t i = 0; i < ring3_config()->cpu_count; i++)
        debugger->vcpu[i].behind += stood;
    sys_vcpu_debug(0, intercepts(debugger), stood);
}

static void ask(const struct debugger *debugger, uint32_t vcpus)
{
    for (uint32_t i = 0; i < ring3_config()->cpu_count; i++)
        if (vcpus >> i & 1)
            sys_vcpu_debug(i, intercepts(debugger), 0);
}

void debugger_hold(struct debugger *debugger)
{
    debugger->wanted = debugger_all();
    ask(debugger, debugger->wanted & ~debugger->held);
}

void debugger_go(struct debugger *debugger, uint32_t steps, uint32_t runs)
{
    debugger->steps = steps & debugger->held;
    debugger->wanted = debugger_all() & ~(steps | runs);
    if (debugger->wanted != debugger_all())
        clock_go(debugger);
    ask(debugger, debugger->held & ~debugger->wanted);
}

void debugger_look(struct debugger *debugger)
{
    debugger->looked = 0;
    ask(debugger, debugger_all());
}

/* Those that wait for it are told; the first one says why. */
static void count_stop(struct debugger *debugger, uint32_t vcpu, enum debug_reason reason, uint32_t kind,
                       uint64_t address)
{
    if (debugger->last.reason == DEBUG_ASKED)
        debugger->last.reason = reason, debugger->last.vcpu = vcpu, debugger->last.kind = kind,
        debugger->last.address = address;
}

static void settle(struct debugger *debugger)
{
    if (debugger->wanted == debugger_all()) /* those, too, that were not running yet */
        ask(debugger, debugger->wanted & ~debugger->held);
    if (debugger->last.held || debugger->held != debugger_all())
        return;
    debugger->stood_at = clock_now();
    debugger->last.held = 1;
    debugger->last.stops++;
    __atomic_store_n(&ring3_channel()->debug.stops, debugger->last.stops, __ATOMIC_RELEASE);
    sys_notify(ring3_info()->guest_index);
}

static void look_at_lapic(struct debugger_vcpu *vcpu)
{
    for (uint32_t i = 0; i < DEBUGGER_LAPIC; i++)
        vcpu->lapic[i] = (uint32_t)sys_lapic_access(i * LAPIC_STRIDE, 0, 0);
}

/* The guest's own registers, as they are without a debugger. */
static void look_at(struct debugger *debugger, const struct upcall *upcall)
{
    uint32_t bit = 1u << upcall->vcpu;
    struct debugger_vcpu *vcpu = &debugger->vcpu[upcall->vcpu];
    struct vcpu_state *state = &vcpu->state;

    memcpy(state, &upcall->state, offsetof(struct vcpu_state, fpu));
    if (vcpu->stepping)
        state->gpr.rflags = (state->gpr.rflags & ~(uint64_t)FLAG_TF) | vcpu->guest_tf;
    if (state->control.dr7 != vcpu->loaded_dr7)
        debugger->swapped &= ~bit; /* what is there is the guest's own */
    if (debugger->swapped & bit) {
        memcpy(state->control.dr, vcpu->dr, sizeof(vcpu->dr));
        state->control.dr7 = vcpu->dr7;
        state->control.dr6 &= ~DR6_TRAPS;
    }
    look_at_lapic(vcpu);
    debugger->looked |= bit;
}

/* The vCPU stands still from now on; the upcall is its answer. */
static void hold(struct debugger *debugger, struct upcall *upcall)
{
    uint32_t bit = 1u << upcall->vcpu;
    struct debugger_vcpu *vcpu = &debugger->vcpu[upcall->vcpu];

    look_at(debugger, upcall);
    uint32_t missing = (VCPU_TABLES | VCPU_TIME | VCPU_FPU) & ~upcall->groups;
    if (missing)
        sys_vcpu_get(missing); /* which brings all as the monitor has it: not yet what was changed here */
    if (missing & VCPU_TABLES)
        vcpu->state.tables = upcall->state.tables;
    if (missing & VCPU_TIME)
        vcpu->state.time = upcall->state.time;
    vcpu->state.fpu = upcall->state.fpu;
    memcpy(&upcall->state, &vcpu->state, offsetof(struct vcpu_state, fpu));
    vcpu->stepping = 0;
    debugger->passing &= ~bit;
    debugger->swapped &= ~bit;
    debugger->held |= bit;
    debugger->wanted |= bit;
    upcall->status = UPCALL_HOLD;
    settle(debugger);
}

void debugger_stop(struct debugger *debugger, struct upcall *upcall, enum debug_reason reason, uint32_t kind,
                   uint64_t address)
{
    bool software = reason == DEBUG_BREAKPOINT && kind == DEBUG_SOFTWARE;
    debugger->vcpu[upcall->vcpu].stopped = software && debugger->last.reason == DEBUG_ASKED;
    count_stop(debugger, upcall->vcpu, reason, kind, address);
    hold(debugger, upcall);
    debugger_hold(debugger);
}

uint64_t debugger_linear_rip(const struct vcpu_state *state)
{
    const struct segment *cs = &state->segment[SEG_CS];
    bool wide = (state->msrs.efer & EFER_LMA) && (cs->attributes & SEG_L);
    return wide ? state->gpr.rip : (uint32_t)(cs->base + state->gpr.rip);
}

/* Debug registers for what is watched. */
static void load_watches(struct debugger *debugger, uint32_t vcpu, struct vcpu_state *state)
{
    static const uint8_t types[] = {
        [DEBUG_HARDWARE] = 0, [DEBUG_WATCH_WRITE] = 1, [DEBUG_WATCH_READ] = 3, [DEBUG_WATCH_ACCESS] = 3};
    static const uint8_t lengths[] = {0, 0, 1, 0, 3, 0, 0, 0, 2}; /* by the number of bytes */
    uint64_t dr7 = DR7_RESET;

    for (unsigned i = 0; i < DEBUGGER_WATCHED; i++) {
        const struct debugger_watch *watch = &debugger->watch[i];
        if (!watch->used)
            continue;
        dr7 |= 2ull << 2 * i | (uint64_t)types[watch->kind] << (DR7_TYPE_SHIFT + 4 * i) |
               (uint64_t)lengths[watch->length] << (DR7_LENGTH_SHIFT + 4 * i);
    }
    if (dr7 == DR7_RESET)
        return;
    memcpy(debugger->vcpu[vcpu].dr, state->control.dr, sizeof(state->control.dr));
    debugger->vcpu[vcpu].dr7 = state->control.dr7;
    debugger->swapped |= 1u << vcpu;
    for (unsigned i = 0; i < DEBUGGER_WATCHED; i++)
        state->control.dr[i] = debugger->watch[i].linear;
    state->control.dr7 = debugger->vcpu[vcpu].loaded_dr7 = dr7;
    state->control.dr6 &= ~DR6_TRAPS;
    state->gpr.rflags |= FLAG_RF; /* not the same one again */
}

/* Of one that runs: the debugger has gone, or a reset has taken its registers away. */
static void watches_follow(struct debugger *debugger, struct upcall *upcall)
{
    uint32_t bit = 1u << upcall->vcpu;

    if (!debugger->attached && debugger->swapped & bit) {
        upcall->state.control = debugger->vcpu[upcall->vcpu].state.control;
        debugger->swapped &= ~bit;
    } else if (debugger->attached && !(debugger->swapped & bit)) {
        load_watches(debugger, upcall->vcpu, &upcall->state);
        upcall->modified |= VCPU_GPR;
    }
}

/* What was kept goes back, and the vCPU with it. */
static void go_on(struct upcall *upcall, struct pc *pc)
{
    struct debugger *debugger = &pc->debugger;
    uint32_t bit = 1u << upcall->vcpu;
    struct debugger_vcpu *vcpu = &debugger->vcpu[upcall->vcpu];
    bool steps = debugger->steps & bit,
         passes = vcpu->stopped && debugger_at_breakpoint(debugger, &vcpu->state);
    uint8_t activity = upcall->state.interrupts.activity;

    memcpy(&upcall->state, &vcpu->state, offsetof(struct vcpu_state, fpu));
    upcall->state.interrupts.activity = activity;
    upcall->modified |= VCPU_GPR | VCPU_SEGMENTS | VCPU_CONTROL | VCPU_INTERRUPTS;
    debugger->held &= ~bit;
    debugger->steps &= ~bit;
    debugger->last.held = 0;
    debugger->last.reason = DEBUG_ASKED;
    vcpu->stopped = 0;
    vcpu->counts = steps;
    if (passes) { /* GDB has left it there: in real mode it does not find it at its IP */
        debugger->passing |= bit;
        debugger_lift(debugger);
    }
    if (steps && activity == ACTIVITY_RUN && upcall->state.interrupts.event.type == EVENT_NONE &&
        debugger_is_delicate(debugger, &vcpu->state)) {
        debugger_step(upcall, pc, VCPU_EXIT_UNFIT, UNFIT_ONCE);
        return;
    }
    load_watches(debugger, upcall->vcpu, &upcall->state);
    if (!steps && !passes)
        return;
    vcpu->stepping = 1;
    vcpu->guest_tf = (uint32_t)upcall->state.gpr.rflags & FLAG_TF;
    upcall->state.gpr.rflags |= FLAG_TF;
}

/* Which of the debug registers has raised it; DEBUGGER_WATCHED: none of the debugger's. Bochs' SVM leaves DR6
 * without a cause: then the one at RIP, or the first that watches data. */
static unsigned find_hit(const struct debugger *debugger, uint32_t vcpu, const struct vcpu_state *state)
{
    uint64_t dr6 = state->control.dr6;
    unsigned hit = 0;

    if (!(debugger->swapped >> vcpu & 1) || state->control.dr7 != debugger->vcpu[vcpu].loaded_dr7)
        return DEBUGGER_WATCHED; /* the guest has written its own over them */
    bool silent = !(dr6 & (DR6_TRAPS | DR6_BS | DR6_BD)) && !debugger->vcpu[vcpu].stepping;
    for (unsigned i = 0; silent && i < DEBUGGER_WATCHED; i++)
        if (debugger->watch[i].used && debugger->watch[i].kind == DEBUG_HARDWARE &&
            debugger->watch[i].linear == debugger_linear_rip(state))
            return i;
    while (hit < DEBUGGER_WATCHED &&
           !(silent ? debugger->watch[hit].used && debugger->watch[hit].kind != DEBUG_HARDWARE
                    : (dr6 >> hit & 1) != 0 && (state->control.dr7 >> 2 * hit & 3) != 0))
        hit++;
    return hit;
}

/* #DB waits for delivery. True: it was the debugger's, and is gone. */
static bool take_trap(struct debugger *debugger, struct upcall *upcall)
{
    struct debugger_vcpu *vcpu = &debugger->vcpu[upcall->vcpu];
    struct vcpu_state *state = &upcall->state;
    unsigned hit = find_hit(debugger, upcall->vcpu, state);
    uint64_t causes = state->control.dr6 & (DR6_TRAPS | DR6_BS | DR6_BD);
    bool step = (vcpu->stepping || vcpu->stray) && !vcpu->guest_tf && hit == DEBUGGER_WATCHED &&
                (!causes || causes & DR6_BS); /* else what the guest watches */

    if (hit == DEBUGGER_WATCHED && !step)
        return false;
    state->interrupts.event.type = EVENT_NONE;
    state->control.dr6 &= ~(DR6_TRAPS | DR6_BS);
    upcall->modified |= VCPU_INTERRUPTS | VCPU_CONTROL;
    if (step && (!vcpu->stepping || !vcpu->counts)) { /* of one that was broken off, or a pass: it goes on */
        vcpu->stray = vcpu->stepping = 0;
        debugger->passing &= ~(1u << upcall->vcpu);
        state->gpr.rflags &= ~(uint64_t)FLAG_TF;
        upcall->modified |= VCPU_GPR;
        return true;
    }
    if (!step && !debugger->watch[hit].used) /* the debugger has gone, its registers not yet */
        return true;
    vcpu->stray = 0;
    if (step)
        debugger_stop(debugger, upcall, DEBUG_STEPPED, 0, 0);
    else if (debugger->watch[hit].kind == DEBUG_HARDWARE)
        debugger_stop(debugger, upcall, DEBUG_BREAKPOINT, DEBUG_HARDWARE, 0);
    else
        debugger_stop(debugger, upcall, DEBUG_WATCHPOINT, debugger->watch[hit].kind,
                      debugger->watch[hit].linear);
    return true;
}

/* Before anything else: SYS_VCPU_GET brings all as the monitor has it. */
static void clock_follow(struct debugger_vcpu *vcpu, struct upcall *upcall)
{
    if (!vcpu->behind)
        return;
    sys_vcpu_get(VCPU_TIME);
    upcall->state.time.tsc_offset -= vcpu->behind;
    upcall->modified |= VCPU_TIME;
    vcpu->state.time = upcall->state.time;
    vcpu->behind = 0;
}

void debugger_upcall(struct upcall *upcall, struct pc *pc)
{
    struct debugger *debugger = &pc->debugger;
    uint32_t bit = 1u << upcall->vcpu;
    struct debugger_vcpu *vcpu = &debugger->vcpu[upcall->vcpu];
    const struct vcpu_event *event = &upcall->state.interrupts.event;

    clock_follow(vcpu, upcall);
    if (debugger->held & bit && debugger->wanted & bit) {
        look_at_lapic(vcpu);
        debugger->looked |= bit;
        upcall->status = UPCALL_HOLD;
    } else if (debugger->held & bit) {
        go_on(upcall, pc);
    } else {
        upcall->modified |= VCPU_CONTROL | VCPU_INTERRUPTS; /* what is intercepted follows */
        if (event->type == EVENT_EXCEPTION && event->vector == EXCEPTION_DB)
            take_trap(debugger, upcall);
        if (!(debugger->held & bit) && debugger->wanted & bit) {
            vcpu->stray |= vcpu->stepping;
            hold(debugger, upcall);
        } else if (!(debugger->held & bit)) {
            look_at(debugger, upcall);
            watches_follow(debugger, upcall);
        }
    }
}

bool debugger_takes(struct upcall *upcall, struct pc *pc)
{
    struct debugger *debugger = &pc->debugger;
    const struct debugger_vcpu *vcpu = &debugger->vcpu[upcall->vcpu];
    struct vcpu_state *state = &upcall->state;
    const struct vcpu_event *event = &state->interrupts.event;
    bool unfit = upcall->exit.reason == VCPU_EXIT_UNFIT, comes = unfit && upcall->exit.detail & UNFIT_EVENT;

    if (comes && event->type == EVENT_EXCEPTION && event->vector == EXCEPTION_DB)
        return take_trap(debugger, upcall);
    bool int3 = comes ? event->type == EVENT_SOFT_EXCEPTION && event->vector == EXCEPTION_BP
                      : unfit || upcall->exit.reason == VCPU_EXIT_INSTRUCTION;
    if (int3 && debugger_at_breakpoint(debugger, state)) {
        if (comes)
            state->interrupts.event.type = EVENT_NONE, upcall->modified |= VCPU_INTERRUPTS;
        debugger_stop(debugger, upcall, DEBUG_BREAKPOINT, DEBUG_SOFTWARE, 0);
        return true;
    }
    if (!vcpu->stepping || !(unfit || upcall->exit.reason == VCPU_EXIT_TASK_SWITCH))
        return false;
    state->gpr.rflags = (state->gpr.rflags & ~(uint64_t)FLAG_TF) | vcpu->guest_tf; /* no trap for the guest */
    upcall->modified |= VCPU_GPR;
    debugger_step(upcall, pc, upcall->exit.reason, upcall->exit.detail | (unfit ? UNFIT_ONCE : 0));
    return true;
}

const char *debugger_check(const struct debugger *debugger)
{
    for (unsigned i = 0; i < DEBUGGER_BREAKPOINTS; i++)
        if (debugger->breakpoint[i].spare &&
            (debugger->breakpoint[i].spare < SPARE_UPPER || debugger->breakpoint[i].spare >= SPARE_FIRMWARE))
            return "a breakpoint lies in upper memory or in ROM";
    for (unsigned i = 0; i < DEBUGGER_WATCHED; i++)
        if (debugger->watch[i].kind > DEBUG_WATCH_ACCESS || debugger->watch[i].length > sizeof(uint64_t))
            return "what is watched is of a kind, and of at most eight bytes";
    return NULL;
}

void debugger_reset(struct debugger *debugger)
{
    for (unsigned i = 0; i < DEBUGGER_BREAKPOINTS; i++)
        debugger_disarm(&debugger->breakpoint[i]);
    for (unsigned i = 0; i < GUEST_CPUS_MAX; i++)
        debugger->vcpu[i].stepping = debugger->vcpu[i].stray = 0;
    clock_go(debugger);
    debugger->held = debugger->steps = debugger->swapped = debugger->passing = 0;
    debugger->last.held = 0;
    ask(debugger, debugger_all()); /* those that are to be held, and those whose TSC is behind */
}
