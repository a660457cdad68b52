/* Where runs are found: $XDG_RUNTIME_DIR/nullring, or /tmp/nullring-UID. A socket that nobody listens on is
 * what a run that was killed has left, and is removed by whoever wants its name. */
#include "runs.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>
#include "nr.h"

enum { LISTEN_BACKLOG = 8, NAMES_MAX = 100, DIRECTORY_MODE = 0700 };

static char *directory_name(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");

    if (runtime != NULL && *runtime == '/')
        return nr_format("%s/nullring", runtime);
    return nr_format("/tmp/nullring-%u", (unsigned)geteuid());
}

/* Nobody else may have put it there, or a link in its place. */
static bool is_ours(const char *directory)
{
    struct stat status;

    if (lstat(directory, &status) != 0)
        return false;
    if (S_ISDIR(status.st_mode) && status.st_uid == geteuid() && (status.st_mode & 077) == 0)
        return true;
    nr_say("%s is not a directory of yours alone (mode 0700); remove it, or set XDG_RUNTIME_DIR", directory);
    errno = EPERM;
    return false;
}

static bool set_address(struct sockaddr_un *address, const char *path)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path)) {
        nr_say("%s: the path is too long for a socket; set XDG_RUNTIME_DIR to a shorter one", path);
        return false;
    }
    memcpy(address->sun_path, path, strlen(path) + 1);
    return true;
}

/* A connection, or -1 and errno. */
static int connect_to(const char *path)
{
    struct sockaddr_un address;
    int fd = set_address(&address, path) ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;

    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static bool is_alive(const char *path)
{
    int fd = connect_to(path);

    if (fd >= 0)
        close(fd);
    return fd >= 0 || (errno != ECONNREFUSED && errno != ENOENT);
}

static int listen_at(const char *path)
{
    struct sockaddr_un address;

    if (!set_address(&address, path))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(fd, LISTEN_BACKLOG) == 0)
        return fd;
    nr_say("%s: other commands of nr cannot be given a socket: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

int runs_listen(const char *name, char **path)
{
    char *directory = directory_name();
    int lock = -1, fd = -1;

    *path = NULL;
    if (mkdir(directory, DIRECTORY_MODE) != 0 && errno != EEXIST)
        nr_say("%s cannot be made: %s", directory, strerror(errno));
    else if (is_ours(directory))
        lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock >= 0)
        flock(lock, LOCK_EX); /* two runs that begin at once do not take each other's socket for a dead one */
    for (unsigned i = 1; lock >= 0 && *path == NULL && i <= NAMES_MAX; i++) {
        char *candidate =
            i == 1 ? nr_format("%s/%s", directory, name) : nr_format("%s/%s-%u", directory, name, i);
        if (!is_alive(candidate)) {
            unlink(candidate);
            fd = listen_at(candidate);
            *path = candidate;
        } else {
            free(candidate);
        }
    }
    if (lock >= 0)
        close(lock);
    free(directory);
    return fd;
}

/* Names of the runs that live, ", " between them, and how many they are. */
static char *list_alive(const char *directory, unsigned *count)
{
    DIR *open_directory = is_ours(directory) ? opendir(directory) : NULL;
    char *list = nr_format("%s", "");

    *count = 0;
    for (struct dirent *entry; open_directory != NULL && (entry = readdir(open_directory)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        char *path = nr_format("%s/%s", directory, entry->d_name);
        if (is_alive(path)) {
            char *longer = nr_format("%s%s%s", list, *count > 0 ? ", " : "", entry->d_name);
            free(list);
            list = longer;
            ++*count;
        }
        free(path);
    }
    if (open_directory != NULL)
        closedir(open_directory);
    return list;
}

/* 115,200 bit/s, 8N1, as the service sets its end; nobody else may open it meanwhile. */
static int open_port(const char *path)
{
    struct termios settings;
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return -1;
    if (tcgetattr(fd, &settings) == 0) {
        cfmakeraw(&settings);
        settings.c_cflag |= CLOCAL | CREAD;
        settings.c_cflag &= ~(tcflag_t)CRTSCTS;
        cfsetspeed(&settings, B115200);
        tcsetattr(fd, TCSANOW, &settings);
        tcflush(fd, TCIOFLUSH);
        ioctl(fd, TIOCEXCL);
    }
    return fd;
}

static int open_path(const char *path, bool *direct)
{
    struct stat status;

    *direct = true;
    if (stat(path, &status) != 0)
        return -1;
    return S_ISSOCK(status.st_mode) ? connect_to(path) : open_port(path);
}

int runs_connect(const char *monitor, int *status, bool *direct)
{
    char *directory = directory_name();
    unsigned count = 0;
    char *alive = list_alive(directory, &count), *path = NULL;
    int fd = -1;

    *direct = false;
    *status = NR_USAGE;
    if (monitor != NULL && strchr(monitor, '/') != NULL) {
        size_t length = strlen(directory);
        fd = open_path(monitor, direct);
        if (strncmp(monitor, directory, length) == 0 && monitor[length] == '/')
            *direct = false;
        if (fd < 0)
            nr_say("--monitor %s: %s", monitor, strerror(errno));
    } else if (count == 0) {
        *status = nr_fail(NR_UNEXPECTED, "no monitor runs here; nr boot starts one, or --monitor names its "
                                         "socket or serial port");
    } else if (monitor == NULL && count > 1) {
        nr_say("%u monitors run here; say which with --monitor: %s", count, alive);
    } else {
        path = nr_format("%s/%s", directory, monitor != NULL ? monitor : alive);
        fd = connect_to(path);
        if (fd < 0)
            nr_say("--monitor %s: there is no such run; there are %s", monitor != NULL ? monitor : alive,
                   alive);
    }
    free(path);
    free(alive);
    free(directory);
    return fd;
}
