/*
 * The SMBIOS structures, walked as a system does (DMTF DSP0134 2.8, 6.1): what they say of a guest, against
 * its description and its processors' CPUID.
 *
 * sources: devices/smbios.c devices/cpuid.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "little_endian.h"
#include "smbios.h"

enum { ROOM = 4096, STRUCTURES_MAX = 32, LENGTH_AT = 1, HANDLE_AT = 2 };

static uint8_t bytes[ROOM], anchor[SMBIOS_ANCHOR_SIZE];
static uint32_t used, count;
static const uint8_t *structure[STRUCTURES_MAX];
static struct guest_config config;
static const char *brand;

static void processor(uint32_t leaf, uint32_t subleaf, struct cpuid_entry *e)
{
    (void)subleaf;
    memset(e, 0, sizeof *e);
    if (leaf == 0)
        memcpy(&e->ebx, "Auth", 4), memcpy(&e->edx, "enti", 4), memcpy(&e->ecx, "cAMD", 4);
    if (leaf == 1)
        e->eax = 0x800f12, e->edx = 0x178bfbff;
    if (leaf == 0x80000000)
        e->eax = brand ? 0x80000008 : 0x80000001;
    if (leaf == 0x80000001)
        e->edx = 1 << 20 | 1 << 29;
    if (leaf >= 0x80000002 && leaf <= 0x80000004) {
        const char *at = brand + 16 * (leaf - 0x80000002);
        memcpy(&e->eax, at, 4), memcpy(&e->ebx, at + 4, 4), memcpy(&e->ecx, at + 8, 4),
            memcpy(&e->edx, at + 12, 4);
    }
}

/* Behind the formatted area come strings, each with a NUL, and one NUL more; without strings two. */
static const uint8_t *next_of(const uint8_t *at)
{
    at += at[LENGTH_AT];
    while (at[0] || at[1])
        at++;
    return at + 2;
}

static const char *text(const uint8_t *at, unsigned offset)
{
    const char *string = (const char *)at + at[LENGTH_AT];
    unsigned number = at[offset];
    if (!number)
        return "";
    while (--number)
        string += strlen(string) + 1;
    return string;
}

static void build(void)
{
    const uint8_t *at = bytes;
    uint32_t largest = 0;
    memset(bytes, 0xcc, sizeof bytes);
    used = smbios_build(bytes, ROOM, anchor, &config, processor);
    assert_true(used > 0 && used < ROOM);
    for (count = 0; at < bytes + used; count++) {
        assert_true(count < STRUCTURES_MAX);
        structure[count] = at;
        at = next_of(at);
        if ((uint32_t)(at - structure[count]) > largest)
            largest = (uint32_t)(at - structure[count]);
    }
    assert_ptr_equal(at, bytes + used);
    assert_int_equal(load16(anchor + 0x08), largest);
}

/* The one of a kind with this number, or NULL; and no other has its handle. */
static const uint8_t *find(uint8_t type, unsigned number)
{
    const uint8_t *found = NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (*structure[i] != type || number--)
            continue;
        found = structure[i];
        for (uint32_t other = 0; other < count; other++)
            assert_true(other == i || load16(structure[other] + HANDLE_AT) != load16(found + HANDLE_AT));
    }
    return found;
}

static int set_up(void **state)
{
    (void)state;
    memset(&config, 0, sizeof config);
    strcpy(config.name, "nt5");
    config.memory_mib = 512;
    config.cpu_count = 1;
    brand = "  AMD EPYC Processor\0...........................";
    build();
    return 0;
}

static void the_anchor_counts(void **state)
{
    (void)state;
    assert_memory_equal(anchor, "_SM_", 4);
    assert_memory_equal(anchor + 0x10, "_DMI_", 5);
    assert_int_equal(anchor[5], 31);
    assert_int_equal(anchor[6] << 8 | anchor[7], 0x208);
    assert_int_equal(anchor[0x1e], 0x28);
    assert_int_equal(load16(anchor + 0x16), used);
    assert_int_equal(load16(anchor + 0x1c), count);
    assert_int_equal(*structure[count - 1], 127);
    assert_null(find(0, 0)); /* the firmware's */
}

static void the_machine_has_the_guest_s_name(void **state)
{
    const uint8_t *system = find(1, 0), *board = find(2, 0), *chassis = find(3, 0);
    (void)state;
    assert_string_equal(text(system, 4), "Nullring");
    assert_string_equal(text(system, 7), "nt5");
    assert_string_equal(text(system, 6), "");
    assert_int_equal(system[0x18], 6);
    assert_string_equal(text(board, 5), "440FX");
    assert_int_equal(load16(board + 0xb), load16(chassis + HANDLE_AT));
    assert_string_equal(text(chassis, 4), "Nullring");
}

static void one_processor_for_each_package(void **state)
{
    const uint8_t *cpu = find(4, 0);
    (void)state;
    assert_string_equal(text(cpu, 4), "CPU 0");
    assert_string_equal(text(cpu, 7), "AuthenticAMD");
    assert_string_equal(text(cpu, 0x10), "AMD EPYC Processor");
    assert_int_equal(load32(cpu + 8), 0x800f12);
    assert_int_equal(load32(cpu + 12), 0x178bfbff);
    assert_int_equal(cpu[0x18], 0x41);
    assert_int_equal(load16(cpu + 0x1a), 0xffff);
    assert_int_equal(cpu[0x23], 1);
    assert_int_equal(load16(cpu + 0x26), 0x24);
    assert_null(find(4, 1));
    config.cpu_count = 6;
    config.packages = 2;
    brand = NULL;
    build();
    cpu = find(4, 1);
    assert_string_equal(text(cpu, 4), "CPU 1");
    assert_string_equal(text(cpu, 0x10), "");
    assert_int_equal(cpu[0x23], 3);
    assert_int_equal(cpu[0x25], 3);
    assert_int_equal(load16(cpu + 0x26), 0x2c);
    assert_null(find(4, 2));
}

static void memory_is_what_the_description_gives(void **state)
{
    const uint8_t *device = find(17, 0);
    (void)state;
    assert_int_equal(load32(find(16, 0) + 7), 512 * 1024);
    assert_int_equal(load16(device + 0xc), 512);
    assert_int_equal(load32(device + 0x1c), 0);
    assert_int_equal(load16(device + 4), load16(find(16, 0) + HANDLE_AT));
    assert_string_equal(text(device, 0x10), "DIMM 0");
    assert_int_equal(load32(find(19, 0) + 4), 0);
    assert_int_equal(load32(find(19, 0) + 8), 512 * 1024 - 1);
    assert_null(find(19, 1));
    config.memory_mib = 40000;
    build();
    device = find(17, 0);
    assert_int_equal(load16(device + 0xc), 0x7fff); /* the other one has it */
    assert_int_equal(load32(device + 0x1c), 40000);
    assert_int_equal(load32(find(19, 0) + 8), 0x2fffff);
    assert_int_equal(load32(find(19, 1) + 4), 0x400000);
    assert_int_equal(load32(find(19, 1) + 8), 0x400000 + (40000 - 3072) * 1024 - 1);
}

static void what_does_not_fit_is_none(void **state)
{
    (void)state;
    for (uint32_t room = 0; room < used; room++)
        assert_int_equal(smbios_build(bytes, room, anchor, &config, processor), 0);
    assert_int_equal(smbios_build(bytes, used, anchor, &config, processor), used);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_anchor_counts, set_up),
        cmocka_unit_test_setup(the_machine_has_the_guest_s_name, set_up),
        cmocka_unit_test_setup(one_processor_for_each_package, set_up),
        cmocka_unit_test_setup(memory_is_what_the_description_gives, set_up),
        cmocka_unit_test_setup(what_does_not_fit_is_none, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
