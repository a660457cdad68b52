/*
 * PV EOI (core/lapic_pv_eoi.c) against the protocol in Linux' Documentation/virt/kvm/x86/msr.rst,
 * MSR_KVM_EOI_EN.
 *
 * sources:
 */
#include "lapic_world.h"

enum { FLAG = 0x1004, ENABLED = FLAG | 1 };

static struct vcpu *const vcpu = &world_vcpu[0];

static int enable(void **state)
{
    world_reset(state);
    return lapic_write_pv_eoi(vcpu, ENABLED) ? 0 : -1;
}

static void serve(uint8_t vector)
{
    lapic_raise(vcpu, vector, false);
    assert_int_equal(world_take_interrupt(vcpu), vector);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static const uint64_t refused[] = {FLAG | 2,   FLAG | 3, WORLD_RAM | 1, (WORLD_RAM + 0x1000) | 1,
                                       0xfee00001, ~2ull};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_false(lapic_write_pv_eoi(vcpu, refused[i]));
        assert_int_equal(vcpu->lapic.pv_eoi, 0);
    }
    assert_true(lapic_write_pv_eoi(vcpu, (WORLD_RAM - 4) | 1));
    assert_true(lapic_write_pv_eoi(vcpu, 0xfee00000)); /* disabled: the address does not matter */
    assert_int_equal(vcpu->lapic.pv_eoi, 0xfee00000);
}

static void test_disabled_by_default(void **state)
{
    (void)state;
    serve(0x41);
    assert_int_equal(world_ram[FLAG], 0);
    assert_true(lapic_write_pv_eoi(vcpu, FLAG));
    lapic_write(vcpu, LAPIC_EOI, 0);
    serve(0x41);
    assert_int_equal(world_ram[FLAG], 0);
}

static void test_guest_ends_it(void **state)
{
    (void)state;
    serve(0x41);
    assert_int_equal(world_ram[FLAG], 1);
    world_ram[FLAG] = 0;
    serve(0x31); /* lower: only deliverable when 0x41 has ended */
    assert_int_equal(world_ram[FLAG], 1);
    assert_true(world_bank_bit(vcpu, LAPIC_ISR, 0x31));
    assert_false(world_bank_bit(vcpu, LAPIC_ISR, 0x41));
}

static void test_flag_is_taken_back(void **state)
{
    (void)state;
    serve(0x41);
    lapic_raise(vcpu, 0x31, false);
    assert_int_equal(world_take_interrupt(vcpu), LAPIC_NO_VECTOR);
    assert_int_equal(world_ram[FLAG], 0); /* so the guest writes EOI and 0x31 is found then */
    lapic_write(vcpu, LAPIC_EOI, 0);
    assert_int_equal(world_take_interrupt(vcpu), 0x31);
    assert_int_equal(world_ram[FLAG], 1); /* the last one: offered again */
}

static void test_guest_may_ignore_the_flag(void **state)
{
    (void)state;
    serve(0x41);
    lapic_write(vcpu, LAPIC_EOI, 0);
    assert_int_equal(world_ram[FLAG], 0);
    assert_int_equal(lapic_read(vcpu, LAPIC_PPR), 0);
    /* Cleared and written: the second end is of the next one, and there is none. */
    serve(0x41);
    world_ram[FLAG] = 0;
    lapic_write(vcpu, LAPIC_EOI, 0);
    assert_int_equal(lapic_read(vcpu, LAPIC_PPR), 0);
}

static void test_not_offered_for_level(void **state)
{
    (void)state;
    lapic_raise(vcpu, 0x41, true);
    assert_int_equal(world_take_interrupt(vcpu), 0x41);
    assert_int_equal(world_ram[FLAG], 0);
    lapic_write(vcpu, LAPIC_EOI, 0);
    assert_int_equal(world_vm.eoi[1], 2);
}

static void test_not_offered_when_nested(void **state)
{
    (void)state;
    serve(0x31);
    lapic_raise(vcpu, 0x51, false);
    assert_int_equal(world_take_interrupt(vcpu), 0x51);
    assert_int_equal(world_ram[FLAG], 0);
    lapic_write(vcpu, LAPIC_EOI, 0);
    assert_true(world_bank_bit(vcpu, LAPIC_ISR, 0x31));
}

static void test_not_offered_when_more_waits(void **state)
{
    (void)state;
    lapic_raise(vcpu, 0x31, false);
    serve(0x51);
    assert_int_equal(world_ram[FLAG], 0);
}

static void test_other_bits_stay(void **state)
{
    (void)state;
    world_ram[FLAG] = 0xfe;
    serve(0x41);
    assert_int_equal(world_ram[FLAG], 0xff);
    lapic_sync_pv_eoi(vcpu);
    assert_int_equal(world_ram[FLAG], 0xfe);
    assert_true(world_bank_bit(vcpu, LAPIC_ISR, 0x41)); /* it was still set: not ended */
}

static void test_registers_see_the_end(void **state)
{
    (void)state;
    serve(0x41);
    world_ram[FLAG] = 0;
    assert_int_equal(lapic_read(vcpu, LAPIC_PPR), 0);
    serve(0x41);
    world_ram[FLAG] = 0;
    assert_false(world_bank_bit(vcpu, LAPIC_ISR, 0x41));
}

static void test_disabling_takes_it_back(void **state)
{
    (void)state;
    serve(0x41);
    assert_true(lapic_write_pv_eoi(vcpu, 0));
    assert_int_equal(world_ram[FLAG], 0);
    assert_true(world_bank_bit(vcpu, LAPIC_ISR, 0x41));
}

static void test_memory_gone(void **state)
{
    (void)state;
    vcpu->lapic.pv_eoi = (WORLD_RAM + 0x1000) | 1; /* as if the page could not be written any more */
    serve(0x41);
    assert_int_equal(vcpu->lapic.pv_eoi_pending, 0);
    lapic_write(vcpu, LAPIC_EOI, 0);
    assert_int_equal(lapic_read(vcpu, LAPIC_PPR), 0);
}

static void test_reset_forgets(void **state)
{
    (void)state;
    serve(0x41);
    lapic_reset(vcpu, true);
    assert_int_equal(vcpu->lapic.pv_eoi, 0);
    assert_int_equal(vcpu->lapic.pv_eoi_pending, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_what_is_refused, world_reset),
        cmocka_unit_test_setup(test_disabled_by_default, world_reset),
        cmocka_unit_test_setup(test_guest_ends_it, enable),
        cmocka_unit_test_setup(test_flag_is_taken_back, enable),
        cmocka_unit_test_setup(test_guest_may_ignore_the_flag, enable),
        cmocka_unit_test_setup(test_not_offered_for_level, enable),
        cmocka_unit_test_setup(test_not_offered_when_nested, enable),
        cmocka_unit_test_setup(test_not_offered_when_more_waits, enable),
        cmocka_unit_test_setup(test_other_bits_stay, enable),
        cmocka_unit_test_setup(test_registers_see_the_end, enable),
        cmocka_unit_test_setup(test_disabling_takes_it_back, enable),
        cmocka_unit_test_setup(test_memory_gone, enable),
        cmocka_unit_test_setup(test_reset_forgets, enable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
