/*
 * The form of the decoder's tables: one struct opcode an opcode, in the notation of the manuals' opcode maps
 * (Intel SDM Vol. 2D, A.2): a letter for where an operand is and one for how large it is. An opcode that no
 * table names is zero, and so invalid.
 */
#pragma once

#include <stdint.h>
#include "decode.h"

enum opcode_kind {
    OPCODE_INVALID,
    OPCODE_PLAIN,
    OPCODE_BY_REG,    /* table[8]: by ModRM.reg */
    OPCODE_BY_RM,     /* table[8]: by ModRM.rm */
    OPCODE_BY_MOD,    /* table[2]: memory, register */
    OPCODE_BY_PREFIX, /* table[4]: none, 66, F3, F2 */
    OPCODE_BY_MODE,   /* table[2]: 16- and 32-bit code, 64-bit code */
    OPCODE_BY_REX_B,  /* table[2]: without, with */
};

enum opcode_flag {
    LOCKABLE = 1 << 0,   /* LOCK is allowed with a memory destination */
    DEFAULT_64 = 1 << 1, /* operand size 64 without REX.W in 64-bit code; 66 makes it 16 */
    FORCED_64 = 1 << 2,  /* operand size 64 in 64-bit code, whatever the prefixes */
    ONLY_64 = 1 << 3,
    NOT_64 = 1 << 4,
    ANY_MOD = 1 << 5, /* ModRM.mod is ignored: registers even where it says memory (MOV CRn) */

};

/* Where an operand is. The upper-case letters are the manual's. */
enum operand_method {
    METHOD_none,
    METHOD_E, /* ModRM.rm: general register or memory */
    METHOD_M, /* ModRM.rm: memory only */
    METHOD_R, /* ModRM.rm: general register only */
    METHOD_Q, /* ModRM.rm: MMX register or memory */
    METHOD_N, /* ModRM.rm: MMX register only */
    METHOD_W, /* ModRM.rm: XMM register or memory */
    METHOD_U, /* ModRM.rm: XMM register only */
    METHOD_T, /* ModRM.rm: ST(i) */
    METHOD_G, /* ModRM.reg: general register */
    METHOD_P, /* ModRM.reg: MMX register */
    METHOD_V, /* ModRM.reg: XMM register */
    METHOD_S, /* ModRM.reg: segment register */
    METHOD_L, /* ModRM.reg: segment register that may be loaded */
    METHOD_C, /* ModRM.reg: control register */
    METHOD_D, /* ModRM.reg: debug register */
    METHOD_LAST_MODRM = METHOD_D,
    METHOD_Z, /* low three bits of the opcode: general register */
    METHOD_I, /* immediate, not extended */
    METHOD_B, /* immediate, sign-extended to the operand size */
    METHOD_I2,
    METHOD_J, /* relative branch */
    METHOD_A, /* far pointer in the instruction */
    METHOD_O, /* memory at an offset in the instruction */
    METHOD_X, /* memory at rSI */
    METHOD_Y, /* memory at rDI */
    METHOD_1, /* the constant 1 */
    METHOD_ST0,
    METHOD_ES,
    METHOD_CS,
    METHOD_SS,
    METHOD_DS,
    METHOD_FS,
    METHOD_GS,
    METHOD_AX, /* accumulator: AL, AX, EAX, RAX by the type */
    METHOD_CX,
    METHOD_DX,
    METHOD_XMM0,
};

/* How large it is, in bytes. The letters follow the manual where it has one. */
enum operand_type {
    TYPE_0,  /* address only */
    TYPE_b,  /* 1 */
    TYPE_w,  /* 2 */
    TYPE_d,  /* 4 */
    TYPE_q,  /* 8 */
    TYPE_x,  /* 16 */
    TYPE_t,  /* 10 */
    TYPE_p6, /* 6 */
    TYPE_f,  /* 512: FXSAVE */
    TYPE_48, /* 48: Key Locker's 384-bit handle */
    TYPE_64, /* 64: MOVDIR64B, ENQCMD */
    TYPE_v,  /* 2, 4, 8: operand size */
    TYPE_z,  /* 2, 4, 4 */
    TYPE_y,  /* 4, 4, 8 */
    TYPE_p,  /* far pointer: 2 + operand size */
    TYPE_a,  /* BOUND: 2 * operand size */
    TYPE_s,  /* 6 or, in 64-bit code, 10: descriptor table */
    TYPE_k,  /* 4 or, in 64-bit code, 8 */
    TYPE_n,  /* address size */
    TYPE_e,  /* 14 or 28: x87 environment */
    TYPE_h,  /* 94 or 108: x87 state */
    TYPE_o,  /* 8 or, with REX.W, 16: CMPXCHG8B, CMPXCHG16B */
    TYPE_m,  /* ModRM.rm register: operand size; memory: 2 (MOV Sreg, SLDT, STR, SMSW) */
    TYPE_u,  /* ModRM.rm register: 4; memory: 1 (PEXTRB, PINSRB) */
    TYPE_r,  /* ModRM.rm register: 4; memory: 2 (PEXTRW, PINSRW) */
};

enum { METHOD_BITS = 6, TYPE_BITS = 6, METHOD_MASK = 63, TYPE_MASK = 63 };

#define OPERAND(method, type, access)                                                                        \
    (METHOD_##method | TYPE_##type << METHOD_BITS | (access) << (METHOD_BITS + TYPE_BITS))
#define R(method, type)  OPERAND(method, type, OPERAND_READ)
#define W(method, type)  OPERAND(method, type, OPERAND_WRITE)
#define RW(method, type) OPERAND(method, type, OPERAND_READ | OPERAND_WRITE)
#define X(method, type)  OPERAND(method, type, 0) /* only an address */

struct opcode {
    union {
        const struct opcode *table; /* OPCODE_BY_... */
        uint16_t operand[INSTRUCTION_OPERANDS];
    };
    uint8_t kind;  /* enum opcode_kind */
    uint8_t flags; /* enum opcode_flag */
};

#define OP(opcode_flags, ...)                                                                                \
    {                                                                                                        \
        .kind = OPCODE_PLAIN, .flags = (opcode_flags), .operand = { __VA_ARGS__ }                            \
    }
#define OP0(opcode_flags)                                                                                    \
    {                                                                                                        \
        .kind = OPCODE_PLAIN, .flags = (opcode_flags)                                                        \
    }
#define BY_REG(t)                                                                                            \
    {                                                                                                        \
        .kind = OPCODE_BY_REG, .table = (t)                                                                  \
    }
#define BY_RM(t)                                                                                             \
    {                                                                                                        \
        .kind = OPCODE_BY_RM, .table = (t)                                                                   \
    }
#define BY_MOD(t)                                                                                            \
    {                                                                                                        \
        .kind = OPCODE_BY_MOD, .table = (t)                                                                  \
    }
#define BY_PREFIX(t)                                                                                         \
    {                                                                                                        \
        .kind = OPCODE_BY_PREFIX, .table = (t)                                                               \
    }
#define BY_MODE(t)                                                                                           \
    {                                                                                                        \
        .kind = OPCODE_BY_MODE, .table = (t)                                                                 \
    }
#define BY_REX_B(t)                                                                                          \
    {                                                                                                        \
        .kind = OPCODE_BY_REX_B, .table = (t)                                                                \
    }

extern const struct opcode decode_one_byte[256];
extern const struct opcode decode_0f[256];
extern const struct opcode decode_0f38[256];
extern const struct opcode decode_0f3a[256];
extern const struct opcode decode_x87[16]; /* D8 to DF: memory and register forms */
/* One bit for each opcode byte that ends a 3DNow! instruction. */
extern const uint64_t decode_3dnow[4];

/* Tables in place: alternatives of one opcode. */
#define NONE                                                                                                 \
    {                                                                                                        \
        .kind = OPCODE_INVALID                                                                               \
    }
#define PREFIX4(none, p66, pf3, pf2) BY_PREFIX(((const struct opcode[4]){none, p66, pf3, pf2}))
#define MEM_REG(memory, register_)   BY_MOD(((const struct opcode[2]){memory, register_}))
