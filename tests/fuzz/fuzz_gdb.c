/*
 * Bytes of any kind from a GDB: framing, packets and registers, over a target that fails now and then.
 *
 * sources: tools/gdb_packet.c tools/gdb_session.c tools/gdb_registers.c tools/messages.c
 * coverage: tools/gdb_packet.c tools/gdb_session.c tools/gdb_registers.c
 */
#include <stdlib.h>
#include <string.h>
#include "gdb_session.h"

static struct gdb_session session;
static struct gdb_reader reader;
static struct vcpu_state vcpu;
static unsigned calls;

static bool good(unsigned number)
{
    if (number >= session.vcpus)
        abort();
    return ++calls % 7 != 0;
}

static bool get(void *context, unsigned number, struct vcpu_state *state)
{
    (void)context;
    *state = vcpu;
    return good(number);
}

static bool set(void *context, unsigned number, const struct vcpu_gpr *gpr)
{
    (void)context;
    vcpu.gpr = *gpr;
    return good(number);
}

static size_t read_memory(void *context, unsigned number, uint64_t address, uint8_t *bytes, size_t length)
{
    (void)context;
    memset(bytes, (int)address, length);
    return good(number) ? length : 0;
}

static bool write_memory(void *context, unsigned number, uint64_t address, const uint8_t *bytes,
                         size_t length)
{
    uint8_t sum = 0;

    (void)context;
    for (size_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return good(number) || sum == address;
}

static bool breakpoint(void *context, bool insert, enum debug_breakpoint kind, uint64_t address,
                       size_t length)
{
    (void)context, (void)insert, (void)address, (void)length;
    if (kind > DEBUG_WATCH_ACCESS)
        abort();
    return good(0);
}

static bool go(void *context, uint32_t steps, uint32_t runs)
{
    (void)context;
    if ((steps | runs) >> session.vcpus != 0 || (steps & runs) != 0)
        abort();
    return good(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct gdb_target target = {get, set, read_memory, write_memory, breakpoint, go};
    static char bytes[2 * GDB_PACKET_MAX + 4];
    struct debug_state stop = {.vcpu_count = 3};

    if (size < 2)
        return 0;
    memset(&reader, 0, sizeof(reader));
    gdb_session_open(&session, &target, NULL, data[0] & 1, &stop);
    for (size_t i = 1; i < size; i++) {
        enum gdb_event event = gdb_read(&reader, data[i]);
        if (event != GDB_PACKET && !(event == GDB_GARBLED && !reader.broken)) /* the sum is hard to guess */
            continue;
        if (session.running) {
            stop = (struct debug_state){
                .vcpu_count = 3, .vcpu = data[i], .reason = data[i] % 4, .kind = data[0] % 6};
            gdb_session_stopped(&session, &stop);
        }
        gdb_session_packet(&session, reader.data, reader.length);
        if (session.reply_length > GDB_PACKET_MAX)
            abort();
        gdb_write(bytes, session.reply, session.reply_length);
    }
    gdb_session_close(&session);
    return 0;
}
