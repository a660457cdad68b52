/* nr eject, insert: what is in a guest's CD and floppy drives is changed from outside. */
#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include "control_arguments.h"
#include "drive_request.h"
#include "nr.h"

int drive_request(struct control_request *request, struct control_drive *data, enum control_command command,
                  const char *guest, const char *drive, const char *image)
{
    int status = control_request(request, command, guest);

    memset(data, 0, sizeof(*data));
    if (status != NR_DONE)
        return status;
    if (strlen(drive) >= sizeof(data->drive))
        return nr_fail(NR_USAGE, "no drive is called \"%s\"; nr disk list shows those there are", drive);
    memcpy(data->drive, drive, strlen(drive));
    if (image == NULL)
        return NR_DONE;
    if (*image == '\0' || strlen(image) >= sizeof(data->image))
        return nr_fail(NR_USAGE, "no image is called \"%s\": a name has 1 to %zu characters", image,
                       sizeof(data->image) - 1);
    memcpy(data->image, image, strlen(image));
    return NR_DONE;
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    bool *force = state->input;

    (void)value;
    if (key != 'f')
        return ARGP_ERR_UNKNOWN;
    *force = true;
    return 0;
}

static int change(int argc, char **argv, enum control_command command, unsigned images, const char *words,
                  const char *doc)
{
    static const struct argp_option options[] = {
        {"force", 'f', NULL, 0, "Even if the guest has locked the drive", 0}, {0}};
    static const struct argp more = {options, parse_option, NULL, NULL, NULL, NULL, NULL};
    bool force = false;
    struct control_arguments arguments = {.guest = true,
                                          .least = 1,
                                          .most = 1 + images,
                                          .words = words,
                                          .doc = doc,
                                          .more = &more,
                                          .input = &force};
    struct control_request request;
    struct control_drive drive;
    struct control_answer answer;
    struct control_client client;

    control_parse(&arguments, argc, argv);
    int status = control_open(&client, arguments.monitor);
    if (status == NR_DONE)
        status = drive_request(&request, &drive, command, arguments.word[0], arguments.word[1],
                               arguments.word_count > 2 ? arguments.word[2] : NULL);
    request.number = force;
    if (status == NR_DONE)
        status = control_ask(&client, &request, &drive, sizeof(drive), &answer);
    if (status == NR_DONE)
        free(answer.bytes);
    control_close(&client);
    return status;
}

static int eject_run(int argc, char **argv)
{
    return change(argc, argv, CONTROL_EJECT, 0, "DRIVE",
                  "Takes out what is in a guest's CD or floppy drive.");
}

static int insert_run(int argc, char **argv)
{
    return change(
        argc, argv, CONTROL_INSERT, 1, "DRIVE [IMAGE]",
        "Puts one of the images that the description has for a CD or floppy drive into it, in place of "
        "what is there; without IMAGE what was in it last.");
}

const struct command command_eject = {"eject", "take out a disc or diskette", eject_run};
const struct command command_insert = {"insert", "put one in", insert_run};
