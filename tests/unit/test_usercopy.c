/*
 * Accesses that may fault (core/usercopy.asm) on real faults: a signal handler stands for the monitor's trap
 * handler and searches the same table.
 *
 * sources: build/ring0/core/usercopy.o tests/unit/fixup_end.c
 * libraries: -no-pie -z noexecstack
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <cmocka.h>
#include "cpu.h"
#include "errors.h"
#include "fixup.h"
#include "layout.h"

/* Linked first: where the section begins. */
__asm__(".section .fixup, \"a\"\n.balign 8\n.globl fixup_start\nfixup_start:\n.previous");

enum { PAGE = 4096 };

static uint8_t *page; /* one page that is there, one read-only, one that is not */
static unsigned faults;

static void handle(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    for (const struct fixup *fixup = fixup_start; fixup < fixup_end; fixup++) {
        if (fixup->fault_rip == (uint64_t)*rip) {
            *rip = (greg_t)fixup->fixup_rip;
            faults++;
            return;
        }
    }
    signal(SIGSEGV, SIG_DFL); /* not one of ours: die at the same place */
}

static int map(void **state)
{
    (void)state;
    page = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    return page == MAP_FAILED || mprotect(page + PAGE, PAGE, PROT_READ) ||
           mprotect(page + 2 * PAGE, PAGE, PROT_NONE);
}

/* Within the test: cmocka sets a handler of its own before each. */
static void catch_faults(void)
{
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
    assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
    faults = 0;
}

static uint64_t address(size_t offset)
{
    return (uint64_t)page + offset;
}

static void test_every_length(void **state)
{
    (void)state;
    catch_faults();
    uint8_t in[80], out[80];
    for (size_t length = 0; length <= 64; length++) {
        for (size_t offset = 0; offset < 9; offset++) {
            memset(page, 0xee, 100);
            for (size_t i = 0; i < sizeof in; i++)
                in[i] = (uint8_t)(i + length + 1);
            assert_int_equal(user_copy_out(address(offset), in, length), NR_OK);
            assert_memory_equal(page + offset, in, length);
            assert_int_equal(page[offset + length], 0xee);
            memset(out, 0xdd, sizeof out);
            assert_int_equal(user_copy_in(out, address(offset), length), NR_OK);
            assert_memory_equal(out, in, length);
            assert_int_equal(out[length], 0xdd);
        }
    }
    assert_int_equal(faults, 0);
}

static void test_faults(void **state)
{
    (void)state;
    uint8_t buffer[64] = {0};
    catch_faults();
    for (size_t length = 1; length <= sizeof buffer; length++) {
        faults = 0;
        assert_int_equal(user_copy_in(buffer, address(3 * PAGE - 64), length), NR_EFAULT);
        assert_int_equal(user_copy_in(buffer, address(2 * PAGE - length + 1), length), NR_EFAULT);
        assert_int_equal(user_copy_out(address(PAGE - length + 1), buffer, length), NR_EFAULT);
        assert_int_equal(user_copy_in(buffer, address(2 * PAGE - length), length), NR_OK);
        assert_int_equal(user_copy_out(address(PAGE - length), buffer, length), NR_OK);
        assert_int_equal(faults, 3);
    }
}

static void test_range(void **state)
{
    (void)state;
    uint8_t byte;
    catch_faults();
    assert_int_equal(user_copy_in(&byte, USER_END, 1), NR_EFAULT);
    assert_int_equal(user_copy_in(&byte, USER_END - 1, 2), NR_EFAULT);
    assert_int_equal(user_copy_in(&byte, (uint64_t)&byte, 1), NR_EFAULT); /* the stack lies above USER_END */
    assert_int_equal(user_copy_out(UINT64_MAX, &byte, 1), NR_EFAULT);
    assert_int_equal(user_copy_in(&byte, UINT64_MAX - 3, 8), NR_EFAULT); /* wraps */
    assert_int_equal(user_copy_in(&byte, 0x1000, SIZE_MAX), NR_EFAULT);
    assert_int_equal(faults, 0); /* refused, not tried */
}

static void test_compare(void **state)
{
    (void)state;
    uint32_t words[3] = {1, 2, 3};
    catch_faults();
    assert_int_equal(user_copy_out(address(4), words, sizeof words), NR_OK);
    for (size_t count = 1; count <= 3; count++) {
        assert_int_equal(user_compare(address(4), words, count), 0);
        words[count - 1] ^= 1u << 31;
        assert_int_equal(user_compare(address(4), words, count), 1);
        words[count - 1] ^= 1u << 31;
    }
    words[2] = 0; /* behind what counts */
    assert_int_equal(user_compare(address(4), words, 2), 0);
    assert_int_equal(user_compare(USER_END - 4, words, 2), NR_EFAULT);
    assert_int_equal(faults, 0);
    assert_int_equal(user_compare(address(2 * PAGE), words, 1), NR_EFAULT);
    assert_int_equal(faults, 1);
}

static void test_exchange(void **state)
{
    (void)state;
    uint64_t value = 0x1122334455667788;
    catch_faults();
    memcpy(page, &value, sizeof value);
    assert_int_equal(user_exchange(address(0), 8, value, value + 1), 0);
    assert_int_equal(user_exchange(address(0), 8, value, value + 2), 1);
    assert_int_equal(user_exchange(address(0), 4, (uint32_t)value + 1, 5), 0); /* and the rest stays */
    assert_int_equal(user_exchange(address(0), 4, (uint32_t)value + 1, 6), 1);
    value = 0x1122334400000005;
    assert_memory_equal(page, &value, sizeof value);
    assert_int_equal(faults, 0);
    assert_int_equal(user_exchange(USER_END - 4, 8, 0, 0), NR_EFAULT);
    assert_int_equal(faults, 0);
    assert_int_equal(user_exchange(address(PAGE), 8, 0, 1), NR_EFAULT); /* read-only */
    assert_int_equal(user_exchange(address(2 * PAGE), 4, 0, 1), NR_EFAULT);
    assert_int_equal(faults, 2);
}

static void test_msr_faults(void **state)
{
    (void)state;
    uint64_t value = 7;
    catch_faults();
    assert_false(rdmsr_safe(0x10, &value)); /* #GP in ring 3 */
    assert_int_equal(value, 7);
    assert_int_equal(faults, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_length), cmocka_unit_test(test_faults),
        cmocka_unit_test(test_range),        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_msr_faults),   cmocka_unit_test(test_exchange),
    };
    return cmocka_run_group_tests(tests, map, NULL);
}
