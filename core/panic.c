/*
 * Our own faults: registers, a symbolised back-trace and which guest was running, then the machine stands
 * still.
 */
#include "cpu.h"
#include "format.h"
#include "host_apic.h"
#include "layout_ring0.h"
#include "log.h"
#include "process.h"
#include "trap.h"
#include "vm.h"
#include "x86.h"

enum { BACKTRACE_DEPTH = 16 };

/* Made by the build from the linked image (core/symbols.awk): sorted by address, names behind the table. */
struct symbol {
    uint32_t offset; /* of the function from text_start */
    uint32_t name;   /* of its name from the end of the table */
};

extern const uint32_t symbol_count;
extern const struct symbol symbol_table[];
extern const char symbol_names[];
extern char text_start[], text_end[];

static _Atomic uint32_t panics;

static void print_address(uint64_t address)
{
    uint64_t offset = address - (uint64_t)text_start;
    uint32_t i = 0;
    if (address < (uint64_t)text_start || address >= (uint64_t)text_end || !symbol_count) {
        log_print("nullring:   %016lx", address);
        return;
    }
    while (i + 1 < symbol_count && symbol_table[i + 1].offset <= offset)
        i++;
    log_print("nullring:   %016lx %s+0x%lx", address, symbol_names + symbol_table[i].name,
              offset - symbol_table[i].offset);
}

/* RBP and the return address above it lie on a stack, and not on a guard page. */
static bool on_stack(const uint64_t *frame)
{
    uint64_t address = (uint64_t)frame, place = address % STACK_SLOT;
    return address >= STACK_BASE && address < WINDOW_BASE && address % 8 == 0 &&
           place >= STACK_SLOT - STACK_SIZE && place <= STACK_SLOT - 2 * sizeof(uint64_t);
}

static void print_backtrace(uint64_t rip, const uint64_t *frame)
{
    log_print("nullring: back-trace:");
    print_address(rip);
    for (unsigned i = 0; i < BACKTRACE_DEPTH && on_stack(frame); i++) {
        print_address(frame[1]);
        frame = (const uint64_t *)frame[0];
    }
}

static void panic_begin(void)
{
    __asm__ volatile("cli");
    if (panics++) /* another processor, or a fault in here */
        cpu_stop();
    log_panicking = true;
    if (cpu_count > 1)
        host_apic_send(0, IPI_ALL_BUT_SELF | VECTOR_PANIC);
}

static _Noreturn void panic_end(uint64_t rip, const uint64_t *frame)
{
    const struct cpu *cpu = this_cpu();
    const struct vcpu *vcpu = cpu->loaded;
    log_print("nullring: processor %u, guest %s, vCPU %u", cpu->index,
              vcpu ? vcpu->vm->config.name : "(none)", vcpu ? vcpu->index : 0);
    print_backtrace(rip, frame);
    log_print("nullring: panic: the machine stands still; press its reset button");
    cpu_stop();
}

void panic(const char *format, ...)
{
    char text[256];
    va_list arguments;
    panic_begin();
    va_start(arguments, format);
    format_text_va(text, sizeof(text), format, arguments);
    va_end(arguments);
    log_print("nullring: panic: %s", text);
    panic_end((uint64_t)__builtin_return_address(0), __builtin_frame_address(0));
}

void panic_trap(const struct trap_frame *f)
{
    panic_begin();
    log_print("nullring: panic: exception %lu, error code %lx, at %016lx", f->vector, f->error_code, f->rip);
    log_print("nullring: rax %016lx rbx %016lx rcx %016lx rdx %016lx", f->rax, f->rbx, f->rcx, f->rdx);
    log_print("nullring: rsi %016lx rdi %016lx rbp %016lx rsp %016lx", f->rsi, f->rdi, f->rbp, f->rsp);
    log_print("nullring: r8  %016lx r9  %016lx r10 %016lx r11 %016lx", f->r8, f->r9, f->r10, f->r11);
    log_print("nullring: r12 %016lx r13 %016lx r14 %016lx r15 %016lx", f->r12, f->r13, f->r14, f->r15);
    log_print("nullring: cs %lx rflags %lx cr2 %016lx cr3 %016lx", f->cs, f->rflags, read_cr2(), read_cr3());
    panic_end(f->rip, (const uint64_t *)f->rbp);
}

/* Which part of the machine it was: the banks with a valid error (SDM Vol. 3B, 16.3.2). */
static void machine_check_report(void)
{
    uint64_t count = 0, status;
    rdmsr_safe(MSR_MCG_CAP, &count);
    for (uint32_t bank = 0; bank < (count & MCG_BANKS); bank++)
        if (rdmsr_safe(MSR_MC0_STATUS + 4 * bank, &status) && status & MC_STATUS_VALID)
            log_print("nullring: machine check, bank %u: status %016lx", bank, status);
}

/* #DF or #MC, on its own stack, perhaps with ring 3's GS. */
_Noreturn void trap_fatal(const struct trap_frame *frame);
void trap_fatal(const struct trap_frame *frame)
{
    uint64_t slot = ((uint64_t)frame - STACK_BASE) / STACK_SLOT;
    wrmsr(MSR_GS_BASE, (uint64_t)&cpus[slot / STACK_USES]);
    if (frame->vector == EXCEPTION_MC)
        machine_check_report();
    panic_trap(frame);
}

/* The stack protector's canary, one for all processors, and what its code calls when a canary died. */
uint64_t __stack_chk_guard = 0x8f3a5c00e1d724b6;
_Noreturn void __stack_chk_fail(void);
void __stack_chk_fail(void)
{
    panic("a stack canary was overwritten");
}
