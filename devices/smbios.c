/*
 * SMBIOS structures: what the description says of the guest, and CPUID of its processors; what nobody knows
 * is said to be unknown. The serial number is the guest's name.
 *
 * Document: DMTF DSP0134, SMBIOS 2.8: 6.1.2 and 6.1.3 (structures,
 * strings), 7.2, 7.3, 7.4, 7.5, 7.17, 7.18, 7.20, 7.33, 7.45. Missing: BIOS information (type 0), for the
 * firmware knows best what it is and puts it in; caches, slots and ports, which CPUID and PCI tell of; a
 * UUID, for nothing makes a guest unique.
 */
#include "smbios.h"
#include <stdbool.h>
#include "layout.h"
#include "little_endian.h"
#include "string.h"

enum structure_type {
    TYPE_SYSTEM = 1,
    TYPE_BOARD = 2,
    TYPE_CHASSIS = 3,
    TYPE_PROCESSOR = 4,
    TYPE_MEMORY_ARRAY = 16,
    TYPE_MEMORY_DEVICE = 17,
    TYPE_MEMORY_MAPPED = 19,
    TYPE_BOOT = 32,
    TYPE_END = 127,
};

/* A structure's handle: its type, and which of that type it is. */
#define HANDLE(type, number) ((uint16_t)((type) << 8 | (number)))

enum { HANDLE_NONE = 0xffff, HANDLE_NO_ERRORS = 0xfffe, MAJOR = 2, MINOR = 8, REVISION = 0x28 };
enum { HEADER_SIZE = 4, KIB_PER_MIB = 1024, DEVICE_MIB_MAX = 0x7fff, CHARACTERS = 48 };
enum {
    WAKE_POWER_SWITCH = 6,
    BOARD_MOTHERBOARD = 10,
    BOARD_HOSTS = 1,
    CHASSIS_OTHER = 1,
    STATE_SAFE = 3,
    UNKNOWN = 2
};
enum { PROCESSOR_CENTRAL = 3, PROCESSOR_FAMILY_UNKNOWN = 2, PROCESSOR_ENABLED = 0x41 };
enum { PROCESSOR_64_BIT = 1 << 2, PROCESSOR_CORES = 1 << 3, PROCESSOR_NX = 1 << 5 };
enum {
    ARRAY_ON_BOARD = 3,
    ARRAY_SYSTEM = 3,
    ARRAY_NO_ECC = 3,
    DEVICE_DIMM = 9,
    DEVICE_RAM = 7,
    DEVICE_WIDTH = 64
};

enum { EDX_NX = 1 << 20, EDX_LONG_MODE = 1 << 29 };
#define LEAF_MAX_EXTENDED 0x80000000u
#define LEAF_EXTENDED     0x80000001u
#define LEAF_BRAND        0x80000002u
#define LEAF_BRAND_LAST   0x80000004u

struct builder {
    uint8_t *bytes;
    uint32_t size, used;
    uint32_t start;   /* of the current structure */
    uint32_t largest; /* of all */
    uint16_t count;
    bool full;
};

static void put(struct builder *b, const void *bytes, uint32_t length)
{
    b->full |= length > b->size - b->used;
    if (b->full)
        return;
    memcpy(b->bytes + b->used, bytes, length);
    b->used += length;
}

/* A structure's formatted area, whose first four bytes are written here; its strings follow it. */
static void begin(struct builder *b, enum structure_type type, unsigned number, uint8_t *area, uint8_t length)
{
    area[0] = (uint8_t)type;
    area[1] = length;
    store16(area + 2, HANDLE(type, number));
    b->start = b->used;
    b->count++;
    put(b, area, length);
}

static void string(struct builder *b, const char *text)
{
    put(b, text, (uint32_t)strlen(text) + 1);
}

/* A NUL ends the strings, and stands for one where there are none. */
static void end(struct builder *b, bool strings)
{
    put(b, "\0", strings ? 1 : 2);
    if (b->used - b->start > b->largest)
        b->largest = b->used - b->start;
}

static const char maker[] = "Nullring";

static void add_system(struct builder *b, const struct guest_config *config)
{
    enum { LENGTH = 0x1b, MANUFACTURER = 4, PRODUCT = 5, SERIAL = 7, WAKE_UP = 0x18 };
    uint8_t area[LENGTH] = {[MANUFACTURER] = 1, [PRODUCT] = 2, [SERIAL] = 3, [WAKE_UP] = WAKE_POWER_SWITCH};

    begin(b, TYPE_SYSTEM, 0, area, LENGTH);
    string(b, maker);
    string(b, "PC");
    string(b, config->name);
    end(b, true);
}

static void add_board(struct builder *b)
{
    enum { LENGTH = 0xf, MANUFACTURER = 4, PRODUCT = 5, FEATURES = 9, CHASSIS = 0xb, KIND = 0xd };
    uint8_t area[LENGTH] = {
        [MANUFACTURER] = 1, [PRODUCT] = 2, [FEATURES] = BOARD_HOSTS, [KIND] = BOARD_MOTHERBOARD};

    store16(area + CHASSIS, HANDLE(TYPE_CHASSIS, 0));
    begin(b, TYPE_BOARD, 0, area, LENGTH);
    string(b, maker);
    string(b, "440FX");
    end(b, true);
}

static void add_chassis(struct builder *b)
{
    enum {
        LENGTH = 0x16,
        MANUFACTURER = 4,
        KIND = 5,
        BOOT_UP = 9,
        POWER = 0xa,
        THERMAL = 0xb,
        SECURITY = 0xc
    };
    uint8_t area[LENGTH] = {[MANUFACTURER] = 1,   [KIND] = CHASSIS_OTHER, [BOOT_UP] = STATE_SAFE,
                            [POWER] = STATE_SAFE, [THERMAL] = STATE_SAFE, [SECURITY] = UNKNOWN};

    begin(b, TYPE_CHASSIS, 0, area, LENGTH);
    string(b, maker);
    end(b, true);
}

/* The vendor's name, from leaf 0, and the processor's, from three leaves, without blanks before it. */
static void processor_names(cpuid_host_function *host, char vendor[CHARACTERS + 1], char name[CHARACTERS + 1])
{
    struct cpuid_entry e;
    uint32_t first = 0;

    memset(vendor, 0, CHARACTERS + 1);
    memset(name, 0, CHARACTERS + 1);
    host(0, 0, &e);
    store32(vendor, e.ebx), store32(vendor + 4, e.edx), store32(vendor + 8, e.ecx);
    host(LEAF_MAX_EXTENDED, 0, &e);
    if (e.eax < LEAF_BRAND_LAST)
        return;
    for (uint32_t i = 0; i < 3; i++) {
        char *at = name + 16 * i;
        host(LEAF_BRAND + i, 0, &e);
        store32(at, e.eax), store32(at + 4, e.ebx), store32(at + 8, e.ecx), store32(at + 12, e.edx);
    }
    while (name[first] == ' ')
        first++;
    memmove(name, name + first, CHARACTERS + 1 - first);
}

static void add_processor(struct builder *b, cpuid_host_function *host, uint32_t number, uint32_t cores)
{
    enum {
        LENGTH = 0x2a,
        SOCKET = 4,
        KIND = 5,
        FAMILY = 6,
        MANUFACTURER = 7,
        ID = 8,
        VERSION = 0x10,
        STATUS = 0x18,
        UPGRADE = 0x19,
        CACHES = 0x1a,
        CORES = 0x23,
        CORES_ENABLED = 0x24,
        THREADS = 0x25,
        CHARACTERISTICS = 0x26,
        FAMILY_2 = 0x28
    };
    uint8_t area[LENGTH] = {[SOCKET] = 1,
                            [KIND] = PROCESSOR_CENTRAL,
                            [FAMILY] = PROCESSOR_FAMILY_UNKNOWN,
                            [MANUFACTURER] = 2,
                            [STATUS] = PROCESSOR_ENABLED,
                            [UPGRADE] = UNKNOWN,
                            [CORES] = (uint8_t)cores,
                            [CORES_ENABLED] = (uint8_t)cores,
                            [THREADS] = (uint8_t)cores,
                            [FAMILY_2] = PROCESSOR_FAMILY_UNKNOWN};
    char vendor[CHARACTERS + 1], name[CHARACTERS + 1], socket[] = "CPU 0";
    struct cpuid_entry e;

    processor_names(host, vendor, name);
    area[VERSION] = *name ? 3 : 0;
    host(1, 0, &e);
    store32(area + ID, e.eax), store32(area + ID + 4, e.edx);
    host(LEAF_EXTENDED, 0, &e);
    store16(area + CHARACTERISTICS,
            (uint16_t)((e.edx & EDX_LONG_MODE ? PROCESSOR_64_BIT : 0) | (cores > 1 ? PROCESSOR_CORES : 0) |
                       (e.edx & EDX_NX ? PROCESSOR_NX : 0)));
    for (unsigned i = 0; i < 3; i++)
        store16(area + CACHES + 2 * i, HANDLE_NONE);
    socket[sizeof socket - 2] = (char)('0' + number);
    begin(b, TYPE_PROCESSOR, number, area, LENGTH);
    string(b, socket);
    string(b, vendor);
    if (*name)
        string(b, name);
    end(b, true);
}

static void add_memory_array(struct builder *b, const struct guest_config *config)
{
    enum { LENGTH = 0x17, PLACE = 4, USE = 5, CORRECTION = 6, CAPACITY = 7, ERRORS = 0xb, DEVICES = 0xd };
    uint8_t area[LENGTH] = {[PLACE] = ARRAY_ON_BOARD, [USE] = ARRAY_SYSTEM, [CORRECTION] = ARRAY_NO_ECC};

    store32(area + CAPACITY, config->memory_mib * KIB_PER_MIB);
    store16(area + ERRORS, HANDLE_NO_ERRORS);
    store16(area + DEVICES, 1);
    begin(b, TYPE_MEMORY_ARRAY, 0, area, LENGTH);
    end(b, false);
}

static void add_memory_device(struct builder *b, const struct guest_config *config)
{
    enum {
        LENGTH = 0x22,
        ARRAY = 4,
        ERRORS = 6,
        TOTAL_WIDTH = 8,
        DATA_WIDTH = 0xa,
        SIZE = 0xc,
        FORM = 0xe,
        LOCATOR = 0x10,
        KIND = 0x12,
        DETAIL = 0x13,
        EXTENDED_SIZE = 0x1c
    };
    uint8_t area[LENGTH] = {
        [FORM] = DEVICE_DIMM, [LOCATOR] = 1, [KIND] = DEVICE_RAM, [DETAIL] = 1 << UNKNOWN};
    uint32_t mib = config->memory_mib;

    store16(area + ARRAY, HANDLE(TYPE_MEMORY_ARRAY, 0));
    store16(area + ERRORS, HANDLE_NO_ERRORS);
    store16(area + TOTAL_WIDTH, DEVICE_WIDTH);
    store16(area + DATA_WIDTH, DEVICE_WIDTH);
    store16(area + SIZE, (uint16_t)(mib < DEVICE_MIB_MAX ? mib : DEVICE_MIB_MAX));
    store32(area + EXTENDED_SIZE, mib < DEVICE_MIB_MAX ? 0 : mib);
    begin(b, TYPE_MEMORY_DEVICE, 0, area, LENGTH);
    string(b, "DIMM 0");
    end(b, true);
}

/* Addresses in KiB, the last one within. */
static void add_mapped(struct builder *b, unsigned number, uint64_t start, uint64_t bytes)
{
    enum { LENGTH = 0x1f, START = 4, END = 8, ARRAY = 0xc, WIDTH = 0xe };
    uint8_t area[LENGTH] = {[WIDTH] = 1};

    store32(area + START, (uint32_t)(start >> 10));
    store32(area + END, (uint32_t)((start + bytes - 1) >> 10));
    store16(area + ARRAY, HANDLE(TYPE_MEMORY_ARRAY, 0));
    begin(b, TYPE_MEMORY_MAPPED, number, area, LENGTH);
    end(b, false);
}

static void add_memory(struct builder *b, const struct guest_config *config)
{
    uint64_t size = (uint64_t)config->memory_mib << 20;
    uint64_t low = size < GUEST_LOW_RAM_MAX ? size : GUEST_LOW_RAM_MAX;

    add_memory_array(b, config);
    add_memory_device(b, config);
    add_mapped(b, 0, 0, low);
    if (size > low)
        add_mapped(b, 1, GUEST_HIGH_RAM, size - low);
}

/* 5.2.1; the firmware makes the sums, and puts in the address. */
static void make_anchor(uint8_t anchor[SMBIOS_ANCHOR_SIZE], const struct builder *b)
{
    enum { LENGTH = 5, LARGEST = 8, SECOND = 0x10, BYTES = 0x16, COUNT = 0x1c, BCD = 0x1e };
    static const char first[4] = {'_', 'S', 'M', '_'}, second[5] = {'_', 'D', 'M', 'I', '_'};

    memset(anchor, 0, SMBIOS_ANCHOR_SIZE);
    memcpy(anchor, first, sizeof first);
    anchor[LENGTH] = SMBIOS_ANCHOR_SIZE;
    anchor[LENGTH + 1] = MAJOR;
    anchor[LENGTH + 2] = MINOR;
    store16(anchor + LARGEST, (uint16_t)b->largest);
    memcpy(anchor + SECOND, second, sizeof second);
    store16(anchor + BYTES, (uint16_t)b->used);
    store16(anchor + COUNT, b->count);
    anchor[BCD] = REVISION;
}

uint32_t smbios_build(uint8_t *to, uint32_t size, uint8_t anchor[SMBIOS_ANCHOR_SIZE],
                      const struct guest_config *config, cpuid_host_function *host)
{
    struct builder builder = {.bytes = to, .size = size < UINT16_MAX ? size : UINT16_MAX}, *b = &builder;
    uint32_t packages = config->packages ? config->packages : 1;
    uint8_t boot[0xb] = {0}, last[HEADER_SIZE] = {0};

    add_system(b, config);
    add_board(b);
    add_chassis(b);
    for (uint32_t i = 0; i < packages && i < GUEST_CPUS_MAX; i++)
        add_processor(b, host, i, config->cpu_count / packages);
    add_memory(b, config);
    begin(b, TYPE_BOOT, 0, boot, sizeof boot); /* no error */
    end(b, false);
    begin(b, TYPE_END, 0, last, sizeof last);
    end(b, false);
    make_anchor(anchor, b);
    return b->full ? 0 : b->used;
}
