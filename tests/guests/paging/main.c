/*
 * Two-level paging: #PF error codes, accessed and dirty bits, 4 MiB pages, CR0.WP, U/S, INVLPG, global pages.
 * Manual: AMD APM Vol. 2, 5.2-5.6 and 8.4.2; Intel SDM Vol. 3A, 4.3, 4.7, 4.8. Real hardware: as checked
 * here.
 */
#include "guest.h"
#include "processor.h"
#include "paging.h"
#include "descriptors.h"

static volatile uint32_t page_a[1024] __attribute__((aligned(4096)));
static volatile uint32_t page_b[1024] __attribute__((aligned(4096)));
static uint8_t user_stack[4096] __attribute__((aligned(4096)));
static uint32_t target;

/* A linear page that is free: 0x3f0000, in the first 4 MiB. */
enum { WINDOW = 0x3f0000, LARGE = 0x10000000 };

static void map(uint32_t linear, const volatile void *page, uint32_t bits)
{
    page_table[linear >> 12] = (uint32_t)page | bits;
    invlpg(linear);
}

static void touch_read(void)
{
    uint32_t value;
    TRY("movl (%1), %0", : "=&r"(value) : "r"(target));
}
static void touch_write(void)
{
    TRY("movl $7, (%0)", : : "r"(target));
}
static void user_read(void)
{
    __asm__ volatile("movl (%0), %%eax; ud2" : : "r"(target) : "eax");
}
static void user_write(void)
{
    __asm__ volatile("movl $9, (%0); ud2" : : "r"(target));
}

static void user(void (*function)(void))
{
    user_call(function, (uint32_t)(user_stack + sizeof(user_stack)));
}

static void test_errors(void)
{
    target = WINDOW + 0x10;
    map(WINDOW, page_a, 0);
    touch_read();
    check_page_fault("read, not present", 0, target);
    touch_write();
    check_page_fault("write, not present", PF_W, target);
    user(user_read);
    check_page_fault("ring 3 read, not present", PF_U, target);
    map(WINDOW, page_a, PAGE_P);
    user(user_read);
    check_page_fault("ring 3 read of a supervisor page", PF_U | PF_P, target);
    user(user_write);
    check_page_fault("ring 3 write of a supervisor page", PF_U | PF_W | PF_P, target);
    touch_write();
    check_no_fault("write to a read-only page, WP=0");
    write_cr0(read_cr0() | CR0_WP);
    touch_write();
    check_page_fault("write to a read-only page, WP=1", PF_W | PF_P, target);
    touch_read();
    check_no_fault("read of it");
    write_cr0(read_cr0() & ~(uint32_t)CR0_WP);
    map(WINDOW, page_a, PAGE_P | PAGE_U);
    user(user_write);
    check_page_fault("ring 3 write of a read-only page", PF_U | PF_W | PF_P, target);
    map(WINDOW, page_a, PAGE_P | PAGE_U | PAGE_W);
    user(user_write);
    check_fault("ring 3 write of its page", UD, 0);
    check_value("  written", page_a[4], 9);
    target = WINDOW + 0xffe;
    map(WINDOW + 0x1000, page_b, 0);
    touch_write();
    check_page_fault("write over the page's end, second not present", PF_W, WINDOW + 0x1000);
}

static void test_bits(void)
{
    target = WINDOW;
    map(WINDOW, page_a, PAGE_P | PAGE_W);
    check_value("A, D before", page_table[WINDOW >> 12] & (PAGE_A | PAGE_D), 0);
    touch_read();
    check_value("A, D after a read", page_table[WINDOW >> 12] & (PAGE_A | PAGE_D), PAGE_A);
    touch_write();
    check_value("A, D after a write", page_table[WINDOW >> 12] & (PAGE_A | PAGE_D), PAGE_A | PAGE_D);
    check_value("A of the directory entry", page_directory[0] & PAGE_A, PAGE_A);
    page_directory[LARGE >> 22] = 0 | PAGE_P | PAGE_W | PAGE_LARGE;
    write_cr3(read_cr3());
    target = LARGE + (uint32_t)page_b;
    touch_write();
    check_value("write through a 4 MiB page", page_b[0], 7);
    check_value("A, D of the 4 MiB entry", page_directory[LARGE >> 22] & (PAGE_A | PAGE_D), PAGE_A | PAGE_D);
}

static void test_translations(void)
{
    page_a[0] = 0xaaaa;
    page_b[0] = 0xbbbb;
    map(WINDOW, page_a, PAGE_P | PAGE_W);
    check_value("first page", *(volatile uint32_t *)WINDOW, 0xaaaa);
    map(WINDOW, page_b, PAGE_P | PAGE_W);
    check_value("other page after INVLPG", *(volatile uint32_t *)WINDOW, 0xbbbb);
    page_table[WINDOW >> 12] = (uint32_t)page_a | PAGE_P | PAGE_W;
    write_cr3(read_cr3());
    check_value("first page after MOV to CR3", *(volatile uint32_t *)WINDOW, 0xaaaa);
    write_cr4(CR4_PSE | CR4_PGE);
    map(WINDOW, page_a, PAGE_P | PAGE_W | PAGE_GLOBAL);
    check_value("global page", *(volatile uint32_t *)WINDOW, 0xaaaa);
    page_table[WINDOW >> 12] = (uint32_t)page_b | PAGE_P | PAGE_W | PAGE_GLOBAL;
    write_cr4(CR4_PSE);
    check_value("other page after clearing PGE", *(volatile uint32_t *)WINDOW, 0xbbbb);
}

static void test_reserved(void)
{
    target = LARGE;
    page_directory[LARGE >> 22] = 1 << 21 | PAGE_P | PAGE_W | PAGE_LARGE;
    write_cr3(read_cr3());
    touch_read();
    observe_fault("reserved bit 21 of a 4 MiB entry");
    page_directory[LARGE >> 22] = 0;
    write_cr3(read_cr3());
    try_fetch(LARGE);
    check_page_fault("fetch, not present (no NX: no bit 4)", 0, LARGE);
}

void guest_main(void)
{
    paging_initialise();
    paging_on((uint32_t)page_directory, CR4_PSE);
    check_value("PG", read_cr0() & CR0_PG, CR0_PG);
    test_errors();
    test_bits();
    test_translations();
    test_reserved();
    paging_off();
    check_value("PG off again", read_cr0() & CR0_PG, 0);
}
