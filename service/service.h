/*
 * The service: the host's ring-3 process. It creates the guests that the boot modules describe, passes their
 * consoles through the machine's serial port, says how each ended, and ends the machine after the last one.
 * It maps no guest's RAM.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "channel.h"
#include "control.h"
#include "guest_config.h"
#include "guest_report.h"

enum { SERVICE_GUESTS_MAX = 32, NO_GUEST = -1 };

struct service_guest {
    char name[GUEST_NAME_SIZE];
    uint32_t memory_mib;
    struct channel *channel;
    bool ended;  /* its end has been noticed */
    bool killed; /* by the monitor, or from the console */
};

struct service {
    uint32_t guest_count;
    uint32_t described; /* as many descriptions are among the boot modules; guests that did not start too */
    bool failed;        /* a guest could not start, or was killed */
    struct service_guest guest[SERVICE_GUESTS_MAX];
};

extern struct service service;

/* A line of the monitor's log, "nullring: " put before it. */
void service_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Is this word among the monitor's boot options? */
bool service_option(const char *word);
/* Milliseconds since some moment. */
uint64_t service_ms(void);
/* Asks for EVENT_TIMER after at least ms milliseconds, unless an earlier one is asked for. Every EVENT_TIMER
 * forgets it; those who still wait ask again. */
void service_wake_after(uint32_t ms);

/* boot_report.c: what the machine is and has, in the log. */
void boot_report(void);
/* host_clock.c: seconds since 1970-01-01 UTC, from the host's RTC. */
uint64_t host_epoch_read(void);

/* guests.c: reads the descriptions among the boot modules and starts their guests. */
void guests_start(void);
/* Index of the guest of that name, or NO_GUEST. */
int guests_find(const char *name);
/* Its power button: what the guest does then is its own affair, as on a machine of its own. */
void guests_press_power(uint32_t guest);

/* ending.c: says how guests have ended, and goes on with a long report. look: one may have ended since the
 * last call. True when all have ended and all is said. */
bool report_run(bool look);
/* report.c: reports, line by line; false behind the last one. An empty line is not shown. */
bool report_why_line(uint32_t guest, uint32_t index, char *line, size_t size);
bool report_needs_line(uint32_t guest, uint32_t index, char *line, size_t size);
bool report_info_line(uint32_t guest, uint32_t index, char *line, size_t size);
void report_numbers(uint32_t guest, struct control_guest *numbers);
/* A guest's state (enum guest_status), also in a word or two; why it was killed. */
uint32_t report_status_number(uint32_t guest);
const char *report_status(uint32_t guest);
const char *report_sentence(uint32_t guest);

/* console.c: the serial port and the guests' consoles. */
void console_start(void);
/* Moves what can be moved, both ways. True: something was received. */
bool console_run(void);
/* Nothing waits to be sent. */
bool console_is_drained(void);
/* Output of the monitor's own prompt. */
void console_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* There is room for one more console_print(). */
bool console_has_room(void);
/* The guest that gets the input; the next one in turn. */
uint32_t console_focus(void);
void console_focus_next(void);
/* A byte, or a break, for a guest. False: it does not read, and loses the byte, as on a serial port without
 * flow control. */
bool console_give(uint32_t guest, uint8_t byte);
void console_send_break(uint32_t guest);

/* control_input.c: something happens at a guest's keyboard or mouse. False: there is no room for it, as the
 * guest does not read. */
bool input_give(uint32_t guest, const struct input_event *event);
/* host_input.c: the machine's own keyboard and mouse, for the guest that has the focus. */
void host_input_start(void);
/* As console_run(). */
bool host_input_run(void);

/* prompt.c: the monitor's key and its prompt. Returns true when it took the byte; otherwise it is the
 * guest's. */
bool prompt_take(uint8_t byte);
/* The prompt is open: guests' output waits. */
bool prompt_is_open(void);
/* Prints what a command still has to say, as far as there is room. */
void prompt_run(void);

/* display.c: the machine's display, which shows the focused guest's screen. */
struct process_info;
void display_start(const struct process_info *info);
/* Takes what the guest's device model has answered, and asks for more. */
void display_run(void);

/* control_line.c: the serial line on which nr speaks to the service (control.h). */
void control_start(void);
/* As console_run(), but true also when something was sent: the console may go on then. */
bool control_run(void);
bool control_is_drained(void);
/* Somebody follows the guest's console and has not been given its output from `tail` on. */
bool control_holds(uint32_t guest, uint32_t tail);
