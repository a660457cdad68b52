/*
 * HLT, CPUID, MOV to and from DRn (SDM Vol. 2; Vol. 3B, 18.2), WAIT.
 */
#include "emulate_internal.h"

#define DR6_WRITABLE 0xe00full
#define DR7_WRITABLE 0xffff23ffull

/* UD0, UD1, UD2: reserved for it. */
enum outcome emulate_undefined(struct emulation *m)
{
    return emulate_fault(m, EXCEPTION_UD);
}

/* F4. Behind the instruction the processor waits: the caller sees to it. */
enum outcome emulate_hlt(struct emulation *m)
{
    if (m->cpl > 0)
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    m->emulator->halted = true;
    return OUTCOME_NEXT;
}

/* 0F A2. */
enum outcome emulate_cpuid(struct emulation *m)
{
    const struct emulator *e = m->emulator;
    uint64_t *reg = m->state->gpr.reg;
    uint32_t value[4] = {(uint32_t)reg[RAX], 0, (uint32_t)reg[RCX], 0};

    if (!e->machine->cpuid)
        return OUTCOME_UNKNOWN;
    e->machine->cpuid(e->context, m->state, e->vcpu, value);
    reg[RAX] = value[0];
    reg[RBX] = value[1];
    reg[RCX] = value[2];
    reg[RDX] = value[3];
    return OUTCOME_NEXT;
}

/* DR4 and DR5 are DR6 and DR7, unless CR4.DE makes them invalid. NULL: a fault, and which it is. */
static uint64_t *find_register(struct emulation *m, unsigned number, enum outcome *fault)
{
    struct vcpu_control *control = &m->state->control;

    if (number > 7 || ((number == 4 || number == 5) && (control->cr4 & CR4_DE))) {
        *fault = emulate_fault(m, EXCEPTION_UD);
        return NULL;
    }
    if (m->cpl > 0) {
        *fault = emulate_fault_code(m, EXCEPTION_GP, 0);
        return NULL;
    }
    if (control->dr7 & DR7_GD) {
        control->dr6 |= DR6_BD;
        control->dr7 &= ~(uint64_t)DR7_GD;
        m->emulator->modified |= VCPU_CONTROL;
        *fault = emulate_fault(m, EXCEPTION_DB);
        return NULL;
    }
    return number < 4 ? &control->dr[number] : number & 1 ? &control->dr7 : &control->dr6;
}

/* 0F 21 and 0F 23. */
enum outcome emulate_mov_debug(struct emulation *m)
{
    bool write = m->in->opcode == 0x23;
    unsigned number = m->in->operand[write ? 0 : 1].reg;
    enum outcome fault = OUTCOME_NEXT;
    uint64_t *reg = find_register(m, number, &fault);

    if (!reg)
        return fault;
    if (!write) {
        operand_write(m, 0, *reg);
        return OUTCOME_NEXT;
    }
    uint64_t value = operand_read(m, 1);
    if (number >= 4 && value >> 32)
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    if (number >= 4)
        value = number & 1 ? (value & DR7_WRITABLE) | DR7_RESET : (value & DR6_WRITABLE) | DR6_RESET;
    *reg = value;
    m->emulator->modified |= VCPU_CONTROL;
    return OUTCOME_NEXT;
}
