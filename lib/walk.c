/*
 * The page-table walker (lib/walk.h). Tables of constants for each paging mode drive one loop; the rights of
 * all levels are gathered on the way and judged at the end, as the manuals describe it.
 */
#include "walk.h"
#include "x86.h"

/* Bits of an entry (SDM Vol. 3A, 4.3 to 4.5). */
#define ENTRY_P       (1ull << 0)
#define ENTRY_W       (1ull << 1)
#define ENTRY_U       (1ull << 2)
#define ENTRY_A       (1ull << 5)
#define ENTRY_D       (1ull << 6)
#define ENTRY_PS      (1ull << 7)
#define ENTRY_G       (1ull << 8)
#define ENTRY_NX      (1ull << 63)
#define ENTRY_ADDRESS 0x000ffffffffff000ull

enum { LEVELS_MAX = 5, PAE_TOP_LEVEL = 3 };

struct format {
    uint8_t levels;
    uint8_t index_bits; /* per level */
    uint8_t entry_size;
};

static const struct format format_32bit = {2, 10, 4};
static const struct format format_pae = {PAE_TOP_LEVEL, 9, 8};
static const struct format format_4level = {4, 9, 8};
static const struct format format_5level = {5, 9, 8};

static const struct format *walk_format(const struct walk_registers *r)
{
    if (!(r->cr4 & CR4_PAE))
        return &format_32bit;
    if (!(r->efer & EFER_LMA))
        return &format_pae;
    return r->cr4 & CR4_LA57 ? &format_5level : &format_4level;
}

static uint64_t bits_from(unsigned low, unsigned end)
{
    return low < end ? (~0ull >> (64 - (end - low))) << low : 0;
}

/* Whether the entry maps a page at this level (1 is the lowest). */
static bool entry_is_leaf(const struct format *f, const struct walk_registers *r, unsigned level,
                          uint64_t entry)
{
    if (level == 1)
        return true;
    if (!(entry & ENTRY_PS))
        return false;
    return f->entry_size == 4 ? (r->cr4 & CR4_PSE) != 0
                              : level == 2 || (level == 3 && f->levels > PAE_TOP_LEVEL);
}

/* Bits that are reserved in the entries of every level (SDM Vol. 3A, 4.4 and 4.5, tables of entry formats).
 */
static uint64_t reserved_everywhere(const struct format *f, const struct walk_registers *r)
{
    if (f->entry_size == 4)
        return 0;
    return bits_from(r->physical_width, 52) | (r->efer & EFER_NXE ? 0 : ENTRY_NX) |
           (f->levels == PAE_TOP_LEVEL ? bits_from(52, 63) : 0);
}

/* Bits that are reserved besides those, in the entry of a large page. */
static uint64_t reserved_in_large(const struct format *f, const struct walk_registers *r, unsigned shift)
{
    if (f->entry_size == 4) {
        /* A 4 MiB page: address bits 39:32 lie in 20:13 as far as the processor has them (PSE-36). */
        unsigned width = r->physical_width < 40 ? r->physical_width : 40;
        return bits_from(width > 32 ? width - 32 + 13 : 13, 22);
    }
    return bits_from(13, shift);
}

static uint64_t leaf_address(const struct format *f, uint64_t entry, uint64_t linear, unsigned shift)
{
    uint64_t offset = linear & bits_from(0, shift);
    if (f->entry_size == 4 && shift == 22)
        return (entry & bits_from(22, 32)) | (entry >> 13 & 0xff) << 32 | offset;
    return (entry & ENTRY_ADDRESS & ~bits_from(0, shift)) | offset;
}

/* What the rights of a translation and the registers let this access do (SDM Vol. 3A, 4.6.1). */
static bool access_is_allowed(const struct walk_registers *r, const struct walk_result *page, uint32_t access)
{
    bool user = access & WALK_USER;
    if (user && !page->user)
        return false;
    if (access & WALK_FETCH)
        return page->executable && !(!user && page->user && (r->cr4 & CR4_SMEP));
    if (!user && page->user && (r->cr4 & CR4_SMAP) && !r->override_smap)
        return false;
    return !(access & WALK_WRITE) || page->writable || (!user && !(r->cr0 & CR0_WP));
}

/* The entries that a walk used, to be marked once the access is allowed. */
struct trail {
    uint64_t gpa[LEVELS_MAX], entry[LEVELS_MAX];
    unsigned count;
};

/* False: an entry is no longer what it was. */
static bool trail_mark(const struct walk_memory *memory, const struct format *f, const struct trail *trail,
                       uint32_t access)
{
    for (unsigned i = 0; memory->mark && i < trail->count; i++) {
        bool leaf = i + 1 == trail->count;
        bool pdpte = f->levels == PAE_TOP_LEVEL && i == 0 && !leaf; /* has no such flags */
        uint64_t entry = trail->entry[i];
        uint64_t marked = entry | ENTRY_A | (leaf && (access & WALK_WRITE) ? ENTRY_D : 0);
        if (!pdpte && marked != entry &&
            !memory->mark(memory->context, trail->gpa[i], f->entry_size, entry, marked))
            return false;
    }
    return true;
}

static bool walk_fault(const struct walk_registers *r, uint32_t access, uint32_t cause,
                       struct walk_result *result)
{
    /* The I/D flag exists only where fetches are told from reads (SDM Vol. 3A, 4.7). */
    bool tells_fetch = ((r->cr4 & CR4_PAE) && (r->efer & EFER_NXE)) || (r->cr4 & CR4_SMEP);
    result->error_code =
        cause | (access & (WALK_WRITE | WALK_USER)) | (tells_fetch ? access & WALK_FETCH : 0);
    return false;
}

bool walk_translate(const struct walk_memory *memory, const struct walk_registers *r, uint64_t linear,
                    uint32_t access, struct walk_result *result)
{
    *result = (struct walk_result){.writable = true, .user = true, .executable = true, .dirty = true};
    if (!(r->cr0 & CR0_PG)) {
        result->gpa = (uint32_t)linear;
        result->page_shift = 32;
        return true;
    }
    const struct format *f = walk_format(r);
    const uint64_t reserved = reserved_everywhere(f, r);
    const uint64_t address_mask = f->entry_size == 4 ? 0xfffff000ull : ENTRY_ADDRESS;
    const unsigned index_mask = (1u << f->index_bits) - 1;
    uint64_t granted = ENTRY_W | ENTRY_U, denied = 0, entry;
    struct trail trail;
    uint64_t table = f->levels == PAE_TOP_LEVEL ? r->cr3 & CR3_PAE_TABLE : r->cr3 & address_mask;
    unsigned level = f->levels, shift = 12 + f->index_bits * (level - 1);
    trail.count = 0;
    if (f->levels <= PAE_TOP_LEVEL)
        linear = (uint32_t)linear;             /* which leaves two bits to the PAE's top level */
    for (;; level--, shift -= f->index_bits) { /* ends at level 1, whose entries are all leaves */
        uint64_t gpa = table + (linear >> shift & index_mask) * f->entry_size;
        entry = 0; /* an entry of 4 bytes leaves the rest alone */
        if (!memory->read(memory->context, gpa, f->entry_size, &entry))
            entry = f->entry_size == 4 ? 0xffffffffull : ~0ull;
        trail.gpa[trail.count] = gpa;
        trail.entry[trail.count++] = entry;
        if (!(entry & ENTRY_P))
            return walk_fault(r, access, 0, result);
        if (level == PAE_TOP_LEVEL && f->levels == PAE_TOP_LEVEL) {
            /* A PDPTE carries no rights. Its reserved bits are checked when CR3 is loaded; emulators set some
             * here themselves. */
            table = entry & address_mask;
            continue;
        }
        bool leaf = entry_is_leaf(f, r, level, entry);
        if ((entry & reserved) || (level >= 4 && (entry & ENTRY_PS)) ||
            (leaf && level > 1 && (entry & reserved_in_large(f, r, shift))))
            return walk_fault(r, access, WALK_PRESENT | WALK_RESERVED, result);
        granted &= entry;
        denied |= entry;
        if (leaf)
            break;
        table = entry & address_mask;
    }
    result->page_shift = (uint8_t)shift;
    result->gpa = leaf_address(f, entry, linear, shift);
    result->writable = granted & ENTRY_W;
    result->user = granted & ENTRY_U;
    result->executable = f->entry_size == 4 || !(denied & ENTRY_NX);
    result->global = (entry & ENTRY_G) && (r->cr4 & CR4_PGE);
    if (!access_is_allowed(r, result, access))
        return walk_fault(r, access, WALK_PRESENT, result);
    result->dirty = (entry & ENTRY_D) || (access & WALK_WRITE);
    result->changed = !trail_mark(memory, f, &trail, access);
    return true;
}
