/* The schema's tables, made from the one list in include/guest_schema.h. */
#include "description_schema.h"

#define NODE_ENTRY(node, name, instances, required, help) {name, instances, required, help},
#define PROPERTY_ENTRY(node, name, type, required, minimum, maximum, initial, choices, field, help)          \
    {node, name, type, required, minimum, maximum, initial, choices, field, help},

const struct schema_node schema_node[SCHEMA_NODES] = {GUEST_SCHEMA_NODES(NODE_ENTRY)};
const struct schema_property schema_property[] = {GUEST_SCHEMA(PROPERTY_ENTRY)};
const unsigned schema_property_count = sizeof schema_property / sizeof schema_property[0];

_Static_assert(sizeof schema_property / sizeof schema_property[0] <= 64, "the parser keeps a bit for each");
