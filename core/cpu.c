/*
 * Descriptor tables, SYSCALL registers and protections of each processor.
 */
#include "cpu.h"
#include "fixup.h"
#include "layout_ring0.h"
#include "layout.h"
#include "memory.h"
#include "string.h"
#include "trap.h"
#include "vcpu_registers.h"
#include "x86.h"

#define RFLAGS_KERNEL_CLEARS 0x47700u /* AC, NT, IOPL, DF, IF, TF: off at SYSCALL */

#define GATE_INTERRUPT 0x8e00u
#define GATE_STUB_SIZE 16

struct cpu cpus[CPU_MAX];
uint32_t cpu_count = 1;
bool cpu_has_ibpb, cpu_has_rdtscp;

struct idt_gate {
    uint16_t offset_low, selector, attributes, offset_middle;
    uint32_t offset_high, reserved;
};

extern char trap_stubs[], syscall_entry[];
static struct idt_gate idt[256];
/* One for all processors; each has a TSS descriptor of two entries. */
static uint64_t gdt[SELECTOR_TSS / 8 + 2 * CPU_MAX] = {
    [SELECTOR_CODE / 8] = 0x00af9a000000ffff,
    [SELECTOR_DATA / 8] = 0x00cf92000000ffff,
    [SELECTOR_USER_DATA / 8] = 0x00cff2000000ffff,
    [SELECTOR_USER_CODE / 8] = 0x00affa000000ffff,
};

static void idt_build(void)
{
    static const uint8_t ist[256] = {[EXCEPTION_NMI] = STACK_NMI,
                                     [EXCEPTION_DF] = STACK_DF,
                                     [EXCEPTION_MC] = STACK_MC,
                                     [EXCEPTION_DB] = STACK_DB};
    for (unsigned vector = 0; vector < 256; vector++) {
        uint64_t stub = (uint64_t)trap_stubs + vector * GATE_STUB_SIZE;
        idt[vector] = (struct idt_gate){
            .offset_low = (uint16_t)stub,
            .selector = SELECTOR_CODE,
            .attributes = GATE_INTERRUPT | ist[vector],
            .offset_middle = (uint16_t)(stub >> 16),
            .offset_high = (uint32_t)(stub >> 32),
        };
    }
}

static void gdt_load(void)
{
    const struct table_pointer pointer = {sizeof(gdt) - 1, (uint64_t)gdt};
    __asm__ volatile("lgdt %0" : : "m"(pointer));
}

/* The descriptor is made anew: a busy one would not be taken. */
static void tss_load(struct cpu *cpu)
{
    uint64_t tss = (uint64_t)&cpu->tss;
    unsigned selector = SELECTOR_TSS + cpu->index * 16;
    gdt[selector / 8] =
        (sizeof(cpu->tss) - 1) | (tss & 0xffffff) << 16 | 0x89ull << 40 | (tss >> 24 & 0xff) << 56;
    gdt[selector / 8 + 1] = tss >> 32;
    __asm__ volatile("ltr %w0" : : "r"(selector) : "memory");
}

/* CS keeps its selector: boot.asm's descriptor is the same. */
static void tables_load(struct cpu *cpu)
{
    const struct table_pointer idt_pointer = {sizeof(idt) - 1, (uint64_t)idt};
    gdt_load();
    tss_load(cpu);
    __asm__ volatile("lidt %0" : : "m"(idt_pointer));
    __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss; mov %1, %%fs; mov %1, %%gs"
                     :
                     : "r"(SELECTOR_DATA), "r"(0));
}

static void tss_init(struct cpu *cpu)
{
    memset(cpu->tss.io_bitmap, 0xff, sizeof(cpu->tss.io_bitmap));
    cpu->tss.io_bitmap[SERVICE_PORT_1 / 8] = 0; /* eight ports each */
    cpu->tss.io_bitmap[SERVICE_PORT_2 / 8] = 0;
    cpu->tss.io_bitmap[SERVICE_PORT_3 / 8] = 0;
    cpu->tss.io_bitmap[SERVICE_RTC / 8] &= (uint8_t)~3u;
    cpu->tss.io_bitmap[SERVICE_I8042 / 8] &= (uint8_t)~0x11u;
    cpu->tss.io_map_base = TSS_NO_PORTS;
    for (unsigned use = STACK_NMI; use < STACK_USES; use++) {
        cpu->tss.ist[use - 1] = stack_map(cpu->index, use);
        if (!cpu->tss.ist[use - 1])
            panic("no memory for the stacks of processor %u", cpu->index);
    }
}

static void protections_enable(void)
{
    struct cpuid_result leaf1 = cpuid(LEAF_FEATURES, 0), leaf7 = {0};
    if (cpuid(LEAF_VENDOR, 0).eax >= LEAF_STRUCTURED)
        leaf7 = cpuid(LEAF_STRUCTURED, 0);
    uint32_t extended = cpuid(LEAF_MAX_EXTENDED, 0).eax;
    /* A bit that CPUID does not offer must never be tried: docs/emulators, and #GP on real processors. */
    uint64_t cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    cr4 |= leaf1.edx & 1u << 7 ? CR4_MCE : 0;
    cr4 |= leaf1.ecx & 1u << 26 ? CR4_OSXSAVE : 0;
    cr4 |= leaf7.ebx & 1u << 7 ? CR4_SMEP : 0;
    cr4 |= leaf7.ebx & 1u << 20 ? CR4_SMAP : 0;
    cr4 |= leaf7.ecx & 1u << 2 ? CR4_UMIP : 0;
    write_cr4(cr4);
    /* SDM Vol. 2A, CPUID leaf 7, EDX: IBRS and IBPB; AMD APM Vol. 3, E.4.6: IBPB. */
    cpu_has_ibpb = leaf7.edx & 1u << 26 || (extended >= LEAF_SIZES && cpuid(LEAF_SIZES, 0).ebx & 1u << 12);
    cpu_has_rdtscp = extended >= LEAF_EXTENDED && cpuid(LEAF_EXTENDED, 0).edx & 1u << 27;
    smap_enabled = (cr4 & CR4_SMAP) != 0;
}

void syscall_registers_init(void)
{
    wrmsr(MSR_STAR, (uint64_t)SELECTOR_CODE << 32 | (uint64_t)(SELECTOR_USER_DATA - 8) << 48);
    wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
    wrmsr(MSR_SFMASK, RFLAGS_KERNEL_CLEARS);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
}

/* A GDT that seems longer than it is would let ring 3 take what lies behind it for descriptors; a TSS that
 * seems shorter has no I/O map. */
void cpu_prepare_user(void)
{
    struct cpu *cpu = this_cpu();
    bool ports = cpu->tss.io_map_base != TSS_NO_PORTS;
    if (cpu->left_behind & LEFT_SYSCALL)
        syscall_registers_restore();
    if (cpu->left_behind & LEFT_GDT)
        gdt_load();
    if (cpu->left_behind & LEFT_TSS && ports)
        tss_load(cpu);
    cpu->left_behind &= ports ? 0 : LEFT_TSS;
}

void trap_init_cpu(struct cpu *cpu)
{
    if (cpu->index == 0)
        idt_build();
    cpu->self = cpu;
    tss_init(cpu);
    tables_load(cpu);
    wrmsr(MSR_GS_BASE, (uint64_t)cpu);
    wrmsr(MSR_FS_BASE, USER_FS_BASE); /* never read in ring 0; the same for every ring-3 program */
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    syscall_registers_init();
    protections_enable();
    cpu->address_space = monitor_cr3;
}
