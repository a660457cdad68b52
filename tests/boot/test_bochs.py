"""Bochs as a machine of nr: how runs end, what reaches the terminal and the guest, and that nothing is left behind."""

import os
import signal
import subprocess
import time

import pexpect
import pytest
from nullring import BUILD, DONE, MISSING_TOOL, NR, TIMEOUT, TREE, UNEXPECTED, USAGE, WORK, boot, emulators_of

# Small test kernels: one ends by itself, one runs for some minutes.
ENDS, RUNS_ON = "ports", "neighbour"


def kernel(name):
    WORK.mkdir(parents=True, exist_ok=True)
    path = WORK / f"bochs-{name}.dts"
    path.write_text(f"""/dts-v1/;
/ {{
    compatible = "nullring,guest";
    model = "{name}";
    memory {{ size-mib = <64>; }};
    cpus {{ count = <1>; }};
    chosen {{ loader = "multiboot"; kernel = "{BUILD}/guests/{name}.elf"; bootargs = "nonce=1"; }};
}};
""")
    return path


@pytest.mark.parametrize("machine, words", [
    ("vmx:corei7", "more than one model is called so"),
    ("bochs-svm:haswell", "there is no such model; the models are ryzen,"),
    ("native:bochs:", "there is no such model"),
    ("vmx ", "there is no such machine"),
])
def test_wrong_models(machine, words):
    run = boot("--machine", machine, kernel(ENDS))
    assert run.status == USAGE and words in run.lines, run.text


def test_firmware_is_a_bios():
    run = boot("--machine", "vmx", "--firmware", "uefi", kernel(ENDS))
    assert run.status == USAGE and "BIOS only" in run.lines, run.text


@pytest.mark.parametrize("machine", ["bochs-svm", "native:bochs:ryzen"])
def test_a_guest_runs_to_its_end(machine, tmp_path):
    """The console alone on standard output; the log's file has console and log; the processor's model in full."""
    log = tmp_path / "log"
    run = boot("--machine", machine, "--log", log, kernel(ENDS))
    assert run.status == DONE, run.text
    assert run.console.replace("\r", "").startswith("\nGUEST ports\n"), run.text
    assert "\nDONE " in run.console and "nullring:" not in run.console, run.text
    assert " on bochs-svm:ryzen: " in run.lines or " on native:bochs:ryzen: " in run.lines, run.text
    assert ("all guests have ended, status 0" in run.lines) == (machine == "bochs-svm"), run.text
    assert "GUEST ports" in log.read_text(encoding="utf-8"), run.text


def test_expectation():
    run = boot("--machine", "bochs-svm:phenom", kernel(ENDS), expect=["^GUEST ports$"])
    assert run.status == DONE, run.text
    run = boot("--machine", "bochs-svm:phenom", kernel(ENDS), expect=["^never said$"])
    assert run.status == UNEXPECTED and "not seen: ^never said$" in run.lines, run.text


def test_time_runs_out():
    run = boot("--machine", "native:bochs", kernel(RUNS_ON), expect=["never said"], seconds=4)
    assert run.status == TIMEOUT, run.text


def test_a_reset_ends_a_native_run():
    run = boot("--machine", "native:bochs", kernel("reset_cf9"))
    assert run.status == DONE and run.console.count("GUEST reset_cf9") == 1, run.text
    run = boot("--machine", "native:bochs", kernel("triple_fault"))
    assert run.status == DONE and run.console.count("GUEST triple_fault") == 1, run.text


def test_what_grub_cannot_load_is_said():
    run = boot("--machine", "native:bochs", "--memory", 8, TREE / "examples" / "debian-686.dts")
    assert run.status == UNEXPECTED and "GRUB could not load" in run.lines, run.text


def test_words_for_bochs_reach_its_configuration():
    run = boot("--machine", "native:bochs", "--emulator", "megs: none; vga: extension=none", kernel(ENDS))
    assert run.status == UNEXPECTED and "the emulator says:" in run.lines and "did not start" in run.lines, run.text


def test_missing_tools_are_named(tmp_path):
    """Bochs hidden, everything that makes the image still there."""
    for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
        for program in os.scandir(folder):
            if not program.name.startswith("bochs") and not os.path.lexists(tmp_path / program.name):
                os.symlink(program.path, tmp_path / program.name)
    run = subprocess.run([NR, "boot", "--machine", "vmx", kernel(ENDS)], env={"PATH": str(tmp_path)}, stdin=subprocess.DEVNULL,
                         capture_output=True, check=False)
    assert run.returncode == MISSING_TOOL, run.stderr
    assert b"apt-get install bochs bochsbios vgabios" in run.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind(number, tmp_path):
    process = subprocess.Popen([NR, "boot", "--machine", "native:bochs", kernel(RUNS_ON)], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"TMPDIR": str(tmp_path)})
    process.stdout.read(1)
    assert emulators_of(str(tmp_path))
    process.send_signal(number)
    process.communicate(timeout=20)
    deadline = time.monotonic() + 10
    while emulators_of(str(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not emulators_of(str(tmp_path))
    if number != signal.SIGKILL:
        assert process.returncode == UNEXPECTED
        assert not list(tmp_path.iterdir())


def test_side_by_side():
    command = [NR, "boot", "--machine", "bochs-svm", "--timeout", "200", kernel(ENDS)]
    runs = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(3)]
    consoles = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [DONE] * 3
    assert len(set(consoles)) == 1 and b"DONE" in consoles[0]


def test_keys_reach_the_machine():
    terminal = pexpect.spawn(str(NR), ["boot", "--machine", "bochs-svm", str(kernel(RUNS_ON))], timeout=200, encoding="utf-8")
    terminal.expect("GUEST neighbour")
    terminal.send("\x01m")
    terminal.expect("nullring> ")
    terminal.send("list\r")
    terminal.expect(r"\* neighbour +running")
    terminal.send("destroy\r")
    terminal.expect("killed: destroyed from the console")
    terminal.send("quit\r")
    terminal.expect("all guests have ended, status 1")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == UNEXPECTED
    terminal = pexpect.spawn(str(NR), ["boot", "--machine", "native:bochs", str(kernel(RUNS_ON))], timeout=200)
    terminal.expect("GUEST neighbour")
    terminal.send("\x01x")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == DONE
