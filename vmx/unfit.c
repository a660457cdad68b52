/*
 * Processors without "unrestricted guest" run no real mode: virtual-8086 mode on the vTLB stands for it, at
 * IOPL 3 and with CR4.VME, so that INT n goes through the guest's own table at 0 (SDM Vol. 3B, 21.3). Its
 * TSS, with maps that let through everything, lies above all that real mode reaches and in the vTLB alone.
 * What that mode cannot do raises #GP, and the device model emulates it; it also delivers events. Nothing of
 * this can be seen in vcpu->state.
 */
#include "vmx.h"
#include "cpu.h"
#include "real_mode.h"
#include "string.h"
#include "vtlb.h"

enum {
    TSS_LINEAR = 0x111000,
    TSS_SIZE = 104, /* SDM Vol. 3A, 8.2.1; behind it the map of INT n, then that of ports */
    TSS_IO_MAP_BASE = 102,
    REDIRECTION_SIZE = 256 / 8,
    PORTS_SIZE = 65536 / 8,
    TSS_PAGES = 3,
    TSS_BUSY_32 = 0x8b,
    VM86_RIGHTS = 0xf3, /* present, DPL 3, writable data, accessed */
    VM86_LIMIT = 0xffff,
};

#define TSS_LIMIT (TSS_SIZE + REDIRECTION_SIZE + PORTS_SIZE)
_Static_assert(TSS_LIMIT < TSS_PAGES * PAGE_SIZE, "mapped");

static _Alignas(PAGE_SIZE) uint8_t vm86_tss[TSS_PAGES * PAGE_SIZE]; /* one for all: nothing in it changes */

void vmx_vm86_init(void)
{
    uint16_t map = TSS_SIZE + REDIRECTION_SIZE;
    memcpy(vm86_tss + TSS_IO_MAP_BASE, &map, sizeof(map));
    vm86_tss[TSS_LIMIT] = 0xff; /* the last byte of the map of ports */
}

void vmx_vm86_prepare(struct vcpu *vcpu)
{
    vtlb_fixed_map(vcpu, TSS_LINEAR, virt_to_phys(vm86_tss), sizeof(vm86_tss));
}

/* The state is one that fits, or it is not entered. */
void vmx_vm86_segments(const struct vcpu_state *state)
{
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        vmwrite(VMCS_GUEST_SELECTOR + 2 * i, state->segment[i].selector);
        vmwrite(VMCS_GUEST_RIGHTS + 2 * i, VM86_RIGHTS);
        vmwrite(VMCS_GUEST_LIMIT + 2 * i, VM86_LIMIT);
        vmwrite(VMCS_GUEST_BASE + 2 * i, state->segment[i].base);
    }
    vmwrite(VMCS_GUEST_RIGHTS + 2 * SEG_LDTR, RIGHTS_UNUSABLE);
    vmwrite(VMCS_GUEST_SELECTOR + 2 * SEG_TR, 0);
    vmwrite(VMCS_GUEST_RIGHTS + 2 * SEG_TR, TSS_BUSY_32);
    vmwrite(VMCS_GUEST_LIMIT + 2 * SEG_TR, TSS_LIMIT);
    vmwrite(VMCS_GUEST_BASE + 2 * SEG_TR, TSS_LINEAR);
}

static void become_unfit(struct vcpu *vcpu, bool event)
{
    vcpu->exit.reason = VCPU_EXIT_UNFIT;
    vcpu->exit.next_rip = 0;
    vcpu->exit.detail = (event ? UNFIT_EVENT : 0) | (vcpu->windows ? UNFIT_WAITING : 0);
}

bool vmx_is_unfit(struct vcpu *vcpu, struct vmx_vcpu *vmx)
{
    bool event = vcpu->state.interrupts.event.type != EVENT_NONE;
    if (vmx->unchecked) {
        vmx_get(vcpu, VCPU_SEGMENTS | VCPU_CONTROL | VCPU_TABLES | VCPU_MSRS);
        vmx->unchecked = !real_mode_fits(&vcpu->state);
    }
    if (!vmx->unchecked && !(vmx->vm86 && event))
        return false;
    vmwrite(VMCS_ENTRY_EVENT, 0); /* the device model delivers it */
    vcpu->exit.qualification = 0;
    become_unfit(vcpu, event);
    return true;
}

void vmx_vm86_exception(struct vcpu *vcpu, uint32_t vector, bool soft)
{
    if (vector != EXCEPTION_GP)
        vcpu->state.interrupts.event = (struct vcpu_event){
            .type = soft ? EVENT_SOFT_EXCEPTION : EVENT_EXCEPTION,
            .vector = (uint8_t)vector,
            .length = soft ? (uint8_t)vmread(VMCS_INSTRUCTION_LENGTH) : 0,
        };
    become_unfit(vcpu, vector != EXCEPTION_GP);
}
