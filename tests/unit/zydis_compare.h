/*
 * What our decoder and Zydis say about the same bytes, held against each other: status, length, sizes,
 * operands with their registers and addresses. Where the two differ about what is valid, a table says why.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <Zydis/Zydis.h>
#include "decode.h"
#include "vcpu_state.h"

static ZydisDecoder zydis[3];

static void set_up_zydis(void)
{
    static const ZydisMachineMode modes[] = {ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32,
                                             ZYDIS_MACHINE_MODE_LONG_64};
    static const ZydisStackWidth widths[] = {ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32,
                                             ZYDIS_STACK_WIDTH_64};
    for (unsigned i = 0; i < 3; i++) {
        ZydisDecoderInit(&zydis[i], modes[i], widths[i]);
        ZydisDecoderEnableMode(&zydis[i], ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    }
}

/* What differs between the two about one instruction; NULL: nothing. */
struct comparison {
    struct instruction ours;
    enum decode_status status;
    ZydisDecodedInstruction theirs;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
    ZyanStatus their_status;
    char what[160];
};

static enum decode_status translate_status(ZyanStatus status)
{
    if (ZYAN_SUCCESS(status))
        return DECODE_OK;
    if (status == ZYDIS_STATUS_NO_MORE_DATA)
        return DECODE_MORE;
    return status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG ? DECODE_TOO_LONG : DECODE_INVALID;
}

static int same_gpr(const struct operand *ours, ZydisRegister theirs)
{
    unsigned number = ours->reg;
    if (ours->kind == OPERAND_GPR_HIGH)
        return theirs == (ZydisRegister)(ZYDIS_REGISTER_AH + number);
    switch (ours->size) {
    case 1:
        return theirs == (ZydisRegister)(ZYDIS_REGISTER_AL + number + (number >= 4 ? 4 : 0));
    case 2:
        return theirs == (ZydisRegister)(ZYDIS_REGISTER_AX + number);
    case 4:
        return theirs == (ZydisRegister)(ZYDIS_REGISTER_EAX + number);
    default:
        return theirs == (ZydisRegister)(ZYDIS_REGISTER_RAX + number);
    }
}

static int same_register(const struct operand *ours, ZydisRegister theirs)
{
    static const ZydisRegister first[] = {
        [OPERAND_SEGMENT] = ZYDIS_REGISTER_ES, [OPERAND_CONTROL] = ZYDIS_REGISTER_CR0,
        [OPERAND_DEBUG] = ZYDIS_REGISTER_DR0,  [OPERAND_X87] = ZYDIS_REGISTER_ST0,
        [OPERAND_MMX] = ZYDIS_REGISTER_MM0,    [OPERAND_XMM] = ZYDIS_REGISTER_XMM0,
    };
    if (ours->kind == OPERAND_GPR || ours->kind == OPERAND_GPR_HIGH)
        return same_gpr(ours, theirs);
    if (ours->kind < OPERAND_SEGMENT || ours->kind > OPERAND_XMM)
        return 0;
    return theirs == (ZydisRegister)(first[ours->kind] + ours->reg);
}

static ZydisRegister address_register(unsigned number, unsigned size)
{
    if (number == BASE_NONE)
        return ZYDIS_REGISTER_NONE;
    if (number == BASE_RIP)
        return size == 4 ? ZYDIS_REGISTER_EIP : ZYDIS_REGISTER_RIP;
    return (size == 2 ? ZYDIS_REGISTER_AX : size == 4 ? ZYDIS_REGISTER_EAX : ZYDIS_REGISTER_RAX) + number;
}

static const char *compare_memory(const struct instruction *in, const struct operand *ours,
                                  const ZydisDecodedOperandMem *theirs)
{
    struct memory_operand memory = in->memory;
    if (ours->kind == OPERAND_STRING_SI)
        memory.base = RSI;
    if (ours->kind == OPERAND_STRING_DI)
        memory.base = RDI, memory.segment = SEG_ES;
    if (ours->kind != OPERAND_MEMORY)
        memory.index = BASE_NONE;
    if (theirs->base != address_register(memory.base, in->address_size))
        return "base";
    if (theirs->index != address_register(memory.index, in->address_size))
        return "index";
    if (theirs->index != ZYDIS_REGISTER_NONE && theirs->scale != memory.scale)
        return "scale";
    uint64_t mask = in->address_size == 8 ? ~0ull : (1ull << 8 * in->address_size) - 1;
    if ((theirs->disp.value ^ memory.displacement) & mask)
        return "displacement";
    if (theirs->segment != (ZydisRegister)(ZYDIS_REGISTER_ES + memory.segment) &&
        theirs->type == ZYDIS_MEMOP_TYPE_MEM)
        return "segment";
    return NULL;
}

static const char *compare_operand(const struct instruction *in, const struct operand *ours,
                                   const ZydisDecodedOperand *theirs)
{
    int64_t immediate = ours->kind == OPERAND_ONE           ? 1
                        : ours->kind == OPERAND_IMMEDIATE_2 ? in->immediate2
                                                            : in->immediate;
    const char *what;
    int access = (theirs->actions & ZYDIS_OPERAND_ACTION_MASK_READ ? OPERAND_READ : 0) |
                 (theirs->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? OPERAND_WRITE : 0);

    switch (theirs->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        if (!same_register(ours, theirs->reg.value))
            return "register";
        break;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        if (ours->kind != OPERAND_MEMORY && ours->kind != OPERAND_STRING_SI &&
            ours->kind != OPERAND_STRING_DI)
            return "kind (memory)";
        if ((what = compare_memory(in, ours, &theirs->mem)) != NULL)
            return what;
        if (theirs->mem.type == ZYDIS_MEMOP_TYPE_AGEN ? ours->size
                                                      : ours->access && ours->size * 8 != theirs->size)
            return "memory size";
        break;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        if (ours->kind < OPERAND_IMMEDIATE || ours->kind > OPERAND_ONE)
            return "kind (immediate)";
        if ((immediate ^ theirs->imm.value.s) & (theirs->size == 64 ? -1ll : (1ll << theirs->size) - 1))
            return "immediate";
        break;
    case ZYDIS_OPERAND_TYPE_POINTER:
        if (ours->kind != OPERAND_FAR || (uint32_t)in->immediate != theirs->ptr.offset ||
            in->immediate2 != theirs->ptr.segment)
            return "far pointer";
        break;
    default:
        return "kind";
    }
    /* For a register it only counts whether it is written: the two differ in what they call merging. */
    if (theirs->type == ZYDIS_OPERAND_TYPE_REGISTER)
        access = (access & OPERAND_WRITE) | (ours->access & OPERAND_READ);
    return access == ours->access || !ours->access ? NULL : "access";
}

/* Where the two differ by design. A difference that is never met is an error too. */
static int vector_opcode(const struct comparison *c)
{
    return c->ours.map >= MAP_VEX && translate_status(c->their_status) == DECODE_INVALID &&
           (c->status == DECODE_OK || c->status == DECODE_TOO_LONG);
}

static int padlock(const struct comparison *c)
{
    return c->ours.map == MAP_0F && (c->ours.opcode == 0xa6 || c->ours.opcode == 0xa7) &&
           c->status == DECODE_INVALID;
}

static int movsxd_16(const struct comparison *c)
{
    return c->ours.map == MAP_ONE_BYTE && c->ours.opcode == 0x63 && c->ours.mode == DECODE_64 &&
           c->ours.operand_size == 2;
}

static int hint(const struct comparison *c)
{
    return c->ours.map == MAP_0F && (c->ours.opcode == 0x0d || (c->ours.opcode & 0xf8) == 0x18) &&
           ZYAN_SUCCESS(c->their_status) && c->status == DECODE_OK && c->ours.length == c->theirs.length;
}

static int prefetch_register(const struct comparison *c)
{
    return c->ours.map == MAP_0F && c->ours.opcode == 0x0d && c->ours.modrm >= 0xc0 &&
           c->status == DECODE_INVALID && ZYAN_SUCCESS(c->their_status);
}

static int enclave(const struct comparison *c)
{
    return c->ours.map == MAP_0F && c->ours.opcode == 0x01 && ZYAN_SUCCESS(c->their_status) &&
           (c->theirs.mnemonic == ZYDIS_MNEMONIC_ENCLS || c->theirs.mnemonic == ZYDIS_MNEMONIC_ENCLU ||
            c->theirs.mnemonic == ZYDIS_MNEMONIC_ENCLV);
}

static int lsl_source(const struct comparison *c)
{
    return c->ours.map == MAP_0F && c->ours.opcode == 0x03 && (c->ours.rex & REX_W) &&
           c->ours.modrm >= 0xc0 && c->status == DECODE_OK && c->ours.length == c->theirs.length;
}

static int pause_r8(const struct comparison *c)
{
    return c->ours.map == MAP_ONE_BYTE && c->ours.opcode == 0x90 && (c->ours.prefixes & PREFIX_REP) &&
           (c->ours.rex & REX_B) && c->theirs.mnemonic == ZYDIS_MNEMONIC_PAUSE;
}

static int knights_corner(const struct comparison *c)
{
    return ZYAN_SUCCESS(c->their_status) &&
           (c->theirs.encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX ||
            c->theirs.mnemonic == ZYDIS_MNEMONIC_JKZD || c->theirs.mnemonic == ZYDIS_MNEMONIC_JKNZD);
}

static int no_base(const struct comparison *c)
{
    return c->ours.has_sib && c->ours.address_size == 4 && (c->ours.rex & REX_B) && (c->ours.sib & 7) == 5 &&
           c->ours.modrm < 0x40 && ZYAN_SUCCESS(c->their_status) && c->ours.length == c->theirs.length;
}

static int lock_mov_cr(const struct comparison *c)
{
    return c->ours.map == MAP_0F && (c->ours.opcode == 0x20 || c->ours.opcode == 0x22) &&
           (c->ours.prefixes & PREFIX_LOCK) && c->status == DECODE_OK && !(c->ours.modrm & 0x38);
}

static struct difference {
    const char *reason;
    int (*applies)(const struct comparison *c);
    unsigned long met;
} differences[] = {
    {"of VEX, EVEX and XOP we know the lengths, not which opcodes are defined", vector_opcode, 0},
    {"0F A6 and 0F A7 are VIA's PadLock, on no processor with VT-x or SVM", padlock, 0},
    {"MOVSXD with a 16-bit operand size reads 16 bits (SDM), theirs reads 32", movsxd_16, 0},
    {"prefetches and hint NOPs: what their operands are differs by vendor; length and address count", hint,
     0},
    {"0F 0D with a register is #UD on AMD, a hint NOP on Intel and in theirs", prefetch_register, 0},
    {"ENCLS, ENCLU, ENCLV: theirs forces the address size", enclave, 0},
    {"LSL with REX.W: the source register is 32 bits in theirs, 64 here; 16 bits of it count", lsl_source, 0},
    {"F3 90 with REX.B is XCHG R8, RAX on AMD's processors, PAUSE in theirs", pause_r8, 0},
    {"MVEX, JKZD and JKNZD are Knights Corner's alone", knights_corner, 0},
    {"SIB base 5 with mod 0 is no base whatever REX.B says (SDM table 2-5); theirs forgets it for 32-bit "
     "addresses",
     no_base, 0},
    {"LOCK MOV CR0 is MOV CR8 on AMD's processors (APM Vol. 3), #UD in theirs", lock_mov_cr, 0},
};

static void compare(struct comparison *c)
{
    const char *what = NULL;
    unsigned i;

    c->what[0] = 0;
    for (i = 0; i < sizeof(differences) / sizeof(differences[0]); i++)
        if (differences[i].applies(c)) {
            differences[i].met++;
            return;
        }
    if (translate_status(c->their_status) != c->status) {
        snprintf(c->what, sizeof(c->what), "status %d, theirs %d (%x)", c->status,
                 translate_status(c->their_status), c->their_status);
        return;
    }
    if (c->status != DECODE_OK)
        return;
    if (c->ours.length != c->theirs.length) {
        snprintf(c->what, sizeof(c->what), "length %d, theirs %d", c->ours.length, c->theirs.length);
        return;
    }
    if (c->ours.address_size * 8 != c->theirs.address_width) {
        snprintf(c->what, sizeof(c->what), "address size");
        return;
    }
    if (c->ours.map >= MAP_VEX)
        return;
    for (i = 0; i < INSTRUCTION_OPERANDS; i++) {
        if (c->ours.operand[i].kind == OPERAND_NONE && i >= c->theirs.operand_count_visible)
            return;
        if (i >= c->theirs.operand_count)
            what = "more operands than theirs";
        else
            what = compare_operand(&c->ours, &c->ours.operand[i], &c->operand[i]);
        if (what)
            break;
    }
    if (what)
        snprintf(c->what, sizeof(c->what),
                 "operand %u: %s (kind %u size %u access %u, theirs type %d size %d actions %x)", i, what,
                 c->ours.operand[i].kind, c->ours.operand[i].size, c->ours.operand[i].access,
                 c->operand[i].type, c->operand[i].size, c->operand[i].actions);
}
