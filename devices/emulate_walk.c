/*
 * Linear to guest-physical addresses through the guest's page tables (SDM Vol. 3A, chapter 4).
 */
#include "emulate_internal.h"

enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40, PTE_PS = 0x80 };
#define PTE_NX      (1ull << 63)
#define PTE_ADDRESS 0x000ffffffffff000ull
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16 };

struct walk {
    struct emulation *m;
    uint64_t linear;
    enum memory_intent intent;
    bool user;
    bool wide; /* entries of 8 bytes */
};

static enum outcome page_fault(const struct walk *w, uint32_t code)
{
    const struct vcpu_state *state = w->m->state;

    if (w->intent == INTENT_WRITE)
        code |= PF_W;
    if (w->user)
        code |= PF_U;
    if (w->intent == INTENT_FETCH && ((state->msrs.efer & EFER_NXE) || (state->control.cr4 & CR4_SMEP)))
        code |= PF_I;
    w->m->state->control.cr2 = w->linear;
    w->m->emulator->modified |= VCPU_CONTROL;
    return emulate_fault_code(w->m, EXCEPTION_PF, code);
}

static bool rights_allow(const struct walk *w, uint64_t rights, bool no_execute)
{
    const struct vcpu_control *control = &w->m->state->control;
    bool user_page = rights & PTE_U;

    if (w->user && !user_page)
        return false;
    if (w->intent == INTENT_WRITE && !(rights & PTE_W) && (w->user || (control->cr0 & CR0_WP)))
        return false;
    if (w->intent == INTENT_FETCH)
        return !no_execute && !(user_page && !w->user && (control->cr4 & CR4_SMEP));
    bool override = w->m->cpl < 3 && (w->m->state->gpr.rflags & FLAG_AC);
    return !(user_page && !w->user && (control->cr4 & CR4_SMAP) && !override);
}

/* Sets accessed and dirty bits of an entry that the walk used. */
static void mark_entry(const struct walk *w, void *entry, uint64_t value, uint64_t bits)
{
    if ((value & bits) == bits)
        return;
    if (w->wide)
        __atomic_fetch_or((uint64_t *)entry, bits, __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_or((uint32_t *)entry, (uint32_t)bits, __ATOMIC_SEQ_CST);
}

enum outcome emulate_walk(struct emulation *m, uint64_t linear, enum memory_intent intent, bool user,
                          uint64_t *gpa)
{
    const struct emulator *e = m->emulator;
    const struct vcpu_control *control = &m->state->control;
    bool long_mode = m->state->msrs.efer & EFER_LMA;
    struct walk w = {m, linear, intent, user, (control->cr4 & CR4_PAE) != 0};
    unsigned bits = w.wide ? 9 : 10;
    unsigned levels = !w.wide ? 2 : !long_mode ? 3 : control->cr4 & CR4_LA57 ? 5 : 4;
    uint64_t table = control->cr3 & (levels == 2 ? 0xfffff000ull : levels == 3 ? 0xffffffe0ull : PTE_ADDRESS);
    uint64_t rights = PTE_W | PTE_U;
    bool no_execute = false;

    if (!(control->cr0 & CR0_PG)) {
        *gpa = linear;
        return OUTCOME_NEXT;
    }
    for (unsigned level = levels; level > 0; level--) {
        unsigned shift = 12 + (level - 1) * bits;
        uint64_t index = linear >> shift & ((1u << (level == 3 && levels == 3 ? 2 : bits)) - 1);
        void *entry = e->machine->ram(e->context, table + index * (w.wide ? 8 : 4), true);
        if (!entry)
            return page_fault(&w, 0);
        uint64_t value = w.wide ? __atomic_load_n((uint64_t *)entry, __ATOMIC_RELAXED)
                                : __atomic_load_n((uint32_t *)entry, __ATOMIC_RELAXED);
        bool pdpte = level == 3 && levels == 3;
        if (!(value & PTE_P))
            return page_fault(&w, 0);
        if (w.wide && (value & PTE_NX) && !(m->state->msrs.efer & EFER_NXE))
            return page_fault(&w, PF_P | PF_RSVD);
        if (!pdpte) {
            rights &= value;
            no_execute |= w.wide && (value & PTE_NX);
        }
        bool large =
            level > 1 && level <= 3 && !pdpte && (value & PTE_PS) && (w.wide || (control->cr4 & CR4_PSE));
        if (level == 1 || large) {
            if (!rights_allow(&w, rights, no_execute))
                return page_fault(&w, PF_P);
            mark_entry(&w, entry, value, PTE_A | (intent == INTENT_WRITE ? PTE_D : 0));
            uint64_t mask = (1ull << shift) - 1;
            uint64_t base = value & PTE_ADDRESS;
            if (!w.wide && large) /* PSE-36: bits 13-16 are physical bits 32-35 */
                base = (value & 0xffc00000ull) | (value & 0x1e000ull) << 19;
            *gpa = (base & ~mask) | (linear & mask);
            return OUTCOME_NEXT;
        }
        if (!pdpte)
            mark_entry(&w, entry, value, PTE_A);
        table = value & (w.wide ? PTE_ADDRESS : 0xfffff000ull);
    }
    return page_fault(&w, 0);
}
