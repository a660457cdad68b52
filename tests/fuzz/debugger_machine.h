/* The machine of fuzz_debugger.c: guest memory, page tables, what the monitor and what the guest has of its
 * processors, and the system calls, which debugger.c, a part of this program, has in place of the monitor's.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "fuzz_input.h"
#include "syscall.h"

#define sys_vcpu_debug   recorded_debug
#define sys_vcpu_get     recorded_get
#define sys_lapic_access recorded_access
#define sys_notify       recorded_notify
static int64_t recorded_debug(uint32_t vcpu, uint32_t intercept, uint64_t stood);
static int64_t recorded_get(uint32_t groups);
static int64_t recorded_access(uint32_t offset, uint32_t write, uint64_t value);
static int64_t recorded_notify(uint32_t guest);
#include "../../devices/debugger.c"
#include "emulate_unfit.h"
#include "guest_machine.h"

enum { CPUS = 2, EFFECTS_MAX = 4000, OFFSET = 1000, INT3 = 0xcc, PAGE = 4096 };
/* Guest-physical memory: RAM, the last pages of the ROM below 1 MiB and below 4 GiB, page tables far away. */
enum { RAM = 8 * PAGE, PART = 4 * PAGE, ROM_LOW = 0x100000 - PART, PRESENT = 3, TABLE_ENTRIES = 512 };
#define ROM_HIGH (GUEST_HIGH_RAM - PART)
#define TABLES   (1ull << 40)
/* What lies where, as an index of all bytes: RAM, ROM, and RAM in the ROM's place. */
enum { ROM = RAM, UPPER = ROM + PART, PLACES = UPPER + PART, NOWHERE = -1 };
enum upper { UPPER_ROM, UPPER_PROTECTED, UPPER_RAM, UPPER_KINDS };
enum { FLAG_ID = 1 << 21 };

static struct pc pc;
static struct debugger *const debugger = &pc.debugger;
static struct upcall page, *const upcall = &page;
static struct channel_debug *channel; /* alone, so that nothing is written behind it unseen */
static uint8_t *ram, *spare;
static uint64_t tables[4][TABLE_ENTRIES];
static enum upper upper;
static uint8_t memory[PLACES], fresh[PLACES];          /* as the guest has it, and at its start */
static struct vcpu_state monitors[CPUS], guests[CPUS]; /* as the monitor and as the guest has them */
static bool held[CPUS], asked[CPUS];
static uint32_t intercepted, effects;
static uint64_t tsc;
static bool meddles;
const struct emulator_machine guest_machine;

static void check(bool holds, const char *rule)
{
    if (holds)
        return;
    fprintf(stderr, "broken: %s; op %u of vCPU %u at %lx, length %u, kind %u: error %u, %u bytes\n", rule,
            channel->request.op, channel->request.vcpu, (unsigned long)channel->request.address,
            channel->request.length, channel->request.kind, channel->answer.error, channel->answer.size);
    abort();
}

static void effect(void)
{
    check(++effects < EFFECTS_MAX, "bounded work");
    if (meddles)
        memset(&channel->request, 0xff, sizeof channel->request);
}

static struct process_info *info(void)
{
    return (struct process_info *)USER_INFO;
}

static int64_t recorded_debug(uint32_t vcpu, uint32_t intercept, uint64_t stood)
{
    check(vcpu < CPUS, "a vCPU that there is");
    effect();
    asked[vcpu] = true;
    intercepted = intercept;
    info()->clock_offset -= stood;
    return 0;
}

static int64_t recorded_get(uint32_t groups)
{
    memcpy(&upcall->state, &monitors[upcall->vcpu],
           groups & VCPU_FPU ? sizeof upcall->state : offsetof(struct vcpu_state, fpu));
    upcall->groups |= groups;
    effect();
    return 0;
}

static int64_t recorded_access(uint32_t offset, uint32_t write, uint64_t value)
{
    (void)value;
    check(!write && offset % 16 == 0 && offset < 0x400, "the local APIC is only read");
    effect();
    return (int64_t)(offset * 0x10204081ull & UINT32_MAX);
}

static int64_t recorded_notify(uint32_t guest)
{
    (void)guest;
    return 0;
}

uint64_t effect_read_tsc(void)
{
    return tsc;
}

uint8_t *effect_spare(uint64_t offset)
{
    check(offset < SPARE_FIRMWARE, "within spare memory");
    return spare + offset;
}

static int32_t place_of(uint64_t gpa, bool write)
{
    if (gpa < RAM)
        return (int32_t)gpa;
    if (gpa >= ROM_LOW && gpa < ROM_LOW + PART && upper != UPPER_ROM)
        return write && upper != UPPER_RAM ? NOWHERE : UPPER + (int32_t)(gpa - ROM_LOW);
    if (gpa >= ROM_LOW && gpa < ROM_LOW + PART)
        return write ? NOWHERE : ROM + (int32_t)(gpa - ROM_LOW);
    if (gpa >= ROM_HIGH && gpa < GUEST_HIGH_RAM && !write)
        return ROM + (int32_t)(gpa - ROM_HIGH);
    return NOWHERE;
}

static uint8_t *byte_at(int32_t place)
{
    return place < ROM     ? ram + place
           : place < UPPER ? spare + SPARE_ROM + SPARE_ROM_SIZE - PART + (place - ROM)
                           : spare + SPARE_UPPER + ROM_LOW - GUEST_VGA_HOLE + (place - UPPER);
}

void *ring3_memory(uint64_t gpa, uint64_t length, unsigned rights)
{
    effect();
    if (gpa >= TABLES && gpa < TABLES + sizeof tables && !(rights & MEMORY_WRITE))
        return (uint8_t *)tables + (gpa - TABLES);
    int32_t first = place_of(gpa, rights & MEMORY_WRITE),
            last = place_of(gpa + length - 1, rights & MEMORY_WRITE);
    return first == NOWHERE || last - first != (int32_t)length - 1 ? NULL : byte_at(first);
}

static bool is_long(const struct vcpu_state *state)
{
    return state->msrs.efer & EFER_LMA;
}

/* Where a linear address lies in physical memory; UINT64_MAX: nowhere. */
static uint64_t physical_of(const struct vcpu_state *state, uint64_t linear)
{
    if (!is_long(state))
        return (uint32_t)linear;
    if (linear >> 21)
        return UINT64_MAX;
    uint64_t entry = tables[3][linear / PAGE];
    return entry ? (entry & ~(uint64_t)(PAGE - 1)) + linear % PAGE : UINT64_MAX;
}

static int32_t find(const struct vcpu_state *state, uint64_t linear, bool write)
{
    uint64_t gpa = physical_of(state, linear);
    return gpa == UINT64_MAX ? NOWHERE : place_of(gpa, write);
}
