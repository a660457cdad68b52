/*
 * From the boot loader to the first ring-3 program: the order in which the monitor comes up.
 */
#include "acpi.h"
#include "cpu.h"
#include "format.h"
#include "fpu.h"
#include "frames.h"
#include "host_apic.h"
#include "layout_ring0.h"
#include "log.h"
#include "memory.h"
#include "multiboot.h"
#include "process.h"
#include "schedule.h"
#include "smp.h"
#include "time.h"
#include "trap.h"
#include "vcpu_ops.h"

const struct vcpu_ops *vcpu_ops;
struct vcpu_features vcpu_features;
const char vcpu_absent[] = "the processor has no hardware virtualization, AMD SVM or Intel VT-x; in an "
                           "emulator choose a model that has it";
extern uint64_t __stack_chk_guard;
static char facts[PROCESS_FEATURES_SIZE]; /* lines of the boot report about the chosen extension */

static void stop_if(const char *sentence)
{
    if (sentence) {
        log_print("nullring: cannot start: %s", sentence);
        acpi_power_off();
        cpu_stop();
    }
}

/* From boot.asm, on the boot stack and the boot tables: both are left behind. Returns the top of the final
 * stack. */
uint64_t boot_main(uint32_t magic, uint32_t address);
__attribute__((optimize("no-stack-protector"))) uint64_t boot_main(uint32_t magic, uint32_t address)
{
    __stack_chk_guard ^= rdtsc() * 0x9e3779b97f4a7c15ull;
    const char *wrong = multiboot_read(magic, address);
    log_init(boot_info.options);
    log_print("nullring: starting"); /* the time of the loader ends here */
    stop_if(wrong);
    const char *acpi_wrong = acpi_read(boot_info.rsdp);
    stop_if(memory_init());
    if (acpi_wrong)
        log_print("nullring: %s", acpi_wrong);
    uint64_t stack = stack_map(0, STACK_NORMAL);
    stop_if(stack ? NULL : "no memory for the first stack");
    return stack;
}

/* The first that is able; else why the one that the processor has is not. */
static const char *backend_choose(void)
{
    static const struct vcpu_ops *const backends[] = {&svm_ops, &vmx_ops};
    const char *why_not = vcpu_absent;
    for (unsigned i = 0; i < sizeof(backends) / sizeof(backends[0]) && why_not; i++) {
        const char *why = backends[i]->probe();
        why_not = !why || why != vcpu_absent ? why : why_not;
        vcpu_ops = why ? NULL : backends[i];
    }
    return why_not;
}

bool vcpu_fact(const char *name, const char *instead, bool have)
{
    static size_t at;
    at += format_text(facts + at, sizeof(facts) - at, have ? "  %s: yes\n" : "  %s: no: %s\n", name, instead);
    return have;
}

/* From boot.asm, on that stack. */
_Noreturn void monitor_main(void);
void monitor_main(void)
{
    struct cpu *cpu = &cpus[0];
    trap_init_cpu(cpu);
    cpu->online = 1;
    out8(0x21, 0xff); /* the host's 8259s: masked, as is LINT0, their only way here */
    out8(0xa1, 0xff);
    stop_if(host_apic_init());
    host_apic_enable();
    cpu->apic_id = host_apic_id();
    stop_if(time_init());
    host_apic_calibrate();
    stop_if(backend_choose());
    fpu_init();
    stop_if(vcpu_ops->cpu_enable() ? "no memory for the processor's virtualization area" : NULL);
    smp_start();
    host_ioapic_init();
    service = process_create(NULL);
    stop_if(service ? NULL : "no memory for the service");
    service->info.memory_free = frames_free_count() * PAGE_SIZE;
    service->info.memory_held = monitor_held;
    service->info.multiboot = boot_info.multiboot;
    format_text(service->info.features, sizeof(service->info.features), "%s\n%s", vcpu_ops->name, facts);
    service->info.modules_lost = boot_info.modules_lost;
    process_map_display(service);
    for (uint32_t i = 0; i < boot_info.module_count; i++)
        stop_if(process_map_module(service, i, 0) ? "no memory to map the boot modules" : NULL);
    schedule_add(&service->context, 0);
    schedule_wake(&service->context);
    schedule_loop();
}
