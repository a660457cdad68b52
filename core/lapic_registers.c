/*
 * The register page of the virtual local APIC (SDM Vol. 3A, 11.4 to 11.12). It shows what QEMU's shows: an
 * xAPIC of version 0x14 with six LVT entries.
 *
 * Missing: x2APIC, TSC-deadline mode and EOI-broadcast suppression (CPUID and the version register do not
 * offer them); arbitration priority, focus processor and remote read of the P6; remote IRR of LINT0 and
 * LINT1. Ignored bits: writes to read-only registers; reserved bits of the others, which read 0.
 */
#include <stdatomic.h>
#include "lapic_registers.h"
#include "cpu.h"
#include "vm.h"

enum {
    VERSION = 0x14 | (LAPIC_LVT_COUNT - 1) << 16,
    BANK_SIZE = 0x80,      /* ISR, TMR and IRR: eight registers each */
    REGISTER_MASK = 0xff0, /* registers lie 16 bytes apart; the bytes between show the same one */
    REGISTER_SHIFT = 4,
    ID_SHIFT = 24,
    TPR_WRITABLE = 0xff,
};

#define DFR_RESERVED      0x0fffffffu /* read as ones */
#define LDR_WRITABLE      0xff000000u
#define ICR_LOW_WRITABLE  0x000ccfffu /* delivery status always reads idle */
#define ICR_HIGH_WRITABLE 0xff000000u

/* Writable bits of each LVT entry: vector and mask, and where the entry has them timer mode, delivery mode,
 * polarity and trigger mode (SDM Vol. 3A, figure 11-8). */
static const uint32_t lvt_writable[LAPIC_LVT_COUNT] = {
    [LVT_TIMER] = 0x300ff, [LVT_THERMAL] = 0x107ff, [LVT_PERFORMANCE] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
};

static uint32_t bank_read(const _Atomic uint64_t bank[4], uint32_t offset)
{
    uint32_t word = (offset % BANK_SIZE) >> REGISTER_SHIFT;
    return (uint32_t)(bank[word / 2] >> (word % 2 * 32));
}

uint32_t lapic_read(struct vcpu *vcpu, uint32_t offset)
{
    struct lapic *lapic = &vcpu->lapic;
    uint32_t index = offset & REGISTER_MASK;
    switch (index) {
    case LAPIC_ID:
        return lapic->id << ID_SHIFT;
    case LAPIC_VERSION:
        return VERSION;
    case LAPIC_TPR:
        return lapic->tpr;
    case LAPIC_PPR:
        lapic_sync_pv_eoi(vcpu);
        return lapic_processor_priority(lapic);
    case LAPIC_APR:
    case LAPIC_EOI:
    case LAPIC_RRD:
        return 0;
    case LAPIC_LDR:
        return lapic->ldr;
    case LAPIC_DFR:
        return lapic->dfr;
    case LAPIC_SVR:
        return lapic->svr;
    case LAPIC_ESR:
        return lapic->esr;
    case LAPIC_ICR_LOW:
        return lapic->icr_low;
    case LAPIC_ICR_HIGH:
        return lapic->icr_high;
    case LAPIC_LVT_TIMER:
    case LAPIC_LVT_THERMAL:
    case LAPIC_LVT_PERFORMANCE:
    case LAPIC_LVT_LINT0:
    case LAPIC_LVT_LINT1:
    case LAPIC_LVT_ERROR:
        return lapic->lvt[(index - LAPIC_LVT_TIMER) >> REGISTER_SHIFT];
    case LAPIC_INITIAL_COUNT:
        return lapic->initial_count;
    case LAPIC_CURRENT_COUNT:
        return lapic_timer_current(vcpu, rdtsc());
    case LAPIC_DIVIDE:
        return lapic->divide;
    default:
        break;
    }
    if (index >= LAPIC_ISR && index < LAPIC_TMR) {
        lapic_sync_pv_eoi(vcpu);
        return bank_read(lapic->isr, index);
    }
    if (index >= LAPIC_TMR && index < LAPIC_IRR)
        return bank_read(lapic->tmr, index);
    if (index >= LAPIC_IRR && index < LAPIC_ESR)
        return bank_read(lapic->irr, index);
    lapic_error(vcpu, ESR_ILLEGAL_REGISTER);
    return 0;
}

static void write_svr(struct lapic *lapic, uint32_t value)
{
    lapic->svr = value & SVR_WRITABLE;
    for (unsigned i = 0; !(value & SVR_ENABLE) && i < LAPIC_LVT_COUNT; i++)
        lapic->lvt[i] |= LVT_MASKED; /* and stay so until written when enabled (SDM Vol. 3A, 11.4.7.2) */
}

static void write_lvt(struct vcpu *vcpu, enum lapic_lvt index, uint32_t value)
{
    struct lapic *lapic = &vcpu->lapic;
    value &= lvt_writable[index];
    if (!(lapic->svr & SVR_ENABLE))
        value |= LVT_MASKED;
    if (index == LVT_TIMER)
        lapic_timer_set_lvt(vcpu, value);
    else
        lapic->lvt[index] = value;
}

void lapic_write(struct vcpu *vcpu, uint32_t offset, uint32_t value)
{
    struct lapic *lapic = &vcpu->lapic;
    uint32_t index = offset & REGISTER_MASK;
    switch (index) {
    case LAPIC_EOI:
        lapic_eoi(vcpu);
        return;
    case LAPIC_TPR:
        lapic->tpr = value & TPR_WRITABLE;
        vcpu->state.control.cr8 = lapic_get_cr8(vcpu);
        return;
    case LAPIC_ICR_LOW:
        lapic->icr_low = value & ICR_LOW_WRITABLE;
        lapic_send(vcpu);
        return;
    case LAPIC_ICR_HIGH:
        lapic->icr_high = value & ICR_HIGH_WRITABLE;
        return;
    case LAPIC_ID:
        lapic->id = value >> ID_SHIFT;
        return;
    case LAPIC_LDR:
        lapic->ldr = value & LDR_WRITABLE;
        return;
    case LAPIC_DFR:
        lapic->dfr = value | DFR_RESERVED;
        return;
    case LAPIC_SVR:
        write_svr(lapic, value);
        return;
    case LAPIC_ESR:
        lapic->esr = atomic_exchange(&lapic->esr_pending, 0); /* whatever the value */
        return;
    case LAPIC_LVT_TIMER:
    case LAPIC_LVT_THERMAL:
    case LAPIC_LVT_PERFORMANCE:
    case LAPIC_LVT_LINT0:
    case LAPIC_LVT_LINT1:
    case LAPIC_LVT_ERROR:
        write_lvt(vcpu, (index - LAPIC_LVT_TIMER) >> REGISTER_SHIFT, value);
        return;
    case LAPIC_INITIAL_COUNT:
        lapic_timer_start(vcpu, value);
        return;
    case LAPIC_DIVIDE:
        lapic_timer_set_divide(vcpu, value & DIVIDE_WRITABLE);
        return;
    case LAPIC_VERSION:
    case LAPIC_APR:
    case LAPIC_PPR:
    case LAPIC_RRD:
    case LAPIC_CURRENT_COUNT:
        return;
    default:
        break;
    }
    if (index < LAPIC_ISR || index >= LAPIC_ESR)
        lapic_error(vcpu, ESR_ILLEGAL_REGISTER);
}
