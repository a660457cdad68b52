"""What README.md shows works: each of its commands is in the table below, and is run here or is what runs this.

`make run` is run as a user has it, without a terminal and with one.
"""

import os
import re
import subprocess

import pexpect
import pytest
from nullring import DONE, NR, TREE, WORK

# By itself, and not as a part of the `make` that runs the tests.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
SECONDS = 300
SUMMARY = r"nr: debian-686 on svm: [\d.]+ s, [\d.]+ s of processor time \(([\d.]+) before the monitor, ([\d.]+) before the guest\), status 0"
KEY = "\x01"


def shown_commands():
    """The indented lines of README.md that begin with a program."""
    text = (TREE / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^ {4}((?:make|build/nr)\b.*?)(?: +#.*)?$", text, re.M)
    return [line.strip() for line in lines]


def shell(command, expected=DONE):
    run = subprocess.run(["bash", "-c", command], cwd=TREE, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True,
                         text=True, errors="replace", timeout=SECONDS, check=False)
    assert run.returncode == expected, run.stdout + run.stderr
    return run


def runs(command):
    shell(command)


def shows_goals(command):
    out = shell(command).stdout
    for goal in ("make run ", "make test ", "make bench ", "make check ", "make clean "):
        assert goal in out, out


def boots_to_a_shell(command):
    """On a terminal; left by the key that README.md names."""
    terminal = pexpect.spawn("bash", ["-c", command], cwd=TREE, env=ENVIRONMENT, timeout=SECONDS, encoding="utf-8",
                             codec_errors="replace")
    terminal.expect("guest:/# ")
    terminal.send(KEY + "x")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == DONE


def makes_an_image(command):
    WORK.mkdir(parents=True, exist_ok=True)
    image = WORK / "shown.iso"
    image.unlink(missing_ok=True)
    shell(command.replace("debian.iso", str(image)))
    assert image.stat().st_size > 1 << 20


def keeps_consoles(command):
    """Two test kernels, each with a file of what it said."""
    out = WORK / "consoles"
    for name in ("A", "B"):
        guest = TREE / "build/guests/segments.elf" if name == "A" else TREE / "build/guests/ports.elf"
        command = command.replace(f"{name}.dts", str(WORK / f"{name}.dts"))
        (WORK / f"{name}.dts").write_text(
            f'/dts-v1/; / {{ compatible = "nullring,guest"; model = "{name}"; memory {{ size-mib = <64>; }}; '
            f'chosen {{ loader = "multiboot"; kernel = "{guest}"; bootargs = "nonce=1"; }}; }};', encoding="utf-8")
    shell(command.replace(" out ", f" {out} "))
    assert "GUEST segments" in (out / "A").read_text() and "GUEST ports" in (out / "B").read_text()


def elsewhere(_command):
    """Covered by a test of its own below, or it is what runs this one."""


COMMANDS = {
    "make run": elsewhere,
    "make test": elsewhere,
    "make test-matrix": elsewhere,
    "make help": shows_goals,
    "make examples": runs,
    "build/nr check examples/*.dts": runs,
    "build/nr boot examples/debian-686.dts": boots_to_a_shell,
    "build/nr boot --expect 'login:' examples/debian-disk.dts": runs,
    "build/nr boot --machine vmx:penryn examples/debian-686.dts": elsewhere,  # test_generations.py
    "build/nr boot --machine native examples/debian-686.dts": boots_to_a_shell,
    "build/nr boot --console-dir out A.dts B.dts": keeps_consoles,
    "build/nr pause debian-686": elsewhere,  # test_control.py
    "build/nr inspect debian-686": elsewhere,
    "build/nr resume debian-686": elsewhere,
    "build/nr gdb debian-686": elsewhere,  # test_gdb.py
    "build/nr disk list debian-686": elsewhere,  # test_control.py
    "build/nr disk pull debian-686 disk0 -o disk.img": elsewhere,
    "build/nr image -o debian.iso examples/debian-686.dts": makes_an_image,
}


def test_each_command_is_known():
    assert sorted(shown_commands()) == sorted(COMMANDS)


@pytest.mark.parametrize("command", [command for command, how in COMMANDS.items() if how is not elsewhere])
def test_command(command):
    COMMANDS[command](command)


def test_goals_that_documents_name():
    """make GOAL in any document is a goal of the Makefile."""
    documents = [TREE / "README.md", TREE / "CONTRIBUTING.md", *sorted((TREE / "docs").glob("*.md"))]
    goals = {goal for path in documents for goal in re.findall(r"`make ([a-z][\w-]*)", path.read_text(encoding="utf-8"))}
    assert goals
    known = subprocess.run(["make", "-npq"], cwd=TREE, env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS,
                           check=False).stdout
    for goal in goals:
        stem = re.sub(r"_NAME$", "_pic", goal)
        assert re.search(rf"^{re.escape(stem)}:", known, re.M), goal


def test_the_description_in_the_document_about_windows(tmp_path):
    """As it stands there, beside the two files that it names; and the test kernels of the table are there."""
    text = (TREE / "docs/windows.md").read_text(encoding="utf-8")
    source, = re.findall(r"^```dts\n(.*?)^```$", text, re.M | re.S)
    (tmp_path / "windows.dts").write_text(source)
    for name in ("windows.iso", "disk.img"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(1 << 21)
    run = subprocess.run([NR, "check", tmp_path / "windows.dts"], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert run.returncode == DONE, run.stderr
    cells = re.findall(r"^\|.*\| (.*) \|$", text, re.M)
    names = [name for cell in cells for name in re.findall(r"`([a-z0-9_*]+)`", cell)]
    assert len(names) > 20
    for name in names:
        assert list((TREE / "tests/guests").glob(f"{name}/main.c")), name


def test_make_run_without_a_terminal():
    """The guest says what it runs on and powers itself off; the last line says what ran and how long it took."""
    run = shell("make run </dev/null")
    for words in (r"^Linux \S+ 6\.\d\S*-686 .*GNU/Linux", r"^processor\s+: 0", r"^model name\s+: ", r"^MemTotal: +\d+ kB",
                  r"^disk: vda 8192 sectors", r"^MARKER \d+"):
        assert re.search(words, run.stdout, re.M), run.stdout
    summary = re.fullmatch(SUMMARY, run.stderr.strip().splitlines()[-1])
    assert summary, run.stderr
    assert 0 < float(summary[1]) < float(summary[2]), "the guest starts behind the monitor's first word"


def test_make_run_on_a_terminal():
    """Ctrl-a h lists the keys, and each of them does what the list says."""
    terminal = pexpect.spawn("make", ["run"], cwd=TREE, env=ENVIRONMENT, timeout=SECONDS, encoding="utf-8",
                             codec_errors="replace")
    terminal.expect("guest:/# ")
    terminal.send(KEY + "h")
    for words in ("Ctrl-a h", "Ctrl-a n", "Ctrl-a b", "Ctrl-a Ctrl-a", "Ctrl-a m", "Ctrl-a x"):
        terminal.expect_exact(words)
    terminal.send("\recho $((6 * 7))ok\r")
    terminal.expect("\r\n42ok")
    terminal.send(KEY + "m")
    terminal.expect("nullring> ")
    terminal.send("list\r")
    terminal.expect(r"\* debian-686 +running")
    terminal.send("\r")
    terminal.send("\recho 1 >/proc/sys/kernel/sysrq; echo 8 >/proc/sys/kernel/printk; echo re''ady\r")
    terminal.expect("ready")
    terminal.send(KEY + "b")
    terminal.send("h")
    terminal.expect("sysrq: HELP")
    terminal.send("\rdd bs=1 count=1 2>/dev/null | od -An -tx1\r")
    terminal.expect("od -An -tx1\r\n")
    terminal.send(KEY + KEY + "\r")
    terminal.expect(" 01\r\n")
    terminal.send(KEY + "x")
    terminal.expect(SUMMARY)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == DONE


def test_why_and_needs():
    """--why shows exits and the flight recorder, --needs the accesses that nobody claimed."""
    run = subprocess.run([NR, "boot", "--why", "--needs", "--append", "quiet mode=off", "examples/debian-686.dts"], cwd=TREE,
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=SECONDS,
                         check=False)
    assert run.returncode == DONE, run.stderr
    for words in (r"guest debian-686: info: powered off, 1 vCPUs, \d+ upcalls", r"info: +\d+ exits: I/O",
                  r"why: the last exits of vCPU 0, oldest first:", r"why: +\d+ us before the last: ",
                  r"needs: \d+ kinds of access that nobody claimed", r"needs: \S.* 0x[0-9a-f]+, \d+ times"):
        assert re.search(words, run.stderr), run.stderr
