/*
 * Whether Intel VT-x can be used, and the sentence where it cannot (SDM Vol. 3C, 24.7 and 24.8): no emulator
 * can be brought to lock it off in IA32_FEATURE_CONTROL. The processor is fake: CPUID and that register. The
 * source is included, so that it asks that one.
 *
 * sources:
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "cpu.h"
#include "fixup.h"

#define cpuid      fake_cpuid
#define rdmsr_safe fake_rdmsr
static struct cpuid_result fake_cpuid(uint32_t leaf, uint32_t subleaf);
static bool fake_rdmsr(uint32_t index, uint64_t *value);
#include "../../vmx/vmx.c"

/* What nothing here calls. */
__asm__(".irp name, vmx_capability_read, vmx_msr_bitmaps_init, vmx_vm86_init, vmx_vm86_prepare, vmx_load, "
        "vmx_unload, vmx_run, vmx_get, vmx_set, vmx_code, vmx_inject, vmx_window, vmx_lapic, vmx_invalidate, "
        "vmx_invalidate_all, vmx_set_cr2, vmcs_clear, page_alloc, virt_to_phys\n"
        ".globl \\name\n\\name:\n.endr\nud2\n");

const char vcpu_absent[] = "absent";
struct vmx_capability vmx_capability;

static struct {
    bool vmx, has_control;
    uint64_t control;
    const char *capability; /* what the capability MSRs lack */
} fake;
static unsigned capability_asked;

static struct cpuid_result fake_cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    return (struct cpuid_result){.ecx = leaf == LEAF_FEATURES && fake.vmx ? ECX_VMX : 0};
}

static bool fake_rdmsr(uint32_t index, uint64_t *value)
{
    assert_int_equal(index, MSR_FEATURE_CONTROL);
    *value = fake.control;
    return fake.has_control;
}

const char *vmx_capability_use(void)
{
    capability_asked++;
    return fake.capability;
}

/* A processor with VT-x, whose firmware has left FEATURE_CONTROL as it is after reset. */
static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    fake.vmx = fake.has_control = true;
    capability_asked = 0;
    return 0;
}

static void assert_locked_off(void)
{
    const char *why = vmx_probe();

    assert_non_null(why);
    assert_ptr_not_equal(why, vcpu_absent);
    assert_non_null(strstr(why, "the firmware has locked Intel VT-x off"));
    assert_non_null(strstr(why, "enable virtualization in its set-up"));
    assert_null(strchr(why, '\n'));
    assert_int_equal(capability_asked, 0);
}

static void test_usable(void **state)
{
    (void)state;
    assert_null(vmx_probe()); /* not locked: vmx_on() will */
    fake.control = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMXON;
    assert_null(vmx_probe());
    fake.control = FEATURE_CONTROL_VMXON;
    assert_null(vmx_probe());
    fake.has_control = false; /* an emulator without the register */
    fake.control = FEATURE_CONTROL_LOCK;
    assert_null(vmx_probe());
    assert_int_equal(capability_asked, 4);
}

static void test_locked_off(void **state)
{
    enum { FEATURE_CONTROL_VMXON_IN_SMX = 1 << 1 };

    (void)state;
    fake.control = FEATURE_CONTROL_LOCK;
    assert_locked_off();
    fake.control = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMXON_IN_SMX; /* in SMX alone is not here */
    assert_locked_off();
}

static void test_absent(void **state)
{
    (void)state;
    fake.vmx = false;
    fake.control = FEATURE_CONTROL_LOCK; /* asked of no processor without VT-x */
    assert_ptr_equal(vmx_probe(), vcpu_absent);
    assert_int_equal(capability_asked, 0);
}

static void test_a_lack_of_capabilities_is_said(void **state)
{
    (void)state;
    fake.capability = "it lacks something";
    assert_ptr_equal(vmx_probe(), fake.capability);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_usable, set_up),
        cmocka_unit_test_setup(test_locked_off, set_up),
        cmocka_unit_test_setup(test_absent, set_up),
        cmocka_unit_test_setup(test_a_lack_of_capabilities_is_said, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
