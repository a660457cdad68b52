/*
 * The registers that GDB knows of an x86 processor (GDB manual, G.5.7, feature org.gnu.gdb.i386.core), and
 * those of the system in a feature of our own. Values of the FPU are those of the FXSAVE area (Intel SDM Vol.
 * 1, 10.5.1).
 *
 * Missing: SSE and wider.
 */
#include "gdb_registers.h"
#include <stdlib.h>
#include <string.h>
#include "nr.h"

enum { CORE_GPR_32 = 8, CORE_GPR_64 = 16, SEGMENTS = 6, STACK = 8, CONTROL = 8, SYSTEM = 12 };
enum { FXSAVE_ST0 = 32, FXSAVE_STRIDE = 16, ST_SIZE = 10, TAG_EMPTY = 3, TAG_VALID = 0 };

static const enum gpr order_32[CORE_GPR_32] = {RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI};
static const enum gpr order_64[CORE_GPR_64] = {RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP,
                                               R8,  R9,  R10, R11, R12, R13, R14, R15};
static const enum segment_name order_segments[SEGMENTS] = {SEG_CS, SEG_SS, SEG_DS, SEG_ES, SEG_FS, SEG_GS};
static const char *const names_32[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
static const char *const names_64[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
                                       "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
static const char *const names_segments[] = {"cs", "ss", "ds", "es", "fs", "gs"};
static const char *const names_control[] = {"fctrl", "fstat", "ftag",  "fiseg",
                                            "fioff", "foseg", "fooff", "fop"};
static const char *const names_system[SYSTEM] = {"cr0",     "cr2",     "cr3",     "cr4",
                                                 "cr8",     "efer",    "cs_base", "ss_base",
                                                 "ds_base", "es_base", "fs_base", "gs_base"};

/* Where each kind begins. */
struct layout {
    unsigned ip, flags, segments, stack, control, system, count;
};

static struct layout layout_of(bool wide)
{
    unsigned gpr = wide ? CORE_GPR_64 : CORE_GPR_32;
    struct layout l = {.ip = gpr, .flags = gpr + 1, .segments = gpr + 2};

    l.stack = l.segments + SEGMENTS;
    l.control = l.stack + STACK;
    l.system = l.control + CONTROL;
    l.count = l.system + SYSTEM;
    return l;
}

unsigned gdb_register_count(bool wide)
{
    return layout_of(wide).count;
}

unsigned gdb_register_size(bool wide, unsigned index)
{
    struct layout l = layout_of(wide);

    if (index >= l.stack && index < l.control)
        return ST_SIZE;
    return wide && (index <= l.ip || index >= l.system) ? 8 : 4;
}

/* The tags as FSAVE has them, as far as FXSAVE knows: empty, or not. */
static uint32_t tags(uint8_t abridged)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < STACK; i++)
        value |= (uint32_t)(abridged >> i & 1 ? TAG_VALID : TAG_EMPTY) << 2 * i;
    return value;
}

static uint32_t control_value(const uint8_t *fxsave, unsigned index)
{
    static const uint8_t places[CONTROL] = {0, 2, 4, 12, 8, 20, 16, 6};
    bool whole = index == 4 || index == 6;
    uint32_t value = 0;

    if (index == 2)
        return tags(fxsave[places[2]]);
    memcpy(&value, fxsave + places[index], whole ? 4 : 2);
    return value;
}

static uint64_t system_value(const struct vcpu_state *state, unsigned index)
{
    const struct vcpu_control *c = &state->control;
    const uint64_t values[] = {c->cr0, c->cr2, c->cr3, c->cr4, c->cr8, state->msrs.efer};

    if (index < sizeof(values) / sizeof(values[0]))
        return values[index];
    return state->segment[order_segments[index - sizeof(values) / sizeof(values[0])]].base;
}

void gdb_register_get(const struct gdb_registers *registers, unsigned index, uint8_t *to)
{
    const struct vcpu_state *state = &registers->state;
    struct layout l = layout_of(registers->wide);
    uint64_t value;

    if (index < l.ip)
        value = state->gpr.reg[registers->wide ? order_64[index] : order_32[index]];
    else if (index == l.ip)
        value = state->gpr.rip;
    else if (index == l.flags)
        value = state->gpr.rflags;
    else if (index < l.stack)
        value = state->segment[order_segments[index - l.segments]].selector;
    else if (index < l.control) {
        memcpy(to, state->fpu.xsave + FXSAVE_ST0 + FXSAVE_STRIDE * (index - l.stack), ST_SIZE);
        return;
    } else if (index < l.system)
        value = control_value(state->fpu.xsave, index - l.control);
    else
        value = system_value(state, index - l.system);
    memcpy(to, &value, gdb_register_size(registers->wide, index));
}

bool gdb_register_set(struct gdb_registers *registers, unsigned index, const uint8_t *from)
{
    struct vcpu_gpr *gpr = &registers->state.gpr;
    struct layout l = layout_of(registers->wide);
    uint64_t value = 0;
    uint8_t now[GDB_REGISTER_SIZE_MAX];
    unsigned size = gdb_register_size(registers->wide, index);

    if (index >= l.segments) { /* G has them all: the same value is no change */
        gdb_register_get(registers, index, now);
        return memcmp(now, from, size) == 0;
    }
    memcpy(&value, from, size);
    if (index < l.ip)
        gpr->reg[registers->wide ? order_64[index] : order_32[index]] = value;
    else if (index == l.ip)
        gpr->rip = value;
    else
        gpr->rflags = value;
    return true;
}

static void add(char **text, const char *name, unsigned bits, const char *type)
{
    char *longer = nr_format("%s<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"/>", *text, name, bits, type);

    free(*text);
    *text = longer;
}

static void add_text(char **text, const char *more)
{
    char *longer = nr_format("%s%s", *text, more);

    free(*text);
    *text = longer;
}

char *gdb_target_description(bool wide)
{
    char *text =
        nr_format("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
                  "<architecture>%s</architecture><feature name=\"org.gnu.gdb.i386.core\">"
                  "<flags id=\"nullring_flags\" size=\"4\"><field name=\"CF\" start=\"0\" end=\"0\"/>"
                  "<field name=\"\" start=\"1\" end=\"1\"/><field name=\"PF\" start=\"2\" end=\"2\"/>"
                  "<field name=\"AF\" start=\"4\" end=\"4\"/><field name=\"ZF\" start=\"6\" end=\"6\"/>"
                  "<field name=\"SF\" start=\"7\" end=\"7\"/><field name=\"TF\" start=\"8\" end=\"8\"/>"
                  "<field name=\"IF\" start=\"9\" end=\"9\"/><field name=\"DF\" start=\"10\" end=\"10\"/>"
                  "<field name=\"OF\" start=\"11\" end=\"11\"/></flags>",
                  wide ? "i386:x86-64" : "i386");
    unsigned bits = wide ? 64 : 32, gpr = wide ? CORE_GPR_64 : CORE_GPR_32;
    const char *integer = wide ? "int64" : "int32";

    for (unsigned i = 0; i < gpr; i++)
        add(&text, wide ? names_64[i] : names_32[i], bits, integer);
    add(&text, wide ? "rip" : "eip", bits, "code_ptr");
    add(&text, "eflags", 32, "nullring_flags");
    for (unsigned i = 0; i < SEGMENTS; i++)
        add(&text, names_segments[i], 32, "int32");
    for (unsigned i = 0; i < STACK; i++) {
        char name[] = {'s', 't', (char)('0' + i), '\0'};
        add(&text, name, 80, "i387_ext");
    }
    for (unsigned i = 0; i < CONTROL; i++)
        add(&text, names_control[i], 32, "int");
    add_text(&text, "</feature><feature name=\"nullring.system\">");
    for (unsigned i = 0; i < SYSTEM; i++)
        add(&text, names_system[i], bits, integer);
    add_text(&text, "</feature></target>");
    return text;
}
