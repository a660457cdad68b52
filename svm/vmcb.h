/*
 * The virtual machine control block (AMD APM Vol. 2, appendix B), bit names under their fields.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct vmcb_segment {
    uint16_t selector;
    uint16_t attributes; /* as enum segment_attribute */
    uint32_t limit;
    uint64_t base;
};

/* Intercepts: bit n of the whole is the one that exits with code n. */
enum { INTERCEPT_WORDS = 6 };

struct vmcb {
    uint32_t intercepts[INTERCEPT_WORDS];
    uint8_t reserved_018[0x03c - 0x018];
    uint16_t pause_filter_threshold;
    uint16_t pause_filter_count;
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
    uint64_t avic_bar;
    uint64_t ghcb;
    uint64_t event_injection;
#define EVENT_VECTOR           0xffull
#define EVENT_TYPE_SHIFT       8
#define EVENT_TYPE_MASK        7ull
#define EVENT_ERROR_VALID      (1ull << 11)
#define EVENT_VALID            (1ull << 31)
#define EVENT_ERROR_SHIFT      32
#define EVENT_INJECT_INTR      0ull /* values of the type */
#define EVENT_INJECT_NMI       2ull
#define EVENT_INJECT_EXCEPTION 3ull
#define EVENT_INJECT_SOFT      4ull
    uint64_t nested_cr3;
    uint64_t lbr_control;
    uint32_t clean; /* groups that the processor may take from its cache */
#define CLEAN_INTERCEPTS  (1u << 0)
#define CLEAN_PERMISSIONS (1u << 1)
#define CLEAN_ASID        (1u << 2)
#define CLEAN_TPR         (1u << 3)
#define CLEAN_NESTED      (1u << 4)
#define CLEAN_CR          (1u << 5)
#define CLEAN_DR          (1u << 6)
#define CLEAN_TABLES      (1u << 7)
#define CLEAN_SEGMENTS    (1u << 8)
#define CLEAN_CR2         (1u << 9)
#define CLEAN_ALL         0x3ffu
    uint32_t reserved_0c4;
    uint64_t next_rip; /* with NRIPS */
    uint8_t fetched;   /* with decode assists: bytes of the instruction that are valid */
    uint8_t instruction[15];
    uint8_t reserved_0e0[0x400 - 0x0e0];
    /* state save area */
    struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
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
VMCB_AT(pause_filter_count, 0x03e);
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
VMCB_AT(fetched, 0x0d0);
VMCB_AT(es, 0x400);
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
    VMEXIT_CR0_READ = 0x00,
    VMEXIT_CR3_READ = 0x03,
    VMEXIT_CR8_READ = 0x08,
    VMEXIT_CR0_WRITE = 0x10,
    VMEXIT_CR3_WRITE = 0x13,
    VMEXIT_CR4_READ = 0x04,
    VMEXIT_CR4_WRITE = 0x14,
    VMEXIT_CR8_WRITE = 0x18,
    VMEXIT_CR15_WRITE = 0x1f,
    VMEXIT_DR0_READ = 0x20,
    VMEXIT_DR15_WRITE = 0x3f,
    VMEXIT_EXCEPTION_0 = 0x40,
    VMEXIT_DB = 0x41,
    VMEXIT_TS = 0x4a,
    VMEXIT_NP,
    VMEXIT_SS,
    VMEXIT_GP,
    VMEXIT_PF,
    VMEXIT_AC = 0x51,
    VMEXIT_MC = 0x52,
    VMEXIT_EXCEPTION_31 = 0x5f,
    VMEXIT_INTR = 0x60,
    VMEXIT_NMI,
    VMEXIT_SMI,
    VMEXIT_INIT,
    VMEXIT_VINTR,
    VMEXIT_CR0_SEL_WRITE,
    VMEXIT_IDTR_READ,
    VMEXIT_GDTR_READ,
    VMEXIT_LDTR_READ,
    VMEXIT_TR_READ,
    VMEXIT_IDTR_WRITE,
    VMEXIT_GDTR_WRITE,
    VMEXIT_LDTR_WRITE,
    VMEXIT_TR_WRITE,
    VMEXIT_RDTSC,
    VMEXIT_RDPMC,
    VMEXIT_PUSHF,
    VMEXIT_POPF,
    VMEXIT_CPUID,
    VMEXIT_RSM,
    VMEXIT_IRET,
    VMEXIT_SWINT,
    VMEXIT_INVD,
    VMEXIT_PAUSE,
    VMEXIT_HLT,
    VMEXIT_INVLPG,
    VMEXIT_INVLPGA,
    VMEXIT_IOIO,
    VMEXIT_MSR,
    VMEXIT_TASK_SWITCH,
    VMEXIT_FERR_FREEZE,
    VMEXIT_SHUTDOWN,
    VMEXIT_VMRUN,
    VMEXIT_VMMCALL,
    VMEXIT_VMLOAD,
    VMEXIT_VMSAVE,
    VMEXIT_STGI,
    VMEXIT_CLGI,
    VMEXIT_SKINIT,
    VMEXIT_RDTSCP,
    VMEXIT_ICEBP,
    VMEXIT_WBINVD,
    VMEXIT_MONITOR,
    VMEXIT_MWAIT,
    VMEXIT_MWAIT_ARMED,
    VMEXIT_XSETBV,
    VMEXIT_RDPRU,
    VMEXIT_EFER_WRITE_TRAP,
    VMEXIT_CR0_WRITE_TRAP,
    VMEXIT_CR15_WRITE_TRAP = 0x9f,
    VMEXIT_INVLPGB,
    VMEXIT_INVLPGB_ILLEGAL,
    VMEXIT_INVPCID,
    VMEXIT_MCOMMIT,
    VMEXIT_TLBSYNC,
    VMEXIT_BUSLOCK,
    VMEXIT_IDLE_HLT,
    EXIT_CODES_DENSE,
    VMEXIT_NPF = 0x400,
    VMEXIT_AVIC_INCOMPLETE_IPI,
    VMEXIT_AVIC_NOACCEL,
    VMEXIT_VMGEXIT,
};

_Static_assert(VMEXIT_SHUTDOWN == 0x7f && VMEXIT_RDPRU == 0x8e && VMEXIT_IDLE_HLT == 0xa6, "appendix C");

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
