/*
 * The x86 instruction decoder: bytes to lengths and operands, for 16-, 32- and 64-bit code.
 *
 * It knows all one-byte and two-byte opcodes and the 0F38 and 0F3A maps with their operands, and the lengths
 * and memory operands of VEX, EVEX, XOP and 3DNow! instructions. It reads nothing but its arguments.
 *
 * Documents: Intel SDM Vol. 2A chapter 2 and Vol. 2D appendix A (opcode maps); AMD APM Vol. 3, chapter 1 and
 * appendix A.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { INSTRUCTION_LENGTH_MAX = 15, INSTRUCTION_OPERANDS = 4 };

/* The default operand and address size of the code segment: CS.D, or CS.L in long mode. */
enum decode_mode { DECODE_16, DECODE_32, DECODE_64 };

enum decode_status {
    DECODE_OK,
    DECODE_MORE,     /* a prefix of an instruction: more bytes are needed */
    DECODE_INVALID,  /* no instruction starts so: #UD */
    DECODE_TOO_LONG, /* more than 15 bytes: #GP(0) */
};

enum opcode_map {
    MAP_ONE_BYTE,
    MAP_0F,
    MAP_0F38,
    MAP_0F3A,
    MAP_3DNOW, /* 0F 0F, the opcode is the last byte */
    MAP_VEX,   /* from here on: map_select says which map of the encoding */
    MAP_EVEX,
    MAP_XOP,
};

/* Bits of instruction.prefixes. */
enum instruction_prefix {
    PREFIX_LOCK = 1 << 0,
    PREFIX_REPNE = 1 << 1, /* F2; of several F2 and F3 the last one counts */
    PREFIX_REP = 1 << 2,   /* F3 */
    PREFIX_OPERAND = 1 << 3,
    PREFIX_ADDRESS = 1 << 4,
    PREFIX_SEGMENT = 1 << 5,
    PREFIX_REX = 1 << 6,
};

enum rex_bit { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

enum operand_kind {
    OPERAND_NONE,
    OPERAND_GPR,         /* reg: enum gpr */
    OPERAND_GPR_HIGH,    /* AH, CH, DH, BH: bits 8-15 of reg 0-3 */
    OPERAND_SEGMENT,     /* reg: enum segment_name */
    OPERAND_CONTROL,     /* CRn */
    OPERAND_DEBUG,       /* DRn */
    OPERAND_X87,         /* ST(n) */
    OPERAND_MMX,         /* MMn */
    OPERAND_XMM,         /* XMMn */
    OPERAND_MEMORY,      /* instruction.memory */
    OPERAND_STRING_SI,   /* instruction.memory.segment, rSI in the address size */
    OPERAND_STRING_DI,   /* ES, rDI in the address size */
    OPERAND_IMMEDIATE,   /* instruction.immediate, sign-extended where the instruction does so */
    OPERAND_IMMEDIATE_2, /* instruction.immediate2: ENTER, EXTRQ, INSERTQ */
    OPERAND_RELATIVE,    /* instruction.immediate, to be added to the next RIP */
    OPERAND_FAR,         /* immediate2:immediate, selector and offset */
    OPERAND_ONE,         /* the constant 1 of D0 and D1 */
};

enum operand_access { OPERAND_READ = 1, OPERAND_WRITE = 2 };

struct operand {
    uint8_t kind; /* enum operand_kind */
    uint8_t reg;
    uint8_t access; /* enum operand_access */
    uint8_t reserved;
    uint16_t size; /* bytes; 0 where the operand is only an address (LEA, INVLPG) */
};

/* Values of memory_operand.base and .index beside enum gpr. */
enum { BASE_NONE = 0xff, BASE_RIP = 0xfe };

struct memory_operand {
    uint8_t segment; /* enum segment_name, after overrides */
    uint8_t base;
    uint8_t index;
    uint8_t scale; /* 1, 2, 4, 8 */
    int64_t displacement;
};

struct instruction {
    uint8_t length; /* bytes, 1 to 15 */
    uint8_t mode;   /* enum decode_mode */
    uint8_t map;    /* enum opcode_map */
    uint8_t map_select;
    uint8_t opcode;
    uint8_t prefixes;     /* enum instruction_prefix */
    uint8_t rex;          /* enum rex_bit; also what VEX, EVEX and XOP say of these */
    uint8_t mandatory;    /* 0, 0x66, 0xf2 or 0xf3 where it selects the instruction */
    uint8_t operand_size; /* bytes: 2, 4, 8 */
    uint8_t address_size; /* bytes: 2, 4, 8 */
    uint8_t has_modrm;
    uint8_t modrm;
    uint8_t has_sib;
    uint8_t sib;
    uint8_t displacement_size; /* bytes: 0, 1, 2, 4, 8 */
    uint8_t immediate_size;    /* bytes: 0, 1, 2, 4, 8 */
    uint8_t immediate2_size;
    struct memory_operand memory;
    int64_t immediate;
    uint16_t immediate2;
    struct operand operand[INSTRUCTION_OPERANDS];
};

/*
 * Decodes the instruction at the start of bytes[0 .. available - 1]. With anything but DECODE_OK,
 * *instruction is not to be used. At most 15 bytes are looked at.
 */
enum decode_status instruction_decode(struct instruction *instruction, const uint8_t *bytes, size_t available,
                                      enum decode_mode mode);
