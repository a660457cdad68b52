/*
 * What the files of the SVM backend share.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "backend.h"
#include "frames.h"
#include "vcpu_ops.h"
#include "vmcb.h"

struct svm_features {
    bool next_rip; /* NRIPS */
    bool decode_assists;
    bool flush_by_asid;
    bool tcg; /* QEMU's emulation. It switches tasks without asking. And it delivers an interrupt of EVENTINJ
                 a second time, whatever IF says, if it leaves its loop before the next exit: V_IRQ instead */
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
    struct vmcb vmcb; /* first: it begins a page */
    uint64_t vmcb_physical;
    uint64_t asid_generation; /* of the processor that gave the ASID; 0: it needs a new one */
    uint32_t clean;           /* groups of the VMCB not changed since the last entry */
    bool shadow;              /* on the vTLB, which has the guest's CR3; for life */
    const uint64_t *space;    /* struct vcpu_code: CR3, or CODE_SPACE_FLAT */
    bool task_guard;          /* it switches tasks without asking: nmi_work is always set */
    bool virtually_injected;  /* state.interrupts.event is in V_IRQ */
    bool nmi_work;            /* something of what follows, or of NMIs, needs a look at each entry and exit */
    bool iret_intercepted;    /* as the VMCB has it */
    bool iret_ahead;          /* NMIs are blocked until the IRET at iret_rip has been executed */
    bool stepping;            /* RFLAGS.TF is ours */
    uint64_t iret_rip;
    uint64_t shadow_rip; /* of the last entry in an interrupt shadow */
    uint32_t invalid_at; /* number of the exit after the last VMEXIT_INVALID */
};

/* enter.asm: one world switch. Guest GPRs but RAX and RSP move between the processor and *gpr. */
void svm_enter(struct vcpu_gpr *gpr, uint64_t guest_physical, uint64_t host_physical);

/* When an exit is asked for. */
enum intercept_when {
    NOT,    /* never; also the exits of functions that are off */
    ALWAYS, /* whatever the vCPU's mode */
    SHADOW, /* on the vTLB */
    MODE,   /* svm_intercepts_update() decides */
    IF,     /* and more: where CPUID 8000_0008 has this bit of EBX; else the intercept's is reserved */
};

/* By exit code. Reason 0: it was not asked for; the processor contradicts the VMCB. */
extern const struct exit_decision svm_exits[EXIT_CODES_DENSE];

/* exits.c: exits with codes beyond the table. */
void svm_exit_decode_sparse(struct vcpu *vcpu);
/* exits.c: gathers the intercepts that are always on; once at boot. */
void svm_intercepts_init(void);
/* exits.c: the one place that derives the intercepts from the vCPU's mode. */
void svm_intercepts_update(struct vcpu *vcpu);

/* state.c */
void svm_get(struct vcpu *vcpu, uint32_t groups);
void svm_set(struct vcpu *vcpu, uint32_t groups);

/* task_switch.c: what a task switch asks of the device model. If the processor does not ask before one: after
 * each exit, and in place of vtlb_fault(). */
void svm_task_describe(struct vcpu *vcpu);
void svm_task_guard(struct vcpu *vcpu, const struct svm_vcpu *svm);
void svm_task_fault(struct vcpu *vcpu, struct svm_vcpu *svm);

/* run.c */
void svm_run(struct vcpu *vcpu);
void svm_inject(struct vcpu *vcpu);
void svm_window(struct vcpu *vcpu);
void svm_code(const struct vcpu *vcpu, struct vcpu_code *code);
