/*
 * Registers that a loaded vCPU has on the processor whatever the vendor's extension switches: FPU, debug
 * registers, TSC_AUX; and, for a backend that does not switch them at each exit, the registers of SYSCALL and
 * SWAPGS.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

/* Whether the vCPU is the one whose registers are on the calling processor. */
bool vcpu_is_loaded(const struct vcpu *vcpu);

/* Puts FPU, XCR0, DR0-3 and TSC_AUX of the vCPU onto the processor; takes FPU, XCR0 and DR0-3 back. */
void registers_load(struct vcpu *vcpu);
void registers_store(struct vcpu *vcpu);
/* DR0-3 and XCR0 alone, of vcpu->state.control. */
void registers_load_control(const struct vcpu *vcpu);
void registers_store_control(struct vcpu *vcpu);
/* RDTSCP is not intercepted and reads the processor's register. */
void registers_load_tsc_aux(const struct vcpu *vcpu);

/* STAR, LSTAR, SFMASK and KERNEL_GS_BASE of the loaded vCPU: they stay on the processor (LEFT_SYSCALL) from
 * an entry that needs them until ring 3 runs, which uses the first three. */
void syscall_registers_load(const struct vcpu *vcpu);
/* Ring 3's again; KERNEL_GS_BASE of the guest goes to vcpu->state.msrs. */
void syscall_registers_restore(void);
/* KERNEL_GS_BASE into vcpu->state.msrs, where it is on the processor. */
void syscall_registers_get(struct vcpu *vcpu);
