/*
 * The guest description's properties: each value against its line of the schema, and what holds between them.
 */
#include <libfdt.h>
#include "description_internal.h"
#include "format.h"
#include "string.h"

enum { CELL = 4, SHOWN = 48, ALLOWED_SIZE = 96 };

#define has_blank "\"%s\" has a blank, which the boot loader cannot take; rename the file"

/* Strings in a property end with a NUL each, and have no other bytes than text. */
static bool is_text(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (value[i] != '\0' && ((uint8_t)value[i] < ' ' || value[i] == 0x7f))
            return false;
    return length > 0 && value[length - 1] == '\0';
}

/* The one string that a property holds, or NULL with a complaint. */
static const char *single_string(struct parser *parser, const struct schema_property *schema,
                                 const char *value, size_t length)
{
    size_t first = strnlen(value, length);

    if (!is_text(value, length)) {
        description_complain(parser, schema->name, "%lu bytes that are not a string; write %s = \"...\"",
                             length, schema->name);
        return NULL;
    }
    if (first + 1 != length) {
        description_complain(parser, schema->name, "several strings (\"%.*s\", ...), one is allowed", SHOWN,
                             value);
        return NULL;
    }
    return value;
}

static void read_number(struct parser *parser, const struct schema_property *schema, uint8_t *base,
                        const char *value, size_t length)
{
    if (length != CELL) {
        description_complain(parser, schema->name,
                             "%lu bytes found, one number is allowed, %u to %u; write %s = <%u>", length,
                             schema->minimum, schema->maximum, schema->name,
                             schema->initial > schema->minimum ? schema->initial : schema->minimum);
        return;
    }
    uint32_t number = fdt32_ld((const fdt32_t *)(const void *)value);
    if (number < schema->minimum || number > schema->maximum) {
        description_complain(parser, schema->name, "%u found, %u to %u is allowed", number, schema->minimum,
                             schema->maximum);
        return;
    }
    if (schema->field != SCHEMA_NO_FIELD)
        memcpy(base + schema->field, &number, sizeof number);
}

/* The choices in words, without those that this version does not have. */
static void list_choices(const char *choices, char *to, size_t size)
{
    size_t length = 0;

    to[0] = '\0';
    while (*choices != '\0') {
        const char *bar = strchr(choices, '|');
        size_t piece = bar != NULL ? (size_t)(bar - choices) : strlen(choices);
        if (*choices != '!') {
            length += format_text(to + length, size - length, "%s\"%.*s\"", length > 0 ? " or " : "",
                                  (int)piece, choices);
        }
        choices += piece + (bar != NULL);
    }
    if (length == 0)
        format_text(to, size, "nothing of this kind");
}

static void read_choice(struct parser *parser, const struct schema_property *schema, uint8_t *base,
                        const char *value, size_t length)
{
    const char *text = single_string(parser, schema, value, length);
    const char *choice = schema->choices;
    char allowed[ALLOWED_SIZE];

    if (text == NULL)
        return;
    list_choices(schema->choices, allowed, sizeof allowed);
    for (uint32_t index = 0; *choice != '\0'; index++) {
        const char *bar = strchr(choice, '|');
        size_t piece = bar != NULL ? (size_t)(bar - choice) : strlen(choice);
        bool absent = *choice == '!';
        if (strlen(text) == piece - absent && memcmp(choice + absent, text, piece - absent) == 0) {
            if (absent) {
                description_complain(parser, schema->name, "\"%s\" is not in this version; allowed: %s", text,
                                     allowed);
            } else if (schema->field != SCHEMA_NO_FIELD) {
                memcpy(base + schema->field, &index, sizeof index);
            }
            return;
        }
        choice += piece + (bar != NULL);
    }
    description_complain(parser, schema->name, "\"%.*s\" found, allowed: %s", SHOWN, text, allowed);
}

static bool is_name(const char *text)
{
    for (; *text != '\0'; text++) {
        bool letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');
        bool digit = *text >= '0' && *text <= '9';
        if (!letter && !digit && *text != '-' && *text != '_' && *text != '.')
            return false;
    }
    return true;
}

static void read_text(struct parser *parser, const struct schema_property *schema, uint8_t *base,
                      const char *value, size_t length)
{
    const char *text = single_string(parser, schema, value, length);

    if (text == NULL)
        return;
    size_t characters = length - 1;
    if (characters < schema->minimum) {
        description_complain(parser, schema->name, "empty; it is %s", schema->help);
        return;
    }
    if (characters > schema->maximum) {
        description_complain(parser, schema->name, "%lu characters found, at most %u are allowed", characters,
                             schema->maximum);
        return;
    }
    if (schema->type == SCHEMA_NAME && !is_name(text)) {
        description_complain(parser, schema->name,
                             "\"%s\" found; a name is made of letters, digits, '-', '_' and '.'", text);
        return;
    }
    if (schema->type == SCHEMA_PATH && strchr(text, ' ') != NULL) {
        description_complain(parser, schema->name, has_blank, text);
        return;
    }
    if (schema->field != SCHEMA_NO_FIELD)
        memcpy(base + schema->field, text, length);
}

/* "path arguments": one entry of chosen/modules. */
static void read_module(struct parser *parser, const struct schema_property *schema, const char *text)
{
    struct guest_config *config = parser->config;
    struct guest_module *module = &config->module[config->module_count];
    const char *blank = strchr(text, ' ');
    size_t path = blank != NULL ? (size_t)(blank - text) : strlen(text);
    const char *arguments = blank != NULL ? blank + 1 : "";

    if (path == 0 || path >= sizeof module->path) {
        description_complain(parser, schema->name, "\"%.*s\": a path of %lu characters, 1 to %lu are allowed",
                             SHOWN, text, path, sizeof module->path - 1);
    } else if (strlen(arguments) >= sizeof module->arguments) {
        description_complain(parser, schema->name,
                             "\"%.*s\": arguments of %lu characters, at most %lu are allowed", (int)path,
                             text, strlen(arguments), sizeof module->arguments - 1);
    } else {
        memcpy(module->path, text, path);
        memcpy(module->arguments, arguments, strlen(arguments) + 1);
        config->module_count++;
    }
}

/* One device of the boot order; description_check_whole() looks whether it is there. */
static void read_boot(struct parser *parser, const struct schema_property *schema, const char *text)
{
    struct guest_config *config = parser->config;

    if (strlen(text) >= GUEST_BOOT_NAME || *text == '\0') {
        description_complain(parser, schema->name, "\"%.*s\" found; allowed: nodes of this description",
                             SHOWN, text);
        return;
    }
    memcpy(config->boot[config->boot_count++], text, strlen(text) + 1);
}

/* A disc or diskette; as a path it is held to the same rules as the property image. */
static void read_other(struct parser *parser, const struct schema_property *schema, char *to,
                       const char *text)
{
    size_t length = strlen(text);

    if (length == 0 || length >= GUEST_PATH_SIZE)
        description_complain(parser, schema->name, "\"%.*s\": a path of %lu characters, 1 to %u are allowed",
                             SHOWN, text, length, GUEST_PATH_SIZE - 1);
    else if (strchr(text, ' ') != NULL)
        description_complain(parser, schema->name, has_blank, text);
    else
        memcpy(to, text, length + 1);
}

static void read_list(struct parser *parser, const struct schema_property *schema, uint8_t *base,
                      const char *value, size_t length)
{
    const char *end = value + length;
    uint32_t count = 0;

    if (length > 0 && !is_text(value, length)) {
        description_complain(parser, schema->name, "%lu bytes that are not strings; write %s = \"a\", \"b\"",
                             length, schema->name);
        return;
    }
    while (value < end) {
        size_t piece = strlen(value);
        if (++count > schema->maximum) {
            description_complain(parser, schema->name, "more than %u strings; remove some", schema->maximum);
            return;
        }
        if (schema->node == SCHEMA_CHOSEN)
            read_module(parser, schema, value);
        else if (schema->node == SCHEMA_ROOT)
            read_boot(parser, schema, value);
        else
            read_other(parser, schema, (char *)base + schema->field + (count - 1) * (size_t)GUEST_PATH_SIZE,
                       value);
        value += piece + 1;
    }
    if (count < schema->minimum)
        description_complain(parser, schema->name, "empty; it is %s", schema->help);
}

void description_read_property(struct parser *parser, const struct schema_property *schema, uint8_t *base,
                               const char *value, size_t length)
{
    switch (schema->type) {
    case SCHEMA_NUMBER:
        read_number(parser, schema, base, value, length);
        break;
    case SCHEMA_CHOICE:
        read_choice(parser, schema, base, value, length);
        break;
    case SCHEMA_TEXT:
    case SCHEMA_NAME:
    case SCHEMA_PATH:
        read_text(parser, schema, base, value, length);
        break;
    case SCHEMA_LIST:
        read_list(parser, schema, base, value, length);
        break;
    }
}

void description_set_defaults(enum schema_node_id node, uint8_t *base)
{
    for (unsigned i = 0; i < schema_property_count; i++) {
        const struct schema_property *schema = &schema_property[i];
        bool number = schema->type == SCHEMA_NUMBER || schema->type == SCHEMA_CHOICE;
        if (schema->node == node && number && schema->field != SCHEMA_NO_FIELD)
            memcpy(base + schema->field, &schema->initial, sizeof schema->initial);
    }
}
