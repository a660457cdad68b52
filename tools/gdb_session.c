/*
 * What GDB says to a guest and what it is answered. A packet that is not known is answered by an empty one,
 * as the protocol wants it; a wrong one by an error.
 */
#include "gdb_session.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY_MAX = GDB_PACKET_MAX / 2 - 16, ALL_THREADS = -1, ANY_THREAD = 0 };

static void answer(struct gdb_session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void answer(struct gdb_session *s, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(s->reply, sizeof(s->reply), format, arguments);
    va_end(arguments);
    s->reply_length = length < 0                          ? 0
                      : (size_t)length < sizeof(s->reply) ? (size_t)length
                                                          : sizeof(s->reply) - 1;
}

static void answer_ok(struct gdb_session *s, bool good)
{
    answer(s, "%s", good ? "OK" : "E01");
}

/* A thread's number: -1 all, 0 any. False: none of ours. */
static bool take_thread(const struct gdb_session *s, const char **text, int *thread)
{
    uint64_t number;

    if (strncmp(*text, "-1", 2) == 0) {
        *text += 2;
        *thread = ALL_THREADS;
        return true;
    }
    if (!gdb_number(text, &number) || number > s->vcpus)
        return false;
    *thread = (int)number;
    return true;
}

static bool take(const char **text, char wanted)
{
    if (**text != wanted)
        return false;
    ++*text;
    return true;
}

/* GDB takes a breakpoint that does not lie at its PC for an old one, and lets the guest go on: where CS has a
 * base, it is a plain SIGTRAP. */
static bool finds_breakpoint(const struct gdb_session *s, const struct debug_state *stop)
{
    struct vcpu_state state;

    return !s->target->get(s->context, stop->vcpu, &state) ||
           (s->wide && state.segment[SEG_CS].attributes & SEG_L) || state.segment[SEG_CS].base == 0;
}

static void answer_stop(struct gdb_session *s)
{
    static const char *const watch[] = {
        [DEBUG_WATCH_WRITE] = "watch", [DEBUG_WATCH_READ] = "rwatch", [DEBUG_WATCH_ACCESS] = "awatch"};
    const struct debug_state *stop = &s->stop;
    unsigned thread = stop->vcpu + 1;

    if (stop->reason == DEBUG_ASKED)
        answer(s, "T02thread:%x;", thread); /* SIGINT */
    else if (stop->reason == DEBUG_WATCHPOINT && stop->kind >= DEBUG_WATCH_WRITE &&
             stop->kind <= DEBUG_WATCH_ACCESS)
        answer(s, "T05%s:%llx;thread:%x;", watch[stop->kind], (unsigned long long)stop->address, thread);
    else if (stop->reason == DEBUG_BREAKPOINT && finds_breakpoint(s, stop))
        answer(s, "T05%s:;thread:%x;", stop->kind == DEBUG_SOFTWARE ? "swbreak" : "hwbreak", thread);
    else
        answer(s, "T05thread:%x;", thread);
}

static bool get_registers(struct gdb_session *s, struct gdb_registers *registers)
{
    registers->wide = s->wide;
    return s->target->get(s->context, s->selected, &registers->state);
}

static void read_registers(struct gdb_session *s)
{
    struct gdb_registers registers;
    uint8_t bytes[GDB_REGISTER_SIZE_MAX];

    if (!get_registers(s, &registers)) {
        answer_ok(s, false);
        return;
    }
    s->reply_length = 0;
    for (unsigned i = 0; i < gdb_register_count(s->wide); i++) {
        unsigned size = gdb_register_size(s->wide, i);
        gdb_register_get(&registers, i, bytes);
        gdb_hex(s->reply + s->reply_length, bytes, size);
        s->reply_length += (size_t)2 * size;
    }
}

static void write_registers(struct gdb_session *s, const char *text)
{
    struct gdb_registers registers;
    uint8_t bytes[GDB_REGISTER_SIZE_MAX];
    bool good = get_registers(s, &registers);

    for (unsigned i = 0; good && i < gdb_register_count(s->wide); i++) {
        unsigned size = gdb_register_size(s->wide, i);
        good = gdb_bytes(text, bytes, size) == size && gdb_register_set(&registers, i, bytes);
        text += (size_t)2 * size;
    }
    answer_ok(s, good && s->target->set(s->context, s->selected, &registers.state.gpr));
}

static void one_register(struct gdb_session *s, const char *text, bool write)
{
    struct gdb_registers registers;
    uint8_t bytes[GDB_REGISTER_SIZE_MAX] = {0};
    uint64_t index;
    bool good =
        gdb_number(&text, &index) && index < gdb_register_count(s->wide) && get_registers(s, &registers);
    unsigned size = good ? gdb_register_size(s->wide, (unsigned)index) : 0;

    if (good && !write) {
        gdb_register_get(&registers, (unsigned)index, bytes);
        gdb_hex(s->reply, bytes, size);
        s->reply_length = (size_t)2 * size;
        return;
    }
    good = good && take(&text, '=') && gdb_bytes(text, bytes, size) == size &&
           gdb_register_set(&registers, (unsigned)index, bytes);
    answer_ok(s, good && s->target->set(s->context, s->selected, &registers.state.gpr));
}

static void read_memory(struct gdb_session *s, const char *text)
{
    uint8_t bytes[MEMORY_MAX];
    uint64_t address, length;

    if (!gdb_number(&text, &address) || !take(&text, ',') || !gdb_number(&text, &length)) {
        answer_ok(s, false);
        return;
    }
    size_t count =
        s->target->read(s->context, s->selected, address, bytes, length < MEMORY_MAX ? length : MEMORY_MAX);
    if (count == 0 && length > 0) {
        answer_ok(s, false);
        return;
    }
    gdb_hex(s->reply, bytes, count);
    s->reply_length = 2 * count;
}

static void write_memory(struct gdb_session *s, const char *text)
{
    uint8_t bytes[MEMORY_MAX];
    uint64_t address, length;
    bool good = gdb_number(&text, &address) && take(&text, ',') && gdb_number(&text, &length) &&
                take(&text, ':') && length <= MEMORY_MAX && gdb_bytes(text, bytes, length) == length;

    answer_ok(s, good && (length == 0 || s->target->write(s->context, s->selected, address, bytes, length)));
}

static void breakpoint(struct gdb_session *s, const char *text, bool insert)
{
    uint64_t kind, address, length;

    if (!gdb_number(&text, &kind) || !take(&text, ',') || !gdb_number(&text, &address) || !take(&text, ',') ||
        !gdb_number(&text, &length))
        answer_ok(s, false);
    else if (kind > DEBUG_WATCH_ACCESS)
        answer(s, "%s", "");
    else
        answer_ok(s, s->target->breakpoint(s->context, insert, (enum debug_breakpoint)kind, address, length));
}

static void go(struct gdb_session *s, uint32_t steps, uint32_t runs)
{
    if (s->target->go(s->context, steps, runs & ~steps)) {
        s->running = true;
        s->reply_length = 0;
    } else {
        answer_ok(s, false);
    }
}

static uint32_t all(const struct gdb_session *s)
{
    return (1u << s->vcpus) - 1;
}

/* ;action[:thread]...: the first that fits a thread counts. */
static void resume(struct gdb_session *s, const char *text)
{
    uint32_t steps = 0, runs = 0;

    while (take(&text, ';')) {
        char action = *text;
        int thread = ALL_THREADS;
        if (action != '\0')
            text++;
        if (action == 'C' || action == 'S') /* a signal, which a processor does not have */
            for (unsigned i = 0; i < 2 && gdb_digit(*text) >= 0; i++)
                text++;
        if (strchr("cCsS", action) == NULL || action == '\0' ||
            (take(&text, ':') && !take_thread(s, &text, &thread))) {
            answer_ok(s, false);
            return;
        }
        uint32_t meant = thread > 0 ? 1u << (thread - 1) : all(s);
        meant &= ~(steps | runs);
        if (action == 's' || action == 'S')
            steps |= meant;
        else
            runs |= meant;
    }
    if (*text != '\0' || (steps | runs) == 0)
        answer_ok(s, false);
    else
        go(s, steps, runs);
}

static void give_description(struct gdb_session *s, const char *text)
{
    uint64_t offset, length;
    size_t size = strlen(s->description);

    if (!gdb_number(&text, &offset) || !take(&text, ',') || !gdb_number(&text, &length) || offset > size) {
        answer(s, "E00");
        return;
    }
    size_t most = GDB_PACKET_MAX / 2; /* a character may take two places */
    most = length < most ? length : most;
    size_t part = size - offset < most ? size - offset : most;
    answer(s, "%c%.*s", part < size - offset ? 'm' : 'l', (int)part, s->description + offset);
}

static void list_threads(struct gdb_session *s)
{
    answer(s, "m");
    for (unsigned i = 1; i <= s->vcpus; i++)
        s->reply_length += (size_t)snprintf(s->reply + s->reply_length, sizeof(s->reply) - s->reply_length,
                                            "%s%x", i > 1 ? "," : "", i);
}

static void name_thread(struct gdb_session *s, const char *text)
{
    char name[24];
    int thread;

    if (!take_thread(s, &text, &thread) || thread < 1) {
        answer_ok(s, false);
        return;
    }
    snprintf(name, sizeof(name), "vCPU %d", thread - 1);
    gdb_hex(s->reply, name, strlen(name));
    s->reply_length = 2 * strlen(name);
}

static bool begins(const char **text, const char *word)
{
    size_t length = strlen(word);

    if (strncmp(*text, word, length) != 0)
        return false;
    *text += length;
    return true;
}

static void query(struct gdb_session *s, const char *text)
{
    if (begins(&text, "qSupported"))
        answer(s, "PacketSize=%x;qXfer:features:read+;QStartNoAckMode+;vContSupported+;swbreak+;hwbreak+",
               GDB_PACKET_MAX);
    else if (begins(&text, "qXfer:features:read:target.xml:"))
        give_description(s, text);
    else if (begins(&text, "qfThreadInfo"))
        list_threads(s);
    else if (begins(&text, "qsThreadInfo"))
        answer(s, "l");
    else if (begins(&text, "qThreadExtraInfo,"))
        name_thread(s, text);
    else if (strcmp(text, "qC") == 0)
        answer(s, "QC%x", s->selected + 1);
    else if (begins(&text, "qAttached"))
        answer(s, "1");
    else if (strcmp(text, "QStartNoAckMode") == 0) {
        answer(s, "OK");
        s->no_ack = true;
    }
}

static void select_thread(struct gdb_session *s, const char *text)
{
    bool registers = *text == 'g';
    int thread;

    if (*text != '\0')
        text++;
    bool good = take_thread(s, &text, &thread);
    if (good && registers && thread > 0)
        s->selected = (unsigned)thread - 1;
    answer_ok(s, good);
}

static void thread_is_there(struct gdb_session *s, const char *text)
{
    int thread;

    answer_ok(s, take_thread(s, &text, &thread) && thread > 0);
}

static void verbose(struct gdb_session *s, const char *text)
{
    if (strcmp(text, "vCont?") == 0)
        answer(s, "vCont;c;C;s;S");
    else if (begins(&text, "vCont"))
        resume(s, text);
}

void gdb_session_packet(struct gdb_session *s, const char *packet, size_t length)
{
    s->reply_length = 0;
    s->acks_ended = s->no_ack;
    if (length == 0 || strlen(packet) != length)
        return;
    switch (packet[0]) {
    case '?':
        answer_stop(s);
        break;
    case 'g':
        read_registers(s);
        break;
    case 'G':
        write_registers(s, packet + 1);
        break;
    case 'p':
    case 'P':
        one_register(s, packet + 1, packet[0] == 'P');
        break;
    case 'm':
        read_memory(s, packet + 1);
        break;
    case 'M':
        write_memory(s, packet + 1);
        break;
    case 'Z':
    case 'z':
        breakpoint(s, packet + 1, packet[0] == 'Z');
        break;
    case 'c':
    case 's':
        if (length > 1) /* from another address */
            answer_ok(s, false);
        else
            go(s, packet[0] == 's' ? 1u << s->selected : 0, all(s));
        break;
    case 'H':
        select_thread(s, packet + 1);
        break;
    case 'T':
        thread_is_there(s, packet + 1);
        break;
    case 'D':
        answer_ok(s, true);
        s->detached = true;
        break;
    case 'k':
        s->detached = true;
        break;
    case 'q':
    case 'Q':
        query(s, packet);
        break;
    case 'v':
        verbose(s, packet);
        break;
    default:
        break;
    }
}

void gdb_session_stopped(struct gdb_session *s, const struct debug_state *stop)
{
    s->stop = *stop;
    if (s->stop.vcpu >= s->vcpus)
        s->stop.vcpu = 0;
    s->selected = s->stop.vcpu;
    s->running = false;
    answer_stop(s);
}

void gdb_session_open(struct gdb_session *s, const struct gdb_target *target, void *context, bool wide,
                      const struct debug_state *stop)
{
    *s = (struct gdb_session){.target = target, .context = context, .wide = wide};
    s->vcpus = stop->vcpu_count >= 1 && stop->vcpu_count <= 31 ? stop->vcpu_count : 1;
    s->description = gdb_target_description(wide);
    gdb_session_stopped(s, stop);
}

void gdb_session_close(struct gdb_session *s)
{
    free(s->description);
    s->description = NULL;
}
