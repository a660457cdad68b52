/*
 * GDB's remote protocol (GDB manual, appendix E): framing, registers and packets, over a target that records.
 *
 * sources: tools/gdb_packet.c tools/gdb_session.c tools/gdb_registers.c tools/messages.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "gdb_session.h"

static struct {
    struct vcpu_state state[2];
    uint8_t memory[64];
    uint32_t steps, runs;
    unsigned kind;
    uint64_t address;
    bool inserted, fails;
} guest;

static bool get(void *context, unsigned vcpu, struct vcpu_state *state)
{
    (void)context;
    *state = guest.state[vcpu];
    return !guest.fails;
}

static bool set(void *context, unsigned vcpu, const struct vcpu_gpr *gpr)
{
    (void)context;
    guest.state[vcpu].gpr = *gpr;
    return !guest.fails;
}

static size_t read_memory(void *context, unsigned vcpu, uint64_t address, uint8_t *bytes, size_t length)
{
    (void)context, (void)vcpu;
    size_t there = address < sizeof(guest.memory) ? sizeof(guest.memory) - address : 0;
    length = length < there ? length : there;
    if (length > 0)
        memcpy(bytes, guest.memory + address, length);
    return length;
}

static bool write_memory(void *context, unsigned vcpu, uint64_t address, const uint8_t *bytes, size_t length)
{
    (void)context, (void)vcpu;
    if (address > sizeof(guest.memory) || length > sizeof(guest.memory) - address)
        return false;
    memcpy(guest.memory + address, bytes, length);
    return true;
}

static bool breakpoint(void *context, bool insert, enum debug_breakpoint kind, uint64_t address,
                       size_t length)
{
    (void)context, (void)length;
    guest.inserted = insert;
    guest.kind = kind;
    guest.address = address;
    return !guest.fails;
}

static bool go(void *context, uint32_t steps, uint32_t runs)
{
    (void)context;
    guest.steps = steps;
    guest.runs = runs;
    return !guest.fails;
}

static const struct gdb_target target = {get, set, read_memory, write_memory, breakpoint, go};
static struct gdb_session session;

static int open_session(void **state)
{
    const struct debug_state stop = {.vcpu_count = 2, .vcpu = 1, .reason = DEBUG_BREAKPOINT};

    (void)state;
    memset(&guest, 0, sizeof(guest));
    gdb_session_open(&session, &target, NULL, false, &stop);
    return 0;
}

static int close_session(void **state)
{
    (void)state;
    gdb_session_close(&session);
    return 0;
}

static const char *say(const char *packet)
{
    static char reply[GDB_PACKET_MAX + 1];

    gdb_session_packet(&session, packet, strlen(packet));
    memcpy(reply, session.reply, session.reply_length);
    reply[session.reply_length] = '\0';
    return reply;
}

static enum gdb_event feed(struct gdb_reader *reader, const char *bytes)
{
    enum gdb_event event = GDB_NOTHING;

    for (; *bytes != '\0' && event == GDB_NOTHING; bytes++)
        event = gdb_read(reader, (uint8_t)*bytes);
    return event;
}

static void test_framing(void **state)
{
    static struct gdb_reader reader;
    char packet[64];

    (void)state;
    assert_int_equal(feed(&reader, "+$m0,4#fd"), GDB_PACKET);
    assert_string_equal(reader.data, "m0,4");
    assert_int_equal(feed(&reader, "$m0,4#fe"), GDB_GARBLED);
    assert_int_equal(feed(&reader, "$m0,4#zz"), GDB_GARBLED);
    assert_int_equal(feed(&reader, "$cut$g#67"), GDB_PACKET); /* begins anew */
    assert_string_equal(reader.data, "g");
    assert_int_equal(feed(&reader, "-"), GDB_RESEND);
    assert_int_equal(feed(&reader, "\3"), GDB_INTERRUPT);
    size_t size = gdb_write(packet, "a#$}*b", 6);
    packet[size] = '\0';
    assert_int_equal(feed(&reader, packet), GDB_PACKET);
    assert_int_equal(reader.length, 6);
    assert_string_equal(reader.data, "a#$}*b");
}

static void test_too_long(void **state)
{
    static struct gdb_reader reader;

    (void)state;
    feed(&reader, "$");
    for (unsigned i = 0; i < 3 * GDB_PACKET_MAX; i++)
        assert_int_equal(gdb_read(&reader, 'x'), GDB_NOTHING);
    assert_int_equal(feed(&reader, "#00"), GDB_GARBLED);
    assert_int_equal(feed(&reader, "$g#67"), GDB_PACKET);
}

static void test_registers(void **state)
{
    (void)state;
    guest.state[1].gpr.reg[RAX] = 0x11223344;
    guest.state[1].gpr.rip = 0x7c00;
    guest.state[1].segment[SEG_CS].selector = 0xf000;
    guest.state[1].control.cr3 = 0x5000;
    assert_memory_equal(say("g"), "44332211", 8);
    assert_string_equal(say("p8"), "007c0000");  /* EIP */
    assert_string_equal(say("pa"), "00f00000");  /* CS */
    assert_string_equal(say("p22"), "00500000"); /* CR3, behind st0 to st7 and the FPU's controls */
    assert_string_equal(say("P8=78563412"), "OK");
    assert_int_equal(guest.state[1].gpr.rip, 0x12345678);
    assert_string_equal(say("Pa=08000000"), "E01"); /* a segment is more than its selector */
    assert_string_equal(say("pff"), "E01");
    assert_string_equal(say("P8"), "E01");
    assert_string_equal(say("P8=12"), "E01");
    assert_string_equal(say("Hg1"), "OK");
    assert_string_equal(say("p8"), "00000000");
    assert_string_equal(say("Hg3"), "E01");
}

static void test_all_registers_back(void **state)
{
    char packet[GDB_PACKET_MAX];

    (void)state;
    guest.state[1].gpr.reg[RBX] = 0xcafe;
    packet[0] = 'G';
    strcpy(packet + 1, say("g"));
    guest.state[1].gpr.reg[RBX] = 0;
    assert_string_equal(say(packet), "OK");
    assert_int_equal(guest.state[1].gpr.reg[RBX], 0xcafe);
    packet[40] = '\0';
    assert_string_equal(say(packet), "E01");
}

static void test_memory(void **state)
{
    (void)state;
    memcpy(guest.memory, "\x01\x02\x03\xff", 4);
    assert_string_equal(say("m0,4"), "010203ff");
    assert_string_equal(say("m3e,8"), "0000"); /* as far as there is some */
    assert_string_equal(say("m40,1"), "E01");
    assert_string_equal(say("m0"), "E01");
    assert_string_equal(say("mfffffffffffffffff,1"), "E01");
    assert_string_equal(say("M2,2:abcd"), "OK");
    assert_memory_equal(guest.memory, "\x01\x02\xab\xcd", 4);
    assert_string_equal(say("M2,3:abcd"), "E01");
    assert_string_equal(say("M2,ffffffffff:abcd"), "E01");
    assert_string_equal(say("M3f,2:abcd"), "E01");
}

static void test_breakpoints(void **state)
{
    (void)state;
    assert_string_equal(say("Z0,7c00,1"), "OK");
    assert_true(guest.inserted && guest.kind == DEBUG_SOFTWARE && guest.address == 0x7c00);
    assert_string_equal(say("Z1,7c01,1"), "OK");
    assert_true(guest.inserted && guest.kind == DEBUG_HARDWARE && guest.address == 0x7c01);
    assert_string_equal(say("z3,1000,4"), "OK");
    assert_true(!guest.inserted && guest.kind == DEBUG_WATCH_READ);
    assert_string_equal(say("Z7,0,1"), "");
    assert_string_equal(say("Z0,"), "E01");
    guest.fails = true;
    assert_string_equal(say("Z1,7c00,1"), "E01");
}

static void test_going_on(void **state)
{
    struct debug_state stop = {
        .vcpu_count = 2, .vcpu = 0, .reason = DEBUG_WATCHPOINT, .kind = 2, .address = 0x10};

    (void)state;
    assert_string_equal(say("?"), "T05swbreak:;thread:2;");
    guest.state[1].segment[SEG_CS].base = 0xf0000; /* it does not lie at EIP: GDB would not believe it */
    assert_string_equal(say("?"), "T05thread:2;");
    assert_string_equal(say("vCont;s:2;c"), "");
    assert_true(session.running);
    assert_int_equal(guest.steps, 2);
    assert_int_equal(guest.runs, 1);
    gdb_session_stopped(&session, &stop);
    assert_false(session.running);
    assert_memory_equal(session.reply, "T05watch:10;thread:1;", 21);
    say("vCont;s:1");
    assert_int_equal(guest.steps, 1);
    assert_int_equal(guest.runs, 0);
    stop.reason = DEBUG_ASKED;
    gdb_session_stopped(&session, &stop);
    assert_memory_equal(session.reply, "T02", 3);
    assert_string_equal(say("vCont;x"), "E01");
    assert_string_equal(say("vCont"), "E01");
    assert_string_equal(say("vCont;c:9"), "E01");
    assert_string_equal(say("c1234"), "E01");
    assert_false(session.running);
    say("c");
    assert_int_equal(guest.runs, 3);
}

static void test_queries(void **state)
{
    (void)state;
    assert_non_null(strstr(say("qSupported:xmlRegisters=i386"), "qXfer:features:read+"));
    assert_string_equal(say("qfThreadInfo"), "m1,2");
    assert_string_equal(say("qC"), "QC2");
    assert_memory_equal(say("qXfer:features:read:target.xml:0,100"), "m<?xml", 6);
    assert_string_equal(say("qXfer:features:read:target.xml:fffff,100"), "E00");
    assert_string_equal(say("T1"), "OK");
    assert_string_equal(say("T3"), "E01");
    assert_string_equal(say("vMustReplyEmpty"), "");
    assert_string_equal(say(""), "");
    assert_string_equal(say("D"), "OK");
    assert_true(session.detached);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test_setup_teardown(test_registers, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_all_registers_back, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_memory, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_breakpoints, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_going_on, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_queries, open_session, close_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
