/* What the parts of the hostile guest share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* xorshift64*, started afresh for each operation: the same operation for the same seed and number, whatever
 * has become of the ones before it. */
void random_start(uint32_t seed, uint32_t operation);
uint32_t random32(void);

/* Memory that the attacks read and write. */
enum { ARENA_PAGES = 16 };
extern uint8_t arena[ARENA_PAGES * 4096];

/* Where it is known to hurt: devices, addresses that nobody has. Not the command register of the local APIC,
 * which attack_ipi() writes: other processors are not to be started. */
uint32_t device_address(void);

/* Faults that the attacks have had and recovered from, and runs of random code that only an NMI has ended. */
extern uint32_t faults, loops;

/* attack_devices.c */
void attack_devices_prepare(void);
void attack_port(void);
void attack_pci(void);
void attack_memory(void);
/* attack_processor.c */
void attack_msr(void);
void attack_control(void);
void attack_hypercall(void);
void attack_ipi(void);
/* attack_code.c: random instruction bytes */
void attack_code_prepare(void);
void attack_ring3(void);
void attack_ring0(void);
void attack_vm86(void);
void attack_real(void);
void attack_real_forms(void);
/* Handler of NMIs outside of random code (enter.asm). */
void ignore_nmi(void);

/* watchdog.c: the second processor sends an NMI when the first makes no progress, and then resets the
 * machine. */
void watchdog_start(void);
/* Starts it again if an attack has ended it. To be called now and then. */
void watchdog_keep(void);
extern volatile uint32_t watchdog_progress;
