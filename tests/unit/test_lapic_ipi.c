/*
 * Messages between local APICs (core/lapic_ipi.c) against SDM Vol. 3A, 11.6 and 11.11: each delivery mode,
 * each destination mode, shorthands, MSIs.
 *
 * sources:
 */
#include "lapic_world.h"

enum { ALL = 0xf, LOGICAL = 1 << 11, ASSERT = 1 << 14, LEVEL = 1 << 15 };
enum { SELF = 1 << 18, EVERYBODY = 2 << 18, OTHERS = 3 << 18 };

static struct vcpu *const sender = &world_vcpu[1];

static void send(uint8_t destination, uint32_t low)
{
    lapic_write(sender, LAPIC_ICR_HIGH, (uint32_t)destination << 24);
    lapic_write(sender, LAPIC_ICR_LOW, low);
}

/* Who has the vector in IRR: a bit for each vCPU. Clears it there. */
static unsigned received(uint8_t vector)
{
    unsigned who = 0;
    for (unsigned i = 0; i < WORLD_VCPUS; i++) {
        who |= (unsigned)world_bank_bit(&world_vcpu[i], LAPIC_IRR, vector) << i;
        world_vcpu[i].lapic.irr[vector / 64] = 0;
    }
    return who;
}

/* Who was asked for just this; takes the requests. */
static unsigned requested(uint32_t request)
{
    unsigned who = 0;
    for (unsigned i = 0; i < WORLD_VCPUS; i++)
        who |= (unsigned)(world_take_requests(i) == request) << i;
    return who;
}

static void set_logical(unsigned index, uint8_t id, uint32_t dfr)
{
    lapic_write(&world_vcpu[index], LAPIC_LDR, (uint32_t)id << 24);
    lapic_write(&world_vcpu[index], LAPIC_DFR, dfr);
}

static void test_physical(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORLD_VCPUS; i++) {
        send((uint8_t)i, 0x40);
        assert_int_equal(received(0x40), 1u << i);
        /* The sender looks by itself before it enters its guest again. */
        assert_int_equal(requested(REQUEST_EVENT), i == 1 ? 0 : 1u << i);
    }
    send(WORLD_VCPUS, 0x40);
    assert_int_equal(received(0x40), 0);
    send(0xff, 0x40);
    assert_int_equal(received(0x40), ALL);
    lapic_write(&world_vcpu[2], LAPIC_ID, 0x20u << 24); /* the ID register decides */
    send(2, 0x40);
    assert_int_equal(received(0x40), 0);
    send(0x20, 0x40);
    assert_int_equal(received(0x40), 1 << 2);
}

static void test_logical_flat(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORLD_VCPUS; i++)
        set_logical(i, (uint8_t)(1u << i), 0xffffffff);
    for (unsigned mask = 0; mask < 16; mask++) {
        send((uint8_t)mask, LOGICAL | 0x77);
        assert_int_equal(received(0x77), mask);
    }
    send(0xf0, LOGICAL | 0x77);
    assert_int_equal(received(0x77), 0);
    set_logical(3, 0, 0xffffffff);
    send(0xff, LOGICAL | 0x77); /* broadcast reaches even who has no logical ID */
    assert_int_equal(received(0x77), ALL);
}

static void test_logical_cluster(void **state)
{
    (void)state;
    static const uint8_t ids[WORLD_VCPUS] = {0x11, 0x12, 0x21, 0x28};
    for (unsigned i = 0; i < WORLD_VCPUS; i++)
        set_logical(i, ids[i], 0x0fffffff);
    static const struct {
        uint8_t destination, who;
    } rows[] = {{0x11, 1}, {0x13, 3}, {0x1f, 3}, {0x21, 4}, {0x29, 12}, {0x31, 0}, {0x10, 0}, {0xff, ALL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        send(rows[i].destination, LOGICAL | 0x99);
        assert_int_equal(received(0x99), rows[i].who);
    }
}

static void test_shorthands(void **state)
{
    (void)state;
    send(0, SELF | 0x50);
    assert_int_equal(received(0x50), 1 << 1);
    assert_int_equal(requested(REQUEST_EVENT), 0);
    send(0, EVERYBODY | 0x50);
    assert_int_equal(received(0x50), ALL);
    assert_int_equal(requested(REQUEST_EVENT), ALL & ~(1 << 1));
    send(0, OTHERS | 0x50);
    assert_int_equal(received(0x50), ALL & ~(1 << 1));
    requested(0);
    send(0, OTHERS | DELIVERY_NMI << 8);
    assert_int_equal(requested(REQUEST_NMI), ALL & ~(1 << 1));
}

static void test_no_second_kick(void **state)
{
    (void)state;
    send(2, 0x50);
    assert_int_equal(requested(REQUEST_EVENT), 1 << 2);
    send(2, 0x50); /* still in IRR: the vCPU knows */
    assert_int_equal(requested(REQUEST_EVENT), 0);
}

static void test_fixed_is_edge(void **state)
{
    (void)state;
    send(2, LEVEL | ASSERT | 0x50);
    assert_false(world_bank_bit(&world_vcpu[2], LAPIC_TMR, 0x50));
}

static void test_disabled_targets(void **state)
{
    (void)state;
    lapic_write(&world_vcpu[2], LAPIC_SVR, 0xff);
    assert_true(lapic_write_base(&world_vcpu[3], 0xfee00000));
    send(0, EVERYBODY | 0x50);
    assert_int_equal(received(0x50), 3);
    requested(0);
    /* Software-disabled: NMI, INIT and SIPI still arrive. Globally disabled: nothing does. */
    send(0, OTHERS | DELIVERY_NMI << 8);
    assert_int_equal(requested(REQUEST_NMI), 1 << 0 | 1 << 2);
    send(2, DELIVERY_INIT << 8 | ASSERT);
    assert_int_equal(requested(REQUEST_INIT), 1 << 2);
    send(3, DELIVERY_INIT << 8 | ASSERT);
    assert_int_equal(requested(REQUEST_INIT), 0);
}

static void test_send_illegal_vector(void **state)
{
    (void)state;
    send(2, 0x0f);
    assert_int_equal(received(0x0f), 0);
    assert_int_equal(sender->lapic.esr_pending, ESR_SEND_ILLEGAL_VECTOR);
    assert_int_equal(world_vcpu[2].lapic.esr_pending, 0);
    send(2, 0x10);
    assert_int_equal(received(0x10), 1 << 2);
}

static void test_lowest_priority(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORLD_VCPUS; i++) {
        set_logical(i, (uint8_t)(1u << i), 0xffffffff);
        lapic_write(&world_vcpu[i], LAPIC_TPR, 0x10 * (4 - i));
    }
    send(0x0f, LOGICAL | DELIVERY_LOWEST_PRIORITY << 8 | 0xa0);
    assert_int_equal(received(0xa0), 1 << 3);
    send(0x03, LOGICAL | DELIVERY_LOWEST_PRIORITY << 8 | 0xa0);
    assert_int_equal(received(0xa0), 1 << 1);
    lapic_write(&world_vcpu[3], LAPIC_SVR, 0xff); /* cannot take it */
    send(0x0f, LOGICAL | DELIVERY_LOWEST_PRIORITY << 8 | 0xa0);
    assert_int_equal(received(0xa0), 1 << 2);
    send(0x80, LOGICAL | DELIVERY_LOWEST_PRIORITY << 8 | 0xa0);
    assert_int_equal(received(0xa0), 0);
}

static void test_init_and_sipi(void **state)
{
    (void)state;
    send(2, DELIVERY_INIT << 8 | LEVEL | ASSERT);
    send(2, DELIVERY_INIT << 8 | LEVEL); /* de-assert */
    assert_int_equal(requested(REQUEST_INIT), 1 << 2);
    send(0, EVERYBODY | DELIVERY_INIT << 8 | LEVEL);
    assert_int_equal(requested(REQUEST_INIT), 0);

    send(2, DELIVERY_INIT << 8 | ASSERT);
    send(2, DELIVERY_STARTUP << 8 | 0x9a);
    assert_int_equal(world_vcpu[2].sipi_vector, 0x9a);
    assert_int_equal(requested(REQUEST_INIT | REQUEST_SIPI), 1 << 2);
    send(2, DELIVERY_STARTUP << 8 | 0x9b);
    send(2, DELIVERY_INIT << 8 | ASSERT); /* a start-up sent before is void */
    assert_int_equal(requested(REQUEST_INIT), 1 << 2);
    /* The vector of a start-up is a page: small ones are legal. */
    send(3, DELIVERY_STARTUP << 8 | 0x01);
    assert_int_equal(requested(REQUEST_SIPI), 1 << 3);
    assert_int_equal(sender->lapic.esr_pending, 0);
}

static void test_modes_without_effect(void **state)
{
    (void)state;
    static const uint32_t modes[] = {DELIVERY_SMI, DELIVERY_RESERVED, DELIVERY_EXTINT};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        send(0, EVERYBODY | modes[i] << 8 | 0x66);
        assert_int_equal(received(0x66), 0);
        for (unsigned vcpu = 0; vcpu < WORLD_VCPUS; vcpu++) {
            assert_int_equal(world_take_requests(vcpu), 0);
            assert_int_equal(world_vcpu[vcpu].lapic.extint, 0);
        }
    }
}

static void test_msi(void **state)
{
    (void)state;
    lapic_message(&world_vm, 0xfee02000, 0x4051);
    assert_int_equal(received(0x51), 1 << 2);
    assert_int_equal(requested(REQUEST_EVENT), 1 << 2);
    lapic_message(&world_vm, 0xfee01000, 0x51); /* no vCPU is the sender: each is kicked */
    assert_int_equal(requested(REQUEST_EVENT), 1 << 1);
    received(0x51);
    lapic_message(&world_vm, 0xfeeff000, 0x51);
    assert_int_equal(received(0x51), ALL);
    requested(0);

    for (unsigned i = 0; i < WORLD_VCPUS; i++)
        set_logical(i, (uint8_t)(1u << i), 0xffffffff);
    lapic_message(&world_vm, 0xfee0a004, 0x51);
    assert_int_equal(received(0x51), 0xa);
    lapic_message(&world_vm, 0xfee0a00c, 0x51); /* redirection hint: to one of them */
    assert_int_equal(received(0x51), 0x2);
    lapic_message(&world_vm, 0xfee0a004, 0x100 | 0x51); /* lowest priority */
    assert_int_equal(received(0x51), 0x2);
    requested(0);
    lapic_message(&world_vm, 0xfee03000, 0x400);
    assert_int_equal(requested(REQUEST_NMI), 1 << 3);
    lapic_message(&world_vm, 0xfee03000, 0x500);
    assert_int_equal(requested(REQUEST_INIT), 1 << 3);
    lapic_message(&world_vm, 0xfee03000, 0x600); /* a start-up only comes from an ICR */
    assert_int_equal(requested(REQUEST_SIPI), 0);
    lapic_message(&world_vm, 0xfee03000, 0x700);
    assert_int_equal(requested(REQUEST_EVENT), 1 << 3);
    assert_int_equal(world_vcpu[3].lapic.extint, 1);
}

static void test_msi_level(void **state)
{
    (void)state;
    lapic_message(&world_vm, 0xfee00000, 0xc062);
    assert_true(world_bank_bit(&world_vcpu[0], LAPIC_TMR, 0x62));
    assert_int_equal(received(0x62), 1);
    lapic_message(&world_vm, 0xfee00000, 0x8062); /* de-assert */
    assert_int_equal(received(0x62), 0);
}

static void test_msi_refused(void **state)
{
    (void)state;
    static const uint64_t elsewhere[] = {
        0, 0xfed00000, 0xfef00000, 0x1fee00000ull, 0xfee00000ull << 20, UINT64_MAX};
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
        lapic_message(&world_vm, elsewhere[i], 0x4051);
        assert_int_equal(received(0x51), 0);
    }
    lapic_message(&world_vm, 0xfee02000, 0x4005);
    assert_int_equal(world_vcpu[2].lapic.esr_pending, ESR_RECEIVE_ILLEGAL_VECTOR);
    assert_int_equal(world_vcpu[0].lapic.esr_pending, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_physical, world_reset),
        cmocka_unit_test_setup(test_logical_flat, world_reset),
        cmocka_unit_test_setup(test_logical_cluster, world_reset),
        cmocka_unit_test_setup(test_shorthands, world_reset),
        cmocka_unit_test_setup(test_no_second_kick, world_reset),
        cmocka_unit_test_setup(test_fixed_is_edge, world_reset),
        cmocka_unit_test_setup(test_disabled_targets, world_reset),
        cmocka_unit_test_setup(test_send_illegal_vector, world_reset),
        cmocka_unit_test_setup(test_lowest_priority, world_reset),
        cmocka_unit_test_setup(test_init_and_sipi, world_reset),
        cmocka_unit_test_setup(test_modes_without_effect, world_reset),
        cmocka_unit_test_setup(test_msi, world_reset),
        cmocka_unit_test_setup(test_msi_level, world_reset),
        cmocka_unit_test_setup(test_msi_refused, world_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
