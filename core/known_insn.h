/*
 * Instructions whose length, or effect on the local APIC's page, the device model has told before: ring 0
 * itself reads no instruction. An entry counts if the exit has the same reason and the same bytes are still
 * there. Where they lie is known for the address space in which they were found, or for all if the guest maps
 * them as global.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fixup.h"
#include "upcall.h"
#include "vcpu_ops.h"

enum { KNOWN_SETS = 32, KNOWN_WAYS = 4 };

struct known_insn {
    uint64_t linear, space, address; /* the latter in the device model's address space */
    uint32_t reason;                 /* enum vcpu_exit_reason */
    uint32_t mode;                   /* vcpu_code.mode; 0: nothing is known here */
    struct upcall_insn insn;
};

typedef struct known_insn known_insns[KNOWN_SETS][KNOWN_WAYS];

/* The instruction at *code, or NULL. The guest's memory must be loaded. */
static inline const struct upcall_insn *known_insn_find(known_insns table, const struct vcpu_code *code,
                                                        uint32_t reason)
{
    const struct known_insn *known = table[code->linear % KNOWN_SETS];
    for (unsigned way = 1; known->linear != code->linear; way++, known++)
        if (way == KNOWN_WAYS)
            return NULL;
    bool holds = known->mode == code->mode && known->reason == reason &&
                 (known->space == code->space || known->space == CODE_SPACE_ANY) &&
                 !user_compare(known->address, known->insn.bytes, known->insn.words);
    return holds ? &known->insn : NULL;
}
