/*
 * The guest's memory map, as a PC's firmware reports it with INT 15h, AX=E820h (ACPI Specification 6.5,
 * section 15.1).
 */
#include "internal.h"
#include "layout.h"

unsigned loader_memory_map(const struct loader_input *input, struct memory_range map[MEMORY_MAP_MAX])
{
    unsigned count = 0;

    map[count++] = (struct memory_range){0, LOW_MEMORY_END, MEMORY_RAM};
    map[count++] = (struct memory_range){LOW_MEMORY_END, GUEST_VGA_HOLE - LOW_MEMORY_END, MEMORY_RESERVED};
    map[count++] = (struct memory_range){FIRMWARE_AREA, FIRMWARE_END - FIRMWARE_AREA, MEMORY_RESERVED};
    if (input->low_size > FIRMWARE_END)
        map[count++] = (struct memory_range){FIRMWARE_END, input->low_size - FIRMWARE_END, MEMORY_RAM};
    if (input->high_size > 0)
        map[count++] = (struct memory_range){GUEST_HIGH_RAM, input->high_size, MEMORY_RAM};
    return count;
}
