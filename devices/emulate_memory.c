/*
 * Memory of the emulator: segmentation (SDM Vol. 3A chapter 5), places that may cross a page, RAM and
 * devices.
 */
#include "emulate_ahead.h"
#include "emulate_internal.h"
#include "string.h"

enum { PAGE = 4096 };

enum outcome emulate_fault_code(struct emulation *m, enum exception vector, uint32_t error_code)
{
    m->emulator->inject = (struct vcpu_event){
        .type = EVENT_EXCEPTION, .vector = vector, .has_error_code = 1, .error_code = error_code};
    return OUTCOME_FAULT;
}

enum outcome emulate_fault(struct emulation *m, enum exception vector)
{
    m->emulator->inject = (struct vcpu_event){.type = EVENT_EXCEPTION, .vector = vector};
    return OUTCOME_FAULT;
}

static enum outcome segment_fault(struct emulation *m, unsigned segment)
{
    return emulate_fault_code(m, segment == SEG_SS ? EXCEPTION_SS : EXCEPTION_GP, 0);
}

static bool is_canonical(const struct emulation *m, uint64_t linear)
{
    unsigned unused = m->state->control.cr4 & CR4_LA57 ? 64 - 57 : 64 - 48;
    return (uint64_t)((int64_t)(linear << unused) >> unused) == linear;
}

/* Type and limit of a segment outside 64-bit mode. */
static bool segment_allows(const struct emulation *m, const struct segment *segment, uint64_t offset,
                           unsigned size, enum memory_intent intent)
{
    unsigned type = segment->attributes & SEG_TYPE_MASK;
    bool code = type & 8;
    uint64_t last = offset + size - 1;

    if (m->protected) {
        if (!(segment->attributes & SEG_P))
            return false;
        if (intent == INTENT_WRITE && (code || !(type & 2)))
            return false;
        if (intent == INTENT_READ && code && !(type & 2))
            return false;
    }
    if (!code && (type & 4)) /* expand-down */
        return offset > segment->limit && last <= (segment->attributes & SEG_DB ? 0xffffffffull : 0xffffull);
    return last <= segment->limit;
}

enum outcome emulate_linear(struct emulation *m, unsigned number, uint64_t offset, unsigned size,
                            enum memory_intent intent, uint64_t *linear)
{
    const struct segment *segment = &m->state->segment[number];

    if (m->long64) {
        *linear = offset + (number == SEG_FS || number == SEG_GS ? segment->base : 0);
        if (!is_canonical(m, *linear) || !is_canonical(m, *linear + size - 1))
            return segment_fault(m, number);
    } else {
        if (!segment_allows(m, segment, offset, size, intent))
            return segment_fault(m, number);
        *linear = (uint32_t)(segment->base + offset);
    }
    if ((m->state->gpr.rflags & FLAG_AC) && (m->state->control.cr0 & CR0_AM) && m->cpl == 3 && size <= 8 &&
        intent != INTENT_FETCH && (*linear & (size - 1)))
        return emulate_fault_code(m, EXCEPTION_AC, 0);
    return OUTCOME_NEXT;
}

static enum outcome find_pieces(struct emulation *m, struct place *place, uint64_t linear, unsigned size,
                                enum memory_intent intent, bool user)
{
    const struct emulator *e = m->emulator;
    unsigned first = PAGE - (linear & (PAGE - 1));

    place->size = size;
    place->pieces = size > first ? 2 : 1;
    for (unsigned i = 0; i < place->pieces; i++) {
        struct piece *piece = &place->piece[i];
        uint64_t address = i ? linear + first : linear;
        if (!m->long64)
            address = (uint32_t)address;
        enum outcome outcome = emulate_walk(m, address, intent, user, &piece->gpa);
        if (outcome != OUTCOME_NEXT)
            return outcome;
        piece->size = place->pieces == 1 ? size : i ? size - first : first;
        piece->ram = e->machine->ram(e->context, piece->gpa, intent == INTENT_WRITE);
        if (!piece->ram && e->ahead && piece->gpa - e->ahead->refused < PAGE)
            return OUTCOME_UNKNOWN;
    }
    return OUTCOME_NEXT;
}

/* The frequent case of emulate_ahead(): one piece of a flat segment. False: not that case, or a fault. */
static bool place_flat(struct emulation *m, struct place *place, unsigned segment, uint64_t offset,
                       unsigned size, enum memory_intent intent)
{
    const struct emulate_ahead *ahead = m->emulator->ahead;
    const struct emulate_translation *translation;

    if (!(ahead->flat >> segment & 1) || offset > UINT32_MAX - size)
        return false;
    uint32_t linear = (uint32_t)(m->state->segment[segment].base + offset), at = linear & (PAGE - 1);
    if (at + size > PAGE || !(translation = emulate_translate(m, linear, intent)))
        return false;
    if (!translation->ram && translation->page == ahead->refused)
        return false;
    place->size = place->piece[0].size = size;
    place->pieces = 1;
    place->piece[0].gpa = translation->page + at;
    place->piece[0].ram = translation->ram ? translation->ram + at : NULL;
    return true;
}

enum outcome emulate_place(struct emulation *m, struct place *place, unsigned segment, uint64_t offset,
                           unsigned size, enum memory_intent intent)
{
    uint64_t linear;

    if (m->emulator->ahead && place_flat(m, place, segment, offset, size, intent))
        return OUTCOME_NEXT;
    enum outcome outcome = emulate_linear(m, segment, offset, size, intent, &linear);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    return find_pieces(m, place, linear, size, intent, m->cpl == 3);
}

/* Whether the address that the processor has reported can only be that of the ModRM operand: the instruction
 * uses neither the stack nor a descriptor table. */
static bool is_only_operand(const struct instruction *in)
{
    if (in->map == MAP_ONE_BYTE)
        return in->opcode != 0xff && in->opcode != 0x8f && in->opcode != 0x8e && (in->opcode & 0xfe) != 0xc4;
    return in->map != MAP_0F || (in->opcode != 0xb2 && (in->opcode & 0xfe) != 0xb4);
}

enum outcome emulate_place_operand(struct emulation *m, unsigned size, enum memory_intent intent)
{
    const struct emulator *e = m->emulator;
    struct place *place = &m->place;
    uint64_t linear, address = emulate_effective_address(m);

    if (e->ahead && place_flat(m, place, m->in->memory.segment, address, size, intent))
        return OUTCOME_NEXT;
    enum outcome outcome = emulate_linear(m, m->in->memory.segment, address, size, intent, &linear);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    unsigned offset = linear & (PAGE - 1);
    bool known = e->gpa != EMULATE_UNKNOWN && offset == (e->gpa & (PAGE - 1)) && offset + size <= PAGE &&
                 (intent != INTENT_WRITE || e->gpa_write) && is_only_operand(m->in);
    if (!known)
        return find_pieces(m, place, linear, size, intent, m->cpl == 3);
    place->size = place->piece[0].size = size;
    place->pieces = 1;
    place->piece[0].gpa = e->gpa;
    place->piece[0].ram = e->machine->ram(e->context, e->gpa, intent == INTENT_WRITE);
    return OUTCOME_NEXT;
}

enum outcome emulate_place_system(struct emulation *m, struct place *place, uint64_t linear, unsigned size,
                                  enum memory_intent intent)
{
    return find_pieces(m, place, linear, size, intent, false);
}

/* The largest access of 1, 2, 4 or 8 bytes that `left` bytes allow. */
static unsigned device_step(unsigned left)
{
    return left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

static void piece_read(struct emulation *m, const struct piece *piece, uint8_t *to)
{
    const struct emulator *e = m->emulator;

    if (piece->ram) {
        memcpy(to, piece->ram, piece->size);
        return;
    }
    for (unsigned at = 0, step; at < piece->size; at += step) {
        step = device_step(piece->size - at);
        uint64_t value = e->machine->read(e->context, piece->gpa + at, step);
        memcpy(to + at, &value, step);
    }
}

static void piece_write(struct emulation *m, const struct piece *piece, const uint8_t *from)
{
    const struct emulator *e = m->emulator;

    if (piece->ram) {
        memcpy(piece->ram, from, piece->size);
        return;
    }
    for (unsigned at = 0, step; at < piece->size; at += step) {
        uint64_t value = 0;
        step = device_step(piece->size - at);
        memcpy(&value, from + at, step);
        e->machine->write(e->context, piece->gpa + at, step, value);
    }
}

void place_read(struct emulation *m, const struct place *place, void *to)
{
    piece_read(m, &place->piece[0], to);
    if (place->pieces == 2)
        piece_read(m, &place->piece[1], (uint8_t *)to + place->piece[0].size);
}

void place_write(struct emulation *m, const struct place *place, const void *from)
{
    piece_write(m, &place->piece[0], from);
    if (place->pieces == 2)
        piece_write(m, &place->piece[1], (const uint8_t *)from + place->piece[0].size);
}

uint64_t place_load(struct emulation *m, const struct place *place)
{
    const struct emulator *e = m->emulator;
    const uint8_t *ram = place->piece[0].ram;
    uint64_t value = 0;

    if (place->pieces == 1 && ram && place->size == 4)
        return load_4(ram);
    if (place->pieces == 1 && !ram && (place->size & (place->size - 1)) == 0)
        return e->machine->read(e->context, place->piece[0].gpa, place->size) & size_mask(place->size);
    place_read(m, place, &value);
    return value;
}

void place_store(struct emulation *m, const struct place *place, uint64_t value)
{
    const struct emulator *e = m->emulator;
    uint8_t *ram = place->piece[0].ram;

    if (place->pieces == 1 && ram && place->size == 4)
        __builtin_memcpy(ram, &value, 4);
    else if (place->pieces == 1 && !ram && (place->size & (place->size - 1)) == 0)
        e->machine->write(e->context, place->piece[0].gpa, place->size, value & size_mask(place->size));
    else
        place_write(m, place, &value);
}

bool place_exchange(struct emulation *m, const struct place *place, uint64_t old, uint64_t value)
{
    uint8_t *ram = place->piece[0].ram;

    if (place->pieces == 1 && ram) {
        uint8_t old1 = old;
        uint16_t old2 = old;
        uint32_t old4 = old;
        switch (place->size) {
        case 1:
            return __atomic_compare_exchange_n(ram, &old1, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        case 2:
            return __atomic_compare_exchange_n((uint16_t *)ram, &old2, value, false, __ATOMIC_SEQ_CST,
                                               __ATOMIC_SEQ_CST);
        case 4:
            return __atomic_compare_exchange_n((uint32_t *)ram, &old4, value, false, __ATOMIC_SEQ_CST,
                                               __ATOMIC_SEQ_CST);
        case 8:
            return __atomic_compare_exchange_n((uint64_t *)ram, &old, value, false, __ATOMIC_SEQ_CST,
                                               __ATOMIC_SEQ_CST);
        }
    }
    place_store(m, place, value);
    return true;
}
