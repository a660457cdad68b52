/* Signals: nr ends when it has tidied up, whatever comes. */
#include <signal.h>
#include <stddef.h>
#include "nr.h"

static void set_action(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};

    sigaction(number, &action, NULL);
}

void signals_start(void)
{
    set_action(SIGPIPE, SIG_IGN);
    set_action(SIGCHLD,
               SIG_DFL); /* whoever started nr may have ignored it: then nobody could be waited for */
}

const sigset_t *signals_held(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD};
    static sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaddset(&set, numbers[i]);
    return &set;
}

void signals_hold(void)
{
    sigprocmask(SIG_BLOCK, signals_held(), NULL);
}

void signals_release(void)
{
    sigprocmask(SIG_UNBLOCK, signals_held(), NULL);
    set_action(SIGPIPE, SIG_DFL);
}
