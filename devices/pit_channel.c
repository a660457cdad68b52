/*
 * One counter of the 8254: its six modes as functions of the clock.
 *
 * Document: Intel 8254 data sheet (231164-005), mode definitions and figures 15 to 20.
 * State: struct pit_channel. A counter does not count: value and output are computed from the clock at which
 * it was loaded, when somebody looks.
 * Missing: nothing.
 * Different: a count of 1 in modes 2 and 3, which the data sheet forbids, counts as 2.
 * Ignored bits: bit 2 of the modes 6 and 7, which are 2 and 3.
 */
#include "pit_channel.h"
#include "device.h"

enum { STATUS_OUTPUT = 1 << 7, STATUS_NULL_COUNT = 1 << 6 };
enum { DECIMAL_COUNTS = 10000, BINARY_COUNTS = 65536 };

bool pit_mode_periodic(unsigned mode)
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
    return count == 1 && pit_mode_periodic(channel->mode) ? 2 : count;
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
void pit_channel_settle(struct pit_channel *channel, uint64_t clock)
{
    if (!channel->pending || clock < channel->pending_start)
        return;
    uint64_t boundary = channel->pending_start;
    bool falls = channel->mode == MODE_SQUARE && (boundary - channel->start) % channel->count != 0;
    channel->count = channel->pending;
    channel->start = falls ? boundary - high_half(channel->count) : boundary;
    channel->pending = 0;
}

bool pit_channel_output(const struct pit_channel *channel, uint64_t clock)
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
uint64_t pit_channel_next_rise(const struct pit_channel *channel, uint64_t after)
{
    uint64_t end = channel->start + channel->count;
    if (!channel->loaded || !channel->running || mode_triggered(channel->mode))
        return DEADLINE_NONE;
    if (channel->mode == MODE_SOFTWARE_STROBE)
        end++; /* the strobe is low for one clock */
    if (pit_mode_periodic(channel->mode) && after >= end)
        end += ((after - end) / channel->count + 1) * channel->count;
    if (channel->pending && channel->pending_start < end && channel->pending_start > after) {
        /* Mode 3 changes its count at the next half: the low half has the new length. */
        return channel->pending_start + channel->pending / 2;
    }
    return end > after ? end : DEADLINE_NONE;
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
    } else if (pit_mode_periodic(channel->mode) && again && channel->running) {
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

void pit_channel_write(struct pit_channel *channel, uint8_t value, uint64_t clock)
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

uint8_t pit_channel_read(struct pit_channel *channel, uint64_t clock)
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

void pit_channel_latch_count(struct pit_channel *channel, uint64_t clock)
{
    if (channel->count_bytes_latched)
        return;
    channel->latched_count = channel_value(channel, clock);
    channel->count_bytes_latched = channel->access == ACCESS_BOTH ? 2 : 1;
}

void pit_channel_latch_status(struct pit_channel *channel, uint64_t clock)
{
    if (channel->status_latched)
        return;
    bool null = !channel->loaded || channel->pending || (channel->running && clock < channel->start);
    channel->latched_status =
        (uint8_t)((pit_channel_output(channel, clock) ? STATUS_OUTPUT : 0) | (null ? STATUS_NULL_COUNT : 0) |
                  channel->access << CONTROL_ACCESS_SHIFT | channel->mode << CONTROL_MODE_SHIFT |
                  channel->bcd);
    channel->status_latched = 1;
}

void pit_channel_set_gate(struct pit_channel *channel, bool gate, uint64_t clock)
{
    if (gate == channel->gate)
        return;
    pit_channel_settle(channel, clock);
    bool level_sensitive = !mode_triggered(channel->mode);
    if (!gate && level_sensitive) {
        channel->frozen = channel_elapsed(channel, clock);
        channel->running = 0;
    } else if (gate && channel->loaded && !channel->write_high) {
        if (pit_mode_periodic(channel->mode) || mode_triggered(channel->mode)) {
            channel_start(channel, channel->pending ? channel->pending : channel->count, clock);
        } else {
            channel->start = clock - channel->frozen;
            channel->running = 1;
        }
    }
    channel->gate = gate;
}

void pit_channel_control(struct pit_channel *channel, uint8_t value)
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
