/*
 * The boot order of a description in the two forms that a BIOS reads: device paths in the file "bootorder",
 * one a line, and classes of drives in CMOS.
 *
 * Document: SeaBIOS, docs/Runtime_config (the paths are those of Open Firmware's PCI binding); the Bochs
 * rombios list of CMOS bytes for 0x38 and 0x3d. State: none.
 */
#include "boot_order.h"
#include "format.h"
#include "ide_places.h"
#include "string.h"

enum { CLASS_FLOPPY = 1, CLASS_DISK = 2, CLASS_CD = 3, CLASS_NET = 4, CLASSES = 3, CLASS_BITS = 4 };
enum { VIRTIO_SLOT = 4, AHCI_SLOT = 8 };

static bool is_kind(const char *name, const char *kind)
{
    size_t length = strlen(kind);
    return strncmp(name, kind, length) == 0 && name[length] >= '0' && name[length] <= '9';
}

static unsigned class_of(const char *name)
{
    if (is_kind(name, "disk"))
        return CLASS_DISK;
    if (is_kind(name, "cd"))
        return CLASS_CD;
    return is_kind(name, "floppy") ? CLASS_FLOPPY : CLASS_NET;
}

/* Of a drive on IDE: where lib/ide_places.c has put it. */
static uint32_t ide_path(const struct guest_config *config, bool is_cd, unsigned unit, char *to,
                         uint32_t size)
{
    struct ide_place place[IDE_DRIVES];
    ide_places(config, place);
    for (unsigned i = 0; i < IDE_DRIVES; i++)
        if (place[i].used && place[i].is_cd == is_cd && place[i].unit == unit)
            return (uint32_t)format_text(to, size, "/pci@i0cf8/ide@1,1/drive@%x/disk@%x\n",
                                         i / IDE_CHANNEL_DRIVES, i % IDE_CHANNEL_DRIVES);
    return 0;
}

static uint32_t device_path(const struct guest_config *config, const char *name, char *to, uint32_t size)
{
    unsigned unit = (unsigned)(name[strlen(name) - 1] - '0'), class = class_of(name);
    if (class == CLASS_FLOPPY)
        return (uint32_t)format_text(to, size, "/pci@i0cf8/isa@1/fdc@03f0/floppy@%x\n", unit);
    if (class == CLASS_CD)
        return ide_path(config, true, unit, to, size);
    if (class == CLASS_DISK && unit < GUEST_DISKS_MAX && config->disk[unit].kind == DISK_VIRTIO)
        return (uint32_t)format_text(to, size, "/pci@i0cf8/scsi@%x/disk@0,0\n", VIRTIO_SLOT + unit);
    if (class == CLASS_DISK && unit < GUEST_DISKS_MAX && config->disk[unit].kind == DISK_AHCI)
        return (uint32_t)format_text(to, size, "/pci@i0cf8/pci8086,2922@%x/drive@%x/disk@0\n", AHCI_SLOT,
                                     unit);
    return class == CLASS_DISK ? ide_path(config, false, unit, to, size) : 0;
}

uint32_t boot_order_text(const struct guest_config *config, char *to, uint32_t size)
{
    uint32_t length = 0;
    for (uint32_t i = 0; i < config->boot_count && i < GUEST_BOOT_MAX && length < size; i++)
        length += device_path(config, config->boot[i], to + length, size - length);
    return length < size ? length : 0;
}

/* Without an order: CD, disk, floppy, since an installer's CD is there for a reason. */
uint16_t boot_order_classes(const struct guest_config *config)
{
    uint16_t order = 0;
    unsigned seen = 0, count = 0;
    if (!config->boot_count)
        return CLASS_CD | CLASS_DISK << CLASS_BITS | CLASS_FLOPPY << 2 * CLASS_BITS;
    for (uint32_t i = 0; i < config->boot_count && i < GUEST_BOOT_MAX && count < CLASSES; i++) {
        unsigned class = class_of(config->boot[i]);
        if (!(seen >> class & 1))
            order = (uint16_t)(order | class << CLASS_BITS * count++);
        seen |= 1u << class;
    }
    return order;
}
