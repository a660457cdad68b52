"""Processors of other generations than the default machine's: a stock kernel where EPT or unrestricted guest is missing, and
one sentence with the cure where there is no hardware virtualization at all. `make test-matrix` has the other generations.

Two refusals are shown by unit tests (test_svm_probe, test_vmx_probe), because no emulator can be brought there: SVM disabled
by VM_CR (QEMU ignores the write, Bochs does not have the register) and VT-x locked off by FEATURE_CONTROL (Bochs locks it on
before the firmware runs)."""

import time

import pytest
from nullring import DONE, TREE, UNEXPECTED, boot, description, marker

EXAMPLE = TREE / "examples" / "debian-686.dts"


@pytest.mark.parametrize("machine", ["vmx:penryn", "vmx:lynnfield"])
def test_kernel(machine):
    run = boot("--machine", machine, "--append", "quiet mode=report nonce=1234",
               description("debian-686", machine.replace(":", "-")), expect=[marker(1234), "^processors: 1$"], seconds=1200)
    assert run.status == DONE, run.text


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
