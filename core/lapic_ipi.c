/*
 * Messages between local APICs: the interrupt command register, and what MSIs and the IOAPIC send (SDM Vol.
 * 3A, 11.6, 11.7 and 11.11). A message sets bits in the IRR and TMR of its targets, or a request, and kicks
 * them; no locks.
 *
 * Missing: SMI (this PC has no system management mode), arbitration IDs and with them what INIT level
 * de-assert does.
 */
#include <stdatomic.h>
#include "lapic_registers.h"
#include "vm.h"

enum {
    ICR_LOGICAL = 1 << 11,
    ICR_ASSERT = 1 << 14,
    ICR_LEVEL = 1 << 15,
    ICR_SHORTHAND_SHIFT = 18,
    ICR_SHORTHAND_MASK = 3,
    MSI_REDIRECTION_HINT = 1 << 3,
    MSI_LOGICAL = 1 << 2,
    MSI_DESTINATION_SHIFT = 12,
    MSI_ASSERT = 1 << 14,
    MSI_LEVEL = 1 << 15,
    MSI_ADDRESS_SHIFT = 20,
    MSI_ADDRESS = 0xfee,
    BROADCAST = 0xff,
    DFR_MODEL_SHIFT = 28,
    DFR_CLUSTER = 0,
    CLUSTER_MASK = 0xf0,
    CLUSTER_MEMBERS = 0x0f,
};

enum shorthand { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };

struct message {
    uint8_t destination, vector;
    uint8_t mode; /* enum lapic_delivery_mode */
    bool logical, level;
};

/* SDM Vol. 3A, 11.6.2. */
static bool addresses(const struct message *message, const struct lapic *lapic)
{
    if (!lapic_enabled(lapic))
        return false;
    uint8_t destination = message->destination;
    if (destination == BROADCAST)
        return true;
    if (!message->logical)
        return lapic_get(lapic, LAPIC_ID) >> ID_SHIFT == destination;
    uint8_t logical_id = (uint8_t)(lapic_get(lapic, LAPIC_LDR) >> ID_SHIFT);
    if (lapic_get(lapic, LAPIC_DFR) >> DFR_MODEL_SHIFT == DFR_CLUSTER) {
        return ((logical_id ^ destination) & CLUSTER_MASK) == 0 &&
               (logical_id & destination & CLUSTER_MEMBERS) != 0;
    }
    return (logical_id & destination) != 0;
}

static void deliver(struct vcpu *vcpu, const struct message *message, const struct vcpu *sender)
{
    switch (message->mode) {
    case DELIVERY_FIXED:
    case DELIVERY_LOWEST_PRIORITY:
        /* The sender looks at its own IRR before it enters its guest again and needs no kick. */
        if (lapic_raise(vcpu, message->vector, message->level) && vcpu != sender)
            vcpu_request(vcpu, REQUEST_EVENT);
        break;
    case DELIVERY_NMI:
        vcpu_request(vcpu, REQUEST_NMI);
        break;
    case DELIVERY_INIT:
        atomic_fetch_and(&vcpu->requests, ~(uint32_t)REQUEST_SIPI); /* one sent before does not outlive it */
        vcpu_request(vcpu, REQUEST_INIT);
        break;
    case DELIVERY_STARTUP:
        vcpu->sipi_vector = message->vector;
        vcpu_request(vcpu, REQUEST_SIPI);
        break;
    case DELIVERY_EXTINT:
        vcpu->lapic.extint = 1;
        vcpu_request(vcpu, REQUEST_EVENT);
        break;
    default:
        break;
    }
}

void lapic_deliver_lvt(struct vcpu *vcpu, uint32_t lvt)
{
    const struct message message = {.vector = lvt & LVT_VECTOR,
                                    .mode = lvt >> DELIVERY_MODE_SHIFT & DELIVERY_MODE_MASK,
                                    .level = lvt & LVT_TRIGGER_LEVEL};
    if (lvt & LVT_MASKED || message.mode == DELIVERY_LOWEST_PRIORITY || message.mode == DELIVERY_STARTUP)
        return;
    if (message.mode == DELIVERY_EXTINT)
        vcpu_request(vcpu, REQUEST_EVENT); /* lapic_accepts_extint() finds it */
    else
        deliver(vcpu, &message, NULL);
}

/* To all that it addresses but `except`. Lowest-priority delivery goes to one of them: by task priority, as
 * chipsets arbitrate since the Pentium 4 (SDM Vol. 3A, 11.6.2.4); of equal ones to the first. */
static void distribute(struct vm *vm, const struct message *message, const struct vcpu *sender,
                       const struct vcpu *except)
{
    bool lowest = message->mode == DELIVERY_LOWEST_PRIORITY;
    struct vcpu *best = NULL;
    for (uint32_t i = 0; i < vm->vcpu_count; i++) {
        struct vcpu *vcpu = vm->vcpu[i];
        if (vcpu == except || !addresses(message, &vcpu->lapic))
            continue;
        if (!lowest)
            deliver(vcpu, message, sender);
        else if ((lapic_get(&vcpu->lapic, LAPIC_SVR) & SVR_ENABLE) &&
                 (!best || lapic_get(&vcpu->lapic, LAPIC_TPR) < lapic_get(&best->lapic, LAPIC_TPR)))
            best = vcpu;
    }
    if (best)
        deliver(best, message, sender);
}

void lapic_message(struct vm *vm, uint64_t address, uint32_t data)
{
    struct message message = {
        .destination = (uint8_t)(address >> MSI_DESTINATION_SHIFT),
        .vector = (uint8_t)data,
        .mode = data >> DELIVERY_MODE_SHIFT & DELIVERY_MODE_MASK,
        .logical = address & MSI_LOGICAL,
        .level = data & MSI_LEVEL,
    };
    if (address >> MSI_ADDRESS_SHIFT != MSI_ADDRESS || (message.level && !(data & MSI_ASSERT)))
        return; /* memory, not a local APIC; or the de-assertion of a level, which only the IOAPIC tracks */
    if (message.mode == DELIVERY_FIXED && (address & MSI_REDIRECTION_HINT))
        message.mode = DELIVERY_LOWEST_PRIORITY;
    if (message.mode != DELIVERY_STARTUP)
        distribute(vm, &message, NULL, NULL);
}

void lapic_send(struct vcpu *vcpu)
{
    uint32_t low = lapic_get(&vcpu->lapic, LAPIC_ICR_LOW);
    enum shorthand shorthand = low >> ICR_SHORTHAND_SHIFT & ICR_SHORTHAND_MASK;
    struct message message = {
        .destination =
            shorthand == SHORTHAND_NONE ? lapic_get(&vcpu->lapic, LAPIC_ICR_HIGH) >> ID_SHIFT : BROADCAST,
        .vector = (uint8_t)low,
        .mode = low >> DELIVERY_MODE_SHIFT & DELIVERY_MODE_MASK,
        .logical = low & ICR_LOGICAL,
        /* The trigger mode of a fixed IPI is edge whatever ICR says (SDM Vol. 3A, 11.6.1). */
    };
    bool fixed = message.mode == DELIVERY_FIXED || message.mode == DELIVERY_LOWEST_PRIORITY;
    if (fixed && message.vector < FIRST_LEGAL_VECTOR) {
        lapic_error(vcpu, ESR_SEND_ILLEGAL_VECTOR);
        return;
    }
    if (message.mode == DELIVERY_EXTINT ||
        (message.mode == DELIVERY_INIT && (low & ICR_LEVEL) && !(low & ICR_ASSERT)))
        return; /* not a command; INIT level de-assert */
    if (fixed && shorthand != SHORTHAND_NONE)
        message.mode = DELIVERY_FIXED; /* to all of them */
    if (shorthand == SHORTHAND_SELF)
        deliver(vcpu, &message, vcpu);
    else
        distribute(vcpu->vm, &message, vcpu, shorthand == SHORTHAND_OTHERS ? vcpu : NULL);
}
