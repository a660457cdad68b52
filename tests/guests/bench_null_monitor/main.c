/*
 * Not a test but a measurement for tests/bench/bench.py: a monitor that does nothing. It runs a guest of two
 * instructions, CPUID and a jump back to it, and answers each exit by going on behind CPUID. What that costs
 * is the processor's or the emulator's own share of every exit. Natively only: rounds=N exits (AMD APM Vol.
 * 2, chapter 15 and appendix B).
 *
 * guest: machines=native manual
 */
#include "guest.h"
#include "memory.h"
#include "paging.h"
#include "processor.h"

enum {
    MSR_VM_HSAVE_PA = 0xc0010117,
    ROUNDS = 100000,
    EXIT_CPUID = 0x72,
    CPUID_LENGTH = 2,
    NESTED_PAGING = 1,
};

/* Offsets in the VMCB. */
enum {
    INTERCEPTS =
        0x00c, /* instructions, first word: CPUID is bit 18, SHUTDOWN bit 31; second word: VMRUN bit 0 */
    IOPM_BASE = 0x040,
    MSRPM_BASE = 0x048,
    GUEST_ASID = 0x058,
    EXIT_CODE = 0x070,
    NP_ENABLE = 0x090,
    NESTED_CR3 = 0x0b0,
    SAVE_ES = 0x400,
    SAVE_EFER = 0x4d0,
    SAVE_CR4 = 0x548,
    SAVE_CR3 = 0x550,
    SAVE_CR0 = 0x558,
    SAVE_DR7 = 0x560,
    SAVE_DR6 = 0x568,
    SAVE_RFLAGS = 0x570,
    SAVE_RIP = 0x578,
    SAVE_RAX = 0x5f8,
};

static uint8_t vmcb[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static uint8_t host_state[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static uint8_t host_save[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static uint8_t permissions[3 * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

__asm__("guest_code: cpuid\n jmp guest_code\n");
extern const uint8_t guest_code[];

static volatile uint32_t *field(uint32_t offset)
{
    return (volatile uint32_t *)(vmcb + offset);
}

/* A segment register: selector and attributes, limit, base 0. */
static void set_segment(uint32_t index, uint32_t selector, uint32_t attributes)
{
    *field(SAVE_ES + 16 * index) = selector | attributes << 16;
    *field(SAVE_ES + 16 * index + 4) = 0xffffffff;
}

static void fill_vmcb(void)
{
    enum { SEGMENT_ES, SEGMENT_CS, SEGMENT_SS, SEGMENT_DS, CODE = 0xc9b, DATA = 0xc93 };

    *field(INTERCEPTS) = 1u << 18 | 1u << 31;
    *field(INTERCEPTS + 4) = 1;
    *field(IOPM_BASE) = (uint32_t)permissions;
    *field(MSRPM_BASE) = (uint32_t)permissions;
    *field(GUEST_ASID) = 1;
    *field(NP_ENABLE) = NESTED_PAGING;
    *field(NESTED_CR3) = (uint32_t)page_directory;
    set_segment(SEGMENT_ES, 0x10, DATA);
    set_segment(SEGMENT_CS, 0x08, CODE);
    set_segment(SEGMENT_SS, 0x10, DATA);
    set_segment(SEGMENT_DS, 0x10, DATA);
    *field(SAVE_EFER) = EFER_SVME;
    *field(SAVE_CR3) = (uint32_t)page_directory;
    *field(SAVE_CR0) = read_cr0();
    *field(SAVE_CR4) = read_cr4();
    *field(SAVE_DR7) = 0x400;
    *field(SAVE_DR6) = 0xffff0ff0;
    *field(SAVE_RFLAGS) = 2;
    *field(SAVE_RIP) = (uint32_t)guest_code;
}

/* The guest's registers but RAX stay where they are: its CPUID is never executed, and its jump changes none.
 */
static void run_once(void)
{
    uint8_t *page = vmcb;
    __asm__ volatile("vmload\n vmrun\n vmsave\n movl %1, %%eax\n vmload"
                     : "+a"(page)
                     : "i"(host_state)
                     : "ebx", "ecx", "edx", "esi", "edi", "memory");
}

void guest_main(void)
{
    uint32_t rounds = option_number("rounds", ROUNDS);
    bool good = true;

    if (!(cpuid(0x80000001, 0).ecx & 4)) {
        check("the processor has SVM", false);
        return;
    }
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
    wrmsr(MSR_VM_HSAVE_PA, (uint32_t)host_save);
    paging_initialise();
    paging_on((uint32_t)page_directory, CR4_PSE);
    __asm__ volatile("vmsave" : : "a"(host_state) : "memory");
    memset(vmcb, 0, sizeof(vmcb));
    fill_vmcb();
    for (uint32_t i = 0; i < rounds && good; i++) {
        run_once();
        good = *field(EXIT_CODE) == EXIT_CPUID;
        *field(SAVE_RIP) += CPUID_LENGTH;
    }
    check_value("last exit", *field(EXIT_CODE), EXIT_CPUID);
}
