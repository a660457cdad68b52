/*
 * Making a guest, ending it, reporting on it.
 */
#include "vm.h"
#include "cpu.h"
#include "errors.h"
#include "fixup.h"
#include "format.h"
#include "fpu.h"
#include "frames.h"
#include "layout.h"
#include "log.h"
#include "memory.h"
#include "multiboot.h"
#include "paging.h"
#include "process.h"
#include "channel.h"
#include "string.h"
#include "vcpu_ops.h"

static struct vm *vms[VM_MAX];
static _Atomic uint32_t vm_count;

struct vm *vm_find(uint64_t index)
{
    return index < vm_count ? vms[index] : NULL;
}

/* The order of the smallest block that holds `size` bytes. */
static unsigned order_of(uint64_t size)
{
    unsigned order = 0;
    while ((PAGE_SIZE << order) < size)
        order++;
    return order;
}

/* Gives RAM to [gpa, end) in the largest pieces that fit: 1 GiB, 2 MiB, 4 KiB. Pieces are zeroed through a
 * window. */
static int ram_map(struct vm *vm, uint64_t gpa, uint64_t end)
{
    while (gpa < end) {
        unsigned level = LEVEL_4K;
        uint64_t frame = FRAME_NONE;
        for (level = LEVEL_1G; level >= LEVEL_4K; level--) {
            uint64_t size = paging_size(level);
            bool holed = gpa < GUEST_VGA_HOLE_END && level > LEVEL_4K; /* the first 2 MiB have a hole */
            if (gpa & (size - 1) || gpa + size > end || holed)
                continue;
            frame = frames_alloc(order_of(size));
            if (frame != FRAME_NONE)
                break;
        }
        if (frame == FRAME_NONE)
            return NR_ENOMEM;
        window_zero(frame << PAGE_SHIFT, paging_size(level));
        int error = stage2_set(&vm->stage2, gpa, level, frame << PAGE_SHIFT, STAGE2_ALL);
        if (error) {
            frames_free(frame, order_of(paging_size(level)));
            return error;
        }
        gpa += paging_size(level);
        if (gpa == GUEST_VGA_HOLE)
            gpa = GUEST_VGA_HOLE_END;
    }
    return NR_OK;
}

static int ram_create(struct vm *vm)
{
    uint64_t low = vm->ram_bytes < GUEST_LOW_RAM_MAX ? vm->ram_bytes : GUEST_LOW_RAM_MAX;
    int error = stage2_create(&vm->stage2, vm->process->root);
    error = error ? error : ram_map(vm, 0, low);
    return error ? error : ram_map(vm, GUEST_HIGH_RAM, GUEST_HIGH_RAM + vm->ram_bytes - low);
}

static void ram_free(struct vm *vm, uint64_t gpa, uint64_t end)
{
    while (vm->stage2.pointers && gpa < end) {
        uint64_t physical;
        unsigned level = LEVEL_4K;
        if (stage2_get(&vm->stage2, gpa, &physical, &level) == NR_OK)
            frames_free(physical >> PAGE_SHIFT, order_of(paging_size(level)));
        gpa += paging_size(level);
    }
}

/* Boot modules are called "guest:path"; those of disks are copy-on-write. */
static int modules_map(struct vm *vm)
{
    size_t length = strlen(vm->config.name);
    for (uint32_t i = 0; i < boot_info.module_count; i++) {
        const char *name = boot_info.module[i].name;
        uint32_t overlay_mib = 0;
        if (strncmp(name, vm->config.name, length) || name[length] != ':')
            continue;
        for (uint32_t d = 0; d < vm->config.disk_count; d++)
            if (!strcmp(vm->config.disk[d].image, name + length + 1))
                overlay_mib = vm->config.disk[d].overlay_mib;
        int error = process_map_module(vm->process, i, overlay_mib);
        if (error)
            return error;
    }
    return NR_OK;
}

static int vcpus_create(struct vm *vm)
{
    static uint32_t next_cpu;
    for (uint32_t i = 0; i < vm->config.cpu_count; i++) {
        struct vcpu *vcpu = page_alloc(order_of(sizeof(*vcpu)));
        if (!vcpu)
            return NR_ENOMEM;
        vcpu->vm = vm;
        vcpu->index = i;
        vcpu->entity.kind = ENTITY_VCPU;
        vcpu->entity.token_number = TOKEN_VCPU_0 + i;
        vcpu->run_state = VCPU_WAIT_SIPI;
        vm->vcpu[vm->vcpu_count++] = vcpu;
        int error = vcpu_ops->vcpu_create(vcpu);
        if (error)
            return error;
        vcpu_reset(vcpu, false);
        vcpu->state.time.tsc_offset = vm->clock_offset;
        vcpu_ops->set(vcpu, VCPU_TIME);
        lapic_reset(vcpu, false);
        schedule_add(&vcpu->entity, next_cpu++);
    }
    return NR_OK;
}

static int vm_build(struct vm *vm)
{
    vm->process = process_create(vm);
    vm->channel = page_alloc(order_of(CHANNEL_SIZE));
    char *config = page_alloc(0);
    if (!vm->process || !vm->channel || !config) {
        page_free(config, 0);
        return NR_ENOMEM;
    }
    memcpy(config, &vm->config, sizeof(vm->config));
    struct process *process = vm->process;
    process->info->clock_offset = vm->clock_offset;
    process->info->guest_index = vm->index;
    process->info->test = vm->config.test;
    int error = paging_map(process->root, USER_CONFIG, virt_to_phys(config), PAGE_SIZE,
                           PTE_PRESENT | PTE_USER | PTE_NX);
    error = error ? error : process_map_channel(process, USER_CHANNEL, vm->channel);
    error =
        error ? error : process_map_channel(service, USER_CHANNEL + vm->index * CHANNEL_SIZE, vm->channel);
    error = error ? error : modules_map(vm);
    error = error ? error : ram_create(vm);
    error = error ? error : vcpu_ops->vm_create(vm);
    return error ? error : vcpus_create(vm);
}

/* Takes apart what vm_build() had reached. vCPUs that are on a list already stay there, dead: see
 * vm_create(). */
static void vm_free(struct vm *vm)
{
    uint64_t low = vm->ram_bytes < GUEST_LOW_RAM_MAX ? vm->ram_bytes : GUEST_LOW_RAM_MAX;
    ram_free(vm, 0, low);
    ram_free(vm, GUEST_HIGH_RAM, GUEST_HIGH_RAM + vm->ram_bytes - low);
    if (vm->backend)
        vcpu_ops->vm_destroy(vm);
    if (vm->process)
        process_destroy(vm->process);
    stage2_destroy(&vm->stage2);
    page_free(vm->channel, order_of(CHANNEL_SIZE));
    page_free(vm, order_of(sizeof(*vm)));
}

static bool config_is_valid(const struct guest_config *config)
{
    return config->cpu_count >= 1 && config->cpu_count <= GUEST_CPUS_MAX &&
           config->memory_mib >= GUEST_MEMORY_MIB_MIN && config->memory_mib <= GUEST_MEMORY_MIB_MAX &&
           config->disk_count <= GUEST_DISKS_MAX;
}

int vm_create(uint64_t config_address)
{
    if (vm_count == VM_MAX)
        return NR_ENOSPC;
    struct vm *vm = page_alloc(order_of(sizeof(*vm)));
    if (!vm)
        return NR_ENOMEM;
    int error = user_copy_in(&vm->config, config_address, sizeof(vm->config));
    if (!error && !config_is_valid(&vm->config))
        error = NR_EINVAL;
    vm->config.name[GUEST_NAME_SIZE - 1] = 0;
    vm->index = vm_count;
    vm->ram_bytes = (uint64_t)vm->config.memory_mib << 20;
    vm->clock_offset = -rdtsc(); /* a guest's time starts at 0 */
    vm->status = GUEST_STARTING;
    error = error ? error : vm_build(vm);
    if (error) {
        vm_free(vm);
        return error;
    }
    vms[vm->index] = vm;
    vm_count = vm->index + 1;
    schedule_add(&vm->process->context, vm->vcpu[0]->entity.cpu->index);
    schedule_wake(&vm->process->context);
    return (int)vm->index;
}

void vm_end(struct vm *vm, uint32_t ending)
{
    uint32_t none = 0;
    if (ending & VM_END_KILL)
        vm->ending = ending; /* stronger than any other */
    else
        atomic_compare_exchange_strong(&vm->ending, &none, ending);
    for (uint32_t i = 0; i < vm->vcpu_count; i++)
        vcpu_request(vm->vcpu[i], REQUEST_STOP);
    schedule_wake(&vm->process->context);
}

void guest_kill(struct vm *vm, const char *format, ...)
{
    if (vm->status == GUEST_KILLED || vm->ending & VM_END_KILL)
        return; /* the first reason stands */
    va_list arguments;
    va_start(arguments, format);
    format_text_va(vm->sentence, sizeof(vm->sentence), format, arguments);
    va_end(arguments);
    vm_end(vm, VM_END_KILL);
}

void vcpu_kick(struct vcpu *vcpu)
{
    schedule_wake(&vcpu->entity);
}

void vcpu_request(struct vcpu *vcpu, uint32_t requests)
{
    vcpu->requests |= requests;
    schedule_wake(&vcpu->entity);
}

void vm_queue_eoi(struct vm *vm, uint8_t vector)
{
    vm->eoi[vector / 64] |= 1ull << (vector & 63);
    process_notify(vm->process, EVENT_EOI);
}

bool vcpu_take_state(struct vcpu *vcpu, const struct upcall *upcall, uint32_t groups)
{
    struct vcpu_state *to = &vcpu->state;
    const struct vcpu_state *from = &upcall->state;
    to->gpr = groups & VCPU_GPR ? from->gpr : to->gpr;
    to->control = groups & VCPU_CONTROL ? from->control : to->control;
    to->tables = groups & VCPU_TABLES ? from->tables : to->tables;
    to->msrs = groups & VCPU_MSRS ? from->msrs : to->msrs;
    to->time = groups & VCPU_TIME ? from->time : to->time;
    if (groups & VCPU_SEGMENTS)
        memcpy(to->segment, from->segment, sizeof(to->segment));
    const char *rule = vcpu_ops->check(vcpu);
    if (!rule && !fpu_xcr0_valid(to->control.xcr0))
        rule = "XCR0 has only components that the processor has and that go together";
    if (!rule && (groups & VCPU_FPU) && !fpu_take(vcpu, &from->fpu))
        rule = "reserved bits of the XSAVE header and of MXCSR are 0";
    if (rule) {
        guest_kill(vcpu->vm, "its device model set a state that no processor has: %s", rule);
        return false;
    }
    vcpu_ops->set(vcpu, groups);
    return true;
}

void vm_report(const struct vm *vm, struct guest_report *to)
{
    const struct vcpu *vcpu = vm->vcpu[to->vcpu < vm->vcpu_count ? to->vcpu : 0];
    memset(to->exits, 0, sizeof(to->exits));
    for (uint32_t i = 0; i < vm->vcpu_count; i++)
        for (unsigned reason = 0; reason < VCPU_EXIT_REASON_COUNT; reason++)
            to->exits[reason] += vm->vcpu[i]->exits[reason];
    to->status = vm->status;
    to->cpu_count = vm->vcpu_count;
    to->restarts = vm->restarts;
    to->recorder_next = vcpu->recorder_next % RECORDER_ENTRIES;
    to->upcalls = vm->process->upcalls;
    to->refused_msrs = vm->refused_msrs;
    to->refused_hypercalls = vm->refused_hypercalls;
    to->overlay_pages = to->overlay_pages_used = 0;
    for (uint32_t i = 0; i < vm->process->overlay_count; i++) {
        to->overlay_pages += vm->process->overlay[i].pages;
        to->overlay_pages_used += vm->process->overlay[i].used;
    }
    memcpy(to->sentence, vm->sentence, sizeof(to->sentence));
    memcpy(to->recorder, vcpu->recorder, sizeof(to->recorder));
}
