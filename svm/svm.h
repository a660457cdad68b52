/*
 * What the files of the SVM backend share.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "insn.h"
#include "vcpu_ops.h"
#include "vm.h"
#include "vmcb.h"

struct svm_features {
    bool next_rip; /* NRIPS */
    bool decode_assists;
    bool flush_by_asid;
    bool pause_filter;
    uint32_t asid_count;
    uint32_t clean; /* the clean bits that may be used: all or none */
};

extern struct svm_features svm_features; /* of the boot processor; the others must not have less */

/* A processor's part: cpu->vendor. */
struct svm_cpu {
    struct vmcb *host; /* what VMSAVE and VMLOAD keep of the host */
    uint64_t host_physical;
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
    uint64_t efer;            /* as the guest set it; LMA is the VMCB's */
    uint64_t cr0_hidden;      /* bits of the guest's CR0 that the VMCB does not have: CD, NW */
    uint64_t cr4_forced;      /* bits of the VMCB's CR4 that the guest has clear: MCE */
    bool iret_intercepted;    /* as the VMCB has it */
    bool iret_ahead;          /* NMIs are blocked until the IRET at iret_rip has been executed */
    bool stepping;            /* RFLAGS.TF is ours */
    uint64_t iret_rip;
};

/* enter.asm: one world switch. Guest GPRs but RAX and RSP move between the processor and *gpr. */
void svm_enter(struct vcpu_gpr *gpr, uint64_t guest_physical, uint64_t host_physical);

/* exits.c: describes the exit in vcpu->exit. */
void svm_exit_decode(struct vcpu *vcpu);
/* exits.c: gathers the intercepts that are always on; once at boot. */
void svm_intercepts_init(void);
/* exits.c: the one place that derives the intercepts from the vCPU's mode. */
void svm_intercepts_update(struct vcpu *vcpu);

/* fetch.c: RIP after the instruction at RIP, known by its opcode of `length` bytes, the first one highest. 0:
 * some other instruction is there now; it has to be executed again. */
uint64_t svm_next_rip(struct vcpu *vcpu, uint32_t opcode, unsigned length);
void svm_code(const struct vcpu *vcpu, struct vcpu_code *code);

/* state.c */
void svm_get(struct vcpu *vcpu, uint32_t groups);
void svm_set(struct vcpu *vcpu, uint32_t groups);
void svm_load(struct vcpu *vcpu);
void svm_unload(struct vcpu *vcpu);

/* run.c */
void svm_run(struct vcpu *vcpu);
void svm_inject(struct vcpu *vcpu);
void svm_window(struct vcpu *vcpu, uint32_t windows);

/* svm.c: the permission maps that all guests share. */
extern uint64_t svm_iopm_physical, svm_msrpm_physical;
