/*
 * Takes the guests' consoles apart again, byte for byte, that the monitor's service has put on one serial
 * line (service/console.c): with a single guest all bytes are its own; with several, what is behind "[NAME] "
 * up to the LF. A line that had to make room for another guest's ends in LF CR, and goes on behind the next
 * prefix; a guest's own LF is never followed by a CR, since a prefix comes between. Lines without a guest's
 * prefix are the monitor's prompt and go to no file.
 */
#include "consoles.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "nr.h"

int consoles_open(struct consoles *consoles, const char *directory, const struct guest *guest, uint32_t count)
{
    *consoles = (struct consoles){.guest = guest};
    if (mkdir(directory, 0777) != 0 && errno != EEXIST)
        return nr_fail(NR_USAGE, "--console-dir %s: cannot be made: %s", directory, strerror(errno));
    if (count > CONSOLES_MAX)
        return nr_fail(NR_USAGE, "--console-dir: more than %d guests", CONSOLES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        char *path = nr_format("%s/%s", directory, guest[i].config.name);
        consoles->file[i] = fopen(path, "w");
        int status = NR_DONE;
        if (consoles->file[i] == NULL)
            status = nr_fail(NR_USAGE, "--console-dir: %s: cannot be written: %s", path, strerror(errno));
        free(path);
        if (status != NR_DONE)
            return status;
        setvbuf(consoles->file[i], NULL, _IOLBF, BUFSIZ); /* to be looked at while it grows */
        consoles->count = i + 1;
    }
    return NR_DONE;
}

static void put_guest(struct consoles *consoles, char byte)
{
    putc(byte, consoles->file[consoles->current]);
}

/* At the start of a line: true when the bytes so far are a guest's prefix, which it then is that speaks. */
static bool is_prefix(struct consoles *consoles)
{
    const char *prefix = consoles->prefix;
    size_t length = consoles->prefix_length;

    for (uint32_t i = 0; i < consoles->count; i++) {
        const char *name = consoles->guest[i].config.name;
        if (length == strlen(name) + 3 && prefix[0] == '[' && memcmp(prefix + 1, name, length - 3) == 0 &&
            memcmp(prefix + length - 2, "] ", 2) == 0) {
            consoles->current = i;
            return true;
        }
    }
    return false;
}

static void start_line(struct consoles *consoles, char byte)
{
    if (byte == '\r' && consoles->prefix_length == 0)
        return; /* of the monitor's LF CR */
    consoles->prefix[consoles->prefix_length++] = byte;
    if (is_prefix(consoles))
        consoles->place = PLACE_GUEST;
    else if (byte == '\n')
        consoles->place = PLACE_LINE_START;
    else if (consoles->prefix[0] != '[' || consoles->prefix_length == CONSOLE_PREFIX_SIZE)
        consoles->place = PLACE_OTHER;
    else
        return;
    consoles->prefix_length = 0;
}

static void put_byte(struct consoles *consoles, char byte)
{
    if (consoles->place == PLACE_LINE_END) {
        consoles->place = PLACE_LINE_START;
        if (byte == '\r')
            return;
        put_guest(consoles, '\n');
    }
    if (consoles->place == PLACE_LINE_START)
        start_line(consoles, byte);
    else if (byte == '\n')
        consoles->place = consoles->place == PLACE_GUEST ? PLACE_LINE_END : PLACE_LINE_START;
    else if (consoles->place == PLACE_GUEST)
        put_guest(consoles, byte);
}

void consoles_put(struct consoles *consoles, const char *bytes, size_t count)
{
    if (consoles->count == 1)
        fwrite(bytes, 1, count, consoles->file[0]);
    for (size_t i = 0; i < count && consoles->count > 1; i++)
        put_byte(consoles, bytes[i]);
}

int consoles_close(struct consoles *consoles)
{
    int status = NR_DONE;

    if (consoles->place == PLACE_LINE_END)
        put_guest(consoles, '\n');
    for (uint32_t i = 0; i < consoles->count; i++) {
        bool failed = ferror(consoles->file[i]) != 0;
        if ((fclose(consoles->file[i]) != 0 || failed) && status == NR_DONE)
            status = nr_fail(NR_UNEXPECTED, "--console-dir: the console of %s could not be written in full",
                             consoles->guest[i].config.name);
    }
    consoles->count = 0;
    return status;
}
