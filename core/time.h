/* Finding out how fast the TSC runs. */
#pragma once

/* Measures tsc_khz against the ACPI PM timer, or the 8254 where there is none. NULL, or what is wrong. */
const char *time_init(void);
/* Waits; bounded by time, not by loops. */
void time_wait_us(unsigned long us);
