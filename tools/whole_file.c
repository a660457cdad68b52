/* See whole_file.h. */
#include "whole_file.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "nr.h"

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static const char *volatile unfinished;

static void remove_unfinished(int number)
{
    if (unfinished != NULL)
        unlink(unfinished);
    raise(number); /* as it was before: SA_RESETHAND */
}

static void watch_signals(void)
{
    struct sigaction action = {.sa_handler = remove_unfinished, .sa_flags = (int)SA_RESETHAND}, before;

    for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
        if (sigaction(ending[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(ending[i], &action, NULL);
}

int whole_file_open(struct whole_file *file, const char *path)
{
    struct stat status;
    mode_t mask = umask(0);

    umask(mask);
    *file = (struct whole_file){.fd = -1};
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return nr_fail(NR_USAGE, "%s: there is something of this name that is no file", path);
    char *real = realpath(path, NULL); /* a link stays one */
    file->path = real != NULL ? real : nr_format("%s", path);
    file->temporary = nr_format("%s.XXXXXX", file->path);
    watch_signals();
    file->fd = mkstemp(file->temporary);
    if (file->fd < 0) {
        int result = nr_fail(NR_UNEXPECTED, "%s: cannot be written: %s", path, strerror(errno));
        free(file->path);
        free(file->temporary);
        return result;
    }
    unfinished = file->temporary;
    fchmod(file->fd, 0666 & ~mask);
    return NR_DONE;
}

int whole_file_close(struct whole_file *file, int status)
{
    if (file->fd < 0)
        return status;
    if (close(file->fd) != 0 && status == NR_DONE)
        status = nr_fail(NR_UNEXPECTED, "%s: cannot be written: %s", file->path, strerror(errno));
    if (status == NR_DONE && rename(file->temporary, file->path) != 0)
        status = nr_fail(NR_UNEXPECTED, "%s: cannot be replaced: %s", file->path, strerror(errno));
    if (status != NR_DONE)
        unlink(file->temporary);
    unfinished = NULL;
    free(file->path);
    free(file->temporary);
    return status;
}
