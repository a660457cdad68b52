/* Writing to stdout without blocking, whatever it is. */
#include "output.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * O_NONBLOCK belongs to the open file, which others share: on a terminal the shell, and stdin. So stdout is
 * opened a second time where that gives one of our own. A file never blocks, and would be written from its
 * start. What cannot be opened takes PIPE_BUF bytes when it can be written (pipe(7)); a terminal is only sure
 * to take one.
 */
void output_open(struct output *output)
{
    struct stat status;

    *output = (struct output){.fd = -1, .piece = OUTPUT_SIZE};
    bool known = fstat(STDOUT_FILENO, &status) == 0;
    bool can_block = known && (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode));
    if (can_block)
        output->fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (output->fd >= 0)
        return;
    output->fd = STDOUT_FILENO;
    if (!known || !S_ISREG(status.st_mode))
        output->piece = can_block && S_ISCHR(status.st_mode) ? 1 : PIPE_BUF;
}

void output_close(struct output *output)
{
    if (output->fd != STDOUT_FILENO)
        close(output->fd);
    output->fd = -1;
    output->count = 0;
}

void output_flush(struct output *output)
{
    size_t done = 0;

    while (done < output->count) {
        struct pollfd polled = {output->fd, POLLOUT, 0};
        size_t left = output->count - done;
        if (poll(&polled, 1, 0) <= 0)
            break;
        ssize_t written =
            write(output->fd, output->bytes + done, left < output->piece ? left : output->piece);
        if (written > 0) {
            done += (size_t)written;
        } else if (written < 0 && errno != EINTR && errno != EAGAIN) {
            output->error = errno;
            done = output->count;
        } else if (written < 0 && errno == EAGAIN) {
            break;
        }
    }
    output->count -= done;
    memmove(output->bytes, output->bytes + done, output->count);
}

void output_put(struct output *output, const char *bytes, size_t count)
{
    size_t room = OUTPUT_SIZE - output->count;

    if (output->error != 0)
        return;
    count = count < room ? count : room;
    memcpy(output->bytes + output->count, bytes, count);
    output->count += count;
    output_flush(output);
}

bool output_waits(const struct output *output)
{
    return output->count > 0;
}
