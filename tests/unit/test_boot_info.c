/*
 * What the boot loader left (core/multiboot.c): the same machine told by Multiboot 2 and by Multiboot 1,
 * memory maps whose entries overlap, modules that cannot be used, and ranges cut out of the map. An arena
 * stands for physical memory.
 *
 * sources:
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static _Alignas(16) uint8_t arena[0x4000];

#include "../../core/multiboot.c"

void *phys_to_virt(uint64_t address)
{
    return arena + address;
}

uint64_t virt_to_phys(const void *address)
{
    return (uint64_t)((const uint8_t *)address - arena);
}

enum { INFO = 0x100, STRINGS = 0x2000, MODULES = 0x2800, MAP = 0x3000, RESERVED = 2 };

/* Firmware's map: RAM with a reserved page in it, RAM told twice, RAM that is no page. */
static const struct region firmware[] = {
    {0, 0x9fc00, MEMORY_AVAILABLE},
    {0x100000, 0x300000, MEMORY_AVAILABLE},
    {0x200800, 0x100, RESERVED},
    {0x300000, 0x200000, MEMORY_AVAILABLE},
    {0x600100, 0x1000, MEMORY_AVAILABLE},
    {0x100000000, 0x1000000, MEMORY_AVAILABLE},
    {~0ull - 0xfff, 0x2000, MEMORY_AVAILABLE},
};
enum { FIRMWARE = sizeof firmware / sizeof *firmware };

static int setup(void **state)
{
    (void)state;
    memset(arena, 0, sizeof arena);
    memset(&boot_info, 0, sizeof boot_info);
    return 0;
}

static void put32(uint32_t *at, uint32_t value)
{
    memcpy(arena + *at, &value, sizeof value);
    *at += sizeof value;
}

static void put_text(uint32_t *at, const char *text)
{
    strcpy((char *)arena + *at, text);
    *at += (uint32_t)strlen(text) + 1;
}

static void put_tag(uint32_t *at, uint32_t type, uint32_t size)
{
    *at = (*at + 7) & ~7u;
    put32(at, type);
    put32(at, size);
}

static void put_display(uint32_t *at, uint32_t size)
{
    static const struct process_display display = {.physical = 0xfd000000,
                                                   .pitch = 4096,
                                                   .width = 1024,
                                                   .height = 768,
                                                   .bits = 32,
                                                   .kind = DISPLAY_RGB,
                                                   .red = {16, 8},
                                                   .green = {8, 8},
                                                   .blue = {0, 8}};
    put_tag(at, TAG_FRAMEBUFFER, 8 + size);
    memcpy(arena + *at, &display, size);
    *at += size;
}

static uint64_t free_bytes(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *one = &boot_info.region[i];
        assert_true(one->start <= one->end && (one->start | one->end) % PAGE_SIZE == 0);
        for (uint32_t k = 0; k < i; k++)
            assert_true(one->start == one->end || boot_info.region[k].start == boot_info.region[k].end ||
                        one->end <= boot_info.region[k].start || one->start >= boot_info.region[k].end);
        sum += one->end - one->start;
    }
    return sum;
}

static bool is_free(uint64_t address)
{
    bool found = false;
    for (uint32_t i = 0; i < boot_info.region_count; i++)
        found = found || (address >= boot_info.region[i].start && address < boot_info.region[i].end);
    return found;
}

static void expect_machine(void)
{
    assert_string_equal(boot_info.options, "console=com1 log=none");
    assert_int_equal(boot_info.module_count, 2);
    assert_int_equal(boot_info.modules_lost, 2); /* one begins within a page, one ends before it begins */
    assert_string_equal(boot_info.module[0].name, "guest.dtb");
    assert_int_equal(boot_info.module[0].start, 0x400000);
    assert_int_equal(boot_info.module[0].end, 0x400123);
    assert_string_equal(boot_info.module[1].name, "guest:disk");
    /* 0-0x9f000, 0x100000-0x500000 without one page, 16 MiB above 4 GiB */
    assert_int_equal(free_bytes(), 0x9f000 + 0x400000 - 0x1000 + 0x1000000);
    assert_false(is_free(0x200000));
    assert_true(is_free(0x201000));
    assert_true(is_free(0x3ff000));
    assert_false(is_free(0x9f000));
    assert_false(is_free(0x601000));
}

static const struct {
    uint32_t start, end;
    const char *string;
} modules[] = {{0x400000, 0x400123, "guest.dtb"},
               {0x401010, 0x402000, "guest:unaligned"},
               {0x402000, 0x401000, "guest:backwards"},
               {0x403000, 0x404000, "guest:disk and more"}};

static void test_multiboot_2(void **state)
{
    (void)state;
    uint32_t at = INFO + 8;
    put_tag(&at, TAG_COMMAND_LINE, 8 + 22);
    put_text(&at, "console=com1 log=none");
    for (unsigned i = 0; i < 4; i++) {
        put_tag(&at, TAG_MODULE, 16 + (uint32_t)strlen(modules[i].string) + 1);
        put32(&at, modules[i].start);
        put32(&at, modules[i].end);
        put_text(&at, modules[i].string);
    }
    put_tag(&at, TAG_MEMORY_MAP, 16 + FIRMWARE * 24);
    put32(&at, 24);
    put32(&at, 0);
    for (unsigned i = 0; i < FIRMWARE; i++, at += 24)
        memcpy(arena + at, &firmware[i], sizeof firmware[i]);
    put_tag(&at, TAG_RSDP_2, 8 + 36);
    uint32_t rsdp = at;
    at += 36;
    put_tag(&at, TAG_MEMORY_MAP, 12); /* too short to be one */
    put_tag(&at, TAG_END, 8);
    uint32_t total = INFO;
    put32(&total, at - INFO);
    assert_null(multiboot_read(MAGIC_2, INFO));
    expect_machine();
    assert_int_equal(boot_info.rsdp, rsdp);
}

static void test_multiboot_1(void **state)
{
    (void)state;
    uint32_t strings = STRINGS, list = MODULES, map = MAP;
    struct multiboot1_info info = {.flags = MB1_CMDLINE | MB1_MODULES | MB1_MEMORY_MAP,
                                   .cmdline = strings,
                                   .mods_count = 4,
                                   .mods_addr = MODULES,
                                   .mmap_addr = MAP};
    put_text(&strings, "nullring console=com1 log=none");
    for (unsigned i = 0; i < 4; i++) {
        put32(&list, modules[i].start);
        put32(&list, modules[i].end);
        put32(&list, strings);
        put32(&list, 0);
        put_text(&strings, i == 3 ? "/boot/file guest:disk" : modules[i].string);
    }
    for (unsigned i = 0; i < FIRMWARE; i++) {
        uint32_t more = i % 2 * 4; /* the specification lets the size differ */
        put32(&map, sizeof firmware[i] + more);
        memcpy(arena + map, &firmware[i], sizeof firmware[i]);
        map += (uint32_t)sizeof firmware[i] + more;
    }
    info.mmap_length = map - MAP;
    memcpy(arena + INFO, &info, sizeof info);
    assert_null(multiboot_read(MAGIC_1, INFO));
    expect_machine();
}

static void test_refused(void **state)
{
    (void)state;
    assert_non_null(multiboot_read(0x12345678, INFO));
    assert_non_null(multiboot_read(MAGIC_1, INFO)); /* no memory map */
}

static void test_cut(void **state)
{
    (void)state;
    boot_info.region[0] = (struct boot_region){0x10000, 0x20000};
    boot_info.region_count = 1;
    boot_region_cut(0x20000, 0x30000); /* beside */
    boot_region_cut(0, 0x10000);
    assert_int_equal(free_bytes(), 0x10000);
    boot_region_cut(0x14000, 0x15000); /* in the middle */
    assert_int_equal(free_bytes(), 0xf000);
    boot_region_cut(0x13000, 0x16000); /* the end of one, the start of the other */
    assert_int_equal(free_bytes(), 0xd000);
    boot_region_cut(0, 0x12000);
    assert_int_equal(free_bytes(), 0xb000);
    boot_region_cut(0, 0x13000); /* a whole one */
    assert_int_equal(free_bytes(), 0xa000);
    /* A full table loses the upper part and nothing else. */
    boot_info.region_count = BOOT_REGIONS_MAX;
    boot_region_cut(0x18000, 0x19000);
    assert_int_equal(boot_info.region_count, BOOT_REGIONS_MAX);
    assert_int_equal(free_bytes(), 0x2000);
    assert_true(is_free(0x17000));
}

/* A frame buffer with its colours' places; text, whose tag ends before them. */
static void display_is_told(void **state)
{
    (void)state;
    for (uint32_t size = 24; size <= 32; size += 8) {
        uint32_t at = INFO + 8;
        memset(&boot_info, 0, sizeof boot_info);
        put_display(&at, size);
        put_tag(&at, TAG_END, 8);
        memcpy(arena + INFO, &(uint32_t){at - INFO}, 4);
        multiboot_read(MAGIC_2, INFO);
        assert_int_equal(boot_info.display.physical, 0xfd000000);
        assert_int_equal(boot_info.display.width, 1024);
        assert_int_equal(boot_info.display.kind, DISPLAY_RGB);
        assert_int_equal(boot_info.display.red.position, size == 32 ? 16 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(display_is_told, setup),  cmocka_unit_test_setup(test_multiboot_2, setup),
        cmocka_unit_test_setup(test_multiboot_1, setup), cmocka_unit_test_setup(test_refused, setup),
        cmocka_unit_test_setup(test_cut, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
