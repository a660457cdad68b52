/* Running 64-bit code from a test, on identity-mapped 2 MiB pages (4 GiB). */
#pragma once

#include <stdint.h>

struct long_fault {
    uint32_t vector, error;
    uint64_t cr2, rip, cs, rsp;
};

extern struct long_fault long_fault;
/* Where 64-bit code goes on after a fault; 0: the call ends. Cleared by the fault. */
extern uint32_t long_resume;
/* Page table root, and bits added to CR4 and EFER while the call runs. */
extern uint32_t long_root, long_cr4, long_efer;
/* The tables: level 4, level 3, four of level 2. */
extern uint64_t long_pml4[512], long_pdpt[512], long_pd[4][512];
extern uint64_t long_idt[512];

/* Calls 64-bit code (no interrupts), result in EAX. Segment registers are flat, the stack is this one. */
uint32_t long_call(void (*code64)(void), uint32_t argument);
/* Prints long_fault and holds vector and error code against the manual. */
void check_long_fault(const char *name, uint32_t vector, uint32_t error);
/* As observe(). */
void observe_long_fault(const char *name);
