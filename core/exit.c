/*
 * The one switch over exit reasons, and the way to the device model and back.
 */
#include "exit.h"
#include "cpu.h"
#include "layout.h"
#include "string.h"
#include "trap.h"
#include "upcalls.h"
#include "vcpu_ops.h"
#include "vtlb.h"
#include "x86.h"

enum { VECTOR_COUNT = 32 };

#define EMULATE_GROUPS   (VCPU_GPR | VCPU_SEGMENTS | VCPU_CONTROL | VCPU_MSRS)
#define EMULATE_MORE     (VCPU_TABLES | VCPU_INTERRUPTS) /* for what delivers events */
#define EMULATE_MODIFIED (EMULATE_GROUPS | EMULATE_MORE | VCPU_TIME | VCPU_FPU)

enum exit_outcome exit_skip(struct vcpu *vcpu)
{
    vcpu_skip(vcpu, vcpu->exit.next_rip);
    return EXIT_RESUME;
}

/* An exit that is handled once more is still the same. */
static struct recorder_entry *recorder_write(struct vcpu *vcpu)
{
    struct vcpu_record *record = &vcpu->record;
    if (!vcpu->exit_again) {
        record->exits[vcpu->exit.reason]++;
        record->recorder_next++;
    }
    vcpu->exit_again = false;
    struct recorder_entry *entry = &record->recorder[(record->recorder_next - 1) % RECORDER_ENTRIES];
    *entry = (struct recorder_entry){
        .tsc = rdtsc(),
        .rip = vcpu->state.gpr.rip,
        .detail = vcpu->exit.detail,
        .reason = (uint16_t)vcpu->exit.reason,
        .qualification = vcpu->exit.qualification,
    };
    return entry;
}

enum exit_outcome exit_upcall(struct vcpu *vcpu, enum upcall_kind kind)
{
    vcpu->upcall_kind = kind;
    return EXIT_UPCALL;
}

/* The access is one of the delivery of an event, not of the instruction at RIP. */
static enum exit_outcome exit_delivery(struct vcpu *vcpu)
{
    vcpu->exit.reason = VCPU_EXIT_UNFIT;
    vcpu->exit.detail = UNFIT_EVENT | UNFIT_ONCE;
    return exit_upcall(vcpu, UPCALL_EMULATE);
}

static enum exit_outcome exit_decide(struct vcpu *vcpu)
{
    const struct vcpu_exit_exception *e = &vcpu->exit.exception;
    const char *rule;
    if (vcpu->exit.next_rip == NEXT_RIP_UNKNOWN)
        return exit_upcall(vcpu, UPCALL_LOCATE);
    switch (vcpu->exit.reason) {
    case VCPU_EXIT_NONE:
    case VCPU_EXIT_LAPIC:            /* the backend has done all */
    case VCPU_EXIT_INTERRUPT_WINDOW: /* event_prepare() uses it */
    case VCPU_EXIT_NMI_WINDOW:
        return EXIT_RESUME;
    case VCPU_EXIT_EXTERNAL:
        return EXIT_EXTERNAL;
    case VCPU_EXIT_PIO:
        return exit_upcall(vcpu, vcpu->exit.pio.string ? UPCALL_EMULATE : UPCALL_PIO);
    case VCPU_EXIT_MEMORY:
        if (vcpu->state.interrupts.event.type != EVENT_NONE)
            return exit_delivery(vcpu);
        return lapic_decodes(vcpu, vcpu->exit.memory.gpa) ? exit_lapic_page(vcpu)
                                                          : exit_upcall(vcpu, UPCALL_EMULATE);
    case VCPU_EXIT_CPUID:
        return exit_cpuid(vcpu);
    case VCPU_EXIT_HLT:
        exit_skip(vcpu);
        return EXIT_HALT;
    case VCPU_EXIT_EXCEPTION:
        vcpu_inject_exception(vcpu, e->vector, e->has_error_code, e->error_code);
        return EXIT_RESUME;
    case VCPU_EXIT_SHUTDOWN: /* a PC's chipset answers with a reset */
        vm_end(vcpu->vm, GUEST_END_RESET);
        return EXIT_RESUME;
    case VCPU_EXIT_INVLPG:
        return exit_invlpg(vcpu);
    case VCPU_EXIT_CR_ACCESS:
        return vcpu->exit.detail == 3 && vcpu->vtlb ? exit_cr3(vcpu) : exit_upcall(vcpu, UPCALL_EMULATE);
    case VCPU_EXIT_RDMSR:
    case VCPU_EXIT_WRMSR:
    case VCPU_EXIT_HYPERCALL:
    case VCPU_EXIT_TASK_SWITCH:
    case VCPU_EXIT_INSTRUCTION:
    case VCPU_EXIT_UNFIT:
        return exit_upcall(vcpu, UPCALL_EMULATE);
    default:
        rule = vcpu_broken_rule(vcpu);
        guest_kill(vcpu->vm, "vCPU %u: the processor refused its state (vendor code %x): %s", vcpu->index,
                   vcpu->exit.qualification, rule ? rule : "no rule known");
        return EXIT_KILL;
    }
}

enum exit_outcome exit_handle(struct vcpu *vcpu)
{
    struct recorder_entry *entry = recorder_write(vcpu);
    enum exit_outcome outcome = exit_decide(vcpu);
    entry->outcome = (uint16_t)outcome;
    return outcome;
}

void exit_fill_upcall(struct vcpu *vcpu, struct upcall *upcall)
{
    upcall->exit = vcpu->exit;
    upcall->groups = 0;
    upcall->insn.length = 0;
    enum { WITH_STATE = 1 << UPCALL_EMULATE | 1 << UPCALL_LOCATE | 1 << UPCALL_DEBUG };
    if (!(1u << vcpu->upcall_kind & WITH_STATE))
        return;
    upcall->groups = EMULATE_GROUPS;
    if (vcpu->upcall_kind == UPCALL_DEBUG || vcpu->exit.reason == VCPU_EXIT_UNFIT ||
        vcpu->exit.reason == VCPU_EXIT_TASK_SWITCH)
        upcall->groups |= EMULATE_MORE;
    upcall->waiting = event_waiting(vcpu);
    vcpu_ops->get(vcpu, upcall->groups);
    memcpy(&upcall->state, &vcpu->state, offsetof(struct vcpu_state, time)); /* all that is named */
}

static bool may_be_injected(const struct vcpu_event *event)
{
    return event->type == EVENT_EXCEPTION && event->vector < VECTOR_COUNT && event->vector != EXCEPTION_NMI &&
           event->error_code <= UINT16_MAX;
}

/* In place of what was known at its address, of nothing, or of any one of its set. */
static void known_insn_add(struct vcpu *vcpu, const struct upcall_insn *insn)
{
    struct vcpu_code code;
    vcpu_ops->code(vcpu, &code);
    if (!insn->length || !insn->words || insn->words > INSN_WORDS)
        return;
    struct known_insn *set = vcpu->known[code.linear % KNOWN_SETS];
    unsigned way = 0;
    while (way < KNOWN_WAYS && set[way].mode && set[way].linear != code.linear)
        way++;
    way = way < KNOWN_WAYS ? way : vcpu->record.recorder_next % KNOWN_WAYS;
    set[way] = (struct known_insn){
        .linear = code.linear,
        .space = insn->global ? CODE_SPACE_ANY : code.space,
        .address = USER_GUEST_RAM + insn->gpa,
        .reason = vcpu->exit.reason,
        .mode = code.mode,
        .insn = *insn,
    };
}

/* The device model has begun or ended a shadow, ended an NMI, delivered the event; and traps. */
static void take_interrupts(struct vcpu_interrupts *to, const struct vcpu_interrupts *from)
{
    to->shadow = from->shadow & (SHADOW_STI | SHADOW_MOV_SS);
    to->nmi_blocked &= from->nmi_blocked;
    if (from->event.type == EVENT_NONE)
        to->event.type = EVENT_NONE;
}

static bool complete_emulate(struct vcpu *vcpu, const struct upcall *upcall)
{
    uint64_t rip = vcpu->state.gpr.rip;
    bool cr3 = vcpu->exit.reason == VCPU_EXIT_CR_ACCESS && vcpu->exit.detail == 3 && vcpu->vtlb;
    bool many = vcpu->exit.reason == VCPU_EXIT_UNFIT || vcpu->exit.reason == VCPU_EXIT_TASK_SWITCH;
    if (cr3 || (vcpu->exit.reason == VCPU_EXIT_MEMORY && lapic_decodes(vcpu, vcpu->exit.memory.gpa)))
        known_insn_add(vcpu, &upcall->insn);
    if (upcall->modified & ~(uint32_t)EMULATE_MODIFIED)
        return false;
    if (upcall->modified & VCPU_INTERRUPTS) /* before the rules look at both */
        take_interrupts(&vcpu->state.interrupts, &upcall->state.interrupts);
    else if (upcall->modified & VCPU_SEGMENTS ||
             (upcall->modified & VCPU_GPR && upcall->state.gpr.rip != rip))
        vcpu->state.interrupts.shadow = SHADOW_NONE;
    if (upcall->modified & ~(uint32_t)VCPU_GPR) {
        if (!vcpu_take_state(vcpu, upcall, upcall->modified))
            return true; /* killed with the rule's name */
        if (cr3)
            vtlb_load_cr3(vcpu, vcpu->state.control.cr3); /* of the same value, too */
        if (many && (upcall->modified & VCPU_CONTROL))
            vtlb_flush(vcpu); /* INVLPG may have been among them */
    } else if (upcall->modified & VCPU_GPR) {
        uint64_t mode = vcpu->state.gpr.rflags & RFLAGS_VM; /* stays what it is */
        vcpu->state.gpr = upcall->state.gpr;
        vcpu->state.gpr.rflags &= RFLAGS_KNOWN & ~RFLAGS_VM;
        vcpu->state.gpr.rflags |= RFLAGS_FIXED | mode;
    }
    if (!(upcall->modified & VCPU_INTERRUPTS) && vcpu->state.gpr.rip != rip)
        vcpu_skip(vcpu, vcpu->state.gpr.rip);
    return true;
}

static void complete_pio(struct vcpu *vcpu, uint32_t value)
{
    const struct vcpu_exit_pio *pio = &vcpu->exit.pio;
    uint64_t *rax = &vcpu->state.gpr.reg[RAX];
    if (!pio->in)
        return;
    uint64_t kept = pio->size == 4 ? 0 : ~0ull << pio->size * 8; /* 32 bits clear the others */
    *rax = (*rax & kept) | (value & ~kept);
}

static __attribute__((noinline)) bool complete_unusual(struct vcpu *vcpu, const struct upcall *upcall)
{
    bool emulates = vcpu->upcall_kind == UPCALL_EMULATE || vcpu->upcall_kind == UPCALL_DEBUG;
    const struct vcpu_event *event = &upcall->inject;
    switch (upcall->status) {
    case UPCALL_KILL:
        upcall_kill(vcpu->vm->process);
        return true;
    case UPCALL_INJECT:
        if (!may_be_injected(event) || (emulates && !complete_emulate(vcpu, upcall)))
            return false;
        vcpu_inject_exception(vcpu, event->vector, event->has_error_code, event->error_code);
        return true;
    case UPCALL_SHUTDOWN:
        if (emulates)
            vm_end(vcpu->vm, GUEST_END_RESET);
        return emulates;
    case UPCALL_HALTED:
    case UPCALL_HOLD:
        return emulates && complete_emulate(vcpu, upcall);
    default:
        return false;
    }
}

bool exit_complete_upcall(struct vcpu *vcpu, const struct upcall *upcall)
{
    uint32_t vector = upcall->value;
    if (upcall->status != UPCALL_OK)
        return complete_unusual(vcpu, upcall);
    if (vcpu->upcall_kind == UPCALL_PIO && !upcall->modified) { /* the usual one */
        complete_pio(vcpu, upcall->exit.pio.value);
        exit_skip(vcpu);
        return true;
    }
    switch (vcpu->upcall_kind) {
    case UPCALL_LOCATE:
        known_insn_add(vcpu, &upcall->insn); /* the exit goes on with what the processor did not tell */
        vcpu->exit.next_rip = vcpu->state.gpr.rip + upcall->insn.length;
        vcpu->exit_again = upcall->insn.length != 0; /* else another vCPU changed the code: execute that */
        return true;
    case UPCALL_INTA:
        if (vector <= UINT8_MAX)
            event_extint(vcpu, (uint8_t)vector);
        return vector <= UINT8_MAX;
    default: /* one for a port has gone on behind the instruction */
        return complete_emulate(vcpu, upcall);
    }
}
