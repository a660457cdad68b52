/*
 * Building ring-3 processes: address space, program, modules, copy-on-write.
 */
#include "process.h"
#include "rtc.h"
#include "cpu.h"
#include "channel.h"
#include "errors.h"
#include "format.h"
#include "frames.h"
#include "layout.h"
#include "log.h"
#include "layout_ring0.h"
#include "memory.h"
#include "multiboot.h"
#include "paging.h"
#include "string.h"
#include "tss.h"
#include "vm.h"

/* ELF64 (System V ABI, chapters 4 and 5): our own programs, so that only what they use is looked at. */
struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_headers, section_headers;
    uint32_t flags;
    uint16_t header_size, program_header_size, program_header_count;
};

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, address, physical, file_size, memory_size, align;
};

enum { ELF_LOAD = 1, ELF_EXECUTE = 1, ELF_WRITE = 2 };

#define USER_RIGHTS (PTE_PRESENT | PTE_USER)

extern const char program_device_model[], program_service[];

struct process *service;

static const struct elf_header *program_of(const struct process *process)
{
    return (const void *)(process->vm ? program_device_model : program_service);
}

static const struct elf_segment *segment_of(const struct elf_header *elf, unsigned index)
{
    return (const struct elf_segment *)((const char *)elf + elf->program_headers) + index;
}

/* A writable page of its own at a user address: existing or new. NULL when no page is left. */
static void *user_page(struct process *process, uint64_t address, uint64_t rights)
{
    uint64_t *entry = paging_entry(process->root, address, LEVEL_4K);
    if (!entry)
        return NULL;
    if (!(*entry & PTE_PRESENT)) {
        void *page = page_alloc(0);
        if (!page)
            return NULL;
        *entry = virt_to_phys(page) | rights;
    }
    return phys_to_virt(*entry & PTE_ADDRESS);
}

static int map_fresh(struct process *process, uint64_t address, uint64_t size, uint64_t rights)
{
    for (uint64_t at = 0; at < size; at += PAGE_SIZE)
        if (!user_page(process, address + at, rights))
            return NR_ENOMEM;
    return NR_OK;
}

/* Read-only segments are mapped as they lie in the monitor's image; writable ones are copied. */
static int segment_load(struct process *process, const struct elf_header *elf,
                        const struct elf_segment *segment)
{
    const char *file = (const char *)elf + segment->offset;
    if (!(segment->flags & ELF_WRITE)) {
        uint64_t rights = USER_RIGHTS | (segment->flags & ELF_EXECUTE ? 0 : PTE_NX);
        uint64_t size = (segment->file_size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
        return paging_map(process->root, segment->address, virt_to_phys(file), size, rights);
    }
    for (uint64_t at = 0; at < segment->memory_size; at += PAGE_SIZE) {
        char *page = user_page(process, segment->address + at, USER_RIGHTS | PTE_WRITE | PTE_NX);
        if (!page)
            return NR_ENOMEM;
        uint64_t part = at < segment->file_size ? segment->file_size - at : 0;
        part = part < PAGE_SIZE ? part : PAGE_SIZE;
        memcpy(page, file + at, part);
        memset(page + part, 0, PAGE_SIZE - part);
    }
    return NR_OK;
}

static int program_load(struct process *process, uint32_t only)
{
    const struct elf_header *elf = program_of(process);
    int error = NR_OK;
    process->entry = elf->entry;
    for (unsigned i = 0; i < elf->program_header_count && !error; i++) {
        const struct elf_segment *segment = segment_of(elf, i);
        if (segment->type == ELF_LOAD && segment->memory_size && (segment->flags & only) == only)
            error = segment_load(process, elf, segment);
    }
    return error;
}

void process_reload(struct process *process)
{
    (void)program_load(process, ELF_WRITE); /* every page is there: it cannot fail */
}

static int info_build(struct process *process)
{
    char *info = page_alloc(1);
    char *fs = page_alloc(0);
    if (!info || !fs) {
        page_free(info, 1);
        page_free(fs, 0);
        return NR_ENOMEM;
    }
    *(uint64_t *)(fs + 0x28) = rdtsc() * 0x9e3779b97f4a7c15ull; /* the program's stack-protector canary */
    process->info = (struct process_info *)info;
    process->info->tsc_khz = (uint32_t)tsc_khz;
    process->info->tsc_shift = 32;
    process->info->tsc_mult = (1000000ull << 32) / tsc_khz;
    process->info->cpu_count = cpu_count;
    process->info->boot_epoch = boot_epoch;
    format_text(process->info->options, sizeof(process->info->options), "%s", boot_info.options);
    int error = paging_map(process->root, USER_INFO, virt_to_phys(info), 2 * PAGE_SIZE, USER_RIGHTS | PTE_NX);
    return error ? error
                 : paging_map(process->root, USER_FS_BASE, virt_to_phys(fs), PAGE_SIZE, USER_RIGHTS | PTE_NX);
}

static int process_build(struct process *process)
{
    uint64_t writable = USER_RIGHTS | PTE_WRITE | PTE_NX;
    process->root = page_alloc(0);
    if (!process->root)
        return NR_ENOMEM;
    memcpy(process->root + TABLE_ENTRIES / 2, monitor_root + TABLE_ENTRIES / 2, PAGE_SIZE / 2);
    process->cr3 = virt_to_phys(process->root);
    process->upcall = user_page(process, USER_UPCALL, writable);
    int error = process->upcall ? program_load(process, 0) : NR_ENOMEM;
    error = error ? error : info_build(process);
    error = error ? error : map_fresh(process, USER_STACK_TOP - USER_STACK_SIZE, USER_STACK_SIZE, writable);
    if (!error && process->vm)
        error = map_fresh(process, USER_STATE, USER_STATE_SIZE, writable);
    return error;
}

struct process *process_create(struct vm *vm)
{
    struct process *process = page_alloc(0);
    if (!process)
        return NULL;
    process->vm = vm;
    process->context.kind = ENTITY_CONTEXT;
    process->context.token_number = TOKEN_CONTEXT;
    process->start = UPCALL_START;
    if (process_build(process)) {
        process_destroy(process);
        return NULL;
    }
    return process;
}

/* Pages of [first, last) of the process that belong to it alone, and the tables over them. */
void process_destroy(struct process *process)
{
    for (uint32_t i = 0; i < process->overlay_count; i++) {
        struct overlay *overlay = &process->overlay[i];
        for (uint32_t b = 0; b < overlay->block_count; b++)
            frames_free(overlay->block[b], ORDER_2M);
        page_free(overlay->block, 0);
    }
    static const struct {
        uint64_t address, size;
    } own[] = {{USER_STACK_TOP - USER_STACK_SIZE, USER_STACK_SIZE},
               {USER_UPCALL, PAGE_SIZE},
               {USER_FS_BASE, PAGE_SIZE},
               {USER_CONFIG, PAGE_SIZE},
               {USER_STATE, USER_STATE_SIZE}};
    for (unsigned i = 0; process->root && i < sizeof(own) / sizeof(own[0]); i++) {
        for (uint64_t at = 0; at < own[i].size; at += PAGE_SIZE) {
            unsigned level;
            uint64_t *entry = paging_find(process->root, own[i].address + at, &level);
            if (entry)
                page_free(phys_to_virt(*entry & PTE_ADDRESS), 0);
        }
    }
    const struct elf_header *elf = program_of(process);
    for (unsigned i = 0; process->root && i < elf->program_header_count; i++) {
        const struct elf_segment *segment = segment_of(elf, i);
        for (uint64_t at = 0;
             segment->type == ELF_LOAD && segment->flags & ELF_WRITE && at < segment->memory_size;
             at += PAGE_SIZE) {
            unsigned level;
            uint64_t *entry = paging_find(process->root, segment->address + at, &level);
            if (entry)
                page_free(phys_to_virt(*entry & PTE_ADDRESS), 0);
        }
    }
    page_free(process->info, 1);
    for (unsigned i = 0; process->root && i < paging_index(USER_GUEST_RAM, LEVEL_ROOT); i++)
        if (process->root[i] & PTE_PRESENT)
            paging_free_tables(phys_to_virt(process->root[i] & PTE_ADDRESS));
    page_free(process->root, 0);
    page_free(process, 0);
}

void process_load(struct process *process)
{
    struct cpu *cpu = this_cpu();
    if (cpu->address_space != process->cr3) {
        cpu->address_space = process->cr3;
        cpu->process = process;
        write_cr3(process->cr3);
        cpu->tss.io_map_base = process->vm ? TSS_NO_PORTS : offsetof(struct tss, io_bitmap);
    }
}

int process_map_channel(struct process *process, uint64_t address, void *pages)
{
    return paging_map(process->root, address, virt_to_phys(pages), CHANNEL_SIZE,
                      USER_RIGHTS | PTE_WRITE | PTE_NX);
}
