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
    VERSION = 0x14 | 5 << 16, /* six LVT entries */
    SVR_RESET = 0xff,
    PRIORITY_CLASS = 0xf0,
    PAGE_MASK = 0xfff,
    CR8_SHIFT = 4,
    /* What firmware leaves and what guests without firmware rely on: the 8259 pair reaches the boot processor
     * (SDM Vol. 3A, 11.4; "virtual wire mode" of the MultiProcessor Specification). */
    LINT0_VIRTUAL_WIRE = DELIVERY_EXTINT << DELIVERY_MODE_SHIFT,
};

#define BASE_ADDRESS 0x000000fffffff000ull /* 40 physical address bits, the least that CPUID shows */

/* In ISR, or IRR as the processor has it; 0: none. */
static uint32_t highest(const struct lapic *lapic, enum lapic_register bank)
{
    uint32_t word = 0, first = 256;
    while (!word && first) {
        first -= 32;
        word = lapic_get(lapic, lapic_word(bank, (uint8_t)first));
    }
    return word ? first + 31 - (uint32_t)__builtin_clz(word) : 0;
}

static int highest_request(const struct lapic *lapic)
{
    for (int i = 3; i >= 0; i--)
        if (lapic->irr[i] != 0)
            return i * 64 + 63 - __builtin_clzll(lapic->irr[i]);
    return LAPIC_NO_VECTOR;
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
    uint32_t id = lapic_get(lapic, LAPIC_ID);
    memset(lapic, 0, sizeof *lapic);
    lapic->changed = vcpu->vm->lapic_served;
    lapic->base_msr = base;
    lapic_set(lapic, LAPIC_ID, id);
    lapic_set(lapic, LAPIC_VERSION, VERSION);
    lapic_set(lapic, LAPIC_DFR, UINT32_MAX);
    lapic_set(lapic, LAPIC_SVR, SVR_RESET);
    for (unsigned at = LAPIC_LVT_TIMER; at <= LAPIC_LVT_ERROR; at += LAPIC_REGISTER_SIZE)
        lapic_set(lapic, at, LVT_MASKED);
    if (base & APIC_BASE_BSP)
        lapic_set(lapic, LAPIC_LVT_LINT0, LINT0_VIRTUAL_WIRE);
    lapic->timer_entry = LVT_MASKED;
}

void lapic_reset(struct vcpu *vcpu, bool init)
{
    struct lapic *lapic = &vcpu->lapic;
    if (!init) {
        lapic_set(lapic, LAPIC_ID, vcpu->index << ID_SHIFT);
        lapic->base_msr = GUEST_LAPIC_BASE | APIC_BASE_ENABLE | (vcpu->index == 0 ? APIC_BASE_BSP : 0);
        vm_place_lapic(vcpu->vm);
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
    vm_place_lapic(vcpu->vm);
    return true;
}

bool lapic_decodes(const struct vcpu *vcpu, uint64_t gpa)
{
    return lapic_enabled(&vcpu->lapic) && ((gpa ^ vcpu->lapic.base_msr) & ~(uint64_t)PAGE_MASK) == 0;
}

/* True if the vector was not requested yet. */
static bool request_vector(struct lapic *lapic, uint8_t vector, bool level)
{
    uint64_t bit = 1ull << (vector % 64);
    _Atomic uint32_t *tmr = &lapic->reg[lapic_word(LAPIC_TMR, vector) / sizeof(uint32_t)];
    /* TMR first: who sees the bit in IRR must find the trigger mode that belongs to it. */
    if (level)
        atomic_fetch_or(tmr, lapic_bit(vector));
    else if (*tmr & lapic_bit(vector))
        atomic_fetch_and(tmr, ~lapic_bit(vector));
    return !(atomic_fetch_or(&lapic->irr[vector / 64], bit) & bit);
}

bool lapic_raise(struct vcpu *vcpu, uint8_t vector, bool level)
{
    if (!(lapic_get(&vcpu->lapic, LAPIC_SVR) & SVR_ENABLE))
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
    uint32_t lvt = lapic_get(lapic, LAPIC_LVT_ERROR); /* masked while the APIC is software-disabled */
    bool armed = !(atomic_fetch_or(&lapic->esr_pending, esr_bit) & esr_bit);
    /* Not by lapic_raise: an illegal vector in this entry must not come back here. */
    if (armed && !(lvt & LVT_MASKED) && (lvt & LVT_VECTOR) >= FIRST_LEGAL_VECTOR &&
        request_vector(lapic, lvt & LVT_VECTOR, false))
        vcpu_request(vcpu, REQUEST_EVENT);
}

uint32_t lapic_processor_priority(const struct lapic *lapic)
{
    uint32_t in_service = lapic->in_service & PRIORITY_CLASS, tpr = lapic_get(lapic, LAPIC_TPR);
    return in_service > (tpr & PRIORITY_CLASS) ? in_service : tpr;
}

int lapic_pending_vector(struct vcpu *vcpu)
{
    const struct lapic *lapic = &vcpu->lapic;
    int vector = highest_request(lapic);
    if (vector < 0 || !lapic_enabled(lapic) ||
        ((uint32_t)vector & PRIORITY_CLASS) <= (lapic_processor_priority(lapic) & PRIORITY_CLASS))
        return LAPIC_NO_VECTOR;
    return vector;
}

void lapic_accept(struct vcpu *vcpu, uint8_t vector)
{
    struct lapic *lapic = &vcpu->lapic;
    enum lapic_register isr = lapic_word(LAPIC_ISR, vector);
    atomic_fetch_and(&lapic->irr[vector / 64], ~(1ull << (vector % 64)));
    lapic_offer_pv_eoi(vcpu, vector);
    lapic_set(lapic, isr, lapic_get(lapic, isr) | lapic_bit(vector));
    lapic->in_service = vector;
}

void lapic_end_interrupt(struct vcpu *vcpu)
{
    struct lapic *lapic = &vcpu->lapic;
    uint8_t vector = (uint8_t)lapic->in_service;
    if (!vector)
        return;
    enum lapic_register isr = lapic_word(LAPIC_ISR, vector);
    lapic_set(lapic, isr, lapic_get(lapic, isr) & ~lapic_bit(vector));
    lapic->in_service = highest(lapic, LAPIC_ISR);
    lapic->changed = vcpu->vm->lapic_served;
    if (lapic_get(lapic, lapic_word(LAPIC_TMR, vector)) & lapic_bit(vector))
        vm_queue_eoi(vcpu->vm, vector);
}

void lapic_sync(struct vcpu *vcpu)
{
    struct lapic *lapic = &vcpu->lapic;
    lapic_sync_pv_eoi(vcpu);
    if (!vcpu->vm->lapic_served)
        return;
    for (unsigned i = 0; i < 8; i++) {
        enum lapic_register at = lapic_word(LAPIC_IRR, (uint8_t)(i * 32));
        atomic_fetch_or(&lapic->irr[i / 2], (uint64_t)lapic_get(lapic, at) << i % 2 * 32);
        lapic_set(lapic, at, 0);
    }
    lapic->in_service = highest(lapic, LAPIC_ISR);
}

uint16_t lapic_hand_over(struct vcpu *vcpu)
{
    struct lapic *lapic = &vcpu->lapic;
    lapic_sync(vcpu);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t bits = atomic_exchange(&lapic->irr[i], 0);
        enum lapic_register at = lapic_word(LAPIC_IRR, (uint8_t)(i * 64));
        lapic_set(lapic, at, (uint32_t)bits);
        lapic_set(lapic, at + LAPIC_REGISTER_SIZE, (uint32_t)(bits >> 32));
    }
    lapic->changed = false;
    return (uint16_t)(highest(lapic, LAPIC_IRR) | lapic->in_service << 8);
}

bool lapic_accepts_extint(const struct vcpu *vcpu)
{
    const uint32_t mode = LVT_MASKED | DELIVERY_MODE_MASK << DELIVERY_MODE_SHIFT;
    return (lapic_get(&vcpu->lapic, LAPIC_LVT_LINT0) & mode) == DELIVERY_EXTINT << DELIVERY_MODE_SHIFT ||
           !lapic_enabled(&vcpu->lapic);
}

/* A pin of each processor: LINT0 or LINT1, or INTR or NMI when the APIC is disabled (SDM Vol. 3A, 11.4.3). */
static void assert_pin(struct vm *vm, enum lapic_register entry, uint32_t request)
{
    for (uint32_t i = 0; i < vm->vcpu_count; i++)
        if (lapic_enabled(&vm->vcpu[i]->lapic))
            lapic_deliver_lvt(vm->vcpu[i], lapic_get(&vm->vcpu[i]->lapic, entry));
        else
            vcpu_request(vm->vcpu[i], request);
}

void lapic_chipset_nmi(struct vm *vm)
{
    assert_pin(vm, LAPIC_LVT_LINT1, REQUEST_NMI);
}

void lapic_intr_level(struct vm *vm, bool level)
{
    if (!atomic_exchange(&vm->intr_level, level) && level)
        assert_pin(vm, LAPIC_LVT_LINT0, REQUEST_EVENT);
}

uint8_t lapic_get_cr8(const struct vcpu *vcpu)
{
    return (uint8_t)(lapic_get(&vcpu->lapic, LAPIC_TPR) >> CR8_SHIFT);
}

void lapic_set_cr8(struct vcpu *vcpu, uint8_t cr8)
{
    if (cr8 != lapic_get_cr8(vcpu)) /* else the lower half stays, as no MOV to CR8 has happened */
        lapic_set(&vcpu->lapic, LAPIC_TPR, (uint32_t)cr8 << CR8_SHIFT & PRIORITY_CLASS);
}
