/*
 * The fast path to the local APIC's page: plain 32-bit MOVs that the device model has decoded before. Guests
 * use the same few instructions again and again. Anything else that touches the page is the emulator's.
 */
#include "exit.h"
#include "known_insn.h"
#include "vcpu_ops.h"

enum { PAGE_OFFSET = 0xfff };

/* The MOV goes in the direction of the exit and to its address: another one may lie at the same linear
 * address now, in a page of code that was put there since. Segments are taken for flat; with another base the
 * address differs. */
static bool move_fits(const struct vcpu *vcpu, const struct upcall_insn *insn)
{
    const struct vcpu_exit_memory *memory = &vcpu->exit.memory;
    bool write = memory->access & ACCESS_WRITE;
    uint64_t base = insn->base < GPR_COUNT ? vcpu->state.gpr.reg[insn->base] : 0;
    return insn->move != MOVE_NONE && write == (insn->move != MOVE_LOAD) &&
           !(memory->access & (ACCESS_WALK | ACCESS_FETCH)) && !(memory->gpa & 3) &&
           !(((base + insn->displacement) ^ memory->gpa) & PAGE_OFFSET);
}

enum exit_outcome exit_lapic_page(struct vcpu *vcpu)
{
    uint32_t offset = vcpu->exit.memory.gpa & PAGE_OFFSET;
    struct vcpu_code code;
    vcpu_ops->code(vcpu, &code);
    const struct upcall_insn *insn = known_insn_find(vcpu->known, &code, VCPU_EXIT_MEMORY);
    if (!insn || !move_fits(vcpu, insn)) {
        vcpu->upcall_kind = UPCALL_EMULATE;
        return EXIT_UPCALL;
    }
    uint64_t *reg = &vcpu->state.gpr.reg[insn->gpr % GPR_COUNT];
    if (insn->move == MOVE_LOAD)
        *reg = lapic_read(vcpu, offset);
    else
        lapic_write(vcpu, offset, insn->move == MOVE_STORE ? (uint32_t)*reg : insn->immediate);
    vcpu_skip(vcpu, vcpu->state.gpr.rip + insn->length);
    return EXIT_RESUME;
}
