/*
 * --expect: extended regular expressions that the console or a text screen must match one after the other. A
 * match lies within one line; "^" and "$" are the line's ends. The text is the console without escape
 * sequences and carriage returns, and the screen's rows without the blanks at their ends. A screen is read
 * again and again: what it still shows may be what the next expression means.
 */
#pragma once

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

enum { EXPECT_MAX = 64, EXPECT_LINE_SIZE = 4096 };

struct expect {
    regex_t pattern[EXPECT_MAX];
    const char *source[EXPECT_MAX];
    size_t count, matched;
    /* The line being written: its text, and where the next match may begin. */
    char line[EXPECT_LINE_SIZE];
    size_t length, searched;
    bool pending; /* text has come since the line was last looked at */
    enum { TEXT_PLAIN, TEXT_ESCAPE, TEXT_CONTROL_SEQUENCE, TEXT_CHARACTER_SET } text;
};

/* Adds an expression. Returns an nr_status, having said what is wrong with it. */
int expect_add(struct expect *expect, const char *source);
/* Console output. Complete lines are matched at once; */
void expect_feed(struct expect *expect, const char *bytes, size_t count);
/* an incomplete one (a prompt) when this is called, that is when the console has been quiet for a moment. */
void expect_settle(struct expect *expect);
/* A row of a screen; the rows of one look come from the top. */
void expect_row(struct expect *expect, const char *text);
/* All there were have matched; false if there are none. */
bool expect_done(const struct expect *expect);
