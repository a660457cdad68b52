/*
 * nr disk: what is in a guest's drives, and a copy of it. A copy is asked for part by part; what is lost on
 * the line is asked for again.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "control_arguments.h"
#include "control_client.h"
#include "debug_client.h"
#include "drive_request.h"
#include "nr.h"
#include "whole_file.h"

enum { OPTION_BASE = OPTION_CONTROL_OWN, PAGE = 4096, LEFT_OUT_MAX = 1 << 20, MIB_SHIFT = 20 };

struct pull_arguments {
    const char *path, *base;
};

struct copy {
    struct control_client client;
    const char *guest, *drive;
    const char *base_path;
    int base; /* what is left out is copied from it; -1: it is zeros */
    struct whole_file to;
    uint64_t at, all; /* bytes that are done, and that there are */
};

static int cut_answer(void)
{
    return nr_fail(NR_UNEXPECTED, "the monitor's answer is cut");
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Pages of zeros stay holes. */
static int write_bytes(const struct copy *copy, uint64_t at, const uint8_t *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        size_t part = PAGE - (at + done) % PAGE;
        part = part < size - done ? part : size - done;
        if (is_zero(bytes + done, part)) {
            done += part;
            continue;
        }
        ssize_t written = pwrite(copy->to.fd, bytes + done, part, (off_t)(at + done));
        if (written < 0 && errno != EINTR)
            return nr_fail(NR_UNEXPECTED, "%s: cannot be written: %s", copy->to.path, strerror(errno));
        done += written > 0 ? (size_t)written : 0;
    }
    return NR_DONE;
}

/* What was left out, from the base, which has to be the image that the guest was started with. */
static int copy_base(const struct copy *copy, uint64_t size, uint32_t crc)
{
    if (copy->base < 0 || size == 0)
        return NR_DONE;
    if (size > LEFT_OUT_MAX)
        return cut_answer();
    uint8_t *bytes = malloc(size);
    int status = NR_DONE;
    ssize_t count = bytes != NULL ? pread(copy->base, bytes, size, (off_t)copy->at) : -1;
    if (count < 0)
        status = nr_fail(NR_UNEXPECTED, "%s: cannot be read: %s", copy->base_path, strerror(errno));
    else if ((uint64_t)count != size || control_crc(bytes, size) != crc)
        status = nr_fail(NR_USAGE, "%s is not what %s of guest %s was started with; give that, or no --base",
                         copy->base_path, copy->drive, copy->guest);
    if (status == NR_DONE)
        status = write_bytes(copy, copy->at, bytes, size);
    free(bytes);
    return status;
}

static int take_parts(struct copy *copy, const struct control_answer *answer)
{
    struct control_disk part;
    int status = answer->size >= sizeof(part) ? NR_DONE : cut_answer();

    for (size_t at = 0; status == NR_DONE && at < answer->size; at += sizeof(part) + part.length) {
        if (answer->size - at < sizeof(part))
            return cut_answer();
        memcpy(&part, answer->bytes + at, sizeof(part));
        if (part.length > answer->size - at - sizeof(part) || part.at < copy->at || part.at > part.all ||
            part.length > part.all - part.at)
            return cut_answer();
        if (copy->all != 0 && part.all != copy->all)
            return nr_fail(NR_UNEXPECTED, "what is in %s was changed while it was copied", copy->drive);
        copy->all = part.all;
        status = copy_base(copy, part.at - copy->at, part.crc);
        if (status == NR_DONE)
            status = write_bytes(copy, part.at, answer->bytes + at + sizeof(part), part.length);
        copy->at = part.at + part.length;
    }
    return status;
}

static void show_progress(const struct copy *copy)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\rnr: %s: %llu of %llu MiB, %u %% ", copy->drive,
                (unsigned long long)copy->at >> MIB_SHIFT, (unsigned long long)copy->all >> MIB_SHIFT,
                (unsigned)(copy->at * 100 / (copy->all != 0 ? copy->all : 1)));
}

static int copy_all(struct copy *copy)
{
    struct control_request request;
    struct control_drive drive;
    int status = drive_request(&request, &drive, CONTROL_DISK, copy->guest, copy->drive, NULL);

    request.number = copy->base >= 0 ? CONTROL_WITHOUT_IMAGE : CONTROL_WITHOUT_ZEROS;
    do {
        struct control_answer answer;
        request.offset = copy->at;
        if (status == NR_DONE)
            status = control_ask(&copy->client, &request, &drive, sizeof(drive), &answer);
        if (status != NR_DONE)
            break;
        status = take_parts(copy, &answer);
        if (status == NR_DONE && copy->at == request.offset && copy->at < copy->all)
            status = cut_answer();
        free(answer.bytes);
        show_progress(copy);
    } while (status == NR_DONE && copy->at < copy->all);
    if (copy->all != 0 && isatty(STDERR_FILENO))
        fputs("\n", stderr);
    if (status == NR_DONE && ftruncate(copy->to.fd, (off_t)copy->all) != 0)
        status = nr_fail(NR_UNEXPECTED, "%s: cannot be written: %s", copy->to.path, strerror(errno));
    return status;
}

/* A copy of what somebody writes at the same time is of no single moment. */
static int warn_if_it_runs(struct copy *copy)
{
    struct debug_state state;
    int status = debug_look(&copy->client, copy->guest, DEBUG_STATE, &state);

    if (status == NR_DONE && !state.held && strncmp(copy->drive, "cd", 2) != 0)
        nr_say(
            "guest %s runs: what it writes while %s is copied may be missing; nr pause makes it stand still",
            copy->guest, copy->drive);
    return status;
}

static error_t parse_pull(int key, char *value, struct argp_state *state)
{
    struct pull_arguments *pull = state->input;

    switch (key) {
    case 'o':
        pull->path = value;
        return 0;
    case OPTION_BASE:
        pull->base = value;
        return 0;
    case ARGP_KEY_SUCCESS:
        if (pull->path == NULL)
            argp_error(state, "-o FILE is missing: where the copy goes");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int pull_run(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"output", 'o', "FILE", 0, "The copy, which has its name when it is complete", 0},
        {"base", OPTION_BASE, "IMAGE", 0,
         "The image that the drive was started with: only what differs comes over the line", 0},
        {0}};
    static const struct argp more = {options, parse_pull, NULL, NULL, NULL, NULL, NULL};
    struct pull_arguments pull = {0};
    struct control_arguments arguments = {
        .guest = true,
        .least = 1,
        .most = 1,
        .words = "DRIVE",
        .doc =
            "Copies what is in a guest's drive now to a file: its image with all that the guest has written.",
        .more = &more,
        .input = &pull};
    struct copy copy = {.base = -1, .to.fd = -1};

    control_parse(&arguments, argc, argv);
    copy.guest = arguments.word[0];
    copy.drive = arguments.word[1];
    copy.base_path = pull.base;
    if (pull.base != NULL && (copy.base = open(pull.base, O_RDONLY | O_CLOEXEC)) < 0)
        return nr_fail(NR_USAGE, "%s: cannot be read: %s", pull.base, strerror(errno));
    int status = control_open(&copy.client, arguments.monitor);
    if (status == NR_DONE)
        status = warn_if_it_runs(&copy);
    if (status == NR_DONE)
        status = whole_file_open(&copy.to, pull.path);
    if (status == NR_DONE)
        status = whole_file_close(&copy.to, copy_all(&copy));
    control_close(&copy.client);
    if (copy.base >= 0)
        close(copy.base);
    return status;
}

static int list_run(int argc, char **argv)
{
    return control_ask_guest(argc, argv, CONTROL_DRIVES, "Lists a guest's drives, and what is in them.");
}

static int disk_run(int argc, char **argv)
{
    static const char *const names[] = {"list", "pull"};
    static int (*const run[])(int argc, char **argv) = {list_run, pull_run};

    for (size_t i = 0; argc > 1 && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(argv[1], names[i]) != 0)
            continue;
        argv[1] = nr_format("nr disk %s", names[i]);
        return run[i](argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        puts("Usage: nr disk list GUEST\n  or:  nr disk pull GUEST DRIVE -o FILE\n"
             "`nr disk pull --help` lists its options.");
        return NR_DONE;
    }
    return nr_fail(NR_USAGE, "nr disk does nothing by itself: list or pull is wanted behind it");
}

const struct command command_disk = {"disk", "a guest's drives, and a copy of what is in one", disk_run};
