/* CPUID policy: see cpuid.c. */
#pragma once

#include <stdint.h>
#include "guest_config.h"
#include "syscalls.h"

/* The processor's own answer. */
typedef void cpuid_host_function(uint32_t leaf, uint32_t subleaf, struct cpuid_entry *entry);
void cpuid_host(uint32_t leaf, uint32_t subleaf, struct cpuid_entry *entry);

/* Fewer than CPUID_SLOTS: one stays free. */
enum { CPUID_ENTRIES_MAX = CPUID_SLOTS - 1 };

/* Fills the table of what CPUID tells a guest; returns the number of entries. They are in order of leaf and
 * subleaf. */
uint32_t cpuid_build(struct cpuid_entry table[CPUID_ENTRIES_MAX], const struct guest_config *config,
                     cpuid_host_function *host);
/* Puts the entries into the slots in which the monitor seeks them. */
void cpuid_place(struct cpuid_entry slots[CPUID_SLOTS], const struct cpuid_entry *table, uint32_t count);
