/*
 * A QEMU plugin that counts executed instructions by address range (qemu-plugin.h of QEMU 7.2). Arguments:
 *
 *   out=FILE             where the counts go when the machine ends
 *   range=NAME:LOW-HIGH  counted under that name; the first range that fits is taken; "other" for the rest
 *   start=LOW-HIGH       all counts begin anew when code there is first met: the hand-off by the boot loader
 *   mark=LOW-HIGH        the counts are noted when code there is first met after the start
 *   end=LOW-HIGH         all counts end when code there is first met; without it, when the machine ends
 *
 * Addresses are linear, hexadecimal, HIGH excluded. For each range the file gets "NAME count count-at-mark".
 * The counters are not atomic: run one processor.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "qemu-plugin.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

enum { RANGES_MAX = 32, NAME_SIZE = 32 };

struct range {
    char name[NAME_SIZE];
    uint64_t low, high;
    uint64_t count, at_start, at_mark, at_end;
};

static struct range range[RANGES_MAX + 1]; /* the last in use: other */
static unsigned range_count;
static struct range start, mark, end;
static bool started = true, marked = true, has_end, at_end;
static char *out;

/* Code is translated just before it runs for the first time: then a counter's value is that of the moment. */
static void note(uint64_t address)
{
    if (!started && address >= start.low && address < start.high) {
        started = true;
        for (unsigned i = 0; i <= range_count; i++)
            range[i].at_start = range[i].count;
    }
    if (started && !marked && address >= mark.low && address < mark.high) {
        marked = true;
        for (unsigned i = 0; i <= range_count; i++)
            range[i].at_mark = range[i].count;
    }
    if (has_end && !at_end && address >= end.low && address < end.high) {
        at_end = true;
        for (unsigned i = 0; i <= range_count; i++)
            range[i].at_end = range[i].count;
    }
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        uint64_t address = qemu_plugin_insn_vaddr(instruction);
        unsigned r = 0;
        while (r < range_count && (address < range[r].low || address >= range[r].high))
            r++;
        note(address);
        qemu_plugin_register_vcpu_insn_exec_inline(instruction, QEMU_PLUGIN_INLINE_ADD_U64, &range[r].count,
                                                   1);
    }
}

static void ended(qemu_plugin_id_t id, void *unused)
{
    (void)id;
    (void)unused;
    FILE *file = fopen(out, "w");
    if (file == NULL)
        return;
    for (unsigned i = 0; i <= range_count; i++)
        fprintf(file, "%s %lu %lu\n", range[i].name,
                (at_end ? range[i].at_end : range[i].count) - range[i].at_start,
                range[i].at_mark >= range[i].at_start ? range[i].at_mark - range[i].at_start : 0);
    fclose(file);
}

static bool parse_range(struct range *r, const char *text)
{
    return sscanf(text, "%lx-%lx", &r->low, &r->high) == 2;
}

static bool parse(const char *argument)
{
    if (strncmp(argument, "out=", 4) == 0)
        return (out = strdup(argument + 4)) != NULL;
    if (strncmp(argument, "start=", 6) == 0) {
        started = false;
        return parse_range(&start, argument + 6);
    }
    if (strncmp(argument, "mark=", 5) == 0) {
        marked = false;
        return parse_range(&mark, argument + 5);
    }
    if (strncmp(argument, "end=", 4) == 0) {
        has_end = true;
        return parse_range(&end, argument + 4);
    }
    const char *colon = strchr(argument, ':');
    if (strncmp(argument, "range=", 6) != 0 || colon == NULL || range_count == RANGES_MAX)
        return false;
    snprintf(range[range_count].name, NAME_SIZE, "%.*s", (int)(colon - argument - 6), argument + 6);
    return parse_range(&range[range_count++], colon + 1);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!parse(argv[i])) {
            fprintf(stderr, "count: bad argument %s\n", argv[i]);
            return 1;
        }
    }
    snprintf(range[range_count].name, NAME_SIZE, "other");
    if (out == NULL) {
        fprintf(stderr, "count: out=FILE is missing\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
