/*
 * What the monitor may remember of an instruction, so that it does without the device model when the guest
 * comes there again: its length, and the operands of a plain MOV, of one of CR3, and of INVLPG.
 */
#include "emulate_internal.h"
#include "string.h"

enum { WORD = sizeof(uint32_t), MOV_SIZE = 4 };

/* 32 bits between a register and memory, or an immediate to memory, at a register plus displacement. */
static enum upcall_move find_move(const struct instruction *in)
{
    bool plain = in->map == MAP_ONE_BYTE && in->operand[0].size == MOV_SIZE && in->address_size > 2 &&
                 in->memory.index == BASE_NONE && !(in->prefixes & (PREFIX_LOCK | PREFIX_REP | PREFIX_REPNE));
    bool memory = in->operand[0].kind == OPERAND_MEMORY || in->operand[1].kind == OPERAND_MEMORY;

    if (!plain || !memory)
        return MOVE_NONE;
    switch (in->opcode) {
    case 0x8b:
    case 0xa1:
        return MOVE_LOAD;
    case 0x89:
    case 0xa3:
        return MOVE_STORE;
    case 0xc7:
        return MOVE_STORE_IMMEDIATE;
    default:
        return MOVE_NONE;
    }
}

static bool is_invlpg(const struct instruction *in)
{
    return in->map == MAP_0F && in->opcode == 0x01 && (in->modrm >> 3 & 7) == 7 && in->modrm >> 6 != 3;
}

/* With an address of the code's own size, at a register plus displacement. */
static bool is_plain_invlpg(const struct instruction *in)
{
    return is_invlpg(in) && in->address_size == (in->mode == DECODE_64 ? 8 : 4) &&
           in->memory.base != BASE_RIP && in->memory.index == BASE_NONE;
}

static enum upcall_move find_system_move(const struct instruction *in)
{
    bool control = in->map == MAP_0F && (in->opcode == 0x20 || in->opcode == 0x22);
    bool load = in->opcode == 0x22;

    if (control && in->operand[load ? 0 : 1].reg == 3)
        return load ? MOVE_TO_CR3 : MOVE_FROM_CR3;
    return is_plain_invlpg(in) ? MOVE_INVLPG : find_move(in);
}

void emulate_describe(struct emulation *m)
{
    const struct instruction *in = m->in;
    const struct memory_operand *memory = &in->memory;
    enum upcall_move move = find_system_move(in);
    bool first = move == MOVE_LOAD || move == MOVE_FROM_CR3;
    uint64_t next_rip = m->state->gpr.rip + in->length;
    struct upcall_insn *insn = &m->emulator->insn;

    *insn = (struct upcall_insn){
        .gpa = m->code.gpa,
        .length = in->length,
        .global = m->code.global,
        .move = (uint8_t)move,
        .gpr = in->operand[first ? 0 : 1].reg,
        .base = memory->base < GPR_COUNT ? memory->base : GPR_COUNT,
        .segment = memory->segment,
        .displacement = (uint32_t)(memory->displacement + (memory->base == BASE_RIP ? next_rip : 0)),
        .immediate = (uint32_t)in->immediate,
    };
    unsigned words = (in->length + WORD - 1u) / WORD;
    if (m->code.in_ram && m->code.size >= words * WORD && words <= INSN_WORDS) {
        insn->words = (uint8_t)words;
        memcpy(insn->bytes, m->bytes, words * WORD);
    }
}

static bool is_expected(const struct instruction *in, uint32_t reason)
{
    switch (reason) {
    case VCPU_EXIT_CPUID:
        return in->map == MAP_0F && in->opcode == 0xa2;
    case VCPU_EXIT_HLT:
        return in->map == MAP_ONE_BYTE && in->opcode == 0xf4;
    default: /* VCPU_EXIT_INVLPG */
        return is_invlpg(in);
    }
}

void emulate_locate(struct upcall *upcall, const struct emulator_machine *machine, void *context)
{
    struct emulator e = {.machine = machine, .context = context, .state = &upcall->state};
    struct emulation m;
    enum decode_mode mode = emulate_begin(&m, &e);

    if (emulate_fetch(&m, mode) == OUTCOME_NEXT && is_expected(m.in, upcall->exit.reason))
        emulate_describe(&m);
    upcall->insn = e.insn;
}
