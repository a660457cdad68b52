/* What is in the drives whose medium can be changed: see media.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "channel.h"
#include "fdc.h"
#include "guest_config.h"
#include "ide.h"

/* A drive: which of its images it has; 0 is the property image, and others follow. */
struct media_drive {
    uint8_t medium;
    uint8_t out; /* it has been taken out */
};

/* State block. It outlives a reset of the machine. */
struct media {
    struct media_drive cd[GUEST_CDS_MAX], floppy[GUEST_FLOPPIES_MAX];
};

/* The path of what is in a drive of the description; NULL: nothing, or there is no such drive. */
const char *media_in_cd(const struct media *media, unsigned unit);
const char *media_in_floppy(const struct media *media, unsigned unit);

/* NULL, or the broken rule. */
const char *media_check(const struct media *media);

/* Answers a question that waits in the channel; true: the service is to be notified. */
bool media_answer(struct media *media, struct ide *ide, struct fdc *fdc, struct channel_media *question);
