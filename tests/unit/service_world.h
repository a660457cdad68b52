/*
 * The service's control line with a serial port and guests of the test's own: the files are included, so that
 * they call these. What a device model would do at a notification, the test does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "layout.h"
#include "syscall.h"

#define sys_notify    recorded_notify
#define sys_guest_end recorded_end
static int64_t recorded_notify(uint32_t guest);
static int64_t recorded_end(enum guest_end end, uint32_t guest);
#include "../../service/control_commands.c"
#include "../../service/control_debug.c"
#include "../../service/control_input.c"
#include "../../service/control_line.c"
#include "../../service/control_media.c"
#include "../../service/control_screen.c"

enum { WORLD_GUESTS = 3, WORLD_LINE = 1 << 18, WORLD_MODULE = 10000, ALWAYS_ROOM = 1 << 30 };

struct service service;
static struct channel world_channel[WORLD_GUESTS];
static uint8_t world_module[WORLD_MODULE];

static struct world {
    const uint8_t *sent; /* to the service: what its port has not given it yet */
    size_t sent_count;
    uint8_t line[WORLD_LINE]; /* from the service */
    size_t line_count, room;
    uint32_t notified; /* guests, a bit each; until the test clears it */
    unsigned resets, destroys, presses, breaks;
    char typed[256];
    uint32_t typed_count, typed_room;
    bool woken;
} world;

static int64_t recorded_notify(uint32_t guest)
{
    world.notified |= 1u << guest;
    return 0;
}

static int64_t recorded_end(enum guest_end end, uint32_t guest)
{
    if (guest >= service.guest_count)
        abort();
    world.resets += end == GUEST_END_RESET;
    world.destroys += end == GUEST_END_DESTROY;
    return guest == 2 ? -1 : 0; /* of which the monitor wants nothing to do */
}

bool uart_start(struct uart *uart, enum uart_base base)
{
    uart->port = (uint16_t)base;
    return true;
}

int uart_get(const struct uart *uart)
{
    (void)uart;
    if (world.sent_count == 0)
        return -1;
    world.sent_count--;
    return *world.sent++;
}

uint32_t uart_send(struct uart *uart, const uint8_t *bytes, uint32_t size, uint32_t head, uint32_t *tail)
{
    uint32_t before = *tail;
    (void)uart;
    for (; *tail != head && world.room > 0 && world.line_count < WORLD_LINE; world.room--)
        world.line[world.line_count++] = bytes[(*tail)++ % size];
    return *tail - before;
}

bool uart_is_idle(const struct uart *uart)
{
    (void)uart;
    return true;
}

void service_log(const char *format, ...)
{
    (void)format;
}

bool service_option(const char *word)
{
    return strcmp(word, "control=com2") == 0;
}

void service_wake_after(uint32_t ms)
{
    (void)ms;
    world.woken = true;
}

bool console_give(uint32_t guest, uint8_t byte)
{
    if (guest >= service.guest_count || world.typed_count == world.typed_room)
        return false;
    world.typed[world.typed_count++] = (char)byte;
    return true;
}

void console_send_break(uint32_t guest)
{
    world.breaks += guest < service.guest_count;
}

void guests_press_power(uint32_t guest)
{
    world.presses += guest < service.guest_count;
}

int guests_find(const char *name)
{
    for (uint32_t i = 0; i < service.guest_count; i++)
        if (strcmp(service.guest[i].name, name) == 0)
            return (int)i;
    return NO_GUEST;
}

const char *report_status(uint32_t guest)
{
    return guest < service.guest_count ? "powered off" : NULL;
}

void report_numbers(uint32_t guest, struct control_guest *numbers)
{
    memset(numbers, 0, sizeof *numbers);
    memcpy(numbers->name, service.guest[guest].name, sizeof numbers->name);
    numbers->exits = 1000 + guest;
}

/* Lines of every length, one of them empty. */
static bool world_report(const char *what, uint32_t guest, uint32_t index, char *line, size_t size)
{
    int length = snprintf(line, size, "%s %u %u ", what, guest, index);
    memset(line + length, '.', size - 1 - (size_t)length);
    line[(size_t)length + index * 7 % (size - (size_t)length)] = '\0';
    line[size - 1] = '\0';
    if (index == 3)
        line[0] = '\0';
    return index < 40;
}

bool report_info_line(uint32_t guest, uint32_t index, char *line, size_t size)
{
    return world_report("info", guest, index, line, size);
}

bool report_why_line(uint32_t guest, uint32_t index, char *line, size_t size)
{
    return world_report("why", guest, index, line, size);
}

bool report_needs_line(uint32_t guest, uint32_t index, char *line, size_t size)
{
    return world_report("needs", guest, index, line, size);
}

/* Three guests, of which the last has ended, and a boot module of the first. */
static void world_reset(void)
{
    static const char names[WORLD_GUESTS][GUEST_NAME_SIZE] = {"left", "right", "gone"};
    static struct process_info *boot;

    if (boot == NULL) {
        boot = mmap((void *)(uintptr_t)USER_INFO, sizeof *boot, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (boot != (struct process_info *)(uintptr_t)USER_INFO)
            abort();
        boot->module_count = 1;
        boot->module[0] = (struct process_module){
            .name = "left:disk.img", .address = (uintptr_t)world_module, .size = WORLD_MODULE};
    }
    memset(&world, 0, sizeof world);
    world.room = ALWAYS_ROOM;
    world.typed_room = sizeof world.typed;
    memset(&service, 0, sizeof service);
    memset(world_channel, 0, sizeof world_channel);
    service.guest_count = WORLD_GUESTS;
    for (uint32_t i = 0; i < WORLD_GUESTS; i++) {
        memcpy(service.guest[i].name, names[i], sizeof names[i]);
        service.guest[i].channel = &world_channel[i];
    }
    service.guest[WORLD_GUESTS - 1].ended = true;
    memset(&decoder, 0, sizeof decoder);
    memset(calls, 0, sizeof calls);
    memset(remembered, 0, sizeof remembered);
    queue_head = queue_tail = turn = remembered_next = 0;
    control_start();
}
