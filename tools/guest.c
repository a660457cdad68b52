/* Opens guest descriptions for `nr image` and `nr boot`: dtc, the description's reader, and the files it
 * names. */
#include <errno.h>
#include <libfdt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "check_files.h"
#include "description.h"
#include "guest.h"
#include "nr.h"
#include "source.h"

enum { APPEND_ROOM = 4096 };

static int write_dtb(const char *path, const void *dtb)
{
    FILE *file = fopen(path, "wb");

    if (file == NULL)
        return nr_fail(NR_UNEXPECTED, "%s: cannot be written: %s", path, strerror(errno));
    bool good = fwrite(dtb, fdt_totalsize(dtb), 1, file) == 1;
    good = fclose(file) == 0 && good;
    return good ? NR_DONE : nr_fail(NR_UNEXPECTED, "%s: cannot be written: %s", path, strerror(errno));
}

/* Adds words to chosen/bootargs. The tree grows in place: its buffer has APPEND_ROOM bytes more. */
static int append_bootargs(void *dtb, size_t *size, const char *source, const char *append)
{
    if (fdt_check_full(dtb, *size) != 0)
        return NR_DONE; /* the parser says what is wrong */
    if (strlen(append) > APPEND_ROOM / 2 || fdt_open_into(dtb, dtb, (int)(*size + APPEND_ROOM)) != 0)
        return nr_fail(NR_USAGE, "%s: --append: too much to add", source);
    int chosen = fdt_path_offset(dtb, "/chosen");
    if (chosen < 0)
        return NR_DONE;
    const char *old = fdt_getprop(dtb, chosen, "bootargs", NULL);
    char *all = nr_format("%s%s%s", old != NULL ? old : "", old != NULL ? " " : "", append);
    int error = fdt_setprop_string(dtb, chosen, "bootargs", all);
    free(all);
    if (error != 0)
        return nr_fail(NR_USAGE, "%s: --append: %s", source, fdt_strerror(error));
    fdt_pack(dtb);
    *size = fdt_totalsize(dtb);
    return NR_DONE;
}

/* What description_files() visits for. */
struct finding {
    struct guest *guest;
    struct source *source;
    char *directory;
};

static enum guest_file_kind kind_of(const char *node, const char *property)
{
    if (strncmp(node, "/floppy", strlen("/floppy")) == 0)
        return FILE_FLOPPY;
    if (strcmp(node, "/chosen") != 0)
        return strncmp(node, "/cd", strlen("/cd")) == 0 ? FILE_CD : FILE_DISK;
    if (strstr(property, "firmware") != NULL)
        return FILE_FIRMWARE;
    if (strcmp(property, "kernel") == 0)
        return FILE_KERNEL;
    return strcmp(property, "initrd") == 0 ? FILE_INITRD : FILE_MODULE;
}

/* Arguments of the module that is found next. */
static const char *next_arguments(const struct guest *guest)
{
    uint32_t modules = 0;

    for (uint32_t i = 0; i < guest->file_count; i++)
        modules += guest->file[i].kind == FILE_MODULE;
    return modules < guest->config.module_count ? guest->config.module[modules].arguments : "";
}

static void find_file(void *context, const char *node, const char *property, const char *name)
{
    struct finding *finding = context;
    struct guest *guest = finding->guest;
    struct guest_file *file = &guest->file[guest->file_count];
    struct stat status;

    if (strpbrk(name, "\t\n'\"\\") != NULL) {
        source_complain(
            finding->source, node, property,
            "\"%s\": a quote or backslash cannot stand in the name of a boot module; rename the file", name);
        return;
    }
    file->kind = kind_of(node, property);
    file->node = nr_format("%s", node);
    file->property = property;
    file->name = name;
    file->arguments = file->kind == FILE_MODULE ? next_arguments(guest) : "";
    char *path = name[0] == '/' ? nr_format("%s", name) : nr_format("%s/%s", finding->directory, name);
    /* The file itself: a symbolic link would be put into the image as a link. */
    file->path = realpath(path, NULL);
    if (file->path == NULL || stat(file->path, &status) != 0 || access(file->path, R_OK) != 0)
        source_complain(finding->source, node, property, "\"%s\" cannot be read: %s (%s); %s", name,
                        strerror(errno), path,
                        file->kind == FILE_FIRMWARE
                            ? "install the package seabios, or correct the path"
                            : "correct the path, which is relative to the description");
    else if (!S_ISREG(status.st_mode))
        source_complain(finding->source, node, property, "\"%s\" is not a file; give one", name);
    else if (status.st_size == 0)
        source_complain(finding->source, node, property, "\"%s\" is empty; copy it again", name);
    else {
        file->size = (uint64_t)status.st_size;
        guest->file_count++;
    }
    free(path);
}

static void find_files(struct guest *guest, struct source *source)
{
    char *copy = nr_format("%s", source->path);
    struct finding finding = {guest, source, dirname(copy)};

    description_files(&guest->config, find_file, &finding);
    free(copy);
}

static void report_mistake(void *context, const struct description_mistake *mistake)
{
    source_complain(context, mistake->node, mistake->property, "%s", mistake->text);
}

int guest_open(struct guest *guest, const char *path, const struct guest_opening *opening)
{
    static unsigned serial;
    struct source source;

    memset(guest, 0, sizeof(*guest));
    int status = source_open(&source, path, APPEND_ROOM, opening->scratch);
    if (status == NR_DONE && opening->append != NULL)
        status = append_bootargs(source.dtb, &source.size, path, opening->append);
    if (status == NR_DONE)
        description_parse(&guest->config, source.dtb, source.size, report_mistake, &source);
    /* Without its name and kernel there is nothing that could be handed on. */
    bool go_on = opening->unchecked && guest->config.name[0] != '\0' &&
                 (guest->config.kernel[0] != '\0' || guest->config.firmware[0] != '\0');
    if (status == NR_DONE && (source.mistakes == 0 || go_on)) {
        find_files(guest, &source);
        if (source.mistakes == 0)
            guest_check_files(guest, &source);
        guest->dtb = nr_format("%s/%u.dtb", opening->scratch, serial++);
        if (source.mistakes == 0 || go_on)
            status = write_dtb(guest->dtb, source.dtb);
    }
    if (source.mistakes > 0 && !go_on)
        status = NR_USAGE;
    source_close(&source);
    return status;
}

int guests_open(struct guest *guests, uint32_t count, char *const paths[],
                const struct guest_opening *opening)
{
    int result = NR_DONE;

    for (uint32_t i = 0; i < count; i++) {
        int status = guest_open(&guests[i], paths[i], opening);
        result = result == NR_DONE ? status : result;
        for (uint32_t j = 0; j < i && status == NR_DONE; j++)
            if (strcmp(guests[i].config.name, guests[j].config.name) == 0)
                result =
                    nr_fail(NR_USAGE, "%s: / model: \"%s\" is also the name in %s; give each guest its own",
                            paths[i], guests[i].config.name, paths[j]);
    }
    return result;
}

const struct guest_file *guest_file_of_kind(const struct guest *guest, enum guest_file_kind kind)
{
    for (uint32_t i = 0; i < guest->file_count; i++)
        if (guest->file[i].kind == kind)
            return &guest->file[i];
    return NULL;
}
