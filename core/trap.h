/*
 * Traps: exceptions and interrupts of the monitor and of ring 3.
 */
#pragma once

#include <stdint.h>

/* What entry.asm pushes; also the saved registers of a preempted ring-3 program. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error_code;
    uint64_t rip, cs, rflags, rsp, ss;
};

_Static_assert(sizeof(struct trap_frame) == 22 * 8, "entry.asm knows the layout");

enum vector {
    VECTOR_TIMER = 0x40,
    VECTOR_KICK = 0x41,
    VECTOR_INPUT = 0x42,
    VECTOR_PANIC = 0x43,
    VECTOR_SPURIOUS = 0xff,
};

/* Why user_start() and user_resume() came back. */
enum user_exit { USER_DONE, USER_PREEMPTED, USER_FAULT };

/* Enters ring 3 at entry with an empty stack and one argument; all other registers are zero. Interrupts are
 * off before and after; they are on in ring 3. */
enum user_exit user_start(uint64_t entry, uint64_t stack, uint64_t argument);
/* Goes on in ring 3 where it was preempted. */
enum user_exit user_resume(const struct trap_frame *frame);
/* Ends the user_start() or user_resume() that runs on this processor. */
_Noreturn void user_leave(enum user_exit reason);

/* Loads IDT, GDT, TSS, SYSCALL registers and protections (NX, WP, SMEP, SMAP, UMIP) on the calling processor.
 */
struct cpu;
void trap_init_cpu(struct cpu *cpu);
_Noreturn void panic_trap(const struct trap_frame *frame);
