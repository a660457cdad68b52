/*
 * Test kernels of tests/guests/ from their first instruction to their last in the emulator alone: what they
 * check of a processor, they check of the emulator. As if no state fitted the processor, so that it does
 * whole batches, and delivers every fault and trap itself.
 *
 * The machine has 16 MiB of RAM, ports that read as they were written, a serial port that is always ready, a
 * PCI device by which the kernel powers off, and of the APICs the version registers, the index and the TPR.
 *
 * sources: devices/emulate*.c lib/decode*.c lib/walk.c lib/format.c
 */
#include <elf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "emulate_unfit.h"
#include "real_mode.h"
#include "vcpu_exit.h"
#include "x86.h"

enum { RAM = 16 << 20, OUTPUT = 1 << 16, BATCHES_MAX = 20000, PAGE = 4096 };
enum { COM1 = 0x3f8, LINE_STATUS = 0x3fd, PM_BASE = 0x600, PM_CONTROL = PM_BASE + 4, PM_TIMER = PM_BASE + 8 };
enum { PCI_ADDRESS = 0xcf8, PCI_DATA = 0xcfc, PIIX4_PM = 0x71138086 };
enum { IOAPIC_VERSION = 0x170011, LAPIC_VERSION = 0x50010, LAPIC_SPURIOUS = 0x1ff };
#define APIC_BASE_MSR 0x1bu
#define IOAPIC        0xfec00000ull
#define LAPIC         0xfee00000ull

static uint8_t ram[RAM] __attribute__((aligned(4096)));
static char output[OUTPUT];
static unsigned printed;
static uint32_t pci_address, timer, ioapic_index;
static uint8_t ports[1 << 16];
static bool off;
static struct upcall upcall;

bool real_mode_fits(const struct vcpu_state *state)
{
    (void)state;
    return false;
}

static void *machine_ram(void *context, uint64_t gpa, bool write)
{
    (void)context, (void)write;
    return gpa < RAM ? ram + gpa : NULL;
}

static uint32_t device_register(uint64_t gpa)
{
    switch (gpa) {
    case IOAPIC:
        return ioapic_index;
    case IOAPIC + 0x10:
        return ioapic_index == 1 ? IOAPIC_VERSION : 0;
    case LAPIC + 0x30:
        return LAPIC_VERSION;
    case LAPIC + 0xf0:
        return LAPIC_SPURIOUS;
    case LAPIC + 0x80:
        return (uint32_t)upcall.state.control.cr8 << 4;
    default:
        return UINT32_MAX;
    }
}

static uint64_t machine_read(void *context, uint64_t gpa, unsigned size)
{
    uint64_t value = 0;

    (void)context;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)(device_register((gpa + i) & ~3ull) >> 8 * ((gpa + i) & 3) & 0xff) << 8 * i;
    return value;
}

static void machine_write(void *context, uint64_t gpa, unsigned size, uint64_t value)
{
    (void)context, (void)size;
    if (gpa == IOAPIC)
        ioapic_index = (uint32_t)value;
}

static uint32_t machine_in(void *context, uint16_t port, unsigned size)
{
    (void)context;
    if (port == LINE_STATUS)
        return 0x60;
    if (port == PM_TIMER)
        return timer += 1000;
    if (port == PCI_DATA)
        return (pci_address & 0xff) == 0 && (pci_address >> 8 & 0xff) == 9 ? PIIX4_PM
               : (pci_address & 0xff) == 0x40                              ? PM_BASE | 1
                                                                           : UINT32_MAX;
    return size == 1 ? ports[port] : UINT32_MAX;
}

static void machine_out(void *context, uint16_t port, unsigned size, uint32_t value)
{
    (void)context;
    if (size == 1)
        ports[port] = (uint8_t)value;
    if (port == COM1 && printed < OUTPUT - 1)
        output[printed++] = (char)value;
    if (port == PCI_ADDRESS)
        pci_address = value;
    off |= port == PM_CONTROL;
}

static bool machine_msr(void *context, unsigned vcpu, uint32_t index, uint64_t *value)
{
    (void)context, (void)vcpu;
    *value = 0xfee00900;
    return index == APIC_BASE_MSR;
}

static bool machine_set_msr(void *context, unsigned vcpu, uint32_t index, uint64_t value)
{
    (void)context, (void)vcpu, (void)value;
    return index == APIC_BASE_MSR;
}

static int machine_get(void *context, struct vcpu_state *state, uint32_t groups)
{
    (void)context, (void)state, (void)groups;
    return 0;
}

/* An AMD processor with what the kernels ask for. */
static void machine_cpuid(void *context, const struct vcpu_state *state, unsigned vcpu, uint32_t registers[4])
{
    static const struct {
        uint32_t leaf, value[4];
    } answers[] = {
        {0, {0xd, 0x68747541, 0x444d4163, 0x69746e65}},
        {1, {0x800f12, 0, 0, 0x178bfbff}},
        {0x80000000, {0x80000008, 0, 0, 0}},
        {0x80000001, {0, 0, 0x10, 0x2c100800}},
        {0x80000008, {0x3028, 0, 0, 0}},
    };
    uint32_t leaf = registers[0];

    (void)context, (void)state, (void)vcpu;
    memset(registers, 0, 4 * sizeof(*registers));
    for (unsigned i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        if (answers[i].leaf == leaf)
            memcpy(registers, answers[i].value, sizeof(answers[i].value));
}

static const struct emulator_machine machine = {.ram = machine_ram,
                                                .read = machine_read,
                                                .write = machine_write,
                                                .in = machine_in,
                                                .out = machine_out,
                                                .read_msr = machine_msr,
                                                .write_msr = machine_set_msr,
                                                .get = machine_get,
                                                .cpuid = machine_cpuid};
static const struct processor_limits limits = {
    .cr4 = 0x3507ff & ~0x800, .efer = 0x4d01, .xcr0 = 7, .physical_width = 40};

static void load(const char *name, struct vcpu_state *state)
{
    char path[256];
    Elf32_Ehdr header;
    Elf32_Phdr segment;

    snprintf(path, sizeof(path), "build/guests/%s.elf", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(&header, sizeof(header), 1, file), 1);
    for (unsigned i = 0; i < header.e_phnum; i++) {
        fseek(file, (long)(header.e_phoff + i * sizeof(segment)), SEEK_SET);
        assert_int_equal(fread(&segment, sizeof(segment), 1, file), 1);
        if (segment.p_type != PT_LOAD || segment.p_filesz == 0)
            continue;
        assert_true(segment.p_paddr + segment.p_memsz <= RAM);
        fseek(file, segment.p_offset, SEEK_SET);
        assert_int_equal(fread(ram + segment.p_paddr, segment.p_filesz, 1, file), 1);
    }
    fclose(file);
    state->gpr.rip = header.e_entry;
}

/* As a Multiboot loader leaves it, without information. */
static void reset(struct vcpu_state *state)
{
    *state = (struct vcpu_state){
        .gpr.rflags = 2,
        .control = {.cr0 = CR0_PE | CR0_ET, .dr6 = DR6_RESET, .dr7 = DR7_RESET, .xcr0 = 1},
        .tables = {.gdtr.limit = 0xffff, .idtr.limit = 0xffff},
        .msrs.pat = PAT_RESET};
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        state->segment[i] = (struct segment){.attributes = 0xc93, .limit = UINT32_MAX};
    state->segment[SEG_CS].attributes = 0xc9b;
    state->segment[SEG_TR] = (struct segment){.attributes = 0x8b, .limit = 0xffff};
    state->gpr.reg[RAX] = 0x2badb002;
    state->gpr.reg[RBX] = 0x1000;
}

static bool may_go_on(void *context)
{
    (void)context;
    return !off;
}

/* `until`: where the emulator says otherwise, or no more; NULL: the kernel ends well. */
static void run(const char *name, const char *until)
{
    unsigned batches = 0;

    memset(ram, 0, sizeof(ram));
    printed = 0;
    off = false;
    memset(output, 0, sizeof(output));
    reset(&upcall.state);
    load(name, &upcall.state);
    upcall.exit.reason = VCPU_EXIT_UNFIT;
    do {
        upcall.groups = VCPU_GPR | VCPU_SEGMENTS | VCPU_CONTROL | VCPU_MSRS | VCPU_TABLES | VCPU_INTERRUPTS;
        if (emulate_unfit(&upcall, &machine, NULL, &limits, may_go_on))
            print_message("%s: %s\n", name, upcall.text);
    } while (!off && upcall.status == UPCALL_OK && ++batches < BATCHES_MAX &&
             !(until && strstr(output, until)));
    const char *done = until ? strstr(output, until) : strstr(output, "DONE ");
    const char *failed = strstr(output, "FAIL");
    bool good = done && (until ? !failed || failed >= done : off && strstr(done, " 0 failed"));
    if (!good)
        fail_msg("%s ended with status %u at %04x:%lx %s\n%s", name, upcall.status,
                 upcall.state.segment[SEG_CS].selector, upcall.state.gpr.rip, upcall.text, output);
    print_message("%.60s\n", done);
}

#define KERNEL(name, until)                                                                                  \
    static void name(void **unused)                                                                          \
    {                                                                                                        \
        (void)unused;                                                                                        \
        run(#name, until);                                                                                   \
    }
/* x87 arithmetic is not emulated. A page table that nobody has is for ring 0 to meet: here it reads as ones.
 */
#define KERNELS(X)                                                                                           \
    X(task_switch, NULL)                                                                                     \
    X(segments, NULL)                                                                                        \
    X(exceptions, "x87 zero divide")                                                                         \
    X(double_fault, "entered again: 2 ok")                                                                   \
    X(mode_real, NULL)                                                                                       \
    X(mode_unreal, NULL)                                                                                     \
    X(mode_vm86, NULL)                                                                                       \
    X(paging, NULL)                                                                                          \
    X(cr_rules, NULL)                                                                                        \
    X(self_modifying, NULL)
KERNELS(KERNEL)

int main(void)
{
#define TEST(name, until) cmocka_unit_test(name),
    const struct CMUnitTest tests[] = {KERNELS(TEST)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
