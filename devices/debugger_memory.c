/*
 * A debugger's view of the guest's memory, and its software breakpoints: INT3 in the guest's RAM, with what
 * the guest has there kept beside and shown to the debugger.
 *
 * Addresses are linear: in real mode segment * 16 + offset. A breakpoint may lie where nothing is mapped yet,
 * or where a device will write: after each upcall it is put in place (again). What the guest itself writes
 * over one, between two upcalls, takes it away until then.
 *
 * Missing: memory of devices, whose reads have effects; A20.
 */
#include "debugger_internal.h"
#include "ring3.h"
#include "string.h"
#include "walk.h"

enum { INT3 = 0xcc, PAGE = 4096, ADDRESS_WIDTH = 52 };

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

    if (!walk_translate(&memory, &registers, linear, 0, &result))
        return false;
    *gpa = result.gpa;
    return true;
}

/* The byte that the guest has there, in place of a breakpoint. */
static uint8_t *byte_of(struct debugger *debugger, uint64_t gpa, uint8_t *ram)
{
    for (unsigned i = 0; i < DEBUGGER_BREAKPOINTS; i++)
        if (debugger->breakpoint[i].armed && debugger->breakpoint[i].gpa == gpa)
            return &debugger->breakpoint[i].original;
    return ram;
}

uint32_t debugger_move(struct debugger *debugger, const struct vcpu_state *state, uint64_t linear,
                       uint8_t *bytes, uint32_t length, bool write)
{
    uint32_t done = 0;

    while (done < length) {
        uint64_t gpa;
        uint32_t part = PAGE - (uint32_t)((linear + done) % PAGE);
        part = part < length - done ? part : length - done;
        uint8_t *ram = debugger_walk(state, linear + done, &gpa)
                           ? ring3_memory(gpa, part, write ? MEMORY_READ | MEMORY_WRITE : MEMORY_READ)
                           : NULL;
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

static void arm(struct debugger *debugger, struct debugger_breakpoint *breakpoint,
                const struct vcpu_state *state)
{
    uint64_t gpa = breakpoint->gpa;
    uint8_t *ram;

    if (!breakpoint->armed && !(state && debugger_walk(state, breakpoint->linear, &gpa)))
        return;
    ram = ring3_memory(gpa, 1, MEMORY_READ | MEMORY_WRITE);
    if (!ram || (breakpoint->armed && *ram == INT3))
        return;
    if (!breakpoint->armed && byte_of(debugger, gpa, ram) != ram)
        return; /* the same place under two addresses */
    breakpoint->gpa = gpa;
    breakpoint->original = *ram;
    breakpoint->armed = 1;
    *ram = INT3;
}

void debugger_disarm(struct debugger_breakpoint *breakpoint)
{
    uint8_t *ram = breakpoint->armed ? ring3_memory(breakpoint->gpa, 1, MEMORY_READ | MEMORY_WRITE) : NULL;

    if (ram && *ram == INT3)
        *ram = breakpoint->original;
    breakpoint->armed = 0;
}

void debugger_rearm(struct debugger *debugger, const struct vcpu_state *state)
{
    for (unsigned i = 0; debugger->attached && i < DEBUGGER_BREAKPOINTS; i++)
        if (debugger->breakpoint[i].used)
            arm(debugger, &debugger->breakpoint[i], state);
}

bool debugger_has_breakpoint(const struct debugger *debugger, const struct vcpu_state *state, uint64_t linear)
{
    uint64_t gpa;

    if (!debugger->attached || !debugger_walk(state, linear, &gpa))
        return false;
    for (unsigned i = 0; i < DEBUGGER_BREAKPOINTS; i++)
        if (debugger->breakpoint[i].armed && debugger->breakpoint[i].gpa == gpa)
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
