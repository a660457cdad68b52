/*
 * What the instruction emulator finds around the processor: RAM, the local APIC's page, and the bus.
 */
#include "guest_machine.h"
#include "cpuid.h"
#include "cpuid_leaves.h"
#include "effects.h"
#include "ring3.h"
#include "syscall.h"
#include "x86.h"

enum { LAPIC_PAGE = 0x1000, LAPIC_REGISTER_BYTES = 4 };

static void *machine_ram(void *context, uint64_t gpa, bool write)
{
    (void)context;
    uint64_t page = gpa & ~0xfffull;
    if (ring3_pc()->board.a20_masked && page >= GUEST_UPPER_END && page < GUEST_HMA_END)
        page -= GUEST_UPPER_END;
    uint8_t *ram = ring3_memory(page, 0x1000, write ? MEMORY_READ | MEMORY_WRITE : MEMORY_READ);
    return ram ? ram + (gpa & 0xfff) : NULL;
}

static bool is_lapic(uint64_t gpa)
{
    return gpa - GUEST_LAPIC_BASE < LAPIC_PAGE;
}

/* Registers are 32 bits wide at multiples of 16 bytes; what an access means that is not so is not defined
 * (SDM Vol. 3A, 11.4.1). */
static uint64_t lapic_page_read(uint64_t gpa, unsigned size)
{
    unsigned skip = gpa % LAPIC_REGISTER_BYTES;
    uint64_t value = (uint32_t)sys_lapic_access((uint32_t)(gpa - GUEST_LAPIC_BASE - skip), 0, 0);
    return value >> 8 * skip & (size == 8 ? UINT64_MAX : (1ull << 8 * size) - 1);
}

static void lapic_page_write(uint64_t gpa, uint64_t value)
{
    if (gpa % LAPIC_REGISTER_BYTES == 0)
        sys_lapic_access((uint32_t)(gpa - GUEST_LAPIC_BASE), 1, (uint32_t)value);
}

static uint64_t machine_read(void *context, uint64_t gpa, unsigned size)
{
    struct pc *pc = context;
    return is_lapic(gpa) ? lapic_page_read(gpa, size) : bus_read(&pc->bus, IO_MEMORY, gpa, size);
}

static void machine_write(void *context, uint64_t gpa, unsigned size, uint64_t value)
{
    struct pc *pc = context;
    if (is_lapic(gpa))
        lapic_page_write(gpa, value);
    else
        bus_write(&pc->bus, IO_MEMORY, gpa, size, value);
}

static uint32_t machine_in(void *context, uint16_t port, unsigned size)
{
    struct pc *pc = context;
    return (uint32_t)bus_read(&pc->bus, IO_PORT, port, size);
}

static void machine_out(void *context, uint16_t port, unsigned size, uint32_t value)
{
    struct pc *pc = context;
    bus_write(&pc->bus, IO_PORT, port, size, value);
}

static uint32_t machine_block(void *context, uint16_t port, unsigned size, uint8_t *ram, uint32_t count,
                              bool write)
{
    struct pc *pc = context;
    return bus_block(&pc->bus, port, size, ram, count, write);
}

/* The local APIC's registers are the monitor's; a hidden monitor, or one without hooks, has no PV EOI. */
static bool machine_read_msr(void *context, unsigned vcpu, uint32_t index, uint64_t *value)
{
    struct pc *pc = context;
    if (index != MSR_APIC_BASE && !(index == MSR_KVM_PV_EOI && guest_config_has_kvm(ring3_config())))
        return msr_read(&pc->msrs, vcpu, index, value);
    *value = (uint64_t)sys_lapic_access(index == MSR_APIC_BASE ? LAPIC_MSR_BASE : LAPIC_MSR_KVM_PV_EOI, 0, 0);
    return true;
}

static bool machine_write_msr(void *context, unsigned vcpu, uint32_t index, uint64_t value)
{
    struct pc *pc = context;
    if (index != MSR_APIC_BASE && !(index == MSR_KVM_PV_EOI && guest_config_has_kvm(ring3_config())))
        return msr_write(&pc->msrs, ring3_info(), vcpu, index, value);
    return sys_lapic_access(index == MSR_APIC_BASE ? LAPIC_MSR_BASE : LAPIC_MSR_KVM_PV_EOI, 1, value) == 0;
}

/* The monitor writes into the upcall page, which is where the emulator works. */
static int machine_get(void *context, struct vcpu_state *state, uint32_t groups)
{
    (void)context;
    (void)state;
    return (int)sys_vcpu_get(groups);
}

/* The table is made anew: only a processor that runs no real mode comes here. */
static void machine_cpuid(void *context, const struct vcpu_state *state, unsigned vcpu, uint32_t registers[4])
{
    enum { APIC_ID_SHIFT = 24, ECX_OSXSAVE = 1 << 27, EDX_APIC = 1 << 9, APIC_ENABLE = 1 << 11 };
    struct cpuid_entry table[CPUID_ENTRIES_MAX], found = {0};
    uint32_t leaf = registers[0], subleaf = registers[2];
    uint32_t count = cpuid_build(table, ring3_config(), cpuid_host);

    (void)context;
    for (uint32_t i = 0; i < count; i++)
        if (table[i].leaf == leaf && (table[i].subleaf == CPUID_ANY || table[i].subleaf == subleaf))
            found = table[i];
    if (leaf == LEAF_FEATURES) { /* as core/exit_cpuid.c */
        found.ebx = (found.ebx & 0x00ffffff) | vcpu << APIC_ID_SHIFT;
        found.ecx &= state->control.cr4 & CR4_OSXSAVE ? UINT32_MAX : ~(uint32_t)ECX_OSXSAVE;
        if (!(sys_lapic_access(LAPIC_MSR_BASE, 0, 0) & APIC_ENABLE))
            found.edx &= ~(uint32_t)EDX_APIC;
    }
    registers[0] = found.eax;
    registers[1] = found.ebx;
    registers[2] = found.ecx;
    registers[3] = found.edx;
}

/* KVM's convention (Linux, Documentation/virt/kvm/x86/hypercalls.rst). There is no call that a guest may
 * make. */
static bool machine_hypercall(void *context, uint64_t *rax)
{
    enum { KVM_ENOSYS = 1000 };

    (void)context;
    if (!guest_config_has_kvm(ring3_config()))
        return false;
    *rax = (uint64_t)-KVM_ENOSYS;
    return true;
}

const struct emulator_machine guest_machine = {
    .ram = machine_ram,
    .read = machine_read,
    .write = machine_write,
    .in = machine_in,
    .out = machine_out,
    .block = machine_block,
    .read_msr = machine_read_msr,
    .write_msr = machine_write_msr,
    .get = machine_get,
    .cpuid = machine_cpuid,
    .hypercall = machine_hypercall,
};
