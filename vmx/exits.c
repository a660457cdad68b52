/*
 * Every architectural exit of VT-x with a decision (SDM Vol. 3D, appendix C), and the vendor-neutral
 * description of it. Which of them happen at all the controls say (controls.c).
 */
#include "vmx.h"
#include "cpu.h"
#include "lapic_registers.h"
#include "layout.h"
#include "vtlb.h"

static void describe_io(struct vcpu *vcpu)
{
    uint32_t info = (uint32_t)vmread(VMCS_QUALIFICATION);
    exit_pio(vcpu, info >> IO_PORT_SHIFT, (info & IO_SIZE_MASK) + 1, info & IO_IN, info & IO_STRING,
             info & IO_REP);
}

static void describe_msr(struct vcpu *vcpu)
{
    vcpu->exit.detail = (uint32_t)vcpu->state.gpr.reg[RCX];
}

/* CLTS and LMSW have 0 there. */
static void describe_cr(struct vcpu *vcpu)
{
    vcpu->exit.detail = vmread(VMCS_QUALIFICATION) & CR_NUMBER_MASK;
}

/* The IRET that faulted had let NMIs in; it will be executed again (28.2.3). */
static void nmi_block_again(struct vcpu *vcpu)
{
    if (vmx_features.virtual_nmis)
        vcpu->state.interrupts.nmi_blocked = 1;
}

static void describe_exception(struct vcpu *vcpu)
{
    const struct vmx_vcpu *vmx = vcpu->backend;
    uint32_t event = (uint32_t)vmread(VMCS_EXIT_EVENT), vector = event & EVENT_VECTOR;
    enum event_type type = event_type_of(event);
    if (type == EVENT_NMI) {
        __asm__ volatile("int $2"); /* the host's handler ends with IRET, which lets the next one in */
        vcpu->exit.reason = VCPU_EXIT_EXTERNAL;
        return;
    }
    if (vector == EXCEPTION_MC)
        __asm__ volatile("int $18"); /* the host's handler reads the banks and stops the machine */
    if ((event & EVENT_NMI_OPENED) && vector != EXCEPTION_DF)
        nmi_block_again(vcpu);
    if (vector == EXCEPTION_DB)
        vmx_debug_exception(vmread(VMCS_QUALIFICATION));
    if (type == EVENT_PRIVILEGED) /* a trap, but RIP is still at INT1 */
        vcpu->state.gpr.rip += vmread(VMCS_INSTRUCTION_LENGTH);
    exit_raise(vcpu, vector, event & EVENT_ERROR_VALID ? (uint32_t)vmread(VMCS_EXIT_ERROR_CODE) : 0);
    if (vector == EXCEPTION_PF) {
        vcpu->exit.exception.address = vmread(VMCS_QUALIFICATION);
        vtlb_fault(vcpu);
    } else if (vector == EXCEPTION_BP && !vmx->vm86) {
        vcpu->exit.reason = VCPU_EXIT_INSTRUCTION; /* a debugger's, or the device model raises it */
    } else if (vmx->vm86) {
        vmx_vm86_exception(vcpu, vector, type == EVENT_SOFT_EXCEPTION);
    }
}

static void describe_invlpg(struct vcpu *vcpu)
{
    vcpu->exit.invlpg_address = vmread(VMCS_QUALIFICATION);
}

/* A gate's event is in delivery. */
static void describe_task_switch(struct vcpu *vcpu)
{
    vcpu->exit.detail = (uint32_t)vmread(VMCS_QUALIFICATION);
    vmx_recover_event(vcpu, true);
}

static void describe_violation(struct vcpu *vcpu)
{
    uint32_t info = (uint32_t)vmread(VMCS_QUALIFICATION);
    bool walk = (info & (VIOLATION_LINEAR | VIOLATION_FINAL)) == VIOLATION_LINEAR;
    if ((info & VIOLATION_NMI_OPENED) && vcpu->state.interrupts.event.type == EVENT_NONE)
        nmi_block_again(vcpu);
    exit_memory(vcpu, vmread(VMCS_GUEST_PHYSICAL), info & VIOLATION_FETCH, info & VIOLATION_WRITE,
                (walk ? ACCESS_WALK : 0) | (info & VIOLATION_RIGHTS ? ACCESS_PRESENT : 0));
}

/* Where the processor serves the local APIC: what it does not do to its page, */
static void describe_apic_access(struct vcpu *vcpu)
{
    uint32_t info = (uint32_t)vmread(VMCS_QUALIFICATION);
    exit_memory(vcpu, GUEST_LAPIC_BASE | (info & APIC_OFFSET_MASK), info & APIC_FETCH, info & APIC_WRITE, 0);
}

/* and what it has done. RIP is behind the instruction. */
static void describe_apic_write(struct vcpu *vcpu)
{
    uint32_t at = (uint32_t)vmread(VMCS_QUALIFICATION) & ~(LAPIC_REGISTER_SIZE - 1u);
    vcpu->exit.detail = at;
    lapic_write(vcpu, at, lapic_get(&vcpu->lapic, at));
}

static void describe_virtual_eoi(struct vcpu *vcpu)
{
    vcpu->exit.detail = LAPIC_EOI;
    vm_queue_eoi(vcpu->vm, (uint8_t)vmread(VMCS_QUALIFICATION));
}

/* Without virtual NMIs they are taken to be open again when interrupts are. */
static void describe_window(struct vcpu *vcpu)
{
    if (!vmx_features.virtual_nmis)
        vcpu->state.interrupts.nmi_blocked = 0;
}

/* Its next entry sets the timer again. */
static void describe_timer(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vcpu->backend;
    vmx->timer_flags = ~vcpu->state.gpr.rflags;
}

/* clang-format off */
#define NEVER {0, VCPU_EXIT_INVALID, 0, NULL}
#define UD {0, VCPU_EXIT_EXCEPTION, EXCEPTION_UD, exit_refuse}
const struct exit_decision vmx_exits[EXIT_CODES] = {
    /* The host's interrupts, which the core lets in; NMIs. SMI belongs to the firmware. INIT comes from
     * nobody; SIPI ends only a state in which no vCPU is. */
    [CODE_EXCEPTION]        = {0, VCPU_EXIT_EXCEPTION, 0, describe_exception},
    [CODE_EXTERNAL]         = {0, VCPU_EXIT_EXTERNAL, 0, NULL},
    [CODE_PREEMPTION_TIMER] = {0, VCPU_EXIT_EXTERNAL, 0, describe_timer},
    [CODE_INIT]             = {0, VCPU_EXIT_EXTERNAL, 0, NULL},
    [CODE_SIPI ... CODE_SMI] = NEVER,
    [CODE_TRIPLE_FAULT]     = {0, VCPU_EXIT_SHUTDOWN, 0, NULL},
    [CODE_INTERRUPT_WINDOW] = {0, VCPU_EXIT_INTERRUPT_WINDOW, 0, describe_window},
    [CODE_NMI_WINDOW]       = {0, VCPU_EXIT_NMI_WINDOW, 0, NULL},
    [CODE_TASK_SWITCH]      = {0, VCPU_EXIT_TASK_SWITCH, SKIPPED, describe_task_switch},
    [CODE_CPUID]            = {0, VCPU_EXIT_CPUID, SKIPPED, NULL},
    [CODE_HLT]              = {0, VCPU_EXIT_HLT, SKIPPED, NULL},
    /* Caches: all of the guest's memory is ordinary RAM, so they need no flushing; INVD would lose the
     * host's data. */
    [CODE_INVD]             = {0, VCPU_EXIT_INSTRUCTION, 0, NULL},
    [CODE_WBINVD]           = {0, VCPU_EXIT_INSTRUCTION, 0, NULL},
    [CODE_XSETBV]           = {0, VCPU_EXIT_INSTRUCTION, 0, NULL},
    [CODE_INVLPG]           = {0, VCPU_EXIT_INVLPG, SKIPPED, describe_invlpg}, /* with the vTLB */
    [CODE_CR_ACCESS]        = {0, VCPU_EXIT_CR_ACCESS, 0, describe_cr},
    [CODE_IO]               = {0, VCPU_EXIT_PIO, SKIPPED, describe_io},
    [CODE_RDMSR]            = {0, VCPU_EXIT_RDMSR, 0, describe_msr},
    [CODE_WRMSR]            = {0, VCPU_EXIT_WRMSR, 0, describe_msr},
    [CODE_EPT_VIOLATION]    = {0, VCPU_EXIT_MEMORY, 0, describe_violation},
    [CODE_EPT_MISCONFIGURED] = NEVER, /* would be our own mistake */
    /* Guests have no VT-x: #UD, as with CR4.VMXE clear. SMX is not offered, RSM is outside of system
     * management mode. */
    [CODE_VMCALL]           = {0, VCPU_EXIT_HYPERCALL, 0, NULL},
    [CODE_VMCLEAR ... CODE_VMXON] = UD,
    [CODE_INVEPT]           = UD,
    [CODE_INVVPID]          = UD,
    [CODE_VMFUNC ... CODE_ENCLS] = UD,
    [CODE_GETSEC]           = UD,
    [CODE_RSM]              = UD,
    /* Hidden by CPUID: MONITOR would watch an address for the host, the waits would stop the processor.
     * Without performance counters RDPMC faults. */
    [CODE_MONITOR]          = UD,
    [CODE_MWAIT]            = UD,
    [CODE_PCONFIG]          = UD,
    [CODE_UMWAIT ... CODE_LOADIWKEY] = UD,
    [CODE_RDPMC]            = {0, VCPU_EXIT_EXCEPTION, EXCEPTION_GP, exit_refuse},
    /* Not asked for: the TSC runs with an offset, debug registers are switched with the vCPU; INVPCID acts
     * within the VPID; a spinning guest uses up its slice. */
    [CODE_RDTSC]            = NEVER,
    [CODE_RDTSCP]           = NEVER,
    [CODE_DR_ACCESS]        = NEVER,
    [CODE_MONITOR_TRAP]     = NEVER,
    [CODE_PAUSE]            = NEVER,
    [CODE_APIC_ACCESS]      = {0, VCPU_EXIT_MEMORY, 0, describe_apic_access},
    [CODE_APIC_WRITE]       = {0, VCPU_EXIT_LAPIC, 0, describe_apic_write},
    [CODE_VIRTUAL_EOI]      = {0, VCPU_EXIT_LAPIC, 0, describe_virtual_eoi},
    /* The threshold of TPR is 0; tables and TR are the guest's own. */
    [CODE_TPR]              = NEVER,
    [CODE_TABLES ... CODE_LDTR_TR] = NEVER,
    [CODE_RDRAND ... CODE_INVPCID] = NEVER,
    /* RDSEED, page-modification log, sub-page rights; supervisor state of XSAVE, which is #UD. */
    [CODE_RDSEED ... CODE_XRSTORS] = NEVER,
    [CODE_SPP]              = NEVER,
    /* Refused entries, which entry_refused() describes; numbers that are none. */
    [CODE_ENTRY_STATE ... CODE_ENTRY_MSRS + 1] = NEVER,
    [CODE_MONITOR_TRAP + 1] = NEVER,
    [CODE_ENTRY_MACHINE_CHECK ... CODE_ENTRY_MACHINE_CHECK + 1] = NEVER,
};
/* clang-format on */
