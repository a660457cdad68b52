/*
 * Every form of instruction that 32-bit code uses on device memory, on registers of the IOAPIC and the local
 * APIC: MOV in all directions, ALU with memory as source and destination and their flags, TEST,
 * XCHG, XADD, CMPXCHG, BT*, INC, DEC, NEG, NOT, shifts, MOVS, STOS, LODS, CMPS, SCAS, PUSH, POP, segment and
 * addressing forms. The window register (IOWIN) of a masked redirection entry holds 32 plain bits but for
 * three. Manual: AMD APM Vol. 3. Real hardware: as checked here.
 */
#include "guest.h"
#include "memory.h"
#include "processor.h"
#include "apic.h"
#include "descriptors.h"

enum { ENTRY_HIGH = IOAPIC_REDIRECTION + 2 * 20 + 1, ENTRY_LOW = ENTRY_HIGH - 1 };
#define WINDOW ((volatile uint32_t *)(IOAPIC_BASE + 0x10))
#define TPR    lapic_register(LAPIC_TPR)
#define FLAGS  (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

/* One instruction with a memory operand %0 and EAX; shows memory, EAX and flags after it. */
#define FORM(code, before, eax, memory, eax_after, flags)                                                    \
    do {                                                                                                     \
        uint32_t a = eax, f;                                                                                 \
        *TPR = before;                                                                                       \
        __asm__ volatile("xor %%ecx, %%ecx; " code "\npushf; pop %1"                                         \
                         : "+a"(a), "=d"(f), "+m"(*TPR)                                                      \
                         :                                                                                   \
                         : "ecx", "memory", "cc");                                                           \
        print("%s: %x %x %x", code, *TPR, a, f &FLAGS);                                                      \
        check("", *TPR == (memory) && a == (eax_after) && (f & FLAGS) == (flags));                           \
    } while (0)
#define ZP (FLAG_ZF | FLAG_PF)

static void test_moves(void)
{
    FORM("mov %%eax, %2", 0, 0x31, 0x31, 0x31, ZP);
    FORM("mov %2, %%eax", 0x42, 0, 0x42, 0x42, ZP);
    FORM("movl $0x53, %2", 0, 0, 0x53, 0, ZP);
    FORM("xchg %%eax, %2", 0x21, 0x32, 0x32, 0x21, ZP);
    FORM("cmovz %2, %%eax", 0x21, 0x32, 0x21, 0x21, ZP);
    FORM("cmovnz %2, %%eax", 0x21, 0x32, 0x21, 0x32, ZP);
}

static void test_alu(void)
{
    FORM("add %2, %%eax", 0x10, 0xfffffff0, 0x10, 0, FLAG_CF | ZP);
    FORM("add %%eax, %2", 0x10, 0x21, 0x31, 0x21, 0);
    FORM("addl $0x0f, %2", 0x11, 0, 0x20, 0, FLAG_AF);
    FORM("stc; adc %%eax, %2", 0x10, 0x21, 0x32, 0x21, 0);
    FORM("sub %%eax, %2", 0x50, 0x20, 0x30, 0x20, FLAG_PF);
    FORM("sub %2, %%eax", 0x50, 0x20, 0x50, 0xffffffd0, FLAG_CF | FLAG_SF);
    FORM("stc; sbbl $0x10, %2", 0x50, 0, 0x3f, 0, FLAG_AF | FLAG_PF);
    FORM("and %%eax, %2", 0x5f, 0x33, 0x13, 0x33, 0);
    FORM("or %%eax, %2", 0x50, 0x0f, 0x5f, 0x0f, FLAG_PF);
    FORM("or %2, %%eax", 0x50, 0x0f, 0x50, 0x5f, FLAG_PF);
    FORM("xor %%eax, %2", 0x5a, 0x5a, 0, 0x5a, ZP);
    FORM("cmp %%eax, %2", 0x5a, 0x5b, 0x5a, 0x5b, FLAG_CF | FLAG_SF | FLAG_PF | FLAG_AF);
    FORM("cmpl $0x5a, %2", 0x5a, 0, 0x5a, 0, ZP);
    FORM("testl $0x80, %2", 0x80, 0, 0x80, 0, 0);
    FORM("test %%eax, %2", 0x80, 0x7f, 0x80, 0x7f, ZP);
    FORM("incl %2", 0x1f, 0, 0x20, 0, FLAG_AF);
    FORM("decl %2", 0x20, 0, 0x1f, 0, FLAG_AF);
    FORM("orl $0x11, %2; negl %2; andl $0xff, %2", 0x11, 0, 0xef, 0, 0);
    FORM("notl %2; andl $0xff, %2", 0x0f, 0, 0xf0, 0, FLAG_PF);
    FORM("shll $1, %2", 0x21, 0, 0x42, 0, FLAG_PF);
    FORM("shrl $1, %2", 0x21, 0, 0x10, 0, FLAG_CF);
    FORM("imul %2, %%eax; test %%eax, %%eax", 0x11, 0x10, 0x11, 0x110, 0);
}

static void test_atomics(void)
{
    FORM("xadd %%eax, %2", 0x11, 0x22, 0x33, 0x11, FLAG_PF);
    FORM("lock; xadd %%eax, %2", 0x11, 0x22, 0x33, 0x11, FLAG_PF);
    FORM("mov $0x77, %%ecx; cmpxchg %%ecx, %2", 0x11, 0x11, 0x77, 0x11, ZP);
    FORM("mov $0x77, %%ecx; cmpxchg %%ecx, %2; setz %%cl; test %%ecx, %%ecx", 0x11, 0x22, 0x11, 0x11, ZP);
    FORM("lock; btsl $3, %2; setc %%al; test %%eax, %%eax", 0x10, 0, 0x18, 0, ZP);
    FORM("lock; btrl $4, %2; setc %%al; test %%eax, %%eax", 0x10, 0, 0, 1, 0);
    FORM("btcl $4, %2; setc %%al; test %%eax, %%eax", 0x10, 0, 0, 1, 0);
    FORM("btl $4, %2; setc %%al; test %%eax, %%eax", 0x10, 0, 0x10, 1, 0);
    FORM("lock; orl $1, %2", 0x10, 0, 0x11, 0, FLAG_PF);
}

static void test_strings(void)
{
    static uint32_t memory[4];
    uint32_t si, di, count, value;

    *TPR = 0x66;
    si = (uint32_t)TPR;
    di = (uint32_t)memory;
    __asm__ volatile("movsl" : "+S"(si), "+D"(di) : : "memory");
    check_value("MOVSD from the device", memory[0], 0x66);
    check_value("  ESI, EDI", si - (uint32_t)TPR + (di - (uint32_t)memory), 8);
    memory[1] = 0x55;
    si = (uint32_t)&memory[1];
    di = (uint32_t)TPR;
    __asm__ volatile("movsl" : "+S"(si), "+D"(di) : : "memory");
    check_value("MOVSD to the device", *TPR, 0x55);
    di = (uint32_t)TPR;
    count = 1;
    __asm__ volatile("rep stosl" : "+D"(di), "+c"(count) : "a"(0x77) : "memory");
    check_value("REP STOSD", *TPR, 0x77);
    si = (uint32_t)TPR;
    __asm__ volatile("lodsl" : "+S"(si), "=a"(value) : : "memory");
    check_value("LODSD", value, 0x77);
    di = (uint32_t)TPR;
    __asm__ volatile("scasl; sete %%al; movzbl %%al, %0" : "=a"(value), "+D"(di) : "0"(0x77) : "memory");
    check_value("SCASD equal", value, 1);
    memory[2] = 0x77;
    si = (uint32_t)&memory[2];
    di = (uint32_t)TPR;
    __asm__ volatile("cmpsl; sete %%al; movzbl %%al, %0" : "=a"(value), "+S"(si), "+D"(di) : : "memory");
    check_value("CMPSD equal", value, 1);
    ioapic_write(ENTRY_LOW, LVT_MASKED);
    memory[0] = 0x11000000;
    memory[1] = 0x22000000;
    memory[2] = 0x33000000;
    *(volatile uint32_t *)IOAPIC_BASE = ENTRY_HIGH;
    si = (uint32_t)memory;
    count = 3;
    __asm__ volatile("1: movl (%0), %%eax; movl %%eax, (%2); add $4, %0; loop 1b"
                     : "+S"(si), "+c"(count)
                     : "D"(WINDOW)
                     : "eax", "memory");
    check_value("three writes to the window", *WINDOW, 0x33000000);
    si = (uint32_t)TPR;
    *TPR = 0x44;
    __asm__ volatile("std; movsl; cld" : "+S"(si), "+D"(di) : : "memory");
    check_value("MOVSD with DF: ESI", si - (uint32_t)TPR, 0xfffffffc);
}

static void test_stack(void)
{
    uint32_t value;

    *TPR = 0x39;
    __asm__ volatile("pushl %1; popl %0" : "=r"(value) : "m"(*TPR) : "memory");
    check_value("PUSH from the device", value, 0x39);
    __asm__ volatile("pushl $0x28; popl %0" : "=m"(*TPR) : : "memory");
    check_value("POP to the device", *TPR, 0x28);
    *(volatile uint32_t *)IOAPIC_BASE = ENTRY_HIGH;
    *WINDOW = 0x21000000;
    __asm__ volatile("movl (%1,%2,4), %0" : "=r"(value) : "r"(IOAPIC_BASE), "r"(4));
    check_value("base and scaled index", value, 0x21000000);
    gdt_set(SELECTOR_FREE, LAPIC_BASE, 0xfffff, DESCRIPTOR_DATA32);
    __asm__ volatile("mov %w1, %%fs; movl %%fs:0x80, %0" : "=r"(value) : "r"(SELECTOR_FREE));
    check_value("segment with a base", value, 0x28);
    __asm__ volatile("mov %w0, %%fs" : : "r"(SELECTOR_DATA32));
}

void guest_main(void)
{
    lapic_enable();
    test_moves();
    test_alu();
    test_atomics();
    test_strings();
    test_stack();
    *TPR = 0;
}
