/*
 * The virtual machine control block (AMD APM Vol. 2, appendix B), bit names under their fields.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "vcpu_state.h"

/* Intercepts: bit n of the whole is the one that exits with code n. */
enum { INTERCEPT_WORDS = 6 };

struct vmcb {
    uint32_t intercepts[INTERCEPT_WORDS];
    uint8_t reserved_018[0x040 - 0x018];
    uint64_t iopm_base;  /* three pages: a bit per port */
    uint64_t msrpm_base; /* two pages: two bits per MSR */
    uint64_t tsc_offset;
    uint32_t asid; /* 0 is the host's */
    uint32_t tlb_control;
#define TLB_CONTROL_NONE       0u
#define TLB_CONTROL_FLUSH_ALL  1u
#define TLB_CONTROL_FLUSH_ASID 3u /* with flush-by-ASID */
    uint64_t virtual_interrupt;
#define V_IRQ          (1ull << 8)
#define V_PRIORITY_MAX (0xfull << 16)
#define V_IGNORE_TPR   (1ull << 20)
#define V_VECTOR_SHIFT 32
#define V_INTR_MASKING (1ull << 24) /* the host's IF and TPR decide about physical interrupts */
    uint64_t interrupt_shadow;
#define INTERRUPT_SHADOW (1ull << 0)
    uint64_t exit_code;
    uint64_t exit_info1;
    uint64_t exit_info2;
    uint64_t exit_int_info; /* an event that the exit interrupted in delivery; same bits as event_injection */
    uint64_t nested_control;
#define NESTED_PAGING (1ull << 0)
    uint64_t reserved_098[2];
    uint64_t event_injection; /* EVENT_VALID and what goes with it: core/backend.h */
#define EVENT_ERROR_SHIFT 32
    uint64_t nested_cr3;
    uint64_t reserved_0b8;
    uint32_t clean; /* groups that the processor may take from its cache */
#define CLEAN_INTERCEPTS (1u << 0)
#define CLEAN_ASID       (1u << 2)
#define CLEAN_TPR        (1u << 3)
#define CLEAN_NESTED     (1u << 4)
#define CLEAN_CR         (1u << 5)
#define CLEAN_DR         (1u << 6)
#define CLEAN_TABLES     (1u << 7)
#define CLEAN_SEGMENTS   (1u << 8)
#define CLEAN_CR2        (1u << 9)
#define CLEAN_ALL        0x3ffu
    uint32_t reserved_0c4;
    uint64_t next_rip; /* with NRIPS */
    uint8_t reserved_0d0[0x400 - 0x0d0];
    /* state save area */
    struct segment segment[SEG_GS + 1]; /* these and the next ones in the form of struct vcpu_state */
    struct segment gdtr, ldtr, idtr, tr;
    uint8_t reserved_4a0[0x4cb - 0x4a0];
    uint8_t cpl;
    uint32_t reserved_4cc;
    uint64_t efer;
    uint8_t reserved_4d8[0x548 - 0x4d8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t reserved_580[0x5d8 - 0x580];
    uint64_t rsp;
    uint8_t reserved_5e0[0x5f8 - 0x5e0];
    uint64_t rax;
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t cr2;
    uint8_t reserved_648[0x668 - 0x648];
    uint64_t g_pat; /* with nested paging */
    uint64_t debugctl;
    uint8_t reserved_678[0x1000 - 0x678];
};

#define VMCB_AT(field, offset)                                                                               \
    _Static_assert(offsetof(struct vmcb, field) == (offset), "VMCB layout: " #field)
VMCB_AT(iopm_base, 0x040);
VMCB_AT(tsc_offset, 0x050);
VMCB_AT(asid, 0x058);
VMCB_AT(tlb_control, 0x05c);
VMCB_AT(virtual_interrupt, 0x060);
VMCB_AT(exit_code, 0x070);
VMCB_AT(exit_int_info, 0x088);
VMCB_AT(nested_control, 0x090);
VMCB_AT(event_injection, 0x0a8);
VMCB_AT(nested_cr3, 0x0b0);
VMCB_AT(clean, 0x0c0);
VMCB_AT(next_rip, 0x0c8);
VMCB_AT(segment, 0x400);
VMCB_AT(tr, 0x490);
VMCB_AT(cpl, 0x4cb);
VMCB_AT(efer, 0x4d0);
VMCB_AT(cr4, 0x548);
VMCB_AT(rip, 0x578);
VMCB_AT(rsp, 0x5d8);
VMCB_AT(rax, 0x5f8);
VMCB_AT(star, 0x600);
VMCB_AT(cr2, 0x640);
VMCB_AT(g_pat, 0x668);
_Static_assert(sizeof(struct vmcb) == 0x1000, "VMCB layout");

/* Exit codes (AMD APM Vol. 2, appendix C). Those below EXIT_CODES_DENSE are also the numbers of their
 * intercepts. */
enum vmexit_code {
#define EXIT(code, name, ...)         VMEXIT_##name = code,
#define EXITS(first, last, name, ...) VMEXIT_##name = first,
#include "exit_table.h"
    VMEXIT_EXCEPTION_0 = 0x40,
    EXIT_CODES_DENSE = VMEXIT_IDLE_HLT + 1,
    VMEXIT_NPF = 0x400, /* beyond it only codes of AVIC and of encrypted guests, which are off */
};

#define VMEXIT_INVALID 0xffffffffu /* low half: TCG leaves the upper half clear */

/* EXITINFO1 of IOIO (15.10.2). */
#define IOIO_IN         (1u << 0)
#define IOIO_STRING     (1u << 2)
#define IOIO_REP        (1u << 3)
#define IOIO_SIZE_SHIFT 4
#define IOIO_SIZE_MASK  7u
#define IOIO_PORT_SHIFT 16

/* EXITINFO1 of NPF (15.25.6). */
#define NPF_PRESENT (1ull << 0)
#define NPF_WRITE   (1ull << 1)
#define NPF_FETCH   (1ull << 4)
#define NPF_WALK    (1ull << 33)
