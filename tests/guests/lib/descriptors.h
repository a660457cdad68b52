/* GDT, IDT and TSS of the test kernels (AMD APM Vol. 2, 4.6-4.8; Intel SDM Vol. 3A, 3.4-3.5 and 8.2). */
#pragma once

#include <stdint.h>

enum {
    SELECTOR_CODE32 = 0x08,
    SELECTOR_DATA32 = 0x10,
    SELECTOR_CODE16 = 0x18,
    SELECTOR_DATA16 = 0x20,
    SELECTOR_CODE64 = 0x28,
    SELECTOR_TSS = 0x30,
    SELECTOR_USER_CODE32 = 0x38 | 3,
    SELECTOR_USER_DATA32 = 0x40 | 3,
    SELECTOR_USER_CODE64 = 0x48 | 3,
    SELECTOR_TSS_FAULT = 0x50,
    SELECTOR_TSS64 = 0x58, /* two entries */
    SELECTOR_FREE = 0x68,  /* from here to the end: a test's own */
    GDT_ENTRIES = 32
};

/* Attributes: descriptor bits 40-47 in bits 0-7, bits 52-55 in bits 12-15. */
enum {
    DESCRIPTOR_CODE32 = 0xc09b,
    DESCRIPTOR_DATA32 = 0xc093,
    DESCRIPTOR_CODE16 = 0x009b,
    DESCRIPTOR_DATA16 = 0x0093,
    DESCRIPTOR_CODE64 = 0xa09b,
    DESCRIPTOR_TSS32 = 0x0089,
    DESCRIPTOR_TSS16 = 0x0081,
    DESCRIPTOR_LDT = 0x0082,
    DESCRIPTOR_DPL3 = 0x60,
    DESCRIPTOR_PRESENT = 0x80,
    DESCRIPTOR_BUSY = 0x02,
    GATE_INTERRUPT32 = 0x8e,
    GATE_TRAP32 = 0x8f,
    GATE_TASK = 0x85,
    GATE_CALL32 = 0x8c
};

struct table_register {
    uint16_t limit;
    uint32_t base;
} __attribute__((packed));

struct tss32 {
    uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
    uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
    uint32_t es, cs, ss, ds, fs, gs, ldt;
    uint16_t trap, io_map;
    uint8_t redirection[32];
    uint8_t io[8192 + 1];
} __attribute__((packed));
_Static_assert(offsetof(struct tss32, redirection) == 104, "SDM Vol. 3A, figure 8-2");

extern uint64_t gdt[GDT_ENTRIES], idt[256];
extern struct tss32 tss, tss_fault;
extern struct table_register gdtr, idtr;

void descriptors_initialise(void);
uint64_t descriptor_make(uint32_t base, uint32_t limit, uint32_t attributes);
void gdt_set(uint16_t selector, uint32_t base, uint32_t limit, uint32_t attributes);
void idt_set(uint8_t vector, uint32_t offset, uint16_t selector, uint8_t type);
/* Runs 32-bit code in ring 3 with the given stack until it faults or executes an interrupt; see fault. */
void user_call(void (*function)(void), uint32_t stack_top);

static inline void lgdt(const struct table_register *r)
{
    __asm__ volatile("lgdt %0" : : "m"(*r));
}
static inline void lidt(const struct table_register *r)
{
    __asm__ volatile("lidt %0" : : "m"(*r));
}
static inline void ltr(uint16_t selector)
{
    __asm__ volatile("ltr %0" : : "r"(selector) : "memory");
}
