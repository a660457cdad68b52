/*
 * System calls (include/syscalls.h). All of them are O(1) or bounded by a limit that is checked here; none
 * blocks.
 */
#include "syscalls.h"
#include "acpi.h"
#include "cpu.h"
#include "errors.h"
#include "exit.h"
#include "fixup.h"
#include "frames.h"
#include "log.h"
#include "process.h"
#include "string.h"
#include "time.h"
#include "vcpu_ops.h"
#include "vm.h"

enum { PRINT_MAX = 512, POWER_OFF_WAIT_US = 2000000 };

typedef int64_t syscall_function(struct process *process, uint64_t a, uint64_t b, uint64_t c);

static int64_t sys_print(struct process *process, uint64_t text, uint64_t length, uint64_t unused)
{
    char line[PRINT_MAX];
    (void)unused;
    if (length > sizeof(line))
        return NR_EINVAL;
    int error = user_copy_in(line, text, length);
    if (!error && process->vm) { /* one line under its guest's name: nobody speaks as the monitor */
        for (uint64_t i = 0; i < length; i++)
            line[i] = line[i] < ' ' || line[i] > '~' ? '?' : line[i];
        log_print("nullring: guest %s: %.*s", process->vm->config.name, (int)length, line);
    } else if (!error) {
        log_write(line, length);
    }
    return error;
}

static int64_t sys_timer_set(struct process *process, uint64_t guest_tsc, uint64_t unused, uint64_t unused2)
{
    (void)unused, (void)unused2;
    uint64_t offset = process->vm ? process->vm->clock_offset : 0;
    process->timer = guest_tsc ? guest_tsc - offset : 0;
    if (process->context.cpu == this_cpu())
        schedule_deadline(process->timer);
    else if (process->timer)
        schedule_kick(process->context.cpu);
    return NR_OK;
}

static int64_t sys_notify(struct process *process, uint64_t index, uint64_t unused, uint64_t unused2)
{
    (void)unused, (void)unused2;
    if (process->vm) {
        process_notify(service, EVENT_CHANNEL);
        return NR_OK;
    }
    struct vm *vm = vm_find(index);
    if (!vm)
        return NR_ENOENT;
    process_notify(vm->process, EVENT_CHANNEL);
    return NR_OK;
}

static int64_t sys_vcpu_get(struct process *process, uint64_t groups, uint64_t unused, uint64_t unused2)
{
    (void)unused, (void)unused2;
    struct vcpu *vcpu = process->target;
    if (!vcpu || groups & ~(uint64_t)VCPU_ALL)
        return NR_EINVAL;
    vcpu_ops->get(vcpu, (uint32_t)groups);
    process->upcall->state = vcpu->state;
    process->upcall->groups |= (uint32_t)groups;
    return NR_OK;
}

static int64_t sys_lapic_message(struct process *process, uint64_t address, uint64_t data, uint64_t unused)
{
    (void)unused;
    lapic_message(process->vm, address, (uint32_t)data);
    return NR_OK;
}

static int64_t sys_intr_level(struct process *process, uint64_t level, uint64_t unused, uint64_t unused2)
{
    (void)unused, (void)unused2;
    lapic_intr_level(process->vm, level != 0);
    return NR_OK;
}

static int64_t sys_nmi(struct process *process, uint64_t unused, uint64_t unused2, uint64_t unused3)
{
    (void)unused, (void)unused2, (void)unused3;
    lapic_chipset_nmi(process->vm);
    return NR_OK;
}

static int64_t sys_lapic_access(struct process *process, uint64_t offset, uint64_t write, uint64_t value)
{
    struct vcpu *vcpu = process->target;
    if (!vcpu || offset >= PAGE_SIZE || offset & 3 || process->holder != &vcpu->entity)
        return NR_EINVAL;
    if (!write)
        return lapic_read(vcpu, (uint32_t)offset);
    lapic_write(vcpu, (uint32_t)offset, (uint32_t)value);
    return NR_OK;
}

static int64_t sys_cpuid_table(struct process *process, uint64_t entries, uint64_t count, uint64_t unused)
{
    (void)unused;
    struct vm *vm = process->vm;
    if (!process->start || count > CPUID_ENTRIES_MAX)
        return NR_EINVAL;
    int error = user_copy_in(vm->cpuid, entries, count * sizeof(vm->cpuid[0]));
    vm->cpuid_count = error ? 0 : (uint32_t)count;
    exit_cpuid_prepare(vm);
    return error;
}

static int64_t sys_disk_prepare(struct process *process, uint64_t address, uint64_t pages, uint64_t unused)
{
    (void)unused;
    return process_disk_prepare(process, address, pages);
}

static int64_t sys_guest_end(struct process *process, uint64_t end, uint64_t unused, uint64_t unused2)
{
    (void)unused, (void)unused2;
    if (end != GUEST_END_POWER_OFF && end != GUEST_END_RESET)
        return NR_EINVAL;
    vm_end(process->vm, (uint32_t)end);
    return NR_OK;
}

static int64_t sys_guest_create(struct process *process, uint64_t config_address, uint64_t unused,
                                uint64_t unused2)
{
    (void)process, (void)unused, (void)unused2;
    struct guest_config *config = page_alloc(0);
    if (!config)
        return NR_ENOMEM;
    int result = user_copy_in(config, config_address, sizeof(*config));
    result = result ? result : vm_create(config);
    page_free(config, 0);
    return result;
}

static int64_t sys_guest_control(struct process *process, uint64_t index, uint64_t operation, uint64_t unused)
{
    (void)process, (void)unused;
    struct vm *vm = vm_find(index);
    if (!vm)
        return NR_ENOENT;
    switch (operation) {
    case GUEST_RESET:
        vm_end(vm, GUEST_END_RESET);
        return NR_OK;
    case GUEST_DESTROY:
        guest_kill(vm, "destroyed from the console");
        return NR_OK;
    default:
        return NR_ENOTSUP;
    }
}

static int64_t sys_guest_report(struct process *process, uint64_t index, uint64_t report_address,
                                uint64_t unused)
{
    (void)process, (void)unused;
    struct vm *vm = vm_find(index);
    struct guest_report *report = page_alloc(2);
    _Static_assert(sizeof(*report) <= PAGE_SIZE << 2, "order 2");
    if (!vm || !report) {
        page_free(report, 2);
        return vm ? NR_ENOMEM : NR_ENOENT;
    }
    int error = user_copy_in(report, report_address, sizeof(*report));
    if (!error) {
        vm_report(vm, report);
        error = user_copy_out(report_address, report, sizeof(*report));
    }
    page_free(report, 2);
    return error;
}

static int64_t sys_machine_end(struct process *process, uint64_t status, uint64_t unused, uint64_t unused2)
{
    (void)process, (void)unused, (void)unused2;
    log_print("nullring: all guests have ended, status %lu, %llu KiB free; powering off", status,
              frames_free_count() * (PAGE_SIZE >> 10));
    acpi_power_off();
    time_wait_us(POWER_OFF_WAIT_US);
    log_print("nullring: this machine cannot be powered off by software; it can be switched off now");
    return NR_ENOTSUP;
}

enum caller { CALLER_ALL, CALLER_DEVICE_MODEL, CALLER_SERVICE };

static const struct {
    syscall_function *function;
    enum caller caller;
} calls[SYSCALL_COUNT] = {
    [SYS_PRINT] = {sys_print, CALLER_ALL},
    [SYS_TIMER_SET] = {sys_timer_set, CALLER_ALL},
    [SYS_NOTIFY] = {sys_notify, CALLER_ALL},
    [SYS_VCPU_GET] = {sys_vcpu_get, CALLER_DEVICE_MODEL},
    [SYS_LAPIC_MESSAGE] = {sys_lapic_message, CALLER_DEVICE_MODEL},
    [SYS_INTR_LEVEL] = {sys_intr_level, CALLER_DEVICE_MODEL},
    [SYS_NMI] = {sys_nmi, CALLER_DEVICE_MODEL},
    [SYS_LAPIC_ACCESS] = {sys_lapic_access, CALLER_DEVICE_MODEL},
    [SYS_CPUID_TABLE] = {sys_cpuid_table, CALLER_DEVICE_MODEL},
    [SYS_DISK_PREPARE] = {sys_disk_prepare, CALLER_DEVICE_MODEL},
    [SYS_GUEST_END] = {sys_guest_end, CALLER_DEVICE_MODEL},
    [SYS_GUEST_CREATE] = {sys_guest_create, CALLER_SERVICE},
    [SYS_GUEST_CONTROL] = {sys_guest_control, CALLER_SERVICE},
    [SYS_GUEST_REPORT] = {sys_guest_report, CALLER_SERVICE},
    [SYS_MACHINE_END] = {sys_machine_end, CALLER_SERVICE},
};

/* From entry.asm. SYS_UPCALL_DONE never comes here. */
int64_t syscall_dispatch(uint32_t number, uint64_t a, uint64_t b, uint64_t c);
int64_t syscall_dispatch(uint32_t number, uint64_t a, uint64_t b, uint64_t c)
{
    struct process *process = this_cpu()->process;
    if (number >= SYSCALL_COUNT || !calls[number].function)
        return NR_EINVAL;
    enum caller caller = process->kind == PROCESS_SERVICE ? CALLER_SERVICE : CALLER_DEVICE_MODEL;
    if (calls[number].caller != CALLER_ALL && calls[number].caller != caller)
        return NR_EPERM;
    return calls[number].function(process, a, b, c);
}
