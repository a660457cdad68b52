/*
 * The keyboard controller with keyboard and mouse under any bytes at its ports, while somebody types and
 * moves the mouse. The check must accept what comes out.
 *
 * sources: devices/i8042.c devices/ps2_keyboard.c devices/ps2_mouse.c devices/bus.c tests/unit/host_effects.c
 * coverage: devices/i8042.c devices/ps2_keyboard.c devices/ps2_mouse.c
 */
#include <stdlib.h>
#include <string.h>
#include "host_effects.h"
#include "i8042.h"

enum { STEPS_MAX = 2000 };

struct step {
    uint8_t what, value;
};

static struct i8042 i8042;

static void add_event(const struct step *step)
{
    if (host.event_count < HOST_EVENTS)
        host.event[host.event_count++] = (struct input_event){.kind = (uint8_t)(step->what >> 4),
                                                              .key = step->value,
                                                              .buttons = step->value,
                                                              .wheel = (int8_t)step->value,
                                                              .right = (int16_t)(step->value * 257),
                                                              .down = (int16_t)(step->value - 128)};
    i8042_receive(&i8042);
}

static void do_step(const struct step *step)
{
    switch (step->what % 8) {
    case 0:
        host_in(&i8042_device, &i8042, 0x60, 1);
        break;
    case 1:
        host_in(&i8042_device, &i8042, 0x64, 1);
        break;
    case 2:
    case 3:
        host_out(&i8042_device, &i8042, 0x60, 1, step->value);
        break;
    case 4:
        host_out(&i8042_device, &i8042, 0x64, 1, step->value);
        break;
    case 5: /* a byte for the mouse */
        host_out(&i8042_device, &i8042, 0x64, 1, 0xd4);
        host_out(&i8042_device, &i8042, 0x60, 1, step->value);
        break;
    default:
        add_event(step);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct step step;
    host_reset();
    host_device_reset(&i8042_device, &i8042);
    for (unsigned i = 0; i < STEPS_MAX && size >= sizeof step; i++) {
        memcpy(&step, data, sizeof step);
        data += sizeof step;
        size -= sizeof step;
        do_step(&step);
        if (i8042_device.check(&i8042))
            abort();
    }
    host_field(&i8042_device, &i8042, "status");
    return 0;
}
