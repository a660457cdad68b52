/*
 * The instruction that caused an exit, on processors that do not say where it ends (no NRIPS). The
 * guest-physical address of the code page used last is remembered; its bytes count only if they are the
 * opcode that the exit names.
 */
#include "svm.h"
#include "exit.h"
#include "x86.h"

void svm_code(const struct vcpu *vcpu, struct vcpu_code *code)
{
    const struct svm_vcpu *svm = vcpu->backend;
    const struct vmcb *vmcb = svm->vmcb;
    bool wide = svm_code_is_64bit(vmcb);
    code->linear = svm_code_linear(vmcb);
    code->space = vmcb->cr0 & CR0_PG ? vmcb->cr3 : INSN_CACHE_FLAT;
    code->bits = wide ? 64 : vmcb->cs.attributes & SEG_DB ? 32 : 16;
}

uint64_t svm_next_rip_afresh(struct vcpu *vcpu, uint32_t opcode, unsigned length)
{
    struct insn insn;
    bool same =
        exit_read_insn(vcpu, &insn) &&
        (length == 3 ? insn.opcode == opcode >> 8 && insn.modrm == (opcode & 0xff) : insn.opcode == opcode);
    return same ? vcpu->state.gpr.rip + insn.length : 0;
}
