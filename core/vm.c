/*
 * Making a guest, ending it, reporting on it.
 */
#include "vm.h"
#include "cpu.h"
#include "entry_checks.h"
#include "errors.h"
#include "fixup.h"
#include "format.h"
#include "fpu.h"
#include "frames.h"
#include "lapic_registers.h"
#include "layout.h"
#include "log.h"
#include "memory.h"
#include "paging.h"
#include "process.h"
#include "spare.h"
#include "channel.h"
#include "string.h"
#include "vcpu_ops.h"
#include "vtlb.h"

enum { ZERO_SLICE = 16 << 20 };

static struct vm *vms[VM_MAX];
static _Atomic uint32_t vm_count;

struct vm *vm_find(uint64_t index)
{
    return index < vm_count ? vms[index] : NULL;
}

/* RAM lies below the PCI hole, and what does not fit from 4 GiB on. */
static uint64_t ram_gpa(uint64_t offset)
{
    return offset < GUEST_LOW_RAM_MAX ? offset : offset - GUEST_LOW_RAM_MAX + GUEST_HIGH_RAM;
}

/* The largest piece of RAM that fits at an offset: 1 GiB, 2 MiB, 4 KiB. FRAME_NONE: no memory is left. */
static uint64_t ram_piece(const struct vm *vm, uint64_t offset, unsigned *level)
{
    for (*level = stage2_format.level_max;; --*level) {
        uint64_t size = paging_size(*level);
        bool fits = !(ram_gpa(offset) & (size - 1)) && offset + size <= vm->ram_bytes &&
                    (offset >= GUEST_VGA_HOLE_END || *level == LEVEL_4K);
        uint64_t frame = fits ? frames_alloc(paging_order(*level)) : FRAME_NONE;
        if (frame != FRAME_NONE || *level == LEVEL_4K)
            return frame;
    }
}

static int ram_create(struct vm *vm)
{
    unsigned level;
    int error = stage2_create(&vm->stage2, vm->process->root);
    for (uint64_t offset = 0; !error && offset < vm->ram_bytes; offset += paging_size(level)) {
        if (offset == GUEST_VGA_HOLE)
            offset = vm->config.spare_mib ? GUEST_HMA_END : GUEST_VGA_HOLE_END;
        uint64_t frame = ram_piece(vm, offset, &level);
        if (frame == FRAME_NONE)
            return NR_ENOMEM;
        error = stage2_set(&vm->stage2, ram_gpa(offset), level, frame << PAGE_SHIFT, STAGE2_ALL);
        if (error)
            frames_free(frame, paging_order(level));
    }
    return error;
}

bool vm_zero_ram(struct vm *vm)
{
    uint64_t left = vm->ram_bytes - vm->ram_zeroed,
             end = vm->ram_zeroed + (left < ZERO_SLICE ? left : ZERO_SLICE);
    while (vm->ram_zeroed < end) {
        uint64_t physical, part = PAGE_SIZE;
        unsigned level;
        if (stage2_get(&vm->stage2, ram_gpa(vm->ram_zeroed), &physical, &level) > 0) {
            part = paging_size(level) - (physical & (paging_size(level) - 1));
            part = part < end - vm->ram_zeroed ? part : end - vm->ram_zeroed;
            window_zero(physical, part);
        } /* else the VGA's hole */
        vm->ram_zeroed += part;
    }
    return left != 0;
}

int vm_place_lapic(struct vm *vm)
{
    static const uint64_t usual = GUEST_LAPIC_BASE | APIC_BASE_ENABLE;
    unsigned rights = STAGE2_GUEST_ONLY | STAGE2_READ | STAGE2_WRITE;
    if (!vm->lapic_served)
        return NR_OK;
    for (uint32_t i = 0; i < vm->vcpu_count; i++)
        if ((vm->vcpu[i]->lapic.base_msr & ~(uint64_t)APIC_BASE_BSP) != usual)
            rights = STAGE2_GUEST_ONLY;
    return stage2_set(&vm->stage2, GUEST_LAPIC_BASE, LEVEL_4K, vcpu_features.lapic_page, rights);
}

static void vcpu_free(struct vcpu *vcpu)
{
    page_free(vcpu->backend, vcpu_ops->vcpu_order);
    vtlb_destroy(vcpu);
    page_free(vcpu, ORDER_OF(sizeof(*vcpu)));
}

static int vcpu_create(struct vm *vm)
{
    struct vcpu *vcpu = page_alloc(ORDER_OF(sizeof(*vcpu)));
    if (!vcpu)
        return NR_ENOMEM;
    vcpu->vm = vm;
    vcpu->index = vm->vcpu_count;
    vcpu->entity.kind = ENTITY_VCPU;
    vcpu->entity.token_number = TOKEN_VCPU_0 + vcpu->index;
    vcpu->run_state = VCPU_WAIT_SIPI;
    vcpu->backend = page_alloc(vcpu_ops->vcpu_order);
    if (!vcpu->backend || (vtlb_needed(vcpu, 0) && vtlb_create(vcpu))) {
        vcpu_free(vcpu);
        return NR_ENOMEM;
    }
    vcpu_ops->vcpu_init(vcpu);
    vcpu_reset(vcpu, false);
    vcpu->state.time.tsc_offset = vm->clock_offset;
    vcpu_ops->set(vcpu, VCPU_TIME);
    lapic_reset(vcpu, false);
    vm->vcpu[vm->vcpu_count++] = vcpu;
    return NR_OK;
}

/* What the service sees of a guest: all under one table, so that nothing stays behind when memory runs out.
 */
static int service_show(const struct vm *vm)
{
    uint64_t to = USER_GUESTS + (uint64_t)vm->index * USER_GUEST_SIZE;
    bool good = true;
    for (uint64_t at = 0; at < CHANNEL_SIZE && good; at += PAGE_SIZE) {
        const uint64_t *entry = paging_entry(vm->process->root, USER_CHANNEL + at, LEVEL_4K);
        good = process_show_pages(service, to + at, phys_to_virt(*entry & PTE_ADDRESS), PAGE_SIZE, PTE_WRITE);
    }
    good = good && process_show_pages(service, to + USER_GUEST_REPORT, vm->report_page, PAGE_SIZE, 0);
    for (uint32_t i = 0; i < vm->vcpu_count && good; i++)
        good = process_show_pages(service, to + USER_GUEST_RECORDS + i * USER_GUEST_RECORD_SIZE,
                                  vm->vcpu[i]->record_pages, USER_GUEST_RECORD_SIZE, 0);
    return good ? NR_OK : NR_ENOMEM;
}

static int vm_build(struct vm *vm)
{
    const struct guest_config *config = &vm->config;
    if (config->cpu_count < 1 || config->cpu_count > GUEST_CPUS_MAX ||
        config->memory_mib < GUEST_MEMORY_MIB_MIN || config->memory_mib > GUEST_MEMORY_MIB_MAX ||
        config->file_count > GUEST_FILES_MAX)
        return NR_EINVAL;
    vm->ram_bytes = (uint64_t)config->memory_mib << 20;
    vm->process = process_create(vm);
    if (!vm->process || !process_show_pages(vm->process, USER_CONFIG, config, GUEST_CONFIG_SIZE, 0) ||
        !process_own_pages(vm->process, USER_CHANNEL, CHANNEL_SIZE))
        return NR_ENOMEM;
    vm->report.cpu_count = config->cpu_count;
    vm->process->info.clock_offset = vm->clock_offset;
    vm->process->info.guest_index = vm->index;
    vm->process->info.test = config->test;
    vm->lapic_served = vcpu_features.lapic_page && config->paging == PAGING_NESTED && !config->lapic_software;
    int error = ram_create(vm);
    error = error ? error : spare_create(vm);
    for (uint32_t i = 0; i < config->file_count && !error; i++)
        error = process_map_module(vm->process, config->file[i].module, config->file[i].overlay_mib);
    for (uint32_t i = 0; i < config->cpu_count && !error; i++)
        error = vcpu_create(vm);
    error = error ? error : vm_place_lapic(vm);
    return error ? error : service_show(vm);
}

/* Takes apart what vm_build() had reached. */
static void vm_free(struct vm *vm)
{
    for (uint32_t i = 0; i < vm->vcpu_count; i++)
        vcpu_free(vm->vcpu[i]);
    if (vm->process)
        process_destroy(vm->process);
    stage2_destroy(&vm->stage2);
    page_free(vm, ORDER_OF(sizeof(*vm)));
}

int vm_create(uint64_t config_address)
{
    static uint32_t next_cpu;
    if (vm_count == VM_MAX)
        return NR_ENOSPC;
    struct vm *vm = page_alloc(ORDER_OF(sizeof(*vm)));
    if (!vm)
        return NR_ENOMEM;
    vm->index = vm_count;
    vm->clock_offset = -rdtsc(); /* a guest's time starts at 0 */
    vm->report.status = GUEST_STARTING;
    int error = user_copy_in(&vm->config, config_address, sizeof(vm->config));
    vm->config.name[GUEST_NAME_SIZE - 1] = 0;
    error = error ? error : vm_build(vm);
    if (error) {
        vm_free(vm);
        return error;
    }
    vms[vm->index] = vm;
    vm_count = vm->index + 1;
    schedule_add(&vm->process->context, next_cpu); /* where the first vCPU is */
    for (uint32_t i = 0; i < vm->vcpu_count; i++)
        schedule_add(&vm->vcpu[i]->entity, next_cpu++);
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
    if (vm->report.status == GUEST_KILLED || vm->ending & VM_END_KILL)
        return; /* the first reason stands */
    va_list arguments;
    va_start(arguments, format);
    format_text_va(vm->report.sentence, sizeof(vm->report.sentence), format, arguments);
    va_end(arguments);
    vm_end(vm, VM_END_KILL);
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

const char *vcpu_broken_rule(const struct vcpu *vcpu)
{
    if (!vcpu_features.demands)
        return entry_check(&vcpu->state, NULL);
    struct entry_demands demands = *vcpu_features.demands;
    demands.segments &= !vcpu->vtlb; /* with it, what does not fit is emulated */
    return entry_check(&vcpu->state, &demands);
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
    const char *rule = vcpu_broken_rule(vcpu);
    if (!rule && !fpu_has(to->control.xcr0))
        rule = "XCR0 has components that the processor has not";
    if (!rule && (groups & VCPU_FPU) && !fpu_take(vcpu, &from->fpu))
        rule = "reserved bits of the XSAVE header and of MXCSR are 0";
    if (rule) {
        guest_kill(vcpu->vm, "its device model set a state that no processor has: %s", rule);
        return false;
    }
    vcpu_ops->set(vcpu, groups);
    return true;
}
