/*
 * The fast path to the local APIC's page: plain 32-bit MOVs. Anything else that touches it is the emulator's.
 */
#include "exit.h"
#include "insn.h"

enum exit_outcome exit_lapic_page(struct vcpu *vcpu)
{
    struct insn insn;
    struct insn_move move;
    uint32_t offset = vcpu->exit.memory.gpa & 0xfff;
    bool write = vcpu->exit.memory.access & ACCESS_WRITE;
    if (!exit_read_insn(vcpu, &insn) || !insn_read_move(&insn, &move) || move.size != 4 || offset & 3 ||
        move.to_memory != write || vcpu->exit.memory.access & ACCESS_WALK) {
        vcpu->upcall_kind = UPCALL_EMULATE;
        return EXIT_UPCALL;
    }
    uint64_t *reg = &vcpu->state.gpr.reg[move.gpr & (GPR_COUNT - 1)];
    if (write) {
        lapic_write(vcpu, offset, (uint32_t)(move.has_immediate ? move.immediate : *reg));
    } else {
        *reg = lapic_read(vcpu, offset);
    }
    vcpu_skip(vcpu, vcpu->state.gpr.rip + insn.length);
    return EXIT_RESUME;
}
