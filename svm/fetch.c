/*
 * The instruction that caused an exit, on processors that do not say where it ends (no NRIPS). The
 * guest-physical address of the code page used last is remembered; its bytes count only if they are the
 * opcode that the exit names.
 */
#include "svm.h"
#include "exit.h"
#include "fixup.h"
#include "frames.h"
#include "layout.h"
#include "x86.h"

static bool code_is_64bit(const struct vmcb *vmcb)
{
    return (vmcb->efer & EFER_LMA) && (vmcb->cs.attributes & SEG_L);
}

static uint64_t code_linear(const struct vmcb *vmcb)
{
    return code_is_64bit(vmcb) ? vmcb->rip : (uint32_t)(vmcb->cs.base + vmcb->rip);
}

void svm_code(const struct vcpu *vcpu, struct vcpu_code *code)
{
    const struct svm_vcpu *svm = vcpu->backend;
    const struct vmcb *vmcb = svm->vmcb;
    bool wide = code_is_64bit(vmcb);
    code->linear = code_linear(vmcb);
    code->space = vmcb->cr0 & CR0_PG ? vmcb->cr3 : INSN_CACHE_FLAT;
    code->bits = wide ? 64 : vmcb->cs.attributes & SEG_DB ? 32 : 16;
}

static __attribute__((noinline)) uint64_t next_rip_afresh(struct vcpu *vcpu, uint32_t opcode, unsigned length)
{
    struct insn insn;
    bool same =
        exit_read_insn(vcpu, &insn) &&
        (length == 3 ? insn.opcode == opcode >> 8 && insn.modrm == (opcode & 0xff) : insn.opcode == opcode);
    return same ? vcpu->state.gpr.rip + insn.length : 0;
}

/* The usual case is an instruction without prefix on the page used last. That was RAM when it was remembered,
 * and RAM it stays. */
uint64_t svm_next_rip(struct vcpu *vcpu, uint32_t opcode, unsigned length)
{
    const struct svm_vcpu *svm = vcpu->backend;
    const struct vmcb *vmcb = svm->vmcb;
    const struct insn_cache *cache = &vcpu->insn_cache;
    if (svm_features.next_rip) {
        return vmcb->next_rip;
    }
    uint64_t space = vmcb->cr0 & CR0_PG ? vmcb->cr3 : INSN_CACHE_FLAT;
    uint64_t offset = code_linear(vmcb) - cache->page;
    if (cache->valid && cache->space == space && offset <= PAGE_SIZE - sizeof(uint32_t)) {
        int64_t bytes = user_read_32(USER_GUEST_RAM + cache->gpa + offset);
        if (bytes >= 0 && __builtin_bswap32((uint32_t)bytes) >> 8 * (sizeof(uint32_t) - length) == opcode) {
            return vcpu->state.gpr.rip + length;
        }
    }
    return next_rip_afresh(vcpu, opcode, length);
}
