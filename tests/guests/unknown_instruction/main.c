/*
 * An instruction that the emulator does not know (PADDD), on device memory (the I/O APIC): ring=0 (the
 * default) or ring=3. A program's is #UD; the system's ends the guest, unless its description says otherwise.
 * tests/boot/test_unknown_instruction.py starts it. Manual: none, a processor executes it. Real hardware:
 * does so.
 *
 * guest: manual
 */
#include "guest.h"
#include "processor.h"
#include "descriptors.h"

static uint8_t user_stack[4096] __attribute__((aligned(16)));

static void system_instruction(void)
{
    TRY("paddd 0xfec00010, %%xmm0", : : : "memory");
}

static void user_instruction(void)
{
    __asm__ volatile("paddd 0xfec00010, %%xmm0" : : : "memory");
}

void guest_main(void)
{
    uint32_t ring = option_number("ring", 0);

    write_cr4(read_cr4() | CR4_OSFXSR);
    print("ring %u\n", ring);
    if (ring == 0)
        system_instruction();
    else
        user_call(user_instruction, (uint32_t)(user_stack + sizeof(user_stack)));
    check_fault("PADDD on device memory", UD, 0);
}
