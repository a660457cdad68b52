/*
 * The debugger of a guest's processors (devices/debugger*.c): what it asks the monitor for, whose a trap is,
 * breakpoints in RAM and in ROM, a clock that stands, and what is left when it goes. debugger.c is part of
 * the test program, so that the system calls are recorders; the emulator is a stub that moves RIP on.
 *
 * sources: devices/debugger_answer.c devices/debugger_inspect.c devices/debugger_memory.c
 * sources: devices/debugger_step.c lib/walk.c lib/format.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include "syscall.h"

#define sys_vcpu_debug   recorded_debug
#define sys_vcpu_get     recorded_get
#define sys_lapic_access recorded_access
#define sys_notify       recorded_notify
static int64_t recorded_debug(uint32_t vcpu, uint32_t intercept, uint64_t stood);
static int64_t recorded_get(uint32_t groups);
static int64_t recorded_access(uint32_t offset, uint32_t write, uint64_t value);
static int64_t recorded_notify(uint32_t guest);
#include "../../devices/debugger.c"
#include "emulate_unfit.h"
#include "guest_machine.h"

enum { RAM = 0x10000, ROM_GPA = 0xfe05b, OFFSET = 1000, CODE = 0x7c00, NEXT = 3 };

static struct pc pc;
static struct debugger *const debugger = &pc.debugger;
static struct upcall *upcall;
static uint8_t ram[RAM];
static uint8_t *spare;
static uint32_t asked, intercepted;
static uint64_t tsc;
static bool shadowed;
const struct emulator_machine guest_machine;

static struct process_info *info(void)
{
    return (struct process_info *)USER_INFO;
}

static int64_t recorded_debug(uint32_t vcpu, uint32_t intercept, uint64_t stood)
{
    asked |= 1u << vcpu;
    intercepted = intercept;
    info()->clock_offset -= stood;
    return 0;
}

static struct vcpu_state monitors[2]; /* as the monitor has them */

static int64_t recorded_get(uint32_t groups)
{
    memcpy(&upcall->state, &monitors[upcall->vcpu],
           groups & VCPU_FPU ? sizeof upcall->state : offsetof(struct vcpu_state, fpu));
    upcall->groups |= groups;
    return 0;
}

static int64_t recorded_access(uint32_t offset, uint32_t write, uint64_t value)
{
    (void)write, (void)value;
    return offset;
}

static int64_t recorded_notify(uint32_t guest)
{
    (void)guest;
    return 0;
}

uint64_t effect_read_tsc(void)
{
    return tsc;
}

uint8_t *effect_spare(uint64_t offset)
{
    return spare + offset;
}

#define ROM_ALIAS (GUEST_HIGH_RAM - 0x100000)

/* The upper memory is the end of the ROM, and cannot be written; or RAM. */
void *ring3_memory(uint64_t gpa, uint64_t length, unsigned rights)
{
    if (gpa + length <= RAM)
        return ram + gpa;
    if (shadowed && gpa >= 0xf0000 && gpa + length <= 0x100000)
        return spare + SPARE_UPPER + gpa - GUEST_VGA_HOLE;
    uint64_t low = gpa >= ROM_ALIAS ? gpa - ROM_ALIAS : gpa;
    if (low >= 0xf0000 && low + length <= 0x100000 && !(rights & MEMORY_WRITE))
        return spare + SPARE_ROM + SPARE_ROM_SIZE - 0x100000 + low;
    return NULL;
}

bool emulate_unfit(struct upcall *to, const struct emulator_machine *machine, void *context,
                   const struct processor_limits *limits, bool (*may_go_on)(void *context))
{
    (void)machine, (void)context, (void)limits, (void)may_go_on;
    assert_false(to->state.gpr.rflags & FLAG_TF & ~debugger->vcpu[to->vcpu].guest_tf);
    assert_true(to->exit.detail & UNFIT_ONCE);
    to->state.gpr.rip++;
    to->modified = VCPU_GPR;
    return false;
}

static int set_up(void **state)
{
    (void)state;
    memset(&pc, 0, sizeof pc);
    memset(ram, 0, sizeof ram);
    memset(monitors, 0, sizeof monitors);
    memset(spare + SPARE_ROM, 0x5a, SPARE_ROM_SIZE);
    for (unsigned i = 0; i < 2; i++) {
        monitors[i].gpr.rip = CODE;
        monitors[i].time.tsc_offset = OFFSET;
    }
    ((struct guest_config *)USER_CONFIG)->cpu_count = 2;
    info()->clock_offset = OFFSET;
    tsc = 50000;
    asked = 0;
    shadowed = false;
    debugger->attached = 1;
    return 0;
}

/* The monitor's answer to what was asked: an upcall for that vCPU, whose reply is taken. */
static uint32_t comes(uint32_t vcpu)
{
    memset(upcall, 0, sizeof *upcall);
    upcall->vcpu = vcpu;
    upcall->groups = VCPU_GPR | VCPU_SEGMENTS | VCPU_CONTROL | VCPU_MSRS | VCPU_TABLES | VCPU_INTERRUPTS;
    memcpy(&upcall->state, &monitors[vcpu], offsetof(struct vcpu_state, time));
    debugger_upcall(upcall, &pc);
    if (upcall->modified & VCPU_TIME)
        monitors[vcpu].time = upcall->state.time;
    memcpy(&monitors[vcpu], &upcall->state, offsetof(struct vcpu_state, time));
    return upcall->status;
}

/* #DB, with these causes in DR6. */
static uint32_t traps(uint32_t vcpu, uint64_t dr6)
{
    monitors[vcpu].control.dr6 = dr6;
    monitors[vcpu].interrupts.event = (struct vcpu_event){.type = EVENT_EXCEPTION, .vector = EXCEPTION_DB};
    return comes(vcpu);
}

static bool trap_is_gone(void)
{
    return (upcall->modified & VCPU_INTERRUPTS) && upcall->state.interrupts.event.type == EVENT_NONE;
}

static void hold_both(void)
{
    debugger_hold(debugger);
    assert_int_equal(comes(0), UPCALL_HOLD);
    assert_int_equal(comes(1), UPCALL_HOLD);
    assert_true(debugger->last.held);
}

static uint32_t ask_for(uint32_t op, uint32_t kind, uint64_t address, uint32_t length)
{
    static struct channel_debug question;
    question.request = (struct debug_request){.op = op, .kind = kind, .address = address, .length = length};
    question.asked++;
    assert_true(debugger_answer(&pc, &question));
    return question.answer.error;
}

static void all_are_held_and_go_on(void **state)
{
    (void)state;
    hold_both();
    assert_int_equal(debugger->last.stops, 1);
    assert_int_equal(comes(0), UPCALL_HOLD); /* a look is no leave */
    assert_int_equal(ask_for(DEBUG_GO, 3, 0, 0), DEBUG_OK);
    assert_int_equal(comes(0), UPCALL_HOLD); /* that was from another stop */
    assert_int_equal(ask_for(DEBUG_GO, 3, 1, 0), DEBUG_OK);
    assert_int_equal(comes(0), UPCALL_OK);
    assert_int_equal(comes(1), UPCALL_OK);
    assert_false(debugger->last.held);
}

/* All clocks go on where they stood, however long that was, and those of both processors by the same. */
static void a_held_guest_has_its_clock_stand(void **state)
{
    (void)state;
    hold_both();
    assert_int_equal(debugger->stood_at, tsc + OFFSET);
    tsc += 7000;
    ask_for(DEBUG_GO, 1, 1, 0); /* vCPU 1 stays */
    assert_int_equal(debugger->stood_at, 0);
    assert_int_equal(info()->clock_offset, OFFSET - 7000);
    assert_int_equal(comes(0), UPCALL_OK);
    assert_int_equal(monitors[0].time.tsc_offset, OFFSET - 7000);
    assert_int_equal(comes(1), UPCALL_HOLD);
    debugger_hold(debugger);
    assert_int_equal(comes(0), UPCALL_HOLD);
    tsc += 100;
    ask_for(DEBUG_GO, 3, 2, 0);
    comes(0);
    comes(1);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(monitors[i].time.tsc_offset, OFFSET - 7100);
    assert_int_equal(info()->clock_offset, OFFSET - 7100);
}

static void a_reset_lets_the_clock_go_and_holds_again(void **state)
{
    (void)state;
    hold_both();
    tsc += 500;
    debugger_reset(debugger);
    assert_int_equal(info()->clock_offset, OFFSET - 500);
    assert_int_equal(asked, 3);
    assert_int_equal(comes(0), UPCALL_HOLD);
    assert_int_equal(comes(1), UPCALL_HOLD);
    assert_int_equal(debugger->last.stops, 2);
    assert_int_equal(monitors[1].time.tsc_offset, OFFSET - 500);
}

static void a_step_is_a_trap_that_the_guest_does_not_get(void **state)
{
    (void)state;
    hold_both();
    ask_for(DEBUG_GO, 0, 1, 1);
    assert_int_equal(comes(0), UPCALL_OK);
    assert_true(monitors[0].gpr.rflags & FLAG_TF);
    monitors[0].gpr.rip += NEXT;
    assert_int_equal(traps(0, DR6_BS), UPCALL_HOLD);
    assert_true(trap_is_gone());
    assert_false(monitors[0].gpr.rflags & FLAG_TF);
    assert_int_equal(debugger->last.reason, DEBUG_STEPPED);
    assert_int_equal(debugger->vcpu[0].state.gpr.rip, CODE + NEXT);
    assert_int_equal(debugger->vcpu[0].state.control.dr6 & DR6_BS, 0);
}

/* A guest's own #DB is its own. */
static void other_traps_are_the_guests(void **state)
{
    (void)state;
    assert_int_equal(traps(0, DR6_BS), UPCALL_OK);
    assert_false(trap_is_gone());
    assert_int_equal(traps(1, 1), UPCALL_OK);
    assert_false(trap_is_gone());
}

static void what_shows_tf_is_emulated(void **state)
{
    static const struct {
        uint8_t code[6];
        bool narrow, wide;
    } list[] = {
        {{0x9c}, true, true},        {{0x66, 0x9c}, true, true},   {{0x2e, 0x67, 0x9d}, true, true},
        {{0x48, 0xcf}, false, true}, {{0xcf}, true, true},         {{0xcd, 0x80}, true, true},
        {{0xce}, true, false},       {{0xf1}, true, true},         {{0xf3, 0x66, 0x41, 0x9c}, false, true},
        {{0x90}, false, false},      {{0x0f, 0x9c}, false, false},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof list / sizeof list[0]; i++) {
        assert_int_equal(debugger_shows_tf(list[i].code, 6, false), list[i].narrow);
        assert_int_equal(debugger_shows_tf(list[i].code, 6, true), list[i].wide);
    }
    assert_false(debugger_shows_tf((const uint8_t[]){0x66, 0x66}, 2, false));
    ram[CODE] = 0x9c;
    hold_both();
    ask_for(DEBUG_GO, 0, 1, 1);
    assert_int_equal(comes(0), UPCALL_HOLD);
    assert_int_equal(debugger->last.reason, DEBUG_STEPPED);
    assert_int_equal(debugger->vcpu[0].state.gpr.rip, CODE + 1);
}

/* A guest that the processor does not run is stepped by the emulator, and gets no trap of it. */
static void an_unfit_guest_is_stepped(void **state)
{
    (void)state;
    hold_both();
    ask_for(DEBUG_GO, 0, 1, 1);
    comes(0);
    upcall->exit = (struct vcpu_exit){.reason = VCPU_EXIT_UNFIT};
    upcall->modified = 0;
    upcall->state.tables.gdtr.base = 0x1234;
    assert_true(debugger_takes(upcall, &pc));
    assert_int_equal(upcall->status, UPCALL_HOLD);
    assert_int_equal(debugger->vcpu[0].state.gpr.rip, CODE + 1);
    assert_int_equal(upcall->state.tables.gdtr.base, 0x1234);
    assert_false(upcall->state.gpr.rflags & FLAG_TF);
    assert_int_equal(debugger->last.reason, DEBUG_STEPPED);
}

static void breakpoints_are_hidden(void **state)
{
    struct vcpu_state *s = &debugger->vcpu[0].state;
    uint8_t bytes[3] = {0};

    (void)state;
    memcpy(ram + CODE, "\x01\x02\x03", 3);
    hold_both();
    assert_int_equal(ask_for(DEBUG_INSERT, DEBUG_SOFTWARE, CODE + 1, 1), DEBUG_OK);
    assert_int_equal(ram[CODE + 1], 0xcc);
    assert_int_equal(debugger_move(debugger, s, CODE, bytes, 3, false), 3);
    assert_memory_equal(bytes, "\x01\x02\x03", 3);
    assert_int_equal(debugger_move(debugger, s, CODE, (uint8_t *)"\x0a\x0b\x0c", 3, true), 3);
    assert_int_equal(ram[CODE + 1], 0xcc);
    ram[CODE + 1] = 0x77; /* a device writes there */
    debugger_rearm(debugger, NULL);
    assert_int_equal(ram[CODE + 1], 0xcc);
    assert_int_equal(ask_for(DEBUG_REMOVE, DEBUG_SOFTWARE, CODE + 1, 1), DEBUG_OK);
    assert_memory_equal(ram + CODE, "\x0a\x77\x0c", 3);
}

static void map_page(unsigned frame)
{
    enum { DIRECTORY = 0x1000, TABLE = 0x2000, ENTRY = TABLE + 7 * 4 };
    const uint32_t table = TABLE | 3, page = frame ? frame << 12 | 3 : 0;

    memcpy(ram + DIRECTORY, &table, sizeof table);
    memcpy(ram + ENTRY, &page, sizeof page);
    for (unsigned i = 0; i < 2; i++) {
        monitors[i].control.cr0 = CR0_PE | CR0_PG;
        monitors[i].control.cr3 = DIRECTORY;
    }
}

/* The guest has written over it, and given the page to something else: that is let alone. */
static void a_breakpoint_follows_its_address(void **state)
{
    (void)state;
    map_page(9);
    hold_both();
    assert_int_equal(ask_for(DEBUG_INSERT, DEBUG_SOFTWARE, 0x7123, 1), DEBUG_OK);
    assert_int_equal(ram[0x9123], 0xcc);
    map_page(0);
    ram[0x9123] = 0x55;
    debugger_rearm(debugger, &monitors[0]);
    debugger_rearm(debugger, &monitors[0]);
    assert_int_equal(ram[0x9123], 0x55);
    map_page(10);
    debugger_rearm(debugger, &monitors[0]);
    assert_int_equal(ram[0x9123], 0x55);
    assert_int_equal(ram[0xa123], 0xcc);
}

static void a_breakpoint_stops_there_only(void **state)
{
    (void)state;
    hold_both();
    ask_for(DEBUG_INSERT, DEBUG_SOFTWARE, CODE, 1);
    ask_for(DEBUG_GO, 3, 1, 0);
    comes(0);
    upcall->exit = (struct vcpu_exit){.reason = VCPU_EXIT_INSTRUCTION};
    upcall->state.gpr.rip = CODE + 1;
    assert_false(debugger_takes(upcall, &pc)); /* an INT3 of the guest's */
    upcall->state.gpr.rip = CODE;
    assert_true(debugger_takes(upcall, &pc));
    assert_int_equal(upcall->status, UPCALL_HOLD);
    assert_int_equal(debugger->last.reason, DEBUG_BREAKPOINT);
    assert_int_equal(debugger->wanted, 3);
}

/* GDB takes a breakpoint away before it lets a processor go on from it, where it knows it to be there: in
 * real mode with a base it does not. */
static void a_breakpoint_that_stays_is_passed(void **state)
{
    (void)state;
    ram[CODE] = 0x90;
    hold_both();
    ask_for(DEBUG_INSERT, DEBUG_SOFTWARE, CODE, 1);
    ask_for(DEBUG_GO, 3, 1, 0);
    comes(0);
    upcall->exit = (struct vcpu_exit){.reason = VCPU_EXIT_INSTRUCTION};
    assert_true(debugger_takes(upcall, &pc));
    comes(1);
    ask_for(DEBUG_GO, 3, 2, 0);
    assert_int_equal(comes(0), UPCALL_OK);
    assert_int_equal(ram[CODE], 0x90);
    debugger_rearm(debugger, &upcall->state);
    assert_int_equal(ram[CODE], 0x90);
    monitors[0].gpr.rip += NEXT;
    assert_int_equal(traps(0, DR6_BS), UPCALL_OK);
    assert_true(trap_is_gone());
    assert_false(monitors[0].gpr.rflags & FLAG_TF);
    debugger_rearm(debugger, &upcall->state);
    assert_int_equal(ram[CODE], 0xcc);
    assert_false(debugger->last.held);
}

/* In ROM, which a firmware may copy before it is taken away. */
static void breakpoints_in_rom(void **state)
{
    uint8_t *rom = spare + SPARE_ROM + SPARE_ROM_SIZE - 0x100000 + ROM_GPA;
    struct vcpu_state *s = &debugger->vcpu[0].state;
    uint8_t byte = 0;

    (void)state;
    hold_both();
    assert_int_equal(ask_for(DEBUG_INSERT, DEBUG_SOFTWARE, ROM_GPA, 1), DEBUG_OK);
    assert_int_equal(*rom, 0xcc);
    assert_int_equal(debugger_move(debugger, s, ROM_GPA, &byte, 1, false), 1);
    assert_int_equal(byte, 0x5a);
    assert_null(debugger_check(debugger));
    debugger_rearm(debugger, s);
    /* A reset leads to where the ROM is seen once more. */
    assert_int_equal(debugger_move(debugger, s, ROM_ALIAS + ROM_GPA, &byte, 1, false), 1);
    assert_int_equal(byte, 0x5a);
    s->gpr.rip = ROM_ALIAS + ROM_GPA;
    assert_true(debugger_at_breakpoint(debugger, s));
    assert_int_equal(ask_for(DEBUG_INSERT, DEBUG_SOFTWARE, ROM_ALIAS + ROM_GPA, 1), DEBUG_OK);
    ask_for(DEBUG_REMOVE, DEBUG_SOFTWARE, ROM_ALIAS + ROM_GPA, 1);
    assert_int_equal(*rom, 0xcc);
    ask_for(DEBUG_REMOVE, DEBUG_SOFTWARE, ROM_GPA, 1);
    assert_int_equal(*rom, 0x5a);
    debugger->breakpoint[0].spare = 0xffffffff;
    assert_non_null(debugger_check(debugger));
}

/* What a firmware has copied its ROM to is hidden when it goes back to the ROM, and must not keep one. */
static void breakpoints_in_shadow_ram(void **state)
{
    uint8_t *copy = spare + SPARE_UPPER + ROM_GPA - GUEST_VGA_HOLE;

    (void)state;
    shadowed = true;
    *copy = 0x5a;
    hold_both();
    assert_int_equal(ask_for(DEBUG_INSERT, DEBUG_SOFTWARE, ROM_GPA, 1), DEBUG_OK);
    assert_int_equal(*copy, 0xcc);
    shadowed = false;
    debugger_rearm(debugger, &debugger->vcpu[0].state);
    assert_int_equal(*copy, 0x5a);
    assert_null(debugger_check(debugger));
    ask_for(DEBUG_DETACH, 0, 0, 0);
    assert_int_equal(spare[SPARE_ROM + SPARE_ROM_SIZE - 0x100000 + ROM_GPA], 0x5a);
}

/* Both are held, and go on with this in their debug registers. */
static void watch(enum debug_breakpoint kind, uint64_t address, uint32_t length, uint64_t dr7)
{
    for (unsigned i = 0; i < 2; i++)
        monitors[i].control.dr[0] = 0x1111 + i, monitors[i].control.dr7 = 0x400;
    hold_both();
    assert_int_equal(ask_for(DEBUG_INSERT, kind, address, length), DEBUG_OK);
    ask_for(DEBUG_GO, 3, 1, 0);
    comes(0);
    comes(1);
    assert_int_equal(monitors[1].control.dr[0], address);
    assert_int_equal(monitors[1].control.dr7, dr7);
}

static void watch_one_word(void)
{
    watch(DEBUG_WATCH_WRITE, 0x500, 4, 0xd0402);
}

static void watches_are_in_the_debug_registers(void **state)
{
    (void)state;
    watch_one_word();
    assert_int_equal(traps(1, 1), UPCALL_HOLD);
    assert_true(trap_is_gone());
    assert_int_equal(debugger->last.reason, DEBUG_WATCHPOINT);
    assert_int_equal(debugger->last.address, 0x500);
    assert_int_equal(monitors[1].control.dr[0], 0x1112); /* the guest's own while it is looked at */
    assert_int_equal(monitors[1].control.dr7, 0x400);
    comes(0);
    assert_int_equal(ask_for(DEBUG_INSERT, DEBUG_WATCH_WRITE, 0x502, 4), DEBUG_EROOM); /* not aligned */
}

static void hardware_breakpoints_are_there_too(void **state)
{
    (void)state;
    watch(DEBUG_HARDWARE, 0x7c01, 1, 0x402);
    assert_int_equal(traps(0, 1), UPCALL_HOLD);
    assert_true(trap_is_gone());
    assert_int_equal(debugger->last.reason, DEBUG_BREAKPOINT);
    assert_int_equal(debugger->last.kind, DEBUG_HARDWARE);
}

static void what_a_guest_writes_stays(void **state)
{
    (void)state;
    watch_one_word();
    monitors[1].control.dr[0] = 0x2222;
    monitors[1].control.dr7 = 0x401;
    hold_both();
    assert_int_equal(monitors[0].control.dr[0], 0x1111);
    assert_int_equal(monitors[1].control.dr[0], 0x2222);
    assert_int_equal(monitors[1].control.dr7, 0x401);
    ask_for(DEBUG_GO, 3, 2, 0);
    comes(1);
    assert_int_equal(monitors[1].control.dr[0], 0x500);
}

/* DR6 may name what DR7 has not on (SDM Vol. 3B, 18.2.3). */
static void a_guests_own_step_is_its_own(void **state)
{
    (void)state;
    watch_one_word();
    assert_int_equal(traps(1, DR6_BS | 2), UPCALL_OK);
    assert_false(trap_is_gone());
    assert_int_equal(debugger->last.reason, DEBUG_ASKED);
}

/* Its own breakpoint, when it has written over the debugger's, and under the debugger's step. */
static void a_guests_own_watch_is_its_own(void **state)
{
    (void)state;
    watch_one_word();
    monitors[1].control.dr[0] = 0x2222;
    monitors[1].control.dr7 = 0x401;
    assert_int_equal(traps(1, 1), UPCALL_OK);
    assert_false(trap_is_gone());
    hold_both();
    ask_for(DEBUG_GO, 1, debugger->last.stops, 2);
    comes(1);
    monitors[1].control.dr[0] = 0x2222;
    monitors[1].control.dr7 = 0x401;
    assert_int_equal(traps(1, 1), UPCALL_OK);
    assert_false(trap_is_gone());
    assert_int_equal(debugger->last.reason, DEBUG_ASKED);
}

/* Bochs' SVM does not say which. */
static void a_trap_without_a_cause_is_the_watchs(void **state)
{
    (void)state;
    watch_one_word();
    assert_int_equal(traps(0, 0), UPCALL_HOLD);
    assert_int_equal(debugger->last.reason, DEBUG_WATCHPOINT);
}

static void a_debugger_that_goes_leaves_nothing(void **state)
{
    (void)state;
    watch_one_word();
    ask_for(DEBUG_DETACH, 0, 0, 0); /* while the guest runs */
    assert_int_equal(asked, 3);
    assert_int_equal(traps(0, 1), UPCALL_OK); /* the last one, before the registers are the guest's again */
    assert_true(trap_is_gone());
    comes(1);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(monitors[i].control.dr[0], 0x1111 + i);
        assert_int_equal(monitors[i].control.dr7, 0x400);
    }
    assert_int_equal(traps(0, 1), UPCALL_OK);
    assert_false(trap_is_gone());
}

static void a_step_that_nobody_waits_for_holds_nobody(void **state)
{
    (void)state;
    hold_both();
    ask_for(DEBUG_GO, 2, 1, 1);
    comes(0);
    comes(1);
    ask_for(DEBUG_DETACH, 0, 0, 0);
    assert_int_equal(traps(0, DR6_BS), UPCALL_OK);
    assert_true(trap_is_gone());
    assert_false(monitors[0].gpr.rflags & FLAG_TF);
    assert_int_equal(traps(0, DR6_BS), UPCALL_OK);
    assert_false(trap_is_gone());
}

/* Its TF is not the guest's, until its trap comes or the emulator does the instruction. */
static void a_step_that_nobody_waits_for_is_hidden(void **state)
{
    (void)state;
    hold_both();
    ask_for(DEBUG_GO, 2, 1, 1);
    comes(0);
    comes(1);
    ask_for(DEBUG_ATTACH, 0, 0, 0);
    hold_both();
    assert_false(debugger->vcpu[0].state.gpr.rflags & FLAG_TF);
    ask_for(DEBUG_GO, 2, 2, 1);
    comes(0);
    comes(1);
    ask_for(DEBUG_DETACH, 0, 0, 0);
    upcall->vcpu = 0;
    memcpy(&upcall->state, &monitors[0], offsetof(struct vcpu_state, time));
    assert_true(upcall->state.gpr.rflags & FLAG_TF);
    upcall->status = UPCALL_OK;
    upcall->exit = (struct vcpu_exit){.reason = VCPU_EXIT_UNFIT};
    assert_true(debugger_takes(upcall, &pc));
    assert_int_equal(upcall->status, UPCALL_OK);
    assert_false(upcall->state.gpr.rflags & FLAG_TF);
    assert_false(debugger->vcpu[0].stepping);
    assert_false(debugger->held);
}

/* A debugger that was killed has left its breakpoints: the next one begins without. */
static void an_attach_begins_anew(void **state)
{
    (void)state;
    ram[CODE] = 0x90;
    hold_both();
    ask_for(DEBUG_INSERT, DEBUG_SOFTWARE, CODE, 1);
    ask_for(DEBUG_ATTACH, 0, 0, 0);
    assert_int_equal(ram[CODE], 0x90);
    assert_true(debugger->attached);
}

static void watches_outlive_a_reset(void **state)
{
    (void)state;
    watch_one_word();
    memset(&monitors[0].control, 0, sizeof monitors[0].control);
    debugger_reset(debugger);
    assert_int_equal(comes(0), UPCALL_OK);
    assert_int_equal(monitors[0].control.dr[0], 0x500);
}

static void questions_are_checked(void **state)
{
    (void)state;
    assert_int_equal(ask_for(DEBUG_REGISTERS, 0, 0, 0), DEBUG_EHELD);
    assert_int_equal(ask_for(DEBUG_OP_COUNT, 0, 0, 0), DEBUG_EOP);
    char line[DEBUG_DATA];
    assert_true(debugger_inspect(&pc, 2 * 17, line, sizeof line) > 0);
    assert_int_equal(debugger_inspect(&pc, (1ull << 32) + 2 * 17, line, sizeof line), 0);
    hold_both();
    assert_int_equal(ask_for(DEBUG_READ, 0, 0, DEBUG_DATA + 1), DEBUG_EMEMORY);
    assert_int_equal(ask_for(DEBUG_READ, 0, ROM_ALIAS - 1, 16), DEBUG_EMEMORY);
    assert_int_equal(ask_for(DEBUG_READ, 0, RAM, 1), DEBUG_EMEMORY);
    ram[RAM - 1] = 0x33;
    assert_int_equal(ask_for(DEBUG_WRITE, 0, RAM - 1, 2), DEBUG_EMEMORY); /* not a part of it, either */
    assert_int_equal(ram[RAM - 1], 0x33);
    assert_int_equal(ask_for(DEBUG_INSERT, 77, 0, 1), DEBUG_EROOM);
    assert_int_equal(ask_for(DEBUG_INSERT, DEBUG_WATCH_WRITE, 0, 3), DEBUG_EROOM);
    for (unsigned i = 0; i < DEBUGGER_BREAKPOINTS; i++)
        assert_int_equal(ask_for(DEBUG_INSERT, DEBUG_SOFTWARE, i, 1), DEBUG_OK);
    assert_int_equal(ask_for(DEBUG_INSERT, DEBUG_SOFTWARE, 1000, 1), DEBUG_EROOM);
}

/* 2^48 above an address that is mapped there is none. */
static void addresses_are_canonical(void **state)
{
    const uint64_t table = 0x2000 | 3, giant_page = 0x83;
    struct vcpu_state *s = &debugger->vcpu[0].state;
    uint8_t byte = 0;

    (void)state;
    ram[CODE] = 0x44;
    memcpy(ram + 0x1000, &table, sizeof table);
    memcpy(ram + 0x2000, &giant_page, sizeof giant_page);
    hold_both();
    s->control.cr0 = CR0_PE | CR0_PG;
    s->control.cr3 = 0x1000;
    s->control.cr4 = CR4_PAE;
    s->msrs.efer = EFER_LMA;
    assert_int_equal(debugger_move(debugger, s, CODE, &byte, 1, false), 1);
    assert_int_equal(byte, 0x44);
    assert_int_equal(debugger_move(debugger, s, 1ull << 48 | CODE, &byte, 1, false), 0);
    assert_int_equal(ask_for(DEBUG_INSERT, DEBUG_SOFTWARE, 1ull << 48 | CODE, 1), DEBUG_OK); /* not yet */
    assert_int_equal(ram[CODE], 0x44);
}

static int map_all(void **state)
{
    (void)state;
    for (uint64_t at = USER_INFO;; at = USER_CONFIG) {
        void *got =
            mmap((void *)(uintptr_t)at, at == USER_INFO ? sizeof(struct process_info) : GUEST_CONFIG_SIZE,
                 PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        assert_int_equal((uintptr_t)got, at);
        if (at == USER_CONFIG)
            break;
    }
    void *got = mmap((void *)(uintptr_t)USER_CHANNEL, CHANNEL_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    assert_int_equal((uintptr_t)got, USER_CHANNEL);
    spare = mmap(NULL, SPARE_FIRMWARE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static struct upcall page;
    upcall = &page;
    return spare == MAP_FAILED;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_are_held_and_go_on, set_up),
        cmocka_unit_test_setup(a_held_guest_has_its_clock_stand, set_up),
        cmocka_unit_test_setup(a_reset_lets_the_clock_go_and_holds_again, set_up),
        cmocka_unit_test_setup(a_step_is_a_trap_that_the_guest_does_not_get, set_up),
        cmocka_unit_test_setup(other_traps_are_the_guests, set_up),
        cmocka_unit_test_setup(what_shows_tf_is_emulated, set_up),
        cmocka_unit_test_setup(an_unfit_guest_is_stepped, set_up),
        cmocka_unit_test_setup(breakpoints_are_hidden, set_up),
        cmocka_unit_test_setup(a_breakpoint_follows_its_address, set_up),
        cmocka_unit_test_setup(a_breakpoint_stops_there_only, set_up),
        cmocka_unit_test_setup(a_breakpoint_that_stays_is_passed, set_up),
        cmocka_unit_test_setup(breakpoints_in_rom, set_up),
        cmocka_unit_test_setup(breakpoints_in_shadow_ram, set_up),
        cmocka_unit_test_setup(watches_are_in_the_debug_registers, set_up),
        cmocka_unit_test_setup(hardware_breakpoints_are_there_too, set_up),
        cmocka_unit_test_setup(what_a_guest_writes_stays, set_up),
        cmocka_unit_test_setup(a_guests_own_step_is_its_own, set_up),
        cmocka_unit_test_setup(a_guests_own_watch_is_its_own, set_up),
        cmocka_unit_test_setup(a_trap_without_a_cause_is_the_watchs, set_up),
        cmocka_unit_test_setup(a_debugger_that_goes_leaves_nothing, set_up),
        cmocka_unit_test_setup(a_step_that_nobody_waits_for_holds_nobody, set_up),
        cmocka_unit_test_setup(a_step_that_nobody_waits_for_is_hidden, set_up),
        cmocka_unit_test_setup(an_attach_begins_anew, set_up),
        cmocka_unit_test_setup(watches_outlive_a_reset, set_up),
        cmocka_unit_test_setup(addresses_are_canonical, set_up),
        cmocka_unit_test_setup(questions_are_checked, set_up),
    };
    return cmocka_run_group_tests_name("debugger", tests, map_all, NULL);
}
