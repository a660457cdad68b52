/*
 * Accesses that may fault: ring 3's memory, the guest's RAM, model-specific registers. The instructions that
 * may do so are listed in the section .fixup, a pair of addresses each; the trap handler for #PF and #GP
 * continues at the second when the fault was at the first.
 *
 * While a copy is under way RFLAGS.AC is set where SMAP is on; every way out clears it, the fix-ups too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fixup {
    uint64_t fault_rip, fixup_rip;
};

_Static_assert(sizeof(struct fixup) == 16, "core/usercopy.asm writes them");

/* The section's bounds, from the linker script. */
extern const struct fixup fixup_start[], fixup_end[];

/* STAC and CLAC exist and CR4.SMAP is set; set once at boot, the same on all processors. */
extern uint8_t smap_enabled;

/* Copies between ring 0 and the lower half of the address space that is loaded. Eight bytes at an aligned
 * address are read or written at once. 0, or NR_EFAULT: the range leaves the lower half, or is not mapped so;
 * part of it may have been copied. */
int user_copy_in(void *to, uint64_t from, size_t size);
int user_copy_out(uint64_t to, const void *from, size_t size);
/* `count` words of 32 bits, at least one: 0 if they are equal, 1, or NR_EFAULT. */
int user_compare(uint64_t address, const uint32_t *with, size_t count);
/* Atomically puts 4 or 8 bytes, aligned, in place of `old`: 0, 1 if something else is there, or NR_EFAULT. */
int user_exchange(uint64_t address, size_t size, uint64_t old, uint64_t new);
