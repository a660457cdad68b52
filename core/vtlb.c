/*
 * The vTLB (core/vtlb.h): shadow tables as PAE or 4-level paging has them (SDM Vol. 3A, 4.4 and 4.5; AMD APM
 * Vol. 2, 5.3), from a pool of pages for each vCPU. When the pool is empty all is forgotten.
 *
 * With PAE the four directories are the first pages of the pool, and their pointers never change: processors
 * keep copies of them. In long mode the first page is the root.
 */
#include "vtlb.h"
#include "backend.h"
#include "cpuid_leaves.h"
#include "errors.h"
#include "exit.h"
#include "guest_memory.h"
#include "paging.h"
#include "string.h"
#include "vcpu_ops.h"
#include "walk.h"
#include "x86.h"

enum { POOL_ORDER = 8, POOL_TABLES = 1 << POOL_ORDER, DIRECTORIES = 4, LOCAL_MAX = 256 };
enum { SHIFT_4K = 12, SHIFT_2M = 21, SHIFT_1G = 30 };
enum { PHYSICAL_WIDTH_MIN = 36 /* of processors that do not say it */ };

/* Bits that are free for software. Of an entry that maps 2 MiB or leads to a table of small pages: something
 * there is not global. Of any that is not the last: a guest's page lies there in pieces, and may go on beside
 * it. */
#define ENTRY_LOCAL  (1ull << 10)
#define ENTRY_PIECES (1ull << 11)

#define ENTRY_TABLE (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED) /* the last level decides */
#define ENTRY_LEAF  (PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY)

/* Registers whose change makes a processor forget all (SDM Vol. 3A, 4.10.4.1), or translations here wrong. */
#define CR4_TRANSLATES  (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP)
#define EFER_TRANSLATES (EFER_LMA | EFER_NXE)

struct vtlb {
    struct walk_registers registers;
    uint64_t (*table)[TABLE_ENTRIES]; /* the pool */
    uint32_t used;                    /* tables from here on have not been used since all was forgotten */
    uint32_t spare_count, local_count;
    uint64_t pointers;                                 /* host-physical address of the PAE's top level */
    uint64_t fixed_linear, fixed_physical, fixed_size; /* vtlb_fixed_map() */
    uint64_t protected;                                /* linear address */
    uint16_t spare[POOL_TABLES];                       /* tables used, and given back */
    uint64_t *local[LOCAL_MAX]; /* entries with ENTRY_LOCAL; some may have lost it, or come twice */
};

_Static_assert(sizeof(struct vtlb) <= PAGE_SIZE, "one page");

/* In the image, which lies below 4 GiB. */
static _Alignas(32) uint64_t pae_pointers[VM_MAX][GUEST_CPUS_MAX][DIRECTORIES];

bool vtlb_needed(const struct vcpu *vcpu, uint64_t cr0)
{
    return vcpu->vm->config.paging == PAGING_SHADOW || !vcpu_features.nested_paging ||
           (!vcpu_features.unpaged && (cr0 & (CR0_PE | CR0_PG)) != (CR0_PE | CR0_PG));
}

static void forget_all(struct vtlb *vtlb)
{
    memset(vtlb->table, 0, DIRECTORIES * PAGE_SIZE);
    vtlb->used = DIRECTORIES;
    vtlb->spare_count = vtlb->local_count = 0;
}

int vtlb_create(struct vcpu *vcpu)
{
    uint64_t *pointers = pae_pointers[vcpu->vm->index][vcpu->index];
    struct vtlb *vtlb = page_alloc(0);
    void *pool = page_alloc(POOL_ORDER);
    if (!vtlb || !pool) {
        page_free(vtlb, 0);
        page_free(pool, POOL_ORDER);
        return NR_ENOMEM;
    }
    *vtlb = (struct vtlb){.table = pool, .pointers = virt_to_phys(pointers), .protected = VTLB_NO_PAGE};
    for (unsigned i = 0; i < DIRECTORIES; i++)
        pointers[i] = virt_to_phys(vtlb->table[i]) | PTE_PRESENT;
    forget_all(vtlb);
    vcpu->vtlb = vtlb;
    return NR_OK;
}

void vtlb_destroy(struct vcpu *vcpu)
{
    if (vcpu->vtlb) {
        page_free(vcpu->vtlb->table, POOL_ORDER);
        page_free(vcpu->vtlb, 0);
        vcpu->vtlb = NULL;
    }
}

void vtlb_fixed_map(struct vcpu *vcpu, uint64_t linear, uint64_t physical, uint64_t size)
{
    vcpu->vtlb->fixed_linear = linear;
    vcpu->vtlb->fixed_physical = physical;
    vcpu->vtlb->fixed_size = size;
}

static bool is_long(const struct vtlb *vtlb)
{
    return vtlb->registers.efer & EFER_LMA;
}

uint64_t vtlb_root(const struct vcpu *vcpu)
{
    return is_long(vcpu->vtlb) ? virt_to_phys(vcpu->vtlb->table[0]) : vcpu->vtlb->pointers;
}

/* The table that an entry leads to; NULL: to none, or it maps memory itself. */
static uint64_t *table_behind(uint64_t entry)
{
    return (entry & PTE_PRESENT) && !(entry & PTE_LARGE) ? phys_to_virt(entry & PTE_ADDRESS) : NULL;
}

/* An entry of the second level, with the table behind it. */
static void forget_entry(struct vtlb *vtlb, uint64_t *entry)
{
    const uint64_t *table = table_behind(*entry);
    if (table)
        vtlb->spare[vtlb->spare_count++] = (uint16_t)((table - *vtlb->table) / TABLE_ENTRIES);
    *entry = 0;
}

void vtlb_flush(struct vcpu *vcpu)
{
    if (vcpu->vtlb)
        forget_all(vcpu->vtlb);
    vcpu_ops->flush(vcpu);
}

void vtlb_load_cr3(struct vcpu *vcpu, uint64_t cr3)
{
    struct vtlb *vtlb = vcpu->vtlb;
    vtlb->registers.cr3 = vcpu->state.control.cr3 = cr3;
    for (uint32_t i = 0; i < vtlb->local_count; i++)
        if (*vtlb->local[i] & ENTRY_LOCAL)
            forget_entry(vtlb, vtlb->local[i]);
    vtlb->local_count = 0;
    vcpu_ops->flush(vcpu);
}

bool vtlb_may_load_cr3(struct vcpu *vcpu, uint64_t cr3)
{
    const struct walk_registers *r = &vcpu->vtlb->registers;
    uint64_t pointer[DIRECTORIES] = {0};
    if ((r->cr0 & CR0_PG) && (r->cr4 & CR4_PAE) && !(r->efer & EFER_LMA))
        guest_read(pointer, cr3 & CR3_PAE_TABLE, sizeof(pointer));
    for (unsigned i = 0; i < DIRECTORIES; i++)
        if ((pointer[i] & PTE_PRESENT) && (pointer[i] & PDPTE_RESERVED))
            return false;
    if (cr3 >> PHYSICAL_WIDTH_MIN)
        return false;
    vtlb_load_cr3(vcpu, cr3);
    return true;
}

void vtlb_set_registers(struct vcpu *vcpu)
{
    struct walk_registers *r = &vcpu->vtlb->registers;
    const struct vcpu_control *control = &vcpu->state.control;
    uint64_t efer = vcpu->state.msrs.efer;
    bool all = ((r->cr0 ^ control->cr0) & CR0_TRANSLATES) || ((r->cr4 ^ control->cr4) & CR4_TRANSLATES) ||
               ((r->efer ^ efer) & EFER_TRANSLATES);
    r->cr0 = control->cr0;
    r->cr4 = control->cr4;
    r->efer = efer;
    if (r->cr3 != control->cr3)
        vtlb_load_cr3(vcpu, control->cr3);
    if (all)
        vtlb_flush(vcpu);
}

/* A table behind an entry that leads to none. NULL: no page is left. */
static uint64_t *table_make(struct vtlb *vtlb, uint64_t *entry)
{
    uint32_t number = vtlb->used;
    if (vtlb->spare_count)
        number = vtlb->spare[--vtlb->spare_count];
    else if (number < POOL_TABLES)
        vtlb->used++;
    else
        return NULL;
    memset(vtlb->table[number], 0, PAGE_SIZE);
    *entry = virt_to_phys(vtlb->table[number]) | ENTRY_TABLE;
    return vtlb->table[number];
}

/* The entry for the 2 MiB around an address. With the tables above it made for a guest's page of that size,
 * NULL: no page is left; or, 0, to forget what is there, NULL: nothing is. A page of 1 GiB is forgotten with
 * all around it. */
static uint64_t *entry_at(struct vtlb *vtlb, uint64_t linear, unsigned page_shift)
{
    uint64_t *table = vtlb->table[is_long(vtlb) ? 0 : linear >> SHIFT_1G & (DIRECTORIES - 1)];
    for (unsigned level = LEVEL_ROOT; is_long(vtlb) && level > LEVEL_2M && table; level--) {
        uint64_t *entry = &table[paging_index(linear, level)];
        if (!page_shift && (*entry & ENTRY_PIECES))
            *entry = 0; /* its tables come back when all is forgotten */
        table = table_behind(*entry);
        if (!table && page_shift)
            table = table_make(vtlb, entry);
        if (level == LEVEL_1G && page_shift >= SHIFT_1G)
            *entry |= ENTRY_PIECES;
    }
    return table ? &table[paging_index(linear, LEVEL_2M)] : NULL;
}

void vtlb_flush_page(struct vcpu *vcpu, uint64_t linear)
{
    struct vtlb *vtlb = vcpu->vtlb;
    uint64_t *entry = entry_at(vtlb, linear, 0), *table = entry ? table_behind(*entry) : NULL;
    uint64_t halves = vtlb->registers.cr4 & CR4_PAE ? 1 : 2; /* of a page of 4 MiB */
    if (table)
        table[paging_index(linear, LEVEL_4K)] = 0;
    for (uint64_t i = 0; entry && i < halves; i++) {
        uint64_t *half = (uint64_t *)((uint64_t)entry ^ i * sizeof(*entry));
        if (*half & (PTE_LARGE | ENTRY_PIECES))
            forget_entry(vtlb, half);
    }
    vcpu_ops->flush(vcpu);
}

void vtlb_protect(struct vcpu *vcpu, uint64_t linear)
{
    if ((vcpu->vtlb->protected ^ linear) >> SHIFT_4K && linear != VTLB_NO_PAGE)
        vtlb_flush_page(vcpu, linear);
    vcpu->vtlb->protected = linear;
}

bool vtlb_protects(const struct vcpu *vcpu, uint64_t linear)
{
    return !((vcpu->vtlb->protected ^ linear) >> SHIFT_4K);
}

/* Puts the last entry of a translation into its place: PTE_LARGE and ENTRY_LOCAL say where. False: there is
 * no room, and nothing was lost. */
static bool entry_put(struct vcpu *vcpu, uint64_t linear, uint64_t value, unsigned page_shift)
{
    struct vtlb *vtlb = vcpu->vtlb;
    uint64_t *entry = entry_at(vtlb, linear, page_shift), *table;
    if (!entry)
        return false;
    if (value & PTE_LARGE ? table_behind(*entry) != NULL : (*entry & PTE_LARGE) != 0) {
        forget_entry(vtlb, entry); /* no processor likes to have both */
        vcpu_ops->flush(vcpu);
    }
    table = value & PTE_LARGE ? entry : table_behind(*entry);
    if (!table && !(table = table_make(vtlb, entry)))
        return false;
    if (value & ~*entry & ENTRY_LOCAL) {
        if (vtlb->local_count == LOCAL_MAX)
            return false;
        vtlb->local[vtlb->local_count++] = entry;
    }
    if (value & PTE_LARGE) {
        *entry = value;
    } else {
        *entry |= (value & ENTRY_LOCAL) | (page_shift > SHIFT_4K ? ENTRY_PIECES : 0);
        table[paging_index(linear, LEVEL_4K)] = value;
    }
    return true;
}

static void fill(struct vcpu *vcpu, uint64_t linear, uint64_t value, unsigned page_shift)
{
    if (!entry_put(vcpu, linear, value, page_shift)) {
        vtlb_flush(vcpu);
        entry_put(vcpu, linear, value, page_shift); /* the pool holds more than one of everything */
    }
    vcpu->exit.reason = VCPU_EXIT_NONE;
}

static bool table_read(void *context, uint64_t gpa, unsigned size, uint64_t *entry)
{
    (void)context;
    return guest_read(entry, gpa, size) == NR_OK;
}

static bool table_mark(void *context, uint64_t gpa, unsigned size, uint64_t entry, uint64_t marked)
{
    (void)context;
    return guest_exchange(gpa, size, entry, marked) <= 0; /* what is not RAM keeps no flags */
}

static const struct walk_memory guest_tables = {.read = table_read, .mark = table_mark};

/* The processor's own accesses at CPL 3 are as a supervisor, but RFLAGS.AC does not count for them. */
static bool overrides_smap(struct vcpu *vcpu, const struct walk_registers *r, uint32_t access)
{
    if (!(r->cr4 & CR4_SMAP) || (access & WALK_USER) || !(vcpu->state.gpr.rflags & RFLAGS_AC))
        return false;
    vcpu_ops->get(vcpu, VCPU_SEGMENTS);
    return (vcpu->state.segment[SEG_SS].attributes & SEG_DPL_MASK) != SEG_DPL_MASK;
}

/* What the guest's tables allow, with what this access is allowed beyond, as an entry's rights. */
static uint64_t entry_rights(const struct walk_registers *r, const struct walk_result *page, uint32_t access)
{
    bool writable = page->writable && page->dirty, user = page->user, executable = page->executable;
    if ((access & WALK_WRITE) && !page->writable) { /* by CR0.WP: from now on it is the supervisor's, */
        writable = true;                            /* who may not execute what was the user's */
        executable = executable && !(user && (r->cr4 & CR4_SMEP));
        user = false;
    }
    return (writable ? PTE_WRITE : 0) | (user ? PTE_USER : 0) | (executable ? 0 : PTE_NX);
}

static bool has_fixed(const struct vtlb *vtlb)
{
    return vtlb->fixed_size && !(vtlb->registers.cr0 & CR0_PE);
}

/* The backend's page at an address; 0: there is none. */
static uint64_t fixed_find(const struct vtlb *vtlb, uint64_t linear)
{
    uint64_t offset = (linear & ~(PAGE_SIZE - 1)) - vtlb->fixed_linear;
    return has_fixed(vtlb) && offset < vtlb->fixed_size ? vtlb->fixed_physical + offset : 0;
}

/* Guest-physical to host-physical: the translation is complete, or leads to no RAM. */
static void fill_from_stage2(struct vcpu *vcpu, uint64_t linear, uint32_t access,
                             const struct walk_result *page)
{
    const struct vtlb *vtlb = vcpu->vtlb;
    uint64_t physical, size = PAGE_SIZE, entry = entry_rights(&vtlb->registers, page, access) | ENTRY_LEAF;
    unsigned level;
    int allowed = stage2_get(&vcpu->vm->stage2, page->gpa, &physical, &level);
    int wanted = access & WALK_WRITE ? STAGE2_WRITE : access & WALK_FETCH ? STAGE2_EXECUTE : STAGE2_READ;
    if (allowed < 0 || !(allowed & wanted)) {
        exit_memory(vcpu, page->gpa, access & WALK_FETCH, access & WALK_WRITE,
                    allowed > 0 ? ACCESS_PRESENT : 0);
        return;
    }
    entry &= allowed & STAGE2_WRITE && !vtlb_protects(vcpu, linear) ? ~0ull : ~PTE_WRITE;
    entry |= (allowed & STAGE2_EXECUTE ? 0 : PTE_NX) | (page->global ? 0 : ENTRY_LOCAL);
    if (page->page_shift >= SHIFT_2M && level >= LEVEL_2M && !has_fixed(vtlb) &&
        (vtlb->protected ^ linear) >> SHIFT_2M) {
        size = LARGE_PAGE_SIZE;
        entry |= PTE_LARGE;
    }
    fill(vcpu, linear, (physical & ~(size - 1)) | entry, page->page_shift);
}

void vtlb_fault(struct vcpu *vcpu)
{
    struct vtlb *vtlb = vcpu->vtlb;
    struct walk_registers *r = &vtlb->registers;
    struct vcpu_exit *exit = &vcpu->exit;
    uint64_t linear = exit->exception.address;
    uint32_t access = exit->exception.error_code & (WALK_WRITE | WALK_USER | WALK_FETCH);
    struct walk_result page;
    uint64_t fixed = fixed_find(vtlb, linear);
    if (fixed && !(access & WALK_USER)) {
        fill(vcpu, linear, fixed | ENTRY_LEAF | PTE_WRITE | PTE_NX, SHIFT_4K);
        return;
    }
    uint32_t width = exit_cpuid_lookup(vcpu->vm, LEAF_SIZES, 0)->eax & 0xff;
    r->physical_width = (uint8_t)(width < PHYSICAL_WIDTH_MIN ? PHYSICAL_WIDTH_MIN : width);
    r->override_smap = overrides_smap(vcpu, r, access);
    if (!walk_translate(&guest_tables, r, linear, access, &page)) {
        exit->exception.error_code = page.error_code;
        vcpu_ops->set_cr2(vcpu, linear);
        return;
    }
    /* Rights that no entry can have: a page that is the backend's for others, and a supervisor's write to a
     * user's page that CR0.WP allows and CR4.SMAP does not always. Once, by the device model. */
    bool once = (access & WALK_WRITE) && !page.writable && page.user && (r->cr4 & CR4_SMAP);
    if (page.changed) /* the guest tries again */
        exit->reason = VCPU_EXIT_NONE;
    else if (fixed || (once && vcpu->state.interrupts.event.type == EVENT_NONE))
        exit->reason = VCPU_EXIT_INSTRUCTION;
    else
        fill_from_stage2(vcpu, linear, access, &page);
}
