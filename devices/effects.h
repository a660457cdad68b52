/*
 * The calls through which a device acts on anything but its own state block. The device model implements them
 * with system calls and the other blocks of struct pc (effects_ring3.c), unit tests and fuzzers with
 * recorders (tests/unit/host_effects.c). None of them blocks; none calls back into the device that made the
 * call.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "channel.h"
#include "device.h"
#include "guest_config.h"
#include "syscalls.h"

/* Who drives an ISA interrupt line. A line is the OR of its sources. */
enum irq_source { IRQ_ISA, IRQ_PIRQ_A, IRQ_PIRQ_B, IRQ_PIRQ_C, IRQ_PIRQ_D, IRQ_SCI, IRQ_HPET, IRQ_SOURCES };

/* Level of an ISA interrupt line 0-15 at the 8259 pair and at the IOAPIC (IRQ 0 at its pin 2). */
void effect_irq(unsigned irq, enum irq_source source, bool level);
/* Whether the HPET has the lines of the 8254 and of the real-time clock, which IRQ_ISA then has no more. */
void effect_irq_replace(bool replaced);
/* Level of an input of the I/O APIC that is no ISA interrupt. */
void effect_ioapic_pin(unsigned pin, bool level);
/* Whether the last rising edge of an unmasked line still waits for its interrupt acknowledge. */
bool effect_irq_waiting(unsigned irq);
/* Level of INTA-D (pin 0-3) of a PCI function: to the router of the south bridge. */
void effect_pci_interrupt(uint16_t devfn, unsigned pin, bool level);
/* A message-signalled interrupt, or what the IOAPIC sends in its place (SDM Vol. 3A, 11.11). */
void effect_msi(uint64_t address, uint32_t data);
/* The INTR output of the 8259 pair, to LINT0. */
void effect_intr(bool level);

/* Guest time since the guest was started, constant within one upcall: in ns, and in TSC ticks. */
uint64_t effect_now(void);
uint64_t effect_now_ticks(void);
/* Seconds since 1970 UTC at guest time 0. */
uint64_t effect_epoch(void);

/* Guest RAM at [gpa, gpa + length), or NULL if any byte of it is not RAM. Good until the upcall ends. The
 * guest writes to it at the same time: read once into a private copy. */
void *effect_ram(uint64_t gpa, uint64_t length);

/* What the device at an ISA DMA channel (0-3, 5-7) has to move, to memory or from there, at once. Returns the
 * bytes that went: fewer than length when the channel reaches its terminal count (*terminal), none when it is
 * masked. */
uint32_t effect_dma(unsigned channel, bool to_memory, uint8_t *bytes, uint32_t length, bool *terminal);

/* Spare memory of the guest from an offset on (layout.h: SPARE_VIDEO, ...), of which the guest sees what
 * effect_map() shows it; NULL: the guest has none. It is zero at the guest's start and outlives a reset. */
uint8_t *effect_spare(uint64_t offset);
/* Lets the guest see spare memory, from effect_spare(), at [gpa, gpa + length) with rights (enum
 * memory_rights), without an exit; with none of them accesses come to the bus again. Whole pages within
 * [GUEST_VGA_HOLE, GUEST_HMA_END) or at the top of the PCI hole (GUEST_ROM_AREA); below it blocks of 2 MiB.
 * False: refused, and accesses come to the bus. */
bool effect_map(uint64_t gpa, const uint8_t *from, uint64_t length, unsigned rights);

/* Address line 20 of the processors: while it is masked, they find what lies at 0 at 1 MiB, too, as far as
 * real mode reaches there. A guest without spare memory has it on, always. */
void effect_a20(bool on);

/* The serial console. put: false when the ring is full and the byte is lost. get: -1 when nothing is there.
 */
bool effect_console_put(uint8_t byte);
int effect_console_get(void);
/* How many breaks the console has sent; runs freely. */
uint32_t effect_console_breaks(void);

/* The next thing that somebody does at keyboard and mouse; false: nothing. */
bool effect_input(struct input_event *event);

/* How often somebody has pressed the machine's power button; runs freely. */
uint32_t effect_power_presses(void);

/* The guest polls the calling device, and nothing that it sees changes before guest time ns: its vCPU may
 * rest. */
void effect_rest(uint64_t ns);

/* INIT to all processors, of which the first starts anew at its reset vector: memory and devices stay as they
 * are, and the firmware sees by CMOS why it runs. Of a guest without a firmware the whole machine is reset.
 */
void effect_processor_reset(void);
/* Power off or reset; takes effect after this upcall. */
void effect_guest_end(enum guest_end end);
/* What the guest wrote to its debug-exit port; the service shows the first value, with which it ended. */
void effect_exit_value(uint32_t value);
/* Counts an access that nobody claimed or that had no effect. */
void effect_need(enum need_kind kind, uint64_t address);

/* A line for the monitor's log, without a newline: something that the owner of the guest should know. */
void effect_log(const char *text);

/* Moves a region of the calling device: a base address register was written. length 0 unmaps it. */
void effect_region(const void *state, unsigned region, uint64_t base, uint32_t length);
/* An access to the configuration space of a PCI function; all ones where there is none. */
void effect_config_io(uint16_t devfn, struct io *io);

/* The guest's description; read-only. */
const struct guest_config *effect_guest_config(void);
/* The bytes of a file that the description names, read-only, and their number; NULL when it is not there. */
const uint8_t *effect_file(const char *path, uint64_t *size);
/* The bytes of disk `unit` of the description, and their number; NULL when there is none. They are read-only
 * page by page until effect_disk_prepare() has made them private. */
uint8_t *effect_disk(unsigned unit, uint64_t *size);
/* The same for the disc that is in CD drive `unit` now, which is read-only. */
uint8_t *effect_cd(unsigned unit, uint64_t *size);
/* The same for the diskette in floppy drive `unit`. */
uint8_t *effect_floppy(unsigned unit, uint64_t *size);
/* Bytes of the diskette that the description has in floppy drive `unit`, whatever is in it now: the drive is
 * of the type that this one asks for. 0: none. */
uint64_t effect_floppy_described(unsigned unit);
/* Makes the pages of [bytes, bytes + length) writable. NR_OK, or NR_ENOSPC when the overlay is used up. */
int effect_disk_prepare(uint8_t *bytes, uint64_t length);
