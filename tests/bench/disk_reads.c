/*
 * Reads a disk as a database would: so many requests of 4 KiB at a time, each anew as soon as it is done.
 *
 *     disk_reads DEVICE READS DEPTH
 *
 * A Linux i386 program without a C library, since an initrd has none; busybox's dd has one request at a time.
 * Linux's asynchronous I/O (io_submit(2)) takes DEPTH requests in one call, and direct I/O makes each one a
 * request to the device. The blocks lie apart, so that the kernel cannot merge them. Status 0: every read
 * came back whole.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BLOCK_SIZE = 4096, DEPTH_MAX = 128, DISK_BLOCKS = 1024, STRIDE = 7 };
enum { O_RDONLY_DIRECT_LARGEFILE = 040000 | 0100000, IOCB_CMD_PREAD = 0 };
/* arch/x86/entry/syscalls/syscall_32.tbl */
enum { CALL_EXIT = 1, CALL_OPEN = 5, CALL_IO_SETUP = 245, CALL_IO_GETEVENTS = 247, CALL_IO_SUBMIT = 248 };

/* include/uapi/linux/aio_abi.h */
struct iocb {
    uint64_t data;
    uint32_t key, flags;
    uint16_t opcode;
    int16_t priority;
    uint32_t file;
    uint64_t buffer, bytes;
    int64_t offset;
    uint64_t reserved;
    uint32_t more_flags, event_file;
};
_Static_assert(sizeof(struct iocb) == 64, "aio_abi.h");
struct io_event {
    uint64_t data, iocb;
    int64_t result, result2;
};

static uint8_t buffer[DEPTH_MAX][BLOCK_SIZE] __attribute__((aligned(BLOCK_SIZE)));
static struct iocb request[DEPTH_MAX];

static long call(long number, long a, long b, long c, long d, long e)
{
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                     : "memory");
    return result;
}

static _Noreturn void leave(int status)
{
    for (;;)
        call(CALL_EXIT, status, 0, 0, 0, 0);
}

static uint32_t number(const char *text)
{
    uint32_t value = 0;
    while (*text >= '0' && *text <= '9')
        value = value * 10 + (uint32_t)(*text++ - '0');
    return value;
}

/* Slot i reads block `index` of the order in which blocks are read. */
static void prepare(uint32_t i, long file, uint32_t index)
{
    request[i] = (struct iocb){.data = i,
                               .opcode = IOCB_CMD_PREAD,
                               .file = (uint32_t)file,
                               .buffer = (uint32_t)(uintptr_t)buffer[i],
                               .bytes = BLOCK_SIZE,
                               .offset = (int64_t)(index * STRIDE % DISK_BLOCKS) * BLOCK_SIZE};
}

static void read_all(long file, unsigned long context, uint32_t reads, uint32_t depth)
{
    static struct iocb *batch[DEPTH_MAX];
    static struct io_event event[DEPTH_MAX];
    uint32_t begun = 0, done = 0, fresh = depth < reads ? depth : reads;
    for (uint32_t i = 0; i < fresh; i++) {
        prepare(i, file, begun++);
        batch[i] = &request[i];
    }
    while (done < reads) {
        if (fresh && call(CALL_IO_SUBMIT, (long)context, (long)fresh, (long)batch, 0, 0) != (long)fresh)
            leave(1);
        long came = call(CALL_IO_GETEVENTS, (long)context, 1, DEPTH_MAX, (long)event, 0);
        if (came <= 0)
            leave(1);
        fresh = 0;
        for (long i = 0; i < came; i++, done++) {
            if (event[i].result != BLOCK_SIZE)
                leave(1);
            if (begun == reads)
                continue;
            uint32_t slot = (uint32_t)event[i].data;
            prepare(slot, file, begun++);
            batch[fresh++] = &request[slot];
        }
    }
}

/* The stack as the kernel leaves it: argc, argv. */
__attribute__((used)) static void start(long argc, char **argv)
{
    unsigned long context = 0;
    uint32_t reads = argc == 4 ? number(argv[2]) : 0, depth = argc == 4 ? number(argv[3]) : 0;
    if (reads == 0 || depth == 0 || depth > DEPTH_MAX)
        leave(2);
    long file = call(CALL_OPEN, (long)argv[1], O_RDONLY_DIRECT_LARGEFILE, 0, 0, 0);
    if (file < 0 || call(CALL_IO_SETUP, (long)depth, (long)&context, 0, 0, 0) != 0)
        leave(1);
    read_all(file, context, reads, depth);
    leave(0);
}

__asm__(".globl _start\n"
        "_start:\n"
        "    mov (%esp), %eax\n"
        "    lea 4(%esp), %edx\n"
        "    push %edx\n"
        "    push %eax\n"
        "    call start\n");
