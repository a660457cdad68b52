/* Ends of a machine, and the ACPI power management block of the PIIX4 (82371AB data sheet, section 7.2). */
#pragma once

#include <stdint.h>

enum { PM_TIMER_HZ = 3579545, PM_TIMER_MASK = 0xffffff };

/* I/O base of the power management block: PCI function with ID 8086:7113, register 0x40; 0 when there is
 * none. */
uint16_t power_base(void);
/* 24 bits at 3.579545 MHz. */
uint32_t pm_timer(void);
/* Busy waiting by the PM timer. At most 4 seconds. */
void delay_us(uint32_t microseconds);
/* The serial port has sent its last byte. */
void drain_serial(void);
/* Port 0xf4: QEMU ends with status (value << 1) | 1. Returns where the port is not there. */
void power_debug_exit(uint8_t value);
/* ACPI S5 through PM1a_CNT. */
_Noreturn void power_off(void);
void reset_by_triple_fault(void);
/* A test of one kind of reset, which the function brings about: checks before it, and after it in the second
 * run of the program. */
void check_reset(void (*reset)(void));

/* How often this program has been started in this run, counted in CMOS bytes that a reset does not clear. */
uint32_t boot_number(void);
uint8_t cmos_read(uint8_t index);
void cmos_write(uint8_t index, uint8_t value);
