/*
 * Boot images. The GRUB configuration has one entry: the monitor by Multiboot2 with its options, and each
 * guest's description and files as modules, each named by its module string; or, for a native run, the guest
 * itself by Linux' or Multiboot1's protocol. Files reach GRUB unpacked from nothing: --nounzip keeps a
 * gzipped initrd as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "image.h"
#include "nr.h"

/* The ISO's files are called /files/N, so no name of the host has to survive ISO 9660. */
struct contents {
    FILE *config;
    char **arguments; /* of grub-mkrescue: "files/N=PATH" */
    size_t count;
};

enum { ARGUMENTS_FIXED = 16 };

/* Puts a host file into the image; returns its number. xorriso takes "=" and "\" of a path with a backslash.
 */
static size_t contents_add(struct contents *contents, const char *path)
{
    size_t number = contents->count - ARGUMENTS_FIXED;
    char *escaped = nr_format("%*s", (int)(2 * strlen(path)), "");
    char *out = escaped;

    for (; *path != '\0'; path++) {
        if (*path == '=' || *path == '\\')
            *out++ = '\\';
        *out++ = *path;
    }
    *out = '\0';
    contents->arguments[contents->count++] = nr_format("files/%zu=%s", number, escaped);
    free(escaped);
    return number;
}

/* Words for GRUB's shell, each in single quotes, in which nothing but the quote itself has a meaning. */
static void print_words(FILE *out, const char *text)
{
    while (*text != '\0') {
        size_t blank = strspn(text, " \t\n");
        text += blank;
        size_t length = strcspn(text, " \t\n");
        if (length == 0)
            break;
        fputs(" '", out);
        for (size_t i = 0; i < length; i++)
            if (text[i] == '\'')
                fputs("'\\''", out);
            else
                fputc(text[i], out);
        fputc('\'', out);
        text += length;
    }
}

static void print_monitor_entry(struct contents *contents, const struct image *image)
{
    fprintf(contents->config, "  multiboot2 /files/%zu", contents_add(contents, image->monitor));
    print_words(contents->config, image->options);
    for (uint32_t i = 0; i < image->guest_count; i++) {
        const struct guest *guest = &image->guest[i];
        fprintf(contents->config, "\n  module2 --nounzip /files/%zu '%s.dtb'",
                contents_add(contents, guest->dtb), guest->config.name);
        for (uint32_t j = 0; j < guest->file_count; j++)
            fprintf(contents->config, "\n  module2 --nounzip /files/%zu '%s:%s'",
                    contents_add(contents, guest->file[j].path), guest->config.name, guest->file[j].name);
    }
}

static void print_native_entry(struct contents *contents, const struct guest *guest)
{
    bool linux_boot = guest->config.loader == LOADER_LINUX;
    const char *version = guest->config.loader == LOADER_MULTIBOOT2 ? "2" : "";

    for (uint32_t i = 0; i < guest->file_count; i++) {
        const struct guest_file *file = &guest->file[i];
        const char *words = "";
        if (file->kind == FILE_DISK || file->kind == FILE_CD || file->kind == FILE_FLOPPY)
            continue;
        if (file->kind == FILE_KERNEL) {
            fprintf(contents->config, "  %s%s", linux_boot ? "linux" : "multiboot", version);
            words = guest->config.bootargs;
        } else {
            if (linux_boot)
                fprintf(contents->config, "\n  initrd");
            else
                fprintf(contents->config, "\n  module%s --nounzip", version);
            words = file->arguments;
        }
        fprintf(contents->config, " /files/%zu", contents_add(contents, file->path));
        print_words(contents->config, words);
    }
}

/* For QEMU, and for Bochs, which leaves on a word. */
static void print_failure(FILE *config)
{
    fprintf(config, "  outb 0xf4 %d\n", IMAGE_FAILED_EXIT);
    for (const char *letter = "Shutdown"; *letter != '\0'; letter++)
        fprintf(config, "  outb 0x8900 %d\n", *letter);
}

static int write_config(struct contents *contents, const struct image *image, const char *directory)
{
    char *path = nr_format("%s/boot/grub/grub.cfg", directory);
    int status = NR_DONE;

    for (char *slash = strchr(path + strlen(directory), '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            status = nr_fail(NR_UNEXPECTED, "%s: cannot be made: %s", path, strerror(errno));
        *slash = '/';
    }
    contents->config = fopen(path, "w");
    if (contents->config == NULL) {
        status = nr_fail(NR_UNEXPECTED, "%s: cannot be written: %s", path, strerror(errno));
        free(path);
        return status;
    }
    fputs("set timeout=0\n", contents->config);
    if (strcmp(image->display, "text") != 0) /* the drivers take a while to load */
        fputs("insmod all_video\n", contents->config);
    fputs("menuentry 'Nullring' {\n", contents->config);
    if (image->commands != NULL)
        fprintf(contents->config, "  %s\n", image->commands);
    if (image->monitor != NULL)
        print_monitor_entry(contents, image);
    else
        print_native_entry(contents, &image->guest[0]);
    /* Behind multiboot2, which sets it, too. */
    fprintf(contents->config, "\n  set gfxpayload=%s\n  boot\n", image->display);
    if (image->emulated)
        print_failure(contents->config);
    fputs("}\n", contents->config);
    if (fclose(contents->config) != 0)
        status = nr_fail(NR_UNEXPECTED, "%s: cannot be written: %s", path, strerror(errno));
    free(path);
    return status;
}

/* What grub-mkrescue calls: it would say in many lines that one of them is not there. */
static int find_tools(void)
{
    static const struct {
        const char *name, *package;
    } tools[] = {{"grub-mkrescue", "grub-common grub-pc-bin grub-efi-amd64-bin"},
                 {"xorriso", "xorriso"},
                 {"mformat", "mtools"},
                 {"mcopy", "mtools"}};
    int status = NR_DONE;

    for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
        char *path = tool_find(tools[i].name, tools[i].package);
        if (path == NULL)
            status = NR_MISSING_TOOL;
        free(path);
    }
    return status;
}

static const char *unfinished; /* the image that is being written */

static void remove_unfinished(void)
{
    struct stat status;

    if (unfinished != NULL && lstat(unfinished, &status) == 0 && S_ISREG(status.st_mode))
        unlink(unfinished);
}

/* Runs grub-mkrescue. Of an image that does not come to its end nothing stays. */
static int make_image(char *const arguments[], const char *output)
{
    int fd = open(output, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

    if (fd < 0)
        return nr_fail(NR_USAGE, "%s: the image cannot be written: %s", output, strerror(errno));
    close(fd);
    unfinished = output;
    atexit(remove_unfinished);
    int status = tool_run("grub-common grub-pc-bin grub-efi-amd64-bin", arguments);
    if (status != NR_DONE)
        remove_unfinished();
    unfinished = NULL;
    /* The user's words and files are good: it is the disk that is full, or the like. */
    return status == NR_USAGE ? NR_UNEXPECTED : status;
}

int image_write(const struct image *image, const char *output, const char *scratch)
{
    char *directory = nr_format("%s/iso", scratch);
    struct contents contents = {
        .arguments = calloc(ARGUMENTS_FIXED + 2 + image->guest_count * (1 + GUEST_FILES_MAX), sizeof(char *)),
        .count = ARGUMENTS_FIXED,
    };
    /* No fonts, languages or themes: nobody sees GRUB here. */
    const char *fixed[ARGUMENTS_FIXED] = {"grub-mkrescue", "--fonts=", "--locales=", "--themes=", "-o",
                                          output,          directory};
    int status = find_tools();

    if (contents.arguments == NULL)
        return nr_fail(NR_UNEXPECTED, "out of memory");
    if (status == NR_DONE)
        status = write_config(&contents, image, directory);
    if (status == NR_DONE) {
        size_t used = 0;
        while (used < ARGUMENTS_FIXED && fixed[used] != NULL)
            used++;
        /* The fixed words move up to the files, which they precede. */
        char **first = contents.arguments + ARGUMENTS_FIXED - used;
        memcpy(first, fixed, used * sizeof(char *));
        status = make_image(first, output);
    }
    for (size_t i = ARGUMENTS_FIXED; i < contents.count; i++)
        free(contents.arguments[i]);
    free(contents.arguments);
    free(directory);
    return status;
}

char *image_find_monitor(const char *given)
{
    char self[4096];
    char *path;

    if (given != NULL) {
        path = nr_format("%s", given);
    } else {
        ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
        self[length > 0 ? length : 0] = '\0';
        char *slash = strrchr(self, '/');
        path = nr_format("%.*s/nullring", slash != NULL ? (int)(slash - self) : 0, self);
    }
    if (access(path, R_OK) == 0)
        return path;
    nr_say("%s: the monitor cannot be read: %s; run `make`, or name it with --monitor", path,
           strerror(errno));
    free(path);
    return NULL;
}
