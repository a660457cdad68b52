/*
 * The virtual machine control structure (SDM Vol. 3C, chapter 25 and appendix B): encodings of the fields
 * that are used, bit names under their field, and the access to the one that is current on the processor.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Appendix B. Bits 13 and 14 are the width: 16, 64, 32 bits, natural. */
/* clang-format off */
enum vmcs_field {
    VMCS_VPID = 0x0000,
    /* Guest segments are 2 apart, in the order of enum segment_name. */
    VMCS_GUEST_SELECTOR = 0x0800, VMCS_GUEST_INTERRUPT_STATUS = 0x0810, /* RVI, and SVI from bit 8 on */
    VMCS_HOST_ES_SELECTOR = 0x0c00, VMCS_HOST_CS_SELECTOR = 0x0c02,
    VMCS_HOST_SS_SELECTOR = 0x0c04, VMCS_HOST_DS_SELECTOR = 0x0c06, VMCS_HOST_FS_SELECTOR = 0x0c08,
    VMCS_HOST_GS_SELECTOR = 0x0c0a, VMCS_HOST_TR_SELECTOR = 0x0c0c, VMCS_MSR_BITMAP = 0x2004,
    VMCS_EXIT_MSR_LOAD = 0x2008, VMCS_ENTRY_MSR_LOAD = 0x200a, VMCS_TSC_OFFSET = 0x2010,
    VMCS_VIRTUAL_APIC = 0x2012, VMCS_APIC_ACCESS = 0x2014,
    VMCS_EOI_EXITS = 0x201c, /* four, 2 apart: a bit for each vector */
    VMCS_EPT_POINTER = 0x201a,
#define EPT_POINTER_WB       6ull        /* memory type of its tables */
#define EPT_POINTER_LEVELS   (3ull << 3) /* less one */
#define EPT_POINTER_ACCESSED (1ull << 6) /* accessed and dirty bits */
    VMCS_GUEST_PHYSICAL = 0x2400, VMCS_LINK_POINTER = 0x2800, VMCS_GUEST_DEBUGCTL = 0x2802,
    VMCS_GUEST_PAT = 0x2804, VMCS_GUEST_EFER = 0x2806,
    VMCS_GUEST_PDPTE0 = 0x280a, /* four, 2 apart */
    VMCS_HOST_PAT = 0x2c00, VMCS_HOST_EFER = 0x2c02, VMCS_PIN_CONTROLS = 0x4000,
#define PIN_EXTERNAL         (1u << 0)
#define PIN_NMI              (1u << 3)
#define PIN_VIRTUAL_NMIS     (1u << 5)
#define PIN_PREEMPTION_TIMER (1u << 6)
    VMCS_PRIMARY_CONTROLS = 0x4002,
#define PRIMARY_INTERRUPT_WINDOW (1u << 2)
#define PRIMARY_TSC_OFFSET       (1u << 3)
#define PRIMARY_HLT              (1u << 7)
#define PRIMARY_INVLPG           (1u << 9)
#define PRIMARY_MWAIT            (1u << 10)
#define PRIMARY_RDPMC            (1u << 11)
#define PRIMARY_CR3_LOAD         (1u << 15)
#define PRIMARY_CR3_STORE        (1u << 16)
#define PRIMARY_CR8_LOAD         (1u << 19)
#define PRIMARY_CR8_STORE        (1u << 20)
#define PRIMARY_TPR_SHADOW       (1u << 21)
#define PRIMARY_NMI_WINDOW       (1u << 22)
#define PRIMARY_IO               (1u << 24)
#define PRIMARY_MSR_BITMAPS      (1u << 28)
#define PRIMARY_MONITOR          (1u << 29)
#define PRIMARY_SECONDARY        (1u << 31)
    VMCS_EXCEPTIONS = 0x4004, VMCS_PAGE_FAULT_MASK = 0x4006, VMCS_PAGE_FAULT_MATCH = 0x4008,
    VMCS_CR3_TARGETS = 0x400a, VMCS_EXIT_CONTROLS = 0x400c,
#define EXIT_DEBUG      (1u << 2)
#define EXIT_HOST_64    (1u << 9)
#define EXIT_LOAD_PAT   (1u << 19)
#define EXIT_LOAD_EFER  (1u << 21)
#define EXIT_SAVE_TIMER (1u << 22)
    VMCS_EXIT_MSR_STORES = 0x400e, VMCS_EXIT_MSR_LOADS = 0x4010, VMCS_ENTRY_CONTROLS = 0x4012,
#define ENTRY_DEBUG     (1u << 2)
#define ENTRY_LONG_MODE (1u << 9)
#define ENTRY_LOAD_PAT  (1u << 14)
#define ENTRY_LOAD_EFER (1u << 15)
    VMCS_ENTRY_MSR_LOADS = 0x4014,
    VMCS_ENTRY_EVENT = 0x4016, /* as the two that are read back after an exit: core/backend.h */
#define EVENT_NMI_OPENED (1u << 12) /* exits only: the IRET that raised it had ended the blocking of NMIs */
    VMCS_ENTRY_ERROR_CODE = 0x4018, VMCS_ENTRY_LENGTH = 0x401a, VMCS_TPR_THRESHOLD = 0x401c,
    VMCS_SECONDARY_CONTROLS = 0x401e,
#define SECONDARY_APIC_ACCESS  (1u << 0)
#define SECONDARY_EPT          (1u << 1)
#define SECONDARY_RDTSCP       (1u << 3)
#define SECONDARY_VPID         (1u << 5)
#define SECONDARY_WBINVD       (1u << 6)
#define SECONDARY_UNRESTRICTED (1u << 7)
#define SECONDARY_APIC_REGISTERS (1u << 8)
#define SECONDARY_INTERRUPTS   (1u << 9) /* virtual-interrupt delivery */
#define SECONDARY_LAPIC        (SECONDARY_APIC_ACCESS | SECONDARY_APIC_REGISTERS | SECONDARY_INTERRUPTS)
#define SECONDARY_INVPCID      (1u << 12)
    VMCS_INSTRUCTION_ERROR = 0x4400, VMCS_EXIT_REASON = 0x4402, VMCS_EXIT_EVENT = 0x4404,
    VMCS_EXIT_ERROR_CODE = 0x4406, VMCS_VECTORING = 0x4408, VMCS_VECTORING_ERROR_CODE = 0x440a,
    VMCS_INSTRUCTION_LENGTH = 0x440c, VMCS_GUEST_LIMIT = 0x4800, VMCS_GUEST_GDTR_LIMIT = 0x4810,
    VMCS_GUEST_IDTR_LIMIT = 0x4812, VMCS_GUEST_RIGHTS = 0x4814,
#define RIGHTS_UNUSABLE (1u << 16)
    VMCS_GUEST_INTERRUPTIBILITY = 0x4824, /* bits 0 and 1 as enum vcpu_shadow */
#define INTERRUPTIBILITY_SHADOW 3u
#define INTERRUPTIBILITY_NMI    (1u << 3)
    VMCS_GUEST_ACTIVITY = 0x4826, VMCS_GUEST_SYSENTER_CS = 0x482a, VMCS_PREEMPTION_TIMER = 0x482e,
    VMCS_HOST_SYSENTER_CS = 0x4c00, VMCS_CR0_MASK = 0x6000, VMCS_CR4_MASK = 0x6002, VMCS_CR0_SHADOW = 0x6004,
    VMCS_CR4_SHADOW = 0x6006, VMCS_QUALIFICATION = 0x6400, VMCS_GUEST_CR0 = 0x6800, VMCS_GUEST_CR3 = 0x6802,
    VMCS_GUEST_CR4 = 0x6804, VMCS_GUEST_BASE = 0x6806, VMCS_GUEST_GDTR_BASE = 0x6816,
    VMCS_GUEST_IDTR_BASE = 0x6818, VMCS_GUEST_DR7 = 0x681a, VMCS_GUEST_RSP = 0x681c, VMCS_GUEST_RIP = 0x681e,
    VMCS_GUEST_RFLAGS = 0x6820, VMCS_GUEST_PENDING_DEBUG = 0x6822,
#define PENDING_DEBUG_BS (1ull << 14)
    VMCS_GUEST_SYSENTER_ESP = 0x6824, VMCS_GUEST_SYSENTER_EIP = 0x6826, VMCS_HOST_CR0 = 0x6c00,
    VMCS_HOST_CR3 = 0x6c02, VMCS_HOST_CR4 = 0x6c04, VMCS_HOST_FS_BASE = 0x6c06, VMCS_HOST_GS_BASE = 0x6c08,
    VMCS_HOST_TR_BASE = 0x6c0a, VMCS_HOST_GDTR_BASE = 0x6c0c, VMCS_HOST_IDTR_BASE = 0x6c0e,
    VMCS_HOST_SYSENTER_ESP = 0x6c10, VMCS_HOST_SYSENTER_EIP = 0x6c12,
    VMCS_HOST_RSP = 0x6c14, /* written by enter.asm */
    VMCS_HOST_RIP = 0x6c16,
};
/* clang-format on */

/* Appendix C. */
/* clang-format off */
enum exit_code {
    CODE_EXCEPTION = 0, CODE_EXTERNAL, CODE_TRIPLE_FAULT, CODE_INIT, CODE_SIPI, CODE_IO_SMI, CODE_SMI,
    CODE_INTERRUPT_WINDOW, CODE_NMI_WINDOW, CODE_TASK_SWITCH, CODE_CPUID, CODE_GETSEC, CODE_HLT, CODE_INVD,
    CODE_INVLPG, CODE_RDPMC, CODE_RDTSC, CODE_RSM, CODE_VMCALL, CODE_VMCLEAR,
    CODE_VMXON = 27, CODE_CR_ACCESS, CODE_DR_ACCESS, CODE_IO, CODE_RDMSR, CODE_WRMSR, CODE_ENTRY_STATE, CODE_ENTRY_MSRS,
    CODE_MWAIT = 36, CODE_MONITOR_TRAP,
    CODE_MONITOR = 39, CODE_PAUSE, CODE_ENTRY_MACHINE_CHECK,
    CODE_TPR = 43, CODE_APIC_ACCESS, CODE_VIRTUAL_EOI, CODE_TABLES, CODE_LDTR_TR, CODE_EPT_VIOLATION,
    CODE_EPT_MISCONFIGURED, CODE_INVEPT, CODE_RDTSCP, CODE_PREEMPTION_TIMER, CODE_INVVPID, CODE_WBINVD, CODE_XSETBV,
    CODE_APIC_WRITE, CODE_RDRAND, CODE_INVPCID, CODE_VMFUNC, CODE_ENCLS, CODE_RDSEED, CODE_LOG_FULL, CODE_XSAVES,
    CODE_XRSTORS, CODE_PCONFIG, CODE_SPP, CODE_UMWAIT, CODE_TPAUSE, CODE_LOADIWKEY,
    EXIT_CODES,
};
/* clang-format on */

_Static_assert(CODE_RSM == 17 && CODE_MONITOR == 39 && CODE_XRSTORS == 64 && CODE_TPAUSE == 68, "appendix C");

#define EXIT_REASON_CODE    0xffffu
#define EXIT_REASON_FAILURE (1u << 31) /* of the entry */

/* Qualification of an I/O instruction (table 28-5). */
#define IO_SIZE_MASK  7u /* less one */
#define IO_IN         (1u << 3)
#define IO_STRING     (1u << 4)
#define IO_REP        (1u << 5)
#define IO_PORT_SHIFT 16

/* Of an access to a control register (table 28-3). */
#define CR_NUMBER_MASK 0xfu

/* Of an EPT violation (table 28-7). */
#define VIOLATION_WRITE      (1u << 1)
#define VIOLATION_FETCH      (1u << 2)
#define VIOLATION_RIGHTS     (7u << 3) /* that the entry has */
#define VIOLATION_LINEAR     (1u << 7)
#define VIOLATION_FINAL      (1u << 8) /* else the processor's own walk */
#define VIOLATION_NMI_OPENED (1u << 12)

/* Of an access to the local APIC's page (table 28-6). */
#define APIC_OFFSET_MASK 0xfffu
#define APIC_WRITE       (1u << 12)
#define APIC_FETCH       (1u << 13)

/* INVEPT and INVVPID (SDM Vol. 3C, 31.3). */
enum invalidation { INVALIDATE_CONTEXT = 1, INVALIDATE_ALL = 2 };

struct invalidation_descriptor {
    uint64_t context, address;
};

/* An entry of an MSR-load area (SDM Vol. 3C, 25.7.2). */
struct msr_entry {
    uint32_t index, reserved;
    uint64_t value;
};
_Static_assert(sizeof(struct msr_entry) == 16, "table 25-13");

static inline uint64_t vmread(enum vmcs_field field)
{
    uint64_t value;
    __asm__ volatile("vmread %1, %0" : "=r"(value) : "r"((uint64_t)field) : "cc");
    return value;
}

static inline void vmwrite(enum vmcs_field field, uint64_t value)
{
    __asm__ volatile("vmwrite %1, %0" : : "r"((uint64_t)field), "r"(value) : "cc");
}
