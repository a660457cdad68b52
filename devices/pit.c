/*
 * The 8254 interval timer with the port 0x61 of its channel 2.
 *
 * Document: Intel 8254 data sheet (231164-005); 82371SB (PIIX3), NMI status and control, for port 0x61.
 * State: struct pit; a counter alone is in pit_channel.c.
 *
 * Channel 0 drives IRQ 0. Its missed ticks are caught up: a rise that finds the last one not acknowledged is
 * owed and tried again a quarter of a period later, so that a guest that counts ticks keeps its time.
 *
 * Missing: the sound of the speaker; of the refresh by channel 1 only its toggle bit in port 0x61 is there.
 * Different: IRQ 0 stays high in modes 2 and 3 until just before the next rise.
 * Ignored bits: port 0x61 bits 2 and 3 (there is no parity and no channel check), read back as written.
 */
#include "pit.h"
#include "effects.h"

enum { REGION_PIT, REGION_PORT61 };
enum { PORT_CONTROL = 3 };

enum { CONTROL_COUNTER_SHIFT = 6, CONTROL_READ_BACK = 3 };
/* Read-back command: bits 5 and 4 are low-active. */
enum { READ_BACK_NO_COUNT = 1 << 5, READ_BACK_NO_STATUS = 1 << 4, READ_BACK_COUNTER_0 = 1 << 1 };

enum { PORT61_GATE2 = 1 << 0, PORT61_WRITABLE = 0xf, PORT61_REFRESH = 1 << 4, PORT61_OUT2 = 1 << 5 };

enum {
    POLLS_IN_VAIN = 8,  /* in a row: nobody reads the port so often for another reason */
    REFRESH_NS = 15085, /* the refresh bit changes this often */
    OWED_MAX = 1000,    /* ticks; what a guest misses beyond is lost */
    CLOCKS_MIN = 119,   /* 100 us: ticks do not come more often, so that a guest cannot flood its own model */
    NS_PER_SECOND = 1000000000,
    COUNT_MAX = 65536,
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

static void pit_set_irq(bool level)
{
    effect_irq(0, IRQ_ISA, level);
}

/* After any change of channel 0 from outside. */
static void pit_restart(struct pit *pit, uint64_t clock)
{
    const struct pit_channel *channel = &pit->channel[0];
    pit->next_rise = pit_channel_next_rise(channel, clock);
    pit->owed = 0;
    pit_set_irq(pit_channel_output(channel, clock) || pit_mode_periodic(channel->mode));
}

static void pit_read_back(struct pit *pit, uint8_t value, uint64_t clock)
{
    for (unsigned i = 0; i < PIT_CHANNELS; i++) {
        if (!(value & READ_BACK_COUNTER_0 << i))
            continue;
        if (!(value & READ_BACK_NO_COUNT))
            pit_channel_latch_count(&pit->channel[i], clock);
        if (!(value & READ_BACK_NO_STATUS))
            pit_channel_latch_status(&pit->channel[i], clock);
    }
}

static void pit_write_control(struct pit *pit, uint8_t value, uint64_t clock)
{
    unsigned index = value >> CONTROL_COUNTER_SHIFT;
    if (index == CONTROL_READ_BACK) {
        pit_read_back(pit, value, clock);
    } else if ((value >> CONTROL_ACCESS_SHIFT & 3) == ACCESS_LATCH) {
        pit_channel_latch_count(&pit->channel[index], clock);
    } else {
        pit_channel_control(&pit->channel[index], value);
        if (index == 0)
            pit_restart(pit, clock);
    }
}

/* Software that times something waits for the output of channel 2 in mode 0 by reading port 0x61 over and
 * over. */
static void port61_poll(struct pit *pit, const struct pit_channel *speaker, uint64_t clock)
{
    bool waits = speaker->loaded && speaker->gate && speaker->mode == MODE_TERMINAL_COUNT &&
                 !pit_channel_output(speaker, clock);
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
        pit_channel_set_gate(speaker, io->value & PORT61_GATE2, clock);
        return;
    }
    pit_channel_settle(speaker, clock);
    port61_poll(pit, speaker, clock);
    io->value = pit->port61 | (now / REFRESH_NS & 1 ? PORT61_REFRESH : 0u) |
                (pit_channel_output(speaker, clock) ? PORT61_OUT2 : 0u);
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
        pit_channel_settle(&pit->channel[i], clock);
    unsigned index = io->offset & 3;
    if (index != PORT_CONTROL && !io->write) {
        io->value = pit_channel_read(&pit->channel[index], clock);
    } else if (index != PORT_CONTROL) {
        pit_channel_write(&pit->channel[index], (uint8_t)io->value, clock);
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
        pit->channel[i].count = COUNT_MAX;
        pit->channel[i].gate = i != 2;
    }
    pit->next_rise = DEADLINE_NONE;
}

static const char *pit_check(const void *state)
{
    const struct pit *pit = state;
    for (unsigned i = 0; i < PIT_CHANNELS; i++) {
        const struct pit_channel *channel = &pit->channel[i];
        if (channel->count < 1 || channel->count > COUNT_MAX || channel->pending > COUNT_MAX)
            return "count";
        /* Before its first count a counter has that of an earlier mode, which may have been 1. */
        if (pit_mode_periodic(channel->mode) && channel->loaded &&
            (channel->count < 2 || channel->pending == 1))
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
        pit_channel_settle(channel, at);
        if (pit_mode_periodic(channel->mode) && !channel->pending) {
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
            pit->next_rise = pit_channel_next_rise(channel, at);
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
