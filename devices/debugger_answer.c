/*
 * A debugger's questions (include/debug.h), answered when they can be: DEBUG_STOP when all processors are
 * held, DEBUG_INSPECT when all have been looked at. The question lies in memory that the service writes: it
 * is copied once.
 */
#include "debugger_internal.h"
#include "ring3.h"
#include "string.h"
#include "x86.h"

#define FLAGS_WRITABLE 0x3f7fd5ull /* of RFLAGS: as POPF and IRET in CPL 0 load it, without VM */
#define FLAGS_FIXED    2ull

enum { FLAG_VM = 1 << 17, CANONICAL_SHIFT = 47 };

_Static_assert(sizeof(struct vcpu_state) - sizeof(struct vcpu_fpu) <= DEBUG_DATA, "one answer");

static void give(struct debug_answer *answer, const void *data, uint32_t size)
{
    memcpy(answer->data, data, size);
    answer->size = size;
}

/* A vCPU takes no other address: a guest cannot get there either. */
static bool is_canonical(uint64_t rip)
{
    int64_t upper = (int64_t)rip >> CANONICAL_SHIFT;
    return upper == 0 || upper == -1;
}

static uint32_t write_gpr(struct vcpu_state *state, const uint8_t *data)
{
    struct vcpu_gpr gpr;

    memcpy(&gpr, data, sizeof gpr);
    if (!is_canonical(gpr.rip))
        return DEBUG_EMEMORY;
    bool wide = state->msrs.efer & EFER_LMA && state->segment[SEG_CS].attributes & SEG_L;
    if (!wide && gpr.rip > UINT32_MAX)
        return DEBUG_EMEMORY;
    gpr.rflags =
        (gpr.rflags & FLAGS_WRITABLE & ~(uint64_t)FLAG_VM) | (state->gpr.rflags & FLAG_VM) | FLAGS_FIXED;
    state->gpr = gpr;
    return DEBUG_OK;
}

static uint32_t watch(struct debugger *debugger, const struct debug_request *request)
{
    struct debugger_watch *place = NULL;
    uint32_t length = request->kind == DEBUG_HARDWARE ? 1 : request->length;

    if (request->kind > DEBUG_WATCH_ACCESS || !(length == 1 || length == 2 || length == 4 || length == 8) ||
        request->address % length != 0)
        return DEBUG_EROOM;
    for (unsigned i = 0; i < DEBUGGER_WATCHED && !place; i++)
        place = debugger->watch[i].used ? NULL : &debugger->watch[i];
    if (!place)
        return DEBUG_EROOM;
    *place = (struct debugger_watch){
        .linear = request->address, .used = 1, .kind = (uint8_t)request->kind, .length = (uint8_t)length};
    return DEBUG_OK;
}

/* Where debug registers stop nothing, an instruction is watched in software, and data not at all. */
static bool is_software(const struct debugger *debugger, uint32_t kind)
{
    return kind == DEBUG_SOFTWARE || (kind == DEBUG_HARDWARE && debugger->no_watches);
}

static void unwatch(struct debugger *debugger, const struct debug_request *request)
{
    for (unsigned i = 0; i < DEBUGGER_WATCHED; i++) {
        struct debugger_watch *place = &debugger->watch[i];
        if (place->used && place->linear == request->address && place->kind == request->kind)
            place->used = 0;
    }
}

static uint32_t insert(struct debugger *debugger, const struct vcpu_state *state,
                       const struct debug_request *request)
{
    if (!debugger->attached)
        return DEBUG_EHELD;
    if (is_software(debugger, request->kind))
        return debugger_insert(debugger, state, request->address);
    if (debugger->no_watches)
        return DEBUG_EROOM;
    for (unsigned i = 0; i < DEBUGGER_WATCHED; i++) {
        const struct debugger_watch *place = &debugger->watch[i];
        if (place->used && place->linear == request->address && place->kind == request->kind)
            return DEBUG_OK;
    }
    return watch(debugger, request);
}

static void remove_breakpoint(struct debugger *debugger, const struct debug_request *request)
{
    if (is_software(debugger, request->kind))
        debugger_remove(debugger, request->address);
    else
        unwatch(debugger, request);
}

void debugger_forget(struct debugger *debugger)
{
    for (unsigned i = 0; i < DEBUGGER_BREAKPOINTS; i++) {
        debugger_disarm(&debugger->breakpoint[i]);
        debugger->breakpoint[i].used = 0;
    }
    memset(debugger->watch, 0, sizeof debugger->watch);
    for (unsigned i = 0; i < GUEST_CPUS_MAX; i++) /* of one that runs: the trap of its step is nobody's */
        debugger->vcpu[i].counts = 0;
}

static void detach(struct debugger *debugger)
{
    debugger_forget(debugger);
    debugger->attached = 0;
    debugger->passing = 0;
    debugger_go(debugger, 0, debugger_all());
    debugger_look(debugger); /* what was intercepted is so no more */
}

/* Questions that need a held vCPU. */
static uint32_t answer_held(struct debugger *debugger, const struct debug_request *request,
                            struct debug_answer *answer)
{
    struct vcpu_state *state = &debugger->vcpu[request->vcpu].state;
    uint8_t data[DEBUG_DATA];
    uint32_t done;

    switch (request->op) {
    case DEBUG_REGISTERS:
        give(answer, state, sizeof(*state) - sizeof(state->fpu));
        return DEBUG_OK;
    case DEBUG_FPU:
        give(answer, state->fpu.xsave, DEBUG_FPU_SIZE);
        return DEBUG_OK;
    case DEBUG_WRITE_GPR:
        return write_gpr(state, request->data);
    case DEBUG_READ:
        done = debugger_move(debugger, state, request->address, data, request->length, false);
        give(answer, data, done);
        return done ? DEBUG_OK : DEBUG_EMEMORY;
    case DEBUG_WRITE:
        memcpy(data, request->data, request->length);
        done = debugger_move(debugger, state, request->address, data, request->length, true);
        return done == request->length ? DEBUG_OK : DEBUG_EMEMORY;
    case DEBUG_INSERT:
        return insert(debugger, state, request);
    default:
        remove_breakpoint(debugger, request);
        return DEBUG_OK;
    }
}

/* False: not now. */
static bool answer_now(struct pc *pc, const struct debug_request *request, struct debug_answer *answer)
{
    struct debugger *debugger = &pc->debugger;
    uint32_t all = debugger_all();

    debugger->last.vcpu_count = ring3_config()->cpu_count;
    switch (request->op) {
    case DEBUG_STATE:
        give(answer, &debugger->last, sizeof debugger->last);
        return true;
    case DEBUG_STOP:
        if (debugger->wanted != all)
            debugger_hold(debugger);
        give(answer, &debugger->last, sizeof debugger->last);
        return debugger->held == all;
    case DEBUG_GO:
        if (debugger->last.held && debugger->last.stops == (uint32_t)request->address)
            debugger_go(debugger, request->length & all, request->kind & all);
        return true;
    case DEBUG_ATTACH:
        debugger_forget(debugger); /* what one has left that went without a word */
        debugger->attached = 1;
        debugger_look(debugger);
        return true;
    case DEBUG_DETACH:
        detach(debugger);
        return true;
    case DEBUG_INSPECT:
        if (request->address == 0 && debugger->looked != all)
            return false;
        answer->size = debugger_inspect(pc, request->address, (char *)answer->data, DEBUG_DATA);
        return true;
    default:
        answer->error = request->op >= DEBUG_OP_COUNT                                    ? DEBUG_EOP
                        : request->vcpu >= ring3_config()->cpu_count                     ? DEBUG_EVCPU
                        : !debugger->last.held || !(debugger->held >> request->vcpu & 1) ? DEBUG_EHELD
                        : request->length > DEBUG_DATA                                   ? DEBUG_EMEMORY
                                                       : answer_held(debugger, request, answer);
        return true;
    }
}

bool debugger_answer(struct pc *pc, struct channel_debug *question)
{
    uint32_t asked = __atomic_load_n(&question->asked, __ATOMIC_ACQUIRE);
    struct debug_request request;
    struct debug_answer *answer = &question->answer;

    if (asked == question->answered)
        return false;
    request = question->request;
    answer->error = DEBUG_OK;
    answer->size = 0;
    if (request.op == DEBUG_INSPECT && request.address == 0 && pc->debugger.inspected != asked) {
        pc->debugger.inspected = asked;
        debugger_look(&pc->debugger);
    }
    if (!answer_now(pc, &request, answer))
        return false;
    __atomic_store_n(&question->answered, asked, __ATOMIC_RELEASE);
    return true;
}
