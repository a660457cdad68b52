/*
 * All devices of the PC under random accesses to ports, device memory and configuration space, with time
 * passing. After each access the check of every device must accept the state that accesses have led to: what
 * a guest can reach is what a restarted device model takes over.
 *
 * sources: devices/vga.c devices/vga_memory.c devices/vga_retrace.c devices/vbe.c
 * sources: devices/pc.c devices/bus.c devices/board.c devices/pic.c devices/pit.c
 * sources: devices/ps2_keyboard.c devices/ps2_mouse.c
 * sources: devices/pit_channel.c devices/cmos_clock.c lib/calendar.c devices/i8042.c devices/dma8237.c
 * sources: devices/hpet.c
 * sources: devices/uart.c devices/ioapic.c devices/system_ports.c devices/debug_ports.c
 * sources: devices/behave.c devices/reset_rom.c devices/i440fx.c devices/pam.c devices/piix3.c
 * sources: devices/piix4_pm.c devices/pci.c devices/fw_cfg.c devices/firmware_files.c
 * sources: devices/boot_order.c devices/acpi_tables.c devices/table_area.c
 * sources: devices/smbios.c devices/cpuid.c
 * sources: devices/msix.c devices/virtio.c devices/virtio_blk.c devices/disk_image.c devices/ide.c
 * sources: devices/bmide.c devices/ahci*.c devices/ata*.c lib/ide_places.c devices/virtio_legacy.c
 * sources: devices/virtio_pci.c devices/virtqueue.c devices/msr.c devices/msr_table.c
 * sources: devices/msr_machine_check.c devices/kvm_clock.c
 * sources: devices/guest_time.c lib/format.c tests/unit/host_effects.c
 * sources: devices/fdc.c devices/fdc_commands.c devices/fdc_transfer.c lib/image_floppy.c
 * coverage: devices/fdc.c devices/fdc_commands.c devices/fdc_transfer.c
 * coverage: devices/bus.c devices/pic.c devices/pit.c devices/pit_channel.c devices/cmos_clock.c
 * coverage: devices/i8042.c devices/uart.c devices/ioapic.c devices/system_ports.c
 * coverage: devices/debug_ports.c devices/piix3.c devices/piix4_pm.c devices/fw_cfg.c devices/pam.c
 * coverage: devices/dma8237.c devices/hpet.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "host_effects.h"
#include "pc.h"

enum { RAM_SIZE = 1 << 16, DISK_SIZE = 1 << 14, DISKETTE_SIZE = 160 << 10, ACCESSES_MAX = 2000 };

/* One step of an input. */
struct step {
    uint8_t what, place, size, shift;
    uint32_t value;
};

static struct pc pc;
static uint8_t ram[RAM_SIZE], disk[DISK_SIZE], diskette[DISKETTE_SIZE];
static uint8_t spare[HOST_SPARE];

/* Where devices are: a random port would hit one of them once in a thousand times. */
static const uint16_t ports[] = {
    0x20,   0x21,   0x40,   0x41,   0x42,   0x43,   0x60,   0x61,   0x64,   0x70,   0x71,   0x80,
    0x92,   0xa0,   0xa1,   0xb2,   0xe9,   0xed,   0x3f8,  0x3f9,  0x3fa,  0x3fb,  0x3fc,  0x3fd,
    0x3fe,  0x3ff,  0x4d0,  0x4d1,  0xcf8,  0xcf9,  0xcfc,  0xcfe,  0xcff,  0xb000, 0xb002, 0xb004,
    0xb008, 0xb00c, 0xb00e, 0xc000, 0xc004, 0xc008, 0xc00e, 0xc010, 0xc012, 0xc014, 0xf3,   0x3f2,
    0x3f4,  0x3f5,  0x3f5,  0x3f5,  0x3f7,  0x04,   0x05,   0x08,   0x0a,   0x0b,   0x0c,   0x0d,
    0x0f,   0x81,   0xc4,   0xd0,   0xd4,   0xd6,   0x510,  0x511,  0x514,  0x518,
};

/* A floppy command as a driver gives it: one of those that there are, for a place that is nearly always on
 * the diskette; with the drive selected and its motor on. */
static void floppy_command(const struct step *step)
{
    static const uint8_t command[] = {0x03, 0x04, 0x07, 0x08, 0x0f, 0x4a, 0xe6, 0xc5, 0x4d, 0x0e, 0x10,
                                      0x13, 0x14, 0x94, 0x12, 0x16, 0x51, 0x02, 0xc9, 0xcc, 0x18, 0xff};
    const uint8_t cylinder = (uint8_t)(step->value % 42), head = step->shift & 1;
    const uint8_t parameters[] = {(uint8_t)(head << 2 | (step->shift & 2) >> 1),
                                  cylinder,
                                  head,
                                  (uint8_t)(step->value >> 8 & 15),
                                  2,
                                  8,
                                  0x2a,
                                  0xff};
    bus_write(&pc.bus, IO_PORT, 0x3f2, 1, 0x1c | (step->size & 1));
    bus_write(&pc.bus, IO_PORT, 0x3f5, 1, command[step->place % sizeof command]);
    for (unsigned i = 0; i < sizeof parameters && (bus_read(&pc.bus, IO_PORT, 0x3f4, 1) & 0xd0) == 0x90; i++)
        bus_write(&pc.bus, IO_PORT, 0x3f5, 1, parameters[i]);
    host.now += step->shift * 1000000ull;
    bus_tick(&pc.bus, host.now);
    for (unsigned i = 0; i < 600 && (bus_read(&pc.bus, IO_PORT, 0x3f4, 1) & 0x80); i++) {
        if (bus_read(&pc.bus, IO_PORT, 0x3f4, 1) & 0x40)
            bus_read(&pc.bus, IO_PORT, 0x3f5, 1);
        else if (bus_read(&pc.bus, IO_PORT, 0x3f4, 1) & 0x10)
            bus_write(&pc.bus, IO_PORT, 0x3f5, 1, step->value);
        else
            break;
        bus_tick(&pc.bus, host.now += 40000);
    }
}

/* Ends of the guest and exit values are events like others here. */
static void step_do(const struct step *step)
{
    static const uint8_t sizes[] = {1, 2, 4, 1};
    unsigned size = sizes[step->size % 4];
    uint16_t port = (uint16_t)(ports[step->place % (sizeof ports / sizeof ports[0])] + step->shift % 4 / 3);
    uint64_t address = step->place % 4 == 3
                           ? HPET_BASE + (step->shift & 0x80 ? 0x100 : 0) + (step->shift & 0x7c)
                       : step->place % 4 == 2 ? HPET_BASE + (step->shift & 0xf4)
                       : step->place % 2      ? GUEST_IOAPIC_BASE + (step->shift & 0x10)
                                              : 0xe0000000 + step->shift * 4ull;
    static const uint32_t msr_bases[] = {0, 0x170, 0x200, 0x400, 0xc0010000};
    uint64_t value;
    uint32_t msr;
    switch (step->what % 13) {
    case 0:
    case 1:
    case 2:
        bus_read(&pc.bus, IO_PORT, port, size);
        break;
    case 3:
    case 4:
    case 5:
        bus_write(&pc.bus, IO_PORT, port, size, step->value);
        break;
    case 6:
        bus_read(&pc.bus, IO_MEMORY, address, step->size & 4 ? 8 : size);
        break;
    case 7:
        bus_write(&pc.bus, IO_MEMORY, address, step->size & 4 ? 8 : size, step->value);
        break;
    case 8: /* from nothing to an hour */
        host.now += (uint64_t)step->value << step->shift % 11;
        bus_tick(&pc.bus, host.now);
        break;
    case 9:
        pic_acknowledge(&pc.pic);
        uart_receive(&pc.uart);
        host.presses += step->shift & 1;
        piix4_pm_look(&pc.piix4_pm);
        ioapic_end_of_interrupt(&pc.ioapic, (uint64_t[4]){step->value, step->value, ~0ull, step->value});
        break;
    case 10:
        board_set_irq(&pc.board, &pc.pic, &pc.ioapic, step->place, step->size % IRQ_SOURCES, step->shift & 1);
        piix3_set_interrupt(&pc.piix3, step->place, step->size % 4, step->shift & 1);
        break;
    case 11:
        msr = msr_bases[step->size % (sizeof msr_bases / sizeof msr_bases[0])] + step->shift;
        msr_read(&pc.msrs, step->place, msr, &value);
        msr_write(&pc.msrs, &(struct process_info){.tsc_mult = 1, .tsc_shift = 1}, step->place, msr,
                  step->value);
        break;
    case 12:
        floppy_command(step);
        break;
    }
}

static void machine_start(void)
{
    host_reset();
    memset(ram, 0, sizeof ram);
    host.ram = ram;
    host.ram_size = sizeof ram;
    host.bus = &pc.bus;
    host.disk[0] = disk;
    host.disk_size[0] = sizeof disk;
    host.config.disk_count = 1;
    host.floppy[0] = diskette;
    host.floppy_size[0] = sizeof diskette;
    host.config.floppy[0].present = host.config.floppy[1].present = 1;
    host.config.hpet = 1;
    host.config.loader = LOADER_BIOS;
    host.spare = spare;
    host.input = (const uint8_t *)"what somebody types at the console";
    host.input_length = 34;
    memset(&pc, 0, sizeof pc);
    bus_reset(&pc.bus);
    msr_reset(&pc.msrs, MSR_VENDOR_AMD, UINT32_MAX);
    /* The addresses that firmware gives. */
    bus_write(&pc.bus, IO_PORT, 0xcf8, 4, 0x80002010), bus_write(&pc.bus, IO_PORT, 0xcfc, 4, 0xc000);
    bus_write(&pc.bus, IO_PORT, 0xcf8, 4, 0x80002014), bus_write(&pc.bus, IO_PORT, 0xcfc, 4, 0xe0000000);
    bus_write(&pc.bus, IO_PORT, 0xcf8, 4, 0x80002004), bus_write(&pc.bus, IO_PORT, 0xcfc, 2, 7);
    bus_write(&pc.bus, IO_PORT, 0xcf8, 4, 0x80000b40), bus_write(&pc.bus, IO_PORT, 0xcfc, 4, 0xb001);
    bus_write(&pc.bus, IO_PORT, 0xcf8, 4, 0x80000b80), bus_write(&pc.bus, IO_PORT, 0xcfc, 1, 1);
}

static void ignore_field(struct inspector *inspector, const char *name, uint64_t value)
{
    (void)inspector;
    if (strlen(name) == 0 && value == 0)
        abort();
}

static void check_all(void)
{
    const char *device, *broken = bus_check(&pc.bus, &device);
    if (!broken) {
        device = "MSRs";
        broken = msr_check(&pc.msrs);
    }
    if (broken) {
        fprintf(stderr, "%s: %s\n", device, broken);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    machine_start();
    struct step step;
    for (unsigned i = 0; i < ACCESSES_MAX && size >= sizeof step; i++) {
        memcpy(&step, data, sizeof step);
        data += sizeof step;
        size -= sizeof step;
        host.irq_waiting = step.value & 1;
        host.output_room = step.value & 2 ? 64 : 0;
        step_do(&step);
        check_all();
    }
    struct inspector inspector = {ignore_field};
    for (unsigned i = 0; i < bus_slot_count; i++)
        bus_slots[i].device->inspect(bus_state(&pc.bus, &bus_slots[i]), &inspector);
    return 0;
}
