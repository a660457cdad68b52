/* Questions of a debugger about a guest. */
#include "debug_client.h"
#include <stdlib.h>
#include <string.h>
#include "nr.h"

int debug_ask(struct control_client *client, const char *guest, const struct debug_request *request,
              struct debug_answer *answer)
{
    size_t head = offsetof(struct debug_request, data), least = offsetof(struct debug_answer, data);
    bool carries = request->op == DEBUG_WRITE || request->op == DEBUG_WRITE_GPR;
    size_t length = carries ? head + request->length : head;
    struct control_request control;
    struct control_answer whole = {0};
    int status = control_request(&control, CONTROL_DEBUG, guest);

    memset(answer, 0, sizeof(*answer));
    if (status == NR_DONE)
        status = control_ask(client, &control, request, length, &whole);
    if (status != NR_DONE)
        return status;
    if (whole.size < least || whole.size > sizeof(*answer)) {
        status = nr_fail(NR_UNEXPECTED, "the monitor's answer is cut");
    } else {
        memcpy(answer, whole.bytes, whole.size);
        if (answer->size > whole.size - least)
            status = nr_fail(NR_UNEXPECTED, "the monitor's answer is cut");
    }
    free(whole.bytes);
    return status;
}

int debug_tell(struct control_client *client, const char *guest, enum debug_op op,
               struct debug_answer *answer)
{
    const struct debug_request request = {.op = op};
    int status = debug_ask(client, guest, &request, answer);

    if (status == NR_DONE && answer->error != DEBUG_OK)
        status = nr_fail(NR_UNEXPECTED, "guest %s refused it (error %u)", guest, answer->error);
    return status;
}

int debug_look(struct control_client *client, const char *guest, enum debug_op op, struct debug_state *state)
{
    struct debug_answer answer;
    int status = debug_tell(client, guest, op, &answer);

    if (status == NR_DONE && answer.size < sizeof(*state))
        return nr_fail(NR_UNEXPECTED, "the monitor's answer is cut");
    memcpy(state, answer.data, sizeof(*state));
    return status;
}
