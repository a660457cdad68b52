/*
 * Segmentation: loading selectors (#GP, #NP, #SS with the selector as error code), privilege, type checks,
 * LAR, LSL, VERR, VERW, ARPL, call gates, LDT, base and 16-bit wrap. Limit checks on data are not made by
 * QEMU's TCG, so none is here (differences.py). Manual: AMD APM Vol. 2, 4.7-4.12 and 8.2; Intel SDM Vol.
 * 3A, 5. Real hardware: as checked here.
 */
#include "guest.h"
#include "processor.h"
#include "descriptors.h"

enum {
    FREE = SELECTOR_FREE,
    LDT_SELECTOR = SELECTOR_FREE + 8,
    NOT_PRESENT = SELECTOR_FREE + 16,
    EXECUTE_ONLY = SELECTOR_FREE + 24,
    READ_ONLY = SELECTOR_FREE + 32,
    GATE = SELECTOR_FREE + 40,
    EXPAND_DOWN = SELECTOR_FREE + 48,
    OUTSIDE = 0x1000
};

static uint64_t ldt[4] __attribute__((aligned(16)));
static uint32_t data[4] = {0x10, 0x20, 0x30, 0x40};
static uint8_t user_stack[4096];

static void load_ds(uint32_t selector)
{
    TRY("mov %w0, %%ds; mov %w1, %%ds", : : "r"(selector), "r"(SELECTOR_DATA32));
    __asm__ volatile("mov %w0, %%ds" : : "r"(SELECTOR_DATA32));
}
static void load_ss(uint32_t selector)
{
    TRY("mov %w0, %%ss; mov %w1, %%ss", : : "r"(selector), "r"(SELECTOR_DATA32));
}

static void test_loads(void)
{
    __asm__ volatile("lldt %w0" : : "r"(0));
    gdt_set(FREE, (uint32_t)data, 0xfffff, DESCRIPTOR_DATA32);
    gdt_set(NOT_PRESENT, 0, 0xfffff, DESCRIPTOR_DATA32 & ~DESCRIPTOR_PRESENT);
    gdt_set(EXECUTE_ONLY, 0, 0xfffff, 0xc099);
    gdt_set(READ_ONLY, 0, 0xfffff, 0xc091);
    load_ds(0);
    check_no_fault("null selector into DS");
    load_ss(0);
    check_fault("null selector into SS", GP, 0);
    load_ds(OUTSIDE);
    check_fault("selector outside the GDT", GP, OUTSIDE);
    load_ds(4);
    check_fault("selector in an empty LDT", GP, 4);
    load_ds(NOT_PRESENT);
    check_fault("DS not present", NP, NOT_PRESENT);
    load_ss(NOT_PRESENT);
    check_fault("SS not present", SS, NOT_PRESENT);
    load_ds(EXECUTE_ONLY);
    check_fault("DS execute-only", GP, EXECUTE_ONLY);
    load_ss(READ_ONLY);
    check_fault("SS read-only", GP, READ_ONLY);
    load_ss(SELECTOR_CODE32);
    check_fault("SS with a code segment", GP, SELECTOR_CODE32);
    load_ss(FREE | 3);
    check_fault("SS with RPL 3 in ring 0", GP, FREE);
    load_ds(SELECTOR_TSS);
    check_fault("DS with a TSS", GP, SELECTOR_TSS);
    TRY("ljmp %0, $0", : : "i"(SELECTOR_DATA32));
    check_fault("far JMP to data", GP, SELECTOR_DATA32);
    TRY("ljmp $0, $0", :);
    check_fault("far JMP to null", GP, 0);
    gdt_set(GATE, 0, 0xfffff, DESCRIPTOR_CODE32 & ~DESCRIPTOR_PRESENT);
    TRY("ljmp %0, $0", : : "i"(GATE));
    check_fault("far JMP, not present", NP, GATE);
    TRY("ljmp %0, $0", : : "i"(SELECTOR_USER_CODE32 & ~3));
    check_fault("far JMP to ring 3 code", GP, SELECTOR_USER_CODE32 & ~3);
    TRY("ltr %w0", : : "r"(SELECTOR_TSS));
    check_fault("LTR of a busy TSS", GP, SELECTOR_TSS);
    TRY("lldt %w0", : : "r"(SELECTOR_DATA32));
    check_fault("LLDT of a data segment", GP, SELECTOR_DATA32);
    idt_set(0x50, 0, SELECTOR_DATA32, GATE_INTERRUPT32);
    TRY("int $0x50", :);
    check_fault("interrupt gate to data", GP, SELECTOR_DATA32);
    idt_set(0x51, 0, SELECTOR_CODE32, GATE_INTERRUPT32 & ~DESCRIPTOR_PRESENT);
    TRY("int $0x51", :);
    check_fault("interrupt gate not present", NP, 0x51 * 8 + 2);
    gdt_set(FREE, (uint32_t)data, 0xfffff, DESCRIPTOR_DATA32 & ~1);
    load_ds(FREE);
    check_value("accessed bit set by a load", (uint32_t)(gdt[FREE / 8] >> 40) & 1, 1);
}

static void test_use(void)
{
    uint32_t value, attributes = 0, limit = 0;
    uint8_t zero;

    __asm__ volatile("mov %w1, %%fs; movl %%fs:8, %0" : "=r"(value) : "r"(FREE));
    check_value("segment base", value, 0x30);
    __asm__ volatile("mov %w0, %%fs" : : "r"(0));
    TRY("movl %%fs:0, %%eax", : : : "eax");
    observe_fault("access through a null selector");
    __asm__ volatile("mov %w0, %%fs" : : "r"(SELECTOR_DATA32));
    ldt[1] = descriptor_make((uint32_t)data, 0xfffff, DESCRIPTOR_DATA32);
    gdt_set(LDT_SELECTOR, (uint32_t)ldt, sizeof(ldt) - 1, DESCRIPTOR_LDT);
    __asm__ volatile("lldt %w1; mov %w2, %%fs; movl %%fs:12, %0"
                     : "=r"(value)
                     : "r"(LDT_SELECTOR), "r"(8 | 4));
    check_value("segment of an LDT", value, 0x40);
    __asm__ volatile("mov %w0, %%fs" : : "r"(SELECTOR_DATA32));
    load_ds(4 * 8 | 4);
    check_fault("selector outside the LDT", GP, 4 * 8 | 4);
    __asm__ volatile("lldt %w0" : : "r"(0));

    __asm__ volatile("lar %2, %0; setz %1" : "+r"(attributes), "=q"(zero) : "r"(SELECTOR_CODE32));
    check_value("LAR of code", attributes & 0xf0ff00, 0xc09b00);
    __asm__ volatile("lsl %2, %0; setz %1" : "+r"(limit), "=q"(zero) : "r"(SELECTOR_DATA32));
    check_value("LSL of flat data", limit, 0xffffffff);
    __asm__ volatile("lsl %2, %0; setz %1" : "+r"(limit), "=q"(zero) : "r"(SELECTOR_CODE16));
    check_value("LSL of 64 KiB code", limit, 0xffff);
    __asm__ volatile("lar %2, %0; setz %1" : "+r"(attributes), "=q"(zero) : "r"(OUTSIDE));
    check_value("LAR outside the GDT: ZF", zero, 0);
    __asm__ volatile("verr %w1; setz %0" : "=q"(zero) : "r"(EXECUTE_ONLY));
    check_value("VERR of execute-only", zero, 0);
    __asm__ volatile("verw %w1; setz %0" : "=q"(zero) : "r"(READ_ONLY));
    check_value("VERW of read-only", zero, 0);
    __asm__ volatile("verw %w1; setz %0" : "=q"(zero) : "r"(SELECTOR_DATA32));
    check_value("VERW of data", zero, 1);
    value = 8;
    __asm__ volatile("arpl %w2, %w0; setz %1" : "+r"(value), "=q"(zero) : "r"(3));
    check_value("ARPL", value << 8 | zero, 0xb01);
}

static void user_gate(void)
{
    __asm__ volatile("push $0x1234; lcall %0, $0" : : "i"(GATE | 3));
}
static void user_gate_closed(void)
{
    __asm__ volatile("lcall %0, $0" : : "i"(EXPAND_DOWN | 3));
}
extern uint8_t gate_target[];
__asm__(".text\ngate_target: mov 8(%esp), %eax; ud2\n");

static void test_gates(void)
{
    uint32_t target = (uint32_t)gate_target;

    gdt[GATE / 8] = (uint64_t)((target & 0xffff0000) | (GATE_CALL32 | DESCRIPTOR_DPL3) << 8 | 1) << 32 |
                    SELECTOR_CODE32 << 16 | (target & 0xffff);
    gdt[EXPAND_DOWN / 8] = (uint64_t)((target & 0xffff0000) | GATE_CALL32 << 8) << 32 |
                           SELECTOR_CODE32 << 16 | (target & 0xffff);
    user_call(user_gate, (uint32_t)(user_stack + sizeof(user_stack)));
    check_fault("call gate to ring 0", UD, 0);
    check_value("  CS", fault.cs, SELECTOR_CODE32);
    user_call(user_gate_closed, (uint32_t)(user_stack + sizeof(user_stack)));
    check_fault("call gate with DPL 0 from ring 3", GP, EXPAND_DOWN);
}

/* An emulator may take it: the guest must live on, whatever the monitor then reads of its state. */
static void test_null_tr(void)
{
    TRY("ltr %w0", : : "r"(0));
    observe_fault("LTR of a null selector");
    write_cr4(read_cr4() | CR4_PGE);
    write_cr4(read_cr4() & ~(uint32_t)CR4_PGE);
    gdt[SELECTOR_TSS / 8] &= ~((uint64_t)DESCRIPTOR_BUSY << 40);
    ltr(SELECTOR_TSS);
    check_value("TR loaded again: busy", (uint32_t)(gdt[SELECTOR_TSS / 8] >> 40) & DESCRIPTOR_BUSY,
                DESCRIPTOR_BUSY);
}

void guest_main(void)
{
    test_null_tr();
    test_loads();
    test_use();
    test_gates();
}
