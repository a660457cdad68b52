/*
 * What the files of the instruction emulator share: one emulation, and the steps from an operand to memory.
 *
 * The order of each instruction is: fetch and decode; find where its memory operand lies and whether it may
 * be accessed (the only step that faults, but for a few instructions with a second memory operand, which find
 * that before they begin); then read, compute, write memory, write registers and flags. So a fault leaves
 * nothing half done.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "decode.h"
#include "emulate.h"
#include "x86.h"

enum outcome {
    OUTCOME_NEXT,    /* done: RIP moves on */
    OUTCOME_BRANCH,  /* done: RIP is set */
    OUTCOME_REPEAT,  /* some elements of a string instruction are done: RIP stays */
    OUTCOME_RETRY,   /* memory changed under a locked access: nothing is done, RIP stays */
    OUTCOME_FAULT,   /* emulator.inject is set, nothing else has changed */
    OUTCOME_UNKNOWN, /* not an instruction that is emulated */
};

enum rflags_bit {
    FLAG_CF = 1 << 0,
    FLAG_PF = 1 << 2,
    FLAG_AF = 1 << 4,
    FLAG_ZF = 1 << 6,
    FLAG_SF = 1 << 7,
    FLAG_TF = 1 << 8,
    FLAG_IF = 1 << 9,
    FLAG_DF = 1 << 10,
    FLAG_OF = 1 << 11,
    FLAG_IOPL_SHIFT = 12,
    FLAG_NT = 1 << 14,
    FLAG_RF = 1 << 16,
    FLAG_VM = 1 << 17,
    FLAG_AC = 1 << 18,
    FLAG_ID = 1 << 21,
    FLAGS_STATUS = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF,
};

/* Where a memory operand lies: one piece, or two when it crosses a page. */
struct piece {
    uint64_t gpa;
    uint8_t *ram; /* NULL: a device */
    uint32_t size;
};

struct place {
    uint32_t size;
    uint32_t pieces;
    struct piece piece[2];
};

struct emulation {
    struct emulator *emulator;
    struct vcpu_state *state;
    uint8_t cpl;
    bool protected; /* PE set and not virtual-8086 mode: segments have types and rights */
    bool long64;
    bool keeps_rf; /* the instruction has loaded RF: others end with it clear */
    const struct instruction *in;
    struct place place;         /* of the ModRM or moffs memory operand */
    struct instruction decoded; /* emulate() alone: *in, and the bytes that it came from */
    uint8_t bytes[INSTRUCTION_LENGTH_MAX];
    bool global; /* what emulate_walk() found last is mapped so in every address space */
    /* Where the instruction lies: its first `size` bytes. */
    struct {
        uint64_t gpa;
        uint32_t size;
        bool in_ram, global;
    } code;
};

typedef enum outcome (*emulate_handler)(struct emulation *m);

/* The handlers of one-byte, 0F and 0F38 opcodes; NULL: not emulated. */
extern const emulate_handler emulate_one_byte[256];
extern const emulate_handler emulate_0f[256];
extern const emulate_handler emulate_0f38[256];

/* Fetches and decodes the instruction at CS:RIP. */
enum outcome emulate_fetch(struct emulation *m, enum decode_mode mode);
/* emulate_known.c: what the monitor may remember of it. */
void emulate_describe(struct emulation *m);
/* emulate.c: the steps of one instruction. begin() finds mode and privilege, and returns the default sizes of
 * the code; memory_operand() is the operand to place before the handler is called, or NULL; finish() moves
 * RIP, for OUTCOME_NEXT, _BRANCH and _REPEAT. */
enum decode_mode emulate_begin(struct emulation *m, struct emulator *e);
emulate_handler emulate_find_handler(const struct instruction *in);
const struct operand *emulate_memory_operand(const struct instruction *in);
enum emulate_result emulate_finish(struct emulation *m, enum outcome outcome);

/* Faults: set emulator.inject and return OUTCOME_FAULT. */
enum outcome emulate_fault(struct emulation *m, enum exception vector);
enum outcome emulate_fault_code(struct emulation *m, enum exception vector, uint32_t error_code);

static inline uint64_t size_mask(unsigned size)
{
    return size >= 8 ? ~0ull : (1ull << 8 * size) - 1;
}

static inline uint64_t sign_bit(unsigned size)
{
    return 1ull << (8 * size - 1);
}

static inline int64_t sign_extend(uint64_t value, unsigned size)
{
    unsigned unused = 64 - 8 * size;
    return (int64_t)(value << unused) >> unused;
}

/* emulate_memory.c: from segment and offset to guest-physical memory. */

enum memory_intent { INTENT_READ, INTENT_WRITE, INTENT_FETCH };

/* Loads of a size that is known: the library's memcpy() is a call. */
static inline uint64_t load_8(const void *from)
{
    uint64_t value;
    __builtin_memcpy(&value, from, sizeof(value));
    return value;
}

static inline uint32_t load_4(const void *from)
{
    uint32_t value;
    __builtin_memcpy(&value, from, sizeof(value));
    return value;
}

/* Linear address of `size` bytes at segment:offset; #GP or #SS when the segment does not allow it. */
enum outcome emulate_linear(struct emulation *m, unsigned segment, uint64_t offset, unsigned size,
                            enum memory_intent intent, uint64_t *linear);
/* Guest-physical address of a linear address; #PF when the guest's tables do not allow it. */
enum outcome emulate_walk(struct emulation *m, uint64_t linear, enum memory_intent intent, bool user,
                          uint64_t *gpa);
/* In emulate_ahead(): the page of a linear address with the rights of the current code; NULL where it faults.
 */
struct emulate_translation *emulate_translate(struct emulation *m, uint64_t linear,
                                              enum memory_intent intent);
/* Finds `size` <= 4096 bytes at segment:offset, and that they may be read, or read and written. */
enum outcome emulate_place(struct emulation *m, struct place *place, unsigned segment, uint64_t offset,
                           unsigned size, enum memory_intent intent);
/* Finds the ModRM or moffs operand: m->place. */
enum outcome emulate_place_operand(struct emulation *m, unsigned size, enum memory_intent intent);
/* The same at a linear address with supervisor rights: the processor's own accesses to descriptor tables and
 * TSS. */
enum outcome emulate_place_system(struct emulation *m, struct place *place, uint64_t linear, unsigned size,
                                  enum memory_intent intent);
/* An instruction that may fault behind its read of a device is not emulated ahead: the processor would read
 * once more. */
static inline bool reads_before_fault(const struct emulation *m, const struct place *place)
{
    return m->emulator->ahead && !(place->piece[0].ram && (place->pieces == 1 || place->piece[1].ram));
}

/* Reads and writes a place. They cannot fail. */
void place_read(struct emulation *m, const struct place *place, void *to);
void place_write(struct emulation *m, const struct place *place, const void *from);
uint64_t place_load(struct emulation *m, const struct place *place);
void place_store(struct emulation *m, const struct place *place, uint64_t value);
/* Stores `value` if the place still holds `old`, atomically where it is RAM; false when it does not. */
bool place_exchange(struct emulation *m, const struct place *place, uint64_t old, uint64_t value);

/* emulate_operand.c: operands by their number. */

/* Effective address of the ModRM or moffs operand, within the address size. */
uint64_t emulate_effective_address(const struct emulation *m);
uint64_t operand_read(struct emulation *m, unsigned number);
void operand_write(struct emulation *m, unsigned number, uint64_t value);
/* Writes an operand that was read as `old`, as one atomic step when LOCK asks for it: OUTCOME_NEXT, or
 * OUTCOME_REPEAT when another processor changed it in between. Registers and flags are to be written after
 * it. */
enum outcome operand_update(struct emulation *m, unsigned number, uint64_t old, uint64_t value);
uint64_t gpr_read(const struct emulation *m, unsigned reg, unsigned size);
void gpr_write(struct emulation *m, unsigned reg, unsigned size, uint64_t value);

/* emulate_stack.c: the stack's width, and its next place for a push; rSP is to be written when all is done.
 */
unsigned emulate_stack_size(const struct emulation *m);
enum outcome emulate_place_push(struct emulation *m, struct place *place, unsigned size, uint64_t *rsp);

/* Whether the condition in the low four bits of Jcc, SETcc and CMOVcc holds (SDM Vol. 1, appendix B). */
bool emulate_condition(const struct emulation *m);

static inline void set_flags(struct emulation *m, uint64_t mask, uint64_t flags)
{
    m->state->gpr.rflags = (m->state->gpr.rflags & ~mask) | (flags & mask);
}

/* Groups that are not with every upcall: brings `group` into the state. False: the machine has not got it. */
bool emulate_need(struct emulation *m, uint32_t group);

/* The instruction ends in an interrupt shadow: no interrupt before the next one (SDM Vol. 3A, 6.8.3). */
static inline void set_shadow(struct emulation *m, enum vcpu_shadow shadow)
{
    m->state->interrupts.shadow = (uint8_t)shadow;
    m->emulator->modified |= VCPU_INTERRUPTS;
}

/* Handlers, by file. */
enum outcome emulate_mov(struct emulation *m);
enum outcome emulate_mov_immediate(struct emulation *m);
enum outcome emulate_movsx(struct emulation *m);
enum outcome emulate_xchg(struct emulation *m);
enum outcome emulate_xchg_accumulator(struct emulation *m);
enum outcome emulate_cmov(struct emulation *m);
enum outcome emulate_setcc(struct emulation *m);
enum outcome emulate_lea(struct emulation *m);
enum outcome emulate_extend_accumulator(struct emulation *m);
enum outcome emulate_bswap(struct emulation *m);
enum outcome emulate_movbe(struct emulation *m);
enum outcome emulate_nop(struct emulation *m);

enum outcome emulate_alu(struct emulation *m);
enum outcome emulate_alu_group1(struct emulation *m);
enum outcome emulate_test(struct emulation *m);
enum outcome emulate_group3(struct emulation *m);
enum outcome emulate_group4(struct emulation *m);
enum outcome emulate_group5(struct emulation *m);

enum outcome emulate_shift(struct emulation *m);
enum outcome emulate_shift_double(struct emulation *m);

enum outcome emulate_multiply(struct emulation *m);
enum outcome emulate_multiply_to_register(struct emulation *m);
enum outcome emulate_divide(struct emulation *m);

enum outcome emulate_bit(struct emulation *m);
enum outcome emulate_bit_immediate(struct emulation *m);
enum outcome emulate_bit_scan(struct emulation *m);
enum outcome emulate_cmpxchg(struct emulation *m);
enum outcome emulate_cmpxchg8b(struct emulation *m);
enum outcome emulate_xadd(struct emulation *m);

enum outcome emulate_push(struct emulation *m);
enum outcome emulate_pop(struct emulation *m);
enum outcome emulate_leave(struct emulation *m);

/* emulate_eflags.c: which bits POPF and IRET may change in so many bytes; #GP in virtual-8086 mode unless
 * IOPL is 3. */
uint64_t emulate_flags_changeable(const struct emulation *m, unsigned size);
enum outcome emulate_check_vm86(struct emulation *m);
unsigned emulate_iopl(const struct emulation *m);
enum outcome emulate_cli(struct emulation *m);
enum outcome emulate_sti(struct emulation *m);
enum outcome emulate_push_flags(struct emulation *m);
enum outcome emulate_pop_flags(struct emulation *m);
enum outcome emulate_ah_flags(struct emulation *m);

enum outcome emulate_push_all(struct emulation *m);
enum outcome emulate_pop_all(struct emulation *m);
enum outcome emulate_enter(struct emulation *m);
enum outcome emulate_bound(struct emulation *m);
enum outcome emulate_xlat(struct emulation *m);

enum outcome emulate_decimal_adjust(struct emulation *m);
enum outcome emulate_ascii_adjust(struct emulation *m);
enum outcome emulate_ascii_multiply(struct emulation *m);
enum outcome emulate_ascii_divide(struct emulation *m);
enum outcome emulate_salc(struct emulation *m);

enum outcome emulate_mov_to_segment(struct emulation *m);
enum outcome emulate_push_segment(struct emulation *m);
enum outcome emulate_pop_segment(struct emulation *m);
enum outcome emulate_load_far_pointer(struct emulation *m);

enum outcome emulate_far_direct(struct emulation *m);
enum outcome emulate_far_indirect(struct emulation *m);
enum outcome emulate_far_return(struct emulation *m);
enum outcome emulate_iret(struct emulation *m);

enum outcome emulate_store_table(struct emulation *m);
enum outcome emulate_load_table(struct emulation *m);
enum outcome emulate_invlpg(struct emulation *m);
enum outcome emulate_group6(struct emulation *m);
enum outcome emulate_lar_lsl(struct emulation *m);
enum outcome emulate_arpl(struct emulation *m);

enum outcome emulate_undefined(struct emulation *m);
enum outcome emulate_hlt(struct emulation *m);
enum outcome emulate_cpuid(struct emulation *m);
enum outcome emulate_mov_debug(struct emulation *m);

enum outcome emulate_call(struct emulation *m);
enum outcome emulate_jump(struct emulation *m);
enum outcome emulate_call_relative(struct emulation *m);
enum outcome emulate_jump_relative(struct emulation *m);
enum outcome emulate_jump_if(struct emulation *m);
enum outcome emulate_loop(struct emulation *m);
enum outcome emulate_return(struct emulation *m);

enum outcome emulate_flag(struct emulation *m);
enum outcome emulate_rdtsc(struct emulation *m);

enum { MODRM_RDTSCP = 0xf9 }; /* within group 7 */
enum outcome emulate_group7(struct emulation *m);
enum outcome emulate_group15(struct emulation *m);
enum outcome emulate_cache(struct emulation *m);

enum outcome emulate_mov_control(struct emulation *m);
enum outcome emulate_clts(struct emulation *m);
enum outcome emulate_lmsw(struct emulation *m);
enum outcome emulate_smsw(struct emulation *m);
enum outcome emulate_xsetbv(struct emulation *m);

enum outcome emulate_rdmsr(struct emulation *m);
enum outcome emulate_wrmsr(struct emulation *m);

enum outcome emulate_vector_unaligned(struct emulation *m);
enum outcome emulate_vector_aligned(struct emulation *m);
enum outcome emulate_vector_6f(struct emulation *m);
enum outcome emulate_vector_half(struct emulation *m);
enum outcome emulate_vector_movd(struct emulation *m);

enum outcome emulate_x87(struct emulation *m);
enum outcome emulate_fwait(struct emulation *m);
enum outcome emulate_fxsave(struct emulation *m);

enum outcome emulate_string(struct emulation *m);

enum outcome emulate_int(struct emulation *m);
enum outcome emulate_int1(struct emulation *m);
enum outcome emulate_int3(struct emulation *m);
enum outcome emulate_into(struct emulation *m);

enum outcome emulate_in(struct emulation *m);
enum outcome emulate_out(struct emulation *m);
/* #GP(0) unless the guest's current code may use `size` ports from `port` on. */
enum outcome emulate_port_allowed(struct emulation *m, uint16_t port, unsigned size);
