/*
 * Building ring-3 processes: address space, program, pages of its own.
 */
#include "process.h"
#include "cpu.h"
#include "format.h"
#include "layout.h"
#include "layout_ring0.h"
#include "memory.h"
#include "multiboot.h"
#include "paging.h"
#include "string.h"
#include "vm.h"
#include "x86.h"

/* The beginning of a program, as lib/user.ld lays it out: addresses in the process. */
struct program {
    uint64_t entry, rodata, data, bss, end;
};

extern const char program_device_model[], program_service[];

struct process *service;

static const char *program_of(const struct process *process)
{
    return process->vm ? program_device_model : program_service;
}

bool process_show_pages(struct process *process, uint64_t address, const void *pages, uint64_t size,
                        uint64_t rights)
{
    return !paging_map(process->root, address, virt_to_phys(pages), size,
                       PTE_PRESENT | PTE_USER | PTE_NX | rights);
}

bool process_own_pages(struct process *process, uint64_t address, uint64_t size)
{
    for (uint64_t at = address; at < address + size; at += PAGE_SIZE) {
        void *page = page_alloc(0);
        if (!page || !process_show_pages(process, at, page, PAGE_SIZE, PTE_WRITE | PTE_OWNED)) {
            page_free(page, 0);
            return false;
        }
    }
    return true;
}

/* Read-only parts are mapped as they lie in the monitor's image; what can be written is the process's own. */
static bool program_map(struct process *process)
{
    const char *file = program_of(process);
    const struct program *program = (const struct program *)file;
    uint64_t code = program->rodata - USER_PROGRAM_BASE, constants = program->data - program->rodata;
    process->entry = program->entry;
    return !paging_map(process->root, USER_PROGRAM_BASE, virt_to_phys(file), code, PTE_PRESENT | PTE_USER) &&
           process_show_pages(process, program->rodata, file + code, constants, 0) &&
           process_own_pages(process, program->data, program->end - program->data);
}

void process_reload(struct process *process)
{
    const char *file = program_of(process);
    const struct program *program = (const struct program *)file;
    for (uint64_t at = program->data; at < program->end; at += PAGE_SIZE) {
        char *page = phys_to_virt(*paging_entry(process->root, at, LEVEL_4K) & PTE_ADDRESS);
        uint64_t part = at < program->bss ? program->bss - at : 0;
        part = part < PAGE_SIZE ? part : PAGE_SIZE;
        memcpy(page, file + (at - USER_PROGRAM_BASE), part);
        memset(page + part, 0, PAGE_SIZE - part);
    }
}

static bool process_build(struct process *process)
{
    process->root = page_alloc(0);
    if (!process->root)
        return false;
    memcpy(process->root + TABLE_ENTRIES / 2, monitor_root + TABLE_ENTRIES / 2, PAGE_SIZE / 2);
    process->cr3 = virt_to_phys(process->root);
    process->info.canary = rdtsc() * 0x9e3779b97f4a7c15ull;
    process->info.tsc_khz = (uint32_t)tsc_khz;
    process->info.tsc_shift = 32;
    process->info.tsc_mult = (1000000ull << 32) / tsc_khz;
    process->info.cpu_count = cpu_count;
    format_text(process->info.options, sizeof(process->info.options), "%s", boot_info.options);
    return program_map(process) &&
           process_show_pages(process, USER_INFO, &process->info, sizeof(process->info_pages), 0) &&
           process_show_pages(process, USER_UPCALL, &process->upcall, PAGE_SIZE, PTE_WRITE) &&
           process_own_pages(process, USER_STACK_TOP - USER_STACK_SIZE, USER_STACK_SIZE) &&
           (!process->vm || process_own_pages(process, USER_STATE, USER_STATE_SIZE));
}

struct process *process_create(struct vm *vm)
{
    struct process *process = page_alloc(ORDER_OF(sizeof(*process)));
    if (!process)
        return NULL;
    process->vm = vm;
    process->context.kind = ENTITY_CONTEXT;
    process->context.token_number = TOKEN_CONTEXT;
    process->start = UPCALL_START;
    if (!process_build(process)) {
        process_destroy(process);
        return NULL;
    }
    process_reload(process);
    return process;
}

void process_map_display(struct process *process)
{
    const struct process_display *display = &boot_info.display;
    uint64_t first = display->physical & ~(PAGE_SIZE - 1);
    uint64_t end = display->physical + (uint64_t)display->pitch * display->height;
    if (end <= first || end > PTE_ADDRESS || end - first > USER_DISPLAY_SIZE)
        return;
    for (uint32_t i = 0; i < boot_info.region_count; i++)
        if (first < boot_info.region[i].end && boot_info.region[i].start < end)
            return;
    if (!paging_map(process->root, USER_DISPLAY, first, (end - first + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1),
                    PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_NX))
        process->info.display = *display;
}

static void leaf_free(uint64_t entry, unsigned level)
{
    if (entry & PTE_OWNED && level == LEVEL_4K)
        page_free(phys_to_virt(entry & PTE_ADDRESS), 0);
    else if (entry & PTE_OWNED) /* spare memory */
        frames_free((entry & PTE_ADDRESS) >> PAGE_SHIFT, paging_order(level));
}

void process_destroy(struct process *process)
{
    for (uint32_t i = 0; i < process->overlay_count; i++) {
        struct overlay *overlay = &process->overlay[i];
        for (uint32_t b = 0; b < overlay->block_count; b++)
            frames_free(overlay->block[b], ORDER_2M);
        page_free(overlay->block, 0);
    }
    for (unsigned i = 0; process->root && i < paging_index(USER_GUEST_RAM, LEVEL_ROOT); i++)
        if (process->root[i] & PTE_PRESENT)
            paging_free(phys_to_virt(process->root[i] & PTE_ADDRESS), leaf_free);
    page_free(process->root, 0);
    page_free(process, ORDER_OF(sizeof(*process)));
}

void process_forget(const struct process *process)
{
    write_cr3(process->cr3);
    /* The process runs on this processor alone; others that remember the old page load CR3 before they do. */
    for (uint32_t i = 0; i < cpu_count; i++)
        if (&cpus[i] != this_cpu() && cpus[i].address_space == process->cr3)
            cpus[i].address_space = 0;
}

void process_load(struct process *process)
{
    struct cpu *cpu = this_cpu();
    if (cpu->address_space != process->cr3) {
        cpu->address_space = process->cr3;
        if (cpu_has_ibpb) /* what one guest has taught the branch predictors steers no other */
            wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB);
        cpu->process = process;
        write_cr3(process->cr3);
        wrmsr(MSR_FS_BASE, USER_FS_BASE); /* the last process may have loaded FS */
        cpu->tss.io_map_base = process->vm ? TSS_NO_PORTS : offsetof(struct tss, io_bitmap);
    }
}
