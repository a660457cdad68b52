/*
 * A machine for the emulator's tests and fuzzers: 256 KiB of RAM from guest-physical 0, one device that
 * remembers its last accesses, ports that answer with their number.
 */
#pragma once

#include <stdint.h>
#include <string.h>
#include "emulate.h"

enum { TEST_RAM = 256 << 10, TEST_PAGE = 4096, TEST_ACCESSES = 64 };
#define TEST_DEVICE 0xfed00000ull

struct test_access {
    uint64_t address, value;
    unsigned size;
    char kind; /* 'r', 'w', 'i', 'o' */
};

struct test_machine {
    uint8_t ram[TEST_RAM];
    uint8_t device[2 * TEST_PAGE];
    struct test_access access[TEST_ACCESSES];
    unsigned accesses;
    uint64_t read_only; /* RAM from here on is read-only; 0: none */
    uint64_t race;      /* when this is about to be written another processor changes it once; 0: none */
};

static void test_note(struct test_machine *t, char kind, uint64_t address, unsigned size, uint64_t value)
{
    if (t->accesses < TEST_ACCESSES)
        t->access[t->accesses] = (struct test_access){address, value, size, kind};
    t->accesses++;
}

static void *test_ram(void *context, uint64_t gpa, bool write)
{
    struct test_machine *t = context;
    if (gpa >= TEST_RAM || (write && t->read_only && gpa >= t->read_only))
        return NULL;
    if (write && t->race && gpa == t->race) {
        t->ram[gpa + 1] ^= 2; /* a bit of an entry that is left to the system */
        t->race = 0;
    }
    return t->ram + gpa;
}

static uint64_t test_read(void *context, uint64_t gpa, unsigned size)
{
    struct test_machine *t = context;
    uint64_t value = 0;
    if (gpa < TEST_RAM)
        memcpy(&value, t->ram + gpa, size);
    else if (gpa >= TEST_DEVICE && gpa + size <= TEST_DEVICE + sizeof(t->device))
        memcpy(&value, t->device + (gpa - TEST_DEVICE), size);
    else
        value = ~0ull >> (64 - 8 * size);
    test_note(t, 'r', gpa, size, value);
    return value;
}

static void test_write(void *context, uint64_t gpa, unsigned size, uint64_t value)
{
    struct test_machine *t = context;
    if (gpa >= TEST_DEVICE && gpa + size <= TEST_DEVICE + sizeof(t->device))
        memcpy(t->device + (gpa - TEST_DEVICE), &value, size);
    test_note(t, 'w', gpa, size, value);
}

static uint32_t test_in(void *context, uint16_t port, unsigned size)
{
    test_note(context, 'i', port, size, port);
    return 0x01010101u * (uint8_t)port;
}

static void test_out(void *context, uint16_t port, unsigned size, uint32_t value)
{
    test_note(context, 'o', port, size, value);
}

static int test_get(void *context, struct vcpu_state *state, uint32_t groups)
{
    (void)context, (void)state, (void)groups;
    return 0;
}

/* One register that holds what is written. */
enum { TEST_MSR = 0x1b };
static uint64_t test_msr;

static bool test_read_msr(void *context, unsigned vcpu, uint32_t index, uint64_t *value)
{
    (void)context, (void)vcpu;
    *value = test_msr;
    return index == TEST_MSR;
}

static bool test_write_msr(void *context, unsigned vcpu, uint32_t index, uint64_t value)
{
    (void)context, (void)vcpu;
    test_msr = value;
    return index == TEST_MSR;
}

/* The calls that there are answer with their number and one more; there is none above 9. */
static bool test_hypercall(void *context, uint64_t *rax)
{
    (void)context;
    return (*rax)++ < 10;
}

static const struct emulator_machine test_emulator_machine = {
    .ram = test_ram,
    .read = test_read,
    .write = test_write,
    .in = test_in,
    .out = test_out,
    .read_msr = test_read_msr,
    .write_msr = test_write_msr,
    .get = test_get,
    .hypercall = test_hypercall,
};

/* An EPYC's. */
static const struct processor_limits limits = {
    .cr4 = 0x3507ff, .efer = 0x4d01, .xcr0 = 7, .physical_width = 40};

/* Flat segments of the given mode at CPL 0, paging off; in 64-bit mode identity page tables of 1 GiB leaves.
 */
enum test_mode { TEST_REAL, TEST_PROTECTED_16, TEST_PROTECTED_32, TEST_LONG };

static void test_state(struct test_machine *t, struct vcpu_state *state, enum test_mode mode)
{
    enum { PML4 = 0x30000, PDPT = 0x31000 };
    memset(state, 0, sizeof(*state));
    state->gpr.rflags = 2;
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        struct segment *s = &state->segment[i];
        s->limit = mode == TEST_REAL ? 0xffff : 0xffffffff;
        s->attributes = SEG_P | SEG_S | 3;
        if (mode == TEST_PROTECTED_32 || mode == TEST_LONG)
            s->attributes |= SEG_DB | SEG_G;
    }
    state->segment[SEG_CS].attributes |= 8;
    state->segment[SEG_TR] = (struct segment){.attributes = SEG_P | 11, .limit = 0x67};
    if (mode != TEST_REAL)
        state->control.cr0 = 1;
    if (mode == TEST_LONG) {
        state->segment[SEG_CS].attributes = (state->segment[SEG_CS].attributes & ~SEG_DB) | SEG_L;
        state->control.cr0 |= 1ull << 31 | 1 << 16;
        state->control.cr3 = PML4;
        state->control.cr4 = 1 << 5;
        state->msrs.efer = 1 << 8 | 1 << 10 | 1 << 11;
        uint64_t entry = PDPT | 7;
        memcpy(t->ram + PML4, &entry, 8);
        for (unsigned i = 0; i < 512; i++) {
            entry = (uint64_t)i << 30 | 0x87;
            memcpy(t->ram + PDPT + 8 * i, &entry, 8);
        }
    }
}
