/*
 * The guest description as a whole: what holds between its properties, and the files that it names.
 */
#include "description_internal.h"
#include "format.h"
#include "ide_places.h"
#include "string.h"

enum { BIOS_MIB_MIN = 2 };

static void check_disks(struct parser *parser)
{
    struct guest_config *config = parser->config;

    for (uint32_t i = 0; i < GUEST_DISKS_MAX; i++) {
        if (!config->disk[i].present)
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

static void check_cds(struct parser *parser)
{
    struct guest_config *config = parser->config;

    for (uint32_t i = 0; i < GUEST_CDS_MAX; i++) {
        if (!config->cd[i].present)
            continue;
        if (i != config->cd_count) {
            format_text(parser->node, sizeof parser->node, "/cd%u", i);
            description_complain(parser, NULL,
                                 "there is no cd%u; CD drives are numbered from 0 without a gap",
                                 config->cd_count);
            return;
        }
        config->cd_count++;
    }
}

static void check_ide(struct parser *parser)
{
    const struct guest_config *config = parser->config;
    uint32_t drives = config->cd_count;

    for (uint32_t i = 0; i < config->disk_count; i++)
        drives += config->disk[i].kind == DISK_IDE;
    if (drives > IDE_DRIVES) {
        format_text(parser->node, sizeof parser->node, "/");
        description_complain(parser, NULL,
                             "%u drives on IDE, which has places for %u; make some disks \"virtio,block\"",
                             drives, IDE_DRIVES);
    }
}

/* Floppy drives: the second needs a first. */
static void check_floppies(struct parser *parser)
{
    const struct guest_config *config = parser->config;

    for (uint32_t i = 1; i < GUEST_FLOPPIES_MAX; i++) {
        if (!config->floppy[i].present || config->floppy[i - 1].present)
            continue;
        format_text(parser->node, sizeof parser->node, "/floppy%u", i);
        description_complain(parser, NULL,
                             "there is no floppy%u; floppy drives are numbered from 0 without a gap", i - 1);
    }
}

/* A disk's pages become its own when they are written, so no other use of the file may share them. */
struct sharing {
    const char *image;
    uint32_t same;
};

static void count_same(void *context, const char *node, const char *property, const char *path)
{
    struct sharing *sharing = context;

    (void)node;
    (void)property;
    sharing->same += strcmp(path, sharing->image) == 0;
}

static void check_image(struct parser *parser, const char *node, uint32_t unit, const char *property,
                        const char *image)
{
    struct sharing sharing = {.image = image};

    description_files(parser->config, count_same, &sharing);
    if (sharing.same > 1 && image[0] != '\0') {
        format_text(parser->node, sizeof parser->node, "/%s%u", node, unit);
        description_complain(parser, property,
                             "\"%s\" is named for something else, too; give each disk a file of its own",
                             image);
    }
}

static void check_images(struct parser *parser)
{
    for (uint32_t i = 0; i < parser->config->disk_count; i++)
        check_image(parser, "disk", i, "image", parser->config->disk[i].image);
    for (uint32_t i = 0; i < GUEST_FLOPPIES_MAX; i++) {
        const struct guest_floppy *floppy = &parser->config->floppy[i];
        check_image(parser, "floppy", i, "image", floppy->image);
        for (uint32_t j = 0; j < GUEST_OTHERS_MAX; j++)
            check_image(parser, "floppy", i, "others", floppy->other[j]);
    }
}

/* APIC IDs count from 0 without a gap, and the part below the package's number is a power of two. */
static void check_packages(struct parser *parser)
{
    uint32_t cpus = parser->config->cpu_count, packages = parser->config->packages;

    if (packages > 1 && (cpus % packages != 0 || (cpus / packages & (cpus / packages - 1)) != 0)) {
        format_text(parser->node, sizeof parser->node, "/cpus");
        description_complain(parser, "packages",
                             "%u found for %u processors; allowed: 1, or so many that "
                             "each has 1, 2 or 4 of them",
                             packages, cpus);
    }
}

/* A BIOS is its own kernel; without one it is Debian's. It needs memory for the screen and for its shadow. */
static void check_bios(struct parser *parser)
{
    struct guest_config *config = parser->config;

    if (config->loader != LOADER_BIOS) {
        if (config->firmware[0] != '\0' || config->video_firmware[0] != '\0')
            description_complain(parser, config->firmware[0] != '\0' ? "firmware" : "video-firmware",
                                 "only loader \"bios\" takes a firmware; remove it");
        return;
    }
    config->spare_mib = GUEST_SPARE_MIB;
    if (config->firmware[0] == '\0')
        format_text(config->firmware, sizeof config->firmware, "%s", GUEST_FIRMWARE);
    if (config->video_firmware[0] == '\0')
        format_text(config->video_firmware, sizeof config->video_firmware, "%s", GUEST_VIDEO_FIRMWARE);
    if (config->kernel[0] != '\0' || config->initrd[0] != '\0' || config->module_count > 0)
        description_complain(parser,
                             config->kernel[0] != '\0'   ? "kernel"
                             : config->initrd[0] != '\0' ? "initrd"
                                                         : "modules",
                             "loader \"bios\" boots from a drive; remove it, or choose another loader");
    if (config->memory_mib < BIOS_MIB_MIN) {
        format_text(parser->node, sizeof parser->node, "/memory");
        description_complain(parser, "size-mib", "%u found, loader \"bios\" needs at least %u",
                             config->memory_mib, BIOS_MIB_MIN);
    }
}

static bool is_device(const struct guest_config *config, const char *name)
{
    for (uint32_t i = 0; i < GUEST_FLOPPIES_MAX; i++) {
        char node[GUEST_BOOT_NAME];
        format_text(node, sizeof node, "floppy%u", i);
        if (config->floppy[i].present && strcmp(node, name) == 0)
            return true;
    }
    const struct {
        const char *kind;
        uint32_t count;
    } drives[] = {{"disk", config->disk_count}, {"cd", config->cd_count}};

    for (size_t kind = 0; kind < sizeof drives / sizeof drives[0]; kind++) {
        for (uint32_t i = 0; i < drives[kind].count; i++) {
            char node[GUEST_BOOT_NAME];
            format_text(node, sizeof node, "%s%u", drives[kind].kind, i);
            if (strcmp(node, name) == 0)
                return true;
        }
    }
    return false;
}

static void check_boot_order(struct parser *parser)
{
    const struct guest_config *config = parser->config;

    format_text(parser->node, sizeof parser->node, "/");
    if (config->boot_count > 0 && config->loader != LOADER_BIOS)
        description_complain(parser, "boot", "only loader \"bios\" boots from drives; remove it");
    for (uint32_t i = 0; i < config->boot_count && config->loader == LOADER_BIOS; i++)
        if (!is_device(config, config->boot[i]))
            description_complain(parser, "boot", "\"%s\" found; allowed: drives of this description",
                                 config->boot[i]);
}

static void check_loader(struct parser *parser)
{
    const struct guest_config *config = parser->config;

    format_text(parser->node, sizeof parser->node, "/chosen");
    if (config->loader != LOADER_BIOS && config->kernel[0] == '\0')
        description_complain(parser, "kernel", "missing; it is required: %s", "kernel image");
    if (config->loader == LOADER_LINUX && config->module_count > 0)
        description_complain(
            parser, "modules",
            "loader \"linux\" takes no modules; give it an initrd, or choose another loader");
    bool version_2 = config->loader == LOADER_MULTIBOOT2;
    if ((config->loader == LOADER_MULTIBOOT || version_2) && config->initrd[0] != '\0')
        description_complain(parser, "initrd", "loader \"multiboot%s\" takes no initrd; name it in modules",
                             version_2 ? "2" : "");
}

/* KVM's clock serves better: with the timers, too, Linux takes more exits for nothing. */
static void choose_timers(struct guest_config *config)
{
    if (config->hpet == HPET_AUTO)
        config->hpet = config->paravirt == PARAVIRT_KVM ? HPET_OFF : HPET_ON;
}

void description_check_whole(struct parser *parser)
{
    choose_timers(parser->config);
    check_packages(parser);
    check_disks(parser);
    check_cds(parser);
    check_ide(parser);
    check_floppies(parser);
    check_images(parser);
    check_loader(parser);
    check_bios(parser);
    check_boot_order(parser);
}

static void visit_drive(description_visit *visit, void *context, const char *kind, uint32_t unit,
                        const char *image, const char (*other)[GUEST_PATH_SIZE])
{
    char node[DESCRIPTION_PATH_SIZE];

    format_text(node, sizeof node, "/%s%u", kind, unit);
    if (image[0] != '\0')
        visit(context, node, "image", image);
    for (uint32_t i = 0; i < GUEST_OTHERS_MAX && other[i][0] != '\0'; i++)
        visit(context, node, "others", other[i]);
}

void description_files(const struct guest_config *config, description_visit *visit, void *context)
{
    if (config->loader == LOADER_BIOS && config->firmware[0] != '\0') {
        visit(context, "/chosen", "firmware", config->firmware);
        visit(context, "/chosen", "video-firmware", config->video_firmware);
    }
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
    for (uint32_t i = 0; i < config->cd_count; i++)
        visit_drive(visit, context, "cd", i, config->cd[i].image, config->cd[i].other);
    for (uint32_t i = 0; i < GUEST_FLOPPIES_MAX; i++)
        visit_drive(visit, context, "floppy", i, config->floppy[i].image, config->floppy[i].other);
}
