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
/* Sends VECTOR_KICK. */
void host_apic_kick(uint32_t apic_id);
/* An IPI can be sent to this processor and to no other. */
bool host_apic_reaches(uint32_t apic_id);
/* INIT or SIPI with the page of the trampoline (SDM Vol. 3A, 9.4.4). */
void host_apic_init_ipi(uint32_t apic_id);
void host_apic_startup_ipi(uint32_t apic_id, uint8_t page);
/* Stops all other processors (panic). */
void host_apic_stop_others(void);
/* Routes the first serial port's ISA interrupt to VECTOR_SERIAL on the boot processor, and masks all other
 * pins. */
void host_ioapic_init(void);
