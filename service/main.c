/*
 * The service's entry point: one call for each upcall of the monitor (upcall.h). It never waits; what is not
 * done yet goes on at the next event.
 */
#include <stdarg.h>
#include "format.h"
#include "layout.h"
#include "process_info.h"
#include "service.h"
#include "string.h"
#include "syscall.h"
#include "upcall.h"

enum { LOG_LINE = 480, LOOKS_MAX = 8 };

struct service service;

static const struct process_info *const info = (const struct process_info *)USER_INFO;
static uint64_t wake_at; /* host TSC; 0: nothing asked for */

static uint64_t rdtsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return low | (uint64_t)high << 32;
}

void service_log(const char *format, ...)
{
    char line[LOG_LINE];
    va_list arguments;
    size_t length = format_text(line, sizeof line, "nullring: ");

    va_start(arguments, format);
    length += format_text_va(line + length, sizeof line - 1 - length, format, arguments);
    va_end(arguments);
    line[length++] = '\n';
    sys_print(line, length);
}

bool service_option(const char *word)
{
    size_t length = strlen(word);

    for (const char *at = info->options; *at != '\0';) {
        if (strncmp(at, word, length) == 0 && (at[length] == '\0' || at[length] == ' '))
            return true;
        at = strchr(at, ' ');
        if (at == NULL)
            return false;
        at++;
    }
    return false;
}

uint64_t service_ms(void)
{
    return rdtsc() / info->tsc_khz;
}

void service_wake_after(uint32_t ms)
{
    uint64_t now = rdtsc();
    uint64_t at = now + (uint64_t)ms * info->tsc_khz;

    /* One that is past and has brought no event would keep every later one away. */
    if (wake_at == 0 || wake_at < now || at < wake_at) {
        wake_at = at;
        sys_timer_set(at);
    }
}

/* All guests have ended, all is said, and the last byte has left the serial port. */
static void end_machine(void)
{
    static bool asked; /* once: not every machine can be powered off */

    if (asked)
        return;
    if (!console_is_drained() || !control_is_drained()) {
        service_wake_after(1);
        return;
    }
    asked = true;
    sys_machine_end(service.failed ? 1 : 0);
}

/*
 * Serial ports may share an interrupt, which comes when the first of them asks for one. It comes again only
 * if all have been quiet at the same time: so it goes on until one look finds nothing at any of them.
 * Keyboard and mouse, too, ask only once for a byte that waits.
 */
static void move_bytes(void)
{
    for (unsigned i = 0; i < LOOKS_MAX; i++) {
        bool received = console_run();
        received |= control_run();
        received |= host_input_run();
        if (!received)
            return;
    }
    service_wake_after(0);
}

/* Called by user_start.asm. */
void upcall_handle(struct upcall *upcall);
void upcall_handle(struct upcall *upcall)
{
    uint32_t events = upcall->kind == UPCALL_EVENTS ? upcall->events : 0;

    if (events & EVENT_TIMER)
        wake_at = 0;
    if (upcall->kind == UPCALL_START) {
        console_start();
        control_start();
        display_start(info);
        host_input_start();
        boot_report();
        guests_start();
    }
    move_bytes();
    display_run();
    if (report_run((events & EVENT_GUEST) != 0))
        end_machine();
    upcall->status = UPCALL_OK;
}
