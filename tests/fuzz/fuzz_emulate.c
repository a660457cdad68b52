/*
 * The instruction emulator on arbitrary code, registers and modes, over RAM, a read-only page, a page that is
 * not mapped and a device, with descriptors of every kind. After a fault nothing has changed but CR2 and
 * accessed bits, unless it is one of a new task; nothing is written outside RAM; what cannot be emulated is
 * named and has no effect. What is emulated ahead leaves what the same instructions leave one by one. A batch
 * of a state that the processor does not run ends in a state that passes the monitor's entry checks.
 *
 * sources: devices/emulate*.c lib/decode*.c lib/walk.c lib/format.c lib/real_mode.c
 * sources: checks/entry_checks.c checks/entry_demands.c
 * coverage: devices/emulate*.c lib/decode*.c
 * seconds: 30
 */
#include <stdio.h>
#include <stdlib.h>
#include "emulate_ahead.h"
#include "emulate_machine.h"
#include "emulate_transfer.h"
#include "emulate_unfit.h"
#include "entry_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CODE = 0x7ff8, TABLES = 0x34000, RAM_END = 0x30000, STEPS = 4 };
enum { GDT = 0x28000, LDT = 0x28400, IDT = 0x28800, TSS_32 = 0x29000, TSS_16 = 0x29100, TSS_OLD = 0x29200 };
enum { DESCRIPTORS = 24, VECTORS = 32 };

static struct test_machine machine, before;

#define require(holds)                                                                                       \
    do {                                                                                                     \
        if (!(holds)) {                                                                                      \
            fprintf(stderr, "line %d: not %s\n", __LINE__, #holds);                                          \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

struct input {
    const uint8_t *data;
    size_t size;
};

static uint8_t take(struct input *in)
{
    if (in->size == 0)
        return 0;
    in->size--;
    return *in->data++;
}

/* Register values from one byte: near RAM, page ends, the device, small and extreme numbers. */
static uint64_t take_register(struct input *in)
{
    static const uint64_t near[] = {0x1000,
                                    0x2000,
                                    0x3000,
                                    0x4000,
                                    TEST_DEVICE,
                                    TEST_DEVICE + TEST_PAGE,
                                    0,
                                    0x7fffffff,
                                    ~0ull,
                                    0x8000000000000000,
                                    0x0000800000000000,
                                    0xffff};
    uint8_t byte = take(in);

    if (byte == 0xff) {
        uint64_t value = 0;
        for (unsigned i = 0; i < 8; i++)
            value = value << 8 | take(in);
        return value;
    }
    return near[byte % (sizeof(near) / sizeof(near[0]))] + byte / 12 - 10;
}

/* 4 KiB pages for the first 64 KiB and the device, identity mapped; pages 3 and 4 have rights from the input.
 */
static void build_tables(struct vcpu_state *state, uint8_t rights)
{
    uint64_t tables[][2] = {
        {TABLES, TABLES + 0x1007},
        {TABLES + 0x1000, TABLES + 0x2007},
        {TABLES + 0x1000 + 8 * 3, TABLES + 0x3007},
        {TABLES + 0x2000, TABLES + 0x4007},
        {TABLES + 0x3000 + 8 * ((TEST_DEVICE >> 21) & 511), (TEST_DEVICE & ~0x1fffffull) | 0x87}};
    for (unsigned i = 0; i < 5; i++)
        memcpy(machine.ram + tables[i][0], &tables[i][1], 8);
    for (uint64_t i = 0; i < 512; i++) {
        uint64_t entry = i << 12 | 7;
        if (i == 3 || i == 4)
            entry = i << 12 | ((i == 3 ? rights : rights >> 3) & 7);
        memcpy(machine.ram + TABLES + 0x4000 + 8 * i, &entry, 8);
    }
    state->control.cr3 = TABLES;
}

static uint64_t descriptor(uint32_t base, uint32_t limit, uint16_t attributes)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attributes & 0xff) << 40 |
           (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)(attributes >> 8) << 52 |
           (uint64_t)(base >> 24) << 56;
}

static uint64_t gate(uint16_t selector, uint32_t offset, uint8_t attributes, uint8_t parameters)
{
    return (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)parameters << 32 |
           (uint64_t)attributes << 40 | (uint64_t)(offset >> 16) << 48;
}

/* A TSS of one of the two sizes: where the new task goes on, and its stacks of inner levels. */
static void build_tss(uint32_t at, bool wide, uint8_t choice)
{
    uint16_t user = choice & 1 ? 3 : 0;
    uint16_t code = (choice & 1 ? 0x28 : wide ? 0x08 : 0x18) | user, data = (choice & 1 ? 0x30 : 0x10) | user;
    uint32_t flags = 2 | (choice & 2 && wide ? FLAG_VM : 0);
    unsigned size = wide ? 4 : 2;
    const uint32_t registers[] = {CODE + 4, flags, 1, 2, 3, 4, 0x3800, 6, 0x1000, 0x2000};

    for (unsigned i = 0; i < 10; i++)
        memcpy(machine.ram + at + (wide ? 0x20 : 0x0e) + i * size, &registers[i], size);
    for (unsigned i = 0; i < (wide ? 6u : 4u); i++)
        memcpy(machine.ram + at + (wide ? 0x48 : 0x22) + i * size, i == SEG_CS ? &code : &data, 2);
    memcpy(machine.ram + at + (wide ? 8 : 4), &(uint16_t){0x10}, 2);
    memcpy(machine.ram + at + (wide ? 4 : 2), &(uint16_t){0x3000}, 2);
    memcpy(machine.ram + at + (wide ? 0x60 : 0x2a), &(uint16_t){choice & 4 ? 0x48 : 0}, 2);
    if (wide) {
        memcpy(machine.ram + at + 0x1c, &(uint32_t){TABLES}, 4);
        machine.ram[at + 0x64] = choice >> 3 & 1;
    }
}

/* Each kind of descriptor and gate. Two bytes of the input change two bytes of all. */
static void build_descriptors(struct input *in, struct vcpu_state *state)
{
    const uint64_t gdt[DESCRIPTORS] = {
        0,
        descriptor(0, 0xfffff, 0xc9b),
        descriptor(0, 0xfffff, 0xc93),
        descriptor(0, 0xffff, 0x9a),
        descriptor(0, 0xffff, 0x92),
        descriptor(0, 0xfffff, 0xcfa),
        descriptor(0, 0xfffff, 0xcf2),
        descriptor(0, 0xfffff, 0xc9e), /* conforming */
        descriptor(0, 0xfffff, 0xa9b), /* 64 bits */
        descriptor(LDT, 0x3f, 0x82),
        descriptor(TSS_32, 0x67, 0x89),
        descriptor(TSS_16, 0x2b, 0x81),
        descriptor(TSS_OLD, 0x67, 0x8b),
        gate(0x08, CODE + 2, 0xec, 2),
        gate(0x18, CODE + 2, 0xe4, 1),
        gate(0x28, CODE + 2, 0xec, 0),
        gate(0x50, 0, 0xe5, 0),
        descriptor(0x1000, 0xfff, 0xf1 | 0x06), /* expand-down */
        descriptor(0, 0xfffff, 0xc13),          /* not present */
        descriptor(0, 0xfffff, 0xc98),          /* not readable */
    };
    uint8_t choice = take(in);

    memcpy(machine.ram + GDT, gdt, sizeof(gdt));
    memcpy(machine.ram + LDT, gdt, 8 * 8);
    for (unsigned i = 0; i < VECTORS; i++) {
        static const uint8_t types[] = {0xee, 0xef, 0xe6, 0xe7, 0x8e, 0xe5, 0x6e, 0xec};
        uint64_t entry = gate(types[i & 7] == 0xe5 ? 0x50 : i & 8 ? 0x08 : 0x38, CODE + i, types[i & 7], 0);
        memcpy(machine.ram + IDT + 8 * i, &entry, 8);
    }
    build_tss(TSS_32, true, choice);
    build_tss(TSS_16, false, choice);
    build_tss(TSS_OLD, true, choice);
    memcpy(machine.ram + TSS_OLD, &(uint16_t){choice & 64 ? 0x60 : 0x50}, 2);
    if (choice & 128)
        machine.ram[GDT + 8 * 10 + 5] |= 2; /* busy: to be returned to */
    for (unsigned i = 0; i < 2; i++) {
        uint16_t where = take(in);
        where |= (uint16_t)(take(in) << 8);
        machine.ram[GDT + where % 0x1400] ^= take(in);
    }
    state->tables = (struct vcpu_tables){.gdtr = {.base = GDT, .limit = sizeof(gdt) - 1},
                                         .idtr = {.base = choice & 16 ? IDT : 0, .limit = 8 * VECTORS - 1}};
    state->segment[SEG_LDTR] =
        (struct segment){.selector = 0x48, .attributes = 0x82, .limit = 0x3f, .base = LDT};
    state->segment[SEG_TR] =
        (struct segment){.selector = 0x60, .attributes = 0x8b, .limit = 0x67, .base = TSS_OLD};
    if (choice & 32)
        state->gpr.rflags |= FLAG_NT;
}

static void take_state(struct input *in, struct vcpu_state *state)
{
    uint8_t mode = take(in), rights = take(in);

    test_state(&machine, state, mode & 3);
    for (unsigned i = 0; i < GPR_COUNT; i++)
        state->gpr.reg[i] = take_register(in);
    state->gpr.rip = CODE;
    uint32_t flags = take(in);
    flags |= (uint32_t)take(in) << 8;
    state->gpr.rflags =
        2 | (flags & (FLAGS_STATUS | FLAG_TF | FLAG_DF | 3 << FLAG_IOPL_SHIFT)) | (mode & 4 ? FLAG_AC : 0);
    if ((mode & 3) == TEST_LONG) {
        build_tables(state, rights);
        state->control.cr4 |= mode & 8 ? CR4_SMAP | CR4_OSFXSR : CR4_OSFXSR;
    }
    if (mode & 16)
        state->segment[SEG_SS].attributes |= SEG_DPL_MASK;
    if (mode & 32)
        state->control.cr0 |= CR0_AM | CR0_WP;
    if (mode & 64) {
        state->segment[SEG_DS].limit = 0x2fff;
        state->segment[SEG_ES].attributes = SEG_P | SEG_S | 7 | (rights & 128 ? SEG_DB : 0);
        state->segment[SEG_ES].limit = 0xfff;
    }
    if ((mode & 128) && (mode & 3) == TEST_PROTECTED_16) {
        state->gpr.rflags |= FLAG_VM;
        for (unsigned i = SEG_ES; i <= SEG_GS; i++)
            state->segment[i].attributes |= SEG_DPL_MASK;
    }
    build_descriptors(in, state);
    state->control.dr6 = DR6_RESET;
    state->control.dr7 = DR7_RESET;
    state->control.xcr0 = 7;
    for (unsigned i = 0; i < 15; i++)
        machine.ram[CODE + i] = take(in);
    machine.read_only = rights & 64 ? 0x2000 : 0;
}

static bool ram_is_unchanged(void)
{
    return memcmp(machine.ram, before.ram, RAM_END) == 0;
}

static bool wrote_nothing(void)
{
    for (unsigned i = 0; i < machine.accesses && i < TEST_ACCESSES; i++)
        if (machine.access[i].kind == 'w' || machine.access[i].kind == 'o')
            return false;
    return true;
}

static struct emulate_memo memo;
static struct emulate_ahead ahead;
static uint8_t budget; /* accesses or instructions until somebody says stop */

static bool may_go_on(void *context)
{
    (void)context;
    return budget-- > 0;
}

static uint64_t count_read(void *context, uint64_t gpa, unsigned size)
{
    ahead.accesses++;
    return test_read(context, gpa, size);
}

static void count_write(void *context, uint64_t gpa, unsigned size, uint64_t value)
{
    ahead.accesses++;
    test_write(context, gpa, size, value);
}

static uint32_t count_in(void *context, uint16_t port, unsigned size)
{
    ahead.accesses++;
    return test_in(context, port, size);
}

static void count_out(void *context, uint16_t port, unsigned size, uint32_t value)
{
    ahead.accesses++;
    test_out(context, port, size, value);
}

static uint64_t same_time(void *context)
{
    (void)context;
    return 0x123456789abc;
}

static void any_cpuid(void *context, const struct vcpu_state *state, unsigned vcpu, uint32_t registers[4])
{
    (void)context, (void)state, (void)vcpu;
    registers[3] = registers[0] + registers[2];
}

static const struct emulator_machine counting = {.ram = test_ram,
                                                 .read = count_read,
                                                 .write = count_write,
                                                 .in = count_in,
                                                 .out = count_out,
                                                 .read_msr = test_read_msr,
                                                 .write_msr = test_write_msr,
                                                 .get = test_get,
                                                 .tsc = same_time,
                                                 .cpuid = any_cpuid};

static struct emulator emulator_of(struct vcpu_state *state)
{
    return (struct emulator){
        .machine = &counting, .context = &machine, .limits = &limits, .state = state, .gpa = EMULATE_UNKNOWN};
}

/* A fault leaves all as it was, but one that the new task finds in itself; a trap of long mode, which the
 * processor is to deliver, all but RIP. */
static void check_fault(const struct emulator *e, const struct vcpu_state *old,
                        const struct vcpu_state *state)
{
    if ((old->msrs.efer & EFER_LMA) &&
        (e->inject.vector == EXCEPTION_BP || e->inject.vector == EXCEPTION_OF)) {
        require(e->modified == VCPU_GPR && ram_is_unchanged() && wrote_nothing());
        require(memcmp(old->gpr.reg, state->gpr.reg, sizeof(old->gpr.reg)) == 0);
        return;
    }
    if (e->modified & VCPU_GPR) {
        require(memcmp(&old->segment[SEG_TR], &state->segment[SEG_TR], sizeof(old->segment[SEG_TR])) != 0);
        return;
    }
    require(ram_is_unchanged() && wrote_nothing());
    require(memcmp(&old->gpr, &state->gpr, sizeof(old->gpr)) == 0);
    require(memcmp(old->segment, state->segment, sizeof(old->segment)) == 0);
}

static void one_by_one(struct vcpu_state *state)
{
    static struct vcpu_state old;

    for (unsigned step = 0; step < STEPS; step++) {
        struct emulator e = emulator_of(state);
        old = *state;
        memcpy(before.ram, machine.ram, RAM_END);
        machine.accesses = 0;
        switch (emulate(&e)) {
        case EMULATE_DONE:
            require(e.modified & VCPU_GPR); /* nobody else changes memory here, so nothing is retried */
            break;
        case EMULATE_INJECT:
            require(e.inject.type == EVENT_EXCEPTION);
            if (e.inject.vector != EXCEPTION_DB)
                check_fault(&e, &old, state);
            return;
        case EMULATE_REFUSE:
            require(memchr(e.text, 0, sizeof(e.text)) != NULL && e.text[0]);
            require(ram_is_unchanged() && wrote_nothing() &&
                    memcmp(&old.gpr, &state->gpr, sizeof(old.gpr)) == 0);
            return;
        }
    }
}

/* The same instructions, once ahead and once one by one, on two machines. */
static void both_ways(struct vcpu_state *state)
{
    static struct vcpu_state alone;
    static struct test_machine left;
    struct emulator e = emulator_of(state);

    alone = *state;
    before = machine;
    ahead = (struct emulate_ahead){.memo = &memo, .refused = TEST_DEVICE + TEST_PAGE, .may_go_on = may_go_on};
    emulate_ahead(&e, &ahead);
    require((e.modified & ~(uint32_t)(VCPU_GPR | VCPU_SEGMENTS)) == 0);
    require(ahead.instructions + ahead.elements <= EMULATE_AHEAD_MAX + EMULATE_ELEMENTS_MAX);
    left = machine;
    machine = before;
    uint32_t instructions = ahead.instructions;
    for (uint32_t i = 0; i < instructions; i++) {
        e = emulator_of(&alone);
        require(emulate(&e) == EMULATE_DONE);
    }
    require(memcmp(&alone.gpr, &state->gpr, sizeof(alone.gpr)) == 0);
    require(memcmp(alone.segment, state->segment, sizeof(alone.segment)) == 0);
    require(memcmp(machine.ram, left.ram, RAM_END) == 0 &&
            memcmp(machine.device, left.device, sizeof(left.device)) == 0);
    require(machine.accesses == left.accesses);
    unsigned noted = left.accesses < TEST_ACCESSES ? left.accesses : TEST_ACCESSES;
    for (unsigned i = 0; i < noted; i++)
        require(machine.access[i].address == left.access[i].address &&
                machine.access[i].value == left.access[i].value &&
                machine.access[i].kind == left.access[i].kind &&
                machine.access[i].size == left.access[i].size);
}

/* What all processors demand and some do, for which a state that does not fit is not emulated further. */
static const struct entry_demands all_demands = {
    .segments = true, .events = true, .cr3 = ~0ull, .cr4 = ~0ull, .efer = ~0ull};

static void batch(struct vcpu_state *state, uint8_t detail)
{
    enum { GROUPS = VCPU_GPR | VCPU_SEGMENTS | VCPU_CONTROL | VCPU_MSRS | VCPU_TABLES | VCPU_INTERRUPTS };
    static struct upcall upcall;
    bool valid = !entry_check(state, NULL);
    bool loaded = !entry_check(state, &all_demands);

    upcall = (struct upcall){.groups = GROUPS, .state = *state};
    upcall.exit.reason = detail & 4 ? VCPU_EXIT_TASK_SWITCH : VCPU_EXIT_UNFIT;
    upcall.exit.detail = detail & 3;
    upcall.exit.next_rip = state->gpr.rip + 2;
    if (detail & 4)
        upcall.exit.detail = (detail & 8 ? 0x50 : 0x58) | (uint64_t)(detail >> 4 & 3) << TASK_SOURCE_SHIFT;
    upcall.state.interrupts.event = (struct vcpu_event){.type = 1 + (detail >> 3) % 5,
                                                        .vector = detail >> 3 & 31,
                                                        .has_error_code = detail >> 7,
                                                        .length = 2};
    bool refused = emulate_unfit(&upcall, &counting, &machine, &limits, may_go_on);
    require(upcall.status == UPCALL_OK ||
            (upcall.status >= UPCALL_INJECT && upcall.status <= UPCALL_SHUTDOWN));
    require(memchr(upcall.text, 0, sizeof(upcall.text)) != NULL);
    require((upcall.status != UPCALL_KILL && !refused) || upcall.text[0]);
    upcall.state.interrupts.event.type = EVENT_NONE;
    require(!valid || upcall.status == UPCALL_KILL || upcall.status == UPCALL_SHUTDOWN ||
            !entry_check(&upcall.state, NULL));
    require(!loaded || upcall.status == UPCALL_KILL || upcall.status == UPCALL_SHUTDOWN ||
            !entry_check(&upcall.state, &all_demands));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vcpu_state state;
    struct input in = {data, size};
    uint8_t kind = take(&in), detail = take(&in);

    memset(&machine, 0, sizeof(machine));
    take_state(&in, &state);
    budget = take(&in);
    if (kind % 3 == 0)
        one_by_one(&state);
    else if (kind % 3 == 1)
        both_ways(&state);
    else
        batch(&state, detail);
    return 0;
}
