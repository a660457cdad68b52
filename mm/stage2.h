/*
 * Second-level translation of one guest: guest-physical to host-physical, 4 levels, and the same mapping in
 * its device model's address space at USER_GUEST_RAM.
 *
 * Nested paging (AMD APM Vol. 2, 15.25) uses the processor's own format, so the two trees share everything
 * below the top: entry 0 of the nested tree and the address space's entry for USER_GUEST_RAM name the same
 * page-directory-pointer table. The address space's entry carries NX. EPT has a format of its own and will be
 * a second tree behind the same functions.
 */
#pragma once

#include <stdint.h>

enum stage2_rights { STAGE2_NONE = 0, STAGE2_READ = 1, STAGE2_WRITE = 2, STAGE2_EXECUTE = 4, STAGE2_ALL = 7 };

struct stage2 {
    uint64_t root;        /* host-physical address of the tree's top-level table */
    uint64_t *root_table; /* the same, mapped */
    uint64_t *pointers;   /* the page-directory-pointer table that both trees share */
    _Atomic uint64_t
        generation; /* bumped by each reduction of rights; a vCPU flushes before it enters with a new one */
};

/* Makes an empty tree and hangs it into an address space as well. 0 or NR_ENOMEM; stage2_destroy() cleans up
 * after both, and gives back the frames that are mapped. */
int stage2_create(struct stage2 *stage2, uint64_t *process_root);
void stage2_destroy(struct stage2 *stage2);

/* The one function that changes a guest's mapping: 4 KiB, 2 MiB or 1 GiB (level 1 to 3) at a guest-physical
 * address, in both trees. Rights of STAGE2_NONE unmap. 0, NR_ENOMEM, or NR_EINVAL for a misaligned address or
 * a larger leaf in the way. When rights shrink, the caller makes every processor that has the tree loaded
 * flush before it frees anything: vm_stage2_changed(). */
int stage2_set(struct stage2 *stage2, uint64_t gpa, unsigned level, uint64_t physical, unsigned rights);
/* The leaf over a guest-physical address: its rights, at least STAGE2_READ, with the host-physical address and
 * the leaf's level; or NR_EFAULT. */
int stage2_get(const struct stage2 *stage2, uint64_t gpa, uint64_t *physical, unsigned *level);
