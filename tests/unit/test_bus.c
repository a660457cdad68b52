/*
 * The bus: who answers, splitting and merging of widths, movable regions, deadlines; and the small ports of
 * the board.
 *
 * sources: devices/bus.c devices/system_ports.c devices/debug_ports.c tests/unit/host_effects.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "debug_ports.h"
#include "host_effects.h"
#include "system_ports.h"

/* A device that remembers its accesses and reads as offset + 0x10 in each byte. */
struct probe {
    uint32_t accesses;
    struct io io[8];
    uint64_t deadline;
    uint32_t ticks, broken;
    uint16_t devfn;
};

static void probe_reset(void *state, const struct device_slot *slot)
{
    struct probe *probe = state;
    probe->deadline = DEADLINE_NONE;
    probe->devfn = slot->devfn;
}

static void probe_io(void *state, struct io *io)
{
    struct probe *probe = state;
    if (probe->accesses < 8)
        probe->io[probe->accesses] = *io;
    probe->accesses++;
    if (!io->write)
        for (unsigned i = 0; i < 4; i++)
            io->value = (io->value & ~(0xffu << 8 * i)) | (io->offset + i + 0x10) << 8 * i;
}

static const char *probe_check(const void *state)
{
    return ((const struct probe *)state)->broken ? "broken" : NULL;
}

static void probe_inspect(const void *state, struct inspector *inspector)
{
    (void)state;
    (void)inspector;
}

static uint64_t probe_deadline(const void *state)
{
    return ((const struct probe *)state)->deadline;
}

static void probe_tick(void *state, uint64_t now)
{
    struct probe *probe = state;
    probe->ticks++;
    probe->deadline = now + 100;
}

enum { WINDOW = 0x1000 };

#define PROBE(name_, regions_, widths_, base_)                                                               \
    static const struct device name_ = {                                                                     \
        .name = #name_,                                                                                      \
        .state_size = sizeof(struct probe),                                                                  \
        .region_count = regions_,                                                                            \
        .region = {{.base = base_, .length = 8, .space = IO_PORT, .widths = widths_},                        \
                   {.base = 0, .length = WINDOW, .space = IO_MEMORY, .widths = widths_}},                    \
        .reset = probe_reset,                                                                                \
        .io = probe_io,                                                                                      \
        .check = probe_check,                                                                                \
        .inspect = probe_inspect,                                                                            \
        .missed_ticks = TICKS_MERGE,                                                                         \
        .deadline = probe_deadline,                                                                          \
        .tick = probe_tick,                                                                                  \
    }
PROBE(byte_probe, 1, WIDTH_1, 0x300);
PROBE(any_probe, 2, WIDTH_ANY, 0x308);
PROBE(dword_probe, 1, WIDTH_4, 0xcf8);
PROBE(high_probe, 1, WIDTH_2, 0xc000);

static struct machine {
    struct bus bus;
    struct probe byte, any, dword, high;
    struct system_ports system;
    struct debug_ports debug;
} machine;

#define SLOT(device_, member, devfn_)                                                                        \
    {                                                                                                        \
        .device = &device_, .state_offset = offsetof(struct machine, member), .devfn = devfn_                \
    }
const struct device_slot bus_slots[] = {
    SLOT(byte_probe, byte, DEVFN_NONE),
    SLOT(any_probe, any, 8),
    SLOT(dword_probe, dword, DEVFN_NONE),
    SLOT(high_probe, high, DEVFN_NONE),
    SLOT(system_ports_device, system, DEVFN_NONE),
    SLOT(debug_ports_device, debug, DEVFN_NONE),
};
const unsigned bus_slot_count = sizeof bus_slots / sizeof bus_slots[0];

static struct bus *const bus = &machine.bus;

static int set_up(void **state)
{
    (void)state;
    host_reset();
    memset(&machine, 0xee, sizeof machine);
    bus_reset(bus);
    host.bus = bus;
    return 0;
}

static void accesses_are_split(void **state)
{
    (void)state;
    assert_int_equal(bus_read(bus, IO_PORT, 0x300, 1), 0x10);
    assert_int_equal(bus_read(bus, IO_PORT, 0x302, 4), 0x15141312);
    assert_int_equal(machine.byte.accesses, 5);
    bus_write(bus, IO_PORT, 0x301, 2, 0xbbaa);
    assert_int_equal(machine.byte.io[5].value, 0xaa);
    assert_int_equal(machine.byte.io[6].value, 0xbb);
    assert_int_equal(machine.byte.io[6].offset, 2);
    /* Not aligned: what fits, lowest byte first. */
    assert_int_equal(bus_read(bus, IO_PORT, 0x309, 4), 0x14131211);
    assert_int_equal(machine.any.accesses, 3);
    assert_int_equal(machine.any.io[0].size, 1);
    assert_int_equal(machine.any.io[1].size, 2);
    /* Over the border of two devices. */
    machine.byte.accesses = machine.any.accesses = 0;
    assert_int_equal(bus_read(bus, IO_PORT, 0x306, 4), 0x11101716);
    assert_int_equal(machine.byte.accesses, 2);
    assert_int_equal(machine.any.accesses, 1);
}

static void narrow_accesses_are_merged(void **state)
{
    (void)state;
    assert_int_equal(bus_read(bus, IO_PORT, 0xcfd, 1), 0x15);
    assert_int_equal(machine.dword.io[0].offset, 4);
    assert_int_equal(machine.dword.io[0].size, 4);
    bus_write(bus, IO_PORT, 0xcfc, 2, 0x1234); /* the other lanes are unknown */
    assert_int_equal(machine.dword.accesses, 1);
    assert_int_equal(host.needs[NEED_IGNORED], 1);
    assert_int_equal(bus_read(bus, IO_PORT, 0xc001, 1), 0x11);
    assert_int_equal(bus_read(bus, IO_PORT, 0xc001, 4), 0x14131211);
}

static void nobody_answers(void **state)
{
    (void)state;
    assert_int_equal(bus_read(bus, IO_PORT, 0x500, 4), 0xffffffff);
    assert_int_equal(host.needs[NEED_PORT_READ], 1);
    assert_int_equal(host.need_address, 0x500);
    bus_write(bus, IO_PORT, 0x500, 1, 0);
    assert_int_equal(host.needs[NEED_PORT_WRITE], 1);
    assert_int_equal(bus_read(bus, IO_MEMORY, 0x123456789a, 8), UINT64_MAX);
    assert_int_equal(host.needs[NEED_MEMORY_READ], 1);
    bus_write(bus, IO_MEMORY, 0xd0000000, 4, 0);
    assert_int_equal(host.needs[NEED_MEMORY_WRITE], 1);
    /* A part of the access: all ones in the other bytes, and no need. */
    assert_int_equal(bus_read(bus, IO_PORT, 0x2fe, 4), 0x1110ffff);
    assert_int_equal(bus_read(bus, IO_PORT, 0xffff, 4), 0xffffffff);
    assert_int_equal(host.needs[NEED_PORT_READ], 2);
}

static void regions_move(void **state)
{
    (void)state;
    effect_region(&machine.any, 1, 0xe0000000, WINDOW);
    assert_int_equal(bus_read(bus, IO_MEMORY, 0xe0000004, 8), 0x1b1a191817161514);
    assert_int_equal(machine.any.accesses, 2);
    assert_int_equal(machine.any.io[0].region, 1);
    effect_region(&machine.any, 1, 0xe1000000, WINDOW);
    assert_int_equal(bus_read(bus, IO_MEMORY, 0xe0000004, 4), 0xffffffff);
    assert_int_equal(bus_read(bus, IO_MEMORY, 0xe1000ffc, 4), 0x0f0e0d0c);
    assert_int_equal(bus_read(bus, IO_MEMORY, 0xe1000ffe, 4), 0xffff0f0e);
    effect_region(&machine.any, 1, UINT64_MAX - 3, WINDOW); /* would wrap */
    assert_int_equal(bus_read(bus, IO_MEMORY, UINT64_MAX - 3, 1), 0xff);
    /* A port region over another one: the later slot has it; when it goes, the other is back. */
    effect_region(&machine.any, 0, 0x304, 8);
    machine.any.accesses = machine.byte.accesses = 0;
    bus_read(bus, IO_PORT, 0x304, 1);
    assert_int_equal(machine.any.accesses, 1);
    effect_region(&machine.any, 0, 0, 0);
    bus_read(bus, IO_PORT, 0x304, 1);
    assert_int_equal(machine.byte.accesses, 1);
    effect_region(&machine.any, 0, 0x500, 6); /* ends in the middle of four bytes */
    assert_int_equal(bus_read(bus, IO_PORT, 0x504, 4), 0xffff1514);
    effect_region(&machine.any, 0, 0xffc, 8); /* half in the table of low ports */
    machine.any.accesses = 0;
    bus_read(bus, IO_PORT, 0xfff, 1);
    bus_read(bus, IO_PORT, 0x1000, 1);
    assert_int_equal(machine.any.accesses, 2);
    const char *device;
    assert_null(bus_check(bus, &device));
}

static void configuration_space(void **state)
{
    (void)state;
    struct io io = {.offset = 4, .size = 4};
    effect_config_io(8, &io);
    assert_int_equal(io.value, 0x17161514);
    assert_int_equal(machine.any.io[0].space, IO_CONFIG);
    effect_config_io(16, &io);
    assert_int_equal(io.value, UINT32_MAX);
    effect_config_io(DEVFN_NONE, &io);
    assert_int_equal(machine.byte.accesses, 0);
}

static void deadlines(void **state)
{
    (void)state;
    assert_int_equal(bus->next_deadline, DEADLINE_NONE);
    machine.byte.deadline = 500;
    bus_read(bus, IO_PORT, 0x300, 1);
    assert_int_equal(bus->next_deadline, 500);
    machine.any.deadline = 300;
    bus_refresh(bus, &machine.any);
    assert_int_equal(bus->next_deadline, 300);
    bus_tick(bus, 299);
    assert_int_equal(machine.any.ticks, 0);
    bus_tick(bus, 450);
    assert_int_equal(machine.any.ticks, 1);
    assert_int_equal(machine.byte.ticks, 0);
    assert_int_equal(bus->next_deadline, 500);
    machine.byte.deadline = DEADLINE_NONE;
    bus_refresh(bus, &machine.byte);
    assert_int_equal(bus->next_deadline, 550);
}

static void check_finds_damage(void **state)
{
    (void)state;
    const char *device;
    assert_null(bus_check(bus, &device));
    machine.any.broken = 1;
    assert_string_equal(bus_check(bus, &device), "broken");
    assert_string_equal(device, "any_probe");
    machine.any.broken = 0;
    bus->port[0x80] = 63;
    assert_non_null(bus_check(bus, &device));
    bus->port[0x80] = 0;
    assert_non_null(bus_check(bus, &device));
    bus_reset(bus);
    bus->region[1].slot = 39;
    assert_non_null(bus_check(bus, &device));
    bus_reset(bus);
    bus->region[1].base = UINT64_MAX;
    assert_non_null(bus_check(bus, &device));
    bus_reset(bus);
    bus->region[1].widths = 0;
    assert_non_null(bus_check(bus, &device));
    bus_reset(bus);
    bus->region[1].length = 9;
    assert_non_null(bus_check(bus, &device));
    bus_reset(bus);
    bus->region_count = 65;
    assert_non_null(bus_check(bus, &device));
    bus_reset(bus);
    bus->deadline[0] = 0; /* a deadline only makes a tick come early */
    assert_null(bus_check(bus, &device));
}

static void small_ports(void **state)
{
    (void)state;
    assert_int_equal(bus_read(bus, IO_PORT, 0x92, 1), 0x02);
    bus_write(bus, IO_PORT, 0x92, 1, 0);
    assert_int_equal(bus_read(bus, IO_PORT, 0x92, 1), 0);
    assert_int_equal(host.ends, 0);
    bus_write(bus, IO_PORT, 0x92, 1, 1);
    assert_int_equal(host.processor_resets, 1);
    bus_write(bus, IO_PORT, 0xcf9, 1, 2);
    assert_int_equal(host.ends, 0);
    bus_write(bus, IO_PORT, 0xcf9, 1, 6);
    assert_int_equal(host.end, GUEST_END_RESET);
    bus_write(bus, IO_PORT, 0xcf9, 1, 6); /* bit 2 does not rise */
    assert_int_equal(host.ends, 1);
    assert_int_equal(bus_read(bus, IO_PORT, 0xcf9, 1), 6);
    assert_int_equal(machine.dword.accesses, 0); /* 0xcf9 lies in the range of 0xcf8 */
    bus_write(bus, IO_PORT, 0x80, 1, 0x5a);
    assert_int_equal(bus_read(bus, IO_PORT, 0x80, 1), 0x5a);
    bus_write(bus, IO_PORT, 0xed, 1, 0);
    assert_int_equal(host.needs[NEED_PORT_WRITE], 0);
    bus_write(bus, IO_PORT, 0xe9, 1, 'x');
    assert_int_equal(host.output[0], 'x');
    assert_int_equal(bus_read(bus, IO_PORT, 0xe9, 1), 0xe9);
    host.output_room = 0;
    bus_write(bus, IO_PORT, 0xe9, 1, 'y');
    assert_int_equal(machine.debug.lost, 1);
    bus_write(bus, IO_PORT, 0xf4, 4, 0x1234567);
    assert_int_equal(host.exit_value, 0x1234567);
    assert_int_equal(host.end, GUEST_END_POWER_OFF);
    assert_int_equal(host.ends, 2);
    bus_write(bus, IO_PORT, 0xf5, 1, 1);
    assert_int_equal(host.ends, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(accesses_are_split, set_up),
        cmocka_unit_test_setup(narrow_accesses_are_merged, set_up),
        cmocka_unit_test_setup(nobody_answers, set_up),
        cmocka_unit_test_setup(regions_move, set_up),
        cmocka_unit_test_setup(configuration_space, set_up),
        cmocka_unit_test_setup(deadlines, set_up),
        cmocka_unit_test_setup(check_finds_damage, set_up),
        cmocka_unit_test_setup(small_ports, set_up),
    };
    return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}
