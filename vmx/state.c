/*
 * Between struct vcpu_state and the VMCS, which can be reached only while the vCPU is loaded. What is set
 * before is written then; when it is unloaded all that the VMCS has comes back. GPR, RIP, RFLAGS and the
 * interrupt state are moved by vmx_run() at each entry and exit.
 *
 * Control registers: a mask says which bits leave the guest when they change, and are read from a shadow
 * (SDM Vol. 3C, 25.6.6). What the guest changes without an exit is read back; all else vcpu->state has.
 */
#include "vmx.h"
#include "cpu.h"
#include "fpu.h"
#include "frames.h"
#include "guest_memory.h"
#include "vtlb.h"

enum {
    RIGHTS_SHIFT = 4, /* between attributes from bit 8 on and access rights from bit 12 on (25.4.1) */
    SEG_LOW = 0xff,
    SEG_HIGH = 0xf00,
    PDPTES = 4,
    PDPTE_P = 1,
};

#define VMCS_GROUPS (VCPU_SEGMENTS | VCPU_CONTROL | VCPU_TABLES | VCPU_MSRS)
#define PDPTE_KNOWN 0x000ffffffffff019ull /* SDM Vol. 3A, table 4-8 */

/* Virtual-8086 mode that stands for real mode has its own attributes, limits, LDTR and TR. */
static void get_segments(struct vcpu_state *state, bool vm86)
{
    for (unsigned i = 0; i < (vm86 ? SEG_LDTR : SEG_COUNT); i++) {
        struct segment *s = &state->segment[i];
        s->selector = (uint16_t)vmread(VMCS_GUEST_SELECTOR + 2 * i);
        s->base = vmread(VMCS_GUEST_BASE + 2 * i);
        if (vm86)
            continue;
        uint32_t rights = (uint32_t)vmread(VMCS_GUEST_RIGHTS + 2 * i);
        uint32_t attributes = (rights & SEG_LOW) | (rights >> RIGHTS_SHIFT & SEG_HIGH);
        s->attributes = (uint16_t)(rights & RIGHTS_UNUSABLE ? attributes & ~(uint32_t)SEG_P : attributes);
        s->limit = (uint32_t)vmread(VMCS_GUEST_LIMIT + 2 * i);
    }
}

static void set_segments(const struct vcpu_state *state, bool vm86)
{
    if (vm86) {
        vmx_vm86_segments(state);
        return;
    }
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        const struct segment *s = &state->segment[i];
        uint32_t rights = (s->attributes & SEG_LOW) | (uint32_t)(s->attributes & SEG_HIGH) << RIGHTS_SHIFT;
        vmwrite(VMCS_GUEST_SELECTOR + 2 * i, s->selector);
        vmwrite(VMCS_GUEST_RIGHTS + 2 * i, s->attributes & SEG_P ? rights : rights | RIGHTS_UNUSABLE);
        vmwrite(VMCS_GUEST_LIMIT + 2 * i, s->limit);
        vmwrite(VMCS_GUEST_BASE + 2 * i, s->base);
    }
}

void vmx_debug_exception(uint64_t pending)
{
    write_dr6((read_dr6() & ~(uint64_t)DR6_TRAPS) | (pending & (DR6_TRAPS | DR6_BD | DR6_BS)));
    vmwrite(VMCS_GUEST_DR7, vmread(VMCS_GUEST_DR7) & ~DR7_GD);
}

static void get_control(struct vcpu *vcpu, const struct vmx_vcpu *vmx)
{
    struct vcpu_control *control = &vcpu->state.control;
    registers_store_control(vcpu);
    control->cr0 = (control->cr0 & ~CR0_OWNED) | (vmread(VMCS_GUEST_CR0) & CR0_OWNED);
    control->cr2 = vmx->cr2;
    if (!vmx->shadow) {
        control->cr3 = vmread(VMCS_GUEST_CR3);
        control->cr4 = (control->cr4 & ~CR4_OWNED) | (vmread(VMCS_GUEST_CR4) & CR4_OWNED);
    }
    control->dr6 = read_dr6();
    control->dr7 = vmread(VMCS_GUEST_DR7);
}

/* With EPT the processor keeps the page-directory pointers of a PAE guest (SDM Vol. 3C, 27.3.1.6), and
 * refuses reserved bits. The emulator has checked them; but another vCPU may have changed them since. */
static void pdptes_load(const struct vcpu_state *state)
{
    uint64_t pdpte[PDPTES] = {0};
    guest_read(pdpte, state->control.cr3 & CR3_PAE_TABLE, sizeof(pdpte)); /* not RAM: none is present */
    for (unsigned i = 0; i < PDPTES; i++)
        vmwrite(VMCS_GUEST_PDPTE0 + 2 * i,
                pdpte[i] & PDPTE_P ? pdpte[i] & vmx_features.physical_mask & PDPTE_KNOWN : 0);
}

static void efer_write(const struct vcpu *vcpu, struct vmx_vcpu *vmx)
{
    uint64_t efer = processor_registers(&vcpu->state, vmx->shadow).efer;
    if ((vmx->efer ^ efer) & (EFER_NXE | EFER_LMA))
        vmx_invalidate_linear(vcpu);
    vmx->efer = efer;
    if (vmx_features.efer)
        vmwrite(VMCS_GUEST_EFER, efer);
    else
        vmx->msr_areas[0].value = efer;
}

/* Between EPT and the vTLB, between virtual-8086 mode and others. */
static void mode_update(struct vcpu *vcpu, struct vmx_vcpu *vmx)
{
    uint64_t cr0 = vcpu->state.control.cr0;
    bool shadow = vtlb_needed(vcpu, cr0), vm86 = shadow && !(cr0 & CR0_PE);
    if (shadow != vmx->shadow) {
        vmx->shadow = shadow;
        vmx_invalidate(vcpu);
        if (shadow)
            vtlb_flush(vcpu);
        vmwrite(VMCS_CR4_MASK, shadow ? ~0ull : ~CR4_OWNED);
        vmwrite(VMCS_GUEST_CR3, FRAME_NONE); /* what was there is of the other kind */
    }
    if (vm86 != vmx->vm86) {
        vmx->vm86 = vm86;
        vmx->forced_rflags = vm86 ? VM86_FLAGS : 0;
        set_segments(&vcpu->state, vm86);
    }
}

static void set_control(struct vcpu *vcpu, struct vmx_vcpu *vmx)
{
    const struct vcpu_control *control = &vcpu->state.control;
    bool free = vmx_features.unrestricted && !vmx->shadow, paging = control->cr0 & CR0_PG;
    uint64_t fixed = vmx_capability.cr0_fixed & ~(free ? CR0_PE | CR0_PG : 0);
    const struct processor_registers r = processor_registers(&vcpu->state, vmx->shadow);
    uint64_t cr0 = r.cr0 | fixed, cr4 = r.cr4 | vmx_capability.cr4_fixed;
    if (vmx->vm86) {
        cr0 &= ~CR0_AM; /* counts at CPL 3 */
        cr4 |= CR4_VME;
    }
    bool changed = ((vmread(VMCS_GUEST_CR0) ^ cr0) & CR0_TRANSLATES) || vmread(VMCS_GUEST_CR4) != cr4 ||
                   (!vmx->shadow && vmread(VMCS_GUEST_CR3) != control->cr3);
    if (changed) {
        vmx_invalidate_linear(vcpu); /* as the write of a control register does */
        if (!vmx->shadow && paging && (cr4 & CR4_PAE) && !(vcpu->state.msrs.efer & EFER_LMA))
            pdptes_load(&vcpu->state);
    }
    vmwrite(VMCS_GUEST_CR0, cr0);
    vmwrite(VMCS_CR0_SHADOW, control->cr0);
    if (!vmx->shadow)
        vmwrite(VMCS_GUEST_CR3, control->cr3);
    vmwrite(VMCS_GUEST_CR4, cr4);
    vmwrite(VMCS_CR4_SHADOW, control->cr4);
    vmwrite(VMCS_GUEST_DR7, control->dr7);
    vmx->cr2 = control->cr2;
    lapic_set_cr8(vcpu, (uint8_t)control->cr8);
    write_dr6(control->dr6);
    registers_load_control(vcpu);
}

void vmx_set_cr2(struct vcpu *vcpu, uint64_t linear)
{
    struct vmx_vcpu *vmx = vcpu->backend;
    vmx->cr2 = vcpu->state.control.cr2 = linear;
}

static void get_msrs(struct vcpu *vcpu)
{
    struct vcpu_msrs *msrs = &vcpu->state.msrs;
    msrs->sysenter_cs = vmread(VMCS_GUEST_SYSENTER_CS);
    msrs->sysenter_esp = vmread(VMCS_GUEST_SYSENTER_ESP);
    msrs->sysenter_eip = vmread(VMCS_GUEST_SYSENTER_EIP);
    syscall_registers_get(vcpu);
}

static void set_msrs(struct vcpu *vcpu)
{
    const struct vcpu_msrs *msrs = &vcpu->state.msrs;
    vmwrite(VMCS_GUEST_SYSENTER_CS, msrs->sysenter_cs);
    vmwrite(VMCS_GUEST_SYSENTER_ESP, msrs->sysenter_esp);
    vmwrite(VMCS_GUEST_SYSENTER_EIP, msrs->sysenter_eip);
    if (vmx_features.pat)
        vmwrite(VMCS_GUEST_PAT, msrs->pat);
    if (this_cpu()->left_behind & LEFT_SYSCALL)
        syscall_registers_load(vcpu);
    registers_load_tsc_aux(vcpu);
}

void vmx_get(struct vcpu *vcpu, uint32_t groups)
{
    struct vmx_vcpu *vmx = vcpu->backend;
    struct vcpu_state *state = &vcpu->state;
    if (!vcpu_is_loaded(vcpu))
        return; /* nothing is newer than what is there */
    if (groups & VCPU_FPU)
        fpu_store(vcpu);
    state->control.cr8 = lapic_get_cr8(vcpu); /* which writes of its page change, too */
    groups &= ~vmx->fresh;
    vmx->fresh |= groups;
    if (groups & VCPU_SEGMENTS)
        get_segments(state, vmx->vm86);
    if (groups & VCPU_CONTROL)
        get_control(vcpu, vmx);
    if (groups & VCPU_TABLES) {
        state->tables.gdtr = (struct descriptor_table){.base = vmread(VMCS_GUEST_GDTR_BASE),
                                                       .limit = (uint32_t)vmread(VMCS_GUEST_GDTR_LIMIT)};
        state->tables.idtr = (struct descriptor_table){.base = vmread(VMCS_GUEST_IDTR_BASE),
                                                       .limit = (uint32_t)vmread(VMCS_GUEST_IDTR_LIMIT)};
    }
    if (groups & VCPU_MSRS)
        get_msrs(vcpu);
}

static void state_write(struct vcpu *vcpu, struct vmx_vcpu *vmx, uint32_t groups)
{
    const struct vcpu_state *state = &vcpu->state;
    vmx->fresh |= groups;
    vmx->unchecked = true;
    if (groups & VCPU_CONTROL)
        mode_update(vcpu, vmx);
    if (groups & VCPU_SEGMENTS)
        set_segments(state, vmx->vm86);
    if (groups & VCPU_CONTROL)
        set_control(vcpu, vmx);
    if (groups & VCPU_TABLES) {
        vmwrite(VMCS_GUEST_GDTR_BASE, state->tables.gdtr.base);
        vmwrite(VMCS_GUEST_GDTR_LIMIT, state->tables.gdtr.limit);
        vmwrite(VMCS_GUEST_IDTR_BASE, state->tables.idtr.base);
        vmwrite(VMCS_GUEST_IDTR_LIMIT, state->tables.idtr.limit);
    }
    if (groups & VCPU_MSRS)
        set_msrs(vcpu);
    if (groups & VCPU_TIME)
        vmwrite(VMCS_TSC_OFFSET, state->time.tsc_offset);
    if (!(groups & (VCPU_CONTROL | VCPU_MSRS)))
        return;
    efer_write(vcpu, vmx);
    vmx_controls_update(vcpu);
    if (vmx->shadow) {
        vtlb_set_registers(vcpu);
        vmwrite(VMCS_GUEST_CR3, vtlb_root(vcpu));
    }
}

void vmx_set(struct vcpu *vcpu, uint32_t groups)
{
    struct vmx_vcpu *vmx = vcpu->backend;
    if (!vcpu_is_loaded(vcpu)) {
        vmx->pending |= groups;
        if (groups & VCPU_CONTROL)
            lapic_set_cr8(vcpu, (uint8_t)vcpu->state.control.cr8);
        return;
    }
    state_write(vcpu, vmx, groups);
    if (groups & VCPU_FPU)
        fpu_load(vcpu);
}

void vmx_load(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vcpu->backend;
    const struct cpu *cpu = this_cpu();
    vmcs_load(vmx->vmcs);
    registers_load(vcpu);
    write_dr6(vcpu->state.control.dr6);
    if (vmx->cpu != cpu) {
        if (!vmx->cpu)
            vmx_vmcs_init(vcpu);
        vmx_host_write(vcpu);
        vmx_invalidate(vcpu); /* what it left behind when it was here before */
        vmx->cpu = cpu;
    }
    state_write(vcpu, vmx, vmx->pending);
    vmx->pending = 0;
    vmx_controls_update(vcpu);
}

/* The VMCS goes back to memory: the vCPU may be loaded on any processor next. */
void vmx_unload(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vcpu->backend;
    vmx_get(vcpu, VMCS_GROUPS);
    registers_store(vcpu);
    if (this_cpu()->left_behind & LEFT_SYSCALL)
        syscall_registers_restore();
    vmcs_clear(vmx->vmcs);
    vmx->launched = false;
}
