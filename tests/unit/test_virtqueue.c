/*
 * Virtqueues, from the driver's side: chains of any shape, indices, notifications, and every way to get a
 * ring wrong (VIRTIO 1.2, 2.7).
 *
 * sources: devices/bus.c devices/p[ci]i*.c devices/i440fx.c devices/pam.c devices/ioapic.c devices/msix.c
 * sources: devices/virt*.c lib/format.c
 */
#include "virtio_driver.h"

/* Framing is the driver's choice (2.7.4): header and data in odd pieces, the status behind data in one piece.
 */
static void test_framing(void **state)
{
    (void)state;
    modern_up(0);
    put_header(IN, 2);
    *descriptor(5) = (struct descriptor){HEADER, 7, NEXT, 9};
    *descriptor(9) = (struct descriptor){HEADER + 7, 9, NEXT, 1};
    *descriptor(1) = (struct descriptor){DATA, 1, NEXT | WRITE, 2};
    *descriptor(2) = (struct descriptor){DATA + 100, 0, NEXT | WRITE, 3}; /* nothing */
    *descriptor(3) = (struct descriptor){DATA + 1, 512, WRITE, 0};        /* 511 and the status */
    world.ram[DATA + 512] = UNTOUCHED;
    offer(5);
    notify();
    assert_int_equal(used_index(), 1);
    assert_int_equal(*(uint32_t *)(world.ram + USED + 4), 5);
    assert_memory_equal(world.ram + DATA, world.disk + 1024, 512);
    assert_int_equal(world.ram[DATA + 512], OK);
}

static void test_indirect(void **state)
{
    (void)state;
    modern_up(F_INDIRECT);
    put_header(IN, 1);
    put_chain((struct descriptor *)(world.ram + TABLE), 0, 512, true);
    *descriptor(7) = (struct descriptor){TABLE, 48, INDIRECT, 0};
    offer(7);
    notify();
    assert_int_equal(world.ram[STATUS], OK);
    assert_memory_equal(world.ram + DATA, world.disk + 512, 512);
    assert_int_equal(common_read(0x14, 1), STATUS_DRIVER_OK);
}

/* What a driver must not do stops the queue and sets NEEDS_RESET, with an interrupt for the configuration. */
static void expect_broken(void)
{
    uint16_t used = used_index();
    unsigned messages = world.msi_count;
    notify();
    assert_int_equal(used_index(), used);
    assert_int_equal(common_read(0x14, 1), STATUS_DRIVER_OK | STATUS_NEEDS_RESET);
    assert_int_equal(world.msi_count, messages + 1);
    assert_int_equal(world.msi[messages].data, 0x40);
    notify();
    assert_int_equal(world.msi_count, messages + 1);
    /* Reset makes it work again. */
    memset(world.ram, 0, 0x4000);
    modern_up(F_INDIRECT);
    assert_int_equal(request(IN, 0, 512), OK);
    memset(world.ram, 0, 0x4000);
    modern_up(F_INDIRECT);
    put_header(IN, 0);
    put_chain(descriptor(0), 0, 512, true);
    put_chain((struct descriptor *)(world.ram + TABLE), 0, 512, true);
}

static void test_broken_rings(void **state)
{
    (void)state;
    struct descriptor *table;
    modern_up(F_INDIRECT);
    put_header(IN, 0);
    put_chain(descriptor(0), 0, 512, true);
    offer(SIZE); /* head outside of the table */
    expect_broken();
    descriptor(1)->next = SIZE; /* next outside of the table */
    offer(0);
    expect_broken();
    descriptor(1)->next = 0; /* a cycle */
    offer(0);
    expect_broken();
    descriptor(2)->next = 2; /* a cycle of one, writable */
    descriptor(2)->flags |= NEXT;
    offer(0);
    expect_broken();
    *descriptor(2) =
        (struct descriptor){STATUS, 1, 0, 0}; /* readable after writable: no place for a status */
    offer(0);
    expect_broken();
    *descriptor(0) = (struct descriptor){HEADER, 16, 0, 0}; /* nothing to write to */
    offer(0);
    expect_broken();
    *descriptor(0) = (struct descriptor){HEADER, 15, NEXT, 1}; /* half a header */
    offer(0);
    expect_broken();
    descriptor(2)->address = WORLD_RAM; /* the status outside of RAM */
    offer(0);
    expect_broken();
    *ram16(AVAILABLE + 2) = SIZE + 1; /* more chains than the ring holds */
    expect_broken();
    table = (struct descriptor *)(world.ram + TABLE);
    *descriptor(0) = (struct descriptor){TABLE, 40, INDIRECT, 0}; /* half a descriptor */
    offer(0);
    expect_broken();
    *descriptor(0) = (struct descriptor){TABLE, 0, INDIRECT, 0};
    offer(0);
    expect_broken();
    *descriptor(0) = (struct descriptor){TABLE, 48, INDIRECT | NEXT, 1};
    offer(0);
    expect_broken();
    *descriptor(0) = (struct descriptor){TABLE, 32, INDIRECT, 0}; /* the chain leaves its table */
    offer(0);
    expect_broken();
    table[1] = (struct descriptor){TABLE, 48, INDIRECT, 0}; /* indirect in indirect */
    *descriptor(0) = (struct descriptor){TABLE, 48, INDIRECT, 0};
    offer(0);
    expect_broken();
    *descriptor(0) = (struct descriptor){WORLD_RAM - 16, 48, INDIRECT, 0};
    offer(0);
    expect_broken();
    *descriptor(0) = (struct descriptor){UINT64_MAX - 15, 0xfffffff0, INDIRECT, 0};
    offer(0);
    expect_broken();
    table[1].next = 1; /* a cycle in the indirect table */
    *descriptor(0) = (struct descriptor){TABLE, 48, INDIRECT, 0};
    offer(0);
    expect_broken();
}

static void test_indirect_not_negotiated(void **state)
{
    (void)state;
    modern_up(0);
    *descriptor(0) = (struct descriptor){TABLE, 48, INDIRECT, 0};
    offer(0);
    expect_broken();
}

/* A ring outside of RAM. */
static void test_rings_nowhere(void **state)
{
    (void)state;
    static const unsigned part[] = {0x20, 0x28, 0x30};
    for (unsigned i = 0; i < 3; i++) {
        modern_up(0);
        put_header(IN, 0);
        put_chain(descriptor(0), 0, 512, true);
        offer(0);
        common_write(part[i], 8, WORLD_RAM); /* too late: the queue is enabled */
        notify();
        assert_int_equal(world.ram[STATUS], OK);
        common_write(0x14, 1, 0);
        bars_on();
        common_write(0x20, 8, i == 0 ? UINT64_MAX : DESCRIPTORS);
        common_write(0x28, 8, i == 1 ? WORLD_RAM - 2 : AVAILABLE);
        common_write(0x30, 8, i == 2 ? WORLD_RAM : USED);
        common_write(0x1c, 2, 1);
        common_write(0x14, 1, STATUS_DRIVER_OK);
        notify();
        assert_int_equal(common_read(0x14, 1), STATUS_DRIVER_OK | STATUS_NEEDS_RESET);
        memset(world.ram, 0, 0x4000);
    }
}

/* The device is told only when it rests, and tells only when the driver waits (2.7.7, 2.7.10). */
static void test_event_index(void **state)
{
    (void)state;
    modern_up(F_EVENT_IDX);
    uint16_t *used_event = ram16(AVAILABLE + 4 + 2 * SIZE), *avail_event = ram16(USED + 4 + 8 * SIZE);
    *used_event = 0;
    assert_int_equal(request(IN, 0, 512), OK);
    assert_int_equal(world.msi_count, 1);
    assert_int_equal(*avail_event, 1);
    assert_int_equal(request(IN, 0, 512), OK); /* used_event is behind: nobody waits */
    assert_int_equal(world.msi_count, 1);
    *used_event = 5;
    for (unsigned i = 0; i < 4; i++) { /* four in one notification: indices 2 to 5 */
        put_chain(descriptor(4 * i), 0, 512, true);
        for (unsigned j = 0; j < 3; j++)
            descriptor(4 * i + j)->next = (uint16_t)(4 * i + j + 1);
        offer((uint16_t)(4 * i));
    }
    notify();
    assert_int_equal(used_index(), 6);
    assert_int_equal(world.msi_count, 2);
    assert_int_equal(*avail_event, 6);
}

static void test_indices_wrap(void **state)
{
    (void)state;
    modern_up(F_EVENT_IDX);
    uint16_t *used_event = ram16(AVAILABLE + 4 + 2 * SIZE);
    for (unsigned i = 0; i < 0x10000 + 2 * SIZE; i++) {
        *used_event = used_index();
        assert_int_equal(request(IN, i % WORLD_DISK_SECTORS, 512), OK);
    }
    assert_int_equal(world.msi_count, 0x10000 + 2 * SIZE);
}

static void test_no_interrupt_flag(void **state)
{
    (void)state;
    modern_up(0);
    *ram16(AVAILABLE) = 1;
    assert_int_equal(request(IN, 0, 512), OK);
    assert_int_equal(world.msi_count, 0);
    *ram16(AVAILABLE) = 0;
    assert_int_equal(request(IN, 0, 512), OK);
    assert_int_equal(world.msi_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_framing),       TEST(test_indirect),
        TEST(test_broken_rings),  TEST(test_indirect_not_negotiated),
        TEST(test_rings_nowhere), TEST(test_event_index),
        TEST(test_indices_wrap),  TEST(test_no_interrupt_flag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
