/*
 * IDE on the PIIX3: two channels at the ports where PCs have them, with up to two drives each.
 *
 * Documents: ATA/ATAPI-6 (T13/1410D revision 3b), 7 (registers) and 9.2 (resets); 82371SB data sheet, 2.3
 * (the PCI function). Where drives are: lib/ide_places.c. State: struct ide. Of a channel without drives all
 * registers read as 0, and so does the status of a drive that is not there beside one that is, which answers
 * for it in the other registers. Missing: native mode, for the function has none. Ignored bits: timings.
 *
 * Data registers are the one place where a guest makes hundreds of accesses in a row: they take a whole
 * string of them at once.
 */
#include "ide.h"
#include "effects.h"

enum { REGION_COMMAND_0, REGION_CONTROL_0, REGION_COMMAND_1, REGION_CONTROL_1, REGION_BMIDE };
enum { COMMAND_PORTS = 8, CONTROL_PORTS = 1, CHANNEL_REGIONS = 2 };
static const uint16_t region_base[IDE_CHANNELS * CHANNEL_REGIONS] = {0x1f0, 0x3f6, 0x170, 0x376};
enum { IRQ_PRIMARY = 14 };

/* Command block: reading, and where writing has another meaning. */
enum command_register {
    REG_DATA,
    REG_ERROR, /* features */
    REG_COUNT,
    REG_LBA_LOW,
    REG_LBA_MID,
    REG_LBA_HIGH,
    REG_DEVICE,
    REG_STATUS, /* command */
};

/* Device control register (7.8). */
enum { CONTROL_NIEN = 1 << 1, CONTROL_SRST = 1 << 2, CONTROL_HOB = 1 << 7 };
enum { DEVICE_OBSOLETE = 0xa0 /* read as ones */, DEVICE_DEV_SHIFT = 4 };

/* IDETIM (82371SB, 2.3.9): bit 15 lets the channel's ports be decoded. */
enum { CONFIG_IDETIM = 0x40, IDETIM_HIGH = 1, IDETIM_SIZE = 2, IDETIM_DECODE = 0x80, CONFIG_SIDETIM = 0x44 };

static const struct pci_identity ide_identity = {
    .vendor = 0x8086,
    .device = 0x7010,
    .subsystem_vendor = 0x1af4,
    .subsystem = 0x1100,
    .class_code = 0x010180, /* bus master, both channels in legacy mode */
    .command_mask = PCI_COMMAND_IO | PCI_COMMAND_MASTER,
    .status = 0x0280, /* fast back-to-back, medium DEVSEL timing */
    .bar = {[4] = {.size = BMIDE_SIZE, .kind = PCI_BAR_IO, .region = REGION_BMIDE}},
    .writable = {{CONFIG_IDETIM, 0xff},
                 {CONFIG_IDETIM + 1, 0xff},
                 {CONFIG_IDETIM + 2, 0xff},
                 {CONFIG_IDETIM + 3, 0xff},
                 {CONFIG_SIDETIM, 0xff}},
};

/* The interrupt line is what the selected drive drives it to. Its rising edge is kept by the bus master. */
static void channel_drive_line(struct ide *ide, struct ide_channel *channel)
{
    unsigned index = (unsigned)(channel - ide->channel);
    bool level = ide_selected(channel)->interrupt && !(channel->control & CONTROL_NIEN);
    if (level && !channel->line)
        channel->bmide.status |= BMIDE_INTERRUPT;
    if (level != channel->line)
        effect_irq(IRQ_PRIMARY + index, IRQ_ISA, level);
    channel->line = level;
}

/* After whatever may have begun a DMA command, started the bus master, or changed the interrupt. */
static void channel_go_on(struct ide *ide, struct ide_channel *channel)
{
    if (bmide_run(channel))
        ide->resume = effect_now();
    channel_drive_line(ide, channel);
}

/* SRST, when it ends, and EXECUTE DEVICE DIAGNOSTIC, which device 0 answers for both. */
static void channel_reset(struct ide_channel *channel)
{
    channel->selected = 0;
    for (unsigned i = 0; i < IDE_CHANNEL_DRIVES; i++) {
        channel->drive[i].registers.device = 0;
        if (channel->drive[i].kind)
            ata_reset(&channel->drive[i]);
    }
}

/* Nobody is there to hear it while SRST is set: BSY. */
static void write_command(struct ide_channel *channel, uint8_t command)
{
    struct ata_drive *drive = ide_selected(channel);
    if (command == ATA_EXECUTE_DEVICE_DIAGNOSTIC) {
        channel_reset(channel);
        channel->drive[0].interrupt = channel->drive[0].kind != ATA_NONE;
    } else if (drive->kind && !(drive->registers.status & ATA_BSY)) {
        ata_command(drive, command);
    }
}

/* Both drives of a channel listen to all but the command. 48-bit commands use the value before, too. */
static void write_register(struct ide_channel *channel, unsigned offset, uint8_t value)
{
    channel->control &= (uint8_t)~CONTROL_HOB;
    if (offset == REG_STATUS) {
        write_command(channel, value);
        return;
    }
    if (offset == REG_DEVICE)
        channel->selected = value >> DEVICE_DEV_SHIFT & 1;
    for (unsigned i = 0; i < IDE_CHANNEL_DRIVES; i++) {
        struct ata_registers *r = &channel->drive[i].registers;
        uint16_t *const registers[] = {NULL, &r->features, &r->count, &r->lba_low, &r->lba_mid, &r->lba_high};
        if (offset == REG_DEVICE)
            r->device = value;
        else if (offset >= REG_ERROR && offset < REG_DEVICE)
            *registers[offset] = (uint16_t)(*registers[offset] << 8 | value);
    }
}

static uint8_t read_register(struct ide_channel *channel, unsigned offset)
{
    struct ata_drive *drive = ide_selected(channel);
    unsigned shift = channel->control & CONTROL_HOB ? 8 : 0;
    if (offset == REG_STATUS) {
        drive->interrupt = false;
        return drive->kind ? drive->registers.status : 0;
    }
    if (!drive->kind)
        drive = &channel->drive[!channel->selected];
    const struct ata_registers *r = &drive->registers;
    if (!drive->kind)
        return 0;
    switch (offset) {
    case REG_ERROR:
        return r->error;
    case REG_COUNT:
        return (uint8_t)(r->count >> shift);
    case REG_LBA_LOW:
        return (uint8_t)(r->lba_low >> shift);
    case REG_LBA_MID:
        return (uint8_t)(r->lba_mid >> shift);
    case REG_LBA_HIGH:
        return (uint8_t)(r->lba_high >> shift);
    default:
        return (uint8_t)((r->device & ~ATA_DEVICE_DEV) | channel->selected << DEVICE_DEV_SHIFT |
                         DEVICE_OBSOLETE);
    }
}

/* The data register, one element or a string of them; where the drive has or wants no more data the string
 * ends. */
static void data_io(struct ide_channel *channel, struct io *io)
{
    struct ata_drive *drive = ide_selected(channel);
    const struct ata_transfer *transfer = &drive->transfer;
    uint8_t one[sizeof io->value];
    uint32_t whole = transfer->block / io->size;
    bool ready = drive->kind && transfer->phase == (io->write ? ATA_OUT : ATA_IN) && !transfer->dma;
    if (io->bytes) {
        uint32_t count = io->count < whole ? io->count : whole;
        io->count = ready ? ata_move(drive, io->bytes, count * io->size) / io->size : 0;
        return;
    }
    for (unsigned i = 0; i < sizeof one; i++)
        one[i] = (uint8_t)(io->value >> 8 * i);
    if (ready)
        ata_move(drive, one, io->size);
    for (unsigned i = 0; i < sizeof one && !io->write; i++)
        io->value = (io->value & ~(0xffu << 8 * i)) | (uint32_t)one[i] << 8 * i;
}

static void command_io(struct ide_channel *channel, struct io *io)
{
    uint32_t value = 0;
    if (io->offset == REG_DATA) {
        data_io(channel, io);
        return;
    }
    for (unsigned i = 0; i < io->size; i++)
        if (io->write)
            write_register(channel, io->offset + i, (uint8_t)(io->value >> 8 * i));
        else
            value |= (uint32_t)read_register(channel, io->offset + i) << 8 * i;
    if (!io->write)
        io->value = value;
}

static void write_control(struct ide_channel *channel, uint8_t value)
{
    bool before = channel->control & CONTROL_SRST, after = value & CONTROL_SRST;
    channel->control = value & (CONTROL_NIEN | CONTROL_SRST | CONTROL_HOB);
    if (before && !after)
        channel_reset(channel);
    for (unsigned i = 0; i < IDE_CHANNEL_DRIVES && after; i++) {
        channel->drive[i].transfer = (struct ata_transfer){0};
        channel->drive[i].interrupt = false;
        channel->drive[i].registers.status = ATA_BSY;
    }
}

/* The alternate status leaves the interrupt alone. */
static void control_io(struct ide_channel *channel, struct io *io)
{
    const struct ata_drive *drive = ide_selected(channel);
    if (io->write)
        write_control(channel, (uint8_t)io->value);
    else
        io->value = drive->kind ? drive->registers.status : 0;
}

/* Which ports answer: IDETIM of each channel and the command register say it. */
static void ide_map_ports(const struct ide *ide)
{
    bool io = pci_get16(&ide->pci, PCI_COMMAND) & PCI_COMMAND_IO;
    for (unsigned i = 0; i < IDE_CHANNELS * CHANNEL_REGIONS; i++) {
        unsigned timing = CONFIG_IDETIM + IDETIM_SIZE * (i / CHANNEL_REGIONS) + IDETIM_HIGH;
        bool on = io && ide->pci.config[timing] & IDETIM_DECODE;
        effect_region(ide, i, region_base[i],
                      !on                   ? 0
                      : i % CHANNEL_REGIONS ? (unsigned)CONTROL_PORTS
                                            : (unsigned)COMMAND_PORTS);
    }
}

static void ide_io(void *state, struct io *io)
{
    struct ide *ide = state;
    if (io->space == IO_CONFIG) {
        pci_config_io(&ide->pci, &ide_identity, ide, io);
        if (io->write)
            ide_map_ports(ide);
        return;
    }
    if (io->region == REGION_BMIDE) {
        bmide_io(ide, io);
        for (unsigned i = 0; i < IDE_CHANNELS && io->write; i++)
            channel_go_on(ide, &ide->channel[i]);
        return;
    }
    struct ide_channel *channel = &ide->channel[io->region / CHANNEL_REGIONS % IDE_CHANNELS];
    if (io->region % CHANNEL_REGIONS)
        control_io(channel, io);
    else
        command_io(channel, io);
    channel_go_on(ide, channel);
}

static void ide_reset(void *state, const struct device_slot *slot)
{
    struct ide *ide = state;
    struct ide_place place[IDE_DRIVES];
    pci_reset(&ide->pci, &ide_identity, slot->devfn);
    ide->resume = DEADLINE_NONE;
    ide_places(effect_guest_config(), place);
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        unsigned number = i % IDE_CHANNEL_DRIVES;
        struct ata_drive *drive = &ide->channel[i / IDE_CHANNEL_DRIVES].drive[number];
        if (place[i].is_cd)
            disk_image_open_cd(&drive->image, place[i].unit);
        else if (place[i].used)
            disk_image_open(&drive->image, place[i].unit, DISK_IDE);
        ata_power_on(drive, place[i].is_cd ? ATA_CD : drive->image.size ? ATA_DISK : ATA_NONE, number);
    }
    ide_map_ports(ide);
}

uint8_t ide_bios_translation(const struct ide *ide)
{
    uint8_t all = 0;
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        const struct ata_drive *drive = &ide->channel[i / IDE_CHANNEL_DRIVES].drive[i % IDE_CHANNEL_DRIVES];
        if (drive->kind == ATA_DISK)
            all |= (uint8_t)(disk_image_geometry(&drive->image).translation << 2 * i);
    }
    return all;
}

/* The channel of a CD drive, and the drive; NULL: there is none. */
static struct ide_channel *cd_channel(struct ide *ide, unsigned unit, struct ata_drive **drive)
{
    struct ide_place place[IDE_DRIVES];
    ide_places(effect_guest_config(), place);
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        struct ide_channel *channel = &ide->channel[i / IDE_CHANNEL_DRIVES];
        *drive = &channel->drive[i % IDE_CHANNEL_DRIVES];
        if (place[i].is_cd && place[i].unit == unit && (*drive)->kind == ATA_CD)
            return channel;
    }
    return NULL;
}

bool ide_cd_open(struct ide *ide, unsigned unit, bool force)
{
    struct ata_drive *drive;
    struct ide_channel *channel = cd_channel(ide, unit, &drive);
    if (!channel || !atapi_open(drive, force))
        return false;
    channel_drive_line(ide, channel);
    return true;
}

void ide_cd_load(struct ide *ide, unsigned unit)
{
    struct ata_drive *drive;
    if (!cd_channel(ide, unit, &drive))
        return;
    disk_image_open_cd(&drive->image, unit);
    if (drive->image.size)
        atapi_close(drive);
}

static const char *ide_check(const void *state)
{
    const struct ide *ide = state;
    const char *broken = pci_check(&ide->pci, &ide_identity);
    for (unsigned i = 0; i < IDE_CHANNELS && !broken; i++) {
        const struct ide_channel *channel = &ide->channel[i];
        if (channel->selected > 1 || channel->line > 1)
            return "state of a channel";
        broken = bmide_check(&channel->bmide);
        for (unsigned j = 0; j < IDE_CHANNEL_DRIVES && !broken; j++)
            broken = ata_check(&channel->drive[j]);
    }
    return broken;
}

static void ide_inspect(const void *state, struct inspector *inspector)
{
    const struct ide *ide = state;
    pci_inspect(&ide->pci, inspector);
    for (unsigned i = 0; i < IDE_CHANNELS; i++) {
        const struct ide_channel *channel = &ide->channel[i];
        inspector->field(inspector, "channel", i);
        inspector->field(inspector, "control", channel->control);
        inspector->field(inspector, "interrupt", channel->line);
        inspector->field(inspector, "bus master command", channel->bmide.command);
        inspector->field(inspector, "bus master status", channel->bmide.status);
        inspector->field(inspector, "bus master table", channel->bmide.table);
        for (unsigned j = 0; j < IDE_CHANNEL_DRIVES; j++)
            if (channel->drive[j].kind)
                ata_inspect(&channel->drive[j], inspector);
    }
}

static uint64_t ide_deadline(const void *state)
{
    const struct ide *ide = state;
    return ide->resume;
}

static void ide_tick(void *state, uint64_t now)
{
    struct ide *ide = state;
    if (now < ide->resume)
        return;
    ide->resume = DEADLINE_NONE;
    for (unsigned i = 0; i < IDE_CHANNELS; i++)
        channel_go_on(ide, &ide->channel[i]);
}

const struct device ide_device = {
    .name = "IDE",
    .state_size = sizeof(struct ide),
    .region_count = 5,
    .region =
        {
            [REGION_COMMAND_0] =
                {.base = 0x1f0, .length = COMMAND_PORTS, .space = IO_PORT, .widths = WIDTH_ANY | WIDTH_BLOCK},
            [REGION_CONTROL_0] =
                {.base = 0x3f6, .length = CONTROL_PORTS, .space = IO_PORT, .widths = WIDTH_1},
            [REGION_COMMAND_1] =
                {.base = 0x170, .length = COMMAND_PORTS, .space = IO_PORT, .widths = WIDTH_ANY | WIDTH_BLOCK},
            [REGION_CONTROL_1] =
                {.base = 0x376, .length = CONTROL_PORTS, .space = IO_PORT, .widths = WIDTH_1},
            [REGION_BMIDE] = {.length = BMIDE_SIZE, .space = IO_PORT, .widths = WIDTH_ANY},
        },
    .reset = ide_reset,
    .io = ide_io,
    .check = ide_check,
    .inspect = ide_inspect,
    .missed_ticks = TICKS_MERGE,
    .deadline = ide_deadline,
    .tick = ide_tick,
};
