"""Debian's three stock kernels under the monitor, to a marker computed by their init: 1 and 2 virtual processors on 1 and 2
real ones, without paravirtualization, with a hypervisor that does not show, without nested paging, and started from UEFI."""

import re
import subprocess

import pytest
from nullring import DONE, SECONDS, WORK, boot, description, marker, nr

KERNELS = ["debian-686", "debian-686-pae", "debian-amd64"]


def report(example, name, *options, machine="svm", cpus=1, nonce=1234, **changes):
    run = boot("--machine", machine, "--append", f"quiet mode=report nonce={nonce}", *options,
               description(example, f"svm-{name}", cpus=cpus, **changes))
    assert run.status == DONE, run.text
    assert marker(nonce).strip("^$") in run.console, run.text
    assert "nullring: guest" in run.lines and ": powered off" in run.lines, run.text
    return run


@pytest.mark.parametrize("machine_cpus", [1, 2])
@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("example", KERNELS)
def test_kernel(example, cpus, machine_cpus):
    run = report(example, f"{example}-{cpus}-{machine_cpus}", "--cpus", machine_cpus, cpus=cpus)
    assert f"processors: {cpus}" in run.console, run.text


@pytest.mark.parametrize("example", KERNELS)
def test_without_paravirtualization(example):
    run = report(example, f"{example}-plain", paravirt="none", nonce=77)
    assert "kvm-clock" not in run.console, run.text


def test_hidden_hypervisor():
    """The kernel says what it takes itself to run on."""
    run = boot("--machine", "svm", "--append", "mode=report nonce=78",
               description("debian-686", "svm-hidden", model='"debian-686"; hypervisor = "hidden"'))
    assert run.status == DONE and marker(78).strip("^$") in run.console, run.text
    assert "Hypervisor detected" not in run.console and "paravirtualized kernel on bare hardware" in run.console, run.text


def runs_on_vtlb(run):
    """Translations have been filled in, and none by nested paging: an access to a device is a #PF (exit code 0x4e)."""
    filled = re.search(r"(\d+) exits: backend", run.lines)
    return filled and int(filled.group(1)) > 1000 and "code 0x400" not in run.lines and "code 0x4e" in run.lines


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("example", KERNELS)
def test_without_nested_paging(example, cpus):
    run = report(example, f"{example}-no-npt-{cpus}", "--why", machine="svm:no-npt", cpus=cpus, nonce=55)
    assert "nested paging: no" in run.lines and runs_on_vtlb(run), run.text


def test_shadow_paging_by_choice():
    run = report("debian-686", "shadow", "--why", paging="shadow", nonce=56)
    assert "nested paging: yes" in run.lines and runs_on_vtlb(run), run.text


def test_clock_and_disk():
    run = report("debian-686", "clock")
    assert "disk: vda 8192 sectors" in run.console, run.text
    assert "clock: kvm-clock" in run.console, run.text


def test_clock_from_plain_timers():
    """A stock kernel finds the rate of its TSC with the 8254 and the PM timer alone. Only where an instruction is a
    nanosecond: with the 20 microseconds that TCG needs for an exit it cannot poll often enough, whatever the timers do."""
    run = boot("--machine", "svm", "--cpus", 1, "--emulator", "-icount shift=0,sleep=off", "--append", "mode=report",
               description("debian-686", "svm-timers", paravirt="none"))
    assert run.status == DONE, run.text
    assert "tsc: Fast TSC calibration using PIT" in run.console, run.text
    for found in ("Detected", "Refined TSC clocksource calibration:"):
        rate = re.search(rf"tsc: {found} ([\d.]+) MHz", run.console)
        assert rate and abs(float(rate.group(1)) - 1000) < 0.2, run.text
    assert "clock: tsc\n" in run.console.replace("\r", ""), run.text


def test_from_uefi():
    report("debian-686", "uefi", "--firmware", "uefi")


@pytest.mark.parametrize("firmware", [[], ["-bios", "/usr/share/ovmf/OVMF.fd"]], ids=["bios", "uefi"])
def test_an_image_on_another_machine(firmware):
    """What `nr image` makes without options, from a CD on a chipset that nr never uses, with one serial port for all."""
    source = description("debian-686", "image", bootargs="console=ttyS0 quiet mode=report nonce=9")
    image, serial = WORK / "another.iso", WORK / "another.serial"
    run = nr("image", "-o", image, source)
    assert run.status == DONE, run.text
    subprocess.run(["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg", "-machine",
                    "q35", "-cpu", "EPYC", "-smp", "2", "-m", "640", "-no-reboot", "-serial", f"file:{serial}", "-cdrom",
                    image, *firmware], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=SECONDS, check=False)
    text = serial.read_text(encoding="utf-8", errors="replace")
    for words in (marker(9).strip("^$"), "nullring: guest debian-686: powered off", "all guests have ended, status 0"):
        assert words in text, text


def test_two_guests_at_once():
    one, two = (description("debian-686", f"pair-{n}", model=f'"guest-{n}"') for n in (1, 2))
    run = boot("--machine", "svm", "--cpus", 2, "--append", "quiet mode=report nonce=5", one, two)
    assert run.status == DONE, run.text
    for name in ("guest-1", "guest-2"):
        assert f"nullring: guest {name}: powered off" in run.lines, run.text
