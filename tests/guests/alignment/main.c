/*
 * The alignment check: EFLAGS.AC counts in ring 3 with CR0.AM, and nowhere else; #AC is a fault with an error
 * code of 0. Device memory is read by the monitor's own instruction emulator, ordinary memory by the
 * processor. Manual: AMD APM Vol. 2, 8.2.18; Intel SDM Vol. 3A, 6.15, interrupt 17. Real hardware: as checked
 * here, and #AC(0) where a line is only observed.
 */
#include "guest.h"
#include "processor.h"
#include "descriptors.h"

enum { IOAPIC_SELECT = 0xfec00000 };

static uint8_t user_stack[4096] __attribute__((aligned(16)));
static uint32_t words[4];

/* HLT, which ring 3 may not, is how a piece of code that went well ends. The address is in a register: the
 * code is the same in ring 0. */
#define USER_CODE(name, flags, code, address)                                                                \
    static void name(void)                                                                                   \
    {                                                                                                        \
        __asm__ volatile("pushf; orl %0, (%%esp); popf; " code "; hlt"                                       \
                         :                                                                                   \
                         : "i"(flags), "S"((uint32_t)(address))                                              \
                         : "eax", "memory");                                                                 \
    }

USER_CODE(aligned_read, FLAG_AC, "movl (%%esi), %%eax", &words[1])
USER_CODE(byte_read, FLAG_AC, "movb 1(%%esi), %%al", &words[0])
USER_CODE(unaligned_read, FLAG_AC, "movl 1(%%esi), %%eax", &words[0])
USER_CODE(unaligned_write, FLAG_AC, "movl %%eax, 2(%%esi)", &words[0])
USER_CODE(unaligned_word, FLAG_AC, "movw 3(%%esi), %%ax", &words[0])
USER_CODE(unaligned_without, 0, "movl 1(%%esi), %%eax", &words[0])
USER_CODE(unaligned_stack, FLAG_AC, "decl %%esp; pushl %%eax", &words[0])
USER_CODE(device_aligned, FLAG_AC, "movl (%%esi), %%eax", IOAPIC_SELECT)
USER_CODE(device_without, 0, "movw 1(%%esi), %%ax", IOAPIC_SELECT)
USER_CODE(device_unaligned, FLAG_AC, "movw 1(%%esi), %%ax", IOAPIC_SELECT)

static void run(void (*function)(void))
{
    user_call(function, (uint32_t)(user_stack + sizeof(user_stack)));
}

/* Came to its HLT, with AC as it was set. */
static void fine(const char *name, void (*function)(void), uint32_t flag)
{
    run(function);
    check_fault(name, GP, 0);
    check_value("  at the HLT", *(uint8_t *)fault.eip, 0xf4);
    check_value("  EFLAGS.AC", fault.eflags & FLAG_AC, flag);
}

static void faulting(const char *name, void (*function)(void))
{
    run(function);
    observe_fault(name);
}

void guest_main(void)
{
    uint32_t cr0 = read_cr0();

    write_cr0(cr0 & ~(uint32_t)CR0_AM);
    fine("unaligned read, AC without AM", unaligned_read, FLAG_AC);
    fine("device memory, AC without AM", device_unaligned, FLAG_AC);
    write_cr0(cr0 | CR0_AM);
    check_value("AM can be set", read_cr0() & CR0_AM, CR0_AM);
    fine("aligned read", aligned_read, FLAG_AC);
    fine("read of a byte", byte_read, FLAG_AC);
    fine("unaligned read without AC", unaligned_without, 0);
    fine("device memory, aligned", device_aligned, FLAG_AC);
    fine("device memory, unaligned without AC", device_without, 0);
    TRY("pushf; orl %0, (%%esp); popf; movl 1(%1), %%eax; pushf; andl %2, (%%esp); popf",
        :
        : "i"(FLAG_AC), "S"((uint32_t)words), "i"(~FLAG_AC)
        : "eax", "memory");
    check_no_fault("unaligned read in ring 0");
    faulting("unaligned read", unaligned_read);
    faulting("unaligned write", unaligned_write);
    faulting("unaligned read of a word", unaligned_word);
    faulting("unaligned stack", unaligned_stack);
    faulting("device memory, unaligned", device_unaligned);
    write_cr0(cr0);
}
