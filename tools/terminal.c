/* Raw mode, and nr's one key. Ctrl-a followed by anything else belongs to the monitor and is passed on. */
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>
#include "nr.h"
#include "terminal.h"

enum { PREFIX = 'a' & 0x1f };

static struct termios saved;
static bool is_raw;

static void restore(void)
{
    if (is_raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
    is_raw = false;
    nr_set_raw_lines(false);
}

void terminal_make_raw(struct terminal *terminal)
{
    struct termios raw;

    terminal->after_prefix = false;
    terminal->raw = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &saved) == 0;
    if (!terminal->raw)
        return;
    raw = saved;
    cfmakeraw(&raw);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    is_raw = true;
    nr_set_raw_lines(isatty(STDERR_FILENO));
    atexit(restore);
}

void terminal_restore(struct terminal *terminal)
{
    terminal->raw = false;
    restore();
}

size_t terminal_filter(struct terminal *terminal, const char *in, size_t count, char *out, bool *leave)
{
    size_t made = 0;

    for (size_t i = 0; i < count; i++) {
        if (terminal->raw && !terminal->after_prefix && in[i] == PREFIX) {
            terminal->after_prefix = true;
            continue;
        }
        if (terminal->after_prefix) {
            terminal->after_prefix = false;
            if (in[i] == 'x') {
                *leave = true;
                return made;
            }
            out[made++] = PREFIX;
        }
        out[made++] = in[i];
    }
    return made;
}
