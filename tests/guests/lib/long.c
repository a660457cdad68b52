/* Page tables and IDT of 64-bit mode (AMD APM Vol. 2, 5.3 and 8.9.3). */
#include "guest.h"
#include "long.h"
#include "memory.h"
#include "descriptors.h"
#include "paging.h"

uint64_t long_pml4[512] __attribute__((aligned(4096)));
uint64_t long_pdpt[512] __attribute__((aligned(4096)));
uint64_t long_pd[4][512] __attribute__((aligned(4096)));
uint64_t long_idt[512] __attribute__((aligned(16)));
struct table_register long_idtr = {sizeof(long_idt) - 1, (uint32_t)long_idt};
uint32_t long_root, long_cr4;

extern const uint8_t long_stubs[256][16];
uint32_t long_enter(void (*code64)(void), uint32_t argument);

static void long_initialise(void)
{
    long_pml4[0] = (uint32_t)long_pdpt | PAGE_P | PAGE_W | PAGE_U;
    for (uint32_t i = 0; i < 4; i++) {
        long_pdpt[i] = (uint32_t)long_pd[i] | PAGE_P | PAGE_W | PAGE_U;
        for (uint32_t j = 0; j < 512; j++)
            long_pd[i][j] = (uint64_t)i << 30 | j << 21 | PAGE_P | PAGE_W | PAGE_U | PAGE_LARGE;
    }
    for (uint32_t v = 0; v < 256; v++) {
        uint32_t offset = (uint32_t)long_stubs[v];
        long_idt[2 * v] = (uint64_t)((offset & 0xffff0000) | GATE_INTERRUPT32 << 8) << 32 |
                          (uint32_t)SELECTOR_CODE64 << 16 | (offset & 0xffff);
        long_idt[2 * v + 1] = 0;
    }
    long_root = (uint32_t)long_pml4;
}

uint32_t long_call(void (*code64)(void), uint32_t argument)
{
    if (!long_root)
        long_initialise();
    return long_enter(code64, argument);
}

void check_long_fault(const char *name, uint32_t vector, uint32_t error)
{
    fault = (struct fault){.vector = long_fault.vector, .error = long_fault.error};
    check_fault(name, vector, error);
}

void observe_long_fault(const char *name)
{
    fault.vector = long_fault.vector;
    fault.error = long_fault.error;
    observe_fault(name);
}
