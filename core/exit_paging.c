/*
 * Loads of CR3 and INVLPG of guests on the vTLB: frequent, and done here when the device model has told
 * before what the instruction is (core/known_insn.h).
 */
#include "exit.h"
#include "known_insn.h"
#include "vcpu_ops.h"
#include "vtlb.h"

/* NULL: it is not known what the guest does. */
static const struct upcall_insn *insn_find(struct vcpu *vcpu, struct vcpu_code *code)
{
    vcpu_ops->code(vcpu, code);
    return known_insn_find(vcpu->known, code, vcpu->exit.reason);
}

enum exit_outcome exit_cr3(struct vcpu *vcpu)
{
    struct vcpu_code code;
    const struct upcall_insn *insn = insn_find(vcpu, &code);
    uint64_t *reg = &vcpu->state.gpr.reg[insn ? insn->gpr % GPR_COUNT : RAX];
    bool done = insn && insn->move == MOVE_FROM_CR3;
    if (done)
        *reg = vcpu->state.control.cr3;
    else if (insn && insn->move == MOVE_TO_CR3)
        done = vtlb_may_load_cr3(vcpu, code.mode & SEG_L ? *reg : (uint32_t)*reg);
    vcpu->upcall_kind = UPCALL_EMULATE;
    if (!done)
        return EXIT_UPCALL;
    vcpu->exit.next_rip = vcpu->state.gpr.rip + insn->length;
    return exit_skip(vcpu);
}

/* The operand, where the processor does not tell it. */
static uint64_t invlpg_address(struct vcpu *vcpu)
{
    struct vcpu_code code;
    const struct upcall_insn *insn = insn_find(vcpu, &code);
    if (!insn || insn->move != MOVE_INVLPG || insn->segment > SEG_GS)
        return INVLPG_UNKNOWN;
    uint64_t linear = insn->base < GPR_COUNT ? vcpu->state.gpr.reg[insn->base] : 0;
    linear += (uint64_t)(int32_t)insn->displacement;
    vcpu_ops->get(vcpu, VCPU_SEGMENTS);
    if (!(code.mode & SEG_L))
        return (uint32_t)(linear + vcpu->state.segment[insn->segment].base);
    return linear + (insn->segment < SEG_FS ? 0 : vcpu->state.segment[insn->segment].base);
}

enum exit_outcome exit_invlpg(struct vcpu *vcpu)
{
    uint64_t linear = vcpu->exit.invlpg_address;
    linear = linear == INVLPG_UNKNOWN ? invlpg_address(vcpu) : linear;
    if (linear == INVLPG_UNKNOWN)
        vtlb_flush(vcpu);
    else
        vtlb_flush_page(vcpu, linear);
    return exit_skip(vcpu);
}
