/*
 * Virtual-8086 mode: what faults with IOPL 0 and 3, port permission also of string I/O, interrupts and
 * exceptions leave to ring 0 with the segments on the stack, address formation. Manual: AMD APM Vol. 2, 10;
 * Intel SDM Vol. 3B, 21.2. Real hardware: as checked here.
 */
#include "guest.h"
#include "memory.h"
#include "processor.h"
#include "descriptors.h"
#include "paging.h"

enum { V86_CODE = 0x10000, V86_SEGMENT = 0x1000, V86_STACK = 0xff00, IOPL3 = 3 << 12 };
/* What v86_outs and v86_ins move, and how far behind their start the string instruction is. */
enum { V86_OUT = 0xfe00, V86_IN = 0xfd00, V86_IN_COUNT = 4, OUTS_AT = 6, INS_AT = 10 };

extern const uint8_t v86_cli[], v86_pushf[], v86_int[], v86_in[], v86_hlt[], v86_ud[], v86_iret[],
    v86_address[], v86_code[], v86_code_end[], v86_lmsw[], v86_int3[], v86_page[], v86_in_word[], v86_outs[],
    v86_ins[];

struct v86 {
    uint32_t ip, flags;
};
static struct interrupt_frame last;

static void v86_enter(void *argument)
{
    const struct v86 *v = argument;

    __asm__ volatile("push %3; push %3; push %3; push %3; push %3; push %2; push %1; push %3; push %0; iret"
                     :
                     : "a"(v->ip), "c"(v->flags | FLAG_VM | 2), "i"(V86_STACK), "i"(V86_SEGMENT), "b"(0)
                     : "memory");
    __builtin_unreachable();
}

/* Any exit from the mode ends here: the frame is kept, then the fault is recorded as without a handler. */
static void keep_frame(struct interrupt_frame *frame)
{
    extern uint32_t try_stack;
    _Noreturn void try_unwind(void);

    last = *frame;
    fault.vector = frame->vector;
    fault.error = frame->error;
    fault.cr2 = read_cr2();
    (void)try_stack;
    try_unwind();
}

static void run(const char *name, const uint8_t *code, uint32_t flags, uint32_t vector, uint32_t error,
                const uint8_t *at)
{
    struct v86 v = {(uint32_t)(code - v86_code), flags};

    fault_clear();
    try_call(v86_enter, &v);
    check_fault(name, vector, error);
    check_value("  VM flag pushed", last.eflags & FLAG_VM, FLAG_VM);
    check_value("  at", last.eip, (uint32_t)(at - v86_code));
}

/* Port 0x21 is permitted and its mask a latch; string instructions are emulated by a monitor, which then
 * looks at the permission map itself. */
static void test_string_ports(void)
{
    *(volatile uint8_t *)(V86_CODE + V86_OUT) = 0x6b;
    run("OUTSB, permitted, IOPL 0", v86_outs, 0, UD, 0, v86_outs + OUTS_AT + 1);
    check_value("  written", inb(0x21), 0x6b);
    check_value("  SI", last.esi & 0xffff, V86_OUT + 1);
    run("REP INSB, permitted", v86_ins, 0, UD, 0, v86_ins + INS_AT + 2);
    check_value("  read", *(volatile uint32_t *)(V86_CODE + V86_IN), 0x6b6b6b6b);
    check_value("  DI", last.edi & 0xffff, V86_IN + V86_IN_COUNT);
    check_value("  CX", last.ecx & 0xffff, 0);
    tss.io[0x21 / 8] |= 1 << 0x21 % 8;
    run("OUTSB, not permitted, IOPL 3", v86_outs, IOPL3, GP, 0, v86_outs + OUTS_AT);
    run("REP INSB, not permitted", v86_ins, IOPL3, GP, 0, v86_ins + INS_AT);
    check_value("  CX", last.ecx & 0xffff, V86_IN_COUNT);
}

void guest_main(void)
{
    static const uint8_t vectors[] = {UD, GP, BP, PF, 0x45, DE};

    memcpy((void *)V86_CODE, v86_code, (size_t)(v86_code_end - v86_code));
    for (uint32_t i = 0; i < ARRAY_LENGTH(vectors); i++)
        interrupt_set(vectors[i], keep_frame);
    idt_set(0x45, (uint32_t)(idt[0x45] & 0xffff) | (uint32_t)(idt[0x45] >> 32 & 0xffff0000), SELECTOR_CODE32,
            GATE_INTERRUPT32 | DESCRIPTOR_DPL3);

    run("CLI, IOPL 0", v86_cli, 0, GP, 0, v86_cli);
    run("CLI, IOPL 3", v86_cli, IOPL3, UD, 0, v86_cli + 1);
    check_value("  IF", last.eflags & FLAG_IF, 0);
    run("PUSHF, IOPL 0", v86_pushf, 0, GP, 0, v86_pushf);
    run("PUSHF, IOPL 3", v86_pushf, IOPL3, UD, 0, v86_pushf + 1);
    check_value("  word pushed", *(uint16_t *)(V86_CODE + V86_STACK - 2) & (IOPL3 | FLAG_IF), IOPL3);
    run("IRET, IOPL 0", v86_iret, 0, GP, 0, v86_iret);
    run("INT 0x45, IOPL 0", v86_int, 0, GP, 0, v86_int);
    run("INT 0x45, IOPL 3, gate DPL 3", v86_int, IOPL3, 0x45, 0, v86_int + 2);
    check_value("  DS pushed", last.v86_ds, V86_SEGMENT);
    check_value("  SS:SP pushed", last.ss << 16 | (last.esp & 0xffff), V86_SEGMENT << 16 | V86_STACK);
    check_value("  DS of the handler cleared", last.ds, 0);
    run("INT3, gate DPL 0", v86_int3, IOPL3, GP, BP * 8 + 2, v86_int3);
    run("IN, not permitted, IOPL 3", v86_in, IOPL3, GP, 0, v86_in);
    tss.io[0x21 / 8] &= (uint8_t) ~(1 << 0x21 % 8);
    outb(0x21, 0x5a);
    run("IN, permitted, IOPL 0", v86_in, 0, UD, 0, v86_in + 2);
    check_value("  read", last.eax & 0xff, 0x5a);
    run("IN of a word, its second port not permitted", v86_in_word, 0, GP, 0, v86_in_word);
    test_string_ports();
    outb(0x21, 0xff);
    run("HLT", v86_hlt, IOPL3, GP, 0, v86_hlt);
    run("LMSW", v86_lmsw, IOPL3, GP, 0, v86_lmsw);
    *(volatile uint32_t *)0x23450 = 0x00c0ffee;
    run("segment 0x2345 offset 0", v86_address, IOPL3, UD, 0, v86_address + 8);
    check_value("  read", last.eax, 0xc0ffee);

    paging_initialise();
    page_table[0x10] |= PAGE_U;
    page_table[0x23] &= ~(uint32_t)PAGE_P;
    paging_on((uint32_t)page_directory, CR4_PSE);
    run("read of a page not present", v86_page, IOPL3, PF, PF_U, v86_page + 5);
    check_value("  CR2", fault.cr2, 0x23450);
    paging_off();
}
