/*
 * The bus: finds the device that claims an address, gives it accesses of widths that it takes, and keeps the
 * deadlines of the devices with timers.
 *
 * Widths: an access wider than the device takes is split from its lowest byte, as an ISA bridge does; a
 * narrower read takes its bytes out of a wider one; a narrower write is dropped and counted, for the other
 * lanes are unknown. An access that reaches over the end of a region is answered piece by piece. Bytes that
 * nobody claims read all ones.
 */
#include "bus.h"
#include "effects.h"
#include "string.h"

enum { ACCESS_BYTES_MAX = 8 };

uint64_t device_no_deadline(const void *state)
{
    (void)state;
    return DEADLINE_NONE;
}

void device_no_tick(void *state, uint64_t now)
{
    (void)state;
    (void)now;
}

static uint64_t low_bytes(unsigned count)
{
    return count >= 8 ? UINT64_MAX : (1ull << 8 * count) - 1;
}

static bool region_has(const struct bus_region *region, enum io_space space, uint64_t address)
{
    return region->space == space && address - region->base < region->length;
}

/* Index of the region that claims the address, or BUS_NOBODY. */
static inline unsigned bus_find(struct bus *bus, enum io_space space, uint64_t address)
{
    if (space == IO_PORT && address < BUS_PORT_TABLE)
        return bus->port[address];
    if (bus->recent < bus->region_count && region_has(&bus->region[bus->recent], space, address))
        return bus->recent;
    for (unsigned i = 0; i < bus->region_count; i++) {
        if (region_has(&bus->region[i], space, address)) {
            bus->recent = i;
            return i;
        }
    }
    return BUS_NOBODY;
}

/* Writes the part of a region that lies in the port table. */
static void bus_index_ports(struct bus *bus, const struct bus_region *region, uint8_t value)
{
    if (region->space != IO_PORT || region->base >= BUS_PORT_TABLE)
        return;
    uint64_t room = BUS_PORT_TABLE - region->base;
    memset(bus->port + region->base, value, region->length < room ? region->length : room);
}

static void bus_deadline_changed(struct bus *bus, unsigned slot, uint64_t deadline)
{
    uint64_t old = bus->deadline[slot];
    if (old == deadline)
        return;
    bus->deadline[slot] = deadline;
    if (deadline <= bus->next_deadline) {
        bus->next_deadline = deadline;
    } else if (old == bus->next_deadline) {
        uint64_t nearest = DEADLINE_NONE;
        for (unsigned i = 0; i < bus_slot_count; i++)
            if (bus->deadline[i] < nearest)
                nearest = bus->deadline[i];
        bus->next_deadline = nearest;
    }
}

static void slot_io(struct bus *bus, unsigned slot, struct io *io)
{
    const struct device *device = bus_slots[slot].device;
    void *state = bus_state(bus, &bus_slots[slot]);
    device->io(state, io);
    if (device->missed_ticks != TICKS_NONE)
        bus_deadline_changed(bus, slot, device->deadline(state));
}

/* One access of a width that the region takes. */
static uint32_t region_io(struct bus *bus, const struct bus_region *region, uint32_t offset, unsigned size,
                          bool write, uint32_t value)
{
    struct io io = {
        .offset = offset,
        .value = write ? value : UINT32_MAX,
        .space = region->space,
        .size = (uint8_t)size,
        .region = region->index,
        .write = write,
    };
    slot_io(bus, region->slot, &io);
    return io.value;
}

/* Does as many of the first `count` bytes at offset as one access to the device can; returns their number,
 * and moves them from or to the low bytes of *data. */
static unsigned region_piece(struct bus *bus, const struct bus_region *region, uint32_t offset,
                             unsigned count, bool write, uint64_t *data)
{
    uint32_t left = region->length - offset;
    for (unsigned width = 4; width > 0; width /= 2) {
        if (!(region->widths & width) || width > count || width > left || offset % width != 0)
            continue;
        uint32_t value = region_io(bus, region, offset, width, write, (uint32_t)(*data & low_bytes(width)));
        if (!write)
            *data = value & low_bytes(width);
        return width;
    }
    /* Narrower than the device takes, or not aligned: a part of one wider access. */
    unsigned width = region->widths & WIDTH_2 ? 2 : 4;
    unsigned skip = offset % width;
    unsigned part = width - skip < count ? width - skip : count;
    if (part > left)
        part = left;
    if (write)
        effect_need(NEED_IGNORED, region->base + offset);
    else if (offset - skip + width <= region->length)
        *data = region_io(bus, region, offset - skip, width, false, 0) >> 8 * skip;
    else
        *data = UINT64_MAX;
    return part;
}

static enum need_kind need_of(enum io_space space, bool write)
{
    if (space == IO_PORT)
        return write ? NEED_PORT_WRITE : NEED_PORT_READ;
    return write ? NEED_MEMORY_WRITE : NEED_MEMORY_READ;
}

/* Any access, piece by piece; at most eight. Returns what was read, all ones where nobody answered. */
static uint64_t bus_access(struct bus *bus, enum io_space space, uint64_t address, unsigned size, bool write,
                           uint64_t value)
{
    uint64_t result = UINT64_MAX;
    unsigned done = 0;
    bool claimed = false;
    if (size > ACCESS_BYTES_MAX)
        size = ACCESS_BYTES_MAX;
    while (done < size) {
        uint64_t at = address + done;
        unsigned found = bus_find(bus, space, space == IO_PORT ? at & 0xffff : at);
        if (found >= bus->region_count) {
            done++;
            continue;
        }
        const struct bus_region *region = &bus->region[found];
        uint64_t data = value >> 8 * done;
        uint32_t offset = (uint32_t)((space == IO_PORT ? at & 0xffff : at) - region->base);
        unsigned moved = region_piece(bus, region, offset, size - done, write, &data);
        uint64_t lanes = low_bytes(moved) << 8 * done;
        if (!write)
            result = (result & ~lanes) | (data << 8 * done & lanes);
        done += moved;
        claimed = true;
    }
    if (!claimed)
        effect_need(need_of(space, write), address);
    return result & low_bytes(size);
}

/* The usual access, of a width that the region takes: *value goes to the device, or comes from it. */
static inline bool bus_access_whole(struct bus *bus, enum io_space space, uint64_t address, unsigned size,
                                    bool write, uint64_t *value)
{
    unsigned found = bus_find(bus, space, address);
    if (found >= bus->region_count)
        return false;
    const struct bus_region *region = &bus->region[found];
    uint32_t offset = (uint32_t)(address - region->base);
    if (!(region->widths & size) || offset & (size - 1) || region->length - offset < size)
        return false;
    *value = region_io(bus, region, offset, size, write, (uint32_t)*value) & low_bytes(size);
    return true;
}

uint64_t bus_read(struct bus *bus, enum io_space space, uint64_t address, unsigned size)
{
    uint64_t value = 0;
    return bus_access_whole(bus, space, address, size, false, &value)
               ? value
               : bus_access(bus, space, address, size, false, 0);
}

void bus_write(struct bus *bus, enum io_space space, uint64_t address, unsigned size, uint64_t value)
{
    uint64_t low = value & low_bytes(size);
    if (!bus_access_whole(bus, space, address, size, true, &low))
        bus_access(bus, space, address, size, true, value);
}

uint32_t bus_block(struct bus *bus, uint16_t port, unsigned size, uint8_t *bytes, uint32_t count, bool write)
{
    unsigned found = bus_find(bus, IO_PORT, port);
    if (found >= bus->region_count)
        return 0;
    const struct bus_region *region = &bus->region[found];
    if (!(region->widths & WIDTH_BLOCK) || port != region->base || count == 0)
        return 0;
    struct io io = {
        .space = IO_PORT,
        .size = (uint8_t)size,
        .region = region->index,
        .write = write,
        .bytes = bytes,
        .count = count,
    };
    slot_io(bus, region->slot, &io);
    return io.count;
}

void bus_config_io(struct bus *bus, uint16_t devfn, struct io *io)
{
    io->space = IO_CONFIG;
    if (!io->write)
        io->value = UINT32_MAX;
    for (unsigned i = 0; i < bus_slot_count; i++) {
        if (bus_slots[i].devfn == devfn && devfn != DEVFN_NONE) {
            slot_io(bus, i, io);
            return;
        }
    }
}

/* Appends a region. Of two that claim a port the later one has it: the byte 0xcf9 inside of 0xcf8-0xcfb. A
 * full table would leave it unmapped; bus_check shows that on the first run. */
static void bus_add(struct bus *bus, unsigned slot, unsigned index)
{
    const struct device_region *from = &bus_slots[slot].device->region[index];
    if (bus->region_count == BUS_REGIONS_MAX)
        return;
    struct bus_region *region = &bus->region[bus->region_count];
    *region = (struct bus_region){.base = from->base,
                                  .length = from->base ? from->length : 0,
                                  .space = from->space,
                                  .widths = from->widths,
                                  .slot = (uint8_t)slot,
                                  .index = (uint8_t)index};
    bus_index_ports(bus, region, (uint8_t)bus->region_count++);
}

void bus_map(struct bus *bus, const void *state, unsigned index, uint64_t base, uint32_t length)
{
    for (unsigned i = 0; i < bus->region_count; i++) {
        struct bus_region *region = &bus->region[i];
        if (bus_state(bus, &bus_slots[region->slot]) != state || region->index != index)
            continue;
        bus_index_ports(bus, region, BUS_NOBODY);
        region->base = base;
        region->length = base > UINT64_MAX - length ? 0 : length;
        /* Of two regions that claim a port the later one has it, as at reset. */
        for (unsigned j = 0; j < bus->region_count; j++)
            bus_index_ports(bus, &bus->region[j], (uint8_t)j);
        return;
    }
}

void bus_reset(struct bus *bus)
{
    memset(bus, 0, sizeof *bus);
    memset(bus->port, BUS_NOBODY, sizeof bus->port);
    bus->next_deadline = DEADLINE_NONE;
    memset(bus->deadline, 0xff, sizeof bus->deadline); /* DEADLINE_NONE */
    for (unsigned i = 0; i < bus_slot_count; i++) {
        memset(bus_state(bus, &bus_slots[i]), 0, bus_slots[i].device->state_size);
        for (unsigned r = 0; r < bus_slots[i].device->region_count; r++)
            bus_add(bus, i, r);
    }
    for (unsigned i = 0; i < bus_slot_count; i++) {
        bus_slots[i].device->reset(bus_state(bus, &bus_slots[i]), &bus_slots[i]);
        bus_refresh(bus, bus_state(bus, &bus_slots[i]));
    }
}

/* The map must be the one that the slot table gives, but for the places of movable regions. */
static const char *bus_check_map(const struct bus *bus)
{
    unsigned count = 0;
    for (unsigned i = 0; i < bus_slot_count; i++) {
        for (unsigned r = 0; r < bus_slots[i].device->region_count; r++, count++) {
            const struct device_region *from = &bus_slots[i].device->region[r];
            const struct bus_region *region = &bus->region[count];
            if (count >= BUS_REGIONS_MAX || region->slot != i || region->index != r)
                return "region of another device";
            if (region->space != from->space || region->widths != from->widths)
                return "region of another kind";
            if (region->base > UINT64_MAX - region->length)
                return "region wraps";
            if (from->length && region->length > from->length)
                return "region too long";
        }
    }
    return bus->region_count == count ? NULL : "number of regions";
}

const char *bus_check(const struct bus *bus, const char **device)
{
    *device = "bus";
    const char *broken = bus_check_map(bus);
    for (unsigned i = 0; i < BUS_PORT_TABLE && !broken; i++)
        if (bus->port[i] != BUS_NOBODY && bus->port[i] >= bus->region_count)
            broken = "port table";
        else if (bus->port[i] != BUS_NOBODY && !region_has(&bus->region[bus->port[i]], IO_PORT, i))
            broken = "port of another region";
    for (unsigned i = 0; i < bus_slot_count && !broken; i++) {
        *device = bus_slots[i].device->name;
        broken = bus_slots[i].device->check((const uint8_t *)bus + bus_slots[i].state_offset);
    }
    return broken;
}

void bus_tick(struct bus *bus, uint64_t now)
{
    for (unsigned i = 0; i < bus_slot_count && bus->next_deadline <= now; i++) {
        if (bus->deadline[i] > now)
            continue;
        void *state = bus_state(bus, &bus_slots[i]);
        bus_slots[i].device->tick(state, now);
        bus_deadline_changed(bus, i, bus_slots[i].device->deadline(state));
    }
}

void bus_refresh(struct bus *bus, const void *state)
{
    for (unsigned i = 0; i < bus_slot_count; i++)
        if (bus_state(bus, &bus_slots[i]) == state && bus_slots[i].device->missed_ticks != TICKS_NONE)
            bus_deadline_changed(bus, i, bus_slots[i].device->deadline(state));
}
