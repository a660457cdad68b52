/*
 * Address line 20: masked, what real mode finds behind 1 MiB is what lies at 0, for reads, writes, code and
 * strings; by port 0x92, by the keyboard controller and by the BIOS. On again, the memory there is as it was.
 * Manual: IBM PS/2 hardware interface technical reference, system control port A; 8042 commands 0xDD and
 * 0xDF. Real hardware: as checked here, where the board does not want both to agree.
 *
 * guest: firmware=bios
 */
#include "guest.h"
#include "memory.h"
#include "real.h"

enum { RESULTS = 0x5000 };

extern const uint8_t a20_code[], a20_code_end[];

static const struct {
    const char *name;
    uint16_t low, high;
} steps[] = {
    {"line on", 0x1111, 0x2222},
    {"off by port 0x92", 0x1111, 0x1111},
    {"  a write behind 1 MiB", 0x3333, 0x3333},
    {"on by port 0x92", 0x3333, 0x2222},
    {"off by the keyboard controller", 0x3333, 0x3333},
    {"  code behind 1 MiB", 0x4444, 0x4444},
    {"  a string moved there", 0x4445, 0x4445},
    {"on by the keyboard controller", 0x4445, 0x2222},
    {"off by the BIOS", 0x4445, 0x4445},
    {"  says it", 0x0000, 0x0000},
    {"on by the BIOS", 0x0000, 0x2222},
};

void guest_main(void)
{
    const volatile uint16_t *results = (const volatile uint16_t *)RESULTS;

    real_call(a20_code, a20_code_end);
    for (uint32_t i = 0; i < ARRAY_LENGTH(steps); i++)
        check_value(steps[i].name, (uint32_t)results[2 * i] << 16 | results[2 * i + 1],
                    (uint32_t)steps[i].low << 16 | steps[i].high);
}
