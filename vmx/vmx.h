/*
 * What the files of the VT-x backend share.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "backend.h"
#include "frames.h"
#include "vcpu_ops.h"
#include "vcpu_registers.h"
#include "vmcs.h"

/* The capability MSRs (SDM Vol. 3D, appendix A): of the controls, the TRUE ones where the processor has them.
 */
struct vmx_capability {
    uint64_t basic, pin, primary, secondary, exit, entry; /* controls: low half must be 1, high half may be */
    uint64_t misc, cr0_fixed, cr4_fixed;                  /* of the latter: bits that must be 1 */
    uint64_t cr4_allowed;                                 /* bits that may be */
    uint64_t ept_vpid;
};

struct vmx_features {
    bool ept;
    bool ept_accessed; /* accessed and dirty bits in EPT */
    bool vpid;
    bool unrestricted;
    bool preemption_timer;
    bool virtual_nmis;
    bool tpr_shadow;
    bool efer;              /* is switched by controls; else by MSR-load areas */
    bool pat;               /* is switched; else the guest's is not used */
    uint64_t physical_mask; /* bits that a physical address can have */
};

extern struct vmx_capability vmx_capability; /* of the boot processor; the others must have the same */
extern struct vmx_features vmx_features;

#define CR4_OWNED CR4_PGE /* what the guest changes of CR4 without an exit; of CR0: core/backend.h */

/* A vCPU's part: vcpu->backend. */
struct vmx_vcpu {
    uint32_t vmcs[PAGE_SIZE / sizeof(uint32_t)]; /* first: it begins a page */
    struct msr_entry msr_areas[2];               /* without controls for EFER: the guest's, then the host's */
    bool shadow;                                 /* on the vTLB, which has the guest's CR3 */
    bool vm86;                                   /* CR0.PE is clear, and virtual-8086 mode stands for it */
    uint64_t forced_rflags;                      /* VM86_FLAGS, then */
    bool unchecked;        /* the state came from outside, and may not be one that the processor runs */
    const struct cpu *cpu; /* on which it was loaded last: host state and translations are that one's */
    bool launched;
    uint32_t fresh;   /* groups that vcpu->state has as the VMCS has them */
    uint32_t pending; /* groups set while it was not loaded */
    uint64_t cr2, efer;
    /* What the VMCS has, so that nothing is written twice. */
    uint64_t rflags, rsp, host_rsp;
    uint32_t interruptibility;
    uint32_t primary, secondary, entry, exceptions;
    uint64_t msr_bitmap;
    uint64_t
        timer_flags; /* IF: the preemption timer is off; clear: it is set for a guest that masks interrupts */
};

/* enter.asm: one world switch. Guest GPRs but RSP move between the processor and *gpr. The exit reason, or
 * VMX_REFUSED: the instruction failed (in vcpu_exit.qualification with the VM-instruction error). */
#define VMX_REFUSED 0xc0000000u
uint32_t vmx_enter(struct vcpu_gpr *gpr, bool launched, uint64_t *host_rsp);
extern char vmx_exit[];

/* By exit reason; which of them happen the controls say (controls.c). VCPU_EXIT_INVALID: it was not asked
 * for; the processor contradicts the VMCS. */
extern const struct exit_decision vmx_exits[EXIT_CODES];

/* capability.c: reads the capability MSRs of the calling processor; NULL, or what is missing. */
const char *vmx_capability_read(struct vmx_capability *capability);
/* Finds out what vmx_capability allows, and says so in vcpu_features. NULL, or what is missing. */
const char *vmx_capability_use(void);

/* controls.c: what never changes; and the one place that derives the controls from the vCPU's mode. */
void vmx_controls_init(void);
void vmx_controls_update(struct vcpu *vcpu);
/* What MSRs a guest uses without an exit; once at boot. */
void vmx_msr_bitmaps_init(void);

/* vmcs.c: the host's half of it, for the calling processor. */
void vmx_host_write(const struct vcpu *vcpu);

/* unfit.c: processors without unrestricted guest. What virtual-8086 mode has at the entry: segments, and
 * flags. */
void vmx_vm86_init(void);
void vmx_vm86_prepare(struct vcpu *vcpu);
void vmx_vm86_segments(const struct vcpu_state *state);
#define VM86_FLAGS (RFLAGS_VM | RFLAGS_IOPL)
/* Whether the device model has to go on; the exit is described then. */
bool vmx_is_unfit(struct vcpu *vcpu, struct vmx_vcpu *vmx);
/* An exception of virtual-8086 mode: what the exit becomes. */
void vmx_vm86_exception(struct vcpu *vcpu, uint32_t vector, bool soft);

/* state.c */
void vmx_get(struct vcpu *vcpu, uint32_t groups);
void vmx_set(struct vcpu *vcpu, uint32_t groups);
void vmx_load(struct vcpu *vcpu);
void vmx_unload(struct vcpu *vcpu);
/* #DB is about to be injected: DR6 and DR7 as its delivery changes them (SDM Vol. 3C, 28.1). */
void vmx_debug_exception(uint64_t pending);

/* run.c */
void vmx_run(struct vcpu *vcpu);
void vmx_inject(struct vcpu *vcpu);
void vmx_window(struct vcpu *vcpu);
void vmx_lapic(struct vcpu *vcpu, uint16_t status);
/* Takes back the event that the exit interrupted in delivery, if there is one. */
void vmx_recover_event(struct vcpu *vcpu, bool soft);
void vmx_set_cr2(struct vcpu *vcpu, uint64_t linear);
void vmx_code(const struct vcpu *vcpu, struct vcpu_code *code);

/* vmcs.c: the VMCS's life. The current one is what vmread() and vmwrite() reach. */
void vmcs_load(const void *vmcs);
void vmcs_clear(const void *vmcs);
/* Fields that no function below writes: once, when the VMCS is current for the first time. */
void vmx_vmcs_init(const struct vcpu *vcpu);

/* tlb.c: forgets on this processor what it knows of the vCPU's linear addresses, of all its addresses, or
 * all. */
void vmx_invalidate_linear(const struct vcpu *vcpu);
void vmx_invalidate(struct vcpu *vcpu);
void vmx_invalidate_all(void);
/* The names of its translations, into the VMCS. */
void vmx_tags_write(const struct vcpu *vcpu);
