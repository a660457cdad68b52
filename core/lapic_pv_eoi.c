/*
 * PV EOI: the guest ends an interrupt by clearing a bit in its own memory, without an exit (Linux,
 * Documentation/virt/kvm/x86/msr.rst, MSR_KVM_EOI_EN). The flag is offered when an edge-triggered interrupt
 * is injected with nothing else in service or requested: then nobody waits for the end. It is taken back as
 * soon as somebody does: the guest then either has cleared it, or finds it clear and writes the EOI register.
 */
#include "lapic_registers.h"
#include "guest_memory.h"
#include "vm.h"

enum {
    PV_EOI_ENABLE = 1 << 0,
    PV_EOI_FLAG =
        1 << 0, /* in the guest's memory: set as long as no EOI has come; its vCPU alone clears it */
    PV_EOI_RESERVED = 1 << 1,
    PV_EOI_AREA_SIZE = 4,
    PV_EOI_FLAGS_MASK = 3,
};

static uint64_t flag_address(const struct lapic *lapic)
{
    return lapic->pv_eoi & ~(uint64_t)PV_EOI_FLAGS_MASK;
}

bool lapic_write_pv_eoi(struct vcpu *vcpu, uint64_t value)
{
    uint32_t area;
    if ((value & PV_EOI_RESERVED) ||
        ((value & PV_EOI_ENABLE) &&
         guest_read(&area, value & ~(uint64_t)PV_EOI_FLAGS_MASK, PV_EOI_AREA_SIZE) != 0))
        return false;
    lapic_sync_pv_eoi(vcpu); /* the flag at the old address has no meaning any more */
    vcpu->lapic.pv_eoi = value;
    return true;
}

void lapic_offer_pv_eoi(struct vcpu *vcpu, uint8_t vector)
{
    struct lapic *lapic = &vcpu->lapic;
    if (!(lapic->pv_eoi & PV_EOI_ENABLE) || lapic_any_request(lapic) || lapic->in_service ||
        (lapic_get(lapic, lapic_word(LAPIC_TMR, vector)) & lapic_bit(vector)))
        return;
    uint8_t flags;
    if (guest_read(&flags, flag_address(lapic), 1) != 0)
        return;
    flags |= PV_EOI_FLAG;
    lapic->pv_eoi_pending = guest_write(flag_address(lapic), &flags, 1) == 0;
}

void lapic_sync_pv_eoi(struct vcpu *vcpu)
{
    struct lapic *lapic = &vcpu->lapic;
    if (!lapic->pv_eoi_pending)
        return;
    lapic->pv_eoi_pending = 0;
    uint8_t flags;
    if (guest_read(&flags, flag_address(lapic), 1) != 0)
        return;
    if (flags & PV_EOI_FLAG) {
        flags &= (uint8_t)~PV_EOI_FLAG;
        guest_write(flag_address(lapic), &flags, 1);
    } else {
        lapic_end_interrupt(vcpu);
    }
}
