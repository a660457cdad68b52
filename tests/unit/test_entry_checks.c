/*
 * The entry rules: for each one a state that breaks it and nothing else, and states that pass in each mode.
 *
 * sources: checks/entry_checks.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "entry_checks.h"
#include "vcpu_state.h"
#include "x86.h"

#define NOT_CANONICAL 0x0000800000000000ull

enum { DATA = 0x93, CODE = 0x9b, CODE_32 = 0xc9b, CODE_64 = 0xa9b, LDT = 0x82, TSS = 0x8b };

static struct vcpu_state real_mode(void)
{
    struct vcpu_state s;
    memset(&s, 0, sizeof(s));
    s.gpr.rip = 0xfff0;
    s.gpr.rflags = RFLAGS_FIXED;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        s.segment[i] = (struct segment){.attributes = i == SEG_CS ? CODE : DATA, .limit = 0xffff};
    s.segment[SEG_LDTR] = (struct segment){.attributes = LDT, .limit = 0xffff};
    s.segment[SEG_TR] = (struct segment){.attributes = TSS, .limit = 0xffff};
    s.control =
        (struct vcpu_control){.cr0 = CR0_CD | CR0_NW | CR0_ET, .xcr0 = 1, .dr6 = DR6_RESET, .dr7 = DR7_RESET};
    s.tables.gdtr.limit = s.tables.idtr.limit = 0xffff;
    s.msrs.pat = PAT_RESET;
    return s;
}

static struct vcpu_state protected_mode(void)
{
    struct vcpu_state s = real_mode();
    s.control.cr0 = CR0_PE | CR0_PG | CR0_ET;
    s.segment[SEG_CS].attributes = CODE_32;
    return s;
}

static struct vcpu_state long_mode(void)
{
    struct vcpu_state s = protected_mode();
    s.control.cr4 = CR4_PAE;
    s.msrs.efer = EFER_LME | EFER_LMA;
    s.segment[SEG_CS].attributes = CODE_64;
    s.gpr.rip = 0xffffffff81000000;
    return s;
}

static void good_states(void **state)
{
    (void)state;
    struct vcpu_state s = real_mode();
    assert_null(entry_check(&s));
    s = protected_mode();
    assert_null(entry_check(&s));
    s = long_mode();
    assert_null(entry_check(&s));
    s.segment[SEG_GS].base = 0xffff888000000000;
    s.segment[SEG_LDTR] = (struct segment){0}; /* not present */
    assert_null(entry_check(&s));
    s = protected_mode(); /* vm86 */
    s.gpr.rflags |= RFLAGS_VM;
    s.segment[SEG_SS].attributes = 0xf3;
    assert_null(entry_check(&s));
    s = protected_mode(); /* LME waits for paging */
    s.control.cr0 &= ~CR0_PG;
    s.msrs.efer = EFER_LME;
    assert_null(entry_check(&s));
}

#define BREAKS(mode, name, ...)                                                                              \
    do {                                                                                                     \
        struct vcpu_state s = mode();                                                                        \
        __VA_ARGS__;                                                                                         \
        const char *rule = entry_check(&s);                                                                  \
        assert_non_null(rule);                                                                               \
        assert_string_equal(rule, name);                                                                     \
    } while (0)

static void control_registers(void **state)
{
    (void)state;
    BREAKS(real_mode, "EFER has a reserved bit set", s.msrs.efer = EFER_SVME);
    BREAKS(real_mode, "CR0 has a bit above 31 set", s.control.cr0 |= 1ull << 32);
    BREAKS(real_mode, "CR0.NW is set without CR0.CD", s.control.cr0 &= ~CR0_CD);
    BREAKS(real_mode, "CR0.PG is set without CR0.PE", s.control.cr0 |= CR0_PG);
    BREAKS(long_mode, "CR3 is wider than a physical address", s.control.cr3 = 1ull << 52);
    BREAKS(real_mode, "CR4 has a reserved bit set", s.control.cr4 = 1ull << 13);
    BREAKS(real_mode, "DR6 has a bit above 31 set", s.control.dr6 |= 1ull << 32);
    BREAKS(real_mode, "DR7 has a bit above 31 set", s.control.dr7 |= 1ull << 63);
    BREAKS(long_mode, "long mode without CR4.PAE", s.control.cr4 = 0);
    BREAKS(long_mode, "EFER.LMA does not follow LME and paging", s.msrs.efer = EFER_LME);
    BREAKS(protected_mode, "EFER.LMA does not follow LME and paging", s.msrs.efer = EFER_LMA);
    BREAKS(protected_mode, "CR4.PCIDE is set outside of long mode", s.control.cr4 = CR4_PCIDE);
    BREAKS(real_mode, "CR8 is above 15", s.control.cr8 = 16);
    BREAKS(real_mode, "XCR0 has not x87", s.control.xcr0 = 2);
}

static void segments(void **state)
{
    (void)state;
    BREAKS(long_mode, "CS.L and CS.D are both set in long mode", s.segment[SEG_CS].attributes |= SEG_DB);
    BREAKS(protected_mode, "CS is not a present code segment", s.segment[SEG_CS].attributes &= ~SEG_P);
    BREAKS(real_mode, "CS is not a present code segment", s.segment[SEG_CS].attributes &= ~SEG_S);
    BREAKS(real_mode, "SS has a privilege level that the mode does not allow",
           s.segment[SEG_SS].attributes = 0xf3);
    BREAKS(protected_mode, "SS has a privilege level that the mode does not allow",
           s.gpr.rflags |= RFLAGS_VM);
    BREAKS(real_mode, "ES, CS, SS or DS has a base above 4 GiB", s.segment[SEG_DS].base = 1ull << 32);
    BREAKS(long_mode, "FS, GS, LDTR, TR or KERNEL_GS_BASE is not canonical",
           s.segment[SEG_TR].base = NOT_CANONICAL);
    BREAKS(long_mode, "FS, GS, LDTR, TR or KERNEL_GS_BASE is not canonical",
           s.msrs.kernel_gs_base = NOT_CANONICAL);
    BREAKS(long_mode, "TR is not a busy TSS", s.segment[SEG_TR].attributes = 0x83);
    BREAKS(protected_mode, "TR is not a busy TSS", s.segment[SEG_TR].attributes = 0x89);
    BREAKS(protected_mode, "LDTR is not an LDT", s.segment[SEG_LDTR].attributes = TSS);
    BREAKS(long_mode, "GDTR or IDTR has a base that is not canonical", s.tables.idtr.base = NOT_CANONICAL);
    BREAKS(real_mode, "GDTR or IDTR has a limit above 0xffff", s.tables.gdtr.limit = 0x10000);
}

static void flags_and_addresses(void **state)
{
    (void)state;
    BREAKS(real_mode, "RFLAGS has a reserved bit wrong", s.gpr.rflags = 0);
    BREAKS(real_mode, "RFLAGS has a reserved bit wrong", s.gpr.rflags |= 1ull << 22);
    BREAKS(real_mode, "RFLAGS.VM is set outside of protected mode, or in long mode",
           s.gpr.rflags |= RFLAGS_VM);
    BREAKS(long_mode, "RFLAGS.VM is set outside of protected mode, or in long mode",
           s.gpr.rflags |= RFLAGS_VM);
    BREAKS(protected_mode, "RIP is outside of what CS can reach", s.gpr.rip = 1ull << 32);
    BREAKS(long_mode, "RIP is outside of what CS can reach", s.gpr.rip = NOT_CANONICAL);
    BREAKS(long_mode, "an entry point of SYSCALL or SYSENTER is not canonical", s.msrs.lstar = NOT_CANONICAL);
    BREAKS(real_mode, "PAT has a reserved memory type", s.msrs.pat = 2ull << 56);
    BREAKS(real_mode, "the pending event is none that a processor knows", s.interrupts.event.type = 6);
    BREAKS(real_mode, "the pending event is none that a processor knows",
           s.interrupts.event.type = EVENT_EXCEPTION;
           s.interrupts.event.vector = EXCEPTION_NMI);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_states),
        cmocka_unit_test(control_registers),
        cmocka_unit_test(segments),
        cmocka_unit_test(flags_and_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
