/*
 * States that the processor does not run: events are delivered, and instructions emulated until it can, until
 * an interrupt can be taken, until HLT. Traps and faults on the way go through the guest's interrupt table.
 *
 * sources: devices/emulate*.c lib/decode*.c lib/walk.c lib/format.c lib/real_mode.c
 */
#include "emulate_fixture.h"
#include "emulate_unfit.h"
#include "real_mode.h"

enum { STACK = 0x7000, HANDLERS = 0x4000, MOVED_TABLE = 0x6000 };

static struct upcall upcall;
static unsigned go_on;

static bool may_go_on(void *context)
{
    (void)context;
    return go_on-- > 0;
}

static void put16(uint32_t at, uint16_t value)
{
    memcpy(machine.ram + at, &value, 2);
}

static uint16_t get16(uint32_t at)
{
    uint16_t value;
    memcpy(&value, machine.ram + at, 2);
    return value;
}

/* Big real mode: DS reaches all, so the state does not fit. Vector n leads to 0x400:n * 16. */
static void begin_big_real(void)
{
    begin(TEST_REAL);
    state.segment[SEG_DS].limit = UINT32_MAX;
    state.segment[SEG_LDTR] = (struct segment){0};
    state.gpr.reg[RSP] = STACK;
    state.tables.idtr.limit = 0x3ff;
    for (unsigned i = 0; i < 256; i++) {
        put16(4 * i, (uint16_t)(16 * i));
        put16(4 * i + 2, HANDLERS >> 4);
    }
    upcall = (struct upcall){.exit.reason = VCPU_EXIT_UNFIT};
    go_on = 1000000;
}

static bool run_batch(const char *code, size_t length)
{
    memcpy(machine.ram + state.segment[SEG_CS].base + state.gpr.rip, code, length);
    upcall.groups = VCPU_GPR | VCPU_SEGMENTS | VCPU_CONTROL | VCPU_MSRS | VCPU_TABLES | VCPU_INTERRUPTS;
    upcall.state = state;
    machine.accesses = 0;
    bool refused = emulate_unfit(&upcall, &test_emulator_machine, &machine, &limits, may_go_on);
    state = upcall.state;
    return refused;
}
#define BATCH(code) run_batch(code, sizeof(code) - 1)

static void until_it_fits(void **unused)
{
    (void)unused;
    begin_big_real();
    state.gpr.reg[RBX] = 0x100000;
    /* mov al, 1; mov ds, cx -- which leaves the limit; inc bx */
    BATCH("\xb0\x01\x8e\xd9\x43\xf4");
    assert_int_equal(upcall.status, UPCALL_HALTED);
    assert_int_equal(state.gpr.reg[RBX], 0x100001);
    assert_int_equal(state.gpr.rip, CODE + 6);
    assert_int_equal(upcall.modified & (VCPU_GPR | VCPU_SEGMENTS | VCPU_INTERRUPTS),
                     VCPU_GPR | VCPU_SEGMENTS | VCPU_INTERRUPTS);

    /* After RESET: CS is above 1 MiB until the first far jump. */
    begin_big_real();
    state.segment[SEG_DS].limit = 0xffff;
    state.segment[SEG_CS].selector = 0x2000; /* its base is 0 */
    BATCH("\xb0\x55\xea\x00\x20\x00\x01\xf4");
    assert_int_equal(upcall.status, UPCALL_OK);
    assert_int_equal(state.segment[SEG_CS].base, 0x1000);
    assert_int_equal(state.gpr.rip, 0x2000);
    assert_int_equal(state.gpr.reg[RAX], 0x55);
    assert_true(real_mode_fits(&state));
}

/* A state that fits is stepped once: whoever asks knows why. */
static void at_least_one(void **unused)
{
    (void)unused;
    begin_big_real();
    state.segment[SEG_DS].limit = 0xffff;
    assert_true(real_mode_fits(&state));
    BATCH("\x40\x40");
    assert_int_equal(state.gpr.reg[RAX], 1);
}

static void bounds(void **unused)
{
    (void)unused;
    begin_big_real();
    BATCH("\x40\xeb\xfd"); /* inc ax, for ever */
    assert_int_equal(upcall.status, UPCALL_OK);
    assert_int_equal(state.gpr.reg[RAX], EMULATE_UNFIT_MAX / 2);

    begin_big_real();
    go_on = 9; /* a device has something to say */
    BATCH("\x40\xeb\xfd");
    assert_int_equal(state.gpr.reg[RAX], 5);
}

/* To protected mode as a boot loader goes: it fits once all segments are loaded. */
static void to_protected_mode(void **unused)
{
    static const uint64_t gdt[] = {0, 0x00cf9a000000ffff, 0x00cf92000000ffff};
    static const uint8_t pointer[] = {sizeof(gdt) - 1, 0, 0x00, 0x30, 0, 0};

    (void)unused;
    begin_big_real();
    memcpy(machine.ram + 0x3000, gdt, sizeof(gdt));
    memcpy(machine.ram + 0x3100, pointer, sizeof(pointer));
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        state.segment[i].selector = 0x123; /* RPL 3: not for protected mode */
    state.segment[SEG_CS].selector = 0;
    /* lgdt [0x3100]; mov eax, cr0; inc ax; mov cr0, eax; jmp 8:0x8010 */
    static const char code[] = "\x0f\x01\x16\x00\x31\x0f\x20\xc0\x40\x0f\x22\xc0\xea\x11\x80\x08\x00"
                               /* mov ax, 16; mov ds, es, fs, gs, ss; hlt */
                               "\x66\xb8\x10\x00\x8e\xd8\x8e\xc0\x8e\xe0\x8e\xe8\x8e\xd0\xf4";
    run_batch(code, sizeof(code) - 1);
    assert_int_equal(upcall.status, UPCALL_OK);
    assert_true(real_mode_fits(&state));
    assert_int_equal(state.gpr.rip, CODE + sizeof(code) - 2); /* at the HLT */
    assert_int_equal(state.control.cr0 & CR0_PE, CR0_PE);
    assert_int_equal(state.tables.gdtr.base, 0x3000);
    assert_int_equal(state.segment[SEG_CS].attributes, 0xc9b);
    assert_int_equal(state.segment[SEG_SS].attributes, 0xc93);
    assert_int_equal(state.segment[SEG_SS].limit, UINT32_MAX);
    assert_int_equal(state.interrupts.shadow, SHADOW_MOV_SS);
    assert_int_equal(machine.ram[0x3000 + 8 + 5], 0x9b); /* accessed */
    assert_int_equal(upcall.modified,
                     VCPU_GPR | VCPU_SEGMENTS | VCPU_CONTROL | VCPU_TABLES | VCPU_INTERRUPTS);
}

static void events(void **unused)
{
    (void)unused;
    begin_big_real();
    state.gpr.rflags |= FLAG_IF | FLAG_TF | FLAG_AC | FLAG_CF;
    state.interrupts.event = (struct vcpu_event){.type = EVENT_INTERRUPT, .vector = 0x20};
    state.interrupts.nmi_blocked = 1;
    upcall.exit.detail = UNFIT_EVENT;
    memcpy(machine.ram + HANDLERS + 0x200, "\x40\xcf", 2); /* inc ax; iret */
    go_on = 1;                                             /* inc ax alone */
    BATCH("\xf4");
    assert_int_equal(state.gpr.reg[RAX], 1);
    assert_int_equal(state.segment[SEG_CS].selector, HANDLERS >> 4);
    assert_int_equal(state.gpr.rip, 0x201);
    assert_int_equal(state.gpr.reg[RSP], STACK - 6);
    assert_int_equal(get16(STACK - 6), CODE);
    assert_int_equal(get16(STACK - 4), 0);
    assert_int_equal(get16(STACK - 2), FLAG_IF | FLAG_TF | FLAG_CF | 2);
    assert_int_equal(state.gpr.rflags, FLAG_CF | 2);
    assert_int_equal(state.interrupts.event.type, EVENT_NONE);
    assert_int_equal(state.interrupts.nmi_blocked, 1);
    assert_int_equal(upcall.status, UPCALL_OK);

    /* The handler's end: flags are back, NMIs are open. */
    upcall.exit.detail = 0;
    go_on = 0;
    BATCH("\xcf");
    assert_int_equal(state.interrupts.nmi_blocked, 0);
    assert_int_equal(state.segment[SEG_CS].selector, 0);
    assert_int_equal(state.gpr.rip, CODE);
    assert_int_equal(state.gpr.rflags, FLAG_IF | FLAG_TF | FLAG_CF | 2);
}

/* A soft interrupt that was interrupted in delivery returns behind its instruction. */
static void soft_event(void **unused)
{
    (void)unused;
    begin_big_real();
    state.interrupts.event = (struct vcpu_event){.type = EVENT_SOFT_INTERRUPT, .vector = 0x21, .length = 2};
    upcall.exit.detail = UNFIT_EVENT;
    go_on = 0;
    BATCH("\xcd\x21");
    assert_int_equal(get16(STACK - 6), CODE + 2);
    assert_int_equal(state.gpr.rip, 0x210);
}

static void faults_and_traps(void **unused)
{
    (void)unused;
    begin_big_real();
    machine.ram[HANDLERS + 0x60] = 0xf4;
    BATCH("\x0f\x0b"); /* ud2: its handler halts; no error code is pushed */
    assert_int_equal(upcall.status, UPCALL_HALTED);
    assert_int_equal(state.gpr.rip, 0x61);
    assert_int_equal(get16(STACK - 6), CODE);
    assert_int_equal(state.gpr.reg[RSP], STACK - 6);

    begin_big_real(); /* #SS has none either */
    machine.ram[HANDLERS + 0xc0] = 0xf4;
    BATCH("\x36\xa1\xff\xff"); /* mov ax, [ss:0xffff] */
    assert_int_equal(upcall.status, UPCALL_HALTED);
    assert_int_equal(state.gpr.rip, 0xc1);
    assert_int_equal(state.gpr.reg[RSP], STACK - 6);

    begin_big_real();
    state.gpr.rflags |= FLAG_TF;
    go_on = 1;
    machine.ram[HANDLERS + 0x10] = 0x41; /* inc cx, without TF */
    BATCH("\x40\x40");
    assert_int_equal(state.gpr.reg[RAX], 1);
    assert_int_equal(state.gpr.reg[RCX], 1);
    assert_int_equal(get16(STACK - 6), CODE + 1);
    assert_int_equal(state.control.dr6 & DR6_BS, DR6_BS);

    /* Behind MOV SS the trap waits for the next instruction. */
    begin_big_real();
    state.gpr.rflags |= FLAG_TF;
    go_on = 2;
    BATCH("\x8e\xd2\x40\x40");
    assert_int_equal(state.gpr.reg[RAX], 1);
    assert_int_equal(get16(STACK - 6), CODE + 3);
}

static void waiting(void **unused)
{
    (void)unused;
    begin_big_real();
    upcall.exit.detail = UNFIT_WAITING;
    BATCH("\x40\xfb\x40\x40\x40"); /* inc ax; sti; inc ax -- and here */
    assert_int_equal(state.gpr.rip, CODE + 3);
    assert_int_equal(state.gpr.rflags & FLAG_IF, FLAG_IF);
    assert_int_equal(state.interrupts.shadow, SHADOW_NONE);

    begin_big_real(); /* the shadow is told when the batch ends in it */
    go_on = 0;
    BATCH("\xfb\x40");
    assert_int_equal(state.interrupts.shadow, SHADOW_STI);

    begin_big_real(); /* no second shadow when they were on already */
    state.gpr.rflags |= FLAG_IF;
    go_on = 0;
    BATCH("\xfb\x40");
    assert_int_equal(state.interrupts.shadow, SHADOW_NONE);
}

static void double_fault(void **unused)
{
    (void)unused;
    /* #GP is beyond the table: double fault; its vector is there. */
    begin_big_real();
    state.tables.idtr.limit = 4 * 9 - 1;
    go_on = 0;
    BATCH("\xa1\xff\xff\x90"); /* DS is large: no fault */
    assert_int_equal(upcall.status, UPCALL_OK);
    begin_big_real();
    state.tables.idtr.limit = 4 * 9 - 1;
    go_on = 0;
    BATCH("\x26\xa1\xff\xff");
    assert_int_equal(upcall.status, UPCALL_OK);
    assert_int_equal(state.gpr.rip, 16 * EXCEPTION_DF);

    begin_big_real();
    state.tables.idtr.limit = 4 * 8 - 1;
    BATCH("\x26\xa1\xff\xff");
    assert_int_equal(upcall.status, UPCALL_SHUTDOWN);
    assert_int_equal(state.gpr.rip, CODE);

    begin_big_real(); /* no room on the stack */
    state.gpr.reg[RSP] = 1;
    BATCH("\x0f\x0b");
    assert_int_equal(upcall.status, UPCALL_SHUTDOWN);
}

/* SP wraps within what is pushed. */
static void wrapped_stack(void **unused)
{
    (void)unused;
    begin_big_real();
    state.gpr.reg[RSP] = 0xabcd0002;
    go_on = 0;
    BATCH("\xcd\x30");
    assert_int_equal(get16(0), 2);
    assert_int_equal(get16(0xfffe), 0);
    assert_int_equal(get16(0xfffc), CODE + 2);
    assert_int_equal(state.gpr.reg[RSP], 0xabcdfffc);
}

static void moved_table(void **unused)
{
    (void)unused;
    begin_big_real();
    state.tables.idtr.base = MOVED_TABLE;
    put16(MOVED_TABLE + 4 * 0x30, 0x1234);
    put16(MOVED_TABLE + 4 * 0x30 + 2, 0x0100);
    go_on = 0;
    BATCH("\xcd\x30");
    assert_int_equal(state.gpr.rip, 0x1234);
    assert_int_equal(state.segment[SEG_CS].base, 0x1000);
}

/* A page table's entry changes between its reading and its marking: the delivery begins again. */
static void changed_page_table(void **unused)
{
    static const uint64_t gdt[] = {0, 0x00cf9a000000ffff}, gate = 0x00008e0000080000 | HANDLERS;
    static const uint32_t large_page = 0x83;
    enum { DIRECTORY = 0x10000, GDT = 0x3000, IDT = 0x5000 };

    (void)unused;
    begin(TEST_PROTECTED_32);
    memcpy(machine.ram + DIRECTORY, &large_page, sizeof(large_page));
    memcpy(machine.ram + GDT, gdt, sizeof(gdt));
    memcpy(machine.ram + IDT + 8 * EXCEPTION_UD, &gate, sizeof(gate));
    state.tables.gdtr = (struct descriptor_table){.base = GDT, .limit = sizeof(gdt) - 1};
    state.tables.idtr = (struct descriptor_table){.base = IDT, .limit = 0x7ff};
    state.control.cr0 |= CR0_PG;
    state.control.cr3 = DIRECTORY;
    state.control.cr4 |= CR4_PSE;
    state.gpr.reg[RSP] = STACK;
    state.interrupts.event = (struct vcpu_event){.type = EVENT_EXCEPTION, .vector = EXCEPTION_UD};
    upcall = (struct upcall){.exit = {.reason = VCPU_EXIT_UNFIT, .detail = UNFIT_EVENT | UNFIT_ONCE}};
    machine.race = DIRECTORY;
    BATCH("\x0f\x0b");
    assert_int_equal(machine.race, 0);
    assert_int_equal(upcall.status, UPCALL_OK);
    assert_int_equal(state.gpr.rip, HANDLERS);
    assert_int_equal(state.gpr.reg[RSP], STACK - 12);
}

/* There the processor delivers what a step of the debugger's raises; what it could not deliver itself nobody
 * can. */
static void long_mode(void **unused)
{
    (void)unused;
    begin(TEST_LONG);
    upcall = (struct upcall){.exit = {.reason = VCPU_EXIT_UNFIT, .detail = UNFIT_ONCE}};
    BATCH("\x0f\x0b");
    assert_int_equal(upcall.status, UPCALL_INJECT);
    assert_int_equal(upcall.inject.vector, EXCEPTION_UD);
    assert_int_equal(state.gpr.rip, CODE);
    state.interrupts.event = (struct vcpu_event){.type = EVENT_EXCEPTION, .vector = EXCEPTION_UD};
    upcall.exit.detail = UNFIT_EVENT | UNFIT_ONCE;
    BATCH("\x0f\x0b");
    assert_int_equal(upcall.status, UPCALL_KILL);
    assert_non_null(strstr(upcall.text, "cannot be delivered"));
}

static void unknown_instruction(void **unused)
{
    (void)unused;
    begin_big_real();
    go_on = 0;
    assert_true(BATCH("\x0f\x58\xc1")); /* addps */
    assert_int_equal(state.gpr.rip, 16 * EXCEPTION_UD);
    assert_non_null(strstr(upcall.text, "0f 58 c1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(until_it_fits),    cmocka_unit_test(at_least_one),
        cmocka_unit_test(bounds),           cmocka_unit_test(to_protected_mode),
        cmocka_unit_test(events),           cmocka_unit_test(soft_event),
        cmocka_unit_test(faults_and_traps), cmocka_unit_test(waiting),
        cmocka_unit_test(double_fault),     cmocka_unit_test(wrapped_stack),
        cmocka_unit_test(moved_table),      cmocka_unit_test(changed_page_table),
        cmocka_unit_test(long_mode),        cmocka_unit_test(unknown_instruction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
