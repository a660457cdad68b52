/*
 * The end of a guest on the monitor's log. These lines are read by nr and by tests:
 *
 *   nullring: guest NAME: exit value N          what it wrote to its debug-exit port, if it did
 *   nullring: guest NAME: powered off
 *   nullring: guest NAME: killed: SENTENCE
 *
 * With the boot options "why" and "needs" the reports follow, shorter ones for a killed guest without them, a
 * few lines in each upcall, so that a slow serial port does not use up the service's time.
 */
#include "service.h"

enum { LINES_PER_UPCALL = 16, LINE_SIZE = 200, LAST_EXITS = 32 };

enum report_part { PART_INFO, PART_WHY, PART_NEEDS, PART_DONE };

/* What is being printed; guests that end meanwhile wait in order. */
static uint32_t told; /* guests whose report is complete, a bit each */
static uint32_t part, line_index;

static bool has_ended(uint32_t status)
{
    return status == GUEST_POWERED_OFF || status == GUEST_KILLED;
}

static void look_for_end(uint32_t index)
{
    struct service_guest *guest = &service.guest[index];
    uint32_t status = report_status_number(index);

    if (guest->ended || !has_ended(status))
        return;
    guest->ended = true;
    service_wake_after(0); /* who waits for an answer of it is told */
    guest->killed = status == GUEST_KILLED;
    service.failed |= guest->killed;
    uint32_t exit_value = guest->channel->exit_value;
    if (exit_value != 0)
        service_log("guest %s: exit value %u", guest->name, exit_value - 1);
    if (guest->killed)
        service_log("guest %s: killed: %s", guest->name, report_sentence(index));
    else
        service_log("guest %s: powered off", guest->name);
}

/* Without "why", a killed guest's last exits are enough. */
static bool is_wanted(uint32_t index)
{
    uint32_t entry = index % (RECORDER_ENTRIES + 1);

    return entry == 0 || entry > RECORDER_ENTRIES - LAST_EXITS || service_option("why");
}

/* One line of a guest's report; false when it is complete. */
static bool print_line(uint32_t guest)
{
    bool killed = service.guest[guest].killed;
    char line[LINE_SIZE];
    static const char *const names[] = {[PART_INFO] = "info", [PART_WHY] = "why", [PART_NEEDS] = "needs"};
    bool more = false;

    if (part == PART_INFO && (killed || service_option("why")))
        more = report_info_line(guest, line_index, line, sizeof line);
    else if (part == PART_WHY && (killed || service_option("why")))
        more = report_why_line(guest, line_index, line, sizeof line);
    else if (part == PART_NEEDS && (killed || service_option("needs")))
        more = report_needs_line(guest, line_index, line, sizeof line);
    if (more && line[0] != '\0' && (part != PART_WHY || is_wanted(line_index)))
        service_log("guest %s: %s: %s", service.guest[guest].name, names[part], line);
    line_index = more ? line_index + 1 : 0;
    part += !more;
    return part != PART_DONE;
}

/* Returns false when the upcall's share of lines is used up. */
static bool print_reports(void)
{
    unsigned lines = 0;

    for (uint32_t i = 0; i < service.guest_count; i++) {
        if (!service.guest[i].ended || (told >> i & 1) != 0)
            continue;
        while (print_line(i))
            if (++lines == LINES_PER_UPCALL)
                return false;
        part = PART_INFO;
        told |= 1u << i;
    }
    return true;
}

bool report_run(bool look)
{
    bool all_ended = true;

    for (uint32_t i = 0; i < service.guest_count; i++) {
        if (look)
            look_for_end(i);
        all_ended &= service.guest[i].ended;
    }
    if (!print_reports()) {
        service_wake_after(0);
        return false;
    }
    return all_ended;
}
