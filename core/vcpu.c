/*
 * A vCPU's state outside the guest: reset, start-up, moving on, exceptions.
 */
#include "exit.h"
#include <stddef.h>
#include "cpuid_leaves.h"
#include "string.h"
#include "trap.h"
#include "vcpu_ops.h"
#include "vm.h"
#include "x86.h"

enum {
    REAL_MODE_DATA = 0x93, /* present, writable, accessed */
    REAL_MODE_CODE = 0x9b,
    LDT_ATTRIBUTES = 0x82,
    TSS_ATTRIBUTES = 0x8b, /* busy 32-bit TSS: what VT-x wants to see */
    SIPI_PAGE_SHIFT = 12,
};

/* After RESET (SDM Vol. 3A, table 10-1). The same registers have these values after INIT, but for those that
 * vcpu_reset() keeps. */
static const struct vcpu_state reset_state = {
    .gpr = {.rip = 0xfff0, .rflags = 2},
    .segment =
        {
            [SEG_ES] = {.attributes = REAL_MODE_DATA, .limit = 0xffff},
            [SEG_CS] =
                {.selector = 0xf000, .attributes = REAL_MODE_CODE, .limit = 0xffff, .base = 0xffff0000},
            [SEG_SS... SEG_GS] = {.attributes = REAL_MODE_DATA, .limit = 0xffff},
            [SEG_LDTR] = {.attributes = LDT_ATTRIBUTES, .limit = 0xffff},
            [SEG_TR] = {.attributes = TSS_ATTRIBUTES, .limit = 0xffff},
        },
    .control = {.cr0 = CR0_CD | CR0_NW | CR0_ET, .xcr0 = 1, .dr6 = DR6_RESET, .dr7 = DR7_RESET},
    .tables = {.gdtr = {.limit = 0xffff}, .idtr = {.limit = 0xffff}},
    .msrs = {.pat = PAT_RESET},
    /* FCW 0x40, MXCSR 0x1f80 (SDM Vol. 1, 13.6); XSTATE_BV: x87 and SSE are there. */
    .fpu = {.xsave = {[0] = 0x40, [24] = 0x80, [25] = 0x1f, [512] = 3}},
};

void vcpu_reset(struct vcpu *vcpu, bool init)
{
    struct vcpu_state *s = &vcpu->state;
    if (init)
        vcpu_ops->get(vcpu, VCPU_CONTROL | VCPU_MSRS);
    const struct vcpu_msrs msrs = s->msrs;
    const struct vcpu_control control = s->control;
    memcpy(s, &reset_state, offsetof(struct vcpu_state, time));
    if (init) { /* which leaves caching, FPU, XCR0 and MSRs alone */
        s->msrs = msrs;
        s->msrs.efer = 0;
        s->control.xcr0 = control.xcr0;
        s->control.cr0 = (control.cr0 & (CR0_CD | CR0_NW)) | CR0_ET;
    } else {
        s->fpu = reset_state.fpu;
    }
    s->gpr.reg[RDX] = exit_cpuid_lookup(vcpu->vm, LEAF_FEATURES, 0)->eax;
    vcpu->exit_again = false;
    vcpu->windows = WINDOW_NONE;
    vcpu_ops->window(vcpu);
    vcpu_ops->set(vcpu, VCPU_ALL & ~(uint32_t)(VCPU_TIME | (init ? VCPU_FPU : 0)));
}

void vcpu_start_sipi(struct vcpu *vcpu, uint8_t vector)
{
    vcpu_ops->get(vcpu, VCPU_SEGMENTS);
    struct segment *cs = &vcpu->state.segment[SEG_CS];
    cs->selector = (uint16_t)(vector << 8);
    cs->base = (uint64_t)vector << SIPI_PAGE_SHIFT;
    vcpu->state.gpr.rip = 0;
    vcpu_ops->set(vcpu, VCPU_SEGMENTS);
}

void vcpu_skip(struct vcpu *vcpu, uint64_t next_rip)
{
    vcpu->state.gpr.rip = next_rip;
    vcpu->state.interrupts.shadow = SHADOW_NONE;
    if (vcpu->state.gpr.rflags &
        RFLAGS_TF) { /* single step: the trap that the instruction would have ended in */
        vcpu_ops->get(vcpu, VCPU_CONTROL);
        vcpu->state.control.dr6 |= DR6_BS;
        vcpu_ops->set(vcpu, VCPU_CONTROL);
        vcpu_inject_exception(vcpu, EXCEPTION_DB, false, 0);
    }
}

void vcpu_inject_exception(struct vcpu *vcpu, uint8_t vector, bool has_error_code, uint32_t error_code)
{
    struct vcpu_event *event = &vcpu->state.interrupts.event;
    if (event->type == EVENT_EXCEPTION && exceptions_doubled_by(event->vector) >> vector & 1) {
        if (event->vector == EXCEPTION_DF) {
            vm_end(vcpu->vm, GUEST_END_RESET); /* shutdown */
            return;
        }
        vector = EXCEPTION_DF;
        has_error_code = true;
        error_code = 0;
    }
    if (vector == EXCEPTION_DB && vcpu->vm->debugged)
        vcpu->requests |= REQUEST_DEBUG;
    *event = (struct vcpu_event){.type = EVENT_EXCEPTION,
                                 .vector = vector,
                                 .has_error_code = has_error_code,
                                 .error_code = error_code};
}
