/*
 * A guest with four vCPUs around the virtual local APIC, for the unit tests of core/lapic*.c and
 * core/event.c. The sources are part of the test program, because the processor's TSC must be a variable
 * here; everything that they call outside is a record of what was asked.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define rdtsc rdtsc_of_the_host
#include "cpu.h"
#undef rdtsc

static uint64_t world_tsc;

static inline uint64_t rdtsc(void)
{
    return world_tsc;
}

#include "../../core/lapic.c"
#include "../../core/lapic_registers.c"
#include "../../core/lapic_ipi.c"
#include "../../core/lapic_pv_eoi.c"
#include "../../core/lapic_timer.c"
#include "../../core/event.c"
#include "errors.h"
#include "layout.h"

enum { WORLD_VCPUS = 4, WORLD_RAM = 0x2000, GHZ = 1000000 };

static struct vm world_vm;
static struct vcpu world_vcpu[WORLD_VCPUS];
static uint8_t world_ram[WORLD_RAM];
static uint32_t world_injects, world_window_calls, world_windows;
static struct vcpu_event world_injected;

uint64_t tsc_khz = GHZ;

void vcpu_request(struct vcpu *vcpu, uint32_t requests)
{
    atomic_fetch_or(&vcpu->requests, requests);
}

/* What the host's timer was last asked for. */
static uint64_t world_deadline;

void schedule_deadline(uint64_t deadline)
{
    world_deadline = deadline;
}

void vm_queue_eoi(struct vm *vm, uint8_t vector)
{
    atomic_fetch_or(&vm->eoi[vector / 64], 1ull << (vector % 64));
}

int guest_read(void *to, uint64_t gpa, size_t length)
{
    if (gpa > WORLD_RAM || length > WORLD_RAM - gpa)
        return NR_EFAULT;
    memcpy(to, world_ram + gpa, length);
    return NR_OK;
}

int guest_write(uint64_t gpa, const void *from, size_t length)
{
    if (gpa >= WORLD_RAM || length > WORLD_RAM - gpa)
        return NR_EFAULT;
    memcpy(world_ram + gpa, from, length);
    return NR_OK;
}

static void world_inject(struct vcpu *vcpu)
{
    world_injects++;
    world_injected = vcpu->state.interrupts.event;
}

static void world_window(struct vcpu *vcpu)
{
    world_window_calls++;
    world_windows = vcpu->windows;
}

static uint16_t world_status; /* what the processor that serves local APICs was told last */
static uint32_t world_status_calls, world_placed;

static void world_lapic(struct vcpu *vcpu, uint16_t status)
{
    (void)vcpu;
    world_status_calls++;
    world_status = status;
}

int vm_place_lapic(struct vm *vm)
{
    (void)vm;
    world_placed++;
    return NR_OK;
}

static const struct vcpu_ops world_ops = {
    .name = "test", .inject = world_inject, .window = world_window, .lapic = world_lapic};
const struct vcpu_ops *vcpu_ops = &world_ops;

/* All local APICs software-enabled, no guest's EOI protocol, TSC at 1 GHz; interrupts of the vCPUs on. */
static int world_reset(void **state)
{
    (void)state;
    memset(&world_vm, 0, sizeof world_vm);
    memset(world_vcpu, 0, sizeof world_vcpu);
    memset(world_ram, 0, sizeof world_ram);
    world_tsc = 1000;
    tsc_khz = GHZ;
    world_injects = world_window_calls = world_windows = 0;
    world_status = 0;
    world_status_calls = world_placed = 0;
    world_injected = (struct vcpu_event){0};
    world_vm.vcpu_count = WORLD_VCPUS;
    for (uint32_t i = 0; i < WORLD_VCPUS; i++) {
        world_vm.vcpu[i] = &world_vcpu[i];
        world_vcpu[i].vm = &world_vm;
        world_vcpu[i].index = i;
        world_vcpu[i].state.gpr.rflags = 0x202;
        lapic_reset(&world_vcpu[i], false);
        lapic_write(&world_vcpu[i], LAPIC_SVR, SVR_ENABLE | 0xff);
    }
    return 0;
}

/* Bit of a vector in the bank of eight registers at `offset`. */
static inline bool world_bank_bit(struct vcpu *vcpu, uint32_t offset, uint8_t vector)
{
    return lapic_read(vcpu, offset + vector / 32 * 16u) >> (vector % 32) & 1;
}

static inline uint32_t world_take_requests(unsigned index)
{
    return atomic_exchange(&world_vcpu[index].requests, 0);
}

/* What the run loop does with an interrupt that may be taken now: the vector, or LAPIC_NO_VECTOR. */
static inline int world_take_interrupt(struct vcpu *vcpu)
{
    lapic_sync(vcpu);
    int vector = lapic_pending_vector(vcpu);
    if (vector >= 0)
        lapic_accept(vcpu, (uint8_t)vector);
    return vector;
}
