/*
 * A guest description as its author wrote it: compiled by dtc, and with the line of each node and property,
 * so that a mistake can be reported where it is. A compiled description has no lines; a node's path stands
 * for them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct position {
    char *node, *property; /* property "": the node itself */
    char *file;            /* as dtc names it: without its folder */
    unsigned line;
};

struct source {
    const char *path; /* as the user gave it */
    bool compiled;
    void *dtb;
    size_t size;
    unsigned mistakes;
    uint32_t position_count;
    struct position *position;
};

/* Reads and compiles. Returns an nr_status, after having said what is wrong. dtb has room bytes more than
 * size. */
int source_open(struct source *source, const char *path, size_t room, const char *scratch);
void source_close(struct source *source);

/* Reports a mistake at a node and property ("": the node as a whole): "file:line: node property: sentence".
 */
void source_complain(struct source *source, const char *node, const char *property, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
