/*
 * The guest description's nodes: which there are, what they are called, whether one is missing or there
 * twice. Follows the Devicetree Specification 0.4 as far as libfdt reads it, and include/guest_schema.h.
 *
 * fdt_check_full() has walked the whole blob before anything is read from it, so that libfdt's later calls
 * stay within it. The tree is two levels deep: no recursion.
 */
#include <stdarg.h>
#include <libfdt.h>
#include "description_internal.h"
#include "format.h"
#include "string.h"

enum { FDT_ALIGNMENT = 8, FDT_HEADER_SIZE = 40, NODES_MAX = 32, PROPERTIES_MAX = 32, LISTED_SIZE = 160 };

/* Names in a blob may hold anything; a terminal should not get it. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++)
        if ((uint8_t)*text < ' ' || (uint8_t)*text > '~')
            *text = '?';
}

void description_complain(struct parser *parser, const char *property, const char *format, ...)
{
    struct description_mistake mistake;
    va_list arguments;

    memset(&mistake, 0, sizeof mistake);
    format_text(mistake.node, sizeof mistake.node, "%s", parser->node);
    format_text(mistake.property, sizeof mistake.property, "%s", property != NULL ? property : "");
    va_start(arguments, format);
    format_text_va(mistake.text, sizeof mistake.text, format, arguments);
    va_end(arguments);
    make_printable(mistake.node);
    make_printable(mistake.property);
    make_printable(mistake.text);
    parser->mistakes++;
    parser->report(parser->context, &mistake);
}

/* Is it a device tree at all, and does it lie about its size? */
static bool check_blob(struct parser *parser, size_t size)
{
    if (((uintptr_t)parser->blob & (FDT_ALIGNMENT - 1)) != 0) {
        description_complain(parser, NULL, "the blob does not lie on an 8-byte boundary");
        return false;
    }
    if (size < FDT_HEADER_SIZE) {
        description_complain(parser, NULL,
                             "truncated: %lu bytes, a device tree blob has at least %u; compile it again "
                             "with dtc",
                             size, FDT_HEADER_SIZE);
        return false;
    }
    if (size > DESCRIPTION_SIZE_MAX) {
        description_complain(parser, NULL,
                             "%lu bytes, a guest description has at most %u; is it another file?", size,
                             DESCRIPTION_SIZE_MAX);
        return false;
    }
    if (fdt_magic(parser->blob) != FDT_MAGIC) {
        description_complain(parser, NULL,
                             "not a device tree blob: it starts with 0x%08x, not 0xd00dfeed; compile the "
                             ".dts with dtc",
                             fdt_magic(parser->blob));
        return false;
    }
    if (fdt_totalsize(parser->blob) > size) {
        description_complain(parser, NULL,
                             "its header says %u bytes, the file has %lu; compile it again with dtc",
                             fdt_totalsize(parser->blob), size);
        return false;
    }
    /* Older versions are laid out differently, and libfdt walks them beyond their end. */
    int error = fdt_version(parser->blob) >= FDT_LAST_SUPPORTED_VERSION ? fdt_check_full(parser->blob, size)
                                                                        : -FDT_ERR_BADVERSION;
    if (error != 0) {
        description_complain(parser, NULL, "damaged device tree (%s); compile it again with dtc",
                             fdt_strerror(error));
        return false;
    }
    return true;
}

/* Names in a sentence: "a, b, c". */
static void list_properties(enum schema_node_id node, char *to, size_t size)
{
    size_t length = 0;

    to[0] = '\0';
    for (unsigned i = 0; i < schema_property_count; i++) {
        if (schema_property[i].node == node) {
            length += format_text(to + length, size - length, "%s%s", length > 0 ? ", " : "",
                                  schema_property[i].name);
        }
    }
}

static void list_nodes(char *to, size_t size)
{
    size_t length = 0;

    to[0] = '\0';
    for (unsigned i = SCHEMA_ROOT + 1; i < SCHEMA_NODES; i++) {
        const struct schema_node *node = &schema_node[i];
        length += format_text(to + length, size - length, "%s%s%s", length > 0 ? ", " : "", node->name,
                              node->instances > 0 ? "N" : "");
    }
}

static const struct schema_property *find_property(enum schema_node_id node, const char *name)
{
    for (unsigned i = 0; i < schema_property_count; i++)
        if (schema_property[i].node == node && strcmp(schema_property[i].name, name) == 0)
            return &schema_property[i];
    return NULL;
}

/* Reads the properties of one node; base is where its fields are. */
static void read_node(struct parser *parser, int offset, enum schema_node_id node, uint8_t *base)
{
    uint64_t seen = 0;
    unsigned count = 0;
    int at;

    description_set_defaults(node, base);
    fdt_for_each_property_offset(at, parser->blob, offset)
    {
        const char *name = NULL;
        int length = 0;
        const void *value = fdt_getprop_by_offset(parser->blob, at, &name, &length);
        if (value == NULL || length < 0 || ++count > PROPERTIES_MAX) {
            description_complain(parser, NULL, "more than %u properties, or a damaged one", PROPERTIES_MAX);
            return;
        }
        const struct schema_property *schema = find_property(node, name);
        if (schema == NULL) {
            char allowed[LISTED_SIZE];
            list_properties(node, allowed, sizeof allowed);
            description_complain(parser, name, "unknown property; allowed here: %s", allowed);
            continue;
        }
        uint64_t bit = UINT64_C(1) << (schema - schema_property);
        if ((seen & bit) != 0) {
            description_complain(parser, name, "there twice; remove one");
            continue;
        }
        seen |= bit;
        description_read_property(parser, schema, base, value, (size_t)length);
    }
    for (unsigned i = 0; i < schema_property_count; i++) {
        if (schema_property[i].node == node && schema_property[i].required && (seen >> i & 1) == 0) {
            description_complain(parser, schema_property[i].name, "missing; it is required: %s",
                                 schema_property[i].help);
        }
    }
}

/* Which node of the schema has this name, and which instance; SCHEMA_NODES if none. */
static enum schema_node_id find_node(const char *name, unsigned *instance)
{
    *instance = 0;
    for (unsigned i = SCHEMA_ROOT + 1; i < SCHEMA_NODES; i++) {
        const struct schema_node *node = &schema_node[i];
        size_t length = strlen(node->name);
        if (strncmp(name, node->name, length) != 0)
            continue;
        if (node->instances == 0 && name[length] == '\0')
            return (enum schema_node_id)i;
        if (node->instances > 0 && name[length] >= '0' && name[length] <= '9' && name[length + 1] == '\0') {
            *instance = (unsigned)(name[length] - '0');
            return (enum schema_node_id)i;
        }
    }
    return SCHEMA_NODES;
}

/* Devices that this version only recognises leave their values here. */
static uint8_t *node_base(struct parser *parser, enum schema_node_id node, unsigned instance)
{
    if (node == SCHEMA_DISK) {
        parser->config->disk[instance].present = 1;
        return (uint8_t *)&parser->config->disk[instance];
    }
    if (node == SCHEMA_CD) {
        parser->config->cd[instance].present = 1;
        return (uint8_t *)&parser->config->cd[instance];
    }
    if (node == SCHEMA_FLOPPY) {
        parser->config->floppy[instance].present = 1;
        return (uint8_t *)&parser->config->floppy[instance];
    }
    return (uint8_t *)parser->config;
}

static void read_child(struct parser *parser, int offset, uint32_t seen[SCHEMA_NODES])
{
    const char *name = fdt_get_name(parser->blob, offset, NULL);
    unsigned instance = 0;

    format_text(parser->node, sizeof parser->node, "/%s", name != NULL ? name : "?");
    enum schema_node_id node = name != NULL ? find_node(name, &instance) : SCHEMA_NODES;
    if (node == SCHEMA_NODES) {
        char allowed[LISTED_SIZE];
        list_nodes(allowed, sizeof allowed);
        description_complain(parser, NULL, "unknown node; allowed: %s", allowed);
        return;
    }
    if (schema_node[node].instances > 0 && instance >= schema_node[node].instances) {
        description_complain(parser, NULL, "number %u is too high; allowed: %s0 to %s%u", instance,
                             schema_node[node].name, schema_node[node].name, schema_node[node].instances - 1);
        return;
    }
    if ((seen[node] >> instance & 1) != 0) {
        description_complain(parser, NULL, "there twice; remove one");
        return;
    }
    seen[node] |= 1u << instance;
    read_node(parser, offset, node, node_base(parser, node, instance));
    if (fdt_first_subnode(parser->blob, offset) >= 0)
        description_complain(parser, NULL, "has a node within it; allowed are properties only");
}

unsigned description_parse(struct guest_config *config, const void *blob, size_t size,
                           description_report *report, void *context)
{
    struct parser parser = {.config = config, .blob = blob, .report = report, .context = context};
    uint32_t seen[SCHEMA_NODES] = {0};
    unsigned count = 0;
    int offset;

    memset(config, 0, sizeof *config);
    if (!check_blob(&parser, size))
        return parser.mistakes;
    description_set_defaults(SCHEMA_CPUS, (uint8_t *)config);
    format_text(parser.node, sizeof parser.node, "/");
    read_node(&parser, 0, SCHEMA_ROOT, (uint8_t *)config);
    fdt_for_each_subnode(offset, blob, 0)
    {
        if (++count > NODES_MAX) {
            format_text(parser.node, sizeof parser.node, "/");
            description_complain(&parser, NULL, "more than %u nodes", NODES_MAX);
            break;
        }
        read_child(&parser, offset, seen);
    }
    for (unsigned i = SCHEMA_ROOT + 1; i < SCHEMA_NODES; i++) {
        if (schema_node[i].required && seen[i] == 0) {
            format_text(parser.node, sizeof parser.node, "/%s", schema_node[i].name);
            description_complain(&parser, NULL, "missing; it is required: %s", schema_node[i].help);
        }
    }
    description_check_whole(&parser);
    return parser.mistakes;
}
