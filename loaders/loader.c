/*
 * The loaders' common part: the steps of a load, and places in the guest's RAM.
 */
#include <stdarg.h>
#include "errors.h"
#include "format.h"
#include "internal.h"
#include "layout.h"
#include "modules.h"
#include "string.h"

bool loader_refuse(struct loader *loader, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    format_text_va(loader->sentence, sizeof loader->sentence, format, arguments);
    va_end(arguments);
    return false;
}

int loader_find_module(struct loader *loader, const struct loader_input *input, const char *what,
                       const char *path)
{
    int found = modules_find(input->module, input->module_count, input->config->name, path);

    if (found == MODULE_NOT_FOUND) {
        loader_refuse(loader, "%s \"%s\": no boot module \"%s:%s\"; build the image again with nr image",
                      what, path, input->config->name, path);
    }
    return found;
}

bool loader_is_ram(const struct loader_input *input, uint64_t start, uint64_t end)
{
    if (start > end)
        return false;
    if (start >= GUEST_HIGH_RAM)
        return end <= GUEST_HIGH_RAM + input->high_size;
    return end <= input->low_size && (end <= GUEST_VGA_HOLE || start >= GUEST_VGA_HOLE_END);
}

/* The first piece that [start, end) overlaps, or NULL. */
static const struct loader_piece *find_overlap(const struct loader *loader, uint64_t start, uint64_t end)
{
    for (uint32_t i = 0; i < loader->piece_count; i++) {
        const struct loader_piece *piece = &loader->piece[i];
        if (start < piece->end && piece->start < end)
            return piece;
    }
    return NULL;
}

bool loader_add(struct loader *loader, const struct loader_input *input, const char *what,
                struct loader_piece piece)
{
    if (loader->piece_count == LOADER_PIECES_MAX) {
        return loader_refuse(loader, "%s: more than %u pieces to load; use fewer segments or modules", what,
                             LOADER_PIECES_MAX);
    }
    if (!loader_is_ram(input, piece.start, piece.end)) {
        return loader_refuse(loader,
                             "%s: needs memory at 0x%lx to 0x%lx, which this guest does not have; raise "
                             "memory/size-mib (now %u)",
                             what, piece.start, piece.end, input->config->memory_mib);
    }
    if (piece.start < piece.end && find_overlap(loader, piece.start, piece.end) != NULL) {
        return loader_refuse(loader,
                             "%s: its memory at 0x%lx to 0x%lx overlaps another part of it; link it again",
                             what, piece.start, piece.end);
    }
    loader->piece[loader->piece_count++] = piece;
    return true;
}

bool loader_add_segments(struct loader *loader, const struct loader_input *input,
                         const struct image_segment *segments, uint32_t count, uint32_t module)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct image_segment *segment = &segments[i];
        char what[GUEST_PATH_SIZE + 32];
        format_text(what, sizeof what, "kernel \"%s\" segment %u", input->config->kernel, i);
        if (!loader_add(loader, input, what,
                        (struct loader_piece){.start = segment->start,
                                              .end = segment->start + segment->size,
                                              .offset = segment->offset,
                                              .filled = segment->filled,
                                              .module = module,
                                              .clear = 1}))
            return false;
    }
    return true;
}

uint64_t loader_end(const struct loader *loader, uint64_t low)
{
    uint64_t end = low;

    for (uint32_t i = 0; i < loader->piece_count; i++)
        if (loader->piece[i].end > end)
            end = loader->piece[i].end;
    return end;
}

uint64_t loader_place_top(const struct loader *loader, const struct loader_input *input, uint64_t size,
                          uint64_t low, uint64_t high)
{
    /* Each turn but the last goes below a piece or the hole. */
    for (unsigned i = 0; i < LOADER_PIECES_MAX + 2 && high >= size; i++) {
        uint64_t start = (high - size) & ~(PAGE - 1);
        const struct loader_piece *piece = find_overlap(loader, start, start + size);
        if (start < low || start == 0)
            return 0;
        if (piece != NULL)
            high = piece->start;
        else if (loader_is_ram(input, start, start + size))
            return start;
        else
            high = start + size > input->low_size ? input->low_size : GUEST_VGA_HOLE;
    }
    return 0;
}

uint64_t loader_place_bottom(const struct loader *loader, const struct loader_input *input, uint64_t size,
                             uint64_t low, uint64_t high)
{
    for (unsigned i = 0; i < LOADER_PIECES_MAX + 2; i++) {
        uint64_t start = (low + PAGE - 1) & ~(PAGE - 1);
        const struct loader_piece *piece = find_overlap(loader, start, start + size);
        if (start + size > high || start + size > input->low_size)
            return 0;
        if (piece != NULL)
            low = piece->end;
        else if (loader_is_ram(input, start, start + size))
            return start;
        else
            low = GUEST_VGA_HOLE_END;
    }
    return 0;
}

static bool make_plan(struct loader *loader, const struct loader_input *input)
{
    switch (input->config->loader) {
    case LOADER_LINUX:
        return linux_plan(loader, input);
    case LOADER_MULTIBOOT:
    case LOADER_MULTIBOOT2:
        return multiboot_plan(loader, input);
    case LOADER_ELF:
        return pvh_plan(loader, input);
    case LOADER_BIOS:
        return bios_plan(loader, input);
    default:
        return loader_refuse(loader, "chosen/loader: there is no such loader; use \"linux\", "
                                     "\"multiboot\", \"multiboot2\", \"elf\" or \"bios\"");
    }
}

static uint64_t minimum(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Moves up to LOADER_STEP bytes; true when all pieces are in place. */
static bool copy_step(struct loader *loader, const struct loader_input *input)
{
    uint64_t budget = LOADER_STEP;

    while (loader->piece_at < loader->piece_count) {
        const struct loader_piece *piece = &loader->piece[loader->piece_at];
        uint64_t all = piece->clear ? piece->end - piece->start : piece->filled;
        uint64_t left = all - loader->done;
        if (left == 0) {
            loader->piece_at++;
            loader->done = 0;
            continue;
        }
        if (budget == 0)
            return false;
        uint8_t *to = input->ram + piece->start + loader->done;
        uint64_t length = minimum(left, budget);
        if (loader->done < piece->filled) {
            const uint8_t *module = (const uint8_t *)(uintptr_t)input->module[piece->module].address;
            length = minimum(length, piece->filled - loader->done);
            memcpy(to, module + piece->offset + loader->done, length);
        } else {
            memset(to, 0, length);
        }
        loader->done += length;
        budget -= length;
    }
    return true;
}

void loader_start(struct loader *loader)
{
    memset(loader, 0, sizeof *loader);
}

int loader_run(struct loader *loader, const struct loader_input *input, struct vcpu_state *state,
               uint32_t *groups)
{
    switch (loader->stage) {
    case LOADER_PLAN:
        if (!make_plan(loader, input))
            return NR_EINVAL;
        loader->stage = LOADER_COPY;
        return NR_EAGAIN;
    case LOADER_COPY:
        if (copy_step(loader, input))
            loader->stage = LOADER_FINISH;
        return NR_EAGAIN;
    default:
        if (input->config->loader == LOADER_BIOS)
            *groups = bios_finish(loader, input);
        else if (input->config->loader == LOADER_LINUX)
            *groups = linux_finish(loader, input, state);
        else if (input->config->loader == LOADER_ELF)
            *groups = pvh_finish(loader, input, state);
        else if (input->config->loader == LOADER_MULTIBOOT2)
            *groups = multiboot2_finish(loader, input, state);
        else
            *groups = multiboot_finish(loader, input, state);
        loader->stage = LOADER_DONE;
        return NR_OK;
    }
}
