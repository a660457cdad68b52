"""The Debian installer and a Debian on a disk under the monitor, and the disk itself."""

import hashlib
import re

import pexpect
import pytest
from nullring import DONE, NR, SECONDS, TREE, boot, description

IMAGE = TREE / "build/examples/disk/disk.img"


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture
def image_unchanged():
    """The disk's image on the host is the same before and after."""
    before = digest(IMAGE)
    yield
    assert digest(IMAGE) == before


class Terminal:
    """A guest's console under a program that types."""

    def __init__(self, *arguments):
        self.process = pexpect.spawn(str(NR), ["boot", *map(str, arguments)], timeout=SECONDS, encoding="utf-8",
                                     codec_errors="replace")
        self.process.delaybeforesend = 0.2

    def log_in(self):
        self.process.expect("debian-disk login: ")
        self.process.send("root\r")
        self.process.expect(r"root@debian-disk:~# ")

    def command(self, line, seconds=SECONDS):
        """Runs a command in the guest's shell; returns what it printed."""
        self.process.send(f"{line}; echo end=$((6*7))=\r")
        self.process.expect("end=42=", timeout=seconds)
        text = self.process.before
        self.process.expect("# ")
        return text.split("\n", 1)[1] if "\n" in text else text

    def leave(self):
        self.process.send("\x01x")
        self.process.expect(pexpect.EOF)
        self.process.close()
        return self.process.exitstatus


def test_installer_reaches_its_first_menu():
    run = boot("--machine", "svm", "--cpus", 2, description("debian-installer", "installer", cpus=2),
               expect=["Select a language"])
    assert run.status == DONE, run.text


def test_disk_to_its_login(image_unchanged):
    run = boot("--machine", "svm", "--cpus", 2, description("debian-disk", "disk-login", cpus=2),
               expect=["debian-disk login: $"])
    assert run.status == DONE, run.text


def test_disk_with_its_own_grub_to_its_login(image_unchanged):
    """Natively, and on AHCI and virtio: tests/matrix.py."""
    run = boot("--machine", "svm", description("debian-pc", "disk-pc"), expect=["GNU GRUB +version", "debian-disk login: $"])
    assert run.status == DONE, run.text


def test_64_mib_in_the_systems_own_file(image_unchanged):
    """Through ext4 in the Debian of the disk; the file is not there in the next boot."""
    terminal = Terminal("--machine", "svm", description("debian-disk", "disk-file"))
    terminal.log_in()
    assert "No such file" in terminal.command("ls -l /pattern")
    written = terminal.command("head -c 64M /dev/urandom | tee /pattern | md5sum; sync")
    terminal.command("echo 3 >/proc/sys/vm/drop_caches")
    read = terminal.command("md5sum </pattern")
    sums = [re.search(r"[0-9a-f]{32}", text).group() for text in (written, read)]
    assert sums[0] == sums[1]
    assert terminal.leave() == DONE


def raw_disk(name, *options, **changes):
    """Without a file system: the disk's first 64 MiB before anything is written, then written and read back."""
    return boot("--machine", "svm", *options, "--append", "mode=disk",
                description("debian-disk", name, bootargs="console=ttyS0 quiet", **changes))


def test_two_boots_start_from_the_same_bytes(image_unchanged):
    with open(IMAGE, "rb") as file:
        expected = hashlib.md5(file.read(64 << 20)).hexdigest()
    for name in ("disk-first", "disk-second"):
        run = raw_disk(name)
        assert run.status == DONE, run.text
        assert f"disk before: {expected}" in run.console, run.text
        assert "DISK GOOD" in run.console, run.text


def test_an_overlay_that_runs_full(image_unchanged):
    """The guest gets an I/O error, the log a sentence, and the guest goes on to its own end."""
    run = raw_disk("disk-full", overlay_mib="<8>")
    assert run.status == DONE, run.text
    assert "DISK BAD" in run.console and re.search("I/O error", run.console), run.text
    assert "disk0: its overlay is full" in run.lines, run.text
    assert ": powered off" in run.lines, run.text
