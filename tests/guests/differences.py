"""Where an emulator is wrong, or where monitor and bare machine may differ: every entry has its reason.

EMULATOR lists lines that test kernels only observe, because QEMU's TCG does otherwise than the manual. They are the same
natively and under the monitor, which runs on the same TCG, so they need no exception there; the table says what hardware
shows, for runs on other machines.

ALLOWED lists lines that may differ between the native run and the monitor: (guest, start of the line, reason).
"""

EMULATOR = [
    ("alignment", "unaligned read: ", "TCG has no alignment check; hardware: #AC(0)"),
    ("alignment", "unaligned write", "TCG has no alignment check; hardware: #AC(0)"),
    ("alignment", "unaligned read of a word", "TCG has no alignment check; hardware: #AC(0)"),
    ("alignment", "unaligned stack", "TCG has no alignment check; hardware: #AC(0)"),
    ("alignment", "device memory, unaligned: ", "TCG has no alignment check; hardware: #AC(0)"),
    ("fpu", "MXCSR reserved bit", "TCG takes reserved bits of MXCSR; hardware: #GP(0)"),
    ("paging", "reserved bit 21", "TCG leaves out P in the error code of a reserved bit; hardware: #PF(9)"),
    ("paging_pae", "reserved bit", "TCG leaves out P in the error code of a reserved bit; hardware: #PF(9)"),
    ("paging_pae", "bit 63 with NXE=0", "TCG leaves out P in the error code of a reserved bit; hardware: #PF(9)"),
    ("mode_long", "non-canonical stack", "TCG gives #GP for a non-canonical stack operand; hardware: #SS(0)"),
    ("segments", "access through a null selector", "TCG does not check null selectors on access; hardware: #GP(0)"),
    ("segments", "LTR of a null selector", "TCG takes it; hardware: #GP(0)"),
    ("debug", "data write breakpoint", "TCG misses a data write breakpoint here; hardware: 1"),
    ("debug", "general detect", "TCG has no DR7.GD; hardware: #DB with DR6.BD"),
    ("debug", "  DR6.BD", "TCG has no DR7.GD; hardware: 2000"),
    ("debug", "INT1", "TCG gives #UD for opcode F1; hardware: #DB"),
    ("cr_rules", "CR8 reserved bit", "TCG takes reserved bits of CR8; hardware: #GP(0)"),
    ("msr_rules", "LSTAR not canonical", "TCG takes a non-canonical LSTAR; hardware: #GP(0)"),
]

ALLOWED = [
    ("alignment", "device memory, unaligned: ", "TCG has no alignment check; hardware and the monitor's emulator: #AC(0)"),
    ("ports", "memory that nobody has", "QEMU answers 0; hardware and the monitor: ffffffff"),
    ("ports", "  of it", "QEMU answers 0; hardware and the monitor: ones"),
    ("cr_rules", "CR8 reserved bit", "TCG takes reserved bits of CR8; hardware and the monitor: #GP(0)"),
    ("cpuid_rules", "leaf out of range", "TCG answers with the last leaf, as Intel; an EPYC, and the monitor, with zeros"),
    ("paging", "reserved bit 21", "TCG leaves out P in the error code of a reserved bit; hardware and the vTLB: #PF(9)"),
    ("paging_pae", "reserved bit", "TCG leaves out P in the error code of a reserved bit; hardware and the vTLB: #PF(9)"),
    ("paging_pae", "bit 63 with NXE=0", "TCG leaves out P in the error code of a reserved bit; hardware and the vTLB: #PF(9)"),
    ("segments", "LTR of a null selector", "TCG takes it; hardware, and the device model for a guest on the vTLB: #GP(0)"),
    ("pit", "status: no count yet", "QEMU's 8254 has no null-count bit; hardware and the monitor: 40"),
    ("lapic_priority", "software disable masks", "QEMU's APIC does not mask on software disable; hardware: 10000"),
    ("lapic_priority", "  and they cannot be", "QEMU's APIC lets LVTs be unmasked while disabled; hardware: 10000"),
]


def allowed(guest, line):
    """Whether a line may differ between machines."""
    return any(guest == name and line.startswith(start) for name, start, _ in ALLOWED)
