/*
 * Which states run without "unrestricted guest": for each mode a state that does, and each rule broken alone.
 *
 * sources: lib/real_mode.c
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "real_mode.h"
#include "x86.h"

enum { REAL_CODE = 0x9b, REAL_DATA = 0x93, VM86 = 0xf3, BUSY_TSS = 0x8b, LDT = 0x82 };

static struct vcpu_state state;

static void common(void)
{
    state = (struct vcpu_state){.gpr.rflags = 2, .tables.idtr.limit = 0x3ff};
    state.segment[SEG_TR] = (struct segment){.attributes = BUSY_TSS, .limit = 0x67};
    state.segment[SEG_LDTR] = (struct segment){.attributes = LDT, .limit = 0xffff};
}

static void paragraphs(uint16_t code, uint16_t data)
{
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        uint16_t selector = (uint16_t)(0x1000 + 0x101 * i);
        state.segment[i] = (struct segment){.selector = selector,
                                            .base = (uint64_t)selector << 4,
                                            .limit = 0xffff,
                                            .attributes = i == SEG_CS ? code : data};
    }
}

static void begin_real(void)
{
    common();
    paragraphs(REAL_CODE, REAL_DATA);
}

static void begin_vm86(void)
{
    common();
    paragraphs(VM86, VM86);
    state.control.cr0 = CR0_PE;
    state.gpr.rflags |= RFLAGS_VM;
}

static void begin_protected(void)
{
    common();
    state.control.cr0 = CR0_PE;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        state.segment[i] =
            (struct segment){.selector = 16, .limit = UINT32_MAX, .attributes = REAL_DATA | SEG_DB | SEG_G};
    state.segment[SEG_CS].selector = 8;
    state.segment[SEG_CS].attributes |= 8;
}

/* The state fits, with the change it does not, or still does. */
#define CHANGED(begin, change, fits)                                                                         \
    do {                                                                                                     \
        begin();                                                                                             \
        assert_true(real_mode_fits(&state));                                                                 \
        change;                                                                                              \
        if (real_mode_fits(&state) != (fits))                                                                \
            fail_msg("%s with %s: %s", #begin, #change, (fits) ? "is refused" : "is accepted");              \
    } while (0)
#define BREAKS(begin, change) CHANGED(begin, change, false)
#define KEEPS(begin, change)  CHANGED(begin, change, true)
#define S(name)               state.segment[SEG_##name]

static void real_mode(void **unused)
{
    (void)unused;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        BREAKS(begin_real, state.segment[i].base += 16);
        BREAKS(begin_real, state.segment[i].base |= 1ull << 32);
        BREAKS(begin_real, state.segment[i].limit = UINT32_MAX); /* big real mode */
        BREAKS(begin_real, state.segment[i].limit = 0xfffe);
        if (i != SEG_CS)
            BREAKS(begin_real, state.segment[i].attributes |= 4); /* expand-down */
    }
    BREAKS(begin_real, S(CS).attributes |= SEG_DB);
    BREAKS(begin_real, S(SS).attributes |= SEG_DB);
    KEEPS(begin_real, S(DS).attributes |= SEG_DB);
    KEEPS(begin_real, S(CS).attributes = REAL_DATA);
    BREAKS(begin_real, state.tables.idtr.base = 0x1000);
    BREAKS(begin_real, state.tables.idtr.limit = 0x3fe);
    KEEPS(begin_real, state.tables.idtr.limit = 0xffff);
    BREAKS(begin_real, state.gpr.rflags = 0);
    BREAKS(begin_real, state.gpr.rflags |= 8);
    BREAKS(begin_real, state.gpr.rflags |= RFLAGS_VM);
    KEEPS(begin_real, state.gpr.rflags |= RFLAGS_IF | RFLAGS_TF);
    KEEPS(begin_real, S(TR).attributes = 0); /* the monitor's own stands in for it */
}

/* After RESET the code segment is where no selector reaches. */
static void reset(void **unused)
{
    (void)unused;
    BREAKS(begin_real, (S(CS).selector = 0xf000, S(CS).base = 0xffff0000));
    KEEPS(begin_real, (S(CS).selector = 0xf000, S(CS).base = 0xf0000));
}

static void vm86(void **unused)
{
    (void)unused;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        BREAKS(begin_vm86, state.segment[i].base += 16);
        BREAKS(begin_vm86, state.segment[i].limit = 0xfffff);
        BREAKS(begin_vm86, state.segment[i].attributes = REAL_DATA);
    }
    BREAKS(begin_vm86, S(TR).attributes = 0x89);
    BREAKS(begin_vm86, S(LDTR).attributes = BUSY_TSS);
    KEEPS(begin_vm86, state.tables.idtr.base = 0x1000);
}

static void code(void **unused)
{
    (void)unused;
    BREAKS(begin_protected, S(CS).attributes &= ~SEG_P);
    BREAKS(begin_protected, S(CS).attributes &= ~SEG_S);
    BREAKS(begin_protected, S(CS).attributes &= ~8); /* data */
    BREAKS(begin_protected, S(CS).attributes &= ~1); /* not accessed */
    KEEPS(begin_protected, S(CS).attributes &= ~2);  /* execute only */
    BREAKS(begin_protected, S(CS).attributes |= 1 << SEG_DPL_SHIFT);
    KEEPS(begin_protected, S(CS).attributes |= 4);                       /* conforming */
    BREAKS(begin_protected, S(CS).attributes |= 4 | 1 << SEG_DPL_SHIFT); /* above the current level */
    BREAKS(begin_protected, S(CS).limit = 0xffffe);
    BREAKS(begin_protected, S(CS).attributes &= ~SEG_G);
    KEEPS(begin_protected, (S(CS).attributes &= ~SEG_G, S(CS).limit = 0xfffff));
}

static void stack(void **unused)
{
    (void)unused;
    BREAKS(begin_protected, S(SS).selector |= 1);
    BREAKS(begin_protected, S(CS).selector |= 1);
    BREAKS(begin_protected, S(SS).attributes |= 1 << SEG_DPL_SHIFT);
    /* The segments of a real-mode program right after CR0.PE is set: RPL 1 is no privilege level. */
    BREAKS(begin_protected, (S(SS).selector |= 1, S(CS).selector |= 1));
    KEEPS(begin_protected, S(SS).attributes |= 4);   /* expand-down */
    BREAKS(begin_protected, S(SS).attributes &= ~2); /* read-only */
    BREAKS(begin_protected, S(SS).attributes &= ~1);
    BREAKS(begin_protected, S(SS).attributes |= 8);
    BREAKS(begin_protected, S(SS).attributes &= ~SEG_S);
    BREAKS(begin_protected, S(SS).limit -= 1);
    KEEPS(begin_protected, S(SS).attributes = 0); /* null, in 64-bit code */
    BREAKS(begin_protected, S(SS).attributes = 1 << SEG_DPL_SHIFT);
}

static void data(void **unused)
{
    static const unsigned names[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

    (void)unused;
    for (unsigned i = 0; i < 4; i++) {
        unsigned n = names[i];
        KEEPS(begin_protected, (state.segment[n].attributes = 0, state.segment[n].selector = 3));
        BREAKS(begin_protected, state.segment[n].attributes &= ~SEG_S);
        BREAKS(begin_protected, state.segment[n].attributes &= ~1);
        KEEPS(begin_protected, state.segment[n].attributes &= ~2);
        KEEPS(begin_protected, state.segment[n].attributes |= 8);
        BREAKS(begin_protected, state.segment[n].attributes = (state.segment[n].attributes | 8) & ~2);
        BREAKS(begin_protected, state.segment[n].selector |= 1); /* RPL above DPL */
        KEEPS(begin_protected, (state.segment[n].selector |= 1, state.segment[n].attributes |= SEG_DPL_MASK));
        KEEPS(begin_protected, (state.segment[n].selector |= 1, state.segment[n].attributes |= 8 | 4));
        BREAKS(begin_protected, state.segment[n].limit = 0xfffe);
        BREAKS(begin_protected, state.segment[n].attributes &= ~SEG_G);
    }
}

static void system_segments(void **unused)
{
    (void)unused;
    BREAKS(begin_protected, S(TR).attributes = 0x89); /* not busy */
    KEEPS(begin_protected, S(TR).attributes = 0x83);  /* 16-bit */
    BREAKS(begin_protected, (S(TR).attributes = 0x83, state.msrs.efer = EFER_LMA));
    BREAKS(begin_protected, S(TR).attributes &= ~SEG_P);
    BREAKS(begin_protected, S(TR).attributes |= SEG_S);
    BREAKS(begin_protected, S(TR).selector |= 4);
    BREAKS(begin_protected, S(TR).attributes |= SEG_G);
    KEEPS(begin_protected, S(LDTR).attributes = 0);
    BREAKS(begin_protected, S(LDTR).attributes = 0x81);
    BREAKS(begin_protected, S(LDTR).attributes |= SEG_S);
    BREAKS(begin_protected, S(LDTR).selector |= 4);
    BREAKS(begin_protected, S(LDTR).limit = 0x100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_mode),
        cmocka_unit_test(reset),
        cmocka_unit_test(vm86),
        cmocka_unit_test(code),
        cmocka_unit_test(stack),
        cmocka_unit_test(data),
        cmocka_unit_test(system_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
