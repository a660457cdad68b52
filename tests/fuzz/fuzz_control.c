/*
 * Bytes of any kind on the service's control line, and device models that answer anything: frames come whole,
 * damaged and cut, and what lies in the channels changes between any two looks. What the service sends has to
 * be whole frames.
 *
 * sources: lib/control_frame.c lib/format.c lib/modules.c
 * coverage: service/control_line.c service/control_commands.c service/control_input.c
 * coverage: service/control_screen.c service/control_debug.c service/control_media.c lib/control_frame.c
 */
#include "service_world.h"

enum { STEPS_MAX = 200, LINE_MAX = 4096 };

struct input {
    const uint8_t *data;
    size_t size;
};

/* Bytes that were sent, and have not been read. */
static uint8_t line[LINE_MAX];
static struct control_decoder reader;

static uint32_t number(struct input *input, unsigned bytes)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes && input->size > 0; i++, input->size--)
        value = value << 8 | *input->data++;
    return value;
}

static void bytes(struct input *input, void *to, size_t size)
{
    size_t part = size < input->size ? size : input->size;
    if (part > 0)
        memcpy(to, input->data, part);
    input->data += part;
    input->size -= part;
}

/* Runs the service on what was sent, and takes what it says. */
static void run(const uint8_t *sent, size_t count)
{
    struct control_frame frame;
    size_t done = 0;
    world.sent = sent;
    world.sent_count = count;
    do
        done = world.sent_count;
    while (control_run() && world.sent_count != done);
    for (done = 0; done < world.line_count;) {
        done += control_put(&reader, world.line + done, world.line_count - done);
        while (control_next(&reader, &frame))
            if (frame.kind != CONTROL_PIECE && frame.kind != CONTROL_DONE)
                abort();
    }
    world.line_count = 0;
    if (reader.skipped != 0)
        abort();
}

static void send_request(struct input *input)
{
    static const char *const guests[] = {"left", "right", "gone", "nobody", ""};
    static const char *const drives[] = {"disk0", "cd0"};
    struct control_request request = {.command = number(input, 1) % (CONTROL_COMMAND_COUNT + 1)};
    struct control_drive drive = {0};
    uint8_t payload[CONTROL_PAYLOAD_MAX] = {0};
    uint32_t how = number(input, 1), length = number(input, 1), id = number(input, 1);
    strcpy(request.guest, guests[how % (sizeof guests / sizeof guests[0])]);
    request.number = number(input, 1) % 4;
    request.offset = (uint64_t)number(input, 1) << (how & 0x40 ? 48 : 6);
    memcpy(payload, &request, sizeof request);
    if (how & 0x80) {
        strcpy(drive.drive, drives[length & 1]);
        memcpy(payload + sizeof request, &drive, sizeof drive);
        length = sizeof drive;
    } else {
        length = how & 0x20 ? CONTROL_DATA_MAX - length : length;
        bytes(input, payload + sizeof request, length < 64 ? length : 64);
    }
    struct control_frame frame = {.kind = CONTROL_REQUEST,
                                  .version = how == 0 ? 7 : 0,
                                  .id = id % 20 | (id >> 6) << CONTROL_ID_HUB_SHIFT,
                                  .length = (uint32_t)sizeof request + length,
                                  .payload = payload};
    if (how == 1)
        frame.length = length % sizeof request;
    if (how == 2)
        frame.kind = CONTROL_HANGUP;
    run(line, control_encode(line, &frame));
}

/* A device model answers what it likes. */
static void answer(struct input *input)
{
    struct channel *channel = &world_channel[number(input, 1) % 2];
    struct media_answer *media = &channel->media.answer;
    uint32_t how = number(input, 1);
    channel->screen.width = (uint16_t)number(input, 1);
    channel->screen.height = (uint16_t)number(input, 1);
    channel->screen.columns = channel->screen.rows = how & 1;
    channel->screen.next = channel->screen.position + number(input, 1);
    channel->screen.size = number(input, how & 2 ? 4 : 1);
    channel->screen.answered = channel->screen.asked - (how >> 2 & 1);
    channel->debug.answer.size = number(input, how & 2 ? 4 : 1);
    channel->debug.stops += how >> 3 & 1;
    channel->debug.answered = channel->debug.asked - (how >> 2 & 1);
    media->refused = (how & 0x30) == 0x30;
    media->size = how & 2 ? number(input, 4) : number(input, 1) << 4;
    media->all = how & 0x40 ? WORLD_MODULE : (uint64_t)number(input, 2) << (how & 2 ? 48 : 6);
    media->at = how & 0x40 ? channel->media.request.offset : (uint64_t)number(input, 1) << (how & 2 ? 56 : 6);
    if (how & 0x40 && media->at < media->all)
        media->size =
            media->all - media->at < MEDIA_DATA ? (uint32_t)(media->all - media->at) : (uint32_t)MEDIA_DATA;
    memset(media->image, how & 2 ? 'x' : 0, sizeof media->image);
    if (how & 0x40)
        strcpy(media->image, "disk.img");
    memset(media->data, 0, how & 8 ? MEDIA_DATA : 0);
    bytes(input, media->data + (how & 0x80 ? 600 : 0), 8);
    channel->media.answered = channel->media.asked - (how >> 2 & 1);
    channel->output_head += number(input, 1) * (how & 1 ? 64 : 1);
    channel->event_tail = channel->event_head + number(input, 1) % 3;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    world_reset();
    memset(&reader, 0, sizeof reader);
    for (unsigned i = 0; i < STEPS_MAX && input.size > 0; i++) {
        uint32_t step = number(&input, 1), count = 0;
        switch (step % 8) {
        case 0: /* anything */
            count = number(&input, 2) % LINE_MAX;
            bytes(&input, line, count < input.size ? count : input.size);
            run(line, count);
            break;
        case 1:
            world.room = step & 8 ? ALWAYS_ROOM : number(&input, 2);
            break;
        case 2:
            service.guest[step >> 3 & 1].ended = step >> 4 & 1;
            break;
        case 3:
        case 4:
            answer(&input);
            run(line, 0);
            break;
        default:
            send_request(&input);
        }
    }
    return 0;
}
