/*
 * Random instruction bytes: in ring 0 and ring 3 with paging, in virtual-8086 mode, in real mode. They may do
 * whatever they like to the processor; enter.asm gets it back. In ring 0 they can write the arena, their
 * stack, their tables and device memory; what the program needs afterwards is write-protected, as far as
 * random bytes respect it. Where they break even that, the machine resets and main.c goes on with the next
 * operation. Loops end by an NMI from the 8254 through the I/O APIC.
 */
#include "guest.h"
#include "hostile.h"
#include "memory.h"
#include "processor.h"
#include "descriptors.h"
#include "paging.h"
#include "apic.h"
#include "pic.h"
#include "real.h"

enum { OUT_IMMEDIATE = 0xe6, OUT_DX = 0xee, OUTS = 0x6e, OUT_TO_IN = 2, PORT_DEBUG_EXIT = 0xf4 };
enum { CODE_BYTES = 64, INT3 = 0xcc, LOOP_TICKS = PIT_HZ / 500, TIMER_PIN = 2, PIT_PERIODIC = 2 };
enum { REAL_BASE = 0x8000, REAL_SEGMENT = 0x5000, REAL_CODE_AT = REAL_SEGMENT << 4, IVT_ENTRIES = 256 };
enum { REAL_EDX = 2 };
enum { NMI_RETURN = 0x6800, IRET = 0xcf };
enum { VGA_HOLE = 0xa0000, VGA_HOLE_END = 0xc0000, REAL_SIZE = 0x10000 };
enum { DIRECTORY_RAM = 1, DIRECTORY_DEVICES = 0xc0000000u >> 22, STACK_SIZE = 2048 };
enum { TSS_SIZE = offsetof(struct tss32, redirection) };

/* What the processor itself writes while random code runs, in one page: descriptors (busy bits), TSSs, the
 * stack of exits from ring 3, and that of random code in ring 0. */
static struct {
    uint64_t gdt[GDT_ENTRIES];
    uint8_t tss[TSS_SIZE], fault_tss[TSS_SIZE];
    uint8_t exit_stack[1024], fault_stack[256], stack[STACK_SIZE];
} tables __attribute__((aligned(4096)));
_Static_assert(sizeof(tables) <= 4096, "one page is writable");

static uint8_t code[4096] __attribute__((aligned(4096)));
static uint64_t attack_idt[256] __attribute__((aligned(4096)));
struct table_register attack_gdtr, attack_idtr;
uint32_t attack_frame, attack_data;
extern uint32_t attack_ended_by_nmi;
void attack_run(void);
extern const uint8_t attack_code_end[];
void attack_exit(void);
void attack_exit_nmi(void);
void real_attack_run(void);
extern uint8_t real_attack_image[], real_attack_end[], real_attack_exit[], real_attack_exit_nmi[];
extern struct table_register real_gdtr;
extern uint32_t real_registers[8];

/* What POPAD and IRETD take. */
struct frame {
    uint32_t edi, esi, ebp, unused_esp, ebx, edx, ecx, eax;
    uint32_t eip, cs, eflags, esp, ss, es, ds, fs, gs;
};
static struct frame outer_frame; /* for rings that IRETD leads out to */

static void map(const volatile void *from, const volatile void *to, uint32_t rights)
{
    for (uint32_t at = (uint32_t)from & ~(PAGE_SIZE - 1u); at < (uint32_t)to; at += PAGE_SIZE)
        page_table[at / PAGE_SIZE] |= at | PAGE_P | rights;
}

/* Where random code in real mode goes astray it comes upon breakpoints, and not upon what the boot loader has
 * left. */
static void fill_low_memory(void)
{
    static const struct {
        uint32_t from, to;
    } ranges[] = {{0x600, 0x7000}, {0xb000, VGA_HOLE - 0x1000}, {0xf0000, 0x110000}};

    for (uint32_t i = 0; i < ARRAY_LENGTH(ranges); i++)
        memset((void *)ranges[i].from, INT3, ranges[i].to - ranges[i].from);
}

/* Of the program itself only the way out, so that random code does not jump to the end of the test. */
void attack_code_prepare(void)
{
    fill_low_memory();
    paging_initialise();
    for (uint32_t i = 0; i < 1024; i++)
        page_table[i] = 0;
    map(attack_run, attack_code_end, 0);
    map(&attack_frame, &attack_frame + 1, 0);
    map(&outer_frame, &outer_frame + 1, 0);
    map(attack_idt, attack_idt + ARRAY_LENGTH(attack_idt), 0);
    map(&tables, &tables + 1, PAGE_W);
    map(code, code + sizeof(code), PAGE_W | PAGE_U);
    map(arena, arena + sizeof(arena), PAGE_W | PAGE_U);
    map((void *)REAL_CODE_AT, (void *)(REAL_CODE_AT + REAL_SIZE), PAGE_W | PAGE_U);
    map((void *)VGA_HOLE, (void *)VGA_HOLE_END, PAGE_W | PAGE_U);
    for (uint32_t i = DIRECTORY_RAM; i < DIRECTORY_DEVICES; i++)
        page_directory[i] = 0;
    for (uint32_t v = 0; v < 256; v++) {
        uint64_t saved = idt[v];
        idt_set((uint8_t)v, (uint32_t)(v == NMI_VECTOR ? attack_exit_nmi : attack_exit), SELECTOR_CODE32,
                v == BP || v == OF || v >= 0x80 ? GATE_INTERRUPT32 | DESCRIPTOR_DPL3 : GATE_INTERRUPT32);
        if (v == DF)
            idt_set(DF, 0, SELECTOR_TSS_FAULT, GATE_TASK);
        attack_idt[v] = idt[v];
        idt[v] = saved;
    }
    attack_gdtr = (struct table_register){sizeof(tables.gdt) - 1, (uint32_t)tables.gdt};
    attack_idtr = (struct table_register){sizeof(attack_idt) - 1, (uint32_t)attack_idt};
}

/* Afresh for each run: random code in ring 0 can write them. */
static void make_tables(void)
{
    static struct tss32 now, broken;

    memset(&tables, 0, sizeof(tables));
    memcpy(tables.gdt, gdt, sizeof(tables.gdt));
    tables.gdt[SELECTOR_TSS / 8] = descriptor_make((uint32_t)tables.tss, TSS_SIZE - 1, DESCRIPTOR_TSS32);
    tables.gdt[SELECTOR_TSS_FAULT / 8] =
        descriptor_make((uint32_t)tables.fault_tss, TSS_SIZE - 1, DESCRIPTOR_TSS32);
    now.ss0 = SELECTOR_DATA32;
    now.esp0 = (uint32_t)(tables.exit_stack + sizeof(tables.exit_stack));
    now.io_map = broken.io_map = TSS_SIZE; /* beyond the limit: no ports in ring 3 */
    broken.cr3 = (uint32_t)page_directory;
    broken.eip = (uint32_t)attack_exit;
    broken.esp = (uint32_t)(tables.fault_stack + sizeof(tables.fault_stack));
    broken.eflags = 2;
    broken.cs = SELECTOR_CODE32;
    broken.ss = broken.ds = broken.es = broken.fs = broken.gs = SELECTOR_DATA32;
    memcpy(tables.tss, &now, TSS_SIZE);
    memcpy(tables.fault_tss, &broken, TSS_SIZE);
}

/* Half of the time with a start that is known to be interesting. Behind it, breakpoints. The debug exit would
 * end the run by right: no OUT names it, and where ports are open, OUT and OUTS with DX, which in a loop come
 * to all of them, are IN and INS instead; attack_port() has the others. */
static void random_bytes(uint8_t *at, bool ports_open)
{
    static const uint8_t starts[][3] = {
        {0x0f, 0x01}, {0xf3, 0xa4}, {0x0f, 0xc7}, {0x66, 0x0f}, {0xf0, 0x0f}, {0x0f, 0xae}, {0xd9},
        {0x0f, 0x38}, {0x0f, 0x3a}, {0xc4},       {0xc5},       {0x67, 0x66}, {0xf2, 0xf3}, {0x0f, 0x20},
        {0x0f, 0x22}, {0x0f, 0x23}, {0x0f, 0x00}, {0x0f, 0x30}, {0xf3, 0x6e}, {0xea},       {0xcf}};

    for (uint32_t i = 0; i < CODE_BYTES; i++)
        at[i] = (uint8_t)random32();
    memset(at + CODE_BYTES, INT3, CODE_BYTES);
    if (random32() & 1)
        memcpy(at, starts[random32() % ARRAY_LENGTH(starts)], 3);
    for (uint32_t i = 0; i < CODE_BYTES; i++) {
        if ((at[i] & ~1) == OUT_IMMEDIATE && at[i + 1] >= PORT_DEBUG_EXIT - 3 && at[i + 1] <= PORT_DEBUG_EXIT)
            at[i] = INT3;
        if (ports_open && ((at[i] & ~1) == OUT_DX || (at[i] & ~1) == OUTS))
            at[i] ^= OUT_TO_IN;
    }
}

/* An address of a device, but not of the local APIC: with one of its own a guest may well end itself. */
static uint32_t random_address(void)
{
    uint32_t device = device_address();

    if ((device & ~0xfffu) == LAPIC_BASE)
        device = IOAPIC_BASE + (device & 0xfff);
    return random32() & 1 ? device : (uint32_t)arena + 8192 + random32() % 4096;
}

static uint32_t random_flags(void)
{
    uint32_t flags = random32() & (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_DF | FLAG_OF);

    return flags | 2 | (random32() % 16 ? 0 : random32() & (FLAG_TF | FLAG_NT | FLAG_RF | FLAG_AC | FLAG_ID));
}

static struct frame random_frame(uint16_t cs, uint32_t eip)
{
    return (struct frame){.edi = random_address(),
                          .esi = random_address(),
                          .ebp = random_address(),
                          .ebx = random_address(),
                          .edx = random32() & 0x008f,
                          .ecx = random32() % 64,
                          .eax = random32(),
                          .eip = eip,
                          .cs = cs,
                          .eflags = random_flags()};
}

/* The 8254 sends an NMI every 2 ms; those that come outside are ignored. */
static void guarded(void (*run)(void))
{
    ioapic_route(TIMER_PIN, DELIVERY_NMI, 0);
    pit_start(PIT_PERIODIC, LOOP_TICKS);
    run();
    wrmsr(MSR_EFER, 0);
    loops += attack_ended_by_nmi;
    faults++;
}

void attack_ring3(void)
{
    random_bytes(code, false);
    make_tables();
    outer_frame = random_frame(SELECTOR_USER_CODE32, (uint32_t)code);
    outer_frame.esp = (uint32_t)arena + 4096;
    outer_frame.ss = SELECTOR_USER_DATA32;
    attack_frame = (uint32_t)&outer_frame;
    attack_data = SELECTOR_USER_DATA32;
    guarded(attack_run);
}

void attack_ring0(void)
{
    enum { FROM_END = offsetof(struct frame, esp) };
    random_bytes(code, true);
    make_tables();
    struct frame frame = random_frame(SELECTOR_CODE32, (uint32_t)code);
    uint32_t at = (uint32_t)(tables.stack + sizeof(tables.stack) - FROM_END - 64);
    memcpy((void *)at, &frame, FROM_END);
    attack_frame = at;
    attack_data = SELECTOR_DATA32;
    guarded(attack_run);
}

void attack_vm86(void)
{
    random_bytes((uint8_t *)REAL_CODE_AT, false);
    make_tables();
    outer_frame = random_frame(REAL_SEGMENT, 0);
    outer_frame.eflags |= FLAG_VM | (random32() & 3) << 12; /* IOPL */
    outer_frame.esp = 0xff00;
    outer_frame.ss = outer_frame.es = outer_frame.ds = outer_frame.fs = outer_frame.gs = REAL_SEGMENT;
    attack_frame = (uint32_t)&outer_frame;
    attack_data = SELECTOR_DATA32;
    guarded(attack_run);
}

void attack_real(void)
{
    uint8_t *image = (uint8_t *)REAL_BASE;
    uint32_t *registers = (uint32_t *)(image + ((uint8_t *)real_registers - real_attack_image));

    random_bytes((uint8_t *)REAL_CODE_AT, true);
    memcpy(image, real_attack_image, (size_t)(real_attack_end - real_attack_image));
    memcpy(image + ((uint8_t *)&real_gdtr - real_attack_image), &gdtr, sizeof(gdtr));
    for (uint32_t i = 0; i < 8; i++)
        registers[i] = random32() & (random32() & 7 ? 0xffff : 0xffffffff);
    registers[REAL_EDX] &= 0xffff000fu; /* ports of old devices: not those that end the run */
    for (uint32_t i = 0; i < IVT_ENTRIES; i++)
        real_set_vector((uint8_t)i, 0,
                        (uint16_t)(REAL_BASE + ((i == NMI_VECTOR ? real_attack_exit_nmi : real_attack_exit) -
                                                real_attack_image)));
    guarded(real_attack_run);
}

/* Real-mode bytes on an instruction that cannot leave: a one-instruction REP or I/O on the arena below 1 MiB.
 */
void attack_real_forms(void)
{
    static const uint8_t pieces[][6] = {
        {0xf3, 0xa4}, {0xf3, 0xab}, {0x66, 0xf3, 0x6d},       {0xf3, 0x6e},
        {0x0f, 0xa2}, {0x0f, 0x31}, {0x66, 0x67, 0x8b, 0x06}, {0x67, 0x66, 0x89, 0x06},
        {0xe4, 0x21}, {0xe6, 0x80}};
    uint8_t bytes[16] = {0};

    memcpy(bytes, pieces[random32() % ARRAY_LENGTH(pieces)], 6);
    memcpy(bytes + 6, (const uint8_t[]){0x90, 0x90, 0xc3}, 3);
    for (uint32_t i = 0; i < 6; i++)
        bytes[i] = bytes[i] ? bytes[i] : 0x90;
    memset(real_block, 0, sizeof(*real_block));
    *(uint8_t *)NMI_RETURN = IRET; /* one of attack_real()'s may be late */
    real_set_vector(NMI_VECTOR, 0, NMI_RETURN);
    real_block->ecx = random32() % 64;
    real_block->edx = 0x80;
    real_block->esi = 0x5000 + random32() % 4096;
    real_block->edi = 0x5000 + random32() % 4096;
    real_call(bytes, bytes + 9);
}
