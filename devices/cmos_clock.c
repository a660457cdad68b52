/*
 * The real-time clock MC146818 with 128 bytes of CMOS RAM.
 *
 * Document: Motorola MC146818 data sheet; 82371SB (PIIX3) for ports 0x70 and 0x71; the Bochs rombios list of
 * CMOS bytes for the sizes of memory.
 * State: struct rtc. The date is computed from guest time; flags are brought up to date when somebody looks.
 * Missed periodic interrupts are caught up a quarter of a period apart.
 *
 * Missing: daylight saving, the square wave output, the upper 128 bytes of CMOS (ports 0x72 and 0x73).
 * Different: the day of the week follows the date; when register B changes the format, the registers follow;
 * after B's SET bit a second begins anew, where the chip's divider would have gone on.
 * Ignored bits: port 0x70 bit 7 (NMI mask).
 */
#include "cmos_clock.h"
#include "boot_order.h"
#include "calendar.h"
#include "effects.h"
#include "image_floppy.h"
#include "layout.h"

enum { PORT_INDEX, PORT_DATA };
enum rtc_register {
    REG_SECONDS = 0,
    REG_SECONDS_ALARM = 1,
    REG_MINUTES = 2,
    REG_MINUTES_ALARM = 3,
    REG_HOURS = 4,
    REG_HOURS_ALARM = 5,
    REG_WEEKDAY = 6,
    REG_DAY = 7,
    REG_MONTH = 8,
    REG_YEAR = 9,
    REG_A = 10,
    REG_B = 11,
    REG_C = 12,
    REG_D = 13,
    REG_CENTURY = 0x32,
};
enum {
    A_RATE = 0x0f,
    A_DIVIDER_SHIFT = 4,
    A_DIVIDER_32K = 2,
    A_DIVIDER_RESET = 6,
    A_UIP = 0x80,
    A_DEFAULT = 0x26
};
enum { B_24H = 2, B_BINARY = 4, B_UIE = 0x10, B_AIE = 0x20, B_PIE = 0x40, B_SET = 0x80 };
enum { C_UF = 0x10, C_AF = 0x20, C_PF = 0x40, C_IRQF = 0x80 };
enum { D_VALID = 0x80, HOURS_PM = 0x80, ALARM_ANY = 0xc0 };

/* CMOS bytes that firmware and systems read. */
enum {
    CMOS_FLOPPIES = 0x10, /* types of the drives, the first in the upper half */
    CMOS_EQUIPMENT = 0x14,
    CMOS_BASE_KIB = 0x15,
    CMOS_EXTENDED_KIB = 0x17,
    CMOS_CHECKSUM_FIRST = 0x10,
    CMOS_CHECKSUM_LAST = 0x2d,
    CMOS_CHECKSUM = 0x2e, /* high byte first */
    CMOS_EXTENDED_KIB_POST = 0x30,
    CMOS_ABOVE_16M = 0x34,  /* in 64 KiB */
    CMOS_BOOT_THIRD = 0x38, /* class of drives in its upper half; and in 0x3d the first and the second */
    CMOS_BOOT = 0x3d,
    CMOS_ABOVE_4G = 0x5b,      /* in 64 KiB, three bytes */
    CMOS_CPUS = 0x5f,          /* less one */
    EQUIPMENT_FLOPPIES = 0x01, /* and in bits 6 and 7 their number less one */
    EQUIPMENT_FPU = 0x02,
    EQUIPMENT_MOUSE = 0x04,
    EQUIPMENT_SECOND_FLOPPY = 0x40,
};

enum {
    RTC_IRQ = 8,
    NS_PER_SECOND = 1000000000,
    UPDATE_NS = 244000 + 1984000, /* from UIP to the end of the update */
    CLOCK_HZ = 32768,
    OWED_MAX = 1000,
    RETRY_NS_MIN = 100000,
    SECONDS_PER_DAY = 86400,
    NEVER = SECONDS_PER_DAY,
};

static bool rtc_stands(const struct rtc *rtc)
{
    return rtc->cmos[REG_B] & B_SET || (rtc->cmos[REG_A] >> A_DIVIDER_SHIFT & 7) >= A_DIVIDER_RESET;
}

/* ns since the second 0 of the date began. */
static uint64_t rtc_seconds(const struct rtc *rtc, uint64_t now)
{
    return rtc->base_seconds + (now - rtc->base_time) / NS_PER_SECOND;
}

static uint64_t rtc_next_second(const struct rtc *rtc, uint64_t now)
{
    return now + NS_PER_SECOND - (now - rtc->base_time) % NS_PER_SECOND;
}

static uint8_t rtc_encode(const struct rtc *rtc, uint32_t value)
{
    return (uint8_t)(rtc->cmos[REG_B] & B_BINARY ? value : value / 10 % 10 << 4 | value % 10);
}

static uint32_t rtc_decode(const struct rtc *rtc, uint8_t value)
{
    return rtc->cmos[REG_B] & B_BINARY ? value : (value >> 4) * 10u + (value & 15u);
}

static uint8_t rtc_encode_hour(const struct rtc *rtc, uint32_t hour)
{
    if (rtc->cmos[REG_B] & B_24H)
        return rtc_encode(rtc, hour);
    return (uint8_t)(rtc_encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOURS_PM : 0));
}

static uint32_t rtc_decode_hour(const struct rtc *rtc, uint8_t value)
{
    if (rtc->cmos[REG_B] & B_24H)
        return rtc_decode(rtc, value);
    return rtc_decode(rtc, value & (HOURS_PM - 1)) % 12 + (value & HOURS_PM ? 12 : 0);
}

/* Puts the date into its registers. */
static void rtc_show_date(struct rtc *rtc, uint64_t now)
{
    struct calendar c = calendar_of(rtc_seconds(rtc, now));
    rtc->cmos[REG_SECONDS] = rtc_encode(rtc, c.second);
    rtc->cmos[REG_MINUTES] = rtc_encode(rtc, c.minute);
    rtc->cmos[REG_HOURS] = rtc_encode_hour(rtc, c.hour);
    rtc->cmos[REG_WEEKDAY] = rtc_encode(rtc, c.weekday + 1);
    rtc->cmos[REG_DAY] = rtc_encode(rtc, c.day);
    rtc->cmos[REG_MONTH] = rtc_encode(rtc, c.month);
    rtc->cmos[REG_YEAR] = rtc_encode(rtc, c.year % 100);
    rtc->cmos[REG_CENTURY] = rtc_encode(rtc, c.year / 100);
}

/* The clock goes on from what the registers say; `fraction` ns of the second have passed. */
static void rtc_take_date(struct rtc *rtc, uint64_t now, uint64_t fraction)
{
    struct calendar c = {
        .year = rtc_decode(rtc, rtc->cmos[REG_CENTURY]) * 100 + rtc_decode(rtc, rtc->cmos[REG_YEAR]),
        .month = rtc_decode(rtc, rtc->cmos[REG_MONTH]),
        .day = rtc_decode(rtc, rtc->cmos[REG_DAY]),
        .hour = rtc_decode_hour(rtc, rtc->cmos[REG_HOURS]),
        .minute = rtc_decode(rtc, rtc->cmos[REG_MINUTES]),
        .second = rtc_decode(rtc, rtc->cmos[REG_SECONDS]),
    };
    rtc->base_seconds = calendar_seconds(&c);
    rtc->base_time = now - fraction;
}

/* The second of the day at which the alarm comes first, not before `from`; NEVER if it does not on this day.
 */
static uint32_t rtc_alarm_on_day(const struct rtc *rtc, uint32_t from)
{
    uint8_t any[3] = {rtc->cmos[REG_HOURS_ALARM], rtc->cmos[REG_MINUTES_ALARM], rtc->cmos[REG_SECONDS_ALARM]};
    uint32_t hour = rtc_decode_hour(rtc, any[0]), minute = rtc_decode(rtc, any[1]),
             second = rtc_decode(rtc, any[2]);
    bool any_hour = any[0] >= ALARM_ANY, any_minute = any[1] >= ALARM_ANY, any_second = any[2] >= ALARM_ANY;
    if ((!any_minute && minute > 59) || (!any_second && second > 59))
        return NEVER;
    for (uint32_t h = from / 3600; h < 24; h++) {
        if (!any_hour && h != hour)
            continue;
        /* In a later hour or minute than that of `from` the first one will do: two turns at most. */
        for (uint32_t m = h == from / 3600 ? from / 60 % 60 : 0; m < 60; m++) {
            if (!any_minute && m != minute)
                continue;
            uint32_t start = h * 3600 + m * 60;
            uint32_t least = start < from ? from - start : 0;
            if (any_second && least < 60)
                return start + least;
            if (!any_second && second >= least)
                return start + second;
        }
    }
    return NEVER;
}

/* The date at which the alarm comes next, from a date on; UINT64_MAX: never. */
static uint64_t rtc_next_alarm(const struct rtc *rtc, uint64_t from)
{
    uint64_t day = from - from % SECONDS_PER_DAY;
    uint32_t at = rtc_alarm_on_day(rtc, (uint32_t)(from % SECONDS_PER_DAY));
    if (at != NEVER)
        return day + at;
    at = rtc_alarm_on_day(rtc, 0);
    return at == NEVER ? UINT64_MAX : day + SECONDS_PER_DAY + at;
}

/* Clocks of the 32 kHz crystal in a period; 0: no periodic interrupt. */
static uint32_t rtc_period(const struct rtc *rtc)
{
    unsigned rate = rtc->cmos[REG_A] & A_RATE;
    if (rate == 0 || (rtc->cmos[REG_A] >> A_DIVIDER_SHIFT & 7) != A_DIVIDER_32K)
        return 0;
    return 1u << (rate < 3 ? rate + 6 : rate - 1); /* rates 1 and 2 are those of 8 and 9 */
}

static uint64_t crystal_clocks(uint64_t ns)
{
    return ns / NS_PER_SECOND * CLOCK_HZ + ns % NS_PER_SECOND * CLOCK_HZ / NS_PER_SECOND;
}

static uint64_t crystal_ns(uint64_t clocks)
{
    return clocks / CLOCK_HZ * NS_PER_SECOND + (clocks % CLOCK_HZ * NS_PER_SECOND + CLOCK_HZ - 1) / CLOCK_HZ;
}

static void rtc_settle_periodic(struct rtc *rtc, uint64_t now)
{
    uint32_t period = rtc_period(rtc);
    if (!period)
        return;
    uint64_t passed = crystal_clocks(now) / period - crystal_clocks(rtc->settled) / period;
    if (!(rtc->cmos[REG_B] & B_PIE)) {
        rtc->owed = 0;
        if (passed)
            rtc->cmos[REG_C] |= C_PF;
        return;
    }
    uint64_t due = passed + rtc->owed;
    bool on_time = passed || now >= rtc->retry;
    if (due && on_time && !(rtc->cmos[REG_C] & C_PF)) {
        rtc->cmos[REG_C] |= C_PF;
        due--;
    }
    rtc->owed = (uint32_t)(due < OWED_MAX ? due : OWED_MAX);
    uint64_t quarter = crystal_ns(period) / 4;
    if (on_time)
        rtc->retry = now + (quarter > RETRY_NS_MIN ? quarter : RETRY_NS_MIN);
}

/* Brings the flags of register C up to now, and the interrupt line with them. */
static void rtc_settle(struct rtc *rtc, uint64_t now)
{
    rtc_settle_periodic(rtc, now);
    if (!rtc_stands(rtc)) {
        uint64_t before = rtc_seconds(rtc, rtc->settled), after = rtc_seconds(rtc, now);
        if (after != before) {
            rtc->cmos[REG_C] |= C_UF;
            if (rtc_next_alarm(rtc, before + 1) <= after)
                rtc->cmos[REG_C] |= C_AF;
        }
    }
    rtc->settled = now;
    bool level = rtc->cmos[REG_C] & rtc->cmos[REG_B] & (C_UF | C_AF | C_PF);
    rtc->cmos[REG_C] = (uint8_t)((rtc->cmos[REG_C] & ~C_IRQF) | (level ? C_IRQF : 0));
    if (level != rtc->irq) {
        rtc->irq = level;
        effect_irq(RTC_IRQ, IRQ_ISA, level);
    }
}

static bool is_date_register(unsigned index)
{
    return index == REG_SECONDS || index == REG_MINUTES || index == REG_HOURS ||
           (index >= REG_WEEKDAY && index <= REG_YEAR) || index == REG_CENTURY;
}

/* Registers A and B may stop the clock and let it go on. After the divider was reset, the first update comes
 * half a second later. */
static void rtc_write_control(struct rtc *rtc, unsigned index, uint8_t value, uint64_t now)
{
    bool stood = rtc_stands(rtc), divider_reset = !(rtc->cmos[REG_B] & B_SET);
    if (!stood)
        rtc_show_date(rtc, now);
    if (index == REG_A)
        value &= (uint8_t)~A_UIP;
    else if (value & B_SET)
        value &= (uint8_t)~B_UIE;
    rtc->cmos[index] = value;
    if (stood && !rtc_stands(rtc))
        rtc_take_date(rtc, now, divider_reset && index == REG_A ? NS_PER_SECOND / 2 : 0);
    rtc_settle(rtc, now);
}

static void rtc_write(struct rtc *rtc, uint8_t value, uint64_t now)
{
    unsigned index = rtc->index;
    if (index == REG_A || index == REG_B) {
        rtc_write_control(rtc, index, value, now);
    } else if (index == REG_C || index == REG_D) {
        effect_need(NEED_IGNORED, 0x71);
    } else if (is_date_register(index) && !rtc_stands(rtc)) {
        uint64_t fraction = (now - rtc->base_time) % NS_PER_SECOND;
        rtc_show_date(rtc, now);
        rtc->cmos[index] = value;
        rtc_take_date(rtc, now, fraction);
    } else {
        rtc->cmos[index] = value;
    }
}

static uint8_t rtc_read(struct rtc *rtc, uint64_t now)
{
    unsigned index = rtc->index;
    bool stands = rtc_stands(rtc);
    if (is_date_register(index) && !stands)
        rtc_show_date(rtc, now);
    uint8_t value = rtc->cmos[index];
    if (index == REG_A && !stands && rtc_next_second(rtc, now) - now <= UPDATE_NS)
        value |= A_UIP;
    if (index == REG_C) {
        rtc->cmos[REG_C] = 0;
        rtc_settle(rtc, now);
    }
    return value;
}

static void rtc_io(void *state, struct io *io)
{
    struct rtc *rtc = state;
    uint64_t now = effect_now();
    rtc_settle(rtc, now);
    if (io->offset == PORT_INDEX) {
        if (io->write)
            rtc->index = io->value & (RTC_CMOS_SIZE - 1);
    } else if (io->write) {
        rtc_write(rtc, (uint8_t)io->value, now);
    } else {
        io->value = rtc_read(rtc, now);
    }
}

static void cmos_put(struct rtc *rtc, unsigned index, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        rtc->cmos[index + i] = (uint8_t)(value >> 8 * i);
}

static uint64_t at_most(uint64_t value, uint64_t limit)
{
    return value < limit ? value : limit;
}

/* A drive without a diskette takes those of 1.44 MB. */
static uint8_t floppy_type(unsigned unit)
{
    if (!effect_guest_config()->floppy[unit].present)
        return FLOPPY_DRIVE_NONE;
    const struct floppy_format *format = floppy_format_of(effect_floppy_described(unit));
    return format ? format->drive : FLOPPY_DRIVE_1440K;
}

static uint8_t equipment(void)
{
    const struct guest_floppy *floppy = effect_guest_config()->floppy;
    return (uint8_t)(EQUIPMENT_FPU | EQUIPMENT_MOUSE | (floppy[0].present ? EQUIPMENT_FLOPPIES : 0) |
                     (floppy[1].present ? EQUIPMENT_SECOND_FLOPPY : 0));
}

/* What is in the machine, as PC firmware stores it. */
static void rtc_store_configuration(struct rtc *rtc)
{
    const struct guest_config *config = effect_guest_config();
    uint64_t kib = (uint64_t)config->memory_mib << 10;
    uint64_t low = at_most(kib, GUEST_LOW_RAM_MAX >> 10), high = kib - low;
    uint64_t extended = low > 1024 ? low - 1024 : 0, above_16m = low > 16384 ? (low - 16384) / 64 : 0;
    cmos_put(rtc, CMOS_FLOPPIES, (uint64_t)floppy_type(0) << 4 | floppy_type(1), 1);
    cmos_put(rtc, CMOS_EQUIPMENT, equipment(), 1);
    cmos_put(rtc, CMOS_BASE_KIB, 640, 2);
    cmos_put(rtc, CMOS_EXTENDED_KIB, at_most(extended, 0xffff), 2);
    cmos_put(rtc, CMOS_EXTENDED_KIB_POST, at_most(extended, 0xffff), 2);
    cmos_put(rtc, CMOS_ABOVE_16M, at_most(above_16m, 0xffff), 2);
    cmos_put(rtc, CMOS_ABOVE_4G, at_most(high / 64, 0xffffff), 3);
    cmos_put(rtc, CMOS_CPUS, config->cpu_count - 1, 1);
    uint16_t order = boot_order_classes(config);
    cmos_put(rtc, CMOS_BOOT, order & 0xff, 1);
    cmos_put(rtc, CMOS_BOOT_THIRD, order >> 8 << 4, 1);
    unsigned sum = 0;
    for (unsigned i = CMOS_CHECKSUM_FIRST; i <= CMOS_CHECKSUM_LAST; i++)
        sum += rtc->cmos[i];
    rtc->cmos[CMOS_CHECKSUM] = (uint8_t)(sum >> 8);
    rtc->cmos[CMOS_CHECKSUM + 1] = (uint8_t)sum;
}

static void rtc_reset(void *state, const struct device_slot *slot)
{
    struct rtc *rtc = state;
    (void)slot;
    rtc->cmos[REG_A] = A_DEFAULT;
    rtc->cmos[REG_B] = B_24H;
    rtc->cmos[REG_D] = D_VALID;
    rtc->base_seconds = effect_epoch();
    rtc->settled = effect_now();
    rtc_store_configuration(rtc);
}

void rtc_keep_battery(struct rtc *rtc, const struct rtc *before)
{
    for (unsigned i = REG_D + 1; i < RTC_CMOS_SIZE; i++)
        if (i != REG_CENTURY)
            rtc->cmos[i] = before->cmos[i];
}

static const char *rtc_check(const void *state)
{
    const struct rtc *rtc = state;
    if (rtc->index >= RTC_CMOS_SIZE)
        return "index";
    if (rtc->owed > OWED_MAX)
        return "owed interrupts";
    return rtc->cmos[REG_A] & A_UIP ? "update in progress" : NULL;
}

static void rtc_inspect(const void *state, struct inspector *inspector)
{
    const struct rtc *rtc = state;
    inspector->field(inspector, "seconds", rtc_seconds(rtc, rtc->settled));
    inspector->field(inspector, "a", rtc->cmos[REG_A]);
    inspector->field(inspector, "b", rtc->cmos[REG_B]);
    inspector->field(inspector, "c", rtc->cmos[REG_C]);
    inspector->field(inspector, "owed", rtc->owed);
}

static uint64_t rtc_deadline(const void *state)
{
    const struct rtc *rtc = state;
    uint8_t wanted = (uint8_t)(rtc->cmos[REG_B] & ~rtc->cmos[REG_C]);
    uint64_t nearest = DEADLINE_NONE;
    uint32_t period = rtc_period(rtc);
    if (wanted & B_PIE && period) {
        nearest = crystal_ns((crystal_clocks(rtc->settled) / period + 1) * period);
        if (rtc->owed && rtc->retry < nearest)
            nearest = rtc->retry;
    }
    if (rtc_stands(rtc))
        return nearest;
    uint64_t second = rtc_next_second(rtc, rtc->settled);
    if (wanted & B_UIE && second < nearest)
        nearest = second;
    if (wanted & B_AIE) {
        uint64_t date = rtc_seconds(rtc, rtc->settled), alarm = rtc_next_alarm(rtc, date + 1);
        if (alarm != UINT64_MAX && second + (alarm - date - 1) * NS_PER_SECOND < nearest)
            nearest = second + (alarm - date - 1) * NS_PER_SECOND;
    }
    return nearest;
}

static void rtc_tick(void *state, uint64_t now)
{
    rtc_settle(state, now);
}

const struct device rtc_device = {
    .name = "MC146818",
    .state_size = sizeof(struct rtc),
    .region_count = 1,
    .region = {{.base = 0x70, .length = 2, .space = IO_PORT, .widths = WIDTH_1}},
    .reset = rtc_reset,
    .io = rtc_io,
    .check = rtc_check,
    .inspect = rtc_inspect,
    .missed_ticks = TICKS_CATCH_UP,
    .deadline = rtc_deadline,
    .tick = rtc_tick,
};
