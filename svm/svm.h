/*
 * What the files of the SVM backend share.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "fixup.h"
#include "frames.h"
#include "known_insn.h"
#include "layout.h"
#include "vcpu_ops.h"
#include "vm.h"
#include "vmcb.h"
#include "x86.h"

struct svm_features {
    bool next_rip; /* NRIPS */
    bool decode_assists;
    bool flush_by_asid;
    bool inject_virtually; /* TCG delivers an interrupt of EVENTINJ a second time, whatever IF says, if it
                              leaves its loop before the next exit: V_IRQ instead */
    uint32_t asid_count;
    uint32_t clean; /* the clean bits that may be used: all or none */
};

extern struct svm_features svm_features; /* of the boot processor; the others must not have less */

/* A processor's part: cpu->vendor. */
struct svm_cpu {
    uint64_t host_physical;   /* what VMSAVE keeps of the host, for VMLOAD */
    uint64_t asid_generation; /* differs between any two processors; ASIDs are valid within one generation */
    uint32_t asid_next;
};

/* A vCPU's part: vcpu->backend. */
struct svm_vcpu {
    struct vmcb *vmcb;
    uint64_t vmcb_physical;
    uint64_t asid_generation; /* of the processor that gave the ASID; 0: it needs a new one */
    uint32_t clean;           /* groups of the VMCB not changed since the last entry */
    uint32_t windows;         /* enum vcpu_window asked for */
    bool shadow;              /* on the vTLB, which has the guest's CR3; for life */
    uint64_t efer;            /* as the guest set it; with nested paging LMA is the VMCB's */
    uint64_t cr0_hidden;      /* bits of the guest's CR0 that the VMCB does not have: CD, NW */
    uint64_t cr0_forced;      /* bits of the VMCB's CR0 that the guest has clear: PG and WP with the vTLB */
    uint64_t cr4_forced; /* bits of the VMCB's CR4 that the guest has clear: MCE, and PAE with the vTLB */
    uint64_t
        cr4_hidden; /* bits of the guest's CR4 that the VMCB does not have: SMEP and SMAP without paging */
    const uint64_t *space;   /* struct vcpu_code: CR3, or CODE_SPACE_FLAT */
    bool task_guard;         /* it switches tasks without asking: nmi_work is always set */
    bool virtually_injected; /* state.interrupts.event is in V_IRQ */
    bool nmi_work;           /* something of what follows, or of NMIs, needs a look at each entry and exit */
    bool iret_intercepted;   /* as the VMCB has it */
    bool iret_ahead;         /* NMIs are blocked until the IRET at iret_rip has been executed */
    bool stepping;           /* RFLAGS.TF is ours */
    uint64_t iret_rip;
    uint32_t invalid_at; /* number of the exit after the last VMEXIT_INVALID */
};

/* enter.asm: one world switch. Guest GPRs but RAX and RSP move between the processor and *gpr. */
void svm_enter(struct vcpu_gpr *gpr, uint64_t guest_physical, uint64_t host_physical);

/* When an exit is asked for. */
enum intercept_when {
    NOT,    /* never; also the exits of functions that are off */
    ALWAYS, /* whatever the vCPU's mode */
    MODE,   /* svm_intercepts_update() decides */
};

enum { SKIPPED = 0xff }; /* exit_decision.detail: the core goes on behind the instruction */

struct exit_decision {
    uint8_t when;
    uint8_t reason; /* 0: it was not asked for; the processor contradicts the VMCB */
    uint8_t detail; /* the vector, where the instruction is refused with an exception; or SKIPPED */
    /* What else is to say, in vcpu->exit; or NULL. */
    void (*describe)(struct vcpu *vcpu, struct svm_vcpu *svm, uint32_t code);
};

extern const struct exit_decision svm_exits[EXIT_CODES_DENSE]; /* by exit code */

/* exits.c: exits with codes beyond the table. */
void svm_exit_decode_sparse(struct vcpu *vcpu, const struct vmcb *vmcb);
/* exits.c: gathers the intercepts that are always on; once at boot. */
void svm_intercepts_init(void);
/* exits.c: the one place that derives the intercepts from the vCPU's mode. */
void svm_intercepts_update(struct vcpu *vcpu);

/* state.c */
void svm_get(struct vcpu *vcpu, uint32_t groups);
void svm_set(struct vcpu *vcpu, uint32_t groups);

/* task_switch.c: does this processor switch tasks without asking? What a task switch asks of the device
 * model. If it does not ask: after each exit, and in place of vtlb_fault(). */
bool svm_task_unasked(void);
void svm_task_describe(struct vcpu *vcpu, struct svm_vcpu *svm, uint32_t code);
void svm_task_guard(struct vcpu *vcpu, const struct svm_vcpu *svm);
void svm_task_fault(struct vcpu *vcpu, struct svm_vcpu *svm);

/* run.c */
void svm_run(struct vcpu *vcpu);
void svm_inject(struct vcpu *vcpu);
void svm_window(struct vcpu *vcpu, uint32_t windows);
void svm_code(const struct vcpu *vcpu, struct vcpu_code *code);

/* svm.c: the permission maps that all guests share. */
extern uint64_t svm_iopm_physical, svm_msrpm_physical;
