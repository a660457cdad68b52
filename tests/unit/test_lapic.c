/*
 * The virtual local APIC: registers, acceptance, priority, end of interrupt, pins (core/lapic.c,
 * core/lapic_registers.c) against SDM Vol. 3A, chapter 11.
 *
 * sources:
 */
#include "lapic_world.h"

static struct vcpu *const bsp = &world_vcpu[0], *const ap = &world_vcpu[1];

static void test_reset_values(void **state)
{
    (void)state;
    lapic_reset(bsp, false);
    lapic_reset(ap, false);
    assert_int_equal(bsp->lapic.base_msr, 0xfee00900);
    assert_int_equal(ap->lapic.base_msr, 0xfee00800);
    assert_int_equal(lapic_read(ap, LAPIC_ID), 1u << 24);
    assert_int_equal(lapic_read(ap, LAPIC_VERSION), 0x50014);
    assert_int_equal(lapic_read(ap, LAPIC_SVR), 0xff);
    assert_int_equal(lapic_read(ap, LAPIC_DFR), 0xffffffff);
    assert_int_equal(lapic_read(ap, LAPIC_LDR), 0);
    for (uint32_t offset = LAPIC_LVT_TIMER; offset <= LAPIC_LVT_ERROR; offset += 16) {
        assert_int_equal(lapic_read(ap, offset), LVT_MASKED);
        assert_int_equal(lapic_read(bsp, offset), offset == LAPIC_LVT_LINT0 ? 0x700 : LVT_MASKED);
    }
    const uint32_t zero[] = {LAPIC_TPR,      LAPIC_PPR,           LAPIC_ESR,           LAPIC_ICR_LOW,
                             LAPIC_ICR_HIGH, LAPIC_INITIAL_COUNT, LAPIC_CURRENT_COUNT, LAPIC_DIVIDE,
                             LAPIC_ISR,      LAPIC_TMR,           LAPIC_IRR,           LAPIC_EOI,
                             LAPIC_APR};
    for (size_t i = 0; i < sizeof zero / sizeof *zero; i++)
        assert_int_equal(lapic_read(ap, zero[i]), 0);
    assert_int_equal(ap->lapic.esr_pending, 0);
}

static void test_init_keeps_id_and_base(void **state)
{
    (void)state;
    lapic_write(ap, LAPIC_ID, 9u << 24);
    assert_true(lapic_write_base(ap, 0xfed00800));
    lapic_write(ap, LAPIC_TPR, 0x55);
    lapic_raise(ap, 0x40, false);
    lapic_reset(ap, true);
    assert_int_equal(lapic_read(ap, LAPIC_ID), 9u << 24);
    assert_int_equal(ap->lapic.base_msr, 0xfed00800);
    assert_int_equal(lapic_read(ap, LAPIC_TPR), 0);
    assert_int_equal(lapic_get_cr8(ap), 0);
    assert_false(lapic_any_request(&ap->lapic));
}

static void test_register_bits(void **state)
{
    (void)state;
    static const struct {
        uint32_t offset, written, read;
    } rows[] = {
        {LAPIC_ID, 0xabcdef01, 0xab000000},
        {LAPIC_TPR, 0xffffffff, 0xff},
        {LAPIC_LDR, 0xffffffff, 0xff000000},
        {LAPIC_DFR, 0, 0x0fffffff},
        {LAPIC_SVR, 0xffffffff, 0x1ff},
        {LAPIC_ICR_HIGH, 0xffffffff, 0xff000000},
        {LAPIC_LVT_TIMER, 0xffffffff, 0x300ff},
        {LAPIC_LVT_THERMAL, 0xffffffff, 0x107ff},
        {LAPIC_LVT_PERFORMANCE, 0xffffffff, 0x107ff},
        {LAPIC_LVT_LINT0, 0xffffffff, 0x1a7ff},
        {LAPIC_LVT_LINT1, 0xffffffff, 0x1a7ff},
        {LAPIC_LVT_ERROR, 0xffffffff, 0x100ff},
        {LAPIC_DIVIDE, 0xffffffff, 0xb},
        {LAPIC_INITIAL_COUNT, 0xffffffff, 0xffffffff},
        {LAPIC_VERSION, 0, 0x50014},
        {LAPIC_PPR, 0x33, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_reset(NULL);
        lapic_write(ap, rows[i].offset, rows[i].written);
        assert_int_equal(lapic_read(ap, rows[i].offset), rows[i].read);
    }
    assert_int_equal(ap->lapic.esr_pending, 0);
}

static void test_icr_reads_idle(void **state)
{
    (void)state;
    lapic_write(bsp, LAPIC_ICR_HIGH, 0xf0000000); /* nobody */
    lapic_write(bsp, LAPIC_ICR_LOW, 0x1000 | 0x40);
    assert_int_equal(lapic_read(bsp, LAPIC_ICR_LOW), 0x40);
}

static void test_unknown_registers_set_esr(void **state)
{
    (void)state;
    static const uint32_t unknown[] = {0x000, 0x010, 0x040, 0x290, 0x2f0, 0x3a0, 0x3f0, 0x400, 0xff0};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        world_reset(NULL);
        assert_int_equal(lapic_read(bsp, unknown[i]), 0);
        assert_int_equal(lapic_read(bsp, LAPIC_ESR), 0); /* latched by a write only */
        lapic_write(bsp, LAPIC_ESR, 0);
        assert_int_equal(lapic_read(bsp, LAPIC_ESR), ESR_ILLEGAL_REGISTER);
        lapic_write(bsp, LAPIC_ESR, 0);
        assert_int_equal(lapic_read(bsp, LAPIC_ESR), 0);
        lapic_write(bsp, unknown[i], 1);
        lapic_write(bsp, LAPIC_ESR, 0);
        assert_int_equal(lapic_read(bsp, LAPIC_ESR), ESR_ILLEGAL_REGISTER);
    }
}

static void test_error_interrupt(void **state)
{
    (void)state;
    lapic_write(bsp, LAPIC_LVT_ERROR, 0xe0);
    lapic_read(bsp, 0x3f0);
    assert_int_equal(world_take_interrupt(bsp), 0xe0);
    lapic_write(bsp, LAPIC_EOI, 0);
    lapic_read(bsp, 0x3f0); /* not armed again before ESR is written */
    assert_int_equal(world_take_interrupt(bsp), LAPIC_NO_VECTOR);
    lapic_write(bsp, LAPIC_ESR, 0);
    lapic_read(bsp, 0x3f0);
    assert_int_equal(world_take_interrupt(bsp), 0xe0);
    lapic_write(bsp, LAPIC_EOI, 0);
    /* An illegal vector in the error entry ends there. */
    lapic_write(bsp, LAPIC_ESR, 0);
    lapic_write(bsp, LAPIC_LVT_ERROR, 5);
    lapic_read(bsp, 0x3f0);
    assert_false(lapic_any_request(&bsp->lapic));
}

static void test_illegal_vector_received(void **state)
{
    (void)state;
    assert_false(lapic_raise(ap, 15, false));
    assert_int_equal(ap->lapic.esr_pending, ESR_RECEIVE_ILLEGAL_VECTOR);
    assert_true(lapic_raise(ap, 16, false));
    assert_true(world_bank_bit(ap, LAPIC_IRR, 16));
}

static void test_every_vector_lands_in_its_bit(void **state)
{
    (void)state;
    for (unsigned vector = 16; vector < 256; vector++) {
        world_reset(NULL);
        assert_true(lapic_raise(bsp, (uint8_t)vector, vector & 1));
        assert_false(lapic_raise(bsp, (uint8_t)vector, vector & 1)); /* one bit holds one */
        for (unsigned other = 0; other < 256; other++) {
            assert_int_equal(world_bank_bit(bsp, LAPIC_IRR, (uint8_t)other), other == vector);
            assert_int_equal(world_bank_bit(bsp, LAPIC_TMR, (uint8_t)other), other == vector && (vector & 1));
        }
        assert_int_equal(lapic_pending_vector(bsp), (int)vector);
        lapic_accept(bsp, (uint8_t)vector);
        assert_false(world_bank_bit(bsp, LAPIC_IRR, (uint8_t)vector));
        assert_true(world_bank_bit(bsp, LAPIC_ISR, (uint8_t)vector));
        assert_int_equal(lapic_read(bsp, LAPIC_PPR), vector & 0xf0);
        lapic_write(bsp, LAPIC_EOI, 0);
        assert_false(world_bank_bit(bsp, LAPIC_ISR, (uint8_t)vector));
        assert_int_equal(world_vm.eoi[vector / 64] >> (vector % 64) & 1, vector & 1);
    }
}

static void test_trigger_mode_follows_the_last(void **state)
{
    (void)state;
    lapic_raise(bsp, 0x41, true);
    lapic_raise(bsp, 0x42, true);
    assert_int_equal(world_take_interrupt(bsp), 0x42);
    lapic_raise(bsp, 0x41, false);
    assert_false(world_bank_bit(bsp, LAPIC_TMR, 0x41));
    assert_true(world_bank_bit(bsp, LAPIC_TMR, 0x42));
}

/* SDM Vol. 3A, 11.8.3.1: PPR is the higher of TPR and the class in service. */
static void test_priorities(void **state)
{
    (void)state;
    for (unsigned tpr = 0; tpr < 256; tpr += 5) {
        for (unsigned serving = 3; serving < 256; serving += 13) { /* 3: none */
            world_reset(NULL);
            lapic_raise(bsp, (uint8_t)serving, false);
            world_take_interrupt(bsp);
            lapic_write(bsp, LAPIC_TPR, tpr);
            uint32_t ppr = tpr >> 4 >= serving >> 4 ? tpr : serving & 0xf0;
            assert_int_equal(lapic_read(bsp, LAPIC_PPR), ppr);
            for (unsigned vector = 0x1f; vector < 256; vector += 16) {
                memset((void *)bsp->lapic.irr, 0, sizeof bsp->lapic.irr);
                lapic_raise(bsp, (uint8_t)vector, false);
                bool takes = vector >> 4 > ppr >> 4;
                assert_int_equal(lapic_pending_vector(bsp), takes ? (int)vector : LAPIC_NO_VECTOR);
            }
        }
    }
}

static void test_nested_service(void **state)
{
    (void)state;
    lapic_raise(bsp, 0x31, false);
    assert_int_equal(world_take_interrupt(bsp), 0x31);
    lapic_raise(bsp, 0x3f, false); /* same class: waits */
    assert_int_equal(world_take_interrupt(bsp), LAPIC_NO_VECTOR);
    lapic_raise(bsp, 0x51, true);
    assert_int_equal(world_take_interrupt(bsp), 0x51);
    lapic_write(bsp, LAPIC_EOI, 0); /* ends the highest */
    assert_int_equal(world_vm.eoi[1], 1ull << (0x51 - 64));
    assert_int_equal(lapic_read(bsp, LAPIC_PPR), 0x30);
    assert_int_equal(world_take_interrupt(bsp), LAPIC_NO_VECTOR);
    lapic_write(bsp, LAPIC_EOI, 0);
    assert_int_equal(world_take_interrupt(bsp), 0x3f);
    lapic_write(bsp, LAPIC_EOI, 0);
    lapic_write(bsp, LAPIC_EOI, 0); /* one too many does nothing */
    assert_int_equal(lapic_read(bsp, LAPIC_PPR), 0);
    assert_int_equal(world_vm.eoi[0], 0);
}

static void test_software_disable(void **state)
{
    (void)state;
    lapic_write(ap, LAPIC_LVT_TIMER, 0x40);
    lapic_raise(ap, 0x55, false);
    lapic_write(ap, LAPIC_SVR, 0xff);
    for (uint32_t offset = LAPIC_LVT_TIMER; offset <= LAPIC_LVT_ERROR; offset += 16)
        assert_true(lapic_read(ap, offset) & LVT_MASKED);
    lapic_write(ap, LAPIC_LVT_TIMER, 0x40); /* the mask cannot be taken away */
    assert_int_equal(lapic_read(ap, LAPIC_LVT_TIMER), LVT_MASKED | 0x40);
    assert_false(lapic_raise(ap, 0x60, false));
    assert_int_equal(lapic_pending_vector(ap), 0x55); /* what is in IRR stays there */
    lapic_write(ap, LAPIC_SVR, SVR_ENABLE);
    assert_true(lapic_read(ap, LAPIC_LVT_TIMER) & LVT_MASKED);
    assert_true(lapic_raise(ap, 0x60, false));
}

static void test_base_msr(void **state)
{
    (void)state;
    static const uint64_t refused[] = {0xfee00c00,         /* x2APIC */
                                       0xfee00400,         /* x2APIC without enable */
                                       0xfee00a00,         /* reserved bit 9 */
                                       0xfee00801,         /* reserved bit 0 */
                                       0x10000fee00800ull, /* beyond the physical address width */
                                       1ull << 63 | 0xfee00800};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_false(lapic_write_base(bsp, refused[i]));
        assert_int_equal(bsp->lapic.base_msr, 0xfee00900);
    }
    assert_true(lapic_decodes(bsp, 0xfee00fff));
    assert_false(lapic_decodes(bsp, 0xfee01000));
    assert_false(lapic_decodes(bsp, 0x1fee00000ull));
    assert_true(lapic_write_base(bsp, 0x80000800));
    assert_int_equal(bsp->lapic.base_msr, 0x80000900); /* the BSP bit is the hardware's */
    assert_true(lapic_decodes(bsp, 0x80000300));
    assert_false(lapic_decodes(bsp, 0xfee00300));
}

static void test_hardware_disable(void **state)
{
    (void)state;
    lapic_write(bsp, LAPIC_ID, 7u << 24);
    lapic_raise(bsp, 0x44, false);
    assert_true(lapic_write_base(bsp, 0xfee00000));
    assert_false(lapic_decodes(bsp, 0xfee00000));
    assert_int_equal(lapic_pending_vector(bsp), LAPIC_NO_VECTOR);
    assert_true(lapic_accepts_extint(bsp)); /* LINT0 is INTR now */
    assert_true(lapic_write_base(bsp, 0xfee00800));
    assert_int_equal(lapic_read(bsp, LAPIC_SVR), 0xff); /* as after RESET */
    assert_int_equal(lapic_read(bsp, LAPIC_ID), 7u << 24);
    assert_false(lapic_any_request(&bsp->lapic));
}

static void test_extint_through_lint0(void **state)
{
    (void)state;
    assert_true(lapic_accepts_extint(bsp));
    assert_false(lapic_accepts_extint(ap));
    lapic_write(ap, LAPIC_LVT_LINT0, 0x8700);
    assert_true(lapic_accepts_extint(ap));
    lapic_write(ap, LAPIC_LVT_LINT0, LVT_MASKED | 0x700);
    assert_false(lapic_accepts_extint(ap));
    lapic_write(ap, LAPIC_LVT_LINT0, 0x40);
    assert_false(lapic_accepts_extint(ap));

    lapic_intr_level(&world_vm, true);
    assert_int_equal(world_vm.intr_level, 1);
    assert_int_equal(world_take_requests(0), REQUEST_EVENT);
    assert_int_equal(world_take_requests(1), REQUEST_EVENT);
    assert_true(world_bank_bit(ap, LAPIC_IRR, 0x40)); /* LINT0 as a fixed interrupt */
    assert_false(world_bank_bit(ap, LAPIC_TMR, 0x40));
    assert_int_equal(world_take_requests(2), 0); /* masked there */
    lapic_intr_level(&world_vm, true);           /* no edge */
    assert_int_equal(world_take_requests(0), 0);
    lapic_intr_level(&world_vm, false);
    assert_int_equal(world_vm.intr_level, 0);
    assert_int_equal(world_take_requests(0), 0);
}

static void test_lint1_and_nmi(void **state)
{
    (void)state;
    lapic_write(bsp, LAPIC_LVT_LINT1, 0x400);
    lapic_write(&world_vcpu[2], LAPIC_LVT_LINT1, LVT_MASKED | 0x400);
    assert_true(lapic_write_base(&world_vcpu[3], 0xfee00000));
    lapic_chipset_nmi(&world_vm);
    assert_int_equal(world_take_requests(0), REQUEST_NMI);
    assert_int_equal(world_take_requests(1), 0);
    assert_int_equal(world_take_requests(2), 0);
    assert_int_equal(world_take_requests(3), REQUEST_NMI); /* no APIC: the NMI pin */
    /* LINT0 as NMI: how old kernels build a watchdog. */
    lapic_write(bsp, LAPIC_LVT_LINT0, 0x400);
    lapic_intr_level(&world_vm, true);
    assert_int_equal(world_take_requests(0), REQUEST_NMI);
}

static void test_level_lint0(void **state)
{
    (void)state;
    lapic_write(ap, LAPIC_LVT_LINT0, LVT_TRIGGER_LEVEL | 0x61);
    lapic_intr_level(&world_vm, true);
    assert_true(world_bank_bit(ap, LAPIC_TMR, 0x61));
}

static void test_cr8_mirrors_tpr(void **state)
{
    (void)state;
    lapic_write(bsp, LAPIC_TPR, 0x5a);
    assert_int_equal(lapic_get_cr8(bsp), 5);
    lapic_set_cr8(bsp, 5); /* what each exit tells: no MOV to CR8 has happened */
    assert_int_equal(lapic_read(bsp, LAPIC_TPR), 0x5a);
    lapic_set_cr8(bsp, 0xc);
    assert_int_equal(lapic_read(bsp, LAPIC_TPR), 0xc0);
    assert_int_equal(lapic_get_cr8(bsp), 0xc);
}

static void test_offsets_between_registers(void **state)
{
    (void)state;
    lapic_write(bsp, LAPIC_TPR + 4, 0x20);
    assert_int_equal(lapic_read(bsp, LAPIC_TPR), 0x20);
    assert_int_equal(lapic_read(bsp, LAPIC_TPR + 12), 0x20);
    assert_int_equal(lapic_read(bsp, UINT32_MAX), 0); /* only the offset in the page counts */
}

/* The processor's page follows the base; not every write moves it. */
static void test_page_is_placed(void **state)
{
    (void)state;
    uint32_t placed = world_placed;
    assert_false(lapic_write_base(ap, 0xfee00c00));
    assert_int_equal(world_placed, placed);
    assert_true(lapic_write_base(ap, 0xfed00800));
    assert_int_equal(world_placed, placed + 1);
    lapic_reset(ap, true);
    assert_int_equal(world_placed, placed + 1);
    lapic_reset(ap, false);
    assert_int_equal(world_placed, placed + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_reset_values, world_reset),
        cmocka_unit_test_setup(test_init_keeps_id_and_base, world_reset),
        cmocka_unit_test_setup(test_register_bits, world_reset),
        cmocka_unit_test_setup(test_icr_reads_idle, world_reset),
        cmocka_unit_test_setup(test_unknown_registers_set_esr, world_reset),
        cmocka_unit_test_setup(test_error_interrupt, world_reset),
        cmocka_unit_test_setup(test_illegal_vector_received, world_reset),
        cmocka_unit_test_setup(test_every_vector_lands_in_its_bit, world_reset),
        cmocka_unit_test_setup(test_trigger_mode_follows_the_last, world_reset),
        cmocka_unit_test_setup(test_priorities, world_reset),
        cmocka_unit_test_setup(test_nested_service, world_reset),
        cmocka_unit_test_setup(test_software_disable, world_reset),
        cmocka_unit_test_setup(test_base_msr, world_reset),
        cmocka_unit_test_setup(test_page_is_placed, world_reset),
        cmocka_unit_test_setup(test_hardware_disable, world_reset),
        cmocka_unit_test_setup(test_extint_through_lint0, world_reset),
        cmocka_unit_test_setup(test_lint1_and_nmi, world_reset),
        cmocka_unit_test_setup(test_level_lint0, world_reset),
        cmocka_unit_test_setup(test_cr8_mirrors_tpr, world_reset),
        cmocka_unit_test_setup(test_offsets_between_registers, world_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
