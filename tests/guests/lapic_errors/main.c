/*
 * Errors of the local APIC: sending and receiving illegal vectors sets ESR and raises the error LVT, and no
 * such interrupt arrives; software disable masks the LVTs and keeps them masked; reserved registers read 0.
 * Not run natively: QEMU's APIC delivers vectors below 16 and does not mask. Manual: Intel SDM Vol.
 * 3A, 11.5.3, 11.4.7.2. Real hardware: as checked here.
 *
 * guest: machines=svm
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"

enum { ERROR_VECTOR = 0x44, SEND_ILLEGAL = 1 << 5, RECEIVE_ILLEGAL = 1 << 6 };

void guest_main(void)
{
    lapic_enable();
    interrupt_set(ERROR_VECTOR, interrupt_eoi_lapic);
    lapic_write(LAPIC_LVT_ERROR, ERROR_VECTOR);
    lapic_write(LAPIC_ESR, 0);
    lapic_send(0, ICR_SELF | ICR_ASSERT | 5);
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
    lapic_write(LAPIC_ESR, 0);
    check_value("ESR after sending vector 5", lapic_read(LAPIC_ESR) & SEND_ILLEGAL, SEND_ILLEGAL);
    check_value("  no interrupt 5", interrupt_count[5], 0);
    check("  error interrupt", interrupt_count[ERROR_VECTOR] >= 1);
    lapic_write(LAPIC_ESR, 0);
    check_value("ESR clears by writing", (lapic_write(LAPIC_ESR, 0), lapic_read(LAPIC_ESR)), 0);
    lapic_write(LAPIC_SVR, 0xff);
    check_value("software disable masks the LVTs", lapic_read(LAPIC_LVT_ERROR) & LVT_MASKED, LVT_MASKED);
    lapic_write(LAPIC_LVT_ERROR, ERROR_VECTOR);
    check_value("  and they cannot be unmasked", lapic_read(LAPIC_LVT_ERROR) & LVT_MASKED, LVT_MASKED);
    lapic_enable();
    lapic_write(LAPIC_LVT_ERROR, ERROR_VECTOR);
    check_value("enabled: they can", lapic_read(LAPIC_LVT_ERROR) & LVT_MASKED, 0);
}
