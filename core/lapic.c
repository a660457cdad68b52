/*
 * The virtual local APIC: reset, acceptance, priority and end of interrupt (SDM Vol. 3A, chapter 11; AMD APM
 * Vol. 2, chapter 16). The registers are in lapic_registers.c, messages in lapic_ipi.c, the timer in
 * lapic_timer.c.
 */
#include <stdatomic.h>
#include "lapic_registers.h"
#include "layout.h"
#include "string.h"
#include "vm.h"

enum {
    SVR_RESET = 0xff,
    PRIORITY_CLASS = 0xf0,
    PAGE_MASK = 0xfff,
    CR8_SHIFT = 4,
    CR8_MASK = 0xf,
    /* What firmware leaves and what guests without firmware rely on: the 8259 pair reaches the boot processor
     * (SDM Vol. 3A, 11.4; "virtual wire mode" of the MultiProcessor Specification). */
    LINT0_VIRTUAL_WIRE = DELIVERY_EXTINT << DELIVERY_MODE_SHIFT,
};

#define BASE_ADDRESS 0x000000fffffff000ull /* 40 physical address bits, the least that CPUID shows */

static int highest(const _Atomic uint64_t words[4])
{
    for (int i = 3; i >= 0; i--) {
        uint64_t word = atomic_load_explicit(&words[i], memory_order_relaxed);
        if (word != 0)
            return i * 64 + 63 - __builtin_clzll(word);
    }
    return LAPIC_NO_VECTOR;
}

static uint64_t vector_bit(uint8_t vector)
{
    return 1ull << (vector % 64);
}

bool lapic_enabled(const struct lapic *lapic)
{
    return lapic->base_msr & APIC_BASE_ENABLE;
}

/* Everything but the ID and IA32_APIC_BASE. */
static void reset_registers(struct vcpu *vcpu)
{
    struct lapic *lapic = &vcpu->lapic;
    uint64_t base = lapic->base_msr;
    uint32_t id = lapic->id;
    memset(lapic, 0, sizeof *lapic);
    lapic->base_msr = base;
    lapic->id = id;
    lapic->dfr = UINT32_MAX;
    lapic->svr = SVR_RESET;
    for (unsigned i = 0; i < LAPIC_LVT_COUNT; i++)
        lapic->lvt[i] = LVT_MASKED;
    if (base & APIC_BASE_BSP)
        lapic->lvt[LVT_LINT0] = LINT0_VIRTUAL_WIRE;
    vcpu->state.control.cr8 = 0;
}

void lapic_reset(struct vcpu *vcpu, bool init)
{
    if (!init) {
        vcpu->lapic.id = vcpu->index;
        vcpu->lapic.base_msr = GUEST_LAPIC_BASE | APIC_BASE_ENABLE | (vcpu->index == 0 ? APIC_BASE_BSP : 0);
    }
    reset_registers(vcpu);
}

bool lapic_write_base(struct vcpu *vcpu, uint64_t value)
{
    struct lapic *lapic = &vcpu->lapic;
    if (value & ~(BASE_ADDRESS | APIC_BASE_ENABLE | APIC_BASE_BSP))
        return false; /* x2APIC mode among them */
    bool was_enabled = lapic_enabled(lapic);
    lapic->base_msr = (value & ~(uint64_t)APIC_BASE_BSP) | (lapic->base_msr & APIC_BASE_BSP);
    if (was_enabled && !lapic_enabled(lapic))
        reset_registers(vcpu); /* as if there were none: its state is lost (SDM Vol. 3A, 11.4.3) */
    return true;
}

bool lapic_decodes(const struct vcpu *vcpu, uint64_t gpa)
{
    return lapic_enabled(&vcpu->lapic) && ((gpa ^ vcpu->lapic.base_msr) & ~(uint64_t)PAGE_MASK) == 0;
}

/* True if the vector was not requested yet. */
static bool request_vector(struct lapic *lapic, uint8_t vector, bool level)
{
    uint64_t bit = vector_bit(vector);
    /* TMR first: who sees the bit in IRR must find the trigger mode that belongs to it. */
    if (level)
        atomic_fetch_or(&lapic->tmr[vector / 64], bit);
    else if (lapic->tmr[vector / 64] & bit)
        atomic_fetch_and(&lapic->tmr[vector / 64], ~bit);
    return !(atomic_fetch_or(&lapic->irr[vector / 64], bit) & bit);
}

bool lapic_raise(struct vcpu *vcpu, uint8_t vector, bool level)
{
    if (!(vcpu->lapic.svr & SVR_ENABLE))
        return false;
    if (vector < FIRST_LEGAL_VECTOR) {
        lapic_error(vcpu, ESR_RECEIVE_ILLEGAL_VECTOR);
        return false;
    }
    return request_vector(&vcpu->lapic, vector, level);
}

void lapic_error(struct vcpu *vcpu, uint32_t esr_bit)
{
    struct lapic *lapic = &vcpu->lapic;
    uint32_t lvt = lapic->lvt[LVT_ERROR]; /* masked while the APIC is software-disabled */
    bool armed = !(atomic_fetch_or(&lapic->esr_pending, esr_bit) & esr_bit);
    /* Not by lapic_raise: an illegal vector in this entry must not come back here. */
    if (armed && !(lvt & LVT_MASKED) && (lvt & LVT_VECTOR) >= FIRST_LEGAL_VECTOR &&
        request_vector(lapic, lvt & LVT_VECTOR, false))
        vcpu_request(vcpu, REQUEST_EVENT);
}

void lapic_deliver_lvt(struct vcpu *vcpu, enum lapic_lvt index)
{
    uint32_t lvt = vcpu->lapic.lvt[index];
    if (lvt & LVT_MASKED)
        return;
    switch (lvt >> DELIVERY_MODE_SHIFT & DELIVERY_MODE_MASK) {
    case DELIVERY_FIXED:
        if (lapic_raise(vcpu, lvt & LVT_VECTOR, lvt & LVT_TRIGGER_LEVEL))
            vcpu_request(vcpu, REQUEST_EVENT);
        break;
    case DELIVERY_NMI:
        vcpu_request(vcpu, REQUEST_NMI);
        break;
    case DELIVERY_INIT:
        vcpu_request(vcpu, REQUEST_INIT);
        break;
    case DELIVERY_EXTINT:
        vcpu_request(vcpu, REQUEST_EVENT); /* lapic_accepts_extint finds it */
        break;
    default:
        break; /* SMI: this PC has no system management mode */
    }
}

/* Class of the highest vector in a bank; 0 if there is none, as no legal vector has it. */
static uint32_t highest_class(const _Atomic uint64_t words[4])
{
    int vector = highest(words);
    return vector < 0 ? 0 : (uint32_t)vector & PRIORITY_CLASS;
}

uint32_t lapic_processor_priority(const struct lapic *lapic)
{
    uint32_t in_service = highest_class(lapic->isr);
    uint32_t tpr = lapic->tpr;
    return in_service > (tpr & PRIORITY_CLASS) ? in_service : tpr;
}

int lapic_pending_vector(struct vcpu *vcpu)
{
    const struct lapic *lapic = &vcpu->lapic;
    int vector = highest(lapic->irr);
    if (vector < 0 || !lapic_enabled(lapic) ||
        ((uint32_t)vector & PRIORITY_CLASS) <= (lapic_processor_priority(lapic) & PRIORITY_CLASS))
        return LAPIC_NO_VECTOR;
    return vector;
}

bool lapic_blocked_by_tpr(const struct vcpu *vcpu)
{
    const struct lapic *lapic = &vcpu->lapic;
    uint32_t requested = highest_class(lapic->irr);
    return requested > highest_class(lapic->isr) && requested <= (lapic->tpr & PRIORITY_CLASS);
}

void lapic_accept(struct vcpu *vcpu, uint8_t vector)
{
    struct lapic *lapic = &vcpu->lapic;
    atomic_fetch_and(&lapic->irr[vector / 64], ~vector_bit(vector));
    lapic_offer_pv_eoi(vcpu, vector);
    lapic->isr[vector / 64] |= vector_bit(vector);
}

void lapic_end_interrupt(struct vcpu *vcpu)
{
    struct lapic *lapic = &vcpu->lapic;
    int vector = highest(lapic->isr);
    if (vector < 0)
        return;
    uint64_t bit = vector_bit((uint8_t)vector);
    lapic->isr[vector / 64] &= ~bit;
    if (lapic->tmr[vector / 64] & bit)
        vm_queue_eoi(vcpu->vm, (uint8_t)vector);
}

void lapic_eoi(struct vcpu *vcpu)
{
    lapic_sync_pv_eoi(vcpu);
    lapic_end_interrupt(vcpu);
}

bool lapic_accepts_extint(const struct vcpu *vcpu)
{
    uint32_t lint0 = vcpu->lapic.lvt[LVT_LINT0];
    bool through_lint0 =
        !(lint0 & LVT_MASKED) && (lint0 >> DELIVERY_MODE_SHIFT & DELIVERY_MODE_MASK) == DELIVERY_EXTINT;
    return through_lint0 || !lapic_enabled(&vcpu->lapic);
}

/* A pin of the processor: LINT0 or LINT1, or INTR or NMI when the APIC is disabled (SDM Vol. 3A, 11.4.3). */
static void assert_pin(struct vcpu *vcpu, enum lapic_lvt index)
{
    if (lapic_enabled(&vcpu->lapic))
        lapic_deliver_lvt(vcpu, index);
    else
        vcpu_request(vcpu, index == LVT_LINT1 ? REQUEST_NMI : REQUEST_EVENT);
}

void lapic_chipset_nmi(struct vm *vm)
{
    for (uint32_t i = 0; i < vm->vcpu_count; i++)
        assert_pin(vm->vcpu[i], LVT_LINT1);
}

void lapic_intr_level(struct vm *vm, bool level)
{
    uint32_t old = atomic_exchange(&vm->intr_level, level);
    for (uint32_t i = 0; level && !old && i < vm->vcpu_count; i++)
        assert_pin(vm->vcpu[i], LVT_LINT0);
}

uint8_t lapic_get_cr8(const struct vcpu *vcpu)
{
    return (uint8_t)(vcpu->lapic.tpr >> CR8_SHIFT);
}

void lapic_set_cr8(struct vcpu *vcpu, uint8_t cr8)
{
    if (cr8 != vcpu->lapic.tpr >> CR8_SHIFT) /* else the lower half stays, as no MOV to CR8 has happened */
        vcpu->lapic.tpr = (uint32_t)(cr8 & CR8_MASK) << CR8_SHIFT;
    vcpu->state.control.cr8 = cr8 & CR8_MASK;
}
