/*
 * What a Multiboot2 loader hands over: magic, tags, command line, memory in two forms that fit each other, a
 * copy of ACPI's root pointer, processor state. Manual: Multiboot2 Specification 2.0, sections 3.3 and 3.6.
 * Real hardware: as checked here (GRUB). Sizes are compared with each other, not printed: firmware takes its
 * part.
 *
 * guest: memory=96 loader=multiboot2
 */
#include "guest.h"
#include "processor.h"

enum {
    COMMAND_LINE = 1 << 1,
    LOADER_NAME = 1 << 2,
    MEMORY = 1 << 4,
    MEMORY_MAP = 1 << 6,
    OLD_RSDP = 1 << 14
};
enum { WANTED = COMMAND_LINE | LOADER_NAME | MEMORY | MEMORY_MAP | OLD_RSDP, RSDP_V1_LENGTH = 20 };

static uint8_t sum_of(const uint8_t *bytes, uint32_t count)
{
    uint8_t sum = 0;

    for (uint32_t i = 0; i < count; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return sum;
}

void guest_main(void)
{
    const uint8_t *rsdp = (const uint8_t *)boot_info.rsdp;
    uint64_t usable_high = 0;
    bool low = false, overlap = false;

    check("a copy of ACPI's root pointer", rsdp && rsdp[0] == 'R' && rsdp[7] == ' ');
    check_value("  its checksum", rsdp ? sum_of(rsdp, RSDP_V1_LENGTH) : 1, 0);
    check_value("magic", boot_info.magic, 0x36d76289);
    check_value("tags", boot_info.flags & WANTED, WANTED);
    check("command line has the nonce", option_number("nonce", 0) != 0);
    check("lower memory", boot_info.memory_lower >= 600 && boot_info.memory_lower <= 640);
    check("upper memory", boot_info.memory_upper > 90 * 1024 && boot_info.memory_upper <= 95 * 1024);
    for (uint32_t i = 0; i < boot_info.map_length; i++) {
        uint64_t base = boot_info.map[i].base, end = base + boot_info.map[i].length;
        if (boot_info.map[i].type != 1)
            continue;
        if (base == 0x100000)
            usable_high = end - base;
        low |= base == 0 && end <= 0xa0000;
        overlap |= base < 0x100000 && end > 0xa0000;
    }
    check("usable memory below 640 KiB", low);
    check("none between 640 KiB and 1 MiB", !overlap);
    check("usable memory from 1 MiB fits the upper memory",
          usable_high >> 10 >= boot_info.memory_upper - 256 && usable_high >> 10 <= 95 * 1024);
    check_value("paging off, protected mode", read_cr0() & (CR0_PG | CR0_PE), CR0_PE);
}
