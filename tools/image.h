/* Boot images made by grub-mkrescue: one file for BIOS and UEFI, as a disk or as a CD. */
#pragma once

#include <stdbool.h>
#include "guest.h"

/* Written to port 0xf4 by GRUB in images of `nr boot`, when it could not start what it should; then
 * "Shutdown" to port 0x8900. */
enum { IMAGE_FAILED_EXIT = 0x3e };

/* What starts after GRUB. */
struct image {
    const char *monitor; /* path of the monitor's ELF; NULL: the first guest itself, without a monitor */
    const char *options; /* the monitor's command line */
    const struct guest *guest;
    uint32_t guest_count;
    const char *display;  /* GRUB's gfxpayload: what the monitor finds on the machine's display */
    const char *commands; /* for GRUB, before it loads the rest; or NULL */
    bool emulated;        /* for `nr boot`: a failure of GRUB ends the emulator */
};

/* Writes the image to output; scratch holds its configuration meanwhile. Returns an nr_status, having said
 * why. */
int image_write(const struct image *image, const char *output, const char *scratch);

/* The monitor that belongs to this nr: given (--monitor), or "nullring" beside the program. NULL after an
 * error. */
char *image_find_monitor(const char *given);
