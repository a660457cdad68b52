/*
 * The description's parser on arbitrary blobs: no access outside, and a sentence whenever it is refused. Half
 * of the inputs are blobs; the other half are lists of properties from which a valid tree is built with
 * libfdt, so that the values are reached.
 *
 * sources: lib/description.c lib/description_schema.c lib/description_property.c lib/description_whole.c
 * sources: lib/format.c
 * coverage: lib/description.c lib/description_property.c lib/description_whole.c
 * libraries: -lfdt
 * seconds: 30
 */
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>
#include "description.h"
#include "description_schema.h"

enum { BLOB_SIZE = 8192 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void count(void *context, const struct description_mistake *mistake)
{
    require(memchr(mistake->node, 0, sizeof mistake->node) != NULL);
    require(memchr(mistake->property, 0, sizeof mistake->property) != NULL);
    require(memchr(mistake->text, 0, sizeof mistake->text) != NULL && mistake->text[0] != '\0');
    (*(unsigned *)context)++;
}

static void visit(void *context, const char *node, const char *property, const char *path)
{
    (void)context;
    require(strlen(node) + strlen(property) > 0 && strlen(path) > 0 && strlen(path) < GUEST_PATH_SIZE);
}

static void parse(const void *blob, size_t size)
{
    static struct guest_config config;
    unsigned said = 0;

    unsigned mistakes = description_parse(&config, blob, size, count, &said);
    require(mistakes == said);
    if (mistakes == 0) {
        description_files(&config, visit, NULL);
        require(config.name[0] != '\0' && strlen(config.name) < GUEST_NAME_SIZE);
        require(config.cpu_count >= 1 && config.cpu_count <= GUEST_CPUS_MAX);
        require(config.memory_mib >= GUEST_MEMORY_MIB_MIN && config.memory_mib <= GUEST_MEMORY_MIB_MAX);
        require(config.loader == LOADER_LINUX || config.loader == LOADER_MULTIBOOT);
        require(config.disk_count <= GUEST_DISKS_MAX && config.module_count <= GUEST_MODULES_MAX);
    }
}

/* Chunks: a byte for the property of the schema, a byte of length, the value. */
static void build(void *blob, const uint8_t *data, size_t size)
{
    int depth = -1, node = SCHEMA_NODES;

    fdt_create(blob, BLOB_SIZE);
    fdt_finish_reservemap(blob);
    fdt_begin_node(blob, "");
    while (size >= 2) {
        const struct schema_property *property = &schema_property[data[0] % schema_property_count];
        size_t length = data[1] < size - 2 ? data[1] : size - 2;
        if ((int)property->node != node && property->node != SCHEMA_ROOT) {
            char name[16];
            if (depth >= 0)
                fdt_end_node(blob);
            strcpy(name, schema_node[property->node].name);
            if (schema_node[property->node].instances > 0)
                strcat(name, (char[]){(char)('0' + (data[0] >> 5)), '\0'});
            fdt_begin_node(blob, name);
            depth = 0;
            node = (int)property->node;
        }
        fdt_property(blob, property->name, data + 2, (int)length);
        data += 2 + length;
        size -= 2 + length;
    }
    if (depth >= 0)
        fdt_end_node(blob);
    fdt_end_node(blob);
    fdt_finish(blob);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || (data[0] & 1) == 0) {
        size_t length = size > 0 ? size - 1 : 0;
        void *copy = aligned_alloc(8, (length + 8) & ~(size_t)7);
        memcpy(copy, data + (size > 0), length);
        parse(copy, length);
        free(copy);
    } else {
        _Alignas(8) static uint8_t blob[BLOB_SIZE];
        memset(blob, 0, sizeof blob);
        build(blob, data + 1, size - 1);
        parse(blob, sizeof blob);
    }
    return 0;
}
