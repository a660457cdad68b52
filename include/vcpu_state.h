/*
 * struct vcpu_state: all architectural state of a virtual CPU, in named groups that travel separately.
 *
 * The layout is the same for both vendors. It is what upcalls carry, what get() and set() of struct vcpu_ops
 * move, and the vCPU's save record. Values are what the guest sees: EFER without SVME, CR4 without VMXE, and
 * so on.
 */
#pragma once

#include <stdint.h>

/* Groups: a bit each. A message names the groups that it carries; nothing else in it has a meaning. */
enum vcpu_group {
    VCPU_GPR = 1u << 0, /* general registers, RIP, RFLAGS */
    VCPU_SEGMENTS = 1u << 1,
    VCPU_CONTROL = 1u << 2, /* CR0, CR2, CR3, CR4, CR8, XCR0, DR0-3, DR6, DR7 */
    VCPU_TABLES = 1u << 3,  /* GDTR, IDTR */
    VCPU_MSRS = 1u << 4,
    VCPU_INTERRUPTS = 1u << 5,
    VCPU_TIME = 1u << 6,
    VCPU_FPU = 1u << 7,
    VCPU_ALL = (1u << 8) - 1,
};

/* General registers are numbered as ModRM and REX encode them (Intel SDM Vol. 2A, table 2-2; AMD APM Vol.
 * 3, 1.4). */
enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, GPR_COUNT };

/* Segment registers are numbered as MOV Sreg encodes them; the two system segments follow. */
enum segment_name { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };

/* Attributes: descriptor bits 40-47 in bits 0-7, descriptor bits 52-55 in bits 8-11 (AMD APM Vol. 2, 4.7).
 * Not present (SEG_P clear) stands for a null, unusable segment. */
enum segment_attribute {
    SEG_TYPE_MASK = 0xf,
    SEG_S = 1 << 4,
    SEG_DPL_SHIFT = 5,
    SEG_DPL_MASK = 3 << 5,
    SEG_P = 1 << 7,
    SEG_AVL = 1 << 8,
    SEG_L = 1 << 9,
    SEG_DB = 1 << 10,
    SEG_G = 1 << 11,
};

struct segment {
    uint16_t selector;
    uint16_t attributes;
    uint32_t limit; /* in bytes, already scaled by G */
    uint64_t base;
};

struct descriptor_table {
    uint64_t base;
    uint32_t limit;
    uint32_t reserved;
};

/* An event in delivery: to be injected at the next entry, or interrupted by an exit. Numbered as both vendors
 * do when they inject (AMD APM Vol. 2, 15.20; SDM Vol. 3C, 25.8.3), but for one more. */
enum event_type {
    EVENT_NONE = 0,
    EVENT_INTERRUPT = 1, /* external interrupt */
    EVENT_NMI = 3,
    EVENT_EXCEPTION = 4,      /* hardware exception */
    EVENT_SOFT_INTERRUPT = 5, /* INT n */
    EVENT_PRIVILEGED = 6,     /* INT1; in no state, but an exit may name it */
    EVENT_SOFT_EXCEPTION = 7, /* INT3, INTO */
};

struct vcpu_event {
    uint8_t type; /* enum event_type */
    uint8_t vector;
    uint8_t has_error_code;
    uint8_t length; /* of the instruction, for soft events */
    uint32_t error_code;
};

enum vcpu_activity { ACTIVITY_RUN, ACTIVITY_HALTED, ACTIVITY_WAIT_SIPI, ACTIVITY_SHUTDOWN };
enum vcpu_shadow { SHADOW_NONE, SHADOW_STI = 1, SHADOW_MOV_SS = 2 };

struct vcpu_gpr {
    uint64_t reg[GPR_COUNT];
    uint64_t rip;
    uint64_t rflags;
};

struct vcpu_control {
    uint64_t cr0, cr2, cr3, cr4, cr8, xcr0;
    uint64_t dr[4], dr6, dr7;
};

struct vcpu_tables {
    struct descriptor_table gdtr, idtr;
};

struct vcpu_msrs {
    uint64_t efer, star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, tsc_aux, debugctl;
};

struct vcpu_interrupts {
    uint8_t activity;    /* enum vcpu_activity */
    uint8_t shadow;      /* enum vcpu_shadow */
    uint8_t nmi_blocked; /* until IRET */
    uint8_t nmi_pending;
    uint32_t reserved;
    struct vcpu_event event; /* irrevocable: injected at the next entry */
};

struct vcpu_time {
    uint64_t tsc_offset; /* guest TSC = host TSC + tsc_offset */
};

/* XSAVE area in standard format, as large as x87, SSE, AVX, AVX-512 and PKRU need (SDM Vol. 1, 13.4). */
enum { VCPU_XSAVE_SIZE = 2752 };

struct vcpu_fpu {
    _Alignas(64) uint8_t xsave[VCPU_XSAVE_SIZE];
};

struct vcpu_state {
    struct vcpu_gpr gpr;
    struct segment segment[SEG_COUNT];
    struct vcpu_control control;
    struct vcpu_tables tables;
    struct vcpu_msrs msrs;
    struct vcpu_interrupts interrupts;
    struct vcpu_time time;
    struct vcpu_fpu fpu;
};

_Static_assert(sizeof(struct segment) == 16, "save record layout");
_Static_assert(sizeof(struct vcpu_event) == 8, "save record layout");
_Static_assert(sizeof(struct vcpu_interrupts) == 16, "save record layout");
_Static_assert(sizeof(struct vcpu_state) <= 3456, "an upcall page holds the state and the exit");
