"""nr's streams, signals, tools and temporary files, when things go wrong. The emulator is a stand-in, a script of that name, which
does in no time what a guest would take long for; it gets the sockets that QEMU would get."""

import fcntl
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import termios
import threading
import time

import pytest
from nullring import DONE, MISSING_TOOL, NR, TIMEOUT, TREE, UNEXPECTED, USAGE

EXAMPLE = TREE / "examples" / "debian-686.dts"
SECONDS = 60

EMULATOR = """#!/usr/bin/python3 -I
import os, re, sys, time
fd = {name: int(number) for name, number in re.findall(r"socket,id=(\\w+),fd=(\\d+)", " ".join(sys.argv))}
os.write(fd["control"], b'{"QMP": {}}\\n')
def say(text):
    while text:
        text = text[os.write(fd["console"], text):]
"""

FLOOD = "while True: say(b'all work and no play\\n' * 1000)\n"
# As much as nr, the pipe and the socket hold cannot be on its way all at once.
NUMBERS = b"".join(b"%d\n" % i for i in range(200000))
COUNT = "say(b''.join(b'%d\\n' % i for i in range(200000)))\n"


@pytest.fixture(name="tools")
def tools_fixture(tmp_path):
    """A folder that comes first in PATH; its image tool makes an empty image."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (tmp_path / "tmp").mkdir()
    add(folder, "grub-mkrescue", "#!/bin/sh\nwhile [ \"$1\" != -o ]; do shift; done\n: > \"$2\"\n")
    return folder


def add(folder, name, text):
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def environment(tools):
    return os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "TMPDIR": str(tools.parent / "tmp")}


def left_behind(tools):
    return list((tools.parent / "tmp").iterdir())


def start(tools, emulator, *options, **named):
    add(tools, "qemu-system-x86_64", EMULATOR + emulator)
    named = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | named
    return subprocess.Popen([NR, "boot", "--machine", "native", *options, EXAMPLE], env=environment(tools), **named)


def wait_until_full(pipe):
    """The reader stands still, and the pipe has not got fuller for a second."""
    before, now = -1, 0
    while before != now or now == 0:
        before = now
        time.sleep(1)
        now, = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))


def test_time_runs_out_though_nobody_reads(tools):
    process = start(tools, FLOOD, "--timeout", "3")
    assert process.wait(timeout=SECONDS) == TIMEOUT
    assert b"3 s are over" in process.stderr.read()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_that_nobody_reads(number, tools):
    process = start(tools, FLOOD)
    wait_until_full(process.stdout)
    process.send_signal(number)
    assert process.wait(timeout=SECONDS) == UNEXPECTED
    assert b"interrupted" in process.stderr.read()


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, UNEXPECTED), (None, TIMEOUT)])
def test_one_reader_of_both_streams_that_stands_still(number, status, tools):
    """As `nr boot ... 2>&1 | less`; the monitor's log is never at its end."""
    flood = "while True: os.write(fd['log'], b'nullring: all work and no play\\n' * 100)\n"
    (tools.parent / "nullring").write_text("a monitor\n")
    process = start(tools, flood, "--machine", "svm", "--monitor", tools.parent / "nullring", "--timeout", "5",
                    stderr=subprocess.STDOUT)
    if number:
        wait_until_full(process.stdout)
        process.send_signal(number)
    assert process.wait(timeout=SECONDS) == status
    assert not left_behind(tools)


def test_what_is_left_is_shown_when_somebody_reads_again(tools):
    process = start(tools, COUNT)
    wait_until_full(process.stdout)
    assert process.communicate(timeout=SECONDS)[0] == NUMBERS
    assert process.returncode == DONE


def test_a_reader_that_never_goes_on_costs_the_time_only(tools):
    process = start(tools, "say(b'0' * 150000)\n", "--timeout", "3")
    assert process.wait(timeout=SECONDS) == TIMEOUT
    assert b"stdout has not taken all" in process.stderr.read()


def test_a_stdout_that_does_not_block_loses_nothing(tools):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    process = start(tools, COUNT, stdout=writer)
    os.close(writer)
    wait_until_full(reader)
    with os.fdopen(reader, "rb") as file:
        assert file.read() == NUMBERS
    assert process.wait(timeout=SECONDS) == DONE


def test_a_reader_that_goes_away_ends_the_run(tools):
    process = start(tools, FLOOD)
    process.stdout.read(1)
    process.stdout.close()
    assert process.wait(timeout=SECONDS) == UNEXPECTED
    assert b"stdout takes no more of the console: Broken pipe" in process.stderr.read()
    assert not left_behind(tools)


def test_a_reader_that_goes_away_from_a_silent_guest_ends_the_run(tools):
    process = start(tools, "say(b'x')\ntime.sleep(1000)\n")
    process.stdout.read(1)
    process.stdout.close()
    assert process.wait(timeout=SECONDS) == UNEXPECTED
    assert not left_behind(tools)


def test_a_full_disk_under_stdout_ends_the_run(tools):
    with open("/dev/full", "wb") as full:
        process = start(tools, FLOOD, stdout=full)
    assert process.wait(timeout=SECONDS) == UNEXPECTED
    assert b"No space left" in process.stderr.read()


def test_tools_have_the_usual_signals(tools):
    """A tool in a pipeline of its own ends when its reader does."""
    add(tools, "grub-mkrescue", "#!/bin/sh\nyes | head -1; grep SigIgn /proc/self/status; exit 1\n")
    process = start(tools, "")
    lines = process.communicate(timeout=SECONDS)[1].decode()
    ignored, = [line.split()[1] for line in lines.splitlines() if line.startswith("SigIgn")]
    assert not int(ignored, 16) >> (signal.SIGPIPE - 1) & 1


SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_amid_a_tool_ends_it_and_leaves_nothing(number, tools):
    """Ctrl-C amid the image's making; the tool has a child that is writing, as grub-mkrescue has xorriso."""
    add(tools, "grub-mkrescue", "#!/bin/sh\n(while :; do date > \"$TMPDIR/$$\"; done) &\necho $! > %s/pid.new\n"
        "mv %s/pid.new %s/pid\nwait\n" % ((tools.parent,) * 3))
    process = start(tools, "")
    deadline = time.monotonic() + SECONDS
    while not (tools.parent / "pid").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert left_behind(tools)
    process.send_signal(number)
    assert process.wait(timeout=SECONDS) == UNEXPECTED
    assert b"interrupted" in process.stderr.read()
    assert not left_behind(tools)
    assert not pathlib.Path("/proc", (tools.parent / "pid").read_text().strip()).exists()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_amid_a_run_leaves_nothing(number, tools):
    process = start(tools, "say(b'x')\ntime.sleep(1000)\n")
    process.stdout.read(1)
    process.send_signal(number)
    assert process.wait(timeout=SECONDS) == UNEXPECTED
    assert not left_behind(tools)


def test_a_tool_that_a_signal_ends_is_said(tools):
    add(tools, "grub-mkrescue", "#!/bin/sh\nkill -9 $$\n")
    process = start(tools, "")
    lines = process.communicate(timeout=SECONDS)[1].decode()
    assert process.returncode == UNEXPECTED
    assert "grub-mkrescue was ended by signal 9 (Killed)" in lines
    assert not left_behind(tools)


def test_an_end_amid_the_preparations_leaves_nothing(tools):
    process = start(tools, "", "--emulator", "word " * 100)
    assert b"command line is too long" in process.communicate(timeout=SECONDS)[1]
    assert process.returncode == UNEXPECTED
    assert not left_behind(tools)


def make_image(tools, output, path=None):
    words = environment(tools) | ({"PATH": path} if path else {})
    return subprocess.run([NR, "image", "-o", output, EXAMPLE], env=words, capture_output=True, text=True, timeout=SECONDS,
                          check=False)


@pytest.mark.parametrize("name, package", [("xorriso", "xorriso"), ("mformat", "mtools"), ("mcopy", "mtools"),
                                           ("grub-mkrescue", "grub-common grub-pc-bin grub-efi-amd64-bin")])
def test_a_tool_of_the_image_that_is_missing(name, package, tools):
    present = tools.parent / "present"
    present.mkdir()
    for tool in {"dtc", "gzip", "xorriso", "mformat", "mcopy", "grub-mkrescue"} - {name}:
        (present / tool).symlink_to(shutil.which(tool))
    run = make_image(tools, tools.parent / "out.iso", str(present))
    assert run.returncode == MISSING_TOOL, run.stderr
    assert f"{name} is not installed; install its package: apt-get install {package}\n" in run.stderr
    assert not (tools.parent / "out.iso").exists()


def test_an_image_that_cannot_be_finished(tools):
    add(tools, "grub-mkrescue", "#!/bin/sh\nwhile [ \"$1\" != -o ]; do shift; done\necho half > \"$2\"\n"
        "echo No space left on device >&2\nexit 1\n")
    run = make_image(tools, tools.parent / "out.iso")
    assert run.returncode == UNEXPECTED, run.stderr
    assert "No space left" in run.stderr and "grub-mkrescue failed" in run.stderr
    assert not (tools.parent / "out.iso").exists()


def test_an_image_that_cannot_be_written(tools):
    for output in (tools.parent / "nowhere" / "out.iso", tools):
        run = make_image(tools, output)
        assert run.returncode == USAGE, run.stderr
        assert f"{output}: the image cannot be written: " in run.stderr


def test_missing_uefi_firmware(tools):
    """In a mount namespace whose folder of the firmware is empty."""
    hidden = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs none /usr/share/ovmf && exec "$@"', "sh"]
    if subprocess.run(hidden + ["true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespaces here")
    for machine in ("svm", "native"):
        run = subprocess.run(hidden + [NR, "boot", "--machine", machine, "--firmware", "uefi", EXAMPLE], env=environment(tools),
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert run.returncode == MISSING_TOOL, run.stderr
        assert "apt-get install ovmf" in run.stderr
