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
}
