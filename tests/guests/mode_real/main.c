/*
 * Real mode: addresses, interrupts through the table at 0, exceptions, 32-bit operands, string instructions.
 * Manual: AMD APM Vol. 2, 1.3.6 and 8.6; Intel SDM Vol. 3B, 21.1. Real hardware: as checked here.
 */
#include "guest.h"
#include "memory.h"
#include "processor.h"
#include "real.h"

extern const uint8_t code_address[], code_address_end[], code_interrupt[], code_interrupt_end[], code_fault[],
    code_fault_end[], code_string[], code_string_end[], code_flags[], code_flags_end[];

void guest_main(void)
{
    *(volatile uint32_t *)0x12340 = 0xfeedbeef;
    *(volatile uint32_t *)0x100000 = 0x0badf00d;
    real_call(code_address, code_address_end);
    check_value("segment 0x1234 offset 0", real_block->eax, 0xfeedbeef);
    check_value("segment 0xffff offset 0x10 is 1 MiB", real_block->ebx, 0x0badf00d);
    check_value("CS", real_block->ecx & 0xffff, 0);
    check_value("PE", real_block->edx & CR0_PE, 0);

    real_call(code_interrupt, code_interrupt_end);
    check_value("INT 0x60 ran the handler", real_block->eax, 0x1234);
    check_value("  with IF and TF cleared", real_block->ebx & (FLAG_IF | FLAG_TF), 0);
    check_value("  flags back after IRET", real_block->ecx & FLAG_CF, FLAG_CF);
    check_value("  bytes pushed", real_block->edx, 6);

    real_call(code_fault, code_fault_end);
    check_value("DIV by 0 through vector 0", real_block->eax, 1);
    check_value("UD2 through vector 6", real_block->ebx, 1);
    check_value("  IP of the UD2", real_block->ecx, 1);
    check_value("INT3 through vector 3", real_block->edx, 1);
    check_value("INTO through vector 4", real_block->esi, 1);
    check_value("BOUND through vector 5", real_block->edi, 1);

    memset((void *)0x20000, 0, 0x100);
    for (uint32_t i = 0; i < 16; i++)
        ((volatile uint8_t *)0x30000)[i] = (uint8_t)(i * 3);
    real_call(code_string, code_string_end);
    check_value("REP MOVSB between segments", (uint32_t)memcmp((void *)0x20000, (void *)0x30000, 16), 0);
    check_value("  SI after", real_block->esi, 16);
    check_value("  CX after", real_block->ecx, 0);
    check_value("LOOP count", real_block->eax, 5);

    real_call(code_flags, code_flags_end);
    check_value("PUSHF after ADD 0x7fff + 1", real_block->eax & (FLAG_OF | FLAG_SF | FLAG_ZF | FLAG_CF),
                FLAG_OF | FLAG_SF);
    check_value("IMUL 32-bit", real_block->ebx, 0xfffffff4);
    check_value("CPUID works here", real_block->ecx, cpuid(0, 0).ecx);
    check_value("IN from PIC mask", real_block->edx & 0xff, 0xa5);
}
