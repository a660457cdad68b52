/*
 * Names of the architecture, for all layers: bits of control registers, EFER and RFLAGS, exceptions, MSRs
 * (AMD APM Vol. 2, chapter 3 and appendix A; SDM Vol. 3A, chapter 2, and Vol. 4).
 */
#pragma once

#define CR0_PE (1ull << 0)
#define CR0_MP (1ull << 1)
#define CR0_EM (1ull << 2)
#define CR0_TS (1ull << 3)
#define CR0_ET (1ull << 4) /* reads as 1 */
#define CR0_NE (1ull << 5)
#define CR0_WP (1ull << 16)
#define CR0_AM (1ull << 18)
#define CR0_NW (1ull << 29)
#define CR0_CD (1ull << 30)
#define CR0_PG (1ull << 31)
#define CR0_KNOWN                                                                                            \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)

#define CR4_VME        (1ull << 0)
#define CR4_PVI        (1ull << 1)
#define CR4_TSD        (1ull << 2)
#define CR4_DE         (1ull << 3)
#define CR4_PSE        (1ull << 4)
#define CR4_PAE        (1ull << 5)
#define CR4_MCE        (1ull << 6)
#define CR4_PGE        (1ull << 7)
#define CR4_PCE        (1ull << 8)
#define CR4_OSFXSR     (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_UMIP       (1ull << 11)
#define CR4_LA57       (1ull << 12)
#define CR4_FSGSBASE   (1ull << 16)
#define CR4_PCIDE      (1ull << 17)
#define CR4_OSXSAVE    (1ull << 18)
#define CR4_SMEP       (1ull << 20)
#define CR4_SMAP       (1ull << 21)
#define CR4_PKE        (1ull << 22)

#define EFER_SCE   (1ull << 0)
#define EFER_LME   (1ull << 8)
#define EFER_LMA   (1ull << 10)
#define EFER_NXE   (1ull << 11)
#define EFER_SVME  (1ull << 12)
#define EFER_FFXSR (1ull << 14)

#define RFLAGS_FIXED 0x2ull /* bit 1 reads as 1 */
#define RFLAGS_TF    (1ull << 8)
#define RFLAGS_IF    (1ull << 9)
#define RFLAGS_IOPL  (3ull << 12)
#define RFLAGS_RF    (1ull << 16)
#define RFLAGS_VM    (1ull << 17)
#define RFLAGS_AC    (1ull << 18)
#define RFLAGS_KNOWN 0x3f7fd7ull

#define DR6_TRAPS 0xfull
#define DR6_BD    (1ull << 13)
#define DR6_BS    (1ull << 14)
#define DR6_RESET 0xffff0ff0ull
#define DR7_GD    (1ull << 13)
#define DR7_RESET 0x400ull

/* PAE paging: where CR3 has the four page-directory pointers, and bits that must be 0 in them (SDM Vol. 3A,
 * table 4-8), but for the accessed bit, which emulators set. */
#define CR3_PAE_TABLE  0xffffffe0ull
#define PDPTE_RESERVED 0x1c6ull

#define XCR0_X87 (1ull << 0)
#define XCR0_SSE (1ull << 1)
#define XCR0_AVX (1ull << 2)

enum exception {
    EXCEPTION_DE = 0,
    EXCEPTION_DB = 1,
    EXCEPTION_NMI = 2,
    EXCEPTION_BP = 3,
    EXCEPTION_OF = 4,
    EXCEPTION_BR = 5,
    EXCEPTION_UD = 6,
    EXCEPTION_NM = 7,
    EXCEPTION_DF = 8,
    EXCEPTION_TS = 10,
    EXCEPTION_NP = 11,
    EXCEPTION_SS = 12,
    EXCEPTION_GP = 13,
    EXCEPTION_PF = 14,
    EXCEPTION_MF = 16,
    EXCEPTION_AC = 17,
    EXCEPTION_MC = 18,
    EXCEPTION_XM = 19,
    EXCEPTION_COUNT = 32,
};

/* Those that, one after the other, are a double fault (SDM Vol. 3A, table 6-4). */
#define EXCEPTIONS_CONTRIBUTORY                                                                              \
    (1u << EXCEPTION_DE | 1u << EXCEPTION_TS | 1u << EXCEPTION_NP | 1u << EXCEPTION_SS | 1u << EXCEPTION_GP)

/* The exceptions that become #DF, or after it a shutdown, when the delivery of this one raises them (SDM
 * Vol. 3A, table 6-5). */
static inline uint32_t exceptions_doubled_by(uint8_t vector)
{
    uint32_t first = 1u << vector;
    if (first & EXCEPTIONS_CONTRIBUTORY)
        return EXCEPTIONS_CONTRIBUTORY;
    return first & (1u << EXCEPTION_PF | 1u << EXCEPTION_DF) ? EXCEPTIONS_CONTRIBUTORY | 1u << EXCEPTION_PF
                                                             : 0;
}

/* Vectors that push an error code (SDM Vol. 3A, table 6-1). */
#define EXCEPTIONS_WITH_CODE                                                                                 \
    (1u << EXCEPTION_DF | 1u << EXCEPTION_TS | 1u << EXCEPTION_NP | 1u << EXCEPTION_SS |                     \
     1u << EXCEPTION_GP | 1u << EXCEPTION_PF | 1u << EXCEPTION_AC)

#define MSR_TSC            0x10u
#define MSR_APIC_BASE      0x1bu
#define MSR_SYSENTER_CS    0x174u
#define MSR_SYSENTER_ESP   0x175u
#define MSR_SYSENTER_EIP   0x176u
#define MSR_PRED_CMD       0x49u
#define MSR_MCG_CAP        0x179u
#define MSR_PAT            0x277u
#define MSR_MC0_STATUS     0x401u
#define MSR_EFER           0xc0000080u
#define MSR_STAR           0xc0000081u
#define MSR_LSTAR          0xc0000082u
#define MSR_CSTAR          0xc0000083u
#define MSR_SFMASK         0xc0000084u
#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX        0xc0000103u
#define MSR_KVM_PV_EOI     0x4b564d04u /* Linux, Documentation/virt/kvm/x86/msr.rst */

#define PRED_CMD_IBPB   (1ull << 0)
#define MCG_BANKS       0xffull
#define MC_STATUS_VALID (1ull << 63)

#define PAT_RESET 0x0007040600070406ull
