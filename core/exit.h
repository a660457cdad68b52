/*
 * What follows from an exit. Ring 0 handles CPUID, HLT and the local APIC's page; control registers, MSRs and
 * everything that imitates a PC go to the device model.
 */
#pragma once

#include <stdbool.h>
#include "vm.h"

/* Decides on vcpu->exit, and writes the flight recorder. */
enum exit_outcome exit_handle(struct vcpu *vcpu);
/* Fills exit, groups and state of the upcall that exit_handle() asked for. */
void exit_fill_upcall(struct vcpu *vcpu, struct upcall *upcall);
/* Takes over the reply. False: it makes no sense, and nothing of it was taken. */
bool exit_complete_upcall(struct vcpu *vcpu, const struct upcall *upcall);

/* For the parts of exit handling (exit_*.c). */
enum exit_outcome exit_cpuid(struct vcpu *vcpu);
/* exit_known.c: a plain MOV to or from the local APIC's page; with the vTLB, MOV to or from CR3: EXIT_UPCALL
 * when it is anything else; and INVLPG. */
enum exit_outcome exit_lapic_page(struct vcpu *vcpu);
enum exit_outcome exit_cr3(struct vcpu *vcpu);
enum exit_outcome exit_invlpg(struct vcpu *vcpu);
/* One register of the guest's CPUID, for rules that depend on a feature. */
const struct cpuid_entry *exit_cpuid_lookup(const struct vm *vm, uint32_t leaf, uint32_t subleaf);
/* Ends an exit that was handled: past the instruction. */
enum exit_outcome exit_skip(struct vcpu *vcpu);
/* The device model is needed. */
enum exit_outcome exit_upcall(struct vcpu *vcpu, enum upcall_kind kind);
