/*
 * The two-byte opcode map, 0F xx (Intel SDM Vol. 2D, tables ). 0F 38, 0F 3A and 0F 0F are taken by
 * the decoder before it looks here.
 */
#include "decode_tables.h"

#define EIGHT(first, ...)                                                                                    \
    [first] = __VA_ARGS__, [first + 1] = __VA_ARGS__, [first + 2] = __VA_ARGS__, [first + 3] = __VA_ARGS__,  \
    [first + 4] = __VA_ARGS__, [first + 5] = __VA_ARGS__, [first + 6] = __VA_ARGS__,                         \
    [first + 7] = __VA_ARGS__

/* An instruction with MMX operands, and with 66 the same on XMM registers. */
#define MMX_OR_XMM PREFIX4(OP(0, RW(P, q), R(Q, q)), OP(0, RW(V, x), R(W, x)), NONE, NONE)
/* Packed single, packed double, scalar single, scalar double. */
#define FOUR(D)                                                                                              \
    PREFIX4(OP(0, D(V, x), R(W, x)), OP(0, D(V, x), R(W, x)), OP(0, D(V, d), R(W, d)),                       \
            OP(0, D(V, q), R(W, q)))
#define PACKED(D)           PREFIX4(OP(0, D(V, x), R(W, x)), OP(0, D(V, x), R(W, x)), NONE, NONE)
#define ONLY_66(...)        PREFIX4(NONE, OP(0, __VA_ARGS__), NONE, NONE)
#define ONLY_NP(...)        PREFIX4(OP(0, __VA_ARGS__), NONE, NONE, NONE)
#define ONLY_F3(flags, ...) PREFIX4(NONE, NONE, OP(flags, __VA_ARGS__), NONE)
#define ONLY_66_0(flags)    PREFIX4(NONE, OP0(flags), NONE, NONE)
#define NP0                 PREFIX4(OP0(0), NONE, NONE, NONE)

static const struct opcode group6[8] = {
    OP(0, W(E, m)), OP(0, W(E, m)), OP(0, R(E, w)), OP(0, R(E, w)), OP(0, R(E, w)), OP(0, R(E, w)),
};

static const struct opcode group7_memory[8] = {
    OP(0, W(M, s)), OP(0, W(M, s)),       OP(0, R(M, s)), OP(0, R(M, s)),
    OP(0, W(M, w)), ONLY_F3(0, RW(M, q)), OP(0, R(M, w)), OP(0, X(M, 0)),
};
#define F3_ONLY64 PREFIX4(NONE, NONE, OP0(ONLY_64), NONE)
/* VMCALL, VMLAUNCH, VMRESUME, VMXOFF, PCONFIG; ENCLV */
static const struct opcode group7_0[8] = {NP0, NP0, NP0, NP0, NP0, NP0};
/* MONITOR, MWAIT, CLAC, STAC, TDCALL, SEAMRET, SEAMOPS, ENCLS and SEAMCALL */
static const struct opcode group7_1[8] = {NP0,
                                          NP0,
                                          NP0,
                                          NP0,
                                          ONLY_66_0(0),
                                          ONLY_66_0(ONLY_64),
                                          ONLY_66_0(ONLY_64),
                                          PREFIX4(OP0(0), OP0(ONLY_64), NONE, NONE)};
/* XGETBV, XSETBV, -, -, VMFUNC, XEND, XTEST, ENCLU */
static const struct opcode group7_2[8] = {NP0, NP0, [4] = NP0, NP0, NP0, NP0};
/* VMRUN, VMMCALL, VMLOAD, VMSAVE, STGI, CLGI, SKINIT, INVLPGA */
static const struct opcode group7_3[8] = {
    OP(0, R(AX, n)), OP0(0), OP(0, R(AX, n)), OP(0, R(AX, n)),
    OP0(0),          OP0(0), OP(0, R(AX, d)), OP(0, R(AX, n), R(CX, d))};
/* SETSSBSY, SERIALIZE and XSUSLDTRK, XRESLDTRK, SAVEPREVSSP; RDPKRU, WRPKRU; UIRET, TESTUI, CLUI, STUI */
static const struct opcode group7_5[8] = {PREFIX4(OP0(0), NONE, OP0(0), OP0(0)),
                                          PREFIX4(NONE, NONE, NONE, OP0(0)),
                                          PREFIX4(NONE, NONE, OP0(0), NONE),
                                          NONE,
                                          F3_ONLY64,
                                          F3_ONLY64,
                                          PREFIX4(OP0(0), NONE, OP0(ONLY_64), NONE),
                                          PREFIX4(OP0(0), NONE, OP0(ONLY_64), NONE)};
/* SWAPGS, RDTSCP, MONITORX and MCOMMIT, MWAITX, CLZERO, RDPRU, INVLPGB, RMPADJUST, RMPUPDATE, TLBSYNC,
 * PSMASH, PVALIDATE */
static const struct opcode group7_7[8] = {
    OP0(ONLY_64),
    OP0(0),
    PREFIX4(OP0(0), NONE, OP0(0), NONE),
    NP0,
    OP(0, R(AX, n)),
    OP0(0),
    PREFIX4(OP(0, R(AX, n), R(DX, d), R(CX, d)), NONE, OP(ONLY_64, RW(AX, q), R(CX, q), R(DX, q)),
            OP(ONLY_64, RW(AX, q), R(CX, q))),
    PREFIX4(OP0(0), NONE, OP(ONLY_64, RW(AX, q)), OP(0, RW(AX, n), R(CX, d), R(DX, d))),
};
static const struct opcode group7_register[8] = {
    BY_RM(group7_0), BY_RM(group7_1), BY_RM(group7_2), BY_RM(group7_3),
    OP(0, W(R, v)),  BY_RM(group7_5), OP(0, R(R, w)),  BY_RM(group7_7),
};

static const struct opcode group8[8] = {
    [4] = OP(0, R(E, v), R(I, b)),
    OP(LOCKABLE, RW(E, v), R(I, b)),
    OP(LOCKABLE, RW(E, v), R(I, b)),
    OP(LOCKABLE, RW(E, v), R(I, b)),
};

static const struct opcode group9_memory[8] = {
    [1] = OP(LOCKABLE, RW(M, o)),
    [3] = ONLY_NP(X(M, 0)),
    ONLY_NP(X(M, 0)),
    ONLY_NP(X(M, 0)),
    PREFIX4(OP(0, R(M, q)), OP(0, R(M, q)), OP(0, R(M, q)), NONE),
    ONLY_NP(W(M, q)),
};
static const struct opcode group9_register[8] = {
    [6] = PREFIX4(OP(0, W(R, v)), OP(0, W(R, v)), OP(ONLY_64, R(R, d)), NONE),
    PREFIX4(OP(0, W(R, v)), OP(0, W(R, v)), OP(FORCED_64, W(R, k)), NONE),
};

#define SHIFT_MMX_XMM PREFIX4(OP(0, RW(N, q), R(I, b)), OP(0, RW(U, x), R(I, b)), NONE, NONE)
static const struct opcode group12[8] = {[2] = SHIFT_MMX_XMM, [4] = SHIFT_MMX_XMM, [6] = SHIFT_MMX_XMM};
static const struct opcode group14[8] = {
    [2] = SHIFT_MMX_XMM, ONLY_66(RW(U, x), R(I, b)), [6] = SHIFT_MMX_XMM, ONLY_66(RW(U, x), R(I, b))};

static const struct opcode group15_memory[8] = {
    ONLY_NP(W(M, f)),
    ONLY_NP(R(M, f)),
    ONLY_NP(R(M, d)),
    ONLY_NP(W(M, d)),
    PREFIX4(OP(0, X(M, 0)), NONE, OP(0, R(M, y)), NONE),
    ONLY_NP(X(M, 0)),
    PREFIX4(OP(0, X(M, 0)), OP(0, X(M, 0)), OP(0, RW(M, q)), NONE),
    PREFIX4(OP(0, X(M, 0)), OP(0, X(M, 0)), NONE, NONE),
};
static const struct opcode group15_register[8] = {
    ONLY_F3(ONLY_64, W(R, y)),
    ONLY_F3(ONLY_64, W(R, y)),
    ONLY_F3(ONLY_64, R(R, y)),
    ONLY_F3(ONLY_64, R(R, y)),
    ONLY_F3(0, R(R, y)),
    PREFIX4(OP0(0), NONE, OP(0, R(R, y)), NONE),
    PREFIX4(OP0(0), OP(0, R(R, d)), OP(0, X(R, n)), OP(0, R(R, d))),
    NP0,
};

/* F3 0F 1E: RDSSP, ENDBR64, ENDBR32, and hints. */
#define HINT OP(0, X(E, v), X(G, v))
static const struct opcode hint_1e_7[8] = {HINT, HINT, OP0(0), OP0(0), HINT, HINT, HINT, HINT};
static const struct opcode hint_1e[8] = {HINT, OP(0, W(R, y)), HINT, HINT,
                                         HINT, HINT,           HINT, BY_RM(hint_1e_7)};

const struct opcode decode_0f[256] = {
    [0x00] = BY_REG(group6),
    [0x01] = MEM_REG(BY_REG(group7_memory), BY_REG(group7_register)),
    [0x02] = OP(0, W(G, v), R(E, m)), /* LAR */
    [0x03] = OP(0, W(G, v), R(E, m)), /* LSL */
    [0x05] = OP0(0),                  /* SYSCALL; Intel has it in 64-bit code only */
    [0x06] = OP0(0),
    [0x07] = OP0(0), /* SYSRET */
    [0x08] = OP0(0),
    [0x09] = OP0(0),
    [0x0b] = OP0(0),
    [0x0d] = OP(0, X(M, 0)), /* PREFETCH, PREFETCHW; with a register #UD on AMD, a hint NOP on Intel */
    [0x0e] = OP0(0),
    [0x10] = FOUR(W),
    [0x11] = PREFIX4(OP(0, W(W, x), R(V, x)), OP(0, W(W, x), R(V, x)), OP(0, W(W, d), R(V, d)),
                     OP(0, W(W, q), R(V, q))),
    [0x12] = PREFIX4(MEM_REG(OP(0, W(V, q), R(M, q)), OP(0, W(V, q), R(U, q))), OP(0, W(V, q), R(M, q)),
                     OP(0, W(V, x), R(W, x)), OP(0, W(V, x), R(W, q))),
    [0x13] = PREFIX4(OP(0, W(M, q), R(V, q)), OP(0, W(M, q), R(V, q)), NONE, NONE),
    [0x14] = PACKED(RW),
    [0x15] = PACKED(RW),
    [0x16] = PREFIX4(MEM_REG(OP(0, W(V, q), R(M, q)), OP(0, W(V, q), R(U, q))), OP(0, W(V, q), R(M, q)),
                     OP(0, W(V, x), R(W, x)), NONE),
    [0x17] = PREFIX4(OP(0, W(M, q), R(V, q)), OP(0, W(M, q), R(V, q)), NONE, NONE),
    /* PREFETCHh and hint NOPs */
    [0x18] = OP(0, X(E, v)),
    [0x19] = OP(0, X(E, v), X(G, v)),
    [0x1a] = OP(0, X(E, v), X(G, v)),
    [0x1b] = OP(0, X(E, v), X(G, v)),
    [0x1c] = OP(0, X(E, v), X(G, v)),
    [0x1d] = OP(0, X(E, v), X(G, v)),
    [0x1e] = PREFIX4(HINT, HINT, MEM_REG(HINT, BY_REG(hint_1e)), HINT),
    [0x1f] = OP(0, X(E, v), X(G, v)),
    [0x20] = OP(ANY_MOD | FORCED_64, W(R, k), R(C, k)),
    [0x21] = OP(ANY_MOD | FORCED_64, W(R, k), R(D, k)),
    [0x22] = OP(ANY_MOD | FORCED_64, W(C, k), R(R, k)),
    [0x23] = OP(ANY_MOD | FORCED_64, W(D, k), R(R, k)),
    [0x28] = PACKED(W),
    [0x29] = PREFIX4(OP(0, W(W, x), R(V, x)), OP(0, W(W, x), R(V, x)), NONE, NONE),
    [0x2a] = PREFIX4(OP(0, W(V, q), R(Q, q)), OP(0, W(V, x), R(Q, q)), OP(0, W(V, d), R(E, y)),
                     OP(0, W(V, q), R(E, y))),
    [0x2b] = PREFIX4(OP(0, W(M, x), R(V, x)), OP(0, W(M, x), R(V, x)), OP(0, W(M, d), R(V, d)),
                     OP(0, W(M, q), R(V, q))),
    [0x2c] = PREFIX4(OP(0, W(P, q), R(W, q)), OP(0, W(P, q), R(W, x)), OP(0, W(G, y), R(W, d)),
                     OP(0, W(G, y), R(W, q))),
    [0x2d] = PREFIX4(OP(0, W(P, q), R(W, q)), OP(0, W(P, q), R(W, x)), OP(0, W(G, y), R(W, d)),
                     OP(0, W(G, y), R(W, q))),
    [0x2e] = PREFIX4(OP(0, R(V, d), R(W, d)), OP(0, R(V, q), R(W, q)), NONE, NONE),
    [0x2f] = PREFIX4(OP(0, R(V, d), R(W, d)), OP(0, R(V, q), R(W, q)), NONE, NONE),
    [0x30] = OP0(0),
    [0x31] = OP0(0),
    [0x32] = OP0(0),
    [0x33] = OP0(0),
    [0x34] = OP0(0),
    [0x35] = OP0(0),
    [0x37] = NP0,
    EIGHT(0x40, OP(0, W(G, v), R(E, v))), /* CMOVcc */
    EIGHT(0x48, OP(0, W(G, v), R(E, v))),
    [0x50] = PREFIX4(OP(0, W(G, y), R(U, x)), OP(0, W(G, y), R(U, x)), NONE, NONE),
    [0x51] = FOUR(W),
    [0x52] = PREFIX4(OP(0, W(V, x), R(W, x)), NONE, OP(0, W(V, d), R(W, d)), NONE),
    [0x53] = PREFIX4(OP(0, W(V, x), R(W, x)), NONE, OP(0, W(V, d), R(W, d)), NONE),
    [0x54] = PACKED(RW),
    [0x55] = PACKED(RW),
    [0x56] = PACKED(RW),
    [0x57] = PACKED(RW),
    [0x58] = FOUR(RW),
    [0x59] = FOUR(RW),
    [0x5a] = PREFIX4(OP(0, W(V, x), R(W, q)), OP(0, W(V, q), R(W, x)), OP(0, W(V, q), R(W, d)),
                     OP(0, W(V, d), R(W, q))),
    [0x5b] = PREFIX4(OP(0, W(V, x), R(W, x)), OP(0, W(V, x), R(W, x)), OP(0, W(V, x), R(W, x)), NONE),
    [0x5c] = FOUR(RW),
    [0x5d] = FOUR(RW),
    [0x5e] = FOUR(RW),
    [0x5f] = FOUR(RW),
    [0x60] = PREFIX4(OP(0, RW(P, q), R(Q, d)), OP(0, RW(V, x), R(W, x)), NONE, NONE),
    [0x61] = PREFIX4(OP(0, RW(P, q), R(Q, d)), OP(0, RW(V, x), R(W, x)), NONE, NONE),
    [0x62] = PREFIX4(OP(0, RW(P, q), R(Q, d)), OP(0, RW(V, x), R(W, x)), NONE, NONE),
    [0x63] = MMX_OR_XMM,
    [0x64] = MMX_OR_XMM,
    [0x65] = MMX_OR_XMM,
    [0x66] = MMX_OR_XMM,
    [0x67] = MMX_OR_XMM,
    [0x68] = MMX_OR_XMM,
    [0x69] = MMX_OR_XMM,
    [0x6a] = MMX_OR_XMM,
    [0x6b] = MMX_OR_XMM,
    [0x6c] = ONLY_66(RW(V, x), R(W, x)),
    [0x6d] = ONLY_66(RW(V, x), R(W, x)),
    [0x6e] = PREFIX4(OP(0, W(P, q), R(E, y)), OP(0, W(V, x), R(E, y)), NONE, NONE),
    [0x6f] = PREFIX4(OP(0, W(P, q), R(Q, q)), OP(0, W(V, x), R(W, x)), OP(0, W(V, x), R(W, x)), NONE),
    [0x70] = PREFIX4(OP(0, W(P, q), R(Q, q), R(I, b)), OP(0, W(V, x), R(W, x), R(I, b)),
                     OP(0, W(V, x), R(W, x), R(I, b)), OP(0, W(V, x), R(W, x), R(I, b))),
    [0x71] = MEM_REG(NONE, BY_REG(group12)),
    [0x72] = MEM_REG(NONE, BY_REG(group12)),
    [0x73] = MEM_REG(NONE, BY_REG(group14)),
    [0x74] = MMX_OR_XMM,
    [0x75] = MMX_OR_XMM,
    [0x76] = MMX_OR_XMM,
    [0x77] = NP0,
    /* VMREAD, EXTRQ, INSERTQ */
    [0x78] = PREFIX4(OP(FORCED_64, W(E, k), R(G, k)),
                     BY_REG(((const struct opcode[8]){OP(0, RW(U, x), R(I, b), R(I2, b))})), NONE,
                     OP(0, RW(V, x), R(U, x), R(I, b), R(I2, b))),
    [0x79] =
        PREFIX4(OP(FORCED_64, R(G, k), R(E, k)), OP(0, RW(V, x), R(U, x)), NONE, OP(0, RW(V, x), R(U, x))),
    [0x7c] = PREFIX4(NONE, OP(0, RW(V, x), R(W, x)), NONE, OP(0, RW(V, x), R(W, x))),
    [0x7d] = PREFIX4(NONE, OP(0, RW(V, x), R(W, x)), NONE, OP(0, RW(V, x), R(W, x))),
    [0x7e] = PREFIX4(OP(0, W(E, y), R(P, q)), OP(0, W(E, y), R(V, x)), OP(0, W(V, x), R(W, q)), NONE),
    [0x7f] = PREFIX4(OP(0, W(Q, q), R(P, q)), OP(0, W(W, x), R(V, x)), OP(0, W(W, x), R(V, x)), NONE),
    EIGHT(0x80, OP(FORCED_64, R(J, z))),
    EIGHT(0x88, OP(FORCED_64, R(J, z))),
    EIGHT(0x90, OP(0, W(E, b))),
    EIGHT(0x98, OP(0, W(E, b))),
    [0xa0] = OP(DEFAULT_64, R(FS, w)),
    [0xa1] = OP(DEFAULT_64, W(FS, w)),
    [0xa2] = OP0(0),
    [0xa3] = OP(0, R(E, v), R(G, v)),
    [0xa4] = OP(0, RW(E, v), R(G, v), R(I, b)),
    [0xa5] = OP(0, RW(E, v), R(G, v), R(CX, b)),
    [0xa8] = OP(DEFAULT_64, R(GS, w)),
    [0xa9] = OP(DEFAULT_64, W(GS, w)),
    [0xaa] = OP0(0),
    [0xab] = OP(LOCKABLE, RW(E, v), R(G, v)),
    [0xac] = OP(0, RW(E, v), R(G, v), R(I, b)),
    [0xad] = OP(0, RW(E, v), R(G, v), R(CX, b)),
    [0xae] = MEM_REG(BY_REG(group15_memory), BY_REG(group15_register)),
    [0xaf] = OP(0, RW(G, v), R(E, v)),
    [0xb0] = OP(LOCKABLE, RW(E, b), R(G, b)),
    [0xb1] = OP(LOCKABLE, RW(E, v), R(G, v)),
    [0xb2] = OP(0, W(G, v), R(M, p)),
    [0xb3] = OP(LOCKABLE, RW(E, v), R(G, v)),
    [0xb4] = OP(0, W(G, v), R(M, p)),
    [0xb5] = OP(0, W(G, v), R(M, p)),
    [0xb6] = OP(0, W(G, v), R(E, b)),
    [0xb7] = OP(0, W(G, v), R(E, w)),
    [0xb8] = PREFIX4(NONE, NONE, OP(0, W(G, v), R(E, v)), NONE),
    [0xb9] = OP(0, R(G, d), R(E, d)),
    [0xba] = BY_REG(group8),
    [0xbb] = OP(LOCKABLE, RW(E, v), R(G, v)),
    [0xbc] = OP(0, W(G, v), R(E, v)),
    [0xbd] = OP(0, W(G, v), R(E, v)),
    [0xbe] = OP(0, W(G, v), R(E, b)),
    [0xbf] = OP(0, W(G, v), R(E, w)),
    [0xc0] = OP(LOCKABLE, RW(E, b), RW(G, b)),
    [0xc1] = OP(LOCKABLE, RW(E, v), RW(G, v)),
    [0xc2] = PREFIX4(OP(0, RW(V, x), R(W, x), R(I, b)), OP(0, RW(V, x), R(W, x), R(I, b)),
                     OP(0, RW(V, d), R(W, d), R(I, b)), OP(0, RW(V, q), R(W, q), R(I, b))),
    [0xc3] = ONLY_NP(W(M, y), R(G, y)),
    [0xc4] = PREFIX4(OP(0, RW(P, q), R(E, r), R(I, b)), OP(0, RW(V, x), R(E, r), R(I, b)), NONE, NONE),
    [0xc5] = PREFIX4(OP(0, W(G, d), R(N, q), R(I, b)), OP(0, W(G, d), R(U, x), R(I, b)), NONE, NONE),
    [0xc6] = PREFIX4(OP(0, RW(V, x), R(W, x), R(I, b)), OP(0, RW(V, x), R(W, x), R(I, b)), NONE, NONE),
    [0xc7] = MEM_REG(BY_REG(group9_memory), BY_REG(group9_register)),
    EIGHT(0xc8, OP(0, RW(Z, v))), /* BSWAP */
    [0xd0] = PREFIX4(NONE, OP(0, RW(V, x), R(W, x)), NONE, OP(0, RW(V, x), R(W, x))),
    [0xd1] = MMX_OR_XMM,
    [0xd2] = MMX_OR_XMM,
    [0xd3] = MMX_OR_XMM,
    [0xd4] = MMX_OR_XMM,
    [0xd5] = MMX_OR_XMM,
    [0xd6] = PREFIX4(NONE, OP(0, W(W, q), R(V, q)), OP(0, W(V, x), R(N, q)), OP(0, W(P, q), R(U, q))),
    [0xd7] = PREFIX4(OP(0, W(G, d), R(N, q)), OP(0, W(G, d), R(U, x)), NONE, NONE),
    EIGHT(0xd8, MMX_OR_XMM),
    [0xe0] = MMX_OR_XMM,
    [0xe1] = MMX_OR_XMM,
    [0xe2] = MMX_OR_XMM,
    [0xe3] = MMX_OR_XMM,
    [0xe4] = MMX_OR_XMM,
    [0xe5] = MMX_OR_XMM,
    [0xe6] = PREFIX4(NONE, OP(0, W(V, q), R(W, x)), OP(0, W(V, x), R(W, q)), OP(0, W(V, q), R(W, x))),
    [0xe7] = PREFIX4(OP(0, W(M, q), R(P, q)), OP(0, W(M, x), R(V, x)), NONE, NONE),
    EIGHT(0xe8, MMX_OR_XMM),
    [0xf0] = PREFIX4(NONE, NONE, NONE, OP(0, W(V, x), R(M, x))),
    [0xf1] = MMX_OR_XMM,
    [0xf2] = MMX_OR_XMM,
    [0xf3] = MMX_OR_XMM,
    [0xf4] = MMX_OR_XMM,
    [0xf5] = MMX_OR_XMM,
    [0xf6] = MMX_OR_XMM,
    [0xf7] = PREFIX4(OP(0, R(P, q), R(N, q)), OP(0, R(V, x), R(U, x)), NONE, NONE),
    [0xf8] = MMX_OR_XMM,
    [0xf9] = MMX_OR_XMM,
    [0xfa] = MMX_OR_XMM,
    [0xfb] = MMX_OR_XMM,
    [0xfc] = MMX_OR_XMM,
    [0xfd] = MMX_OR_XMM,
    [0xfe] = MMX_OR_XMM,
    [0xff] = OP(0, R(G, d), R(E, d)),
};
