/*
 * The vTLB: guest memory without nested paging, or without it for now (docs/design.md, section 4). A cache of
 * translations in the processor's own format that holds guest-linear to host-physical, filled when the processor
 * faults, emptied when a guest would lose translations from its TLB. It is never a mirror of the guest's tables.
 *
 * While it is active the processor runs with CR0.PG and CR4.PAE set and on vtlb_root(), whatever the guest has;
 * the backend intercepts #PF, INVLPG, and what reads or writes CR0, CR3 and CR4.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "vm.h"

/* Allocates all that the vCPU will need. 0 or NR_ENOMEM, with nothing left behind. */
int vtlb_create(struct vcpu *vcpu);
void vtlb_destroy(struct vcpu *vcpu);

/* Does a vCPU run on the vTLB with this CR0? Always, where there is no nested paging or the guest's description
 * says so; elsewhere while nested paging cannot have it (vcpu_features.unpaged). */
bool vtlb_needed(const struct vcpu *vcpu, uint64_t cr0);

/* The registers as the guest has set them: from the backend, whenever VCPU_CONTROL or VCPU_MSRS was set while it is
 * active. Forgets what their writing makes a processor forget. */
void vtlb_set_registers(struct vcpu *vcpu, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer);
/* What goes into the processor's CR3: 4 levels in long mode, else PAE, then below 4 GiB. */
uint64_t vtlb_root(const struct vcpu *vcpu);

/* Forgets all translations (also for vcpu_ops.flush), or all that are not global, or that of one address. */
void vtlb_flush(struct vcpu *vcpu);
void vtlb_flush_local(struct vcpu *vcpu);
void vtlb_flush_page(struct vcpu *vcpu, uint64_t linear);

/* An intercepted #PF, described in vcpu->exit.exception: filled (the exit becomes VCPU_EXIT_NONE), an access to what
 * is not RAM (VCPU_EXIT_MEMORY), or the guest's own fault (it stays, with the guest's error code). The device model's
 * address space is loaded. */
void vtlb_fault(struct vcpu *vcpu);
