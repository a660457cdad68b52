/*
 * The monitor's log: lines on a serial port, polled. Guests' consoles are the service's matter.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Chooses the port from the boot options ("log=com1", "log=com2", "log=none") and sets it to 115200 8N1. */
void log_init(const char *options);
/* Raw text; takes the log's lock unless panicking. */
void log_write(const char *text, size_t length);
/* Waits until the last byte has left the machine, for about as long as that may take. */
void log_drain(void);
/* From now on without the lock. */
extern bool log_panicking;
