/*
 * nr gdb: a TCP port of this machine that speaks GDB's remote serial protocol for a guest. The guest stands
 * still from the moment a GDB connects, and goes on when it leaves, whichever way, and when nr gdb is ended
 * by a signal. What one has left that was killed, the next one tidies up (DEBUG_ATTACH).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "control_arguments.h"
#include "debug_client.h"
#include "gdb_session.h"
#include "nr.h"

enum {
    RESEND_MS = 1000,
    SEND_MS = 5000,
    CHUNK = 4096,
    PORT_MAX = 65535,
    OPTION_PORT = 'p',
    OPTION_ARCH = 'a'
};

enum arch { ARCH_OF_GUEST, ARCH_I386, ARCH_X86_64 };

struct gdb_arguments {
    unsigned port; /* 0: any */
    enum arch arch;
};

struct stub {
    struct control_client client;
    const char *guest;
    int gdb;     /* the connection */
    int signals; /* that end nr gdb */
    struct gdb_reader reader;
    struct gdb_session session;
    uint32_t wait_id; /* of the CONTROL_STOPPED that waits; 0: none */
    bool gone;        /* GDB has left, or is to */
    bool ended;       /* a signal has come */
    int status;       /* enum nr_status: not NR_DONE: the monitor has */
    char sent[2 * GDB_PACKET_MAX + 4];
    size_t sent_size;
};

/* A question about the guest; false: it has failed, or the monitor has gone. */
static bool ask(struct stub *stub, const struct debug_request *request, struct debug_answer *answer)
{
    int status =
        stub->status == NR_DONE ? debug_ask(&stub->client, stub->guest, request, answer) : stub->status;

    stub->status = status;
    return status == NR_DONE && answer->error == DEBUG_OK;
}

static bool stub_get(void *context, unsigned vcpu, struct vcpu_state *state)
{
    struct debug_request request = {.op = DEBUG_REGISTERS, .vcpu = vcpu};
    struct debug_answer answer;

    if (!ask(context, &request, &answer) || answer.size != sizeof(*state) - sizeof(state->fpu))
        return false;
    memcpy(state, answer.data, answer.size);
    request.op = DEBUG_FPU;
    if (!ask(context, &request, &answer) || answer.size != DEBUG_FPU_SIZE)
        return false;
    memcpy(state->fpu.xsave, answer.data, answer.size);
    return true;
}

static bool stub_set(void *context, unsigned vcpu, const struct vcpu_gpr *gpr)
{
    struct debug_request request = {.op = DEBUG_WRITE_GPR, .vcpu = vcpu, .length = sizeof(*gpr)};
    struct debug_answer answer;

    memcpy(request.data, gpr, sizeof(*gpr));
    return ask(context, &request, &answer);
}

static size_t stub_read(void *context, unsigned vcpu, uint64_t address, uint8_t *bytes, size_t length)
{
    struct debug_answer answer;
    size_t done = 0;

    while (done < length) {
        size_t part = length - done < DEBUG_DATA ? length - done : DEBUG_DATA;
        struct debug_request request = {
            .op = DEBUG_READ, .vcpu = vcpu, .address = address + done, .length = (uint32_t)part};
        if (!ask(context, &request, &answer) || answer.size > part)
            break;
        memcpy(bytes + done, answer.data, answer.size);
        done += answer.size;
        if (answer.size < part)
            break;
    }
    return done;
}

static bool stub_write(void *context, unsigned vcpu, uint64_t address, const uint8_t *bytes, size_t length)
{
    struct debug_answer answer;
    bool good = true;

    for (size_t done = 0; good && done < length;) {
        size_t part = length - done < DEBUG_DATA ? length - done : DEBUG_DATA;
        struct debug_request request = {
            .op = DEBUG_WRITE, .vcpu = vcpu, .address = address + done, .length = (uint32_t)part};
        memcpy(request.data, bytes + done, part);
        good = ask(context, &request, &answer);
        done += part;
    }
    return good;
}

static bool stub_breakpoint(void *context, bool insert, enum debug_breakpoint kind, uint64_t address,
                            size_t length)
{
    const struct debug_request request = {.op = insert ? DEBUG_INSERT : DEBUG_REMOVE,
                                          .vcpu = ((struct stub *)context)->session.selected,
                                          .address = address,
                                          .length = length < DEBUG_DATA ? (uint32_t)length : DEBUG_DATA,
                                          .kind = kind};
    struct debug_answer answer;

    return ask(context, &request, &answer);
}

static bool stub_go(void *context, uint32_t steps, uint32_t runs)
{
    struct stub *stub = context;
    const struct debug_request request = {
        .op = DEBUG_GO, .address = stub->session.stop.stops, .length = steps, .kind = runs};
    struct debug_answer answer;

    return ask(stub, &request, &answer);
}

static const struct gdb_target target = {stub_get, stub_set, stub_read, stub_write, stub_breakpoint, stub_go};

/* To GDB; one that does not take it has gone. */
static void send_all(struct stub *stub, const char *bytes, size_t size)
{
    for (size_t at = 0; at < size && !stub->gone;) {
        struct pollfd polled = {stub->gdb, POLLOUT, 0};
        ssize_t sent =
            poll(&polled, 1, SEND_MS) > 0 ? send(stub->gdb, bytes + at, size - at, MSG_NOSIGNAL) : -1;
        stub->gone = sent <= 0 && errno != EINTR;
        at += sent > 0 ? (size_t)sent : 0;
    }
}

static void send_reply(struct stub *stub)
{
    stub->sent_size = gdb_write(stub->sent, stub->session.reply, stub->session.reply_length);
    send_all(stub, stub->sent, stub->sent_size);
}

/* Asks to be told of the next stop, or again: an answer may have been lost. */
static void wait_for_stop(struct stub *stub)
{
    struct control_request request;

    if (stub->wait_id == 0)
        stub->wait_id = control_new_id(&stub->client);
    control_request(&request, CONTROL_STOPPED, stub->guest);
    request.number = stub->session.stop.stops;
    stub->status = control_send(&stub->client, stub->wait_id, &request, NULL, 0);
}

static void take_stop(struct stub *stub)
{
    struct control_frame frame;
    struct control_answer answer;
    struct debug_state state;

    if (!control_read(&stub->client))
        stub->status = NR_UNEXPECTED;
    while (stub->wait_id != 0 && control_receive(&stub->client, &frame)) {
        if (frame.id != stub->wait_id || frame.kind != CONTROL_DONE)
            continue;
        stub->wait_id = 0;
        control_take_result(&frame, &answer);
        if (answer.result.error != CONTROL_OK) {
            send_all(stub, "$W00#b7", 7); /* as a program that has ended */
            stub->status = control_say_error(&answer);
            return;
        }
    }
    if (stub->status != NR_DONE || stub->wait_id != 0)
        return;
    stub->status = debug_look(&stub->client, stub->guest, DEBUG_STATE, &state);
    if (stub->status == NR_DONE && !state.held)
        stub->session.stop.stops = state.stops; /* somebody else has let it go on: the next one */
    if (stub->status != NR_DONE || !state.held)
        return;
    gdb_session_stopped(&stub->session, &state);
    send_reply(stub);
}

/* Ctrl-C: the stop comes as any other. */
static void interrupt(struct stub *stub)
{
    struct debug_state state;

    if (stub->session.running)
        stub->status = debug_look(&stub->client, stub->guest, DEBUG_STOP, &state);
    stub->wait_id = 0; /* its answer may have come meanwhile: asked again, it comes at once */
}

static void take_packet(struct stub *stub)
{
    struct gdb_session *session = &stub->session;

    if (!session->no_ack)
        send_all(stub, "+", 1);
    if (session->running)
        return; /* GDB waits for a stop, and knows it */
    gdb_session_packet(session, stub->reader.data, stub->reader.length);
    if (session->running)
        return;
    if (!session->detached || session->reply_length > 0)
        send_reply(stub);
    stub->gone |= session->detached;
}

static void take_bytes(struct stub *stub)
{
    uint8_t bytes[CHUNK];
    ssize_t count = recv(stub->gdb, bytes, sizeof(bytes), 0);

    if (count < 0 && errno == EINTR)
        return;
    stub->gone = count <= 0;
    for (ssize_t i = 0; i < count && !stub->gone && stub->status == NR_DONE; i++) {
        switch (gdb_read(&stub->reader, bytes[i])) {
        case GDB_PACKET:
            take_packet(stub);
            break;
        case GDB_GARBLED:
            send_all(stub, "-", 1);
            break;
        case GDB_RESEND:
            send_all(stub, stub->sent, stub->sent_size);
            break;
        case GDB_INTERRUPT:
            interrupt(stub);
            break;
        default:
            break;
        }
    }
}

static void step(struct stub *stub)
{
    if (stub->session.running && stub->wait_id == 0) {
        wait_for_stop(stub);
        return;
    }
    struct pollfd polled[] = {{stub->gdb, POLLIN, 0},
                              {stub->wait_id != 0 ? stub->client.fd : -1, POLLIN, 0},
                              {stub->signals, POLLIN, 0}};
    int ready = poll(polled, 3, stub->wait_id != 0 ? RESEND_MS : -1);
    if (ready > 0 && polled[2].revents != 0) {
        stub->ended = stub->gone = true;
        return;
    }
    if (ready == 0)
        wait_for_stop(stub);
    if (ready > 0 && polled[1].revents != 0)
        take_stop(stub);
    if (ready > 0 && polled[0].revents != 0)
        take_bytes(stub);
}

/* The guest's way of speaking to GDB: as it is now. */
static int is_wide(struct stub *stub, enum arch arch, const struct debug_state *state, bool *wide)
{
    struct vcpu_state vcpu;

    *wide = arch == ARCH_X86_64;
    for (unsigned i = 0; arch == ARCH_OF_GUEST && i < state->vcpu_count; i++) {
        if (!stub_get(stub, i, &vcpu))
            return stub->status != NR_DONE ? stub->status : NR_UNEXPECTED;
        *wide |= (vcpu.msrs.efer >> 10 & 1) != 0; /* LMA */
    }
    return NR_DONE;
}

/* One GDB from its connection to its end. */
static int serve(struct stub *stub, enum arch arch)
{
    struct debug_state state;
    struct debug_answer answer;
    bool wide = false;

    stub->gone = false;
    stub->wait_id = 0;
    stub->sent_size = 0;
    memset(&stub->reader, 0, sizeof(stub->reader));
    stub->status = debug_tell(&stub->client, stub->guest, DEBUG_ATTACH, &answer);
    if (stub->status == NR_DONE)
        stub->status = debug_look(&stub->client, stub->guest, DEBUG_STOP, &state);
    if (stub->status == NR_DONE)
        stub->status = is_wide(stub, arch, &state, &wide);
    if (stub->status != NR_DONE)
        return stub->status;
    state.reason = DEBUG_STEPPED;
    gdb_session_open(&stub->session, &target, stub, wide, &state);
    while (!stub->gone && stub->status == NR_DONE)
        step(stub);
    gdb_session_close(&stub->session);
    if (stub->status == NR_DONE)
        stub->status = debug_tell(&stub->client, stub->guest, DEBUG_DETACH, &answer);
    return stub->status;
}

static int listen_on(unsigned port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1) != 0) {
        nr_say("--port %u: %s", port, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

static void say_port(int listener)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof(address);

    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("target remote 127.0.0.1:%u\n", ntohs(address.sin_port));
    fflush(stdout);
}

/* For one nr gdb at a time, since a second would take away the breakpoints of the first: a name that goes
 * with the process, of the guest and the socket of its monitor's run. The name's descriptor, or -1: it has
 * one. */
static int claim(const struct control_client *client, const char *guest)
{
    struct sockaddr_un run = {0}, name = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(run);
    struct stat place = {0};

    if (getpeername(client->fd, (struct sockaddr *)&run, &size) == 0 && run.sun_family == AF_UNIX)
        stat(run.sun_path, &place);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "nullring-gdb-%lx-%lx-%s",
             (unsigned long)place.st_dev, (unsigned long)place.st_ino, guest);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0)
        return fd;
    nr_say("guest %s: %s", guest,
           errno == EADDRINUSE ? "another nr gdb is there for it; end that one, or use its port"
                               : strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static error_t parse_gdb(int key, char *value, struct argp_state *state)
{
    struct gdb_arguments *arguments = state->input;
    char *rest = NULL;

    switch (key) {
    case OPTION_PORT:
        arguments->port = (unsigned)strtoul(value, &rest, 10);
        if (*value < '1' || *value > '9' || *rest != '\0' || arguments->port > PORT_MAX)
            argp_error(state, "--port %s: a number from 1 to %u is wanted", value, PORT_MAX);
        return 0;
    case OPTION_ARCH:
        arguments->arch = strcmp(value, "i386") == 0 ? ARCH_I386 : ARCH_X86_64;
        if (arguments->arch == ARCH_X86_64 && strcmp(value, "x86-64") != 0)
            argp_error(state, "--arch %s: i386 or x86-64 is wanted", value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int gdb_run(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"port", OPTION_PORT, "N", 0, "The TCP port (default: any that is free; it is printed)", 0},
        {"arch", OPTION_ARCH, "i386|x86-64", 0,
         "How registers are shown (default: x86-64 if the guest is in long mode when GDB comes)", 0},
        {0}};
    static const struct argp more = {options, parse_gdb, NULL, NULL, NULL, NULL, NULL};
    static struct stub stub;
    struct gdb_arguments own = {0};
    struct control_arguments arguments = {
        .guest = true,
        .doc =
            "Gives GDB a TCP port of this machine for a guest, and prints GDB's command for it. The guest "
            "stands still while GDB is there, unless it lets it go on. One GDB at a time; nr gdb ends with "
            "the guest, or by Ctrl-c.",
        .more = &more,
        .input = &own};
    struct debug_state state;

    control_parse(&arguments, argc, argv);
    stub.guest = arguments.word[0];
    int status = control_open(&stub.client, arguments.monitor), on = 1;
    if (status == NR_DONE)
        status = debug_look(&stub.client, stub.guest, DEBUG_STATE, &state);
    int listener = status == NR_DONE ? listen_on(own.port) : -1;
    int claimed = listener >= 0 ? claim(&stub.client, stub.guest) : -1;
    if (status == NR_DONE && claimed < 0)
        status = NR_UNEXPECTED;
    if (status == NR_DONE)
        say_port(listener);
    signals_hold();
    stub.signals = signalfd(-1, signals_held(), SFD_CLOEXEC);
    while (status == NR_DONE && !stub.ended) {
        struct pollfd polled[] = {{listener, POLLIN, 0}, {stub.signals, POLLIN, 0}};
        if (poll(polled, 2, -1) > 0 && polled[1].revents != 0)
            stub.ended = true;
        if (stub.ended)
            break;
        stub.gdb = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (stub.gdb < 0)
            continue;
        setsockopt(stub.gdb, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        status = serve(&stub, own.arch);
        close(stub.gdb);
    }
    if (claimed >= 0)
        close(claimed);
    if (listener >= 0)
        close(listener);
    struct signalfd_siginfo taken; /* else it would end nr gdb now */
    if (stub.ended && read(stub.signals, &taken, sizeof(taken)) < 0)
        nr_say("signals: %s", strerror(errno));
    close(stub.signals);
    signals_release();
    control_close(&stub.client);
    return status;
}

const struct command command_gdb = {"gdb", "a port for GDB", gdb_run};
