/*
 * Boot modules in a process: read-only pages, and copy-on-write for disks. The reserve of a copy-on-write
 * module is paid when the guest is created, so a write can only fail with NR_ENOSPC, and only its guest sees
 * it.
 */
#include "cpu.h"
#include "errors.h"
#include "format.h"
#include "frames.h"
#include "layout.h"
#include "memory.h"
#include "multiboot.h"
#include "paging.h"
#include "process.h"
#include "vm.h"

enum { BLOCK_PAGES = 512, PREPARE_PAGES_MAX = 64 };

_Static_assert(OVERLAY_BLOCKS_MAX * 2 >= GUEST_OVERLAY_MIB_MAX, "what a description may ask for");

static int overlay_reserve(struct process *process, uint64_t address, uint64_t size, uint32_t overlay_mib)
{
    struct overlay *overlay = &process->overlay[process->overlay_count];
    uint64_t pages = (size + PAGE_SIZE - 1) / PAGE_SIZE, most = (uint64_t)overlay_mib << 8;
    pages = pages < most ? pages : most;
    if (pages > OVERLAY_BLOCKS_MAX * BLOCK_PAGES || process->overlay_count == OVERLAYS_MAX)
        return NR_EINVAL;
    overlay->block = page_alloc(0);
    if (!overlay->block)
        return NR_ENOMEM;
    process->overlay_count++;
    overlay->address = address;
    overlay->size = size;
    overlay->pages = (uint32_t)pages;
    process->vm->report.overlay_pages += overlay->pages;
    for (; overlay->block_count * BLOCK_PAGES < pages; overlay->block_count++) {
        uint64_t frame = frames_alloc(ORDER_2M);
        if (frame == FRAME_NONE)
            return NR_ENOMEM; /* process_destroy() gives back what there is */
        overlay->block[overlay->block_count] = (uint32_t)frame;
    }
    return NR_OK;
}

int process_map_module(struct process *process, uint32_t index, uint32_t overlay_mib)
{
    struct process_info *info = &process->info;
    if (index >= boot_info.module_count || info->module_count == PROCESS_MODULES_MAX)
        return NR_EINVAL;
    const struct boot_module *module = &boot_info.module[index];
    uint64_t size = module->end - module->start;
    uint64_t address = USER_MODULES;
    if (info->module_count) {
        const struct process_module *last = &info->module[info->module_count - 1];
        address = (last->address + last->size + LARGE_PAGE_SIZE) & ~(LARGE_PAGE_SIZE - 1);
    }
    if (address + size > USER_GUEST_RAM)
        return NR_EINVAL;
    int error = paging_map(process->root, address, module->start, size, PTE_PRESENT | PTE_USER | PTE_NX);
    if (!error && overlay_mib)
        error = overlay_reserve(process, address, size, overlay_mib);
    struct process_module *entry = &info->module[info->module_count];
    entry->address = address;
    entry->size = size;
    entry->writable = overlay_mib != 0;
    format_text(entry->name, sizeof(entry->name), "%s", module->name);
    info->module_count += !error;
    return error;
}

static int page_prepare(struct process *process, struct overlay *overlay, uint64_t address)
{
    uint64_t *entry = paging_entry(process->root, address, LEVEL_4K); /* process_map_module() made it */
    if (!entry || !(*entry & PTE_PRESENT))
        return NR_EFAULT;
    if (*entry & PTE_WRITE)
        return NR_OK;
    if (overlay->used == overlay->pages)
        return NR_ENOSPC;
    uint64_t physical =
        ((uint64_t)overlay->block[overlay->used / BLOCK_PAGES] + overlay->used % BLOCK_PAGES) * PAGE_SIZE;
    int error = window_write_page(physical, address);
    if (error)
        return error;
    overlay->used++;
    process->vm->report.overlay_pages_used++;
    *entry = physical | PTE_PRESENT | PTE_USER | PTE_WRITE | PTE_NX;
    return NR_OK;
}

int64_t process_disk_prepare(struct process *process, uint64_t address, uint64_t pages)
{
    for (uint32_t i = 0; i < process->overlay_count; i++) {
        struct overlay *overlay = &process->overlay[i];
        uint64_t end = overlay->address + overlay->size;
        if (address < overlay->address || address >= end || pages > PREPARE_PAGES_MAX)
            continue;
        int error = NR_OK;
        for (uint64_t at = 0; at < pages && !error && address + at * PAGE_SIZE < end; at++)
            error = page_prepare(process, overlay, (address & ~(PAGE_SIZE - 1)) + at * PAGE_SIZE);
        process_forget(process);
        return error;
    }
    return NR_EINVAL;
}
