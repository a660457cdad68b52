/*
 * The hand at the guest's drives, and a service that asks anything: names without an end, positions behind
 * the end, media that there are not, and an answer that it writes over while it is made. The guest locks its
 * drives, opens and closes them and reads meanwhile. An answer stays in its room and says the truth, and one
 * that refuses has changed nothing.
 *
 * sources: devices/media.c devices/ide.c devices/bmide.c devices/ata*.c devices/disk_image.c lib/ide_places.c
 * sources: devices/fdc.c devices/fdc_commands.c devices/fdc_transfer.c lib/image_floppy.c
 * sources: devices/bus.c devices/pci.c lib/format.c tests/unit/host_effects.c
 * coverage: devices/media.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fuzz_input.h"
#include "host_effects.h"
#include "image_floppy.h"
#include "media.h"

enum { STEPS_MAX = 200, EFFECTS_MAX = 400, SCAN_MAX = 1 << 18, IDE = PCI_DEVFN(1, 1), SECONDARY = 0x170 };
enum { DISK_BYTES = 2 * SCAN_MAX + 512 * 9, DISC_BYTES = 16 * 2048, EJECT_REQUEST = 1 };

/* What is in a drive, as the fuzzer has followed it. */
struct drive {
    char name[GUEST_BOOT_NAME];
    const char *image; /* of the description */
    const char (*other)[GUEST_PATH_SIZE];
    struct media_drive *place; /* NULL: a disk */
    unsigned unit;
    bool cd;
};

static struct media_pc {
    struct bus bus;
    struct ide ide;
} pc;

const struct device_slot bus_slots[] = {
    {.device = &ide_device, .state_offset = offsetof(struct media_pc, ide), .devfn = IDE}};
const unsigned bus_slot_count = 1;

static struct module {
    const char *path;
    uint32_t size;
    uint8_t *bytes; /* of that very size */
} modules[] = {{"disk.img", DISK_BYTES, 0},
               {"one.iso", DISC_BYTES, 0},
               {"sub/two.iso", 3 * 2048, 0},
               {"a.img", 1440 << 10, 0},
               {"b.img", 720 << 10, 0},
               {"c.img", 1200 << 10, 0},
               {"d.img", 1000, 0},
               {"dir/one.iso", 5 * 2048, 0},
               {"tiny.iso", 100, 0},
               {"large.iso", DISK_BYTES, 0},
               {"none.img", 0, 0}};

static struct media media;
static struct fdc fdc;
static struct channel_media *channel; /* alone, so that nothing is written behind it unseen */
static struct drive drives[GUEST_DISKS_MAX + GUEST_CDS_MAX + GUEST_FLOPPIES_MAX];
static unsigned drive_count, effects;
static struct input *scribbler; /* where the service takes from what it writes meanwhile; NULL: it does not */

static void check(bool holds, const char *rule)
{
    if (holds)
        return;
    fprintf(stderr, "broken: %s; op %u of \"%.*s\", \"%.*s\": %u, %u bytes: %.*s\n", rule,
            channel->request.op, GUEST_BOOT_NAME, channel->request.drive, GUEST_PATH_SIZE,
            channel->request.image, channel->answer.refused, channel->answer.size, 200,
            (char *)channel->answer.data);
    abort();
}

/* The service writes into question and answer while the device model is at them. */
static void effect(void)
{
    struct media_answer *answer = &channel->answer;
    check(++effects < EFFECTS_MAX, "bounded work");
    if (!scribbler)
        return;
    uint32_t what = take(scribbler, 1);
    if (what & 1)
        answer->size = what & 2 ? UINT32_MAX - what : what << 5;
    if (what & 4)
        answer->all = what & 8 ? UINT64_MAX - what : what << 10;
    if (what & 0x10)
        answer->refused = what >> 5, answer->at = UINT64_MAX;
    if (what & 0x20)
        memset(&channel->request, (int)what, sizeof channel->request);
}

static const struct module *module_of(const char *path)
{
    for (unsigned i = 0; path && i < sizeof modules / sizeof modules[0]; i++)
        if (modules[i].bytes && strcmp(modules[i].path, path) == 0)
            return &modules[i];
    return NULL;
}

static uint8_t *bytes_of(const char *path, uint64_t *size)
{
    const struct module *module = module_of(path);
    if (module)
        *size = module->size;
    effect();
    return module ? module->bytes : NULL;
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

static void make_modules(void)
{
    for (unsigned i = 0; i < sizeof modules / sizeof modules[0] && !modules[0].bytes; i++) {
        struct module *module = &modules[sizeof modules / sizeof modules[0] - 1 - i];
        module->bytes = module->size ? calloc(1, module->size) : NULL;
        for (uint32_t at = 0; at < module->size; at++) /* zeros between, more than one answer leaves out */
            if (at >> 14 == 0 || at >> 12 == 9 || at > module->size - 300)
                module->bytes[at] = (uint8_t)(at * 7 + (at >> 8) + i);
    }
}

static void add_drive(const char *kind, unsigned unit, const char *image,
                      const char (*other)[GUEST_PATH_SIZE], struct media_drive *place)
{
    struct drive *drive = &drives[drive_count++];
    *drive = (struct drive){
        .image = image, .other = other, .place = place, .unit = unit, .cd = strcmp(kind, "cd") == 0};
    snprintf(drive->name, sizeof drive->name, "%s%u", kind, unit);
}

static void describe(uint32_t how)
{
    struct guest_config *config = &host.config;
    drive_count = 0;
    config->disk_count = how & 3;
    config->cd_count = (how >> 2 & 3) % 3;
    for (unsigned i = 0; i < config->disk_count; i++) {
        config->disk[i].kind = i ? DISK_VIRTIO : DISK_IDE;
        host.disk[i] = i == 2 ? NULL : modules[0].bytes;
        host.disk_size[i] = modules[0].size;
        strcpy(config->disk[i].image, i == 2 ? "none.img" : "disk.img");
        add_drive("disk", i, config->disk[i].image, NULL, NULL);
    }
    strcpy(config->cd[0].image, how & 0x10 ? "one.iso" : "large.iso");
    strcpy(config->cd[0].other[0], "sub/two.iso");
    strcpy(config->cd[0].other[1], "dir/one.iso");
    strcpy(config->cd[0].other[2], "tiny.iso");
    strcpy(config->cd[1].other[0], "one.iso");
    for (unsigned i = 0; i < config->cd_count; i++)
        add_drive("cd", i, config->cd[i].image, config->cd[i].other, &media.cd[i]);
    strcpy(config->floppy[0].image, how & 0x80 ? "" : "a.img");
    for (unsigned i = 0; i < GUEST_OTHERS_MAX; i++) {
        static const char *const images[] = {"b.img", "c.img", "d.img", "none.img"};
        memset(config->floppy[0].other[i], 'x', GUEST_PATH_SIZE - 1);
        if (i < sizeof images / sizeof images[0])
            strcpy(config->floppy[0].other[i], images[i]);
    }
    strcpy(config->floppy[1].image, "b.img");
    for (unsigned i = 0; i < GUEST_FLOPPIES_MAX; i++) {
        config->floppy[i].present = i < (how >> 5 & 3) % 3; /* the second needs a first */
        if (!config->floppy[i].present)
            continue;
        add_drive("floppy", i, config->floppy[i].image, config->floppy[i].other, &media.floppy[i]);
    }
}

static void reset(void)
{
    struct io io = {.offset = PCI_COMMAND, .size = 2, .value = PCI_COMMAND_IO, .write = true};
    bus_reset(&pc.bus);
    bus_config_io(&pc.bus, IDE, &io);
    io = (struct io){.offset = 0x40, .size = 4, .value = 0x80008000, .write = true};
    bus_config_io(&pc.bus, IDE, &io);
    host_device_reset(&fdc_device, &fdc);
}

static const char *path_of(const struct drive *drive, unsigned medium)
{
    const char *path = medium == 0 || !drive->other ? drive->image : drive->other[medium - 1];
    return *path ? path : NULL;
}

static const char *holds(const struct drive *drive)
{
    if (!drive->place)
        return path_of(drive, 0);
    return drive->place->out ? NULL : path_of(drive, drive->place->medium);
}

/* The drive of a CD on IDE, or NULL. */
static struct ata_drive *ata_of(const struct drive *drive)
{
    for (unsigned i = 0; drive->cd && i < IDE_CHANNELS * IDE_CHANNEL_DRIVES; i++) {
        struct ata_drive *at = &pc.ide.channel[i / IDE_CHANNEL_DRIVES].drive[i % IDE_CHANNEL_DRIVES];
        if (at->kind == ATA_CD && at->image.unit == drive->unit)
            return at;
    }
    return NULL;
}

static void check_list(void)
{
    const struct media_answer *answer = &channel->answer;
    const char *at = (const char *)answer->data, *end = at + answer->size;
    check(!answer->refused, "a list is not refused");
    for (unsigned i = 0; i < drive_count; i++) {
        char line[200];
        const struct module *module = module_of(holds(&drives[i]));
        int length = module ? snprintf(line, sizeof line, "%-8s %12u  %s\n", drives[i].name, module->size,
                                       module->path)
                            : snprintf(line, sizeof line, "%-8s %12s\n", drives[i].name, "empty");
        check(end - at >= length && memcmp(at, line, (size_t)length) == 0, "each drive has its line");
        at += length;
    }
    check(at == end, "no other drives");
}

static void check_read(const struct drive *drive, const struct media_request *request)
{
    const struct media_answer *answer = &channel->answer;
    const struct module *module = module_of(holds(drive));
    check(module && !strcmp(answer->image, module->path) && answer->all == module->size, "what is read");
    uint64_t from = request->offset < answer->all ? request->offset : answer->all;
    check(answer->at >= from && answer->at <= answer->all && answer->at - from <= SCAN_MAX, "where it is");
    check(answer->size <= answer->all - answer->at, "no more than there is");
    check(answer->at == from || request->flags & MEDIA_SKIP_ZEROS, "nothing is left out");
    check(answer->at + answer->size > from || from == answer->all, "it comes on");
    for (uint64_t i = from; i < answer->at; i++)
        check(module->bytes[i] == 0, "only zeros are left out");
    check(memcmp(answer->data, module->bytes + answer->at, answer->size) == 0, "the very bytes");
}

static bool is_called(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    return strcmp(path, name) == 0 || strcmp(slash ? slash + 1 : path, name) == 0;
}

/* Something went in or out: it was allowed, and the guest's drive has it. */
static void check_change(const struct drive *drive, const struct media_request *request, const char *before,
                         bool was_locked)
{
    const char *now = holds(drive);
    const struct module *module = module_of(now);
    const struct ata_drive *ata = ata_of(drive);
    check(drive->place, "a disk stays");
    check(!was_locked || request->flags & MEDIA_FORCE, "a locked drive stays shut");
    check(ata || !drive->cd, "a drive that is there");
    if (request->op == MEDIA_EJECT) {
        check(before && !now, "it is out");
    } else {
        check(now && now != before && module, "another thing is in");
        check(!request->image[0] || is_called(now, request->image), "what was asked for is in");
        const struct floppy_format *format = floppy_format_of(module->size);
        check(drive->cd || (format && floppy_drive_takes(FLOPPY_DRIVE_1440K, format)), "it fits");
    }
    if (ata)
        check(ata->image.size == (module ? module->size / DISC_SECTOR * DISC_SECTOR : 0), "the guest's disc");
    else
        check(fdc.unit[drive->unit].changed, "the disk change line");
}

/* Of an answer that refuses, or only tells, everything is as it was: but a locked drive says that its button
 * was pressed. */
static void check_unchanged(const struct media *media_was, struct ide *ide_was, const struct fdc *fdc_was)
{
    for (unsigned i = 0; i < IDE_CHANNELS * IDE_CHANNEL_DRIVES; i++) {
        const struct ata_drive *now = &pc.ide.channel[i / IDE_CHANNEL_DRIVES].drive[i % IDE_CHANNEL_DRIVES];
        struct ata_drive *was = &ide_was->channel[i / IDE_CHANNEL_DRIVES].drive[i % IDE_CHANNEL_DRIVES];
        if (now->atapi.locked && now->atapi.event == EJECT_REQUEST)
            was->atapi.event = EJECT_REQUEST;
    }
    check(memcmp(media_was, &media, sizeof media) == 0, "the drives are as they were");
    check(memcmp(ide_was, &pc.ide, sizeof pc.ide) == 0, "the IDE controller is as it was");
    check(memcmp(fdc_was, &fdc, sizeof fdc) == 0, "the floppy controller is as it was");
}

static void check_answer(const struct media_request *request, const struct drive *drive, const char *before,
                         bool was_locked)
{
    const struct media_answer *answer = &channel->answer;
    check(answer->refused <= MEDIA_REFUSED, "how it is refused");
    if (answer->refused)
        check(answer->size > 0 && !memchr(answer->data, 0, answer->size), "a refusal is a sentence");
    else if (request->op == MEDIA_LIST)
        check_list();
    else if (!drive)
        check(false, "a drive that there is not");
    else if (request->op == MEDIA_READ)
        check_read(drive, request);
    else
        check_change(drive, request, before, was_locked);
}

static void ask(void)
{
    static struct media media_was;
    static struct ide ide_was;
    static struct fdc fdc_was;
    struct media_request request = channel->request;
    const struct drive *drive = NULL;
    struct input *service = scribbler;
    bool whole = memchr(request.drive, 0, sizeof request.drive);
    request.image[sizeof request.image - 1] = '\0';
    for (unsigned i = 0; whole && i < drive_count && !drive; i++)
        if (strcmp(drives[i].name, request.drive) == 0)
            drive = &drives[i];
    const char *before = drive ? holds(drive) : NULL;
    const struct ata_drive *ata = drive ? ata_of(drive) : NULL;
    bool was_locked = ata && ata->atapi.locked && !ata->atapi.tray_open;
    uint32_t asked = ++channel->asked;
    media_was = media, ide_was = pc.ide, fdc_was = fdc;
    effects = 0;
    check(media_answer(&media, &pc.ide, &fdc, channel), "each question is answered");
    scribbler = NULL;
    check(channel->answered == asked && channel->asked == asked, "that question is answered");
    check(channel->answer.size <= MEDIA_DATA, "an answer stays in its room");
    check_answer(&request, drive, before, was_locked);
    if (channel->answer.refused || request.op <= MEDIA_READ)
        check_unchanged(&media_was, &ide_was, &fdc_was);
    for (unsigned i = 0; i < drive_count; i++)
        if (&drives[i] != drive && drives[i].place)
            check(memcmp(drives[i].place,
                         drives[i].cd ? &media_was.cd[drives[i].unit] : &media_was.floppy[drives[i].unit],
                         sizeof *drives[i].place) == 0,
                  "other drives are let alone");
    check(!media_answer(&media, &pc.ide, &fdc, channel), "nothing is answered twice");
    scribbler = service;
}

static void question(struct input *input)
{
    static const char *const images[] = {"",      "one.iso", "two.iso", "sub/two.iso", "dir/one.iso", "a.img",
                                         "b.img", "c.img",   "d.img",   "none.img",    "tiny.iso",    "x/y/"};
    struct media_request *request = &channel->request;
    uint32_t how = take(input, 1), which = take(input, 1), size;
    *request = (struct media_request){.op = how & 7, .flags = how >> 3 & 3};
    if (how & 4)
        request->op = 1 + (how & 3);
    strcpy(request->drive, which % 16 < drive_count ? drives[which % 16].name : "cd7");
    strcpy(request->image, images[which / 16 % (sizeof images / sizeof images[0])]);
    if (request->op == MEDIA_READ) {
        const struct module *module = which % 16 < drive_count ? module_of(holds(&drives[which % 16])) : NULL;
        uint64_t at = take(input, how & 0x20 ? 4 : 3);
        request->offset = how & 0x40 && module ? module->size + (int8_t)at : at << (at >> 24 & 0x3f);
    }
    if ((how & 0xe0) == 0xe0) { /* fields of any kind */
        static const uint32_t fields[] = {0, offsetof(struct media_request, offset),
                                          offsetof(struct media_request, drive),
                                          offsetof(struct media_request, image)};
        uint32_t from = fields[which & 3], fill = take(input, 1);
        size = take(input, 1) % sizeof *request + 1;
        for (uint32_t i = from; i < sizeof *request && i < from + size; i++)
            ((uint8_t *)request)[i] = (uint8_t)(fill ? fill : take(input, 1));
    }
    scribbler = how & 0x80 && !(how & 0x20) ? input : NULL;
    ask();
    scribbler = NULL;
}

static void out(uint16_t port, uint32_t value)
{
    bus_write(&pc.bus, IO_PORT, port, 1, value);
}

/* What a guest does with its CD drives. */
static void packet(struct input *input)
{
    static const uint8_t codes[] = {0x00, 0x03, 0x1b, 0x1b, 0x1e, 0x1e, 0x28, 0x4a, 0x25, 0xbe};
    uint8_t bytes[12] = {0};
    uint32_t how = take(input, 1);
    out(SECONDARY + 6, how & 0x80 ? 0x10 : 0);
    out(SECONDARY + 1, 0);
    out(SECONDARY + 4, 0xfe);
    out(SECONDARY + 5, how & 0x40 ? 8 : 0xff);
    out(SECONDARY + 7, 0xa0);
    bytes[0] = codes[how % sizeof codes];
    bytes[4] = (how >> 4 & 3) | (bytes[0] == 0x1b ? 2 : 0);
    bytes[8] = (uint8_t)(how >> 4 & 3);
    bytes[1] = bytes[0] == 0x4a;
    bytes[4] |= bytes[0] == 0x4a ? 0x10 : 0;
    bus_block(&pc.bus, SECONDARY, 2, bytes, 6, true);
    for (unsigned i = 0; i < (how & 0x40 ? 2u : 3000u); i++)
        bus_read(&pc.bus, IO_PORT, SECONDARY, 2);
}

static void diskette(struct input *input)
{
    static const uint8_t seek[] = {0x0f, 0, 5}, recalibrate[] = {0x07, 0};
    uint32_t how = take(input, 1);
    host_out(&fdc_device, &fdc, 0x3f2, 1, how & 1 ? 0x1c : 0x2d);
    host_run(&fdc_device, &fdc, 1000000);
    for (unsigned i = 0; i < (how & 2 ? sizeof seek : sizeof recalibrate); i++)
        host_out(&fdc_device, &fdc, 0x3f5, 1, how & 2 ? seek[i] : recalibrate[i] | (i & ~how & 1));
    host_run(&fdc_device, &fdc, how & 4 ? 1000000 : 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    const char *device;
    make_modules();
    host_reset();
    host.bus = &pc.bus;
    memset(&media, 0, sizeof media);
    free(channel);
    channel = calloc(1, sizeof *channel);
    effects = 0;
    scribbler = NULL;
    describe(take(&input, 1));
    reset();
    for (unsigned i = 0; i < STEPS_MAX && input.size; i++) {
        uint32_t what = take(&input, 1);
        effects = 0;
        if (what % 8 < 5)
            question(&input);
        else if (what % 8 == 5)
            packet(&input);
        else if (what % 8 == 6)
            diskette(&input);
        else if (what & 0x80)
            reset();
        else
            channel->asked += what >> 3; /* many questions at once, of which the last is answered */
        check(!media_check(&media) && !fdc_device.check(&fdc) && !bus_check(&pc.bus, &device), "the states");
    }
    return 0;
}
