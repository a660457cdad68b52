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
#include "description.h"
#include "guest.h"
#include "nr.h"

enum { DTB_SIZE_MAX = 1 << 20 };

/* The whole of a small file. NULL after an error. */
static void *read_dtb(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    void *data = calloc(1, DTB_SIZE_MAX);

    if (file == NULL || data == NULL) {
        nr_say("%s: cannot be read: %s", path, strerror(errno));
        free(data);
        if (file != NULL)
            fclose(file);
        return NULL;
    }
    *size = fread(data, 1, DTB_SIZE_MAX, file);
    fclose(file);
    return data;
}

static int write_dtb(const char *path, const void *dtb)
{
    FILE *file = fopen(path, "wb");

    if (file == NULL)
        return nr_fail(NR_UNEXPECTED, "%s: cannot be written: %s", path, strerror(errno));
    bool good = fwrite(dtb, fdt_totalsize(dtb), 1, file) == 1;
    good = fclose(file) == 0 && good;
    return good ? NR_DONE : nr_fail(NR_UNEXPECTED, "%s: cannot be written: %s", path, strerror(errno));
}

/* Adds words to chosen/bootargs. The tree grows in place: its buffer has DTB_SIZE_MAX bytes. */
static int append_bootargs(void *dtb, const char *source, const char *append)
{
    if (fdt_open_into(dtb, dtb, DTB_SIZE_MAX) != 0)
        return nr_fail(NR_USAGE, "%s: --append: not a device tree", source);
    int chosen = fdt_path_offset(dtb, "/chosen");
    if (chosen < 0)
        return nr_fail(NR_USAGE, "%s: --append: the description has no node \"chosen\"", source);
    const char *old = fdt_getprop(dtb, chosen, "bootargs", NULL);
    char *all = nr_format("%s%s%s", old != NULL ? old : "", old != NULL ? " " : "", append);
    int error = fdt_setprop_string(dtb, chosen, "bootargs", all);
    free(all);
    if (error != 0)
        return nr_fail(NR_USAGE, "%s: --append: %s", source, fdt_strerror(error));
    fdt_pack(dtb);
    return NR_DONE;
}

static int add_file(struct guest *guest, const char *source, const char *directory, enum guest_file_kind kind,
                    const char *name, const char *arguments)
{
    struct guest_file *file = &guest->file[guest->file_count];
    struct stat status;

    if (strpbrk(name, " \t\n'\"\\") != NULL)
        return nr_fail(NR_USAGE,
                       "%s: file \"%s\": a blank, quote or backslash cannot stand in the name of a boot "
                       "module; rename the file",
                       source, name);
    file->kind = kind;
    file->name = name;
    file->arguments = arguments;
    char *path = name[0] == '/' ? nr_format("%s", name) : nr_format("%s/%s", directory, name);
    /* The file itself: a symbolic link would be put into the image as a link. */
    file->path = realpath(path, NULL);
    if (file->path == NULL || stat(file->path, &status) != 0 || access(file->path, R_OK) != 0)
        return nr_fail(NR_USAGE, "%s: file \"%s\": cannot be read: %s (%s)", source, name, strerror(errno),
                       path);
    free(path);
    if (!S_ISREG(status.st_mode) || status.st_size == 0)
        return nr_fail(NR_USAGE, "%s: file \"%s\": it is empty or not a file (%s)", source, name, file->path);
    file->size = (uint64_t)status.st_size;
    guest->file_count++;
    return NR_DONE;
}

static int find_files(struct guest *guest, const char *source)
{
    const struct guest_config *config = &guest->config;
    char *copy = nr_format("%s", source);
    char *directory = nr_format("%s", dirname(copy));
    int status = add_file(guest, source, directory, FILE_KERNEL, config->kernel, "");

    if (status == NR_DONE && config->initrd[0] != '\0')
        status = add_file(guest, source, directory, FILE_INITRD, config->initrd, "");
    for (uint32_t i = 0; status == NR_DONE && i < config->module_count; i++)
        status = add_file(guest, source, directory, FILE_MODULE, config->module[i].path,
                          config->module[i].arguments);
    for (uint32_t i = 0; status == NR_DONE && i < config->disk_count; i++)
        status = add_file(guest, source, directory, FILE_DISK, config->disk[i].image, "");
    free(directory);
    free(copy);
    return status;
}

static int compile(struct guest *guest, const char *path, const char *scratch)
{
    static unsigned serial;
    char *output = nr_format("%s/%u.dtb", scratch, serial++);
    bool compiled = strlen(path) > 4 && strcmp(path + strlen(path) - 4, ".dtb") == 0;
    char *arguments[] = {"dtc",  "-q",         "-I", compiled ? "dtb" : "dts", "-O", "dtb", "-o",
                         output, (char *)path, NULL};

    guest->dtb = output;
    return tool_run("device-tree-compiler", arguments);
}

static void report_mistake(void *source, const struct description_mistake *mistake)
{
    nr_say("%s: %s%s%s%s%s", (const char *)source, mistake->node, mistake->node[0] != '\0' ? ": " : "",
           mistake->property, mistake->property[0] != '\0' ? ": " : "", mistake->text);
}

int guest_open(struct guest *guest, const char *path, const char *append, const char *scratch)
{
    memset(guest, 0, sizeof(*guest));
    if (access(path, R_OK) != 0)
        return nr_fail(NR_USAGE, "%s: cannot be read: %s", path, strerror(errno));
    int status = compile(guest, path, scratch);
    if (status != NR_DONE)
        return status;

    size_t size;
    void *dtb = read_dtb(guest->dtb, &size);
    if (dtb == NULL)
        return NR_USAGE;
    if (append != NULL) {
        status = append_bootargs(dtb, path, append);
        size = status == NR_DONE ? fdt_totalsize(dtb) : 0;
    }
    if (status == NR_DONE && append != NULL)
        status = write_dtb(guest->dtb, dtb);
    if (status == NR_DONE)
        status = description_parse(&guest->config, dtb, size, report_mistake, (void *)path) == 0 ? NR_DONE
                                                                                                 : NR_USAGE;
    free(dtb);
    return status == NR_DONE ? find_files(guest, path) : status;
}

const struct guest_file *guest_file_of_kind(const struct guest *guest, enum guest_file_kind kind)
{
    for (uint32_t i = 0; i < guest->file_count; i++)
        if (guest->file[i].kind == kind)
            return &guest->file[i];
    return NULL;
}
