/*
 * System calls (include/syscalls.h). All of them are O(1) or bounded by a limit that is checked here; none
 * blocks.
 */
#include "syscalls.h"
#include <stddef.h>
#include "acpi.h"
#include "cpu.h"
#include "errors.h"
#include "exit.h"
#include "fixup.h"
#include "frames.h"
#include "log.h"
#include "process.h"
#include "spare.h"
#include "string.h"
#include "time.h"
#include "vcpu_ops.h"
#include "vm.h"

enum { PRINT_MAX = 512, PRINTS_MAX = 100, POWER_OFF_WAIT_US = 2000000 };

struct call {
    struct process *process; /* who calls */
    uint64_t a, b, c;
};

/* The vCPU whose upcall this is; NULL: it is none's. */
static struct vcpu *calling_vcpu(void)
{
    struct entity *entity = this_cpu()->current;
    return entity->kind == ENTITY_VCPU ? vcpu_of(entity) : NULL;
}

static int64_t sys_print(const struct call *call)
{
    const struct vm *vm = call->process->vm;
    char line[PRINT_MAX];
    if (call->b > sizeof(line) || (vm && call->process->prints == PRINTS_MAX))
        return NR_EINVAL;
    int error = user_copy_in(line, call->a, call->b);
    call->process->prints += vm != NULL;
    if (!error && vm) { /* one line under its guest's name: nobody speaks as the monitor */
        for (uint64_t i = 0; i < call->b; i++)
            line[i] = line[i] < ' ' || line[i] > '~' ? '?' : line[i];
        log_print("nullring: guest %s: %.*s", vm->config.name, (int)call->b, line);
    } else if (!error) {
        log_write(line, call->b);
    }
    return error;
}

static int64_t sys_timer_set(const struct call *call)
{
    struct process *process = call->process;
    process->timer = call->a ? call->a - (process->vm ? process->vm->clock_offset : 0) : 0;
    if (process->context.cpu == this_cpu())
        schedule_deadline(process->timer);
    else if (process->timer)
        schedule_kick(process->context.cpu);
    return NR_OK;
}

static int64_t sys_notify(const struct call *call)
{
    const struct vm *vm = vm_find(call->a);
    if (call->process->vm)
        call->process->notifies = true; /* once, when the upcall has ended */
    else if (vm)
        process_notify(vm->process, EVENT_CHANNEL);
    return call->process->vm || vm ? NR_OK : NR_ENOENT;
}

static int64_t sys_vcpu_get(const struct call *call)
{
    struct vcpu *vcpu = calling_vcpu();
    if (!vcpu || call->a & ~(uint64_t)VCPU_ALL)
        return NR_EINVAL;
    vcpu_ops->get(vcpu, (uint32_t)call->a);
    memcpy(&call->process->upcall.state, &vcpu->state,
           call->a & VCPU_FPU ? sizeof(vcpu->state) : offsetof(struct vcpu_state, fpu));
    call->process->upcall.groups |= (uint32_t)call->a;
    return event_waiting(vcpu);
}

static int64_t sys_vcpu_debug(const struct call *call)
{
    struct vm *vm = call->process->vm;
    if (call->a >= vm->vcpu_count)
        return NR_EINVAL;
    vm->debugged = call->b != 0;
    vm->clock_offset -= call->c;
    vm->process->info.clock_offset = vm->clock_offset;
    vcpu_request(vm->vcpu[call->a], REQUEST_DEBUG);
    return NR_OK;
}

static int64_t sys_lapic_message(const struct call *call)
{
    lapic_message(call->process->vm, call->a, (uint32_t)call->b);
    return NR_OK;
}

static int64_t sys_intr_level(const struct call *call)
{
    lapic_intr_level(call->process->vm, call->a != 0);
    return NR_OK;
}

static int64_t sys_nmi(const struct call *call)
{
    lapic_chipset_nmi(call->process->vm);
    return NR_OK;
}

static int64_t sys_lapic_access(const struct call *call)
{
    struct vcpu *vcpu = calling_vcpu();
    if (!vcpu)
        return NR_EINVAL;
    if (call->a == LAPIC_MSR_BASE)
        return !call->b ? (int64_t)vcpu->lapic.base_msr : lapic_write_base(vcpu, call->c) ? NR_OK : NR_EINVAL;
    if (call->a == LAPIC_MSR_KVM_PV_EOI)
        return !call->b ? (int64_t)vcpu->lapic.pv_eoi : lapic_write_pv_eoi(vcpu, call->c) ? NR_OK : NR_EINVAL;
    if (call->a >= PAGE_SIZE || call->a & 3)
        return NR_EINVAL;
    if (!call->b)
        return lapic_read(vcpu, (uint32_t)call->a);
    lapic_write(vcpu, (uint32_t)call->a, (uint32_t)call->c);
    return NR_OK;
}

static int64_t sys_cpuid_table(const struct call *call)
{
    struct vm *vm = call->process->vm;
    return call->process->start ? user_copy_in(vm->cpuid, call->a, sizeof(vm->cpuid)) : NR_EINVAL;
}

static int64_t sys_disk_prepare(const struct call *call)
{
    return process_disk_prepare(call->process, call->a, call->b);
}

static int64_t sys_spare_map(const struct call *call)
{
    return spare_map(call->process->vm, call->a, call->b, call->c);
}

static int64_t sys_guest_end(const struct call *call)
{
    struct vm *own = call->process->vm, *vm = own ? own : vm_find(call->b);
    if (!vm)
        return NR_ENOENT;
    if (call->a == GUEST_END_POWER_OFF || call->a == GUEST_END_RESET)
        vm_end(vm, (uint32_t)call->a);
    else if (call->a == GUEST_END_DESTROY && !own)
        guest_kill(vm, "destroyed from the console");
    else
        return NR_EINVAL;
    return NR_OK;
}

static int64_t sys_guest_create(const struct call *call)
{
    return vm_create(call->a);
}

static int64_t sys_machine_end(const struct call *call)
{
    log_print("nullring: all guests have ended, status %lu, %llu KiB free; powering off", call->a,
              frames_free_count() * (PAGE_SIZE >> 10));
    log_drain(); /* else the end of that line is lost with the power */
    acpi_power_off();
    time_wait_us(POWER_OFF_WAIT_US);
    log_print("nullring: this machine cannot be powered off by software; it can be switched off now");
    return NR_ENOTSUP;
}

enum caller { CALLER_DEVICE_MODEL = 1, CALLER_SERVICE = 2, CALLER_ALL = 3 };

static const struct {
    int64_t (*function)(const struct call *call);
    enum caller callers;
} calls[SYSCALL_COUNT] = {
    [SYS_PRINT] = {sys_print, CALLER_ALL},
    [SYS_TIMER_SET] = {sys_timer_set, CALLER_ALL},
    [SYS_NOTIFY] = {sys_notify, CALLER_ALL},
    [SYS_VCPU_GET] = {sys_vcpu_get, CALLER_DEVICE_MODEL},
    [SYS_VCPU_DEBUG] = {sys_vcpu_debug, CALLER_DEVICE_MODEL},
    [SYS_LAPIC_MESSAGE] = {sys_lapic_message, CALLER_DEVICE_MODEL},
    [SYS_INTR_LEVEL] = {sys_intr_level, CALLER_DEVICE_MODEL},
    [SYS_NMI] = {sys_nmi, CALLER_DEVICE_MODEL},
    [SYS_LAPIC_ACCESS] = {sys_lapic_access, CALLER_DEVICE_MODEL},
    [SYS_CPUID_TABLE] = {sys_cpuid_table, CALLER_DEVICE_MODEL},
    [SYS_DISK_PREPARE] = {sys_disk_prepare, CALLER_DEVICE_MODEL},
    [SYS_SPARE_MAP] = {sys_spare_map, CALLER_DEVICE_MODEL},
    [SYS_GUEST_END] = {sys_guest_end, CALLER_ALL},
    [SYS_GUEST_CREATE] = {sys_guest_create, CALLER_SERVICE},
    [SYS_MACHINE_END] = {sys_machine_end, CALLER_SERVICE},
};

/* From entry.asm. SYS_UPCALL_DONE never comes here. */
int64_t syscall_dispatch(uint32_t number, uint64_t a, uint64_t b, uint64_t c);
int64_t syscall_dispatch(uint32_t number, uint64_t a, uint64_t b, uint64_t c)
{
    const struct call call = {.process = this_cpu()->process, .a = a, .b = b, .c = c};
    if (number >= SYSCALL_COUNT)
        return NR_EINVAL;
    if (!(calls[number].callers & (call.process->vm ? CALLER_DEVICE_MODEL : CALLER_SERVICE)))
        return NR_EPERM;
    return calls[number].function(&call);
}
