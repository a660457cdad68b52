/*
 * The guest's FPU state, switched eagerly with the vCPU (docs/design.md, section 3): neither ring of ours
 * uses the FPU, so it stays on the processor across exits and upcalls.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vcpu;
struct vcpu_fpu;

/* Finds the components that the processor has and vcpu_state.fpu can hold; once at boot. */
void fpu_init(void);

/* Put the state of a vCPU onto the calling processor, and back into vcpu->state (fpu and control.xcr0). */
void fpu_load(struct vcpu *vcpu);
void fpu_store(struct vcpu *vcpu);

/* An area from outside into vcpu->state; false, and nothing changed, where the processor would fault on it.
 */
bool fpu_take(struct vcpu *vcpu, const struct vcpu_fpu *from);

/* Whether the processor has these components of XCR0. Which go together is an entry rule (checks/). */
bool fpu_has(uint64_t xcr0);
/* An allowed value from vcpu->state.control.xcr0 to the processor, on which the vCPU is loaded. */
void fpu_set_xcr0(const struct vcpu *vcpu);
/* XCR0 of a loaded vCPU into vcpu->state.control.xcr0: emulators let the guest write it unseen. */
void fpu_get_xcr0(struct vcpu *vcpu);
