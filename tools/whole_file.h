/* A file that gets its name when it is complete: whoever looks finds the old one, the new one or none. */
#pragma once

struct whole_file {
    int fd;
    char *path;      /* its name in the end */
    char *temporary; /* until then */
};

/* Makes it, beside the file of that name. Returns an nr_status, having said what is wrong. It is removed when
 * a signal ends nr. One at a time. */
int whole_file_open(struct whole_file *file, const char *path);
/* Gives it its name, or removes it, by the nr_status of what has been done; returns that, or a new one. */
int whole_file_close(struct whole_file *file, int status);
