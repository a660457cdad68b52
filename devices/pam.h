/* Programmable attribute map: what the guest sees from 0xC0000 to 0xFFFFF. See pam.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "device.h"

enum { PAM_REGISTERS = 7, PAM_BASE = 0xc0000, PAM_END = 0x100000 };

/* Maps all of it as the registers say: after a reset. */
void pam_apply(const uint8_t pam[PAM_REGISTERS]);
/* The same for what differs from before. */
void pam_change(const uint8_t before[PAM_REGISTERS], const uint8_t pam[PAM_REGISTERS]);
/* An access that met no memory: writes to what is only read, reads of nothing; offset is from PAM_BASE. */
void pam_io(const uint8_t pam[PAM_REGISTERS], struct io *io);
