/*
 * The state in which a boot protocol hands over the first vCPU: protected mode with flat segments
 * (Documentation/arch/x86/boot.rst "32-bit Boot Protocol"; Multiboot Specification 0.6.96, 3.2), or long mode
 * ("64-bit Boot Protocol").
 */
#include "internal.h"
#include "little_endian.h"
#include "string.h"
#include "x86.h"

enum { IDT_LIMIT_NONE = 0 };
#define SEGMENT_LIMIT 0xffffffffu

/* Descriptors: base 0, limit 4 GiB, accessed. */
#define DESCRIPTOR_CODE32 0x00cf9b000000ffffull
#define DESCRIPTOR_CODE64 0x00af9b000000ffffull
#define DESCRIPTOR_DATA   0x00cf93000000ffffull

enum segment_type { TYPE_DATA = 0x3, TYPE_CODE = 0xb, TYPE_LDT = 0x2, TYPE_TSS_BUSY = 0xb };

void loader_write_gdt(uint8_t *to, bool long_mode)
{
    memset(to, 0, BOOT_GDT_SIZE);
    store64(to + BOOT_CS, long_mode ? DESCRIPTOR_CODE64 : DESCRIPTOR_CODE32);
    store64(to + BOOT_DS, DESCRIPTOR_DATA);
}

static void set_segments(struct vcpu_state *state, uint16_t code_size)
{
    const struct segment data = {.selector = BOOT_DS,
                                 .attributes = TYPE_DATA | SEG_S | SEG_P | SEG_DB | SEG_G,
                                 .limit = SEGMENT_LIMIT};

    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        state->segment[i] = data;
    state->segment[SEG_CS] = (struct segment){.selector = BOOT_CS,
                                              .attributes = TYPE_CODE | SEG_S | SEG_P | SEG_G | code_size,
                                              .limit = SEGMENT_LIMIT};
    state->segment[SEG_LDTR] = (struct segment){.attributes = TYPE_LDT | SEG_P, .limit = 0xffff};
    state->segment[SEG_TR] = (struct segment){.attributes = TYPE_TSS_BUSY | SEG_P, .limit = 0xffff};
}

uint32_t loader_state_flat(struct vcpu_state *state, uint64_t gdt)
{
    state->gpr = (struct vcpu_gpr){.rflags = RFLAGS_FIXED};
    set_segments(state, SEG_DB);
    state->control =
        (struct vcpu_control){.cr0 = CR0_PE | CR0_ET, .xcr0 = XCR0_X87, .dr6 = DR6_RESET, .dr7 = DR7_RESET};
    state->tables = (struct vcpu_tables){.gdtr = {.base = gdt, .limit = BOOT_GDT_SIZE - 1},
                                         .idtr = {.limit = IDT_LIMIT_NONE}};
    state->msrs = (struct vcpu_msrs){.pat = PAT_RESET};
    return VCPU_GPR | VCPU_SEGMENTS | VCPU_CONTROL | VCPU_TABLES | VCPU_MSRS;
}

uint32_t loader_state_long(struct vcpu_state *state, uint64_t gdt, uint64_t cr3)
{
    uint32_t groups = loader_state_flat(state, gdt);

    set_segments(state, SEG_L);
    state->control.cr0 |= CR0_PG;
    state->control.cr3 = cr3;
    state->control.cr4 = CR4_PAE;
    state->msrs.efer = EFER_LME | EFER_LMA;
    return groups;
}
