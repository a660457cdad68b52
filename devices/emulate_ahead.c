/*
 * The loop behind emulate_ahead.h. What makes it fast: instructions are decoded once, and translations of
 * linear addresses are kept for the length of a call, in which nothing could make them invalid: an
 * instruction that would do so is not emulated here.
 */
#include "emulate_ahead.h"
#include "emulate_internal.h"
#include "string.h"

enum { PAGE = 4096, FETCH_BYTES = 16, DEBUG_ENABLED = 0xff /* DR7, L0 to G3 */ };

/* 2^32 by the golden ratio: addresses close to each other land far apart. */
enum { HASH = 0x9e3779b1u, HASH_SHIFT = 32 - 9 };
_Static_assert(EMULATE_CODES == 1 << (32 - HASH_SHIFT), "all entries, and no others");

/* Code that lies in one page: the next instructions are most likely there, too. */
struct code_page {
    const uint8_t *ram;  /* of RIP `first` */
    uint64_t first, end; /* and of the first byte behind the page */
};

/* With PE set it reads a descriptor, and faults. */
static bool loads_segment(emulate_handler handler)
{
    return handler == emulate_mov_to_segment || handler == emulate_pop_segment;
}

/* What computes, moves and branches within the current code: it takes no long time, and needs no other group
 * of registers than general ones and, without protection, segments. */
static bool is_emulated_ahead(emulate_handler handler, const struct instruction *in)
{
    static const emulate_handler handlers[] = {
        emulate_mov,
        emulate_mov_immediate,
        emulate_movsx,
        emulate_xchg,
        emulate_xchg_accumulator,
        emulate_cmov,
        emulate_setcc,
        emulate_lea,
        emulate_extend_accumulator,
        emulate_bswap,
        emulate_movbe,
        emulate_nop,
        emulate_alu,
        emulate_alu_group1,
        emulate_test,
        emulate_group3,
        emulate_group4,
        emulate_group5,
        emulate_shift,
        emulate_shift_double,
        emulate_multiply_to_register,
        emulate_bit,
        emulate_bit_immediate,
        emulate_bit_scan,
        emulate_cmpxchg,
        emulate_cmpxchg8b,
        emulate_xadd,
        emulate_push,
        emulate_pop,
        emulate_push_flags,
        emulate_leave,
        emulate_call_relative,
        emulate_jump_relative,
        emulate_jump_if,
        emulate_loop,
        emulate_return,
        emulate_flag,
        emulate_cli,
        emulate_rdtsc,
        emulate_group15,
        emulate_in,
        emulate_out,
        emulate_pop_flags,
        emulate_mov_to_segment,
        emulate_push_segment,
        emulate_pop_segment,
        emulate_string,
    };

    if (handler == emulate_group7)
        return in->modrm == MODRM_RDTSCP;
    if (handler == emulate_group5 && (in->modrm >> 3 & 7) % 2 == 1 && (in->modrm >> 3 & 7) != 1)
        return false; /* far CALL and JMP */
    if (handler == emulate_movsx && in->map == MAP_ONE_BYTE && in->mode != DECODE_64)
        return false; /* ARPL */
    if (handler == emulate_group15 && in->modrm < 0xc0 && (in->modrm >> 3 & 7) < 4)
        return false; /* FXSAVE and its kin */
    if (loads_segment(handler) && in->operand[0].reg == SEG_SS)
        return false; /* it has a shadow */
    for (unsigned i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
        if (handler == handlers[i])
            return true;
    return false;
}

static uint64_t bytes_mask(unsigned count)
{
    return count >= 8 ? ~0ull : (1ull << 8 * count) - 1;
}

/* Finds the page of RIP. False: the segment or the page does not allow a fetch, or there is no RAM. */
static bool find_page(struct emulation *m, struct code_page *page)
{
    const struct emulate_translation *translation;
    uint64_t rip = m->state->gpr.rip, linear;

    if (emulate_linear(m, SEG_CS, rip, FETCH_BYTES, INTENT_FETCH, &linear) != OUTCOME_NEXT)
        return false;
    unsigned left = PAGE - (linear & (PAGE - 1));
    if (emulate_linear(m, SEG_CS, rip, left, INTENT_FETCH, &linear) != OUTCOME_NEXT)
        return false;
    translation = emulate_translate(m, linear, INTENT_FETCH);
    if (!translation || !translation->ram)
        return false;
    page->ram = translation->ram + (linear & (PAGE - 1));
    page->first = rip;
    page->end = rip + left;
    return true;
}

/* The bytes at RIP, with zeros behind the page's end. */
static void load_code(const struct code_page *page, uint64_t rip, uint64_t bytes[2])
{
    const uint8_t *code = page->ram + (rip - page->first);
    uint8_t tail[FETCH_BYTES] = {0};

    if (page->end - rip < FETCH_BYTES)
        code = memcpy(tail, code, page->end - rip);
    bytes[0] = load_8(code);
    bytes[1] = load_8(code + 8);
}

/* The decoded instruction at RIP, or NULL where it is not to be emulated here. */
static const struct emulate_code *find_code(struct emulation *m, struct code_page *page,
                                            enum decode_mode mode)
{
    uint64_t rip = m->state->gpr.rip, bytes[2];

    if (rip - page->first >= page->end - page->first && !find_page(m, page))
        return NULL;
    load_code(page, rip, bytes);
    struct emulate_code *code = &m->emulator->ahead->memo->code[(uint32_t)rip * HASH >> HASH_SHIFT];
    if (code->in.length && code->in.mode == mode && ((bytes[0] ^ code->bytes[0]) & code->mask[0]) == 0 &&
        ((bytes[1] ^ code->bytes[1]) & code->mask[1]) == 0 && code->in.length <= page->end - rip)
        return code;
    if (instruction_decode(&code->in, (const uint8_t *)bytes, INSTRUCTION_LENGTH_MAX, mode) != DECODE_OK ||
        code->in.length > page->end - rip) {
        code->in.length = 0;
        return NULL;
    }
    unsigned length = code->in.length;
    code->mask[0] = bytes_mask(length);
    code->mask[1] = length > 8 ? bytes_mask(length - 8) : 0;
    code->bytes[0] = bytes[0];
    code->bytes[1] = bytes[1];
    code->handler = emulate_find_handler(&code->in);
    if (!is_emulated_ahead(code->handler, &code->in))
        code->handler = NULL;
    const struct operand *memory = emulate_memory_operand(&code->in);
    code->place_size = memory ? (uint8_t)memory->size : 0;
    code->place_intent = memory && memory->access & OPERAND_WRITE ? INTENT_WRITE : INTENT_READ;
    return code;
}

/* How many elements are left to a string instruction. */
static uint64_t elements_left(const struct emulation *m)
{
    bool repeated = m->in->prefixes & (PREFIX_REP | PREFIX_REPNE);

    return repeated ? m->state->gpr.reg[RCX] & size_mask(m->in->address_size) : 1;
}

/* It is as long as its elements are many. */
static enum outcome do_string(struct emulation *m)
{
    uint64_t left = elements_left(m);

    if (left > EMULATE_ELEMENTS_MAX)
        return OUTCOME_UNKNOWN;
    enum outcome outcome = emulate_string(m);
    m->emulator->ahead->elements += (uint32_t)(left - elements_left(m));
    return outcome;
}

/* What is popped may have to be left to the processor after all, and a device must not be read twice. */
static bool pops_from_ram(struct emulation *m)
{
    enum { LARGEST = 8 };
    uint64_t linear, sp = gpr_read(m, RSP, emulate_stack_size(m));

    if (emulate_linear(m, SEG_SS, sp, LARGEST, INTENT_READ, &linear) != OUTCOME_NEXT)
        return false;
    const struct emulate_translation *first = emulate_translate(m, linear, INTENT_READ);
    if (!first || !first->ram)
        return false;
    const struct emulate_translation *last = emulate_translate(m, linear + LARGEST - 1, INTENT_READ);
    return last && last->ram;
}

/* One instruction; false, and nothing has changed, where it is not to be emulated here. */
static bool step(struct emulation *m, struct code_page *page, enum decode_mode mode)
{
    const struct emulate_code *code = find_code(m, page, mode);

    if (!code || !code->handler || (m->protected && loads_segment(code->handler)))
        return false;
    m->in = &code->in;
    if (code->handler == emulate_pop_flags && !pops_from_ram(m))
        return false;
    struct vcpu_gpr *gpr = &m->state->gpr;
    uint64_t rflags = gpr->rflags, rsp = gpr->reg[RSP];
    enum outcome outcome = OUTCOME_NEXT;
    if (code->place_size)
        outcome = emulate_place_operand(m, code->place_size, (enum memory_intent)code->place_intent);
    if (outcome == OUTCOME_NEXT)
        outcome = code->handler == emulate_string ? do_string(m) : code->handler(m);
    if (outcome != OUTCOME_NEXT && outcome != OUTCOME_BRANCH)
        return outcome == OUTCOME_REPEAT;
    if (gpr->rflags & ~rflags & FLAG_TF) { /* POPF: no trap is due before the next instruction has run */
        gpr->rflags = rflags;
        gpr->reg[RSP] = rsp;
        return false;
    }
    if (outcome == OUTCOME_NEXT)
        gpr->rip += code->in.length;
    if (!m->long64)
        gpr->rip = (uint32_t)gpr->rip;
    return true;
}

/* Outside of 64-bit mode, where the base alone counts, and at CPL 3, where alignment may. */
static uint32_t flat_segments(const struct emulation *m)
{
    enum { WRITABLE_DATA = SEG_P | SEG_S | 2, NOT_SO = 8 | 4 /* code, or expand-down */ };
    uint32_t flat = 0;

    for (unsigned i = SEG_ES; i <= SEG_GS && !m->long64 && m->protected && m->cpl < 3; i++) {
        const struct segment *segment = &m->state->segment[i];
        bool writable = (segment->attributes & (WRITABLE_DATA | NOT_SO)) == WRITABLE_DATA;
        if (writable && segment->limit == UINT32_MAX)
            flat |= 1u << i;
    }
    return flat;
}

void emulate_ahead(struct emulator *e, struct emulate_ahead *ahead)
{
    struct emulation m;
    struct code_page page = {0};
    const uint64_t *flags = &e->state->gpr.rflags, closed = ~*flags & FLAG_IF;
    uint64_t cr2 = e->state->control.cr2;
    uint32_t quiet = 0, accesses = 0;

    ahead->instructions = ahead->elements = ahead->accesses = 0;
    e->modified = 0;
    /* Each instruction has its trap, or its breakpoints. */
    if ((e->state->gpr.rflags & FLAG_TF) || (e->state->control.dr7 & DEBUG_ENABLED))
        return;
    memset(ahead->memo->translation, 0, sizeof(ahead->memo->translation));
    e->ahead = ahead;
    enum decode_mode mode = emulate_begin(&m, e);
    ahead->flat = flat_segments(&m);
    while (ahead->instructions + ahead->elements < EMULATE_AHEAD_MAX && quiet < EMULATE_GAP_MAX &&
           !(*flags & closed) && step(&m, &page, mode)) {
        ahead->instructions++;
        quiet++;
        if (ahead->accesses == accesses)
            continue;
        if (!ahead->may_go_on(e->context))
            break;
        accesses = ahead->accesses;
        quiet = 0;
    }
    e->ahead = NULL;
    e->state->control.cr2 = cr2; /* of a fault that the processor will find */
    e->modified = ahead->instructions ? VCPU_GPR | (e->modified & VCPU_SEGMENTS) : 0;
}
