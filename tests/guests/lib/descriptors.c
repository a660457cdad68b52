/* The tables of every test kernel, and running code in ring 3. */
#include "guest.h"
#include "memory.h"
#include "descriptors.h"

uint64_t gdt[GDT_ENTRIES] __attribute__((aligned(16)));
uint64_t idt[256] __attribute__((aligned(16)));
struct tss32 tss, tss_fault;
struct table_register gdtr = {sizeof(gdt) - 1, 0}, idtr = {sizeof(idt) - 1, 0};

static uint8_t ring0_stack[8192] __attribute__((aligned(16)));
extern uint8_t interrupt_stubs[256][16];
void load_segments(void);

uint64_t descriptor_make(uint32_t base, uint32_t limit, uint32_t attributes)
{
    uint32_t low = (base & 0xffff) << 16 | (limit & 0xffff);
    uint32_t high = (base & 0xff000000) | (limit & 0xf0000) | (base >> 16 & 0xff) | attributes << 8;
    return (uint64_t)high << 32 | low;
}

void gdt_set(uint16_t selector, uint32_t base, uint32_t limit, uint32_t attributes)
{
    gdt[selector / 8] = descriptor_make(base, limit, attributes);
}

void idt_set(uint8_t vector, uint32_t offset, uint16_t selector, uint8_t type)
{
    uint32_t low = (uint32_t)selector << 16 | (offset & 0xffff);
    idt[vector] = (uint64_t)((offset & 0xffff0000) | (uint32_t)type << 8) << 32 | low;
}

void descriptors_initialise(void)
{
    gdt_set(SELECTOR_CODE32, 0, 0xfffff, DESCRIPTOR_CODE32);
    gdt_set(SELECTOR_DATA32, 0, 0xfffff, DESCRIPTOR_DATA32);
    gdt_set(SELECTOR_CODE16, 0, 0xffff, DESCRIPTOR_CODE16);
    gdt_set(SELECTOR_DATA16, 0, 0xffff, DESCRIPTOR_DATA16);
    gdt_set(SELECTOR_CODE64, 0, 0xfffff, DESCRIPTOR_CODE64);
    gdt_set(SELECTOR_USER_CODE32 & ~3, 0, 0xfffff, DESCRIPTOR_CODE32 | DESCRIPTOR_DPL3);
    gdt_set(SELECTOR_USER_DATA32 & ~3, 0, 0xfffff, DESCRIPTOR_DATA32 | DESCRIPTOR_DPL3);
    gdt_set(SELECTOR_USER_CODE64 & ~3, 0, 0xfffff, DESCRIPTOR_CODE64 | DESCRIPTOR_DPL3);
    gdt_set(SELECTOR_TSS, (uint32_t)&tss, sizeof(tss) - 1, DESCRIPTOR_TSS32);

    tss.ss0 = SELECTOR_DATA32;
    tss.esp0 = (uint32_t)(ring0_stack + sizeof(ring0_stack));
    tss.io_map = offsetof(struct tss32, io);
    memset(tss.io, 0xff, sizeof(tss.io));

    for (uint32_t v = 0; v < 256; v++)
        idt_set((uint8_t)v, (uint32_t)interrupt_stubs[v], SELECTOR_CODE32, GATE_INTERRUPT32);

    gdtr.base = (uint32_t)gdt;
    idtr.base = (uint32_t)idt;
    lgdt(&gdtr);
    load_segments();
    lidt(&idtr);
    ltr(SELECTOR_TSS);
}

struct user_call {
    void (*function)(void);
    uint32_t stack_top;
};

static void user_enter(void *argument)
{
    const struct user_call *call = argument;
    uint32_t data = SELECTOR_USER_DATA32;

    __asm__ volatile("mov %w0, %%ds; mov %w0, %%es; mov %w0, %%fs; mov %w0, %%gs\n"
                     "push %0; push %1; pushf; push %2; push %3; iret"
                     :
                     : "r"(data), "r"(call->stack_top), "i"(SELECTOR_USER_CODE32), "r"(call->function)
                     : "memory");
    __builtin_unreachable();
}

void user_call(void (*function)(void), uint32_t stack_top)
{
    struct user_call call = {function, stack_top};

    fault_clear();
    try_call(user_enter, &call);
}
