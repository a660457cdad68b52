/*
 * Typed access to the RAM of the current guest: bounds, overflow, SMAP window and fault fix-up in one place.
 * The guest's RAM is mapped at USER_GUEST_RAM of the address space that is loaded while one of its vCPUs is
 * current. Each byte is copied once. Errors: NR_EFAULT outside RAM (the destination of a read is then
 * zeroed).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct vcpu;

int guest_read(void *to, uint64_t gpa, size_t length);
int guest_write(uint64_t gpa, const void *from, size_t length);
/* Copies length <= 15 instruction bytes at the vCPU's CS:RIP through its page tables; returns how many could
 * be read. Brings VCPU_SEGMENTS, VCPU_CONTROL and VCPU_MSRS of vcpu->state up to date for that. The
 * translation of one page is remembered in vcpu->insn_cache and may be stale: who finds other bytes than the
 * exit names clears insn_cache.valid and asks again. */
size_t guest_fetch(struct vcpu *vcpu, uint8_t *bytes, size_t length);
