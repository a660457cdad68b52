/*
 * Typed access to the RAM of the current guest: bounds, overflow, SMAP window and fault fix-up in one place.
 * The guest's RAM is mapped at USER_GUEST_RAM of the address space that is loaded while one of its vCPUs is
 * current. Each byte is copied once. Errors: NR_EFAULT outside RAM (the destination of a read is then
 * zeroed).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

int guest_read(void *to, uint64_t gpa, size_t length);
int guest_write(uint64_t gpa, const void *from, size_t length);
/* Atomically 4 or 8 aligned bytes, if they still are `old`: 0, 1 if they are not, or NR_EFAULT. */
int guest_exchange(uint64_t gpa, size_t size, uint64_t old, uint64_t new);
