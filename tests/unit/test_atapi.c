/*
 * The packet commands of a CD drive, from the host's side (ATA/ATAPI-6, 9.8; SPC-3; MMC-4).
 *
 * sources: devices/ide.c devices/bmide.c devices/ata*.c devices/disk_image.c lib/ide_places.c
 * sources: devices/bus.c devices/pci.c lib/format.c tests/unit/host_effects.c
 */
#include "ide_host.h"

enum { NOT_READY = 0x24, ILLEGAL = 0x54, ATTENTION = 0x64 };

#define PACKET(...) ((const uint8_t[12]){__VA_ARGS__})

/* Key, code and qualifier of REQUEST SENSE. */
static uint32_t sense(void)
{
    uint8_t bytes[18] = {0};
    assert_int_equal(packet(PACKET(3, 0, 0, 0, 18), bytes, sizeof bytes), 0);
    assert_int_equal(bytes[0], 0x70);
    assert_int_equal(bytes[7], 10);
    return (uint32_t)bytes[2] << 16 | (uint32_t)bytes[12] << 8 | bytes[13];
}

static void test_inquiry(void **state)
{
    (void)state;
    uint8_t bytes[40] = {0};
    assert_int_equal(packet(PACKET(0x12, 0, 0, 0, 36), bytes, sizeof bytes), 0);
    assert_int_equal(bytes[0], 5);
    assert_int_equal(bytes[1], 0x80);
    assert_int_equal(bytes[4], 31);
    assert_memory_equal(bytes + 8, "NULLRINGCD-ROM          1.0 ", 28);
    memset(bytes, 0xee, sizeof bytes);
    assert_int_equal(packet(PACKET(0x12, 0, 0, 0, 5), bytes, sizeof bytes), 0);
    assert_int_equal(bytes[4], 31);
    assert_int_equal(bytes[6], 0xee);
    assert_int_equal(packet(PACKET(0x12, 1, 0x80, 0, 36), bytes, sizeof bytes), ILLEGAL);
    assert_int_equal(sense(), 0x052400);
    assert_int_equal(sense(), 0);
    assert_int_equal(packet(PACKET(0xd9), bytes, 0), ILLEGAL);
    assert_int_equal(sense(), 0x052000);
}

static void test_read(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(40 * 2048);
    assert_int_equal(packet(PACKET(0), bytes, 0), 0);
    assert_int_equal(packet(PACKET(0x25), bytes, 8), 0);
    assert_memory_equal(bytes, PACKET(0, 0, 0, DISC_SECTORS - 1, 0, 0, 8, 0), 8);
    assert_int_equal(packet(PACKET(0x28, 0, 0, 0, 0, 10, 0, 0, 40), bytes, 40 * 2048), 0); /* in blocks */
    assert_memory_equal(bytes, host.cd[0] + 10 * 2048, 40 * 2048);
    assert_int_equal(packet(PACKET(0xa8, 0, 0, 0, 0, 63, 0, 0, 0, 1), bytes, 2048), 0);
    assert_memory_equal(bytes, host.cd[0] + 63 * 2048, 2048);
    assert_int_equal(packet(PACKET(0x28, 0, 0, 0, 0, 63, 0, 0, 2), bytes, 0), ILLEGAL);
    assert_int_equal(sense(), 0x052100);
    assert_int_equal(packet(PACKET(0xa8, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), bytes, 0),
                     ILLEGAL);
    assert_int_equal(packet(PACKET(0x28, 0, 0, 0, 0, 64), bytes, 0), 0);
    free(bytes);
}

static void test_open_door(void **state)
{
    (void)state;
    uint8_t bytes[8];
    assert_int_equal(packet(PACKET(0x1b, 0, 0, 0, 2), bytes, 0), 0);
    assert_int_equal(packet(PACKET(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8), bytes, 8), 0);
    assert_int_equal(bytes[1], 0x10);
    assert_int_equal(packet(PACKET(0x1b, 0, 0, 0, 3), bytes, 0), 0);
}

/* READ CD: user data, or the whole sector with its address and mode. */
static void test_read_cd(void **state)
{
    (void)state;
    uint8_t bytes[2352 * 2];
    assert_int_equal(packet(PACKET(0xbe, 0, 0, 0, 0, 5, 0, 0, 1, 0x10), bytes, 2048), 0);
    assert_memory_equal(bytes, host.cd[0] + 5 * 2048, 2048);
    assert_int_equal(packet(PACKET(0xbe, 8, 0, 0, 0, 61, 0, 0, 2, 0xf8), bytes, sizeof bytes), 0);
    assert_memory_equal(bytes, ((uint8_t[12]){0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0}), 12);
    assert_memory_equal(bytes + 12, ((uint8_t[4]){0, 2, 0x61, 1}), 4);
    assert_memory_equal(bytes + 16, host.cd[0] + 61 * 2048, 2048);
    assert_memory_equal(bytes + 2352 + 16, host.cd[0] + 62 * 2048, 2048);
    assert_int_equal(packet(PACKET(0xbe, 4, 0, 0, 0, 5, 0, 0, 1, 0x10), bytes, 0), ILLEGAL); /* audio */
    assert_int_equal(packet(PACKET(0xbe, 0, 0, 0, 0, 5, 0, 0, 1, 0x10, 1), bytes, 0), ILLEGAL);
    assert_int_equal(packet(PACKET(0xbe, 0, 0, 0, 0, 5, 0, 0, 1, 0x20), bytes, 0), ILLEGAL);
    assert_int_equal(packet(PACKET(0xbe, 0, 0, 0, 0, 5, 0, 0, 1, 0xfa), bytes, 0), ILLEGAL); /* C2 errors */
    assert_int_equal(packet(PACKET(0xbe, 0, 0, 0, 0, 61, 0, 0, 2, 0xb8), bytes, sizeof bytes), 0);
    assert_memory_equal(bytes + 16, host.cd[0] + 61 * 2048, 2048); /* no sub-header: the same */
}

/* 9.8: blocks are as long as the host allows, and even; without a limit there is no data. */
static void test_byte_count(void **state)
{
    (void)state;
    uint16_t word;
    out8(SECONDARY + R_DEVICE, 0);
    out8(SECONDARY + R_ERROR, 0);
    out8(SECONDARY + R_MID, 0x01);
    out8(SECONDARY + R_HIGH, 0x04); /* 1,025 */
    out8(SECONDARY + R_STATUS, 0xa0);
    write_words(SECONDARY, PACKET(0x28, 0, 0, 0, 0, 1, 0, 0, 1), 6);
    for (unsigned block = 0; block < 2; block++) {
        assert_int_equal(host.irq[15], 1);
        assert_int_equal(in8(SECONDARY + R_STATUS), DATA_READY);
        assert_int_equal(in8(SECONDARY + R_MID) | in8(SECONDARY + R_HIGH) << 8, 1024);
        for (unsigned i = 0; i < 512; i++)
            read_words(SECONDARY, &word, 1);
    }
    assert_int_equal(host.irq[15], 1); /* the end is told */
    assert_int_equal(in8(SECONDARY + R_STATUS), READY);
    out8(SECONDARY + R_MID, 0);
    out8(SECONDARY + R_HIGH, 0);
    out8(SECONDARY + R_STATUS, 0xa0);
    write_words(SECONDARY, PACKET(0x28, 0, 0, 0, 0, 1, 0, 0, 1), 6);
    assert_int_equal(in8(SECONDARY + R_STATUS), FAILED);
    assert_int_equal(in8(SECONDARY + R_ERROR), ABRT);
}

static void test_dma(void **state)
{
    (void)state;
    region(0, DATA, 4096, true);
    out8(SECONDARY + R_DEVICE, 0);
    out8(SECONDARY + R_ERROR, 1);
    out8(SECONDARY + R_STATUS, 0xa0);
    write_words(SECONDARY, PACKET(0x28, 0, 0, 0, 0, 7, 0, 0, 2), 6);
    master_start(1, 8);
    assert_int_equal(in8(BM + 8 + 2), 4);
    assert_int_equal(host.irq[15], 1);
    assert_int_equal(in8(SECONDARY + R_COUNT), 3);
    assert_int_equal(in8(SECONDARY + R_STATUS), READY);
    assert_memory_equal(host.ram + DATA, host.cd[0] + 7 * 2048, 4096);
}

static void test_toc(void **state)
{
    (void)state;
    uint8_t bytes[64] = {0};
    assert_int_equal(packet(PACKET(0x43, 0, 0, 0, 0, 0, 0, 0, 64), bytes, 64), 0);
    assert_memory_equal(
        bytes, ((uint8_t[20]){0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 0, 64}), 20);
    assert_int_equal(packet(PACKET(0x43, 2, 0, 0, 0, 0, 0xaa, 0, 64), bytes, 64), 0);
    assert_memory_equal(bytes, ((uint8_t[12]){0, 10, 1, 1, 0, 0x14, 0xaa, 0, 0, 0, 2, 64}), 12);
    assert_int_equal(packet(PACKET(0x43, 2, 0, 0, 0, 0, 0, 0, 64, 0x80), bytes, 64),
                     0); /* raw, in the old place */
    assert_int_equal(bytes[1], 46);
    assert_int_equal(packet(PACKET(0x43, 0, 1, 0, 0, 0, 0, 0, 64), bytes, 64), 0);
    assert_int_equal(bytes[1], 10);
    assert_int_equal(packet(PACKET(0x43, 0, 0, 0, 0, 0, 2, 0, 64), bytes, 64), ILLEGAL);
    assert_int_equal(packet(PACKET(0x43, 0, 5, 0, 0, 0, 0, 0, 64), bytes, 64), ILLEGAL);
}

static void test_mode_and_features(void **state)
{
    (void)state;
    uint8_t bytes[128] = {0};
    assert_int_equal(packet(PACKET(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128), bytes, 128), 0);
    assert_int_equal(bytes[1], 8 + 20 - 2);
    assert_int_equal(bytes[8], 0x2a);
    assert_int_equal(bytes[9], 18);
    assert_int_equal(packet(PACKET(0x5a, 0, 0xff, 0, 0, 0, 0, 0, 128), bytes, 128), ILLEGAL);
    assert_int_equal(packet(PACKET(0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 128), bytes, 128), 0);
    assert_int_equal(bytes[1], 8 + 8 + 20 - 2);
    assert_int_equal(packet(PACKET(0x46, 0, 0, 0, 0, 0, 0, 0, 128), bytes, 128), 0);
    assert_int_equal(bytes[3], 8 - 4 + 12 + 8 + 8 + 12 + 8 + 8);
    assert_int_equal(bytes[7], 8);
    assert_memory_equal(bytes + 8, ((uint8_t[12]){0, 0, 3, 8, 0, 0x10, 0, 0, 0, 8, 1, 0}), 12);
    assert_int_equal(packet(PACKET(0x46, 2, 0, 0x1e, 0, 0, 0, 0, 128), bytes, 128), 0);
    assert_int_equal(bytes[3], 12);
    assert_int_equal(bytes[9], 0x1e);
    assert_int_equal(packet(PACKET(0x51, 0, 0, 0, 0, 0, 0, 0, 128), bytes, 128), 0);
    assert_int_equal(bytes[1], 32);
    assert_int_equal(packet(PACKET(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8), bytes, 128), 0);
    assert_int_equal(bytes[5], 1);
    assert_int_equal(bytes[1], 0); /* the door is shut */

    assert_int_equal(packet(PACKET(0xbb), bytes, 0), 0);
}

static unsigned media_event(unsigned *status)
{
    uint8_t bytes[8] = {0};
    assert_int_equal(packet(PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), bytes, 8), 0);
    assert_memory_equal(bytes, ((uint8_t[4]){0, 6, 4, 0x10}), 4);
    *status = bytes[5];
    return bytes[4];
}

/* The tray is opened and closed; the next command learns of it. */
static void test_tray(void **state)
{
    (void)state;
    unsigned status;
    assert_int_equal(media_event(&status), 0);
    assert_int_equal(status, 2);
    assert_int_equal(packet(PACKET(0x1e, 0, 0, 0, 1), NULL, 0), 0);
    assert_int_equal(packet(PACKET(0x1b, 0, 0, 0, 2), NULL, 0), ILLEGAL);
    assert_int_equal(sense(), 0x055302);
    assert_int_equal(packet(PACKET(0x1e), NULL, 0), 0);
    assert_int_equal(packet(PACKET(0x1b, 0, 0, 0, 2), NULL, 0), 0);
    assert_int_equal(packet(PACKET(0), NULL, 0), NOT_READY);
    assert_int_equal(sense(), 0x023a02);
    assert_int_equal(packet(PACKET(0x28, 0, 0, 0, 0, 1, 0, 0, 1), NULL, 0), NOT_READY);
    assert_int_equal(media_event(&status), 3);
    assert_int_equal(status, 1);
    assert_int_equal(packet(PACKET(0x1b, 0, 0, 0, 3), NULL, 0), 0);
    uint8_t bytes[36];
    assert_int_equal(packet(PACKET(0x12, 0, 0, 0, 36), bytes, 36), 0); /* INQUIRY does not mind */
    assert_int_equal(media_event(&status), 2);
    assert_int_equal(packet(PACKET(0), NULL, 0), ATTENTION);
    assert_int_equal(sense(), 0x062800);
    assert_int_equal(packet(PACKET(0), NULL, 0), 0);
    /* REQUEST SENSE takes the attention, too. */
    packet(PACKET(0x1b, 0, 0, 0, 2), NULL, 0);
    packet(PACKET(0x1b, 0, 0, 0, 3), NULL, 0);
    assert_int_equal(sense(), 0x062800);
    assert_int_equal(packet(PACKET(0), NULL, 0), 0);
    assert_int_equal(packet(PACKET(0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8), NULL, 0), ILLEGAL); /* not polled */
}

static void test_identify_and_reset(void **state)
{
    (void)state;
    uint16_t id[256];
    command(SECONDARY, 0xec, 0, 0);
    assert_int_equal(in8(SECONDARY + R_STATUS), FAILED);
    assert_int_equal(in8(SECONDARY + R_MID), 0x14);
    assert_int_equal(in8(SECONDARY + R_HIGH), 0xeb);
    command(SECONDARY, 0xa1, 0, 0);
    assert_int_equal(in8(SECONDARY + R_STATUS), DATA_READY);
    read_words(SECONDARY, id, 256);
    assert_int_equal(id[0], 0x85c0);
    out8(SECONDARY + R_STATUS, 0xa0);
    out8(SECONDARY + R_STATUS, 0x08); /* DEVICE RESET while it waits for a packet */
    assert_int_equal(in8(SECONDARY + R_STATUS), 0);
    assert_int_equal(in8(SECONDARY + R_ERROR), 1);
    assert_int_equal(in8(SECONDARY + R_MID), 0x14);
    command(SECONDARY, 0xc8, 0, 1);
    assert_int_equal(in8(SECONDARY + R_ERROR), ABRT);
}

static void test_empty_drive(void **state)
{
    (void)state;
    uint8_t *disc = host.cd[0];
    unsigned status;
    host.cd[0] = NULL;
    bus_reset(&pc.bus);
    config_write(0x40, 4, 0x80008000);
    config_write(PCI_COMMAND, 2, PCI_COMMAND_IO);
    assert_int_equal(packet(PACKET(0), NULL, 0), NOT_READY);
    assert_int_equal(sense(), 0x023a01);
    assert_int_equal(media_event(&status), 0);
    assert_int_equal(status, 0);
    assert_null(ide_device.check(&pc.ide));
    free(disc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_inquiry),     TEST(test_read),
        TEST(test_read_cd),     TEST(test_open_door),
        TEST(test_byte_count),  TEST(test_dma),
        TEST(test_toc),         TEST(test_mode_and_features),
        TEST(test_tray),        TEST(test_identify_and_reset),
        TEST(test_empty_drive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
