/*
 * The hand at the guest's drives: what somebody outside reads from them, takes out and puts in (drives.h of
 * include/). Every image that a drive may have is among the guest's boot modules from the start.
 *
 * The service writes into the channel at any time: the question is copied once, and the answer is made
 * elsewhere. It takes bounded time.
 *
 * Document: none. State: struct media. Missing: images that the description does not name, another disk for
 * one that is built in, writing to what is in a drive.
 */
#include "media.h"
#include <stdarg.h>
#include <stddef.h>
#include "effects.h"
#include "format.h"
#include "image_floppy.h"
#include "string.h"

enum { SCAN_MAX = 1 << 18 /* zeros that one answer leaves out */, PAGE = 4096, LISTED_SIZE = 120 };

/* A drive as the description has it. */
struct drive {
    char name[GUEST_BOOT_NAME];
    enum { DRIVE_DISK, DRIVE_CD, DRIVE_FLOPPY } kind;
    unsigned unit;
    const char *image;
    const char (*other)[GUEST_PATH_SIZE]; /* of one whose medium can be changed */
    struct media_drive *place;
};

static void say(struct media_answer *answer, const char *format, va_list arguments)
{
    uint32_t room = MEDIA_DATA - answer->size;
    size_t length = format_text_va((char *)answer->data + answer->size, room, format, arguments);
    answer->size += (uint32_t)(length < room ? length : room - 1);
}

static void add(struct media_answer *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct media_answer *answer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(answer, format, arguments);
    va_end(arguments);
}

static void refuse(struct media_answer *answer, enum media_refusal how, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void refuse(struct media_answer *answer, enum media_refusal how, const char *format, ...)
{
    va_list arguments;
    answer->refused = how;
    answer->size = 0;
    va_start(arguments, format);
    say(answer, format, arguments);
    va_end(arguments);
}

/* Path of a medium that a drive may have; NULL: it has no such one. */
static const char *medium_path(const char *image, const char (*other)[GUEST_PATH_SIZE], unsigned medium)
{
    const char *path = medium == 0 ? image : medium <= GUEST_OTHERS_MAX ? other[medium - 1] : "";
    return *path ? path : NULL;
}

const char *media_in_cd(const struct media *media, unsigned unit)
{
    const struct guest_config *config = effect_guest_config();
    if (unit >= GUEST_CDS_MAX || unit >= config->cd_count || media->cd[unit].out)
        return NULL;
    return medium_path(config->cd[unit].image, config->cd[unit].other, media->cd[unit].medium);
}

const char *media_in_floppy(const struct media *media, unsigned unit)
{
    const struct guest_config *config = effect_guest_config();
    if (unit >= GUEST_FLOPPIES_MAX || media->floppy[unit].out)
        return NULL;
    return medium_path(config->floppy[unit].image, config->floppy[unit].other, media->floppy[unit].medium);
}

const char *media_check(const struct media *media)
{
    for (unsigned i = 0; i < GUEST_CDS_MAX; i++)
        if (media->cd[i].medium > GUEST_OTHERS_MAX || media->cd[i].out > 1)
            return "what is in a CD drive";
    for (unsigned i = 0; i < GUEST_FLOPPIES_MAX; i++)
        if (media->floppy[i].medium > GUEST_OTHERS_MAX || media->floppy[i].out > 1)
            return "what is in a floppy drive";
    return NULL;
}

/* The index'th drive of the description; false: there are no more. */
static bool drive_at(struct media *media, unsigned index, struct drive *drive)
{
    const struct guest_config *config = effect_guest_config();
    if (index < config->disk_count && index < GUEST_DISKS_MAX) {
        *drive = (struct drive){.kind = DRIVE_DISK, .unit = index, .image = config->disk[index].image};
        format_text(drive->name, sizeof drive->name, "disk%u", index);
        return true;
    }
    index -= config->disk_count;
    if (index < config->cd_count && index < GUEST_CDS_MAX) {
        *drive = (struct drive){.kind = DRIVE_CD,
                                .unit = index,
                                .image = config->cd[index].image,
                                .other = config->cd[index].other,
                                .place = &media->cd[index]};
        format_text(drive->name, sizeof drive->name, "cd%u", index);
        return true;
    }
    index -= config->cd_count;
    if (index >= GUEST_FLOPPIES_MAX || !config->floppy[index].present)
        return false;
    *drive = (struct drive){.kind = DRIVE_FLOPPY,
                            .unit = index,
                            .image = config->floppy[index].image,
                            .other = config->floppy[index].other,
                            .place = &media->floppy[index]};
    format_text(drive->name, sizeof drive->name, "floppy%u", index);
    return true;
}

/* Path of what is in it, or NULL. */
static const char *drive_holds(const struct drive *drive)
{
    if (drive->kind == DRIVE_DISK)
        return drive->image;
    return drive->place->out ? NULL : medium_path(drive->image, drive->other, drive->place->medium);
}

static uint8_t *drive_bytes(const struct drive *drive, uint64_t *size)
{
    *size = 0;
    return drive->kind == DRIVE_DISK ? effect_disk(drive->unit, size)
           : drive->kind == DRIVE_CD ? effect_cd(drive->unit, size)
                                     : effect_floppy(drive->unit, size);
}

static void answer_list(struct media *media, struct media_answer *answer)
{
    struct drive drive;
    for (unsigned i = 0; drive_at(media, i, &drive); i++) {
        uint64_t size;
        const char *path = drive_bytes(&drive, &size) ? drive_holds(&drive) : NULL;
        if (path)
            add(answer, "%-8s %12lu  %s\n", drive.name, size, path);
        else
            add(answer, "%-8s %12s\n", drive.name, "empty");
    }
}

static bool is_zero(const uint8_t *bytes, uint64_t length)
{
    uint64_t word, all = 0, i = 0;
    for (; i + sizeof word <= length; i += sizeof word) {
        memcpy(&word, bytes + i, sizeof word);
        all |= word;
    }
    for (; i < length; i++)
        all |= bytes[i];
    return !all;
}

static void answer_read(const struct drive *drive, const struct media_request *request,
                        struct media_answer *answer)
{
    uint64_t at = request->offset, end;
    const uint8_t *bytes = drive_bytes(drive, &answer->all);
    const char *path = drive_holds(drive);
    if (!bytes || !path) {
        refuse(answer, MEDIA_REFUSED, "%s is empty", drive->name);
        return;
    }
    at = at < answer->all ? at : answer->all;
    end = at + SCAN_MAX < answer->all ? at + SCAN_MAX : answer->all;
    while (request->flags & MEDIA_SKIP_ZEROS && at < end) {
        uint64_t length = PAGE - at % PAGE < end - at ? PAGE - at % PAGE : end - at;
        if (!is_zero(bytes + at, length))
            break;
        at += length;
    }
    answer->at = at;
    answer->size = (uint32_t)(answer->all - at < MEDIA_DATA ? answer->all - at : MEDIA_DATA);
    memcpy(answer->data, bytes + at, answer->size);
    format_text(answer->image, sizeof answer->image, "%s", path);
}

/* Opens the drive, which the guest may have locked. False: it has, and the answer says so. */
static bool drive_open(const struct drive *drive, struct ide *ide, const struct media_request *request,
                       struct media_answer *answer)
{
    if (drive->kind == DRIVE_FLOPPY || ide_cd_open(ide, drive->unit, request->flags & MEDIA_FORCE))
        return true;
    refuse(answer, MEDIA_REFUSED,
           "the guest has locked %s and been told that its button was pressed; try again, or use --force",
           drive->name);
    return false;
}

/* What is in it now is another thing than before. */
static void drive_changed(const struct drive *drive, struct ide *ide, struct fdc *fdc)
{
    if (drive->kind == DRIVE_CD)
        ide_cd_load(ide, drive->unit);
    else
        fdc_change(fdc, drive->unit);
}

static void answer_eject(const struct drive *drive, struct ide *ide, struct fdc *fdc,
                         const struct media_request *request, struct media_answer *answer)
{
    if (!drive_holds(drive)) {
        refuse(answer, MEDIA_REFUSED, "%s is empty", drive->name);
    } else if (drive_open(drive, ide, request, answer)) {
        drive->place->out = 1;
        drive_changed(drive, ide, fdc);
    }
}

static const char *last_part(const char *path)
{
    for (const char *slash; (slash = strchr(path, '/'));)
        path = slash + 1;
    return path;
}

/* Which of its media is called so, by its whole path or by its last part; GUEST_OTHERS_MAX + 1: none. */
static unsigned find_medium(const struct drive *drive, const char *name)
{
    for (unsigned whole = 2; whole-- > 0;) {
        for (unsigned i = 0; i <= GUEST_OTHERS_MAX; i++) {
            const char *path = medium_path(drive->image, drive->other, i);
            if (path && strcmp(whole ? path : last_part(path), name) == 0)
                return i;
        }
    }
    return GUEST_OTHERS_MAX + 1;
}

/* All that it may have, in a sentence. */
static void list_media(const struct drive *drive, char *to, size_t size)
{
    size_t length = format_text(to, size, "%s", drive->image[0] || drive->other[0][0] ? "" : "nothing");
    for (unsigned i = 0; i <= GUEST_OTHERS_MAX && length < size; i++) {
        const char *path = medium_path(drive->image, drive->other, i);
        if (path)
            length += format_text(to + length, size - length, "%s%s", length ? ", " : "", last_part(path));
    }
}

/* False: it does not go in, and the answer says why. */
static bool fits(const struct drive *drive, const char *path, struct media_answer *answer)
{
    uint64_t size = 0, described = effect_floppy_described(drive->unit);
    bool there = effect_file(path, &size);
    const struct floppy_format *format = floppy_format_of(size), *first = floppy_format_of(described);
    unsigned type = first ? first->drive : FLOPPY_DRIVE_1440K;
    if (there && (drive->kind == DRIVE_CD || (format && floppy_drive_takes(type, format))))
        return true;
    if (there && format)
        refuse(answer, MEDIA_REFUSED,
               "%s does not fit: it is a diskette of %u KiB, and the drive is for others", path, format->kib);
    else
        refuse(answer, MEDIA_REFUSED, "%s is no diskette", path);
    return false;
}

static void answer_insert(const struct drive *drive, struct ide *ide, struct fdc *fdc,
                          const struct media_request *request, struct media_answer *answer)
{
    unsigned medium = request->image[0] ? find_medium(drive, request->image) : drive->place->medium;
    const char *path = medium_path(drive->image, drive->other, medium);
    char listed[LISTED_SIZE];
    list_media(drive, listed, sizeof listed);
    if (!path && request->image[0])
        refuse(answer, MEDIA_WRONG, "%s takes no \"%s\" but %s", drive->name, request->image, listed);
    else if (!path)
        refuse(answer, MEDIA_WRONG, "%s has had nothing in it; it takes %s", drive->name, listed);
    else if (path == drive_holds(drive))
        refuse(answer, MEDIA_REFUSED, "%s is in %s already", path, drive->name);
    if (answer->refused || !fits(drive, path, answer) || !drive_open(drive, ide, request, answer))
        return;
    *drive->place = (struct media_drive){.medium = (uint8_t)medium};
    drive_changed(drive, ide, fdc);
}

static void answer_drive(struct media *media, struct ide *ide, struct fdc *fdc,
                         const struct media_request *request, struct media_answer *answer)
{
    struct drive drive;
    unsigned i = 0;
    while (drive_at(media, i, &drive) && strcmp(drive.name, request->drive) != 0)
        i++;
    if (!drive_at(media, i, &drive))
        refuse(answer, MEDIA_WRONG, "the guest has no drive \"%s\"; nr disk list shows those it has",
               request->drive);
    else if (request->op == MEDIA_READ)
        answer_read(&drive, request, answer);
    else if (drive.kind == DRIVE_DISK)
        refuse(answer, MEDIA_WRONG, "%s is built in; a CD or floppy drive is wanted", drive.name);
    else if (request->op == MEDIA_EJECT)
        answer_eject(&drive, ide, fdc, request, answer);
    else if (request->op == MEDIA_INSERT)
        answer_insert(&drive, ide, fdc, request, answer);
    else
        refuse(answer, MEDIA_WRONG, "nobody can do that with a drive");
}

bool media_answer(struct media *media, struct ide *ide, struct fdc *fdc, struct channel_media *question)
{
    uint32_t asked = __atomic_load_n(&question->asked, __ATOMIC_ACQUIRE);
    static struct media_answer made; /* too large for the stack */
    struct media_request request;
    struct media_answer *answer = &made;
    if (asked == question->answered)
        return false;
    request = question->request;
    request.drive[sizeof request.drive - 1] = request.image[sizeof request.image - 1] = '\0';
    answer->refused = answer->size = 0;
    answer->at = answer->all = 0;
    answer->image[0] = '\0';
    if (request.op == MEDIA_LIST)
        answer_list(media, answer);
    else
        answer_drive(media, ide, fdc, &request, answer);
    memcpy(&question->answer, answer, offsetof(struct media_answer, data) + answer->size);
    __atomic_store_n(&question->answered, asked, __ATOMIC_RELEASE);
    return true;
}
