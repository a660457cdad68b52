/*
 * From boot modules to guests. A module called "NAME.dtb" is a description; the files it names are the
 * modules "NAME:path". Whatever is wrong with one costs that guest only, and is said in one line of the log.
 */
#include "description.h"
#include "errors.h"
#include "layout.h"
#include "modules.h"
#include "process_info.h"
#include "service.h"
#include "string.h"
#include "syscall.h"

static const char suffix[] = ".dtb";
static const char floppy_node[] = "/floppy";
static const struct process_info *const info = (const struct process_info *)USER_INFO;

struct start {
    const char *file;  /* name of the description's module */
    const char *guest; /* its name for messages: of the module, then of the guest */
    struct guest_config *config;
    bool said; /* one sentence is enough */
};

static void say_mistake(void *context, const struct description_mistake *mistake)
{
    struct start *start = context;

    if (!start->said) {
        start->said = true;
        service_log("guest %s: not started: %s: %s%s%s%s%s", start->guest, start->file, mistake->node,
                    mistake->property[0] != '\0' ? " " : "", mistake->property,
                    mistake->node[0] != '\0' ? ": " : "", mistake->text);
    }
}

/* A file that the description names goes to the guest, once; a disk's is copy-on-write. */
static void take_module(void *context, const char *node, const char *property, const char *path)
{
    struct start *start = context;
    struct guest_config *config = start->config;
    int found = modules_find(info->module, info->module_count, start->guest, path);
    uint32_t at = 0;

    if (found == MODULE_NOT_FOUND) {
        if (!start->said)
            service_log(
                "guest %s: not started: %s: %s %s: no boot module \"%s:%s\"; build the image again with "
                "nr image",
                start->guest, start->file, node, property, start->guest, path);
        start->said = true;
        return;
    }
    while (at < config->file_count && config->file[at].module != (uint32_t)found)
        at++;
    if (at == GUEST_FILES_MAX)
        return; /* no description names so many */
    if (at == config->file_count)
        config->file[config->file_count++] = (struct guest_image){.module = (uint32_t)found};
    for (uint32_t i = 0; i < config->disk_count; i++)
        if (strcmp(config->disk[i].image, path) == 0)
            config->file[at].overlay_mib = config->disk[i].overlay_mib;
    if (strncmp(node, floppy_node, strlen(floppy_node)) == 0)
        config->file[at].overlay_mib = GUEST_FLOPPY_OVERLAY_MIB;
}

/* What vm_create() refuses, in words. */
static const char *create_error(int64_t error)
{
    switch (error) {
    case NR_ENOMEM:
        return "not enough memory is left on this machine for its RAM and its disks' overlays; lower "
               "size-mib or "
               "overlay-mib";
    case NR_ENOSPC:
        return "there are as many guests as the monitor can hold; start fewer";
    case NR_ENOTSUP:
        return "this processor cannot run it";
    default:
        return "the monitor refused its description";
    }
}

static bool create(struct guest_config *config, struct start *start)
{
    if (guests_find(config->name) != NO_GUEST) {
        service_log(
            "guest %s: not started: %s: / model: another guest has this name; give it a different one",
            start->guest, start->file);
        return false;
    }
    config->file_count = 0;
    description_files(config, take_module, start);
    if (start->said)
        return false;
    int64_t index = sys_guest_create(config);
    if (index < 0 || index >= SERVICE_GUESTS_MAX) {
        service_log("guest %s: not started: %s (%u MiB RAM, %u disks, error %ld)", config->name,
                    create_error(index), config->memory_mib, config->disk_count, index);
        return false;
    }
    struct service_guest *guest = &service.guest[index];
    memcpy(guest->name, config->name, sizeof guest->name);
    guest->memory_mib = config->memory_mib;
    guest->channel = (struct channel *)(uintptr_t)(USER_GUESTS + (uint64_t)index * USER_GUEST_SIZE);
    service.guest_count = (uint32_t)index + 1;
    return true;
}

static void start_guest(const struct process_module *module, uint64_t epoch)
{
    static struct guest_config config; /* two pages, of a stack of eight */
    struct start start = {.file = module->name, .guest = module->name, .config = &config};

    if (description_parse(&config, (const void *)(uintptr_t)module->address, module->size, say_mistake,
                          &start) != 0) {
        service.failed = true;
        return;
    }
    start.guest = config.name;
    config.boot_epoch = epoch;
    config.paused = service_option("paused");
    if (!create(&config, &start))
        service.failed = true;
}

void guests_start(void)
{
    uint64_t epoch = host_epoch_read();

    for (uint32_t i = 0; i < info->module_count; i++) {
        const char *name = info->module[i].name;
        size_t length = strlen(name);
        if (length > strlen(suffix) && strcmp(name + length - strlen(suffix), suffix) == 0 &&
            strchr(name, ':') == NULL) {
            service.described++;
            start_guest(&info->module[i], epoch);
        }
    }
    if (service.described == 0) {
        service_log("no guest: none of the %u boot modules is called NAME.dtb; build the image with nr image",
                    info->module_count);
        service.failed = true;
    }
}

int guests_find(const char *name)
{
    for (uint32_t i = 0; i < service.guest_count; i++)
        if (strcmp(service.guest[i].name, name) == 0)
            return (int)i;
    return NO_GUEST;
}

void guests_press_power(uint32_t guest)
{
    struct channel *channel = service.guest[guest].channel;

    __atomic_store_n(&channel->presses, channel->presses + 1, __ATOMIC_RELEASE);
    sys_notify(guest);
}
