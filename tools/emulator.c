/* The emulator as a child process of nr. */
#include "emulator.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "nr.h"

enum { EXEC_FAILED = 127 };

static void keep(int fd)
{
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

/* Ours is close-on-exec, the emulator's end is not. */
static int make_socket(int *ours, int *theirs)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return -1;
    keep(pair[0]);
    *ours = pair[0];
    *theirs = pair[1];
    return 0;
}

/* From the emulator to nr only; unlike a socket, it can be opened by its name in /dev/fd. */
static int make_pipe(int *ours, int *theirs)
{
    int pair[2];

    if (pipe(pair) != 0)
        return -1;
    keep(pair[0]);
    *ours = pair[0];
    *theirs = pair[1];
    return 0;
}

/* On the loopback alone, for one call: whoever comes second finds nobody. */
static int make_listener(int *listener, unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);

    *listener = socket(AF_INET, SOCK_STREAM, 0);
    if (*listener < 0 || bind(*listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(*listener, 1) != 0 || getsockname(*listener, (struct sockaddr *)&address, &size) != 0)
        return -1;
    keep(*listener);
    *port = ntohs(address.sin_port);
    return 0;
}

int emulator_connect(struct emulator *emulator, const struct emulator_kind *kind,
                     struct machine_channels *theirs)
{
    int (*make)(int *, int *) = kind->dials ? make_pipe : make_socket;

    emulator->console = emulator->log = emulator->control = emulator->listener = -1;
    emulator->line = emulator->line_listener = -1;
    *theirs = (struct machine_channels){.console = -1, .log = -1, .control = -1, .line = -1};
    if (make(&emulator->log, &theirs->log) != 0 || make(&emulator->control, &theirs->control) != 0)
        return -1;
    if (kind->dials)
        return make_listener(&emulator->listener, &theirs->port) |
               make_listener(&emulator->line_listener, &theirs->line_port);
    return make_socket(&emulator->console, &theirs->console) | make_socket(&emulator->line, &theirs->line);
}

void emulator_accept(struct emulator *emulator)
{
    emulator->console = accept(emulator->listener, NULL, NULL);
    if (emulator->console < 0)
        return;
    keep(emulator->console);
    close(emulator->listener);
    emulator->listener = -1;
}

static void run(char *program, struct machine_command *command, const char *directory, int output)
{
    int null = open("/dev/null", O_RDWR);

    /* Out of the terminal's group: Ctrl-C is nr's, which ends the emulator; and it does not outlive nr. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signals_release();
    dup2(null, STDIN_FILENO);
    if (output >= 0)
        dup2(output, STDERR_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    if (directory == NULL || chdir(directory) == 0)
        execv(program, command->arguments);
    _exit(EXEC_FAILED);
}

int emulator_start(struct emulator *emulator, const struct emulator_kind *kind,
                   struct machine_command *command, const struct machine_channels *theirs)
{
    const int ends[] = {theirs->console, theirs->log, theirs->control, theirs->line};
    int status = NR_DONE;
    char *program = tool_find(command->arguments[0], kind->package);

    if (program == NULL)
        return NR_MISSING_TOOL;
    emulator->process = fork();
    if (emulator->process == 0)
        run(program, command, emulator->directory, kind->dials ? theirs->control : -1);
    if (emulator->process < 0)
        status = nr_fail(NR_UNEXPECTED, "%s cannot be started: %s", program, strerror(errno));
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (ends[i] >= 0)
            close(ends[i]);
    free(program);
    return status;
}

static double seconds(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static bool wait_for(struct emulator *emulator, int *wait_status, int flags)
{
    struct rusage usage;

    if (emulator->process <= 0 || wait4(emulator->process, wait_status, flags, &usage) != emulator->process)
        return false;
    emulator->process = 0;
    emulator->seconds = seconds(&usage.ru_utime) + seconds(&usage.ru_stime);
    return true;
}

bool emulator_has_ended(struct emulator *emulator, int *wait_status)
{
    return wait_for(emulator, wait_status, WNOHANG);
}

void emulator_kill(struct emulator *emulator)
{
    if (emulator->process > 0)
        kill(emulator->process, SIGKILL);
}

void emulator_end(struct emulator *emulator)
{
    int *channels[] = {&emulator->console,  &emulator->log,  &emulator->control,
                       &emulator->listener, &emulator->line, &emulator->line_listener};
    int wait_status;

    emulator_kill(emulator);
    wait_for(emulator, &wait_status, 0);
    for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++) {
        if (*channels[i] >= 0)
            close(*channels[i]);
        *channels[i] = -1;
    }
}

double emulator_processor_seconds(const struct emulator *emulator)
{
    struct timespec used = {0};
    clockid_t clock;

    if (emulator->process <= 0)
        return emulator->seconds;
    if (clock_getcpuclockid(emulator->process, &clock) == 0)
        clock_gettime(clock, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}
