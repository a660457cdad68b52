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

static struct vcpu_record *record(uint32_t guest)
{
    return (struct vcpu_record *)(USER_GUESTS + guest * USER_GUEST_SIZE + USER_GUEST_RECORDS);
}

/* One exit at that address. */
static void note_exit(uint32_t guest, uint64_t rip)
{
    struct vcpu_record *to = record(guest);

    to->recorder[to->recorder_next++ % RECORDER_ENTRIES] =
        (struct recorder_entry){.tsc = to->recorder_next, .rip = rip, .reason = VCPU_EXIT_HLT};
}

/* The answer to "why" at the prompt, of a guest that runs on, in which the report of another's end falls. */
static void an_answer_is_not_mixed_with_an_ending(void **state)
{
    struct guest_report *other = (struct guest_report *)((uintptr_t)answer + USER_GUEST_SIZE);
    char line[200];

    (void)state;
    memset(record(0), 0, sizeof *record(0));
    memset(record(1), 0, sizeof *record(1));
    *other = (struct guest_report){.status = GUEST_KILLED, .cpu_count = 1};
    answer->status = GUEST_RUNNING;
    service.guest_count = 2;
    service.guest[1] = (struct service_guest){.name = "other", .channel = &channel};
    note_exit(0, 0xaaaa);
    note_exit(1, 0xbbbb);
    assert_true(report_why_line(0, 0, line, sizeof line));
    assert_string_equal(line, "the last exits of vCPU 0, oldest first:");
    run();
    assert_non_null(strstr(said, "guest other: why:        0 us before the last: HLT at bbbb"));
    note_exit(0, 0xcccc); /* later than the answer began */
    for (uint32_t i = 1; i < RECORDER_ENTRIES; i++) {
        assert_true(report_why_line(0, i, line, sizeof line));
        assert_string_equal(line, "");
    }
    assert_true(report_why_line(0, RECORDER_ENTRIES, line, sizeof line));
    assert_non_null(strstr(line, "HLT at aaaa"));
    assert_false(report_why_line(0, RECORDER_ENTRIES + 1, line, sizeof line));
}

static bool map(uint64_t address, size_t size)
{
    void *wanted = (void *)(uintptr_t)address;

    return mmap(wanted, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
                0) == wanted;
}

static int map_records(void **state)
{
    (void)state;
    return map(USER_INFO, sizeof(struct process_info)) && map(USER_GUESTS, 2 * USER_GUEST_SIZE) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_powered_off_guest_is_one_line, set_up),
        cmocka_unit_test_setup(a_sentence_cannot_pretend_to_be_another_line, set_up),
        cmocka_unit_test_setup(what_a_device_model_says_is_bounded, set_up),
        cmocka_unit_test_setup(an_answer_is_not_mixed_with_an_ending, set_up),
    };
    return cmocka_run_group_tests_name("report", tests, map_records, NULL);
}
