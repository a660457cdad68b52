/* Matches what a console prints, and what a screen shows, against the expressions of --expect. */
#include "expect.h"
#include <string.h>
#include "nr.h"

enum { ESCAPE = 0x1b };

int expect_add(struct expect *expect, const char *source)
{
    char reason[128];

    if (expect->count == EXPECT_MAX)
        return nr_fail(NR_USAGE, "more than %d times --expect", EXPECT_MAX);
    int error = regcomp(&expect->pattern[expect->count], source, REG_EXTENDED | REG_NEWLINE);
    if (error != 0) {
        regerror(error, &expect->pattern[expect->count], reason, sizeof(reason));
        return nr_fail(NR_USAGE, "--expect '%s': %s", source, reason);
    }
    expect->source[expect->count++] = source;
    return NR_DONE;
}

/* Several expressions may match in one line, each behind the one before. Returns where the next may begin. */
static size_t match_text(struct expect *expect, const char *text, size_t searched, size_t length)
{
    while (expect->matched < expect->count) {
        regmatch_t match = {(regoff_t)searched, (regoff_t)length};
        int flags = REG_STARTEND | (searched > 0 ? REG_NOTBOL : 0);
        if (regexec(&expect->pattern[expect->matched], text, 1, &match, flags) != 0)
            break;
        searched = (size_t)match.rm_eo;
        expect->matched++;
    }
    return searched;
}

static void match_line(struct expect *expect)
{
    expect->searched = match_text(expect, expect->line, expect->searched, expect->length);
    expect->pending = false;
}

static void add_character(struct expect *expect, char c)
{
    if (c == '\n' || expect->length == sizeof(expect->line)) {
        match_line(expect);
        expect->length = expect->searched = 0;
    }
    if (c == '\n' || c == '\r' || c == '\0')
        return;
    expect->line[expect->length++] = c;
    expect->pending = true;
}

/* Leaves out ECMA-48 escape sequences: ESC [ parameters final byte; ESC ( set; ESC and one byte. */
static void feed_character(struct expect *expect, char c)
{
    switch (expect->text) {
    case TEXT_PLAIN:
        if (c == ESCAPE)
            expect->text = TEXT_ESCAPE;
        else
            add_character(expect, c);
        break;
    case TEXT_ESCAPE:
        expect->text = c == '['               ? TEXT_CONTROL_SEQUENCE
                       : c == '(' || c == ')' ? TEXT_CHARACTER_SET
                                              : TEXT_PLAIN;
        break;
    case TEXT_CONTROL_SEQUENCE:
        if (c >= 0x40 && c <= 0x7e)
            expect->text = TEXT_PLAIN;
        break;
    case TEXT_CHARACTER_SET:
        expect->text = TEXT_PLAIN;
        break;
    }
}

void expect_feed(struct expect *expect, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        feed_character(expect, bytes[i]);
}

void expect_settle(struct expect *expect)
{
    if (expect->pending)
        match_line(expect);
}

void expect_row(struct expect *expect, const char *text)
{
    match_text(expect, text, 0, strlen(text));
}

bool expect_done(const struct expect *expect)
{
    return expect->count > 0 && expect->matched == expect->count;
}
