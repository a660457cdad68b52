/*
 * The small ports of the main board: system control port A (0x92), reset control (0xcf9), the POST code port
 * 0x80, and 0xed, which software writes to for a delay.
 *
 * Document: 82371SB (PIIX3), reset control register; IBM PS/2 hardware interface reference for port 0x92.
 * State: struct system_ports.
 *
 * Missing: of port 0x92 the watchdog's status, the lock of the CMOS RAM and the light of the disk.
 * Different: of this port and the keyboard controller, the one written last decides about address line 20.
 * Ignored bits: port 0x92 bits 2-7, port 0xcf9 bits 0 and 3-7: they read 0.
 */
#include "system_ports.h"
#include "effects.h"

enum { REGION_PORT92, REGION_RESET, REGION_POST, REGION_DELAY };
enum { PORT92_RESET = 1 << 0, PORT92_A20 = 1 << 1 };
enum { RESET_SYSTEM = 1 << 1, RESET_CPU = 1 << 2 };

static void port92_io(struct system_ports *ports, struct io *io)
{
    if (!io->write) {
        io->value = ports->port92;
        return;
    }
    if (io->value & PORT92_RESET)
        effect_processor_reset();
    ports->port92 = io->value & PORT92_A20;
    effect_a20(ports->port92);
}

/* Bit 2 going from 0 to 1 resets the processors, or with bit 1 everything. */
static void reset_io(struct system_ports *ports, struct io *io)
{
    if (!io->write) {
        io->value = ports->reset_control;
        return;
    }
    bool starts = io->value & RESET_CPU && !(ports->reset_control & RESET_CPU);
    ports->reset_control = io->value & (RESET_SYSTEM | RESET_CPU);
    if (starts && io->value & RESET_SYSTEM)
        effect_guest_end(GUEST_END_RESET);
    else if (starts)
        effect_processor_reset();
}

static void system_ports_io(void *state, struct io *io)
{
    struct system_ports *ports = state;
    switch (io->region) {
    case REGION_PORT92:
        port92_io(ports, io);
        break;
    case REGION_RESET:
        reset_io(ports, io);
        break;
    case REGION_POST:
        if (io->write)
            ports->post_code = (uint8_t)io->value;
        else
            io->value = ports->post_code;
        break;
    case REGION_DELAY:
        break;
    }
}

static void system_ports_reset(void *state, const struct device_slot *slot)
{
    struct system_ports *ports = state;
    (void)slot;
    ports->port92 = PORT92_A20;
}

static const char *system_ports_check(const void *state)
{
    const struct system_ports *ports = state;
    if (ports->port92 & ~PORT92_A20)
        return "port 92";
    return ports->reset_control & ~(RESET_SYSTEM | RESET_CPU) ? "reset control" : NULL;
}

static void system_ports_inspect(const void *state, struct inspector *inspector)
{
    const struct system_ports *ports = state;
    inspector->field(inspector, "port 92", ports->port92);
    inspector->field(inspector, "reset control", ports->reset_control);
    inspector->field(inspector, "post code", ports->post_code);
}

const struct device system_ports_device = {
    .name = "system ports",
    .state_size = sizeof(struct system_ports),
    .region_count = 4,
    .region = {[REGION_PORT92] = {.base = 0x92, .length = 1, .space = IO_PORT, .widths = WIDTH_1},
               [REGION_RESET] = {.base = 0xcf9, .length = 1, .space = IO_PORT, .widths = WIDTH_1},
               [REGION_POST] = {.base = 0x80, .length = 1, .space = IO_PORT, .widths = WIDTH_1},
               [REGION_DELAY] = {.base = 0xed, .length = 1, .space = IO_PORT, .widths = WIDTH_1}},
    .reset = system_ports_reset,
    .io = system_ports_io,
    .check = system_ports_check,
    .inspect = system_ports_inspect,
    .missed_ticks = TICKS_NONE,
    .deadline = device_no_deadline,
    .tick = device_no_tick,
};
