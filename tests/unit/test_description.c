/*
 * The guest description on blobs made here: what a good one becomes, and mistakes that dtc would not let
 * through. Mistakes in sources are tested with nr check (tests/boot/test_check.py).
 *
 * sources: lib/description.c lib/description_schema.c lib/description_property.c
 * sources: lib/description_whole.c lib/ide_places.c lib/format.c
 * libraries: -lfdt
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "description.h"

enum { BLOB = 16384, SAID = 8192 };

struct fixture {
    void *blob;
    struct guest_config config;
    char said[SAID];
};

static void say(void *context, const struct description_mistake *mistake)
{
    char *said = context;
    size_t length = strlen(said);
    snprintf(said + length, SAID - length, "%s %s: %s\n", mistake->node, mistake->property, mistake->text);
}

/* Parses an exact copy, so that ASan sees a read behind the end. */
static unsigned parse(struct fixture *f, size_t size)
{
    void *copy = aligned_alloc(8, (size + 7) & ~(size_t)7);
    memcpy(copy, f->blob, size);
    f->said[0] = '\0';
    unsigned mistakes = description_parse(&f->config, copy, size, say, f->said);
    free(copy);
    return mistakes;
}

static unsigned parse_all(struct fixture *f)
{
    return parse(f, fdt_totalsize(f->blob));
}

static int node(struct fixture *f, const char *path)
{
    int offset = fdt_path_offset(f->blob, path);
    assert_true(offset >= 0);
    return offset;
}

static void set_text(struct fixture *f, const char *path, const char *name, const char *text)
{
    assert_int_equal(fdt_setprop_string(f->blob, node(f, path), name, text), 0);
}

static void set_cell(struct fixture *f, const char *path, const char *name, uint32_t value)
{
    assert_int_equal(fdt_setprop_u32(f->blob, node(f, path), name, value), 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->blob = calloc(1, BLOB);
    assert_int_equal(fdt_create_empty_tree(f->blob, BLOB), 0);
    set_text(f, "/", "compatible", "nullring,guest");
    set_text(f, "/", "model", "debian");
    fdt_add_subnode(f->blob, 0, "chosen");
    fdt_add_subnode(f->blob, 0, "cpus");
    fdt_add_subnode(f->blob, 0, "memory");
    set_text(f, "/chosen", "loader", "linux");
    set_text(f, "/chosen", "kernel", "vmlinuz");
    set_cell(f, "/cpus", "count", 2);
    set_cell(f, "/memory", "size-mib", 256);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    free(f->blob);
    free(f);
    return 0;
}

static void test_smallest(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse_all(f), 0);
    assert_string_equal(f->said, "");
    assert_string_equal(f->config.name, "debian");
    assert_int_equal(f->config.memory_mib, 256);
    assert_int_equal(f->config.cpu_count, 2);
    assert_int_equal(f->config.loader, LOADER_LINUX);
    assert_int_equal(f->config.paravirt, PARAVIRT_KVM);
    assert_int_equal(f->config.paging, PAGING_NESTED);
    assert_int_equal(f->config.hypervisor_hidden, 0);
    assert_int_equal(f->config.disk_count, 0);
    assert_string_equal(f->config.kernel, "vmlinuz");
    assert_string_equal(f->config.bootargs, "");
}

static void test_one_cpu_without_cpus(void **state)
{
    struct fixture *f = *state;

    fdt_del_node(f->blob, node(f, "/cpus"));
    assert_int_equal(parse_all(f), 0);
    assert_int_equal(f->config.cpu_count, 1);
}

static void test_unknown_instruction(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse_all(f), 0);
    assert_int_equal(f->config.unknown_faults, 0);
    set_text(f, "/", "unknown-instruction", "fault");
    assert_int_equal(parse_all(f), 0);
    assert_int_equal(f->config.unknown_faults, 1);
    set_text(f, "/", "unknown-instruction", "stop");
    assert_int_equal(parse_all(f), 0);
    assert_int_equal(f->config.unknown_faults, 0);
}

static void test_local_apic(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse_all(f), 0);
    assert_int_equal(f->config.lapic_software, 0);
    set_text(f, "/", "local-apic", "software");
    assert_int_equal(parse_all(f), 0);
    assert_int_equal(f->config.lapic_software, 1);
    set_text(f, "/", "local-apic", "hardware");
    assert_int_equal(parse_all(f), 0);
    assert_int_equal(f->config.lapic_software, 0);
}

static void test_timers(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse_all(f), 0);
    assert_int_equal(f->config.hpet, HPET_OFF);
    set_text(f, "/", "paravirt", "none");
    assert_int_equal(parse_all(f), 0);
    assert_int_equal(f->config.hpet, HPET_ON);
    set_text(f, "/", "hpet", "off");
    assert_int_equal(parse_all(f), 0);
    assert_int_equal(f->config.hpet, HPET_OFF);
    set_text(f, "/", "paravirt", "kvm");
    set_text(f, "/", "hpet", "on");
    assert_int_equal(parse_all(f), 0);
    assert_int_equal(f->config.hpet, HPET_ON);
}

/* Changed pages belong to one disk. */
static void test_two_disks_of_one_file(void **state)
{
    struct fixture *f = *state;

    fdt_add_subnode(f->blob, 0, "disk1");
    fdt_add_subnode(f->blob, 0, "disk0");
    for (unsigned i = 0; i < 2; i++) {
        set_text(f, i ? "/disk1" : "/disk0", "compatible", "virtio,block");
        set_text(f, i ? "/disk1" : "/disk0", "image", "root.img");
    }
    assert_int_equal(parse_all(f), 2);
    assert_non_null(strstr(f->said, "/disk0 image: \"root.img\" is named for something else, too; "));
    set_text(f, "/disk1", "image", "vmlinuz");
    assert_int_equal(parse_all(f), 1);
    set_text(f, "/disk1", "image", "other.img");
    assert_int_equal(parse_all(f), 0);
}

static void test_everything(void **state)
{
    static const char modules[] = "first\0second with arguments";
    struct fixture *f = *state;

    set_text(f, "/", "paravirt", "none");
    set_text(f, "/", "hypervisor", "hidden");
    set_cell(f, "/", "test", 3);
    set_text(f, "/chosen", "loader", "multiboot");
    set_text(f, "/chosen", "bootargs", "a b");
    assert_int_equal(fdt_setprop(f->blob, node(f, "/chosen"), "modules", modules, sizeof modules), 0);
    fdt_add_subnode(f->blob, 0, "disk1");
    fdt_add_subnode(f->blob, 0, "disk0");
    set_text(f, "/disk0", "compatible", "virtio,block");
    set_text(f, "/disk0", "image", "root.img");
    set_text(f, "/disk1", "compatible", "virtio,block");
    set_text(f, "/disk1", "image", "more.img");
    set_cell(f, "/disk1", "overlay-mib", 7);
    assert_int_equal(parse_all(f), 0);
    assert_int_equal(f->config.paravirt, PARAVIRT_NONE);
    assert_int_equal(f->config.hypervisor_hidden, 1);
    assert_int_equal(f->config.test, 3);
    assert_int_equal(f->config.loader, LOADER_MULTIBOOT);
    assert_string_equal(f->config.bootargs, "a b");
    assert_int_equal(f->config.module_count, 2);
    assert_string_equal(f->config.module[0].path, "first");
    assert_string_equal(f->config.module[0].arguments, "");
    assert_string_equal(f->config.module[1].path, "second");
    assert_string_equal(f->config.module[1].arguments, "with arguments");
    assert_int_equal(f->config.disk_count, 2);
    assert_int_equal(f->config.disk[0].kind, DISK_VIRTIO);
    assert_string_equal(f->config.disk[0].image, "root.img");
    assert_int_equal(f->config.disk[0].overlay_mib, GUEST_OVERLAY_MIB_DEFAULT);
    assert_string_equal(f->config.disk[1].image, "more.img");
    assert_int_equal(f->config.disk[1].overlay_mib, 7);
}

static void list_file(void *context, const char *where, const char *property, const char *path)
{
    char *said = context;
    size_t length = strlen(said);
    snprintf(said + length, SAID - length, "%s %s %s\n", where, property, path);
}

static void test_files(void **state)
{
    struct fixture *f = *state;

    set_text(f, "/chosen", "initrd", "initrd.gz");
    fdt_add_subnode(f->blob, 0, "disk0");
    set_text(f, "/disk0", "compatible", "virtio,block");
    set_text(f, "/disk0", "image", "root.img");
    assert_int_equal(parse_all(f), 0);
    description_files(&f->config, list_file, f->said);
    assert_string_equal(f->said, "/chosen kernel vmlinuz\n/chosen initrd initrd.gz\n/disk0 image root.img\n");
}

/* Each bound, from both sides. */
static void test_bounds(void **state)
{
    static const struct {
        const char *path, *name;
        uint32_t minimum, maximum;
    } numbers[] = {{"/memory", "size-mib", 1, 65536}, {"/cpus", "count", 1, 8}, {"/", "test", 0, 255}};
    struct fixture *f = *state;

    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        set_cell(f, numbers[i].path, numbers[i].name, numbers[i].maximum + 1);
        assert_int_equal(parse_all(f), 1);
        set_cell(f, numbers[i].path, numbers[i].name, UINT32_MAX);
        assert_int_equal(parse_all(f), 1);
        set_cell(f, numbers[i].path, numbers[i].name, numbers[i].minimum - 1);
        assert_int_equal(parse_all(f), 1);
        set_cell(f, numbers[i].path, numbers[i].name, numbers[i].maximum);
        assert_int_equal(parse_all(f), 0);
        set_cell(f, numbers[i].path, numbers[i].name, numbers[i].minimum);
        assert_int_equal(parse_all(f), 0);
    }
}

static void test_longest_texts_fit(void **state)
{
    struct fixture *f = *state;
    char text[2000];

    memset(text, 'x', sizeof text);
    text[GUEST_BOOTARGS_SIZE - 1] = '\0';
    set_text(f, "/chosen", "bootargs", text);
    text[GUEST_PATH_SIZE - 1] = '\0';
    set_text(f, "/chosen", "kernel", text);
    text[GUEST_NAME_SIZE - 1] = '\0';
    set_text(f, "/", "model", text);
    assert_int_equal(parse_all(f), 0);
    assert_int_equal(strlen(f->config.bootargs), GUEST_BOOTARGS_SIZE - 1);
    assert_int_equal(strlen(f->config.kernel), GUEST_PATH_SIZE - 1);
    assert_int_equal(strlen(f->config.name), GUEST_NAME_SIZE - 1);
    assert_int_equal(f->config.memory_mib, 256);
}

static void test_modules_have_bounds(void **state)
{
    struct fixture *f = *state;
    char text[400];

    set_text(f, "/chosen", "loader", "multiboot");
    memset(text, 'x', sizeof text);
    text[GUEST_PATH_SIZE] = '\0';
    set_text(f, "/chosen", "modules", text);
    assert_int_equal(parse_all(f), 1);
    assert_non_null(strstr(f->said, "a path of 96 characters, 1 to 95 are allowed"));
    text[GUEST_PATH_SIZE] = 'x';
    text[1] = ' ';
    text[2 + 160] = '\0';
    set_text(f, "/chosen", "modules", text);
    assert_int_equal(parse_all(f), 1);
    assert_non_null(strstr(f->said, "arguments of 160 characters, at most 159 are allowed"));
    assert_int_equal(fdt_setprop(f->blob, node(f, "/chosen"), "modules", "a\0b\0c\0d\0e\0f\0g\0h\0i", 18), 0);
    assert_int_equal(parse_all(f), 1);
    assert_non_null(strstr(f->said, "more than 8 strings"));
    assert_int_equal(fdt_setprop(f->blob, node(f, "/chosen"), "modules", "a\0b", 3), 0);
    assert_int_equal(parse_all(f), 1);
    assert_non_null(strstr(f->said, "3 bytes that are not strings"));
    assert_int_equal(fdt_setprop(f->blob, node(f, "/chosen"), "modules", NULL, 0), 0);
    assert_int_equal(parse_all(f), 1);
    assert_non_null(strstr(f->said, "empty"));
}

/* What dtc refuses or merges, a blob can hold. */
static void test_twice(void **state)
{
    struct fixture *f = *state;
    char *name;

    fdt_add_subnode(f->blob, 0, "memorz");
    fdt_setprop_u32(f->blob, node(f, "/memorz"), "size-mib", 5);
    name = (char *)(uintptr_t)fdt_get_name(f->blob, node(f, "/memorz"), NULL);
    name[5] = 'y';
    assert_int_equal(parse_all(f), 1);
    assert_non_null(strstr(f->said, "/memory : there twice"));
}

static void test_property_twice(void **state)
{
    struct fixture *f = *state;
    int length;

    set_cell(f, "/memory", "zzzz-mib", 1);
    for (int at = fdt_first_property_offset(f->blob, node(f, "/memory")); at >= 0;
         at = fdt_next_property_offset(f->blob, at)) {
        const struct fdt_property *property = fdt_get_property_by_offset(f->blob, at, &length);
        char *name = (char *)(uintptr_t)fdt_string(f->blob, (int)fdt32_ld(&property->nameoff));
        memcpy(name, "size", 4);
    }
    assert_int_equal(parse_all(f), 1);
    assert_non_null(strstr(f->said, "/memory size-mib: there twice"));
}

static void test_many(void **state)
{
    struct fixture *f = *state;
    char name[16];

    for (unsigned i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "p%u", i);
        set_cell(f, "/", name, i);
    }
    parse_all(f);
    assert_non_null(strstr(f->said, "more than 32 properties"));
    for (unsigned i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "n%u", i);
        fdt_add_subnode(f->blob, 0, name);
    }
    parse_all(f);
    assert_non_null(strstr(f->said, "more than 32 nodes"));
}

static void test_names_are_printable(void **state)
{
    struct fixture *f = *state;

    set_cell(f, "/", "\x1b[2Jboo", 1);
    assert_int_equal(parse_all(f), 1);
    assert_null(strchr(f->said, 0x1b));
    assert_non_null(strstr(f->said, "?[2Jboo"));
    set_text(f, "/chosen", "bootargs", "bell\a");
    assert_int_equal(parse_all(f), 2);
    assert_non_null(strstr(f->said, "6 bytes that are not a string"));
}

/* Every prefix of a good blob is refused, and none is read behind its end. */
static void test_truncation(void **state)
{
    struct fixture *f = *state;

    fdt_pack(f->blob);
    for (size_t size = 0; size < fdt_totalsize(f->blob); size++)
        assert_int_not_equal(parse(f, size), 0);
    assert_int_equal(parse_all(f), 0);
}

/* Every byte of a good blob damaged: no crash, and with a mistake at least one sentence. */
static void test_damage(void **state)
{
    struct fixture *f = *state;

    fdt_pack(f->blob);
    size_t size = fdt_totalsize(f->blob);
    uint8_t *bytes = f->blob;
    for (size_t i = 0; i < size; i++) {
        for (unsigned value = 0; value < 256; value += 51) {
            uint8_t saved = bytes[i];
            bytes[i] = (uint8_t)value;
            unsigned mistakes = parse(f, size);
            assert_int_equal(mistakes != 0, f->said[0] != '\0');
            bytes[i] = saved;
        }
    }
}

static void test_alignment(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(description_parse(&f->config, (char *)f->blob + 4, 100, say, f->said), 1);
    assert_non_null(strstr(f->said, "8-byte boundary"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_smallest),
        TEST(test_one_cpu_without_cpus),
        TEST(test_unknown_instruction),
        TEST(test_local_apic),
        TEST(test_timers),
        TEST(test_two_disks_of_one_file),
        TEST(test_everything),
        TEST(test_files),
        TEST(test_bounds),
        TEST(test_longest_texts_fit),
        TEST(test_modules_have_bounds),
        TEST(test_twice),
        TEST(test_property_twice),
        TEST(test_many),
        TEST(test_names_are_printable),
        TEST(test_truncation),
        TEST(test_damage),
        TEST(test_alignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
