/*
 * Second-level translation of one guest: guest-physical to host-physical, 4 levels, and the same mapping in
 * its device model's address space at USER_GUEST_RAM.
 *
 * Nested paging (AMD APM Vol. 2, 15.25) uses the processor's own format, so the two trees share everything
 * below the top: entry 0 of the nested tree and the address space's entry for USER_GUEST_RAM name the same
 * page-directory-pointer table. The address space's entry carries NX. Where the processor wants a format of
 * its own there is a second tree, which the same functions keep.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum stage2_rights { STAGE2_NONE = 0, STAGE2_READ = 1, STAGE2_WRITE = 2, STAGE2_EXECUTE = 4, STAGE2_ALL = 7 };
enum { STAGE2_GUEST_ONLY = 8 }; /* beside rights: not in the device model's tree, where there are two */

/* How the processor wants the entries of the second level; set once at boot. In all formats bits 0, 1 and 2
 * of an entry that names a table are its rights, and bit 7 tells a large leaf. */
extern struct stage2_format {
    bool separate;       /* a tree of its own */
    uint64_t leaf;       /* bits of each leaf */
    uint64_t execute;    /* bits that let execute, */
    uint64_t no_execute; /* and that do not */
    unsigned level_max;  /* of a leaf, in both trees */
} stage2_format;

struct stage2 {
    uint64_t root;          /* host-physical address of the tree's top-level table */
    uint64_t *root_table;   /* the same, mapped */
    uint64_t *process_root; /* top-level table of the address space */
    uint64_t
        *pointers; /* the page-directory-pointer table of the address space, and of the tree if they share */
    uint64_t *own; /* the tree's, if they do not */
    _Atomic uint64_t
        generation; /* bumped by each reduction of rights; a vCPU flushes before it enters with a new one */
};

/* Makes an empty tree and hangs it into an address space as well. 0 or NR_ENOMEM; stage2_destroy() cleans up
 * after both, and gives back the frames that are mapped. */
int stage2_create(struct stage2 *stage2, uint64_t *process_root);
void stage2_destroy(struct stage2 *stage2);

/* The one function that changes a guest's mapping: 4 KiB, 2 MiB or 1 GiB (level 1 to 3) at a guest-physical
 * address, in both trees. Rights of STAGE2_NONE unmap. 0, NR_ENOMEM, or NR_EINVAL for a misaligned address or
 * a larger leaf in the way. When rights shrink, the generation counts on,
 * and every vCPU flushes before its next entry. */
int stage2_set(struct stage2 *stage2, uint64_t gpa, unsigned level, uint64_t physical, unsigned rights);
/* The leaf over a guest-physical address: its rights, at least STAGE2_READ, with the host-physical address
 * and the leaf's level; or NR_EFAULT. */
int stage2_get(const struct stage2 *stage2, uint64_t gpa, uint64_t *physical, unsigned *level);
