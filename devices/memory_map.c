/* The record of the guest's spare memory. See memory_map.h. */
#include "memory_map.h"
#include "string.h"

enum {
    HOLE_PAGES = (GUEST_VGA_HOLE_END - GUEST_VGA_HOLE) / MEMORY_PAGE,
    BEHIND_HOLE_PAGES = (GUEST_UPPER_END - GUEST_VGA_HOLE_END) / MEMORY_PAGE,
};

void memory_map_reset(struct memory_map *map, bool spare)
{
    memset(map, 0, sizeof *map);
    if (!spare)
        memset(map->upper + HOLE_PAGES, MEMORY_ALL, BEHIND_HOLE_PAGES);
}

const char *memory_map_check(const struct memory_map *map)
{
    for (unsigned i = 0; i < MEMORY_UPPER_PAGES; i++)
        if (map->upper[i] > MEMORY_ALL)
            return "rights of upper memory";
    for (unsigned i = 0; i < MEMORY_WINDOWS; i++) {
        const struct memory_window *window = &map->window[i];
        if (window->length > GUEST_HIGH_RAM || window->base > GUEST_HIGH_RAM - window->length ||
            (window->length && window->base < GUEST_LOW_RAM_MAX) || window->rights > MEMORY_ALL)
            return "window into spare memory";
    }
    return NULL;
}

static bool is_upper(uint64_t gpa, uint64_t length)
{
    return gpa >= GUEST_VGA_HOLE && gpa < GUEST_HMA_END && length <= GUEST_HMA_END - gpa;
}

bool memory_map_note(struct memory_map *map, uint64_t gpa, uint64_t length, unsigned rights)
{
    struct memory_window *free = NULL;
    if ((gpa | length) % MEMORY_PAGE)
        return false;
    if (is_upper(gpa, length)) {
        memset(map->upper + (gpa - GUEST_VGA_HOLE) / MEMORY_PAGE, (int)rights, length / MEMORY_PAGE);
        return true;
    }
    if (gpa < GUEST_LOW_RAM_MAX || gpa >= GUEST_HIGH_RAM || length > GUEST_HIGH_RAM - gpa)
        return false;
    for (unsigned i = 0; i < MEMORY_WINDOWS; i++) {
        struct memory_window *window = &map->window[i];
        if (window->length && window->base == gpa)
            window->length = 0;
        if (!window->length)
            free = window;
    }
    if (rights != MEMORY_NONE && free)
        *free = (struct memory_window){.base = gpa, .length = length, .rights = rights};
    return rights == MEMORY_NONE || free;
}

unsigned memory_map_rights(const struct memory_map *map, uint64_t gpa, uint64_t length)
{
    unsigned rights = MEMORY_ALL;
    if (is_upper(gpa, length)) {
        uint64_t end = gpa + length;
        for (uint64_t at = gpa & ~(uint64_t)(MEMORY_PAGE - 1); at < end; at += MEMORY_PAGE)
            rights &= map->upper[(at - GUEST_VGA_HOLE) / MEMORY_PAGE];
        return rights;
    }
    for (unsigned i = 0; i < MEMORY_WINDOWS; i++) {
        const struct memory_window *window = &map->window[i];
        if (gpa >= window->base && gpa - window->base < window->length &&
            length <= window->length - (gpa - window->base))
            return window->rights;
    }
    return MEMORY_NONE;
}
