"""Where an emulator is wrong, or where monitor and bare machine may differ: every entry has its reason.

WRONG lists lines that an emulator prints otherwise than hardware: (where, kernel, the line there, the line on hardware,
reason). Both runs of a comparison are read as hardware would have printed them, so what stands there is held to the letter:
another wrong value is a difference, and the right one is none; where the line has a part of its own, it is a pattern. A line
that ends in " FAIL" may fail there. "where" is

    tcg             QEMU, natively and under the monitor
    native          QEMU, natively; what the monitor does itself is right
    bochs           Bochs, natively and under the monitor
    native:bochs, vmx, bochs-svm    of these one; with :MODEL, or a part of it, on that model only

NOT_NATIVE lists kernels that Bochs does not bring to their end natively, with the reason. They are run there under the monitor
only, and held to QEMU's native run.

NOT_UNDER lists kernels that an emulator does not let the monitor run to their end: (where, kernel, reason).

PROCESSOR lists lines that differ, or are missing, with the processor's model: (kernel, start of the line, reason). A run under
the monitor is held to a native one on the same model, where they are compared as any other; they are left out where Bochs
is held to QEMU. They may not fail.

LESS lists lines with features of which the monitor may give a guest less than the processor has, and nothing beyond:
(kernel, start of the line, bits that are shown beyond it, reason). Their hexadecimal words are held to the bare machine's, bit
by bit.
"""
import re

AC = "TCG has no alignment check; hardware: #AC(0)"
GD = "TCG has no DR7.GD"
RESERVED = "TCG leaves out P in the error code of a reserved bit"
FLOPPY = "QEMU's floppy controller has status bits of its own"
AT_FIRST = "QEMU reports the first sector of the command or block, and moves none; ATA/ATAPI-6, 8.25.6: the first that failed"
NO_EXCHANGE = "QEMU's COMRESET does not tell that the drive has come back; AHCI 1.3.1, 3.3.12"
AHCI_GOES_ON = "QEMU's AHCI goes on behind an error; AHCI 1.3.1, 6.2.2.1: the port stops at the command, which CCS names"
NOBODY = "QEMU answers 0 where nobody does"
APIC_OFF = "QEMU's APIC does not mask on software disable"
DR6_OF_BOCHS = "Bochs' SVM exits for #DB before the cause is in DR6; hardware writes it first (APM Vol. 2, 15.12.2)"
SHADOW_OF_BOCHS = "Bochs clears the interrupt shadow before it exits for an exception; hardware keeps it (SDM Vol. 3C, 28.3.4)"
TIMER_OF_BOCHS = "Bochs' local APIC timer and its PM timer differ by more than 1 %"
CMOS_OF_BOCHS = "Bochs' CMOS takes no access of a word"
UART_OF_BOCHS = "Bochs' 16550 sends in its own time, in loopback too"
IOAPIC_OF_BOCHS = "Bochs' I/O APIC has no remote IRR, and delivers a level once"
KEYBOARD_OF_BOCHS = "Bochs' controller does not translate what a keyboard says of its scan code set"
PIC_OF_BOCHS = "Bochs' own 8259 does otherwise than the data sheet; the monitor's and QEMU's do as it says"

WRONG = [
    ("tcg", "alignment", "unaligned read: #GP(0) observed", "unaligned read: #AC(0) observed", AC),
    ("tcg", "alignment", "unaligned write: #GP(0) observed", "unaligned write: #AC(0) observed", AC),
    ("tcg", "alignment", "unaligned read of a word: #GP(0) observed", "unaligned read of a word: #AC(0) observed", AC),
    ("tcg", "alignment", "unaligned stack: #GP(0) observed", "unaligned stack: #AC(0) observed", AC),
    ("native", "alignment", "device memory, unaligned: #GP(0) observed", "device memory, unaligned: #AC(0) observed", AC),
    ("tcg", "double_fault", "  as an event from outside: 0 observed", "  as an event from outside: 1 observed",
     "TCG leaves EXT clear for a fault in delivering an exception; SDM 6.13"),
    ("tcg", "fpu", "MXCSR reserved bit: none(0) observed", "MXCSR reserved bit: #GP(0) observed", "TCG takes it"),
    ("tcg", "paging", "reserved bit 21 of a 4 MiB entry: #PF(8) observed",
     "reserved bit 21 of a 4 MiB entry: #PF(9) observed", RESERVED),
    ("tcg", "paging_pae", "reserved bit 13 of a 2 MiB entry: #PF(8) observed",
     "reserved bit 13 of a 2 MiB entry: #PF(9) observed", RESERVED),
    ("tcg", "paging_pae", "reserved bit 52: #PF(8) observed", "reserved bit 52: #PF(9) observed", RESERVED),
    ("tcg", "paging_pae", "bit 63 with NXE=0 is reserved: #PF(8) observed",
     "bit 63 with NXE=0 is reserved: #PF(9) observed", RESERVED),
    ("tcg", "mode_long", "non-canonical stack: #GP(0) observed", "non-canonical stack: #SS(0) observed",
     "TCG gives #GP for a non-canonical stack operand"),
    ("tcg", "segments", "access through a null selector: none(0) observed",
     "access through a null selector: #GP(0) observed", "TCG does not check null selectors on access"),
    ("tcg", "segments", "LTR of a null selector: none(0) observed", "LTR of a null selector: #GP(0) observed",
     "TCG takes it; the device model, for a guest on the vTLB, does not"),
    ("tcg", "debug", "data write breakpoint: traps: 0 observed", "data write breakpoint: traps: 1 observed",
     "TCG misses a data write breakpoint here"),
    ("tcg", "debug", "general detect: none(0) observed", "general detect: #DB(0) observed", GD),
    ("tcg", "debug", "  DR6.BD: 0 observed", "  DR6.BD: 2000 observed", GD),
    ("tcg", "debug", "INT1: #UD(0) observed", "INT1: #DB(0) observed", "TCG gives #UD for opcode F1"),
    ("tcg", "cr_rules", "CR8 reserved bit: none(0) observed", "CR8 reserved bit: #GP(0) observed",
     "TCG takes reserved bits of CR8; the monitor does not"),
    ("tcg", "msr_rules", "LSTAR not canonical: none(0) observed", "LSTAR not canonical: #GP(0) observed",
     "TCG takes a non-canonical LSTAR"),
    ("native", "ports", "memory that nobody has: 0 observed", "memory that nobody has: ffffffff observed", NOBODY),
    ("native", "ports", "  of it after a write: 0 observed", "  of it after a write: ffffffff observed", NOBODY),
    ("native", "ports", "  of it a byte: 0 observed", "  of it a byte: ff observed", NOBODY),
    ("native", "cpuid_rules", "leaf out of range answered: something", "leaf out of range answered: zeros",
     "TCG answers with the last leaf, as Intel; an EPYC, and the monitor, with zeros"),
    ("native", "floppy", "  ends without a terminal count: ST0: 0 observed",
     "  ends without a terminal count: ST0: 40 observed", FLOPPY),
    ("native", "floppy", "  end of cylinder: ST1: 0 observed", "  end of cylinder: ST1: 80 observed", FLOPPY),
    ("native", "floppy", "  no data: ST1: 80 observed", "  no data: ST1: 4 observed", FLOPPY),
    ("native", "floppy", re.compile(r"  fillers: [0-9a-f]+ observed"), "  fillers: 2400 observed",
     "QEMU formats one sector of a track"),
    ("native", "disk_ide", "  reported: 1ffd observed", "  reported: 2000 observed", AT_FIRST),
    ("native", "disk_ide", "  reported: 1fff observed", "  reported: 2000 observed", AT_FIRST),
    ("native", "disk_ide", "READ VERIFY over the end fails: 0 observed", "READ VERIFY over the end fails: 1 observed",
     "QEMU verifies nothing"),
    ("native", "disk_ide", "  no data come when it does: 0 observed", "  no data come when it does: 1 observed",
     "QEMU's SRST does not end a DMA command that waits for the bus master"),
    ("native", "disk_ide", "  the drive asks for more: 50 observed", "  the drive asks for more: 58 observed",
     "QEMU ends the command with the table, and writes nothing"),
    ("native", "disk_ide", re.compile(r"  raw sectors whose address has other than decimal digits: [0-9a-f]+ observed"),
     "  raw sectors whose address has other than decimal digits: 0 observed", "QEMU writes the numbers in binary; ECMA-130, 14.2"),
    ("native", "disk_ide", "  error register: 0 observed", "  error register: 1 observed",
     "QEMU's DEVICE RESET leaves out the diagnostic's code; ATA/ATAPI-6, 9.12"),
    ("native", "disk_ahci", "  PxCI: 8 observed", "  PxCI: 28 observed", AHCI_GOES_ON),
    ("native", "disk_ahci", "  PxCMD: current slot: 0 observed", "  PxCMD: current slot: 3 observed", AHCI_GOES_ON),
    ("native", "disk_ahci", "  the command behind it has run: 1 observed", "  the command behind it has run: 0 observed", AHCI_GOES_ON),
    ("native", "disk_ahci", "  reported: 1fff observed", "  reported: 2000 observed", AT_FIRST),
    ("native", "disk_ahci", "  PxSERR: exchanged: 0 observed", "  PxSERR: exchanged: 4000000 observed", NO_EXCHANGE),
    ("native", "disk_ahci", "  PxIS: connection changed: 0 observed", "  PxIS: connection changed: 40 observed", NO_EXCHANGE),
    ("native", "pit", "status: no count yet: null count: 0 observed", "status: no count yet: null count: 40 observed",
     "QEMU's 8254 has no null-count bit"),
    ("native", "lapic_priority", "software disable masks the LVTs: 0 observed",
     "software disable masks the LVTs: 10000 observed", APIC_OFF),
    ("native", "lapic_priority", "  and they cannot be unmasked: 0 observed",
     "  and they cannot be unmasked: 10000 observed", APIC_OFF),
    ("bochs", "debug", "data write breakpoint: traps: 0 observed", "data write breakpoint: traps: 1 observed",
     "Bochs misses it as TCG does"),
    ("bochs-svm", "debug", "  DR6: 0 expected 4000 FAIL", "  DR6: 4000 ok", DR6_OF_BOCHS),
    ("bochs-svm", "debug", "  DR6: 0 expected 1 FAIL", "  DR6: 1 ok", DR6_OF_BOCHS),
    ("bochs-svm", "debug", "  DR6.BD: 0 observed", "  DR6.BD: 2000 observed", DR6_OF_BOCHS),
    ("bochs-svm", "sti_shadow", "STI; read of a page not seen before: 0 expected 2 FAIL",
     "STI; read of a page not seen before: 2 ok", SHADOW_OF_BOCHS),
    ("vmx", "sti_shadow", "STI; read of a page not seen before: 0 expected 2 FAIL",
     "STI; read of a page not seen before: 2 ok", SHADOW_OF_BOCHS),
    ("bochs-svm:ryzen", "cpuid_rules", "XSAVE 1: 5 340 0 0", "XSAVE 1: 5 0 0 0", "the size is said without XSAVEC, too"),
    ("native:bochs", "clock_agree", "local APIC timer by PM timer within 1 %: FAIL",
     "local APIC timer by PM timer within 1 %: ok", TIMER_OF_BOCHS),
    ("native:bochs", "ioapic_level", "IRR: 0 expected 1 FAIL", "IRR: 1 ok", IOAPIC_OF_BOCHS),
    ("native:bochs", "ioapic_level", "  remote IRR in the handler: 0 expected 4000 FAIL",
     "  remote IRR in the handler: 4000 ok", IOAPIC_OF_BOCHS),
    ("native:bochs", "ioapic_level", "without EOI: once: 1 expected 2 FAIL", "without EOI: once: 2 ok", IOAPIC_OF_BOCHS),
    ("native:bochs", "ioapic_level", "  remote IRR: 0 expected 4000 FAIL", "  remote IRR: 4000 ok", IOAPIC_OF_BOCHS),
    ("native:bochs", "ioapic_level", "unmasked with the line up: delivered: 3 expected 4 FAIL",
     "unmasked with the line up: delivered: 4 ok", IOAPIC_OF_BOCHS),
    ("native:bochs", "nt_ps2", "  answer: 2 expected 41 FAIL", "  answer: 41 ok", KEYBOARD_OF_BOCHS),
    ("native:bochs", "nt_ps2", "  five buttons: 1003 expected 1004 FAIL", "  five buttons: 1004 ok",
     "Bochs' mouse has a wheel, and no fourth and fifth button"),
    ("native:bochs", "pic", "  then the other comes: 27 expected 24 FAIL", "  then the other comes: 24 ok", PIC_OF_BOCHS),
    ("native:bochs", "pic", "set priority: line 0 lowest, line 4 first: 0 expected 4 FAIL",
     "set priority: line 0 lowest, line 4 first: 4 ok", PIC_OF_BOCHS),
    ("native:bochs", "pic", "  then line 0: 4 expected 0 FAIL", "  then line 0: 0 ok", PIC_OF_BOCHS),
    ("native:bochs", "pic", "rotating EOI: line 0 lowest, line 4 first: 0 expected 4 FAIL",
     "rotating EOI: line 0 lowest, line 4 first: 4 ok", PIC_OF_BOCHS),
    ("native:bochs", "pic", "  then line 0: 4 expected 0 FAIL", "  then line 0: 0 ok", PIC_OF_BOCHS),
    ("native:bochs", "pic", "rotating specific EOI: line 4 lowest, line 0 first: 4 expected 0 FAIL",
     "rotating specific EOI: line 4 lowest, line 0 first: 0 ok", PIC_OF_BOCHS),
    ("native:bochs", "pic", "  then line 4: 0 expected 4 FAIL", "  then line 4: 4 ok", PIC_OF_BOCHS),
    ("native:bochs", "pic", "poll answers line 0: 0 expected 80 FAIL", "poll answers line 0: 80 ok", PIC_OF_BOCHS),
    ("native:bochs", "pic", "  and sets ISR: 0 expected 1 FAIL", "  and sets ISR: 1 ok", PIC_OF_BOCHS),
    ("native:bochs", "pic", "level: IRR follows the line: 0 expected 10 FAIL",
     "level: IRR follows the line: 10 ok", PIC_OF_BOCHS),
    ("native:bochs", "pic", "  nothing delivered: 1 expected 0 FAIL", "  nothing delivered: 0 ok", PIC_OF_BOCHS),
    ("native:bochs", "pic", "  no spurious interrupt without INTR: 2 expected 1 FAIL",
     "  no spurious interrupt without INTR: 0 ok", PIC_OF_BOCHS),
    ("native:bochs", "ports", "no game port: f0 expected ff FAIL", "no game port: ff ok", "Bochs has one"),
    ("native:bochs", "ports", "word write to index and data: 0 expected 77 FAIL",
     "word write to index and data: 77 ok", CMOS_OF_BOCHS),
    ("native:bochs", "string_io", "OUTSW to two ports: c3 expected 77 FAIL", "OUTSW to two ports: 77 ok", CMOS_OF_BOCHS),
    ("native:bochs", "uart", "transmitter empty: 0 expected 60 FAIL", "transmitter empty: 60 ok", UART_OF_BOCHS),
    ("native:bochs", "uart", "  data comes back: 0 expected 1 FAIL", "  data comes back: 1 ok", UART_OF_BOCHS),
    ("native:bochs", "uart", "  IIR: received data: 1 expected 4 FAIL", "  IIR: received data: 4 ok", UART_OF_BOCHS),
    ("native:bochs", "uart", "  byte: 0 expected a7 FAIL", "  byte: a7 ok", UART_OF_BOCHS),
    ("vmx", "cpuid_rules", "leaf out of range answered: zeros", "leaf out of range answered: something",
     "Intel's processors answer with the last leaf; the monitor, of all vendors, with zeros"),
    ("vmx", "cpuid_rules", "XSAVE 1: 1 340 0 0", "XSAVE 1: 1 0 0 0", "the size is said without XSAVEC, too"),
    ("vmx:penryn", "cpuid_rules", "maximum leaf: b", "maximum leaf: d",
     "no guest gets XSAVE there, nor the leaf that describes it"),
    ("vmx:skylake", "cpuid_rules", "maximum leaf: d", "maximum leaf: 16",
     "no guest gets the processor's trace, nor the leaves of clock rates behind it"),
    ("vmx:skylake", "cpuid_rules", "XSAVE 0: 7 240 340 0", "XSAVE 0: e7 240 a80 0", "no guest gets AVX-512"),
    ("vmx:skylake", "cpuid_rules", "XSAVE 1: 5 340 0 0", "XSAVE 1: f 0 0 0",
     "nor XSAVEC and XSAVES; the size is said without them, too"),
    ("vmx", "smp_start", "  its IOPL: 3000 observed", "  its IOPL: 0 observed",
     "without unrestricted guest virtual-8086 mode at IOPL 3 runs real mode, and PUSHF shows it"),
    ("native:bochs:penryn", "msr_rules", "TSC_AUX: 0 expected 77 FAIL", "TSC_AUX: 77 ok",
     "the model has no RDTSCP, nor the register; guests have the register"),
    ("native:bochs", "smp_start", re.compile(r"EDX is the signature: 0 expected ([0-9a-f]+) FAIL"),
     r"EDX is the signature: \1 ok", "Bochs starts a processor with EDX clear"),
]

NOT_NATIVE = {
    "extint": "LINT0's mask does not stop the 8259 there, and an interrupt 7 comes that nobody has asked for",
    "hlt_wake": "an interrupt 7 of the 8259 comes that nobody has asked for",
    "lapic_priority": "the spurious interrupt of the local APIC comes there",
    "nt_acpi_sci": "Bochs' ACPI raises no SCI for the PM timer, and its BIOS does not say which kind of line it is",
    "rtc": "an interrupt 15 of the 8259 comes that nobody has asked for",
    "mmio_lapic": "Bochs stops at an access to the local APIC that is not aligned",
}

LOOP_OF_BOCHS = "Bochs' SVM does not exit for an interrupt while the guest's IF is clear: its loop cannot be left"
INT_OF_BOCHS = "Bochs' SVM leaves INT n out of EXITINTINFO: a fault in its delivery that is ours shows the event before it"
NOT_UNDER = [
    ("bochs-svm:turion", "exceptions", INT_OF_BOCHS),
    ("bochs-svm:turion", "mode_vm86", INT_OF_BOCHS),
    ("bochs-svm:turion", "segments", INT_OF_BOCHS),
    ("bochs-svm:turion", "nt_vbe_vm86", INT_OF_BOCHS),
    ("bochs-svm:turion", "task_switch", INT_OF_BOCHS),
    ("bochs-svm", "stack_device", INT_OF_BOCHS),
    ("bochs-svm", "nmi_smp", LOOP_OF_BOCHS),
    ("bochs-svm", "hostile", LOOP_OF_BOCHS),
    ("bochs-svm", "neighbour", LOOP_OF_BOCHS),
]

ITS_CPUID = "the model's own CPUID, not that of QEMU's EPYC"
NO_AVX = "on models without AVX guests get no XSAVE"
NO_GIB_PAGES = "not tried on models without pages of 1 GiB"
NO_SMEP_SMAP = "on models without SMEP or SMAP what depends on them is not tried"
NO_CR8 = "Intel has no way to CR8 outside of 64-bit mode"

PROCESSOR = [
    ("cpuid_rules", "vendor: ", ITS_CPUID),
    ("cpuid_rules", "maximum leaf: ", ITS_CPUID),
    ("cpuid_rules", "signature: ", ITS_CPUID),
    ("cpuid_rules", "features e", ITS_CPUID),
    ("cpuid_rules", "structured features: ", ITS_CPUID),
    ("cpuid_rules", "XSAVE ", ITS_CPUID),
    ("cpuid_rules", "extended features: ", ITS_CPUID),
    ("cpuid_rules", "extended e", ITS_CPUID),
    ("cpuid_rules", "brand: ", ITS_CPUID),
    ("cpuid_rules", "power: ", ITS_CPUID),
    ("cpuid_rules", "address sizes: ", ITS_CPUID),
    ("cpuid_rules", "leaf out of range answered: ", "AMD's processors answer with zeros, Intel's with the last leaf"),
    ("cr_rules", "CR8 ", NO_CR8),
    ("cr_rules", "  shows in TPR", NO_CR8),
    ("fpu", "XCR0 of each: ", NO_AVX),
    ("fpu", "OSXSAVE follows CR4", NO_AVX),
    ("fpu", "XCR0 without x87", NO_AVX),
    ("fpu", "XCR0 with AVX, without SSE", NO_AVX),
    ("fpu", "  XCR0 unchanged", NO_AVX),
    ("fpu", "XSETBV without OSXSAVE", NO_AVX),
    ("mode_compat", "SYSCALL from 32-bit code", "Intel has SYSCALL in 64-bit code only"),
    ("mode_long", "1 GiB page ", NO_GIB_PAGES),
    ("mode_long", "  A and D", NO_GIB_PAGES),
    ("mode_real", "CPUID works here: ", ITS_CPUID),
    ("smp_start", "EDX is the signature: ", ITS_CPUID),
    ("tlb", "SMEP", NO_SMEP_SMAP),
    ("tlb", "  call to it", NO_SMEP_SMAP),
    ("tlb", "SMAP", NO_SMEP_SMAP),
    ("tlb", "  with AC", NO_SMEP_SMAP),
    ("tlb", "  without it again", NO_SMEP_SMAP),
    ("tsc_smp", "RDTSCP gives TSC_AUX", "not tried on models without RDTSCP"),
]

NOT_ALL = "what the monitor cannot give its guests (core/exit_cpuid.c)"
HYPERVISOR, SYSCALL = 1 << 31, 1 << 11
LESS = [
    ("cpuid_rules", "features edx: ", 0, NOT_ALL),
    ("cpuid_rules", "features ecx: ", HYPERVISOR, "and a hypervisor is there"),
    ("cpuid_rules", "structured features: ", 0, NOT_ALL),
    ("cpuid_rules", "XSAVE ", 0, NOT_ALL),
    ("cpuid_rules", "extended edx: ", SYSCALL, "which Intel's processors show in 64-bit mode only"),
    ("cpuid_rules", "extended ecx: ", 0, NOT_ALL),
    ("cpuid_rules", "extended features: ", 0, NOT_ALL),
    ("cpuid_rules", "power: ", 0, NOT_ALL),
]


def is_on(machine, where):
    kind, _, model = machine.partition(":")
    if kind == "native" and model.split(":")[0] == "bochs":
        kind, model = "native:bochs", model.partition(":")[2]
    if where == "tcg":
        return kind in ("native", "svm")
    if where == "bochs":
        return kind in ("native:bochs", "vmx", "bochs-svm")
    return kind == where or (where.startswith(kind + ":") and where.rpartition(":")[2] in model)


def not_under(machine, kernel):
    return any(kernel == name and is_on(machine, where) for where, name, _ in NOT_UNDER)


def starts(table, kernel, line):
    """The entry of the line, or None."""
    return next((entry for entry in table if kernel == entry[0] and line.startswith(entry[1])), None)


def on_hardware(machine, kernel, line):
    """The line as it would stand there on hardware."""
    for where, name, wrong, right, _ in WRONG:
        if kernel != name or not is_on(machine, where):
            continue
        if isinstance(wrong, re.Pattern) and wrong.fullmatch(line):
            return wrong.sub(right, line)
        if line == wrong:
            return right
    return line


def may_fail(machine, kernel, line):
    return on_hardware(machine, kernel, line) != line


def is_less(more, there, here):
    """Each word of the one has only bits of the other's, and some that are named."""
    pattern = r"(?<= )[0-9a-f]+\b"
    pairs = list(zip(re.findall(pattern, there), re.findall(pattern, here)))
    return len(there.split()) == len(here.split()) and all(int(b, 16) & ~(int(a, 16) | more) == 0 for a, b in pairs)


def same(kernel, monitor, there, here):
    less = starts(LESS, kernel, here) if monitor else None
    return here == there or (less is not None and there.startswith(less[1]) and is_less(less[2], there, here))


def compare(kernel, machine, lines, native, reference):
    """The first line that differs from the native machine's and may not: that one's and this one's; or None. The last line of
    both says how many checks there were."""
    monitor, bochs = not machine.startswith("native"), is_on(machine, "bochs")
    runs = [[on_hardware(where, kernel, line) for line in run] for where, run in ((native, reference), (machine, lines))]
    if bochs and native == "native":
        rest = [[line for line in run if not starts(PROCESSOR, kernel, line)] for run in runs]
        if [len(run) for run in rest] != [len(run) for run in runs]:
            rest = [run[:-1] for run in rest]  # of other checks there are other numbers
        runs = rest
    for i in range(max(map(len, runs))):
        there, here = (run[i] if i < len(run) else None for run in runs)
        if there is None or here is None or not same(kernel, monitor, there, here):
            return there, here
    return None
