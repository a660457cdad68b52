/*
 * The x86 instruction emulator: does one instruction of a guest that touched something that is not RAM, or a
 * control register, or a model-specific one (UPCALL_EMULATE), in 16-, 32- and 64-bit code.
 *
 * It works on struct vcpu_state and on the few functions of struct emulator_machine; it keeps nothing between
 * two calls, so it may be called for any vCPU of any guest. All faults of an instruction are found before its
 * first effect. A string instruction with REP is done up to the end of a page and leaves RIP where it is
 * while elements remain: the guest runs it again, and interrupts are taken in between.
 *
 * Documents: Intel SDM Vol. 2 (instruction reference), Vol. 3A chapters 4 to 6; AMD APM Vol. 3.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "processor.h"
#include "upcall.h"
#include "vcpu_state.h"

/*
 * The machine around the processor. All functions are needed. `size` is 1, 2, 4 or 8 bytes (ports: 1, 2, 4);
 * an access never crosses a 4 KiB page; a wider or crossing one of the guest comes as several.
 */
struct emulator_machine {
    /* Guest RAM at `gpa` in the caller's own address space, valid to the end of that 4 KiB page. NULL where
     * there is no RAM, or with `write` where the RAM is read-only: read() and write() are used instead. */
    void *(*ram)(void *context, uint64_t gpa, bool write);
    /* A device register. An access that no device claims reads all ones, and is dropped as a write. */
    uint64_t (*read)(void *context, uint64_t gpa, unsigned size);
    void (*write)(void *context, uint64_t gpa, unsigned size, uint64_t value);
    uint32_t (*in)(void *context, uint16_t port, unsigned size);
    void (*out)(void *context, uint16_t port, unsigned size, uint32_t value);
    /* The first of `count` elements of INS or OUTS, from or to RAM at once: how many it has done, maybe 0.
     * NULL: in and out do all of them. */
    uint32_t (*block)(void *context, uint16_t port, unsigned size, uint8_t *ram, uint32_t count, bool write);
    /* A model-specific register that is not in struct vcpu_msrs. False: #GP(0). */
    bool (*read_msr)(void *context, unsigned vcpu, uint32_t index, uint64_t *value);
    bool (*write_msr)(void *context, unsigned vcpu, uint32_t index, uint64_t value);
    /* More groups of this vCPU into *state (SYS_VCPU_GET): VCPU_FPU for SSE moves. An enum nr_error is
     * negative. */
    int (*get)(void *context, struct vcpu_state *state, uint32_t groups);
    /* The guest's time stamp counter now; NULL: the host's, with the offset in the group TIME. */
    uint64_t (*tsc)(void *context);
    /* What CPUID says for EAX and ECX in registers[0] and [2]: EAX, EBX, ECX, EDX. NULL: it is not emulated.
     */
    void (*cpuid)(void *context, const struct vcpu_state *state, unsigned vcpu, uint32_t registers[4]);
    /* VMCALL or VMMCALL of the guest's kernel, with the number in *rax: the result goes there. False: #UD.
     * NULL: they are not emulated. */
    bool (*hypercall)(void *context, uint64_t *rax);
};

enum emulate_result {
    /* state is behind the instruction, or at it again where it has to be repeated. With RFLAGS.TF set, the
     * caller gives the single-step trap if RIP has moved. */
    EMULATE_DONE,
    EMULATE_INJECT, /* `inject` is to be delivered on top of state: a fault, or #DB between two elements of
                       REP */
    EMULATE_REFUSE, /* the emulator does not know the instruction: `text` says so in a sentence */
};

#define EMULATE_UNKNOWN (~0ull)

struct emulation;
struct emulate_ahead;

/* One call's arguments and results. The caller sets the first part, and reads the second. */
struct emulator {
    const struct emulator_machine *machine;
    void *context; /* for the machine's functions */
    const struct processor_limits *limits;
    uint32_t vcpu;            /* which one it is */
    struct vcpu_state *state; /* in and out */
    uint32_t groups;          /* that state carries: at least GPR, SEGMENTS, CONTROL, MSRS */
    /* Where the processor found the only memory operand that it could not access, so that it need not be
     * looked up again: a guest-physical address, or EMULATE_UNKNOWN; and whether it wanted to write there. */
    uint64_t gpa;
    bool gpa_write;
    /* Set by emulate_ahead() for itself (emulate_ahead.h); otherwise NULL. */
    struct emulate_ahead *ahead;

    uint32_t modified; /* groups that changed */
    bool halted;       /* the instruction was HLT: the processor waits for an interrupt. Never cleared here */
    struct vcpu_event inject;
    struct upcall_insn insn; /* the instruction as the monitor may remember it */
    char text[UPCALL_TEXT_SIZE];
};

/* Emulates the instruction at CS:RIP of *e->state. */
enum emulate_result emulate(struct emulator *e);

/* Answers an UPCALL_LOCATE: finds the instruction at CS:RIP, and that it is what the exit says, without
 * executing it. */
void emulate_locate(struct upcall *upcall, const struct emulator_machine *machine, void *context);

/* The current privilege level: SS.DPL, 0 in real mode, 3 in virtual-8086 mode. */
unsigned emulate_cpl(const struct vcpu_state *state);

/* Where the operand lies whose access led to the exit, or EMULATE_UNKNOWN: no access did, or it was one of
 * the guest's page tables or of its code. */
uint64_t emulate_operand_gpa(const struct vcpu_exit *exit);

/* Answers an UPCALL_EMULATE: emulates the instruction and fills status, modified, inject and state. What
 * cannot be emulated is #UD to the guest, and true: the caller may end it with `text` instead. */
bool emulate_upcall(struct upcall *upcall, const struct emulator_machine *machine, void *context,
                    const struct processor_limits *limits);
