"""nr itself: its statuses and messages, and that it leaves nothing behind. On the bare emulator, which starts fastest."""

import hashlib
import os
import pathlib
import signal
import subprocess
import time

import pexpect
import pytest
from nullring import DONE, MISSING_TOOL, NR, TIMEOUT, TREE, UNEXPECTED, USAGE, boot, description, emulators_of, marker, nr

EXAMPLE = TREE / "examples" / "debian-686.dts"


@pytest.mark.parametrize("arguments, words", [
    ([], "COMMAND"),
    (["bot"], 'no command "bot"'),
    (["boot"], "no guest description"),
    (["boot", "--cpus", "0", EXAMPLE], "--cpus 0: a number from 1"),
    (["boot", "--memory", "much", EXAMPLE], "--memory much"),
    (["boot", "--machine", "vax", EXAMPLE], "there are svm, svm:no-npt, vmx[:MODEL], bochs-svm[:MODEL], native and"),
    (["boot", "--machine", "vmx:vax", EXAMPLE], "there is no such model; the models are corei7_haswell_4770,"),
    (["boot", "--expect", "(", EXAMPLE], "--expect '('"),
    (["boot", "--firmware", "coreboot", EXAMPLE], "bios or uefi"),
    (["boot", "nowhere.dts"], "nowhere.dts: cannot be read"),
    (["boot", "--monitor", "/nowhere", EXAMPLE], "/nowhere: the monitor cannot be read"),
    (["image", EXAMPLE], "no output given"),
    (["image", "-o", "x.iso"], "no guest description"),
])
def test_wrong_usage(arguments, words):
    run = nr(*arguments)
    assert run.status == USAGE, run.text
    assert words in run.lines, run.text


def test_help_says_it_all():
    for arguments in (["--help"], ["boot", "--help"], ["image", "--help"]):
        run = nr(*arguments)
        assert run.status == DONE and "Usage: nr" in run.console, run.text


def test_a_missing_tool_is_named_with_its_package(tmp_path):
    run = subprocess.run([NR, "boot", "--machine", "native", EXAMPLE], env={"PATH": str(tmp_path)}, capture_output=True,
                         check=False)
    assert run.returncode == MISSING_TOOL and b"apt-get install" in run.stderr, run.stderr


@pytest.mark.parametrize("machine", ["native", "native:bochs"])
@pytest.mark.parametrize("words", ['dyndbg="file x.c +p"', "name='x'", r"back\\slash"])
def test_words_that_grub_would_change_are_refused_natively(machine, words):
    run = nr("boot", "--machine", machine, "--append", words, EXAMPLE)
    assert run.status == USAGE, run.text
    assert "debian-686.dts: /chosen bootargs: without the monitor a quote or backslash does not reach the guest" in run.lines


def test_time_runs_out():
    begin = time.monotonic()
    run = boot("--machine", "native", EXAMPLE, expect=["never said"], seconds=3)
    assert run.status == TIMEOUT, run.text
    assert "not seen: never said" in run.lines, run.text
    assert time.monotonic() - begin < 20


def test_the_guest_ends_without_what_was_expected():
    run = boot("--machine", "native", "--append", "quiet mode=report", EXAMPLE, expect=["^processors: 1$", "^processors: 1$"])
    assert run.status == UNEXPECTED, run.text


def test_expectations_come_in_order():
    run = boot("--machine", "native", "--append", "quiet mode=report nonce=1", EXAMPLE, expect=["MemTotal", marker(1)])
    assert run.status == UNEXPECTED, run.text


def test_a_machine_too_small_is_said():
    run = boot("--machine", "native", "--memory", 8, EXAMPLE)
    assert run.status == UNEXPECTED and "GRUB could not load" in run.lines, run.text


def test_log_has_the_console(tmp_path):
    log = tmp_path / "log"
    run = boot("--machine", "native", "--log", log, "--append", "quiet mode=report nonce=4", EXAMPLE)
    assert run.status == DONE, run.text
    assert log.read_bytes().decode() == run.console
    assert "MARKER 31" in run.console, run.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_emulator_is_left_behind(number, tmp_path):
    process = subprocess.Popen([NR, "boot", "--machine", "native", EXAMPLE], stdin=subprocess.DEVNULL,
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
        assert not list(pathlib.Path(tmp_path).iterdir())


def test_a_shell_on_the_terminal():
    """Typing reaches the guest, Ctrl-a x leaves with status 0, and Ctrl-a with another key is the guest's or monitor's."""
    terminal = pexpect.spawn(str(NR), ["boot", "--machine", "native", "--append", "quiet", str(EXAMPLE)], timeout=120)
    terminal.expect("guest:/# ")
    terminal.send("echo $((6 * 7))ok\r")
    terminal.expect("\r\n42ok")
    terminal.send("\x01x")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == DONE


def test_the_image_holds_the_packages_files_unchanged(tmp_path):
    image = tmp_path / "out.iso"
    run = nr("image", "-o", image, "--monitor", NR, description("debian-686", "image"))
    assert run.status == DONE, run.text
    subprocess.run(["xorriso", "-osirrox", "on", "-indev", image, "-extract", "/files", tmp_path / "files", "-extract",
                    "/boot/grub/grub.cfg", tmp_path / "grub.cfg"], check=True, capture_output=True)
    names = (tmp_path / "grub.cfg").read_text()
    assert "multiboot2 /files/0 'console=com1'" in names
    assert "module2 --nounzip /files/1 'debian-686.dtb'" in names
    assert "module2 --nounzip /files/2 'debian-686:../examples/686/vmlinuz'" in names
    for number, original in ((2, "vmlinuz"), (3, "initrd.gz")):
        inside = (tmp_path / "files" / str(number)).read_bytes()
        outside = (TREE / "build/examples/686" / original).read_bytes()
        assert hashlib.sha256(inside).digest() == hashlib.sha256(outside).digest()
