/*
 * What is in a guest's drives, over the control line (CONTROL_DRIVES, CONTROL_DISK, CONTROL_EJECT,
 * CONTROL_INSERT). The service maps no guest's overlays: it asks the device model through the channel, for a
 * page of a disk at a time. Several may ask about one guest; they take turns, and a question that was
 * overtaken is asked again.
 *
 * A disk is told as what differs from zeros, or from the boot module that the guest was started with, which
 * the service has as it was. The device model is not believed: with a wrong image it spoils its own guest's
 * copy, and the module is looked for among its guest's.
 */
#include "control_call.h"
#include "control_frame.h"
#include "format.h"
#include "layout.h"
#include "modules.h"
#include "process_info.h"
#include "service.h"
#include "string.h"
#include "syscall.h"

enum {
    DISK_ROOM = CONTROL_PAYLOAD_MAX - sizeof(struct control_disk),
    BLOCK = 512, /* is told, or left out, as a whole */
    PARTS_MAX = 64 /* of one request, so that whoever has lost one asks for little again */,
    LEFT_OUT_MAX = 1 << 18 /* between two parts */
};

static const struct process_info *const info = (const struct process_info *)USER_INFO;

static uint32_t give_up(struct control_call *call, enum control_error error, const char *sentence)
{
    call->finished = true;
    call->error = error;
    call->value = 0;
    format_text(call->sentence, sizeof call->sentence, "%s", sentence);
    return 0;
}

static uint32_t no_sense(struct control_call *call)
{
    return give_up(call, CONTROL_EREFUSED, "the guest's device model gives no sensible answer");
}

/* What a device model writes goes to somebody's terminal: text and line feeds. */
static uint32_t copy_text(uint8_t *to, const uint8_t *from, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        uint8_t byte = *(const volatile uint8_t *)&from[i];
        to[i] = (byte < ' ' || byte > '~') && byte != '\n' ? '?' : byte;
    }
    return size;
}

static bool take_drive(struct control_call *call, enum media_op op, const uint8_t *data, uint32_t length)
{
    struct control_drive drive;

    if (length != sizeof drive)
        return false;
    memcpy(&drive, data, sizeof drive);
    if (memchr(drive.drive, '\0', sizeof drive.drive) == NULL ||
        memchr(drive.image, '\0', sizeof drive.image) == NULL)
        return false;
    call->media = (struct media_request){.op = op};
    memcpy(call->media.drive, drive.drive, sizeof drive.drive);
    memcpy(call->media.image, drive.image, sizeof drive.image);
    return true;
}

enum control_error drives_begin(struct control_call *call, const uint8_t *data, uint32_t length)
{
    (void)data, (void)length;
    call->media = (struct media_request){.op = MEDIA_LIST};
    return CONTROL_OK;
}

enum control_error disk_begin(struct control_call *call, const uint8_t *data, uint32_t length)
{
    if (!take_drive(call, MEDIA_READ, data, length) || call->number > CONTROL_WITHOUT_IMAGE)
        return CONTROL_EFORM;
    call->media.flags = call->number == CONTROL_WITHOUT_ZEROS ? MEDIA_SKIP_ZEROS : 0;
    call->media.offset = call->offset;
    return CONTROL_OK;
}

enum control_error eject_begin(struct control_call *call, const uint8_t *data, uint32_t length)
{
    if (!take_drive(call, MEDIA_EJECT, data, length))
        return CONTROL_EFORM;
    call->media.flags = call->number != 0 ? MEDIA_FORCE : 0;
    return CONTROL_OK;
}

enum control_error insert_begin(struct control_call *call, const uint8_t *data, uint32_t length)
{
    enum control_error error = eject_begin(call, data, length);

    call->media.op = MEDIA_INSERT;
    return error;
}

/*
 * The answer to call->media, if it is there; otherwise it is asked for, when the last question is answered
 * and, of one that changes a drive, the answer is seen. call->value is the number of the question that waits
 * or is answered; 0: none.
 */
static const struct media_answer *answer_of(struct control_call *call)
{
    struct channel_media *channel = &service.guest[call->guest].channel->media;
    uint32_t asked = channel->asked;
    bool answered = asked == __atomic_load_n(&channel->answered, __ATOMIC_ACQUIRE);

    if (service.guest[call->guest].ended) {
        give_up(call, CONTROL_EENDED, "the guest has ended");
        return NULL;
    }
    if (call->value != 0 && call->value == asked)
        return answered ? &channel->answer : NULL;
    if (!answered || control_hand_waits(call, asked))
        return NULL;
    channel->request = call->media;
    call->value = asked + 1 != 0 ? asked + 1 : 1;
    __atomic_store_n(&channel->asked, call->value, __ATOMIC_RELEASE);
    sys_notify(call->guest);
    return NULL;
}

/* True: the answer is a refusal, and the call has failed by it. */
static bool is_refused(struct control_call *call, const struct media_answer *answer)
{
    uint32_t size = __atomic_load_n(&answer->size, __ATOMIC_RELAXED);
    uint32_t how = __atomic_load_n(&answer->refused, __ATOMIC_RELAXED);

    if (how == MEDIA_DONE)
        return false;
    give_up(call, how == MEDIA_WRONG ? CONTROL_EFORM : CONTROL_EREFUSED, "");
    size = size < CONTROL_SENTENCE_MAX - 1 ? size : CONTROL_SENTENCE_MAX - 1;
    call->sentence[copy_text((uint8_t *)call->sentence, answer->data, size)] = '\0';
    return true;
}

/* call->at: as much has been told. */
uint32_t drives_piece(struct control_call *call, uint8_t *to)
{
    const struct media_answer *answer = answer_of(call);

    if (answer == NULL || is_refused(call, answer))
        return 0;
    uint32_t size = __atomic_load_n(&answer->size, __ATOMIC_RELAXED);
    size = size < MEDIA_DATA ? size : MEDIA_DATA;
    uint32_t left = size > call->at ? size - call->at : 0;
    uint32_t part =
        copy_text(to, answer->data + call->at, left < CONTROL_PAYLOAD_MAX ? left : CONTROL_PAYLOAD_MAX);
    call->at += part;
    call->finished = left == part;
    call->value = call->finished ? 0 : call->value;
    return part;
}

uint32_t hand_piece(struct control_call *call, uint8_t *to)
{
    const struct media_answer *answer = answer_of(call);

    (void)to;
    if (answer != NULL && !is_refused(call, answer)) {
        call->finished = true;
        call->value = 0;
    }
    return 0;
}

/* The module that the drive's image was, as it still is; NULL: the device model names none of its guest's
 * that is so long. */
static const uint8_t *module_of(const struct control_call *call, const struct media_answer *answer)
{
    char image[GUEST_PATH_SIZE];

    memcpy(image, answer->image, sizeof image);
    image[sizeof image - 1] = '\0';
    int found = modules_find(info->module, info->module_count, service.guest[call->guest].name, image);
    return found != MODULE_NOT_FOUND && info->module[found].size == answer->all
               ? (const uint8_t *)(uintptr_t)info->module[found].address
               : NULL;
}

/* How many bytes from `at` on are as the background. */
static uint32_t left_out(const uint8_t *bytes, uint32_t size, uint64_t at, const uint8_t *module)
{
    static const uint8_t zeros[BLOCK];
    uint32_t done = 0;

    while (done < size) {
        uint32_t block = BLOCK - (uint32_t)(at + done) % BLOCK;
        block = block < size - done ? block : size - done;
        if (memcmp(bytes + done, module != NULL ? module + at + done : zeros, block) != 0)
            break;
        done += block;
    }
    return done;
}

/*
 * call->media.offset is how far it has come, call->offset the end of the last part, call->at the number of
 * parts. An answer is used as long as nobody has asked another question.
 */
uint32_t disk_piece(struct control_call *call, uint8_t *to)
{
    static struct media_answer answer; /* a page, of a stack of eight; nothing of it is needed later */
    const struct media_answer *shared = answer_of(call);
    const uint8_t *module = NULL;

    if (shared == NULL || is_refused(call, shared))
        return 0;
    memcpy(&answer, shared, sizeof answer);
    uint64_t *at = &call->media.offset, end = answer.at + answer.size;
    if (answer.size > MEDIA_DATA || end < answer.at || end > answer.all || *at > end)
        return no_sense(call);
    /* Only zeros are skipped, and no more than one answer may: the checksum takes everybody's time. */
    if (answer.at > *at && (call->number == CONTROL_WITHOUT_IMAGE || answer.at - *at > LEFT_OUT_MAX))
        return no_sense(call);
    if (call->number == CONTROL_WITHOUT_IMAGE && (module = module_of(call, &answer)) == NULL)
        return no_sense(call);
    *at = *at < answer.at ? answer.at : *at;
    const uint8_t *bytes = answer.data + (*at - answer.at);
    uint32_t skipped = left_out(bytes, (uint32_t)(end - *at), *at, module);
    *at += skipped;
    uint32_t length = end - *at < DISK_ROOM ? (uint32_t)(end - *at) : (uint32_t)DISK_ROOM;
    if (length == 0 && end < answer.all && *at - call->offset < LEFT_OUT_MAX) {
        call->value = 0;
        answer_of(call); /* asks for the next page */
        return 0;
    }
    struct control_disk part = {.all = answer.all, .at = *at, .length = length};
    if (module != NULL)
        part.crc = control_crc(module + call->offset, *at - call->offset);
    memcpy(to, &part, sizeof part);
    memcpy(to + sizeof part, bytes + skipped, length);
    *at += length;
    call->offset = *at;
    call->finished = ++call->at == PARTS_MAX || *at == answer.all;
    if (*at == end || call->finished)
        call->value = 0;
    return (uint32_t)sizeof part + length;
}
