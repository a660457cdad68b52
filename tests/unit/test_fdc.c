/*
 * The floppy controller against the 82077AA data sheet, with the DMA controller beside it: reset, seeks,
 * transfers by DMA and byte by byte, the results of tables 5-6 to 6-3, errors.
 *
 * sources: devices/fdc.c devices/fdc_commands.c devices/fdc_transfer.c devices/dma8237.c devices/bus.c
 * sources: lib/image_floppy.c tests/unit/host_effects.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "dma8237.h"
#include "fdc.h"
#include "host_effects.h"
#include "image_floppy.h"

enum { DOR = 0x3f2, MSR = 0x3f4, DATA = 0x3f5, DIR = 0x3f7, DOR_ON = 0x1c };
enum { IMAGE_SIZE = 2880 << 10, RAM_SIZE = 1 << 16, BUFFER = 0x4000, SECTORS_1440 = 2880 };
enum { READ = 0xe6, READ_ONE_SIDE = 0x46, WRITE = 0xc5, FORMAT = 0x4d, ID = 0x4a, VERIFY = 0xd6 };

static struct fdc fdc;
static struct dma8237 dma;
static uint8_t image[IMAGE_SIZE] __attribute__((aligned(4096))), second[737280], ram[RAM_SIZE], result[16];
static unsigned results;

HOST_PORTS(fdc_device, fdc)

static uint32_t dma_transfer(unsigned channel, bool to_memory, uint8_t *bytes, uint32_t length,
                             bool *terminal)
{
    return dma8237_transfer(&dma, channel, to_memory, bytes, length, terminal);
}

static void run(void)
{
    host_run(&fdc_device, &fdc, 1000000);
}

static void start(void)
{
    out(DOR, DOR_ON & ~4);
    out(DOR, DOR_ON);
    run();
    for (unsigned i = 0; i < 4; i++) {
        out(DATA, 0x08);
        in(DATA);
        in(DATA);
    }
    out(DIR, 0);
}

static int set_up(void **state)
{
    (void)state;
    host_reset();
    host.dma = dma_transfer;
    host.ram = ram;
    host.ram_size = sizeof ram;
    for (unsigned i = 0; i < sizeof image; i++)
        image[i] = (uint8_t)(i / 512 * 7 + i);
    for (unsigned i = 0; i < sizeof image; i += 512)
        memcpy(image + i, &(uint32_t){i / 512}, 4);
    memset(ram, 0, sizeof ram);
    host.floppy[0] = image;
    host.floppy_size[0] = 1474560;
    host.config.floppy[0].present = 1;
    host_device_reset(&dma8237_device, &dma);
    host_device_reset(&fdc_device, &fdc);
    start();
    return 0;
}

static void send(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(in(MSR)&0xc0, 0x80);
        out(DATA, bytes[i]);
    }
}
#define SEND(...) send((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void collect(void)
{
    for (results = 0; (in(MSR)&0xd0) == 0xd0 && results < sizeof result; results++)
        result[results] = in(DATA);
}

static void expect(const uint8_t *bytes, size_t count)
{
    collect();
    assert_int_equal(results, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(result[i], bytes[i]);
    assert_int_equal(in(MSR)&0xf0, 0x80);
}
#define EXPECT(...) expect((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void port_out(uint16_t port, uint8_t value)
{
    host_out(&dma8237_device, &dma, port, 1, value);
}

static void set_dma(bool to_memory, uint32_t length)
{
    port_out(0x0a, 6);
    port_out(0x0b, to_memory ? 0x46 : 0x4a);
    port_out(0x0c, 0);
    port_out(0x81, 0);
    port_out(0x04, (uint8_t)BUFFER);
    port_out(0x04, BUFFER >> 8);
    port_out(0x05, (uint8_t)(length - 1));
    port_out(0x05, (uint8_t)((length - 1) >> 8));
    port_out(0x0a, 2);
}

static void seek(uint8_t cylinder)
{
    SEND(0x0f, 0x00, cylinder);
    run();
    SEND(0x08);
    EXPECT(0x20, cylinder);
}

static void transfer(uint8_t command, uint8_t cylinder, uint8_t head, uint8_t sector, uint8_t last)
{
    SEND(command, (uint8_t)(head << 2), cylinder, head, sector, 2, last, 0x1b, 0xff);
    assert_int_equal(in(MSR)&0x90, 0x10); /* busy, and takes nothing */
    run();
}

static unsigned number_at(unsigned offset)
{
    uint32_t number;
    memcpy(&number, ram + BUFFER + offset, sizeof number);
    return number;
}

static void reset_has_one_interrupt_and_four_statuses(void **state)
{
    (void)state;
    unsigned before = host.irq_rises[6];
    out(DOR, 0x08);
    assert_int_equal(in(MSR), 0);
    out(DOR, 0x0c);
    assert_int_equal(host.irq[6], 0);
    run();
    assert_int_equal(host.irq_rises[6], before + 1);
    for (uint8_t i = 0; i < 4; i++) {
        SEND(0x08);
        assert_int_equal(host.irq[6], 0);
        EXPECT((uint8_t)(0xc0 | i), 0);
    }
    SEND(0x08);
    EXPECT(0x80);
    out(MSR, 0x80); /* the same by the data rate select register */
    run();
    assert_int_equal(host.irq_rises[6], before + 2);
    out(DOR, 0x04); /* the gate keeps it from the line */
    assert_int_equal(host.irq[6], 0);
    out(DOR, 0x0c);
    assert_int_equal(host.irq[6], 1);
}

static void what_the_controller_says_of_itself(void **state)
{
    (void)state;
    SEND(0x10);
    EXPECT(0x90);
    SEND(0x18); /* PART ID: of a later chip */
    EXPECT(0x80);
    SEND(0x03, 0xdf, 0x02);
    SEND(0x13, 0x00, 0x17, 0x05);
    SEND(0x12, 0x8d);
    SEND(0x94);
    EXPECT(0x10);
    seek(5);
    SEND(0x0e);
    EXPECT(5, 0, 0, 0, 0xdf, 0x02, 0, 0x8d, 0x17, 0x05);
    out(DOR, 0x08);
    out(DOR, DOR_ON);
    run();
    for (unsigned i = 0; i < 4; i++) {
        SEND(0x08);
        collect();
    }
    SEND(0x0e); /* LOCK has kept threshold and precompensation */
    EXPECT(0, 0, 0, 0, 0xdf, 0x02, 0, 0x8c, 0x07, 0x05);
    SEND(0x14);
    EXPECT(0x00);
    start();
    SEND(0x0e);
    EXPECT(0, 0, 0, 0, 0xdf, 0x02, 0, 0x0c, 0x20, 0x00);
}

static void seeks_and_drive_status(void **state)
{
    (void)state;
    assert_int_equal(in(DIR)&0x80, 0x80);
    SEND(0x04, 0x04);
    EXPECT(0x3c);
    SEND(0x0f, 0x00, 40);
    assert_int_equal(in(MSR), 0x81);
    run();
    assert_int_equal(host.irq[6], 1);
    SEND(0x08);
    EXPECT(0x20, 40);
    assert_int_equal(in(DIR)&0x80, 0); /* a step with a diskette in the drive */
    SEND(0x04, 0x00);
    EXPECT(0x28);
    SEND(0xcf, 0x00, 10);
    run();
    SEND(0x08);
    EXPECT(0x20, 50);
    SEND(0x8f, 0x00, 20);
    run();
    SEND(0x08);
    EXPECT(0x20, 30);
    SEND(0x07, 0x00);
    run();
    SEND(0x08);
    EXPECT(0x20, 0);
    SEND(0x04, 0x00);
    EXPECT(0x38);
    SEND(0x07, 0x01); /* no drive: no track 0 */
    run();
    SEND(0x08);
    EXPECT(0x71, 0);
    assert_int_equal(fdc.unit[0].cylinder, 0);
}

static void two_drives_seek_at_once(void **state)
{
    (void)state;
    host.config.floppy[1].present = 1;
    unsigned before = host.irq_rises[6];
    SEND(0x0f, 0x00, 3);
    SEND(0x0f, 0x01, 4);
    assert_int_equal(in(MSR), 0x83);
    run();
    SEND(0x08);
    EXPECT(0x20, 3);
    assert_int_equal(host.irq_rises[6], before + 2);
    SEND(0x08);
    EXPECT(0x21, 4);
    assert_int_equal(host.irq_rises[6], before + 2);
}

static void reads_by_dma(void **state)
{
    (void)state;
    seek(2);
    set_dma(true, 1024);
    transfer(READ, 2, 0, 3, 18);
    assert_int_equal(host.irq[6], 1);
    assert_int_equal(in(MSR), 0xd0);
    in(MSR);
    EXPECT(0x00, 0, 0, 2, 0, 5, 2);
    assert_int_equal(host.irq[6], 0);
    assert_memory_equal(ram + BUFFER, image + (2 * 36 + 2) * 512, 1024);
    /* Multi-track: from side 0 to side 1. */
    set_dma(true, 3 * 512);
    transfer(READ, 2, 0, 17, 18);
    EXPECT(0x04, 0, 0, 2, 1, 2, 2);
    assert_int_equal(number_at(1024), 2 * 36 + 18);
    /* Up to the last sector: cylinder and sector move on (table 5-6). */
    set_dma(true, 512);
    transfer(READ_ONE_SIDE, 2, 1, 18, 18);
    EXPECT(0x04, 0, 0, 3, 1, 1, 2);
    set_dma(true, 512);
    transfer(READ, 2, 1, 18, 18);
    EXPECT(0x00, 0, 0, 3, 0, 1, 2);
    set_dma(true, 100); /* ends within a sector */
    transfer(READ, 2, 0, 1, 18);
    EXPECT(0x00, 0, 0, 2, 0, 2, 2);
    assert_int_equal(number_at(0), 72);
}

static void writes_by_dma(void **state)
{
    (void)state;
    seek(79);
    memset(ram + BUFFER, 0x77, 1024);
    set_dma(false, 700);
    transfer(WRITE, 79, 1, 17, 18);
    EXPECT(0x00, 0, 0, 80, 0, 1, 2);
    assert_int_equal(host.disk_prepared, 2);
    assert_int_equal(image[1474560 - 1024], 0x77);
    assert_int_equal(image[1474560 - 512 + 187], 0x77);
    assert_int_equal(image[1474560 - 512 + 188], 0); /* the rest of the sector */
    assert_int_equal(image[1474560 - 1], 0);
    host.disk_pages_left = 0;
    set_dma(false, 512);
    transfer(WRITE, 79, 0, 1, 18);
    EXPECT(0x50, 0, 0, 79, 0, 1, 2);
    host.config.floppy[0].write_protected = 1;
    transfer(WRITE, 79, 0, 1, 18);
    EXPECT(0x40, 0x02, 0, 79, 0, 1, 2);
    SEND(0x04, 0x00);
    EXPECT(0x68);
}

static void errors_have_their_bits(void **state)
{
    (void)state;
    seek(1);
    set_dma(true, 4096);
    transfer(READ, 1, 0, 19, 20); /* no such sector */
    EXPECT(0x40, 0x04, 0, 1, 0, 19, 2);
    transfer(READ, 5, 0, 1, 18); /* the heads are elsewhere */
    EXPECT(0x40, 0x04, 0x10, 5, 0, 1, 2);
    transfer(READ_ONE_SIDE, 1, 0, 18, 18); /* no terminal count in time */
    EXPECT(0x40, 0x80, 0, 2, 0, 1, 2);
    SEND(0x46, 0x00, 1, 0, 1, 3, 18, 0x1b, 0xff); /* 1024 bytes */
    run();
    EXPECT(0x40, 0x04, 0, 1, 0, 1, 3);
    SEND(0x06, 0x00, 1, 0, 1, 2, 18, 0x1b, 0xff); /* FM */
    run();
    EXPECT(0x40, 0x01, 0, 1, 0, 1, 2);
    port_out(0x0a, 6);
    transfer(READ, 1, 0, 1, 18); /* nobody takes the data */
    EXPECT(0x40, 0x10, 0, 1, 0, 1, 2);
    out(DIR, 2);
    transfer(READ, 1, 0, 1, 18); /* another data rate */
    EXPECT(0x40, 0x01, 0, 1, 0, 1, 2);
    out(DIR, 0);
    host.floppy[0] = NULL;
    transfer(READ, 1, 0, 1, 18);
    EXPECT(0x40, 0x01, 0, 1, 0, 1, 2);
    SEND(ID, 0x00);
    run();
    collect();
    assert_int_equal(result[1], 0x01);
    SEND(0x11); /* a scan */
    EXPECT(0x80);
}

static void read_id_goes_round(void **state)
{
    (void)state;
    seek(7);
    for (uint8_t i = 0; i < 19; i++) {
        SEND(ID, 0x04);
        run();
        EXPECT(0x04, 0, 0, 7, 1, (uint8_t)(i % 18 + 1), 2);
    }
}

static void implied_seek(void **state)
{
    (void)state;
    SEND(0x13, 0x00, 0x60, 0x00);
    set_dma(true, 512);
    transfer(READ, 33, 0, 1, 18);
    EXPECT(0x20, 0, 0, 33, 0, 2, 2);
    assert_int_equal(number_at(0), 33 * 36);
    assert_int_equal(fdc.unit[0].cylinder, 33);
}

static void verify_moves_nothing(void **state)
{
    (void)state;
    transfer(VERIFY, 0, 0, 1, 18);
    EXPECT(0x00, 0, 0, 1, 0, 1, 2);
    SEND(VERIFY, 0x80, 0, 0, 1, 2, 18, 0x1b, 3);
    run();
    EXPECT(0x00, 0, 0, 0, 0, 4, 2);
    SEND(0x56, 0x80, 0, 0, 1, 2, 18, 0x1b, 30); /* more than one side has */
    run();
    EXPECT(0x40, 0x80, 0, 1, 0, 1, 2);
    assert_int_equal(number_at(4), 0);
}

static void deleted_data_and_whole_tracks(void **state)
{
    (void)state;
    set_dma(true, 4096);
    transfer(0x4c, 0, 0, 4, 18); /* reads one sector, and says that its mark is another */
    EXPECT(0x00, 0, 0x40, 0, 0, 5, 2);
    assert_int_equal(number_at(0), 3);
    transfer(0x6c, 0, 0, 4, 18); /* skips all */
    EXPECT(0x40, 0x80, 0x40, 1, 0, 1, 2);
    set_dma(true, 512);
    transfer(0x42, 0, 0, 9, 18); /* a track starts at its index */
    EXPECT(0x00, 0, 0, 0, 0, 2, 2);
    assert_int_equal(number_at(0), 0);
}

static void formats_a_track(void **state)
{
    (void)state;
    seek(3);
    for (unsigned i = 0; i < 18; i++)
        memcpy(ram + BUFFER + 4 * i, (uint8_t[]){3, 1, (uint8_t)(18 - i), 2}, 4);
    set_dma(false, 72);
    SEND(FORMAT, 0x04, 2, 18, 0x54, 0xf6);
    run();
    collect();
    assert_int_equal(results, 7);
    assert_int_equal(result[0], 0x04);
    assert_int_equal(image[(3 * 36 + 17) * 512 + 511], (uint8_t)((3 * 36 + 17) * 7 + 511));
    for (unsigned i = 0; i < 18 * 512; i++)
        assert_int_equal(image[(3 * 36 + 18) * 512 + i], 0xf6);
    ram[BUFFER + 3] = 3; /* sectors of 1024 bytes have no place in the image */
    set_dma(false, 72);
    SEND(FORMAT, 0x04, 2, 18, 0x54, 0xf6);
    run();
    collect();
    assert_int_equal(result[0], 0x54);
}

static void byte_by_byte(void **state)
{
    (void)state;
    SEND(0x03, 0xdf, 0x03);
    unsigned before = host.irq_rises[6];
    SEND(READ_ONE_SIDE, 0x00, 0, 0, 17, 2, 18, 0x1b, 0xff);
    run();
    for (unsigned i = 0; i < 1024; i++) {
        assert_int_equal(in(MSR), 0xf0);
        assert_int_equal(host.irq[6], 1);
        assert_int_equal(in(DATA), image[16 * 512 + i]);
    }
    /* Without a terminal count it ends behind the last sector of the track. */
    assert_int_equal(host.irq_rises[6], before + 1025);
    EXPECT(0x40, 0x80, 0, 1, 0, 1, 2);
    SEND(0x45, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
    run();
    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal(in(MSR), 0xb0);
        out(DATA, (uint8_t)(i ^ 0x5a));
    }
    EXPECT(0x40, 0x80, 0, 1, 0, 1, 2);
    for (unsigned i = 0; i < 512; i++)
        assert_int_equal(image[17 * 512 + i], (uint8_t)(i ^ 0x5a));
    SEND(READ_ONE_SIDE, 0x00, 0, 0, 17, 2, 18, 0x1b, 0xff);
    run();
    assert_null(fdc_device.check(&fdc));
    start(); /* a reset in mid-transfer */
    assert_int_equal(in(MSR), 0x80);
}

static void geometry_by_size(void **state)
{
    (void)state;
    static const struct {
        unsigned kib;
        uint8_t cylinders, heads, sectors, rate;
    } sizes[] = {{160, 40, 1, 8, 2}, {180, 40, 1, 9, 2},   {320, 40, 2, 8, 1},   {360, 40, 2, 9, 2},
                 {720, 80, 2, 9, 2}, {1200, 80, 2, 15, 0}, {1440, 80, 2, 18, 0}, {2880, 80, 2, 36, 3}};
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned last = sizes[i].kib * 2 - 1;
        host.floppy_size[0] = (uint64_t)sizes[i].kib << 10;
        host_device_reset(&fdc_device, &fdc);
        assert_int_equal(fdc.unit[0].changed, i > 3); /* the drives with a line for it */
        start();
        out(DIR, sizes[i].rate);
        seek((uint8_t)(sizes[i].cylinders - 1));
        set_dma(true, 512);
        transfer(READ_ONE_SIDE, (uint8_t)(sizes[i].cylinders - 1), (uint8_t)(sizes[i].heads - 1),
                 sizes[i].sectors, sizes[i].sectors);
        collect();
        assert_int_equal(result[1], 0);
        assert_int_equal(number_at(0), last);
        seek(sizes[i].cylinders);
        transfer(READ_ONE_SIDE, sizes[i].cylinders, 0, 1, sizes[i].sectors);
        collect();
        assert_int_equal(result[1], 0x01);
    }
    assert_null(floppy_format_of(0));
    assert_null(floppy_format_of(1000));
    assert_null(floppy_format_of((2880 << 10) + 512));
    assert_int_equal(floppy_format_of(1440 << 10)->drive, 4);
    assert_int_equal(floppy_format_of(720 << 10)->drive, 4);
}

static void a_short_image_reads_as_zeros(void **state)
{
    (void)state;
    host.floppy_size[0] = 1197568;
    seek(79);
    memset(ram + BUFFER, 0xff, 512);
    set_dma(true, 512);
    transfer(READ, 79, 1, 15, 15);
    collect();
    assert_int_equal(result[0], 0);
    assert_int_equal(ram[BUFFER], 0);
    set_dma(false, 512);
    transfer(WRITE, 79, 1, 15, 15);
    collect();
    assert_int_equal(result[0], 0x54);
}

static void the_second_drive(void **state)
{
    (void)state;
    host.floppy[1] = second;
    host.floppy_size[1] = sizeof second;
    host.config.floppy[1].present = 1;
    memset(second, 0x42, sizeof second);
    host_device_reset(&fdc_device, &fdc);
    start();
    out(DOR, 0x2d);
    assert_int_equal(in(DIR)&0x80, 0x80);
    out(DIR, 2);
    set_dma(true, 512);
    SEND(READ, 0x01, 0, 0, 1, 2, 9, 0x2a, 0xff);
    run();
    EXPECT(0x01, 0, 0, 0, 0, 2, 2);
    assert_int_equal(ram[BUFFER + 511], 0x42);
}

static void check_refuses_bad_state(void **state)
{
    (void)state;
    assert_null(fdc_device.check(&fdc));
    fdc.command_count = 9;
    assert_non_null(fdc_device.check(&fdc));
    fdc.command_count = 0;
    fdc.phase = FDC_RESULT;
    fdc.result_count = fdc.result_next = 3;
    assert_non_null(fdc_device.check(&fdc));
    fdc.phase = FDC_DATA;
    fdc.position = 512;
    assert_non_null(fdc_device.check(&fdc));
    fdc.phase = 4;
    assert_non_null(fdc_device.check(&fdc));
    fdc.phase = FDC_COMMAND;
    fdc.pending = 0x10;
    assert_non_null(fdc_device.check(&fdc));
    fdc.pending = 0;
    fdc.side = 2;
    assert_non_null(fdc_device.check(&fdc));
    assert_int_equal(host_field(&fdc_device, &fdc, "dor"), DOR_ON);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reset_has_one_interrupt_and_four_statuses, set_up),
        cmocka_unit_test_setup(what_the_controller_says_of_itself, set_up),
        cmocka_unit_test_setup(seeks_and_drive_status, set_up),
        cmocka_unit_test_setup(two_drives_seek_at_once, set_up),
        cmocka_unit_test_setup(reads_by_dma, set_up),
        cmocka_unit_test_setup(writes_by_dma, set_up),
        cmocka_unit_test_setup(errors_have_their_bits, set_up),
        cmocka_unit_test_setup(read_id_goes_round, set_up),
        cmocka_unit_test_setup(implied_seek, set_up),
        cmocka_unit_test_setup(verify_moves_nothing, set_up),
        cmocka_unit_test_setup(deleted_data_and_whole_tracks, set_up),
        cmocka_unit_test_setup(formats_a_track, set_up),
        cmocka_unit_test_setup(byte_by_byte, set_up),
        cmocka_unit_test_setup(geometry_by_size, set_up),
        cmocka_unit_test_setup(a_short_image_reads_as_zeros, set_up),
        cmocka_unit_test_setup(the_second_drive, set_up),
        cmocka_unit_test_setup(check_refuses_bad_state, set_up),
    };
    return cmocka_run_group_tests_name("fdc", tests, NULL, NULL);
}
