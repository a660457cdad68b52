/*
 * The fast path to the local APIC's page: plain 32-bit MOVs. Anything else that touches it is the emulator's.
 */
#include "exit.h"
#include "insn.h"

enum { PAGE_OFFSET = 0xfff };

/* The instruction is a 32-bit MOV that does what the exit says; where it comes from a remembered page it must
 * also address this register. Segments are taken for flat: another base makes the address differ, and the
 * page is looked up afresh. */
static bool move_fits(const struct vcpu *vcpu, const struct insn *insn, struct insn_move *move,
                      bool check_address)
{
    uint64_t gpa = vcpu->exit.memory.gpa;
    if (!insn_read_move(insn, move) || move->size != 4 || gpa & 3 ||
        move->to_memory != ((vcpu->exit.memory.access & ACCESS_WRITE) != 0)) {
        return false;
    }
    return !check_address ||
           !((insn_address(insn, vcpu->state.gpr.reg, vcpu->state.gpr.rip) ^ gpa) & PAGE_OFFSET);
}

enum exit_outcome exit_lapic_page(struct vcpu *vcpu)
{
    struct insn insn;
    struct insn_move move;
    uint32_t offset = vcpu->exit.memory.gpa & PAGE_OFFSET;
    if (vcpu->exit.memory.access & (ACCESS_WALK | ACCESS_FETCH) ||
        (!(exit_read_insn(vcpu, false, &insn) && move_fits(vcpu, &insn, &move, true)) &&
         !(exit_read_insn(vcpu, true, &insn) && move_fits(vcpu, &insn, &move, false)))) {
        vcpu->upcall_kind = UPCALL_EMULATE;
        return EXIT_UPCALL;
    }
    uint64_t *reg = &vcpu->state.gpr.reg[move.gpr & (GPR_COUNT - 1)];
    if (move.to_memory) {
        lapic_write(vcpu, offset, (uint32_t)(move.has_immediate ? move.immediate : *reg));
    } else {
        *reg = lapic_read(vcpu, offset);
    }
    vcpu_skip(vcpu, vcpu->state.gpr.rip + insn.length);
    return EXIT_RESUME;
}
