/*
 * Loads of CR3 and INVLPG of guests on the vTLB: frequent, and done here when the device model has told
 * before what the instruction is (core/known_insn.h).
 */
#include "exit.h"
#include "known_insn.h"
#include "vcpu_ops.h"
#include "vtlb.h"

enum exit_outcome exit_cr3(struct vcpu *vcpu)
{
    struct vcpu_code code;
    vcpu_ops->code(vcpu, &code);
    const struct upcall_insn *insn = known_insn_find(vcpu->known, &code, VCPU_EXIT_CR_ACCESS);
    uint64_t *reg = &vcpu->state.gpr.reg[insn ? insn->gpr % GPR_COUNT : RAX];
    bool done = false;
    if (insn && insn->move == MOVE_FROM_CR3) {
        *reg = *vtlb_cr3(vcpu);
        done = true;
    } else if (insn && insn->move == MOVE_TO_CR3) {
        done = vtlb_may_load_cr3(vcpu, code.mode & SEG_L ? *reg : (uint32_t)*reg);
    }
    vcpu->upcall_kind = UPCALL_EMULATE;
    if (!done)
        return EXIT_UPCALL;
    vcpu_skip(vcpu, vcpu->state.gpr.rip + insn->length);
    return EXIT_RESUME;
}

/* The operand, where the processor does not tell it. */
static uint64_t invlpg_address(struct vcpu *vcpu)
{
    struct vcpu_code code;
    vcpu_ops->code(vcpu, &code);
    const struct upcall_insn *insn = known_insn_find(vcpu->known, &code, VCPU_EXIT_INVLPG);
    if (!insn || insn->move != MOVE_INVLPG || insn->segment > SEG_GS)
        return INVLPG_UNKNOWN;
    uint64_t offset = insn->base < GPR_COUNT ? vcpu->state.gpr.reg[insn->base] : 0;
    offset += (uint64_t)(int32_t)insn->displacement;
    bool wide = code.mode & SEG_L;
    if (wide && insn->segment < SEG_FS)
        return offset;
    vcpu_ops->get(vcpu, VCPU_SEGMENTS);
    uint64_t base = vcpu->state.segment[insn->segment].base;
    return wide ? base + offset : (uint32_t)(base + offset);
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
