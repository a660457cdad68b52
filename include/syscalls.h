/*
 * System calls of ring 3. SYSCALL with the number in RAX, arguments in RDI, RSI, RDX; the result (>= 0, or an
 * enum nr_error) in RAX; RCX, RDX, RSI, RDI and R8 to R11 are lost. No call blocks. Who may call is said in
 * brackets.
 */
#pragma once

enum syscall_number {
    SYS_UPCALL_DONE, /* [all] (): the upcall is answered; does not return */
    SYS_PRINT, /* [all] (text, length <= 512): for the monitor's log; a device model's is one line under its
                  guest's name */
    SYS_TIMER_SET, /* [all] (guest time in TSC ticks, 0: off): EVENT_TIMER at that time */
    SYS_NOTIFY,    /* [all] (guest index): EVENT_CHANNEL to the other side of the channel */
    SYS_VCPU_GET,  /* [device model] (groups): more state of the vCPU of this upcall into upcall.state; not 0:
                      an event  waits until the guest can take it */
    SYS_VCPU_DEBUG,    /* [device model] (vCPU, intercept, stood): UPCALL_DEBUG of that vCPU, soon. intercept,
                          for all of them: not 0: #DB comes as UPCALL_DEBUG and #BP as UPCALL_EMULATE before the
                          guest gets it. stood: TSC ticks by which the guest's clock goes back, with the local
                          APICs' timers; each vCPU's TSC is in its state */
    SYS_LAPIC_MESSAGE, /* [device model] (address, data): an MSI, or what an IOAPIC sends in its place */
    SYS_INTR_LEVEL,    /* [device model] (0 or 1): the INTR output of the 8259 pair */
    SYS_NMI,           /* [device model] (): the chipset's NMI, to LINT1 */
    SYS_LAPIC_ACCESS,  /* [device model] (offset in its page or enum lapic_msr, write, value): a local APIC
                           register for the emulator; a read returns the value, a write 0; NR_EINVAL: #GP */
    SYS_CPUID_TABLE,   /* [device model] (CPUID_SLOTS entries): what CPUID tells this guest; during START only
                        */
    SYS_DISK_PREPARE,  /* [device model] (address, pages <= 64): make pages of a copy-on-write module private
                          and writable; NR_ENOSPC when the overlay is used up */
    SYS_SPARE_MAP,     /* [device model] (guest-physical address, offset in spare memory | enum memory_rights,
                          length <= 2 MiB): lets the guest see spare memory there; no right: nothing. Small pages
                          in [GUEST_VGA_HOLE, GUEST_HMA_END) and [GUEST_ROM_AREA, GUEST_HIGH_RAM); in between,
                          from GUEST_LOW_RAM_MAX on, 2 MiB at multiples of that */
    SYS_GUEST_END, /* [all] (enum guest_end, guest index): power off or reset after this upcall; the service
                      names the guest */
    SYS_GUEST_CREATE, /* [service] (struct guest_config *): build and start a guest; returns its index */
    SYS_MACHINE_END,  /* [service] (exit status): all guests are gone: power the machine off */
    SYSCALL_COUNT,
};

/* What a guest may do with spare memory. */
enum memory_rights { MEMORY_NONE = 0, MEMORY_READ = 1, MEMORY_WRITE = 2, MEMORY_EXECUTE = 4, MEMORY_ALL = 7 };

/* The local APIC's MSRs, as offsets beyond its page. */
enum lapic_msr { LAPIC_MSR_BASE = 0x1000, LAPIC_MSR_KVM_PV_EOI = 0x1008 };

enum guest_end { GUEST_END_POWER_OFF = 1, GUEST_END_RESET, GUEST_END_DESTROY /* the service only */ };

/* The CPUID table of a guest. An entry lies in the slot of its leaf, or in the next ones (around the end) if
 * that is taken; a free slot, whose registers are 0, ends the search. Subleaf CPUID_ANY matches each value of
 * ECX. */
#define CPUID_ANY  0xffffffffu
#define CPUID_FREE 0xffffffffu /* in the place of a leaf */
enum { CPUID_SLOTS = 64 };

#include <stdint.h>

struct cpuid_entry {
    uint32_t leaf, subleaf;
    uint32_t eax, ebx, ecx, edx;
};

/* The first 16 leaves of the basic, hypervisor and extended ranges have slots of their own. */
static inline uint32_t cpuid_slot(uint32_t leaf)
{
    return (leaf + (leaf >> 26)) % CPUID_SLOTS;
}
