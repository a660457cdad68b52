/*
 * The programmable attribute map of the host bridge: each segment of the upper memory is read from RAM or
 * from ROM, and written to RAM or to nothing. A firmware copies itself into RAM by it, and protects it then.
 *
 * Document: Intel 82441FX (PMC) data sheet (290549-001), 3.2.10 and table 2 (13 segments: 64 KiB at 0xF0000,
 * 12 of 16 KiB below it). State: the registers, in struct i440fx. The ROM is the end of the firmware's image,
 * from 0xE0000 on; below it there is none, and reads give all ones. Missing: nothing. Ignored bits: cache
 * enable, which reads 0. A guest without spare memory has RAM there, whatever the registers say, which is
 * what firmware turns it into.
 */
#include "pam.h"
#include "effects.h"
#include "layout.h"

enum { ATTRIBUTE_READ = 1, ATTRIBUTE_WRITE = 2, SEGMENTS = 13, LAST_SEGMENT = 12, SEGMENT_SHIFT = 14 };
enum { ROM_START = 0xe0000, LAST_START = 0xf0000 };

static unsigned segment_of(uint32_t gpa)
{
    return gpa >= LAST_START ? LAST_SEGMENT : (gpa - PAM_BASE) >> SEGMENT_SHIFT;
}

/* The last segment is the upper half of the first register. */
static unsigned attribute(const uint8_t pam[PAM_REGISTERS], unsigned segment)
{
    unsigned half = segment == LAST_SEGMENT ? 1 : segment + 2;
    return pam[half / 2] >> (half % 2 ? 4 : 0) & (ATTRIBUTE_READ | ATTRIBUTE_WRITE);
}

static void segment_map(unsigned segment, unsigned how)
{
    uint32_t start = segment == LAST_SEGMENT ? LAST_START : PAM_BASE + (segment << SEGMENT_SHIFT);
    uint32_t length = segment == LAST_SEGMENT ? PAM_END - LAST_START : 1 << SEGMENT_SHIFT;
    const uint8_t *ram = effect_spare(SPARE_UPPER + start - GUEST_VGA_HOLE);
    const uint8_t *rom = effect_spare(SPARE_ROM + SPARE_ROM_SIZE - PAM_END + start);
    if (!ram)
        return;
    if (how & ATTRIBUTE_READ)
        effect_map(start, ram, length,
                   MEMORY_READ | MEMORY_EXECUTE | (how & ATTRIBUTE_WRITE ? MEMORY_WRITE : 0));
    else
        effect_map(start, rom, length, start >= ROM_START ? MEMORY_READ | MEMORY_EXECUTE : MEMORY_NONE);
}

void pam_apply(const uint8_t pam[PAM_REGISTERS])
{
    for (unsigned i = 0; i < SEGMENTS; i++)
        segment_map(i, attribute(pam, i));
}

void pam_change(const uint8_t before[PAM_REGISTERS], const uint8_t pam[PAM_REGISTERS])
{
    for (unsigned i = 0; i < SEGMENTS; i++)
        if (attribute(before, i) != attribute(pam, i))
            segment_map(i, attribute(pam, i));
}

void pam_io(const uint8_t pam[PAM_REGISTERS], struct io *io)
{
    uint32_t gpa = PAM_BASE + io->offset;
    uint8_t *ram = effect_spare(SPARE_UPPER + gpa - GUEST_VGA_HOLE);
    if (!io->write)
        return;
    if (!ram || !(attribute(pam, segment_of(gpa)) & ATTRIBUTE_WRITE)) {
        effect_need(NEED_IGNORED, gpa & ~0xfffu);
        return;
    }
    for (unsigned i = 0; i < io->size; i++)
        ram[i] = (uint8_t)(io->value >> 8 * i);
}
