/*
 * Typed access to the RAM of the current guest (DESIGN.md, section 5). Current is the guest whose device
 * model's address space is loaded: its RAM lies at USER_GUEST_RAM there and no other guest's is mapped
 * anywhere.
 */
#include "guest_memory.h"
#include "cpu.h"
#include "errors.h"
#include "fixup.h"
#include "layout.h"
#include "process.h"
#include "string.h"
#include "vm.h"

/* Whether gpa .. gpa + size lies in one piece of the guest's RAM (include/layout.h). */
static bool is_ram(uint64_t gpa, size_t size)
{
    const struct process *process = this_cpu()->process;
    if (process == NULL || process->vm == NULL) {
        return false;
    }
    uint64_t ram = process->vm->ram_bytes;
    uint64_t low = ram < GUEST_LOW_RAM_MAX ? ram : GUEST_LOW_RAM_MAX;
    uint64_t start = gpa < GUEST_VGA_HOLE ? 0 : gpa < GUEST_HIGH_RAM ? GUEST_VGA_HOLE_END : GUEST_HIGH_RAM;
    uint64_t end = gpa < GUEST_VGA_HOLE   ? (low < GUEST_VGA_HOLE ? low : GUEST_VGA_HOLE)
                   : gpa < GUEST_HIGH_RAM ? low
                                          : GUEST_HIGH_RAM + (ram - low);
    return gpa >= start && gpa <= end && size <= end - gpa;
}

int guest_read(void *to, uint64_t gpa, size_t length)
{
    int error = is_ram(gpa, length) ? user_copy_in(to, USER_GUEST_RAM + gpa, length) : NR_EFAULT;
    if (error != NR_OK) {
        memset(to, 0, length); /* the caller may go on with it: nothing of ours leaks */
    }
    return error;
}

int guest_write(uint64_t gpa, const void *from, size_t length)
{
    return is_ram(gpa, length) ? user_copy_out(USER_GUEST_RAM + gpa, from, length) : NR_EFAULT;
}

int guest_test_and_set_bit(uint64_t gpa, unsigned bit)
{
    return is_ram(gpa, 1) ? user_set_bit(USER_GUEST_RAM + gpa, bit) : NR_EFAULT;
}

int guest_test_and_clear_bit(uint64_t gpa, unsigned bit)
{
    return is_ram(gpa, 1) ? user_clear_bit(USER_GUEST_RAM + gpa, bit) : NR_EFAULT;
}
