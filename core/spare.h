/*
 * Spare memory of a guest: RAM that its device model puts where the guest is to see it (include/layout.h).
 * The device model sees all of it, always.
 */
#pragma once

#include <stdint.h>

struct vm;

/* Allocates and zeroes what the description asks for, with all tables that spare_map() will need. 0,
 * NR_ENOMEM, NR_EINVAL; process_destroy() gives it back. */
int spare_create(struct vm *vm);
/* SYS_SPARE_MAP. */
int64_t spare_map(struct vm *vm, uint64_t gpa, uint64_t from, uint64_t length);
