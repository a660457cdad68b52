/* What the files of the description's parser share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "description.h"
#include "description_schema.h"

struct parser {
    struct guest_config *config;
    const void *blob;
    description_report *report;
    void *context;
    unsigned mistakes;
    char node[DESCRIPTION_PATH_SIZE]; /* path of the node being read */
};

/* Reports a mistake; property may be NULL. */
void description_complain(struct parser *parser, const char *property, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Checks a property's value against its line of the schema and stores it at base + field. */
void description_read_property(struct parser *parser, const struct schema_property *schema, uint8_t *base,
                               const char *value, size_t length);
/* Writes the default values of a node's properties. */
void description_set_defaults(enum schema_node_id node, uint8_t *base);
/* What holds between properties. */
void description_check_whole(struct parser *parser);
