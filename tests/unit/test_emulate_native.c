/*
 * The emulator held against the processor: random instructions with random operands are run natively, in a
 * buffer of this process, and emulated, on equal registers, flags, vector registers and memory; all of them
 * must agree after it. The memory operand is RAM in one half of the cases and a device in the other. Flags
 * that the manual leaves undefined are not compared.
 *
 * sources: devices/emulate*.c lib/decode*.c lib/walk.c lib/format.c lib/real_mode.c
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "decode.h"
#include "emulate_internal.h"
#include "emulate_machine.h"
#include "native_run.h"
#include "native_undefined.h"

enum { CODE = 0x8000, ROUNDS = 300000 };

/* The emulated machine: the window is RAM or a device, by turns. */
static struct test_machine machine;
static uint8_t shadow[WINDOW_SIZE];
static bool window_is_device;

static void *native_ram(void *context, uint64_t gpa, bool write)
{
    if (gpa >= WINDOW && gpa < WINDOW + WINDOW_SIZE)
        return window_is_device ? NULL : shadow + (gpa - WINDOW);
    return test_ram(context, gpa, write);
}

static uint64_t native_read(void *context, uint64_t gpa, unsigned size)
{
    uint64_t value = 0;
    (void)context;
    if (gpa < WINDOW || gpa + size > WINDOW + WINDOW_SIZE)
        abort();
    memcpy(&value, shadow + (gpa - WINDOW), size);
    return value;
}

static void native_write(void *context, uint64_t gpa, unsigned size, uint64_t value)
{
    (void)context;
    if (gpa < WINDOW || gpa + size > WINDOW + WINDOW_SIZE)
        abort();
    memcpy(shadow + (gpa - WINDOW), &value, size);
}

static const struct emulator_machine native_machine = {.ram = native_ram,
                                                       .read = native_read,
                                                       .write = native_write,
                                                       .in = test_in,
                                                       .out = test_out,
                                                       .get = test_get};

static uint64_t random_state = 0x853c49e6748fea9b;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * 0x2545f4914f6cdd1d;
}

/* Values near the edges are as likely as any others. */
static uint64_t random_value(void)
{
    static const uint64_t edges[] = {0,
                                     1,
                                     0x7f,
                                     0x80,
                                     0xff,
                                     0x7fff,
                                     0x8000,
                                     0xffff,
                                     0x7fffffff,
                                     0x80000000,
                                     0xffffffff,
                                     0x7fffffffffffffff,
                                     0x8000000000000000,
                                     ~0ull};
    uint64_t random = random_next();
    return random & 3 ? random_next() >> (random >> 8 & 63)
                      : edges[(random >> 8) % (sizeof(edges) / sizeof(edges[0]))];
}

/* Near branches: conditional ones have a test of their own, the others are in test_emulate_ahead.c. */
static bool is_branch(const struct instruction *in)
{
    if (in->map == MAP_0F)
        return (in->opcode & 0xf0) == 0x80;
    return in->map == MAP_ONE_BYTE && ((in->opcode & 0xf0) == 0x70 || (in->opcode & 0xfe) == 0xc2 ||
                                       (in->opcode & 0xfc) == 0xe0 || (in->opcode & 0xfc) == 0xe8);
}

/* MOVNTSS and MOVNTSD: #UD on processors without SSE4A, which is part of the guest's CPUID on others only. */
static bool is_sse4a(const struct instruction *in)
{
    return in->map == MAP_0F && in->opcode == 0x2b && (in->prefixes & (PREFIX_REP | PREFIX_REPNE));
}

static bool host_has_sse4a(void)
{
    uint32_t eax = 0x80000001, ebx, ecx = 0, edx;

    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return ecx & 1u << 6;
}

/* What the kernel's descriptors and flags decide, or an interrupt; the state of x87 as a whole, which has
 * pointers. The kernels of test_emulate_guests.c have these. */
static bool is_of_system(const struct instruction *in)
{
    /* group 6, LAR, LSL, MOV with DRn, POP FS, CPUID, POP GS, LSS, LFS, LGS */
    static const uint8_t two_byte[] = {0x00, 0x02, 0x03, 0x21, 0x23, 0xa1, 0xa2, 0xa9, 0xb2, 0xb4, 0xb5};
    /* POP ES, SS, DS, MOV Sreg, far CALL, POPF, LES, LDS, far RET, INT3, INT, INTO, IRET, far JMP, INT1, HLT,
     * STI */
    static const uint8_t one_byte[] = {0x07, 0x17, 0x1f, 0x8e, 0x9a, 0x9d, 0xc4, 0xc5, 0xca,
                                       0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xea, 0xf1, 0xf4, 0xfb};
    unsigned reg = in->modrm >> 3 & 7;

    if (in->operand[0].kind == OPERAND_SEGMENT && in->operand_size != 2)
        return true; /* PUSH writes the upper half, or does not */
    if (in->map == MAP_0F)
        return memchr(two_byte, in->opcode, sizeof two_byte) ||
               (in->opcode == 0xae && in->modrm < 0xc0 && reg < 3);
    bool environment =
        (in->opcode == 0xd9 || in->opcode == 0xdd) && in->modrm < 0xc0 && (reg == 4 || reg == 6);
    return memchr(one_byte, in->opcode, sizeof one_byte) || environment;
}

/* Instructions that ring 3 may not run, that leave the slot, or that are not emulated but share an opcode. */
static bool is_for_other_tests(const struct instruction *in)
{
    /* CLTS, INVD, WBINVD, MOV with CRn, WRMSR, RDMSR */
    static const uint8_t privileged[] = {0x06, 0x08, 0x09, 0x20, 0x22, 0x30, 0x32};

    if ((in->map == MAP_0F || in->map == MAP_ONE_BYTE) && is_of_system(in))
        return true;

    if (in->memory.segment == SEG_FS || in->memory.segment == SEG_GS)
        return true;
    if (is_branch(in) || (is_sse4a(in) && !host_has_sse4a()))
        return true;
    if (in->map == MAP_0F)
        return memchr(privileged, in->opcode, sizeof privileged) || in->opcode == 0x01 ||
               in->opcode == 0x0d || in->opcode == 0x31 ||
               (in->opcode == 0xc7 && (in->modrm >> 3 & 7) != 1) ||
               /* of CET, and unknown here: #UD comes before the operand is looked at, there */
               (in->opcode == 0xae && (in->prefixes & PREFIX_REP));
    if (in->map != MAP_ONE_BYTE)
        return false;
    if (in->opcode == 0xfa) /* CLI */
        return true;
    if (in->opcode == 0x90 && (in->prefixes & PREFIX_REP))
        return true; /* with REX.B, PAUSE on some processors and XCHG on others */
    if (in->opcode == 0x63 && in->mode != DECODE_64)
        return true; /* ARPL */
    if (in->opcode == 0xff)
        return (in->modrm >> 3 & 7) >= 2 && (in->modrm >> 3 & 7) <= 5;
    return (in->opcode & 0xfc) == 0x6c || (in->opcode & 0xfc) == 0xe4 || (in->opcode & 0xfc) == 0xec;
}

/* A random instruction that has a handler. Returns its length, or 0. */
static unsigned generate(uint8_t *bytes, struct instruction *in, enum decode_mode mode)
{
    static const uint8_t legacy[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x3e};
    uint64_t random = random_next();
    unsigned at = 0, map = random % 20;
    const emulate_handler *handlers = map < 10 ? emulate_one_byte : map < 19 ? emulate_0f : emulate_0f38;
    uint8_t opcode;

    do
        opcode = random_next();
    while (!handlers[opcode]);
    for (unsigned i = 0; i < 2; i++)
        if ((random >> (8 + 8 * i) & 3) == 0)
            bytes[at++] = legacy[(random >> (10 + 8 * i)) % sizeof(legacy)];
    if (mode == DECODE_64 && (random >> 32 & 1))
        bytes[at++] = 0x40 | (random >> 33 & 15);
    if (map >= 10)
        bytes[at++] = 0x0f;
    if (map >= 19)
        bytes[at++] = 0x38;
    bytes[at++] = opcode;
    for (unsigned i = 0; i < 14; i++)
        bytes[at + i] = random_next();
    if (instruction_decode(in, bytes, at + 14, mode) != DECODE_OK || is_for_other_tests(in))
        return 0;
    if (in->map == MAP_ONE_BYTE && in->opcode == 0xc8) { /* ENTER: a frame that fits */
        bytes[in->length - 2] &= 1;
        instruction_decode(in, bytes, at + 14, mode);
    }
    return in->length;
}

/* Chooses registers so that all memory operands lie in the window; false when this instruction's cannot. */
static bool aim(struct instruction *in, uint8_t *bytes)
{
    uint64_t *reg = exchange->in;
    uint64_t middle = WINDOW + 2048 + random_next() % (TEST_PAGE + 2048);
    const struct memory_operand *memory = &in->memory;
    bool uses_memory = false;

    if (random_next() % 4 == 0)
        middle = WINDOW + TEST_PAGE * (1 + random_next() % 2) - random_next() % 18;
    reg[RSP] = (WINDOW + TEST_PAGE + random_next() % 64) & ~7ull;
    if (in->map == MAP_ONE_BYTE && (in->opcode == 0xc9 || in->opcode == 0xc8)) /* LEAVE, ENTER */
        reg[RBP] = middle;
    if (in->map == MAP_ONE_BYTE && in->opcode == 0xd7) { /* XLAT */
        reg[RBX] = middle - (reg[RAX] & 0xff);
        return in->address_size > 2;
    }
    for (unsigned i = 0; i < INSTRUCTION_OPERANDS; i++) {
        unsigned kind = in->operand[i].kind;
        uses_memory |= kind == OPERAND_MEMORY;
        if (kind == OPERAND_STRING_SI || kind == OPERAND_STRING_DI) {
            reg[kind == OPERAND_STRING_SI ? RSI : RDI] = middle + random_next() % 200;
            reg[RCX] = random_next() % 40;
        }
    }
    if (in->map == MAP_0F &&
        (in->opcode == 0xa3 || in->opcode == 0xab || in->opcode == 0xb3 || in->opcode == 0xbb)) {
        /* Bit strings: up to 1000 bytes either side. */
        unsigned source = in->operand[1].reg;
        reg[source] = (uint64_t)((int64_t)(random_next() % 16000) - 8000);
        if (uses_memory && (source == memory->base || source == memory->index))
            return false;
    }
    bool uses_string = in->operand[0].kind == OPERAND_STRING_DI || in->operand[0].kind == OPERAND_STRING_SI ||
                       in->operand[1].kind == OPERAND_STRING_DI || in->operand[1].kind == OPERAND_STRING_SI;
    if ((uses_memory || uses_string) && in->address_size == 2)
        return false; /* the window is beyond 64 KiB */
    if (!uses_memory)
        return true;
    if (memory->base == BASE_RIP)
        return false;
    if (memory->base == BASE_NONE) {
        if (in->displacement_size < 4 || memory->index != BASE_NONE)
            return false;
        unsigned behind = in->immediate_size + in->immediate2_size;
        memcpy(bytes + in->length - behind - in->displacement_size, &middle, in->displacement_size);
        in->memory.displacement = middle;
        return true;
    }
    if (memory->base == memory->index)
        return false;
    uint64_t rest = memory->displacement;
    if (memory->index != BASE_NONE)
        rest += reg[memory->index] * memory->scale;
    if (memory->base == RSP && in->map == MAP_ONE_BYTE && (in->opcode & 0xf0) != 0x80)
        return false;
    reg[memory->base] = middle - rest;
    if (in->address_size == 4)
        reg[memory->base] ^= random_next() << 32;
    bool stack = in->map == MAP_ONE_BYTE && (in->opcode == 0xff || in->opcode == 0x8f);
    return !(stack && memory->base == RSP);
}

static struct vcpu_state state;

static enum emulate_result run_emulated(const uint8_t *bytes, unsigned length, struct emulator *e)
{
    enum emulate_result result;
    unsigned calls = 0;

    memcpy(state.gpr.reg, exchange->in, sizeof(exchange->in));
    state.gpr.rip = CODE;
    state.gpr.rflags = exchange->in_flags;
    memcpy(state.fpu.xsave, exchange->in_fpu, 512);
    memset(state.fpu.xsave + 512, 0, 64);
    state.fpu.xsave[512] = 3;
    memcpy(machine.ram + CODE, bytes, length);
    do {
        *e = (struct emulator){
            .machine = &native_machine, .context = &machine, .state = &state, .gpa = EMULATE_UNKNOWN};
        result = emulate(e);
    } while (result == EMULATE_DONE && state.gpr.rip == CODE && ++calls < 100);
    return result;
}

static void report(const char *what, const uint8_t *bytes, unsigned length)
{
    fprintf(stderr, "%s differs after", what);
    for (unsigned i = 0; i < length; i++)
        fprintf(stderr, " %02x", bytes[i]);
    fprintf(stderr, "; flags %lx -> native %lx, emulated %lx\n", exchange->in_flags, exchange->out_flags,
            state.gpr.rflags);
    for (unsigned i = 0; i < GPR_COUNT; i++)
        if (exchange->out[i] != state.gpr.reg[i] || exchange->out[i] != exchange->in[i])
            fprintf(stderr, "  r%-2u %016lx -> native %016lx, emulated %016lx\n", i, exchange->in[i],
                    exchange->out[i], state.gpr.reg[i]);
}

static const char *compare_results(const struct instruction *in, enum emulate_result result,
                                   const struct emulator *e)
{
    uint64_t mask = FLAGS_STATUS & ~undefined_flags(in);

    if (caught) {
        bool bound = in->map == MAP_ONE_BYTE && in->opcode == 0x62;
        unsigned vector = caught == SIGFPE ? EXCEPTION_DE : caught == SIGILL ? EXCEPTION_UD : EXCEPTION_GP;
        return result == EMULATE_INJECT && e->inject.vector == (bound ? EXCEPTION_BR : vector) ? NULL
                                                                                               : "the fault";
    }
    if (result != EMULATE_DONE)
        return "the outcome";
    if (undefined_result(in))
        return NULL;
    for (unsigned i = 0; i < (in->mode == DECODE_64 ? GPR_COUNT : 8); i++)
        if ((state.gpr.reg[i] ^ exchange->out[i]) & (in->mode == DECODE_64 ? ~0ull : 0xffffffff))
            return "a register";
    if ((state.gpr.rflags ^ exchange->out_flags) & mask)
        return "a flag";
    if (memcmp(shadow, window, WINDOW_SIZE) != 0)
        return "memory";
    if (state.gpr.rip != CODE + (uint64_t)in->length)
        return "RIP";
    /* From the status word to the end of XMM15; FOP, FIP and FDP do not matter. */
    if (memcmp(state.fpu.xsave, exchange->out_fpu, 5) != 0 ||
        memcmp(state.fpu.xsave + 32, exchange->out_fpu + 32, 416 - 32) != 0)
        return "a vector register";
    return NULL;
}

/* Random registers, flags and memory, the same for both. */
static void prepare(void)
{
    exchange->in_flags = 0x202 | (random_next() & (FLAGS_STATUS | FLAG_DF));
    for (unsigned i = 0; i < WINDOW_SIZE; i += 8) {
        uint64_t value = i % 64 ? random_state * i : random_value();
        memcpy(window + i, &value, 8);
    }
    memcpy(shadow, window, WINDOW_SIZE);
    for (unsigned i = 32; i < 416; i += 8) {
        uint64_t value = random_next();
        memcpy(exchange->in_fpu + i, &value, 8);
    }
    for (unsigned i = 0; i < 8; i++)
        memset(exchange->in_fpu + 32 + 16 * i + 10, 0, 6);
    memcpy(exchange->in_fpu, "\x7f\x03\x00\x00\xff", 5);
    exchange->in_fpu[3] = random_next() & 0x38; /* TOP */
    exchange->in_fpu[24] = 0x80, exchange->in_fpu[25] = 0x1f;
    window_is_device = random_next() & 1;
}

struct tally {
    unsigned long ran, faults, unknown, different;
    bool seen[3][256];
};

static void run_both(struct tally *tally, const uint8_t *bytes, const struct instruction *in)
{
    struct emulator e;
    enum emulate_result result = run_emulated(bytes, in->length, &e);

    if (result == EMULATE_REFUSE) {
        tally->unknown++;
        return;
    }
    native_run(in->mode, bytes, in->length);
    const char *what = compare_results(in, result, &e);
    if (what && tally->different++ < 20)
        report(what, bytes, in->length);
    tally->ran++;
    tally->faults += caught != 0;
    tally->seen[in->map == MAP_ONE_BYTE ? 0 : in->map == MAP_0F ? 1 : 2][in->opcode] = true;
}

static void random_instructions(enum decode_mode mode)
{
    struct tally tally = {0};

    test_state(&machine, &state, mode == DECODE_64 ? TEST_LONG : TEST_PROTECTED_32);
    state.control.cr4 |= CR4_OSFXSR;
    native_selectors(&state, mode);
    native_catch_faults();
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint8_t bytes[32];
        struct instruction in;

        if (generate(bytes, &in, mode) == 0)
            continue;
        for (unsigned i = 0; i < GPR_COUNT; i++)
            exchange->in[i] = random_value();
        if (!aim(&in, bytes))
            continue;
        prepare();
        run_both(&tally, bytes, &in);
    }
    unsigned kinds = 0;
    for (unsigned i = 0; i < 3 * 256; i++)
        kinds += tally.seen[i / 256][i % 256];
    print_message("%lu instructions of %u opcodes agree, %lu of them faults; %lu not emulated\n", tally.ran,
                  kinds, tally.faults, tally.unknown);
    assert_int_equal(tally.different, 0);
    assert_true(tally.ran > ROUNDS / 2);
    assert_true(tally.faults > 1000);
    assert_true(kinds > 240);
}

/* An extended number near where a format ends, or any, or none. */
static void random_extended(uint8_t to[16])
{
    static const uint16_t edges[] = {0,      1,           0x3fff, 0x3ffe, 0x400e, 0x401e, 0x403e,     0x407f,
                                     0x3f81, 0x3f81 - 23, 0x43ff, 0x3c01, 0x7fff, 0x7ffe, 0x3c01 - 52};
    uint64_t random = random_next(), significand = random_next();
    uint16_t exponent = edges[random % (sizeof(edges) / sizeof(edges[0]))] + (random >> 8) % 5 - 2;

    if ((random >> 16 & 3) == 0)
        significand &= ~0ull << (random >> 18 & 63);
    else if ((random >> 16 & 3) == 1)
        significand |= ~0ull << (random >> 18 & 63);
    if (random >> 24 & 7)
        significand |= 1ull << 63;
    if ((random >> 27 & 7) == 0)
        exponent = (uint16_t)(random >> 30);
    exponent = (exponent & 0x7fff) | (random >> 46 & 1) << 15;
    memset(to, 0, 16);
    memcpy(to, &significand, 8);
    memcpy(to + 8, &exponent, 2);
}

/* The x87 unit with random numbers, tags and controls; a memory operand that is a number of some format. */
static void prepare_x87(uint8_t *operand)
{
    uint16_t control = 0x340 | (random_next() & 0xc00), status = random_next() & 0x3800;
    uint64_t random = random_next();

    control |= random & 1 ? 0x3f : random >> 1 & 0x3f;
    status |= (random >> 8 & control & 0x3f) | (random >> 16 & 0x200);
    memcpy(exchange->in_fpu, &control, 2);
    memcpy(exchange->in_fpu + 2, &status, 2);
    exchange->in_fpu[4] = random >> 32 & 1 ? random >> 40 & 0xff : random >> 33 & 1 ? 0xff : 0;
    for (unsigned i = 0; i < 8; i++)
        random_extended(exchange->in_fpu + 32 + 16 * i);
    uint8_t number[16];
    uint64_t bits = random_next();
    random_extended(number);
    if (random >> 48 & 1) { /* a denormal, infinite or no number of the shorter formats */
        bits &= random >> 49 & 1 ? 0x807fffff807fffffull : ~0ull;
        bits |= random >> 50 & 1 ? 0x7f8000007f800000ull : 0;
        bits &= random >> 51 & 1 ? 0x800fffffffffffffull : ~0ull;
        bits |= random >> 52 & 1 ? 0x7ff0000000000000ull : 0;
        bits &= random >> 53 & 1 ? ~0ull << (random >> 54 & 63) : ~0ull;
        memcpy(number, &bits, 8);
    }
    memcpy(operand, number, 10);
}

static void x87_moves(enum decode_mode mode)
{
    static const uint8_t forms[][2] = {{0xd9, 0}, {0xd9, 2}, {0xd9, 3}, {0xdb, 0}, {0xdb, 1},
                                       {0xdb, 2}, {0xdb, 3}, {0xdb, 5}, {0xdb, 7}, {0xdd, 0},
                                       {0xdd, 1}, {0xdd, 2}, {0xdd, 3}, {0xdf, 0}, {0xdf, 1},
                                       {0xdf, 2}, {0xdf, 3}, {0xdf, 5}, {0xdf, 7}};
    struct tally tally = {0};

    test_state(&machine, &state, mode == DECODE_64 ? TEST_LONG : TEST_PROTECTED_32);
    state.control.cr4 |= CR4_OSFXSR;
    native_selectors(&state, mode);
    native_catch_faults();
    for (unsigned round = 0; round < ROUNDS; round++) {
        const uint8_t *form = forms[random_next() % (sizeof(forms) / sizeof(forms[0]))];
        uint8_t bytes[16] = {form[0], (uint8_t)(form[1] << 3 | RBX)};
        uint64_t offset = random_next() % (WINDOW_SIZE - 16);
        struct instruction in;

        assert_int_equal(instruction_decode(&in, bytes, sizeof(bytes), mode), DECODE_OK);
        for (unsigned i = 0; i < GPR_COUNT; i++)
            exchange->in[i] = random_value();
        exchange->in[RSP] = WINDOW + TEST_PAGE;
        exchange->in[RBX] = WINDOW + offset;
        prepare();
        prepare_x87(window + offset);
        memcpy(shadow, window, WINDOW_SIZE);
        run_both(&tally, bytes, &in);
    }
    assert_int_equal(tally.unknown + tally.different + tally.faults, 0);
    assert_int_equal(tally.ran, ROUNDS);
}

static void x87_moves_32(void **unused)
{
    (void)unused;
    x87_moves(DECODE_32);
}

static void x87_moves_64(void **unused)
{
    (void)unused;
    x87_moves(DECODE_64);
}

/* Jcc, LOOP and JCXZ over a MOV BL, 0x5a: BL shows whether the processor has jumped. */
static void conditional_branches(enum decode_mode mode)
{
    static const uint8_t opcodes[] = {0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79,
                                      0x7a, 0x7b, 0x7c, 0x7d, 0x7e, 0x7f, 0xe0, 0xe1, 0xe2, 0xe3};
    unsigned jumped = 0, rounds = 20000;

    test_state(&machine, &state, mode == DECODE_64 ? TEST_LONG : TEST_PROTECTED_32);
    native_selectors(&state, mode);
    native_catch_faults();
    for (unsigned round = 0; round < rounds; round++) {
        uint8_t bytes[8], opcode = opcodes[random_next() % sizeof(opcodes)];
        unsigned length = 0;
        struct emulator e;

        if (random_next() & 1)
            bytes[length++] = 0x67; /* LOOP and JCXZ count in a narrower register */
        if (opcode < 0x80 && (random_next() & 1)) {
            memcpy(bytes + length, (uint8_t[]){0x0f, opcode + 0x10, 2, 0, 0, 0}, 6);
            length += 6;
        } else {
            bytes[length++] = opcode;
            bytes[length++] = 2;
        }
        unsigned branch = length;
        prepare();
        for (unsigned i = 0; i < GPR_COUNT; i++)
            exchange->in[i] = random_value();
        exchange->in[RSP] = WINDOW + TEST_PAGE;
        if (random_next() & 1)
            exchange->in[RCX] = random_next() % 3;
        exchange->in[RBX] = 0;
        enum emulate_result result = run_emulated(bytes, branch, &e);
        uint8_t native[16];
        memcpy(native, bytes, branch);
        memcpy(native + branch, (uint8_t[]){0xb3, 0x5a}, 2);
        native_run(mode, native, branch + 2);
        bool native_jumped = (exchange->out[RBX] & 0xff) != 0x5a;
        assert_int_equal(result, EMULATE_DONE);
        assert_int_equal(state.gpr.rip, CODE + branch + (native_jumped ? 2 : 0));
        if (mode == DECODE_64)
            assert_int_equal(state.gpr.reg[RCX], exchange->out[RCX]);
        else
            assert_int_equal((uint32_t)state.gpr.reg[RCX], (uint32_t)exchange->out[RCX]);
        jumped += native_jumped;
    }
    assert_true(jumped > rounds / 4 && jumped < rounds * 3 / 4);
}

static void branches_64(void **unused)
{
    (void)unused;
    conditional_branches(DECODE_64);
}

static void branches_32(void **unused)
{
    (void)unused;
    conditional_branches(DECODE_32);
}

static void code_64(void **unused)
{
    (void)unused;
    random_instructions(DECODE_64);
}

static void code_32(void **unused)
{
    (void)unused;
    random_instructions(DECODE_32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(code_64),      cmocka_unit_test(code_32),
                                       cmocka_unit_test(branches_64),  cmocka_unit_test(branches_32),
                                       cmocka_unit_test(x87_moves_64), cmocka_unit_test(x87_moves_32)};
    return cmocka_run_group_tests(tests, native_set_up, NULL);
}
