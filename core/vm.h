/*
 * VMs and vCPUs as ring 0 sees them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "frames.h"
#include "guest_config.h"
#include "guest_report.h"
#include "known_insn.h"
#include "syscalls.h"
#include "upcall.h"
#include "lapic.h"
#include "spinlock.h"
#include "schedule.h"
#include "stage2.h"

struct cpu;
struct process;

enum { VM_MAX = 32 };

/* Why a vCPU does not run, or that it does (docs/design.md, section 3). */
enum vcpu_run_state {
    VCPU_RUN,
    VCPU_HALTED,     /* HLT: until an event can be delivered */
    VCPU_RESTING,    /* polls in vain: the same, or until rest_until */
    VCPU_WAIT_SIPI,  /* INIT received */
    VCPU_WAIT_TOKEN, /* an exit needs the device model, which is busy */
    VCPU_IN_UPCALL,
    VCPU_HELD, /* by a debugger: until REQUEST_DEBUG */
    VCPU_PAUSED,
    VCPU_DEAD,
};

/* Bits of vcpu->requests: set by any processor, with vcpu_request(); taken by the vCPU's own one. */
enum vcpu_request {
    REQUEST_EVENT = 1 << 0, /* look for interrupts again */
    REQUEST_INIT = 1 << 1,
    REQUEST_SIPI = 1 << 2,  /* vector in sipi_vector */
    REQUEST_NMI = 1 << 3,   /* becomes state.interrupts.nmi_pending */
    REQUEST_STOP = 1 << 4,  /* pause, reset or kill: look at vm->ending */
    REQUEST_DEBUG = 1 << 5, /* UPCALL_DEBUG */
};

struct vcpu {
    union {
        struct vcpu_record record;
        uint8_t record_pages[USER_GUEST_RECORD_SIZE]; /* that the service sees */
    };
    struct lapic lapic;   /* begins a page: its registers, which the processor may use */
    struct entity entity; /* on its processor's run queue */
    struct vm *vm;
    uint32_t index; /* also its initial APIC ID */
    enum vcpu_run_state run_state;
    _Atomic uint32_t requests;
    uint8_t sipi_vector;
    uint64_t rest_until; /* host TSC, VCPU_RESTING */

    struct vcpu_exit exit;
    struct vcpu_state state;
    bool exit_again; /* `exit` is to be handled once more, with the next_rip that UPCALL_LOCATE has found */
    known_insns known;
    uint32_t windows;  /* enum vcpu_window: exits that are asked for */
    void *backend;     /* struct svm_vcpu or struct vmx_vcpu */
    struct vtlb *vtlb; /* NULL: it is never needed */

    uint64_t generation; /* of vm->stage2 that this vCPU has flushed for */
    enum upcall_kind upcall_kind;
};

_Static_assert(offsetof(struct vcpu, lapic) % PAGE_SIZE == 0, "a vCPU begins a page, too");

static inline struct vcpu *vcpu_of(struct entity *entity)
{
    return (struct vcpu *)((char *)entity - offsetof(struct vcpu, entity));
}

/* The virtual machine. */
struct vm {
    union {
        struct guest_config config;
        uint8_t config_page[GUEST_CONFIG_SIZE]; /* that the device model sees */
    };
    union {
        struct guest_report report;
        uint8_t report_page[PAGE_SIZE]; /* that the service sees */
    };
    uint32_t index;
    uint32_t vcpu_count;
    struct vcpu *vcpu[GUEST_CPUS_MAX];
    _Atomic uint32_t ending; /* enum guest_end asked for, taken when no upcall runs; VM_END_KILL */
    struct stage2 stage2;
    uint64_t ram_bytes, ram_zeroed;
    bool lapic_served;           /* the processor serves the local APICs: vcpu_features.lapic_page */
    bool debugged;               /* #DB and #BP are shown to the device model before the guest gets them */
    uint64_t clock_offset;       /* guest time = host TSC + clock_offset */
    _Atomic uint32_t intr_level; /* INTR output of the guest's 8259 pair */
    _Atomic uint64_t eoi[4];     /* level-triggered EOIs not yet told to the device model */
    struct process *process;     /* its device model; the token is in there */
    struct cpuid_entry cpuid[CPUID_SLOTS];
};

enum { VM_END_KILL = 0x100 };

/* Marks the guest dead with a sentence (printf-like: %s %u %x %lx %lu) that the service shows; its vCPUs stop
 * before their next entry. For the guest's faults only; ours is panic(). Callers carry on straight-line. */
void guest_kill(struct vm *vm, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Builds and starts a guest from a struct guest_config that the service has validated, at an address of the
 * service's; all that it will ever need is allocated here. Its index, or an enum nr_error, with nothing left
 * behind. */
int vm_create(uint64_t config_address);
/* The page of the local APICs, where the processor serves them: it is in the guest's memory while all have it
 * at its usual place. Fails only when the guest is made, for want of memory. */
int vm_place_lapic(struct vm *vm);
/* Zeroes the next slice of its RAM, before its device model runs for the first time. False: all is done. */
bool vm_zero_ram(struct vm *vm);
struct vm *vm_find(uint64_t index);
/* Asks for the end of a guest (enum guest_end, VM_END_KILL): taken when none of its vCPUs runs. */
void vm_end(struct vm *vm, uint32_t ending);
/* The first entry rule (checks/) that the vCPU's state breaks, by name; or NULL. All groups but FPU are
 * valid. */
const char *vcpu_broken_rule(const struct vcpu *vcpu);
/* State from outside (an upcall's reply) into a vCPU that does not run: groups are checked against the entry
 * rules. False: the guest was killed with the rule's name. */
bool vcpu_take_state(struct vcpu *vcpu, const struct upcall *upcall, uint32_t groups);

/* The life of a vCPU between the scheduler and the guest: runs it, which is runnable, until it must wait or
 * its processor is wanted for something else. */
void vcpu_run(struct vcpu *vcpu);
/* Sets request bits and makes the vCPU look at them soon: wakes it, or interrupts the processor that runs it.
 * Any processor may call it. */
void vcpu_request(struct vcpu *vcpu, uint32_t requests);
/* A level-triggered interrupt has ended: the device model learns it as EVENT_EOI. */
void vm_queue_eoi(struct vm *vm, uint8_t vector);

/* Moves RIP past the current instruction, ends its interrupt shadow, and queues #DB when TF is on. */
void vcpu_skip(struct vcpu *vcpu, uint64_t next_rip);
/* Queues an exception for the next entry, with the rules for a second fault (#DF, shutdown: SDM Vol.
 * 3A, 6.15). */
void vcpu_inject_exception(struct vcpu *vcpu, uint8_t vector, bool has_error_code, uint32_t error_code);
/* Brings a vCPU to its state after RESET or INIT (SDM Vol. 3A, 10.1). */
void vcpu_reset(struct vcpu *vcpu, bool init);
/* SIPI: real mode at vector * 4096. */
void vcpu_start_sipi(struct vcpu *vcpu, uint8_t vector);
