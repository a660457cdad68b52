/* Requests about a guest's drives (include/control.h). */
#pragma once

#include "control_client.h"

/* Fills in a request and its data; image may be NULL. A name that no drive or image can have is an error that
 * is said, NR_USAGE. */
int drive_request(struct control_request *request, struct control_drive *data, enum control_command command,
                  const char *guest, const char *drive, const char *image);
