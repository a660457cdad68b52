/*
 * The US layout and the names of keys, and what a user says of the mouse. The codes were written down from
 * the keyboard's picture in IBM's reference, not from the table.
 *
 * sources: tools/keys.c tools/mouse_words.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "keys.h"
#include "mouse_words.h"

static void check_stroke(const struct key_stroke *stroke, const char *what, const uint8_t *keys, size_t count)
{
    if (stroke->count != count)
        fail_msg("%s: %u keys", what, stroke->count);
    for (size_t i = 0; i < count; i++)
        if (stroke->key[i] != keys[i])
            fail_msg("%s: key 0x%02x", what, stroke->key[i]);
}

#define NAME(name, ...)                                                                                      \
    do {                                                                                                     \
        const uint8_t keys[] = {__VA_ARGS__};                                                                \
        assert_true(keys_of_name(name, &stroke));                                                            \
        check_stroke(&stroke, name, keys, sizeof keys);                                                      \
    } while (0)

static void every_character(void **state)
{
    static const char plain[] = "`1234567890-=qwertyuiop[]\\asdfghjkl;'zxcvbnm,./";
    static const char shifted[] = "~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:\"ZXCVBNM<>?";
    struct key_stroke stroke, with_shift;
    uint8_t seen[0x80] = {0};

    (void)state;
    for (size_t i = 0; plain[i] != '\0'; i++) {
        assert_true(keys_of_character(plain[i], &stroke));
        assert_true(keys_of_character(shifted[i], &with_shift));
        assert_int_equal(stroke.count, 1);
        assert_int_equal(seen[stroke.key[0]]++, 0);
        check_stroke(&with_shift, &shifted[i], (uint8_t[]){0x2a, stroke.key[0]}, 2);
    }
    for (int c = 0x21; c < 0x7f; c++)
        assert_true(keys_of_character((char)c, &stroke));
    for (int c = 1; c < 0x20; c++)
        assert_int_equal(keys_of_character((char)c, &stroke), c == '\n' || c == '\t');
    for (int c = 0x7f; c <= 0x100; c++)
        assert_false(keys_of_character((char)c, &stroke));
}

static void some_characters(void **state)
{
    static const struct {
        char character;
        uint8_t key;
    } known[] = {{'1', 0x02}, {'0', 0x0b}, {'=', 0x0d},  {'q', 0x10}, {'p', 0x19}, {']', 0x1b},
                 {'a', 0x1e}, {'l', 0x26}, {'\'', 0x28}, {'`', 0x29}, {'z', 0x2c}, {'\\', 0x2b},
                 {'m', 0x32}, {'/', 0x35}, {' ', 0x39},  {'\n', 0x1c}};
    struct key_stroke stroke;

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_true(keys_of_character(known[i].character, &stroke));
        check_stroke(&stroke, "key", &known[i].key, 1);
    }
}

static void key_names(void **state)
{
    struct key_stroke stroke;

    (void)state;
    NAME("a", 0x1e);
    NAME("A", 0x2a, 0x1e);
    NAME("F1", 0x3b);
    NAME("f12", 0x58);
    NAME("enter", 0x1c);
    NAME("Esc", 0x01);
    NAME("up", 0xc8);
    NAME("ctrl-c", 0x1d, 0x2e);
    NAME("ctrl-C", 0x1d, 0x2e);
    NAME("ctrl+c", 0x1d, 0x2e);
    NAME("ctrl-alt-delete", 0x1d, 0x38, 0xd3);
    NAME("Ctrl+Alt+Del", 0x1d, 0x38, 0xd3);
    NAME("shift-tab", 0x2a, 0x0f);
    NAME("shift-A", 0x2a, 0x1e);
    NAME("shift-?", 0x2a, 0x35);
    NAME("?", 0x2a, 0x35);
    NAME("-", 0x0c);
    NAME("+", 0x2a, 0x0d);
    NAME("ctrl--", 0x1d, 0x0c);
    NAME("ctrl-kp-", 0x1d, 0x4a);
    NAME("kp+", 0x4e);
    NAME("alt-sysrq-b", 0x38, 0xb7, 0x30);
    NAME("pause", 0xc5);
    NAME("altgr-q", 0xb8, 0x10);
    NAME("a-b-c-d-e-f-g-h", 0x1e, 0x30, 0x2e, 0x20, 0x12, 0x21, 0x22, 0x23);
    static const char *const wrong[] = {
        "",         "ctrl-",    "-a",    "hyper-x",           "f13", "ctrl-alt-nothing",
        "\xc3\xa4", "ctrl--a-", "ctrlc", "a-b-c-d-e-f-g-h-i", "ab"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (keys_of_name(wrong[i], &stroke))
            fail_msg("\"%s\" is taken", wrong[i]);
}

static void events_of_a_stroke(void **state)
{
    struct input_event events[STROKE_EVENTS_MAX];
    struct key_stroke stroke;

    (void)state;
    assert_true(keys_of_name("ctrl-alt-delete", &stroke));
    assert_int_equal(keys_events(&stroke, true, events), 3);
    assert_int_equal(events[0].kind, INPUT_KEY_DOWN);
    assert_int_equal(events[0].key, 0x1d);
    assert_int_equal(events[2].key, 0xd3);
    assert_int_equal(keys_events(&stroke, false, events), 3);
    assert_int_equal(events[0].kind, INPUT_KEY_UP);
    assert_int_equal(events[0].key, 0xd3);
    assert_int_equal(events[2].key, 0x1d);
}

static void mouse_words(void **state)
{
    struct input_event events[MOUSE_WORD_EVENTS_MAX];

    (void)state;
    assert_int_equal(mouse_word("move=10,-20", events), 1);
    assert_int_equal(events[0].kind, INPUT_MOUSE);
    assert_int_equal(events[0].right, 10);
    assert_int_equal(events[0].down, -20);
    assert_int_equal(mouse_word("move=-32767,+32767", events), 1);
    assert_int_equal(mouse_word("wheel=-3", events), 1);
    assert_int_equal(events[0].wheel, -3);
    assert_int_equal(events[0].right, 0);
    assert_int_equal(mouse_word("down=middle", events), 1);
    assert_int_equal(events[0].kind, INPUT_BUTTON_DOWN);
    assert_int_equal(events[0].buttons, INPUT_BUTTON_MIDDLE);
    assert_int_equal(mouse_word("up=fifth", events), 1);
    assert_int_equal(events[0].kind, INPUT_BUTTON_UP);
    assert_int_equal(events[0].buttons, INPUT_BUTTON_FIFTH);
    assert_int_equal(mouse_word("click=left", events), 2);
    assert_int_equal(events[0].kind, INPUT_BUTTON_DOWN);
    assert_int_equal(events[1].kind, INPUT_BUTTON_UP);
    static const char *const wrong[] = {"",           "move",         "move=",     "move=1",      "move=1,",
                                        "move=1,2,3", "move=40000,0", "wheel=200", "click=first", "click",
                                        "left",       "wheel=1x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (mouse_word(wrong[i], events) != 0)
            fail_msg("\"%s\" is taken", wrong[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character),    cmocka_unit_test(some_characters), cmocka_unit_test(key_names),
        cmocka_unit_test(events_of_a_stroke), cmocka_unit_test(mouse_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
