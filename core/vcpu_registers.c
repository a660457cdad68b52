/*
 * Registers of a loaded vCPU that no extension switches.
 */
#include "vcpu_registers.h"
#include "cpu.h"
#include "fpu.h"
#include "vm.h"
#include "x86.h"

bool vcpu_is_loaded(const struct vcpu *vcpu)
{
    return this_cpu()->loaded == vcpu;
}

static void debug_registers_load(const uint64_t dr[4])
{
    __asm__ volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3"
                     :
                     : "r"(dr[0]), "r"(dr[1]), "r"(dr[2]), "r"(dr[3]));
}

static void debug_registers_store(uint64_t dr[4])
{
    __asm__ volatile("mov %%dr0, %0; mov %%dr1, %1; mov %%dr2, %2; mov %%dr3, %3"
                     : "=r"(dr[0]), "=r"(dr[1]), "=r"(dr[2]), "=r"(dr[3]));
}

void registers_load_tsc_aux(const struct vcpu *vcpu)
{
    if (cpu_has_rdtscp)
        wrmsr(MSR_TSC_AUX, (uint32_t)vcpu->state.msrs.tsc_aux);
}

void registers_load_control(const struct vcpu *vcpu)
{
    debug_registers_load(vcpu->state.control.dr);
    fpu_set_xcr0(vcpu);
}

void registers_store_control(struct vcpu *vcpu)
{
    debug_registers_store(vcpu->state.control.dr);
    fpu_get_xcr0(vcpu);
}

void registers_load(struct vcpu *vcpu)
{
    fpu_load(vcpu);
    debug_registers_load(vcpu->state.control.dr);
    registers_load_tsc_aux(vcpu);
}

void registers_store(struct vcpu *vcpu)
{
    fpu_store(vcpu);
    debug_registers_store(vcpu->state.control.dr);
}

void syscall_registers_load(const struct vcpu *vcpu)
{
    struct cpu *cpu = this_cpu();
    const struct vcpu_msrs *msrs = &vcpu->state.msrs;
    cpu->left_behind |= LEFT_SYSCALL;
    wrmsr(MSR_STAR, msrs->star);
    wrmsr(MSR_LSTAR, msrs->lstar);
    wrmsr(MSR_SFMASK, msrs->sfmask);
    wrmsr(MSR_KERNEL_GS_BASE, msrs->kernel_gs_base);
}

void syscall_registers_get(struct vcpu *vcpu)
{
    if (this_cpu()->left_behind & LEFT_SYSCALL)
        vcpu->state.msrs.kernel_gs_base = rdmsr(MSR_KERNEL_GS_BASE);
}

void syscall_registers_restore(void)
{
    syscall_registers_get(this_cpu()->loaded);
    this_cpu()->left_behind &= ~(uint32_t)LEFT_SYSCALL;
    syscall_registers_init();
}
