/*
 * The address space of a ring-3 process, part of the ABI. Everything above is the monitor's.
 *
 *   0x0000_0040_0000  the program (device model or service), W^X
 *   0x0000_1000_0000  stack, guard pages on both sides, grows down from USER_STACK_TOP
 *   0x0000_2000_0000  upcall page
 *   0x0000_2000_2000  struct process_info, read-only; FS points here
 *   0x0000_2000_4000  struct guest_config, read-only (device model)
 *   0x0000_2010_0000  state blocks: pages of the monitor that outlive the process (device model)
 *   0x0000_2020_0000  channel pages shared with the service (device model)
 *   0x0000_2040_0000  for each guest, USER_GUEST_SIZE apart: its channel, its report, its vCPUs' records
 *                     (service; the channel can be written)
 *   0x0000_4000_0000  spare memory of the guest: its video memory, shadow RAM and ROMs (device model)
 *   0x0000_6000_0000  the machine's display (service)
 *   0x0080_0000_0000  boot modules, read-only, each on a 2 MiB boundary; copy-on-write disks writable page by
 *                     page
 *   0x0100_0000_0000  guest RAM: guest-physical address 0 (device model only)
 */
#pragma once

#define USER_PROGRAM_BASE 0x0000000000400000ull
#define USER_STACK_TOP    0x0000000010000000ull
#define USER_STACK_SIZE   0x0000000000008000ull
#define USER_UPCALL       0x0000000020000000ull
#define USER_INFO         0x0000000020002000ull
#define USER_FS_BASE      USER_INFO
#define USER_CONFIG       0x0000000020004000ull
#define USER_STATE        0x0000000020100000ull
#define USER_STATE_SIZE   0x0000000000020000ull
#define USER_CHANNEL      0x0000000020200000ull
#define USER_GUESTS       0x0000000020400000ull
#define USER_GUEST_SIZE   0x40000
#define USER_SPARE        0x0000000040000000ull
#define USER_DISPLAY      0x0000000060000000ull
#define USER_DISPLAY_SIZE 0x0000000010000000ull
#define USER_PAGE_SIZE    4096
#define USER_MODULES      0x0000008000000000ull
#define USER_GUEST_RAM    0x0000010000000000ull
#define USER_END          0x0000018000000000ull

/* Of what the service sees of a guest: offsets behind its channel. */
#define USER_GUEST_REPORT      0x8000
#define USER_GUEST_RECORDS     0x9000
#define USER_GUEST_RECORD_SIZE 0x3000

/* Guest-physical layout of a PC: RAM below the PCI hole, the rest above 4 GiB. */
#define GUEST_LOW_RAM_MAX  0x00000000c0000000ull
#define GUEST_HIGH_RAM     0x0000000100000000ull
#define GUEST_VGA_HOLE     0x00000000000a0000ull /* not RAM until a VGA claims it */
#define GUEST_VGA_HOLE_END 0x00000000000c0000ull
#define GUEST_UPPER_END    0x0000000000100000ull
#define GUEST_HMA_END      0x0000000000110000ull /* real mode reaches as far; address line 20 masked, it wraps */
#define GUEST_ROM_AREA     0x00000000ffe00000ull /* up to GUEST_HIGH_RAM */
#define GUEST_LAPIC_BASE   0x00000000fee00000ull
#define GUEST_IOAPIC_BASE  0x00000000fec00000ull

/*
 * Spare memory: guest RAM without a place of its own, which the device model puts where the guest is to see
 * it (SYS_SPARE_MAP). Guests that have any have no other RAM between the VGA hole and GUEST_HMA_END.
 * Offsets are the device model's to choose; the monitor knows only the size.
 */
#define SPARE_VIDEO         0x0000000ull /* video memory */
#define SPARE_VIDEO_SIZE    0x1000000ull
#define SPARE_UPPER         0x1000000ull /* RAM for GUEST_VGA_HOLE to GUEST_HMA_END */
#define SPARE_UPPER_SIZE    (GUEST_HMA_END - GUEST_VGA_HOLE)
#define SPARE_ROM           0x1070000ull /* the firmware's image */
#define SPARE_ROM_SIZE      0x0100000ull
#define SPARE_FIRMWARE      0x1170000ull /* what the firmware is told: the guest sees none of it */
#define SPARE_FIRMWARE_SIZE 0x0090000ull
