/*
 * Ports for test kernels and firmware: the debug consoles 0xe9 and 0x402, the debug exit port 0xf4.
 *
 * Document: none; as Bochs (port 0xe9) and QEMU (isa-debug-exit) have them. A byte to 0xe9 goes to the
 * console; a read returns 0xe9, by which a guest finds the port. 0x402 is the same for SeaBIOS' debug output,
 * and is there when the description wants that on the console. A value written to 0xf4 ends the guest and is
 * shown by the service.
 *
 * State: struct debug_ports.
 * Missing: nothing.
 * Ignored bits: none; accesses to 0xf5-0xf7 have no effect.
 */
#include "debug_ports.h"
#include "effects.h"

enum { REGION_CONSOLE, REGION_EXIT, REGION_FIRMWARE };
enum { CONSOLE_SIGNATURE = 0xe9 };

static void debug_ports_io(void *state, struct io *io)
{
    struct debug_ports *ports = state;
    if (io->region == REGION_FIRMWARE && !effect_guest_config()->firmware_log)
        return;
    if (io->region != REGION_EXIT) {
        if (!io->write)
            io->value = CONSOLE_SIGNATURE;
        else if (!effect_console_put((uint8_t)io->value))
            ports->lost++;
    } else if (io->write && io->offset == 0) {
        ports->exit_value = io->value;
        effect_exit_value(io->value);
        effect_guest_end(GUEST_END_POWER_OFF);
    }
}

static void debug_ports_reset(void *state, const struct device_slot *slot)
{
    (void)state;
    (void)slot;
}

static const char *debug_ports_check(const void *state)
{
    (void)state;
    return NULL; /* any value is as good as another */
}

static void debug_ports_inspect(const void *state, struct inspector *inspector)
{
    const struct debug_ports *ports = state;
    inspector->field(inspector, "exit value", ports->exit_value);
    inspector->field(inspector, "lost", ports->lost);
}

const struct device debug_ports_device = {
    .name = "debug ports",
    .state_size = sizeof(struct debug_ports),
    .region_count = 3,
    .region = {[REGION_CONSOLE] = {.base = 0xe9, .length = 1, .space = IO_PORT, .widths = WIDTH_1},
               [REGION_EXIT] = {.base = 0xf4, .length = 4, .space = IO_PORT, .widths = WIDTH_ANY},
               [REGION_FIRMWARE] = {.base = 0x402, .length = 1, .space = IO_PORT, .widths = WIDTH_1}},
    .reset = debug_ports_reset,
    .io = debug_ports_io,
    .check = debug_ports_check,
    .inspect = debug_ports_inspect,
    .missed_ticks = TICKS_NONE,
    .deadline = device_no_deadline,
    .tick = device_no_tick,
};
