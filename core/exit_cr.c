/*
 * Control registers: what MOV to and from CRn, CLTS, LMSW and SMSW do, with the faults of SDM Vol. 3A, 2.5
 * and 4.1.2, and AMD APM Vol. 2, 3.1.
 */
#include "exit.h"
#include "guest_memory.h"
#include "insn.h"
#include "vcpu_ops.h"
#include "x86.h"

#define CR0_MP_EM_TS       0xeull
#define PDPTE_RESERVED_LOW 0x1e6ull /* SDM Vol. 3A, table 4-8 */

/* CR4 bits and the CPUID bits that offer them (SDM Vol. 3A, 2.5). */
enum cpuid_register { REG_1_EDX, REG_1_ECX, REG_7_EBX, REG_7_ECX, REG_ALWAYS };
static const struct {
    uint8_t cr4, source, bit;
} cr4_features[] = {
    {0, REG_1_EDX, 1},   {1, REG_1_EDX, 1},   {2, REG_1_EDX, 4},  {3, REG_1_EDX, 2},   {4, REG_1_EDX, 3},
    {5, REG_1_EDX, 6},   {6, REG_1_EDX, 7},   {7, REG_1_EDX, 13}, {8, REG_ALWAYS, 0},  {9, REG_1_EDX, 24},
    {10, REG_1_EDX, 25}, {11, REG_7_ECX, 2},  {16, REG_7_EBX, 0}, {17, REG_1_ECX, 17}, {18, REG_1_ECX, 26},
    {20, REG_7_EBX, 7},  {21, REG_7_EBX, 20}, {22, REG_7_ECX, 3},
};

static uint64_t cr4_allowed(struct vm *vm)
{
    const struct cpuid_entry *leaf1 = exit_cpuid_lookup(vm, 1, 0), *leaf7 = exit_cpuid_lookup(vm, 7, 0);
    const uint32_t source[] = {leaf1->edx, leaf1->ecx, leaf7->ebx, leaf7->ecx, 1};
    uint64_t allowed = 0;
    for (unsigned i = 0; i < sizeof(cr4_features) / sizeof(cr4_features[0]); i++) {
        allowed |= (uint64_t)(source[cr4_features[i].source] >> cr4_features[i].bit & 1)
                   << cr4_features[i].cr4;
    }
    return allowed;
}

/* A PAE guest's four page-directory pointers are loaded, and checked, with CR3 (SDM Vol. 3A, 4.4.1). Bits
 * that an emulator sets itself (accessed) are let pass. */
static bool pdptes_valid(uint64_t cr3)
{
    uint64_t pdpte[4];
    if (guest_read(pdpte, cr3 & 0xffffffe0, sizeof(pdpte)))
        return true; /* not RAM: reads as all ones, and faults when used */
    for (unsigned i = 0; i < 4; i++)
        if (pdpte[i] & 1 && pdpte[i] & PDPTE_RESERVED_LOW & ~(1ull << 5))
            return false;
    return true;
}

static bool is_pae(const struct vcpu_state *s, uint64_t cr0, uint64_t cr4)
{
    return cr0 & CR0_PG && cr4 & CR4_PAE && !(s->msrs.efer & EFER_LMA);
}

static bool cr0_write(struct vcpu *vcpu, uint64_t value)
{
    struct vcpu_state *s = &vcpu->state;
    uint64_t old = s->control.cr0;
    bool cs_long = s->segment[SEG_CS].attributes & SEG_L;
    if (value >> 32 || (value & CR0_PG && !(value & CR0_PE)) || (value & CR0_NW && !(value & CR0_CD)))
        return false;
    value = (value & CR0_KNOWN) | CR0_ET;
    uint64_t efer = s->msrs.efer;
    if (value & ~old & CR0_PG && efer & EFER_LME) {
        if (!(s->control.cr4 & CR4_PAE) || cs_long)
            return false;
        efer |= EFER_LMA;
    } else if (~value & old & CR0_PG) {
        if ((efer & EFER_LMA && cs_long) || s->control.cr4 & CR4_PCIDE)
            return false;
        efer &= ~EFER_LMA;
    }
    uint64_t old_efer = s->msrs.efer;
    s->msrs.efer = efer;
    if ((value ^ old) & (CR0_PG | CR0_CD | CR0_NW) && is_pae(s, value, s->control.cr4) &&
        !pdptes_valid(s->control.cr3)) {
        s->msrs.efer = old_efer;
        return false;
    }
    s->control.cr0 = value;
    return true;
}

static bool cr4_write(struct vcpu *vcpu, uint64_t value)
{
    struct vcpu_state *s = &vcpu->state;
    bool long_mode = s->msrs.efer & EFER_LMA;
    uint64_t changed = s->control.cr4 ^ value;
    if (value & ~cr4_allowed(vcpu->vm) || (long_mode && !(value & CR4_PAE)))
        return false;
    if (changed & value & CR4_PCIDE && (!long_mode || s->control.cr3 & 0xfff))
        return false;
    if (changed && is_pae(s, s->control.cr0, value) && !pdptes_valid(s->control.cr3))
        return false;
    s->control.cr4 = value;
    return true;
}

static bool cr3_write(struct vcpu *vcpu, uint64_t value)
{
    struct vcpu_state *s = &vcpu->state;
    if (s->msrs.efer & EFER_LMA) {
        uint32_t width = exit_cpuid_lookup(vcpu->vm, 0x80000008, 0)->eax & 0xff;
        uint64_t no_flush = s->control.cr4 & CR4_PCIDE ? 1ull << 63 : 0;
        value &= ~no_flush;
        if (value >> (width ? width : 36))
            return false;
    } else if (is_pae(s, s->control.cr0, s->control.cr4) && !pdptes_valid(value)) {
        return false;
    }
    s->control.cr3 = value;
    return true;
}

static bool cr_write(struct vcpu *vcpu, uint8_t number, uint64_t value)
{
    switch (number) {
    case 0:
        return cr0_write(vcpu, value);
    case 2:
        vcpu->state.control.cr2 = value;
        return true;
    case 3:
        return cr3_write(vcpu, value);
    case 4:
        return cr4_write(vcpu, value);
    default:
        if (value > 15)
            return false;
        lapic_set_cr8(vcpu, (uint8_t)value);
        vcpu->state.control.cr8 = value;
        return true;
    }
}

static uint64_t cr_read(struct vcpu *vcpu, uint8_t number)
{
    const struct vcpu_control *c = &vcpu->state.control;
    return number == 0   ? c->cr0
           : number == 2 ? c->cr2
           : number == 3 ? c->cr3
           : number == 4 ? c->cr4
                         : lapic_get_cr8(vcpu);
}

/* Fills exit.cr from the instruction, for processors without decode assists. False: not what the exit says
 * any more. */
static bool cr_decode(struct vcpu *vcpu)
{
    struct insn insn;
    struct vcpu_exit_cr *cr = &vcpu->exit.cr;
    if (!exit_read_insn(vcpu, &insn))
        return false;
    switch (insn.opcode) {
    case INSN_MOV_FROM_CR:
    case INSN_MOV_TO_CR:
        cr->operation = insn.opcode == INSN_MOV_TO_CR ? CR_WRITE : CR_READ;
        cr->number = insn.lock && insn.reg == 0 ? 8 : insn.reg; /* AMD's LOCK MOV CR0 is MOV CR8 */
        cr->gpr = insn.rm;
        break;
    case INSN_CLTS:
        cr->operation = CR_CLTS;
        break;
    case INSN_GROUP7:
        cr->operation = (insn.modrm >> 3 & 7) == GROUP7_REG_LMSW ? CR_LMSW : CR_SMSW;
        cr->gpr = insn.memory ? GPR_COUNT : insn.rm;
        cr->reserved[0] = insn.operand_size;
        break;
    default:
        return false;
    }
    vcpu->exit.next_rip = vcpu->state.gpr.rip + insn.length;
    return true;
}

enum exit_outcome exit_cr_access(struct vcpu *vcpu)
{
    struct vcpu_exit_cr *cr = &vcpu->exit.cr;
    uint64_t *reg = vcpu->state.gpr.reg;
    vcpu_ops->get(vcpu, VCPU_CONTROL | VCPU_MSRS | VCPU_SEGMENTS);
    if (!vcpu->exit.next_rip && !cr_decode(vcpu))
        return EXIT_RESUME;
    bool wide = vcpu->state.segment[SEG_CS].attributes & SEG_L && vcpu->state.msrs.efer & EFER_LMA;
    uint64_t cr0 = vcpu->state.control.cr0;
    bool good = true;
    if (cr->gpr == GPR_COUNT && (cr->operation == CR_LMSW || cr->operation == CR_SMSW)) {
        vcpu->upcall_kind = UPCALL_EMULATE; /* the operand is in memory */
        return EXIT_UPCALL;
    }
    switch (cr->operation) {
    case CR_READ:
        reg[cr->gpr] = cr_read(vcpu, cr->number);
        return exit_skip(vcpu);
    case CR_SMSW: { /* 16 bits leave the upper ones, 32 and 64 bits copy all of CR0 */
        uint64_t mask = cr->reserved[0] == 2 ? 0xffff : cr->reserved[0] == 4 ? 0xffffffff : ~0ull;
        reg[cr->gpr] = cr->reserved[0] == 2 ? (reg[cr->gpr] & ~mask) | (cr0 & mask) : cr0 & mask;
        return exit_skip(vcpu);
    }
    case CR_CLTS:
        good = cr0_write(vcpu, cr0 & ~CR0_TS);
        break;
    case CR_LMSW: /* PE can be set, not cleared (SDM Vol. 2A, LMSW) */
        good = cr0_write(vcpu, (cr0 & ~CR0_MP_EM_TS) | (reg[cr->gpr] & (CR0_MP_EM_TS | CR0_PE)));
        break;
    default:
        good = cr_write(vcpu, cr->number, wide ? reg[cr->gpr] : (uint32_t)reg[cr->gpr]);
        break;
    }
    if (!good)
        return exit_gp(vcpu);
    vcpu_ops->set(vcpu, VCPU_CONTROL | VCPU_MSRS);
    return exit_skip(vcpu);
}
