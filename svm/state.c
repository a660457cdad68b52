/*
 * Between struct vcpu_state and the VMCB: groups travel only when asked for. GPR, RIP, RFLAGS and the
 * interrupt state are moved by svm_run() at each entry and exit.
 */
#include "svm.h"
#include "cpu.h"
#include "fpu.h"
#include "string.h"
#include "vcpu_registers.h"
#include "vtlb.h"
#include "x86.h"

enum { TSS_BUSY = 2, TSS_32 = 9 };

/* The MSRs that VMLOAD and VMSAVE switch, from STAR on: in the same order on both sides. */
enum { SWITCHED_MSRS = offsetof(struct vmcb, cr2) - offsetof(struct vmcb, star) };
_Static_assert(offsetof(struct vcpu_msrs, pat) - offsetof(struct vcpu_msrs, star) == SWITCHED_MSRS &&
                   offsetof(struct vcpu_msrs, sysenter_cs) - offsetof(struct vcpu_msrs, star) ==
                       offsetof(struct vmcb, sysenter_cs) - offsetof(struct vmcb, star),
               "copied");

static void get_segments(struct vcpu_state *state, const struct vmcb *vmcb)
{
    struct segment *ss = &state->segment[SEG_SS], *tr = &state->segment[SEG_TR];
    memcpy(state->segment, vmcb->segment, sizeof(vmcb->segment));
    state->segment[SEG_LDTR] = vmcb->ldtr;
    *tr = vmcb->tr;
    if (!(tr->attributes & SEG_P)) /* TCG takes LTR of a null selector: a TSS without room for anything */
        *tr = (struct segment){.attributes = SEG_P | TSS_32};
    tr->attributes |= TSS_BUSY; /* AMD's processors keep that in memory only */
    ss->attributes = (uint16_t)((ss->attributes & ~SEG_DPL_MASK) | vmcb->cpl << SEG_DPL_SHIFT);
}

static void set_segments(const struct vcpu_state *state, struct vmcb *vmcb)
{
    memcpy(vmcb->segment, state->segment, sizeof(vmcb->segment));
    vmcb->ldtr = state->segment[SEG_LDTR];
    vmcb->tr = state->segment[SEG_TR];
    vmcb->tr.attributes &= (uint16_t)~TSS_BUSY;
    vmcb->cpl = (uint8_t)((state->segment[SEG_SS].attributes & SEG_DPL_MASK) >> SEG_DPL_SHIFT);
}

static void get_control(struct vcpu *vcpu, const struct svm_vcpu *svm)
{
    struct vcpu_control *control = &vcpu->state.control;
    const struct vmcb *vmcb = &svm->vmcb;
    if (vcpu_is_loaded(vcpu))
        registers_store_control(vcpu);
    control->cr0 = (control->cr0 & ~CR0_OWNED) | (vmcb->cr0 & CR0_OWNED);
    control->cr2 = vmcb->cr2;
    if (!svm->shadow)
        control->cr3 = vmcb->cr3;
    control->cr8 = lapic_get_cr8(vcpu);
    control->dr6 = vmcb->dr6;
    control->dr7 = vmcb->dr7;
}

/* What of the guest's EFER the VMCB gets. LME waits for CR4.PAE: with LME, without PAE and without paging TCG
 * fails to restore the host at the next exit. */
static void efer_update(struct svm_vcpu *svm, uint64_t efer)
{
    struct vmcb *vmcb = &svm->vmcb;
    efer |= EFER_SVME;
    if (!(vmcb->cr4 & CR4_PAE))
        efer &= ~EFER_LME;
    if ((vmcb->efer ^ efer) & (EFER_NXE | EFER_LMA))
        svm->asid_generation = 0;
    vmcb->efer = efer;
    svm->clean &= ~CLEAN_CR;
}

static void set_control(struct vcpu *vcpu, struct svm_vcpu *svm, const struct processor_registers *r)
{
    static const uint64_t flat = CODE_SPACE_FLAT;
    const struct vcpu_control *control = &vcpu->state.control;
    struct vmcb *vmcb = &svm->vmcb;
    uint64_t cr3 = svm->shadow ? vmcb->cr3 : control->cr3; /* the vTLB's root follows */
    if (((vmcb->cr0 ^ r->cr0) & CR0_TRANSLATES) || vmcb->cr3 != cr3 || vmcb->cr4 != r->cr4)
        svm->asid_generation = 0; /* as the write of a control register flushes */
    svm->space = !(control->cr0 & CR0_PG) ? &flat : svm->shadow ? &control->cr3 : &vmcb->cr3;
    vmcb->cr0 = r->cr0;
    vmcb->cr2 = control->cr2;
    vmcb->cr3 = cr3;
    vmcb->cr4 = r->cr4;
    vmcb->dr6 = control->dr6;
    vmcb->dr7 = control->dr7;
    lapic_set_cr8(vcpu, (uint8_t)control->cr8);
    svm->clean &= ~(CLEAN_CR | CLEAN_CR2 | CLEAN_DR);
    svm_intercepts_update(vcpu);
}

static void set_msrs(const struct vcpu *vcpu, struct svm_vcpu *svm)
{
    const struct vcpu_msrs *msrs = &vcpu->state.msrs;
    struct vmcb *vmcb = &svm->vmcb;
    memcpy(&vmcb->star, &msrs->star, SWITCHED_MSRS);
    vmcb->g_pat = msrs->pat;
    vmcb->debugctl = msrs->debugctl;
    svm->clean &= ~CLEAN_NESTED; /* g_pat goes with it */
    if (vcpu_is_loaded(vcpu))
        registers_load_tsc_aux(vcpu);
}

void svm_get(struct vcpu *vcpu, uint32_t groups)
{
    struct svm_vcpu *svm = vcpu->backend;
    struct vcpu_state *state = &vcpu->state;
    const struct vmcb *vmcb = &svm->vmcb;
    if (groups & VCPU_SEGMENTS)
        get_segments(state, vmcb);
    if (groups & VCPU_CONTROL)
        get_control(vcpu, svm);
    if (groups & VCPU_TABLES) {
        state->tables.gdtr = (struct descriptor_table){.base = vmcb->gdtr.base, .limit = vmcb->gdtr.limit};
        state->tables.idtr = (struct descriptor_table){.base = vmcb->idtr.base, .limit = vmcb->idtr.limit};
    }
    if (groups & VCPU_MSRS)
        memcpy(&state->msrs.star, &vmcb->star, SWITCHED_MSRS);
    if ((groups & VCPU_FPU) && vcpu_is_loaded(vcpu))
        fpu_store(vcpu);
}

void svm_set(struct vcpu *vcpu, uint32_t groups)
{
    struct svm_vcpu *svm = vcpu->backend;
    const struct vcpu_state *state = &vcpu->state;
    const struct processor_registers registers = processor_registers(state, svm->shadow);
    struct vmcb *vmcb = &svm->vmcb;
    if (groups & VCPU_SEGMENTS) {
        set_segments(state, vmcb);
        svm->clean &= ~CLEAN_SEGMENTS;
        if (svm->task_guard)
            svm_task_guard(vcpu, svm);
    }
    if (groups & VCPU_CONTROL) {
        set_control(vcpu, svm, &registers);
        if (vcpu_is_loaded(vcpu))
            registers_load_control(vcpu);
    }
    if (groups & VCPU_TABLES) {
        vmcb->gdtr = (struct segment){.base = state->tables.gdtr.base, .limit = state->tables.gdtr.limit};
        vmcb->idtr = (struct segment){.base = state->tables.idtr.base, .limit = state->tables.idtr.limit};
        svm->clean &= ~CLEAN_TABLES;
    }
    if (groups & VCPU_MSRS)
        set_msrs(vcpu, svm);
    if (groups & (VCPU_CONTROL | VCPU_MSRS))
        efer_update(svm, registers.efer);
    if (svm->shadow && (groups & (VCPU_CONTROL | VCPU_MSRS))) {
        vtlb_set_registers(vcpu);
        vmcb->cr3 = vtlb_root(vcpu);
    }
    if (groups & VCPU_TIME) {
        vmcb->tsc_offset = state->time.tsc_offset;
        svm->clean &= ~CLEAN_INTERCEPTS;
    }
    if (groups & VCPU_INTERRUPTS) {
        svm->iret_ahead = false;
        svm->nmi_work = true;
        svm_intercepts_update(vcpu);
    }
    if ((groups & VCPU_FPU) && vcpu_is_loaded(vcpu))
        fpu_load(vcpu);
}
