/*
 * Unreal mode: a segment limit of 4 GiB loaded in protected mode stays in force in real mode until the
 * segment register is loaded with a new descriptor. Manual: Intel SDM Vol. 3A, 10.9.1 (descriptor caches);
 * APM Vol. 2, 4.8. Real hardware: as checked here; every firmware depends on it.
 */
#include "guest.h"
#include "processor.h"
#include "real.h"

extern const uint8_t code_high[], code_high_end[], code_device[], code_device_end[];
static volatile uint32_t high_word = 0x51a7c0de;

void guest_main(void)
{
    real_block->fs = SELECTOR_DATA32;
    real_block->esi = (uint32_t)&high_word;
    real_call(code_high, code_high_end);
    check_value("read above 1 MiB", real_block->eax, 0x51a7c0de);
    check_value("written above 1 MiB", high_word, 0x600dcafe);
    check_value("still so after MOV to FS in real mode", real_block->ebx, 0x600dcafe);

    real_block->fs = SELECTOR_DATA32;
    real_call(code_device, code_device_end);
    check("IOAPIC version read in unreal mode",
          real_block->eax == real_block->ebx && (real_block->eax & 0xf0));
    check_value("IOAPIC entries - 1", real_block->eax >> 16 & 0xff, 23);
    check_value("LAPIC version", real_block->ecx & 0xf0, 0x10);
}
