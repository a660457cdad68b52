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

enum { PAGE_OFFSET = PAGE_SIZE - 1, OPCODE_BYTES = 3 };

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
    *code = (struct vcpu_code){
        .linear = code_linear(vmcb),
        .cr0 = vmcb->cr0,
        .cr3 = vmcb->cr3,
        .cr4 = vmcb->cr4,
        .efer = vmcb->efer,
        .bits = code_is_64bit(vmcb)            ? 64
                : vmcb->cs.attributes & SEG_DB ? 32
                                               : 16,
    };
}

static unsigned opcode_length(uint32_t opcode)
{
    return opcode > 0xffff ? 3 : opcode > 0xff ? 2 : 1;
}

/* The instruction has no prefix and lies on the page used last. That was RAM when it was remembered, and RAM
 * it stays. */
static bool cached_is(const struct insn_cache *cache, const struct vmcb *vmcb, uint32_t opcode,
                      unsigned length)
{
    uint64_t linear = code_linear(vmcb);
    uint64_t offset = linear & PAGE_OFFSET;
    uint32_t bytes;
    if (!cache->valid || cache->page != linear - offset || cache->cr3 != vmcb->cr3 ||
        !(vmcb->cr0 & CR0_PG) != cache->flat || offset > PAGE_SIZE - sizeof(bytes) ||
        user_read_32(USER_GUEST_RAM + cache->gpa + offset, &bytes)) {
        return false;
    }
    return __builtin_bswap32(bytes) >> 8 * (sizeof(bytes) - length) == opcode;
}

uint64_t svm_next_rip(struct vcpu *vcpu, uint32_t opcode)
{
    const struct svm_vcpu *svm = vcpu->backend;
    const struct vmcb *vmcb = svm->vmcb;
    unsigned length = opcode_length(opcode);
    struct insn insn;
    if (svm_features.next_rip) {
        return vmcb->next_rip;
    }
    if (cached_is(&vcpu->insn_cache, vmcb, opcode, length)) {
        return vcpu->state.gpr.rip + length;
    }
    bool same = exit_read_insn(vcpu, true, &insn) &&
                (length == OPCODE_BYTES ? insn.opcode == opcode >> 8 && insn.modrm == (opcode & 0xff)
                                        : insn.opcode == opcode);
    return same ? vcpu->state.gpr.rip + insn.length : 0;
}
