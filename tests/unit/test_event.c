/*
 * Which event goes into the guest, and for which a window is asked (core/event.c): SDM Vol. 3A, 6.7 and 6.9,
 * and the rule that deliverability is decided in software.
 *
 * sources:
 */
#include "lapic_world.h"

enum { IF = 1 << 9 };

static struct vcpu *const vcpu = &world_vcpu[0];
static struct vcpu_interrupts *const interrupts = &world_vcpu[0].state.interrupts;

static void set_if(bool on)
{
    vcpu->state.gpr.rflags = on ? 0x202 : 2;
}

/* The guest has taken what was injected, as vcpu_ops->run leaves it. */
static void delivered(void)
{
    interrupts->event.type = EVENT_NONE;
}

static void expect(bool ready, enum event_type type, uint8_t vector, uint32_t windows)
{
    world_injects = 0;
    assert_int_equal(event_prepare(vcpu), ready);
    assert_int_equal(world_injects, type == EVENT_NONE ? 0 : 1);
    if (type != EVENT_NONE) {
        assert_int_equal(world_injected.type, type);
        assert_int_equal(world_injected.vector, vector);
    }
    assert_int_equal(world_windows, windows);
    assert_int_equal(vcpu->windows, windows);
}

static void test_nothing(void **state)
{
    (void)state;
    expect(true, EVENT_NONE, 0, WINDOW_NONE);
    assert_int_equal(world_window_calls, 0);
    assert_false(event_wakes(vcpu));
}

static void test_interrupt_at_once(void **state)
{
    (void)state;
    lapic_raise(vcpu, 0x41, false);
    assert_true(event_wakes(vcpu));
    expect(true, EVENT_INTERRUPT, 0x41, WINDOW_NONE);
    assert_int_equal(world_window_calls, 0);
    assert_true(world_bank_bit(vcpu, LAPIC_ISR, 0x41));
    assert_false(interrupts->event.has_error_code);
    expect(true, EVENT_INTERRUPT, 0x41, WINDOW_NONE); /* called again before the entry: the same event */
}

static void test_window_while_closed(void **state)
{
    (void)state;
    lapic_raise(vcpu, 0x41, false);
    set_if(false);
    assert_false(event_wakes(vcpu));
    expect(true, EVENT_NONE, 0, WINDOW_INTERRUPT);
    expect(true, EVENT_NONE, 0, WINDOW_INTERRUPT);
    assert_int_equal(world_window_calls, 1); /* only when the request changes */
    set_if(true);
    expect(true, EVENT_INTERRUPT, 0x41, WINDOW_NONE);
    assert_int_equal(world_window_calls, 2);
}

static void test_shadows(void **state)
{
    (void)state;
    static const uint8_t shadows[] = {SHADOW_STI, SHADOW_MOV_SS};
    for (size_t i = 0; i < sizeof shadows; i++) {
        world_reset(NULL);
        lapic_raise(vcpu, 0x41, false);
        interrupts->nmi_pending = 1;
        interrupts->shadow = shadows[i];
        expect(true, EVENT_NONE, 0, WINDOW_INTERRUPT | WINDOW_NMI);
        interrupts->shadow = SHADOW_NONE;
        expect(true, EVENT_NMI, 2, WINDOW_INTERRUPT);
    }
}

static void test_nmi(void **state)
{
    (void)state;
    set_if(false); /* IF does not matter */
    interrupts->nmi_pending = 1;
    assert_true(event_wakes(vcpu));
    expect(true, EVENT_NMI, 2, WINDOW_NONE);
    assert_int_equal(interrupts->nmi_pending, 0);
    assert_int_equal(interrupts->nmi_blocked, 1);
    delivered();
    interrupts->nmi_pending = 1; /* a second one while the first is served */
    assert_false(event_wakes(vcpu));
    expect(true, EVENT_NONE, 0, WINDOW_NMI);
    interrupts->nmi_blocked = 0; /* IRET */
    expect(true, EVENT_NMI, 2, WINDOW_NONE);
}

static void test_nmi_before_interrupt(void **state)
{
    (void)state;
    interrupts->nmi_pending = 1;
    lapic_raise(vcpu, 0xf1, false);
    expect(true, EVENT_NMI, 2, WINDOW_INTERRUPT);
    assert_false(world_bank_bit(vcpu, LAPIC_ISR, 0xf1));
    delivered();
    set_if(false); /* in the handler */
    expect(true, EVENT_NONE, 0, WINDOW_INTERRUPT);
}

static void test_interrupt_while_nmi_is_blocked(void **state)
{
    (void)state;
    interrupts->nmi_blocked = 1; /* blocks NMIs only */
    interrupts->nmi_pending = 1;
    lapic_raise(vcpu, 0x41, false);
    expect(true, EVENT_INTERRUPT, 0x41, WINDOW_NMI);
}

static void test_interrupted_event_comes_first(void **state)
{
    (void)state;
    interrupts->event =
        (struct vcpu_event){.type = EVENT_EXCEPTION, .vector = 14, .has_error_code = 1, .error_code = 6};
    interrupts->nmi_pending = 1;
    lapic_raise(vcpu, 0x41, false);
    assert_true(event_wakes(vcpu));
    expect(true, EVENT_EXCEPTION, 14, WINDOW_INTERRUPT | WINDOW_NMI);
    assert_int_equal(world_injected.error_code, 6);
    assert_int_equal(interrupts->nmi_pending, 1);
    delivered();
    expect(true, EVENT_NMI, 2, WINDOW_INTERRUPT);
    delivered();
    expect(true, EVENT_INTERRUPT, 0x41, WINDOW_NONE);
}

/* What was taken from IRR is irrevocable: it is injected again even if the guest could not take it now. */
static void test_reinjected_interrupt(void **state)
{
    (void)state;
    lapic_raise(vcpu, 0x41, false);
    expect(true, EVENT_INTERRUPT, 0x41, WINDOW_NONE);
    set_if(false);
    lapic_write(vcpu, LAPIC_TPR, 0xff);
    expect(true, EVENT_INTERRUPT, 0x41, WINDOW_NONE);
}

static void test_lower_interrupt_waits_for_eoi(void **state)
{
    (void)state;
    lapic_raise(vcpu, 0x41, false);
    lapic_raise(vcpu, 0x31, false);
    expect(true, EVENT_INTERRUPT, 0x41, WINDOW_NONE); /* the EOI write exits: no window */
    delivered();
    expect(true, EVENT_NONE, 0, WINDOW_NONE);
    lapic_write(vcpu, LAPIC_EOI, 0);
    expect(true, EVENT_INTERRUPT, 0x31, WINDOW_NONE);
}

static void test_tpr_window(void **state)
{
    (void)state;
    lapic_raise(vcpu, 0x41, false);
    lapic_set_cr8(vcpu, 4);
    assert_false(event_wakes(vcpu));
    expect(true, EVENT_NONE, 0, WINDOW_TPR);
    lapic_set_cr8(vcpu, 3);
    expect(true, EVENT_INTERRUPT, 0x41, WINDOW_NONE);
    delivered();
    lapic_raise(vcpu, 0x31, false); /* held by the one in service, not by TPR */
    expect(true, EVENT_NONE, 0, WINDOW_NONE);
    lapic_set_cr8(vcpu, 0xf);
    lapic_raise(vcpu, 0x51, false);
    expect(true, EVENT_NONE, 0, WINDOW_TPR);
}

static void test_extint(void **state)
{
    (void)state;
    lapic_intr_level(&world_vm, true);
    set_if(false);
    assert_false(event_wakes(vcpu));
    expect(true, EVENT_NONE, 0, WINDOW_INTERRUPT);
    set_if(true);
    assert_true(event_wakes(vcpu));
    assert_false(event_prepare(vcpu)); /* INTA first */
    event_extint(vcpu, 0x08);
    lapic_intr_level(&world_vm, false);
    set_if(false); /* whatever happens in between */
    expect(true, EVENT_INTERRUPT, 0x08, WINDOW_NONE);
    assert_false(lapic_any_request(&vcpu->lapic));
    assert_int_equal(lapic_read(vcpu, LAPIC_PPR), 0); /* the local APIC knows nothing of it */
}

static void test_extint_ignores_tpr(void **state)
{
    (void)state;
    lapic_set_cr8(vcpu, 0xf);
    lapic_intr_level(&world_vm, true);
    assert_false(event_prepare(vcpu));
}

static void test_extint_masked_in_lint0(void **state)
{
    (void)state;
    lapic_write(vcpu, LAPIC_LVT_LINT0, LVT_MASKED | 0x700);
    lapic_intr_level(&world_vm, true);
    assert_false(event_wakes(vcpu));
    expect(true, EVENT_NONE, 0, WINDOW_NONE);
}

static void test_extint_after_local_apic(void **state)
{
    (void)state;
    lapic_intr_level(&world_vm, true);
    lapic_raise(vcpu, 0x41, false);
    expect(true, EVENT_INTERRUPT, 0x41, WINDOW_INTERRUPT);
    delivered();
    set_if(false);
    expect(true, EVENT_NONE, 0, WINDOW_INTERRUPT);
    set_if(true);
    assert_false(event_prepare(vcpu));
}

static void test_extint_message(void **state)
{
    (void)state;
    lapic_write(vcpu, LAPIC_LVT_LINT0, LVT_MASKED);
    lapic_message(&world_vm, 0xfee00000, 0x700);
    assert_true(event_wakes(vcpu));
    assert_false(event_prepare(vcpu));
    event_extint(vcpu, 0x30);
    expect(true, EVENT_INTERRUPT, 0x30, WINDOW_NONE);
    delivered();
    assert_false(event_wakes(vcpu)); /* one message, one INTA */
}

static void test_pv_eoi_flag_back_before_a_second(void **state)
{
    (void)state;
    assert_true(lapic_write_pv_eoi(vcpu, 0x1000 | 1));
    lapic_raise(vcpu, 0x41, false);
    expect(true, EVENT_INTERRUPT, 0x41, WINDOW_NONE);
    delivered();
    expect(true, EVENT_NONE, 0, WINDOW_NONE);
    assert_int_equal(world_ram[0x1000], 1); /* other exits leave the flag alone */
    lapic_raise(vcpu, 0x31, false);
    expect(true, EVENT_NONE, 0, WINDOW_NONE);
    assert_int_equal(world_ram[0x1000], 0);
}

static void test_pv_eoi_at_hlt(void **state)
{
    (void)state;
    assert_true(lapic_write_pv_eoi(vcpu, 0x1000 | 1));
    lapic_raise(vcpu, 0x41, false);
    expect(true, EVENT_INTERRUPT, 0x41, WINDOW_NONE);
    delivered();
    world_ram[0x1000] = 0; /* ended by the guest, which then halts */
    assert_false(event_wakes(vcpu));
    memset(world_ram, 0xff, sizeof world_ram); /* from here on another guest's memory */
    lapic_raise(vcpu, 0x31, false);
    assert_true(event_wakes(vcpu));
    assert_int_equal(world_ram[0x1000], 0xff);
}

static void test_wakes(void **state)
{
    (void)state;
    lapic_raise(vcpu, 0x41, false);
    lapic_set_cr8(vcpu, 4);
    assert_false(event_wakes(vcpu));
    lapic_set_cr8(vcpu, 0);
    assert_true(event_wakes(vcpu));
    set_if(false);
    assert_false(event_wakes(vcpu));
    lapic_write_base(vcpu, 0xfee00000);
    set_if(true);
    assert_false(event_wakes(vcpu));
}

/* The processor delivers; as it does, and as the register page shows it (SDM Vol. 3C, 30.2.2). */
static void processor_delivers(uint8_t vector)
{
    struct lapic *lapic = &vcpu->lapic;
    enum lapic_register irr = lapic_word(LAPIC_IRR, vector), isr = lapic_word(LAPIC_ISR, vector);
    assert_true(lapic_get(lapic, irr) & lapic_bit(vector));
    lapic_set(lapic, irr, lapic_get(lapic, irr) & ~lapic_bit(vector));
    lapic_set(lapic, isr, lapic_get(lapic, isr) | lapic_bit(vector));
}

static void expect_status(uint32_t calls, uint8_t requested, uint8_t in_service)
{
    expect(true, EVENT_NONE, 0, WINDOW_NONE);
    assert_int_equal(world_status_calls, calls);
    assert_int_equal(world_status, in_service << 8 | requested);
}

static void test_served(void **state)
{
    (void)state;
    world_vm.lapic_served = true;
    set_if(false); /* no window is asked for */
    expect_status(0, 0, 0);
    lapic_raise(vcpu, 0x41, false);
    lapic_raise(vcpu, 0x62, true);
    expect_status(1, 0x62, 0);
    assert_false(lapic_any_request(&vcpu->lapic)); /* they are the processor's now */
    expect_status(1, 0x62, 0);
    processor_delivers(0x62);
    lapic_raise(vcpu, 0x9f, false);
    expect_status(2, 0x9f, 0x62);
    assert_true(lapic_get(&vcpu->lapic, lapic_word(LAPIC_IRR, 0x41)) & lapic_bit(0x41));
    processor_delivers(0x9f);
    lapic_write(vcpu, LAPIC_EOI, 0); /* of the device model's instruction emulator */
    assert_int_equal(world_vm.eoi[1], 0);
    expect_status(3, 0x41, 0x62);
    lapic_write(vcpu, LAPIC_EOI, 0);
    assert_int_equal(world_vm.eoi[1], 1ull << (0x62 - 64));
    expect_status(4, 0x41, 0);
    lapic_reset(vcpu, true);
    expect_status(5, 0, 0);
}

static void test_served_wakes(void **state)
{
    (void)state;
    world_vm.lapic_served = true;
    lapic_raise(vcpu, 0x41, false);
    expect_status(1, 0x41, 0);
    assert_true(world_bank_bit(vcpu, LAPIC_IRR, 0x41));
    assert_true(event_wakes(vcpu));
    set_if(false);
    assert_int_equal(event_waiting(vcpu), WINDOW_INTERRUPT); /* nothing is emulated ahead */
    set_if(true);
    lapic_write(vcpu, LAPIC_TPR, 0x40);
    assert_false(event_wakes(vcpu));
    assert_int_equal(event_waiting(vcpu), WINDOW_NONE);
    expect_status(2, 0x41, 0); /* what was taken back for the look is there again */
    lapic_write(vcpu, LAPIC_TPR, 0);
    processor_delivers(0x41);
    assert_int_equal(lapic_read(vcpu, LAPIC_PPR), 0x40);
    lapic_raise(vcpu, 0x4f, false);
    assert_false(event_wakes(vcpu));
    set_if(false);
    lapic_raise(vcpu, 0x50, false);
    assert_false(event_wakes(vcpu));
    set_if(true);
    assert_true(event_wakes(vcpu));
}

/* Those of the 8259 pair are injected by the monitor, before what the processor delivers. */
static void test_served_extint(void **state)
{
    (void)state;
    world_vm.lapic_served = true;
    lapic_raise(vcpu, 0x41, false);
    lapic_intr_level(&world_vm, true);
    set_if(false);
    expect(true, EVENT_NONE, 0, WINDOW_INTERRUPT);
    assert_int_equal(world_status, 0x41);
    set_if(true);
    expect(false, EVENT_NONE, 0, WINDOW_INTERRUPT);
    event_extint(vcpu, 0x20);
    world_vm.intr_level = 0;
    expect(true, EVENT_INTERRUPT, 0x20, WINDOW_NONE);
    assert_int_equal(world_status, 0x41);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nothing, world_reset),
        cmocka_unit_test_setup(test_interrupt_at_once, world_reset),
        cmocka_unit_test_setup(test_window_while_closed, world_reset),
        cmocka_unit_test_setup(test_shadows, world_reset),
        cmocka_unit_test_setup(test_nmi, world_reset),
        cmocka_unit_test_setup(test_nmi_before_interrupt, world_reset),
        cmocka_unit_test_setup(test_interrupt_while_nmi_is_blocked, world_reset),
        cmocka_unit_test_setup(test_interrupted_event_comes_first, world_reset),
        cmocka_unit_test_setup(test_reinjected_interrupt, world_reset),
        cmocka_unit_test_setup(test_lower_interrupt_waits_for_eoi, world_reset),
        cmocka_unit_test_setup(test_tpr_window, world_reset),
        cmocka_unit_test_setup(test_extint, world_reset),
        cmocka_unit_test_setup(test_extint_ignores_tpr, world_reset),
        cmocka_unit_test_setup(test_extint_masked_in_lint0, world_reset),
        cmocka_unit_test_setup(test_extint_after_local_apic, world_reset),
        cmocka_unit_test_setup(test_extint_message, world_reset),
        cmocka_unit_test_setup(test_pv_eoi_flag_back_before_a_second, world_reset),
        cmocka_unit_test_setup(test_pv_eoi_at_hlt, world_reset),
        cmocka_unit_test_setup(test_wakes, world_reset),
        cmocka_unit_test_setup(test_served, world_reset),
        cmocka_unit_test_setup(test_served_wakes, world_reset),
        cmocka_unit_test_setup(test_served_extint, world_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
