/*
 * Linear to guest-physical addresses for the emulator: lib/walk.h over the machine's RAM, and #PF from what
 * it says.
 */
#include "emulate_internal.h"
#include "walk.h"

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

static void walk_set_bit(void *context, uint64_t gpa, unsigned bit)
{
    const struct emulator *e = context;
    uint8_t *ram = e->machine->ram(e->context, gpa, true);

    if (ram)
        __atomic_fetch_or(ram, (uint8_t)(1u << bit), __ATOMIC_SEQ_CST);
}

enum outcome emulate_walk(struct emulation *m, uint64_t linear, enum memory_intent intent, bool user,
                          uint64_t *gpa)
{
    static const uint32_t access[] = {
        [INTENT_READ] = 0, [INTENT_WRITE] = WALK_WRITE, [INTENT_FETCH] = WALK_FETCH};
    struct vcpu_control *control = &m->state->control;
    const struct walk_memory memory = {.context = m->emulator, .read = walk_read, .set_bit = walk_set_bit};
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

    m->global = false;
    if (!(control->cr0 & CR0_PG)) {
        *gpa = linear;
        return OUTCOME_NEXT;
    }
    if (!walk_translate(&memory, &registers, linear, access[intent] | (user ? WALK_USER : 0), &result)) {
        control->cr2 = linear;
        m->emulator->modified |= VCPU_CONTROL;
        return emulate_fault_code(m, EXCEPTION_PF, result.error_code);
    }
    m->global = result.global;
    *gpa = result.gpa;
    return OUTCOME_NEXT;
}
