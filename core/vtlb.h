/*
 * The vTLB: guest memory without nested paging, or without it for now (docs/design.md, section 4). A cache of
 * translations in the processor's own format that holds guest-linear to host-physical, filled when the
 * processor faults, emptied when a guest would lose translations from its TLB. It is never a mirror of the
 * guest's tables.
 *
 * While it is active the processor runs with CR0.PG, CR0.WP, CR4.PAE and EFER.NXE set and on vtlb_root(),
 * whatever the guest has, and with the guest's CR4.SMEP and SMAP where it has paging on; the backend
 * intercepts #PF, INVLPG, task switches, and what reads or writes CR0, CR3, CR4 and EFER. What the vTLB
 * forgets the processor's own TLB must forget, too: each of these functions that takes translations away
 * calls vcpu_ops->flush() for that.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "vm.h"

/* Allocates all that the vCPU will need. 0 or NR_ENOMEM, with nothing left behind. For one that never needs
 * it vcpu->vtlb is NULL, and nothing but vtlb_needed(), vtlb_flush() and vtlb_destroy() is to be called. */
int vtlb_create(struct vcpu *vcpu);
void vtlb_destroy(struct vcpu *vcpu);

/* Does a vCPU run on the vTLB with this CR0? Always, where there is no nested paging or the guest's
 * description says so; elsewhere while nested paging cannot have it (vcpu_features.unpaged). With 0: may it
 * ever? */
bool vtlb_needed(const struct vcpu *vcpu, uint64_t cr0);

/* vcpu->state has the registers as the guest has set them, CR3 among them always: from the backend, whenever
 * VCPU_CONTROL or VCPU_MSRS was set while it is active. Forgets what their writing makes a processor forget.
 */
void vtlb_set_registers(struct vcpu *vcpu);
/* MOV to CR3 of an allowed value, into vcpu->state: also of the same one it forgets all that is not global.
 * The second one looks at the value first: false, and nothing is done, if it may not be allowed. */
void vtlb_load_cr3(struct vcpu *vcpu, uint64_t cr3);
bool vtlb_may_load_cr3(struct vcpu *vcpu, uint64_t cr3);
/* What goes into the processor's CR3: 4 levels in long mode, else PAE, then below 4 GiB. It changes with
 * vtlb_set_registers() alone. */
uint64_t vtlb_root(const struct vcpu *vcpu);

/* Forgets all translations, or that of one address with all of the guest's page around it. vtlb_flush() may
 * be called for any vCPU. */
void vtlb_flush(struct vcpu *vcpu);
void vtlb_flush_page(struct vcpu *vcpu, uint64_t linear);

/* Pages of the backend's own at a linear address, for the processor's accesses as a supervisor, while CR0.PE
 * is clear: what virtual-8086 mode needs, above all that real mode reaches. Once, at creation. */
void vtlb_fixed_map(struct vcpu *vcpu, uint64_t linear, uint64_t physical, uint64_t size);

/* One page of the guest's that it cannot write without a fault; VTLB_NO_PAGE: none. */
#define VTLB_NO_PAGE (~0ull)
void vtlb_protect(struct vcpu *vcpu, uint64_t linear);
bool vtlb_protects(const struct vcpu *vcpu, uint64_t linear);

/* From the backend, when it has described an intercepted #PF in vcpu->exit.exception (error code and linear
 * address) and the event in whose delivery it came: what the exit becomes. VCPU_EXIT_NONE: a translation was
 * filled in. VCPU_EXIT_MEMORY: an access to what is not RAM. Or the guest's own fault: it stays, with the
 * guest's error code, and CR2 is set. The device model's address space is loaded. */
void vtlb_fault(struct vcpu *vcpu);
