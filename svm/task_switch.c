/*
 * Task switches of a guest on the vTLB. They load CR3, so that the processor must not do them: where it asks
 * before one (AMD APM Vol. 2, 15.14.1), the device model does it.
 *
 * QEMU's TCG does not ask. But before it changes anything it writes the first byte of the current TSS as it
 * is, which nothing else does. So the page of the TSS that LTR makes the current one cannot be written, and
 * where it is written for another reason it can until the next exit. A guest that then switches tasks gets
 * the better of that; it is seen afterwards, and is killed. The emulator is no wall anyway.
 */
#include "svm.h"
#include "cpu.h"
#include "vtlb.h"
#include "x86.h"

enum { PAGE_FAULT_WRITE = 1 << 1, PAGE_FAULT_USER = 1 << 2 };

void svm_task_describe(struct vcpu *vcpu)
{
    vcpu->exit.reason = VCPU_EXIT_UNFIT;
    vcpu->exit.detail = UNFIT_ONCE | (vcpu->state.interrupts.event.type != EVENT_NONE ? UNFIT_EVENT : 0);
}

void svm_task_guard(struct vcpu *vcpu, const struct svm_vcpu *svm)
{
    const struct vmcb *vmcb = &svm->vmcb;
    bool tasks = (vmcb->cr0 & CR0_PE) && !(vcpu->state.msrs.efer & EFER_LMA);
    vtlb_protect(vcpu, tasks ? vmcb->tr.base : VTLB_NO_PAGE);
}

void svm_task_fault(struct vcpu *vcpu, struct svm_vcpu *svm)
{
    const struct vcpu_exit fault = vcpu->exit;
    uint64_t at = fault.exception.address - svm->vmcb.tr.base;
    bool write = fault.exception.error_code & PAGE_FAULT_WRITE;
    vtlb_fault(vcpu);
    if (vcpu->exit.reason != VCPU_EXIT_NONE || !write || !vtlb_protects(vcpu, fault.exception.address))
        return;
    if (at == 0 && !(fault.exception.error_code & PAGE_FAULT_USER)) {
        svm_task_describe(vcpu);
    } else {
        vtlb_protect(vcpu, VTLB_NO_PAGE);
        vcpu->exit = fault;
        vtlb_fault(vcpu);
    }
}
