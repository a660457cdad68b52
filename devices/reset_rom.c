/*
 * What a processor finds at its reset vector: the guest's own firmware, mapped as memory below 4 GiB; or,
 * when it was started without one, a few bytes that reset the machine. An INIT sends the boot processor
 * there, and systems jump there to restart the machine. A firmware that has handed over answers with a reset,
 * as SeaBIOS does; without it the processor would run wild in empty space.
 *
 * Document: Intel SDM Vol. 3A, 9.1.4 (first instruction) and table 9-1 (INIT); IBM PC AT Technical Reference
 * for the model byte. State: none.
 *
 * Missing: without a firmware, the shutdown codes of CMOS byte 15, with which an 80286 came back from
 * protected mode.
 */
#include "reset_rom.h"
#include "effects.h"
#include "layout.h"

/* mov al, 1; out 0x92, al (PORT92_RESET); jmp $; at the model byte's place 0xfc, an AT. */
const uint8_t reset_rom_code[RESET_ROM_SIZE] = {0xb0, 0x01, 0xe6, 0x92, 0xeb, 0xfe, [14] = 0xfc};

static void reset_rom_io(void *state, struct io *io)
{
    (void)state;
    if (!io->write && io->offset < RESET_ROM_SIZE)
        io->value = reset_rom_code[io->offset];
}

static void reset_rom_reset(void *state, const struct device_slot *slot)
{
    const uint8_t *rom = effect_spare(SPARE_ROM);
    (void)state;
    (void)slot;
    if (rom && effect_guest_config()->loader == LOADER_BIOS)
        effect_map(GUEST_HIGH_RAM - SPARE_ROM_SIZE, rom, SPARE_ROM_SIZE, MEMORY_READ | MEMORY_EXECUTE);
}

static const char *reset_rom_check(const void *state)
{
    (void)state;
    return NULL;
}

static void reset_rom_inspect(const void *state, struct inspector *inspector)
{
    (void)state;
    (void)inspector;
}

const struct device reset_rom_device = {
    .name = "reset ROM",
    .state_size = 0,
    .region_count = 1,
    .region = {{.base = RESET_ROM_BASE, .length = RESET_ROM_SIZE, .space = IO_MEMORY, .widths = WIDTH_1}},
    .reset = reset_rom_reset,
    .io = reset_rom_io,
    .check = reset_rom_check,
    .inspect = reset_rom_inspect,
    .missed_ticks = TICKS_NONE,
    .deadline = device_no_deadline,
    .tick = device_no_tick,
};
