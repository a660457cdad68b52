/* Compiles a guest description with dtc, and takes from dtc's annotations where each node and property
 * stands. */
#include <ctype.h>
#include <errno.h>
#include <libfdt.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "nr.h"
#include "source.h"

enum { SIZE_MAX_BYTES = 1 << 20, NODE_SIZE = 256, DEPTH_MAX = 16 };
#define DTC_PACKAGE "device-tree-compiler"

/* The whole of a file, with room bytes behind it. NULL after a sentence. */
static void *read_file(const char *path, size_t room, size_t *size)
{
    struct stat status;
    FILE *file = fopen(path, "rb");

    if (file == NULL || fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode)) {
        nr_say("%s: cannot be read: %s; give a .dts or .dtb file", path,
               file != NULL ? "it is not a file" : strerror(errno));
    } else if (status.st_size > SIZE_MAX_BYTES) {
        nr_say("%s: %lld bytes, a guest description has at most %d; is it another file?", path,
               (long long)status.st_size, SIZE_MAX_BYTES);
    } else {
        char *data = calloc(1, (size_t)status.st_size + room + 1);
        *size = data != NULL ? fread(data, 1, (size_t)status.st_size, file) : 0;
        fclose(file);
        return data;
    }
    if (file != NULL)
        fclose(file);
    return NULL;
}

/* "Error: FILE:LINE.COLUMN-COLUMN text" becomes "FILE:LINE: text"; dtc's other lines are consequences. */
static bool say_dtc_line(const char *path, const char *line)
{
    const char *start = strncmp(line, "Error: ", 7) == 0 ? line + 7 : line;
    size_t length = strlen(path);

    if (strncmp(start, path, length) != 0 || start[length] != ':' ||
        !isdigit((unsigned char)start[length + 1]))
        return false;
    const char *text = start + length + 1;
    int number = atoi(text);
    text += strspn(text, "0123456789.-");
    text += strspn(text, ": ");
    nr_say("%s:%d: dtc: %.*s; correct it as the Devicetree Specification says", path, number,
           (int)strcspn(text, "\n"), text);
    return true;
}

static void say_dtc_output(const char *path, FILE *output)
{
    char line[512];
    bool said = false;

    rewind(output);
    while (fgets(line, sizeof(line), output) != NULL)
        said |= say_dtc_line(path, line);
    if (said)
        return;
    rewind(output);
    while (fgets(line, sizeof(line), output) != NULL)
        nr_say("%s: dtc: %.*s", path, (int)strcspn(line, "\n"), line);
}

static int run_dtc(const char *path, const char *format, char *annotate, const char *to)
{
    char *arguments[] = {"dtc", "-q",       "-I",         "dts",    "-O", (char *)format,
                         "-o",  (char *)to, (char *)path, annotate, NULL};
    FILE *output = tmpfile();
    int status = output != NULL ? tool_capture(DTC_PACKAGE, arguments, output)
                                : nr_fail(NR_UNEXPECTED, "no temporary file: %s", strerror(errno));

    if (status == NR_USAGE)
        say_dtc_output(path, output);
    if (output != NULL)
        fclose(output);
    return status;
}

static void add_position(struct source *source, const char *node, const char *property, size_t length,
                         const char *file, size_t file_length, unsigned line)
{
    struct position *grown = reallocarray(source->position, source->position_count + 1, sizeof(*grown));

    if (grown == NULL)
        return; /* a line less to name */
    source->position = grown;
    grown[source->position_count++] = (struct position){.node = nr_format("%s", node),
                                                        .property = nr_format("%.*s", (int)length, property),
                                                        .file = nr_format("%.*s", (int)file_length, file),
                                                        .line = line};
}

/* One line of dtc's annotated output: a node's start, its end, or a property, with a comment that names the
 * place
 * ("x.dts:7") at its end. */
static void read_annotated(struct source *source, char *line, char *node, size_t *depth,
                           size_t lengths[DEPTH_MAX])
{
    char *comment = NULL;

    for (char *at = strstr(line, " /* "); at != NULL; at = strstr(at + 1, " /* "))
        comment = at;
    if (comment == NULL)
        return;
    *comment = '\0';
    char *place = comment + 4, *colon = strchr(place, ':');
    char *text = line + strspn(line, " \t");
    if (strncmp(text, "};", 2) == 0) {
        if (*depth > 0)
            node[lengths[--*depth]] = '\0';
        return;
    }
    if (colon == NULL)
        return;
    unsigned number = (unsigned)atoi(colon + 1);
    size_t length = strlen(text);
    if (length > 2 && strcmp(text + length - 2, " {") == 0 && *depth < DEPTH_MAX) {
        size_t used = strlen(node);
        lengths[(*depth)++] = used;
        snprintf(node + used, NODE_SIZE - used, "%s%.*s", used > 1 ? "/" : "", (int)(length - 2), text);
        add_position(source, node, "", 0, place, (size_t)(colon - place), number);
    } else {
        add_position(source, node, text, strcspn(text, " =;"), place, (size_t)(colon - place), number);
    }
}

static void read_positions(struct source *source, const char *annotated)
{
    FILE *file = fopen(annotated, "r");
    char *line = NULL, node[NODE_SIZE] = "";
    size_t size = 0, depth = 0, lengths[DEPTH_MAX];

    while (file != NULL && getline(&line, &size, file) >= 0)
        read_annotated(source, line, node, &depth, lengths);
    free(line);
    if (file != NULL)
        fclose(file);
}

int source_open(struct source *source, const char *path, size_t room, const char *scratch)
{
    size_t length = strlen(path);

    *source = (struct source){.path = path, .compiled = length > 4 && strcmp(path + length - 4, ".dtb") == 0};
    if (source->compiled) {
        source->dtb = read_file(path, room, &source->size);
        return source->dtb != NULL ? NR_DONE : NR_USAGE;
    }
    void *text = read_file(path, 0, &source->size);
    if (text == NULL)
        return NR_USAGE;
    free(text);
    char *dtb = nr_format("%s/compiled.dtb", scratch), *annotated = nr_format("%s/annotated.dts", scratch);
    int status = run_dtc(path, "dtb", NULL, dtb);
    if (status == NR_DONE)
        status = run_dtc(path, "dts", "-T", annotated);
    if (status == NR_DONE) {
        read_positions(source, annotated);
        source->dtb = read_file(dtb, room, &source->size);
        status = source->dtb != NULL ? NR_DONE : NR_UNEXPECTED;
    }
    free(dtb);
    free(annotated);
    return status;
}

void source_close(struct source *source)
{
    for (uint32_t i = 0; i < source->position_count; i++) {
        free(source->position[i].node);
        free(source->position[i].property);
        free(source->position[i].file);
    }
    free(source->position);
    free(source->dtb);
    *source = (struct source){0};
}

/* The last place where it is written: a later definition replaces an earlier one. A property or node that is
 * not there is reported where it should be: its node, or the root. */
static const struct position *find_position(const struct source *source, const char *node,
                                            const char *property)
{
    const struct position *best = NULL;
    int best_score = 0;

    for (uint32_t i = 0; i < source->position_count; i++) {
        const struct position *at = &source->position[i];
        bool here = strcmp(at->node, node) == 0;
        int score = here && strcmp(at->property, property) == 0 ? 3
                    : here && at->property[0] == '\0'           ? 2
                                                      : strcmp(at->node, "/") == 0 && at->property[0] == '\0';
        if (score > 0 && score >= best_score) {
            best = at;
            best_score = score;
        }
    }
    return best;
}

void source_complain(struct source *source, const char *node, const char *property, const char *format, ...)
{
    const struct position *at = find_position(source, node, property);
    char *copy = nr_format("%s", source->path), *text = NULL, *place;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    /* dtc names files without their folder; one that is included is named as dtc does. */
    if (at != NULL)
        place = nr_format("%s:%u", strcmp(at->file, basename(copy)) == 0 ? source->path : at->file, at->line);
    else
        place = nr_format("%s", source->path);
    nr_say("%s: %s%s%s%s%s", place, node, *node != '\0' && *property != '\0' ? " " : "", property,
           *node != '\0' ? ": " : "", text != NULL ? text : "");
    source->mistakes++;
    free(place);
    free(text);
    free(copy);
}
