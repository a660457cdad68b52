/*
 * Linear to guest-physical addresses for the emulator: lib/walk.h over the machine's RAM, and #PF from what
 * it says.
 */
#include "emulate_ahead.h"
#include "emulate_internal.h"
#include "walk.h"

enum { PAGE = 4096, TAG_BITS = 3, TAG_OVERRIDE_SMAP = 1 << 2 /* below it: intent + 1 */ };

/* The width that CPUID tells a guest is the device model's policy; no address above it is RAM in any case. */
enum { PHYSICAL_WIDTH_ANY = 52 };

static bool walk_read(void *context, uint64_t gpa, unsigned size, uint64_t *entry)
{
    const struct emulator *e = context;
    void *ram = e->machine->ram(e->context, gpa, false);

    if (!ram)
        return false;
    /* One load: another processor may be changing the entry. */
    *entry = size == 8 ? __atomic_load_n((uint64_t *)ram, __ATOMIC_RELAXED)
                       : __atomic_load_n((uint32_t *)ram, __ATOMIC_RELAXED);
    return true;
}

static bool walk_mark(void *context, uint64_t gpa, unsigned size, uint64_t entry, uint64_t marked)
{
    const struct emulator *e = context;
    void *ram = e->machine->ram(e->context, gpa, true);
    uint32_t narrow = (uint32_t)entry;

    if (!ram)
        return true; /* a table that is not RAM keeps no flags */
    return size == 8 ? __atomic_compare_exchange_n((uint64_t *)ram, &entry, marked, false, __ATOMIC_SEQ_CST,
                                                   __ATOMIC_SEQ_CST)
                     : __atomic_compare_exchange_n((uint32_t *)ram, &narrow, (uint32_t)marked, false,
                                                   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static enum outcome walk(struct emulation *m, uint64_t linear, enum memory_intent intent, bool user,
                         uint64_t *gpa)
{
    static const uint32_t access[] = {
        [INTENT_READ] = 0, [INTENT_WRITE] = WALK_WRITE, [INTENT_FETCH] = WALK_FETCH};
    struct vcpu_control *control = &m->state->control;
    const struct walk_memory memory = {.context = m->emulator, .read = walk_read, .mark = walk_mark};
    const struct walk_registers registers = {
        .cr0 = control->cr0,
        .cr3 = control->cr3,
        .cr4 = control->cr4,
        .efer = m->state->msrs.efer,
        /* The processor's own accesses for CPL 3 are implicit: AC does not count for them. */
        .override_smap = m->cpl < 3 && (m->state->gpr.rflags & FLAG_AC),
        .physical_width = PHYSICAL_WIDTH_ANY,
    };
    struct walk_result result;

    if (!walk_translate(&memory, &registers, linear, access[intent] | (user ? WALK_USER : 0), &result)) {
        control->cr2 = linear;
        m->emulator->modified |= VCPU_CONTROL;
        return emulate_fault_code(m, EXCEPTION_PF, result.error_code);
    }
    if (result.changed)
        return OUTCOME_RETRY;
    m->global = result.global;
    *gpa = result.gpa;
    return OUTCOME_NEXT;
}

enum outcome emulate_walk(struct emulation *m, uint64_t linear, enum memory_intent intent, bool user,
                          uint64_t *gpa)
{
    m->global = false;
    if (m->state->control.cr0 & CR0_PG)
        return walk(m, linear, intent, user, gpa);
    *gpa = linear;
    return OUTCOME_NEXT;
}

struct emulate_translation *emulate_translate(struct emulation *m, uint64_t linear, enum memory_intent intent)
{
    const struct emulator *e = m->emulator;
    uint64_t page = linear / PAGE, gpa = 0;
    bool override_smap = m->state->gpr.rflags & FLAG_AC;
    uint64_t tag = page << TAG_BITS | (override_smap ? TAG_OVERRIDE_SMAP : 0u) | (intent + 1u);
    struct emulate_translation *translation =
        &e->ahead->memo->translation[(page + intent * (EMULATE_TRANSLATIONS / 2 - 1)) % EMULATE_TRANSLATIONS];

    if (translation->tag != tag) {
        if (emulate_walk(m, linear, intent, m->cpl == 3, &gpa) != OUTCOME_NEXT)
            return NULL;
        translation->tag = tag;
        translation->page = gpa & ~(uint64_t)(PAGE - 1);
        translation->ram = e->machine->ram(e->context, translation->page, intent == INTENT_WRITE);
    }
    return translation;
}
