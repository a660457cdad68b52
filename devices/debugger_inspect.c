/*
 * What a human wants to see of a guest: the registers of each processor, what it executes next, its local
 * APIC, and the machine's interrupt controllers; line by line.
 */
#include "debugger_internal.h"
#include "format.h"
#include "ring3.h"
#include "string.h"
#include "x86.h"

enum {
    LINE = 200,
    CODE_BYTES = 16,
    FLAG_VM = 1 << 17,
    LAPIC_TPR = 0x08,
    LAPIC_PPR = 0x0a,
    LAPIC_SVR = 0x0f,
    LAPIC_ISR = 0x10,
    LAPIC_IRR = 0x20,
    LAPIC_TIMER = 0x32,
    LAPIC_LINT0 = 0x35,
    LAPIC_LINT1 = 0x36,
    LAPIC_COUNT = 0x39,
    VECTOR_WORDS = 8,
};

static const char *mode_name(const struct vcpu_state *state)
{
    const struct segment *cs = &state->segment[SEG_CS];
    if (!(state->control.cr0 & CR0_PE))
        return "real mode";
    if (state->gpr.rflags & FLAG_VM)
        return "virtual-8086 mode";
    if (state->msrs.efer & EFER_LMA)
        return cs->attributes & SEG_L ? "64-bit mode" : "compatibility mode";
    return cs->attributes & SEG_DB ? "protected mode, 32-bit code" : "protected mode, 16-bit code";
}

static const char *paging_name(const struct vcpu_state *state)
{
    uint64_t cr4 = state->control.cr4;
    return !(state->control.cr0 & CR0_PG) ? "off"
           : state->msrs.efer & EFER_LMA  ? "four levels"
           : cr4 & CR4_PAE                ? "PAE"
                                          : "two levels";
}

static size_t registers_line(const struct vcpu_state *s, unsigned line, char *to)
{
    static const char names[][4] = {"ax", "cx", "dx",  "bx",  "sp",  "bp",  "si",  "di",
                                    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
    size_t at = format_text(to, LINE, "   ");
    for (unsigned i = 4 * line; i < 4 * line + 4; i++)
        at += format_text(to + at, LINE - at, " %s %016lx", names[i], s->gpr.reg[i]);
    return at;
}

static size_t segments_line(const struct vcpu_state *s, unsigned line, char *to)
{
    static const char names[][5] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
    size_t at = format_text(to, LINE, "   ");
    for (unsigned i = 2 * line; i < 2 * line + 2; i++)
        at += format_text(to + at, LINE - at, " %s %04x base %lx limit %x attributes %03x%s", names[i],
                          s->segment[i].selector, s->segment[i].base, s->segment[i].limit,
                          s->segment[i].attributes, i % 2 ? "" : ",");
    return at;
}

static size_t code_line(struct debugger *debugger, const struct vcpu_state *s, char *to)
{
    uint8_t code[CODE_BYTES];
    uint64_t linear = s->segment[SEG_CS].base + s->gpr.rip;
    size_t at;
    if (s->segment[SEG_CS].attributes & SEG_L)
        linear = s->gpr.rip;
    uint32_t count = debugger_move(debugger, s, linear, code, sizeof code, false);
    at = format_text(to, LINE, "    next at %lx:", linear);
    for (uint32_t i = 0; i < count; i++)
        at += format_text(to + at, LINE - at, " %02x", code[i]);
    return at + format_text(to + at, LINE - at, "%s", count ? "" : " not in memory");
}

static size_t vectors(const uint32_t *lapic, unsigned first, char *to, size_t size)
{
    size_t at = 0;
    for (unsigned vector = 0; vector < VECTOR_WORDS * 32; vector++)
        if (lapic[first + vector / 32] >> vector % 32 & 1)
            at += format_text(to + at, size - at, " %02x", vector);
    return at ? at : format_text(to, size, " none");
}

static size_t vcpu_line(struct debugger *debugger, unsigned index, unsigned line, char *to)
{
    static const char *const activities[] = {"runs", "halted", "waits for SIPI", "shut down"};
    enum {
        HEAD,
        GPR,
        POINTER = GPR + 4,
        SEGMENTS,
        CONTROL = SEGMENTS + 4,
        TABLES,
        CODE,
        EVENTS,
        LAPIC,
        IRR,
        ISR
    };
    const struct debugger_vcpu *vcpu = &debugger->vcpu[index];
    const struct vcpu_state *s = &vcpu->state;
    const struct vcpu_interrupts *i = &s->interrupts;
    size_t at;

    if (line >= GPR && line < POINTER)
        return registers_line(s, line - GPR, to);
    if (line >= SEGMENTS && line < CONTROL)
        return segments_line(s, line - SEGMENTS, to);
    switch (line) {
    case HEAD:
        return format_text(to, LINE, "vCPU %u: %s, %s%s", index, mode_name(s), activities[i->activity % 4],
                           debugger->held >> index & 1 ? ", held" : "");
    case POINTER:
        return format_text(to, LINE, "    ip %016lx flags %08lx", s->gpr.rip, s->gpr.rflags);
    case CONTROL:
        return format_text(to, LINE, "    cr0 %lx cr2 %lx cr3 %lx cr4 %lx efer %lx, paging %s",
                           s->control.cr0, s->control.cr2, s->control.cr3, s->control.cr4, s->msrs.efer,
                           paging_name(s));
    case TABLES:
        return format_text(to, LINE, "    gdt %lx limit %x, idt %lx limit %x, dr6 %lx dr7 %lx",
                           s->tables.gdtr.base, s->tables.gdtr.limit, s->tables.idtr.base,
                           s->tables.idtr.limit, s->control.dr6, s->control.dr7);
    case CODE:
        return code_line(debugger, s, to);
    case EVENTS:
        at = format_text(to, LINE, "    pending:%s%s%s", i->nmi_pending ? " NMI" : "",
                         i->nmi_blocked ? " (NMIs blocked)" : "", i->shadow ? " (interrupt shadow)" : "");
        return at + (i->event.type
                         ? format_text(to + at, LINE - at, " vector %02x in delivery", i->event.vector)
                         : format_text(to + at, LINE - at, " nothing in delivery"));
    case LAPIC:
        return format_text(to, LINE, "    LAPIC: SVR %x TPR %x PPR %x LINT0 %x LINT1 %x timer %x at %x",
                           vcpu->lapic[LAPIC_SVR], vcpu->lapic[LAPIC_TPR], vcpu->lapic[LAPIC_PPR],
                           vcpu->lapic[LAPIC_LINT0], vcpu->lapic[LAPIC_LINT1], vcpu->lapic[LAPIC_TIMER],
                           vcpu->lapic[LAPIC_COUNT]);
    case IRR:
        at = format_text(to, LINE, "    LAPIC requested:");
        return at + vectors(vcpu->lapic, LAPIC_IRR, to + at, LINE - at);
    case ISR:
        at = format_text(to, LINE, "    LAPIC in service:");
        return at + vectors(vcpu->lapic, LAPIC_ISR, to + at, LINE - at);
    default:
        return 0;
    }
}

static size_t machine_line(const struct pc *pc, uint64_t line, char *to)
{
    if (line < 2) {
        const struct pic_chip *chip = &pc->pic.chip[line];
        return format_text(
            to, LINE, "8259 %s: vectors from %02x, lines %02x, masked %02x, in service %02x, level %02x",
            line ? "slave" : "master", chip->vector, chip->line, chip->imr, chip->isr, chip->elcr);
    }
    if (line - 2 >= IOAPIC_PINS)
        return 0;
    unsigned pin = (unsigned)(line - 2);
    uint64_t entry = pc->ioapic.redirection[pin];
    return format_text(to, LINE, "IOAPIC pin %u: vector %02x, %s, %s, line %u, to %x%s", pin,
                       (unsigned)(entry & 0xff), entry >> 15 & 1 ? "level" : "edge",
                       entry >> 16 & 1 ? "masked" : "open", pc->ioapic.line >> pin & 1,
                       (unsigned)(entry >> 56), entry >> 14 & 1 ? ", not ended" : "");
}

uint32_t debugger_inspect(struct pc *pc, uint64_t line, char *to, uint32_t size)
{
    enum { VCPU_LINES = 17 };
    uint32_t used = 0, cpus = ring3_config()->cpu_count;
    char text[LINE + 1];

    for (; used + LINE < size; line++) {
        size_t length = line < (uint64_t)cpus * VCPU_LINES
                            ? vcpu_line(&pc->debugger, (unsigned)(line / VCPU_LINES), line % VCPU_LINES, text)
                            : machine_line(pc, line - (uint64_t)cpus * VCPU_LINES, text);
        if (!length)
            break;
        memcpy(to + used, text, length);
        used += (uint32_t)length;
        to[used++] = '\n';
    }
    return used;
}
