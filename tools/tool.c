/* Other programs as tools of nr: found in PATH, run with their output kept back, missed with their package.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "nr.h"

enum { EXEC_FAILED = 127, SCRATCH_DEPTH = 16 };

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

int tool_capture(const char *package, char *const argv[], FILE *output)
{
    int result = NR_USAGE, wait_status;
    char *program = tool_find(argv[0], package);
    if (program == NULL)
        return NR_MISSING_TOOL;

    pid_t child = fork();
    if (child == 0) {
        signals_release();
        dup2(fileno(output), STDOUT_FILENO);
        dup2(fileno(output), STDERR_FILENO);
        execv(program, argv);
        _exit(EXEC_FAILED);
    }
    if (child < 0 || waitpid(child, &wait_status, 0) != child)
        result = nr_fail(NR_UNEXPECTED, "%s could not be run: %s", argv[0], strerror(errno));
    else if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0)
        result = NR_DONE;
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

char *scratch_make(void)
{
    const char *parent = getenv("TMPDIR");
    char *directory = nr_format("%s/nr.XXXXXX", parent != NULL && *parent != '\0' ? parent : "/tmp");

    if (mkdtemp(directory) != NULL)
        return directory;
    nr_say("no temporary directory %s: %s; set TMPDIR to a folder that can be written", directory,
           strerror(errno));
    free(directory);
    return NULL;
}

static int scratch_remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

void scratch_remove(const char *directory)
{
    nftw(directory, scratch_remove_one, SCRATCH_DEPTH, FTW_DEPTH | FTW_PHYS);
}
