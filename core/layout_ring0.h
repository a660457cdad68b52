/*
 * The monitor's half of each address space. All of it is supervisor-only and the same on every processor.
 *
 *   0xffff_8000_0000_0000  monitor pages: DIRECT_BASE + physical address; only 2 MiB blocks that the monitor
 * owns 0xffff_c000_0000_0000  stacks, STACK_SLOT apart, each above an unmapped guard page
 *   0xffff_d000_0000_0000  windows, 2 MiB a processor: zeroing and copying frames that are mapped nowhere
 * else 0xffff_e000_0000_0000  memory-mapped registers: local APIC 0xffff_ffff_8000_0000  the monitor's image,
 * linked at IMAGE_BASE + its physical address
 */
#pragma once

#define DIRECT_BASE 0xffff800000000000ull
#define STACK_BASE  0xffffc00000000000ull
#define WINDOW_BASE 0xffffd00000000000ull
#define MMIO_BASE   0xffffe00000000000ull
#define IMAGE_BASE  0xffffffff80000000ull

#define BOOT_MAP_END 0x100000000ull /* how far the boot tables reach */

#define STACK_SLOT  0x8000ull /* 16 KiB of stack at the top of each slot, the rest unmapped */
#define STACK_ORDER 2
#define STACK_SIZE  (0x1000ull << STACK_ORDER)

/* Stacks of a processor: the normal one, and one for each IST vector (docs/design.md, section 3). */
enum stack_use { STACK_NORMAL, STACK_NMI, STACK_DF, STACK_MC, STACK_DB, STACK_USES };

/* Selectors of the GDT; the order is what SYSCALL and SYSRET want (AMD APM Vol. 2, 6.1.1). */
#define SELECTOR_CODE      0x08
#define SELECTOR_DATA      0x10
#define SELECTOR_USER_DATA 0x1b
#define SELECTOR_USER_CODE 0x23
#define SELECTOR_TSS       0x28
