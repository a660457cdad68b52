/*
 * Double fault: which pairs of exceptions make #DF and which do not, error code 0, delivered through a task
 * gate with its own stack when the stack is gone. Where the page table of the stack lies in memory that
 * nobody has, a monitor sees the delivery of the first exception fail and has to pair the two itself. Such
 * memory reads as ones, or on an emulator as zeros: with PAE neither is an entry that maps a page. Manual:
 * AMD APM Vol. 2, 8.2.9, table 8-2; Intel SDM Vol. 3A, 6.15 and table 6-5. Real hardware: as checked here.
 */
#include "guest.h"
#include "processor.h"
#include "descriptors.h"
#include "paging.h"

/* EXT: in delivering an event that is not the program's own (SDM Vol. 3A, 6.13). */
#define ERROR_EXTERNAL 1u

enum {
    MISSING = 0x1f0000,
    UNREACHABLE = 0x20000000,
    NOBODYS = 0xd0000000,
    DESCRIPTOR_MISSING = SELECTOR_FREE
};
static uint8_t fault_stack[4096] __attribute__((aligned(16)));
static uint8_t stack_copy[4096] __attribute__((aligned(4096)));
static volatile uint32_t task_entries, task_error;

/* The task of vector 8: notes its error code and sends the interrupted task to the resume address. */
__asm__(".text\n.globl fault_task\nfault_task:\n"
        "pop task_error_code\n"
        "call fault_task_body\n"
        "iret\n"
        "jmp fault_task\n");
extern uint8_t fault_task[];
volatile uint32_t task_error_code;
void fault_task_body(void);

void fault_task_body(void)
{
    extern uint32_t try_stack;
    _Noreturn void try_unwind(void);

    task_entries++;
    task_error = task_error_code;
    tss.eip = (uint32_t)try_unwind;
    tss.esp = try_stack;
    tss.cs = SELECTOR_CODE32;
    tss.ss = tss.ds = tss.es = tss.fs = tss.gs = SELECTOR_DATA32;
    tss.eflags = 2;
    tss.cr3 = read_cr3();
}

static void install_task(uint32_t root)
{
    tss_fault = (struct tss32){.eip = (uint32_t)fault_task,
                               .esp = (uint32_t)(fault_stack + sizeof(fault_stack)),
                               .eflags = 2,
                               .cs = SELECTOR_CODE32,
                               .ss = SELECTOR_DATA32,
                               .ds = SELECTOR_DATA32,
                               .es = SELECTOR_DATA32,
                               .fs = SELECTOR_DATA32,
                               .gs = SELECTOR_DATA32,
                               .cr3 = root};
    gdt_set(SELECTOR_TSS_FAULT, (uint32_t)&tss_fault, sizeof(tss_fault) - 1, DESCRIPTOR_TSS32);
    idt_set(DF, 0, SELECTOR_TSS_FAULT, GATE_TASK);
}

static void contributory_twice(void *unused)
{
    (void)unused;
    idt_set(DE, 0, SELECTOR_DATA32, GATE_INTERRUPT32);
    __asm__ volatile("divl %%ecx" : : "a"(1), "d"(0), "c"(0));
}

static void stack_gone(void *unused)
{
    (void)unused;
    __asm__ volatile("mov %0, %%esp; ud2" : : "r"(MISSING + 0x800));
    __builtin_unreachable();
}

/* Where the entries of its page table cannot be read. */
static void stack_unreachable(void *unused)
{
    (void)unused;
    __asm__ volatile("mov %0, %%esp; divl %%ecx" : : "r"(UNREACHABLE + 0x800), "a"(1), "d"(0), "c"(0));
    __builtin_unreachable();
}
static void stack_unreachable_page_fault(void *unused)
{
    (void)unused;
    __asm__ volatile("mov %0, %%esp; movl $1, (%1)" : : "r"(UNREACHABLE + 0x800), "r"(MISSING));
    __builtin_unreachable();
}

static void fault_then_contributory(void *unused)
{
    (void)unused;
    idt_set(PF, 0, SELECTOR_DATA32, GATE_INTERRUPT32);
    *(volatile uint32_t *)MISSING = 1;
}

void guest_main(void)
{
    uint64_t divide = idt[DE], invalid = idt[UD], page_fault = idt[PF], general = idt[GP];

    (void)stack_copy;
    fault_clear();
    try_call(contributory_twice, NULL);
    check_fault("#DE whose gate gives #GP", DF, 0);
    idt[DE] = divide;

    idt_set(UD, 0, SELECTOR_DATA32, GATE_INTERRUPT32);
    TRY("ud2", :);
    check_value("#UD (benign) whose gate gives #GP", fault.vector, GP);
    check_value("  for that gate's selector", fault.error & ~ERROR_EXTERNAL, SELECTOR_DATA32);
    observe("  as an event from outside", fault.error & ERROR_EXTERNAL);
    idt[UD] = invalid;

    paging_initialise();
    page_table[MISSING >> 12] = 0;
    paging_on((uint32_t)page_directory, CR4_PSE);
    fault_clear();
    try_call(fault_then_contributory, NULL);
    check_fault("#PF whose gate gives #GP", DF, 0);
    idt[PF] = page_fault;

    install_task((uint32_t)page_directory);
    try_call(stack_gone, NULL);
    check_value("stack not present: task gate of #DF entered", task_entries, 1);
    check_value("  error code", task_error, 0);
    check_value("  CR2", read_cr2(), MISSING + 0x7fc);
    check_value("  old task was in UD2", idt[GP] == general, 1);
    try_call(stack_gone, NULL);
    check_value("entered again", task_entries, 2);

    paging_off();

    pae_initialise();
    pae_table[MISSING >> 12] = 0;
    pae_directory[0][UNREACHABLE >> 21] = NOBODYS | PAGE_P | PAGE_W;
    paging_on((uint32_t)pae_pointers, CR4_PAE);
    install_task((uint32_t)pae_pointers);
    try_call(stack_unreachable, NULL);
    check_value("#DE, page table of the stack nobody's: entered", task_entries, 3);
    check_value("  error code", task_error, 0);
    try_call(stack_unreachable_page_fault, NULL);
    check_value("#PF, page table of the stack nobody's: entered", task_entries, 4);
    check_value("  error code", task_error, 0);
    paging_off();
}
