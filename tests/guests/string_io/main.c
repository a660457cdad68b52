/*
 * String I/O: INS and OUTS with and without REP, bytes, words and dwords, DF, address sizes, segment
 * override, page crossing, a fault in the middle with registers that show how far it came, count 0. The port
 * is the DMA controller's page register file (0x80-0x8f are plain latches) and CMOS. Manual: AMD APM Vol. 3,
 * INS, OUTS. Real hardware: as checked here.
 */
#include "guest.h"
#include "memory.h"
#include "processor.h"
#include "paging.h"
#include "power.h"
#include "descriptors.h"

enum {
    COUNT = 200,
    SCRATCH = 0x3ff /* UART scratch register */,
    WINDOW = 0x3f0000,
    CMOS_INDEX = 0x70,
    CMOS_DATA = 0x71
};
static uint8_t buffer[8192] __attribute__((aligned(4096)));

struct registers {
    uint32_t count, pointer;
};

static struct registers rep_outsb(uint16_t port, const void *from, uint32_t count, bool down)
{
    struct registers r = {count, (uint32_t)from};

    if (down)
        __asm__ volatile("std; rep outsb; cld" : "+c"(r.count), "+S"(r.pointer) : "d"(port) : "memory");
    else
        __asm__ volatile("cld; rep outsb" : "+c"(r.count), "+S"(r.pointer) : "d"(port) : "memory");
    return r;
}
static struct registers rep_insb(uint16_t port, void *to, uint32_t count, bool down)
{
    struct registers r = {count, (uint32_t)to};

    if (down)
        __asm__ volatile("std; rep insb; cld" : "+c"(r.count), "+D"(r.pointer) : "d"(port) : "memory");
    else
        __asm__ volatile("cld; rep insb" : "+c"(r.count), "+D"(r.pointer) : "d"(port) : "memory");
    return r;
}

static uint32_t all_equal(const uint8_t *bytes, uint32_t count, uint8_t value)
{
    uint32_t equal = 0;

    while (count--)
        equal += bytes[count] == value;
    return equal;
}

static void test_rep(void)
{
    struct registers r;

    for (uint32_t i = 0; i < COUNT; i++)
        buffer[i] = (uint8_t)(i + 1);
    r = rep_outsb(SCRATCH, buffer, COUNT, false);
    check_value("REP OUTSB: last byte arrives", inb(SCRATCH), COUNT);
    check_value("  ECX", r.count, 0);
    check_value("  ESI", r.pointer - (uint32_t)buffer, COUNT);
    r = rep_outsb(SCRATCH, buffer + COUNT - 1, COUNT, true);
    check_value("REP OUTSB with DF: last byte", inb(SCRATCH), 1);
    check_value("  ESI", r.pointer - (uint32_t)buffer, 0xffffffff);
    outb(SCRATCH, 0x5d);
    memset(buffer, 0, sizeof(buffer));
    r = rep_insb(SCRATCH, buffer + 4000, COUNT, false);
    check_value("REP INSB over a page's end: bytes", all_equal(buffer + 4000, COUNT, 0x5d), COUNT);
    check_value("  neighbours untouched", buffer[3999] | buffer[4000 + COUNT], 0);
    check_value("  EDI", r.pointer - (uint32_t)buffer, 4000 + COUNT);
    memset(buffer, 0, sizeof(buffer));
    r = rep_insb(SCRATCH, buffer + 4200, COUNT, true);
    check_value("REP INSB down over a page's start: bytes", all_equal(buffer + 4201 - COUNT, COUNT, 0x5d),
                COUNT);
    check_value("  EDI", r.pointer - (uint32_t)buffer, 4200 - COUNT);
    r = rep_insb(SCRATCH, buffer, 0, false);
    check_value("count 0: EDI", r.pointer - (uint32_t)buffer, 0);
}

static void test_sizes(void)
{
    uint32_t pointer = (uint32_t)buffer, count;
    uint16_t word = 0x2a71;

    memset(buffer, 0, 64);
    __asm__ volatile("insb" : "+D"(pointer) : "d"(SCRATCH) : "memory");
    check_value("INSB", buffer[0] << 8 | (pointer - (uint32_t)buffer), 0x5d01);
    cmos_write(0x52, 0xc3);
    outb(CMOS_INDEX, 0x52);
    pointer = (uint32_t)&word;
    outb(CMOS_INDEX, 0);
    ((uint8_t *)&word)[0] = 0x52;
    ((uint8_t *)&word)[1] = 0x77;
    __asm__ volatile("outsw" : "+S"(pointer) : "d"(CMOS_INDEX) : "memory");
    check_value("OUTSW to two ports", cmos_read(0x52), 0x77);
    check_value("  ESI", pointer - (uint32_t)&word, 2);
    buffer[0] = 0x99;
    pointer = (uint32_t)buffer;
    gdt_set(SELECTOR_FREE, (uint32_t)buffer + 16, 0xfffff, DESCRIPTOR_DATA32);
    buffer[16 + 5] = 0xab;
    __asm__ volatile("mov %w0, %%fs; mov $5, %%esi; fs outsb"
                     :
                     : "r"(SELECTOR_FREE), "d"(SCRATCH)
                     : "esi", "memory");
    check_value("OUTSB with FS override", inb(SCRATCH), 0xab);
    __asm__ volatile("mov %w0, %%fs" : : "r"(SELECTOR_DATA32));
    memset((void *)0x7000, 0x31, 16);
    uint32_t si = 0x12347000;
    __asm__ volatile("addr16 outsb" : "+S"(si) : "d"(SCRATCH) : "memory");
    check_value("OUTSB with 16-bit address", inb(SCRATCH), 0x31);
    check_value("  upper half of ESI stays", si, 0x12347001);
    si = 0x7000;
    count = 0xabcd0003;
    __asm__ volatile("addr16 rep outsb" : "+S"(si), "+c"(count) : "d"(SCRATCH) : "memory");
    check_value("REP with 16-bit count: ECX", count, 0xabcd0000);
}

static void test_fault(void)
{
    uint32_t count = 32, pointer = WINDOW + 0xff0;

    paging_initialise();
    page_table[WINDOW >> 12] = (uint32_t)buffer | PAGE_P | PAGE_W;
    page_table[(WINDOW >> 12) + 1] = 0;
    paging_on((uint32_t)page_directory, CR4_PSE);
    outb(SCRATCH, 0x66);
    memset(buffer, 0, 4096);
    TRY("rep insb", : "+c"(count), "+D"(pointer) : "d"(SCRATCH) : "memory");
    check_page_fault("REP INSB into a page not present", PF_W, WINDOW + 0x1000);
    check_value("  ECX left", count, 16);
    check_value("  EDI at the page", pointer, WINDOW + 0x1000);
    check_value("  bytes before it", all_equal(buffer + 0xff0, 16, 0x66), 16);
    count = 32;
    pointer = WINDOW + 0xff0;
    TRY("rep outsb", : "+c"(count), "+S"(pointer) : "d"(SCRATCH) : "memory");
    check_page_fault("REP OUTSB from a page not present", 0, WINDOW + 0x1000);
    check_value("  ECX left", count, 16);
    page_table[WINDOW >> 12] = (uint32_t)buffer | PAGE_P;
    invlpg(WINDOW);
    write_cr0(read_cr0() | CR0_WP);
    count = 2;
    pointer = WINDOW;
    TRY("rep insb", : "+c"(count), "+D"(pointer) : "d"(SCRATCH) : "memory");
    check_page_fault("REP INSB into a read-only page", PF_W | PF_P, WINDOW);
    write_cr0(read_cr0() & ~(uint32_t)CR0_WP);
    paging_off();
}

void guest_main(void)
{
    test_rep();
    test_sizes();
    test_fault();
}
