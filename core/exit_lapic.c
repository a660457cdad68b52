/*
 * The fast path to the local APIC's page: plain 32-bit MOVs. Anything else that touches it is the emulator's.
 * Guests use the same few instructions again and again: what they decode to is remembered.
 */
#include "exit.h"
#include "fixup.h"
#include "insn.h"
#include "layout.h"
#include "vcpu_ops.h"

enum { PAGE_OFFSET = 0xfff };

/* The eight bytes at RIP, on the page of code used last. False: they are not all there. */
static bool code_bytes(const struct insn_cache *cache, const struct vcpu_code *code, uint64_t *bytes)
{
    uint64_t offset = code->linear - cache->page;
    if (!cache->valid || cache->space != code->space || offset > PAGE_OFFSET + 1 - sizeof(*bytes))
        return false;
    uint64_t address = USER_GUEST_RAM + cache->gpa + offset;
    int64_t low = user_read_32(address), high = user_read_32(address + sizeof(uint32_t));
    *bytes = (uint64_t)high << 32 | (uint32_t)low;
    return low >= 0 && high >= 0;
}

static bool move_fits(const struct vcpu *vcpu, const struct insn_move *move)
{
    return move->size == 4 && move->to_memory == ((vcpu->exit.memory.access & ACCESS_WRITE) != 0);
}

/* A remembered MOV counts if it is there still, and addresses the register of the exit: the page of code may
 * be the one that lay at this address before. Segments are taken for flat; with another base the address
 * differs. */
static bool line_holds(const struct vcpu *vcpu, const struct move_line *line, const struct vcpu_code *code)
{
    uint64_t bytes;
    return line->linear == code->linear && line->code_bits == code->bits && move_fits(vcpu, &line->move) &&
           code_bytes(&vcpu->insn_cache, code, &bytes) && bytes == line->bytes &&
           !((insn_address(&line->insn, vcpu->state.gpr.reg, vcpu->state.gpr.rip) ^ vcpu->exit.memory.gpa) &
             PAGE_OFFSET);
}

static __attribute__((noinline)) bool line_fill(struct vcpu *vcpu, struct move_line *line,
                                                const struct vcpu_code *code)
{
    line->code_bits = 0;
    if (!exit_read_insn(vcpu, &line->insn) || !insn_read_move(&line->insn, &line->move) ||
        !move_fits(vcpu, &line->move))
        return false;
    if (line->insn.length <= sizeof(line->bytes) && code_bytes(&vcpu->insn_cache, code, &line->bytes)) {
        line->linear = code->linear;
        line->code_bits = code->bits;
    }
    return true;
}

enum exit_outcome exit_lapic_page(struct vcpu *vcpu)
{
    uint64_t gpa = vcpu->exit.memory.gpa;
    struct vcpu_code code;
    vcpu_ops->code(vcpu, &code);
    struct move_line *line = &vcpu->moves[code.linear % MOVE_LINES];
    if (vcpu->exit.memory.access & (ACCESS_WALK | ACCESS_FETCH) || gpa & 3 ||
        (!line_holds(vcpu, line, &code) && !line_fill(vcpu, line, &code))) {
        vcpu->upcall_kind = UPCALL_EMULATE;
        return EXIT_UPCALL;
    }
    const struct insn_move *move = &line->move;
    uint64_t *reg = &vcpu->state.gpr.reg[move->gpr & (GPR_COUNT - 1)];
    if (move->to_memory)
        lapic_write(vcpu, gpa & PAGE_OFFSET, (uint32_t)(move->has_immediate ? move->immediate : *reg));
    else
        *reg = lapic_read(vcpu, gpa & PAGE_OFFSET);
    vcpu_skip(vcpu, vcpu->state.gpr.rip + line->insn.length);
    return EXIT_RESUME;
}
