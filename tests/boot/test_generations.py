"""Processors of other generations than the default machine's: a stock kernel where EPT or unrestricted guest is missing, and
one sentence with the cure where there is no hardware virtualization at all. `make test-matrix` has the other generations.

Two refusals are shown by unit tests (test_svm_probe, test_vmx_probe), because no emulator can be brought there: SVM disabled
by VM_CR (QEMU ignores the write, Bochs does not have the register) and VT-x locked off by FEATURE_CONTROL (Bochs locks it on
before the firmware runs)."""

import time

import pytest
from nullring import DONE, TREE, UNEXPECTED, WORK, boot, description, marker

EXAMPLE = TREE / "examples" / "debian-686.dts"


@pytest.mark.parametrize("machine", ["vmx:penryn", "vmx:lynnfield"])
def test_kernel(machine):
    run = boot("--machine", machine, "--append", "quiet mode=report nonce=1234",
               description("debian-686", machine.replace(":", "-")), expect=[marker(1234), "^processors: 1$"], seconds=1200)
    assert run.status == DONE, run.text


@pytest.mark.parametrize("choice", ["hardware", "software"])
def test_who_serves_the_local_apic(choice):
    """The processor does, where it can, unless the description says otherwise; the guest sees no difference."""
    WORK.mkdir(parents=True, exist_ok=True)
    guest = WORK / f"local-apic-{choice}.dts"
    guest.write_text(f'''/dts-v1/;
/ {{
    compatible = "nullring,guest"; model = "k"; local-apic = "{choice}";
    memory {{ size-mib = <64>; }};
    chosen {{ loader = "multiboot"; kernel = "{TREE}/build/guests/lapic_priority.elf"; bootargs = "nonce=7 cpus=1"; }};
}};
''')
    run = boot("--machine", "vmx:haswell", "--why", guest, seconds=300)
    assert run.status == DONE and " 0 failed" in run.console, run.text
    assert "  virtual-interrupt delivery: yes" in run.lines, run.text
    assert (": local APIC at " in run.lines) == (choice == "hardware"), run.text


@pytest.mark.parametrize("words", [
    ["--machine", "svm", "--emulator", "-cpu EPYC,-svm"],
    ["--machine", "bochs-svm:athlon64_clawhammer"],
    ["--machine", "vmx:p4_prescott_celeron_336"],
], ids=["qemu", "amd", "intel"])
def test_no_hardware_virtualization(words):
    begin = time.monotonic()
    run = boot(*words, EXAMPLE)
    assert run.status == UNEXPECTED and run.console == "", run.text
    lines = [line for line in run.lines.splitlines() if line.startswith("nullring: ")]
    assert lines[0] == "nullring: starting" and len(lines) == 2, run.text
    assert lines[-1].startswith("nullring: cannot start: the processor has no hardware virtualization"), run.text
    assert "in an emulator choose a model" in lines[-1], run.text
    assert "reset" not in run.lines and time.monotonic() - begin < 120, run.text
