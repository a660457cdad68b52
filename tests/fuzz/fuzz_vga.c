/*
 * The VGA under random accesses to its ports, its windows, its frame buffer and its registers in memory.
 * After each the check must accept the state; from time to time the whole picture is drawn from it.
 *
 * sources: devices/vga.c devices/vga_memory.c devices/vga_retrace.c devices/vbe.c devices/vga_screen.c
 * sources: devices/vga_text.c devices/pci.c devices/bus.c tests/unit/host_effects.c
 * coverage: devices/vga.c devices/vga_memory.c devices/vga_retrace.c devices/vbe.c devices/vga_screen.c
 * coverage: devices/vga_text.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "host_effects.h"
#include "vga_screen.h"

enum { ACCESSES_MAX = 2000, LINES = 4 };

/* One step of an input. */
struct step {
    uint8_t what, region, place, value;
};

static struct vga vga;

static void access_port(uint16_t port, bool write, uint8_t value)
{
    if (write)
        vga_port_write(&vga, port, value);
    else
        vga_port_read(&vga, port);
}

static void draw(uint8_t place)
{
    static uint8_t rgb[SCREEN_WIDTH_MAX * 3];
    uint16_t cells[SCREEN_COLUMNS_MAX];
    struct screen screen;
    screen_look(&vga, &screen);
    if (screen.width > SCREEN_WIDTH_MAX || screen.columns > SCREEN_COLUMNS_MAX)
        abort();
    for (uint32_t i = 0; i <= LINES; i++)
        screen_line(&vga, host.spare, &screen, (screen.height - 1) * i / LINES, rgb);
    if (screen.rows)
        screen_text(&vga, host.spare, &screen, place % screen.rows, cells);
}

/* An index and its data at once: two random bytes would seldom meet. */
static void step_do(const struct step *step)
{
    static const uint16_t indexed[] = {0x3c4, 0x3ce, 0x3d4, 0x3b4};
    struct io io = {.space = IO_MEMORY, .size = 1, .write = step->what & 1, .value = step->value};
    switch (step->what >> 1 & 7) {
    case 0:
        access_port(indexed[step->region & 3], true, step->place % 26);
        access_port(indexed[step->region & 3] + 1, true, step->value);
        break;
    case 1:
        vga_port_read(&vga, 0x3da);
        access_port(0x3c0, true, step->place % 22 | (step->region & 0x20));
        access_port(0x3c0, true, step->value);
        break;
    case 2:
        vbe_write(&vga, step->place % 12, (uint16_t)(step->value << (step->region & 7)));
        vbe_read(&vga, step->place % 12);
        break;
    case 3: /* any region, in an accessible width */
        io.region = step->region % (uint8_t)vga_device.region_count;
        io.space = vga_device.region[io.region].space;
        io.size = vga_device.region[io.region].widths & 1 ? 1 : 2;
        io.offset = (step->place * 257u << (step->region >> 4)) % vga_device.region[io.region].length /
                    io.size * io.size;
        vga_device.io(&vga, &io);
        break;
    case 4:
        io.space = IO_CONFIG;
        io.offset = step->place;
        vga_device.io(&vga, &io);
        break;
    case 5:
        host.now += (uint64_t)step->value << step->region % 20;
        access_port(0x3c0 + step->place % 32, io.write, step->value);
        break;
    case 6: /* the window, where the boundaries are */
        io.region = 4;
        io.offset = (step->region & 3u) * 0x8000 + step->place;
        vga_device.io(&vga, &io);
        break;
    case 7:
        draw(step->place);
        break;
    }
}

static void ignore_field(struct inspector *inspector, const char *name, uint64_t value)
{
    (void)inspector;
    if (strlen(name) == 0 && value == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t *spare;
    if (!spare)
        spare = calloc(1, HOST_SPARE);
    host_reset();
    host.spare = spare; /* what is in it does not matter */
    host_device_reset(&vga_device, &vga);
    struct step step;
    for (unsigned i = 0; i < ACCESSES_MAX && size >= sizeof step; i++) {
        memcpy(&step, data, sizeof step);
        data += sizeof step;
        size -= sizeof step;
        step_do(&step);
        const char *broken = vga_device.check(&vga);
        if (broken) {
            fprintf(stderr, "%s\n", broken);
            abort();
        }
    }
    struct inspector inspector = {ignore_field};
    vga_device.inspect(&vga, &inspector);
    return 0;
}
