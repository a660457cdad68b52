/*
 * Emulating ahead: where it goes on and where it stops, and that it leaves the state that the instructions
 * would have left. What single instructions do is held against the processor in test_emulate_native.c.
 *
 * sources: devices/emulate*.c lib/decode*.c lib/walk.c lib/format.c lib/real_mode.c
 */
#include "emulate_ahead.h"
#include "emulate_fixture.h"

static struct emulate_memo memo;
static struct emulate_ahead ahead;
static unsigned stop_after; /* accesses; 0: never */
static uint64_t clock;

static uint32_t count_in(void *context, uint16_t port, unsigned size)
{
    ahead.accesses++;
    return test_in(context, port, size);
}

static void count_out(void *context, uint16_t port, unsigned size, uint32_t value)
{
    ahead.accesses++;
    test_out(context, port, size, value);
}

static uint64_t count_read(void *context, uint64_t gpa, unsigned size)
{
    ahead.accesses++;
    return test_read(context, gpa, size);
}

static void count_write(void *context, uint64_t gpa, unsigned size, uint64_t value)
{
    ahead.accesses++;
    test_write(context, gpa, size, value);
}

static uint64_t clock_now(void *context)
{
    (void)context;
    return clock;
}

static bool may_go_on(void *context)
{
    (void)context;
    return !stop_after || ahead.accesses < stop_after;
}

static const struct emulator_machine counting = {.ram = test_ram,
                                                 .read = count_read,
                                                 .write = count_write,
                                                 .in = count_in,
                                                 .out = count_out,
                                                 .get = test_get,
                                                 .tsc = clock_now};

/* Code at an address, 32-bit unless begin() was told otherwise. Returns how many bytes of it were left
 * behind. */
static uint64_t go_at(uint64_t start, const char *code, size_t length)
{
    memset(machine.ram + start, 0xf4, 256); /* HLT: nobody emulates it */
    memcpy(machine.ram + start, code, length);
    ahead = (struct emulate_ahead){.memo = &memo, .refused = TEST_DEVICE + TEST_PAGE, .may_go_on = may_go_on};
    emulator =
        (struct emulator){.machine = &counting, .context = &machine, .state = &state, .gpa = EMULATE_UNKNOWN};
    state.gpr.rip = start;
    machine.accesses = 0;
    emulate_ahead(&emulator, &ahead);
    assert_null(emulator.ahead);
    assert_int_equal(emulator.modified & ~(uint32_t)(VCPU_GPR | VCPU_SEGMENTS), 0);
    return state.gpr.rip - start;
}
#define GO(code) go_at(CODE, code, sizeof(code) - 1)

/* The last bytes of a page are code like any other; an instruction that lies on both pages is not. */
static void page_end(void **unused)
{
    (void)unused;
    static const char code[] = "\xe6\x70"        /* out 0x70, al */
                               "\xe4\x71"        /* in al, 0x71 */
                               "\xb8\x01\0\0\0"; /* mov eax, 1 */
    uint64_t end = (CODE | (TEST_PAGE - 1)) + 1;

    assert_int_equal(go_at(end - 4, code, sizeof code - 1), 9);
    assert_int_equal(ahead.accesses, 2);
    assert_int_equal(go_at(end - 7, code, sizeof code - 1), 4);
    assert_int_equal(ahead.accesses, 2);
}

static int set_up(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    state.gpr.reg[RSP] = 0x20000;
    stop_after = 0;
    return 0;
}

/* An index and its data, a call and a return between them, and a loop around them. */
static void goes_on(void **unused)
{
    (void)unused;
    /* mov ecx, 3; again: mov al, cl; out 0x70, al; call f; loop again; hlt; f: in al, 0x71; mov bl, al; ret
     */
    assert_int_equal(GO("\xb9\x03\0\0\0"
                        "\x88\xc8"
                        "\xe6\x70"
                        "\xe8\x03\0\0\0"
                        "\xe2\xf5"
                        "\xf4"
                        "\xe4\x71"
                        "\x88\xc3"
                        "\xc3"),
                     16);
    assert_int_equal(ahead.accesses, 6);
    assert_int_equal(ahead.instructions, 1 + 3 * 7);
    for (unsigned i = 0; i < 3; i++) {
        expect_access(2 * i, 'o', 0x70, 1, 3 - i);
        expect_access(2 * i + 1, 'i', 0x71, 1, 0x71);
    }
    assert_int_equal(state.gpr.reg[RBX], 0x71);
    assert_int_equal(state.gpr.reg[RCX], 0);
    assert_int_equal(state.gpr.reg[RSP], 0x20000);
    assert_int_equal(emulator.modified, VCPU_GPR);
}

/* An instruction that would fault behind its read of a device: the processor reads, and nobody else. */
static void reads_once(void **unused)
{
    (void)unused;
    state.gpr.reg[RBX] = TEST_DEVICE;            /* which reads 0 */
    assert_int_equal(GO("\xe4\x71\xf7\x3b"), 2); /* in al, 0x71; idiv [ebx] */
    assert_int_equal(ahead.accesses, 1);
    assert_int_equal(GO("\xe4\x71\xff\x23"), 2); /* jmp [ebx] */
    assert_int_equal(ahead.accesses, 1);
    state.gpr.reg[RSP] = TEST_DEVICE;
    assert_int_equal(GO("\xe4\x71\xc3"), 2); /* ret */
    assert_int_equal(ahead.accesses, 1);
}

/* PUSHF, CLI, LEA, CDQ, LEAVE, RET n, RDTSC, fences and flags. */
static void other_instructions(void **unused)
{
    (void)unused;
    clock = 0x123456789a;
    state.msrs.tsc_aux = 7;
    state.gpr.rflags |= FLAG_IF | FLAG_CF;
    state.gpr.reg[RBX] = 0x100;
    /* pushf; cli; pop esi; lea edi, [ebx + ebx * 2 + 5]; rdtscp; lfence; cmc */
    assert_int_equal(GO("\x9c\xfa\x5e"
                        "\x8d\x7c\x5b\x05"
                        "\x0f\x01\xf9"
                        "\x0f\xae\xe8"
                        "\xf5"),
                     14);
    assert_int_equal(state.gpr.reg[RSI], 2 | FLAG_IF | FLAG_CF);
    assert_int_equal(state.gpr.rflags, 2);
    assert_int_equal(state.gpr.reg[RDI], 0x305);
    assert_int_equal(state.gpr.reg[RAX], 0x3456789a);
    assert_int_equal(state.gpr.reg[RDX], 0x12);
    assert_int_equal(state.gpr.reg[RCX], 7);
    /* push ebp; mov ebp, esp; sub esp, 8; mov eax, 0x80000000; cdq; leave; push 1; call +0; ret 4: the loop
     * ends behind the call, where the return has gone */
    state.gpr.reg[RBP] = 0x1234;
    assert_int_equal(GO("\x55\x89\xe5\x83\xec\x08"
                        "\xb8\0\0\0\x80\x99\xc9"
                        "\x6a\x01"
                        "\xe8\x01\0\0\0"
                        "\xf4"
                        "\xc2\x04\0"),
                     20);
    assert_int_equal(state.gpr.reg[RDX], 0xffffffff);
    assert_int_equal(state.gpr.reg[RBP], 0x1234);
    assert_int_equal(state.gpr.reg[RSP], 0x20000);
}

static void stops(void **unused)
{
    (void)unused;
    assert_int_equal(GO("\x40\xfb"), 1); /* inc eax; sti */
    state.gpr.reg[RCX] = EMULATE_ELEMENTS_MAX + 1;
    assert_int_equal(GO("\x40\xf3\xaa"), 1);     /* rep stosb */
    assert_int_equal(GO("\x40\x0f\x01\xe0"), 1); /* smsw eax */
    assert_int_equal(GO("\x40\x0f\xa2"), 1);     /* cpuid */
    assert_int_equal(GO("\xf4"), 0);
    assert_int_equal(emulator.modified, 0);
    stop_after = 2; /* in al, 0x10; in al, 0x11; in al, 0x12 */
    assert_int_equal(GO("\xe4\x10\xe4\x11\xe4\x12"), 4);
    stop_after = 0;
    state.gpr.reg[RBX] = TEST_DEVICE;
    assert_int_equal(GO("\x8b\x03"
                        "\x81\xc3\0\x10\0\0"
                        "\x8b\x0b"),
                     8); /* its second page is refused */
    assert_int_equal(ahead.accesses, 1);
    assert_int_equal(machine.accesses, 1);
}

/* In real mode a selector says where a segment lies; a descriptor is read by the processor alone, and behind
 * a load of SS nothing may come between. */
static void segments(void **unused)
{
    (void)unused;
    begin(TEST_REAL);
    state.gpr.reg[RSP] = 0x2000;
    state.gpr.reg[RBX] = 5;
    /* mov ax, 0x1234; mov ds, ax; push ds; pop es; mov fs, ax; mov [bx], al */
    assert_int_equal(GO("\xb8\x34\x12\x8e\xd8\x1e\x07\x8e\xe0\x88\x07"), 11);
    assert_int_equal(emulator.modified, VCPU_GPR | VCPU_SEGMENTS);
    assert_int_equal(state.segment[SEG_DS].base, 0x12340);
    assert_int_equal(state.segment[SEG_ES].base, 0x12340);
    assert_int_equal(state.segment[SEG_FS].selector, 0x1234);
    assert_int_equal(machine.ram[0x12345], 0x34);
    assert_int_equal(state.gpr.reg[RSP], 0x2000);
    assert_int_equal(GO("\x40\x8e\xd0"), 1); /* mov ss, ax */
    assert_int_equal(GO("\x40\x17"), 1);     /* pop ss */
    assert_int_equal(emulator.modified, VCPU_GPR);
    begin(TEST_PROTECTED_16);
    state.gpr.reg[RSP] = 0x2000;
    assert_int_equal(GO("\x1e\x8e\xd8"), 1); /* push ds; mov ds, ax */
    assert_int_equal(GO("\x40\x07"), 1);     /* pop es */
}

/* POPF ends it where it lets an interrupt in, and is left alone where it sets TF: the first trap comes behind
 * the instruction after it, and a reply with TF set has executed one (core/vcpu.c). */
static void flags(void **unused)
{
    static const struct {
        uint64_t before, popped;
        unsigned length;
    } rows[] = {{0, FLAG_CF, 2},       {0, FLAG_IF, 1},       {FLAG_IF, FLAG_IF, 2},
                {FLAG_IF, FLAG_CF, 2}, {FLAG_IF, FLAG_TF, 0}, {0, FLAG_TF | FLAG_IF, 0}};

    (void)unused;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        state.gpr.reg[RSP] = 0x20000;
        state.gpr.rflags = rows[i].before | 2;
        memcpy(machine.ram + 0x20000, &rows[i].popped, 4);
        assert_int_equal(GO("\x9d\x90"), rows[i].length); /* popf; nop */
        assert_int_equal(state.gpr.rflags, (rows[i].length ? rows[i].popped : rows[i].before) | 2);
        assert_int_equal(state.gpr.reg[RSP], rows[i].length ? 0x20004 : 0x20000);
    }
}

/* Short ones, to RAM across the end of a page and to a device, and the end of a comparison. */
static void strings(void **unused)
{
    (void)unused;
    state.gpr.reg[RDI] = 0x20ffe;
    state.gpr.reg[RAX] = 0x11;
    state.gpr.reg[RCX] = 4;
    assert_int_equal(GO("\xf3\xaa\x90"), 3); /* rep stosb; nop */
    assert_memory_equal(machine.ram + 0x20ffe, "\x11\x11\x11\x11\0", 5);
    assert_int_equal(state.gpr.reg[RDI], 0x21002);
    assert_int_equal(state.gpr.reg[RCX], 0);
    state.gpr.reg[RSI] = 0x20ffe;
    state.gpr.reg[RDI] = TEST_DEVICE;
    state.gpr.reg[RCX] = EMULATE_ELEMENTS_MAX;
    assert_int_equal(GO("\xf3\xa4\xa4"), 3); /* rep movsb; movsb */
    assert_int_equal(ahead.accesses, EMULATE_ELEMENTS_MAX + 1);
    assert_int_equal(ahead.instructions, 3);
    state.gpr.reg[RDI] = 0x20ffe;
    state.gpr.reg[RCX] = 10;
    assert_int_equal(GO("\xf3\xae\xfc"), 3); /* repe scasb; cld */
    assert_int_equal(state.gpr.reg[RCX], 5);
    state.gpr.reg[RSI] = 0x20000;
    state.gpr.reg[RDI] = TEST_DEVICE;
    GO("\xb9\x40\0\0\0\xf3\xa4\xeb\xf7"); /* again: mov ecx, 64; rep movsb; jmp again */
    assert_in_range(ahead.instructions + ahead.elements, EMULATE_AHEAD_MAX,
                    EMULATE_AHEAD_MAX + EMULATE_ELEMENTS_MAX);
    /* An element beyond the limit: the elements before it are the processor's, too. */
    state.segment[SEG_ES].limit = 0x20fff;
    state.gpr.reg[RDI] = 0x21000;
    state.gpr.reg[RCX] = 2;
    assert_int_equal(GO("\x40\xf3\xaa"), 1);
    assert_int_equal(state.gpr.reg[RCX], 2);
}

/* Nothing of an instruction that faults has happened. */
static void stops_before_faults(void **unused)
{
    (void)unused;
    state.segment[SEG_DS].limit = 0x1ffff;
    state.gpr.reg[RBX] = 0x1fffe;
    assert_int_equal(GO("\x40\x89\x03"), 1);         /* mov [ebx], eax */
    assert_int_equal(GO("\x40\x31\xc9\xf7\xf1"), 3); /* div ecx by 0 */
    begin(TEST_LONG);
    map_pages();
    state.gpr.reg[RBX] = PAGES + 0x1000;
    state.control.cr2 = 0x5555;
    set_page_entry(1, 0);
    assert_int_equal(GO("\x90\x48\x89\x03"), 1); /* mov [rbx], rax */
    assert_int_equal(state.control.cr2, 0x5555);
    assert_int_equal(emulator.modified, VCPU_GPR);
}

static void single_step_and_breakpoints(void **unused)
{
    (void)unused;
    state.gpr.rflags |= FLAG_TF;
    assert_int_equal(GO("\x40\x40"), 0);
    state.gpr.rflags &= ~(uint64_t)FLAG_TF;
    state.control.dr7 = 0x402;
    assert_int_equal(GO("\x40\x40"), 0);
    state.control.dr7 = 0x400;
    assert_int_equal(GO("\x40\x40"), 2);
}

static void bounds(void **unused)
{
    (void)unused;
    assert_int_equal(GO("\xeb\xfe"), 0); /* jmp to itself */
    assert_int_equal(ahead.instructions, EMULATE_GAP_MAX);
    assert_int_equal(GO("\xe4\x10\xeb\xfc"), 0); /* in al, 0x10; jmp to it */
    assert_int_equal(ahead.instructions, EMULATE_AHEAD_MAX);
    assert_int_equal(ahead.accesses, EMULATE_AHEAD_MAX / 2);
}

/* Code that changes itself is not what was decoded before. */
static void changed_code(void **unused)
{
    (void)unused;
    state.gpr.reg[RAX] = 0;
    /* inc eax; mov byte [CODE], 0x48 (dec eax); jmp CODE + 9 - ... : twice through the same place */
    assert_int_equal(GO("\x40"
                        "\xc6\x05\0\x80\0\0\x48"
                        "\x41"
                        "\x83\xf9\x02"
                        "\x75\xf2"),
                     14);
    assert_int_equal(state.gpr.reg[RAX], 0);
}

/* One table entry changes between two calls; within one it is looked up once. */
static void translations(void **unused)
{
    (void)unused;
    begin(TEST_LONG);
    map_pages();
    machine.ram[0x10000] = 0x11;
    machine.ram[0x12000] = 0x22;
    state.gpr.reg[RBX] = PAGES;
    assert_int_equal(GO("\x8a\x03"), 2); /* mov al, [rbx] */
    assert_int_equal(state.gpr.reg[RAX] & 0xff, 0x11);
    set_page_entry(0, 0x12007);
    assert_int_equal(GO("\x8a\x03"), 2);
    assert_int_equal(state.gpr.reg[RAX] & 0xff, 0x22);
    /* Across pages: mov eax, [rbx], half of it on each. */
    state.gpr.reg[RBX] = PAGES + 0xffe;
    memcpy(machine.ram + 0x12ffe, "\x01\x02", 2);
    memcpy(machine.ram + 0x11000, "\x03\x04", 2);
    assert_int_equal(GO("\x8b\x03"), 2);
    assert_int_equal(state.gpr.reg[RAX], 0x04030201);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(goes_on, set_up),
        cmocka_unit_test_setup(reads_once, set_up),
        cmocka_unit_test_setup(page_end, set_up),
        cmocka_unit_test_setup(other_instructions, set_up),
        cmocka_unit_test_setup(stops, set_up),
        cmocka_unit_test_setup(segments, set_up),
        cmocka_unit_test_setup(flags, set_up),
        cmocka_unit_test_setup(strings, set_up),
        cmocka_unit_test_setup(stops_before_faults, set_up),
        cmocka_unit_test_setup(single_step_and_breakpoints, set_up),
        cmocka_unit_test_setup(bounds, set_up),
        cmocka_unit_test_setup(changed_code, set_up),
        cmocka_unit_test_setup(translations, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
