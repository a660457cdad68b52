/*
 * The host's own local APIC and IOAPIC: timer, kicks between processors, the serial port's interrupt.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Finds and maps the local APIC (boot processor, once). NULL, or what is wrong. */
const char *host_apic_init(void);
/* Enables the calling processor's local APIC, with every LVT entry masked but the timer's. */
void host_apic_enable(void);
uint32_t host_apic_id(void);
void host_apic_eoi(void);
/* Measures the timer against the TSC; needs tsc_khz. */
void host_apic_calibrate(void);
/* Arms the one-shot timer for a host TSC value; 0 turns it off. Does nothing when it is armed for that
 * already. */
void host_apic_timer(uint64_t deadline);
/* An IPI can be sent to this processor and to no other. */
bool host_apic_reaches(uint32_t apic_id);
/* Commands of ICR: a vector, or one of these; SIPI with the page of the trampoline (SDM Vol. 3A, 9.4.4). */
enum host_apic_command { IPI_INIT = 0x4500, IPI_STARTUP = 0x4600, IPI_ALL_BUT_SELF = 0xc0000 };
void host_apic_send(uint32_t apic_id, uint32_t command);
/* Routes the interrupts of serial ports, keyboard and mouse to VECTOR_INPUT on the boot processor, and masks
 * all other pins. */
void host_ioapic_init(void);
