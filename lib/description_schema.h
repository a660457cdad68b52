/* guest_schema.h as constant tables. */
#pragma once

#include <stdbool.h>
#include "guest_schema.h"

#define SCHEMA_NODE_ENUM(node, name, instances, required, help) node,
enum schema_node_id { GUEST_SCHEMA_NODES(SCHEMA_NODE_ENUM) SCHEMA_NODES };
#undef SCHEMA_NODE_ENUM

struct schema_node {
    const char *name;
    uint32_t instances; /* 0: one, without a number */
    bool required;
    const char *help;
};

struct schema_property {
    enum schema_node_id node;
    const char *name;
    enum schema_type type;
    bool required;
    uint32_t minimum, maximum;
    uint32_t initial; /* default */
    const char *choices;
    uint32_t field;
    const char *help;
};

extern const struct schema_node schema_node[SCHEMA_NODES];
extern const struct schema_property schema_property[];
extern const unsigned schema_property_count;
