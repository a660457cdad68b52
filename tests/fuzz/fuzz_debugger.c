/*
 * A debugger that asks anything of a guest that goes on meanwhile: two processors, breakpoints in RAM, in ROM
 * and in what the chipset shows in its place, page tables that change, a service that writes over a question
 * while it is answered. Beside the guest's memory and registers lie those that it would have without a
 * debugger: what is read must be the same, a trap of the debugger's must not come to the guest, and what it
 * leaves behind must be nothing.
 *
 * sources: devices/debugger_answer.c devices/debugger_inspect.c devices/debugger_memory.c
 * sources: devices/debugger_step.c lib/walk.c lib/format.c
 * coverage: devices/debugger.c devices/debugger_answer.c devices/debugger_inspect.c
 * coverage: devices/debugger_memory.c devices/debugger_step.c
 */
#include "debugger_machine.h"

enum { STEPS_MAX = 150 };

/* Whether a breakpoint says that it is there. */
static bool is_known(int32_t place)
{
    for (unsigned i = 0; i < DEBUGGER_BREAKPOINTS; i++) {
        const struct debugger_breakpoint *breakpoint = &debugger->breakpoint[i];
        if (!breakpoint->armed)
            continue;
        if (breakpoint->spare ? spare + breakpoint->spare == byte_at(place)
                              : breakpoint->gpa < RAM && place == (int32_t)breakpoint->gpa)
            return true;
        if (!breakpoint->spare && breakpoint->gpa >= ROM_LOW &&
            place - UPPER == (int32_t)(breakpoint->gpa - ROM_LOW))
            return true;
    }
    return false;
}

/* The guest's memory is what the guest has there, but for INT3 where a breakpoint is. */
static void check_memory(void)
{
    static const int32_t parts[] = {0, ROM, UPPER, PLACES};
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *now = byte_at(parts[i]);
        if (memcmp(now, memory + parts[i], (size_t)(parts[i + 1] - parts[i])) == 0)
            continue;
        for (int32_t place = parts[i]; place < parts[i + 1]; place++) {
            if (*byte_at(place) == memory[place])
                continue;
            check(*byte_at(place) == INT3, "only INT3 is put into the guest's memory");
            check(debugger->attached, "nothing is left of a debugger that has gone");
            check(is_known(place), "each INT3 is known");
        }
    }
}

/* The guest, or a device, writes a byte. */
static void write_byte(int32_t place, uint8_t value)
{
    if (place != NOWHERE && value != INT3)
        *byte_at(place) = memory[place] = value;
}

static void upcall_ends(const struct vcpu_state *state)
{
    effects = 0;
    if (debugger->attached)
        debugger_rearm(debugger, state);
    effects = 0;
}

static void upcall_begins(uint32_t vcpu)
{
    memset(upcall, 0, offsetof(struct upcall, state));
    upcall->vcpu = vcpu;
    upcall->groups = VCPU_GPR | VCPU_SEGMENTS | VCPU_CONTROL | VCPU_MSRS | VCPU_TABLES | VCPU_INTERRUPTS;
    memcpy(&upcall->state, &monitors[vcpu], offsetof(struct vcpu_state, time));
    effects = 0;
}

/* As the monitor takes a reply: the groups that were changed. */
static void upcall_replies(void)
{
    struct vcpu_state *monitor = &monitors[upcall->vcpu];
    const struct vcpu_state *reply = &upcall->state;
    check(upcall->status == UPCALL_OK || upcall->status == UPCALL_HOLD, "an upcall goes well");
    upcall_ends(&upcall->state);
    held[upcall->vcpu] = upcall->status == UPCALL_HOLD;
    if (upcall->modified & VCPU_GPR)
        monitor->gpr = reply->gpr;
    if (upcall->modified & VCPU_SEGMENTS)
        memcpy(monitor->segment, reply->segment, sizeof monitor->segment);
    if (upcall->modified & VCPU_CONTROL)
        monitor->control = reply->control;
    if (upcall->modified & VCPU_INTERRUPTS)
        monitor->interrupts = reply->interrupts;
    if (upcall->modified & VCPU_TIME)
        monitor->time = reply->time;
    check(!(upcall->modified & (VCPU_MSRS | VCPU_FPU | VCPU_TABLES)), "the rest is let alone");
}

static void answer(void);

static void deliver(uint32_t vcpu)
{
    asked[vcpu] = false;
    upcall_begins(vcpu);
    debugger_upcall(upcall, &pc);
    effects = 0;
    answer();
    upcall_replies();
}

bool emulate_unfit(struct upcall *to, const struct emulator_machine *machine, void *context,
                   const struct processor_limits *limits, bool (*may_go_on)(void *context))
{
    (void)machine, (void)context, (void)limits, (void)may_go_on;
    check(((to->state.gpr.rflags ^ guests[to->vcpu].gpr.rflags) & FLAG_TF) == 0, "the emulator sees no TF");
    to->state.gpr.rip++;
    guests[to->vcpu].gpr.rip++;
    to->modified = VCPU_GPR;
    return false;
}

/* A #DB with these causes in DR6 waits: it comes to the debugger, or to the guest. Whether the guest has it.
 */
static bool trap(uint32_t vcpu, uint64_t dr6)
{
    monitors[vcpu].control.dr6 |= dr6;
    monitors[vcpu].interrupts.event = (struct vcpu_event){.type = EVENT_EXCEPTION, .vector = EXCEPTION_DB};
    if (intercepted)
        deliver(vcpu);
    bool comes = monitors[vcpu].interrupts.event.type != EVENT_NONE;
    if (comes)
        guests[vcpu].control.dr6 |= dr6;
    monitors[vcpu].interrupts.event.type = EVENT_NONE;
    return comes;
}

static uint64_t linear_rip(const struct vcpu_state *state)
{
    return is_long(state) ? state->gpr.rip : (uint32_t)(state->segment[SEG_CS].base + state->gpr.rip);
}

/* An INT3 in front of the processor that is not the guest's: the debugger has to know of it. */
static bool takes(uint32_t vcpu, uint32_t reason)
{
    upcall_begins(vcpu);
    upcall->exit.reason = reason;
    bool taken = debugger_takes(upcall, &pc);
    if (!taken && reason == VCPU_EXIT_UNFIT) {
        emulate_unfit(upcall, &guest_machine, &pc, NULL, NULL);
        taken = true;
    }
    upcall_replies();
    return taken;
}

/* One instruction of the guest. */
static void execute(uint32_t vcpu, uint32_t how)
{
    struct vcpu_state *monitor = &monitors[vcpu], *guest = &guests[vcpu];
    if (asked[vcpu])
        deliver(vcpu);
    if (held[vcpu])
        return;
    int32_t place = find(guest, linear_rip(guest), false);
    if (place == NOWHERE || (how & 0xc0) == 0xc0) { /* a jump, or a fault whose handler is there */
        monitor->gpr.rip = guest->gpr.rip = (how & 0x3f) * 16;
        return;
    }
    if (*byte_at(place) == INT3 && memory[place] != INT3) {
        check(intercepted, "#BP comes to the debugger");
        check(takes(vcpu, VCPU_EXIT_INSTRUCTION), "#BP of a breakpoint is not the guest's");
        return;
    }
    if (how & 0x20 && !is_long(guest)) {
        takes(vcpu, VCPU_EXIT_UNFIT);
        return;
    }
    monitor->gpr.rip += 1 + (how & 1);
    guest->gpr.rip += 1 + (how & 1);
    monitor->gpr.rflags &= ~(uint64_t)FLAG_RF;
    bool own = guest->gpr.rflags & FLAG_TF;
    if (monitor->gpr.rflags & FLAG_TF)
        check(trap(vcpu, DR6_BS) == own, "whose a step is");
    else
        check(!own, "a step of the guest's is not lost");
}

/* What is watched is touched, as the debug registers say. */
static void touch(uint32_t vcpu, unsigned number)
{
    const struct vcpu_control *monitor = &monitors[vcpu].control, *guest = &guests[vcpu].control;
    bool own = monitor->dr7 == guest->dr7;
    if (asked[vcpu])
        deliver(vcpu);
    if (held[vcpu] || !(monitor->dr7 >> 2 * number & 3))
        return;
    own = monitor->dr7 == guest->dr7;
    check(trap(vcpu, 1u << number) == own, "whose a watch is");
}

static void set_mode(uint32_t vcpu, uint32_t how)
{
    static const uint64_t bases[] = {0, ROM_LOW, ROM_HIGH, PAGE};
    struct vcpu_state *both[] = {&monitors[vcpu], &guests[vcpu]};
    for (unsigned i = 0; i < 2; i++) {
        struct vcpu_state *state = both[i];
        state->control.cr0 = how & 1 ? CR0_PE | CR0_PG : how & 2;
        state->control.cr4 = how & 1 ? CR4_PAE : 0;
        state->control.cr3 = how & 1 ? TABLES : 0;
        state->msrs.efer = how & 1 ? EFER_LMA | 1 << 8 : 0;
        state->segment[SEG_CS] = (struct segment){.attributes = how & 1   ? SEG_L
                                                                : how & 8 ? SEG_DB
                                                                          : 0,
                                                  .base = how & 1 ? 0 : bases[how >> 1 & 3]};
        state->gpr.rip &= PART - 1;
    }
}

static void map(unsigned number, uint32_t how)
{
    uint64_t frame = (how & 0x30) == 0x30   ? ROM_HIGH + (how & 3) * PAGE
                     : (how & 0x30) == 0x20 ? ROM_LOW + (how & 3) * PAGE
                                            : (how & 7) * PAGE;
    tables[3][number % TABLE_ENTRIES] = how & 0x40 ? 0 : frame | PRESENT;
}

/* What a guest does in a long time. */
static void guest_acts(struct input *input)
{
    uint32_t how = take(input, 1), vcpu = how >> 7, value = take(input, 1), at = take(input, 2);
    struct vcpu_state *monitor = &monitors[vcpu], *guest = &guests[vcpu];
    const struct debugger_vcpu *stepped = &debugger->vcpu[vcpu];
    if (asked[vcpu])
        deliver(vcpu);
    if (held[vcpu])
        return;
    switch (how & 7) {
    case 0:
        write_byte(at % RAM, (uint8_t)value);
        break;
    case 1:
        write_byte(place_of(ROM_LOW + at % PART, true), (uint8_t)value);
        break;
    case 2:
        map(at % 8 + (at & 8 ? ROM_LOW / PAGE : 0), value);
        break;
    case 3:
        set_mode(vcpu, value);
        break;
    case 4:
        upper = value % UPPER_KINDS;
        upcall_ends(NULL);
        break;
    case 5: /* its own step, unless the debugger has one: then the emulator sees to it */
        if (stepped->stepping || stepped->stray)
            break;
        monitor->gpr.rflags ^= FLAG_TF;
        guest->gpr.rflags ^= FLAG_TF;
        break;
    case 6: /* its own debug registers */
        for (unsigned i = 0; i < 4; i++)
            monitor->control.dr[i] = guest->control.dr[i] = at + i;
        monitor->control.dr7 = guest->control.dr7 = DR7_RESET | (value & 3 ? 3ull << 2 * (value & 3) : 0);
        break;
    default:
        monitor->gpr.reg[at % GPR_COUNT] = guest->gpr.reg[at % GPR_COUNT] = value;
    }
}

static void device_writes(struct input *input)
{
    uint32_t at = take(input, 2), value = take(input, 1);
    write_byte(at % RAM, (uint8_t)value);
    upcall_ends(NULL);
}

static void machine_reset(void)
{
    effects = 0;
    debugger_reset(debugger);
    upper = UPPER_ROM;
    for (unsigned i = 0; i < CPUS; i++) {
        uint64_t offset = monitors[i].time.tsc_offset;
        memset(&monitors[i], 0, offsetof(struct vcpu_state, fpu));
        monitors[i].control.dr7 = DR7_RESET;
        monitors[i].gpr.rflags = 2;
        monitors[i].time.tsc_offset = offset;
        memcpy(&guests[i], &monitors[i], offsetof(struct vcpu_state, fpu));
        held[i] = false;
    }
    upcall_ends(NULL);
}

/* Registers as the guest has them: RF is the processor's, DR6 is what it has been told. */
static void check_registers(const struct vcpu_state *shown, const struct vcpu_state *guest)
{
    struct vcpu_gpr gpr = shown->gpr;
    gpr.rflags &= ~(uint64_t)FLAG_RF;
    if (memcmp(&gpr, &guest->gpr, sizeof gpr) != 0)
        fprintf(stderr, "rip %lx rflags %lx, and the guest's %lx %lx\n", (unsigned long)gpr.rip,
                (unsigned long)gpr.rflags, (unsigned long)guest->gpr.rip, (unsigned long)guest->gpr.rflags);
    check(memcmp(&gpr, &guest->gpr, sizeof gpr) == 0, "the guest's general registers");
    check(memcmp(shown->segment, guest->segment, sizeof guest->segment) == 0, "its segments");
    check(memcmp(shown->control.dr, guest->control.dr, sizeof guest->control.dr) == 0 &&
              shown->control.dr7 == guest->control.dr7,
          "its debug registers");
    check(shown->control.cr0 == guest->control.cr0 && shown->control.cr3 == guest->control.cr3 &&
              shown->control.cr4 == guest->control.cr4,
          "its control registers");
}

static void check_shown(const struct debug_answer *got, const struct vcpu_state *guest)
{
    static struct vcpu_state shown;
    check(got->size == offsetof(struct vcpu_state, fpu), "all registers but the x87's");
    memcpy(&shown, got->data, offsetof(struct vcpu_state, fpu));
    check_registers(&shown, guest);
}

static void check_read(const struct debug_request *request, const struct vcpu_state *guest)
{
    uint32_t length = 0;
    for (uint32_t i = 0; i < request->length; i++) { /* as far as whole parts of pages are there */
        uint64_t linear = request->address + i;
        if (find(guest, linear, false) == NOWHERE)
            break;
        length = i + 1;
    }
    check(channel->answer.size == length, "as much as is memory");
    check((channel->answer.error == DEBUG_OK) == (length != 0), "nothing to be read is refused");
    for (uint32_t i = 0; i < length; i++)
        check(channel->answer.data[i] == memory[find(guest, request->address + i, false)],
              "what the guest has there");
}

static void check_written(const struct debug_request *request, const struct vcpu_state *guest)
{
    bool there = true;
    for (uint32_t i = 0; i < request->length; i++)
        there &= find(guest, request->address + i, true) != NOWHERE;
    check((channel->answer.error == DEBUG_OK) == there, "what is RAM is written");
    for (uint32_t i = 0; i < request->length && there; i++)
        memory[find(guest, request->address + i, true)] = request->data[i];
}

static void check_gpr(const struct debug_request *request, struct vcpu_state *guest)
{
    struct vcpu_gpr gpr;
    uint64_t rflags = debugger->vcpu[request->vcpu].state.gpr.rflags;
    memcpy(&gpr, request->data, sizeof gpr);
    check(memcmp(&gpr, &debugger->vcpu[request->vcpu].state.gpr, offsetof(struct vcpu_gpr, rflags)) == 0,
          "the registers that were written");
    check(!(rflags >> 22) && rflags & 2 && !((rflags ^ guest->gpr.rflags) >> 17 & 1), "flags that there are");
    check(is_long(guest) ? (uint64_t)((int64_t)(gpr.rip << 16) >> 16) == gpr.rip : gpr.rip <= UINT32_MAX,
          "an address to go on from");
    guest->gpr = debugger->vcpu[request->vcpu].state.gpr;
    guest->gpr.rflags &= ~(uint64_t)FLAG_RF;
}

static void check_inspection(const struct debug_request *request)
{
    const struct debug_answer *got = &channel->answer;
    check(request->address < CPUS * 17 + 2 + IOAPIC_PINS ? got->size > 0 : got->size == 0, "as many lines");
    check(got->size == 0 || got->data[got->size - 1] == '\n', "whole lines");
    for (uint32_t i = 0; i < got->size; i++)
        check(got->data[i] == '\n' || (got->data[i] >= ' ' && got->data[i] < 0x7f), "text");
}

static bool is_plain(uint32_t op)
{
    return op != DEBUG_STOP && op != DEBUG_GO && op != DEBUG_ATTACH && op != DEBUG_DETACH &&
           op != DEBUG_INSPECT;
}

/* Questions whose answer is more than that it is done. */
static void check_answer(const struct debug_request *request)
{
    struct vcpu_state *guest = &guests[request->vcpu % CPUS];
    const struct debug_answer *got = &channel->answer;
    bool done = got->error == DEBUG_OK;
    if (request->op == DEBUG_READ && request->length <= DEBUG_DATA && (done || got->error == DEBUG_EMEMORY))
        check_read(request, guest);
    else if (request->op == DEBUG_WRITE && request->length <= DEBUG_DATA &&
             (done || got->error == DEBUG_EMEMORY))
        check_written(request, guest);
    else if (!done)
        check(got->size == 0, "a refusal has no data");
    else if (request->op == DEBUG_REGISTERS)
        check_shown(got, guest);
    else if (request->op == DEBUG_FPU)
        check(got->size == DEBUG_FPU_SIZE && !memcmp(got->data, &guest->fpu, DEBUG_FPU_SIZE), "its x87");
    else if (request->op == DEBUG_WRITE_GPR)
        check_gpr(request, guest);
    else if (request->op == DEBUG_INSPECT)
        check_inspection(request);
    else if (request->op == DEBUG_STATE || request->op == DEBUG_STOP)
        check(got->size == sizeof debugger->last && !memcmp(got->data, &debugger->last, got->size), "state");
    else
        check(got->size == 0, "nothing to be told");
}

/* What was asked is answered now, or later. */
static void answer(void)
{
    static struct debugger before;
    const struct debug_request request = channel->request;
    uint32_t answered = channel->answered;
    bool waits = channel->asked != channel->answered;
    before = *debugger;
    before.last.vcpu_count = CPUS;
    memset(channel->answer.data, 0, sizeof channel->answer.data);
    effects = 0;
    bool done = debugger_answer(&pc, channel);
    bool meddled = meddles;
    meddles = false;
    channel->request = request;
    if (!done) {
        check(channel->answered == answered, "an answer that is none");
        check(!waits || request.op == DEBUG_STOP || request.op == DEBUG_INSPECT, "others need not wait");
        check(!waits || debugger_all() != (request.op == DEBUG_STOP ? debugger->held : debugger->looked),
              "what can be answered is");
        meddles = meddled;
        return;
    }
    check(waits && channel->answered == channel->asked, "that question is answered");
    check(channel->answer.size <= DEBUG_DATA && channel->answer.error <= DEBUG_EROOM, "it stays in its room");
    check_answer(&request);
    if (channel->answer.error && is_plain(request.op))
        check(memcmp(&before, debugger, sizeof before) == 0, "what is refused changes nothing");
    check(!debugger_check(debugger), "the state of the debugger");
    check_memory();
    check(!debugger_answer(&pc, channel), "nothing is answered twice");
}

static uint64_t address(struct input *input, uint32_t how)
{
    uint64_t at = take(input, 2);
    switch (how & 7) {
    case 0: /* few, so that they meet */
        return ROM_LOW + (at & 0x8000 ? at % PART : at % 4 * 16);
    case 1:
        return ROM_HIGH + (at & 0x8000 ? at % PART : at % 4 * 16);
    case 2:
        return at % 8 * 16;
    case 3:
        return linear_rip(&guests[at & 1]);
    case 4:
        return (RAM / PAGE - at % 8) * (uint64_t)PAGE - (at >> 8) % 16; /* at an end */
    case 5:
        return (at & 0x100 ? UINT64_MAX : 1ull << (at & 0x3f)) - (at >> 12);
    default:
        return at % RAM;
    }
}

static void question(struct input *input)
{
    static const uint8_t ops[] = {DEBUG_STOP,   DEBUG_STOP,   DEBUG_GO,     DEBUG_GO,        DEBUG_INSERT,
                                  DEBUG_INSERT, DEBUG_INSERT, DEBUG_REMOVE, DEBUG_READ,      DEBUG_WRITE,
                                  DEBUG_GO,     DEBUG_ATTACH, DEBUG_DETACH, DEBUG_REGISTERS, DEBUG_WRITE_GPR};
    struct debug_request *request = &channel->request;
    uint32_t how = take(input, 1), more = take(input, 1);
    *request = (struct debug_request){.op = how & 0xf ? ops[(how & 0xf) - 1] : more % (DEBUG_OP_COUNT + 1)};
    request->vcpu = more >> 7;
    request->kind = more >> 4 & 7;
    request->length = 1u << (more & 3);
    request->address = address(input, more);
    switch (request->op) {
    case DEBUG_GO:
        request->address = debugger->last.stops + (how >> 4 == 0xf);
        request->length = more & 7, request->kind = more >> 4 & 7;
        break;
    case DEBUG_INSERT:
    case DEBUG_REMOVE:
        request->kind = how & 0x10 ? request->kind : DEBUG_SOFTWARE;
        break;
    case DEBUG_READ:
    case DEBUG_WRITE:
        request->length = how & 0x10 ? take(input, 2) % (DEBUG_DATA + 2) : more >> 4;
        for (uint32_t i = 0; i < sizeof request->data; i++) /* an INT3 of its own would not be told apart */
            request->data[i] = (uint8_t)(more + i) == INT3 ? 0 : (uint8_t)(more + i);
        break;
    case DEBUG_WRITE_GPR:
        memcpy(request->data, &guests[request->vcpu].gpr, sizeof(struct vcpu_gpr));
        for (unsigned i = 0; i < (how >> 4 & 3); i++)
            request->data[take(input, 1) % sizeof(struct vcpu_gpr)] = (uint8_t)take(input, 1);
        if (how & 0x80) /* so that it may be taken */
            request->data[offsetof(struct vcpu_gpr, rflags) + 1] &= 0xfe;
        break;
    case DEBUG_INSPECT:
        request->address = more & 0x80 ? request->address : (more & 0x3f) | (uint64_t)(more & 0x40) << 26;
        break;
    default:
        break;
    }
    if ((how & 0xe0) == 0xe0 && request->op == DEBUG_REGISTERS)
        request->vcpu = more;
    channel->asked++;
    meddles = how & 0x40;
    answer();
    upcall_ends(NULL);
}

static void step(struct input *input)
{
    uint32_t what = take(input, 1), vcpu = what >> 7;
    switch (what & 7) {
    case 0:
    case 1:
    case 2:
        question(input);
        break;
    case 3:
        if (asked[vcpu])
            deliver(vcpu);
        break;
    case 4:
        execute(vcpu, take(input, 1));
        break;
    case 5:
        guest_acts(input);
        break;
    case 6:
        tsc += 1 + (what >> 3);
        if (what & 0x40)
            device_writes(input);
        else
            touch(vcpu, what >> 3 & 3);
        break;
    default:
        for (unsigned i = 0; i < CPUS; i++)
            if (asked[i])
                deliver(i);
        if ((what & 0xf8) == 0xf8)
            machine_reset();
    }
    check_memory();
}

static void ask_alone(uint32_t op)
{
    meddles = false;
    channel->request = (struct debug_request){.op = op};
    channel->asked++;
    answer();
    check(channel->answered == channel->asked, "a debugger can always come and go");
    upcall_ends(NULL);
}

static void hold_all(void)
{
    channel->request = (struct debug_request){.op = DEBUG_STOP};
    channel->asked++;
    answer();
    for (uint32_t i = 0; i < CPUS; i++)
        deliver(i);
    check(channel->answered == channel->asked && debugger->last.held, "all can be held");
}

/* The debugger goes: the guest's memory, registers and clocks are its own again. */
static void leave(void)
{
    ask_alone(DEBUG_DETACH);
    check_memory();
    for (uint32_t i = 0; i < CPUS; i++) {
        if (asked[i])
            deliver(i);
        check(!held[i], "nobody stands still");
        set_mode(i, 0); /* it comes to an instruction */
        monitors[i].gpr.rip = guests[i].gpr.rip = 0;
        execute(i, 0);
        execute(i, 0);
    }
    for (unsigned i = 0; i < CPUS; i++) {
        check_registers(&monitors[i], &guests[i]);
        check(monitors[i].time.tsc_offset == info()->clock_offset, "one time");
    }
    check(!debugger->stood_at, "its clock goes on");
}

static void map_process(void)
{
    const struct {
        uint64_t at, size;
    } parts[] = {{USER_INFO, sizeof(struct process_info)},
                 {USER_CONFIG, GUEST_CONFIG_SIZE},
                 {USER_CHANNEL, CHANNEL_SIZE}};
    static const uint8_t delicate[] = {0x9c, 0x9d, 0xcf, 0xcd, 0x66, 0x48, 0xce, 0xf1};
    for (unsigned i = 0; i < sizeof parts / sizeof parts[0] && !ram; i++) {
        void *got = mmap((void *)(uintptr_t)parts[i].at, parts[i].size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if ((uintptr_t)got != parts[i].at)
            abort();
    }
    if (ram)
        return;
    spare = mmap(NULL, SPARE_FIRMWARE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ram = malloc(RAM);
    for (unsigned i = 0; i < PLACES; i++)
        fresh[i] = (uint8_t)(i % 64 == 7 ? delicate[i / 64 % 8] : 0x90 + (i & 1));
}

static void start(uint32_t how)
{
    map_process();
    memset(debugger, 0, sizeof *debugger);
    memset(tables, 0, sizeof tables);
    memcpy(memory, fresh, sizeof memory);
    memcpy(byte_at(0), memory, RAM);
    memcpy(byte_at(ROM), memory + ROM, PART);
    memcpy(byte_at(UPPER), memory + UPPER, PART);
    for (unsigned i = 0; i < 3; i++)
        tables[i][0] = (TABLES + (i + 1) * sizeof tables[i]) | PRESENT;
    for (unsigned i = 0; i < 16; i++)
        map(i % 8 + (i & 8 ? ROM_LOW / PAGE : 0), i & 8 ? 0x20 + i : i == 6 ? 0 : i);
    for (unsigned i = 0; i < CPUS; i++) {
        memset(&monitors[i], 0, sizeof monitors[i]);
        memset(&monitors[i].fpu, (int)(0x31 + i), sizeof monitors[i].fpu);
        monitors[i].gpr.rip = i * 16;
        monitors[i].gpr.rflags = 2 | FLAG_ID;
        monitors[i].control.dr7 = DR7_RESET;
        monitors[i].time.tsc_offset = OFFSET;
        guests[i] = monitors[i];
        held[i] = asked[i] = false;
        set_mode(i, how & 7);
    }
    ((struct guest_config *)USER_CONFIG)->cpu_count = CPUS;
    debugger->no_watches = (how & 0x18) == 0x18;
    info()->clock_offset = OFFSET;
    tsc = 50000;
    intercepted = 0;
    upper = how >> 5 == 7 ? UPPER_ROM : (how >> 5) % UPPER_KINDS;
    free(channel);
    channel = calloc(1, sizeof *channel);
    meddles = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    start(take(&input, 1));
    uint32_t how = take(&input, 1);
    if (how & 7)
        ask_alone(DEBUG_ATTACH);
    if (how & 8)
        hold_all();
    for (unsigned i = 0; i < STEPS_MAX && input.size; i++)
        step(&input);
    leave();
    return 0;
}
