/*
 * The Linux loader on kernels made here, right ones and each kind of wrong one.
 *
 * sources: loaders/[a-z]*.c
 * sources: lib/format.c lib/modules.c lib/image_*.c
 */
#include "loader_machine.h"
#include "image_linux.h"

enum { KERNEL_SETUP = 5 * 512, KERNEL_CODE = 3 << 20, KERNEL_SIZE = KERNEL_SETUP + KERNEL_CODE, MEMORY = 64 };
#define KERNEL_HOME 0x1000000u

struct fixture {
    struct machine m;
    uint8_t *kernel;
};

/* A kernel with boot protocol 2.15, as Debian's 686 kernel has it. */
static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    uint8_t *k = f->kernel = malloc(KERNEL_SIZE);

    for (unsigned i = 0; i < KERNEL_SIZE; i++)
        k[i] = (uint8_t)(i >> 8 ^ i);
    memset(k, 0, KERNEL_SETUP);
    k[LINUX_SETUP_SECTS] = 4;
    store32(k + LINUX_SYSSIZE, KERNEL_CODE / 16);
    store16(k + LINUX_BOOT_FLAG, 0xaa55);
    k[LINUX_JUMP] = 0xeb;
    k[LINUX_JUMP + 1] = 0x6a;
    memcpy(k + LINUX_MAGIC, "HdrS", 4);
    store16(k + LINUX_VERSION, 0x20f);
    k[LINUX_LOADFLAGS] = 1;
    store32(k + LINUX_INITRD_ADDR_MAX, 0x37ffffff);
    k[LINUX_RELOCATABLE] = 1;
    store32(k + LINUX_CMDLINE_SIZE, 2047);
    store64(k + LINUX_PREF_ADDRESS, KERNEL_HOME);
    store32(k + LINUX_INIT_SIZE, 20 << 20);
    machine_init(&f->m, MEMORY, LOADER_LINUX);
    strcpy(f->m.config.kernel, "vmlinuz");
    strcpy(f->m.config.bootargs, "console=ttyS0 quiet");
    machine_add(&f->m, "vmlinuz", k, KERNEL_SIZE);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    machine_free(&f->m);
    free(f->kernel);
    free(f);
    return 0;
}

static void test_32_bit_entry(void **state)
{
    struct fixture *f = *state;
    const uint8_t *ram = f->m.input.ram;

    assert_int_equal(machine_load(&f->m), NR_OK);
    assert_int_equal(f->m.groups, VCPU_GPR | VCPU_SEGMENTS | VCPU_CONTROL | VCPU_TABLES | VCPU_MSRS);
    assert_int_equal(f->m.state.gpr.rip, KERNEL_HOME);
    assert_int_equal(f->m.state.gpr.rflags, 2);
    assert_int_equal(f->m.state.control.cr0, 0x11);
    assert_int_equal(f->m.state.msrs.efer, 0);
    assert_int_equal(f->m.state.segment[SEG_CS].selector, 0x10);
    assert_int_equal(f->m.state.segment[SEG_CS].attributes, 0xc9b);
    assert_int_equal(f->m.state.segment[SEG_SS].attributes, 0xc93);
    assert_memory_equal(ram + KERNEL_HOME, f->kernel + KERNEL_SETUP, KERNEL_CODE);

    const uint8_t *zero = ram + f->m.state.gpr.reg[RSI];
    assert_memory_equal(zero + LINUX_MAGIC, "HdrS", 4);
    assert_int_equal(zero[LINUX_TYPE_OF_LOADER], 0xff);
    assert_int_equal(load32(zero + LINUX_CODE32_START), KERNEL_HOME);
    assert_int_equal(load32(zero + LINUX_RAMDISK_SIZE), 0);
    assert_string_equal((const char *)ram + load32(zero + LINUX_CMD_LINE_PTR), "console=ttyS0 quiet");
    /* Nothing of the file outside the setup header gets into the zero page. */
    assert_int_equal(zero[0], 0);
    assert_int_equal(zero[LINUX_MAGIC + 0x6a], 0);
    /* The descriptor behind CS is the one that CS holds. */
    assert_int_equal(load64(ram + f->m.state.tables.gdtr.base + 0x10), 0x00cf9b000000ffff);
    assert_int_equal(f->m.state.tables.gdtr.limit, 31);
}

static void test_64_bit_entry(void **state)
{
    struct fixture *f = *state;
    const uint8_t *ram = f->m.input.ram;

    store16(f->kernel + LINUX_XLOADFLAGS, LINUX_XLF_KERNEL_64);
    assert_int_equal(machine_load(&f->m), NR_OK);
    assert_int_equal(f->m.state.gpr.rip, KERNEL_HOME + 0x200);
    assert_int_equal(f->m.state.control.cr0, 0x80000011);
    assert_int_equal(f->m.state.control.cr4, 0x20);
    assert_int_equal(f->m.state.msrs.efer, 0x500);
    assert_int_equal(f->m.state.segment[SEG_CS].attributes, 0xa9b);

    /* Walk: each of the first 4 GiB maps to itself. */
    for (uint64_t address = 0; address < UINT64_C(4) << 30; address += 777 << 20) {
        uint64_t entry = load64(ram + f->m.state.control.cr3);
        entry = load64(ram + (entry & ~0xfffull) + (address >> 30) * 8);
        assert_int_equal(entry & 3, 3);
        entry = load64(ram + (entry & ~0xfffull) + (address >> 21 & 511) * 8);
        assert_int_equal(entry, (address & ~0x1fffffull) | 0x83);
    }
}

static void test_memory_map(void **state)
{
    static const uint64_t expected[][3] = {{0, 0x9fc00, 1},
                                           {0x9fc00, 0x400, 2},
                                           {0xe0000, 0x20000, 2},
                                           {0x100000, (MEMORY << 20) - 0x100000, 1},
                                           {0x100000000, 0x40000000, 1}};
    struct fixture *f = *state;

    f->m.input.high_size = 0x40000000;
    assert_int_equal(machine_load(&f->m), NR_OK);
    const uint8_t *zero = f->m.input.ram + f->m.state.gpr.reg[RSI];
    assert_int_equal(zero[0x1e8], 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(load64(zero + 0x2d0 + i * 20), expected[i][0]);
        assert_int_equal(load64(zero + 0x2d8 + i * 20), expected[i][1]);
        assert_int_equal(load32(zero + 0x2e0 + i * 20), expected[i][2]);
    }
}

static void test_initrd(void **state)
{
    struct fixture *f = *state;
    size_t size = (5 << 20) + 123;
    uint8_t *initrd = malloc(size);

    memset(initrd, 0x5a, size);
    strcpy(f->m.config.initrd, "initrd.gz");
    machine_add(&f->m, "initrd.gz", initrd, size);
    assert_int_equal(machine_load(&f->m), NR_OK);
    const uint8_t *zero = f->m.input.ram + f->m.state.gpr.reg[RSI];
    uint32_t start = load32(zero + LINUX_RAMDISK_IMAGE);
    assert_int_equal(load32(zero + LINUX_RAMDISK_SIZE), size);
    assert_int_equal(start, ((MEMORY << 20) - size) & ~0xfffull);
    assert_memory_equal(f->m.input.ram + start, initrd, size);
    /* 8 MiB in steps of 1 MiB. */
    assert_in_range(f->m.steps, 9, 13);

    /* The kernel's limit counts, not the end of memory. */
    store32(f->kernel + LINUX_INITRD_ADDR_MAX, (48 << 20) - 1);
    assert_int_equal(machine_load(&f->m), NR_OK);
    assert_int_equal(load32(zero + LINUX_RAMDISK_IMAGE), ((48 << 20) - size) & ~0xfffull);

    store32(f->kernel + LINUX_INITRD_ADDR_MAX, (40 << 20) - 1);
    machine_expect_refusal(&f->m, "the kernel allows no higher place");
    store32(f->kernel + LINUX_INITRD_ADDR_MAX, 0x37ffffff);
    f->m.module[1].size = UINT64_MAX;
    machine_expect_refusal(&f->m, "do not fit");
    f->m.module[1].size = 29 << 20;
    machine_expect_refusal(
        &f->m, "initrd \"initrd.gz\": 29 MiB do not fit between the kernel's end at 36 MiB and 64 "
               "MiB; raise memory/size-mib");
    f->m.module[1].size = 0;
    machine_expect_refusal(&f->m, "initrd \"initrd.gz\": the file is empty");
    strcpy(f->m.config.initrd, "other");
    machine_expect_refusal(&f->m, "no boot module \"g:other\"");
    free(initrd);
}

static void test_old_protocol_loads_at_1_mib(void **state)
{
    struct fixture *f = *state;

    store16(f->kernel + LINUX_VERSION, 0x206);
    f->kernel[LINUX_JUMP + 1] = LINUX_CMDLINE_SIZE + 4 - LINUX_MAGIC;
    assert_int_equal(machine_load(&f->m), NR_OK);
    assert_int_equal(f->m.state.gpr.rip, 0x100000);
    assert_memory_equal(f->m.input.ram + 0x100000, f->kernel + KERNEL_SETUP, KERNEL_CODE);
}

static void test_fixed_kernel_loads_at_1_mib(void **state)
{
    struct fixture *f = *state;

    f->kernel[LINUX_RELOCATABLE] = 0;
    assert_int_equal(machine_load(&f->m), NR_OK);
    assert_int_equal(f->m.state.gpr.rip, 0x100000);
}

static void test_signature_behind_the_kernel_is_ignored(void **state)
{
    struct fixture *f = *state;

    store32(f->kernel + LINUX_SYSSIZE, (KERNEL_CODE - 4096) / 16);
    assert_int_equal(machine_load(&f->m), NR_OK);
    assert_int_equal(f->m.input.ram[KERNEL_HOME + KERNEL_CODE - 4096], 0xcc);
}

/* One damage at a time; each has its own sentence. */
static void test_damage(void **state)
{
    static const struct {
        unsigned offset, size;
        uint64_t value;
        const char *words;
    } damages[] = {
        {LINUX_MAGIC, 4, 0, "no \"HdrS\" at byte 0x202"},
        {LINUX_BOOT_FLAG, 2, 0x1234, "boot flag at byte 0x1fe is 0x1234"},
        {LINUX_VERSION, 2, 0x205, "boot protocol 2.05"},
        {LINUX_LOADFLAGS, 1, 0, "a zImage"},
        {LINUX_JUMP + 1, 1, 0x10, "setup header ends at byte 0x212"},
        {LINUX_JUMP + 1, 1, 0xff, "setup header ends at byte 0x301"},
        {LINUX_SYSSIZE, 4, 0, "its size at byte 0x1f4 is 0"},
        {LINUX_SYSSIZE, 4, KERNEL_CODE / 16 + 1,
         "truncated: its header announces 3148304 bytes, the file has 3148288"},
        {LINUX_SYSSIZE, 4, 0xffffffff, "truncated"},
        {LINUX_SETUP_SECTS, 1, 0xff, "truncated"},
        {LINUX_PREF_ADDRESS, 8, UINT64_MAX, "preferred address at byte 0x258"},
        {LINUX_PREF_ADDRESS, 8, 0x1000, "preferred address at byte 0x258"},
        {LINUX_PREF_ADDRESS, 8, 0xfffff000, "needs memory up to 4116 MiB to start, the guest has 64 MiB"},
        {LINUX_INIT_SIZE, 4, 0xffffffff, "needs memory up to 4112 MiB"},
        {LINUX_CMDLINE_SIZE, 4, 5, "chosen/bootargs: 19 characters, kernel \"vmlinuz\" takes at most 5"},
        {0, 4, 0x464c457f, "it is an ELF file"},
        {0, 2, 0x8b1f, "it is gzip data"},
    };
    struct fixture *f = *state;

    for (unsigned i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        uint8_t saved[8];
        memcpy(saved, f->kernel + damages[i].offset, 8);
        memcpy(f->kernel + damages[i].offset, &damages[i].value, damages[i].size);
        machine_expect_refusal(&f->m, damages[i].words);
        memcpy(f->kernel + damages[i].offset, saved, 8);
    }
    assert_int_equal(machine_load(&f->m), NR_OK);
}

/* Cut at any place: never a read behind the end, always a refusal (a paragraph's rounding apart). */
static void test_truncation(void **state)
{
    static const unsigned sizes[] = {1,     2,   4,    0x1f1, 0x202, 0x206, 0x28f,
                                     0x290, 512, 2559, 2560,  2561,  100000};
    struct fixture *f = *state;

    f->m.module[0].size = 0;
    machine_expect_refusal(&f->m, "the file is empty");
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *cut = malloc(sizes[i]);
        memcpy(cut, f->kernel, sizes[i]);
        f->m.module[0].address = (uintptr_t)cut;
        f->m.module[0].size = sizes[i];
        machine_expect_refusal(&f->m, "truncated");
        free(cut);
    }
    f->m.module[0].address = (uintptr_t)f->kernel;
    f->m.module[0].size = KERNEL_SIZE - 15;
    assert_int_equal(machine_load(&f->m), NR_OK);
    f->m.module[0].size = KERNEL_SIZE - 16;
    machine_expect_refusal(&f->m, "truncated");
    f->m.module[0].size = UINT64_C(2) << 30;
    machine_expect_refusal(&f->m, "2048 MiB is more than the 1024 MiB a kernel may have");
}

static void test_missing_kernel(void **state)
{
    struct fixture *f = *state;

    strcpy(f->m.module[0].name, "h:vmlinuz");
    machine_expect_refusal(&f->m, "kernel \"vmlinuz\": no boot module \"g:vmlinuz\"");
}

static void test_other_loader(void **state)
{
    struct fixture *f = *state;

    f->m.config.loader = 99;
    machine_expect_refusal(&f->m, "there is no such loader");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_32_bit_entry),
        TEST(test_64_bit_entry),
        TEST(test_memory_map),
        TEST(test_initrd),
        TEST(test_old_protocol_loads_at_1_mib),
        TEST(test_fixed_kernel_loads_at_1_mib),
        TEST(test_signature_behind_the_kernel_is_ignored),
        TEST(test_damage),
        TEST(test_truncation),
        TEST(test_missing_kernel),
        TEST(test_other_loader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
