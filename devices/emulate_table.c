/*
 * Which handler emulates which opcode. Whatever is not here stops the guest with the instruction's bytes.
 */
#include "emulate_internal.h"

#define TWO(first, handler)   [first] = handler, [first + 1] = handler
#define FOUR(first, handler)  TWO(first, handler), TWO((first) + 2, handler)
#define EIGHT(first, handler) FOUR(first, handler), FOUR((first) + 4, handler)
#define ALU(first)            FOUR(first, emulate_alu), TWO((first) + 4, emulate_alu)

const emulate_handler emulate_one_byte[256] = {
    ALU(0x00),
    ALU(0x08),
    ALU(0x10),
    ALU(0x18),
    ALU(0x20),
    ALU(0x28),
    ALU(0x30),
    ALU(0x38),
    EIGHT(0x40, emulate_group4),
    EIGHT(0x48, emulate_group4),
    EIGHT(0x50, emulate_push),
    EIGHT(0x58, emulate_pop),
    [0x63] = emulate_movsx,
    [0x68] = emulate_push,
    [0x69] = emulate_multiply_to_register,
    [0x6a] = emulate_push,
    [0x6b] = emulate_multiply_to_register,
    FOUR(0x6c, emulate_string),
    FOUR(0x80, emulate_alu_group1),
    TWO(0x84, emulate_test),
    TWO(0x86, emulate_xchg),
    FOUR(0x88, emulate_mov),
    [0x8c] = emulate_mov,
    [0x8f] = emulate_pop,
    EIGHT(0x90, emulate_xchg_accumulator),
    FOUR(0xa0, emulate_mov),
    FOUR(0xa4, emulate_string),
    TWO(0xa8, emulate_test),
    FOUR(0xaa, emulate_string),
    TWO(0xae, emulate_string),
    EIGHT(0xb0, emulate_mov),
    EIGHT(0xb8, emulate_mov),
    TWO(0xc0, emulate_shift),
    TWO(0xc6, emulate_mov_immediate),
    FOUR(0xd0, emulate_shift),
    TWO(0xe4, emulate_in),
    TWO(0xe6, emulate_out),
    TWO(0xec, emulate_in),
    TWO(0xee, emulate_out),
    TWO(0xf6, emulate_group3),
    [0xfe] = emulate_group4,
    [0xff] = emulate_group5,
};

const emulate_handler emulate_0f[256] = {
    [0x01] = emulate_group7,
    EIGHT(0x18, emulate_nop),
    EIGHT(0x40, emulate_cmov),
    EIGHT(0x48, emulate_cmov),
    EIGHT(0x90, emulate_setcc),
    EIGHT(0x98, emulate_setcc),
    TWO(0xb6, emulate_mov),
    TWO(0xbe, emulate_movsx),
    [0xc3] = emulate_mov,
    EIGHT(0xc8, emulate_bswap),
    [0xd6] = emulate_vector_unaligned,
    [0xe7] = emulate_vector_aligned,
    [0xf0] = emulate_vector_unaligned,
};

const emulate_handler emulate_0f38[256] = {
    [0x2a] = emulate_vector_aligned,
    TWO(0xf0, emulate_movbe),
};
