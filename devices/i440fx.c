/*
 * The host bridge of the i440FX: PCI function 0.0, and the two ports through which configuration space is
 * reached.
 *
 * Document: Intel 82441FX (PMC) data sheet (290549-001), 3.1 and 3.2; PCI Local Bus Specification 3.0,
 * 3.2.2.3.2 (configuration mechanism 1). State: struct i440fx. Missing: bus numbers other than 0 answer all
 * ones; system management mode, so SMRAM stays closed. Ignored bits: DRAM timing and row boundary registers
 * read as after reset.
 */
#include "i440fx.h"
#include "effects.h"
#include "pam.h"
#include "string.h"

enum { REGION_ADDRESS, REGION_DATA, REGION_UPPER };

/* CONFIG_ADDRESS (PCI 3.0, figure 3-2). */
enum { ADDRESS_BUS_SHIFT = 16, ADDRESS_DEVFN_SHIFT = 8, ADDRESS_REGISTER = 0xfc };
#define ADDRESS_ENABLE   (1u << 31)
#define ADDRESS_WRITABLE (ADDRESS_ENABLE | 0x00fffffcu)

enum { REG_PAM0 = 0x59, REG_SMRAM = 0x72, SMRAM_RESET = 0x02 };

static const struct pci_identity i440fx_identity = {
    .vendor = 0x8086,
    .device = 0x1237,
    .subsystem_vendor = 0x1af4,
    .subsystem = 0x1100,
    .class_code = 0x060000,
    .revision = 0x02,
    .command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
    .command_mask = PCI_COMMAND_SERR,
    .status = 0x0280, /* fast back-to-back, medium DEVSEL timing */
    .writable = {{REG_PAM0, 0x30},
                 {REG_PAM0 + 1, 0x33},
                 {REG_PAM0 + 2, 0x33},
                 {REG_PAM0 + 3, 0x33},
                 {REG_PAM0 + 4, 0x33},
                 {REG_PAM0 + 5, 0x33},
                 {REG_PAM0 + 6, 0x33},
                 {REG_SMRAM, 0x78}},
};

/* A function on bus 0, through CONFIG_DATA. */
static void i440fx_data_io(const struct i440fx *bridge, struct io *io)
{
    uint32_t address = bridge->config_address;
    if (!(address & ADDRESS_ENABLE) || address >> ADDRESS_BUS_SHIFT & 0xff)
        return;
    io->offset = (address & ADDRESS_REGISTER) | (io->offset & 3);
    effect_config_io(address >> ADDRESS_DEVFN_SHIFT & 0xff, io);
}

static void i440fx_config_io(struct i440fx *bridge, struct io *io)
{
    uint8_t before[PAM_REGISTERS];
    memcpy(before, bridge->pci.config + REG_PAM0, sizeof before);
    pci_config_io(&bridge->pci, &i440fx_identity, bridge, io);
    if (io->write)
        pam_change(before, bridge->pci.config + REG_PAM0);
}

static void i440fx_io(void *state, struct io *io)
{
    struct i440fx *bridge = state;
    if (io->space == IO_CONFIG)
        i440fx_config_io(bridge, io);
    else if (io->region == REGION_UPPER)
        pam_io(bridge->pci.config + REG_PAM0, io);
    else if (io->region == REGION_DATA)
        i440fx_data_io(bridge, io);
    else if (io->write)
        bridge->config_address = io->value & ADDRESS_WRITABLE;
    else
        io->value = bridge->config_address;
}

static void i440fx_reset(void *state, const struct device_slot *slot)
{
    struct i440fx *bridge = state;
    pci_reset(&bridge->pci, &i440fx_identity, slot->devfn);
    bridge->pci.config[REG_SMRAM] = SMRAM_RESET;
    pam_apply(bridge->pci.config + REG_PAM0);
}

static const char *i440fx_check(const void *state)
{
    const struct i440fx *bridge = state;
    if (bridge->config_address & ~ADDRESS_WRITABLE)
        return "reserved bits of CONFIG_ADDRESS";
    return pci_check(&bridge->pci, &i440fx_identity);
}

static void i440fx_inspect(const void *state, struct inspector *inspector)
{
    const struct i440fx *bridge = state;
    pci_inspect(&bridge->pci, inspector);
    inspector->field(inspector, "config address", bridge->config_address);
}

const struct device i440fx_device = {
    .name = "i440FX",
    .state_size = sizeof(struct i440fx),
    .region_count = 3,
    .region = {[REGION_ADDRESS] = {.base = 0xcf8, .length = 4, .space = IO_PORT, .widths = WIDTH_4},
               [REGION_DATA] = {.base = 0xcfc, .length = 4, .space = IO_PORT, .widths = WIDTH_ANY},
               [REGION_UPPER] =
                   {.base = PAM_BASE, .length = PAM_END - PAM_BASE, .space = IO_MEMORY, .widths = WIDTH_ANY}},
    .reset = i440fx_reset,
    .io = i440fx_io,
    .check = i440fx_check,
    .inspect = i440fx_inspect,
    .missed_ticks = TICKS_NONE,
    .deadline = device_no_deadline,
    .tick = device_no_tick,
};
