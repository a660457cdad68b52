/*
 * Runs one instruction on the processor, in 64- or 32-bit code, with chosen registers, flags, vector
 * registers and memory: the oracle of test_emulate_native.c.
 *
 * A buffer below 4 GiB holds, for each mode, code that loads the registers, a slot for the instruction, and
 * code that stores them. 32-bit code is entered and left by far jumps between the kernel's user code
 * segments.
 */
#pragma once

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "decode.h"
#include "vcpu_state.h"

enum { NATIVE_PAGE = 4096, WINDOW_SIZE = 3 * NATIVE_PAGE, SLOT_SIZE = 32, FXSAVE_SIZE = 512 };
#define WINDOW 0x20000000ull /* where the memory operands lie */
#define BUFFER 0x30000000ull

/* Selectors of Linux for user code and data (arch/x86/include/asm/segment.h). */
enum { USER_CODE_32 = 0x23, USER_DATA = 0x2b, USER_CODE_64 = 0x33 };

/* Registers on the way in and out. */
struct exchange {
    uint64_t in[GPR_COUNT], out[GPR_COUNT];
    uint64_t in_flags, out_flags, host_rsp;
    struct {
        uint32_t offset;
        uint16_t selector;
    } __attribute__((packed)) enter_32;
    _Alignas(16) uint8_t in_fpu[FXSAVE_SIZE];
    _Alignas(16) uint8_t out_fpu[FXSAVE_SIZE];
};

static uint8_t *window;
static struct exchange *exchange;
static uint8_t *native_entry[3], *native_slot[3], *native_exit; /* by enum decode_mode */
static volatile int caught;                                     /* the signal, 0: none */

static uint8_t *emit(uint8_t *at, const char *bytes, size_t length)
{
    memcpy(at, bytes, length);
    return at + length;
}

/* An instruction whose operand is [RIP + disp32], at `target`. */
static uint8_t *emit_relative(uint8_t *at, const char *opcode, size_t length, const void *target)
{
    at = emit(at, opcode, length);
    int32_t displacement = (const uint8_t *)target - (at + 4);
    memcpy(at, &displacement, 4);
    return at + 4;
}

/* MOV between the 16 registers and memory. */
static uint8_t *emit_registers(uint8_t *at, uint8_t opcode, const uint64_t *memory)
{
    for (unsigned i = 0; i < GPR_COUNT; i++) {
        char mov[3] = {i < 8 ? 0x48 : 0x4c, (char)opcode, (char)(0x05 | (i & 7) << 3)};
        at = emit_relative(at, mov, 3, &memory[i]);
    }
    return at;
}

static uint8_t *build_entry(uint8_t *at, enum decode_mode mode)
{
    native_entry[mode] = at;
    at = emit(at, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57", 10); /* push callee-saved */
    at = emit_relative(at, "\x48\x89\x25", 3, &exchange->host_rsp);
    at = emit_relative(at, "\x48\x0f\xae\x0d", 4, exchange->in_fpu); /* fxrstor64 */
    at = emit_relative(at, "\xff\x35", 2, &exchange->in_flags);
    at = emit(at, "\x9d", 1);
    at = emit_registers(at, 0x8b, exchange->in);
    if (mode == DECODE_32)
        at = emit_relative(at, "\xff\x2d", 2, &exchange->enter_32); /* jmp far */
    native_slot[mode] = at;
    return at + SLOT_SIZE;
}

static void build_code(uint8_t *at)
{
    at = build_entry(at, DECODE_32);
    exchange->enter_32.offset = (uint32_t)(uintptr_t)native_slot[DECODE_32];
    exchange->enter_32.selector = USER_CODE_32;
    uint8_t *leave = emit(at, "\xea\0\0\0\0\x33\0", 7); /* jmp far, its offset is set below */
    at = build_entry(leave, DECODE_64);
    native_exit = at;
    uint32_t offset = (uint32_t)(uintptr_t)native_exit;
    memcpy(leave - 6, &offset, sizeof(offset));
    at = emit_registers(at, 0x89, exchange->out);
    at = emit_relative(at, "\x48\x8b\x25", 3, &exchange->host_rsp);
    at = emit(at, "\x9c", 1);
    at = emit_relative(at, "\x8f\x05", 2, &exchange->out_flags);
    at = emit_relative(at, "\x48\x0f\xae\x05", 4, exchange->out_fpu); /* fxsave64 */
    at = emit(at, "\xdb\xe3\xfc", 3);                                 /* fninit, cld */
    emit(at, "\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 11);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    uint8_t *rip = (uint8_t *)registers[REG_RIP];

    (void)info;
    if (rip < native_entry[DECODE_32] || rip >= native_exit)
        abort();
    caught = number;
    registers[REG_RIP] = (greg_t)native_exit;
    registers[REG_CSGSFS] = (registers[REG_CSGSFS] & ~0xffffll) | USER_CODE_64;
}

/* cmocka sets its own handlers before each test: to be called from the test. */
static void native_catch_faults(void)
{
    static uint8_t stack[65536];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    sigaltstack(&alternate, NULL);
    sigaction(SIGFPE, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGILL, &action, NULL);
}

/* 32-bit code needs data segments; MOV from a segment register must find the same selectors in the emulator.
 */
static void native_selectors(struct vcpu_state *to, enum decode_mode mode)
{
#define COPY(name, reg) __asm__ volatile("mov %%" reg ", %0" : "=r"(to->segment[name].selector))
    __asm__ volatile("mov %0, %%ds\n mov %0, %%es" : : "r"(USER_DATA));
    COPY(SEG_ES, "es");
    COPY(SEG_SS, "ss");
    COPY(SEG_DS, "ds");
    COPY(SEG_FS, "fs");
    COPY(SEG_GS, "gs");
    to->segment[SEG_CS].selector = mode == DECODE_64 ? USER_CODE_64 : USER_CODE_32;
#undef COPY
}

static int native_set_up(void **unused)
{
    enum { ANY_ACCESS = PROT_READ | PROT_WRITE | PROT_EXEC };
    enum { FIXED = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE };
    uint8_t *buffer = mmap((void *)BUFFER, 2 * NATIVE_PAGE, ANY_ACCESS, FIXED, -1, 0);

    (void)unused;
    window = mmap((void *)WINDOW, WINDOW_SIZE, PROT_READ | PROT_WRITE, FIXED, -1, 0);
    if (buffer != (void *)BUFFER || window != (void *)WINDOW)
        return -1;
    exchange = (struct exchange *)(buffer + NATIVE_PAGE);
    build_code(buffer);
    return 0;
}

static void native_run(enum decode_mode mode, const uint8_t *bytes, unsigned length)
{
    memset(native_slot[mode], 0x90, SLOT_SIZE);
    memcpy(native_slot[mode], bytes, length);
    caught = 0;
    ((void (*)(void))(uintptr_t)native_entry[mode])();
}
