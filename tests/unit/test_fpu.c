/*
 * FPU state from outside (core/fpu.c): what XRSTOR or FXRSTOR would fault on is refused and changes nothing
 * (SDM Vol. 1, 13.8.1 and 10.5.1.2), and XCR0 has only what the processor has. The source is included for its
 * static `components`: without a processor to ask, each case says what there is.
 *
 * sources:
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "fpu.c"

enum { AVX_PROCESSOR = 7, ALL = 0x2ff, MASK_WITH_DAZ = 0xffff, MXCSR_RESET = 0x1f80, MXCSR_DAZ = 1 << 6 };

static struct vcpu vcpu;
static struct vcpu_fpu from;

static void put32(uint8_t *area, unsigned offset, uint32_t value)
{
    memcpy(area + offset, &value, sizeof value);
}

static void put_header(unsigned word, uint64_t value)
{
    memcpy(from.xsave + XSAVE_HEADER + word * sizeof value, &value, sizeof value);
}

static uint32_t get32(unsigned offset)
{
    uint32_t value;
    memcpy(&value, vcpu.state.fpu.xsave + offset, sizeof value);
    return value;
}

/* A processor with AVX and DAZ whose vCPU has been loaded once, and an area with all of its components. */
static int set_up(void **state)
{
    (void)state;
    components = AVX_PROCESSOR;
    memset(&vcpu, 0, sizeof vcpu);
    memset(vcpu.state.fpu.xsave, 0xaa, XSAVE_MXCSR);
    put32(vcpu.state.fpu.xsave, XSAVE_MXCSR_MASK, MASK_WITH_DAZ);
    memset(&from, 0x55, sizeof from);
    memset(from.xsave + XSAVE_HEADER, 0, XSAVE_HEADER_WORDS * sizeof(uint64_t));
    put32(from.xsave, XSAVE_MXCSR, MXCSR_RESET);
    put_header(0, AVX_PROCESSOR);
    return 0;
}

static void assert_taken(void)
{
    assert_true(fpu_take(&vcpu, &from));
    put32(from.xsave, XSAVE_MXCSR_MASK, get32(XSAVE_MXCSR_MASK));
    assert_memory_equal(vcpu.state.fpu.xsave, from.xsave, sizeof from.xsave);
}

static void assert_refused(void)
{
    static struct vcpu_fpu before;
    before = vcpu.state.fpu;
    assert_false(fpu_take(&vcpu, &from));
    assert_memory_equal(&vcpu.state.fpu, &before, sizeof before);
}

static void good_areas(void **state)
{
    (void)state;
    assert_taken();
    put_header(0, 0); /* every component in its initial state */
    assert_taken();
    put_header(0, XCR0_X87 | XCR0_SSE);
    components = 0; /* FXSAVE: the processor reads no header, but another one may */
    assert_taken();
}

static void the_mask_stays_the_processors(void **state)
{
    (void)state;
    put32(from.xsave, XSAVE_MXCSR_MASK, UINT32_MAX);
    assert_true(fpu_take(&vcpu, &from));
    assert_int_equal(get32(XSAVE_MXCSR_MASK), MASK_WITH_DAZ);
}

static void mxcsr(void **state)
{
    (void)state;
    put32(from.xsave, XSAVE_MXCSR, MXCSR_RESET | MXCSR_DAZ);
    assert_taken();
    for (unsigned bit = 16; bit < 32; bit++) {
        put32(from.xsave, XSAVE_MXCSR, MXCSR_RESET | 1u << bit);
        assert_refused();
    }
    /* A mask of 0 stands for a processor without DAZ. */
    put32(vcpu.state.fpu.xsave, XSAVE_MXCSR_MASK, 0);
    put32(from.xsave, XSAVE_MXCSR, MXCSR_RESET | MXCSR_DAZ);
    assert_refused();
    put32(from.xsave, XSAVE_MXCSR, MXCSR_RESET);
    assert_taken();
}

static void header(void **state)
{
    (void)state;
    for (unsigned bit = 3; bit < 64; bit++) {
        put_header(0, AVX_PROCESSOR | 1ull << bit);
        assert_refused();
    }
    put_header(0, AVX_PROCESSOR);
    for (unsigned word = 1; word < XSAVE_HEADER_WORDS;
         word++) { /* XCOMP_BV (compacted format) and reserved */
        put_header(word, 1ull << (word * 9));
        assert_refused();
        put_header(word, 0);
    }
    components = 0;
    assert_refused(); /* AVX where there is none */
}

static void xcr0(void **state)
{
    (void)state;
    enum { X87 = 1, SSE = 2, PKRU = 0x200 };
    components = ALL;
    assert_true(fpu_has(ALL));
    assert_false(fpu_has(X87 | 1 << 8));
    components = AVX_PROCESSOR;
    assert_true(fpu_has(AVX_PROCESSOR));
    assert_false(fpu_has(X87 | PKRU));
    assert_false(fpu_has(X87 | 1ull << 62));
    components = 0;
    assert_true(fpu_has(X87));
    assert_false(fpu_has(X87 | SSE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(good_areas, set_up),
        cmocka_unit_test_setup(the_mask_stays_the_processors, set_up),
        cmocka_unit_test_setup(mxcsr, set_up),
        cmocka_unit_test_setup(header, set_up),
        cmocka_unit_test_setup(xcr0, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
