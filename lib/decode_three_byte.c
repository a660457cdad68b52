/*
 * The three-byte opcode maps 0F 38 xx and 0F 3A xx of legacy encodings (Intel SDM Vol. 2D, tables A-4 and
 * A-5), and the suffixes of 3DNow! (AMD APM Vol. 3, table A-14).
 */
#include "decode_tables.h"

#define MMX_OR_XMM   PREFIX4(OP(0, RW(P, q), R(Q, q)), OP(0, RW(V, x), R(W, x)), NONE, NONE)
#define MMX_OR_XMM_W PREFIX4(OP(0, W(P, q), R(Q, q)), OP(0, W(V, x), R(W, x)), NONE, NONE)
#define ONLY_66(...) PREFIX4(NONE, OP(0, __VA_ARGS__), NONE, NONE)
#define ONLY_NP(...) PREFIX4(OP(0, __VA_ARGS__), NONE, NONE, NONE)
#define XMM          ONLY_66(RW(V, x), R(W, x))

/* Key Locker: AESENCWIDE128KL ..., AESENC128KL and LOADIWKEY, ENCODEKEY128 and 256. */
static const struct opcode aes_wide[8] = {OP(0, R(M, 48)), OP(0, R(M, 48)), OP(0, R(M, 64)), OP(0, R(M, 64))};

const struct opcode decode_0f38[256] = {
    [0x00] = MMX_OR_XMM,
    [0x01] = MMX_OR_XMM,
    [0x02] = MMX_OR_XMM,
    [0x03] = MMX_OR_XMM,
    [0x04] = MMX_OR_XMM,
    [0x05] = MMX_OR_XMM,
    [0x06] = MMX_OR_XMM,
    [0x07] = MMX_OR_XMM,
    [0x08] = MMX_OR_XMM,
    [0x09] = MMX_OR_XMM,
    [0x0a] = MMX_OR_XMM,
    [0x0b] = MMX_OR_XMM,
    [0x10] = ONLY_66(RW(V, x), R(W, x), R(XMM0, x)),
    [0x14] = ONLY_66(RW(V, x), R(W, x), R(XMM0, x)),
    [0x15] = ONLY_66(RW(V, x), R(W, x), R(XMM0, x)),
    [0x17] = ONLY_66(R(V, x), R(W, x)),
    [0x1c] = MMX_OR_XMM_W,
    [0x1d] = MMX_OR_XMM_W,
    [0x1e] = MMX_OR_XMM_W,
    [0x20] = ONLY_66(W(V, x), R(W, q)),
    [0x21] = ONLY_66(W(V, x), R(W, d)),
    [0x22] = ONLY_66(W(V, x), R(W, w)),
    [0x23] = ONLY_66(W(V, x), R(W, q)),
    [0x24] = ONLY_66(W(V, x), R(W, d)),
    [0x25] = ONLY_66(W(V, x), R(W, q)),
    [0x28] = XMM,
    [0x29] = XMM,
    [0x2a] = ONLY_66(W(V, x), R(M, x)),
    [0x2b] = XMM,
    [0x30] = ONLY_66(W(V, x), R(W, q)),
    [0x31] = ONLY_66(W(V, x), R(W, d)),
    [0x32] = ONLY_66(W(V, x), R(W, w)),
    [0x33] = ONLY_66(W(V, x), R(W, q)),
    [0x34] = ONLY_66(W(V, x), R(W, d)),
    [0x35] = ONLY_66(W(V, x), R(W, q)),
    [0x37] = XMM,
    [0x38] = XMM,
    [0x39] = XMM,
    [0x3a] = XMM,
    [0x3b] = XMM,
    [0x3c] = XMM,
    [0x3d] = XMM,
    [0x3e] = XMM,
    [0x3f] = XMM,
    [0x40] = XMM,
    [0x41] = ONLY_66(W(V, x), R(W, x)),
    [0x80] = PREFIX4(NONE, OP(FORCED_64, R(G, k), R(M, x)), NONE, NONE), /* INVEPT, INVVPID, INVPCID */
    [0x81] = PREFIX4(NONE, OP(FORCED_64, R(G, k), R(M, x)), NONE, NONE),
    [0x82] = PREFIX4(NONE, OP(FORCED_64, R(G, k), R(M, x)), NONE, NONE),
    [0xc8] = ONLY_NP(RW(V, x), R(W, x)),
    [0xc9] = ONLY_NP(RW(V, x), R(W, x)),
    [0xca] = ONLY_NP(RW(V, x), R(W, x)),
    [0xcb] = ONLY_NP(RW(V, x), R(W, x), R(XMM0, x)),
    [0xcc] = ONLY_NP(RW(V, x), R(W, x)),
    [0xcd] = ONLY_NP(RW(V, x), R(W, x)),
    [0xcf] = XMM,
    [0xdb] = ONLY_66(W(V, x), R(W, x)),
    [0xd8] = PREFIX4(NONE, NONE, MEM_REG(BY_REG(aes_wide), NONE), NONE),
    [0xdc] = PREFIX4(NONE, OP(0, RW(V, x), R(W, x)),
                     MEM_REG(OP(0, RW(V, x), R(M, 48)), OP(0, R(V, x), R(U, x))), NONE),
    [0xdd] = PREFIX4(NONE, OP(0, RW(V, x), R(W, x)), OP(0, RW(V, x), R(M, 48)), NONE),
    [0xde] = PREFIX4(NONE, OP(0, RW(V, x), R(W, x)), OP(0, RW(V, x), R(M, 64)), NONE),
    [0xdf] = PREFIX4(NONE, OP(0, RW(V, x), R(W, x)), OP(0, RW(V, x), R(M, 64)), NONE),
    /* MOVBE, CRC32 */
    [0xf0] = PREFIX4(OP(0, W(G, v), R(M, v)), OP(0, W(G, v), R(M, v)), NONE, OP(0, RW(G, y), R(E, b))),
    [0xf1] = PREFIX4(OP(0, W(M, v), R(G, v)), OP(0, W(M, v), R(G, v)), NONE, OP(0, RW(G, y), R(E, v))),
    /* WRUSS; WRSS, ADCX, ADOX; MOVDIR64B, ENQCMDS, ENQCMD; MOVDIRI */
    [0xf5] = ONLY_66(W(M, y), R(G, y)),
    [0xf6] = PREFIX4(OP(0, W(M, y), R(G, y)), OP(0, RW(G, y), R(E, y)), OP(0, RW(G, y), R(E, y)), NONE),
    [0xf8] = PREFIX4(NONE, OP(0, R(G, n), R(M, 64)), OP(0, R(G, n), R(M, 64)), OP(0, R(G, n), R(M, 64))),
    [0xf9] = ONLY_NP(W(M, y), R(G, y)),
    [0xfa] = PREFIX4(NONE, NONE, OP(0, W(G, d), R(R, d)), NONE),
    [0xfb] = PREFIX4(NONE, NONE, OP(0, W(G, d), R(R, d)), NONE),
};

static const struct opcode hreset_rm[8] = {OP(0, R(I, b))};
static const struct opcode hreset[8] = {BY_RM(hreset_rm)};

const struct opcode decode_0f3a[256] = {
    [0x08] = ONLY_66(W(V, x), R(W, x), R(I, b)),
    [0x09] = ONLY_66(W(V, x), R(W, x), R(I, b)),
    [0x0a] = ONLY_66(W(V, d), R(W, d), R(I, b)),
    [0x0b] = ONLY_66(W(V, q), R(W, q), R(I, b)),
    [0x0c] = ONLY_66(RW(V, x), R(W, x), R(I, b)),
    [0x0d] = ONLY_66(RW(V, x), R(W, x), R(I, b)),
    [0x0e] = ONLY_66(RW(V, x), R(W, x), R(I, b)),
    [0x0f] = PREFIX4(OP(0, RW(P, q), R(Q, q), R(I, b)), OP(0, RW(V, x), R(W, x), R(I, b)), NONE, NONE),
    [0x14] = ONLY_66(W(E, u), R(V, x), R(I, b)),
    [0x15] = ONLY_66(W(E, r), R(V, x), R(I, b)),
    [0x16] = ONLY_66(W(E, y), R(V, x), R(I, b)),
    [0x17] = ONLY_66(W(E, d), R(V, x), R(I, b)),
    [0x20] = ONLY_66(RW(V, x), R(E, u), R(I, b)),
    [0x21] = ONLY_66(RW(V, x), R(W, d), R(I, b)),
    [0x22] = ONLY_66(RW(V, x), R(E, y), R(I, b)),
    [0x40] = ONLY_66(RW(V, x), R(W, x), R(I, b)),
    [0x41] = ONLY_66(RW(V, x), R(W, x), R(I, b)),
    [0x42] = ONLY_66(RW(V, x), R(W, x), R(I, b)),
    [0x44] = ONLY_66(RW(V, x), R(W, x), R(I, b)),
    [0x60] = ONLY_66(R(V, x), R(W, x), R(I, b)),
    [0x61] = ONLY_66(R(V, x), R(W, x), R(I, b)),
    [0x62] = ONLY_66(R(V, x), R(W, x), R(I, b)),
    [0x63] = ONLY_66(R(V, x), R(W, x), R(I, b)),
    [0xcc] = ONLY_NP(RW(V, x), R(W, x), R(I, b)),
    [0xce] = ONLY_66(RW(V, x), R(W, x), R(I, b)),
    [0xcf] = ONLY_66(RW(V, x), R(W, x), R(I, b)),
    [0xdf] = ONLY_66(W(V, x), R(W, x), R(I, b)),
    [0xf0] = PREFIX4(NONE, NONE, MEM_REG(NONE, BY_REG(hreset)), NONE),
};

#define BIT(n) (1ull << ((n)&63))
const uint64_t decode_3dnow[4] = {
    [0] = BIT(0x0c) | BIT(0x0d) | BIT(0x1c) | BIT(0x1d),
    [2] = BIT(0x8a) | BIT(0x8e) | BIT(0x90) | BIT(0x94) | BIT(0x96) | BIT(0x97) | BIT(0x9a) | BIT(0x9e) |
          BIT(0xa0) | BIT(0xa4) | BIT(0xa6) | BIT(0xa7) | BIT(0xaa) | BIT(0xae) | BIT(0xb0) | BIT(0xb4) |
          BIT(0xb6) | BIT(0xb7) | BIT(0xbb) | BIT(0xbf),
};
