/*
 * Descriptor tables, SYSCALL registers and protections of each processor.
 */
#include "cpu.h"
#include "fixup.h"
#include "frames.h"
#include "layout_ring0.h"
#include "layout.h"
#include "memory.h"
#include "string.h"
#include "trap.h"
#include "tss.h"
#include "x86.h"

#define RFLAGS_KERNEL_CLEARS 0x47700u /* AC, NT, DF, IF, TF: off at SYSCALL */

#define GATE_INTERRUPT 0x8e00u
#define GATE_STUB_SIZE 16

struct cpu cpus[CPU_MAX];
uint32_t cpu_count = 1;

struct idt_gate {
    uint16_t offset_low, selector, attributes, offset_middle;
    uint32_t offset_high, reserved;
};

struct cpu_tables { /* of one processor, in a page of its own */
    uint64_t gdt[8];
    struct tss tss;
};

_Static_assert(sizeof(struct cpu_tables) <= PAGE_SIZE, "one page");

extern char trap_stubs[], syscall_entry[];
static struct idt_gate idt[256];

static void idt_build(void)
{
    static const uint8_t ist[VECTOR_EXCEPTIONS] = {
        [TRAP_NMI] = STACK_NMI, [TRAP_DF] = STACK_DF, [TRAP_MC] = STACK_MC, [TRAP_DB] = STACK_DB};
    for (unsigned vector = 0; vector < 256; vector++) {
        uint64_t stub = (uint64_t)trap_stubs + vector * GATE_STUB_SIZE;
        idt[vector] = (struct idt_gate){
            .offset_low = (uint16_t)stub,
            .selector = SELECTOR_CODE,
            .attributes = GATE_INTERRUPT | (vector < VECTOR_EXCEPTIONS ? ist[vector] : 0),
            .offset_middle = (uint16_t)(stub >> 16),
            .offset_high = (uint32_t)(stub >> 32),
        };
    }
}

static void table_load(const char *which, const void *base, uint16_t limit)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } pointer = {limit, (uint64_t)base};
    if (which[0] == 'g')
        __asm__ volatile("lgdt %0" : : "m"(pointer));
    else
        __asm__ volatile("lidt %0" : : "m"(pointer));
}

static void gdt_load(struct cpu *cpu, struct cpu_tables *tables)
{
    uint64_t tss = (uint64_t)&tables->tss;
    uint64_t limit = sizeof(struct tss) - 1;
    tables->gdt[SELECTOR_CODE / 8] = 0x00af9a000000ffff;
    tables->gdt[SELECTOR_DATA / 8] = 0x00cf92000000ffff;
    tables->gdt[SELECTOR_USER_DATA / 8] = 0x00cff2000000ffff;
    tables->gdt[SELECTOR_USER_CODE / 8] = 0x00affa000000ffff;
    tables->gdt[SELECTOR_TSS / 8] = limit | (tss & 0xffffff) << 16 | 0x89ull << 40 | (tss >> 24 & 0xff) << 56;
    tables->gdt[SELECTOR_TSS / 8 + 1] = tss >> 32;
    table_load("gdt", tables->gdt, sizeof(tables->gdt) - 1);
    __asm__ volatile("push %0; lea 1f(%%rip), %%rax; push %%rax; lretq; 1:"
                     :
                     : "i"(SELECTOR_CODE)
                     : "rax", "memory");
    __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss; mov %1, %%fs; mov %1, %%gs"
                     :
                     : "r"(SELECTOR_DATA), "r"(0));
    __asm__ volatile("ltr %w0" : : "r"(SELECTOR_TSS));
    table_load("idt", idt, sizeof(idt) - 1);
    cpu->tss = &tables->tss;
    cpu->tss_rsp0 = (uint64_t *)((char *)&tables->tss + offsetof(struct tss, rsp0));
}

static void tss_init(struct cpu *cpu, struct tss *tss)
{
    memset(tss->io_bitmap, 0xff, sizeof(tss->io_bitmap));
    tss->io_bitmap[SERVICE_PORT_1 / 8] = 0; /* eight ports each */
    tss->io_bitmap[SERVICE_PORT_2 / 8] = 0;
    tss->io_map_base = TSS_NO_PORTS;
    for (unsigned use = STACK_NMI; use < STACK_USES; use++) {
        uint64_t top = stack_map(cpu->index, use);
        if (!top)
            panic("no memory for the stacks of processor %u", cpu->index);
        ((struct cpu **)top)[-2] = cpu; /* entry.asm finds it there */
        tss->ist[use - 1] = top - 16;
    }
}

static void protections_enable(void)
{
    struct cpuid_result leaf1 = cpuid(1, 0);
    struct cpuid_result leaf7 = cpuid(0, 0).eax >= 7 ? cpuid(7, 0) : (struct cpuid_result){0};
    /* A bit that CPUID does not offer must never be tried: docs/emulators, and #GP on real processors. */
    uint64_t cr4 = read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT;
    cr4 |= leaf1.edx & 1u << 7 ? CR4_MCE : 0;
    cr4 |= leaf1.ecx & 1u << 26 ? CR4_OSXSAVE : 0;
    cr4 |= leaf7.ebx & 1u << 7 ? CR4_SMEP : 0;
    cr4 |= leaf7.ebx & 1u << 20 ? CR4_SMAP : 0;
    cr4 |= leaf7.ecx & 1u << 2 ? CR4_UMIP : 0;
    write_cr4(cr4);
    smap_enabled = (cr4 & CR4_SMAP) != 0;
}

void trap_init_cpu(struct cpu *cpu)
{
    struct cpu_tables *tables = page_alloc(0);
    if (!tables)
        panic("no memory for the tables of processor %u", cpu->index);
    if (cpu->index == 0)
        idt_build();
    cpu->self = cpu;
    gdt_load(cpu, tables);
    wrmsr(MSR_GS_BASE, (uint64_t)cpu);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
    wrmsr(MSR_FS_BASE, USER_FS_BASE); /* never read in ring 0; the same for every ring-3 program */
    tss_init(cpu, &tables->tss);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    wrmsr(MSR_STAR, (uint64_t)SELECTOR_CODE << 32 | (uint64_t)(SELECTOR_USER_DATA - 8) << 48);
    wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
    wrmsr(MSR_SFMASK, RFLAGS_KERNEL_CLEARS);
    protections_enable();
    cpu->address_space = monitor_cr3;
}
