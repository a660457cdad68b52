/*
 * The one-byte opcode map (Intel SDM Vol. 2D, table A-2; groups: table A-6). Prefix bytes and the escapes 0F,
 * C4, C5, 62 and 8F (XOP) are taken by the decoder before it looks here.
 */
#include "decode_tables.h"

/* The eight ALU instructions have six forms each; CMP does not write. */
#define ALU(first, D, lock)                                                                                  \
    [first] = OP(lock, D(E, b), R(G, b)), [first + 1] = OP(lock, D(E, v), R(G, v)),                          \
    [first + 2] = OP(0, D(G, b), R(E, b)), [first + 3] = OP(0, D(G, v), R(E, v)),                            \
    [first + 4] = OP(0, D(AX, b), R(I, b)), [first + 5] = OP(0, D(AX, v), R(B, z))

#define EIGHT(first, ...)                                                                                    \
    [first] = __VA_ARGS__, [first + 1] = __VA_ARGS__, [first + 2] = __VA_ARGS__, [first + 3] = __VA_ARGS__,  \
    [first + 4] = __VA_ARGS__, [first + 5] = __VA_ARGS__, [first + 6] = __VA_ARGS__,                         \
    [first + 7] = __VA_ARGS__

#define SEVEN_AND_CMP(...)                                                                                   \
    {                                                                                                        \
        OP(LOCKABLE, RW __VA_ARGS__), OP(LOCKABLE, RW __VA_ARGS__), OP(LOCKABLE, RW __VA_ARGS__),            \
            OP(LOCKABLE, RW __VA_ARGS__), OP(LOCKABLE, RW __VA_ARGS__), OP(LOCKABLE, RW __VA_ARGS__),        \
            OP(LOCKABLE, RW __VA_ARGS__), OP(0, R __VA_ARGS__)                                               \
    }
#define SHIFTS(...)                                                                                          \
    {                                                                                                        \
        OP(0, __VA_ARGS__), OP(0, __VA_ARGS__), OP(0, __VA_ARGS__), OP(0, __VA_ARGS__), OP(0, __VA_ARGS__),  \
            OP(0, __VA_ARGS__), OP(0, __VA_ARGS__), OP(0, __VA_ARGS__)                                       \
    }

static const struct opcode group1_eb_ib[8] = SEVEN_AND_CMP((E, b), R(I, b));
static const struct opcode group1_ev_iz[8] = SEVEN_AND_CMP((E, v), R(B, z));
static const struct opcode group1_eb_ib_alias[8] = {
    OP(LOCKABLE | NOT_64, RW(E, b), R(I, b)), OP(LOCKABLE | NOT_64, RW(E, b), R(I, b)),
    OP(LOCKABLE | NOT_64, RW(E, b), R(I, b)), OP(LOCKABLE | NOT_64, RW(E, b), R(I, b)),
    OP(LOCKABLE | NOT_64, RW(E, b), R(I, b)), OP(LOCKABLE | NOT_64, RW(E, b), R(I, b)),
    OP(LOCKABLE | NOT_64, RW(E, b), R(I, b)), OP(NOT_64, R(E, b), R(I, b)),
};
static const struct opcode group1_ev_ib[8] = SEVEN_AND_CMP((E, v), R(B, b));
static const struct opcode group1a[8] = {OP(DEFAULT_64, W(E, v))};
static const struct opcode group2_eb_ib[8] = SHIFTS(RW(E, b), R(I, b));
static const struct opcode group2_ev_ib[8] = SHIFTS(RW(E, v), R(I, b));
static const struct opcode group2_eb_1[8] = SHIFTS(RW(E, b), R(1, b));
static const struct opcode group2_ev_1[8] = SHIFTS(RW(E, v), R(1, b));
static const struct opcode group2_eb_cl[8] = SHIFTS(RW(E, b), R(CX, b));
static const struct opcode group2_ev_cl[8] = SHIFTS(RW(E, v), R(CX, b));
static const struct opcode group3_eb[8] = {
    OP(0, R(E, b), R(I, b)), OP(0, R(E, b), R(I, b)), OP(LOCKABLE, RW(E, b)), OP(LOCKABLE, RW(E, b)),
    OP(0, R(E, b)),          OP(0, R(E, b)),          OP(0, R(E, b)),         OP(0, R(E, b)),
};
static const struct opcode group3_ev[8] = {
    OP(0, R(E, v), R(B, z)), OP(0, R(E, v), R(B, z)), OP(LOCKABLE, RW(E, v)), OP(LOCKABLE, RW(E, v)),
    OP(0, R(E, v)),          OP(0, R(E, v)),          OP(0, R(E, v)),         OP(0, R(E, v)),
};
static const struct opcode group4[8] = {OP(LOCKABLE, RW(E, b)), OP(LOCKABLE, RW(E, b))};
static const struct opcode group5[8] = {
    OP(LOCKABLE, RW(E, v)), OP(LOCKABLE, RW(E, v)), OP(FORCED_64, R(E, v)),  OP(0, R(M, p)),
    OP(FORCED_64, R(E, v)), OP(0, R(M, p)),         OP(DEFAULT_64, R(E, v)),
};
/* C6 F8 and C7 F8 are XABORT and XBEGIN. */
static const struct opcode xabort[8] = {OP(0, R(I, b))};
static const struct opcode xbegin[8] = {OP(0, R(J, z))};
static const struct opcode group11_eb_7[2] = {[1] = BY_RM(xabort)};
static const struct opcode group11_ev_7[2] = {[1] = BY_RM(xbegin)};
static const struct opcode group11_eb[8] = {OP(0, W(E, b), R(I, b)), [7] = BY_MOD(group11_eb_7)};
static const struct opcode group11_ev[8] = {OP(0, W(E, v), R(B, z)), [7] = BY_MOD(group11_ev_7)};

/* 63 is ARPL, in 64-bit code MOVSXD. */
static const struct opcode arpl_movsxd[2] = {OP(0, RW(E, w), R(G, w)), OP(0, W(G, v), R(E, z))};

/* 90 is NOP, with F3 PAUSE; but with REX.B it is an XCHG of R8, F3 or not. */
static const struct opcode nop_xchg[2] = {OP0(0), OP(0, RW(Z, v), RW(AX, v))};

const struct opcode decode_one_byte[256] = {
    ALU(0x00, RW, LOCKABLE),
    [0x06] = OP(NOT_64, R(ES, w)),
    [0x07] = OP(NOT_64, W(ES, w)),
    ALU(0x08, RW, LOCKABLE),
    [0x0e] = OP(NOT_64, R(CS, w)),
    ALU(0x10, RW, LOCKABLE),
    [0x16] = OP(NOT_64, R(SS, w)),
    [0x17] = OP(NOT_64, W(SS, w)),
    ALU(0x18, RW, LOCKABLE),
    [0x1e] = OP(NOT_64, R(DS, w)),
    [0x1f] = OP(NOT_64, W(DS, w)),
    ALU(0x20, RW, LOCKABLE),
    [0x27] = OP0(NOT_64), /* DAA */
    ALU(0x28, RW, LOCKABLE),
    [0x2f] = OP0(NOT_64), /* DAS */
    ALU(0x30, RW, LOCKABLE),
    [0x37] = OP0(NOT_64), /* AAA */
    ALU(0x38, R, 0),
    [0x3f] = OP0(NOT_64),              /* AAS */
    EIGHT(0x40, OP(NOT_64, RW(Z, v))), /* INC; in 64-bit code these are REX */
    EIGHT(0x48, OP(NOT_64, RW(Z, v))), /* DEC */
    EIGHT(0x50, OP(DEFAULT_64, R(Z, v))),
    EIGHT(0x58, OP(DEFAULT_64, W(Z, v))),
    [0x60] = OP0(NOT_64), /* PUSHA */
    [0x61] = OP0(NOT_64), /* POPA */
    [0x62] = OP(NOT_64, R(G, v), R(M, a)),
    [0x63] = BY_MODE(arpl_movsxd),
    [0x68] = OP(DEFAULT_64, R(B, z)),
    [0x69] = OP(0, W(G, v), R(E, v), R(B, z)),
    [0x6a] = OP(DEFAULT_64, R(B, b)),
    [0x6b] = OP(0, W(G, v), R(E, v), R(B, b)),
    [0x6c] = OP(0, W(Y, b), R(DX, w)),
    [0x6d] = OP(0, W(Y, z), R(DX, w)),
    [0x6e] = OP(0, R(DX, w), R(X, b)),
    [0x6f] = OP(0, R(DX, w), R(X, z)),
    EIGHT(0x70, OP(FORCED_64, R(J, b))),
    EIGHT(0x78, OP(FORCED_64, R(J, b))),
    [0x80] = BY_REG(group1_eb_ib),
    [0x81] = BY_REG(group1_ev_iz),
    [0x82] = BY_REG(group1_eb_ib_alias),
    [0x83] = BY_REG(group1_ev_ib),
    [0x84] = OP(0, R(E, b), R(G, b)),
    [0x85] = OP(0, R(E, v), R(G, v)),
    [0x86] = OP(LOCKABLE, RW(E, b), RW(G, b)),
    [0x87] = OP(LOCKABLE, RW(E, v), RW(G, v)),
    [0x88] = OP(0, W(E, b), R(G, b)),
    [0x89] = OP(0, W(E, v), R(G, v)),
    [0x8a] = OP(0, W(G, b), R(E, b)),
    [0x8b] = OP(0, W(G, v), R(E, v)),
    [0x8c] = OP(0, W(E, m), R(S, w)),
    [0x8d] = OP(0, W(G, v), X(M, 0)),
    [0x8e] = OP(0, W(L, w), R(E, w)),
    [0x8f] = BY_REG(group1a),
    [0x90] = BY_REX_B(nop_xchg),
    [0x91] = OP(0, RW(Z, v), RW(AX, v)),
    [0x92] = OP(0, RW(Z, v), RW(AX, v)),
    [0x93] = OP(0, RW(Z, v), RW(AX, v)),
    [0x94] = OP(0, RW(Z, v), RW(AX, v)),
    [0x95] = OP(0, RW(Z, v), RW(AX, v)),
    [0x96] = OP(0, RW(Z, v), RW(AX, v)),
    [0x97] = OP(0, RW(Z, v), RW(AX, v)),
    [0x98] = OP0(0), /* CBW, CWDE, CDQE */
    [0x99] = OP0(0), /* CWD, CDQ, CQO */
    [0x9a] = OP(NOT_64, R(A, p)),
    [0x9b] = OP0(0),          /* FWAIT */
    [0x9c] = OP0(DEFAULT_64), /* PUSHF */
    [0x9d] = OP0(DEFAULT_64), /* POPF */
    [0x9e] = OP0(0),          /* SAHF */
    [0x9f] = OP0(0),          /* LAHF */
    [0xa0] = OP(0, W(AX, b), R(O, b)),
    [0xa1] = OP(0, W(AX, v), R(O, v)),
    [0xa2] = OP(0, W(O, b), R(AX, b)),
    [0xa3] = OP(0, W(O, v), R(AX, v)),
    [0xa4] = OP(0, W(Y, b), R(X, b)),
    [0xa5] = OP(0, W(Y, v), R(X, v)),
    [0xa6] = OP(0, R(X, b), R(Y, b)),
    [0xa7] = OP(0, R(X, v), R(Y, v)),
    [0xa8] = OP(0, R(AX, b), R(I, b)),
    [0xa9] = OP(0, R(AX, v), R(B, z)),
    [0xaa] = OP(0, W(Y, b), R(AX, b)),
    [0xab] = OP(0, W(Y, v), R(AX, v)),
    [0xac] = OP(0, W(AX, b), R(X, b)),
    [0xad] = OP(0, W(AX, v), R(X, v)),
    [0xae] = OP(0, R(AX, b), R(Y, b)),
    [0xaf] = OP(0, R(AX, v), R(Y, v)),
    EIGHT(0xb0, OP(0, W(Z, b), R(I, b))),
    EIGHT(0xb8, OP(0, W(Z, v), R(I, v))),
    [0xc0] = BY_REG(group2_eb_ib),
    [0xc1] = BY_REG(group2_ev_ib),
    [0xc2] = OP(FORCED_64, R(I, w)),
    [0xc3] = OP0(FORCED_64),
    [0xc4] = OP(NOT_64, W(G, z), R(M, p)), /* LES */
    [0xc5] = OP(NOT_64, W(G, z), R(M, p)), /* LDS */
    [0xc6] = BY_REG(group11_eb),
    [0xc7] = BY_REG(group11_ev),
    [0xc8] = OP(DEFAULT_64, R(I, w), R(I2, b)),
    [0xc9] = OP0(DEFAULT_64),
    [0xca] = OP(0, R(I, w)),
    [0xcb] = OP0(0),
    [0xcc] = OP0(0),
    [0xcd] = OP(0, R(I, b)),
    [0xce] = OP0(NOT_64),
    [0xcf] = OP0(0),
    [0xd0] = BY_REG(group2_eb_1),
    [0xd1] = BY_REG(group2_ev_1),
    [0xd2] = BY_REG(group2_eb_cl),
    [0xd3] = BY_REG(group2_ev_cl),
    [0xd4] = OP(NOT_64, R(I, b)), /* AAM */
    [0xd5] = OP(NOT_64, R(I, b)), /* AAD */
    [0xd6] = OP0(NOT_64),         /* SALC */
    [0xd7] = OP0(0),              /* XLAT */
    [0xd8] = BY_MOD(decode_x87),
    [0xd9] = BY_MOD(decode_x87 + 2),
    [0xda] = BY_MOD(decode_x87 + 4),
    [0xdb] = BY_MOD(decode_x87 + 6),
    [0xdc] = BY_MOD(decode_x87 + 8),
    [0xdd] = BY_MOD(decode_x87 + 10),
    [0xde] = BY_MOD(decode_x87 + 12),
    [0xdf] = BY_MOD(decode_x87 + 14),
    [0xe0] = OP(FORCED_64, R(J, b)), /* LOOPNE, LOOPE, LOOP, JRCXZ */
    [0xe1] = OP(FORCED_64, R(J, b)),
    [0xe2] = OP(FORCED_64, R(J, b)),
    [0xe3] = OP(FORCED_64, R(J, b)),
    [0xe4] = OP(0, W(AX, b), R(I, b)),
    [0xe5] = OP(0, W(AX, z), R(I, b)),
    [0xe6] = OP(0, R(I, b), R(AX, b)),
    [0xe7] = OP(0, R(I, b), R(AX, z)),
    [0xe8] = OP(FORCED_64, R(J, z)),
    [0xe9] = OP(FORCED_64, R(J, z)),
    [0xea] = OP(NOT_64, R(A, p)),
    [0xeb] = OP(FORCED_64, R(J, b)),
    [0xec] = OP(0, W(AX, b), R(DX, w)),
    [0xed] = OP(0, W(AX, z), R(DX, w)),
    [0xee] = OP(0, R(DX, w), R(AX, b)),
    [0xef] = OP(0, R(DX, w), R(AX, z)),
    [0xf1] = OP0(0), /* INT1 */
    [0xf4] = OP0(0),
    [0xf5] = OP0(0),
    [0xf6] = BY_REG(group3_eb),
    [0xf7] = BY_REG(group3_ev),
    [0xf8] = OP0(0),
    [0xf9] = OP0(0),
    [0xfa] = OP0(0),
    [0xfb] = OP0(0),
    [0xfc] = OP0(0),
    [0xfd] = OP0(0),
    [0xfe] = BY_REG(group4),
    [0xff] = BY_REG(group5),
};
