/*
 * Ring 0's small instruction reader: just enough to find the length and the register operands of instructions
 * that cause exits, on processors that do not tell, and the plain MOVs with which guests use their local
 * APIC. Everything else is the emulator's in ring 3 (AMD APM Vol. 3, 1.2; SDM Vol. 2A, chapter 2).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { INSN_LENGTH_MAX = 15, INSN_NO_REGISTER = 0xff };

/* Opcodes, two-byte ones with 0x0f in front. */
enum insn_opcode {
    INSN_MOV_RM8_R8 = 0x88,
    INSN_MOV_RM_R = 0x89,
    INSN_MOV_R8_RM8 = 0x8a,
    INSN_MOV_R_RM = 0x8b,
    INSN_MOV_AL_MOFFS = 0xa0,
    INSN_MOV_AX_MOFFS = 0xa1,
    INSN_MOV_MOFFS_AL = 0xa2,
    INSN_MOV_MOFFS_AX = 0xa3,
    INSN_MOV_RM8_IMM = 0xc6,
    INSN_MOV_RM_IMM = 0xc7,
    INSN_INT3 = 0xcc,
    INSN_IRET = 0xcf,
    INSN_ICEBP = 0xf1,
    INSN_HLT = 0xf4,
    INSN_GROUP7 = 0x0f01, /* LMSW, SMSW, INVLPG, VMMCALL, XSETBV, MONITOR, RDTSCP ... */
    INSN_CLTS = 0x0f06,
    INSN_INVD = 0x0f08,
    INSN_WBINVD = 0x0f09,
    INSN_MOV_FROM_CR = 0x0f20,
    INSN_MOV_FROM_DR = 0x0f21,
    INSN_MOV_TO_CR = 0x0f22,
    INSN_MOV_TO_DR = 0x0f23,
    INSN_WRMSR = 0x0f30,
    INSN_RDTSC = 0x0f31,
    INSN_RDMSR = 0x0f32,
    INSN_RDPMC = 0x0f33,
    INSN_CPUID = 0x0fa2,
};

/* ModRM bytes of INSN_GROUP7 in register form, and its reg values in either form. */
enum insn_group7 {
    GROUP7_XSETBV = 0xd1,
    GROUP7_VMCALL = 0xc1,
    GROUP7_VMMCALL = 0xd9,
    GROUP7_REG_SMSW = 4,
    GROUP7_REG_LMSW = 6,
};

struct insn {
    uint16_t opcode;      /* enum insn_opcode */
    uint8_t length;       /* bytes, prefixes and immediate included */
    uint8_t operand_size; /* 1, 2, 4, 8 bytes */
    uint8_t modrm;        /* the byte, where there is one */
    uint8_t reg, rm;      /* its fields with REX.R and REX.B */
    bool memory;          /* an operand is in memory */
    bool rex;
    bool lock;
    bool repeat;        /* F2 or F3 */
    uint64_t immediate; /* sign-extended to 64 bits */
    /* The address of the operand in memory; 16-bit forms have no parts here. */
    uint8_t base, index; /* registers, or INSN_NO_REGISTER */
    uint8_t scale;       /* the index is shifted left by it */
    bool rip_relative;
    uint64_t displacement;
};

/* Reads the instruction in `count` bytes of code for 16, 32 or 64 bits. False: not one of enum insn_opcode,
 * or cut off. */
bool insn_read(struct insn *insn, const uint8_t *bytes, size_t count, unsigned code_bits);

/* Offset of the operand in memory within its segment, of 32- and 64-bit address forms; registers as enum gpr.
 */
uint64_t insn_address(const struct insn *insn, const uint64_t *registers, uint64_t rip);

/* A MOV between memory and a register, or of an immediate to memory. */
struct insn_move {
    bool to_memory;
    bool has_immediate;
    uint8_t gpr;  /* enum gpr, unless has_immediate */
    uint8_t size; /* 1, 2, 4, 8 bytes */
    uint64_t immediate;
};

/* False if it is no such MOV, or one of AH, CH, DH, BH. */
bool insn_read_move(const struct insn *insn, struct insn_move *move);
