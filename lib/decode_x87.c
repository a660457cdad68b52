/*
 * The x87 opcodes D8 to DF (Intel SDM Vol. 2D, A.5). For each escape byte two tables: memory operand, and
 * stack registers.
 */
#include "decode_tables.h"

#define ARITHMETIC(type)                                                                                     \
    {                                                                                                        \
        OP(0, R(M, type), RW(ST0, t)), OP(0, R(M, type), RW(ST0, t)), OP(0, R(M, type), R(ST0, t)),          \
            OP(0, R(M, type), R(ST0, t)), OP(0, R(M, type), RW(ST0, t)), OP(0, R(M, type), RW(ST0, t)),      \
            OP(0, R(M, type), RW(ST0, t)), OP(0, R(M, type), RW(ST0, t))                                     \
    }
#define ST0_STI     OP(0, RW(ST0, t), R(T, t))
#define STI_ST0     OP(0, RW(T, t), R(ST0, t))
#define COMPARE     OP(0, R(T, t), R(ST0, t))
#define COMPARE_ST0 OP(0, R(ST0, t), R(T, t))
#define MOVE        OP(0, W(ST0, t), R(T, t))

static const struct opcode d8_memory[8] = ARITHMETIC(d);
static const struct opcode d8_register[8] = {ST0_STI, ST0_STI, COMPARE, COMPARE,
                                             ST0_STI, ST0_STI, ST0_STI, ST0_STI};

static const struct opcode d9_memory[8] = {
    OP(0, R(M, d), W(ST0, t)),
    NONE,
    OP(0, W(M, d), R(ST0, t)),
    OP(0, W(M, d), R(ST0, t)),
    OP(0, R(M, e)),
    OP(0, R(M, w)),
    OP(0, W(M, e)),
    OP(0, W(M, w)),
};
static const struct opcode d9_2[8] = {OP0(0)};                               /* FNOP */
static const struct opcode d9_4[8] = {OP0(0), OP0(0), [4] = OP0(0), OP0(0)}; /* FCHS FABS FTST FXAM */
static const struct opcode d9_5[8] = {OP0(0), OP0(0), OP0(0), OP0(0),
                                      OP0(0), OP0(0), OP0(0)}; /* FLD1 ... FLDZ */
static const struct opcode d9_6[8] = {OP0(0), OP0(0), OP0(0), OP0(0), OP0(0), OP0(0), OP0(0), OP0(0)};
static const struct opcode d9_register[8] = {
    OP(0, R(T, t), W(ST0, t)),
    OP(0, RW(T, t), RW(ST0, t)),
    BY_RM(d9_2),
    OP(0, W(T, t), R(ST0, t)),
    BY_RM(d9_4),
    BY_RM(d9_5),
    BY_RM(d9_6),
    BY_RM(d9_6),
};

static const struct opcode da_memory[8] = ARITHMETIC(d);
static const struct opcode da_5[8] = {[1] = OP0(0)}; /* FUCOMPP */
static const struct opcode da_register[8] = {MOVE, MOVE, MOVE, MOVE, [5] = BY_RM(da_5)};

static const struct opcode db_memory[8] = {
    OP(0, R(M, d), W(ST0, t)),
    OP(0, W(M, d), R(ST0, t)),
    OP(0, W(M, d), R(ST0, t)),
    OP(0, W(M, d), R(ST0, t)),
    NONE,
    OP(0, R(M, t), W(ST0, t)),
    NONE,
    OP(0, W(M, t), R(ST0, t)),
};
static const struct opcode db_4[8] = {OP0(0), OP0(0), OP0(0), OP0(0),
                                      OP0(0)}; /* FENI FDISI FNCLEX FNINIT FSETPM */
static const struct opcode db_register[8] = {MOVE, MOVE, MOVE, MOVE, BY_RM(db_4), COMPARE_ST0, COMPARE_ST0};

static const struct opcode dc_memory[8] = ARITHMETIC(q);
static const struct opcode dc_register[8] = {STI_ST0, STI_ST0, COMPARE, COMPARE,
                                             STI_ST0, STI_ST0, STI_ST0, STI_ST0};

static const struct opcode dd_memory[8] = {
    OP(0, R(M, q), W(ST0, t)),
    OP(0, W(M, q), R(ST0, t)),
    OP(0, W(M, q), R(ST0, t)),
    OP(0, W(M, q), R(ST0, t)),
    OP(0, R(M, h)),
    NONE,
    OP(0, W(M, h)),
    OP(0, W(M, w)),
};
static const struct opcode dd_register[8] = {
    OP(0, X(T, t)),
    OP(0, RW(T, t), RW(ST0, t)),
    OP(0, W(T, t), R(ST0, t)),
    OP(0, W(T, t), R(ST0, t)),
    COMPARE,
    COMPARE_ST0,
};

static const struct opcode de_memory[8] = ARITHMETIC(w);
static const struct opcode de_3[8] = {[1] = OP0(0)}; /* FCOMPP */
static const struct opcode de_register[8] = {STI_ST0, STI_ST0, COMPARE, BY_RM(de_3),
                                             STI_ST0, STI_ST0, STI_ST0, STI_ST0};

static const struct opcode df_memory[8] = {
    OP(0, R(M, w), W(ST0, t)), OP(0, W(M, w), R(ST0, t)), OP(0, W(M, w), R(ST0, t)),
    OP(0, W(M, w), R(ST0, t)), OP(0, R(M, t), W(ST0, t)), OP(0, R(M, q), W(ST0, t)),
    OP(0, W(M, t), R(ST0, t)), OP(0, W(M, q), R(ST0, t)),
};
static const struct opcode df_4[8] = {OP(0, W(AX, w))}; /* FNSTSW AX */
static const struct opcode df_register[8] = {
    OP(0, X(T, t)),
    OP(0, RW(T, t), RW(ST0, t)),
    OP(0, W(T, t), R(ST0, t)),
    OP(0, W(T, t), R(ST0, t)),
    BY_RM(df_4),
    COMPARE_ST0,
    COMPARE_ST0,
};

const struct opcode decode_x87[16] = {
    BY_REG(d8_memory), BY_REG(d8_register), BY_REG(d9_memory), BY_REG(d9_register),
    BY_REG(da_memory), BY_REG(da_register), BY_REG(db_memory), BY_REG(db_register),
    BY_REG(dc_memory), BY_REG(dc_register), BY_REG(dd_memory), BY_REG(dd_register),
    BY_REG(de_memory), BY_REG(de_register), BY_REG(df_memory), BY_REG(df_register),
};
