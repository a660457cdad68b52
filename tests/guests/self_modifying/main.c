/*
 * Code that changes itself: an immediate in the next instruction, an instruction that follows a jump, across
 * a page's end, and through a second linear address; also where the instruction is one that a monitor
 * emulates (its bytes must not come from an old copy). Manual: AMD APM Vol. 2, 7.6.1; Intel SDM Vol.
 * 3A, 8.1.3. Real hardware: as checked here.
 */
#include "guest.h"
#include "memory.h"
#include "processor.h"
#include "apic.h"
#include "paging.h"

static uint8_t code[8192] __attribute__((aligned(4096)));
typedef uint32_t function(void);

static uint32_t run(uint32_t offset)
{
    __asm__ volatile("" : : : "memory");
    return ((function *)(code + offset))();
}
static void put(uint32_t offset, const uint8_t *bytes, uint32_t count)
{
    memcpy(code + offset, bytes, count);
}

void guest_main(void)
{
    static const uint8_t mov_ret[] = {0xb8, 1, 0, 0, 0, 0xc3};
    /* mov eax, [LAPIC version]; ret - and - mov eax, [LAPIC SVR]; ret */
    static const uint8_t read_version[] = {0xa1, LAPIC_VERSION, 0, 0xe0, 0xfe, 0xc3};
    static const uint8_t read_svr[] = {0xa1, LAPIC_SVR, 0, 0xe0, 0xfe, 0xc3};
    /* movb $0x22, code+8(offset); mov eax, 0x11 (its immediate is what is written) */
    uint32_t sum = 0;

    lapic_enable();
    put(0, mov_ret, sizeof(mov_ret));
    check_value("first version", run(0), 1);
    code[1] = 2;
    check_value("changed immediate", run(0), 2);
    for (uint32_t i = 0; i < 200; i++) {
        code[1] = (uint8_t)i;
        sum += run(0);
    }
    check_value("changed 200 times: sum", sum, 199 * 200 / 2);
    put(4094, mov_ret, sizeof(mov_ret));
    check_value("over a page's end", run(4094), 1);
    code[4096] = 3;
    check_value("  changed behind it", run(4094), 0x301);
    code[4095] = 7;
    check_value("  changed before it", run(4094), 0x307);

    put(16, read_version, sizeof(read_version));
    check_value("device read", run(16) & 0xf0, 0x10);
    put(16, read_svr, sizeof(read_svr));
    check_value("  now of another register", run(16), 0x1ff);
    put(4093, read_svr, sizeof(read_svr));
    check_value("device read over a page's end", run(4093), 0x1ff);
    put(4093, read_version, sizeof(read_version));
    check_value("  now of another register", run(4093) & 0xf0, 0x10);

    /* 0f a2 90 (CPUID, NOP) becomes 66 0f a2 (CPUID with a prefix), then 90 90 90 */
    static const uint8_t cpuid_ret[] = {0x53, 0x31, 0xc0, 0x0f, 0xa2, 0x90, 0x5b, 0xc3};
    static const uint8_t cpuid_prefixed[] = {0x66, 0x0f, 0xa2};
    put(64, cpuid_ret, sizeof(cpuid_ret));
    check("CPUID", run(64) == cpuid(0, 0).eax);
    check("  again", run(64) == cpuid(0, 0).eax);
    put(67, cpuid_prefixed, sizeof(cpuid_prefixed));
    check("  longer by a prefix", run(64) == cpuid(0, 0).eax);
    code[67] = code[68] = code[69] = 0x90;
    check_value("  replaced by NOPs", run(64), 0);

    paging_initialise();
    page_table[0x3f0] = (uint32_t)code | PAGE_P | PAGE_W;
    paging_on((uint32_t)page_directory, CR4_PSE);
    put(0, mov_ret, sizeof(mov_ret));
    check_value("before a change through an alias", run(0), 1);
    *(volatile uint8_t *)0x3f0001 = 0x42;
    check_value("after it", run(0), 0x42);
    put(16, read_version, sizeof(read_version));
    (void)run(16);
    *(volatile uint8_t *)0x3f0011 = LAPIC_SVR;
    check_value("device read after it", run(16), 0x1ff);
    paging_off();
}
