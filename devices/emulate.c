/*
 * The instruction emulator's entry: mode, fetch, decode, memory operand, handler, and what follows an
 * instruction.
 */
#include "emulate_internal.h"
#include "format.h"
#include "string.h"

enum { PAGE = 4096 };

/* CPL is SS.DPL (SDM Vol. 3A, 5.5); real mode counts as 0, virtual-8086 mode is 3. */
unsigned emulate_cpl(const struct vcpu_state *state)
{
    if (state->gpr.rflags & FLAG_VM)
        return 3;
    if (!(state->control.cr0 & CR0_PE))
        return 0;
    return (state->segment[SEG_SS].attributes & SEG_DPL_MASK) >> SEG_DPL_SHIFT;
}

enum decode_mode emulate_begin(struct emulation *m, struct emulator *e)
{
    const struct vcpu_state *state = m->state = e->state;
    uint16_t code = state->segment[SEG_CS].attributes;

    m->emulator = e;
    m->in = &m->decoded;
    m->cpl = (uint8_t)emulate_cpl(state);
    m->keeps_rf = false;
    e->modified = 0;
    m->protected = (state->control.cr0 & CR0_PE) && !(state->gpr.rflags & FLAG_VM);
    m->long64 = (state->msrs.efer & EFER_LMA) && (code & SEG_L);
    return m->long64 ? DECODE_64 : code & SEG_DB ? DECODE_32 : DECODE_16;
}

/* Copies instruction bytes from the page of `offset`, at most as many as the page and the code segment hold.
 */
static enum outcome fetch_page(struct emulation *m, uint64_t offset, unsigned *have)
{
    const struct emulator *e = m->emulator;
    struct place place;
    uint64_t linear;
    enum outcome outcome = emulate_linear(m, SEG_CS, offset, 1, INTENT_FETCH, &linear);

    if (outcome != OUTCOME_NEXT)
        return outcome;
    unsigned size = PAGE - (linear & (PAGE - 1));
    if (size > INSTRUCTION_LENGTH_MAX - *have)
        size = INSTRUCTION_LENGTH_MAX - *have;
    if (!m->long64 && offset + size - 1 > m->state->segment[SEG_CS].limit)
        size = m->state->segment[SEG_CS].limit - offset + 1;
    outcome = emulate_walk(m, linear, INTENT_FETCH, m->cpl == 3, &place.piece[0].gpa);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    place.size = place.piece[0].size = size;
    place.pieces = 1;
    place.piece[0].ram = e->machine->ram(e->context, place.piece[0].gpa, false);
    place_read(m, &place, m->bytes + *have);
    if (*have == 0) {
        m->code.gpa = place.piece[0].gpa;
        m->code.in_ram = place.piece[0].ram != NULL;
        m->code.size = size;
        m->code.global = m->global;
    }
    *have += size;
    return OUTCOME_NEXT;
}

/* The second page is asked for only if the instruction really goes on there. */
enum outcome emulate_fetch(struct emulation *m, enum decode_mode mode)
{
    unsigned have = 0;

    for (;;) {
        unsigned before = have;
        enum outcome outcome = fetch_page(m, m->state->gpr.rip + have, &have);
        if (outcome != OUTCOME_NEXT)
            return outcome;
        switch (instruction_decode(&m->decoded, m->bytes, have, mode)) {
        case DECODE_OK:
            return OUTCOME_NEXT;
        case DECODE_MORE:
            if (have > before)
                continue;
            return OUTCOME_UNKNOWN;
        case DECODE_TOO_LONG:
            return emulate_fault_code(m, EXCEPTION_GP, 0);
        default:
            return emulate_fault(m, EXCEPTION_UD);
        }
    }
}

emulate_handler emulate_find_handler(const struct instruction *in)
{
    switch (in->map) {
    case MAP_ONE_BYTE:
        return emulate_one_byte[in->opcode];
    case MAP_0F:
        return emulate_0f[in->opcode];
    case MAP_0F38:
        return emulate_0f38[in->opcode];
    default:
        return NULL;
    }
}

/* BT and its kin with a bit number in a register address memory beyond their operand, and POP's address
 * depends on what it does to rSP: they place it themselves. */
static bool places_itself(const struct instruction *in)
{
    if (in->map == MAP_ONE_BYTE)
        return in->opcode == 0x8f;
    return in->map == MAP_0F &&
           (in->opcode == 0xa3 || in->opcode == 0xab || in->opcode == 0xb3 || in->opcode == 0xbb);
}

const struct operand *emulate_memory_operand(const struct instruction *in)
{
    for (unsigned i = 0; i < INSTRUCTION_OPERANDS && in->operand[i].kind != OPERAND_NONE; i++)
        if (in->operand[i].kind == OPERAND_MEMORY && in->operand[i].size && !places_itself(in))
            return &in->operand[i];
    return NULL;
}

static enum outcome execute(struct emulation *m, enum decode_mode mode)
{
    enum outcome outcome = emulate_fetch(m, mode);

    if (outcome != OUTCOME_NEXT)
        return outcome;
    emulate_handler handler = emulate_find_handler(m->in);
    if (!handler)
        return OUTCOME_UNKNOWN;
    const struct operand *memory = emulate_memory_operand(m->in);
    if (memory)
        outcome = emulate_place_operand(m, memory->size,
                                        memory->access & OPERAND_WRITE ? INTENT_WRITE : INTENT_READ);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    return handler(m);
}

/* RIP and RF behind an instruction. Whoever sees RIP move gives the single-step trap; where it stays, between
 * two elements of a string instruction, the trap comes from here (SDM Vol. 2, REP). */
enum emulate_result emulate_finish(struct emulation *m, enum outcome outcome)
{
    struct emulator *e = m->emulator;
    struct vcpu_gpr *gpr = &m->state->gpr;

    e->modified |= VCPU_GPR;
    if (outcome == OUTCOME_REPEAT) {
        if (!(gpr->rflags & FLAG_TF))
            return EMULATE_DONE;
        m->state->control.dr6 |= DR6_BS;
        e->modified |= VCPU_CONTROL;
        emulate_fault(m, EXCEPTION_DB);
        return EMULATE_INJECT;
    }
    if (outcome == OUTCOME_NEXT) {
        emulate_describe(m);
        gpr->rip += m->in->length;
    }
    if (!m->keeps_rf)
        gpr->rflags &= ~(uint64_t)FLAG_RF;
    if (!m->long64)
        gpr->rip = (uint32_t)gpr->rip;
    return EMULATE_DONE;
}

static enum emulate_result refuse(struct emulation *m)
{
    static const char *const names[] = {"16-bit", "32-bit", "64-bit"};
    struct emulator *e = m->emulator;
    char bytes[3 * INSTRUCTION_LENGTH_MAX + 1];
    unsigned count = m->in->length ? m->in->length : INSTRUCTION_LENGTH_MAX;

    for (unsigned i = 0; i < count; i++)
        format_text(bytes + 3 * i, 4, " %02x", m->bytes[i]);
    format_text(e->text, sizeof(e->text), "the %s instruction%s at %04x:%lx cannot be emulated",
                names[m->in->mode], bytes, m->state->segment[SEG_CS].selector, m->state->gpr.rip);
    return EMULATE_REFUSE;
}

enum emulate_result emulate(struct emulator *e)
{
    struct emulation m;

    enum decode_mode mode = emulate_begin(&m, e);
    e->insn.length = 0;
    enum outcome outcome = execute(&m, mode);
    switch (outcome) {
    case OUTCOME_FAULT:
        return EMULATE_INJECT;
    case OUTCOME_UNKNOWN:
        return refuse(&m);
    case OUTCOME_RETRY:
        return EMULATE_DONE;
    default:
        return emulate_finish(&m, outcome);
    }
}

uint64_t emulate_operand_gpa(const struct vcpu_exit *exit)
{
    bool data = exit->reason == VCPU_EXIT_MEMORY && !(exit->memory.access & (ACCESS_WALK | ACCESS_FETCH));

    return data ? exit->memory.gpa : EMULATE_UNKNOWN;
}

bool emulate_upcall(struct upcall *upcall, const struct emulator_machine *machine, void *context,
                    const struct processor_limits *limits)
{
    struct emulator e;

    e.machine = machine;
    e.context = context;
    e.limits = limits;
    e.vcpu = upcall->vcpu;
    e.state = &upcall->state;
    e.groups = upcall->groups;
    e.gpa = emulate_operand_gpa(&upcall->exit);
    e.gpa_write = upcall->exit.memory.access & ACCESS_WRITE;
    e.ahead = NULL;
    e.halted = false;
    enum emulate_result result = emulate(&e);
    if (result == EMULATE_REFUSE) {
        e.inject = (struct vcpu_event){.type = EVENT_EXCEPTION, .vector = EXCEPTION_UD};
        format_text(upcall->text, sizeof(upcall->text), "vCPU %u: %s", e.vcpu, e.text);
    }
    upcall->status = result == EMULATE_DONE ? UPCALL_OK : UPCALL_INJECT;
    upcall->modified = e.modified;
    upcall->insn = e.insn;
    if (upcall->status == UPCALL_INJECT)
        upcall->inject = e.inject;
    return result == EMULATE_REFUSE;
}
