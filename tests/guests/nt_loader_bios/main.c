/*
 * What an NT-family system's loader and its hardware detection ask a BIOS for, from real mode between pieces
 * of protected mode: the memory map and the older sizes, the disk's geometry and a read by packet, equipment,
 * configuration table, PCI BIOS, APM, date, keyboard, the A20 gate; and what they look for in memory: $PnP,
 * SMBIOS and MP signatures. Manual: Phoenix EDD 3.0; ACPI 6.4, 15.1; PCI BIOS 2.1; APM 1.2; SMBIOS 3.0, 5.2.
 * Real hardware: as checked here, with values of its own.
 *
 * guest: firmware=bios
 */
#include "guest.h"
#include "memory.h"
#include "processor.h"
#include "real.h"

enum { CARRY = 0x7df0, DATA = 0x4000, PACKET = 0x5000, DISK = 0x80, SECTOR = 512 };
enum { MAP_MAX = 16, ENTRY = 20, RAM = 1, MIB = 1 << 20, LOW_END = 0x9fc00, F_SEGMENT = 0xf0000 };
#define SMAP 0x534d4150u

static uint8_t *const data = (uint8_t *)DATA;

static uint32_t ax(void)
{
    return real_block->eax & 0xffff;
}

/* An interrupt with what stands in real_block; whether it came back without carry. ES = DS = 0. */
static bool bios(uint8_t vector)
{
    const uint8_t code[] = {0xcd, vector, 0x0f, 0x92, 0x06, CARRY & 0xff, CARRY >> 8 /* SETC */, 0xc3};
    *(volatile uint8_t *)CARRY = 1;
    real_call(code, code + sizeof(code));
    return *(volatile uint8_t *)CARRY == 0;
}

static bool call(uint8_t vector, uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx)
{
    real_block->eax = eax;
    real_block->ebx = ebx;
    real_block->ecx = ecx;
    real_block->edx = edx;
    return bios(vector);
}

static void test_memory_map(void)
{
    uint32_t next = 0, entries = 0, low = 0, high = 0;
    do {
        uint32_t entry[ENTRY / 4];
        real_block->edi = DATA;
        if (!call(0x15, 0xe820, next, ENTRY, SMAP) || real_block->eax != SMAP)
            break;
        next = real_block->ebx;
        memcpy(entry, data, sizeof(entry));
        if (entry[4] == RAM && entry[0] == 0)
            low = entry[2];
        if (entry[4] == RAM && entry[0] == MIB)
            high = entry[2];
        entries++;
    } while (next && entries < MAP_MAX);
    check("E820: a list that ends", entries > 2 && entries < MAP_MAX && !next);
    check_value("  RAM from 0 on", low, LOW_END);
    check("  RAM from 1 MiB on, less than a MiB missing", high > 62u * MIB && high <= 63u * MIB);
    check("E801", call(0x15, 0xe801, 0, 0, 0));
    check_value("  KiB behind 1 MiB", ax(), 15 * 1024);
    check("  blocks of 64 KiB behind 16 MiB", (real_block->ebx & 0xffff) == (high - 15u * MIB) >> 16);
    check("88", call(0x15, 0x8800, 0, 0, 0));
    check("  KiB behind 1 MiB", ax() == high / 1024);
    call(0x12, 0, 0, 0, 0);
    check_value("INT 12h: KiB", ax(), 639);
}

static void test_disk(void)
{
    static const uint16_t packet[8] = {16, 1, DATA, 0, 0};
    check("geometry", call(0x13, 0x0800, 0, 0, DISK));
    check_value("  heads - 1, drives", real_block->edx & 0xffff, 15 << 8 | 1);
    check_value("  sectors of a track", real_block->ecx & 0x3f, 63);
    check("extensions", call(0x13, 0x4100, 0x55aa, 0, DISK));
    check_value("  signature", real_block->ebx & 0xffff, 0xaa55);
    check_value("  packets", real_block->ecx & 1, 1);
    memcpy((void *)PACKET, packet, sizeof(packet));
    real_block->esi = PACKET;
    check("read by packet", call(0x13, 0x4200, 0, 0, DISK));
    check_value("  boot sector's mark", data[SECTOR - 2] | data[SECTOR - 1] << 8, 0xaa55);
    memset(data, 0, SECTOR);
    real_block->esi = 0;
    check("read by CHS", call(0x13, 0x0201, DATA, 1, DISK));
    check_value("  boot sector's mark", data[SECTOR - 2] | data[SECTOR - 1] << 8, 0xaa55);
    data[0] = 30;
    data[1] = 0;
    real_block->esi = DATA;
    check("parameters", call(0x13, 0x4800, 0, 0, DISK));
    check_value("  bytes of a sector", data[24] | data[25] << 8, SECTOR);
    check("no second disk", !call(0x13, 0x0800, 0, 0, DISK + 1));
}

static void test_machine(void)
{
    call(0x11, 0, 0, 0, 0);
    observe("INT 11h: equipment", ax());
    check("configuration table", call(0x15, 0xc000, 0, 0, 0));
    check("extended BIOS data area", call(0x15, 0xc100, 0, 0, 0));
    check("PCI BIOS", call(0x1a, 0xb101, 0, 0, 0));
    check_value("  signature", real_block->edx, 0x20494350);
    check_value("  mechanism 1", real_block->eax & 1, 1);
    observe("APM: carry", !call(0x15, 0x5300, 0, 0, 0));
    check("date", call(0x1a, 0x0400, 0, 0, 0));
    check_value("  century", real_block->ecx >> 8 & 0xff, 0x20);
    call(0x16, 0x0200, 0, 0, 0);
    check_value("keyboard: nothing held", real_block->eax & 0x0f, 0);
    call(0x10, 0x1200, 0x10, 0, 0);
    check_value("EGA: colour, 256 KiB", real_block->ebx & 0xffff, 0x0003);
    call(0x10, 0x1a00, 0, 0, 0);
    check_value("VGA: colour", real_block->ebx & 0xff, 8);
}

static void test_a20(void)
{
    check("A20: how to switch it", call(0x15, 0x2403, 0, 0, 0));
    check("  on", call(0x15, 0x2401, 0, 0, 0));
    check("  on?", call(0x15, 0x2402, 0, 0, 0));
    check_value("  yes", ax() & 0xff, 1);
}

/* A structure that begins on a paragraph of the BIOS' segment, and whose bytes sum up to 0. */
static bool is_there(const char *signature, uint32_t characters, uint32_t length_at, uint32_t unit)
{
    for (const uint8_t *at = (const uint8_t *)F_SEGMENT; at < (const uint8_t *)MIB; at += 16) {
        uint8_t sum = 0;
        if (memcmp(at, signature, characters))
            continue;
        for (uint32_t i = 0; i < at[length_at] * unit; i++)
            sum = (uint8_t)(sum + at[i]);
        if (!sum)
            return true;
    }
    return false;
}

static void test_signatures(void)
{
    check("$PnP", is_there("$PnP", 4, 5, 1));
    check("SMBIOS", is_there("_SM_", 4, 5, 1));
    check("MP floating pointer", is_there("_MP_", 4, 8, 16));
    check("RSDP", is_there("RSD PTR ", 8, 7, 0));
    check("BIOS32", is_there("_32_", 4, 9, 16));
}

void guest_main(void)
{
    test_memory_map();
    test_disk();
    test_machine();
    test_a20();
    test_signatures();
}
