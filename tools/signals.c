/* Signals: nr ends when it has tidied up, whatever comes. */
#include <signal.h>
#include "nr.h"

static void set_action(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};

    sigaction(number, &action, NULL);
}

void signals_start(void)
{
    set_action(SIGPIPE, SIG_IGN);
}

void signals_release(void)
{
    set_action(SIGPIPE, SIG_DFL);
}
