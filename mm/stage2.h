/*
 * Second-level translation of one guest: guest-physical to host-physical, 4 levels, and the same mapping in
 * its device model's address space at USER_GUEST_RAM. With nested paging on SVM the two share their tables:
 * the NPT's top-level entry 0 and the address space's entry for USER_GUEST_RAM point to one
 * page-directory-pointer table.
 */
#pragma once

#include <stdint.h>

enum stage2_rights { STAGE2_NONE = 0, STAGE2_READ = 1, STAGE2_WRITE = 2, STAGE2_EXECUTE = 4, STAGE2_ALL = 7 };

struct stage2 {
    uint64_t root;               /* host-physical address of the tree's top-level table */
    uint64_t *root_table;        /* the same, mapped */
    _Atomic uint64_t generation; /* bumped by each reduction of rights */
};
