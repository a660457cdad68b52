/* A processor's registers as GDB numbers them: the order of the target description, which is made here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "vcpu_state.h"

enum { GDB_REGISTERS_MAX = 64, GDB_REGISTER_SIZE_MAX = 10 };

struct gdb_registers {
    struct vcpu_state state; /* FPU: the first 512 bytes, the legacy region */
    bool wide;               /* x86-64, not i386 */
};

/* Number of registers, and the bytes of one. */
unsigned gdb_register_count(bool wide);
unsigned gdb_register_size(bool wide, unsigned index);
/* Its value, little-endian, into size bytes. */
void gdb_register_get(const struct gdb_registers *registers, unsigned index, uint8_t *to);
/* False: it cannot be changed. Only general registers, IP and flags can. */
bool gdb_register_set(struct gdb_registers *registers, unsigned index, const uint8_t *from);
/* The target description (GDB manual, appendix G), from malloc. */
char *gdb_target_description(bool wide);
