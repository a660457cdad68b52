/* The emulator as a child process of nr. */
#include "emulator.h"
#include <errno.h>
#include <fcntl.h>
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

/* Ours is close-on-exec, the emulator's end is not. */
static int make_socket(int *ours, int *theirs)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return -1;
    fcntl(pair[0], F_SETFD, FD_CLOEXEC);
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    *ours = pair[0];
    *theirs = pair[1];
    return 0;
}

int emulator_connect(struct emulator *emulator, struct machine_sockets *theirs)
{
    emulator->console = emulator->log = emulator->control = -1;
    return make_socket(&emulator->console, &theirs->console) != 0 ||
                   make_socket(&emulator->log, &theirs->log) != 0 ||
                   make_socket(&emulator->control, &theirs->control) != 0
               ? -1
               : 0;
}

static void run(char *program, struct machine_command *command, const sigset_t *signals)
{
    int null = open("/dev/null", O_RDWR);

    /* Out of the terminal's group: Ctrl-C is nr's, which ends the emulator; and it does not outlive nr. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigprocmask(SIG_UNBLOCK, signals, NULL);
    dup2(null, STDIN_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execv(program, command->arguments);
    _exit(EXEC_FAILED);
}

int emulator_start(struct emulator *emulator, struct machine_command *command, const char *package,
                   const struct machine_sockets *theirs, const sigset_t *signals)
{
    int status = NR_DONE;
    char *program = tool_find(command->arguments[0], package);

    if (program == NULL)
        return NR_MISSING_TOOL;
    emulator->process = fork();
    if (emulator->process == 0)
        run(program, command, signals);
    if (emulator->process < 0)
        status = nr_fail(NR_UNEXPECTED, "%s cannot be started: %s", program, strerror(errno));
    close(theirs->console);
    close(theirs->log);
    close(theirs->control);
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

void emulator_end(struct emulator *emulator)
{
    int *sockets[] = {&emulator->console, &emulator->log, &emulator->control};
    int wait_status;

    if (emulator->process > 0) {
        kill(emulator->process, SIGKILL);
        wait_for(emulator, &wait_status, 0);
    }
    for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
        if (*sockets[i] >= 0)
            close(*sockets[i]);
        *sockets[i] = -1;
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
