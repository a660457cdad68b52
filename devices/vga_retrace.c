/*
 * Input status register 1 of the VGA: where the beam is, from guest time.
 *
 * Document: FreeVGA, "Input Status #1" and "CRT Controller Registers" (totals and retraces). A guest polls
 * these bits for both of their values, and a poll can take longer than a retrace, which is 64 us of 14 ms: so
 * one that has come and gone since the last look is shown once, and a guest waits no longer than it would
 * before a screen. Registers that describe no picture, or that of a linear mode, count as the text mode's.
 *
 * Missing: bits 4 and 5, two of a pixel's bits for diagnosis (they read 0); clocks but those of 25 and 28
 * MHz.
 * Ignored bits: colour plane enable bits 4 and 5, which select that diagnosis; CRT mode control: sync enable,
 * the division of the line clock; the display's skew.
 */
#include "vga.h"

enum { STATUS_DISABLED = 1 << 0, STATUS_V_RETRACE = 1 << 3 };

/* One frame, in ns and lines. */
struct frame {
    uint64_t line_ns, display_ns; /* of a line: all, and the part that shows pixels */
    uint32_t lines, display_lines, retrace_start, retrace_lines;
};

static const struct frame text_frame = {.line_ns = 31778,
                                        .display_ns = 25422,
                                        .lines = 449,
                                        .display_lines = 400,
                                        .retrace_start = 412,
                                        .retrace_lines = 2};

/* A vertical count: its bits 8 and 9 are in the overflow register. */
static uint32_t vertical(const struct vga *vga, unsigned index, unsigned bit_8, unsigned bit_9)
{
    uint32_t overflow = vga->crtc[CRTC_OVERFLOW];
    return vga->crtc[index] | (overflow >> bit_8 & 1) << 8 | (overflow >> bit_9 & 1) << 9;
}

static struct frame frame_of(const struct vga *vga)
{
    enum {
        CLOCK_25_KHZ = 25175,
        CLOCK_28_KHZ = 28322,
        NS_PER_MS = 1000000,
        RETRACE_END = 15,
        CHARACTERS_MIN = 40
    };
    uint64_t khz = (vga->miscellaneous >> 2 & 3) == 1 ? CLOCK_28_KHZ : CLOCK_25_KHZ;
    uint8_t clocking = vga->sequencer[SEQ_CLOCKING_MODE];
    uint64_t dots = (uint64_t)(clocking & SEQ_DOTS_8 ? 8 : 9) << (clocking & SEQ_HALF_CLOCK ? 1 : 0);
    uint32_t total = vga->crtc[CRTC_H_TOTAL] + 5u, display = vga->crtc[CRTC_H_DISPLAY_END] + 1u;
    struct frame frame = {
        .line_ns = total * dots * NS_PER_MS / khz,
        .display_ns = display * dots * NS_PER_MS / khz,
        .lines = vertical(vga, CRTC_V_TOTAL, 0, 5) + 2,
        .display_lines = vertical(vga, CRTC_V_DISPLAY_END, 1, 6) + 1,
        .retrace_start = vertical(vga, CRTC_V_RETRACE_START, 2, 7),
    };
    frame.retrace_lines = (vga->crtc[CRTC_V_RETRACE_END] - frame.retrace_start) & RETRACE_END;
    bool sensible = total >= CHARACTERS_MIN && display < total && frame.retrace_lines &&
                    frame.display_lines <= frame.retrace_start &&
                    frame.retrace_start + frame.retrace_lines < frame.lines;
    return sensible && !vbe_is_on(vga) ? frame : text_frame;
}

/* Something that is so for [from, to) of each period. */
struct phase {
    uint64_t period, from, to;
};

static bool phase_is(const struct phase *phase, uint64_t now)
{
    return now % phase->period >= phase->from && now % phase->period < phase->to;
}

/* Whether it has become so, or has ceased to be, after `before` and until `now`. */
static bool phase_came(const struct phase *phase, uint64_t moment, uint64_t before, uint64_t now)
{
    uint64_t back = phase->period - moment;
    return (now + back) / phase->period != (before + back) / phase->period;
}

/* What a look shows: the other value than last time, if there was one since. */
static bool look_at_retrace(const struct phase *retrace, bool last, uint64_t before, uint64_t now)
{
    bool is = phase_is(retrace, now);
    if (last)
        return is && !phase_came(retrace, retrace->to, before, now);
    return is || phase_came(retrace, retrace->from, before, now);
}

static bool look_at_blanking(const struct phase *line, const struct phase *below, bool last, uint64_t before,
                             uint64_t now)
{
    bool is_below = phase_is(below, now), is = is_below || phase_is(line, now);
    if (last)
        return is && !phase_came(below, below->from, before, now) &&
               (is_below || !phase_came(line, line->to, before, now));
    return is || phase_came(line, line->from, before, now);
}

uint8_t vga_retrace_status(struct vga *vga, uint64_t now)
{
    struct frame frame = frame_of(vga);
    uint64_t frame_ns = frame.line_ns * frame.lines;
    struct phase retrace = {frame_ns, frame.retrace_start * frame.line_ns,
                            (frame.retrace_start + frame.retrace_lines) * frame.line_ns};
    struct phase line = {frame.line_ns, frame.display_ns, frame.line_ns};
    struct phase below = {frame_ns, frame.display_lines * frame.line_ns, frame_ns};
    uint8_t last = vga->status_shown, shown = 0;
    if (look_at_blanking(&line, &below, last & STATUS_DISABLED, vga->status_time, now))
        shown |= STATUS_DISABLED;
    if (look_at_retrace(&retrace, last & STATUS_V_RETRACE, vga->status_time, now))
        shown |= STATUS_V_RETRACE | STATUS_DISABLED;
    vga->status_shown = shown;
    vga->status_time = now;
    return shown;
}
