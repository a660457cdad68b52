/*
 * The high precision event timers: a counter of 100 MHz and three comparators.
 *
 * Document: IA-PC HPET Specification 1.0a. State: struct hpet. The guest has them where its description says
 * so (`hpet`); otherwise nobody answers here and the ACPI tables name none.
 *
 * With legacy replacement the timers 0 and 1 take the place of the 8254 and of the real-time clock at IRQ 0
 * and 8; else a timer drives one of the I/O APIC's inputs 20 to 23, which nothing else uses. Periods that
 * came too late are merged into one interrupt: a guest has the counter to find out.
 *
 * Missing: delivery by messages (FSB interrupts; the capability says so).
 * Different: the line of an edge-triggered timer falls just before its next rise, so that the 8259 does not
 * lose it; a periodic timer asks at most every 100 us, so that a guest cannot flood its own model.
 * Ignored bits: all reserved ones; writes to the counter while it runs have effect at once.
 */
#include "hpet.h"
#include "effects.h"

enum { REG_CAPABILITIES = 0x00, REG_CONFIG = 0x10, REG_STATUS = 0x20, REG_COUNTER = 0xf0, REG_TIMER = 0x100 };
enum { TIMER_CONFIG = 0x00, TIMER_COMPARATOR = 0x08, TIMER_STRIDE = 0x20 };
enum { TICK_NS = 10, PERIOD_FS = 10000000, FLOOD_NS = 100000 };

#define ROUND_NS ((uint64_t)TICK_NS << 32) /* until 32 bits have gone round */

enum { CONFIG_ENABLE = 1 << 0, CONFIG_LEGACY = 1 << 1, CONFIG_WRITABLE = 3 };

/* Timer configuration (2.3.8). */
enum {
    TIMER_LEVEL = 1 << 1,
    TIMER_INTERRUPT = 1 << 2,
    TIMER_PERIODIC = 1 << 3,
    TIMER_PERIODIC_CAPABLE = 1 << 4,
    TIMER_64_BIT_CAPABLE = 1 << 5,
    TIMER_SETVAL = 1 << 6,
    TIMER_32_BIT = 1 << 8,
    TIMER_ROUTE_SHIFT = 9,
    TIMER_ROUTE = 0x1f << TIMER_ROUTE_SHIFT,
    TIMER_WRITABLE =
        TIMER_LEVEL | TIMER_INTERRUPT | TIMER_PERIODIC | TIMER_SETVAL | TIMER_32_BIT | TIMER_ROUTE,
    TIMER_CONST = TIMER_PERIODIC_CAPABLE | TIMER_64_BIT_CAPABLE,
};
#define TIMER_ROUTES 0x00f00000u /* the high half: inputs of the I/O APIC */

enum { LEGACY_TIMERS = 2 };
static const uint8_t legacy_irq[LEGACY_TIMERS] = {0, 8};

static uint64_t hpet_counter(const struct hpet *hpet, uint64_t now)
{
    return hpet->config & CONFIG_ENABLE ? hpet->counter + (now - hpet->since) / TICK_NS : hpet->counter;
}

static void timer_drive(const struct hpet *hpet, unsigned index, bool level)
{
    unsigned route = (hpet->timer[index].config & TIMER_ROUTE) >> TIMER_ROUTE_SHIFT;
    if (hpet->config & CONFIG_LEGACY && index < LEGACY_TIMERS)
        effect_irq(legacy_irq[index], IRQ_HPET, level);
    else if (TIMER_ROUTES >> route & 1)
        effect_ioapic_pin(route, level);
}

static void timer_set_line(struct hpet *hpet, unsigned index, bool level)
{
    if (hpet->timer[index].line == level)
        return;
    hpet->timer[index].line = level;
    timer_drive(hpet, index, level);
}

/* When the counter reaches the comparator, from now on. */
static void timer_restart(struct hpet *hpet, unsigned index, uint64_t now)
{
    struct hpet_timer *timer = &hpet->timer[index];
    uint64_t ticks = timer->comparator - hpet_counter(hpet, now);
    if (timer->config & TIMER_32_BIT)
        ticks = (uint32_t)ticks;
    timer->next = DEADLINE_NONE;
    if (!(hpet->config & CONFIG_ENABLE) || ticks > INT64_MAX / TICK_NS)
        return;
    /* The counter's ticks begin at hpet->since: this one begins in part of a tick from now. */
    timer->next = now - (now - hpet->since) % TICK_NS + ticks * TICK_NS;
}

static void timer_match(struct hpet *hpet, unsigned index)
{
    struct hpet_timer *timer = &hpet->timer[index];
    if (timer->config & TIMER_LEVEL)
        hpet->status |= 1u << index;
    if (!(timer->config & TIMER_INTERRUPT))
        return;
    if (!(timer->config & TIMER_LEVEL))
        timer_set_line(hpet, index, false);
    timer_set_line(hpet, index, true);
}

/* The comparator of a periodic timer goes on past the counter; that of another stays, and matches again when
 * the counter has gone round. */
static void timer_go_on(struct hpet *hpet, unsigned index, uint64_t now)
{
    struct hpet_timer *timer = &hpet->timer[index];
    uint64_t period = timer->config & TIMER_32_BIT ? (uint32_t)timer->period : timer->period;
    uint64_t late = now - timer->next;
    if (!(timer->config & TIMER_PERIODIC)) {
        timer->next = timer->config & TIMER_32_BIT ? now + ROUND_NS - late % ROUND_NS : DEADLINE_NONE;
        return;
    }
    if (period == 0 || period > INT64_MAX / TICK_NS) {
        timer->next = DEADLINE_NONE;
        return;
    }
    uint64_t step = period * TICK_NS, turns = late / step + 1;
    if (turns * step - late < FLOOD_NS && step < FLOOD_NS)
        turns += FLOOD_NS / step;
    timer->comparator += turns * period;
    if (timer->config & TIMER_32_BIT)
        timer->comparator = (uint32_t)timer->comparator;
    timer->next += turns * step;
}

static void hpet_tick(void *state, uint64_t now)
{
    struct hpet *hpet = state;
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        if (hpet->timer[i].next > now)
            continue;
        timer_match(hpet, i);
        timer_go_on(hpet, i, now);
    }
}

/* A timer without interrupts has nobody to tell: it goes on when somebody looks. */
static uint64_t hpet_deadline(const void *state)
{
    const struct hpet *hpet = state;
    uint64_t deadline = DEADLINE_NONE;
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        const struct hpet_timer *timer = &hpet->timer[i];
        if (timer->config & TIMER_INTERRUPT && timer->next < deadline)
            deadline = timer->next;
    }
    return deadline;
}

static void restart_all(struct hpet *hpet, uint64_t now)
{
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        timer_restart(hpet, i, now);
}

/* Replaces one half of a 64-bit register. */
static void set_half(uint64_t *to, unsigned offset, uint32_t value)
{
    *to = offset & 4 ? (uint32_t)*to | (uint64_t)value << 32 : (*to & ~0xffffffffull) | value;
}

/* The counter stops with its value and goes on from it; lines leave their old places before they come to the
 * new ones. */
static void hpet_write_config(struct hpet *hpet, uint32_t value, uint64_t now)
{
    uint32_t changed = hpet->config ^ value;
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        timer_set_line(hpet, i, false);
    hpet->counter = hpet_counter(hpet, now);
    hpet->since = now;
    hpet->config = value & CONFIG_WRITABLE;
    if (changed & CONFIG_LEGACY)
        effect_irq_replace(hpet->config & CONFIG_LEGACY);
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        timer_set_line(hpet, i,
                       hpet->config & CONFIG_ENABLE && hpet->status >> i & 1 &&
                           hpet->timer[i].config & TIMER_INTERRUPT);
    restart_all(hpet, now);
}

static void hpet_write_status(struct hpet *hpet, uint32_t value)
{
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        if (!(value >> i & hpet->status >> i & 1))
            continue;
        hpet->status &= ~(1u << i);
        timer_set_line(hpet, i, false);
    }
}

static void timer_write_config(struct hpet *hpet, unsigned index, uint32_t value, uint64_t now)
{
    struct hpet_timer *timer = &hpet->timer[index];
    timer_set_line(hpet, index, false);
    timer->config = TIMER_CONST | (value & TIMER_WRITABLE);
    timer->setting = 0;
    if (!(timer->config & TIMER_LEVEL))
        hpet->status &= ~(1u << index);
    if (timer->config & TIMER_32_BIT) {
        timer->comparator = (uint32_t)timer->comparator;
        timer->period = (uint32_t)timer->period;
    }
    timer_set_line(hpet, index, timer->config & TIMER_INTERRUPT && hpet->status >> index & 1);
    timer_restart(hpet, index, now);
}

/* 2.3.9.2.2: in periodic mode a write sets the period, and with SETVAL the comparator, too. SETVAL goes with
 * the first write, which may have a second half. */
static void timer_write_comparator(struct hpet *hpet, unsigned index, unsigned offset, uint32_t value,
                                   uint64_t now)
{
    struct hpet_timer *timer = &hpet->timer[index];
    bool periodic = timer->config & TIMER_PERIODIC;
    bool set = timer->config & TIMER_SETVAL || (offset & 4 && timer->setting);
    if (offset & 4 && timer->config & TIMER_32_BIT)
        return;
    if (!periodic || set)
        set_half(&timer->comparator, offset, value);
    if (periodic)
        set_half(&timer->period, offset, value);
    timer->setting = set && !(offset & 4);
    timer->config &= ~(uint32_t)TIMER_SETVAL;
    if (!periodic || set)
        timer_restart(hpet, index, now);
}

static void hpet_write(struct hpet *hpet, uint32_t offset, uint32_t value, uint64_t now)
{
    unsigned index = (offset - REG_TIMER) / TIMER_STRIDE, reg = offset % TIMER_STRIDE;
    if (offset == REG_CONFIG) {
        hpet_write_config(hpet, value, now);
    } else if (offset == REG_STATUS) {
        hpet_write_status(hpet, value);
    } else if ((offset & ~4u) == REG_COUNTER) {
        hpet->counter = hpet_counter(hpet, now);
        hpet->since = now;
        set_half(&hpet->counter, offset, value);
        restart_all(hpet, now);
    } else if (offset >= REG_TIMER && index < HPET_TIMERS) {
        if (reg == TIMER_CONFIG)
            timer_write_config(hpet, index, value, now);
        else if ((reg & ~4u) == TIMER_COMPARATOR)
            timer_write_comparator(hpet, index, offset, value, now);
    }
}

static uint64_t hpet_read(const struct hpet *hpet, uint32_t offset, uint64_t now)
{
    unsigned index = (offset - REG_TIMER) / TIMER_STRIDE;
    if (offset >= REG_TIMER) {
        if (index >= HPET_TIMERS)
            return 0;
        const struct hpet_timer *timer = &hpet->timer[index];
        return offset % TIMER_STRIDE == TIMER_CONFIG       ? timer->config | (uint64_t)TIMER_ROUTES << 32
               : offset % TIMER_STRIDE == TIMER_COMPARATOR ? timer->comparator
                                                           : 0;
    }
    return offset == REG_CAPABILITIES ? HPET_CAPABILITIES | (uint64_t)PERIOD_FS << 32
           : offset == REG_CONFIG     ? hpet->config
           : offset == REG_STATUS     ? hpet->status
           : offset == REG_COUNTER    ? hpet_counter(hpet, now)
                                      : 0;
}

static void hpet_io(void *state, struct io *io)
{
    struct hpet *hpet = state;
    uint64_t now = effect_now();
    if (!effect_guest_config()->hpet)
        return;
    hpet_tick(hpet, now); /* what is due comes before what is written */
    if (io->write)
        hpet_write(hpet, io->offset, io->value, now);
    else
        io->value = (uint32_t)(hpet_read(hpet, io->offset & ~7u, now) >> (io->offset & 4) * 8);
}

static void hpet_reset(void *state, const struct device_slot *slot)
{
    struct hpet *hpet = state;
    (void)slot;
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        hpet->timer[i] =
            (struct hpet_timer){.config = TIMER_CONST, .comparator = UINT64_MAX, .next = DEADLINE_NONE};
}

static const char *hpet_check(const void *state)
{
    const struct hpet *hpet = state;
    if (hpet->config & ~(uint32_t)CONFIG_WRITABLE)
        return "configuration";
    if (hpet->status >> HPET_TIMERS)
        return "status";
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        const struct hpet_timer *timer = &hpet->timer[i];
        if ((timer->config & ~(uint32_t)TIMER_WRITABLE) != TIMER_CONST)
            return "timer configuration";
        if (timer->line > 1 || timer->setting > 1)
            return "timer flags";
        if (timer->next != DEADLINE_NONE && !(hpet->config & CONFIG_ENABLE))
            return "a timer that runs while the counter stands";
    }
    return NULL;
}

static void hpet_inspect(const void *state, struct inspector *inspector)
{
    static const char *const configs[HPET_TIMERS] = {"timer 0", "timer 1", "timer 2"};
    static const char *const comparators[HPET_TIMERS] = {"comparator 0", "comparator 1", "comparator 2"};
    static const char *const periods[HPET_TIMERS] = {"period 0", "period 1", "period 2"};
    const struct hpet *hpet = state;
    inspector->field(inspector, "configuration", hpet->config);
    inspector->field(inspector, "status", hpet->status);
    inspector->field(inspector, "counter", hpet_counter(hpet, effect_now()));
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        inspector->field(inspector, configs[i], hpet->timer[i].config);
        inspector->field(inspector, comparators[i], hpet->timer[i].comparator);
        inspector->field(inspector, periods[i], hpet->timer[i].period);
    }
}

const struct device hpet_device = {
    .name = "HPET",
    .state_size = sizeof(struct hpet),
    .region_count = 1,
    .region = {{.base = HPET_BASE, .length = 0x400, .space = IO_MEMORY, .widths = WIDTH_4}},
    .reset = hpet_reset,
    .io = hpet_io,
    .check = hpet_check,
    .inspect = hpet_inspect,
    .missed_ticks = TICKS_MERGE,
    .deadline = hpet_deadline,
    .tick = hpet_tick,
};
