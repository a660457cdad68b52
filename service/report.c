/*
 * How a guest ended, and what the monitor and its device model recorded about it, in words. Names of exits
 * live here: ring 0 has only their numbers.
 */
#include "format.h"
#include "layout.h"
#include "process_info.h"
#include "service.h"
#include "string.h"

static const char *const reason_name[VCPU_EXIT_REASON_COUNT] = {
    [VCPU_EXIT_NONE] = "backend",
    [VCPU_EXIT_PIO] = "I/O",
    [VCPU_EXIT_MEMORY] = "memory",
    [VCPU_EXIT_CPUID] = "CPUID",
    [VCPU_EXIT_RDMSR] = "RDMSR",
    [VCPU_EXIT_WRMSR] = "WRMSR",
    [VCPU_EXIT_CR_ACCESS] = "CR access",
    [VCPU_EXIT_HLT] = "HLT",
    [VCPU_EXIT_HYPERCALL] = "hypercall, refused",
    [VCPU_EXIT_EXCEPTION] = "exception",
    [VCPU_EXIT_INTERRUPT_WINDOW] = "interrupt window",
    [VCPU_EXIT_NMI_WINDOW] = "NMI window",
    [VCPU_EXIT_EXTERNAL] = "host interrupt",
    [VCPU_EXIT_SHUTDOWN] = "shutdown",
    [VCPU_EXIT_INVLPG] = "INVLPG",
    [VCPU_EXIT_TASK_SWITCH] = "task switch",
    [VCPU_EXIT_INSTRUCTION] = "instruction",
    [VCPU_EXIT_UNFIT] = "unfit state",
    [VCPU_EXIT_LAPIC] = "local APIC",
    [VCPU_EXIT_INVALID] = "refused state",
};

/* What recorder_entry.detail is, by reason. */
static const char *const detail_name[VCPU_EXIT_REASON_COUNT] = {
    [VCPU_EXIT_MEMORY] = "address", [VCPU_EXIT_RDMSR] = "MSR",        [VCPU_EXIT_WRMSR] = "MSR",
    [VCPU_EXIT_CR_ACCESS] = "CR",   [VCPU_EXIT_EXCEPTION] = "vector", [VCPU_EXIT_INVLPG] = "address",
    [VCPU_EXIT_LAPIC] = "register",
};

static const char *const outcome_name[] = {
    [EXIT_PENDING] = "not finished", [EXIT_RESUME] = "monitor",   [EXIT_UPCALL] = "device model",
    [EXIT_HALT] = "monitor",         [EXIT_EXTERNAL] = "monitor", [EXIT_KILL] = "guest killed",
};

static const char *const need_name[] = {
    [NEED_PORT_READ] = "read of port",   [NEED_PORT_WRITE] = "write to port",
    [NEED_MEMORY_READ] = "read of page", [NEED_MEMORY_WRITE] = "write to page",
    [NEED_RDMSR] = "RDMSR of",           [NEED_WRMSR] = "WRMSR to",
    [NEED_IGNORED] = "ignored write at",
};

static const char *const status_name[] = {
    [GUEST_ABSENT] = "absent",           [GUEST_STARTING] = "starting", [GUEST_RUNNING] = "running",
    [GUEST_POWERED_OFF] = "powered off", [GUEST_KILLED] = "killed",
};

#define NAME_OF(table, index)                                                                                \
    ((index) < sizeof(table) / sizeof((table)[0]) && (table)[index] != NULL ? (table)[index] : "unknown")

static const struct process_info *const info = (const struct process_info *)USER_INFO;

/* What the monitor shows of a guest, and of one of its vCPUs. */
static const struct guest_report *report_of(uint32_t guest)
{
    return (const struct guest_report *)(USER_GUESTS + (uint64_t)guest * USER_GUEST_SIZE + USER_GUEST_REPORT);
}

static const struct vcpu_record *record_of(uint32_t guest, uint32_t vcpu)
{
    return (const struct vcpu_record *)(USER_GUESTS + (uint64_t)guest * USER_GUEST_SIZE + USER_GUEST_RECORDS +
                                        (uint64_t)vcpu * USER_GUEST_RECORD_SIZE);
}

static uint64_t microseconds(uint64_t ticks)
{
    return (uint64_t)((unsigned __int128)ticks * info->tsc_mult >> info->tsc_shift) / 1000;
}

const char *report_status(uint32_t guest)
{
    return NAME_OF(status_name, report_of(guest)->status);
}

uint32_t report_status_number(uint32_t guest)
{
    return report_of(guest)->status;
}

const char *report_sentence(uint32_t guest)
{
    static char sentence[GUEST_SENTENCE_SIZE];
    const char *from = report_of(guest)->sentence; /* the monitor ends it with NUL */
    size_t length = strnlen(from, sizeof sentence - 1);

    for (size_t i = 0; i < length; i++) /* a device model's words: they stay in their line */
        sentence[i] = from[i] < ' ' || from[i] > '~' ? '?' : from[i];
    sentence[length] = '\0';
    return sentence;
}

static size_t format_port(const struct vcpu_exit_pio *pio, char *line, size_t size)
{
    return format_text(line, size, ", %s of port 0x%x, %u bytes", pio->in ? "read" : "write", pio->port,
                       pio->size);
}

/* The number by which an exit is told from others of its reason. */
static uint64_t detail_number(const struct vcpu_exit *exit)
{
    return exit->reason == VCPU_EXIT_EXCEPTION ? exit->exception.vector : exit->detail;
}

static void format_entry(const struct recorder_entry *entry, uint64_t newest, char *line, size_t size)
{
    const char *detail = entry->reason < VCPU_EXIT_REASON_COUNT ? detail_name[entry->reason] : NULL;
    size_t length =
        format_text(line, size, "%8lu us before the last: %s at %lx", microseconds(newest - entry->tsc),
                    NAME_OF(reason_name, entry->reason), entry->rip);

    const struct vcpu_exit exit = {.reason = entry->reason, .detail = entry->detail};
    if (entry->reason == VCPU_EXIT_PIO)
        length += format_port(&exit.pio, line + length, size - length);
    else if (detail != NULL)
        length += format_text(line + length, size - length, ", %s 0x%lx", detail, detail_number(&exit));
    format_text(line + length, size - length, ", code 0x%x: %s", entry->qualification,
                NAME_OF(outcome_name, entry->outcome));
}

/*
 * The record of a vCPU as it was when the first line of a report was asked for. That of a guest that has
 * ended stands still, so that only the prompt needs a copy: a guest's end is reported in between its lines.
 */
static const struct vcpu_record *record_since(uint32_t guest, uint32_t vcpu, bool first)
{
    static struct vcpu_record copy;
    static const struct vcpu_record *copied; /* somebody else may ask for another one in between */
    const struct vcpu_record *record = record_of(guest, vcpu);

    if (service.guest[guest].ended)
        return record;
    if (first || copied != record)
        copy = *record;
    copied = record;
    return &copy;
}

bool report_why_line(uint32_t guest, uint32_t index, char *line, size_t size)
{
    uint32_t vcpu = index / (RECORDER_ENTRIES + 1);
    uint32_t entry = index % (RECORDER_ENTRIES + 1);

    line[0] = '\0';
    if (vcpu >= report_of(guest)->cpu_count)
        return false;
    const struct vcpu_record *record = record_since(guest, vcpu, entry == 0);
    if (entry == 0) {
        format_text(line, size, "the last exits of vCPU %u, oldest first:", vcpu);
        return true;
    }
    const struct recorder_entry *at =
        &record->recorder[(record->recorder_next + entry - 1) % RECORDER_ENTRIES];
    if (at->tsc != 0)
        format_entry(at, record->recorder[(record->recorder_next - 1) % RECORDER_ENTRIES].tsc, line, size);
    return true;
}

bool report_needs_line(uint32_t guest, uint32_t index, char *line, size_t size)
{
    const struct channel *channel = service.guest[guest].channel;
    /* The device model's words, which it can change at any time: each is read once. */
    uint32_t count = __atomic_load_n(&channel->need_count, __ATOMIC_RELAXED);

    line[0] = '\0';
    if (index == 0) {
        format_text(line, size, "%u kinds of access that nobody claimed, %u more not listed", count,
                    channel->needs_lost);
        return true;
    }
    if (index > CHANNEL_NEEDS || index > count)
        return false;
    const struct need *need = &channel->need[index - 1];
    uint32_t kind = __atomic_load_n(&need->kind, __ATOMIC_RELAXED);
    format_text(line, size, "%s 0x%lx, %u times", NAME_OF(need_name, kind), need->address, need->count);
    return true;
}

bool report_info_line(uint32_t guest, uint32_t index, char *line, size_t size)
{
    enum { SUMMARY, OVERLAY, SENTENCE, REASONS };
    const struct guest_report *report = report_of(guest);
    uint32_t reason = index - REASONS;
    uint64_t upcalls = 0, exits = 0;

    line[0] = '\0';
    for (uint32_t i = 0; i < report->cpu_count; i++) {
        upcalls += record_of(guest, i)->upcalls;
        exits += record_of(guest, i)->exits[reason < VCPU_EXIT_REASON_COUNT ? reason : 0];
    }
    switch (index) {
    case SUMMARY:
        format_text(line, size, "%s, %u vCPUs, %lu upcalls, device model restarted %u times",
                    report_status(guest), report->cpu_count, upcalls, report->restarts);
        return true;
    case OVERLAY:
        format_text(line, size, "disk overlay: %u of %u pages used", report->overlay_pages_used,
                    report->overlay_pages);
        return true;
    case SENTENCE:
        format_text(line, size, "%s", report_sentence(guest));
        return true;
    default:
        break;
    }
    if (reason >= VCPU_EXIT_REASON_COUNT)
        return false;
    if (exits > 0)
        format_text(line, size, "%12lu exits: %s", exits, reason_name[reason]);
    return true;
}

void report_numbers(uint32_t guest, struct control_guest *numbers)
{
    const struct guest_report *report = report_of(guest);

    *numbers = (struct control_guest){.status = report->status,
                                      .cpu_count = report->cpu_count,
                                      .memory_mib = service.guest[guest].memory_mib,
                                      .restarts = report->restarts,
                                      .overlay_pages_used = report->overlay_pages_used,
                                      .overlay_pages = report->overlay_pages};
    memcpy(numbers->name, service.guest[guest].name, sizeof numbers->name);
    for (uint32_t i = 0; i < report->cpu_count; i++) {
        numbers->upcalls += record_of(guest, i)->upcalls;
        for (uint32_t reason = 0; reason < VCPU_EXIT_REASON_COUNT; reason++)
            numbers->exits += record_of(guest, i)->exits[reason];
    }
}
