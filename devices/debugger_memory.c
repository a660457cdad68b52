/*
 * A debugger's view of the guest's memory, and its software breakpoints: INT3 in the guest's RAM, with what
 * the guest has there kept beside and shown to the debugger.
 *
 * Addresses are linear: in real mode segment * 16 + offset. A breakpoint may lie where nothing is mapped yet,
 * or where a device will write: after each upcall it is put in place (again). What the guest itself writes
 * over one, between two upcalls, takes it away until then. In ROM it lies in the guest's own copy of that.
 *
 * Missing: memory of devices, whose reads have effects; A20.
 */
#include "debugger_internal.h"
#include "effects.h"
#include "layout.h"
#include "ring3.h"
#include "string.h"
#include "walk.h"
#include "x86.h"

enum { INT3 = 0xcc, PAGE = 4096, ADDRESS_WIDTH = 52, SPARE_KINDS = 2 };

static bool walk_read(void *context, uint64_t gpa, unsigned size, uint64_t *entry)
{
    const void *ram = ring3_memory(gpa, size, MEMORY_READ);

    (void)context;
    if (!ram)
        return false;
    *entry = size == 8 ? __atomic_load_n((const uint64_t *)ram, __ATOMIC_RELAXED)
                       : __atomic_load_n((const uint32_t *)ram, __ATOMIC_RELAXED);
    return true;
}

/* The walk does not look at the upper bits, but the guest gets nowhere by other ones. */
static bool is_canonical(const struct vcpu_state *state, uint64_t linear)
{
    unsigned unused = state->control.cr4 & CR4_LA57 ? 64 - 57 : 64 - 48;
    return !(state->msrs.efer & EFER_LMA) || (uint64_t)((int64_t)(linear << unused) >> unused) == linear;
}

bool debugger_walk(const struct vcpu_state *state, uint64_t linear, uint64_t *gpa)
{
    const struct walk_memory memory = {.read = walk_read};
    const struct walk_registers registers = {.cr0 = state->control.cr0,
                                             .cr3 = state->control.cr3,
                                             .cr4 = state->control.cr4,
                                             .efer = state->msrs.efer,
                                             .override_smap = true,
                                             .physical_width = ADDRESS_WIDTH};
    struct walk_result result;

    if (!is_canonical(state, linear) || !walk_translate(&memory, &registers, linear, 0, &result))
        return false;
    *gpa = result.gpa;
    return true;
}

/* Where a byte may lie in the guest's spare memory: in ROM, or in RAM in its place (pam.h). */
static void spare_offsets(uint64_t gpa, uint64_t offsets[SPARE_KINDS])
{
    uint64_t high = gpa - (GUEST_HIGH_RAM - SPARE_ROM_SIZE);
    uint64_t low = gpa < GUEST_UPPER_END ? SPARE_ROM_SIZE - GUEST_UPPER_END + gpa : SPARE_ROM_SIZE;

    offsets[0] = SPARE_ROM + (high < SPARE_ROM_SIZE ? high : low);
    offsets[1] = SPARE_UPPER + gpa - GUEST_VGA_HOLE;
}

static const uint8_t *seen_at(uint64_t gpa)
{
    return ring3_memory(gpa, 1, MEMORY_READ);
}

/* The guest sees ROM in two places. */
static bool lies_at(const struct debugger_breakpoint *breakpoint, uint64_t gpa)
{
    uint64_t offsets[SPARE_KINDS];

    if (!breakpoint->armed || gpa == breakpoint->gpa || !breakpoint->spare)
        return breakpoint->armed && gpa == breakpoint->gpa;
    spare_offsets(gpa, offsets);
    if (breakpoint->spare != offsets[0] && breakpoint->spare != offsets[1])
        return false;
    const uint8_t *seen = seen_at(gpa);
    return seen && *seen == INT3;
}

/* The byte that the guest has there, in place of a breakpoint. */
static uint8_t *byte_of(struct debugger *debugger, uint64_t gpa, uint8_t *ram)
{
    for (unsigned i = 0; i < DEBUGGER_BREAKPOINTS; i++)
        if (lies_at(&debugger->breakpoint[i], gpa))
            return &debugger->breakpoint[i].original;
    return ram;
}

/* What lies there, up to the end of the page or of *part, which is cut to that; NULL: no memory, or none that
 * can be written. */
static uint8_t *part_at(const struct vcpu_state *state, uint64_t linear, uint32_t *part, uint64_t *gpa,
                        bool write)
{
    uint32_t left = PAGE - (uint32_t)(linear % PAGE);

    *part = *part < left ? *part : left;
    return debugger_walk(state, linear, gpa)
               ? ring3_memory(*gpa, *part, write ? MEMORY_READ | MEMORY_WRITE : MEMORY_READ)
               : NULL;
}

uint32_t debugger_move(struct debugger *debugger, const struct vcpu_state *state, uint64_t linear,
                       uint8_t *bytes, uint32_t length, bool write)
{
    uint32_t done, part;
    uint64_t gpa;

    for (done = 0; write && done < length; done += part) { /* all of it, or nothing */
        part = length - done;
        if (!part_at(state, linear + done, &part, &gpa, true))
            return 0;
    }
    for (done = 0; done < length;) {
        part = length - done;
        uint8_t *ram = part_at(state, linear + done, &part, &gpa, write);
        if (!ram)
            break;
        for (uint32_t i = 0; i < part; i++, done++) {
            uint8_t *at = byte_of(debugger, gpa + i, ram + i);
            if (write)
                *at = bytes[done];
            else
                bytes[done] = *at;
        }
    }
    return done;
}

/* Where a byte lies that the guest may not write is tried, and seen in what it sees. 0: nowhere. */
static uint64_t spare_of(uint64_t gpa, const volatile uint8_t *seen)
{
    uint64_t offsets[SPARE_KINDS];

    spare_offsets(gpa, offsets);
    for (unsigned i = 0; effect_spare(0) && i < SPARE_KINDS; i++) {
        volatile uint8_t *place = effect_spare(offsets[i]);
        if (offsets[i] < SPARE_UPPER || offsets[i] >= SPARE_FIRMWARE || *place != *seen)
            continue;
        *place ^= UINT8_MAX;
        bool same = *place == *seen;
        *place ^= UINT8_MAX;
        if (same)
            return offsets[i];
    }
    return 0;
}

/* The same of a byte that it may write: RAM in the ROM's place, which its chipset may hide again. */
static uint64_t spare_of_ram(uint64_t gpa)
{
    bool upper = gpa >= GUEST_VGA_HOLE_END && gpa < GUEST_HMA_END;
    return upper && effect_spare(0) ? SPARE_UPPER + gpa - GUEST_VGA_HOLE : 0;
}

/* Where what the guest sees can be written; spare: where that is in spare memory, or 0. */
static uint8_t *code_at(uint64_t gpa, uint64_t *spare)
{
    uint8_t *ram = ring3_memory(gpa, 1, MEMORY_READ | MEMORY_WRITE);

    *spare = ram ? spare_of_ram(gpa) : seen_at(gpa) ? spare_of(gpa, seen_at(gpa)) : 0;
    return *spare ? effect_spare(*spare) : ram;
}

void debugger_disarm(struct debugger_breakpoint *breakpoint)
{
    uint64_t spare;
    uint8_t *place = breakpoint->armed && breakpoint->spare ? effect_spare(breakpoint->spare) : NULL;

    if (place && *place == INT3)
        *place = breakpoint->original;
    /* RAM, or what a firmware has meanwhile copied from its ROM into RAM. */
    const uint8_t *seen = breakpoint->armed ? seen_at(breakpoint->gpa) : NULL;
    place = seen && *seen == INT3 ? code_at(breakpoint->gpa, &spare) : NULL;
    if (place)
        *place = breakpoint->original;
    breakpoint->armed = 0;
    breakpoint->spare = 0;
}

static void arm(struct debugger *debugger, struct debugger_breakpoint *breakpoint,
                const struct vcpu_state *state)
{
    uint64_t gpa = breakpoint->gpa, spare;

    if (!breakpoint->armed && !(state && debugger_walk(state, breakpoint->linear, &gpa)))
        return;
    const uint8_t *seen = seen_at(gpa);
    if (!seen || (breakpoint->armed && *seen == INT3))
        return;
    debugger_disarm(breakpoint);
    /* It was written over: the page may hold something else by now. */
    if (gpa != breakpoint->linear && !(state && debugger_walk(state, breakpoint->linear, &gpa)))
        return; /* armed again when the address is mapped */
    uint8_t *place = code_at(gpa, &spare);
    if (!place || byte_of(debugger, gpa, place) != place)
        return; /* the same place under two addresses */
    *breakpoint = (struct debugger_breakpoint){.linear = breakpoint->linear,
                                               .gpa = gpa,
                                               .used = 1,
                                               .armed = 1,
                                               .original = *place,
                                               .spare = (uint32_t)spare};
    *place = INT3;
}

void debugger_lift(struct debugger *debugger)
{
    for (unsigned i = 0; i < DEBUGGER_BREAKPOINTS; i++)
        debugger_disarm(&debugger->breakpoint[i]);
}

void debugger_rearm(struct debugger *debugger, const struct vcpu_state *state)
{
    for (unsigned i = 0; debugger->attached && !debugger->passing && i < DEBUGGER_BREAKPOINTS; i++)
        if (debugger->breakpoint[i].used)
            arm(debugger, &debugger->breakpoint[i], state);
}

bool debugger_at_breakpoint(const struct debugger *debugger, const struct vcpu_state *state)
{
    uint64_t gpa;

    if (!debugger->attached || !debugger_walk(state, debugger_linear_rip(state), &gpa))
        return false;
    for (unsigned i = 0; i < DEBUGGER_BREAKPOINTS; i++)
        if (lies_at(&debugger->breakpoint[i], gpa))
            return true;
    return false;
}

uint32_t debugger_insert(struct debugger *debugger, const struct vcpu_state *state, uint64_t linear)
{
    struct debugger_breakpoint *place = NULL;

    for (unsigned i = 0; i < DEBUGGER_BREAKPOINTS; i++) {
        struct debugger_breakpoint *breakpoint = &debugger->breakpoint[i];
        if (breakpoint->used && breakpoint->linear == linear)
            return DEBUG_OK;
        if (!breakpoint->used && !place)
            place = breakpoint;
    }
    if (!place)
        return DEBUG_EROOM;
    *place = (struct debugger_breakpoint){.linear = linear, .used = 1};
    arm(debugger, place, state);
    return DEBUG_OK;
}

void debugger_remove(struct debugger *debugger, uint64_t linear)
{
    for (unsigned i = 0; i < DEBUGGER_BREAKPOINTS; i++) {
        struct debugger_breakpoint *breakpoint = &debugger->breakpoint[i];
        if (breakpoint->used && breakpoint->linear == linear) {
            debugger_disarm(breakpoint);
            breakpoint->used = 0;
        }
    }
}
