/* The files that a description names: are they what they should be, and do they fit into the guest? */
#pragma once

#include "guest.h"
#include "source.h"

/* Says each mistake. The files have been found: guest->file is complete. */
void guest_check_files(const struct guest *guest, struct source *source);
/* The same for the initial RAM disk, whose bytes are at data. */
void guest_check_initrd(const struct guest_file *initrd, const uint8_t *data, struct source *source);
