/*
 * The entry rules, those of all processors and those of some: for each one a state that breaks it and nothing
 * else, and states that pass in each mode. The sources are included for their tables: no rule is left out,
 * and no other rule is broken.
 *
 * sources:
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "entry_checks.c"
#include "entry_demands.c"

#define NOT_CANONICAL 0x0000800000000000ull

enum { DATA = 0x93, CODE = 0x9b, CODE_32 = 0xc9b, CODE_64 = 0xa9b, STACK_3 = 0xf3 };
enum { LDT_PRESENT = 0x82, TSS_BUSY = 0x8b, TSS_AVAILABLE = 0x89, TSS_16 = 0x83 };
enum { RULES = sizeof(rules) / sizeof(rules[0]), DEMANDED = sizeof(demanded) / sizeof(demanded[0]) };

static bool broken[RULES], broken_demanded[DEMANDED];

static const struct entry_demands all_demands = {
    .segments = true,
    .events = true,
    .cr3 = (1ull << 40) - 1,
    .cr4 = ~(CR4_SMAP | CR4_LA57),
    .efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
};

static struct vcpu_state state_real(void)
{
    struct vcpu_state s;
    memset(&s, 0, sizeof(s));
    s.gpr.rip = 0xfff0;
    s.gpr.rflags = RFLAGS_FIXED;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        s.segment[i] = (struct segment){.attributes = i == SEG_CS ? CODE : DATA, .limit = 0xffff};
    s.segment[SEG_LDTR] = (struct segment){.attributes = LDT_PRESENT, .limit = 0xffff};
    s.segment[SEG_TR] = (struct segment){.attributes = TSS_BUSY, .limit = 0xffff};
    s.control =
        (struct vcpu_control){.cr0 = CR0_CD | CR0_NW | CR0_ET, .xcr0 = 1, .dr6 = DR6_RESET, .dr7 = DR7_RESET};
    s.tables.gdtr.limit = s.tables.idtr.limit = 0xffff;
    s.msrs.pat = PAT_RESET;
    return s;
}

static struct vcpu_state state_protected(void)
{
    struct vcpu_state s = state_real();
    s.control.cr0 = CR0_PE | CR0_PG | CR0_ET;
    s.segment[SEG_CS].attributes = CODE_32;
    return s;
}

static struct vcpu_state state_long(void)
{
    struct vcpu_state s = state_protected();
    s.control.cr4 = CR4_PAE;
    s.msrs.efer = EFER_LME | EFER_LMA;
    s.segment[SEG_CS].attributes = CODE_64;
    s.gpr.rip = 0xffffffff81000000;
    return s;
}

static struct vcpu_state state_vm86(void)
{
    struct vcpu_state s = state_protected();
    s.gpr.rflags |= RFLAGS_VM;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        s.segment[i] = (struct segment){
            .attributes = STACK_3, .limit = 0xffff, .selector = (uint16_t)(i << 8), .base = i << 12};
    return s;
}

static void assert_passes(const struct vcpu_state *s)
{
    assert_null(entry_check(s, NULL));
    assert_null(entry_check(s, &all_demands));
}

static void good_states(void **state)
{
    (void)state;
    struct vcpu_state s = state_real();
    assert_passes(&s);
    s = state_protected();
    assert_passes(&s);
    s = state_long();
    assert_passes(&s);
    s.segment[SEG_GS].base = 0xffff888000000000;
    s.segment[SEG_LDTR] = (struct segment){0}; /* not present */
    assert_passes(&s);
    s.control.cr4 |= CR4_LA57;
    s.segment[SEG_GS].base = NOT_CANONICAL; /* with four levels */
    assert_null(entry_check(&s, NULL));
    s = state_vm86();
    assert_passes(&s);
    s = state_vm86();
    s.segment[SEG_DS].attributes = DATA; /* does not matter everywhere */
    assert_null(entry_check(&s, NULL));
    s = state_protected(); /* LME waits for paging */
    s.control.cr0 &= ~CR0_PG;
    s.msrs.efer = EFER_LME;
    assert_passes(&s);
}

/* Just the one rule, under its name. */
static void assert_breaks(const struct vcpu_state *s, const char *name)
{
    const char *rule = entry_check(s, &all_demands);
    assert_non_null(rule);
    assert_ptr_equal(entry_check(s, NULL), rule);
    assert_string_equal(rule, name);
    for (unsigned i = 0; i < RULES; i++) {
        bool named = !strcmp(rules[i].name, name);
        if (rules[i].holds(s) == named)
            fail_msg("%s: %s", name, rules[i].name);
        broken[i] |= named;
    }
}

#define BREAKS(mode, name, ...)                                                                              \
    do {                                                                                                     \
        struct vcpu_state s = mode();                                                                        \
        __VA_ARGS__;                                                                                         \
        assert_breaks(&s, name);                                                                             \
    } while (0)

static void control_registers(void **state)
{
    (void)state;
    BREAKS(state_real, "EFER has a reserved bit set", s.msrs.efer = EFER_SVME);
    BREAKS(state_real, "CR0 has a bit above 31 set", s.control.cr0 |= 1ull << 32);
    BREAKS(state_real, "CR0.NW is set without CR0.CD", s.control.cr0 &= ~CR0_CD);
    BREAKS(state_real, "CR0.PG is set without CR0.PE", s.control.cr0 |= CR0_PG);
    BREAKS(state_long, "CR3 is wider than a physical address", s.control.cr3 = 1ull << 52);
    BREAKS(state_real, "CR4 has a reserved bit set", s.control.cr4 = 1ull << 13);
    BREAKS(state_real, "DR6 has a bit above 31 set", s.control.dr6 |= 1ull << 32);
    BREAKS(state_real, "DR7 has a bit above 31 set", s.control.dr7 |= 1ull << 63);
    BREAKS(state_long, "long mode without CR4.PAE", s.control.cr4 = 0);
    BREAKS(state_long, "EFER.LMA does not follow LME and paging", s.msrs.efer = EFER_LME);
    BREAKS(state_protected, "EFER.LMA does not follow LME and paging", s.msrs.efer = EFER_LMA);
    BREAKS(state_protected, "CR4.PCIDE is set outside of long mode", s.control.cr4 = CR4_PCIDE);
    BREAKS(state_real, "CR8 is above 15", s.control.cr8 = 16);
}

static void xcr0(void **state)
{
    (void)state;
    enum { X87 = 1, SSE = 2, AVX = 4, MPX = 0x18, AVX512 = 0xe0, PKRU = 0x200, ALL = 0x2ff };
    static const uint32_t good[] = {
        X87, X87 | SSE, X87 | SSE | AVX, X87 | MPX, X87 | PKRU, X87 | SSE | AVX | AVX512, ALL};
    static const uint32_t bad[] = {0,          SSE,        X87 | AVX,          X87 | 0x08, X87 | 0x10,
                                   ALL - 0x20, ALL - 0x80, X87 | SSE | AVX512, ALL - X87};
    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct vcpu_state s = state_real();
        s.control.xcr0 = good[i];
        assert_null(entry_check(&s, NULL));
    }
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        BREAKS(state_real, "XCR0 has components that do not go without others", s.control.xcr0 = bad[i]);
}

static void segments(void **state)
{
    (void)state;
    const char *cs = "CS is not a present code segment", *low = "ES, CS, SS or DS has a base above 4 GiB",
               *ss = "SS has a privilege level that the mode does not allow", *tss = "TR is not a busy TSS",
               *wide = "FS, GS, LDTR, TR or KERNEL_GS_BASE is not canonical", *ldt = "LDTR is not an LDT";
    BREAKS(state_long, "CS.L and CS.D are both set in long mode", s.segment[SEG_CS].attributes |= SEG_DB);
    BREAKS(state_protected, cs, s.segment[SEG_CS].attributes &= ~SEG_P);
    BREAKS(state_real, cs, s.segment[SEG_CS].attributes &= ~SEG_S);
    BREAKS(state_protected, cs, s.segment[SEG_CS].attributes = STACK_3);
    BREAKS(state_real, ss, s.segment[SEG_SS].attributes = STACK_3);
    BREAKS(state_protected, ss, s.gpr.rflags |= RFLAGS_VM);
    for (unsigned i = SEG_ES; i <= SEG_DS; i++)
        BREAKS(state_real, low, s.segment[i].base = 1ull << 32);
    BREAKS(state_long, wide, s.segment[SEG_FS].base = NOT_CANONICAL);
    BREAKS(state_long, wide, s.segment[SEG_GS].base = NOT_CANONICAL);
    BREAKS(state_long, wide, s.segment[SEG_LDTR].base = NOT_CANONICAL);
    BREAKS(state_long, wide, s.segment[SEG_TR].base = NOT_CANONICAL);
    BREAKS(state_long, wide, s.msrs.kernel_gs_base = NOT_CANONICAL);
    BREAKS(state_long, tss, s.segment[SEG_TR].attributes = TSS_16);
    BREAKS(state_protected, tss, s.segment[SEG_TR].attributes = TSS_AVAILABLE);
    BREAKS(state_protected, tss, s.segment[SEG_TR].attributes = TSS_BUSY & ~SEG_P);
    BREAKS(state_protected, tss, s.segment[SEG_TR].attributes |= SEG_S);
    BREAKS(state_protected, ldt, s.segment[SEG_LDTR].attributes = TSS_BUSY);
    BREAKS(state_protected, ldt, s.segment[SEG_LDTR].attributes |= SEG_S);
}

static void descriptor_tables(void **state)
{
    (void)state;
    const char *base = "GDTR or IDTR has a base that is not canonical",
               *limit = "GDTR or IDTR has a limit above 0xffff";
    BREAKS(state_long, base, s.tables.gdtr.base = NOT_CANONICAL);
    BREAKS(state_long, base, s.tables.idtr.base = NOT_CANONICAL);
    BREAKS(state_real, limit, s.tables.gdtr.limit = 0x10000);
    BREAKS(state_real, limit, s.tables.idtr.limit = 0x10000);
}

static void flags_and_addresses(void **state)
{
    (void)state;
    const char *rip = "RIP is outside of what CS can reach", *flags = "RFLAGS has a reserved bit wrong",
               *vm = "RFLAGS.VM is set outside of protected mode, or in long mode",
               *entry = "an entry point of SYSCALL or SYSENTER is not canonical",
               *pat = "PAT has a reserved memory type";
    BREAKS(state_real, flags, s.gpr.rflags = 0);
    BREAKS(state_real, flags, s.gpr.rflags |= 1ull << 22);
    BREAKS(state_real, vm, s.gpr.rflags |= RFLAGS_VM);
    BREAKS(state_long, vm, s.gpr.rflags |= RFLAGS_VM; s.segment[SEG_SS].attributes = STACK_3);
    BREAKS(state_protected, rip, s.gpr.rip = 1ull << 32);
    BREAKS(state_long, rip, s.gpr.rip = NOT_CANONICAL);
    BREAKS(state_long, rip, s.segment[SEG_CS].attributes = CODE_32); /* compatibility mode */
    BREAKS(state_long, entry, s.msrs.lstar = NOT_CANONICAL);
    BREAKS(state_long, entry, s.msrs.cstar = NOT_CANONICAL);
    BREAKS(state_long, entry, s.msrs.sysenter_esp = NOT_CANONICAL);
    BREAKS(state_long, entry, s.msrs.sysenter_eip = NOT_CANONICAL);
    BREAKS(state_real, pat, s.msrs.pat = 2ull << 56);
    BREAKS(state_real, pat, s.msrs.pat = 3);
    BREAKS(state_real, pat, s.msrs.pat = 8ull << 8);
}

static void events(void **state)
{
    (void)state;
    const char *rule = "the pending event is none that a processor knows";
    BREAKS(state_real, rule, s.interrupts.event.type = EVENT_INTERRUPT + 1);
    BREAKS(state_real, rule, s.interrupts.event.type = EVENT_PRIVILEGED);
    BREAKS(state_real, rule, s.interrupts.event.type = EVENT_SOFT_EXCEPTION + 1);
    BREAKS(state_real, rule, s.interrupts.event.type = UINT8_MAX);
    BREAKS(state_real, rule,
           s.interrupts.event = (struct vcpu_event){.type = EVENT_EXCEPTION, .vector = EXCEPTION_NMI});
    BREAKS(state_real, rule,
           s.interrupts.event = (struct vcpu_event){.type = EVENT_EXCEPTION, .vector = EXCEPTION_COUNT});
    BREAKS(state_real, "the interrupt shadow is none that a processor knows",
           s.interrupts.shadow = SHADOW_STI | SHADOW_MOV_SS);
    BREAKS(state_real, "the activity is none that a processor knows",
           s.interrupts.activity = ACTIVITY_SHUTDOWN + 1);
    struct vcpu_state s = state_real();
    s.interrupts.event = (struct vcpu_event){.type = EVENT_INTERRUPT, .vector = 255};
    assert_null(entry_check(&s, NULL));
}

/* Just the one rule, under its name, and only where it is demanded. */
static void assert_demand(const struct vcpu_state *s, const char *name)
{
    const char *rule = entry_check(s, &all_demands);
    struct entry_demands other = {
        .segments = true, .events = true, .cr3 = ~0ull, .cr4 = ~0ull, .efer = ~0ull};
    assert_non_null(rule);
    assert_string_equal(rule, name);
    assert_null(entry_check(s, NULL));
    for (unsigned i = 0; i < DEMANDED; i++) {
        const struct demanded_rule *d = &demanded[i];
        bool named = !strcmp(d->name, name);
        if ((d->within ? d->within(s, &all_demands) : d->holds(s)) == named)
            fail_msg("%s: %s", name, d->name);
        broken_demanded[i] |= named;
        other.segments &= !named || d->demand != DEMAND_SEGMENTS;
        other.events &= !named || d->demand != DEMAND_EVENTS;
    }
    assert_null(entry_check(s, &other));
}

#define DEMANDS(mode, name, ...)                                                                             \
    do {                                                                                                     \
        struct vcpu_state s = mode();                                                                        \
        __VA_ARGS__;                                                                                         \
        assert_demand(&s, name);                                                                             \
    } while (0)
#define S(name) s.segment[SEG_##name]

static void demands_on_bits(void **state)
{
    (void)state;
    DEMANDS(state_long, "CR3 has a bit set that this processor has not", s.control.cr3 = 1ull << 40);
    DEMANDS(state_long, "CR4 has a bit set that this processor has not", s.control.cr4 |= CR4_SMAP);
    DEMANDS(state_long, "EFER has a bit set that this processor has not", s.msrs.efer |= EFER_FFXSR);
}

static void demands_on_virtual_8086(void **state)
{
    (void)state;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        DEMANDS(state_vm86, "a segment of virtual-8086 mode is not where its selector says",
                s.segment[i].base += 16);
        DEMANDS(state_vm86, "a segment of virtual-8086 mode has not 64 KiB", s.segment[i].limit = 0xfffff);
        DEMANDS(state_vm86, "a segment of virtual-8086 mode is not data of level 3",
                s.segment[i].attributes |= SEG_AVL);
    }
}

static void demands_on_code_and_stack(void **state)
{
    (void)state;
    const char *code = "CS is not accessed code, nor what real mode leaves",
               *data = "CS is data outside of level 0", *level = "CS has not the level of SS",
               *stack = "SS is not accessed writable data";
    DEMANDS(state_protected, code, S(CS).attributes &= ~1);
    DEMANDS(state_real, code, S(CS).attributes = DATA & ~2); /* read only */
    DEMANDS(state_real, code, S(CS).attributes = DATA | 4);  /* expand-down */
    DEMANDS(state_protected, data, S(CS).attributes = DATA; S(SS).attributes = STACK_3);
    DEMANDS(state_protected, level, S(CS).attributes |= SEG_DPL_MASK);
    DEMANDS(state_protected, level, S(SS).attributes = STACK_3);
    DEMANDS(state_protected, level, S(CS).attributes |= TYPE_CONFORMING | SEG_DPL_MASK);
    DEMANDS(state_protected, stack, S(SS).attributes &= ~1);
    DEMANDS(state_protected, stack, S(SS).attributes &= ~2);
    DEMANDS(state_protected, stack, S(SS).attributes |= TYPE_CODE);
    DEMANDS(state_protected, stack, S(SS).attributes &= ~SEG_S);
    struct vcpu_state s = state_real();
    S(CS).attributes = DATA; /* as a far jump in real mode leaves it */
    assert_passes(&s);
    s.control.cr0 = CR0_PE | CR0_ET; /* and before the next one, what was a paragraph is no level */
    S(CS).selector = 0x1003;
    assert_passes(&s);
    s = state_protected();
    S(CS).attributes |= TYPE_CONFORMING; /* its level does not count */
    S(SS).attributes = STACK_3 | TYPE_EXPAND_DOWN;
    assert_passes(&s);
    s = state_long();
    S(SS) = (struct segment){0}; /* there is none in 64-bit mode */
    assert_passes(&s);
}

static void demands_on_data_and_system(void **state)
{
    (void)state;
    static const uint8_t data[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    const char *type = "ES, DS, FS or GS is not accessed and readable",
               *limit = "a segment has a limit that its granularity cannot have",
               *local = "TR or LDTR is in a local descriptor table";
    for (unsigned i = 0; i < sizeof(data); i++) {
        DEMANDS(state_protected, type, s.segment[data[i]].attributes &= ~1);
        DEMANDS(state_protected, type, s.segment[data[i]].attributes &= ~SEG_S);
        DEMANDS(state_protected, type, s.segment[data[i]].attributes = CODE & ~2);
    }
    for (unsigned i = SEG_ES; i < SEG_COUNT; i++) {
        DEMANDS(state_protected, limit, s.segment[i].limit = 0x100000);
        DEMANDS(state_protected, limit, s.segment[i].attributes |= SEG_G; s.segment[i].limit = 0xffffe);
    }
    DEMANDS(state_protected, local, S(TR).selector = SELECTOR_TI);
    DEMANDS(state_protected, local, S(LDTR).selector = SELECTOR_TI);
    struct vcpu_state s = state_protected();
    S(LDTR) = (struct segment){.selector = SELECTOR_TI, .limit = UINT32_MAX};                /* not used */
    S(DS) = (struct segment){.attributes = DATA | SEG_G | SEG_DB, .limit = UINT32_MAX};      /* flat */
    S(ES).attributes = CODE;                                                                 /* readable */
    S(FS) = (struct segment){.selector = 3, .attributes = DATA & ~SEG_P, .limit = 0x100000}; /* NULL */
    assert_passes(&s);
}

static void demands_on_events(void **state)
{
    (void)state;
    const char *masked = "an interrupt is to be delivered with RFLAGS.IF clear",
               *shadow = "an interrupt is to be delivered in an interrupt shadow",
               *length = "a software event's instruction has not 1 to 15 bytes";
    const struct vcpu_event interrupt = {.type = EVENT_INTERRUPT, .vector = 32},
                            nmi = {.type = EVENT_NMI, .vector = EXCEPTION_NMI},
                            fault = {.type = EVENT_EXCEPTION,
                                     .vector = EXCEPTION_GP,
                                     .has_error_code = 1,
                                     .error_code = UINT16_MAX},
                            soft = {.type = EVENT_SOFT_INTERRUPT, .vector = 0x80, .length = 2};
    DEMANDS(state_real, masked, s.interrupts.event = interrupt);
    DEMANDS(state_real, shadow, s.interrupts.event = interrupt; s.interrupts.shadow = SHADOW_MOV_SS;
            s.gpr.rflags |= RFLAGS_IF);
    DEMANDS(state_real, shadow, s.interrupts.event = nmi; s.interrupts.shadow = SHADOW_MOV_SS);
    DEMANDS(state_real, "STI has begun an interrupt shadow with RFLAGS.IF clear",
            s.interrupts.shadow = SHADOW_STI);
    DEMANDS(state_real, "an NMI has another vector than 2", s.interrupts.event = nmi;
            s.interrupts.event.vector = 0);
    DEMANDS(state_real, "an error code has more than 16 bits", s.interrupts.event = fault;
            s.interrupts.event.error_code++);
    DEMANDS(state_real, length, s.interrupts.event = soft; s.interrupts.event.length = 0);
    DEMANDS(state_real, length, s.interrupts.event = soft; s.interrupts.event.type = EVENT_SOFT_EXCEPTION;
            s.interrupts.event.length = 16);
    DEMANDS(state_protected, "it is halted outside of level 0", s.interrupts.activity = ACTIVITY_HALTED;
            S(SS).attributes = STACK_3; S(CS).attributes |= SEG_DPL_MASK);
    DEMANDS(state_real, "it does not run, and is in an interrupt shadow",
            s.interrupts.activity = ACTIVITY_HALTED;
            s.interrupts.shadow = SHADOW_MOV_SS);
    const struct vcpu_event events[] = {interrupt, nmi, fault, soft};
    for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        struct vcpu_state s = state_protected();
        s.gpr.rflags |= RFLAGS_IF;
        s.interrupts.event = events[i];
        assert_passes(&s);
    }
    struct vcpu_state s = state_protected(); /* an exception has no shadow to wait for */
    s.gpr.rflags |= RFLAGS_IF;
    s.interrupts.event = fault;
    s.interrupts.shadow = SHADOW_STI;
    assert_passes(&s);
    s = state_real();
    s.interrupts.activity = ACTIVITY_HALTED;
    assert_passes(&s);
}

/* The last test: it looks at what the others have done. */
static void every_rule_was_broken(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RULES; i++)
        if (!broken[i])
            fail_msg("no state breaks: %s", rules[i].name);
    for (unsigned i = 0; i < DEMANDED; i++)
        if (!broken_demanded[i])
            fail_msg("no state breaks: %s", demanded[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_states),
        cmocka_unit_test(control_registers),
        cmocka_unit_test(xcr0),
        cmocka_unit_test(segments),
        cmocka_unit_test(descriptor_tables),
        cmocka_unit_test(flags_and_addresses),
        cmocka_unit_test(events),
        cmocka_unit_test(demands_on_bits),
        cmocka_unit_test(demands_on_virtual_8086),
        cmocka_unit_test(demands_on_code_and_stack),
        cmocka_unit_test(demands_on_data_and_system),
        cmocka_unit_test(demands_on_events),
        cmocka_unit_test(every_rule_was_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
