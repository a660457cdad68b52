/*
 * Typed access to the RAM of the current guest (docs/design.md, section 5). Current is the guest whose device
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
#include "vcpu_ops.h"
#include "vm.h"
#include "walk.h"
#include "x86.h"

/* The processor has walked the tables for the same bytes before, with its own reserved bits and rights. */
enum { PHYSICAL_WIDTH_ANY = 52, PAGE_BYTES = 4096 };

/* Whether gpa .. gpa + size lies in one piece of the guest's RAM (include/layout.h). */
static bool is_ram(uint64_t gpa, size_t size)
{
    const struct process *process = this_cpu()->process;
    if (process == NULL || process->vm == NULL)
        return false;
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
    if (error != NR_OK)
        memset(to, 0, length); /* the caller may go on with it: nothing of ours leaks */
    return error;
}

int guest_write(uint64_t gpa, const void *from, size_t length)
{
    return is_ram(gpa, length) ? user_copy_out(USER_GUEST_RAM + gpa, from, length) : NR_EFAULT;
}

static bool read_entry(void *context, uint64_t gpa, unsigned size, uint64_t *entry)
{
    (void)context;
    *entry = 0; /* a 32-bit entry leaves the upper half */
    return guest_read(entry, gpa, size) == NR_OK;
}

/* Guest-physical address of a page of code. */
static bool code_page(struct vcpu *vcpu, uint64_t linear, uint64_t *gpa)
{
    vcpu_ops->get(vcpu, VCPU_CONTROL | VCPU_MSRS);
    const struct vcpu_control *control = &vcpu->state.control;
    const struct walk_memory memory = {.read = read_entry};
    const struct walk_registers registers = {
        .cr0 = control->cr0,
        .cr3 = control->cr3,
        .cr4 = control->cr4,
        .efer = vcpu->state.msrs.efer,
        .override_smap = true,
        .physical_width = PHYSICAL_WIDTH_ANY,
    };
    struct walk_result result;
    bool found = walk_translate(&memory, &registers, linear, 0, &result);
    *gpa = result.gpa;
    return found;
}

size_t guest_fetch(struct vcpu *vcpu, uint8_t *bytes, size_t length)
{
    struct insn_cache *cache = &vcpu->insn_cache;
    struct vcpu_code code;
    vcpu_ops->code(vcpu, &code);
    size_t done = 0;
    while (done < length) { /* at most two pages */
        uint64_t linear = code.bits == 64 ? code.linear + done : (uint32_t)(code.linear + done);
        uint64_t offset = linear % PAGE_BYTES, page = linear - offset, gpa = cache->gpa;
        size_t part = length - done < PAGE_BYTES - offset ? length - done : PAGE_BYTES - offset;
        bool known = cache->valid && cache->page == page && cache->space == code.space;
        if (!known && !code_page(vcpu, page, &gpa))
            break;
        int error = known ? user_copy_in(bytes + done, USER_GUEST_RAM + gpa + offset, part)
                          : guest_read(bytes + done, gpa + offset, part);
        if (error != NR_OK)
            break;
        if (done == 0) /* only the page of RIP is remembered */
            *cache = (struct insn_cache){.space = code.space, .page = page, .gpa = gpa, .valid = true};
        done += part;
    }
    return done;
}
