/*
 * The service's reports of how guests ended. The monitor's answers are made up here; report.c and ending.c
 * are included, so that they get these.
 *
 * sources: lib/format.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include "format.h"
#include "../../service/ending.c"
#include "../../service/report.c"

struct service service;
static struct channel channel;
static struct guest_report *const answer = (struct guest_report *)(USER_GUESTS + USER_GUEST_REPORT);
static char said[65536];

void service_log(const char *format, ...)
{
    size_t length = strlen(said);
    va_list arguments;

    va_start(arguments, format);
    length += format_text_va(said + length, sizeof said - length, format, arguments);
    va_end(arguments);
    snprintf(said + length, sizeof said - length, "\n");
}

bool service_option(const char *word)
{
    (void)word;
    return false;
}

void service_wake_after(uint32_t ms)
{
    (void)ms;
}

static int set_up(void **state)
{
    (void)state;
    memset(&channel, 0, sizeof channel);
    memset(answer, 0, sizeof *answer);
    memset(&service, 0, sizeof service);
    said[0] = '\0';
    told = part = line_index = 0;
    service.guest_count = 1;
    service.guest[0].channel = &channel;
    snprintf(service.guest[0].name, sizeof service.guest[0].name, "g");
    answer->cpu_count = 1;
    return 0;
}

/* Until all is said; the number of calls is bounded. */
static void run(void)
{
    for (unsigned i = 0; i < 100 && !report_run(i == 0); i++)
        ;
}

static void a_powered_off_guest_is_one_line(void **state)
{
    (void)state;
    answer->status = GUEST_RUNNING;
    run();
    assert_string_equal(said, "");
    answer->status = GUEST_POWERED_OFF;
    channel.exit_value = 8;
    run();
    assert_string_equal(said, "guest g: exit value 7\nguest g: powered off\n");
    assert_false(service.failed);
}

/* Nobody speaks as the monitor: a device model's sentence stays one line without escape sequences. */
static void a_sentence_cannot_pretend_to_be_another_line(void **state)
{
    (void)state;
    answer->status = GUEST_KILLED;
    memcpy(answer->sentence, "x\r\nnullring: panic: \x1b[2J\xff", 26);
    run();
    assert_non_null(strstr(said, "guest g: killed: x??nullring: panic: ?[2J?\n"));
    assert_null(strchr(said, '\x1b'));
    assert_null(strstr(said, "\nnullring"));
    assert_true(service.failed);
}

/* A sentence that fills its place, and counters of needs that lie. */
static void what_a_device_model_says_is_bounded(void **state)
{
    (void)state;
    answer->status = GUEST_KILLED;
    memset(answer->sentence, 'a', sizeof answer->sentence - 1);
    channel.need_count = UINT32_MAX;
    channel.need[0] = (struct need){.address = 0x70, .kind = NEED_PORT_READ, .count = 3};
    channel.need[1].kind = UINT32_MAX;
    run();
    assert_non_null(strstr(said, "needs: 4294967295 kinds of access that nobody claimed"));
    assert_non_null(strstr(said, "needs: read of port 0x70, 3 times\n"));
    assert_non_null(strstr(said, "needs: unknown 0x0, 0 times\n"));
}

static int map_records(void **state)
{
    (void)state;
    void *at = mmap((void *)USER_GUESTS, USER_GUEST_SIZE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    return at == (void *)USER_GUESTS ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_powered_off_guest_is_one_line, set_up),
        cmocka_unit_test_setup(a_sentence_cannot_pretend_to_be_another_line, set_up),
        cmocka_unit_test_setup(what_a_device_model_says_is_bounded, set_up),
    };
    return cmocka_run_group_tests_name("report", tests, map_records, NULL);
}
