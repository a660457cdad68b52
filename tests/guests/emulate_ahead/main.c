/*
 * What lies behind an access to a device: a monitor may go on emulating there, and it must not show. Each
 * sequence runs many times, so that one that learns where this is worth it has learnt; results, flags and
 * memory are held against the same sequence on plain memory. Arithmetic, branches, the stack, strings, code
 * that changes itself, the ends of pages, single steps, and an interrupt that waits. Manual: none, nothing
 * here depends on the device. Real hardware: as checked here.
 *
 * With virtual-interrupt delivery Bochs lets a host's interrupt deliver the guest's while IF is clear, which
 * is just what must not happen here (docs/emulators.md). So the monitor serves the local APIC.
 *
 * guest: local-apic=software
 */
#include "guest.h"
#include "memory.h"
#include "processor.h"
#include "apic.h"

enum { ROUNDS = 400, VECTOR = 0x47, DEBUG = 1, PORT = 0xa1 /* interrupt mask of the second 8259 */ };

extern uint8_t cell;
uint8_t cell; /* stands for the port */
static uint8_t code[8192] __attribute__((aligned(4096)));
static uint32_t words[4096] __attribute__((aligned(4096)));
static volatile uint32_t taken, steps, step_sum;

struct result {
    uint32_t eax, ebx, ecx, edx, flags;
};

#define TO_PORT     "outb %%al, $0xa1\n"
#define FROM_PORT   "inb $0xa1, %%al\n"
#define TO_MEMORY   "movb %%al, cell\n"
#define FROM_MEMORY "movb cell, %%al\n"
#define STATUS      0x8d5 /* OF, SF, ZF, AF, PF, CF */

#define SEQUENCE(name, write, read, body)                                                                    \
    static void name(struct result *r, uint32_t seed)                                                        \
    {                                                                                                        \
        uint32_t a = seed, b = seed * 3, c = seed ^ 0x55aa, d = ~seed, flags;                                \
        __asm__ volatile("push %%ebp\n" body(write, read) "\npushf\npop %%esi\npop %%ebp"                    \
                         : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "=&S"(flags)                                  \
                         :                                                                                   \
                         : "edi", "memory", "cc");                                                           \
        *r = (struct result){a, b, c, d, flags & STATUS};                                                    \
    }

#define ARITHMETIC(write, read)                                                                              \
    write "addl %%eax, %%ebx; adcl $0x1234, %%ecx; roll $3, %%edx; sbbl %%ebx, %%edx; xorl %%ecx, "          \
          "%%ebx\n" read                                                                                     \
          "movzbl %%al, %%edi; leal 5(%%ebx, %%edi, 4), %%ebx; shldl $7, %%ebx, %%ecx; btl $3, %%ebx\n"      \
          "cmovcl %%edi, %%edx; setc %%dl; imull $77, %%edx, %%edx; movl %%edx, words; bswap %%edx\n" write  \
          "incl words+4; subl words, %%ecx; notl %%ebx; negl %%ecx; cmpb %%al, %%bl\n" read                  \
          "lock; xaddl %%ecx, words+8; addl %%eax, words+12; adcl %%edx, %%ebx; testl %%ebx, %%ecx"
#define BRANCHES(write, read)                                                                                \
    "movl $9, %%ecx\n1: " write                                                                              \
    "addb $13, %%al; js 2f; xorl %%ecx, %%edx; jmp 3f\n2: orl $2, %%ebx\n3: " read                           \
    "addl %%eax, %%edx; loop 1b; cmpl %%edx, %%ebx"
#define STACK(write, read)                                                                                   \
    write                                                                                                    \
        "push %%eax; call 1f; pop %%edi; addl %%edi, %%ecx; jmp 2f\n1: push %%ebp; movl %%esp, %%ebp\n" read \
        "addl 8(%%ebp), %%ebx; pushf; pop %%edi; andl $0x8d5, %%edi; xorl %%edi, %%edx; leave; ret\n2: "     \
        "push $-3; pop %%edi; addl %%edi, %%edx"
#define STRINGS(write, read)                                                                                 \
    "movl $words, %%esi; leal 4(%%esi), %%edi; movl %%eax, (%%esi); movl $3, %%ecx\n" write                  \
    "pushf; rep; movsl; popf; lodsb; adcl %%eax, %%ebx; pushw %%ds; popw %%di; xorw %%di, %%dx\n" read       \
    "subl $5, %%esi; leal 1(%%esi), %%edi; movl $9, %%ecx; std; repe; cmpsb; cld; movw %%ds, %%cx\n" write   \
    "sbbl %%esi, %%ebx; addl %%edi, %%edx; addl %%ebx, words+12"

SEQUENCE(arithmetic_device, TO_PORT, FROM_PORT, ARITHMETIC)
SEQUENCE(arithmetic_plain, TO_MEMORY, FROM_MEMORY, ARITHMETIC)
SEQUENCE(branches_device, TO_PORT, FROM_PORT, BRANCHES)
SEQUENCE(branches_plain, TO_MEMORY, FROM_MEMORY, BRANCHES)
SEQUENCE(stack_device, TO_PORT, FROM_PORT, STACK)
SEQUENCE(stack_plain, TO_MEMORY, FROM_MEMORY, STACK)
SEQUENCE(strings_device, TO_PORT, FROM_PORT, STRINGS)
SEQUENCE(strings_plain, TO_MEMORY, FROM_MEMORY, STRINGS)

static uint32_t mix(uint32_t sum, const struct result *r)
{
    return ((sum * 31 + r->eax) * 31 + r->ebx) * 31 + (r->ecx ^ r->edx) + r->flags;
}

static uint32_t run(void (*sequence)(struct result *, uint32_t))
{
    struct result r;
    uint32_t sum = 0;

    memset(words, 0, 16);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        sequence(&r, i * 0x9e3779b1u);
        sum = mix(sum, &r);
    }
    for (uint32_t i = 0; i < 4; i++)
        sum = sum * 31 + words[i];
    return sum;
}

/* out 0xa1, al; mov ecx, imm32; in al, 0xa1; lea eax, [eax + ecx]; ret -- the immediate is written by the
 * code itself, in front of it: mov [imm], dl. */
static uint32_t run_changing(uint32_t offset)
{
    const uint32_t immediate = (uint32_t)code + offset + 9;
    uint8_t bytes[] = {0xe6, PORT, 0x88, 0x15, 0,    0,    0,    0,    0xb9, 0,
                       0,    0,    0,    0xe4, PORT, 0x8d, 0x04, 0x08, 0xc3};
    uint32_t sum = 0;

    memcpy(bytes + 4, &immediate, 4);
    memcpy(code + offset, bytes, sizeof(bytes));
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t a = i & 0xff, c, d = i / 2 & 0xff;
        __asm__ volatile("call *%3" : "+a"(a), "=&c"(c), "+d"(d) : "r"(code + offset) : "memory", "cc");
        sum = sum * 31 + a;
    }
    return sum;
}

static uint32_t expected_changing(void)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < ROUNDS; i++)
        sum = sum * 31 + (i & 0xff) + (i / 2 & 0xff);
    return sum;
}

/* Data over a page's end between two accesses. */
static uint32_t run_crossing(void)
{
    uint8_t *data = (uint8_t *)words + 4096 - 2;
    uint32_t sum = 0;

    memset(data, 0, 4);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t a = i;
        __asm__ volatile(
            "outb %%al, $0xa1; addl $0x10203, (%1); inb $0xa1, %%al; addl (%1), %%eax; incl 1(%1)"
            : "+a"(a)
            : "r"(data)
            : "memory", "cc");
        sum = sum * 31 + (a & 0xffffff00);
    }
    return sum;
}

static uint32_t expected_crossing(void)
{
    uint64_t value = 0;
    uint32_t sum = 0;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        value = (value & ~0xffffffffull) | (uint32_t)(value + 0x10203);
        sum = sum * 31 + ((i + (uint32_t)value) & 0xffffff00);
        value = (value & 0xff) | (uint64_t)(uint32_t)((value >> 8) + 1) << 8;
    }
    return sum;
}

static void step(struct interrupt_frame *frame)
{
    steps++;
    step_sum += frame->eip;
}

/* The same instructions with and without TF: each of them has its trap, once it is set. */
static uint32_t run_steps(uint32_t flags)
{
    uint32_t label;

    steps = step_sum = 0;
    __asm__ volatile(
        "mov $1f, %0; pushf; orl %1, (%%esp); popf\n1: outb %%al, $0xa1; nop; inb $0xa1, %%al; nop\n"
        "pushf; andl $~0x100, (%%esp); popf"
        : "=&b"(label)
        : "c"(flags)
        : "eax", "memory", "cc");
    return step_sum - steps * label;
}

static void handler(struct interrupt_frame *frame)
{
    taken = frame->eip;
    frame->eflags &= ~(uint32_t)FLAG_IF;
    lapic_write(LAPIC_EOI, 0);
}

/* Where an interrupt that waits is taken, from the OUT. */
static uint32_t run_waiting(void)
{
    uint32_t label;

    taken = 0;
    lapic_send(0, ICR_SELF | ICR_ASSERT | VECTOR);
    __asm__ volatile("mov $1f, %0\n1: outb %%al, $0xa1; sti; inb $0xa1, %%al; nop; outb %%al, $0xa1; cli"
                     : "=&b"(label)
                     :
                     : "eax", "memory", "cc");
    return taken - label;
}

/* The same with POPF, behind which nothing is shielded. */
static uint32_t run_popped(void)
{
    uint32_t label;

    taken = 0;
    lapic_send(0, ICR_SELF | ICR_ASSERT | VECTOR);
    __asm__ volatile("mov $1f, %0; pushf; orl $0x200, (%%esp)\n"
                     "1: inb $0xa1, %%al; outb %%al, $0xa1; popf; nop; outb %%al, $0xa1; cli"
                     : "=&b"(label)
                     :
                     : "eax", "memory", "cc");
    return taken - label;
}

void guest_main(void)
{
    uint32_t offsets = 0, sums = 0;

    lapic_enable();
    interrupt_set(VECTOR, handler);
    interrupt_set(DEBUG, step);
    check_value("arithmetic behind accesses", run(arithmetic_device), run(arithmetic_plain));
    check_value("branches", run(branches_device), run(branches_plain));
    check_value("stack", run(stack_device), run(stack_plain));
    check_value("strings", run(strings_device), run(strings_plain));
    check_value("code changed behind an access", run_changing(0), expected_changing());
    for (uint32_t offset = 4096 - 18; offset < 4096; offset++)
        sums += run_changing(offset) == expected_changing();
    check_value("  and over a page's end, at each offset", sums, 18);
    check_value("data over a page's end", run_crossing(), expected_crossing());
    for (uint32_t i = 0; i < ROUNDS; i++)
        run_steps(0);
    check_value("no single steps", steps, 0);
    for (uint32_t i = 0; i < 4; i++)
        offsets += run_steps(0x100);
    check_value("single steps over accesses", steps, 7);
    check_value("  behind each instruction", offsets, 4 * (2 + 3 + 5 + 6 + 7 + 14 + 15));
    sums = 0;
    for (uint32_t i = 0; i < ROUNDS; i++)
        sums += run_waiting();
    check_value("an interrupt waits for STI and one instruction", sums, ROUNDS * 5);
    sums = 0;
    for (uint32_t i = 0; i < ROUNDS; i++)
        sums += run_popped();
    check_value("  and for POPF alone", sums, ROUNDS * 5);
    outb(PORT, 0xff);
}
