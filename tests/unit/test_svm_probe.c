/*
 * Whether AMD SVM can be used, and the sentence where it cannot (AMD APM Vol. 2, 15.4 and 15.30.1): no
 * emulator can be brought to disable it by VM_CR. The processor is fake: its CPUID leaves and VM_CR. The
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
#include "stage2.h"
#include "vcpu_ops.h"

#define cpuid      fake_cpuid
#define rdmsr_safe fake_rdmsr
static struct cpuid_result fake_cpuid(uint32_t leaf, uint32_t subleaf);
static bool fake_rdmsr(uint32_t index, uint64_t *value);
#include "../../svm/svm.c"

/* What nothing here calls. */
__asm__(".irp name, svm_intercepts_init, svm_run, svm_get, svm_set, svm_code, svm_inject, svm_window, "
        "registers_load, registers_store, page_alloc, virt_to_phys, cpus\n"
        ".globl \\name\n\\name:\n.endr\nud2\n");

enum { EDX_SVM_LOCK = 1 << 2, VM_CR_LOCK = 1 << 3, ALL_FEATURES = 0xff & ~EDX_SVM_LOCK };

const char vcpu_absent[] = "absent";
struct vcpu_features vcpu_features;
struct stage2_format stage2_format;

static struct {
    uint32_t extended_max, features_ecx, svm_ebx, svm_edx;
    uint64_t vm_cr;
    bool has_vm_cr;
} fake;

static struct cpuid_result fake_cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    switch (leaf) {
    case LEAF_MAX_EXTENDED:
        return (struct cpuid_result){.eax = fake.extended_max};
    case LEAF_EXTENDED:
        return (struct cpuid_result){.ecx = fake.features_ecx, .edx = EXTENDED_EDX_1G_PAGES};
    case LEAF_SVM:
        return (struct cpuid_result){.ebx = fake.svm_ebx, .edx = fake.svm_edx};
    default:
        return (struct cpuid_result){0};
    }
}

static bool fake_rdmsr(uint32_t index, uint64_t *value)
{
    assert_int_equal(index, MSR_VM_CR);
    *value = fake.vm_cr;
    return fake.has_vm_cr;
}

bool vcpu_fact(const char *name, const char *instead, bool have)
{
    (void)name, (void)instead;
    return have;
}

/* A processor with all of SVM, which the firmware has left alone. */
static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    fake.extended_max = LEAF_SVM;
    fake.features_ecx = ECX_SVM;
    fake.svm_ebx = 16;
    fake.svm_edx = ALL_FEATURES;
    fake.has_vm_cr = true;
    memset(&vcpu_features, 0, sizeof vcpu_features);
    return 0;
}

/* One sentence that names the extension and says what to do. */
static void assert_disabled(void)
{
    const char *why = svm_probe();

    assert_non_null(why);
    assert_ptr_not_equal(why, vcpu_absent);
    assert_non_null(strstr(why, "the firmware has disabled AMD SVM"));
    assert_non_null(strstr(why, "enable virtualization in its set-up"));
    assert_null(strchr(why, '\n'));
}

static void test_enabled(void **state)
{
    (void)state;
    assert_null(svm_probe());
    assert_true(vcpu_features.nested_paging && vcpu_features.unpaged && vcpu_features.real);
    fake.vm_cr = VM_CR_LOCK; /* locked on */
    assert_null(svm_probe());
}

static void test_disabled_by_vm_cr(void **state)
{
    (void)state;
    fake.vm_cr = VM_CR_SVMDIS;
    assert_disabled();
    fake.vm_cr = VM_CR_SVMDIS | VM_CR_LOCK;
    assert_disabled();
    fake.svm_edx |= EDX_SVM_LOCK; /* the firmware, or a key that it has, could unlock it */
    assert_disabled();
    fake.vm_cr = VM_CR_SVMDIS;
    assert_disabled();
}

/* The first processors with SVM have no VM_CR: nothing there can disable it. */
static void test_without_vm_cr(void **state)
{
    (void)state;
    fake.has_vm_cr = false;
    fake.vm_cr = VM_CR_SVMDIS;
    assert_null(svm_probe());
}

static void test_absent(void **state)
{
    (void)state;
    fake.vm_cr = VM_CR_SVMDIS; /* asked of no other vendor's processor */
    fake.features_ecx = 0;
    assert_ptr_equal(svm_probe(), vcpu_absent);
    fake.features_ecx = ECX_SVM;
    fake.extended_max = LEAF_SVM - 1;
    assert_ptr_equal(svm_probe(), vcpu_absent);
}

static void test_what_is_missing_is_replaced(void **state)
{
    (void)state;
    fake.svm_edx = 0;
    assert_null(svm_probe());
    assert_false(vcpu_features.nested_paging || vcpu_features.unpaged);
    assert_false(svm_features.next_rip || svm_features.decode_assists || svm_features.flush_by_asid);
    assert_int_equal(svm_features.clean, 0);
    fake.svm_ebx = 1; /* ASID 0 is the host's */
    assert_non_null(strstr(svm_probe(), "no address space identifiers"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_enabled, set_up),
        cmocka_unit_test_setup(test_disabled_by_vm_cr, set_up),
        cmocka_unit_test_setup(test_without_vm_cr, set_up),
        cmocka_unit_test_setup(test_absent, set_up),
        cmocka_unit_test_setup(test_what_is_missing_is_replaced, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
