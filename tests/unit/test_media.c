/*
 * What somebody outside does with a guest's drives, and what the guest sees of it: MMC-4, 6.6.2.5 (media
 * events), SPC-3 (unit attention, PREVENT ALLOW MEDIUM REMOVAL), 82077AA data sheet, 2.1.8 (the disk change
 * line).
 *
 * sources: devices/media.c devices/ide.c devices/bmide.c devices/ata*.c devices/disk_image.c lib/ide_places.c
 * sources: devices/fdc.c devices/fdc_commands.c devices/fdc_transfer.c lib/image_floppy.c
 * sources: devices/bus.c devices/pci.c lib/format.c tests/unit/host_effects.c
 */
#include "ide_host.h"
#include <stdio.h>
#include "image_floppy.h"
#include "media.h"

enum { NOT_READY = 0x24, ATTENTION = 0x64, DIR = 0x3f7 };
enum { DISC_2_BYTES = 3 * 2048, SMALL = 720 << 10, LARGE = 1440 << 10, OTHER = 1200 << 10 };

#define PACKET(...) ((const uint8_t[12]){__VA_ARGS__})

static struct media media;
static struct fdc fdc;
static struct channel_media channel;
static uint8_t disc_2[DISC_2_BYTES], diskette[LARGE];
static bool meddles; /* the service writes into the answer while it is made */

/* The boot modules: what path is where. */
static uint8_t *bytes_of(const char *path, uint64_t *size)
{
    const struct {
        const char *path;
        uint8_t *bytes;
        uint64_t size;
    } modules[] = {
        {"one.iso", host.cd[0], DISC_BYTES}, {"sub/two.iso", disc_2, DISC_2_BYTES},
        {"a.img", diskette, LARGE},          {"b.img", diskette, SMALL},
        {"c.img", diskette, OTHER},          {"d.img", diskette, 1000},
    };
    for (unsigned i = 0; path && i < sizeof modules / sizeof modules[0]; i++) {
        if (strcmp(modules[i].path, path) != 0)
            continue;
        *size = modules[i].size;
        if (meddles)
            memset(&channel.answer, 0xff, offsetof(struct media_answer, data));
        return modules[i].bytes;
    }
    return NULL;
}

uint8_t *effect_cd(unsigned unit, uint64_t *size)
{
    return bytes_of(media_in_cd(&media, unit), size);
}

uint8_t *effect_floppy(unsigned unit, uint64_t *size)
{
    return bytes_of(media_in_floppy(&media, unit), size);
}

const uint8_t *effect_file(const char *path, uint64_t *size)
{
    return bytes_of(path, size);
}

uint64_t effect_floppy_described(unsigned unit)
{
    uint64_t size = 0;
    bytes_of(host.config.floppy[unit].image, &size);
    return size;
}

static int set_up(void **state)
{
    memset(&media, 0, sizeof media);
    memset(&channel, 0, sizeof channel);
    meddles = false;
    ide_up(state);
    host.config.cd_count = 2;
    strcpy(host.config.disk[0].image, "disk.img");
    strcpy(host.config.cd[0].image, "one.iso");
    strcpy(host.config.cd[0].other[0], "sub/two.iso");
    strcpy(host.config.cd[1].other[0], "one.iso");
    host.config.floppy[0].present = 1;
    strcpy(host.config.floppy[0].image, "a.img");
    strcpy(host.config.floppy[0].other[0], "b.img");
    strcpy(host.config.floppy[0].other[1], "c.img");
    strcpy(host.config.floppy[0].other[2], "d.img");
    bus_reset(&pc.bus);
    config_write(0x40, 4, 0x80008000);
    config_write(0x20, 4, BM);
    config_write(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
    host_device_reset(&fdc_device, &fdc);
    return 0;
}

static int tear_down(void **state)
{
    assert_null(media_check(&media));
    assert_null(fdc_device.check(&fdc));
    return ide_down(state);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* NULL, or the sentence of a refusal. */
static const char *ask(enum media_op op, uint32_t flags, const char *drive, const char *image)
{
    channel.request = (struct media_request){.op = op, .flags = flags};
    memcpy(channel.request.drive, drive, strlen(drive));
    memcpy(channel.request.image, image, strlen(image));
    channel.asked++;
    assert_true(media_answer(&media, &pc.ide, &fdc, &channel));
    assert_int_equal(channel.answered, channel.asked);
    assert_false(media_answer(&media, &pc.ide, &fdc, &channel));
    assert_true(channel.answer.size <= MEDIA_DATA);
    if (!channel.answer.refused)
        return NULL;
    channel.answer.data[channel.answer.size] = '\0';
    return (const char *)channel.answer.data;
}

static unsigned media_event(unsigned *status)
{
    uint8_t bytes[8] = {0};
    assert_int_equal(packet(PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), bytes, 8), 0);
    *status = bytes[5];
    return bytes[4];
}

static uint32_t sense(void)
{
    uint8_t bytes[18] = {0};
    assert_int_equal(packet(PACKET(3, 0, 0, 0, 18), bytes, sizeof bytes), 0);
    return (uint32_t)bytes[2] << 16 | (uint32_t)bytes[12] << 8 | bytes[13];
}

static void a_disc_goes_out_and_in(void **state)
{
    (void)state;
    unsigned status;
    uint8_t bytes[8];
    assert_null(ask(MEDIA_EJECT, 0, "cd0", ""));
    assert_int_equal(media_event(&status), 3);
    assert_int_equal(status, 1);
    assert_int_equal(packet(PACKET(0), NULL, 0), NOT_READY);
    assert_int_equal(sense(), 0x023a02);
    assert_string_equal(ask(MEDIA_EJECT, 0, "cd0", ""), "cd0 is empty");
    /* The guest closes the tray: there is nothing in it. */
    assert_int_equal(packet(PACKET(0x1b, 0, 0, 0, 3), NULL, 0), 0);
    assert_int_equal(packet(PACKET(0), NULL, 0), NOT_READY);
    assert_int_equal(sense(), 0x023a01);
    assert_null(ask(MEDIA_INSERT, 0, "cd0", "two.iso"));
    assert_int_equal(media_event(&status), 2);
    assert_int_equal(status, 2);
    assert_int_equal(packet(PACKET(0), NULL, 0), ATTENTION);
    assert_int_equal(sense(), 0x062800);
    assert_int_equal(packet(PACKET(0), NULL, 0), 0);
    assert_int_equal(packet(PACKET(0x25), bytes, 8), 0);
    assert_int_equal(bytes[3], 2);
    assert_string_equal(ask(MEDIA_INSERT, 0, "cd0", "sub/two.iso"), "sub/two.iso is in cd0 already");
    /* One in place of another, and back what was there last. */
    assert_null(ask(MEDIA_INSERT, 0, "cd0", "one.iso"));
    assert_null(ask(MEDIA_EJECT, 0, "cd0", ""));
    assert_null(ask(MEDIA_INSERT, 0, "cd0", ""));
    assert_int_equal(packet(PACKET(0), NULL, 0), ATTENTION);
    assert_int_equal(packet(PACKET(0x25), bytes, 8), 0);
    assert_int_equal(bytes[3], DISC_SECTORS - 1);
    /* A reset of the machine leaves it where it is. */
    assert_null(ask(MEDIA_INSERT, 0, "cd0", "two.iso"));
    bus_reset(&pc.bus);
    config_write(0x40, 4, 0x80008000);
    config_write(PCI_COMMAND, 2, PCI_COMMAND_IO);
    assert_int_equal(packet(PACKET(0x25), bytes, 8), 0);
    assert_int_equal(bytes[3], 2);
}

static void a_locked_tray(void **state)
{
    (void)state;
    unsigned status;
    assert_int_equal(packet(PACKET(0x1e, 0, 0, 0, 1), NULL, 0), 0);
    for (enum media_op op = MEDIA_EJECT; op <= MEDIA_INSERT; op++) {
        const char *sentence = ask(op, 0, "cd0", op == MEDIA_INSERT ? "two.iso" : "");
        assert_non_null(strstr(sentence, "the guest has locked cd0"));
        assert_int_equal(media_event(&status), 1); /* what its user wants */
        assert_int_equal(status, 2);
        assert_int_equal(packet(PACKET(0), NULL, 0), 0);
    }
    assert_null(ask(MEDIA_EJECT, MEDIA_FORCE, "cd0", ""));
    assert_int_equal(packet(PACKET(0), NULL, 0), NOT_READY);
    /* The guest opens the tray itself; then it is nobody's. */
    assert_null(ask(MEDIA_INSERT, 0, "cd0", ""));
    assert_int_equal(packet(PACKET(0x1e), NULL, 0), ATTENTION);
    assert_int_equal(packet(PACKET(0x1e), NULL, 0), 0);
    assert_int_equal(packet(PACKET(0x1b, 0, 0, 0, 2), NULL, 0), 0);
    assert_null(ask(MEDIA_EJECT, 0, "cd0", ""));
}

/* A command that reads fails when its disc goes; the drive is good for others. */
static void a_disc_goes_amid_a_command(void **state)
{
    (void)state;
    out8(SECONDARY + R_ERROR, 0);
    out8(SECONDARY + R_MID, 0);
    out8(SECONDARY + R_HIGH, 8);
    out8(SECONDARY + R_STATUS, 0xa0);
    write_words(SECONDARY, PACKET(0x28, 0, 0, 0, 0, 5, 0, 0, 4), 6);
    assert_int_equal(in8(SECONDARY + R_STATUS), DATA_READY);
    bus_read(&pc.bus, IO_PORT, SECONDARY, 2);
    assert_int_equal(host.irq[15], 0);
    assert_null(ask(MEDIA_INSERT, 0, "cd0", "two.iso"));
    assert_int_equal(host.irq[15], 1);
    assert_int_equal(in8(SECONDARY + R_STATUS), FAILED);
    assert_int_equal(in8(SECONDARY + R_ERROR), NOT_READY);
    assert_int_equal(bus_read(&pc.bus, IO_PORT, SECONDARY, 2), 0xffff);
    assert_int_equal(in8(SECONDARY + R_COUNT) & 3, 3);
    assert_int_equal(packet(PACKET(0), NULL, 0), ATTENTION);
    assert_int_equal(packet(PACKET(0), NULL, 0), 0);
}

static bool changed(void)
{
    return host_in(&fdc_device, &fdc, DIR, 1) & 0x80;
}

static void step(void)
{
    const uint8_t seek_there[] = {0x0f, 0, 5}, recalibrate[] = {0x07, 0};
    host_out(&fdc_device, &fdc, 0x3f2, 1, 0x1c);
    host_run(&fdc_device, &fdc, 1000000);
    for (unsigned i = 0; i < sizeof seek_there; i++)
        host_out(&fdc_device, &fdc, 0x3f5, 1, seek_there[i]);
    host_run(&fdc_device, &fdc, 1000000);
    for (unsigned i = 0; i < sizeof recalibrate; i++)
        host_out(&fdc_device, &fdc, 0x3f5, 1, recalibrate[i]);
    host_run(&fdc_device, &fdc, 1000000);
}

static void a_diskette_goes_out_and_in(void **state)
{
    (void)state;
    uint64_t size = 0;
    assert_true(changed()); /* since power-on */
    step();
    assert_false(changed());
    assert_null(ask(MEDIA_EJECT, 0, "floppy0", ""));
    assert_true(changed());
    step();
    assert_true(changed());
    assert_null(effect_floppy(0, &size));
    assert_string_equal(ask(MEDIA_EJECT, 0, "floppy0", ""), "floppy0 is empty");
    assert_string_equal(ask(MEDIA_INSERT, 0, "floppy0", "c.img"),
                        "c.img does not fit: it is a diskette of 1200 KiB, and the drive is for others");
    assert_string_equal(ask(MEDIA_INSERT, 0, "floppy0", "d.img"), "d.img is no diskette");
    assert_null(effect_floppy(0, &size));
    assert_null(ask(MEDIA_INSERT, 0, "floppy0", "b.img"));
    assert_true(changed());
    assert_non_null(effect_floppy(0, &size));
    assert_int_equal(size, SMALL);
    step();
    assert_false(changed());
    assert_null(ask(MEDIA_INSERT, 0, "floppy0", "a.img"));
    assert_true(changed());
}

static void which_diskettes_fit(void **state)
{
    (void)state;
    static const struct {
        unsigned type, kib[8];
    } drives[] = {{FLOPPY_DRIVE_360K, {160, 180, 320, 360}},
                  {FLOPPY_DRIVE_1200K, {160, 180, 320, 360, 1200}},
                  {FLOPPY_DRIVE_1440K, {720, 1440}},
                  {FLOPPY_DRIVE_2880K, {720, 1440, 2880}},
                  {FLOPPY_DRIVE_NONE, {0}}};
    static const unsigned all[] = {160, 180, 320, 360, 720, 1200, 1440, 2880};
    for (unsigned i = 0; i < sizeof drives / sizeof drives[0]; i++) {
        for (unsigned j = 0, next = 0; j < sizeof all / sizeof all[0]; j++) {
            bool takes = next < 8 && drives[i].kib[next] == all[j];
            next += takes;
            assert_int_equal(floppy_drive_takes(drives[i].type, floppy_format_of(all[j] << 10)), takes);
        }
    }
}

static void what_is_in_the_drives(void **state)
{
    (void)state;
    assert_null(ask(MEDIA_EJECT, 0, "floppy0", ""));
    assert_null(ask(MEDIA_LIST, 0, "", ""));
    channel.answer.data[channel.answer.size] = '\0';
    assert_string_equal((const char *)channel.answer.data, "disk0         2097152  disk.img\n"
                                                           "cd0            131072  one.iso\n"
                                                           "cd1             empty\n"
                                                           "floppy0         empty\n");
}

static void wrong_questions(void **state)
{
    (void)state;
    const struct media before = media;
    static const char none[] = "the guest has no drive \"%s\"; nr disk list shows those it has";
    char sentence[128];
    static const char *const drives[] = {"", "cd", "cd2", "disk1", "floppy1", "cd00", "hd0"};
    for (unsigned i = 0; i < sizeof drives / sizeof drives[0]; i++) {
        snprintf(sentence, sizeof sentence, none, drives[i]);
        for (unsigned op = MEDIA_READ; op < MEDIA_OP_COUNT + 2; op++)
            assert_string_equal(ask(op, 0, drives[i], ""), sentence);
    }
    assert_string_equal(ask(MEDIA_EJECT, 0, "disk0", ""),
                        "disk0 is built in; a CD or floppy drive is wanted");
    assert_string_equal(ask(MEDIA_INSERT, 0, "disk0", "x"),
                        "disk0 is built in; a CD or floppy drive is wanted");
    assert_string_equal(ask(MEDIA_INSERT, 0, "cd0", "x.iso"), "cd0 takes no \"x.iso\" but one.iso, two.iso");
    assert_string_equal(ask(MEDIA_INSERT, 0, "cd0", "a.img"), "cd0 takes no \"a.img\" but one.iso, two.iso");
    assert_string_equal(ask(MEDIA_INSERT, 0, "cd1", ""), "cd1 has had nothing in it; it takes one.iso");
    assert_string_equal(ask(MEDIA_EJECT, 0, "cd1", ""), "cd1 is empty");
    assert_string_equal(ask(MEDIA_READ, 0, "cd1", ""), "cd1 is empty");
    assert_string_equal(ask(99, 0, "cd0", ""), "nobody can do that with a drive");
    assert_memory_equal(&before, &media, sizeof media);
    /* Names without an end are cut. */
    channel.request = (struct media_request){.op = MEDIA_INSERT};
    memset(channel.request.drive, 'x', sizeof channel.request.drive);
    memset(channel.request.image, 'x', sizeof channel.request.image);
    channel.asked++;
    assert_true(media_answer(&media, &pc.ide, &fdc, &channel));
    assert_int_equal(channel.answer.refused, 1);
}

/* What somebody outside puts together of the answers is what the drive holds. */
static void reading(void **state)
{
    (void)state;
    static uint8_t copy[DISK_BYTES];
    memset(host.disk[0] + 8192, 0, 1 << 20);
    memset(host.disk[0] + DISK_BYTES - 512, 0, 512);
    for (unsigned flags = 0; flags <= MEDIA_SKIP_ZEROS; flags++) {
        uint64_t at = 100, data = 0;
        memset(copy, 0, sizeof copy);
        while (at < DISK_BYTES) {
            channel.request = (struct media_request){.op = MEDIA_READ, .flags = flags, .offset = at};
            strcpy(channel.request.drive, "disk0");
            channel.asked++;
            assert_true(media_answer(&media, &pc.ide, &fdc, &channel));
            const struct media_answer *answer = &channel.answer;
            assert_int_equal(answer->refused, 0);
            assert_int_equal(answer->all, DISK_BYTES);
            assert_string_equal(answer->image, "disk.img");
            assert_true(answer->at >= at && answer->at + answer->size > at);
            assert_true(flags || answer->at == at);
            memcpy(copy + answer->at, answer->data, answer->size);
            at = answer->at + answer->size;
            data += answer->size;
        }
        assert_int_equal(at, DISK_BYTES);
        assert_memory_equal(copy + 100, host.disk[0] + 100, DISK_BYTES - 100);
        assert_true(flags ? data < DISK_BYTES - (1 << 20) + 6 * 4096 : data == DISK_BYTES - 100);
    }
    channel.request.offset = UINT64_MAX;
    channel.asked++;
    assert_true(media_answer(&media, &pc.ide, &fdc, &channel));
    assert_int_equal(channel.answer.size, 0);
    assert_int_equal(channel.answer.at, DISK_BYTES);
}

/* Neither where the next line goes, nor how much there is to read, is what the service says. */
static void an_answer_that_is_written_over(void **state)
{
    (void)state;
    meddles = true;
    what_is_in_the_drives(state);
    assert_null(ask(MEDIA_READ, MEDIA_SKIP_ZEROS, "cd0", ""));
    assert_int_equal(channel.answer.all, DISC_BYTES);
    assert_int_equal(channel.answer.size, MEDIA_DATA);
    assert_memory_equal(channel.answer.data, host.cd[0], MEDIA_DATA);
    assert_string_equal(ask(MEDIA_INSERT, 0, "cd0", "one.iso"), "one.iso is in cd0 already");
}

static void check_refuses_bad_state(void **state)
{
    (void)state;
    uint64_t size;
    assert_null(media_check(&media));
    media.cd[0].medium = GUEST_OTHERS_MAX; /* of which there are none, but it is safe */
    assert_null(media_check(&media));
    assert_null(effect_cd(0, &size));
    media.cd[0].medium = GUEST_OTHERS_MAX + 1;
    assert_non_null(media_check(&media));
    media.cd[0] = (struct media_drive){.out = 2};
    assert_non_null(media_check(&media));
    media.cd[0] = (struct media_drive){0};
    media.floppy[1].medium = UINT8_MAX;
    assert_non_null(media_check(&media));
    media.floppy[1] = (struct media_drive){0};
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_disc_goes_out_and_in),
        TEST(a_locked_tray),
        TEST(a_disc_goes_amid_a_command),
        TEST(a_diskette_goes_out_and_in),
        TEST(which_diskettes_fit),
        TEST(what_is_in_the_drives),
        TEST(wrong_questions),
        TEST(reading),
        TEST(an_answer_that_is_written_over),
        TEST(check_refuses_bad_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
