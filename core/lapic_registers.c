/*
 * The register page of the virtual local APIC (SDM Vol. 3A, 11.4 to 11.12). It shows what QEMU's shows: an
 * xAPIC of version 0x14 with six LVT entries.
 *
 * Missing: x2APIC, TSC-deadline mode and EOI-broadcast suppression (CPUID and the version register do not
 * offer them); arbitration priority, focus processor and remote read of the P6; remote IRR of LINT0 and
 * LINT1. Ignored bits: writes to read-only registers; reserved bits of the others, which read 0.
 */
#include <stdatomic.h>
#include "cpu.h"
#include "lapic_registers.h"
#include "vm.h"

enum { REGISTER_MASK = 0xff0 }; /* registers lie 16 bytes apart; the bytes between show the same one */

#define DFR_RESERVED 0x0fffffffu /* read as ones */
#define KNOWN        (1ull << 32)
#define AT(name)     [LAPIC_##name / LAPIC_REGISTER_SIZE]

/* The registers that there are, each with the bits that can be written (SDM Vol. 3A, table 11-1 and figures;
 * of the LVT figure 11-8). The delivery status of ICR always reads idle. */
static const uint64_t registers[] = {
    AT(ID) = KNOWN | 0xff000000,
    AT(VERSION) = KNOWN,
    AT(TPR) = KNOWN | 0xff,
    AT(APR) = KNOWN,
    AT(PPR) = KNOWN,
    AT(EOI) = KNOWN,
    AT(RRD) = KNOWN,
    AT(LDR) = KNOWN | 0xff000000,
    AT(DFR) = KNOWN | 0xf0000000,
    AT(SVR) = KNOWN | 0x1ff,
    [LAPIC_ISR / LAPIC_REGISTER_SIZE... LAPIC_ESR / LAPIC_REGISTER_SIZE - 1] = KNOWN,
    AT(ESR) = KNOWN | 0xffffffff,
    AT(ICR_LOW) = KNOWN | 0xccfff,
    AT(ICR_HIGH) = KNOWN | 0xff000000,
    AT(LVT_TIMER) = KNOWN | 0x300ff,
    AT(LVT_THERMAL) = KNOWN | 0x107ff,
    AT(LVT_PERFORMANCE) = KNOWN | 0x107ff,
    AT(LVT_LINT0) = KNOWN | 0x1a7ff,
    AT(LVT_LINT1) = KNOWN | 0x1a7ff,
    AT(LVT_ERROR) = KNOWN | 0x100ff,
    AT(INITIAL_COUNT) = KNOWN | 0xffffffff,
    AT(CURRENT_COUNT) = KNOWN,
    AT(DIVIDE) = KNOWN | 0xb,
};

static uint64_t register_at(enum lapic_register at)
{
    unsigned index = at / LAPIC_REGISTER_SIZE;
    return index < sizeof(registers) / sizeof(registers[0]) ? registers[index] : 0;
}

uint32_t lapic_read(struct vcpu *vcpu, uint32_t offset)
{
    enum lapic_register at = offset & REGISTER_MASK;
    if (!register_at(at)) {
        lapic_error(vcpu, ESR_ILLEGAL_REGISTER);
        return 0;
    }
    if (at == LAPIC_CURRENT_COUNT)
        return lapic_timer_current(vcpu, rdtsc() + vcpu->vm->clock_offset);
    if (at == LAPIC_PPR || (at >= LAPIC_ISR && at < LAPIC_ESR))
        lapic_sync(vcpu);
    if (at >= LAPIC_IRR && at < LAPIC_ESR) /* not in the page */
        return (uint32_t)(vcpu->lapic.irr[(at - LAPIC_IRR) / 32] >> (at & LAPIC_REGISTER_SIZE) * 2);
    return at == LAPIC_PPR ? lapic_processor_priority(&vcpu->lapic) : lapic_get(&vcpu->lapic, at);
}

void lapic_write(struct vcpu *vcpu, uint32_t offset, uint32_t value)
{
    struct lapic *lapic = &vcpu->lapic;
    enum lapic_register at = offset & REGISTER_MASK;
    uint32_t writable = (uint32_t)register_at(at);
    value &= writable;
    switch (at) {
    case LAPIC_EOI:
        lapic_sync(vcpu);
        lapic_end_interrupt(vcpu);
        return;
    case LAPIC_ESR:
        value = atomic_exchange(&lapic->esr_pending, 0); /* whatever is written */
        break;
    case LAPIC_DFR:
        value |= DFR_RESERVED;
        break;
    default:
        break;
    }
    if (at >= LAPIC_LVT_TIMER && at <= LAPIC_LVT_ERROR && !(lapic_get(lapic, LAPIC_SVR) & SVR_ENABLE))
        value |= LVT_MASKED;
    if (writable)
        lapic_set(lapic, at, value);
    else if (!register_at(at))
        lapic_error(vcpu, ESR_ILLEGAL_REGISTER);
    if (at == LAPIC_ICR_LOW)
        lapic_send(vcpu);
    /* All are masked, and stay so until written when enabled (SDM Vol. 3A, 11.4.7.2). */
    if (at == LAPIC_SVR && !(value & SVR_ENABLE))
        for (unsigned entry = LAPIC_LVT_TIMER; entry <= LAPIC_LVT_ERROR; entry += LAPIC_REGISTER_SIZE)
            lapic_set(lapic, entry, lapic_get(lapic, entry) | LVT_MASKED);
    if (at == LAPIC_LVT_TIMER || at == LAPIC_INITIAL_COUNT || at == LAPIC_DIVIDE || at == LAPIC_SVR)
        lapic_timer_update(vcpu, at == LAPIC_INITIAL_COUNT);
}
