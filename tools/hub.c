/*
 * The hub of a run. Nothing here waits: an end that takes no bytes has a queue. Commands are not read while
 * the line's queue is full; a command that does not take its answers is disconnected when its own is, so that
 * it holds up no other.
 */
#include "hub.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "nr.h"
#include "runs.h"

enum { EVENTS_MAX = 16, CHUNK = 4096, ROUNDS_MAX = 8, ID_MASK = (1 << CONTROL_ID_HUB_SHIFT) - 1 };

static void watch(const struct hub *hub, int operation, int fd, uint32_t what)
{
    struct epoll_event event = {.events = what, .data.fd = fd};

    if (fd >= 0)
        epoll_ctl(hub->events, operation, fd, &event);
}

static void open_end(const struct hub *hub, struct hub_end *end, int fd)
{
    end->fd = fd;
    end->watched_out = false;
    end->queued = 0;
    memset(&end->decoder, 0, sizeof(end->decoder));
    if (fd >= 0)
        fcntl(fd, F_SETFL, O_NONBLOCK);
    watch(hub, EPOLL_CTL_ADD, fd, EPOLLIN);
}

static void close_end(struct hub_end *end)
{
    if (end->fd >= 0)
        close(end->fd);
    end->fd = -1;
    end->queued = 0;
}

/* Sends what waits, and is told when the rest can be sent. */
static void flush_end(const struct hub *hub, struct hub_end *end)
{
    ssize_t sent = end->queued > 0 ? send(end->fd, end->queue, end->queued, MSG_NOSIGNAL) : 0;

    if (sent > 0) {
        end->queued -= (uint32_t)sent;
        memmove(end->queue, end->queue + sent, end->queued);
    }
    if (end->watched_out != (end->queued > 0)) {
        end->watched_out = end->queued > 0;
        watch(hub, EPOLL_CTL_MOD, end->fd, EPOLLIN | (end->watched_out ? EPOLLOUT : 0));
    }
}

static bool has_room(const struct hub_end *end)
{
    return end->fd >= 0 && HUB_QUEUE - end->queued >= CONTROL_FRAME_MAX;
}

/* There is room. */
static void pass_on(const struct hub *hub, struct hub_end *to, struct control_frame frame, uint32_t user)
{
    frame.id = (frame.id & ID_MASK) | user << CONTROL_ID_HUB_SHIFT;
    to->queued += (uint32_t)control_encode(to->queue + to->queued, &frame);
    flush_end(hub, to);
}

static void drop_client(struct hub *hub, uint32_t index)
{
    close_end(&hub->client[index]);
    if (has_room(&hub->line))
        pass_on(hub, &hub->line, (struct control_frame){.kind = CONTROL_HANGUP}, index + 1);
}

static void take_answers(struct hub *hub)
{
    struct control_frame frame;

    while (control_next(&hub->line.decoder, &frame)) {
        uint32_t index = (frame.id >> CONTROL_ID_HUB_SHIFT) - 1;
        if (index >= HUB_CLIENTS || hub->client[index].fd < 0)
            continue; /* who asked has gone */
        if (has_room(&hub->client[index]))
            pass_on(hub, &hub->client[index], frame, 0);
        else
            drop_client(hub, index);
    }
}

static void take_requests(struct hub *hub, uint32_t index)
{
    struct control_frame frame;

    while (has_room(&hub->line) && control_next(&hub->client[index].decoder, &frame))
        if (frame.kind == CONTROL_REQUEST)
            pass_on(hub, &hub->line, frame, index + 1);
}

/* Reads from one end what its decoder takes. False: it is at its end. */
static bool read_end(struct hub_end *end)
{
    uint8_t chunk[CHUNK];
    size_t room = CONTROL_FRAME_MAX - (end->decoder.count - end->decoder.taken);
    ssize_t count = room > 0 ? read(end->fd, chunk, room < CHUNK ? room : CHUNK) : 0;

    if (room == 0 || (count < 0 && (errno == EAGAIN || errno == EINTR)))
        return true;
    if (count <= 0)
        return false;
    control_put(&end->decoder, chunk, (size_t)count);
    return true;
}

static bool add_client(struct hub *hub, int fd)
{
    for (uint32_t i = 0; i < HUB_CLIENTS; i++) {
        if (hub->client[i].fd < 0) {
            open_end(hub, &hub->client[i], fd);
            return true;
        }
    }
    return false;
}

static void accept_client(struct hub *hub)
{
    int fd = accept4(hub->listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0 && !add_client(hub, fd))
        close(fd);
}

int hub_join(struct hub *hub)
{
    int pair[2];

    if (hub->events < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return -1;
    if (add_client(hub, pair[0]))
        return pair[1];
    close(pair[0]);
    close(pair[1]);
    return -1;
}

static void accept_line(struct hub *hub)
{
    int fd = accept4(hub->dialled, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return;
    close(hub->dialled);
    hub->dialled = -1;
    open_end(hub, &hub->line, fd);
}

static void serve_line(struct hub *hub, uint32_t what)
{
    bool open = true;

    if (what & EPOLLOUT)
        flush_end(hub, &hub->line);
    if (what & (EPOLLIN | EPOLLHUP | EPOLLERR))
        open = read_end(&hub->line);
    take_answers(hub);
    if (!open)
        close_end(&hub->line);
}

static void serve_client(struct hub *hub, uint32_t index, uint32_t what)
{
    struct hub_end *client = &hub->client[index];
    bool open = true;

    if (what & EPOLLOUT)
        flush_end(hub, client);
    if (what & (EPOLLIN | EPOLLHUP | EPOLLERR))
        open = read_end(client);
    take_requests(hub, index);
    if (!open || hub->line.fd < 0) /* a command that finds no monitor is told at once */
        drop_client(hub, index);
}

static void serve(struct hub *hub, int fd, uint32_t what)
{
    if (fd == hub->listener)
        accept_client(hub);
    else if (fd == hub->dialled)
        accept_line(hub);
    else if (fd == hub->line.fd)
        serve_line(hub, what);
    for (uint32_t i = 0; i < HUB_CLIENTS; i++)
        if (fd == hub->client[i].fd)
            serve_client(hub, i, what);
}

void hub_run(struct hub *hub)
{
    struct epoll_event event[EVENTS_MAX];
    int count = EVENTS_MAX;

    for (int round = 0; round < ROUNDS_MAX && count > 0; round++) {
        count = epoll_wait(hub->events, event, EVENTS_MAX, 0);
        for (int i = 0; i < count; i++)
            serve(hub, event[i].data.fd, event[i].events);
        for (uint32_t i = 0; i < HUB_CLIENTS; i++) /* what waited for room on the line */
            if (hub->client[i].fd >= 0)
                take_requests(hub, i);
    }
}

void hub_open(struct hub *hub, const char *name, int line, int dialled)
{
    *hub = (struct hub){.line.fd = -1, .dialled = dialled};
    for (uint32_t i = 0; i < HUB_CLIENTS; i++)
        hub->client[i].fd = -1;
    hub->listener = runs_listen(name, &hub->path);
    hub->events = hub->listener >= 0 ? epoll_create1(EPOLL_CLOEXEC) : -1;
    if (hub->events < 0)
        nr_say("this run goes on, but without answering other commands of nr");
    else if (strcmp(strrchr(hub->path, '/') + 1, name) != 0)
        nr_say("this run is called %s", strrchr(hub->path, '/') + 1);
    watch(hub, EPOLL_CTL_ADD, hub->listener, EPOLLIN);
    watch(hub, EPOLL_CTL_ADD, dialled, EPOLLIN);
    open_end(hub, &hub->line, line);
}

void hub_close(struct hub *hub)
{
    if (hub->path != NULL && hub->listener >= 0)
        unlink(hub->path);
    for (uint32_t i = 0; i < HUB_CLIENTS; i++)
        close_end(&hub->client[i]);
    close_end(&hub->line);
    if (hub->listener >= 0)
        close(hub->listener);
    if (hub->dialled >= 0)
        close(hub->dialled);
    if (hub->events >= 0)
        close(hub->events);
    free(hub->path);
}
