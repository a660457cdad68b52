/*
 * nr disk pull: what becomes of the monitor's parts of a disk, and of the file. The monitor's answers are
 * made up here; disk_command.c is included for what it does with them.
 *
 * sources: tools/whole_file.c tools/messages.c lib/control_frame.c
 */
#include <stddef.h>
#include "../../tools/disk_command.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <dirent.h>
#include <sys/wait.h>

enum { DISK = 3 << 20, ROOM = 1000 };

static char directory[] = "/tmp/test_disk_copy.XXXXXX";
static char target[64], base_path[64];
static uint8_t disk[DISK], image[DISK];
static unsigned asked, fail_at;
static enum { HONEST, CUT_HEAD, CUT_DATA, BACKWARDS, BEYOND, CHANGED, NOTHING, WRONG_CRC, FAR } lie;

int control_open(struct control_client *client, const char *monitor)
{
    (void)client, (void)monitor;
    return NR_DONE;
}

void control_close(struct control_client *client)
{
    (void)client;
}

int control_ask_guest(int argc, char **argv, enum control_command command, const char *doc)
{
    (void)argc, (void)argv, (void)doc;
    return command == CONTROL_DRIVES ? NR_DONE : NR_USAGE;
}

void control_parse(struct control_arguments *arguments, int argc, char **argv)
{
    (void)argc, (void)argv;
    arguments->word[0] = "guest";
    arguments->word[1] = "disk0";
}

int debug_look(struct control_client *client, const char *guest, enum debug_op op, struct debug_state *state)
{
    (void)client, (void)guest, (void)op;
    *state = (struct debug_state){.held = 1};
    return NR_DONE;
}

int drive_request(struct control_request *request, struct control_drive *data, enum control_command command,
                  const char *guest, const char *drive, const char *named)
{
    assert_null(named);
    *request = (struct control_request){.command = command};
    strcpy(request->guest, guest);
    *data = (struct control_drive){0};
    strcpy(data->drive, drive);
    return NR_DONE;
}

static void add_part(struct control_answer *answer, struct control_disk part, const uint8_t *bytes)
{
    answer->bytes = realloc(answer->bytes, answer->size + sizeof(part) + part.length);
    memcpy(answer->bytes + answer->size, &part, sizeof(part));
    memcpy(answer->bytes + answer->size + sizeof(part), bytes, part.length);
    answer->size += sizeof(part) + part.length;
}

static void spoil(struct control_answer *answer)
{
    struct control_disk part;

    memcpy(&part, answer->bytes, sizeof(part));
    part.at = lie == BACKWARDS ? part.at - 1 : lie == BEYOND ? DISK : lie == FAR ? 2 << 20 : part.at;
    part.all += lie == CHANGED;
    part.crc += lie == WRONG_CRC;
    memcpy(answer->bytes, &part, sizeof(part));
    answer->size = lie == CUT_HEAD   ? sizeof(part) - 1
                   : lie == CUT_DATA ? sizeof(part) + part.length - 1
                   : lie == NOTHING  ? 0
                                     : answer->size;
}

/* As the service: up to 64 parts of what differs from the background, by 512 bytes. */
int control_ask(struct control_client *client, const struct control_request *request, const void *data,
                size_t length, struct control_answer *answer)
{
    const struct control_drive *drive = data;
    uint64_t at = request->offset, before = at;
    bool over = request->number == CONTROL_WITHOUT_IMAGE;
    static const uint8_t zeros[512];

    (void)client;
    *answer = (struct control_answer){0};
    assert_int_equal(request->command, CONTROL_DISK);
    assert_int_equal(length, sizeof(*drive));
    assert_string_equal(drive->drive, "disk0");
    if (++asked == fail_at)
        return NR_UNEXPECTED;
    for (unsigned i = 0; i < 64 && at < DISK; i++) {
        while (at < DISK && at - before < 1 << 18 &&
               memcmp(disk + at, over ? image + at : zeros, DISK - at < 512 ? DISK - at : 512) == 0)
            at += DISK - at < 512 ? DISK - at : 512;
        uint32_t part = at - before >= 1 << 18 ? 0
                        : DISK - at < ROOM     ? (uint32_t)(DISK - at)
                                               : (uint32_t)ROOM;
        add_part(answer,
                 (struct control_disk){.all = DISK,
                                       .at = at,
                                       .length = part,
                                       .crc = over ? control_crc(image + before, at - before) : 0},
                 disk + at);
        before = at += part;
    }
    if (lie != HONEST && asked == (lie >= WRONG_CRC ? 1 : 2))
        spoil(answer);
    return NR_DONE;
}

static int set_up(void **state)
{
    (void)state;
    asked = fail_at = 0;
    lie = HONEST;
    for (unsigned i = 0; i < DISK; i++)
        disk[i] = image[i] = i >> 18 & 1 ? 0 : (uint8_t)(i * 13 + (i >> 9));
    memset(disk + 5000, 0x77, 3);
    memset(disk + 300000, 1, 60000);
    memset(disk + 10240, 0, 40960);
    memset(disk + DISK - 5, 9, 5);
    FILE *file = fopen(base_path, "wb");
    assert_int_equal(fwrite(image, 1, DISK, file), DISK);
    fclose(file);
    return 0;
}

/* No file but those that a test has made. */
static unsigned files(void)
{
    DIR *open = opendir(directory);
    unsigned count = 0;

    for (struct dirent *entry; (entry = readdir(open)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(open);
    return count;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(target);
    unlink(base_path);
    return files();
}

static int pull(const char *base, const char *to)
{
    struct copy copy = {.guest = "guest", .drive = "disk0", .base_path = base, .base = -1, .to.fd = -1};

    if (base != NULL)
        copy.base = open(base, O_RDONLY);
    int status = whole_file_open(&copy.to, to);
    if (status == NR_DONE)
        status = whole_file_close(&copy.to, copy_all(&copy));
    if (copy.base >= 0)
        close(copy.base);
    return status;
}

static void expect_copy(void)
{
    static uint8_t bytes[DISK + 1];
    FILE *file = fopen(target, "rb");

    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, sizeof(bytes), file), DISK);
    fclose(file);
    assert_memory_equal(bytes, disk, DISK);
}

static void a_copy(void **state)
{
    struct stat status;
    mode_t mask = umask(022);

    (void)state;
    umask(mask);
    assert_int_equal(pull(NULL, target), NR_DONE);
    expect_copy();
    assert_int_equal(stat(target, &status), 0);
    assert_true(status.st_blocks * 512 < DISK * 3 / 4); /* half of it are zeros */
    assert_int_equal(status.st_mode & 0777, 0666 & ~mask);
    assert_int_equal(files(), 2);
    /* The same again replaces it. */
    disk[0] ^= 1;
    memset(disk + DISK - 5, 0, 5); /* zeros at its end are of its size, too */
    assert_int_equal(pull(NULL, target), NR_DONE);
    expect_copy();
}

static void over_a_base(void **state)
{
    struct stat status;

    (void)state;
    assert_int_equal(pull(base_path, target), NR_DONE);
    expect_copy();
    assert_int_equal(stat(target, &status), 0);
    assert_true(status.st_blocks * 512 < DISK * 3 / 4);
    unsigned questions = asked;
    asked = 0;
    assert_int_equal(pull(NULL, target), NR_DONE);
    assert_true(questions < asked / 2);
}

/* Another file than the guest was started with: the copy would be of no disk at all. */
static void a_wrong_base(void **state)
{
    (void)state;
    image[100000] = disk[100000] ^= 1; /* what the monitor has is another one */
    assert_int_equal(pull(base_path, target), NR_USAGE);
    assert_int_equal(access(target, F_OK), -1);
    assert_int_equal(truncate(base_path, DISK - 4096), 0);
    image[100000] = disk[100000] ^= 1;
    assert_int_equal(pull(base_path, target), NR_USAGE);
    assert_int_equal(files(), 1);
}

/* What goes wrong on the way leaves the file that was there, or none. */
static void nothing_half(void **state)
{
    (void)state;
    for (fail_at = 1; fail_at < 4; fail_at++) {
        asked = 0;
        assert_int_equal(pull(NULL, target), NR_UNEXPECTED);
        assert_int_equal(files(), 1);
    }
    fail_at = 0;
    for (lie = CUT_HEAD; lie <= FAR; lie++) {
        asked = 0;
        int status = pull(lie >= WRONG_CRC ? base_path : NULL, target);
        assert_int_equal(status, lie == WRONG_CRC ? NR_USAGE : NR_UNEXPECTED);
        assert_int_equal(files(), 1);
    }
    FILE *file = fopen(target, "w");
    fputs("old", file);
    fclose(file);
    lie = CUT_DATA;
    asked = 0;
    assert_int_equal(pull(NULL, target), NR_UNEXPECTED);
    file = fopen(target, "r");
    assert_int_equal(fgetc(file), 'o');
    fclose(file);
}

static void where_it_cannot_be(void **state)
{
    char path[128];

    (void)state;
    assert_int_equal(pull(NULL, directory), NR_USAGE);
    assert_int_equal(pull(NULL, "/dev/null"), NR_USAGE);
    snprintf(path, sizeof(path), "%s/none/copy", directory);
    assert_int_equal(pull(NULL, path), NR_UNEXPECTED);
    snprintf(path, sizeof(path), "%s/link", directory);
    assert_int_equal(symlink(target, path), 0); /* to nowhere yet: it is replaced */
    assert_int_equal(pull(NULL, path), NR_DONE);
    unlink(path);
    assert_int_equal(pull(NULL, target), NR_DONE);
    assert_int_equal(symlink(target, path), 0);
    disk[7] ^= 1;
    assert_int_equal(pull(NULL, path), NR_DONE); /* what it leads to is */
    expect_copy();
    unlink(path);
}

/* A signal that ends nr takes the unfinished file along. */
static void a_signal(void **state)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    int result;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        pid_t child = fork();
        if (child == 0) {
            struct whole_file file;
            signal(numbers[i], SIG_DFL); /* who runs this may have it ignored */
            if (whole_file_open(&file, target) != NR_DONE || files() != 2)
                _exit(1);
            raise(numbers[i]);
            _exit(2);
        }
        assert_int_equal(waitpid(child, &result, 0), child);
        assert_true(WIFSIGNALED(result) && WTERMSIG(result) == numbers[i]);
        assert_int_equal(files(), 1);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(a_copy),       TEST(over_a_base),        TEST(a_wrong_base),
                                       TEST(nothing_half), TEST(where_it_cannot_be), TEST(a_signal)};

    if (mkdtemp(directory) == NULL)
        return EXIT_FAILURE;
    snprintf(target, sizeof(target), "%s/copy", directory);
    snprintf(base_path, sizeof(base_path), "%s/base", directory);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}
