/*
 * The library of the test kernels: types, privileged instructions, console, checks, fault recovery.
 * A test is one function, guest_main(); 32-bit protected mode, paging off, interrupts off, flat segments.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* The test itself, and its name (the directory's), which the build gives. */
void guest_main(void);
extern const char guest_name[];

/* Console: COM1, polled. %d %u %x %s %c with width and 0, and ll. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void serial_initialise(void);

/* Observed values. Each check prints one line "name: value ok" or "name: value FAIL expected value". */
void check(const char *name, bool holds);
void check_value(const char *name, uint32_t observed, uint32_t expected);
void check_value64(const char *name, uint64_t observed, uint64_t expected);
void check_text(const char *name, const char *observed, const char *expected);
/* A value that must be the same natively and under the monitor, but where an emulator differs from the
 * manual: differences.py says what hardware does. */
void observe(const char *name, uint64_t observed);

/* Ends the test: the last line with the counts and the marker, then port 0xf4, then ACPI. */
_Noreturn void guest_end(void);
/* The last line alone, for tests whose end is their subject. */
void guest_print_end(void);
_Noreturn void guest_abort(const char *why);

/* Command line: value of "name=" as a number (0x allowed), or the default. */
uint32_t option_number(const char *name, uint32_t otherwise);
const char *guest_command_line(void);

/* Multiboot information of either version, copied before anything is overwritten. */
struct boot_info {
    uint32_t magic, flags;
    uint32_t memory_lower, memory_upper; /* KiB */
    uint32_t rsdp;                       /* Multiboot2: address of a copy */
    uint32_t module_count, map_length;
    struct {
        uint32_t start, end;
    } module[4];
    struct {
        uint64_t base, length;
        uint32_t type;
    } map[32];
    char command_line[512];
};
extern struct boot_info boot_info;

/* What the processor pushed, and what the stub saved above it (lib/entry.asm). esp and ss only from another
 * ring. */
struct interrupt_frame {
    uint32_t gs, fs, es, ds;
    uint32_t edi, esi, ebp, unused_esp, ebx, edx, ecx, eax;
    uint32_t vector, error;
    uint32_t eip, cs, eflags, esp, ss;
    uint32_t v86_es, v86_ds, v86_fs, v86_gs;
};

/* The last fault that was recovered from. vector is NO_FAULT when there was none. */
#define NO_FAULT 0xffffffffu
struct fault {
    uint32_t vector, error, cr2, eip, cs, eflags;
};
extern volatile struct fault fault;
extern volatile uint32_t fault_resume;

void fault_clear(void);
/* Prints the fault and holds its vector and error code against the manual. */
void check_fault(const char *name, uint32_t vector, uint32_t error);
void check_page_fault(const char *name, uint32_t error, uint32_t address);
/* As observe(). */
void observe_fault(const char *name);
#define check_no_fault(name) check_fault(name, NO_FAULT, 0)

/* Runs instructions of which one may fault; execution goes on behind them. Same ring and stack only. The
 * operands are those of an asm statement, with their colons: TRY("rdmsr", : "=a"(low), "=d"(high) :
 * "c"(index)); at least ":". */
#define TRY(code, ...)                                                                                       \
    do {                                                                                                     \
        fault_clear();                                                                                       \
        __asm__ volatile("" : : : "memory");                                                                 \
        __asm__ volatile("movl $771f, fault_resume\n" code "\n771: movl $0, fault_resume" __VA_ARGS__);      \
        __asm__ volatile("" : : : "memory");                                                                 \
    } while (0)
/* The same across rings and modes: 0, or 1 when a fault ended the call. */
int try_call(void (*function)(void *), void *argument);
/* Calls an address; a fault is recorded. */
void try_fetch(uint32_t address);

/* Interrupts. A handler may change the frame. Vectors are counted, with or without a handler. */
typedef void interrupt_handler(struct interrupt_frame *frame);
void interrupt_set(uint8_t vector, interrupt_handler *handler);
extern volatile uint32_t interrupt_count[256];
extern volatile uint32_t interrupt_last;
void interrupt_eoi_lapic(struct interrupt_frame *frame);
void interrupt_eoi_pic(struct interrupt_frame *frame);

/* Vectors of exceptions, by the names of the manuals. */
enum exception_vector {
    DE = 0,
    DB = 1,
    NMI_VECTOR = 2,
    BP = 3,
    OF = 4,
    BR = 5,
    UD = 6,
    NM = 7,
    DF = 8,
    TS = 10,
    NP = 11,
    SS = 12,
    GP = 13,
    PF = 14,
    MF = 16,
    AC = 17,
    MC = 18,
    XM = 19
};
