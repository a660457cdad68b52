/*
 * The 8254 interval timer with the port 0x61 of its channel 2.
 *
 * Document: Intel 8254 data sheet (231164-005); 82371SB (PIIX3), NMI status and control register, for port
 * 0x61. State: struct pit. Counters do not count: their values are computed from guest time when somebody
 * looks. Channel 0 drives IRQ 0. Its missed ticks are caught up: a rise that finds the last one not
 * acknowledged is owed and tried again a quarter of a period later, so that a guest that counts ticks keeps
 * its time. Missing: the sound of the speaker; the refresh of channel 1 is its toggle bit in port 0x61 only.
 * Different: IRQ 0 stays high in modes 2 and 3 until just before the next rise. A count of 1 in modes 2 and
 * 3, which the data sheet forbids, counts as 2. Ignored bits: port 0x61 bits 2 and 3 (there is no parity and
 * no channel check), read back as written.
 */
#include "pit.h"
#include "effects.h"

enum { REGION_PIT, REGION_PORT61 };
enum { PORT_CONTROL = 3 };

/* Control word: counter in bits 7-6, access in 5-4, mode in 3-1, BCD in 0. */
enum { CONTROL_COUNTER_SHIFT = 6, CONTROL_READ_BACK = 3, CONTROL_ACCESS_SHIFT = 4, CONTROL_MODE_SHIFT = 1 };
enum pit_access { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };
/* Read-back command: bits 5 and 4 are low-active. */
enum { READ_BACK_NO_COUNT = 1 << 5, READ_BACK_NO_STATUS = 1 << 4, READ_BACK_COUNTER_0 = 1 << 1 };
enum { STATUS_OUTPUT = 1 << 7, STATUS_NULL_COUNT = 1 << 6 };

enum pit_mode {
    MODE_TERMINAL_COUNT,
    MODE_ONE_SHOT,
    MODE_RATE,
    MODE_SQUARE,
    MODE_SOFTWARE_STROBE,
    MODE_HARDWARE_STROBE
};

enum { PORT61_GATE2 = 1 << 0, PORT61_WRITABLE = 0xf, PORT61_REFRESH = 1 << 4, PORT61_OUT2 = 1 << 5 };

enum {
    POLLS_IN_VAIN = 8,  /* in a row: nobody reads the port so often for another reason */
    REFRESH_NS = 15085, /* the refresh bit changes this often */
    OWED_MAX = 1000,    /* ticks; what a guest misses beyond is lost */
    CLOCKS_MIN = 119,   /* 100 us: ticks do not come more often, so that a guest cannot flood its own model */
    NS_PER_SECOND = 1000000000,
    DECIMAL_COUNTS = 10000,
    BINARY_COUNTS = 65536,
};

static uint64_t clocks_of(uint64_t ns)
{
    return ns / NS_PER_SECOND * PIT_HZ + ns % NS_PER_SECOND * PIT_HZ / NS_PER_SECOND;
}

/* The first ns at which the clock has the value. */
static uint64_t ns_of(uint64_t clocks)
{
    return clocks / PIT_HZ * NS_PER_SECOND + (clocks % PIT_HZ * NS_PER_SECOND + PIT_HZ - 1) / PIT_HZ;
}

static bool mode_periodic(unsigned mode)
{
    return mode == MODE_RATE || mode == MODE_SQUARE;
}

static bool mode_triggered(unsigned mode)
{
    return mode == MODE_ONE_SHOT || mode == MODE_HARDWARE_STROBE;
}

static uint32_t count_of(const struct pit_channel *channel, uint16_t written)
{
    uint32_t count = written;
    if (channel->bcd)
        count =
            (written >> 12) * 1000u + (written >> 8 & 15) * 100u + (written >> 4 & 15) * 10u + (written & 15);
    if (count == 0)
        count = channel->bcd ? DECIMAL_COUNTS : BINARY_COUNTS;
    return count == 1 && mode_periodic(channel->mode) ? 2 : count;
}

static uint16_t shown_count(const struct pit_channel *channel, uint64_t value)
{
    if (!channel->bcd)
        return (uint16_t)value;
    unsigned v = (unsigned)(value % DECIMAL_COUNTS);
    return (uint16_t)(v / 1000 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10);
}

static uint64_t channel_elapsed(const struct pit_channel *channel, uint64_t clock)
{
    if (!channel->running)
        return channel->frozen;
    return clock > channel->start ? clock - channel->start : 0;
}

/* Clocks of the high half of mode 3. */
static uint32_t high_half(uint32_t count)
{
    return (count + 1) / 2;
}

/* A count that was written during a period takes effect when its time has come. */
static void channel_settle(struct pit_channel *channel, uint64_t clock)
{
    if (!channel->pending || clock < channel->pending_start)
        return;
    uint64_t boundary = channel->pending_start;
    bool falls = channel->mode == MODE_SQUARE && (boundary - channel->start) % channel->count != 0;
    channel->count = channel->pending;
    channel->start = falls ? boundary - high_half(channel->count) : boundary;
    channel->pending = 0;
}

static bool channel_output(const struct pit_channel *channel, uint64_t clock)
{
    if (!channel->loaded)
        return channel->mode != MODE_TERMINAL_COUNT;
    uint64_t elapsed = channel_elapsed(channel, clock);
    switch ((enum pit_mode)channel->mode) {
    case MODE_TERMINAL_COUNT:
        return elapsed >= channel->count;
    case MODE_ONE_SHOT:
        return !channel->running || elapsed >= channel->count;
    case MODE_RATE:
        return !channel->gate || elapsed % channel->count != channel->count - 1;
    case MODE_SQUARE:
        return !channel->gate || elapsed % channel->count < high_half(channel->count);
    case MODE_SOFTWARE_STROBE:
        return elapsed != channel->count;
    case MODE_HARDWARE_STROBE:
        return !channel->running || elapsed != channel->count;
    }
    return true;
}

static uint16_t channel_value(const struct pit_channel *channel, uint64_t clock)
{
    uint64_t elapsed = channel_elapsed(channel, clock);
    uint32_t wrap = channel->bcd ? DECIMAL_COUNTS : BINARY_COUNTS;
    if (channel->mode == MODE_RATE)
        return shown_count(channel, channel->count - elapsed % channel->count);
    if (channel->mode == MODE_SQUARE) {
        /* The element is loaded with an even number and counts by two in each half. */
        uint64_t phase = elapsed % channel->count, half = high_half(channel->count);
        return shown_count(channel, (channel->count & ~1u) - 2 * (phase < half ? phase : phase - half));
    }
    return shown_count(channel, (channel->count + wrap - elapsed % wrap) % wrap);
}

/* The first clock after `after` at which the output rises, as far as it is known now, or DEADLINE_NONE. */
static uint64_t channel_next_rise(const struct pit_channel *channel, uint64_t after)
{
    uint64_t end = channel->start + channel->count;
    if (!channel->loaded || !channel->running || mode_triggered(channel->mode))
        return DEADLINE_NONE;
    if (channel->mode == MODE_SOFTWARE_STROBE)
        end++; /* the strobe is low for one clock */
    if (mode_periodic(channel->mode) && after >= end)
        end += ((after - end) / channel->count + 1) * channel->count;
    if (channel->pending && channel->pending_start < end && channel->pending_start > after) {
        /* Mode 3 changes its count at the next half: the low half has the new length. */
        return channel->pending_start + channel->pending / 2;
    }
    return end > after ? end : DEADLINE_NONE;
}

static void pit_set_irq(bool level)
{
    effect_irq(0, IRQ_ISA, level);
}

/* After any change of channel 0 from outside. */
static void pit_restart(struct pit *pit, uint64_t clock)
{
    const struct pit_channel *channel = &pit->channel[0];
    pit->next_rise = channel_next_rise(channel, clock);
    pit->owed = 0;
    pit_set_irq(channel_output(channel, clock) || mode_periodic(channel->mode));
}

/* Starts counting with a new count at the next clock. */
static void channel_start(struct pit_channel *channel, uint32_t count, uint64_t clock)
{
    channel->count = count;
    channel->pending = 0;
    channel->start = clock + 1;
    channel->frozen = 0;
    channel->running = 1;
}

/* A complete count was written (data sheet, mode definitions). */
static void channel_load(struct pit_channel *channel, uint16_t written, uint64_t clock)
{
    uint32_t count = count_of(channel, written);
    bool again = channel->loaded;
    channel->loaded = 1;
    if (mode_triggered(channel->mode)) {
        channel->pending = count;
        channel->pending_start = DEADLINE_NONE;
        if (!channel->running)
            channel->count = count;
    } else if (mode_periodic(channel->mode) && again && channel->running) {
        uint64_t phase = channel_elapsed(channel, clock) % channel->count;
        uint64_t left = channel->count - phase, half = high_half(channel->count);
        if (channel->mode == MODE_SQUARE && phase < half)
            left = half - phase;
        channel->pending = count;
        channel->pending_start = (clock > channel->start ? clock : channel->start) + left;
    } else {
        channel_start(channel, count, clock);
        channel->running = channel->gate;
    }
}

static void channel_write(struct pit_channel *channel, uint8_t value, uint64_t clock)
{
    if (channel->access == ACCESS_LOW) {
        channel_load(channel, value, clock);
    } else if (channel->access == ACCESS_HIGH) {
        channel_load(channel, (uint16_t)(value << 8), clock);
    } else if (channel->write_high) {
        channel->write_high = 0;
        channel_load(channel, (uint16_t)(value << 8 | channel->low_byte), clock);
    } else {
        channel->write_high = 1;
        channel->low_byte = value;
        if (channel->mode == MODE_TERMINAL_COUNT) {
            /* The first byte stops the counting and lowers the output. */
            channel->frozen = 0;
            channel->running = 0;
        }
    }
}

static uint8_t channel_read(struct pit_channel *channel, uint64_t clock)
{
    if (channel->status_latched) {
        channel->status_latched = 0;
        return channel->latched_status;
    }
    uint16_t value = channel->count_bytes_latched ? channel->latched_count : channel_value(channel, clock);
    bool high = channel->access == ACCESS_HIGH || (channel->access == ACCESS_BOTH && channel->read_high);
    if (channel->access == ACCESS_BOTH)
        channel->read_high ^= 1;
    if (channel->count_bytes_latched)
        channel->count_bytes_latched--;
    return (uint8_t)(high ? value >> 8 : value);
}

static void channel_latch_count(struct pit_channel *channel, uint64_t clock)
{
    if (channel->count_bytes_latched)
        return;
    channel->latched_count = channel_value(channel, clock);
    channel->count_bytes_latched = channel->access == ACCESS_BOTH ? 2 : 1;
}

static void channel_latch_status(struct pit_channel *channel, uint64_t clock)
{
    if (channel->status_latched)
        return;
    bool null = !channel->loaded || channel->pending || (channel->running && clock < channel->start);
    channel->latched_status =
        (uint8_t)((channel_output(channel, clock) ? STATUS_OUTPUT : 0) | (null ? STATUS_NULL_COUNT : 0) |
                  channel->access << CONTROL_ACCESS_SHIFT | channel->mode << CONTROL_MODE_SHIFT |
                  channel->bcd);
    channel->status_latched = 1;
}

static void channel_set_gate(struct pit_channel *channel, bool gate, uint64_t clock)
{
    if (gate == channel->gate)
        return;
    channel_settle(channel, clock);
    bool level_sensitive = !mode_triggered(channel->mode);
    if (!gate && level_sensitive) {
        channel->frozen = channel_elapsed(channel, clock);
        channel->running = 0;
    } else if (gate && channel->loaded && !channel->write_high) {
        if (mode_periodic(channel->mode) || mode_triggered(channel->mode)) {
            channel_start(channel, channel->pending ? channel->pending : channel->count, clock);
        } else {
            channel->start = clock - channel->frozen;
            channel->running = 1;
        }
    }
    channel->gate = gate;
}

static void channel_control(struct pit_channel *channel, uint8_t value)
{
    unsigned mode = value >> CONTROL_MODE_SHIFT & 7;
    channel->mode =
        (uint8_t)(mode > MODE_HARDWARE_STROBE ? mode - 4 : mode); /* bit 2 of 6 and 7 is ignored */
    channel->access = value >> CONTROL_ACCESS_SHIFT & 3;
    channel->bcd = value & 1;
    channel->loaded = 0;
    channel->running = 0;
    channel->frozen = 0;
    channel->pending = 0;
    channel->write_high = 0;
    channel->read_high = 0;
    channel->count_bytes_latched = 0;
    channel->status_latched = 0;
}

static void pit_read_back(struct pit *pit, uint8_t value, uint64_t clock)
{
    for (unsigned i = 0; i < PIT_CHANNELS; i++) {
        if (!(value & READ_BACK_COUNTER_0 << i))
            continue;
        if (!(value & READ_BACK_NO_COUNT))
            channel_latch_count(&pit->channel[i], clock);
        if (!(value & READ_BACK_NO_STATUS))
            channel_latch_status(&pit->channel[i], clock);
    }
}

static void pit_write_control(struct pit *pit, uint8_t value, uint64_t clock)
{
    unsigned index = value >> CONTROL_COUNTER_SHIFT;
    if (index == CONTROL_READ_BACK) {
        pit_read_back(pit, value, clock);
    } else if ((value >> CONTROL_ACCESS_SHIFT & 3) == ACCESS_LATCH) {
        channel_latch_count(&pit->channel[index], clock);
    } else {
        channel_control(&pit->channel[index], value);
        if (index == 0)
            pit_restart(pit, clock);
    }
}

/* Software that times something waits for the output of channel 2 in mode 0 by reading port 0x61 over and
 * over. */
static void port61_poll(struct pit *pit, const struct pit_channel *speaker, uint64_t clock)
{
    bool waits = speaker->loaded && speaker->gate && speaker->mode == MODE_TERMINAL_COUNT &&
                 !channel_output(speaker, clock);
    if (pit->polls < POLLS_IN_VAIN)
        pit->polls++;
    else if (waits)
        effect_rest(ns_of(speaker->start + speaker->count));
}

static void port61_io(struct pit *pit, struct io *io, uint64_t now)
{
    struct pit_channel *speaker = &pit->channel[2];
    uint64_t clock = clocks_of(now);
    if (io->write) {
        pit->port61 = io->value & PORT61_WRITABLE;
        channel_set_gate(speaker, io->value & PORT61_GATE2, clock);
        return;
    }
    channel_settle(speaker, clock);
    port61_poll(pit, speaker, clock);
    io->value = pit->port61 | (now / REFRESH_NS & 1 ? PORT61_REFRESH : 0u) |
                (channel_output(speaker, clock) ? PORT61_OUT2 : 0u);
}

static void pit_io(void *state, struct io *io)
{
    struct pit *pit = state;
    uint64_t now = effect_now(), clock = clocks_of(now);
    if (io->region == REGION_PORT61) {
        if (io->write)
            pit->polls = 0;
        port61_io(pit, io, now);
        return;
    }
    pit->polls = 0;
    for (unsigned i = 0; i < PIT_CHANNELS; i++)
        channel_settle(&pit->channel[i], clock);
    unsigned index = io->offset & 3;
    if (index != PORT_CONTROL && !io->write) {
        io->value = channel_read(&pit->channel[index], clock);
    } else if (index != PORT_CONTROL) {
        channel_write(&pit->channel[index], (uint8_t)io->value, clock);
        if (index == 0)
            pit_restart(pit, clock);
    } else if (io->write) {
        pit_write_control(pit, (uint8_t)io->value, clock);
    }
}

static void pit_reset(void *state, const struct device_slot *slot)
{
    struct pit *pit = state;
    (void)slot;
    for (unsigned i = 0; i < PIT_CHANNELS; i++) {
        pit->channel[i].mode = MODE_SQUARE;
        pit->channel[i].access = ACCESS_BOTH;
        pit->channel[i].count = BINARY_COUNTS;
        pit->channel[i].gate = i != 2;
    }
    pit->next_rise = DEADLINE_NONE;
}

static const char *pit_check(const void *state)
{
    const struct pit *pit = state;
    for (unsigned i = 0; i < PIT_CHANNELS; i++) {
        const struct pit_channel *channel = &pit->channel[i];
        if (channel->count < 1 || channel->count > 0x10000 || channel->pending > 0x10000)
            return "count";
        if (mode_periodic(channel->mode) && (channel->count < 2 || channel->pending == 1))
            return "period";
        if (channel->mode > MODE_HARDWARE_STROBE || channel->access > ACCESS_BOTH)
            return "mode";
        if (channel->count_bytes_latched > 2)
            return "latch";
    }
    return pit->owed > OWED_MAX ? "owed ticks" : NULL;
}

static void pit_inspect(const void *state, struct inspector *inspector)
{
    static const char *const modes[] = {"mode 0", "mode 1", "mode 2"};
    static const char *const counts[] = {"count 0", "count 1", "count 2"};
    const struct pit *pit = state;
    for (unsigned i = 0; i < PIT_CHANNELS; i++) {
        inspector->field(inspector, modes[i], pit->channel[i].mode);
        inspector->field(inspector, counts[i], pit->channel[i].count);
    }
    inspector->field(inspector, "owed", pit->owed);
    inspector->field(inspector, "port 61", pit->port61);
}

static uint64_t pit_deadline(const void *state)
{
    const struct pit *pit = state;
    uint64_t clock = pit->owed && pit->retry < pit->next_rise ? pit->retry : pit->next_rise;
    return clock == DEADLINE_NONE ? DEADLINE_NONE : ns_of(clock);
}

/* Number of rises of channel 0 up to now; moves next_rise behind them. */
static uint64_t pit_take_rises(struct pit *pit, uint64_t clock)
{
    struct pit_channel *channel = &pit->channel[0];
    uint64_t rises = 0;
    /* A period's end, a change of count, a batch: no more turns; what is left comes at the next call. */
    for (unsigned turn = 0; turn < 4 && pit->next_rise <= clock; turn++) {
        uint64_t at = pit->next_rise;
        channel_settle(channel, at);
        if (mode_periodic(channel->mode) && !channel->pending) {
            uint64_t batch = (clock - at) / channel->count + 1;
            rises += batch;
            pit->next_rise = at + batch * channel->count;
            if (pit->next_rise < clock + CLOCKS_MIN) {
                /* Faster than anybody can be told: what comes before the next look is counted then. */
                uint64_t skipped = CLOCKS_MIN / channel->count + 1;
                rises += skipped;
                pit->next_rise += skipped * channel->count;
            }
        } else {
            rises++;
            pit->next_rise = channel_next_rise(channel, at);
        }
    }
    return rises;
}

static void pit_tick(void *state, uint64_t now)
{
    struct pit *pit = state;
    uint64_t clock = clocks_of(now);
    uint64_t due = pit_take_rises(pit, clock) + pit->owed;
    if (due > 0 && !effect_irq_waiting(0)) {
        pit_set_irq(false);
        pit_set_irq(true);
        due--;
    }
    pit->owed = (uint32_t)(due < OWED_MAX ? due : OWED_MAX);
    uint64_t quarter = pit->channel[0].count / 4;
    pit->retry = clock + (quarter > CLOCKS_MIN ? quarter : CLOCKS_MIN);
}

const struct device pit_device = {
    .name = "8254",
    .state_size = sizeof(struct pit),
    .region_count = 2,
    .region = {[REGION_PIT] = {.base = 0x40, .length = 4, .space = IO_PORT, .widths = WIDTH_1},
               [REGION_PORT61] = {.base = 0x61, .length = 1, .space = IO_PORT, .widths = WIDTH_1}},
    .reset = pit_reset,
    .io = pit_io,
    .check = pit_check,
    .inspect = pit_inspect,
    .missed_ticks = TICKS_CATCH_UP,
    .deadline = pit_deadline,
    .tick = pit_tick,
};
