/*
 * IDE from the host's side: registers, resets, PIO and DMA protocols, addresses, errors (ATA/ATAPI-6), and
 * the bus master (Intel's programming interface 1.0).
 *
 * sources: devices/ide.c devices/bmide.c devices/ata*.c devices/disk_image.c lib/ide_places.c
 * sources: devices/bus.c devices/pci.c lib/format.c tests/unit/host_effects.c
 */
#include "ide_host.h"

static void assert_sector(const uint8_t *bytes, uint32_t sector)
{
    for (unsigned i = 0; i < 512; i++)
        assert_int_equal(bytes[i], byte_of_sector(sector, i));
}

/* 9.1: what a host finds after power-on; the second place is empty, and so are the other channel's. */
static void test_signature(void **state)
{
    (void)state;
    out8(PRIMARY + R_DEVICE, 0);
    assert_int_equal(in8(PRIMARY + R_STATUS), READY);
    assert_int_equal(in8(PRIMARY + R_ERROR), 1);
    assert_int_equal(in8(PRIMARY + R_LOW) | in8(PRIMARY + R_COUNT), 1);
    assert_int_equal(in8(PRIMARY + R_MID) | in8(PRIMARY + R_HIGH), 0);
    assert_int_equal(in8(SECONDARY + R_MID), 0x14);
    assert_int_equal(in8(SECONDARY + R_HIGH), 0xeb);
    assert_int_equal(in8(SECONDARY + R_STATUS), 0);
    out8(PRIMARY + R_DEVICE, SLAVE);
    assert_int_equal(in8(PRIMARY + R_STATUS), 0);
    assert_int_equal(in8(PRIMARY + CONTROL), 0);
    assert_int_equal(in8(PRIMARY + R_DEVICE), 0xb0);
}

/* 82371SB, 2.3.9: a channel whose IDETIM does not decode is not there. */
static void test_decode(void **state)
{
    (void)state;
    config_write(0x41, 1, 0);
    assert_int_equal(in8(PRIMARY + R_STATUS), 0xff);
    assert_int_equal(in8(SECONDARY + R_MID), 0x14);
    config_write(0x41, 1, 0x80);
    assert_int_equal(in8(PRIMARY + R_STATUS), READY);
    config_write(PCI_COMMAND, 2, 0);
    assert_int_equal(in8(SECONDARY + CONTROL), 0xff);
}

static void test_identify(void **state)
{
    (void)state;
    uint16_t id[256];
    command(PRIMARY, 0xec, 0, 0);
    assert_int_equal(host.irq[14], 1);
    assert_int_equal(in8(PRIMARY + R_STATUS), DATA_READY);
    assert_int_equal(host.irq[14], 0);
    read_words(PRIMARY, id, 256);
    assert_int_equal(in8(PRIMARY + R_STATUS), READY);
    assert_int_equal(host.irq[14], 0); /* none at the end of data from the drive */
    assert_int_equal(id[1] * id[3] * id[6], 4 * 16 * 63);
    assert_int_equal(id[60] | id[61] << 16, SECTORS);
    assert_int_equal(id[100], SECTORS);
    assert_memory_equal(id + 27, "UNLLIRGND SI K", 14);
    assert_int_equal(id[47] & 0xff, 16);
    assert_int_equal(id[49] & 0x300, 0x300);
    assert_int_equal(id[83] & 0x7400, 0x7400);
    assert_int_equal(id[63], 0x0407); /* multiword DMA 2 is selected */
}

/* 9.5: DRQ and an interrupt for each sector. */
static void test_read_sectors(void **state)
{
    (void)state;
    uint8_t bytes[512];
    command(PRIMARY, 0x20, 100, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(host.irq[14], 1);
        assert_int_equal(in8(PRIMARY + CONTROL), DATA_READY);
        assert_int_equal(host.irq[14], 1); /* the alternate status leaves it */
        assert_int_equal(in8(PRIMARY + R_STATUS), DATA_READY);
        assert_int_equal(host.irq[14], 0);
        read_words(PRIMARY, bytes, 256);
        assert_sector(bytes, 100 + i);
    }
    assert_int_equal(host.irq[14], 0);
    assert_int_equal(in8(PRIMARY + R_STATUS), READY);
    assert_int_equal(host.irq_rises[14], 3);
    assert_int_equal(bus_read(&pc.bus, IO_PORT, PRIMARY, 2), 0xffff);
}

/* A count of 0 is 256 sectors; multiple sectors have one interrupt for each block; a string moves a page. */
static void test_read_multiple(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(256 * 512);
    command(PRIMARY, 0xc6, 0, 8);
    assert_int_equal(in8(PRIMARY + R_STATUS), READY);
    command(PRIMARY, 0xc4, 1000, 0);
    unsigned rises = host.irq_rises[14];
    for (unsigned block = 0; block < 32; block++) {
        assert_int_equal(in8(PRIMARY + R_STATUS), DATA_READY);
        /* Not more than the block, whatever the string asks for. */
        assert_int_equal(bus_block(&pc.bus, PRIMARY, 2, bytes + block * 4096, 4096, false), 2048);
    }
    for (unsigned i = 0; i < 256; i++)
        assert_sector(bytes + 512 * i, 1000 + i);
    assert_int_equal(in8(PRIMARY + R_STATUS), READY);
    assert_int_equal(host.irq_rises[14] - rises, 31);
    assert_int_equal(bus_block(&pc.bus, PRIMARY, 2, bytes, 1, false), 0);
    assert_int_equal(bus_block(&pc.bus, PRIMARY + R_COUNT, 1, bytes, 1, false), 0);
    command(PRIMARY, 0xc6, 0, 3);
    assert_int_equal(in8(PRIMARY + R_STATUS), FAILED);
    command(PRIMARY, 0xc6, 0, 0);
    command(PRIMARY, 0xc4, 0, 1);
    assert_int_equal(in8(PRIMARY + R_STATUS), FAILED);
    free(bytes);
}

/* 9.6: the first block without an interrupt, the others and the end with one. */
static void test_write_sectors(void **state)
{
    (void)state;
    uint8_t bytes[1024];
    memset(bytes, 0x5a, sizeof bytes);
    command(PRIMARY, 0x30, 7, 2);
    assert_int_equal(host.irq[14], 0);
    assert_int_equal(in8(PRIMARY + R_STATUS), DATA_READY);
    write_words(PRIMARY, bytes, 255);
    assert_sector(host.disk[0] + 7 * 512, 7); /* not before the sector is whole */
    write_words(PRIMARY, bytes, 1);
    assert_memory_equal(host.disk[0] + 7 * 512, bytes, 512);
    assert_int_equal(host.irq[14], 1);
    assert_int_equal(in8(PRIMARY + R_STATUS), DATA_READY);
    assert_int_equal(bus_block(&pc.bus, PRIMARY, 4, bytes, 128, true), 128);
    assert_int_equal(host.irq[14], 1);
    assert_int_equal(in8(PRIMARY + R_STATUS), READY);
    assert_memory_equal(host.disk[0] + 7 * 512, bytes, 1024);
    assert_sector(host.disk[0] + 9 * 512, 9);
    assert_sector(host.disk[0] + 6 * 512, 6);
}

/* 48-bit addresses: high bytes are what was written before, and HOB reads them. */
static void test_ext(void **state)
{
    (void)state;
    uint8_t bytes[512];
    command_ext(PRIMARY, 0x24, SECTORS - 1, 1);
    assert_int_equal(in8(PRIMARY + R_STATUS), DATA_READY);
    read_words(PRIMARY, bytes, 256);
    assert_sector(bytes, SECTORS - 1);
    command_ext(PRIMARY, 0x24, 0x010000000000ull, 1);
    assert_int_equal(in8(PRIMARY + R_STATUS), FAILED);
    assert_int_equal(in8(PRIMARY + R_ERROR), IDNF);
    out8(PRIMARY + CONTROL, 0x80);
    assert_int_equal(in8(PRIMARY + R_HIGH), 1);
    out8(PRIMARY + R_COUNT, 3); /* writing clears HOB */
    assert_int_equal(in8(PRIMARY + R_HIGH), 0);
    command_ext(PRIMARY, 0x27, 0, 0);
    assert_int_equal(in8(PRIMARY + R_LOW) | in8(PRIMARY + R_MID) << 8, SECTORS - 1);
}

/* CHS addresses with the geometry that INITIALIZE DEVICE PARAMETERS gives. */
static void test_chs(void **state)
{
    (void)state;
    uint8_t bytes[512];
    out8(PRIMARY + R_DEVICE, 3); /* four heads */
    out8(PRIMARY + R_COUNT, 17);
    out8(PRIMARY + R_STATUS, 0x91);
    assert_int_equal(in8(PRIMARY + R_STATUS), READY);
    out8(PRIMARY + R_COUNT, 1);
    out8(PRIMARY + R_LOW, 17);
    out8(PRIMARY + R_MID, 5);
    out8(PRIMARY + R_HIGH, 0);
    out8(PRIMARY + R_DEVICE, 2);
    out8(PRIMARY + R_STATUS, 0x20);
    assert_int_equal(in8(PRIMARY + R_STATUS), DATA_READY);
    read_words(PRIMARY, bytes, 256);
    assert_sector(bytes, (5 * 4 + 2) * 17 + 16);
    out8(PRIMARY + R_LOW, 18);
    out8(PRIMARY + R_STATUS, 0x20);
    assert_int_equal(in8(PRIMARY + R_ERROR), IDNF);
    out8(PRIMARY + R_LOW, 0);
    out8(PRIMARY + R_STATUS, 0x20);
    assert_int_equal(in8(PRIMARY + R_ERROR), IDNF);
}

/* The sectors up to the end arrive; then the error, with the first address that is not there. */
static void test_over_the_end(void **state)
{
    (void)state;
    uint8_t bytes[512];
    command(PRIMARY, 0x20, SECTORS - 1, 2);
    assert_int_equal(in8(PRIMARY + R_STATUS), DATA_READY);
    read_words(PRIMARY, bytes, 256);
    assert_sector(bytes, SECTORS - 1);
    assert_int_equal(host.irq[14], 1);
    assert_int_equal(in8(PRIMARY + R_STATUS), FAILED);
    assert_int_equal(in8(PRIMARY + R_ERROR), IDNF);
    assert_int_equal(in8(PRIMARY + R_LOW) | in8(PRIMARY + R_MID) << 8, SECTORS);
    command(PRIMARY, 0x20, SECTORS, 1);
    assert_int_equal(in8(PRIMARY + R_STATUS), FAILED);
    command(PRIMARY, 0x40, SECTORS - 1, 1); /* READ VERIFY */
    assert_int_equal(in8(PRIMARY + R_STATUS), READY);
    command(PRIMARY, 0x40, SECTORS - 1, 2);
    assert_int_equal(in8(PRIMARY + R_STATUS), FAILED);
    command(PRIMARY, 0x30, SECTORS, 1);
    assert_int_equal(in8(PRIMARY + R_STATUS), FAILED);
}

static void test_bad_commands(void **state)
{
    (void)state;
    static const uint8_t codes[] = {0x00, 0x08, 0x50, 0xa0, 0xa1, 0xb0, 0x60, 0xff};
    for (unsigned i = 0; i < sizeof codes; i++) {
        command(PRIMARY, codes[i], 0, 1);
        assert_int_equal(host.irq[14], 1);
        assert_int_equal(in8(PRIMARY + R_STATUS), FAILED);
        assert_int_equal(in8(PRIMARY + R_ERROR), ABRT);
    }
    out8(PRIMARY + R_ERROR, 0x99); /* SET FEATURES of nothing that there is */
    out8(PRIMARY + R_STATUS, 0xef);
    assert_int_equal(in8(PRIMARY + R_ERROR), ABRT);
    out8(PRIMARY + R_ERROR, 3);
    out8(PRIMARY + R_COUNT, 0x46); /* ultra DMA 6 */
    out8(PRIMARY + R_STATUS, 0xef);
    assert_int_equal(in8(PRIMARY + R_ERROR), ABRT);
    out8(PRIMARY + R_COUNT, 0x45);
    out8(PRIMARY + R_STATUS, 0xef);
    assert_int_equal(in8(PRIMARY + R_STATUS), READY);
    command(PRIMARY, 0xe5, 0, 0);
    assert_int_equal(in8(PRIMARY + R_COUNT), 0xff);
    for (unsigned i = 0; i < 2; i++) {
        command(PRIMARY, i ? 0xea : 0xe7, 0, 0);
        assert_int_equal(in8(PRIMARY + R_STATUS), READY);
    }
}

/* SRST in the middle of a command; nIEN; EXECUTE DEVICE DIAGNOSTIC. */
static void test_reset(void **state)
{
    (void)state;
    uint8_t bytes[512];
    command(PRIMARY, 0x20, 5, 4);
    read_words(PRIMARY, bytes, 100);
    out8(PRIMARY + CONTROL, 4);
    assert_int_equal(in8(PRIMARY + R_STATUS), 0x80);
    assert_int_equal(host.irq[14], 0);
    out8(PRIMARY + R_STATUS, 0xec);
    out8(PRIMARY + CONTROL, 2);
    assert_int_equal(in8(PRIMARY + R_STATUS), READY);
    assert_int_equal(in8(PRIMARY + R_ERROR), 1);
    command(PRIMARY, 0x20, 5, 1);
    assert_int_equal(host.irq[14], 0); /* nIEN */
    out8(PRIMARY + CONTROL, 0);
    assert_int_equal(host.irq[14], 1);
    read_words(PRIMARY, bytes, 256);
    assert_sector(bytes, 5);
    out8(PRIMARY + R_DEVICE, SLAVE);
    assert_int_equal(host.irq[14], 0); /* the line is the selected drive's */
    out8(PRIMARY + R_STATUS, 0x90);
    assert_int_equal(in8(PRIMARY + R_DEVICE), 0xa0);
    assert_int_equal(host.irq[14], 1);
    assert_int_equal(in8(PRIMARY + R_STATUS), READY);
    assert_int_equal(in8(PRIMARY + R_ERROR), 1);
}

static void test_dma_read(void **state)
{
    (void)state;
    region(0, DATA + 1, 0x600, false); /* bit 0 does not count */
    region(1, DATA + 0x8000, 0xa00, true);
    command(PRIMARY, 0xc8, 40, 8);
    assert_int_equal(in8(PRIMARY + CONTROL) & 0x89, 8);
    assert_int_equal(bus_read(&pc.bus, IO_PORT, PRIMARY, 2), 0xffff); /* the data are not for PIO */
    master_start(0, 8);
    assert_int_equal(in8(BM + 2), 4); /* interrupt; not active */
    assert_int_equal(host.irq[14], 1);
    assert_int_equal(in8(PRIMARY + R_STATUS), READY);
    for (unsigned i = 0; i < 3; i++)
        assert_sector(host.ram + DATA + 512 * i, 40 + i);
    for (unsigned i = 3; i < 8; i++)
        assert_sector(host.ram + DATA + 0x8000 + 512 * (i - 3), 40 + i);
    out8(BM + 2, 4);
    assert_int_equal(in8(BM + 2), 0);
    /* The bus master may be started first; a table that is longer leaves it active (3.1, table of states). */
    master_start(0, 8);
    assert_int_equal(in8(BM + 2), 1);
    command(PRIMARY, 0xc8, 9, 1);
    assert_int_equal(in8(BM + 2), 5);
    assert_sector(host.ram + DATA, 9);
    out8(BM, 0);
    assert_int_equal(in8(BM + 2), 4);
}

static void test_dma_write(void **state)
{
    (void)state;
    memset(host.ram + DATA, 0xc3, 2048);
    region(0, DATA, 0x102, false); /* sectors over several entries */
    region(1, DATA + 0x200, 0x2fe, true);
    command_ext(PRIMARY, 0x35, 70, 2);
    master_start(0, 0);
    assert_int_equal(in8(BM + 2), 4);
    assert_int_equal(in8(PRIMARY + R_STATUS), READY);
    for (unsigned i = 0; i < 1024; i++)
        assert_int_equal(host.disk[0][70 * 512 + i], 0xc3);
    assert_sector(host.disk[0] + 72 * 512, 72);
    assert_sector(host.disk[0] + 69 * 512, 69);
}

/* A table that is too short: not active, no interrupt, and the drive waits for another one. */
static void test_dma_short(void **state)
{
    (void)state;
    region(0, DATA, 0x200, true);
    command(PRIMARY, 0xc8, 3, 2);
    master_start(0, 8);
    assert_int_equal(in8(BM + 2), 0);
    assert_int_equal(host.irq[14], 0);
    region(0, DATA + 0x200, 0x200, true);
    master_start(0, 8);
    assert_int_equal(in8(BM + 2), 4);
    assert_sector(host.ram + DATA, 3);
    assert_sector(host.ram + DATA + 512, 4);
    /* Stopped in between, and SRST. */
    command(PRIMARY, 0xc8, 3, 2);
    out8(PRIMARY + CONTROL, 4);
    out8(PRIMARY + CONTROL, 0);
    master_start(0, 8);
    assert_int_equal(in8(BM + 2), 1);
}

/* Data or the table itself where there is no RAM. */
static void test_dma_abort(void **state)
{
    (void)state;
    region(0, RAM_BYTES - 256, 0x200, true);
    command(PRIMARY, 0xc8, 3, 1);
    master_start(0, 8);
    assert_int_equal(in8(BM + 2), 2);
    assert_int_equal(host.irq[14], 0);
    out8(BM, 0);
    bus_write(&pc.bus, IO_PORT, BM + 4, 4, 0xfffffffc);
    out8(BM + 2, 6);
    out8(BM, 9);
    assert_int_equal(in8(BM + 2), 2);
    out8(BM + 2, 0x62); /* the drives' DMA bits are what was written */
    assert_int_equal(in8(BM + 2), 0x60);
    assert_true(bus_read(&pc.bus, IO_PORT, BM + 4, 4) == 0xfffffffc);
}

static void test_dma_over_the_end(void **state)
{
    (void)state;
    region(0, DATA, 0x400, true);
    command(PRIMARY, 0xc8, SECTORS - 1, 2);
    master_start(0, 8);
    assert_int_equal(in8(BM + 2) & 4, 4);
    assert_int_equal(in8(PRIMARY + R_STATUS), FAILED);
    assert_int_equal(in8(PRIMARY + R_ERROR), IDNF);
    assert_sector(host.ram + DATA, SECTORS - 1);
}

/* One access moves a bounded number of bytes; the rest comes with the deadline. */
static void test_dma_long(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 32; i++)
        region(i, DATA, 0x10000, i == 31);
    command_ext(PRIMARY, 0x25, 0, SECTORS);
    master_start(0, 8);
    assert_int_equal(in8(BM + 2), 1);
    assert_int_equal(host.irq[14], 0);
    assert_int_equal(pc.bus.next_deadline, host.now);
    for (unsigned i = 0; i < 8 && pc.bus.next_deadline != DEADLINE_NONE; i++)
        bus_tick(&pc.bus, host.now);
    assert_int_equal(in8(BM + 2), 4);
    assert_int_equal(host.irq[14], 1);
    assert_sector(host.ram + DATA + 0x10000 - 512, SECTORS - 1);
}

static void test_overlay_full(void **state)
{
    (void)state;
    uint8_t bytes[512] = {0};
    host.disk_pages_left = 1;
    command(PRIMARY, 0x30, 0, 1);
    write_words(PRIMARY, bytes, 256);
    assert_int_equal(in8(PRIMARY + R_STATUS), READY);
    command(PRIMARY, 0x30, 20, 1);
    write_words(PRIMARY, bytes, 256);
    assert_int_equal(in8(PRIMARY + R_STATUS), FAILED | 0x20);
    assert_int_equal(in8(PRIMARY + R_LOW), 20);
    assert_non_null(strstr(host.log, "disk0: its overlay is full"));
}

/* A partition table tells the geometry of the system that made it. */
static void test_geometry(void **state)
{
    (void)state;
    struct disk_image *image = &pc.ide.channel[0].drive[0].image;
    uint8_t *entry = host.disk[0] + 446;
    memset(entry, 0, 64);
    memcpy(entry, (uint8_t[16]){0x80, 1, 1, 0, 6, 7, 32 | 0x40, 1, 32, 0, 0, 0, 0, 8}, 14);
    assert_int_equal(disk_image_geometry(image).sectors, 63); /* no signature */
    host.disk[0][510] = 0x55, host.disk[0][511] = 0xaa;
    struct disk_geometry geometry = disk_image_geometry(image);
    assert_int_equal(geometry.heads, 8);
    assert_int_equal(geometry.sectors, 32);
    assert_int_equal(geometry.cylinders, SECTORS / 256);
    assert_int_equal(geometry.translation, TRANSLATION_NONE);
    entry[5] = 254; /* a translated one: 255 heads */
    geometry = disk_image_geometry(image);
    assert_int_equal(geometry.heads, 16);
    image->size = 4096ull << 20; /* of which only the start is looked at */
    host.disk_size[0] = image->size;
    memset(entry, 0, 64);
    assert_int_equal(disk_image_geometry(image).translation, TRANSLATION_LBA);
    assert_int_equal(disk_image_geometry(image).cylinders, 8322);
    assert_int_equal(ide_bios_translation(&pc.ide), TRANSLATION_LBA);
    image->size = host.disk_size[0] = DISK_BYTES;
    assert_int_equal(ide_bios_translation(&pc.ide), TRANSLATION_NONE);
}

static void test_check(void **state)
{
    (void)state;
    struct ide before = pc.ide;
    struct ata_drive *drive = &pc.ide.channel[0].drive[0];
    command(PRIMARY, 0x30, 0, 1);
    struct ide middle = pc.ide;
    assert_null(ide_device.check(&pc.ide));
    drive->transfer.position = 512;
    assert_non_null(ide_device.check(&pc.ide));
    pc.ide = middle;
    drive->transfer.block = 513;
    assert_non_null(ide_device.check(&pc.ide));
    pc.ide = middle;
    drive->transfer.source = ATA_BUFFER;
    drive->transfer.left = drive->transfer.block = ATA_BUFFER_SIZE + 1;
    assert_non_null(ide_device.check(&pc.ide));
    pc.ide = middle;
    drive->image.size += 512;
    assert_non_null(ide_device.check(&pc.ide));
    pc.ide = middle;
    drive->heads = 0;
    assert_non_null(ide_device.check(&pc.ide));
    pc.ide = middle;
    pc.ide.channel[1].selected = 2;
    assert_non_null(ide_device.check(&pc.ide));
    pc.ide = middle;
    pc.ide.channel[0].bmide.left = 0x10001;
    assert_non_null(ide_device.check(&pc.ide));
    pc.ide = before;
}

static void test_places(void **state)
{
    (void)state;
    struct guest_config config = {.disk_count = 4, .cd_count = 2};
    struct ide_place place[IDE_DRIVES];
    config.disk[1].kind = config.disk[3].kind = DISK_IDE;
    ide_places(&config, place);
    assert_true(place[0].used && !place[0].is_cd && place[0].unit == 1);
    assert_true(place[1].used && !place[1].is_cd && place[1].unit == 3);
    assert_true(place[2].is_cd && place[2].unit == 0 && place[3].is_cd && place[3].unit == 1);
    config.disk[0].kind = DISK_IDE;
    config.cd_count = 1;
    ide_places(&config, place);
    assert_true(!place[2].is_cd && place[2].unit == 3 && place[3].is_cd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_signature),     TEST(test_decode),        TEST(test_identify),  TEST(test_read_sectors),
        TEST(test_read_multiple), TEST(test_write_sectors), TEST(test_ext),       TEST(test_chs),
        TEST(test_over_the_end),  TEST(test_bad_commands),  TEST(test_reset),     TEST(test_dma_read),
        TEST(test_dma_write),     TEST(test_dma_short),     TEST(test_dma_abort), TEST(test_dma_over_the_end),
        TEST(test_dma_long),      TEST(test_overlay_full),  TEST(test_geometry),  TEST(test_check),
        TEST(test_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
