/* nr pause, resume, inspect: a guest's processors stand still, go on, and are looked at. */
#include <stdio.h>
#include "control_arguments.h"
#include "debug_client.h"
#include "nr.h"

static int open_guest(int argc, char **argv, const char *doc, struct control_client *client,
                      const char **guest)
{
    struct control_arguments arguments = {.guest = true, .doc = doc};

    control_parse(&arguments, argc, argv);
    *guest = arguments.word[0];
    return control_open(client, arguments.monitor);
}

static int pause_run(int argc, char **argv)
{
    struct control_client client;
    struct debug_state state;
    const char *guest;
    int status = open_guest(argc, argv, "Stops a guest's processors where they are.", &client, &guest);

    if (status == NR_DONE)
        status = debug_look(&client, guest, DEBUG_STOP, &state);
    control_close(&client);
    return status;
}

static int resume_run(int argc, char **argv)
{
    struct control_client client;
    struct debug_answer answer;
    struct debug_state state = {0};
    const char *guest;
    int status = open_guest(argc, argv, "Lets a guest's processors go on.", &client, &guest);

    if (status == NR_DONE)
        status = debug_look(&client, guest, DEBUG_STATE, &state);
    if (status == NR_DONE && !state.held)
        status = nr_fail(NR_UNEXPECTED, "guest %s is not paused", guest);
    const struct debug_request go = {.op = DEBUG_GO, .address = state.stops, .kind = UINT32_MAX};
    if (status == NR_DONE)
        status = debug_ask(&client, guest, &go, &answer);
    control_close(&client);
    return status;
}

static int inspect_run(int argc, char **argv)
{
    struct debug_request request = {.op = DEBUG_INSPECT};
    struct control_client client;
    struct debug_answer answer;
    const char *guest;
    int status =
        open_guest(argc, argv, "Shows a guest's processors and interrupt controllers.", &client, &guest);

    while (status == NR_DONE) {
        status = debug_ask(&client, guest, &request, &answer);
        if (status != NR_DONE || answer.size == 0)
            break;
        fwrite(answer.data, 1, answer.size, stdout);
        for (uint32_t i = 0; i < answer.size; i++)
            request.address += answer.data[i] == '\n';
    }
    control_close(&client);
    return status;
}

const struct command command_pause = {"pause", "stop a guest's processors", pause_run};
const struct command command_resume = {"resume", "let them go on", resume_run};
const struct command command_inspect = {"inspect", "a guest's registers and interrupt controllers",
                                        inspect_run};
