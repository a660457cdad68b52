"""The Debian installer and a Debian on a disk under the monitor, and the disk itself."""

import hashlib
import os
import re
import subprocess
import time

import pexpect
import pytest
from nullring import DONE, NR, SECONDS, TREE, UNEXPECTED, boot, description

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

    def __init__(self, *arguments, directory=None):
        self.environment = dict(os.environ, **({"XDG_RUNTIME_DIR": str(directory)} if directory else {}))
        self.process = pexpect.spawn(str(NR), ["boot", *map(str, arguments)], timeout=SECONDS, encoding="utf-8",
                                     codec_errors="replace", env=self.environment)
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

    def nr(self, *words):
        """A command to the run, if it has a directory of its own."""
        run = subprocess.run([NR, *map(str, words)], env=self.environment, capture_output=True, text=True, timeout=SECONDS,
                             check=False)
        return run.returncode, run.stderr

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


def make_disc(directory, name):
    """A CD with one file, which holds its name."""
    folder, path = directory / name, directory / f"{name}.iso"
    folder.mkdir()
    (folder / "which").write_text(f"disc {name}\n")
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-V", name, "-o", path, folder], check=True, stderr=subprocess.DEVNULL)
    return path


def press(terminal, *words):
    """udev locks each disc, and opens the tray when it learns that somebody has pressed the button: then it goes."""
    end = time.monotonic() + SECONDS
    while (result := terminal.nr(*words))[0] != DONE:
        assert "the guest has locked cd0" in result[1] and time.monotonic() < end, result
        time.sleep(1)


def change_discs(terminal):
    """A disc that is mounted is locked, and comes out all the same; the next one is another."""
    mount = "until mount -r /dev/sr0 /mnt 2>/dev/null; do sleep 0.2; done; cat /mnt/which; umount /mnt"
    assert "disc one" in terminal.command(mount)
    terminal.command("mount -r /dev/sr0 /mnt")
    status, lines = terminal.nr("eject", "debian-disk", "cd0")
    assert status == UNEXPECTED and "the guest has locked cd0" in lines, lines
    press(terminal, "insert", "debian-disk", "cd0", "two.iso")
    terminal.command("umount /mnt")
    assert "disc two" in terminal.command(mount)
    assert terminal.nr("eject", "--force", "debian-disk", "cd0") == (DONE, "")
    assert "disc" not in terminal.command("mount -r /dev/sr0 /mnt && cat /mnt/which")


def test_64_mib_in_the_systems_own_file(image_unchanged, tmp_path):
    """Through ext4 in the Debian of the disk; the file is not there in the next boot. And a CD drive whose discs are changed."""
    path = description("debian-disk", "disk-file")
    one, two = make_disc(tmp_path, "one"), make_disc(tmp_path, "two")
    path.write_text(path.read_text().replace(
        "    disk0 {", f'    cd0 {{ compatible = "nullring,ide-cd"; image = "{one}"; others = "{two}"; }};\n    disk0 {{'))
    terminal = Terminal("--machine", "svm", path, directory=tmp_path)
    terminal.log_in()
    change_discs(terminal)
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
