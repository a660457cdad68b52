/* One machine, one state and one emulator for the hand-written tests of the emulator. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>
#include "emulate_internal.h"
#include "emulate_machine.h"

static struct test_machine machine;
static struct vcpu_state state;
static struct emulator emulator;

enum { CODE = 0x8000 };

/* What run() runs on. */
static const struct emulator_machine *used_machine = &test_emulator_machine;

static void begin(enum test_mode mode)
{
    memset(&machine, 0, sizeof(machine));
    test_state(&machine, &state, mode);
    state.gpr.rip = CODE;
}

static inline enum emulate_result run(const char *code, size_t length)
{
    memcpy(machine.ram + state.gpr.rip, code, length);
    emulator = (struct emulator){.machine = used_machine,
                                 .context = &machine,
                                 .limits = &limits,
                                 .state = &state,
                                 .gpa = EMULATE_UNKNOWN};
    machine.accesses = 0;
    enum emulate_result result = emulate(&emulator);
    if (result == EMULATE_REFUSE)
        print_message("%s\n", emulator.text);
    return result;
}
#define RUN(code) run(code, sizeof(code) - 1)

/* The fault, and that nothing else has happened. */
static inline void expect_fault(enum emulate_result result, unsigned vector, int error_code)
{
    assert_int_equal(result, EMULATE_INJECT);
    assert_int_equal(emulator.inject.type, EVENT_EXCEPTION);
    assert_int_equal(emulator.inject.vector, vector);
    assert_int_equal(emulator.inject.has_error_code, error_code >= 0);
    if (error_code >= 0)
        assert_int_equal(emulator.inject.error_code, error_code);
    assert_int_equal(state.gpr.rip, CODE);
    assert_int_equal(machine.accesses, 0);
    assert_int_equal(emulator.modified & VCPU_GPR, 0);
}
#define FAULT(code, vector, error_code) expect_fault(RUN(code), vector, error_code)

static inline void expect_access(unsigned index, char kind, uint64_t address, unsigned size, uint64_t value)
{
    assert_true(index < machine.accesses);
    assert_int_equal(machine.access[index].kind, kind);
    assert_int_equal(machine.access[index].address, address);
    assert_int_equal(machine.access[index].size, size);
    assert_int_equal(machine.access[index].value, value);
}

/* In 64-bit mode: 4 KiB pages from linear 0x200000000 on, the first four to RAM at 0x10000, then the device
 * twice. */
#define PAGES 0x200000000ull
enum { PAGES_DIRECTORY = 0x32000, PAGES_TABLE = 0x33000 };

static inline void map_pages(void)
{
    uint64_t pdpt_entry = PAGES_DIRECTORY | 7, pd_entry = PAGES_TABLE | 7;
    memcpy(machine.ram + 0x31000 + 8 * (PAGES >> 30), &pdpt_entry, 8);
    memcpy(machine.ram + PAGES_DIRECTORY, &pd_entry, 8);
    for (uint64_t i = 0; i < 6; i++) {
        uint64_t entry = (i < 4 ? 0x10000 + (i << 12) : TEST_DEVICE + ((i - 4) << 12)) | 7;
        memcpy(machine.ram + PAGES_TABLE + 8 * i, &entry, 8);
    }
}

static inline uint64_t page_entry(unsigned page)
{
    uint64_t entry;
    memcpy(&entry, machine.ram + PAGES_TABLE + 8 * page, 8);
    return entry;
}

static inline void set_page_entry(unsigned page, uint64_t entry)
{
    memcpy(machine.ram + PAGES_TABLE + 8 * page, &entry, 8);
}
