/*
 * What a Multiboot 1 loader hands over: magic, flags, command line, lower and upper memory, memory map that
 * fits it and leaves out the hole below 1 MiB, processor state. Manual: Multiboot Specification 0.6.96,
 * section 3. Real hardware: as checked here (GRUB). Sizes are compared with each other, not printed: firmware
 * takes its part.
 *
 * guest: memory=96
 */
#include "guest.h"
#include "processor.h"

void guest_main(void)
{
    uint64_t usable_high = 0;
    uint32_t low = 0, overlap = 0;

    check_value("magic", boot_info.magic, 0x2badb002);
    check_value("flags: memory, command line, map", boot_info.flags & 0x45, 0x45);
    check("command line has the nonce", option_number("nonce", 0) != 0);
    check("lower memory", boot_info.memory_lower >= 600 && boot_info.memory_lower <= 640);
    check("upper memory", boot_info.memory_upper > 90 * 1024 && boot_info.memory_upper <= 95 * 1024);
    check("memory map has entries", boot_info.map_length >= 2);
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
    volatile uint32_t *last = (volatile uint32_t *)(uint32_t)(0x100000 + usable_high - 4);
    *last = 0x600d600d;
    check_value("the last word is memory", *last, 0x600d600d);
    check_value("paging off, protected mode", read_cr0() & (CR0_PG | CR0_PE), CR0_PE);
}
