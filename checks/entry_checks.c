/*
 * The entry checks (AMD APM Vol. 2, 15.5.1, canonicalization and consistency checks; SDM Vol. 3C, 27.3.1.1
 * and 27.3.1.4, where both vendors agree). A state that passes is entered by the processor; one that comes
 * from outside and does not is refused with the rule's name. What some processors demand beyond is in
 * entry_demands.c.
 */
#include "entry_checks.h"
#include <stddef.h>
#include "entry_demands.h"
#include "entry_state.h"
#include "xcr0.h"

#define EFER_KNOWN (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_FFXSR)
#define CR4_KNOWN                                                                                            \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR |   \
     CR4_OSXMMEXCPT | CR4_UMIP | CR4_LA57 | CR4_FSGSBASE | CR4_PCIDE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP |   \
     CR4_PKE)
#define CR3_WIDTH_MAX 52
#define HIGH_HALF     (~0ull << 32)

static bool canonical(const struct vcpu_state *s, uint64_t address)
{
    unsigned shift = s->control.cr4 & CR4_LA57 ? 7 : 16;
    return (uint64_t)((int64_t)(address << shift) >> shift) == address;
}

static bool efer_known(const struct vcpu_state *s)
{
    return !(s->msrs.efer & ~EFER_KNOWN);
}

static bool cr0_upper(const struct vcpu_state *s)
{
    return !(s->control.cr0 & HIGH_HALF);
}

static bool cr0_nw_cd(const struct vcpu_state *s)
{
    return implies(s->control.cr0 & CR0_NW, s->control.cr0 & CR0_CD);
}

static bool cr0_pg_pe(const struct vcpu_state *s)
{
    return implies(paging(s), protected_mode(s));
}

static bool cr3_width(const struct vcpu_state *s)
{
    return implies(long_active(s), !(s->control.cr3 >> CR3_WIDTH_MAX));
}

static bool cr4_known(const struct vcpu_state *s)
{
    return !(s->control.cr4 & ~CR4_KNOWN);
}

static bool dr6_upper(const struct vcpu_state *s)
{
    return !(s->control.dr6 & HIGH_HALF);
}

static bool dr7_upper(const struct vcpu_state *s)
{
    return !(s->control.dr7 & HIGH_HALF);
}

static bool long_pae(const struct vcpu_state *s)
{
    return implies(long_active(s), s->control.cr4 & CR4_PAE);
}

static bool lma_follows(const struct vcpu_state *s)
{
    return !(s->msrs.efer & EFER_LMA) == !long_active(s);
}

static bool cs_long_default(const struct vcpu_state *s)
{
    uint16_t cs = s->segment[SEG_CS].attributes;
    return implies(long_active(s) && (cs & SEG_L), !(cs & SEG_DB));
}

static bool pcid_long(const struct vcpu_state *s)
{
    return implies(s->control.cr4 & CR4_PCIDE, long_active(s));
}

static bool rflags_fixed(const struct vcpu_state *s)
{
    return (s->gpr.rflags & RFLAGS_FIXED) && !(s->gpr.rflags & ~RFLAGS_KNOWN);
}

static bool rflags_vm(const struct vcpu_state *s)
{
    return implies(vm86(s), protected_mode(s) && !long_active(s));
}

static bool rip_reach(const struct vcpu_state *s)
{
    bool wide = long_active(s) && (s->segment[SEG_CS].attributes & SEG_L);
    return wide ? canonical(s, s->gpr.rip) : !(s->gpr.rip & HIGH_HALF);
}

/* Between real mode and the first far jump CS is what real mode left: data of level 0, whatever the low bits
 * of its selector. */
static bool cs_code(const struct vcpu_state *s)
{
    uint16_t cs = s->segment[SEG_CS].attributes;
    bool present = (cs & SEG_P) && (cs & SEG_S);
    return present && implies(protected_mode(s) && !vm86(s), (cs & TYPE_CODE) || !(cs & SEG_DPL_MASK));
}

static bool ss_privilege(const struct vcpu_state *s)
{
    unsigned cpl = dpl_of(&s->segment[SEG_SS]);
    return protected_mode(s) ? implies(vm86(s), cpl == 3) : cpl == 0;
}

static bool bases_reach(const struct vcpu_state *s)
{
    for (unsigned i = SEG_ES; i <= SEG_DS; i++)
        if (s->segment[i].base & HIGH_HALF)
            return false;
    return true;
}

static bool bases_canonical(const struct vcpu_state *s)
{
    return canonical(s, s->segment[SEG_FS].base) && canonical(s, s->segment[SEG_GS].base) &&
           canonical(s, s->segment[SEG_LDTR].base) && canonical(s, s->segment[SEG_TR].base) &&
           canonical(s, s->msrs.kernel_gs_base);
}

static bool tr_type(const struct vcpu_state *s)
{
    uint16_t tr = s->segment[SEG_TR].attributes;
    unsigned type = type_of(&s->segment[SEG_TR]);
    return (tr & SEG_P) && !(tr & SEG_S) && (type == TSS_32_BUSY || (type == TSS_16_BUSY && !long_active(s)));
}

static bool ldtr_type(const struct vcpu_state *s)
{
    uint16_t ldtr = s->segment[SEG_LDTR].attributes;
    return implies(ldtr & SEG_P, !(ldtr & SEG_S) && (ldtr & SEG_TYPE_MASK) == LDT);
}

static bool tables_canonical(const struct vcpu_state *s)
{
    return canonical(s, s->tables.gdtr.base) && canonical(s, s->tables.idtr.base);
}

static bool tables_limit(const struct vcpu_state *s)
{
    return s->tables.gdtr.limit <= 0xffff && s->tables.idtr.limit <= 0xffff;
}

static bool entry_points_canonical(const struct vcpu_state *s)
{
    return canonical(s, s->msrs.lstar) && canonical(s, s->msrs.cstar) && canonical(s, s->msrs.sysenter_esp) &&
           canonical(s, s->msrs.sysenter_eip);
}

/* SDM Vol. 3A, 12.12.2 */
static bool pat_types(const struct vcpu_state *s)
{
    for (unsigned i = 0; i < 64; i += 8) {
        uint8_t type = (uint8_t)(s->msrs.pat >> i);
        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    return true;
}

static bool cr8_width(const struct vcpu_state *s)
{
    return s->control.cr8 <= 15;
}

static bool xcr0_together(const struct vcpu_state *s)
{
    return xcr0_goes_together(s->control.xcr0);
}

static bool event_type(const struct vcpu_state *s)
{
    const struct vcpu_event *event = &s->interrupts.event;
    const uint32_t known = 1u << EVENT_NONE | 1u << EVENT_INTERRUPT | 1u << EVENT_NMI |
                           1u << EVENT_EXCEPTION | 1u << EVENT_SOFT_INTERRUPT | 1u << EVENT_SOFT_EXCEPTION;
    return event->type <= EVENT_SOFT_EXCEPTION && known >> event->type & 1 &&
           implies(event->type == EVENT_EXCEPTION,
                   event->vector < EXCEPTION_COUNT && event->vector != EXCEPTION_NMI);
}

static bool shadow_single(const struct vcpu_state *s)
{
    return s->interrupts.shadow <= SHADOW_MOV_SS;
}

static bool activity_known(const struct vcpu_state *s)
{
    return s->interrupts.activity <= ACTIVITY_SHUTDOWN;
}

static const struct rule {
    const char *name;
    bool (*holds)(const struct vcpu_state *state);
} rules[] = {
    {"EFER has a reserved bit set", efer_known},
    {"CR0 has a bit above 31 set", cr0_upper},
    {"CR0.NW is set without CR0.CD", cr0_nw_cd},
    {"CR0.PG is set without CR0.PE", cr0_pg_pe},
    {"CR3 is wider than a physical address", cr3_width},
    {"CR4 has a reserved bit set", cr4_known},
    {"DR6 has a bit above 31 set", dr6_upper},
    {"DR7 has a bit above 31 set", dr7_upper},
    {"long mode without CR4.PAE", long_pae},
    {"EFER.LMA does not follow LME and paging", lma_follows},
    {"CS.L and CS.D are both set in long mode", cs_long_default},
    {"CR4.PCIDE is set outside of long mode", pcid_long},
    {"RFLAGS has a reserved bit wrong", rflags_fixed},
    {"RFLAGS.VM is set outside of protected mode, or in long mode", rflags_vm},
    {"RIP is outside of what CS can reach", rip_reach},
    {"CS is not a present code segment", cs_code},
    {"SS has a privilege level that the mode does not allow", ss_privilege},
    {"ES, CS, SS or DS has a base above 4 GiB", bases_reach},
    {"FS, GS, LDTR, TR or KERNEL_GS_BASE is not canonical", bases_canonical},
    {"TR is not a busy TSS", tr_type},
    {"LDTR is not an LDT", ldtr_type},
    {"GDTR or IDTR has a base that is not canonical", tables_canonical},
    {"GDTR or IDTR has a limit above 0xffff", tables_limit},
    {"an entry point of SYSCALL or SYSENTER is not canonical", entry_points_canonical},
    {"PAT has a reserved memory type", pat_types},
    {"CR8 is above 15", cr8_width},
    {"XCR0 has components that do not go without others", xcr0_together},
    {"the pending event is none that a processor knows", event_type},
    {"the interrupt shadow is none that a processor knows", shadow_single},
    {"the activity is none that a processor knows", activity_known},
};

const char *entry_check(const struct vcpu_state *state, const struct entry_demands *demands)
{
    for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (!rules[i].holds(state))
            return rules[i].name;
    return demands ? entry_demands_check(state, demands) : NULL;
}
