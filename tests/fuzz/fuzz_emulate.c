/*
 * The instruction emulator on arbitrary code, registers and modes, over RAM, a read-only page, a page that is
 * not mapped and a device. After a fault nothing has changed but CR2 and accessed bits; nothing is written
 * outside RAM; what cannot be emulated is named and has no effect.
 *
 * sources: devices/emulate*.c lib/decode*.c lib/walk.c lib/format.c lib/real_mode.c
 * coverage: devices/emulate*.c lib/decode*.c
 */
#include <stdlib.h>
#include "emulate_internal.h"
#include "emulate_machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CODE = 0x7ff8, TABLES = 0x34000, RAM_END = 0x30000, STEPS = 4 };

static struct test_machine machine, before;

static void require(int holds)
{
    if (!holds)
        abort();
}

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
    if ((mode & 128) && (mode & 3) == TEST_PROTECTED_16)
        state->gpr.rflags |= FLAG_VM;
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vcpu_state state, old;
    struct input in = {data, size};

    memset(&machine, 0, sizeof(machine));
    take_state(&in, &state);
    for (unsigned step = 0; step < STEPS; step++) {
        struct emulator e = {.machine = &test_emulator_machine,
                             .context = &machine,
                             .limits = &limits,
                             .state = &state,
                             .gpa = EMULATE_UNKNOWN};
        old = state;
        memcpy(before.ram, machine.ram, RAM_END);
        machine.accesses = 0;
        switch (emulate(&e)) {
        case EMULATE_DONE:
            require(e.modified & VCPU_GPR); /* nobody else changes memory here, so nothing is retried */
            break;
        case EMULATE_INJECT:
            require(e.inject.type == EVENT_EXCEPTION);
            if (e.inject.vector == EXCEPTION_DB)
                return 0;
            require(ram_is_unchanged() && wrote_nothing() && !(e.modified & VCPU_GPR));
            require(memcmp(&old.gpr, &state.gpr, sizeof(old.gpr)) == 0);
            require(memcmp(old.segment, state.segment, sizeof(old.segment)) == 0);
            return 0;
        case EMULATE_REFUSE:
            require(memchr(e.text, 0, sizeof(e.text)) != NULL && e.text[0]);
            require(ram_is_unchanged() && wrote_nothing() &&
                    memcmp(&old.gpr, &state.gpr, sizeof(old.gpr)) == 0);
            return 0;
        }
    }
    return 0;
}
