/*
 * Effects of devices in a test: see host_effects.h. Time in TSC ticks is time in ns: a processor of 1 GHz.
 */
#include "host_effects.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "errors.h"

enum { PAGE = 4096, DEADLINES_MAX = 100000 };

struct host_effects host;

/* A device alone is on no bus; a test with a bus has a table of its own. */
__attribute__((weak)) const struct device_slot bus_slots[1] = {{0}};
__attribute__((weak)) const unsigned bus_slot_count = 0;

void host_reset(void)
{
    memset(&host, 0, sizeof host);
    host.output_room = HOST_CONSOLE;
    host.disk_pages_left = UINT64_MAX;
    host.config.memory_mib = 64;
    host.config.cpu_count = 1;
}

void effect_irq(unsigned irq, enum irq_source source, bool level)
{
    if (irq >= HOST_IRQS || source >= IRQ_SOURCES)
        abort();
    uint8_t before = host.irq[irq];
    host.irq[irq] = (uint8_t)(level ? before | 1u << source : before & ~(1u << source));
    host.irq_rises[irq] += !before && host.irq[irq];
}

void effect_irq_replace(bool replaced)
{
    host.timers_replaced = replaced;
}

void effect_ioapic_pin(unsigned pin, bool level)
{
    if (pin < HOST_IRQS || pin >= HOST_IRQS + HOST_PINS)
        abort();
    host.pin_rises[pin - HOST_IRQS] += level && !host.pin[pin - HOST_IRQS];
    host.pin[pin - HOST_IRQS] = level;
}

bool effect_irq_waiting(unsigned irq)
{
    (void)irq;
    return host.irq_waiting;
}

void effect_pci_interrupt(uint16_t devfn, unsigned pin, bool level)
{
    if (devfn >= sizeof host.pci_pins || pin > 3)
        abort();
    host.pci_pins[devfn] =
        (uint8_t)(level ? host.pci_pins[devfn] | 1u << pin : host.pci_pins[devfn] & ~(1u << pin));
}

void effect_msi(uint64_t address, uint32_t data)
{
    if (host.msi_count < HOST_MSIS)
        host.msi[host.msi_count] = (struct host_msi){address, data};
    host.msi_count++;
}

void effect_intr(bool level)
{
    host.intr_changes += level != host.intr;
    host.intr = level;
}

void effect_rest(uint64_t ns)
{
    host.rest = ns;
}

uint64_t effect_now(void)
{
    return host.now;
}

uint64_t effect_now_ticks(void)
{
    return host.now;
}

uint64_t effect_epoch(void)
{
    return host.epoch;
}

void *effect_ram(uint64_t gpa, uint64_t length)
{
    if (!host.ram || gpa > host.ram_size || length > host.ram_size - gpa)
        return NULL;
    return host.ram + gpa;
}

uint32_t effect_dma(unsigned channel, bool to_memory, uint8_t *bytes, uint32_t length, bool *terminal)
{
    *terminal = false;
    return host.dma ? host.dma(channel, to_memory, bytes, length, terminal) : 0;
}

uint8_t *effect_spare(uint64_t offset)
{
    return host.spare ? host.spare + offset : NULL;
}

bool effect_map(uint64_t gpa, const uint8_t *from, uint64_t length, unsigned rights)
{
    if ((gpa | length) % PAGE || (rights && (from < host.spare || from + length > host.spare + HOST_SPARE)))
        abort();
    host.map[host.map_count++ % HOST_MAPS] = (struct host_map){gpa, length, from, rights};
    return true;
}

bool effect_console_put(uint8_t byte)
{
    if (host.output_room == 0)
        return false;
    host.output_room--;
    if (host.output_length < HOST_CONSOLE)
        host.output[host.output_length++] = byte;
    return true;
}

int effect_console_get(void)
{
    if (host.input_length == 0)
        return -1;
    host.input_length--;
    return *host.input++;
}

uint32_t effect_console_breaks(void)
{
    return host.breaks;
}

bool effect_input(struct input_event *event)
{
    if (host.event_count == 0)
        return false;
    *event = host.event[0];
    memmove(host.event, host.event + 1, sizeof host.event - sizeof host.event[0]);
    host.event_count--;
    return true;
}

uint32_t effect_power_presses(void)
{
    return host.presses;
}

void effect_a20(bool on)
{
    host.a20_masked = !on;
}

void effect_processor_reset(void)
{
    host.processor_resets++;
}

void effect_guest_end(enum guest_end end)
{
    host.end = end;
    host.ends++;
}

void effect_exit_value(uint32_t value)
{
    host.exit_value = value;
}

void effect_need(enum need_kind kind, uint64_t address)
{
    if (kind > NEED_IGNORED)
        abort();
    host.needs[kind]++;
    host.need_address = address;
}

void effect_log(const char *text)
{
    snprintf(host.log, sizeof host.log, "%s", text);
}

void effect_region(const void *state, unsigned region, uint64_t base, uint32_t length)
{
    if (host.bus)
        bus_map(host.bus, state, region, base, length);
}

void effect_config_io(uint16_t devfn, struct io *io)
{
    if (host.bus)
        bus_config_io(host.bus, devfn, io);
    else if (!io->write)
        io->value = UINT32_MAX;
}

const struct guest_config *effect_guest_config(void)
{
    return &host.config;
}

__attribute__((weak)) const uint8_t *effect_file(const char *path, uint64_t *size)
{
    (void)path;
    *size = host.file_size;
    return host.file;
}

uint8_t *effect_disk(unsigned unit, uint64_t *size)
{
    if (unit >= GUEST_DISKS_MAX || !host.disk[unit])
        return NULL;
    *size = host.disk_size[unit];
    return host.disk[unit];
}

__attribute__((weak)) uint8_t *effect_cd(unsigned unit, uint64_t *size)
{
    if (unit >= GUEST_CDS_MAX || !host.cd[unit])
        return NULL;
    *size = host.cd_size[unit];
    return host.cd[unit];
}

__attribute__((weak)) uint8_t *effect_floppy(unsigned unit, uint64_t *size)
{
    if (unit >= GUEST_FLOPPIES_MAX || !host.floppy[unit])
        return NULL;
    *size = host.floppy_size[unit];
    return host.floppy[unit];
}

__attribute__((weak)) uint64_t effect_floppy_described(unsigned unit)
{
    return unit < GUEST_FLOPPIES_MAX && host.floppy[unit] ? host.floppy_size[unit] : 0;
}

int effect_disk_prepare(uint8_t *bytes, uint64_t length)
{
    uint64_t pages = ((uintptr_t)bytes % PAGE + length + PAGE - 1) / PAGE;
    if (pages > host.disk_pages_left)
        return NR_ENOSPC;
    host.disk_pages_left -= pages;
    host.disk_prepared += pages;
    return NR_OK;
}

void host_device_reset(const struct device *device, void *state)
{
    static const struct device_slot nowhere = {.devfn = DEVFN_NONE};
    memset(state, 0, device->state_size);
    device->reset(state, &nowhere);
}

/* The access of a fixed region that covers the address. */
static struct io host_find(const struct device *device, uint64_t address, unsigned size)
{
    for (unsigned i = 0; i < device->region_count; i++) {
        const struct device_region *region = &device->region[i];
        if (address - region->base < region->length) {
            return (struct io){.offset = (uint32_t)(address - region->base),
                               .space = region->space,
                               .size = (uint8_t)size,
                               .region = (uint8_t)i};
        }
    }
    abort();
}

uint32_t host_in(const struct device *device, void *state, uint64_t address, unsigned size)
{
    struct io io = host_find(device, address, size);
    io.value = UINT32_MAX;
    device->io(state, &io);
    return size == 4 ? io.value : io.value & ((1u << 8 * size) - 1);
}

void host_out(const struct device *device, void *state, uint64_t address, unsigned size, uint32_t value)
{
    struct io io = host_find(device, address, size);
    io.write = true;
    io.value = value;
    device->io(state, &io);
}

void host_run(const struct device *device, void *state, uint64_t ns)
{
    uint64_t end = host.now + ns;
    for (unsigned i = 0; i < DEADLINES_MAX && device->deadline(state) <= end; i++) {
        if (device->deadline(state) > host.now)
            host.now = device->deadline(state);
        device->tick(state, host.now);
    }
    host.now = end;
}

struct field_finder {
    struct inspector inspector;
    const char *name;
    uint64_t value;
};

static void find_field(struct inspector *inspector, const char *name, uint64_t value)
{
    struct field_finder *finder = (struct field_finder *)inspector;
    if (strcmp(finder->name, name) == 0)
        finder->value = value;
}

uint64_t host_field(const struct device *device, const void *state, const char *name)
{
    struct field_finder finder = {.inspector = {find_field}, .name = name, .value = UINT64_MAX};
    device->inspect(state, &finder.inspector);
    return finder.value;
}
