/*
 * The "elf" loader on kernels made here, of 32 and of 64 bits: PVH entry, start structure, modules, and each
 * kind of damage. Against Xen's start_info.h and the ELF specification.
 *
 * sources: loaders/[a-z]*.c
 * sources: lib/format.c lib/modules.c lib/image_*.c
 */
#include "loader_machine.h"

enum {
    MEMORY = 16,
    SIZE = 0x3000,
    TEXT = 0x1000, /* in the file */
    NOTES = 0x800,
    KERNEL = 0x1000000 / 4,
    ENTRY = KERNEL + 0x40,
    RSDP = 0xf0120,
};

/* Where the fields of a class are. */
struct shape {
    unsigned ident, machine, phoff, phentsize, phnum, header, phdr, offset, vaddr, paddr, filesz, memsz, word;
};
static const struct shape shapes[2] = {{1, 3, 28, 42, 44, 52, 32, 4, 8, 12, 16, 20, 4},
                                       {2, 62, 32, 54, 56, 64, 56, 8, 16, 24, 32, 40, 8}};

struct fixture {
    struct machine m;
    const struct shape *shape;
    uint8_t *elf;
};

static void store(const struct shape *s, uint8_t *to, uint64_t value)
{
    if (s->word == 8)
        store64(to, value);
    else
        store32(to, (uint32_t)value);
}

static uint8_t *phdr(struct fixture *f, unsigned number)
{
    return f->elf + f->shape->header + number * f->shape->phdr;
}

static void make_phdr(struct fixture *f, unsigned number, uint32_t type, uint64_t offset, uint64_t paddr,
                      uint64_t filesz, uint64_t memsz)
{
    const struct shape *s = f->shape;
    uint8_t *to = phdr(f, number);
    store32(to, type);
    store(s, to + s->offset, offset);
    store(s, to + s->vaddr, paddr + (s->word == 8 ? 0xffffffff80000000 : 0xc0000000));
    store(s, to + s->paddr, paddr);
    store(s, to + s->filesz, filesz);
    store(s, to + s->memsz, memsz);
}

static void make_note(uint8_t *to, const char *name, uint32_t type, uint32_t size, uint32_t value)
{
    store32(to, (uint32_t)strlen(name) + 1);
    store32(to + 4, size);
    store32(to + 8, type);
    memcpy(to + 12, name, strlen(name) + 1);
    store32(to + 12 + ((strlen(name) + 4) & ~3u), value);
}

static void make_elf(struct fixture *f, unsigned class)
{
    const struct shape *s = f->shape = &shapes[class];
    for (unsigned i = 0; i < SIZE; i++)
        f->elf[i] = (uint8_t)(i * 7);
    memset(f->elf, 0, TEXT);
    memcpy(f->elf,
           "\x7f"
           "ELF",
           4);
    f->elf[4] = (uint8_t)s->ident;
    f->elf[5] = f->elf[6] = 1;
    store16(f->elf + 16, 2);
    store16(f->elf + 18, (uint16_t)s->machine);
    store(s, f->elf + s->phoff, s->header);
    store16(f->elf + s->phentsize, (uint16_t)s->phdr);
    store16(f->elf + s->phnum, 3);
    make_phdr(f, 0, 1, TEXT, KERNEL, 0x1000, 0x1000);
    make_phdr(f, 1, 1, 0x2000, KERNEL + 0x2000, 0x800, 0x5000);
    make_phdr(f, 2, 4, NOTES, KERNEL + 0x1000, 64, 64);
    make_note(f->elf + NOTES, "Linux", 18, 8, 1); /* somebody else's 18 */
    make_note(f->elf + NOTES + 28, "Xen", 18, s->word, ENTRY);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->elf = malloc(SIZE);
    make_elf(f, 1);
    machine_init(&f->m, MEMORY, LOADER_ELF);
    f->m.input.rsdp = RSDP;
    strcpy(f->m.config.kernel, "vmlinux");
    strcpy(f->m.config.bootargs, "one two");
    machine_add(&f->m, "vmlinux", f->elf, SIZE);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    machine_free(&f->m);
    free(f->elf);
    free(f);
    return 0;
}

/* docs/misc/pvh.pandoc: the state in which the processor starts. */
static void test_both_classes(void **state)
{
    struct fixture *f = *state;
    const uint8_t *ram = f->m.input.ram;

    for (unsigned class = 0; class < 2; class ++) {
        make_elf(f, class);
        assert_int_equal(machine_load(&f->m), NR_OK);
        assert_int_equal(f->m.state.gpr.rip, ENTRY);
        assert_int_equal(f->m.state.gpr.rflags, 2);
        assert_int_equal(f->m.state.control.cr0, 0x11);
        assert_int_equal(f->m.state.control.cr4, 0);
        assert_int_equal(f->m.state.msrs.efer, 0);
        assert_memory_equal(ram + KERNEL, f->elf + TEXT, 0x1000);
        assert_memory_equal(ram + KERNEL + 0x2000, f->elf + 0x2000, 0x800);
        assert_int_equal(ram[KERNEL + 0x2800], 0);
        assert_int_equal(ram[KERNEL + 0x6fff], 0);
        assert_int_equal(ram[KERNEL + 0x7000], 0xcc);
    }
}

static void test_start_info(void **state)
{
    struct fixture *f = *state;
    const uint8_t *ram = f->m.input.ram;

    assert_int_equal(machine_load(&f->m), NR_OK);
    const uint8_t *info = ram + f->m.state.gpr.reg[RBX];
    assert_in_range(f->m.state.gpr.reg[RBX], 0x1000, 0x9fbff);
    assert_int_equal(load32(info), 0x336ec578);
    assert_int_equal(load32(info + 4), 1);
    assert_int_equal(load32(info + 8), 0);
    assert_int_equal(load32(info + 12), 0);
    assert_int_equal(load64(info + 16), 0);
    assert_string_equal((const char *)ram + load64(info + 24), "one two");
    assert_int_equal(load64(info + 32), RSDP);
    const uint8_t *map = ram + load64(info + 40);
    assert_int_equal(load32(info + 48), 4);
    assert_int_equal(load64(map), 0);
    assert_int_equal(load64(map + 8), 0x9fc00);
    assert_int_equal(load32(map + 16), 1);
    assert_int_equal(load64(map + 72), 0x100000);
    assert_int_equal(load64(map + 72 + 8), (MEMORY << 20) - 0x100000);
}

static void test_modules(void **state)
{
    struct fixture *f = *state;
    uint8_t initrd[5000], second[1] = {2};

    memset(initrd, 1, sizeof initrd);
    machine_add(&f->m, "initrd", initrd, sizeof initrd);
    machine_add(&f->m, "second", second, sizeof second);
    strcpy(f->m.config.initrd, "initrd");
    f->m.config.module_count = 1;
    strcpy(f->m.config.module[0].path, "second");
    strcpy(f->m.config.module[0].arguments, "x=1 y");
    assert_int_equal(machine_load(&f->m), NR_OK);
    const uint8_t *ram = f->m.input.ram, *info = ram + f->m.state.gpr.reg[RBX];
    assert_int_equal(load32(info + 12), 2);
    const uint8_t *list = ram + load64(info + 16);
    assert_int_equal(load64(list), (MEMORY << 20) - 0x2000); /* as high as it may */
    assert_int_equal(load64(list + 8), sizeof initrd);
    assert_memory_equal(ram + load64(list), initrd, sizeof initrd);
    assert_int_equal(load64(list + 16), 0);
    assert_int_equal(ram[load64(list + 32)], 2);
    assert_int_equal(load64(list + 40), 1);
    assert_string_equal((const char *)ram + load64(list + 48), "x=1 y");

    f->m.module[2].size = 13 << 20;
    machine_expect_refusal(&f->m, "module \"second\": 13312 KiB do not fit above the kernel's end");
    f->m.module[2].size = UINT64_MAX - 5;
    machine_expect_refusal(&f->m, "do not fit above the kernel's end");
    f->m.module[1].size = 0;
    machine_expect_refusal(&f->m, "initrd \"initrd\": the file is empty");
    strcpy(f->m.config.initrd, "third");
    machine_expect_refusal(&f->m, "initrd \"third\": no boot module \"g:third\"");
}

/* Damage to a file of 64 bits: a 32-bit field at an offset, and what is said of it. */
static void test_damage(void **state)
{
    enum { PHDR = 64, PHDR1 = PHDR + 56, NOTE = NOTES + 28 };
    static const struct {
        unsigned offset;
        uint32_t value;
        const char *words;
    } damages[] = {
        {0, 0, "not an ELF file"},
        {4, 0x00010103, "an ELF file for machine 62"},
        {4, 0x00010202, "an ELF file for machine 62"},
        {18, 3, "an ELF file for machine 3"},
        {32, 0x2fff, "the program headers at byte 12287 lie outside"},
        {36, 0xffffffff, "lie outside the file"},
        {54, 55 | 3u << 16, "program headers of 55 bytes at byte 54"},
        {56, 0, "lies in no loadable segment"},
        {56, 0xffff, "lie outside the file"},
        {PHDR + 8, 0x2001, "truncated: segment 0 ends at byte 12289, the file at byte 12288"},
        {PHDR + 12, 0xffffffff, "truncated"},
        {PHDR + 36, 0xffffffff, "truncated"},
        {PHDR + 40, 0xfff, "segment 0 has 4096 bytes in the file but 4095 in memory"},
        {PHDR + 28, 1, "reaches beyond 4 GiB"},
        {PHDR + 28, 0xffffffff, "reaches beyond 4 GiB"},
        {PHDR + 44, 1, "reaches beyond 4 GiB"},
        {PHDR + 24, 0x9f800, "the PVH entry 0x400040 lies in no loadable segment"},
        {PHDR1 + 24, 0x9f800, "needs memory at 0x9f800"},
        {PHDR1 + 24, KERNEL + 0xfff, "overlaps another part"},
        {PHDR1 + 40, MEMORY << 20, "needs memory at 0x402000"},
        {NOTE + 8, 17, "no PVH entry"},
        {NOTE + 12, 0, "no PVH entry"},
        {NOTE, 5, "no PVH entry"},
        {NOTE, 0xffffffff, "no PVH entry"},
        {NOTE + 4, 0xffffffff, "no PVH entry"},
        {NOTE + 4, 0, "no PVH entry"},
        {NOTE + 16, KERNEL - 1, "the PVH entry 0x3fffff lies in no loadable segment"},
        {PHDR + 112 + 8, SIZE - 10, "no PVH entry"},
        {PHDR + 112 + 12, 0xffffffff, "no PVH entry"},
        {PHDR + 112 + 32, 27, "no PVH entry"},
    };
    struct fixture *f = *state;

    store64(f->elf + 24, 0xffffffff80000000 + KERNEL); /* so that only the note is missing */
    for (unsigned i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        uint8_t *at = f->elf + damages[i].offset, saved[4];
        memcpy(saved, at, 4);
        store32(at, damages[i].value);
        machine_expect_refusal(&f->m, damages[i].words);
        memcpy(at, saved, 4);
        assert_int_equal(machine_load(&f->m), NR_OK);
    }
}

static void test_truncation(void **state)
{
    struct fixture *f = *state;

    for (unsigned class = 0; class < 2; class ++) {
        make_elf(f, class);
        for (unsigned size = 0; size < 0x2800; size += size < 300 ? 1 : 61) {
            uint8_t *cut = malloc(size + 1);
            memcpy(cut + 1, f->elf, size);
            f->m.module[0].address = (uintptr_t)cut + 1;
            f->m.module[0].size = size;
            assert_int_equal(machine_load(&f->m), NR_EINVAL);
            free(cut);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_both_classes), TEST(test_start_info), TEST(test_modules),
        TEST(test_damage),       TEST(test_truncation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
