/*
 * The Multiboot2 loader on kernels made here: load addresses and ELF of 64 bits, all tags that it reads and
 * those that it refuses, and the information that it writes, tag by tag (Multiboot2 Specification 2.0).
 *
 * sources: loaders/[a-z]*.c
 * sources: lib/format.c lib/modules.c lib/image_*.c
 */
#include "loader_machine.h"

enum { MEMORY = 16, KERNEL = 0x100000, HEADER = 0x40, FILE_SIZE = 0x2000, PHDR = 64, RSDP = 0xf0000 };
enum {
    REQUEST = 1,
    ADDRESS,
    ENTRY,
    CONSOLE,
    FRAME_BUFFER,
    ALIGN,
    EFI_BS,
    EFI32,
    EFI64,
    RELOCATABLE,
    UNKNOWN
};
enum { OPTIONAL = 1 };

struct fixture {
    struct machine m;
    uint8_t *file;
    unsigned end; /* of the header's tags */
};

/* A header with nothing but its end. */
static void begin_header(struct fixture *f)
{
    memset(f->file + HEADER, 0, 0x200);
    f->end = HEADER + 16;
}

static void add_tag(struct fixture *f, unsigned type, unsigned flags, unsigned words, const uint32_t *word)
{
    uint8_t *tag = f->file + f->end;

    store16(tag, (uint16_t)type);
    store16(tag + 2, (uint16_t)flags);
    store32(tag + 4, 8 + 4 * words);
    for (unsigned i = 0; i < words; i++)
        store32(tag + 8 + 4 * i, word[i]);
    f->end += (8 + 4 * words + 7) & ~7u;
}
#define ADD(f, type, flags, ...)                                                                             \
    add_tag(f, type, flags, sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__})

static void sum_header(struct fixture *f, uint32_t architecture, uint32_t length)
{
    store32(f->file + HEADER, 0xe85250d6);
    store32(f->file + HEADER + 4, architecture);
    store32(f->file + HEADER + 8, length);
    store32(f->file + HEADER + 12, -(0xe85250d6u + architecture + length));
}

static void end_header(struct fixture *f)
{
    add_tag(f, 0, 0, 0, NULL);
    sum_header(f, 0, f->end - HEADER);
}

static void add_addresses(struct fixture *f)
{
    ADD(f, ADDRESS, 0, KERNEL + HEADER, KERNEL, KERNEL + 0x1000, KERNEL + 0x1800);
    ADD(f, ENTRY, 0, KERNEL + 0x300);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->file = malloc(FILE_SIZE);
    for (unsigned i = 0; i < FILE_SIZE; i++)
        f->file[i] = (uint8_t)(i * 13 + 1);
    machine_init(&f->m, MEMORY, LOADER_MULTIBOOT2);
    strcpy(f->m.config.kernel, "kernel");
    strcpy(f->m.config.bootargs, "one two");
    machine_add(&f->m, "kernel", f->file, FILE_SIZE);
    f->m.input.rsdp = RSDP;
    for (unsigned i = 0; i < 36; i++)
        f->m.input.ram[RSDP + i] = (uint8_t)(100 + i);
    begin_header(f);
    add_addresses(f);
    end_header(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    machine_free(&f->m);
    free(f->file);
    free(f);
    return 0;
}

static void test_load_addresses(void **state)
{
    struct fixture *f = *state;
    const uint8_t *ram = f->m.input.ram;

    assert_int_equal(machine_load(&f->m), NR_OK);
    assert_int_equal(f->m.state.gpr.reg[RAX], 0x36d76289);
    assert_int_equal(f->m.state.gpr.rip, KERNEL + 0x300);
    assert_int_equal(f->m.state.control.cr0, 0x11);
    assert_memory_equal(ram + KERNEL, f->file, 0x1000);
    assert_int_equal(ram[KERNEL + 0x1000], 0);
    assert_int_equal(ram[KERNEL + 0x17ff], 0);
    assert_int_equal(ram[KERNEL + 0x1800], 0xcc);

    /* The file from its start, all of it. */
    begin_header(f);
    ADD(f, ADDRESS, 0, KERNEL + HEADER, UINT32_MAX, 0, 0);
    ADD(f, ENTRY, 0, KERNEL);
    end_header(f);
    assert_int_equal(machine_load(&f->m), NR_OK);
    assert_memory_equal(ram + KERNEL, f->file, FILE_SIZE);
}

/* The bytes behind the header of the only tag of a type, which must be there. */
static const uint8_t *find_tag(const struct fixture *f, uint32_t wanted, uint32_t bytes)
{
    const uint8_t *info = f->m.input.ram + f->m.state.gpr.reg[RBX], *found = NULL;
    uint32_t total = load32(info), at = 8;

    assert_int_equal(f->m.state.gpr.reg[RBX] % 8, 0);
    while (load32(info + at) != 0) {
        uint32_t length = load32(info + at + 4);
        if (load32(info + at) == wanted) {
            assert_null(found);
            assert_int_equal(length, 8 + bytes);
            found = info + at + 8;
        }
        assert_in_range(length, 8, total - at);
        at += (length + 7) & ~7u;
    }
    assert_int_equal(load32(info + at + 4), 8);
    assert_int_equal(at + 8, total);
    assert_non_null(found);
    return found;
}

static void test_information(void **state)
{
    struct fixture *f = *state;
    static const uint8_t contents[5000] = {7};

    machine_add(&f->m, "first", contents, sizeof contents);
    f->m.config.module_count = 1;
    strcpy(f->m.config.module[0].path, "first");
    strcpy(f->m.config.module[0].arguments, "x=1 y");
    assert_int_equal(machine_load(&f->m), NR_OK);
    assert_in_range(f->m.state.gpr.reg[RBX], 0x1000, 0x9fbff);
    assert_string_equal((const char *)find_tag(f, 1, 8), "one two");
    assert_string_equal((const char *)find_tag(f, 2, 9), "nullring");
    const uint8_t *module = find_tag(f, 3, 8 + 6);
    assert_int_equal(load32(module), KERNEL + 0x2000);
    assert_int_equal(load32(module + 4), KERNEL + 0x2000 + sizeof contents);
    assert_string_equal((const char *)module + 8, "x=1 y");
    assert_int_equal(f->m.input.ram[load32(module)], 7);
    const uint8_t *memory = find_tag(f, 4, 8), *map = find_tag(f, 6, 8 + 4 * 24);
    assert_int_equal(load32(memory), 639);
    assert_int_equal(load32(memory + 4), MEMORY * 1024 - 1024);
    assert_int_equal(load32(map), 24);
    assert_int_equal(load32(map + 4), 0);
    assert_int_equal(load64(map + 8), 0);
    assert_int_equal(load64(map + 16), 0x9fc00);
    assert_int_equal(load32(map + 24), 1);
    assert_int_equal(load64(map + 8 + 72), 0x100000);
    assert_memory_equal(find_tag(f, 14, 20), f->m.input.ram + RSDP, 20);
    assert_memory_equal(find_tag(f, 15, 36), f->m.input.ram + RSDP, 36);
    assert_int_equal(load32(find_tag(f, 21, 4)), KERNEL);
}

/* As much as a description can ask for: all fits the block. */
static void test_most(void **state)
{
    struct fixture *f = *state;
    static const uint8_t contents[1];

    memset(f->m.config.bootargs, 'a', GUEST_BOOTARGS_SIZE - 1);
    machine_add(&f->m, "first", contents, sizeof contents);
    f->m.config.module_count = GUEST_MODULES_MAX;
    for (unsigned i = 0; i < GUEST_MODULES_MAX; i++) {
        strcpy(f->m.config.module[i].path, "first");
        memset(f->m.config.module[i].arguments, 'b', sizeof f->m.config.module[i].arguments - 1);
    }
    assert_int_equal(machine_load(&f->m), NR_OK);
    assert_int_equal(strlen((const char *)find_tag(f, 1, GUEST_BOOTARGS_SIZE)), GUEST_BOOTARGS_SIZE - 1);
    assert_in_range(load32(f->m.input.ram + f->m.state.gpr.reg[RBX]), 1000, 4096 - 32);
}

static void test_elf64(void **state)
{
    struct fixture *f = *state;
    uint8_t *k = f->file, elf[HEADER] = {0x7f, 'E', 'L', 'F', 2, 1, 1};

    store16(elf + 18, 62);
    store64(elf + 24, 0xffffffff80000200); /* entry */
    store64(elf + 32, 0x1000);             /* program headers */
    store16(elf + 54, 56);
    store16(elf + 56, 1);
    memcpy(k, elf, sizeof elf);
    memset(k + 0x1000, 0, 56);
    store32(k + 0x1000, 1);
    store64(k + 0x1000 + 8, 0x1800);
    store64(k + 0x1000 + 16, 0xffffffff80000000);
    store64(k + 0x1000 + 24, KERNEL + 0x8000);
    store64(k + 0x1000 + 32, 0x800);
    store64(k + 0x1000 + 40, 0x900);
    begin_header(f);
    end_header(f);
    assert_int_equal(machine_load(&f->m), NR_OK);
    assert_int_equal(f->m.state.gpr.rip, KERNEL + 0x8200);
    assert_memory_equal(f->m.input.ram + KERNEL + 0x8000, k + 0x1800, 0x800);
    assert_int_equal(load32(find_tag(f, 21, 4)), KERNEL + 0x8000);
    assert_int_equal(f->m.state.msrs.efer, 0); /* 32-bit mode all the same */

    begin_header(f);
    ADD(f, ENTRY, 0, KERNEL + 0x8100);
    end_header(f);
    assert_int_equal(machine_load(&f->m), NR_OK);
    assert_int_equal(f->m.state.gpr.rip, KERNEL + 0x8100);
    begin_header(f);
    ADD(f, ENTRY, 0, KERNEL + 0x8900);
    end_header(f);
    machine_expect_refusal(&f->m, "the entry address 0x108900 lies in no loadable segment");
    k[0] = 0;
    machine_expect_refusal(&f->m, "without load addresses (tag 2), and not an ELF file");
}

static void test_tags(void **state)
{
    struct fixture *f = *state;

    begin_header(f);
    ADD(f, REQUEST, 0, 1, 2, 3, 4, 6, 14, 15, 21);
    ADD(f, CONSOLE, 0, 3);
    ADD(f, FRAME_BUFFER, OPTIONAL, 800, 600, 32);
    add_tag(f, ALIGN, 0, 0, NULL);
    add_tag(f, EFI_BS, 0, 0, NULL);
    ADD(f, EFI32, 0, 1);
    ADD(f, EFI64, 0, 1);
    ADD(f, RELOCATABLE, 0, 0, UINT32_MAX, 4096, 1);
    ADD(f, REQUEST, OPTIONAL, 8, 9, 10);
    ADD(f, UNKNOWN, OPTIONAL, 1);
    add_addresses(f);
    end_header(f);
    assert_int_equal(machine_load(&f->m), NR_OK);
}

static void expect(struct fixture *f, const char *words)
{
    add_addresses(f);
    end_header(f);
    machine_expect_refusal(&f->m, words);
    begin_header(f);
}

static void test_refusals(void **state)
{
    struct fixture *f = *state;

    begin_header(f);
    ADD(f, REQUEST, 0, 4, 8);
    expect(f, "requires information of type 8 (byte 0x5c)");
    ADD(f, REQUEST, 0, 32 + 4);
    expect(f, "requires information of type 36");
    ADD(f, FRAME_BUFFER, 0, 800, 600, 32);
    expect(f, "requires tag 5 (byte 0x50), a frame buffer,");
    ADD(f, UNKNOWN, 0, 1);
    expect(f, "requires tag 11 (byte 0x50),");
    ADD(f, ADDRESS, 0, KERNEL + HEADER, KERNEL, 0);
    expect(f, "the Multiboot2 tag of type 2 at byte 0x50 has 20 bytes");
    add_tag(f, ENTRY, 0, 0, NULL);
    expect(f, "the Multiboot2 tag of type 3 at byte 0x50 has 8 bytes");
    ADD(f, ADDRESS, 0, KERNEL + HEADER, KERNEL, 0, 0);
    end_header(f);
    machine_expect_refusal(&f->m, "has load addresses (tag 2) but no entry (tag 3)");
    begin_header(f);
    ADD(f, ADDRESS, 0, KERNEL, KERNEL + HEADER, 0, 0);
    ADD(f, ENTRY, 0, KERNEL);
    end_header(f);
    machine_expect_refusal(&f->m, "correct header_addr and load_addr");
    begin_header(f);
    ADD(f, ADDRESS, 0, KERNEL + HEADER, KERNEL, 0, 0);
    ADD(f, ENTRY, 0, KERNEL + FILE_SIZE);
    end_header(f);
    machine_expect_refusal(&f->m, "entry_addr 0x102000 lies outside");
}

static void test_damage(void **state)
{
    struct fixture *f = *state;

    sum_header(f, 4, f->end - HEADER);
    machine_expect_refusal(&f->m, "a Multiboot2 kernel for architecture 4");
    sum_header(f, 0, FILE_SIZE);
    machine_expect_refusal(&f->m, "truncated within the Multiboot2 header at byte 0x40");
    sum_header(f, 0, UINT32_MAX);
    machine_expect_refusal(&f->m, "truncated within");
    for (unsigned length = 0; length < f->end - HEADER; length++) {
        sum_header(f, 0, length);
        machine_expect_refusal(&f->m, "ends within a tag");
    }
    sum_header(f, 0, f->end - HEADER);
    store32(f->file + HEADER + 16 + 4, 7);
    machine_expect_refusal(&f->m, "ends within a tag (byte 0x50)");
    store32(f->file + HEADER + 16 + 4, UINT32_MAX);
    machine_expect_refusal(&f->m, "ends within a tag (byte 0x50)");
    store32(f->file + HEADER + 12, 0);
    machine_expect_refusal(&f->m, "no Multiboot2 header (0xe85250d6)");
}

static void test_truncation(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 0; size < 0x1000; size += size < 0x100 ? 1 : 61) {
        uint8_t *cut = malloc(size + 1);
        memcpy(cut + 1, f->file, size);
        f->m.module[0].address = (uintptr_t)cut + 1;
        f->m.module[0].size = size;
        assert_int_equal(machine_load(&f->m), NR_EINVAL);
        free(cut);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_load_addresses), TEST(test_information), TEST(test_most),   TEST(test_elf64),
        TEST(test_tags),           TEST(test_refusals),    TEST(test_damage), TEST(test_truncation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
