/*
 * Instructions and events that change segments, privilege and stack: far branches, IRET, interrupts, loads of
 * segment registers (SDM Vol. 3A, chapters 5 and 6).
 *
 * They find their faults late, when the new code segment and stack are already looked at through registers.
 * So they work on the state itself, keep what they store to memory until all is known to succeed, and put the
 * registers back if it is not.
 */
#pragma once

#include "emulate_internal.h"

enum {
    SELECTOR_RPL = 3,
    SELECTOR_TI = 4,
    SELECTOR_INDEX = 0xfff8,
    SELECTOR_ERROR = 0xfffc, /* what an error code says of a selector */
    ERROR_EXTERNAL = 1, /* the fault was met while an event was delivered that the program did not ask for */
    ERROR_IDT = 2,
};

/* Types of descriptors: code and data have S set (SDM Vol. 3A, 3.4.5.1), system segments and gates not (3.5).
 */
enum descriptor_type {
    TYPE_ACCESSED = 1,
    TYPE_WRITABLE = 2, /* data */
    TYPE_READABLE = 2, /* code */
    TYPE_EXPAND_DOWN = 4,
    TYPE_CONFORMING = 4,
    TYPE_CODE = 8,

    TYPE_TSS_16 = 1,
    TYPE_LDT = 2,
    TYPE_TSS_16_BUSY = 3,
    TYPE_CALL_GATE_16 = 4,
    TYPE_TASK_GATE = 5,
    TYPE_INTERRUPT_GATE_16 = 6,
    TYPE_TRAP_GATE_16 = 7,
    TYPE_TSS_32 = 9,
    TYPE_TSS_32_BUSY = 11,
    TYPE_CALL_GATE_32 = 12,
    TYPE_INTERRUPT_GATE_32 = 14,
    TYPE_TRAP_GATE_32 = 15,
    TYPE_BUSY = 2, /* of a TSS */
    TYPE_WIDE = 8, /* 32 bits: of a TSS or a gate */
};

/* A call gate with 31 parameters and its four registers, or an interrupt of virtual-8086 mode. */
enum { TRANSFER_STORES = 48 };

struct transfer {
    struct vcpu_gpr gpr;
    struct segment segment[SEG_COUNT];
    uint32_t modified;
    uint8_t cpl;
    bool protected, long64;
    uint8_t external;     /* ERROR_EXTERNAL, or 0 */
    uint16_t stack_error; /* of an #SS by a push: a new stack is named by its selector */
    unsigned stores;
    struct {
        struct place place;
        uint64_t value;
    } store[TRANSFER_STORES];
};

/* A descriptor and where it lies. */
struct descriptor {
    uint64_t raw;
    uint64_t linear;
    uint32_t base, limit;
    uint16_t attributes; /* as in struct segment */
};

void transfer_begin(struct emulation *m, struct transfer *t);
/* The end: OUTCOME_NEXT and _BRANCH store what was kept, any other puts the registers back. Returns
 * `outcome`. */
enum outcome transfer_end(struct emulation *m, struct transfer *t, enum outcome outcome);

/* On the stack that SS and rSP name now, with the current privilege level. A push is stored at the end. */
enum outcome transfer_push(struct emulation *m, struct transfer *t, unsigned size, uint64_t value);
enum outcome transfer_pop(struct emulation *m, unsigned size, uint64_t *value);
/* Keeps a store to a linear address with supervisor rights. */
enum outcome transfer_store_system(struct emulation *m, struct transfer *t, uint64_t linear, unsigned size,
                                   uint64_t value);
/* Reads at a linear address with supervisor rights. */
enum outcome emulate_read_system(struct emulation *m, uint64_t linear, unsigned size, uint64_t *value);

/* emulate_descriptor.c */

static inline unsigned descriptor_dpl(const struct descriptor *d)
{
    return (d->attributes & SEG_DPL_MASK) >> SEG_DPL_SHIFT;
}

static inline bool selector_is_null(uint16_t selector)
{
    return !(selector & SELECTOR_ERROR);
}

static inline bool descriptor_is_code(const struct descriptor *d)
{
    return (d->attributes & SEG_S) && (d->attributes & TYPE_CODE);
}

static inline bool descriptor_is_conforming(const struct descriptor *d)
{
    return d->attributes & TYPE_CONFORMING;
}

static inline bool descriptor_is_writable_data(const struct descriptor *d)
{
    return (d->attributes & SEG_S) && !(d->attributes & TYPE_CODE) && (d->attributes & TYPE_WRITABLE);
}

/* The fault with a selector in its error code. */
enum outcome selector_fault(struct emulation *m, const struct transfer *t, enum exception vector,
                            uint16_t selector);
void descriptor_parse(struct descriptor *d, uint64_t raw, uint64_t linear);
/* Finds a selector's descriptor; `vector` where it lies beyond its table. */
enum outcome descriptor_read(struct emulation *m, const struct transfer *t, uint16_t selector,
                             enum exception vector, struct descriptor *d);
/* Puts it into a segment register, and keeps the store that marks it as accessed. */
enum outcome segment_load(struct emulation *m, struct transfer *t, unsigned name, uint16_t selector,
                          struct descriptor *d);
/* What real mode (limit and attributes stay) and virtual-8086 mode make of a selector. */
void segment_load_real(struct emulation *m, unsigned name, uint16_t selector);
/* A null selector: the segment cannot be used. */
void segment_load_null(struct emulation *m, unsigned name, uint16_t selector);
/* ES, DS, FS or GS, with all checks, in any mode. */
enum outcome segment_load_data(struct emulation *m, struct transfer *t, unsigned name, uint16_t selector,
                               enum exception vector);
/* SS for privilege level `cpl`. The rules are the same for MOV and POP (vector #GP), for IRET and far RET,
 * and for stacks that a TSS names (vector #TS). */
enum outcome segment_load_stack(struct emulation *m, struct transfer *t, uint16_t selector, unsigned cpl,
                                enum exception vector);

/* emulate_interrupt.c: delivers an event as the processor does. `next_rip` is what is pushed. */
enum outcome emulate_deliver(struct emulation *m, const struct vcpu_event *event, uint64_t next_rip);
/* The flags that an event saves. */
uint64_t emulate_pushed_flags(const struct emulation *m, const struct vcpu_event *event);
/* A 16- or 32-bit TSS's stack for a privilege level: SS and rSP are set. */
enum outcome transfer_to_inner_stack(struct emulation *m, struct transfer *t, unsigned cpl);

/* emulate_far.c: CS and RIP, with the last checks, for the current privilege level. OUTCOME_BRANCH. */
enum outcome transfer_to_code(struct emulation *m, struct transfer *t, uint16_t selector,
                              struct descriptor *code, uint64_t offset);

/* emulate_task.c */
/* Within a transfer, which it ends and begins anew where the switch cannot be undone any more. `selector` is
 * that of a TSS, but for TASK_IRET, which looks it up; `event` is NULL but for TASK_GATE. OUTCOME_BRANCH. */
enum outcome emulate_task_switch(struct emulation *m, struct transfer *t, enum task_source source,
                                 uint16_t selector, const struct vcpu_event *event, uint64_t next_rip);
