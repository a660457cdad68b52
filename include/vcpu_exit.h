/*
 * struct vcpu_exit: why a vCPU left its guest, the same for both vendors, operands decoded.
 */
#pragma once

#include <stdint.h>

enum vcpu_exit_reason {
    VCPU_EXIT_NONE = 0, /* handled inside the backend: enter again */
    VCPU_EXIT_PIO,      /* IN, OUT, INS, OUTS */
    VCPU_EXIT_MEMORY,   /* guest-physical address that is not mapped so */
    VCPU_EXIT_CPUID,
    VCPU_EXIT_RDMSR,
    VCPU_EXIT_WRMSR,
    VCPU_EXIT_CR_ACCESS, /* MOV to or from CRn, CLTS, LMSW, SMSW */
    VCPU_EXIT_HLT,
    VCPU_EXIT_HYPERCALL,        /* VMMCALL or VMCALL */
    VCPU_EXIT_EXCEPTION,        /* an intercepted exception, or that of a refused instruction */
    VCPU_EXIT_INTERRUPT_WINDOW, /* the guest can now take an interrupt */
    VCPU_EXIT_NMI_WINDOW,       /* the guest can now take an NMI */
    VCPU_EXIT_EXTERNAL,         /* host interrupt or NMI: the host's IDT takes it */
    VCPU_EXIT_SHUTDOWN,         /* triple fault */
    VCPU_EXIT_INVLPG,
    VCPU_EXIT_TASK_SWITCH,
    VCPU_EXIT_INSTRUCTION, /* any other instruction that the device model emulates */
    VCPU_EXIT_UNFIT,       /* the processor cannot run this state (lib/real_mode.h): the device model does
                              until it can; detail: enum unfit_detail */
    VCPU_EXIT_LAPIC,       /* the processor serves the local APIC and has told of a write; detail: register */
    VCPU_EXIT_INVALID,     /* the processor refused the state at entry */
    VCPU_EXIT_REASON_COUNT,
};

/* Bits of vcpu_exit.detail with VCPU_EXIT_UNFIT. */
enum unfit_detail {
    UNFIT_EVENT = 1 << 0,   /* state.interrupts.event is to be delivered first, as the processor would */
    UNFIT_WAITING = 1 << 1, /* an interrupt waits: stop as soon as the guest can take one */
    UNFIT_ONCE = 1 << 2,    /* the event alone, or one instruction */
};

/* VCPU_EXIT_TASK_SWITCH: detail has the new TSS's selector in bits 0 to 15, unless the switch is by IRET, and
 * how it was asked for in bits 30 and 31 (SDM Vol. 3C, table 28-2). next_rip is behind the instruction. With
 * TASK_GATE state.interrupts.event is what the gate was to deliver. */
enum task_source { TASK_CALL, TASK_IRET, TASK_JMP, TASK_GATE };
enum { TASK_SELECTOR_MASK = 0xffff, TASK_SOURCE_SHIFT = 30 };

/* Bits of vcpu_exit_memory.access. */
enum memory_access {
    ACCESS_READ = 1 << 0,
    ACCESS_WRITE = 1 << 1,
    ACCESS_FETCH = 1 << 2,
    ACCESS_WALK = 1 << 3,    /* the processor's own walk of the guest's page tables */
    ACCESS_PRESENT = 1 << 4, /* mapped, but the right is missing (copy-on-write, read-only) */
};

struct vcpu_exit_pio {
    uint16_t port;
    uint8_t size; /* 1, 2, 4 bytes */
    uint8_t in;
    uint8_t string; /* INS or OUTS: operands come from the instruction */
    uint8_t rep;
    uint8_t reserved[2];
    uint32_t value; /* EAX. IN: the reply */
};

struct vcpu_exit_memory {
    uint64_t gpa;
    uint32_t access; /* enum memory_access */
    uint32_t reserved;
};

struct vcpu_exit_exception {
    uint8_t vector;
    uint8_t has_error_code;
    uint16_t reserved;
    uint32_t error_code;
    uint64_t address; /* #PF: the linear address; #DB: DR6 bits */
};

#define INVLPG_UNKNOWN   (~0ull) /* no address of the guest's */
#define NEXT_RIP_UNKNOWN (~0ull) /* the device model has to find out: UPCALL_LOCATE */

struct vcpu_exit {
    uint32_t reason;        /* enum vcpu_exit_reason */
    uint32_t qualification; /* the vendor's own code, for the flight recorder; no code decides by it */
    uint64_t next_rip;      /* of what the monitor itself handles; or NEXT_RIP_UNKNOWN */
    union {
        uint64_t
            detail; /* RDMSR, WRMSR, CR_ACCESS: which register; others: what it is, for the flight recorder */
        struct vcpu_exit_pio pio;
        struct vcpu_exit_memory memory;
        struct vcpu_exit_exception exception;
        uint64_t invlpg_address; /* or INVLPG_UNKNOWN */
    };
};

_Static_assert(sizeof(struct vcpu_exit) == 32, "upcall layout");
