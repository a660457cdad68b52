/*
 * The instruction that caused an exit, on processors that do not say where it ends (no NRIPS). The
 * guest-physical address of the code page used last is remembered; its bytes count only if they are the
 * opcode that the exit names.
 */
#include "svm.h"
#include "exit.h"
#include "guest_memory.h"
#include "x86.h"

enum { PAGE_OFFSET = 0xfff, OPCODE_BYTES = 3 };

static bool code_is_64bit(const struct vmcb *vmcb)
{
    return (vmcb->efer & EFER_LMA) && (vmcb->cs.attributes & SEG_L);
}

static uint64_t code_linear(const struct vmcb *vmcb)
{
    return code_is_64bit(vmcb) ? vmcb->rip : (uint32_t)(vmcb->cs.base + vmcb->rip);
}

static unsigned opcode_length(uint32_t opcode)
{
    return opcode > 0xffff ? 3 : opcode > 0xff ? 2 : 1;
}

/* The instruction has no prefix and lies on the page used last. */
static bool cached_is(const struct insn_cache *cache, const struct vmcb *vmcb, uint32_t opcode,
                      unsigned length)
{
    uint64_t linear = code_linear(vmcb);
    uint64_t offset = linear & PAGE_OFFSET, page = linear - offset;
    uint8_t bytes[4];
    if (vmcb->cr0 & CR0_PG) {
        if (!cache->valid || cache->cr3 != vmcb->cr3 || cache->page != page) {
            return false;
        }
        page = cache->gpa;
    }
    if (offset > PAGE_OFFSET - (sizeof(bytes) - 1) || guest_read(bytes, page + offset, sizeof(bytes))) {
        return false;
    }
    uint32_t first = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
    return first >> 8 * (OPCODE_BYTES - length) == opcode;
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
    vcpu->insn_cache.valid = false; /* translate afresh */
    bool same = exit_read_insn(vcpu, &insn) &&
                (length == OPCODE_BYTES ? insn.opcode == opcode >> 8 && insn.modrm == (opcode & 0xff)
                                        : insn.opcode == opcode);
    return same ? vcpu->state.gpr.rip + insn.length : 0;
}
