"""Where an emulator is wrong, or where monitor and bare machine may differ: every entry has its reason.

EMULATOR lists lines that test kernels only observe, because QEMU's TCG does otherwise than the manual. They are the same
natively and under the monitor, which runs on the same TCG, so they need no exception there; the table says what hardware
shows. On Bochs they may differ from the native run on QEMU.

ALLOWED lists lines that may differ between the native run on QEMU and the monitor on any machine: (guest, start of the
line, reason). MODEL lists further ones that may differ, or be missing, on Bochs because its processors are others; they may
not fail. BOCHS lists those that may differ, or whose check may fail, on Bochs, because Bochs does otherwise than TCG or than
the manual: (machine, guest, start of the line, reason). The machine is a name without a model, or with a part of it; "bochs"
stands for all on Bochs, with the monitor or without, "monitor" for those with it.
"""

EMULATOR = [
    ("alignment", "unaligned read: ", "TCG has no alignment check; hardware: #AC(0)"),
    ("alignment", "unaligned write", "TCG has no alignment check; hardware: #AC(0)"),
    ("alignment", "unaligned read of a word", "TCG has no alignment check; hardware: #AC(0)"),
    ("alignment", "unaligned stack", "TCG has no alignment check; hardware: #AC(0)"),
    ("alignment", "device memory, unaligned: ", "TCG has no alignment check; hardware: #AC(0)"),
    ("double_fault", "  as an event from outside", "TCG leaves EXT clear for a fault in delivering an exception; SDM 6.13: 1"),
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
    ("floppy", "  ends without a terminal count", "QEMU's controller forgives it; 82077AA and the monitor: ST0 40, ST1 80"),
    ("floppy", "  and ST1", "QEMU has bits of its own; 82077AA and the monitor: end of cylinder 80, no data 4"),
    ("floppy", "  fillers", "QEMU writes only one sector of a track that is formatted; 82077AA and the monitor: 2400"),
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


OTHER_PROCESSOR = "the model's own CPUID, not that of QEMU's EPYC"
DR6_OF_BOCHS = "Bochs' SVM leaves DR6 as it was when #DB is intercepted; hardware writes it first"
NO_AVX = "on models without AVX guests get no XSAVE"
NO_GIB_PAGES = "not tried on models without pages of 1 GiB"
NO_SMEP_SMAP = "on models without SMEP or SMAP what depends on them is not tried"
MODEL = [
    ("fpu", "XCR0 of each: ", NO_AVX),
    ("fpu", "OSXSAVE follows CR4", NO_AVX),
    ("fpu", "XCR0 without x87", NO_AVX),
    ("fpu", "XCR0 with AVX, without SSE", NO_AVX),
    ("fpu", "  XCR0 unchanged", NO_AVX),
    ("fpu", "XSETBV without OSXSAVE", NO_AVX),
    ("mode_long", "1 GiB page ", NO_GIB_PAGES),
    ("mode_long", "  A and D", NO_GIB_PAGES),
    ("smp_start", "  its IOPL", "without unrestricted guest virtual-8086 mode at IOPL 3 runs real mode, and PUSHF shows it"),
    ("smp_start", "EDX is the signature: ", OTHER_PROCESSOR),
    ("tlb", "SMEP", NO_SMEP_SMAP),
    ("tlb", "  call to it", NO_SMEP_SMAP),
    ("tlb", "SMAP", NO_SMEP_SMAP),
    ("tlb", "  with AC", NO_SMEP_SMAP),
    ("tlb", "  without it again", NO_SMEP_SMAP),
    ("tsc_smp", "RDTSCP gives TSC_AUX", "not tried on models without RDTSCP"),
]
PIC_OF_BOCHS = "Bochs' own 8259 does otherwise than the data sheet; the monitor's and QEMU's do as it says"
BOCHS = [
    ("bochs", "cpuid_rules", "vendor: ", OTHER_PROCESSOR),
    ("bochs", "cpuid_rules", "maximum leaf: ", OTHER_PROCESSOR),
    ("bochs", "cpuid_rules", "signature: ", OTHER_PROCESSOR),
    ("bochs", "cpuid_rules", "features e", OTHER_PROCESSOR),
    ("bochs", "cpuid_rules", "structured features: ", OTHER_PROCESSOR),
    ("bochs", "cpuid_rules", "XSAVE ", OTHER_PROCESSOR),
    ("bochs", "cpuid_rules", "extended features: ", OTHER_PROCESSOR),
    ("bochs", "cpuid_rules", "extended e", OTHER_PROCESSOR),
    ("bochs", "cpuid_rules", "brand: ", OTHER_PROCESSOR),
    ("bochs", "cpuid_rules", "power: ", OTHER_PROCESSOR),
    ("bochs", "cpuid_rules", "address sizes: ", OTHER_PROCESSOR),
    ("bochs", "cpuid_rules", "leaf out of range answered: ", "an EPYC answers with zeros, Intel with the last leaf"),
    ("bochs", "cr_rules", "CR8 ", "Intel has no way to CR8 outside of 64-bit mode"),
    ("bochs", "cr_rules", "  shows in TPR", "Intel has no way to CR8 outside of 64-bit mode"),
    ("bochs", "mode_real", "CPUID works here: ", OTHER_PROCESSOR),
    ("vmx", "mode_compat", "SYSCALL from 32-bit code", "Intel has SYSCALL in 64-bit code only"),
    ("bochs-svm", "debug", "  DR6", DR6_OF_BOCHS),
    ("native:bochs", "pic", "  then the other comes", PIC_OF_BOCHS),
    ("native:bochs", "pic", "set priority: ", PIC_OF_BOCHS),
    ("native:bochs", "pic", "  then line 0", PIC_OF_BOCHS),
    ("native:bochs", "pic", "poll answers", PIC_OF_BOCHS),
    ("native:bochs", "pic", "  and sets ISR", PIC_OF_BOCHS),
    ("native:bochs", "pic", "level: ", PIC_OF_BOCHS),
    ("native:bochs", "pic", "  nothing delivered", PIC_OF_BOCHS),
    ("native:bochs", "pic", "  no spurious interrupt", PIC_OF_BOCHS),
]


def is_on(machine, where):
    if where == "bochs":
        return machine.split(":")[0] in ("vmx", "bochs-svm") or machine.startswith("native:bochs")
    if where == "monitor":
        return machine.split(":")[0] in ("vmx", "bochs-svm")
    kind, _, model = machine.partition(":")
    where_kind, _, where_model = where.partition(":")
    return kind == where_kind and where_model in model


def allowed(machine, guest, line):
    """Whether a line may differ on a machine from the native run on QEMU."""
    if not machine.startswith("native:") and any(guest == name and line.startswith(start) for name, start, _ in ALLOWED):
        return not line.endswith("FAIL")
    if is_on(machine, "bochs") and any(guest == name and line.startswith(start) for name, start, _ in EMULATOR + MODEL):
        return not line.endswith("FAIL")
    return any(is_on(machine, where) and guest == name and line.startswith(start) for where, name, start, _ in BOCHS)
