/*
 * The Multiboot loader on kernels made here: ELF and load addresses, modules, places, and each kind of
 * damage.
 *
 * sources: loaders/[a-z]*.c
 * sources: lib/format.c lib/modules.c lib/image_*.c
 */
#include "loader_machine.h"

enum {
    MEMORY = 16,
    ELF_SIZE = 0x3000,
    HEADER = 0x1000, /* of Multiboot in the ELF file */
    PHDR = 52,
    KERNEL = 0x100000,
    VIRTUAL = (int)0xc0100000,
    FLAT_SIZE = 300,
};

struct fixture {
    struct machine m;
    uint8_t *elf;
    uint8_t *flat;
};

static void write_header(uint8_t *to, uint32_t flags)
{
    store32(to, 0x1badb002);
    store32(to + 4, flags);
    store32(to + 8, -(0x1badb002u + flags));
}

static void write_phdr(uint8_t *to, uint32_t offset, uint32_t vaddr, uint32_t paddr, uint32_t filesz,
                       uint32_t memsz)
{
    const uint32_t words[8] = {1, offset, vaddr, paddr, filesz, memsz, 7, 0x1000};
    for (unsigned i = 0; i < 8; i++)
        store32(to + i * 4, words[i]);
}

/* Two segments, linked high and loaded low, the second with bytes that are not in the file. */
static void make_elf(uint8_t *k)
{
    for (unsigned i = 0; i < ELF_SIZE; i++)
        k[i] = (uint8_t)(i * 13);
    memset(k, 0, HEADER);
    memcpy(k,
           "\x7f"
           "ELF\1\1\1",
           7);
    store16(k + 16, 2);
    store16(k + 18, 3);
    store32(k + 24, (uint32_t)VIRTUAL + 0x20);
    store32(k + 28, PHDR);
    store16(k + 42, 32);
    store16(k + 44, 2);
    write_phdr(k + PHDR, HEADER, (uint32_t)VIRTUAL, KERNEL, 0x1000, 0x1000);
    write_phdr(k + PHDR + 32, 0x2000, (uint32_t)VIRTUAL + 0x4000, KERNEL + 0x4000, 0x800, 0x2345);
    write_header(k + HEADER, 3);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->elf = malloc(ELF_SIZE);
    make_elf(f->elf);
    f->flat = malloc(FLAT_SIZE);
    memset(f->flat, 0x90, FLAT_SIZE);
    write_header(f->flat + 16, 1 << 16);
    const uint32_t addresses[5] = {KERNEL + 16, KERNEL, KERNEL + 200, KERNEL + 0x500, KERNEL + 48};
    for (unsigned i = 0; i < 5; i++)
        store32(f->flat + 28 + i * 4, addresses[i]);
    machine_init(&f->m, MEMORY, LOADER_MULTIBOOT);
    strcpy(f->m.config.kernel, "elf");
    strcpy(f->m.config.bootargs, "one two");
    machine_add(&f->m, "elf", f->elf, ELF_SIZE);
    machine_add(&f->m, "flat", f->flat, FLAT_SIZE);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    machine_free(&f->m);
    free(f->elf);
    free(f->flat);
    free(f);
    return 0;
}

static void test_elf(void **state)
{
    struct fixture *f = *state;
    const uint8_t *ram = f->m.input.ram;

    assert_int_equal(machine_load(&f->m), NR_OK);
    assert_int_equal(f->m.state.gpr.reg[RAX], 0x2badb002);
    assert_int_equal(f->m.state.gpr.rip, KERNEL + 0x20);
    assert_int_equal(f->m.state.gpr.rflags, 2);
    assert_int_equal(f->m.state.control.cr0, 0x11);
    assert_memory_equal(ram + KERNEL, f->elf + HEADER, 0x1000);
    assert_memory_equal(ram + KERNEL + 0x4000, f->elf + 0x2000, 0x800);
    for (unsigned i = 0x800; i < 0x2345; i++)
        assert_int_equal(ram[KERNEL + 0x4000 + i], 0);
    assert_int_equal(ram[KERNEL + 0x4000 + 0x2345], 0xcc);
    assert_int_equal(ram[KERNEL + 0x1000], 0xcc);
}

static void test_information(void **state)
{
    struct fixture *f = *state;
    const uint8_t *ram = f->m.input.ram;

    assert_int_equal(machine_load(&f->m), NR_OK);
    const uint8_t *info = ram + f->m.state.gpr.reg[RBX];
    assert_in_range(f->m.state.gpr.reg[RBX], 0x1000, 0x9fbff);
    assert_int_equal(load32(info), 0x24d);
    assert_int_equal(load32(info + 4), 639);
    assert_int_equal(load32(info + 8), MEMORY * 1024 - 1024);
    assert_string_equal((const char *)ram + load32(info + 16), "one two");
    assert_int_equal(load32(info + 20), 0);
    assert_string_equal((const char *)ram + load32(info + 64), "nullring");
    const uint8_t *map = ram + load32(info + 48);
    assert_int_equal(load32(info + 44), 4 * 24);
    assert_int_equal(load32(map), 20);
    assert_int_equal(load64(map + 4), 0);
    assert_int_equal(load64(map + 12), 0x9fc00);
    assert_int_equal(load32(map + 20), 1);
    assert_int_equal(load64(map + 72 + 4), 0x100000);
    assert_int_equal(load64(map + 72 + 12), (MEMORY << 20) - 0x100000);
}

static void test_modules(void **state)
{
    struct fixture *f = *state;
    uint8_t first[5000], second[1];

    memset(first, 1, sizeof first);
    second[0] = 2;
    machine_add(&f->m, "first", first, sizeof first);
    machine_add(&f->m, "second", second, sizeof second);
    f->m.config.module_count = 2;
    strcpy(f->m.config.module[0].path, "first");
    strcpy(f->m.config.module[0].arguments, "x=1 y");
    strcpy(f->m.config.module[1].path, "second");
    assert_int_equal(machine_load(&f->m), NR_OK);
    const uint8_t *ram = f->m.input.ram, *info = ram + f->m.state.gpr.reg[RBX];
    assert_int_equal(load32(info + 20), 2);
    const uint8_t *list = ram + load32(info + 24);
    assert_int_equal(load32(list), KERNEL + 0x7000);
    assert_int_equal(load32(list + 4), KERNEL + 0x7000 + sizeof first);
    assert_memory_equal(ram + load32(list), first, sizeof first);
    assert_string_equal((const char *)ram + load32(list + 8), "x=1 y");
    assert_int_equal(load32(list + 16), KERNEL + 0x9000);
    assert_int_equal(ram[load32(list + 16)], 2);
    assert_string_equal((const char *)ram + load32(list + 24), "");

    f->m.module[3].size = 15 << 20;
    machine_expect_refusal(&f->m,
                           "module \"second\": 15360 KiB do not fit above the kernel's end at 1056 KiB");
    f->m.module[3].size = UINT64_C(5) << 32;
    machine_expect_refusal(&f->m, "20480 MiB are more than Multiboot can load");
    strcpy(f->m.config.module[1].path, "third");
    machine_expect_refusal(&f->m, "module \"third\": no boot module \"g:third\"");
}

static void test_load_addresses(void **state)
{
    struct fixture *f = *state;

    strcpy(f->m.config.kernel, "flat");
    assert_int_equal(machine_load(&f->m), NR_OK);
    const uint8_t *ram = f->m.input.ram;
    assert_int_equal(f->m.state.gpr.rip, KERNEL + 48);
    assert_memory_equal(ram + KERNEL, f->flat, 200);
    assert_int_equal(ram[KERNEL + 200], 0);
    assert_int_equal(ram[KERNEL + 0x4ff], 0);
    assert_int_equal(ram[KERNEL + 0x500], 0xcc);

    /* Zeros stand for "all of the file" and "no more". */
    store32(f->flat + 36, 0);
    store32(f->flat + 40, 0);
    assert_int_equal(machine_load(&f->m), NR_OK);
    assert_memory_equal(ram + KERNEL, f->flat, FLAT_SIZE);
}

static void test_low_kernel_leaves_room(void **state)
{
    struct fixture *f = *state;

    /* A kernel that fills low memory: the information goes behind it. */
    store32(f->elf + PHDR + 32 + 12, 0x1000);
    store32(f->elf + PHDR + 32 + 20, 0x9e800);
    assert_int_equal(machine_load(&f->m), NR_OK);
    assert_int_equal(f->m.state.gpr.reg[RBX], KERNEL + 0x1000);
    /* One that fills all but a page of it: there. */
    store32(f->elf + PHDR + 32 + 12, 0x2000);
    store32(f->elf + PHDR + 32 + 20, 0x9dc00);
    assert_int_equal(machine_load(&f->m), NR_OK);
    assert_int_equal(f->m.state.gpr.reg[RBX], 0x1000);
}

static void test_damage(void **state)
{
    static const struct {
        bool flat;
        unsigned offset, size;
        uint32_t value;
        const char *words;
    } damages[] = {
        {false, HEADER, 4, 0, "no multiboot header"},
        {false, HEADER + 8, 4, 0, "no multiboot header"},
        {false, 0, 4, 0, "not an ELF file"},
        {false, 4, 1, 2, "a 64-bit ELF file"},
        {false, 4, 1, 3, "an ELF file for machine 3"},
        {false, 5, 1, 2, "an ELF file for machine"},
        {false, 18, 2, 62, "an ELF file for machine 62"},
        {false, 24, 4, 0x1234, "the entry point 0x1234 lies in no loadable segment"},
        {false, 28, 4, 0xfffffff0, "the program headers at byte 4294967280 lie outside"},
        {false, 42, 2, 31, "program headers of 31 bytes"},
        {false, 44, 2, 0, "lies in no loadable segment"},
        {false, 44, 2, 0xffff, "lie outside the file"},
        {false, PHDR + 4, 4, 0x2001, "truncated: segment 0 ends at byte 12289, the file at byte 12288"},
        {false, PHDR + 4, 4, 0xffffffff, "truncated"},
        {false, PHDR + 20, 4, 0xfff, "segment 0 has 4096 bytes in the file but 4095 in memory"},
        {false, PHDR + 12, 4, 0xfffff800, "reaches beyond 4 GiB"},
        {false, PHDR + 12, 4, 0x9f800, "needs memory at 0x9f800 to 0xa0800"},
        {false, PHDR + 12, 4, MEMORY << 20, "needs memory at 0x1000000"},
        {false, PHDR + 20, 4, 0xfff00001, "reaches beyond 4 GiB"},
        {false, PHDR + 20, 4, 0xf00001, "needs memory at 0x100000 to 0x1000001"},
        {false, PHDR + 32 + 12, 4, KERNEL + 0xfff, "overlaps another part"},
        {true, 28, 4, KERNEL + 17, "correct header_addr and load_addr"},
        {true, 32, 4, KERNEL + 17, "correct header_addr and load_addr"},
        {true, 44, 4, KERNEL - 1, "entry_addr 0xfffff lies outside of what is loaded, 0x100000 to 0x100500"},
        {true, 44, 4, KERNEL + 0x500, "entry_addr 0x100500 lies outside"},
        {true, 36, 4, KERNEL - 1, "load_end_addr 0xfffff lies below load_addr 0x100000"},
        {true, 36, 4, KERNEL + FLAT_SIZE + 1, "truncated"},
        {true, 40, 4, KERNEL + 199, "bss_end_addr 0x1000c7 lies below"},
        {true, 40, 4, 0xfffffff0, "needs memory"},
    };
    struct fixture *f = *state;

    for (unsigned i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        uint8_t *at = (damages[i].flat ? f->flat : f->elf) + damages[i].offset, saved[4];
        strcpy(f->m.config.kernel, damages[i].flat ? "flat" : "elf");
        memcpy(saved, at, 4);
        memcpy(at, &damages[i].value, damages[i].size);
        machine_expect_refusal(&f->m, damages[i].words);
        memcpy(at, saved, 4);
        assert_int_equal(machine_load(&f->m), NR_OK);
    }
}

static void test_required_flags(void **state)
{
    struct fixture *f = *state;

    write_header(f->elf + HEADER, 7);
    machine_expect_refusal(&f->m, "requires flags 0x4 (a video mode)");
    write_header(f->elf + HEADER, 0x8000);
    machine_expect_refusal(&f->m, "requires flags 0x8000,");
    write_header(f->elf + HEADER, 0xfffe0003);
    assert_int_equal(machine_load(&f->m), NR_OK);
}

static void test_truncation(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 0; size < 0x2800; size += size < 100 ? 1 : 61) {
        uint8_t *cut = malloc(size + 1);
        memcpy(cut + 1, f->elf, size);
        f->m.module[0].address = (uintptr_t)cut + 1;
        f->m.module[0].size = size;
        assert_int_equal(machine_load(&f->m), NR_EINVAL);
        free(cut);
    }
    strcpy(f->m.config.kernel, "flat");
    for (unsigned size = 0; size < 200; size++) {
        uint8_t *cut = malloc(size + 1);
        memcpy(cut + 1, f->flat, size);
        f->m.module[1].address = (uintptr_t)cut + 1;
        f->m.module[1].size = size;
        assert_int_equal(machine_load(&f->m), NR_EINVAL);
        free(cut);
    }
}

static void test_too_many_segments(void **state)
{
    struct fixture *f = *state;

    store16(f->elf + 44, 17);
    for (unsigned i = 2; i < 17; i++)
        write_phdr(f->elf + PHDR + i * 32, HEADER, 0, KERNEL + 0x10000 * i, 16, 16);
    machine_expect_refusal(&f->m, "more than 16 loadable segments");
    store16(f->elf + 44, 16);
    assert_int_equal(machine_load(&f->m), NR_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_elf),
        TEST(test_information),
        TEST(test_modules),
        TEST(test_load_addresses),
        TEST(test_low_kernel_leaves_room),
        TEST(test_damage),
        TEST(test_required_flags),
        TEST(test_truncation),
        TEST(test_too_many_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
