/*
 * Every switch between processor modes, many times over: protected, real, protected with paging, PAE, long,
 * compatibility, and back to real each time. A state that a monitor does not follow shows up as a wrong sum
 * or an end. Manual: AMD APM Vol. 2, 14.4-14.8. Real hardware: as checked here.
 */
#include "guest.h"
#include "processor.h"
#include "real.h"
#include "long.h"
#include "paging.h"

enum { ROUNDS = 50 };

extern const uint8_t code_add[], code_add_end[];
void long_add(void), compat_add(void);

static uint32_t real_add(uint32_t sum)
{
    real_block->eax = sum;
    real_call(code_add, code_add_end);
    return real_block->eax;
}

void guest_main(void)
{
    uint32_t sum = 0, expected = 0;

    paging_initialise();
    pae_initialise();
    for (uint32_t round = 0; round < ROUNDS; round++) {
        sum = real_add(sum);
        paging_on((uint32_t)page_directory, CR4_PSE);
        sum += 10;
        paging_off();
        sum = real_add(sum);
        paging_on((uint32_t)pae_pointers, CR4_PAE);
        sum += 100;
        paging_off();
        sum = long_call(long_add, sum);
        sum = real_add(sum);
        sum = long_call(compat_add, sum);
        paging_on((uint32_t)page_directory, CR4_PSE);
        sum += 10;
        paging_off();
        expected += 3 * 1 + 10 + 100 + 1000 + 10000 + 10;
    }
    check_value("sum over all modes", sum, expected);
    check_value("CR0", read_cr0() & ~(uint32_t)CR0_ET, CR0_PE | CR0_NE);
    check_value("CR4", read_cr4(), 0);
    check_value64("EFER", rdmsr(MSR_EFER), 0);
}
