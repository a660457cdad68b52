/*
 * Exits that ring 0 handles alone when the device model has told before what the instruction is
 * (core/known_insn.h): plain 32-bit MOVs to and from the local APIC's page; with the vTLB, loads of CR3 and
 * INVLPG. Guests use the same few instructions again and again. Anything else is the emulator's.
 */
#include "exit.h"
#include "known_insn.h"
#include "vcpu_ops.h"
#include "vtlb.h"

enum { PAGE_OFFSET = 0xfff };

/* NULL: it is not known what the guest does. */
static inline const struct upcall_insn *insn_find(struct vcpu *vcpu, struct vcpu_code *code)
{
    vcpu_ops->code(vcpu, code);
    return known_insn_find(vcpu->known, code, vcpu->exit.reason);
}

/* Without its segment's base. */
static uint64_t insn_address(const struct vcpu *vcpu, const struct upcall_insn *insn)
{
    uint64_t base = insn->base < GPR_COUNT ? vcpu->state.gpr.reg[insn->base] : 0;
    return base + (uint64_t)(int32_t)insn->displacement;
}

static enum exit_outcome insn_done(struct vcpu *vcpu, const struct upcall_insn *insn)
{
    vcpu_skip(vcpu, vcpu->state.gpr.rip + insn->length);
    return EXIT_RESUME;
}

/* The MOV goes in the direction of the exit and to its address: another one may lie at the same linear
 * address now, in a page of code that was put there since. Segments are taken for flat; with another base the
 * address differs. */
static bool move_fits(const struct vcpu *vcpu, const struct upcall_insn *insn)
{
    const struct vcpu_exit_memory *memory = &vcpu->exit.memory;
    bool write = memory->access & ACCESS_WRITE;
    return insn->move != MOVE_NONE && write == (insn->move != MOVE_LOAD) &&
           !(memory->access & (ACCESS_WALK | ACCESS_FETCH)) && !(memory->gpa & 3) &&
           !((insn_address(vcpu, insn) ^ memory->gpa) & PAGE_OFFSET);
}

enum exit_outcome exit_lapic_page(struct vcpu *vcpu)
{
    uint32_t offset = vcpu->exit.memory.gpa & PAGE_OFFSET;
    struct vcpu_code code;
    const struct upcall_insn *insn = insn_find(vcpu, &code);
    if (!insn || !move_fits(vcpu, insn))
        return exit_upcall(vcpu, UPCALL_EMULATE);
    uint64_t *reg = &vcpu->state.gpr.reg[insn->gpr % GPR_COUNT];
    if (insn->move == MOVE_LOAD)
        *reg = lapic_read(vcpu, offset);
    else
        lapic_write(vcpu, offset, insn->move == MOVE_STORE ? (uint32_t)*reg : insn->immediate);
    return insn_done(vcpu, insn);
}

enum exit_outcome exit_cr3(struct vcpu *vcpu)
{
    struct vcpu_code code;
    const struct upcall_insn *insn = insn_find(vcpu, &code);
    if (!insn)
        return exit_upcall(vcpu, UPCALL_EMULATE);
    uint64_t *reg = &vcpu->state.gpr.reg[insn->gpr % GPR_COUNT];
    if (insn->move == MOVE_FROM_CR3)
        *reg = vcpu->state.control.cr3;
    else if (insn->move != MOVE_TO_CR3 || !vtlb_may_load_cr3(vcpu, code.mode & SEG_L ? *reg : (uint32_t)*reg))
        return exit_upcall(vcpu, UPCALL_EMULATE);
    return insn_done(vcpu, insn);
}

/* The operand, where the processor does not tell it. */
static uint64_t invlpg_address(struct vcpu *vcpu)
{
    struct vcpu_code code;
    const struct upcall_insn *insn = insn_find(vcpu, &code);
    if (!insn || insn->move != MOVE_INVLPG || insn->segment > SEG_GS)
        return INVLPG_UNKNOWN;
    uint64_t linear = insn_address(vcpu, insn);
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
