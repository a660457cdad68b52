/*
 * What the device model learns of the places where it goes on behind an access.
 *
 * sources: devices/ahead_history.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ahead_history.h"

static struct ahead_history history;
enum { HERE = 0xc0123456 };

static int start(void **state)
{
    (void)state;
    memset(&history, 0, sizeof(history));
    return 0;
}

/* Times until the place is tried, once it has been seen. */
static unsigned tried_after(void)
{
    unsigned times = 0;
    while (!ahead_expects(&history, HERE))
        times++;
    return times;
}

static void test_tried_when_it_comes_again(void **state)
{
    (void)state;
    assert_false(ahead_expects(&history, HERE));
    assert_true(ahead_expects(&history, HERE));
    assert_int_equal(ahead_most(ahead_place(&history, HERE)), UINT32_MAX);
}

static void test_left_alone_for_longer_where_nothing_follows(void **state)
{
    static const unsigned waits[] = {15, 120, 255, 255, 255};
    struct ahead_place *place = ahead_place(&history, HERE);
    (void)state;
    assert_int_equal(tried_after(), 1);
    for (unsigned i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        ahead_learn(place, 0);
        assert_int_equal(tried_after(), waits[i]);
    }
    ahead_learn(place, 1); /* and from the start again, once something has */
    assert_int_equal(tried_after(), 0);
    ahead_learn(place, 0);
    assert_int_equal(tried_after(), 15);
}

static void test_ends_behind_the_most_that_have_followed(void **state)
{
    struct ahead_place *place = ahead_place(&history, HERE);
    (void)state;
    ahead_learn(place, 3);
    for (unsigned i = 0; i < AHEAD_TRUST; i++) {
        assert_int_equal(ahead_most(place), 3);
        ahead_learn(place, i % 3 + 1);
    }
    assert_int_equal(ahead_most(place), UINT32_MAX); /* now and then as far as it goes */
    ahead_learn(place, 2);
    assert_int_equal(ahead_most(place), 3); /* fewer are no reason to expect fewer */
    for (unsigned i = 0; i < AHEAD_TRUST; i++)
        ahead_learn(place, 3);
    ahead_learn(place, 5);
    assert_int_equal(ahead_most(place), 5);
}

static void test_nothing_follows_any_more(void **state)
{
    struct ahead_place *place = ahead_place(&history, HERE);
    (void)state;
    ahead_learn(place, 3);
    ahead_learn(place, 0);
    assert_int_equal(ahead_most(place), UINT32_MAX);
}

static void test_a_loop_is_not_broken_off(void **state)
{
    struct ahead_place *place = ahead_place(&history, HERE);
    (void)state;
    ahead_learn(place, AHEAD_MOST);
    assert_int_equal(ahead_most(place), AHEAD_MOST);
    memset(place, 0, sizeof(*place));
    ahead_learn(place, AHEAD_MOST + 1);
    assert_int_equal(ahead_most(place), UINT32_MAX);
}

static void test_another_place_of_the_same_hash(void **state)
{
    uint32_t other = HERE + 1;
    (void)state;
    while (ahead_place(&history, other) != ahead_place(&history, HERE))
        other++;
    assert_int_equal(tried_after(), 1);
    ahead_learn(ahead_place(&history, HERE), 3);
    assert_false(ahead_expects(&history, other));
    assert_true(ahead_expects(&history, other));
    assert_int_equal(ahead_most(ahead_place(&history, other)), UINT32_MAX);
    assert_false(ahead_expects(&history, HERE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_tried_when_it_comes_again, start),
        cmocka_unit_test_setup(test_left_alone_for_longer_where_nothing_follows, start),
        cmocka_unit_test_setup(test_ends_behind_the_most_that_have_followed, start),
        cmocka_unit_test_setup(test_nothing_follows_any_more, start),
        cmocka_unit_test_setup(test_a_loop_is_not_broken_off, start),
        cmocka_unit_test_setup(test_another_place_of_the_same_hash, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
