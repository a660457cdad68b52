/* Starting the other processors. */
#pragma once

/* Starts the processors that ACPI lists, one after the other; those that do not answer are left out, and said
 * so. */
void smp_start(void);
