/* Other programs as tools of nr: found in PATH, run with their output kept back, missed with their package.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "nr.h"

enum { EXEC_FAILED = 127, SCRATCH_DEPTH = 16 };

static char *scratch; /* the temporary directory; NULL: none */

char *tool_find(const char *name, const char *package)
{
    const char *path = getenv("PATH");
    char *copy = nr_format("%s:/usr/sbin:/sbin", path != NULL ? path : "/usr/bin:/bin");

    for (char *save = NULL, *folder = strtok_r(copy, ":", &save); folder != NULL;
         folder = strtok_r(NULL, ":", &save)) {
        char *candidate = nr_format("%s/%s", folder, name);
        if (access(candidate, X_OK) == 0) {
            free(copy);
            return candidate;
        }
        free(candidate);
    }
    free(copy);
    nr_say("%s is not installed; install its package: apt-get install %s", name, package);
    return NULL;
}

static void show_output(FILE *output)
{
    char line[512];

    rewind(output);
    while (fgets(line, sizeof(line), output) != NULL)
        fputs(line, stderr);
}

/* In a group of its own: Ctrl-C is nr's, which ends it with all that it has started. */
static pid_t start(const char *program, char *const argv[], int output)
{
    pid_t child = fork();

    if (child == 0) {
        setpgid(0, 0);
        signals_release();
        if (scratch != NULL)
            setenv("TMPDIR", scratch, 1);
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
        execv(program, argv);
        _exit(EXEC_FAILED);
    }
    if (child > 0)
        setpgid(child, child); /* whoever of the two comes first */
    return child;
}

/* Ends a tool, and waits for all in its group, which may be writing to the temporary directory. */
static void end_group(pid_t child)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* what the tool has started is ours to wait for, too */
    kill(-child, SIGKILL);
    while (waitpid(-child, NULL, 0) > 0) {
    }
}

/* Waits for a tool and returns an nr_status. A signal to nr ends both. */
static int wait_for(pid_t child, const char *name)
{
    int wait_status;
    pid_t ended;

    while ((ended = waitpid(child, &wait_status, WNOHANG)) == 0) {
        int number = sigwaitinfo(signals_held(), NULL);
        if (number > 0 && number != SIGCHLD) {
            end_group(child);
            exit(nr_fail(NR_UNEXPECTED, "interrupted"));
        }
    }
    if (ended < 0)
        return nr_fail(NR_UNEXPECTED, "%s could not be run: %s", name, strerror(errno));
    if (WIFSIGNALED(wait_status))
        return nr_fail(NR_UNEXPECTED, "%s was ended by signal %d (%s)", name, WTERMSIG(wait_status),
                       strsignal(WTERMSIG(wait_status)));
    return WEXITSTATUS(wait_status) == 0 ? NR_DONE : NR_USAGE;
}

int tool_capture(const char *package, char *const argv[], FILE *output)
{
    char *program = tool_find(argv[0], package);
    if (program == NULL)
        return NR_MISSING_TOOL;

    pid_t child = start(program, argv, fileno(output));
    int result = child > 0 ? wait_for(child, argv[0])
                           : nr_fail(NR_UNEXPECTED, "%s could not be run: %s", argv[0], strerror(errno));
    free(program);
    return result;
}

int tool_run(const char *package, char *const argv[])
{
    FILE *output = tmpfile();
    if (output == NULL)
        return nr_fail(NR_UNEXPECTED, "no temporary file for the output of %s: %s", argv[0], strerror(errno));
    int result = tool_capture(package, argv, output);
    if (result == NR_USAGE) {
        show_output(output);
        nr_say("%s failed; its output is above", argv[0]);
    }
    fclose(output);
    return result;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

static void scratch_remove(void)
{
    nftw(scratch, remove_one, SCRATCH_DEPTH, FTW_DEPTH | FTW_PHYS);
    free(scratch);
}

const char *scratch_make(void)
{
    const char *parent = getenv("TMPDIR");
    char *directory = nr_format("%s/nr.XXXXXX", parent != NULL && *parent != '\0' ? parent : "/tmp");

    signals_hold();
    if (mkdtemp(directory) != NULL) {
        scratch = directory;
        atexit(scratch_remove);
        return directory;
    }
    nr_say("no temporary directory %s: %s; set TMPDIR to a folder that can be written", directory,
           strerror(errno));
    free(directory);
    return NULL;
}
