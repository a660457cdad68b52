/*
 * Going on behind an access to a device, where another one is likely to follow: an index register and its
 * data, the two halves of an entry of the IOAPIC, a status and a byte to send. What lies between is emulated
 * (emulate_ahead.c), which costs less than the exit that it saves.
 *
 * Where it is worth a try is learnt (ahead_history.h). An access that raises an interrupt, ends the guest, or
 * asks for a rest ends it, too. While an event waits for the guest to take it nothing is emulated ahead once
 * the guest has opened the window: a CLI would close it. As long as it is closed the guest may well poll, and
 * what opens it ends it.
 */
#include "ahead.h"
#include "effects.h"
#include "emulate_ahead.h"
#include "guest_machine.h"
#include "pc.h"
#include "ring3.h"
#include "string.h"
#include "syscall.h"
#include "x86.h"

enum { GROUPS = VCPU_GPR | VCPU_SEGMENTS | VCPU_CONTROL | VCPU_MSRS | VCPU_TIME };
enum { LAPIC_PAGE = 0x1000 };

/* Decoded instructions only: any process may start without them. */
static struct emulate_memo memo;

struct ahead_context {
    struct pc *pc;
    struct upcall *upcall;
    struct emulate_ahead ahead;
    uint32_t most; /* accesses */
};

/* Each access has its own time, as if it had its own upcall. */
static struct pc *begin_access(struct ahead_context *context)
{
    context->ahead.accesses++;
    effects_renew();
    return context->pc;
}

static uint64_t ahead_read(void *context, uint64_t gpa, unsigned size)
{
    return guest_machine.read(begin_access(context), gpa, size);
}

static void ahead_write(void *context, uint64_t gpa, unsigned size, uint64_t value)
{
    guest_machine.write(begin_access(context), gpa, size, value);
}

static uint32_t ahead_in(void *context, uint16_t port, unsigned size)
{
    return guest_machine.in(begin_access(context), port, size);
}

static void ahead_out(void *context, uint16_t port, unsigned size, uint32_t value)
{
    guest_machine.out(begin_access(context), port, size, value);
}

/* Vector registers do not travel, and no instruction that needs them is emulated ahead. */
static int ahead_get(void *context, struct vcpu_state *state, uint32_t groups)
{
    (void)context, (void)state, (void)groups;
    return NR_EINVAL;
}

/* Each virtual processor has its own offset, which SYS_VCPU_GET brings together with registers as they were.
 */
static uint64_t ahead_tsc(void *context)
{
    struct upcall *upcall = ((struct ahead_context *)context)->upcall;
    if (!(upcall->groups & VCPU_TIME)) {
        struct vcpu_gpr gpr = upcall->state.gpr;
        struct segment segment[SEG_COUNT];
        memcpy(segment, upcall->state.segment, sizeof(segment));
        sys_vcpu_get(VCPU_TIME);
        upcall->state.gpr = gpr;
        memcpy(upcall->state.segment, segment, sizeof(segment));
    }
    return effect_read_tsc() + upcall->state.time.tsc_offset;
}

static bool ahead_may_go_on(void *context)
{
    const struct ahead_context *ahead = context;
    return !effects_seen() && ahead->ahead.accesses < ahead->most;
}

static void *ahead_ram(void *context, uint64_t gpa, bool write)
{
    return guest_machine.ram(context, gpa, write);
}

static const struct emulator_machine machine = {
    .ram = ahead_ram,
    .read = ahead_read,
    .write = ahead_write,
    .in = ahead_in,
    .out = ahead_out,
    .get = ahead_get,
    .tsc = ahead_tsc,
};

static void go_on(struct upcall *upcall, struct pc *pc)
{
    struct ahead_place *place = ahead_place(&pc->history, upcall->state.gpr.rip);
    struct ahead_context context = {
        .pc = pc,
        .upcall = upcall,
        .ahead = {.memo = &memo, .refused = GUEST_LAPIC_BASE, .may_go_on = ahead_may_go_on},
        .most = ahead_most(place),
    };
    struct emulator emulator;
    emulator.machine = &machine;
    emulator.context = &context;
    emulator.limits = &pc->limits;
    emulator.state = &upcall->state;
    emulator.groups = upcall->groups;
    emulator.gpa = EMULATE_UNKNOWN;
    emulate_ahead(&emulator, &context.ahead);
    upcall->modified |= emulator.modified;
    ahead_learn(place, context.ahead.accesses);
}

void ahead_of_pio(struct upcall *upcall, struct pc *pc)
{
    const struct vcpu_exit_pio *pio = &upcall->exit.pio;
    struct vcpu_gpr *gpr = &upcall->state.gpr;
    upcall->groups = 0;
    if (effects_seen())
        return;
    int64_t waiting = sys_vcpu_get(GROUPS);
    if (waiting < 0 || (waiting && gpr->rflags & RFLAGS_IF))
        return;
    if (pio->in && pio->size == 4)
        gpr->reg[RAX] = pio->value;
    else if (pio->in && pio->size == 2)
        gpr->reg[RAX] = (gpr->reg[RAX] & ~0xffffull) | (uint16_t)pio->value;
    else if (pio->in)
        gpr->reg[RAX] = (gpr->reg[RAX] & ~0xffull) | (uint8_t)pio->value;
    gpr->rip = upcall->exit.next_rip;
    gpr->rflags &= ~RFLAGS_RF;
    upcall->modified = VCPU_GPR;
    go_on(upcall, pc);
}

void ahead_of_emulation(struct upcall *upcall, struct pc *pc)
{
    const struct vcpu_exit *exit = &upcall->exit;
    bool device = exit->reason == VCPU_EXIT_MEMORY && exit->memory.gpa - GUEST_LAPIC_BASE >= LAPIC_PAGE;
    bool open = upcall->waiting && upcall->state.gpr.rflags & RFLAGS_IF;
    if (device && !open && upcall->status == UPCALL_OK && upcall->modified == VCPU_GPR && !effects_seen() &&
        ahead_expects(&pc->history, upcall->state.gpr.rip))
        go_on(upcall, pc);
}
