/*
 * The guest description: from a flattened device tree to struct guest_config, held against guest_schema.h.
 * The blob is somebody else's: every mistake is reported in words, none is trusted. Linked with libfdt, by
 * the service and by nr.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "guest_config.h"
#include "guest_schema.h"

enum { DESCRIPTION_SIZE_MAX = 1 << 16, DESCRIPTION_PATH_SIZE = 64, DESCRIPTION_TEXT_SIZE = 320 };

/* One mistake: where, and a sentence with what was found and what is allowed. */
struct description_mistake {
    char node[DESCRIPTION_PATH_SIZE];     /* "/chosen"; empty: the file as a whole */
    char property[DESCRIPTION_PATH_SIZE]; /* empty: the node as a whole */
    char text[DESCRIPTION_TEXT_SIZE];
};

typedef void description_report(void *context, const struct description_mistake *mistake);

/* Reads a blob of size bytes that starts on an 8-byte boundary. Calls report for each mistake and returns
 * their number; 0: *config is complete. *config is zeroed first; with mistakes, what was right in it is
 * filled in. */
unsigned description_parse(struct guest_config *config, const void *blob, size_t size,
                           description_report *report, void *context);

/* Calls visit for each file that a description names: what it is for, and its path. */
typedef void description_visit(void *context, const char *node, const char *property, const char *path);
void description_files(const struct guest_config *config, description_visit *visit, void *context);
