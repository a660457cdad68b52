/*
 * struct vcpu_ops: what a vendor backend does for the rest of the monitor. svm/ and vmx/ provide one constant
 * each; probe() chooses at boot. Nothing outside those directories knows a vendor's structures, fields or
 * exit codes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "vcpu_exit.h"
#include "vcpu_state.h"

struct vcpu;
struct vm;

/* Which windows vcpu_ops.window asks for. */
enum vcpu_window {
    WINDOW_NONE = 0,
    WINDOW_INTERRUPT = 1 << 0, /* RFLAGS.IF is set and no shadow; whatever the TPR says */
    WINDOW_NMI = 1 << 1,       /* NMIs are not blocked and no shadow */
    WINDOW_TPR = 1 << 2,       /* the guest writes CR8: VCPU_EXIT_CR_ACCESS */
};

/* Where the instruction at RIP lies and how it is read. */
struct vcpu_code {
    uint64_t linear;
    uint64_t space; /* CR3, or CODE_SPACE_FLAT with paging off */
    uint32_t mode;  /* tells 16-, 32- and 64-bit code apart; never 0 */
};

#define CODE_SPACE_FLAT (~0ull)
#define CODE_SPACE_ANY  (~1ull)

/* What the processor does alone; probe() finds out. What it does not, the vTLB and the emulator do. */
struct vcpu_features {
    bool nested_paging;
    bool unpaged; /* guests with CR0.PE or CR0.PG clear run on nested paging (VT-x: unrestricted guest) */
    bool real;    /* guests with CR0.PE clear run as they are; else in virtual-8086 mode (lib/real_mode.h) */
    bool nmi_bound;      /* only an NMI surely ends a guest that masks interrupts: core/host_apic.c */
    uint64_t lapic_page; /* host-physical, not 0: the processor serves local APICs. What the guest does to
                            this page it does to its vCPU's registers (struct lapic); the processor delivers
                            what is requested there, and ends it */
    const struct entry_demands *demands; /* on a guest's state, beyond what all processors demand; or NULL */
};

extern struct vcpu_features vcpu_features;

/* For probe(): a line of the boot report about a feature of the extension, and what replaces it where the
 * processor does not have it. Returns `have`. */
bool vcpu_fact(const char *name, const char *instead, bool have);

struct vcpu_ops {
    const char *name; /* "AMD SVM" */

    /* Is this processor able? Called once on the boot processor. NULL, or why not: a sentence with the cure;
     * vcpu_absent where it is of another vendor. */
    const char *(*probe)(void);
    /* Turn the extension on, on the calling processor. 0 or an enum nr_error. */
    int (*cpu_enable)(void);

    /* The backend's part of a vCPU, vcpu->backend: 2^order zeroed pages, and what is to be done with them. */
    unsigned vcpu_order;
    void (*vcpu_init)(struct vcpu *vcpu);

    /* Load what stays on the processor between entries (guest FPU, XCR0, DR0-3); put it back. Interrupts are
     * off. load() comes when a vCPU becomes current on a processor, unload() before another one does. */
    void (*load)(struct vcpu *vcpu);
    void (*unload)(struct vcpu *vcpu);

    /* Enter the guest until the next exit, described in vcpu->exit. GPR, RIP and RFLAGS are in
     * vcpu->state.gpr before and after. Interrupts are off on entry to and return from it; a pending host
     * interrupt ends it at once with VCPU_EXIT_EXTERNAL. An event interrupted in delivery is in
     * vcpu->state.interrupts.event afterwards. shadow and nmi_blocked of vcpu->state.interrupts are right
     * afterwards and honoured at entry. */
    void (*run)(struct vcpu *vcpu);

    /* Move groups between the processor's structures and vcpu->state. VCPU_GPR and VCPU_INTERRUPTS are always
     * current and need neither. set() recomputes the intercepts from the vCPU's mode where a group decides
     * them. */
    void (*get)(struct vcpu *vcpu, uint32_t groups);
    void (*set)(struct vcpu *vcpu, uint32_t groups);

    /* What finding the current instruction takes, without moving a group. */
    void (*code)(const struct vcpu *vcpu, struct vcpu_code *code);

    /* Inject vcpu->state.interrupts.event at the next entry (type != EVENT_NONE). */
    void (*inject)(struct vcpu *vcpu);
    /* vcpu->windows has changed: ask for an exit as soon as the guest can take what it names. */
    void (*window)(struct vcpu *vcpu);
    /* With vm->lapic_served: requests have come, or what is in service has changed other than by the guest.
     * `status`: lapic_hand_over(). TMR says which ends are to be told. */
    void (*lapic)(struct vcpu *vcpu, uint16_t status);
    /* The second-level tree of the VM, or the vTLB, has lost rights: the processor forgets its translations
     * before the next entry of this vCPU. */
    void (*flush)(struct vcpu *vcpu);
    /* With the vTLB: the guest's CR2, and nothing else of VCPU_CONTROL. */
    void (*set_cr2)(struct vcpu *vcpu, uint64_t linear);
};

extern const char vcpu_absent[];
extern const struct vcpu_ops svm_ops, vmx_ops;
extern const struct vcpu_ops *vcpu_ops; /* chosen at boot */
