/*
 * The page-table walker: linear to guest-physical addresses as a processor translates them, for paging off,
 * 32-bit, PAE, 4-level and 5-level paging (SDM Vol. 3A, chapter 4; AMD APM Vol. 2, chapter 5).
 *
 * Pure code: page tables are read through the caller's accessor. Protection keys and shadow stacks are not
 * offered to guests and not known here. Canonical form and segment limits are the caller's to check: they
 * raise other exceptions than #PF.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Bits of the error code of #PF; WRITE, USER and FETCH also say what the access is. */
enum walk_error {
    WALK_PRESENT = 1 << 0,
    WALK_WRITE = 1 << 1,
    WALK_USER = 1 << 2,
    WALK_RESERVED = 1 << 3,
    WALK_FETCH = 1 << 4,
};

/* How the guest-physical memory is reached. */
struct walk_memory {
    void *context;
    /* Reads an aligned entry of `size` 4 or 8 bytes. False where there is no RAM: the entry is then taken for
     * all ones, as from an empty bus. */
    bool (*read)(void *context, uint64_t gpa, unsigned size, uint64_t *entry);
    /* Atomically puts `marked`, with accessed and dirty flags, in place of `entry`. False: something else is
     * there by now, which a flag would damage: an entry that is not present may say where a page was moved.
     * NULL: flags stay as they are. */
    bool (*mark)(void *context, uint64_t gpa, unsigned size, uint64_t entry, uint64_t marked);
};

/* The registers that decide a translation. */
struct walk_registers {
    uint64_t cr0, cr3, cr4, efer;
    bool override_smap;     /* RFLAGS.AC for an explicit access; CR4.SMAP does not protect then */
    uint8_t physical_width; /* MAXPHYADDR of the virtual processor: bits above it are reserved */
};

struct walk_result {
    uint64_t gpa;
    uint32_t error_code;             /* of the #PF, when the walk fails */
    uint8_t page_shift;              /* size of the page found: 12, 21, 22, 30; 32 with paging off */
    bool writable, user, executable; /* what the entries grant, all levels together */
    bool global;                     /* the same in every address space */
    bool dirty;                      /* a write needs no flag to be set before it */
    bool changed; /* another processor changed an entry meanwhile: not all flags are set, try again */
};

/* Translates one address for an access (WALK_WRITE, WALK_USER, WALK_FETCH). True: result->gpa and rights are
 * valid and, unless `changed`, accessed and dirty flags are set. False: result->error_code is. At most five
 * entries are read. */
bool walk_translate(const struct walk_memory *memory, const struct walk_registers *registers, uint64_t linear,
                    uint32_t access, struct walk_result *result);
