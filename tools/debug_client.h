/* Questions of a debugger about a guest (include/debug.h), over the control line. */
#pragma once

#include "control_client.h"
#include "debug.h"

/* Asks, and waits for the answer; what is wrong on the way has been said then (an nr_status). NR_DONE: the
 * guest's side has answered, with whatever answer->error. */
int debug_ask(struct control_client *client, const char *guest, const struct debug_request *request,
              struct debug_answer *answer);
/* A question without an address or data, whose answer must be good. */
int debug_tell(struct control_client *client, const char *guest, enum debug_op op,
               struct debug_answer *answer);
/* debug_state: how things are. */
int debug_look(struct control_client *client, const char *guest, enum debug_op op, struct debug_state *state);
