/*
 * The south bridge's power management function: ACPI events, the PM timer, soft off.
 *
 * Document: Intel 82371AB (PIIX4) data sheet (290562-001), 7.1 and 7.2; ACPI 6.4, 4.8. State: struct
 * piix4_pm. Missing: the SMBus, device monitors, throttling (their registers read 0 or as written), the
 * sleeping states but soft off. The SMI port does what a firmware's SMI handler does with it: it turns SCI_EN
 * on and off. Ignored bits: BRLD_EN_BM, GBL_RLS. The timer is a function of guest time; its overflow is found
 * when somebody looks, or at a deadline while it may interrupt.
 */
#include "piix4_pm.h"
#include "effects.h"

enum { REGION_PM, REGION_SMI };

enum { TIMER_HZ = 3579545, TIMER_HALF_SHIFT = 23 };
#define TIMER_MASK 0x00ffffffu
#define NS_PER_S   1000000000ull

/* PMSTS and PMEN share the places of their bits (7.2.1, 7.2.2). */
enum pm_event {
    EVENT_TIMER_OVERFLOW = 1 << 0,
    EVENT_GLOBAL = 1 << 5,
    EVENT_POWER_BUTTON = 1 << 8,
    EVENT_RTC = 1 << 10,
};
enum {
    STATUS_CLEARABLE = EVENT_TIMER_OVERFLOW | EVENT_GLOBAL | EVENT_POWER_BUTTON | EVENT_RTC | 1 << 15,
    ENABLE_MASK = EVENT_TIMER_OVERFLOW | EVENT_GLOBAL | EVENT_POWER_BUTTON | EVENT_RTC,
};

/* PMCNTRL (7.2.3). SUS_EN reads 0. */
enum pm_control {
    CONTROL_SCI_EN = 1 << 0,
    CONTROL_BRLD_EN_BM = 1 << 1,
    CONTROL_SUS_TYP = 7 << 10,
    CONTROL_SUS_EN = 1 << 13,
};
enum { CONTROL_MASK = CONTROL_SCI_EN | CONTROL_BRLD_EN_BM | CONTROL_SUS_TYP, SUS_TYP_SOFT_OFF = 0 };

/* GPSTS and GPEN: thermal, lid, ring, battery low, USB (7.2.4, 7.2.5); nothing here raises them. */
enum { GENERAL_MASK = 0x0f01 };

enum { PMREGMISC_PMIOSE = 1, PMBA_SIZE = 64, REG_DEVACTB = 0x58, DEVACTB_APMC_EN = 0x02 /* bit 25 */ };

static const struct pci_identity piix4_pm_identity = {
    .vendor = 0x8086,
    .device = 0x7113,
    .subsystem_vendor = 0x1af4,
    .subsystem = 0x1100,
    .class_code = 0x068000,
    .revision = 0x03,
    .interrupt_pin = 1,
    .command_mask = PCI_COMMAND_IO,
    .status = 0x0280, /* fast back-to-back, medium DEVSEL timing */
    .writable = {{PIIX4_REG_PMBA, 0xc0},
                 {PIIX4_REG_PMBA + 1, 0xff},
                 {0x58, 0xff}, /* DEVACTB */
                 {0x59, 0xff},
                 {0x5a, 0xff},
                 {0x5b, 0xff},
                 {PIIX4_REG_PMREGMISC, PMREGMISC_PMIOSE}},
};

static uint64_t pm_ticks(uint64_t ns)
{
    return ns / NS_PER_S * TIMER_HZ + ns % NS_PER_S * TIMER_HZ / NS_PER_S;
}

/* TMROF_STS is set each time bit 23 of the timer changes. */
static uint64_t pm_overflows(void)
{
    return pm_ticks(effect_now()) >> TIMER_HALF_SHIFT;
}

/* Brings the timer's status up to date and drives SCI. */
static void pm_update(struct piix4_pm *pm)
{
    if (pm_overflows() != pm->overflows_seen)
        pm->status |= EVENT_TIMER_OVERFLOW;
    bool event = pm->status & pm->enable & ENABLE_MASK || pm->general_status & pm->general_enable;
    bool level = pm->control & CONTROL_SCI_EN && event;
    if (level != pm->sci) {
        pm->sci = level;
        effect_irq(PIIX4_SCI, IRQ_SCI, level);
    }
}

void piix4_pm_look(struct piix4_pm *pm)
{
    uint32_t presses = effect_power_presses();
    if (presses == pm->presses)
        return;
    pm->presses = presses;
    pm->status |= EVENT_POWER_BUTTON;
    pm_update(pm);
}

static void pm_write_control(struct piix4_pm *pm, uint16_t value)
{
    pm->control = value & CONTROL_MASK;
    if (!(value & CONTROL_SUS_EN))
        return;
    if ((value & CONTROL_SUS_TYP) == SUS_TYP_SOFT_OFF)
        effect_guest_end(GUEST_END_POWER_OFF);
    else
        effect_need(NEED_IGNORED, PIIX4_PM_BASE + PIIX4_PM_CONTROL);
}

static uint16_t pm_read(struct piix4_pm *pm, uint32_t offset)
{
    uint32_t timer = (uint32_t)pm_ticks(effect_now()) & TIMER_MASK;
    switch (offset) {
    case PIIX4_PM_EVENT:
        return pm->status;
    case PIIX4_PM_EVENT + 2:
        return pm->enable;
    case PIIX4_PM_CONTROL:
        return pm->control;
    case PIIX4_PM_TIMER:
        return (uint16_t)timer;
    case PIIX4_PM_TIMER + 2:
        return (uint16_t)(timer >> 16);
    case PIIX4_GENERAL_EVENT:
        return pm->general_status;
    case PIIX4_GENERAL_EVENT + 2:
        return pm->general_enable;
    }
    return 0;
}

static void pm_write(struct piix4_pm *pm, uint32_t offset, uint16_t value)
{
    switch (offset) {
    case PIIX4_PM_EVENT:
        pm->status &= (uint16_t) ~(value & STATUS_CLEARABLE);
        if (value & EVENT_TIMER_OVERFLOW)
            pm->overflows_seen = pm_overflows();
        break;
    case PIIX4_PM_EVENT + 2:
        pm->enable = value & ENABLE_MASK;
        break;
    case PIIX4_PM_CONTROL:
        pm_write_control(pm, value);
        break;
    case PIIX4_GENERAL_EVENT:
        pm->general_status &= (uint16_t)~value;
        break;
    case PIIX4_GENERAL_EVENT + 2:
        pm->general_enable = value & GENERAL_MASK;
        break;
    default:
        effect_need(NEED_IGNORED, PIIX4_PM_BASE + offset);
    }
}

/* One byte of a 16-bit register: the other one stays as it is, which for bits that a 1 clears means 0. */
static void pm_write_byte(struct piix4_pm *pm, uint32_t offset, uint8_t value)
{
    uint32_t reg = offset & ~1u;
    unsigned shift = 8 * (offset & 1);
    bool clears = reg == PIIX4_PM_EVENT || reg == PIIX4_GENERAL_EVENT;
    uint16_t other = clears ? 0 : pm_read(pm, reg) & (uint16_t) ~(0xff << shift);
    pm_write(pm, reg, (uint16_t)(other | value << shift));
}

static void pm_pm_io(struct piix4_pm *pm, struct io *io)
{
    /* The timer is read in one piece and by many: nothing else has to be looked at. */
    if (!io->write && io->offset == PIIX4_PM_TIMER && io->size == 4) {
        io->value = (uint32_t)pm_ticks(effect_now()) & TIMER_MASK;
        return;
    }
    pm_update(pm);
    if (!io->write) {
        io->value = (uint32_t)pm_read(pm, io->offset & ~1u) >> 8 * (io->offset & 1);
        if (io->size == 4)
            io->value |= (uint32_t)pm_read(pm, io->offset + 2) << 16;
        return;
    }
    if (io->size == 1)
        pm_write_byte(pm, io->offset, (uint8_t)io->value);
    else
        pm_write(pm, io->offset, (uint16_t)io->value);
    if (io->size == 4)
        pm_write(pm, io->offset + 2, (uint16_t)(io->value >> 16));
    pm_update(pm);
}

static void pm_smi_io(struct piix4_pm *pm, struct io *io)
{
    uint8_t *port = io->offset ? &pm->smi_status : &pm->smi_command;
    if (!io->write) {
        io->value = *port;
        return;
    }
    *port = (uint8_t)io->value;
    if (io->offset == 0 && *port == PIIX4_ACPI_ENABLE)
        pm->control |= CONTROL_SCI_EN;
    else if (io->offset == 0 && *port == PIIX4_ACPI_DISABLE)
        pm->control &= (uint16_t)~CONTROL_SCI_EN;
    pm_update(pm);
}

static void pm_map(const struct piix4_pm *pm)
{
    uint16_t base = pci_get16(&pm->pci, PIIX4_REG_PMBA) & (uint16_t) ~(PMBA_SIZE - 1);
    bool on = pm->pci.config[PIIX4_REG_PMREGMISC] & PMREGMISC_PMIOSE && base;
    effect_region(pm, REGION_PM, on ? base : 0, on ? PMBA_SIZE : 0);
}

static void pm_io(void *state, struct io *io)
{
    struct piix4_pm *pm = state;
    if (io->space != IO_CONFIG) {
        if (io->region == REGION_PM)
            pm_pm_io(pm, io);
        else
            pm_smi_io(pm, io);
        return;
    }
    pci_config_io(&pm->pci, &piix4_pm_identity, state, io);
    if (io->write && (io->offset / 4 == PIIX4_REG_PMBA / 4 || io->offset / 4 == PIIX4_REG_PMREGMISC / 4))
        pm_map(pm);
}

static void pm_reset(void *state, const struct device_slot *slot)
{
    struct piix4_pm *pm = state;
    pci_reset(&pm->pci, &piix4_pm_identity, slot->devfn);
    pm->pci.config[PIIX4_REG_PMBA] = PCI_BAR_IO_SPACE;
    pm->pci.config[REG_DEVACTB + 3] = DEVACTB_APMC_EN; /* no firmware needs to set up SMIs */
    pm->overflows_seen = pm_overflows();
    pm->presses = effect_power_presses();
}

static const char *pm_check(const void *state)
{
    const struct piix4_pm *pm = state;
    if (pm->control & ~CONTROL_MASK || pm->enable & ~ENABLE_MASK || pm->general_enable & ~GENERAL_MASK)
        return "reserved bits";
    if (pm->sci > 1)
        return "level of SCI";
    return pci_check(&pm->pci, &piix4_pm_identity);
}

static void pm_inspect(const void *state, struct inspector *inspector)
{
    const struct piix4_pm *pm = state;
    pci_inspect(&pm->pci, inspector);
    inspector->field(inspector, "status", pm->status);
    inspector->field(inspector, "enable", pm->enable);
    inspector->field(inspector, "control", pm->control);
    inspector->field(inspector, "timer", pm_ticks(effect_now()) & TIMER_MASK);
    inspector->field(inspector, "sci", pm->sci);
}

/* Only an overflow that would interrupt needs to be waited for. */
static uint64_t pm_deadline(const void *state)
{
    const struct piix4_pm *pm = state;
    if (!(pm->enable & EVENT_TIMER_OVERFLOW) || !(pm->control & CONTROL_SCI_EN) ||
        pm->status & EVENT_TIMER_OVERFLOW)
        return DEADLINE_NONE;
    uint64_t ticks = (pm_overflows() + 1) << TIMER_HALF_SHIFT;
    return ticks / TIMER_HZ * NS_PER_S + ticks % TIMER_HZ * NS_PER_S / TIMER_HZ + 1;
}

static void pm_tick(void *state, uint64_t now)
{
    (void)now;
    pm_update(state);
}

const struct device piix4_pm_device = {
    .name = "PIIX4 power management",
    .state_size = sizeof(struct piix4_pm),
    .region_count = 2,
    .region = {[REGION_PM] = {.length = PMBA_SIZE, .space = IO_PORT, .widths = WIDTH_ANY},
               [REGION_SMI] = {.base = PIIX4_SMI_COMMAND, .length = 2, .space = IO_PORT, .widths = WIDTH_1}},
    .reset = pm_reset,
    .io = pm_io,
    .check = pm_check,
    .inspect = pm_inspect,
    .missed_ticks = TICKS_MERGE,
    .deadline = pm_deadline,
    .tick = pm_tick,
};
