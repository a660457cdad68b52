/*
 * The controls that VT-x gets for a vCPU's mode (vmx/controls.c), against the rules of SDM Vol. 3C, 26.2.1.1
 * for those of the local APIC: only where the guest's is served by the processor, and never one without what
 * it needs. The VMCS is a table here; the source is included, so that it writes that one.
 *
 * sources:
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "vmx.h"

static uint64_t vmcs[0x8000];

static void table_write(enum vmcs_field field, uint64_t value)
{
    vmcs[field] = value;
}

#define vmwrite table_write
#include "../../vmx/controls.c"

struct vmx_capability vmx_capability;
struct vmx_features vmx_features;
static struct vm vm;
static struct vcpu vcpu;
static struct vmx_vcpu backend;

uint64_t virt_to_phys(const void *address)
{
    return (uint64_t)address;
}

static int set_up(void **state)
{
    (void)state;
    const uint64_t all = 0xffffffffull << 32;
    vmx_capability =
        (struct vmx_capability){.pin = all, .primary = all, .secondary = all, .exit = all, .entry = all};
    vmx_features = (struct vmx_features){.ept = true, .unrestricted = true, .vpid = true, .tpr_shadow = true};
    memset(&vm, 0, sizeof vm);
    memset(&vcpu, 0, sizeof vcpu);
    memset(&backend, 0, sizeof backend);
    memset(vmcs, 0, sizeof vmcs);
    vcpu.vm = &vm;
    vcpu.backend = &backend;
    return 0;
}

static void update(void)
{
    vmx_controls_init();
    vmx_controls_update(&vcpu);
}

static void test_served(void **state)
{
    (void)state;
    vm.lapic_served = true;
    update();
    assert_int_equal(vmcs[VMCS_SECONDARY_CONTROLS] & SECONDARY_LAPIC, 1 << 0 | 1 << 8 | 1 << 9);
    assert_true(vmcs[VMCS_PRIMARY_CONTROLS] & PRIMARY_TPR_SHADOW);
    assert_true(vmcs[VMCS_PRIMARY_CONTROLS] & PRIMARY_SECONDARY);
    assert_true(vmcs[VMCS_PIN_CONTROLS] & PIN_EXTERNAL);
    assert_false(vmcs[VMCS_PRIMARY_CONTROLS] & (PRIMARY_CR8_LOAD | PRIMARY_CR8_STORE));
    assert_true(vmcs[VMCS_SECONDARY_CONTROLS] & SECONDARY_EPT);
    assert_false(vmcs[VMCS_SECONDARY_CONTROLS] & 1 << 4); /* x2APIC mode, which excludes the page */
}

static void test_not_served(void **state)
{
    (void)state;
    update();
    assert_int_equal(vmcs[VMCS_SECONDARY_CONTROLS] & SECONDARY_LAPIC, 0);
    assert_true(vmcs[VMCS_PRIMARY_CONTROLS] & PRIMARY_TPR_SHADOW);
    vcpu.windows = WINDOW_TPR;
    update();
    assert_true(vmcs[VMCS_PRIMARY_CONTROLS] & PRIMARY_CR8_LOAD);
}

/* The interrupt window of the 8259 pair's holds the processor's deliveries back (30.2.1). */
static void test_served_window(void **state)
{
    (void)state;
    vm.lapic_served = true;
    vcpu.windows = WINDOW_INTERRUPT;
    update();
    assert_true(vmcs[VMCS_PRIMARY_CONTROLS] & PRIMARY_INTERRUPT_WINDOW);
    assert_int_equal(vmcs[VMCS_SECONDARY_CONTROLS] & SECONDARY_LAPIC, SECONDARY_LAPIC);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_served, set_up),
        cmocka_unit_test_setup(test_not_served, set_up),
        cmocka_unit_test_setup(test_served_window, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
