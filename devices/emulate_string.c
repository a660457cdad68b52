/*
 * String instructions: MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS, with and without REP (SDM Vol. 2, REP).
 *
 * One call does the elements that lie on one page of each operand; of INS and OUTS, whose every call costs an
 * exit, those on up to PORT_PAGES of them, as long as the device takes them in blocks. While elements remain,
 * RIP stays, with RCX, RSI and RDI moved on, as after an interrupt.
 */
#include "emulate_flags.h"
#include "emulate_internal.h"

enum { PAGE = 4096 };
/* A block of READ MULTIPLE, 16 sectors, lies on three pages at most. One by one, four pages of elements would
 * take a slow processor longer than an upcall may. */
enum { PORT_PAGES = 4, ONE_BY_ONE_MAX = 64 };

/* One memory operand of a string instruction, at its next element. */
struct cursor {
    struct place place;
    uint64_t count; /* elements that it can give without leaving the page */
};

struct string {
    struct cursor source, destination;
    uint64_t count;
    uint64_t one_by_one; /* elements done so, of all pages */
    unsigned shift;      /* an element's size is 1 << shift bytes */
    unsigned size;
    int64_t step;
    bool repeated;
};

/* Elements from `offset` on that lie before the end of its page and of the address size: where address
 * arithmetic is plain. At least one, which may itself cross. */
static uint64_t elements_to_boundary(const struct emulation *m, const struct string *s, uint64_t offset,
                                     uint64_t linear)
{
    uint64_t in_page = linear & (PAGE - 1);
    uint64_t last = size_mask(m->in->address_size) - (s->size - 1); /* highest offset of a whole element */

    if (in_page + s->size > PAGE || offset > last)
        return 1;
    uint64_t to_page_end = s->step > 0 ? (PAGE - in_page) >> s->shift : (in_page >> s->shift) + 1;
    uint64_t to_wrap = ((s->step > 0 ? last - offset : offset) >> s->shift) + 1;
    return to_wrap < to_page_end ? to_wrap : to_page_end;
}

static enum outcome cursor_open(struct emulation *m, struct string *s, struct cursor *cursor,
                                unsigned segment, unsigned reg, enum memory_intent intent)
{
    uint64_t offset = gpr_read(m, reg, m->in->address_size), linear, last;
    enum outcome outcome = emulate_linear(m, segment, offset, s->size, intent, &linear);

    if (outcome != OUTCOME_NEXT)
        return outcome;
    cursor->count = elements_to_boundary(m, s, offset, linear);
    if (cursor->count > s->count)
        cursor->count = s->count;
    /* A later element beyond the segment's limit faults when its turn has come. */
    uint64_t last_offset = offset + (cursor->count - 1) * (uint64_t)s->step;
    if (cursor->count > 1 && emulate_linear(m, segment, last_offset, s->size, intent, &last) != OUTCOME_NEXT)
        cursor->count = 1;
    outcome = emulate_place(m, &cursor->place, segment, offset, s->size, intent);
    if (outcome == OUTCOME_NEXT && cursor->count < s->count)
        s->count = cursor->count;
    return outcome;
}

static void cursor_advance(struct cursor *cursor, int64_t bytes)
{
    struct piece *piece = &cursor->place.piece[0];

    piece->gpa += bytes;
    if (piece->ram)
        piece->ram += bytes;
}

/* INS and OUTS upwards in RAM: the elements that the device takes at once. */
static uint64_t do_block(struct emulation *m, struct string *s)
{
    const struct emulator *e = m->emulator;
    bool write = m->in->opcode & 2;
    struct cursor *cursor = write ? &s->source : &s->destination;
    uint8_t *ram = cursor->place.pieces == 1 ? cursor->place.piece[0].ram : NULL;

    if (!e->machine->block || !ram || s->step < 0 || s->count < 2)
        return 0;
    uint32_t done =
        e->machine->block(e->context, m->state->gpr.reg[RDX], s->size, ram, (uint32_t)s->count, write);
    cursor_advance(cursor, done * s->step);
    return done;
}

/* Flags of left - right; false when REPE or REPNE ends here. */
static bool compare(struct emulation *m, const struct string *s, uint64_t left, uint64_t right)
{
    uint64_t flags = flags_of_subtract(left, right, (left - right) & size_mask(s->size), s->size);

    set_flags(m, FLAGS_STATUS, flags);
    return !s->repeated || !(flags & FLAG_ZF) == !(m->in->prefixes & PREFIX_REP);
}

/* One element; false when the repetition ends with it. */
static bool do_element(struct emulation *m, struct string *s)
{
    const struct emulator *e = m->emulator;
    uint16_t port = m->state->gpr.reg[RDX];

    switch (m->in->opcode & 0xfe) {
    case 0x6c: /* INS */
        place_store(m, &s->destination.place, e->machine->in(e->context, port, s->size));
        return true;
    case 0x6e: /* OUTS */
        e->machine->out(e->context, port, s->size, place_load(m, &s->source.place));
        return true;
    case 0xa4: /* MOVS */
        place_store(m, &s->destination.place, place_load(m, &s->source.place));
        return true;
    case 0xa6: { /* CMPS */
        uint64_t left = place_load(m, &s->source.place);
        return compare(m, s, left, place_load(m, &s->destination.place));
    }
    case 0xaa: /* STOS */
        place_store(m, &s->destination.place, gpr_read(m, RAX, s->size));
        return true;
    case 0xac: /* LODS */
        gpr_write(m, RAX, s->size, place_load(m, &s->source.place));
        return true;
    default: /* SCAS */
        return compare(m, s, gpr_read(m, RAX, s->size), place_load(m, &s->destination.place));
    }
}

static void add_to_gpr(struct emulation *m, unsigned reg, int64_t value)
{
    unsigned size = m->in->address_size;

    gpr_write(m, reg, size, gpr_read(m, reg, size) + value);
}

/* Which operands there are, in the order in which the processor looks at them. */
static enum outcome open_operands(struct emulation *m, struct string *s)
{
    enum outcome outcome = OUTCOME_NEXT;

    for (unsigned i = 0; i < 2 && outcome == OUTCOME_NEXT; i++)
        if (m->in->operand[i].kind == OPERAND_STRING_SI)
            outcome = cursor_open(m, s, &s->source, m->in->memory.segment, RSI, INTENT_READ);
    for (unsigned i = 0; i < 2 && outcome == OUTCOME_NEXT; i++)
        if (m->in->operand[i].kind == OPERAND_STRING_DI)
            outcome = cursor_open(m, s, &s->destination, SEG_ES, RDI,
                                  m->in->operand[i].access & OPERAND_WRITE ? INTENT_WRITE : INTENT_READ);
    return outcome;
}

static bool uses(const struct emulation *m, enum operand_kind kind)
{
    return m->in->operand[0].kind == kind || m->in->operand[1].kind == kind;
}

/* Bytes, or what the operand size says; ports have at most four (SDM Vol. 2, INS). */
static unsigned element_shift(const struct instruction *in, bool port)
{
    if (!(in->opcode & 1))
        return 0;
    return in->operand_size == 2 ? 1 : in->operand_size == 4 || port ? 2 : 3;
}

/* Moves rSI, rDI and rCX on after `done` elements. */
static void commit(struct emulation *m, const struct string *s, uint64_t done)
{
    if (uses(m, OPERAND_STRING_SI))
        add_to_gpr(m, RSI, (int64_t)done * s->step);
    if (uses(m, OPERAND_STRING_DI))
        add_to_gpr(m, RDI, (int64_t)done * s->step);
    if (s->repeated)
        add_to_gpr(m, RCX, -(int64_t)done);
}

/* The elements on one page of each operand, at most `count`. *more: the repetition did not end with one. */
static enum outcome do_page(struct emulation *m, struct string *s, uint64_t count, bool port, bool *more)
{
    s->count = count;
    enum outcome outcome = open_operands(m, s);
    if (outcome != OUTCOME_NEXT)
        return outcome;

    uint64_t done = port ? do_block(m, s) : 0;
    while (*more && done < s->count) { /* at most a page of bytes */
        *more = do_element(m, s);
        cursor_advance(&s->source, s->step);
        cursor_advance(&s->destination, s->step);
        done++;
        s->one_by_one++;
    }
    commit(m, s, done);
    s->count = count - done;
    return OUTCOME_NEXT;
}

enum outcome emulate_string(struct emulation *m)
{
    bool port = (m->in->opcode & 0xfc) == 0x6c, single = m->state->gpr.rflags & FLAG_TF, more = true;
    struct string s = {.repeated = m->in->prefixes & (PREFIX_REP | PREFIX_REPNE)};

    s.shift = element_shift(m->in, port);
    s.size = 1u << s.shift;
    s.step = m->state->gpr.rflags & FLAG_DF ? -(int64_t)s.size : (int64_t)s.size;
    uint64_t left = s.repeated ? gpr_read(m, RCX, m->in->address_size) : 1;
    enum outcome outcome =
        port && left ? emulate_port_allowed(m, m->state->gpr.reg[RDX], s.size) : OUTCOME_NEXT;

    for (unsigned page = 0; outcome == OUTCOME_NEXT && more && left; page++) {
        if (page >= (port && s.one_by_one < ONE_BY_ONE_MAX ? PORT_PAGES : 1) || (page && single))
            return OUTCOME_REPEAT;
        outcome = do_page(m, &s, single ? 1 : left, port, &more);
        /* What is done stays done: the next call says it again, and for itself. */
        if (page && outcome != OUTCOME_NEXT)
            return OUTCOME_REPEAT;
        left -= outcome == OUTCOME_NEXT ? (single ? 1 : left) - s.count : 0;
    }
    return outcome;
}
