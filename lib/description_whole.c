/*
 * The guest description as a whole: what holds between its properties, and the files that it names.
 */
#include "description_internal.h"
#include "format.h"
#include "string.h"

static void check_disks(struct parser *parser)
{
    struct guest_config *config = parser->config;

    for (uint32_t i = 0; i < GUEST_DISKS_MAX; i++) {
        if (config->disk[i].kind == DISK_NONE)
            continue;
        if (i != config->disk_count) {
            format_text(parser->node, sizeof parser->node, "/disk%u", i);
            description_complain(parser, NULL, "there is no disk%u; disks are numbered from 0 without a gap",
                                 config->disk_count);
            return;
        }
        config->disk_count++;
    }
}

/* A disk's pages become its own when they are written, so no other use of the file may share them. */
struct sharing {
    struct parser *parser;
    uint32_t disk, same;
};

static void count_same(void *context, const char *node, const char *property, const char *path)
{
    struct sharing *sharing = context;

    (void)node;
    (void)property;
    sharing->same += strcmp(path, sharing->parser->config->disk[sharing->disk].image) == 0;
}

static void check_images(struct parser *parser)
{
    for (uint32_t i = 0; i < parser->config->disk_count; i++) {
        struct sharing sharing = {parser, i, 0};
        description_files(parser->config, count_same, &sharing);
        if (sharing.same > 1 && parser->config->disk[i].image[0] != '\0') {
            format_text(parser->node, sizeof parser->node, "/disk%u", i);
            description_complain(parser, "image",
                                 "\"%s\" is named for something else, too; give each disk a file of its own",
                                 parser->config->disk[i].image);
        }
    }
}

static void check_loader(struct parser *parser)
{
    const struct guest_config *config = parser->config;

    format_text(parser->node, sizeof parser->node, "/chosen");
    if (config->loader == LOADER_LINUX && config->module_count > 0) {
        description_complain(parser, "modules",
                             "only loader \"multiboot\" takes modules; \"linux\" takes initrd");
    }
    if (config->loader == LOADER_MULTIBOOT && config->initrd[0] != '\0') {
        description_complain(parser, "initrd",
                             "only loader \"linux\" takes an initrd; \"multiboot\" takes modules");
    }
}

void description_check_whole(struct parser *parser)
{
    check_disks(parser);
    check_images(parser);
    check_loader(parser);
}

void description_files(const struct guest_config *config, description_visit *visit, void *context)
{
    if (config->kernel[0] != '\0')
        visit(context, "/chosen", "kernel", config->kernel);
    if (config->initrd[0] != '\0')
        visit(context, "/chosen", "initrd", config->initrd);
    for (uint32_t i = 0; i < config->module_count; i++)
        visit(context, "/chosen", "modules", config->module[i].path);
    for (uint32_t i = 0; i < config->disk_count; i++) {
        char node[DESCRIPTION_PATH_SIZE];
        format_text(node, sizeof node, "/disk%u", i);
        visit(context, node, "image", config->disk[i].image);
    }
    for (uint32_t i = 0; i < GUEST_FLOPPIES_MAX; i++) {
        char node[DESCRIPTION_PATH_SIZE];
        format_text(node, sizeof node, "/floppy%u", i);
        if (config->floppy[i].image[0] != '\0')
            visit(context, node, "image", config->floppy[i].image);
    }
}
