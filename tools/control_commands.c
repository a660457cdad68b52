/* nr list, info, why, needs, power, reset, destroy: one question to a running monitor each. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "control_arguments.h"
#include "control_client.h"
#include "guest_report.h"
#include "nr.h"

static const char *status_name(uint32_t status)
{
    static const char *const names[] = {
        [GUEST_ABSENT] = "absent",           [GUEST_STARTING] = "starting", [GUEST_RUNNING] = "running",
        [GUEST_POWERED_OFF] = "powered off", [GUEST_KILLED] = "killed",
    };
    return status < sizeof(names) / sizeof(names[0]) ? names[status] : "unknown";
}

static void print_guest(const struct control_guest *guest)
{
    printf("%-24.*s %-12s %4u %6u MiB %12llu %12llu\n", (int)sizeof(guest->name), guest->name,
           status_name(guest->status), guest->cpu_count, guest->memory_mib, (unsigned long long)guest->exits,
           (unsigned long long)guest->upcalls);
}

static int list_run(int argc, char **argv)
{
    struct control_arguments arguments = {.doc = "Lists the guests of a running monitor."};
    struct control_request request;
    struct control_answer answer;
    struct control_client client;
    struct control_guest guest;

    control_parse(&arguments, argc, argv);
    int status = control_open(&client, arguments.monitor);
    if (status == NR_DONE)
        status = control_request(&request, CONTROL_LIST, NULL);
    if (status == NR_DONE)
        status = control_ask(&client, &request, NULL, 0, &answer);
    if (status == NR_DONE) {
        printf("%-24s %-12s %4s %10s %12s %12s\n", "GUEST", "STATE", "CPUS", "MEMORY", "EXITS", "UPCALLS");
        for (size_t at = 0; at + sizeof(guest) <= answer.size; at += sizeof(guest)) {
            memcpy(&guest, answer.bytes + at, sizeof(guest));
            print_guest(&guest);
        }
        free(answer.bytes);
    }
    control_close(&client);
    return status;
}

int control_ask_guest(int argc, char **argv, enum control_command command, const char *doc)
{
    struct control_arguments arguments = {.guest = true, .doc = doc};
    struct control_request request;
    struct control_answer answer;
    struct control_client client;

    control_parse(&arguments, argc, argv);
    int status = control_open(&client, arguments.monitor);
    if (status == NR_DONE)
        status = control_request(&request, command, arguments.word[0]);
    if (status == NR_DONE)
        status = control_ask(&client, &request, NULL, 0, &answer);
    if (status == NR_DONE) {
        fwrite(answer.bytes, 1, answer.size, stdout);
        free(answer.bytes);
    }
    control_close(&client);
    return status;
}

static int info_run(int argc, char **argv)
{
    return control_ask_guest(argc, argv, CONTROL_INFO,
                             "Shows a guest's state, exits by reason, and overlay.");
}

static int why_run(int argc, char **argv)
{
    return control_ask_guest(argc, argv, CONTROL_WHY,
                             "Shows the last exits of each of a guest's processors, in words.");
}

static int needs_run(int argc, char **argv)
{
    return control_ask_guest(argc, argv, CONTROL_NEEDS,
                             "Shows what a guest has touched that no device claims.");
}

static int power_run(int argc, char **argv)
{
    return control_ask_guest(argc, argv, CONTROL_POWER,
                             "Presses a guest's power button; what it does then is its own affair.");
}

static int reset_run(int argc, char **argv)
{
    return control_ask_guest(argc, argv, CONTROL_RESET, "Presses a guest's reset button.");
}

static int destroy_run(int argc, char **argv)
{
    return control_ask_guest(argc, argv, CONTROL_DESTROY,
                             "Ends a guest at once, as if its plug were pulled.");
}

const struct command command_list = {"list", "the guests of a running monitor", list_run};
const struct command command_info = {"info", "a guest's state and exits", info_run};
const struct command command_why = {"why", "a guest's last exits, in words", why_run};
const struct command command_needs = {"needs", "what a guest has touched and nobody has", needs_run};
const struct command command_power = {"power", "press a guest's power button", power_run};
const struct command command_reset = {"reset", "press a guest's reset button", reset_run};
const struct command command_destroy = {"destroy", "end a guest", destroy_run};
